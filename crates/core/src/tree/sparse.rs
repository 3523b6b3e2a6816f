//! Writing the content of a file from spans, with holes for zeros when asked (spec: transfer 6 `--sparse`).

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::data;

/// An inner run of zeros of this many bytes becomes a hole.
const RUN: usize = 1024;

/// Writes spans one behind the other, by position (the file's own offset is not used). Collect small pieces before:
/// each span is one write.
#[derive(Debug)]
pub(crate) struct Output<'f> {
    file: &'f File,
    at: u64,
    /// Zeros before `at` that are not in the file yet. They are collected, because the filesystem frees only whole
    /// blocks of a hole.
    zeros: u64,
    sparse: bool,
    /// Length of the old content: in it, a hole has to be punched.
    existing: u64,
    /// End of the furthest byte that is in the file.
    high: u64,
}

impl<'f> Output<'f> {
    /// Begin at `offset` in a file that has `existing` bytes (0 for a new one; for a preallocated and grown one, its
    /// length).
    pub(crate) fn new(file: &'f File, offset: u64, existing: u64, sparse: bool) -> Self {
        Self {
            file,
            at: offset,
            zeros: 0,
            sparse,
            existing,
            high: existing,
        }
    }

    /// Where the next span goes.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// Write a span: literal data, or a matched block that has to move.
    pub(crate) fn write(&mut self, span: &[u8]) -> io::Result<()> {
        if self.sparse {
            for_each_run(span, |range, zeros| {
                let part = &span[range];
                if zeros {
                    self.hole(part.len() as u64);
                    Ok(())
                } else {
                    self.data(part)
                }
            })
        } else {
            self.data(span)
        }
    }

    /// A matched block that is in its place already: what is in it is not written again, but its zeros become holes.
    pub(crate) fn stay(&mut self, span: &[u8]) -> io::Result<()> {
        if !self.sparse {
            return self.skip(span.len() as u64);
        }
        for_each_run(span, |range, zeros| {
            let len = range.len() as u64;
            if zeros {
                self.hole(len);
                Ok(())
            } else {
                self.skip(len)
            }
        })
    }

    /// Content that is in its place already.
    pub(crate) fn skip(&mut self, len: u64) -> io::Result<()> {
        self.punch()?;
        self.at = self.at.saturating_add(len);
        Ok(())
    }

    fn data(&mut self, part: &[u8]) -> io::Result<()> {
        self.punch()?;
        self.file.write_all_at(part, self.at)?;
        self.at = self.at.saturating_add(part.len() as u64);
        self.high = self.high.max(self.at);
        Ok(())
    }

    fn hole(&mut self, len: u64) {
        self.at = self.at.saturating_add(len);
        self.zeros = self.zeros.saturating_add(len);
    }

    /// Make the zeros that have gathered a hole, where something was.
    fn punch(&mut self) -> io::Result<()> {
        let zeros = std::mem::take(&mut self.zeros);
        if zeros > 0 {
            data::punch_hole(self.file, self.at - zeros, zeros, self.existing)?;
        }
        Ok(())
    }

    /// Give the file the length of what was written: a hole at the end needs it, and so does old content beyond.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.punch()?;
        if self.high != self.at {
            self.file.set_len(self.at)?;
        }
        Ok(self.at)
    }
}

/// Cut `span` into data and runs of zeros, in order: zeros at its ends however short, and inner runs of [`RUN`] bytes
/// or more.
fn for_each_run(span: &[u8], mut f: impl FnMut(Range<usize>, bool) -> io::Result<()>) -> io::Result<()> {
    let lead = leading_zeros(span);
    if lead == span.len() {
        return if lead > 0 { f(0..lead, true) } else { Ok(()) };
    }
    let end = span.len() - trailing_zeros(span);
    if lead > 0 {
        f(0..lead, true)?;
    }
    // Any run of RUN zeros covers one of the probed bytes, which are RUN apart.
    let (mut start, mut probe) = (lead, lead + RUN - 1);
    while probe < end {
        if span[probe] != 0 {
            probe += RUN;
            continue;
        }
        let from = probe - trailing_zeros(&span[start..probe]);
        let to = probe + leading_zeros(&span[probe..end]);
        if to - from >= RUN {
            f(start..from, false)?;
            f(from..to, true)?;
            start = to;
        }
        probe = to + RUN;
    }
    f(start..end, false)?;
    if end < span.len() {
        f(end..span.len(), true)?;
    }
    Ok(())
}

/// Comparing with a block of zeros is a memcmp, which is vectorised; a loop over bytes is not.
const BLOCK: usize = 256;
static ZEROS: [u8; BLOCK] = [0; BLOCK];

