//! The directories in which a run changed something, for caches of listings.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Mutex;

use xxhash_rust::xxh3::xxh3_128;

use super::{lock, Report};
use crate::error::sys_text;
use crate::plan::Plan;

/// Directories that were written already are known by a hash: 16 bytes each, however long their names are.
#[derive(Default)]
pub(super) struct Changes {
    state: Option<Mutex<State>>,
}

struct State {
    file: BufWriter<File>,
    written: HashSet<u128>,
    /// The directory of the last change: most changes follow one in the same directory.
    last: Vec<u8>,
    failed: bool,
}

impl Changes {
    /// The changes of a run that writes them to the plan's descriptor, if it has one and changes anything.
    pub(super) fn new(plan: &Plan) -> Self {
        let handle = plan.output.changes_handle.as_ref().filter(|_| !plan.idle());
        let file = handle.and_then(|handle| handle.0.try_clone().ok()).map(File::from);
        Self {
            state: file.map(|file| {
                Mutex::new(State {
                    file: BufWriter::new(file),
                    written: HashSet::new(),
                    last: b"/".to_vec(),
                    failed: false,
                })
            }),
        }
    }
}

impl State {
    fn add(&mut self, directory: &[u8]) -> io::Result<()> {
        if self.last == directory {
            return Ok(());
        }
        self.last.clear();
        self.last.extend_from_slice(directory);
        if self.written.insert(xxh3_128(directory)) {
            self.file.write_all(directory)?;
            self.file.write_all(b"\0")?;
        }
        Ok(())
    }
}

impl Report {
    /// The entry with this name was made, changed or removed: its directory changed, and if it is one, itself. Costs
    /// nothing in a run that does not report that.
    pub(crate) fn note_change(&self, name: &[u8], dir: bool) {
        let Some(state) = &self.shared.changes.state else {
            return;
        };
        let name = name.strip_prefix(b"/").unwrap_or(name);
        let name = name.strip_suffix(b"/").unwrap_or(name);
        let parent = match memchr::memrchr(b'/', name) {
            Some(slash) => &name[..slash],
            None => b".",
        };
        let mut state = lock(state);
        let mut result = if name == b"." { Ok(()) } else { state.add(parent) };
        if dir && result.is_ok() {
            result = state.add(name);
        }
        self.check_written(&mut state, result);
    }

    /// Everything is written.
    pub(crate) fn end_changes(&self) {
        if let Some(state) = &self.shared.changes.state {
            let mut state = lock(state);
            let result = state.file.flush();
            self.check_written(&mut state, result);
        }
    }

    /// Report, once, that the directories cannot be written: what has the list must know that it is not complete.
    fn check_written(&self, state: &mut State, result: io::Result<()>) {
        if let Err(error) = result {
            if !std::mem::replace(&mut state.failed, true) {
                let text = format!("rsync: writing the changed directories failed: {}", sys_text(&error));
                self.error_xfer(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    use super::*;
    use crate::plan::Handle;

    #[test]
    fn each_directory_is_written_once() -> io::Result<()> {
        let mut file = tempfile()?;
        let mut plan = Plan::default();
        plan.output.changes_handle = Some(Handle(Arc::new(OwnedFd::from(file.try_clone()?))));
        let report = Report::new(Arc::new(plan), false);
        for (name, dir) in [
            (&b"a/b/file"[..], false),
            (b"a/b/other", false),
            (b"a/b", true),
            (b"top", false),
            (b".", true),
            (b"a/b/file", false),
            (b"/abs/dir/", true),
        ] {
            report.note_change(name, dir);
        }
        report.end_changes();
        let mut text = String::new();
        file.rewind()?;
        file.read_to_string(&mut text)?;
        assert_eq!(text, "a/b\0a\0.\0abs\0abs/dir\0");
        Ok(())
    }

    fn tempfile() -> io::Result<File> {
        let path = std::env::temp_dir().join(format!("tain-changes-{}", std::process::id()));
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        std::fs::remove_file(path)?;
        Ok(file)
    }
}
