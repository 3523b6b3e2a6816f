//! Telling items: what the client's screen and the logs show of an item when it passes (spec: output 4, 6, 7).

use crate::flist::{eflag, Segment};
use crate::report::item::{iflag, Item, Operation};
use crate::report::{significant, Report};

/// Flags with which an item changes something, `-vv` or not.
fn acts(iflags: u16, xname: Option<&[u8]>) -> bool {
    iflags & iflag::TRANSFER != 0 || iflags & iflag::LOCAL_CHANGE != 0 && significant(iflags, xname)
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
    iflags: u16,
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
        mode: entry.mode,
        length: entry.len,
        mtime: entry.mtime,
        uid: if plan.owner { entry.uid } else { 0 },
        gid: (plan.group && !entry.has(eflag::SKIP_GROUP)).then_some(entry.gid),
        iflags,
        missing_flags: plan.protocol < 29 && iflags & iflag::TRANSFER != 0,
        link_target: segment.link_target(i),
        leader: xname.filter(|_| iflags & iflag::XNAME != 0 && iflags & iflag::LOCAL_CHANGE != 0),
        checksum: figures.checksum.or_else(|| segment.checksum(i)),
        bytes: figures.bytes,
        sum_bytes: figures.sum_bytes,
    }
}

/// Count a new item for `--stats`.
pub fn count(report: &Report, mode: u32, iflags: u16) {
    if iflags & iflag::NEW != 0 {
        report.stats(|s| s.created.add(mode));
    }
}

/// Tell an item of a protocol that has none on the wire (P<29): the side that acts names it.
pub fn tell_unsent(report: &Report, segment: &Segment, i: usize, iflags: u16, xname: Option<&[u8]>) {
    let plan = report.plan();
    let name = segment.name(i);
    if !plan.server {
        return tell(report, segment, i, &name, iflags, xname, false, Figures::default());
    }
    let is_dir = segment.entry(i).is_dir();
    if plan.info.name == 0 || !(acts(iflags, xname) || is_dir && significant(iflags, xname)) {
        return;
    }
    let mut line = name;
    if is_dir {
        line.push(b'/');
    } else if let Some(leader) = xname.filter(|x| !x.is_empty()) {
        line.extend_from_slice(b" => ");
        line.extend_from_slice(leader);
    } else if let Some(target) = segment.link_target(i) {
        line.extend_from_slice(b" -> ");
        line.extend_from_slice(target);
    }
    report.client_line(&line);
}

/// Tell one item as it passes. `late`: it is told now because its data is through.
pub fn tell(
    report: &Report,
    segment: &Segment,
    i: usize,
    name: &[u8],
    iflags: u16,
    xname: Option<&[u8]>,
    sending: bool,
    figures: Figures<'_>,
) {
    let plan = report.plan();
    if !report.wants_items() && plan.info.name < 2 {
        return;
    }
    let mode = segment.entry(i).mode;
    let is_dir = mode & 0o170_000 == 0o040_000;
    let source = if sending {
        report.source_name(segment.entry(i).root)
    } else {
        std::sync::Arc::from(&b""[..])
    };
    let item = item_of(report, segment, i, name, &source, iflags, xname, sending, figures);
    let changed = significant(iflags, xname);
    let log = changed || acts(iflags, xname);
    let screen = if plan.itemize {
        changed || report.wants_unchanged()
    } else {
        acts(iflags, xname) || is_dir && changed
    };
    if screen || log {
        report.item_to(
            &item,
            screen && !plan.server,
            log && !(plan.dry_run && iflags & iflag::TRANSFER != 0),
        );
    }
    if !screen && !plan.itemize && plan.info.name > 1 && !is_dir && plan.local {
        report.item_line(&[name, b" is uptodate"].concat());
    }
}
