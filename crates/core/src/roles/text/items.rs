//! Items as they are reported: what the client's screen and the logs show of a change (spec: output 4, 6, 7).

use std::borrow::Cow;
use std::time::Duration;

use super::link_text::stored_target;
use crate::flist::{eflag, At};
use crate::plan::{Plan, SumKind};
use crate::report::item::Item;
pub(crate) use crate::report::item::Operation;
use crate::report::json::Done;
use crate::report::say::text;
use crate::report::Report;
use crate::roles::chmod::Chmod;
use crate::sums::strong;
use crate::tree::mode::{is_dir, is_file, is_link};
use crate::wire::item::ItemFlags;

/// Figures that only a finished transfer has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures<'a> {
    pub bytes: u64,
    pub sum_bytes: u64,
    pub checksum: Option<&'a [u8]>,
    pub moved: Moved,
}

/// What the data of a finished file was made of, and how long that took; for those who want to know of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moved {
    /// Bytes that were sent or copied.
    literal: u64,
    /// Bytes that the receiver had.
    matched: u64,
    time: Duration,
}

impl Moved {
    /// For the present file, which is complete.
    pub(crate) fn now(report: &Report, literal: u64, matched: u64) -> Self {
        if !report.plan().output.events.wants_done() {
            return Self::default();
        }
        Self {
            literal,
            matched,
            time: report.live().file_time(),
        }
    }
}

/// Where an item is reported: the screen shows what is being done, the log and the records of programs what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    Screen,
    Kept,
    /// Kept when the worker that writes the file with this number has put it in place.
    KeptAfter(i32),
}

/// A change of an entry that is to be reported.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    pub at: &'a At,
    pub iflags: ItemFlags,
    pub xname: Option<&'a [u8]>,
    /// Who reports it: each side has its own names and modes.
    pub by: Operation,
}

impl<'a> Change<'a> {
    /// A change that the sending side reports.
    pub(crate) fn sent(at: &'a At, iflags: ItemFlags, xname: Option<&'a [u8]>) -> Self {
        Self {
            by: Operation::Send,
            ..Self::received(at, iflags, xname)
        }
    }

    /// A change that the receiving side reports.
    pub(crate) fn received(at: &'a At, iflags: ItemFlags, xname: Option<&'a [u8]>) -> Self {
        Self {
            at,
            iflags,
            xname,
            by: Operation::Receive,
        }
    }

    fn is_significant(&self) -> bool {
        self.iflags.is_significant(self.xname)
    }

    /// It changes something, `-vv` or not.
    fn acts(&self) -> bool {
        let iflags = self.iflags;
        iflags.contains(ItemFlags::TRANSFER) || iflags.contains(ItemFlags::LOCAL_CHANGE) && self.is_significant()
    }

