//! The files that a push has sent, until it is known that the other end has put them in place (docs/adr/0010).
//!
//! The protocol confirms single files only to a sender that removes its sources. For the others the end of the run
//! counts: a server that ends with status 0 has placed every file. If it ends with an error, its texts name the files
//! that failed.

use std::collections::{BTreeMap, HashSet};

use bstr::ByteSlice;

use super::item::Item;
use super::json::Done;
use super::{lock, Report};
use crate::event::Event;

/// Most bytes of error texts that are kept. If there are more, no file counts as confirmed.
const MOST_TEXT: usize = 1 << 20;
/// Files whose events are returned at once.
const BATCH: usize = 1000;
/// Names are compared by so many bytes: a temporary name, which errors may show, has less of a longer name.
const COMPARED: usize = 200;

/// One file: its name, size in bytes, and what was sent.
struct Unconfirmed {
    name: Box<[u8]>,
    size: u64,
    done: Done,
}

/// All files that are not confirmed, by the index of their entry.
#[derive(Default)]
pub(super) struct Sent {
    files: BTreeMap<i32, Unconfirmed>,
    /// Error texts that the peer has sent.
    texts: Vec<u8>,
    /// Only confirmed files are left.
    judged: bool,
}

impl Sent {
    /// Keep only the files that are in place. `succeeded`: the peer ended with status 0; `words`: what it wrote to its
    /// standard error, if that was read.
    fn judge(&mut self, succeeded: bool, words: Option<&[u8]>) {
        if std::mem::replace(&mut self.judged, true) {
            return;
        }
        let mut texts = std::mem::take(&mut self.texts);
        match words {
            _ if succeeded => {}
            Some(words) => texts.extend_from_slice(words),
            None => return self.files.clear(),
        }
        if texts.len() > MOST_TEXT {
            return self.files.clear();
        }
        let is_message = |line: &[u8]| line.starts_with(b"rsync") || line.starts_with(b"ERROR: ");
        if !succeeded && !texts.lines().any(is_message) {
            // The status has a reason, but nobody has named it.
            return self.files.clear();
        }
        let mut failed = HashSet::new();
        let mut complaints = Vec::new();
        for line in texts.lines().filter(|line| is_complaint(line)) {
            let names = names_in(line);
            failed.extend(names.iter().copied());
            complaints.push(names);
        }
        let mut found: HashSet<&[u8]> = HashSet::new();
        self.files.retain(|_, file| {
            let name = compared(base_of(&file.name));
            let kept = failed.get(name);
            found.extend(kept);
            kept.is_none()
        });
        // An error that names none of these files may belong to any of them.
        let clear = complaints
            .iter()
            .all(|names| names.iter().any(|name| found.contains(name)));
        if !clear {
            self.files.clear();
        }
    }
}

/// Whether a line may report that a file did not get its place: an error of a receiver. Lines of other programs, as a
/// remote shell writes, and those of other roles do not.
fn is_complaint(line: &[u8]) -> bool {
    let line = line.trim_start();
    let other_role = line.contains_str("[generator]") || line.contains_str("[sender]");
    let closing = line.starts_with(b"rsync error: ") || line.starts_with(b"rsync warning: ");
    (line.starts_with(b"rsync: ") || line.starts_with(b"ERROR: ")) && !other_role && !closing
}

/// The names of files that a line may mean: the last components of paths in quotes, with and without what makes a name
/// temporary, and the name of a file that failed verification.
fn names_in(line: &[u8]) -> Vec<&[u8]> {
    let mut names = Vec::new();
    let failed = line.strip_prefix(b"ERROR: ").unwrap_or_default();
    if let Some(end) = failed.find(" failed verification") {
        names.push(compared(base_of(&failed[..end])));
    }
    for path in line.split_str("\"").skip(1).step_by(2) {
        let name = base_of(path);
        names.push(compared(name));
        // A temporary file: a dot, the name, a dot and six letters.
        let end = name.len().saturating_sub(7);
        if name.first() == Some(&b'.') && name.get(end) == Some(&b'.') && end > 1 {
            names.push(compared(&name[1..end]));
        }
    }
    names
}

fn base_of(name: &[u8]) -> &[u8] {
    name.rfind_byte(b'/').map_or(name, |slash| &name[slash + 1..])
}

fn compared(name: &[u8]) -> &[u8] {
    &name[..name.len().min(COMPARED)]
}

impl Report {
    /// The data of the file with this index was sent.
    pub(crate) fn add_sent(&self, ndx: i32, item: &Item<'_>, done: Done) {
        let file = Unconfirmed {
            name: item.name.into(),
            size: item.length,
            done,
        };
        lock(&self.shared.sent).files.insert(ndx, file);
    }

    /// The data of this file was wrong, or it is sent once more.
    pub(crate) fn forget_sent(&self, ndx: i32) {
        if self.reports_done() {
            lock(&self.shared.sent).files.remove(&ndx);
        }
    }

