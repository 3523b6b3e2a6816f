//! Dumps of lists, for `--debug=FLIST3` (spec: options 4, output 4).

use super::Report;
use crate::flist::{eflag, Segment};
use crate::plan::Plan;
use crate::role::Role;

pub(crate) use super::say::debug;

/// Which list a dump shows: that decides the column before the names, and the marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOf {
    /// A sent list: the column shows the directories of the sources.
    Sender,
    /// A received list: the column shows the depth of each name.
    Receiver,
}

fn depth(name: &[u8]) -> usize {
    if name == b"." {
        0
    } else {
        name.split(|&b| b == b'/').count()
    }
}

/// `flist start=…` and a line for each entry, at level 3.
pub fn list(report: &Report, role: Role, segment: &Segment, of: ListOf) {
    let plan = report.plan();
    if plan.output.debug.flist < 3 {
        return;
    }
    head(report, role, segment.start, segment.len());
    for k in 0..segment.len() {
        let i = segment.at(k);
        let entry = segment.entry(i);
        if !entry.is_active() {
            continue;
        }
        let name = segment.name(i);
        let mut marks = 0;
        if entry.is_dir() {
            marks = u32::from(entry.has(eflag::TOP_DIR)) | u32::from(entry.has(eflag::CONTENT_DIR)) << 2;
        } else if of == ListOf::Receiver && segment.hlink(i).is_some() {
            marks = 0x20;
        }
        let place = match of {
            ListOf::Sender => report.source_name(entry.root).to_vec(),
            ListOf::Receiver => depth(&name).to_string().into_bytes(),
        };
        Dumped {
            number: segment.start + k as i32,
            place: &place,
            name: &name,
            mode: entry.mode,
            len: entry.len,
            ids: (entry.uid, entry.gid),
            marks,
        }
        .print(report, role);
    }
}

/// The first line of a dump.
pub fn head(report: &Report, role: Role, start: i32, used: usize) {
    report.info(format!(
        "[{role}] flist start={start}, used={used}, low=0, high={}",
        used as i64 - 1
    ));
}

/// One entry of a dump.
pub struct Dumped<'a> {
    /// Position in the list.
    pub number: i32,
    /// The column before the name ([`ListOf`]).
    pub place: &'a [u8],
    /// Full name.
    pub name: &'a [u8],
    /// Type and permission bits.
    pub mode: u32,
    /// Size in bytes.
    pub len: u64,
    /// User and group.
    pub ids: (u32, u32),
    /// The flags that the line shows.
    pub marks: u32,
}

impl Dumped<'_> {
    /// Print the line of the entry.
    pub fn print(&self, report: &Report, role: Role) {
        let plan: &Plan = report.plan();
        let mut out = format!("[{role}] i={} ", self.number).into_bytes();
        out.extend_from_slice(self.place);
        out.push(b' ');
        out.extend_from_slice(self.name);
        if self.mode & 0o170_000 == 0o040_000 {
            out.push(b'/');
        }
        out.extend_from_slice(format!(" mode=0{:o} len=", self.mode).as_bytes());
        out.extend_from_slice(
            super::number::human(self.len as i64, plan.output.human_readable, plan.output.thousands).as_bytes(),
        );
        if plan.attrs.owner {
            out.extend_from_slice(format!(" uid={}", self.ids.0).as_bytes());
        }
        if plan.attrs.group {
            out.extend_from_slice(format!(" gid={}", self.ids.1).as_bytes());
        }
        out.extend_from_slice(format!(" flags={:x}", self.marks).as_bytes());
        report.info(&out);
    }
}
