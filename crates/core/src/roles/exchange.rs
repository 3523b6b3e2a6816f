//! The entries of items, deletion counts, and what both ends remember of an entry (spec: protocol 6.1, 6.2, 6.9).

use std::collections::{HashMap, HashSet, VecDeque};

use crate::error::{bail, Result};
use crate::event::Counts;
use crate::flist::{At, Found, Lists, Segment};
use crate::plan::Plan;
use crate::role::Role;
use crate::wire::ints::{self, Source};
use crate::wire::item::{Item, ItemFlags};
use crate::wire::ndx::{NdxWriter, NDX_DEL_STATS};
use crate::wire::trace::{Tracer, Way};

/// Most deletions of one kind that a peer may report.
const MAX_DELETED: i32 = 1 << 28;

/// The entry of an item. An item may not ask for the data of an entry that has none, nor name an entry that was dropped
/// from its list (spec: protocol 5.9, 6.2).
pub fn entry_of(lists: &Lists, item: &Item<'_>, role: Role) -> Result<Found> {
    let ndx = item.ndx;
    let found = lists
        .find(ndx)
        .ok_or_else(|| lists.out_of_range(ndx, "read_ndx_and_attrs", role.name()))?;
    if item.wants_data() && !(found.is_active() && found.at.entry().is_file()) {
        bail!(Protocol; "received request to transfer non-regular file: {ndx} [{role}]");
    }
    if !found.is_active() {
        bail!(Protocol; "rsync: refusing transfer of cleared file index {ndx}");
    }
    Ok(found)
}

/// The keep-alive of protocol 29 (spec: protocol 3.5).
pub fn is_keep_alive(item: &Item<'_>, plan: &Plan, lists: &Lists) -> bool {
    plan.agreed.protocol == 29
        && item.iflags == ItemFlags::NEW
        && lists.first().is_some_and(|list| list.len() as i32 == item.ndx)
}

/// Trace a list, for `--debug=IO`.
pub(crate) fn trace_list(tracer: Option<&Tracer>, way: Way, segment: &Segment) {
    if let Some(tracer) = tracer {
        let text = format!(
            "LIST directory={} start={} entries={}",
            segment.dir_ndx,
            segment.start,
            segment.len()
        );
        tracer.line(way, &text);
    }
}

/// Which entries had data before: a second time is a redo (spec: protocol 6.3).
#[derive(Debug, Default)]
pub struct Seen {
    lists: HashMap<i32, Vec<u64>>,
    /// Below protocol 27: the entries of the only list that had their redo.
    redone: HashSet<usize>,
}

impl Seen {
    /// Mark an entry that has data. `true` when this is its redo; below protocol 27 there is one redo at most (spec: protocol-old
    /// 12).
    pub(crate) fn redo(&mut self, at: &At, protocol: u8) -> Result<bool> {
        let redo = self.again(at);
        if redo && protocol < 27 && !self.redone.insert(at.i()) {
            bail!(Protocol; "file {} is to be sent a third time", at.ndx());
        }
        Ok(redo)
    }

    /// Mark an entry; `true` if it was marked before.
    fn again(&mut self, at: &At) -> bool {
        let (segment, i) = (at.list(), at.i());
        let bits = self.lists.entry(segment.start);
        let bits = bits.or_insert_with(|| vec![0; segment.len().div_ceil(64)]);
        let Some(word) = bits.get_mut(i / 64) else { return false };
        let bit = 1 << (i % 64);
        let before = *word & bit != 0;
        *word |= bit;
        before
    }

    /// Forget a list that is finished.
    pub fn forget(&mut self, segment: &Segment) {
        self.lists.remove(&segment.start);
    }
}

/// The place of an entry in all lists, for `to-chk`.
#[derive(Debug, Default)]
pub struct Places {
    /// Start of each live list, and how many entries come before it.
    lists: VecDeque<(i32, u64)>,
    total: u64,
}

impl Places {
    /// A list that comes after all others.
    pub fn add(&mut self, segment: &Segment) {
        self.lists.push_back((segment.start, self.total));
        self.total += segment.len() as u64;
    }

    /// The oldest list is finished.
    pub fn forget_first(&mut self) {
        self.lists.pop_front();
    }

    /// Entries up to the end of the list that an index belongs to.
    pub fn end_of(&self, ndx: i32) -> u64 {
        let after = self.lists.partition_point(|l| l.0 - 1 <= ndx);
        self.lists.get(after).map_or(self.total, |l| l.1)
    }

    /// Entries of all lists.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Entries up to this one.
    pub(crate) fn of(&self, at: &At) -> u64 {
        let list = self.lists.partition_point(|l| l.0 < at.list().start);
        self.lists.get(list).map_or(0, |l| l.1) + at.i() as u64 + 1
    }
}

/// Read deletion counts; messages name `role`. spec: protocol 6.9
pub fn read_deletions(src: &mut dyn Source, role: Role) -> Result<Counts> {
    let mut next = |what: &str| -> Result<u64> {
        let n = src.varint()?;
        if !(0..=MAX_DELETED).contains(&n) {
            bail!(Protocol; "wire value deleted_{what} out of range: {n} not in [0,{MAX_DELETED}] [{role}]");
        }
        Ok(n as u64)
    };
    let counts = Counts {
        reg: next("files")?,
        dir: next("dirs")?,
        link: next("symlinks")?,
        dev: next("devices")?,
        special: next("specials")?,
    };
    trace_deletions(src.tracer(), Way::In, counts);
    Ok(counts)
}

fn trace_deletions(tracer: Option<&Tracer>, way: Way, counts: Counts) {
    if let Some(tracer) = tracer {
        let Counts {
            reg,
            dir,
            link,
            dev,
            special,
        } = counts;
        let text = format!("DEL_STATS files={reg} directories={dir} links={link} devices={dev} specials={special}");
        tracer.line(way, &text);
    }
}

/// The block of deletion counts, index included.
pub fn put_deletions(ndx: &mut NdxWriter, out: &mut Vec<u8>, counts: Counts) {
    trace_deletions(ndx.tracer(), Way::Out, counts);
    ndx.put(out, NDX_DEL_STATS);
    for count in [counts.reg, counts.dir, counts.link, counts.dev, counts.special] {
        ints::put_varint(out, i32::try_from(count).unwrap_or(MAX_DELETED));
    }
}
