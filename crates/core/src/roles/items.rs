//! Telling items: what the client's screen and the logs show of an item when it passes (spec: output 4, 6, 7).

use std::borrow::Cow;

use super::chmod::Chmod;
use super::compare::{is_link, is_reg};
use crate::flist::{eflag, Segment};
use crate::plan::Plan;
use crate::report::item::{Item, Operation};
use crate::report::Report;
use crate::sums::strong;
use crate::wire::item::ItemFlags;

/// Flags with which an item changes something, `-vv` or not.
fn acts(iflags: ItemFlags, xname: Option<&[u8]>) -> bool {
    iflags.contains(ItemFlags::TRANSFER) || iflags.contains(ItemFlags::LOCAL_CHANGE) && iflags.is_significant(xname)
}

/// Figures that only a finished transfer has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures<'a> {
    pub bytes: u64,
    pub sum_bytes: u64,
    pub checksum: Option<&'a [u8]>,
}

/// The item of an entry, for the formats.
pub fn item_of<'a>(
    report: &Report,
    segment: &'a Segment,
    i: usize,
    name: &'a [u8],
    source: &'a [u8],
    iflags: ItemFlags,
    xname: Option<&'a [u8]>,
    sending: bool,
    figures: Figures<'a>,
) -> Item<'a> {
    let plan = report.plan();
    let entry = segment.entry(i);
    Item {
        operation: if sending { Operation::Send } else { Operation::Receive },
        name,
        source,
        mode: logged_mode(plan, entry.mode, sending),
        length: entry.len,
        mtime: entry.mtime,
        uid: if plan.owner { entry.uid } else { 0 },
        gid: (plan.group && !entry.has(eflag::SKIP_GROUP)).then_some(entry.gid),
        iflags,
        missing_flags: plan.protocol < 29 && iflags.contains(ItemFlags::TRANSFER),
        link_target: target_of(plan, segment, i, sending),
        leader: xname.filter(|_| iflags.contains(ItemFlags::XNAME) && iflags.contains(ItemFlags::LOCAL_CHANGE)),
        checksum: figures
            .checksum
            .or_else(|| segment.checksum(i))
            .or_else(|| unsent_sum(plan, iflags)),
        bytes: figures.bytes,
        sum_bytes: figures.sum_bytes,
    }
}

/// A dry run shows the sum of a file that would be transferred as zeros (observed).
fn unsent_sum(plan: &Plan, iflags: ItemFlags) -> Option<&'static [u8]> {
    static ZEROS: [u8; 64] = [0; 64];
    let shown = plan.dry_run && !plan.checksum && iflags.contains(ItemFlags::TRANSFER);
    shown.then(|| &ZEROS[..strong::digest_len(plan.xfer_sum)])
}

/// Count a new item for `--stats`.
pub fn count(report: &Report, mode: u32, iflags: ItemFlags) {
    if iflags.contains(ItemFlags::NEW) {
        report.stats(|s| s.created.add(mode));
    }
}

/// Tell an item of a protocol that has none on the wire (P<29): the side that acts names it. In a local copy that is a
/// server, which knows of no format.
pub fn tell_unsent(report: &Report, segment: &Segment, i: usize, iflags: ItemFlags, xname: Option<&[u8]>) {
    let plan = report.plan();
    let name = segment.name(i);
    if !plan.server && !plan.local {
        let figures = Figures::default();
        return tell(report, segment, i, &name, iflags, xname, false, figures, Part::All);
    }
    if let Some(line) = plain_line(plan, segment, i, name, iflags, xname) {
        if plan.server {
            report.client_line(&line);
        } else {
            report.info(&line);
        }
        if plan.server && report.log_itemizes() {
            tell(
                report,
                segment,
                i,
                &segment.name(i),
                iflags,
                xname,
                false,
                Figures::default(),
                Part::All,
            );
        }
    }
}

/// The mode that a log shows (`%B`): what a module's incoming chmod makes of the sender's.
fn logged_mode(plan: &Plan, mode: u32, sending: bool) -> u32 {
    if sending || plan.daemon_chmod.is_empty() || is_link(mode) {
        return mode;
    }
    let mode = Chmod::parse(&plan.daemon_chmod).map_or(mode, |chmod| chmod.apply(mode, plan.umask));
    if is_reg(mode) && !plan.perms {
        mode & !plan.umask
    } else {
        mode
    }
}

