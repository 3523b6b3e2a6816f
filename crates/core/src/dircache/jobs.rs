//! What jobs that write the tree announce.

use super::cache::Cache;
use super::slots::Dirty;
use super::state::State;
use crate::error::{bail, Result};

impl State {
    /// A job that changes this directory has begun, and nothing else reports its changes.
    pub(super) fn is_announced(&self, dir: &[u8]) -> bool {
        self.watcher.is_none() && self.jobs.iter().any(|root| is_in(dir, root))
    }

    /// Read these directories again before they are used.
    fn changed(&mut self, dirs: &[Vec<u8>]) {
        for dir in dirs {
            if let Some(slot) = self.slots.get_mut(dir) {
                slot.dirty = Dirty::All;
            }
            self.own_entry_changed(dir);
        }
    }
}

impl Cache {
    /// A job begins to change the tree at `root`: until it ends, each listing there is verified at each use. A job that is
    /// announced twice is one job. With watches this changes nothing: each change is reported by itself.
    ///
    /// Errors: `Usage` for a path that is not beneath the root.
    pub fn job_begins(&self, root: &[u8]) -> Result<()> {
        check(root)?;
        self.lock().jobs.insert(root.to_vec());
        Ok(())
    }

    /// The job at `root` has ended, and has changed the entries of exactly these directories. It need not have begun: a lost
    /// announcement does no harm, because what was listed meanwhile is read again now.
    ///
    /// Errors: `Usage` if one of the paths is not at or below `root`; then nothing is trusted there.
    pub fn job_commits(&self, root: &[u8], dirs: &[Vec<u8>]) -> Result<()> {
        check(root)?;
        let forged = dirs.iter().any(|dir| check(dir).is_err() || !is_in(dir, root));
        let mut state = self.lock();
        state.jobs.remove(root);
        if forged {
            state.distrust(root);
            bail!(Usage; "a changed directory is not below the job's root");
        }
        if state.watcher.is_none() {
            state.changed(dirs);
        }
        Ok(())
    }

    /// The job at `root` has ended, and what it has changed is unknown: everything there is verified before its next use.
    /// Also for a job that was announced and is gone.
    ///
    /// Errors: `Usage` for a path that is not beneath the root.
    pub fn job_aborts(&self, root: &[u8]) -> Result<()> {
        check(root)?;
        let mut state = self.lock();
        state.jobs.remove(root);
        state.distrust(root);
        Ok(())
    }
}

fn is_in(dir: &[u8], root: &[u8]) -> bool {
    root.is_empty() || dir == root || dir.starts_with(root) && dir.get(root.len()) == Some(&b'/')
}

/// Refuse what is no clean path beneath the root.
fn check(path: &[u8]) -> Result<()> {
    let bad = |part: &[u8]| part.is_empty() || part == b"." || part == b"..";
    if !path.is_empty() && path.split(|&b| b == b'/').any(bad) {
        bail!(Usage; "not a path beneath the root: {}", String::from_utf8_lossy(path));
    }
    Ok(())
}
