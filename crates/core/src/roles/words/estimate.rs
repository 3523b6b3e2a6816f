//! What a run would do, counted while its generator decides and nothing is changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::{Amount, Planned};
use crate::plan::{DeleteWhen, Plan};
use crate::roles::paths::split_name;
use crate::tree::mode::is_file;
use crate::tree::Stat;
use crate::wire::item::ItemFlags;

/// Directories with deletions that are counted apart. At twice the number, the deepest ones join their parents: a plan
/// is read by a person.
const DIRECTORIES: usize = 256;

/// The old file stays beside the new one: as a backup, until the end of the run, or under another name.
fn keeps_old(plan: &Plan, old: &Stat) -> bool {
    plan.write.backup || !writes_into(plan) && (plan.write.delay_updates || old.nlink > 1)
}

/// Bytes of an old file that its new data does not need a second time: the old file gives them back when it is replaced,
/// or is written to itself. `len`: the size of the new data.
pub(crate) fn reused(plan: &Plan, old: &Stat, len: u64) -> u64 {
    match old.is_file() {
        // A device takes the data itself (`--write-devices`).
        false => len,
        true if keeps_old(plan, old) => 0,
        true => old.size.min(len),
    }
}

/// The data of a changed file is written into the old one.
pub(crate) fn writes_into(plan: &Plan) -> bool {
    plan.write.inplace || plan.write.append > 0
}

/// The counts of one run.
pub(crate) struct Estimate {
    plan: Arc<Plan>,
    /// Bytes of a block of the file system.
    block: u64,
    planned: Planned,
    /// The most that a temporary copy takes beyond what the file needs in the end.
    largest: u64,
    /// A temporary copy needs an inode.
    temporary: bool,
    directories: BTreeMap<Vec<u8>, Amount>,
}

/// An estimate that the generator and its deleter add to.
#[derive(Clone)]
pub(crate) struct SharedEstimate(Arc<Mutex<Estimate>>);

