//! Lines about lists: their start, duplicates in them, and the entries of `--list-only` (spec: output 4, 8, 10).

use std::sync::Arc;

use super::items::{Change, Figures};
use crate::flist::{At, Segment};
use crate::plan::Plan;
use crate::report::debug::{self, debug, ListOf};
use crate::report::say::text;
use crate::report::{item, Level, Report};
use crate::role::Role;
use crate::wire::item::ItemFlags;

/// Report that a list is being built (by the sender) or received (by the others).
pub(crate) fn announce(plan: &Plan, report: &Report, role: Role) {
    let verb = if role == Role::Sender { "building" } else { "receiving" };
    if !plan.place.is_server() && plan.output.info.flist > 0 && plan.select.reports_lists() {
        if plan.agreed.inc_recurse {
            let verb = if role == Role::Sender { "sending" } else { "receiving" };
            report.client_line(&text![verb, " incremental file list"]);
        } else {
            report.partial(&text![verb, " file list ... "]);
        }
    }
    if plan.output.logging {
        report.line(Level::Log, text![verb, " file list"]);
    }
}

/// Report the names that are in a list more than once (spec: output 10).
pub(crate) fn report_duplicates(plan: &Plan, report: &Report, segment: &Segment) {
    if plan.output.debug.dup == 0 {
        return;
    }
    let start = if plan.agreed.inc_recurse { segment.start } else { 0 };
    for &place in &segment.dropped {
        let name = segment.name(segment.at(place));
        let at = format!(" from file list ({})", start + place as i32);
        report.info(text!["removing duplicate name ", &name, at]);
    }
}

/// Report a received list. The receiver does so, and then the generator for the lists of directories, which in rsync
/// reads them again.
pub(crate) fn report_received(report: &Report, role: Role, segment: &Segment) {
    let plan = report.plan();
    let dump = plan.output.debug.flist >= 2;
    if dump {
        for i in 0..segment.len() {
            debug!(report, flist >= 2; "recv_file_name(", &segment.name(i), ")");
        }
    }
    debug!(report, flist >= 2; "received ", segment.len(), " names");
    if plan.output.info.flist > 0 && !plan.agreed.inc_recurse && plan.select.reports_lists() {
        report.list_done(segment.len());
    }
    report_duplicates(plan, report, segment);
    if dump {
        debug::list(report, role, segment, ListOf::Receiver);
    }
    debug!(report, flist >= 2; "recv_file_list done");
}

/// Print one list. With incremental recursion the line of a directory comes before its own list, not among its siblings;
/// `of` is the directory of this list.
pub(crate) fn list_segment(plan: &Plan, report: &Report, of: Option<At>, list: &Arc<Segment>) {
    if let Some(parent) = of.filter(|of| of.entry().is_active()) {
        list_entry(plan, report, &parent);
    }
    let mut at = At::new(list, 0);
    for i in list.sorted() {
        at.set(i);
        let entry = at.entry();
        let later = plan.agreed.inc_recurse && entry.is_dir() && !(list.basename(i) == b"." && at.dirname().is_empty());
        if entry.is_active() && !later {
            list_entry(plan, report, &at);
        }
    }
}

/// Print one entry of a list (spec: output 8).
fn list_entry(plan: &Plan, report: &Report, at: &At) {
    let name = at.name();
    let mut line = Vec::with_capacity(name.len() + 48);
    if at.entry().mode == 0 {
        let column = 10 + 1 + if plan.output.human_readable == 0 { 11 } else { 14 } + 1 + 19;
        line.extend_from_slice(format!("{:<column$} ", "*missing").as_bytes());
        line.extend_from_slice(&name);
        report.info(&line);
        return;
    }
    let change = Change::received(at, ItemFlags::NONE, None);
    let shown = change.item(report, &name, b"", Figures::default());
    let atime = (plan.attrs.atimes > 0).then(|| at.list().atime(at.i()));
    let crtime = plan.attrs.crtimes.then(|| at.list().crtime(at.i()));
    item::listing(&shown, atime, crtime, plan, &mut line);
    report.emit_listed(&shown, &line);
}
