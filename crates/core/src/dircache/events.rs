//! Events of watches, and what each makes stale.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::slots::{Dirty, Path, Unseen};
use super::state::State;
use super::Why;
use crate::error::IoErrorExt as _;
use crate::tree::watch::Change;
use rustix::io::Errno;

/// Names that no reading has shown are remembered up to this number, and up to a sixteenth of the memory.
const MOST_UNSEEN: usize = 1 << 16;
/// Bytes of such a name.
const UNSEEN: usize = 128;

impl State {
    /// The barrier: take every event that is queued now. What a listing says afterwards was true a moment ago.
    pub(super) fn sync(&mut self) {
        let Some(mut watcher) = self.watcher.take() else { return };
        if watcher.disturbed() {
            self.epoch += 1;
        }
        let taken = watcher.drain(|wd, change, cookie, name| self.apply(wd, change, cookie, name));
        self.watcher = Some(watcher);
        // A file that has arrived nowhere is in a directory that is not watched.
        if std::mem::take(&mut self.moving)
            .iter()
            .any(|(_, was)| was.is_some_and(|was| was.changed))
        {
            self.changed_unknown();
        }
        for wd in std::mem::take(&mut self.unwanted) {
            self.unwatch(wd);
        }
        if taken.is_err() {
            self.epoch += 1;
        }
    }

    fn apply(&mut self, wd: i32, change: Change, cookie: u32, name: &[u8]) {
        self.serial += 1;
        if change.contains(Change::QUEUE_OVERFLOW) {
            self.epoch += 1;
            self.figures.overflows += 1;
            return;
        }
        if change.contains(Change::IGNORED) {
            if let Some(path) = self.by_wd.remove(&wd) {
                if self.slots.get(&path).is_some_and(|slot| slot.wd == Some(wd)) {
                    // What is below an unwatched directory could be moved away without an event.
                    self.drop_tree(&path);
                }
            }
            return;
        }
        let Some(dir) = self.by_wd.get(&wd).map(Arc::clone) else {
            return;
        };
        if change.intersects(Change::DELETE_SELF | Change::MOVE_SELF | Change::UNMOUNT) {
            self.lost |= dir.is_empty();
            self.drop_tree(&dir);
            return;
        }
        if name.is_empty() {
            // Its own attributes: the mode may open or shut the way to all below it.
            self.own_entry_changed(&dir);
            self.distrust(&dir);
            return;
        }
        let names = change.intersects(Change::CREATE | Change::DELETE | Change::MOVED_FROM | Change::MOVED_TO);
        if change.contains(Change::ISDIR) {
            let path = if dir.is_empty() {
                name.to_vec()
            } else {
                [&dir, b"/".as_slice(), name].concat()
            };
            if names {
                self.drop_tree(&path);
            } else if change.contains(Change::ATTRIB) {
                self.distrust(&path);
            }
        }
        if names {
            // Time and size of the directory itself have changed, and its parent has no event.
            self.own_entry_changed(&dir);
        }
        let is_file = !change.contains(Change::ISDIR);
        if is_file {
            self.follow(&dir, change, cookie, name);
        }
        let (at, links) = (self.links_now(), self.may_have_links());
        let Some(slot) = self.slots.get_mut(&dir) else { return };
        if slot.listing.is_none() && !slot.busy {
            // Nothing is known of its names. A reason to scan it may have ended, and a file may have other names elsewhere.
            let other_names = links && is_file;
            if slot.live.is_some() || other_names {
                slot.dirty = Dirty::All;
            }
            if other_names {
                self.pending.insert(dir);
            }
            return;
        }
        slot.dirty.add(name);
        // Its files may have several links. Once any link has changed, a listing may not say so yet.
        let linked = at > 0 || slot.listing.as_ref().is_some_and(|listing| listing.is_linked());
        let appears = change.intersects(Change::CREATE | Change::MOVED_TO) && is_file;
        if appears || linked {
            self.pending.insert(dir);
        }
    }

