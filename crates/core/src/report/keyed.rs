//! Lines with the place of their entry in the list, for a caller that joins the output of several runs.
//!
//! A record is the length of a key, the key, the length of a line, the line; lengths are 4 bytes, little-endian. A line
//! about no entry has an empty key.

use std::collections::BinaryHeap;
use std::io::{self, BufRead, Read, Write};

use super::Report;
use crate::event::Event;

/// The key of an entry: keys have the order of lists from protocol 29 on as plain bytes (spec: protocol 5.9).
///
/// Each directory above it, and a directory itself, is the byte 1, the name and a slash; any other last component is the
/// byte 0 and the name. The directory `.` is the byte 0 alone.
fn list_key(name: &[u8], is_dir: bool) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 8);
    let parts = || {
        name.split(|&byte| byte == b'/')
            .filter(|part| !part.is_empty() && *part != b".")
    };
    let count = parts().count();
    for (number, part) in parts().enumerate() {
        let file = number + 1 == count && !is_dir;
        key.push(u8::from(!file));
        key.extend_from_slice(part);
        if !file {
            key.push(b'/');
        }
    }
    if key.is_empty() {
        key.push(0);
    }
    key
}

fn record(key: &[u8], line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + line.len() + 8);
    for part in [key, line] {
        out.extend_from_slice(&(part.len() as u32).to_le_bytes());
        out.extend_from_slice(part);
    }
    out
}

impl Report {
    /// The event for the line of the entry with this name.
    pub(super) fn keyed_entry(&self, name: &[u8], is_dir: bool, line: Vec<u8>) -> Event {
        if self.shared.plan.output.events.keyed {
            Event::Entry(record(&list_key(name, is_dir), &line))
        } else {
            self.entry_text(line)
        }
    }

    /// The event for a line about a deletion, or about an entry that is only listed.
    pub(super) fn unkeyed_entry(&self, line: Vec<u8>) -> Event {
        if self.shared.plan.output.events.keyed {
            Event::Entry(record(&[], &line))
        } else {
            self.entry_text(line)
        }
    }
}

/// One file of records: its lines up to and including the next one that has a key.
struct Stream<R> {
    input: R,
    number: usize,
    key: Vec<u8>,
    lines: Vec<u8>,
}

/// Longest key or line: a line holds a name, and what a format puts around it.
const LONGEST: u32 = 1 << 24;

/// One part of a record; `None` at the end of the file.
fn part(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    if input.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    let mut bytes = vec![0; length as usize];
    input.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

impl<R: BufRead> Stream<R> {
    /// Read up to the next line with a key. `false`: nothing is left.
    fn advance(&mut self) -> io::Result<bool> {
        self.lines.clear();
        while let Some(key) = part(&mut self.input)? {
            let line = part(&mut self.input)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            self.lines.extend_from_slice(&line);
            if !key.is_empty() {
                // Lines of one run keep their order, whatever their keys are.
                self.key = key.max(std::mem::take(&mut self.key));
                return Ok(true);
            }
        }
        // Lines at the end of a run stand behind all others.
        self.key = vec![0xff];
        Ok(!self.lines.is_empty())
    }
}

impl<R> PartialEq for Stream<R> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl<R> Eq for Stream<R> {}
impl<R> PartialOrd for Stream<R> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<R> Ord for Stream<R> {
    /// The heap's first is the greatest, so the smallest key is the greatest stream.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&other.key, other.number).cmp(&(&self.key, self.number))
    }
}

/// Merge files of records into the lines of all, in the order of their keys. A line without a key stands before the next
/// line of its file.
///
/// Errors: those of reading and writing; `InvalidData` for a file that holds no records, `UnexpectedEof` for a torn one.
pub fn merge_lines<R: Read>(inputs: impl IntoIterator<Item = R>, output: &mut impl Write) -> io::Result<()> {
    let mut heap = BinaryHeap::new();
    for (number, input) in inputs.into_iter().enumerate() {
        let mut stream = Stream {
            input: io::BufReader::new(input),
            number,
            key: Vec::new(),
            lines: Vec::new(),
        };
        if stream.advance()? {
            heap.push(stream);
        }
    }
    while let Some(mut stream) = heap.pop() {
        output.write_all(&stream.lines)?;
        if stream.advance()? {
            heap.push(stream);
        }
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flist::order::{compare, Key};

    #[test]
    fn keys_have_the_order_of_lists() {
        let names: &[(&[u8], bool)] = &[
            (b".", true),
            (b"a", false),
            (b"a", true),
            (b"a-b", true),
            (b"a-b/x", false),
            (b"a/b", false),
            (b"a/b", true),
            (b"a/b/c", false),
            (b"a/\xff", false),
            (b"b", false),
            (b"ab", true),
            (b"ab/c", true),
            (b"z", true),
        ];
        for (a, a_dir) in names {
            for (b, b_dir) in names {
                let keys = list_key(a, *a_dir).cmp(&list_key(b, *b_dir));
                assert_eq!(
                    keys,
                    compare(&Key::of(a, *a_dir), &Key::of(b, *b_dir), 29),
                    "{a:?} {b:?}"
                );
            }
        }
    }

    fn records(lines: &[(&str, &str)]) -> Vec<u8> {
        lines
            .iter()
            .flat_map(|(k, l)| record(k.as_bytes(), l.as_bytes()))
            .collect()
    }

    #[test]
    fn lines_of_several_runs_are_merged() -> io::Result<()> {
        let one = records(&[("a", "1"), ("", "2"), ("d", "3"), ("", "9")]);
        let two = records(&[("b", "x"), ("", "y"), ("c", "z")]);
        let mut out = Vec::new();
        merge_lines([&one[..], &[][..], &two[..]], &mut out)?;
        assert_eq!(out, b"1xyz239");
        // A line that comes late keeps its place in its run.
        let late = records(&[("b", "1"), ("a", "2"), ("c", "4")]);
        let other = records(&[("b", "3")]);
        out.clear();
        merge_lines([&late[..], &other[..]], &mut out)?;
        assert_eq!(out, b"1234");
        assert!(merge_lines([&one[..5]], &mut out).is_err());
        assert!(merge_lines([&[0xff; 9][..]], &mut out).is_err());
        Ok(())
    }
}