impl SharedEstimate {
    pub(crate) fn new(plan: Arc<Plan>, block: u64) -> Self {
        Self(Arc::new(Mutex::new(Estimate {
            plan,
            block: block.max(1),
            planned: Planned::default(),
            largest: 0,
            temporary: false,
            directories: BTreeMap::new(),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Estimate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(amount: &mut Amount, bytes: u64) {
    amount.number += 1;
    amount.bytes = amount.bytes.saturating_add(bytes);
}

impl Estimate {
    fn rounded(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.block).saturating_mul(self.block)
    }

    fn need(&mut self, bytes: u64) {
        self.planned.need_bytes = self.planned.need_bytes.saturating_add(bytes);
    }

    /// The data of a file would be asked for; `old`: what is at the name.
    pub(crate) fn requested(&mut self, len: u64, old: Option<&Stat>) {
        let whole = self.rounded(len);
        let Some(old) = old else {
            self.need(whole);
            self.planned.need_inodes += 1;
            return add(&mut self.planned.new, len);
        };
        add(&mut self.planned.update, len);
        let reused = self.rounded(reused(&self.plan, old, len)).min(whole);
        self.need(whole - reused);
        if keeps_old(&self.plan, old) {
            self.planned.need_inodes += 1;
        } else if old.is_file() && !writes_into(&self.plan) {
            self.temporary = true;
            self.largest = self.largest.max(reused);
        }
    }

    /// An entry would be reported without a request. `exists`: an object is at the name.
    pub(crate) fn item(&mut self, mode: u32, len: u64, flags: ItemFlags, xname: Option<&[u8]>, exists: bool) {
        let size = if is_file(mode) { len } else { 0 };
        let local = flags.contains(ItemFlags::LOCAL_CHANGE);
        // A name that is linked shares its data with another one. The empty name is that of a link that exists, or of
        // one to an alternate directory.
        let linked = local && xname.is_some();
        let stays = exists && xname.is_none_or(<[u8]>::is_empty) && (linked || !local);
        let amount = if !exists || flags.contains(ItemFlags::NEW) && !stays {
            &mut self.planned.new
        } else if !stays {
            &mut self.planned.update
        } else if flags.is_significant(xname) {
            &mut self.planned.attributes
        } else {
            &mut self.planned.keep
        };
        add(amount, if linked && !stays { 0 } else { size });
        if !stays && !linked {
            self.planned.need_inodes += u64::from(!exists);
            // From an alternate directory.
            self.need(self.rounded(size));
        }
    }

    /// A name would be removed; `stat`: its status, if it can be read.
    pub(crate) fn removed(&mut self, rel: &[u8], stat: Option<&Stat>) {
        let size = stat.filter(|stat| stat.is_file()).map_or(0, |stat| stat.size);
        add(&mut self.planned.delete, size);
        let dir = split_name(rel).0;
        let dir = if dir.is_empty() { b"." } else { dir };
        match self.directories.get_mut(dir) {
            Some(amount) => add(amount, size),
            None => {
                self.directories.insert(dir.to_vec(), Amount { number: 1, bytes: size });
            }
        }
        if self.directories.len() > 2 * DIRECTORIES {
            join_deepest(&mut self.directories, DIRECTORIES);
        }
        let is_dir = stat.is_some_and(Stat::is_dir);
        // A backup is the old file, and another name of it keeps its data.
        if (self.plan.write.backup && !is_dir) || stat.is_none_or(|stat| !is_dir && stat.nlink > 1) {
            return;
        }
        self.planned.freed_inodes += 1;
        self.planned.freed_bytes = self.planned.freed_bytes.saturating_add(self.rounded(size));
    }

    /// The whole plan, once everything is counted.
    pub(crate) fn take(&mut self) -> Planned {
        let mut planned = std::mem::take(&mut self.planned);
        planned.need_bytes = planned.need_bytes.saturating_add(self.largest);
        planned.need_inodes += u64::from(self.temporary);
        if self.plan.removal.delete == DeleteWhen::Before {
            planned.need_bytes = planned.need_bytes.saturating_sub(planned.freed_bytes);
            planned.need_inodes = planned.need_inodes.saturating_sub(planned.freed_inodes);
        }
        join_deepest(&mut self.directories, DIRECTORIES);
        planned.directories = std::mem::take(&mut self.directories).into_iter().collect();
        planned
    }
}

/// Count the deepest directories with their parents, until there are at most `limit`.
fn join_deepest(directories: &mut BTreeMap<Vec<u8>, Amount>, limit: usize) {
    let depth = |dir: &[u8]| memchr::memchr_iter(b'/', dir).count();
    while directories.len() > limit {
        let deepest = directories.keys().map(|dir| depth(dir)).max().unwrap_or(0);
        let all = std::mem::take(directories);
        for (dir, amount) in all {
            let to = match split_name(&dir).0 {
                _ if depth(&dir) < deepest => &dir,
                b"" => b".".as_slice(),
                parent => parent,
            };
            let sum = directories.entry(to.to_vec()).or_default();
            sum.number += amount.number;
            sum.bytes = sum.bytes.saturating_add(amount.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan_with;

    const FILE: u32 = 0o100_644;

    fn file(size: u64, nlink: u64) -> Stat {
        Stat {
            mode: FILE,
            size,
            nlink,
            ..Stat::default()
        }
    }

    /// Room for a file that changes from `old` to `new` bytes, and one of 100 new bytes.
    fn need(plan: Plan, old: Stat, new: u64) -> (u64, u64) {
        let estimate = SharedEstimate::new(Arc::new(plan), 1);
        estimate.lock().requested(100, None);
        estimate.lock().requested(new, Some(&old));
        let planned = estimate.lock().take();
        assert_eq!((planned.new.bytes, planned.update.bytes), (100, new));
        (planned.need_bytes, planned.need_inodes)
    }

    #[test]
    fn a_changed_file_needs_its_growth_and_a_temporary_copy() {
        let base = Plan::default;
        for (plan, old, new, expected) in [
            (base(), file(40, 1), 40, (140, 2)),
            (base(), file(40, 1), 50, (150, 2)),
            (base(), file(40, 1), 10, (110, 2)),
            (base(), file(40, 2), 40, (140, 2)),
            (plan_with!(base(), write.inplace = true), file(40, 1), 40, (100, 1)),
            (plan_with!(base(), write.inplace = true), file(40, 2), 50, (110, 1)),
            (plan_with!(base(), write.append = 1), file(40, 1), 50, (110, 1)),
            (plan_with!(base(), write.backup = true), file(40, 1), 50, (150, 2)),
            (
                plan_with!(base(), write.backup = true, write.inplace = true),
                file(40, 1),
                50,
                (150, 2),
            ),
            (
                plan_with!(base(), write.delay_updates = true),
                file(40, 1),
                50,
                (150, 2),
            ),
        ] {
            assert_eq!(need(plan, old, new), expected, "{old:?} {new}");
        }
    }

    #[test]
    fn only_one_temporary_copy_is_needed_at_a_time() {
        let estimate = SharedEstimate::new(Arc::new(Plan::default()), 4096);
        for size in [5000, 9000, 1] {
            estimate.lock().requested(size, Some(&file(size, 1)));
        }
        let planned = estimate.lock().take();
        assert_eq!(
            (planned.need_bytes, planned.need_inodes, planned.update.number),
            (3 * 4096, 1, 3)
        );
    }

    #[test]
    fn items_by_their_change() {
        let estimate = SharedEstimate::new(Arc::new(Plan::default()), 1);
        let (dir, local) = (0o040_755, ItemFlags::LOCAL_CHANGE);
        let mut counts = estimate.lock();
        counts.item(dir, 4096, ItemFlags::NEW | local, None, false);
        counts.item(0o120_777, 3, local | ItemFlags::CHANGE, None, true);
        counts.item(FILE, 7, local | ItemFlags::NEW, Some(b"leader"), false);
        counts.item(FILE, 7, local, Some(b""), true);
        counts.item(FILE, 7, ItemFlags::PERMS, None, true);
        counts.item(FILE, 7, ItemFlags::NONE, None, true);
        let planned = counts.take();
        let amount = |number, bytes| Amount { number, bytes };
        assert_eq!((planned.new, planned.update), (amount(2, 0), amount(1, 0)));
        assert_eq!((planned.attributes, planned.keep), (amount(1, 7), amount(2, 14)));
        assert_eq!((planned.need_bytes, planned.need_inodes), (0, 1));
    }

    #[test]
    fn deletions_free_room_unless_the_data_stays() {
        let plan = plan_with!(Plan::default(), removal.delete = DeleteWhen::Before);
        let estimate = SharedEstimate::new(Arc::new(plan), 1);
        let mut counts = estimate.lock();
        counts.requested(100, None);
        counts.removed(b"a/b/file", Some(&file(30, 1)));
        counts.removed(b"linked", Some(&file(50, 2)));
        let planned = counts.take();
        assert_eq!(
            (planned.need_bytes, planned.freed_bytes, planned.delete.number),
            (70, 30, 2)
        );
        assert_eq!(planned.directories.len(), 2);
        assert_eq!(planned.directories[0].0, b".");
    }

    #[test]
    fn very_many_directories_are_counted_with_their_parents() {
        let estimate = SharedEstimate::new(Arc::new(Plan::default()), 1);
        let mut counts = estimate.lock();
        for n in 0..5000 {
            counts.removed(format!("top/{}/{n}/file", n % 10).as_bytes(), Some(&file(2, 1)));
        }
        let planned = counts.take();
        assert_eq!((planned.delete.number, planned.delete.bytes), (5000, 10_000));
        assert!(planned.directories.len() <= DIRECTORIES);
        assert_eq!(
            planned.directories.iter().map(|(_, amount)| amount.number).sum::<u64>(),
            5000
        );
    }
}