    /// Note through which names files are changed whose inodes no reading has shown. When such a name is gone before the
    /// next reading, it is unknown which other names show another file now.
    fn follow(&mut self, dir: &[u8], change: Change, cookie: u32, name: &[u8]) {
        let (serial, epoch) = (self.serial, self.epoch);
        let Some(slot) = self.slots.get_mut(dir) else { return };
        let changed = change.intersects(Change::MODIFY | Change::ATTRIB | Change::CLOSE_WRITE);
        let appears = change.intersects(Change::CREATE | Change::MOVED_TO);
        let vanishes = change.intersects(Change::DELETE | Change::MOVED_FROM);
        // What has this name now replaces what had it.
        let before = if appears || vanishes {
            slot.unseen.remove(name)
        } else {
            None
        };
        let mut lost = before;
        if change.contains(Change::MOVED_FROM) {
            self.moving.push((cookie, lost.take()));
        }
        let mut added = 0;
        if appears {
            let came = self
                .moving
                .iter()
                .position(|(moved, _)| *moved == cookie && cookie != 0);
            let came = came.and_then(|at| self.moving.swap_remove(at).1);
            let changed = came.is_some_and(|came| came.changed);
            slot.unseen.insert(name.to_vec(), Unseen { serial, changed });
            added = 1;
        } else if changed {
            let unread = slot.listing.is_none() || slot.epoch != epoch;
            if let Some(known) = slot.unseen.get_mut(name) {
                known.changed = true;
            } else if unread {
                slot.unseen.insert(name.to_vec(), Unseen { serial, changed });
                added = 1;
            }
        }
        self.unseen += added;
        if lost.is_some_and(|lost| lost.changed) {
            self.changed_unknown();
        }
        self.limit_unseen();
    }

    /// Forget the names that no reading has shown, if there are too many: everything is verified instead.
    fn limit_unseen(&mut self) {
        let most = MOST_UNSEEN.min(self.settings.memory / 16 / UNSEEN);
        if self.unseen <= most {
            return;
        }
        self.unseen = self.slots.values_mut().map(|slot| slot.unseen.len()).sum();
        if self.unseen > most / 2 {
            for slot in self.slots.values_mut() {
                slot.unseen = BTreeMap::new();
            }
            self.unseen = 0;
            self.changed_unknown();
        }
    }

    /// Watch a directory and all above it, from the root down: so a rename on the way is noticed.
    ///
    /// Errors: why the directory cannot be kept.
    pub(super) fn watch(&mut self, dir: &[u8]) -> Result<(), Why> {
        let ends = (0..dir.len()).filter(|&at| dir[at] == b'/').chain([dir.len()]);
        self.watch_one(b"")?;
        if !dir.is_empty() {
            for end in ends {
                self.watch_one(&dir[..end])?;
            }
        }
        Ok(())
    }

    fn watch_one(&mut self, dir: &[u8]) -> Result<(), Why> {
        let (epoch, compared) = (self.epoch, self.links_now());
        if self.slots.ensure(dir, epoch, compared).wd.is_some() {
            return Ok(());
        }
        let Some(watcher) = &self.watcher else { return Ok(()) };
        let wd = match watcher.add(dir) {
            Ok(wd) => wd,
            Err(error) if error.is(Errno::NOSPC) || error.is(Errno::NOMEM) => {
                self.figures.watches_missing += 1;
                return Err(Why::Watches);
            }
            Err(_) => return Err(Why::Unreadable),
        };
        let path: Path = self.slots.path_of(dir).unwrap_or_else(|| Arc::from(dir));
        if let Some(other) = self.by_wd.insert(wd, path).filter(|other| **other != *dir) {
            // One directory under two names, or one that was moved: its events have one name only. Its watch stays.
            if self.slots.has_unknown_changes(&other) {
                self.changed_unknown();
            }
            let same = self.slots.drop_tree(&other);
            for number in same.into_iter().filter(|&number| number != wd) {
                self.unwatch(number);
            }
        }
        let slot = self.slots.ensure(dir, epoch, compared);
        slot.wd = Some(wd);
        slot.dirty = Dirty::All;
        Ok(())
    }
}
