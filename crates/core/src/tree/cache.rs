//! Handles of recently used parent directories.

use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Enough for a depth-first walk with its ancestors, few enough to search in order and to cost no descriptors worth
/// mentioning (a transfer has some five clones of a root).
const SLOTS: usize = 16;

/// Least-recently-used map from a directory's path to its handle; the front is the newest.
#[derive(Debug, Default)]
pub(super) struct Cache {
    slots: Vec<(Vec<u8>, Arc<OwnedFd>)>,
    /// The root's epoch this cache was filled in.
    epoch: u64,
}

impl Cache {
    /// The handle of `dir`, unless something was replaced by another clone since (`epoch` has moved on).
    pub(super) fn get(&mut self, dir: &[u8], epoch: u64) -> Option<Arc<OwnedFd>> {
        if self.epoch != epoch {
            self.slots.clear();
            self.epoch = epoch;
            return None;
        }
        let at = self.slots.iter().position(|(name, _)| name == dir)?;
        if at > 0 {
            self.slots[..=at].rotate_right(1);
        }
        Some(Arc::clone(&self.slots[0].1))
    }

    /// Remember a handle that was opened in `epoch`.
    pub(super) fn put(&mut self, dir: &[u8], handle: Arc<OwnedFd>, epoch: u64) {
        if self.epoch != epoch {
            self.slots.clear();
            self.epoch = epoch;
        }
        if let Some(at) = self.slots.iter().position(|(name, _)| name == dir) {
            self.slots.remove(at);
        } else if self.slots.len() == SLOTS {
            self.slots.pop();
        }
        self.slots.insert(0, (dir.to_vec(), handle));
    }

    /// Forget `dir` and all below it (`b""` or `b"."`: everything); whether there was anything to forget.
    pub(super) fn forget(&mut self, dir: &[u8]) -> bool {
        let before = self.slots.len();
        if dir.is_empty() || dir == b"." {
            self.slots.clear();
        } else {
            self.slots
                .retain(|(name, _)| !(name.starts_with(dir) && matches!(name.get(dir.len()), None | Some(b'/'))));
        }
        self.slots.len() != before
    }

    /// This clone has made the change that moved the epoch from `old` to `new` and has forgotten what it had to.
    pub(super) fn follow_epoch(&mut self, old: u64, new: u64) {
        if self.epoch == old {
            self.epoch = new;
        }
    }
}