    /// The item for the formats. `source` is the name of the source argument.
    pub(crate) fn item(&self, report: &Report, name: &'a [u8], source: &'a [u8], figures: Figures<'a>) -> Item<'a> {
        let (plan, iflags) = (report.plan(), self.iflags);
        let entry = self.at.entry();
        let linked = iflags.contains(ItemFlags::XNAME | ItemFlags::LOCAL_CHANGE);
        Item {
            operation: self.by,
            name,
            source,
            mode: logged_mode(plan, entry.mode, self.by),
            length: entry.len,
            mtime: entry.mtime,
            mtime_nsec: entry.mtime_nsec,
            uid: if plan.attrs.owner { entry.uid } else { 0 },
            gid: (plan.attrs.group && !entry.has(eflag::SKIP_GROUP)).then_some(entry.gid),
            iflags,
            missing_flags: plan.agreed.protocol < 29 && iflags.contains(ItemFlags::TRANSFER),
            link_target: target_of(plan, self.at, self.by),
            leader: self.xname.filter(|_| linked),
            checksum: figures
                .checksum
                .or_else(|| self.at.checksum())
                .or_else(|| unsent_sum(plan, iflags)),
            bytes: figures.bytes,
            sum_bytes: figures.sum_bytes,
        }
    }

    /// Report it, under this name.
    pub(crate) fn report(&self, report: &Report, name: &[u8], figures: Figures<'_>, part: Part) {
        let plan = report.plan();
        if plan.output.only_deletions || self.at.entry().is_dir() && plan.output.shares(name) {
            return;
        }
        if matches!(part, Part::All | Part::Screen) {
            self.note(report, name);
        }
        if !report.wants_items() && plan.output.info.name < 2 {
            return;
        }
        if !report.keeps_items() && !matches!(part, Part::All | Part::Screen) {
            return;
        }
        let entry = self.at.entry();
        let source = match self.by {
            Operation::Send => report.source_name(entry.root),
            _ => report.dest_name(),
        };
        let item = self.item(report, name, &source, figures);
        let (changed, acts) = (self.is_significant(), self.acts());
        let screen = if plan.output.itemize {
            changed || report.wants_unchanged()
        } else {
            acts || is_dir(entry.mode) && changed
        };
        if matches!(part, Part::All | Part::Screen) {
            if screen && !plan.place.is_server() {
                report.show_item(&item);
            }
            if plan.output.events.json_item && (changed || acts) {
                report.json_item(&item);
            }
        }
        // A client logs what its screen would show, whatever the log's format; a server's log has also what is shown
        // though unchanged where its own format itemizes.
        let log = if plan.place.is_server() {
            changed || acts || plan.output.itemize_level > 1 && report.log_itemizes()
        } else {
            screen
        };
        let mut done = self.done(report, figures, part);
        if self.by == Operation::Send && !plan.place.is_local() {
            if let Some(sent) = done.take() {
                report.add_sent(self.at.ndx(), &item, sent);
            }
        }
        // For programs, every change is an item, whatever the screen shows.
        let kept = screen || log || done.is_some() || plan.output.events.item && (changed || acts);
        if !kept || part == Part::Screen {
            return;
        }
        let transfer = self.iflags.contains(ItemFlags::TRANSFER);
        let log = log
            && if plan.place.is_server() {
                !plan.select.dry_run && (report.log_itemizes() || transfer)
            } else {
                !(plan.select.dry_run && transfer)
            };
        let after = match part {
            Part::KeptAfter(ndx) => Some(ndx),
            _ => None,
        };
        report.keep_item(&item, log, done, after);
    }

    /// The figures of a file whose data is complete now, if they are wanted.
    fn done(&self, report: &Report, figures: Figures<'_>, part: Part) -> Option<Done> {
        let plan = report.plan();
        let complete = self.iflags.contains(ItemFlags::TRANSFER) && part != Part::Screen && !plan.idle();
        if !complete || !plan.output.events.wants_done() {
            return None;
        }
        if let Part::KeptAfter(_) = part {
            // A worker copies a small file whole; how long that takes is not measured.
            let literal = self.at.entry().len;
            return Some(Done {
                literal,
                ..Done::default()
            });
        }
        Some(Done {
            literal: figures.moved.literal,
            matched: figures.moved.matched,
            time: figures.moved.time,
            verified: plan.agreed.xfer_sum != SumKind::None && !plan.place.is_local(),
        })
    }

    /// Note the directories that change by it.
    fn note(&self, report: &Report, name: &[u8]) {
        if self.is_significant() {
            report.note_change(name, self.at.entry().is_dir());
        }
    }

    /// Report an item of a protocol that has none on the wire (P<29): the side that acts names it. In a local copy that
    /// is a server, which knows of no format.
    pub(crate) fn report_unsent(&self, report: &Report) {
        let plan = report.plan();
        let name = self.at.name();
        if !plan.place.is_server() && !plan.place.is_local() {
            return self.report(report, &name, Figures::default(), Part::All);
        }
        self.note(report, &name);
        let Some(line) = self.plain_line(plan, &name) else {
            return;
        };
        if !plan.place.is_server() {
            report.info(&line);
            return;
        }
        report.client_line(&line);
        if report.log_itemizes() {
            self.report(report, &name, Figures::default(), Part::All);
        }
    }

    /// What a log without `%i` shows on the receiving side of a server: what is made or changed there without data, by
    /// name, as it happens (spec: daemon 12.3).
    pub(crate) fn log_made(&self, report: &Report) {
        let plan = report.plan();
        let transfer = self.iflags.contains(ItemFlags::TRANSFER);
        if !plan.place.is_server() || !plan.output.logging || report.log_itemizes() || transfer {
            return;
        }
        if let Some(line) = self.plain_line(plan, &self.at.name()) {
            report.log(&line);
        }
    }

    /// The line of a receiving server without a format; `None` if the change is not worth a line.
    fn plain_line(&self, plan: &Plan, name: &[u8]) -> Option<Vec<u8>> {
        let is_dir = self.at.entry().is_dir();
        if plan.output.info.name == 0 || !(self.acts() || is_dir && self.is_significant()) {
            return None;
        }
        Some(if is_dir {
            text![name, "/"]
        } else if let Some(leader) = self.xname.filter(|x| !x.is_empty()) {
            text![name, " => ", leader]
        } else if let Some(target) = target_of(plan, self.at, Operation::Receive) {
            text![name, " -> ", &target]
        } else {
            name.to_vec()
        })
    }
}

/// A dry run shows the sum of a file that would be transferred as zeros (observed).
fn unsent_sum(plan: &Plan, iflags: ItemFlags) -> Option<&'static [u8]> {
    static ZEROS: [u8; 64] = [0; 64];
    let shown = plan.select.dry_run && !plan.select.checksum && iflags.contains(ItemFlags::TRANSFER);
    shown.then(|| &ZEROS[..strong::digest_len(plan.agreed.xfer_sum)])
}

