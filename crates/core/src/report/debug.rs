//! Lines of `--debug`, which are put together only when they are wanted (spec: options 4, output 4).

use super::Report;
use crate::flist::{eflag, Segment};
use crate::plan::Plan;
use crate::role::Role;

pub(crate) use super::say::debug;

/// Which list a dump shows: that decides what stands in front of the names, and which marks there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOf {
    /// What is sent: the directories of the sources.
    Sender,
    /// What came: the depth of each name.
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
    if plan.debug.flist < 3 {
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
        let ids = (entry.uid, entry.gid);
        line(
            report,
            role,
            segment.start + k as i32,
            &place,
            &name,
            entry.mode,
            entry.len,
            ids,
            marks,
        );
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
pub fn line(
    report: &Report,
    role: Role,
    number: i32,
    place: &[u8],
    name: &[u8],
    mode: u32,
    len: u64,
    ids: (u32, u32),
    marks: u32,
) {
    let plan: &Plan = report.plan();
    let mut out = format!("[{role}] i={number} ").into_bytes();
    out.extend_from_slice(place);
    out.push(b' ');
    out.extend_from_slice(name);
    if mode & 0o170_000 == 0o040_000 {
        out.push(b'/');
    }
    out.extend_from_slice(format!(" mode=0{mode:o} len=").as_bytes());
    out.extend_from_slice(super::number::human(len as i64, plan.human_readable, plan.thousands).as_bytes());
    if plan.owner {
        out.extend_from_slice(format!(" uid={}", ids.0).as_bytes());
    }
    if plan.group {
        out.extend_from_slice(format!(" gid={}", ids.1).as_bytes());
    }
    out.extend_from_slice(format!(" flags={marks:x}").as_bytes());
    report.info(&out);
}