    /// The peer has put this file in place: emit its events.
    pub(crate) fn confirm_sent(&self, ndx: i32) {
        if !self.reports_done() {
            return;
        }
        let file = lock(&self.shared.sent).files.remove(&ndx);
        if let Some(file) = file {
            let mut events = Vec::new();
            self.done_events(&file.name, file.size, file.done, &mut events);
            for event in events {
                self.push(event);
            }
        }
    }

    /// Keep an error text of the peer until the end of the run.
    pub(super) fn keep_complaint(&self, text: &[u8]) {
        if self.reports_done() {
            let texts = &mut lock(&self.shared.sent).texts;
            if texts.len() <= MOST_TEXT {
                texts.extend_from_slice(text);
                texts.push(b'\n');
            }
        }
    }

    /// After a push that went to its end: the next events about finished files, for those that are in place at the other
    /// end; empty after the last of them.
    ///
    /// `succeeded`: the peer ended with status 0. If not, `words` is what it wrote to its standard error, as far as that
    /// was read: without it no file is known to be in place.
    pub fn next_confirmed(&self, succeeded: bool, words: Option<&[u8]>) -> Vec<Event> {
        let mut sent = lock(&self.shared.sent);
        sent.judge(succeeded, words);
        let mut events = Vec::new();
        for _ in 0..BATCH {
            let Some((_, file)) = sent.files.pop_first() else { break };
            self.done_events(&file.name, file.size, file.done, &mut events);
        }
        events
    }

    fn reports_done(&self) -> bool {
        self.shared.plan.output.events.wants_done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(names: &[&str], texts: &str, succeeded: bool, words: Option<&str>) -> Vec<String> {
        let mut sent = Sent {
            texts: texts.into(),
            ..Sent::default()
        };
        for (ndx, name) in (0..).zip(names) {
            let file = Unconfirmed {
                name: name.as_bytes().into(),
                size: 1,
                done: Done::default(),
            };
            sent.files.insert(ndx, file);
        }
        sent.judge(succeeded, words.map(str::as_bytes));
        let names = sent.files.values();
        names
            .map(|file| String::from_utf8_lossy(&file.name).into_owned())
            .collect()
    }

    const FILES: &[&str] = &["a", "d/b", "c.txt"];
    const RENAME: &str = "rsync: [receiver] rename \"/x/d/.b.Q4kXw1\" -> \"d/b\": Is a directory (21)\n";

    #[test]
    fn a_success_confirms_all() {
        assert_eq!(left(FILES, "", true, None), FILES);
        assert_eq!(left(FILES, "", true, Some(RENAME)), FILES);
    }

    #[test]
    fn a_failure_without_words_confirms_none() {
        assert!(left(FILES, "", false, None).is_empty());
        assert!(left(FILES, "", false, Some("Warning: no tty\n")).is_empty());
    }

    #[test]
    fn an_error_names_its_file() {
        let mkstemp = "rsync: [receiver] mkstemp \"/x/.c.txt.ab12cD\" failed: Permission denied (13)\n";
        let closing = "rsync error: some files could not be transferred (code 23) at main.c(1) [Receiver=3.5.0]\n";
        assert_eq!(left(FILES, "", false, Some(RENAME)), ["a", "c.txt"]);
        assert_eq!(left(FILES, RENAME, true, None), ["a", "c.txt"]);
        assert_eq!(left(FILES, mkstemp, false, Some(&[RENAME, closing].concat())), ["a"]);
        let failed = "ERROR: d/b failed verification -- update discarded.\n";
        assert_eq!(left(FILES, failed, true, None), ["a", "c.txt"]);
    }

    #[test]
    fn other_lines_matter_not() {
        let noise = "Warning: Permanently added 'h' to the list of known hosts.\n\
                     rsync: [generator] failed to set times on \"/x/a\": Operation not permitted (1)\n\
                     rsync: [sender] link_stat \"/y/gone\" failed: No such file or directory (2)\n";
        assert_eq!(left(FILES, "", false, Some(noise)), FILES);
    }

    #[test]
    fn an_error_that_names_no_file_confirms_none() {
        let mkdir = "rsync: [receiver] mkdir \"/x/.~tmp~\" failed: Permission denied (13)\n";
        assert!(left(FILES, mkdir, true, None).is_empty());
        assert!(left(FILES, "", false, Some(mkdir)).is_empty());
        assert!(left(FILES, &"x".repeat(MOST_TEXT + 1), true, None).is_empty());
    }

    #[test]
    fn long_names_are_compared_by_their_beginning() {
        let (long, other) = ("n".repeat(255), "m".repeat(255));
        let error = format!(
            "rsync: [receiver] mkstemp \"/x/.{}.ab12cD\" failed: File name too long (36)\n",
            &long[..247]
        );
        assert_eq!(left(&[&long, &other], &error, true, None), [other]);
    }
}