/// Count the item of an entry, unless another run counts it; see [`count`].
pub(crate) fn count_item(report: &Report, at: &At, iflags: ItemFlags, xname: Option<&[u8]>) {
    let entry = at.entry();
    let output = &report.plan().output;
    let shares = output.all_dirs_shared || !output.shared_dirs.is_empty();
    if shares && entry.is_dir() && output.shares(&at.name()) {
        return;
    }
    count(report, entry.mode, iflags, xname);
}

/// Count an item by the kind of its change; `xname` as in the item.
pub(crate) fn count(report: &Report, mode: u32, iflags: ItemFlags, xname: Option<&[u8]>) {
    if iflags.contains(ItemFlags::NEW) {
        report.stats(|s| s.created.add(mode));
    } else if !iflags.is_significant(xname) {
        // With -vv there are items of entries that are up to date.
    } else if iflags.intersects(ItemFlags::TRANSFER | ItemFlags::LOCAL_CHANGE) {
        report.stats(|s| s.updated += 1);
    } else {
        report.stats(|s| s.attributes += 1);
    }
}

/// Data is sent a second time: the item of an entry that existed before was counted already.
pub(crate) fn count_again(report: &Report, iflags: ItemFlags) {
    if !iflags.contains(ItemFlags::NEW) {
        report.stats(|s| s.updated = s.updated.saturating_sub(1));
    }
}

/// Count a file of `len` bytes whose data is transferred.
pub(crate) fn count_transfer(report: &Report, len: u64) {
    report.stats(|s| {
        s.transferred += 1;
        s.transferred_size = s.transferred_size.saturating_add(len);
    });
}

/// Count bytes of file data: sent as they are, and matched in the basis.
pub(crate) fn count_data(report: &Report, literal: u64, matched: u64) {
    report.stats(|s| {
        s.literal += literal;
        s.matched += matched;
    });
}

/// Count the bytes that a local copy stands for on a wire.
pub(crate) fn count_wire(report: &Report, sent: u64, received: u64) {
    report.stats(|s| {
        s.sent += sent;
        s.received += received;
    });
}

/// The mode that a log shows (`%B`): what `--chmod` and a module's incoming chmod make of the sender's.
fn logged_mode(plan: &Plan, mode: u32, by: Operation) -> u32 {
    let changes = [&plan.attrs.chmod, &plan.attrs.daemon_chmod];
    if by == Operation::Send || changes.iter().all(|change| change.is_empty()) || is_link(mode) {
        return mode;
    }
    let mode = changes.into_iter().fold(mode, |mode, change| {
        Chmod::parse(change).map_or(mode, |chmod| chmod.apply(mode, plan.place.umask))
    });
    if is_file(mode) && !plan.attrs.perms {
        mode & !plan.place.umask
    } else {
        mode
    }
}

/// Where a symlink points, as this side has it: a receiver over a link shows what it stores (spec: daemon 7.4).
fn target_of<'a>(plan: &Plan, at: &'a At, by: Operation) -> Option<Cow<'a, [u8]>> {
    let target = at.link_target()?;
    if by == Operation::Send || plan.place.is_local() || !(plan.attrs.munge_links || plan.place.sanitize_paths) {
        return Some(Cow::Borrowed(target));
    }
    Some(Cow::Owned(stored_target(plan, target, &at.name())))
}