/// The name of an item as a receiving server tells it without a format; `None` when it is not worth it.
fn plain_line(
    plan: &Plan,
    segment: &Segment,
    i: usize,
    name: Vec<u8>,
    iflags: ItemFlags,
    xname: Option<&[u8]>,
) -> Option<Vec<u8>> {
    let is_dir = segment.entry(i).is_dir();
    if plan.info.name == 0 || !(acts(iflags, xname) || is_dir && iflags.is_significant(xname)) {
        return None;
    }
    let mut line = name;
    if is_dir {
        line.push(b'/');
    } else if let Some(leader) = xname.filter(|x| !x.is_empty()) {
        line.extend_from_slice(b" => ");
        line.extend_from_slice(leader);
    } else if let Some(target) = target_of(plan, segment, i, false) {
        line.extend_from_slice(b" -> ");
        line.extend_from_slice(&target);
    }
    Some(line)
}

/// What a log without `%i` tells on the receiving side of a server: what is made or changed there without data, by
/// name, as it happens (spec: daemon 12.3).
pub fn log_made(report: &Report, segment: &Segment, i: usize, iflags: ItemFlags, xname: Option<&[u8]>) {
    let plan = report.plan();
    if !plan.server || !plan.logging || report.log_itemizes() || iflags.contains(ItemFlags::TRANSFER) {
        return;
    }
    if let Some(line) = plain_line(plan, segment, i, segment.name(i), iflags, xname) {
        report.log(&line);
    }
}

/// Where a symlink points, as this side has it: a receiver over a link shows what it stores (spec: daemon 7.4).
fn target_of<'a>(plan: &Plan, segment: &'a Segment, i: usize, sending: bool) -> Option<Cow<'a, [u8]>> {
    let target = segment.link_target(i)?;
    if sending || plan.local || !(plan.munge_links || plan.sanitize_paths) {
        return Some(Cow::Borrowed(target));
    }
    Some(Cow::Owned(super::nonfiles::stored_target(
        plan,
        target,
        &segment.name(i),
    )))
}

/// Where an item is told: the screen shows what is being done, the log and the records of programs what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    All,
    Screen,
    Kept,
    /// Kept when the worker that writes the file with this number has put it in place.
    KeptAfter(i32),
}

/// Tell one item.
pub fn tell(
    report: &Report,
    segment: &Segment,
    i: usize,
    name: &[u8],
    iflags: ItemFlags,
    xname: Option<&[u8]>,
    sending: bool,
    figures: Figures<'_>,
    part: Part,
) {
    let plan = report.plan();
    if !report.wants_items() && plan.info.name < 2 {
        return;
    }
    let kept = plan.logging || plan.events.item;
    if !kept && !matches!(part, Part::All | Part::Screen) {
        return;
    }
    let mode = segment.entry(i).mode;
    let is_dir = mode & 0o170_000 == 0o040_000;
    let source = if sending {
        report.source_name(segment.entry(i).root)
    } else {
        report.dest_name()
    };
    let item = item_of(report, segment, i, name, &source, iflags, xname, sending, figures);
    let changed = iflags.is_significant(xname);
    let screen = if plan.itemize {
        changed || report.wants_unchanged()
    } else {
        acts(iflags, xname) || is_dir && changed
    };
    // A client logs what its screen would show, whatever the log's format; a server's log has also what is shown though
    // unchanged where its own format itemizes.
    let log = if plan.server {
        changed || acts(iflags, xname) || plan.itemize_level > 1 && report.log_itemizes()
    } else {
        screen
    };
    if screen && !plan.server && matches!(part, Part::All | Part::Screen) {
        report.show_item(&item);
    }
    if (screen || log) && part != Part::Screen {
        let log = log
            && if plan.server {
                !plan.dry_run && (report.log_itemizes() || iflags.contains(ItemFlags::TRANSFER))
            } else {
                !(plan.dry_run && iflags.contains(ItemFlags::TRANSFER))
            };
        let after = match part {
            Part::KeptAfter(ndx) => Some(ndx),
            _ => None,
        };
        report.keep_item(&item, log, after);
    }
}