fn leading_zeros(bytes: &[u8]) -> usize {
    let mut at = 0;
    while bytes.len() - at >= BLOCK && bytes[at..at + BLOCK] == ZEROS {
        at += BLOCK;
    }
    at + bytes[at..].iter().position(|b| *b != 0).unwrap_or(bytes.len() - at)
}

fn trailing_zeros(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    while end >= BLOCK && bytes[end - BLOCK..end] == ZEROS {
        end -= BLOCK;
    }
    let last = bytes[..end].iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    bytes.len() - last
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs(span: &[u8]) -> Vec<(usize, usize, bool)> {
        let mut out = Vec::new();
        for_each_run(span, |r, z| {
            out.push((r.start, r.end, z));
            Ok(())
        })
        .unwrap();
        out
    }

    #[test]
    fn rules_of_runs() {
        let mut span = vec![b'A'; 100];
        span.extend(vec![0; 1023]);
        span.extend(vec![b'B'; 100]);
        span.extend(vec![0; 1024]);
        span.extend(vec![b'C'; 100]);
        span.extend(vec![0; 1025]);
        span.extend(vec![b'D'; 10]);
        span.extend(vec![0; 10]);
        assert_eq!(
            runs(&span),
            [
                (0, 1223, false),
                (1223, 2247, true),
                (2247, 2347, false),
                (2347, 3372, true),
                (3372, 3382, false),
                (3382, 3392, true)
            ]
        );
        assert_eq!(runs(b""), []);
        assert_eq!(runs(b"\0"), [(0, 1, true)]);
        assert_eq!(runs(b"\0x\0"), [(0, 1, true), (1, 2, false), (2, 3, true)]);
        assert_eq!(runs(&[0; 5000]), [(0, 5000, true)]);
    }

    /// The rule, said plainly.
    fn slow(span: &[u8]) -> Vec<(usize, usize, bool)> {
        let mut out: Vec<(usize, usize, bool)> = Vec::new();
        let mut at = 0;
        while at < span.len() {
            let zero = span[at] == 0;
            let mut to = at;
            while to < span.len() && (span[to] == 0) == zero {
                to += 1;
            }
            let hole = zero && (at == 0 || to == span.len() || to - at >= RUN);
            match out.last_mut() {
                Some(last) if !last.2 && !hole => last.1 = to,
                _ => out.push((at, to, hole)),
            }
            at = to;
        }
        out
    }

    proptest! {
        #[test]
        fn runs_are_as_said(pieces in proptest::collection::vec((any::<bool>(), 1usize..2500), 0..12)) {
            let mut span = Vec::new();
            for (zero, len) in pieces {
                span.resize(span.len() + len, if zero { 0 } else { b'x' });
            }
            prop_assert_eq!(runs(&span), slow(&span));
        }
    }

    fn written(old: &[u8], spans: &[&[u8]], sparse: bool) -> (Vec<u8>, u64) {
        use std::os::unix::fs::MetadataExt;
        let mut tmp = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut tmp, old).unwrap();
        let mut out = Output::new(tmp.as_file(), 0, old.len() as u64, sparse);
        for span in spans {
            out.write(span).unwrap();
        }
        out.finish().unwrap();
        (
            std::fs::read(tmp.path()).unwrap(),
            tmp.as_file().metadata().unwrap().blocks() * 512,
        )
    }

    #[test]
    fn files() {
        let zeros = vec![0; 1 << 20];
        let old = vec![b'o'; 3 << 20];
        for old in [&b""[..], &old] {
            for sparse in [false, true] {
                let (content, room) = written(old, &[b"head", &zeros, b"mid", &zeros], sparse);
                assert_eq!(content, [b"head", &zeros[..], b"mid", &zeros[..]].concat());
                if sparse {
                    assert!(room < 128 * 1024, "{room}");
                }
            }
        }
    }

    /// What is in its place is not written again (the file could not be), but its zeros become holes.
    #[test]
    fn what_stays() {
        use std::os::unix::fs::MetadataExt;
        let mut tmp = tempfile::NamedTempFile::new().unwrap();
        let content = [&[b'x'; 5000][..], &vec![0; 1 << 20], &[b'y'; 5000]].concat();
        io::Write::write_all(&mut tmp, &content).unwrap();
        let read_only = File::open(tmp.path()).unwrap();
        let mut out = Output::new(&read_only, 0, content.len() as u64, false);
        out.stay(&content).unwrap();
        assert_eq!(out.finish().unwrap(), content.len() as u64);
        let mut out = Output::new(tmp.as_file(), 0, content.len() as u64, true);
        for piece in content.chunks(70_000) {
            out.stay(piece).unwrap();
        }
        assert_eq!(out.finish().unwrap(), content.len() as u64);
        assert_eq!(std::fs::read(tmp.path()).unwrap(), content);
        let room = tmp.as_file().metadata().unwrap().blocks() * 512;
        assert!(room < 128 * 1024, "{room}");
    }
}
