//! A copy with both ends in this process: no wire exists (design 3).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{bounded, Receiver, Sender};

use super::arrival;
use super::copier::Copier;
use super::filter::Filters;
use super::generator::{Feed, Generator, Output};
use super::items::{item_of, Figures};
use super::metadata::Metadata;
use super::paths::split_names;
use super::scan::Scanner;
use super::sources::Sources;
use crate::error::{Error, Result};
use crate::event::Summary;
use crate::flist::{Segment, Tables};
use crate::plan::{DeleteWhen, FilesFrom, Plan};
use crate::report::say::text;
use crate::report::{item, Report};
use crate::role::Role;
use crate::wire::item::ItemFlags;

/// Lists that the scanner may be ahead.
const AHEAD: usize = 64;

/// Copy sources to a destination on this machine.
pub fn copy(plan: &Arc<Plan>, report: &Report) -> Summary {
    let started = Instant::now();
    let result = run(plan, report).inspect_err(|error| {
        // All roles are one here; the closing line names the one that the reason names.
        let text = error.to_string();
        let roles = [Role::Receiver, Role::Generator];
        if let Some(role) = roles
            .into_iter()
            .find(|role| text.starts_with(&format!("rsync: [{role}] ")))
        {
            report.set_role(role);
        }
    });
    conclude(report, result, started)
}

/// List the sources, and nothing else.
pub fn enumerate(plan: &Arc<Plan>, report: &Report) -> Summary {
    let started = Instant::now();
    let result = list(plan, report);
    conclude(report, result, started)
}

/// The summary of a run that ended like this.
pub fn conclude(report: &Report, result: Result<()>, started: Instant) -> Summary {
    report.no_more_files();
    report.release();
    report.progress_close();
    let mut summary = report.summary();
    summary.seconds = started.elapsed().as_secs_f64();
    summary.role = report.role();
    match result {
        Ok(()) => summary.code = report.code(),
        Err(error) => {
            // A link that was told to stop does not know why.
            summary.code = match error {
                Error::Interrupted(_) => report.cancelled_with().unwrap_or(error.code()),
                _ => error.code(),
            };
            summary.error = error.to_string();
            summary.told |= crate::error::is_silent(&error);
            if !summary.told {
                report.end_line();
            }
        }
    }
    summary
}

fn announce(plan: &Plan, report: &Report) {
    if plan.info.flist == 0 && !plan.logging {
        return;
    }
    let worth = plan.recurse || plan.dirs || plan.list_only;
    if plan.info.flist > 0 && worth {
        if plan.inc_recurse {
            report.client_line(b"sending incremental file list");
        } else {
            report.partial(b"building file list ... ");
        }
    }
    report.line(crate::report::Level::Log, "building file list");
}

fn names(plan: &Plan) -> Option<Vec<Vec<u8>>> {
    (plan.files_from != FilesFrom::None).then(|| split_names(&plan.files_from_data, plan.from0, true))
}

fn scanner(plan: &Arc<Plan>, report: &Report, sources: &Sources, tables: Tables, feed: &Sender<Feed>) -> Result<()> {
    let started = Instant::now();
    let mut scanner = Scanner::new(Arc::clone(plan), report.clone(), sources.clone())?;
    scanner.tables = tables;
    let mut names = names(plan);
    let mut first = true;
    while let Some(segment) = scanner.next(names.take())? {
        if first {
            first = false;
            let ms = started.elapsed().as_millis() as u64;
            report.stats(|s| s.flist_build_ms = ms.max(1));
        }
        if plan.inc_recurse {
            // The receiver says so, and a sender of the lists that follow.
            tell_duplicates(plan, report, &segment);
            if segment.dir_ndx >= 0 {
                tell_duplicates(plan, report, &segment);
            }
        }
        if feed.send(Feed::List(Arc::new(segment))).is_err() {
            return Ok(());
        }
    }
    report.listed(0, true);
    let _ = feed.send(Feed::Eof);
    Ok(())
}

/// Lists until it is clear whether there is more than one entry (spec: options 5.3).
pub fn first_lists(feed: &Receiver<Feed>, report: &Report, inc_recurse: bool) -> Result<Vec<Feed>> {
    let mut feeds = Vec::new();
    let mut entries = 0;
    loop {
        match feed.recv_timeout(std::time::Duration::from_millis(100)) {
            Ok(Feed::Failed(error)) => return Err(error),
            Ok(Feed::List(segment)) => {
                entries += segment.len();
                let more = feeds.is_empty() && inc_recurse && entries == 1;
                feeds.push(Feed::List(segment));
                if !more {
                    return Ok(feeds);
                }
            }
            Ok(other) => {
                let end = matches!(other, Feed::Eof | Feed::Ended);
                feeds.push(other);
                if end {
                    return Ok(feeds);
                }
            }
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => report.check()?,
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => {
                report.check()?;
                return Err(Error::Stream(String::new()));
            }
        }
    }
}

/// What a sender has listed before the other side begins: 1000 entries, or all (spec: protocol 5.10).
fn look_ahead(feed: &Receiver<Feed>, report: &Report) -> Result<Vec<Feed>> {
    let mut feeds = first_lists(feed, report, true)?;
    let mut entries: usize = feeds
        .iter()
        .map(|f| if let Feed::List(s) = f { s.len() } else { 0 })
        .sum();
    while entries < 1000 && !feeds.iter().any(|f| matches!(f, Feed::Eof)) {
        match feed.recv_timeout(std::time::Duration::from_millis(100)) {
            Ok(Feed::Failed(error)) => return Err(error),
            Ok(next) => {
                if let Feed::List(segment) = &next {
                    entries += segment.len();
                }
                feeds.push(next);
            }
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => report.check()?,
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => return Err(Error::Stream(String::new())),
        }
    }
    Ok(feeds)
}

fn run(plan: &Arc<Plan>, report: &Report) -> Result<()> {
    if plan.list_only {
        return list(plan, report);
    }
    announce(plan, report);
    let (send, receive) = bounded(AHEAD);
    let sources = Sources::default();
    let tables = Tables::default();
    std::thread::scope(|scope| {
        let scan_sources = sources.clone();
        let scan_tables = tables.clone();
        let worker = std::thread::Builder::new()
            .name("scan".into())
            .spawn_scoped(scope, move || {
                if let Err(error) = scanner(plan, report, &scan_sources, scan_tables, &send) {
                    let _ = send.send(Feed::Failed(error));
                }
            });
        if let Err(error) = worker {
            return Err(Error::Ipc(format!("cannot start a thread: {error}")));
        }
        generate(plan, report, sources, tables, receive)
    })
}

fn generate(
    plan: &Arc<Plan>,
    report: &Report,
    sources: Sources,
    tables: Tables,
    receive: Receiver<Feed>,
) -> Result<()> {
    let report = &report.receiving_end();
    report.set_role(Role::EarlyReceiver);
    let mut metadata = Metadata::new(Arc::clone(plan), tables);
    metadata.map_ids(report)?;
    let mut feeds = look_ahead(&receive, report).inspect_err(|_| report.set_role(Role::Sender))?;
    if plan.info.flist > 0 && !plan.inc_recurse && (plan.recurse || plan.dirs) {
        listed(report, &feeds);
    }
    if !plan.inc_recurse {
        for feed in &feeds {
            if let Feed::List(segment) = feed {
                tell_duplicates(plan, report, segment);
            }
        }
    }
    let mut dest = arrival::settle(plan, report, &feeds)?;
    // A path's length is the limit, which is found when the first item is told (spec: output 7).
    if plan.out_format.as_ref().is_some_and(|f| f.len() >= 4096)
        || plan.log_format.as_ref().is_some_and(|f| f.len() >= 4096)
    {
        report.set_role(Role::Sender);
        return Err(Error::Diagnostics("log-format string is WAY too long!".into()));
    }
    dest.metadata = metadata;
    dest.metadata.read_rules(dest.root.path())?;
    report.set_role(Role::Sender);
    report.hold_items();
    let filters = Filters::receiver(plan, dest.root.path())?;
    if plan.prune_empty_dirs {
        for feed in &mut feeds {
            if let Feed::List(segment) = feed {
                if let Some(segment) = Arc::get_mut(segment) {
                    super::metadata::prune(plan, segment, dest.root.path(), report)?;
                }
            }
        }
    }
    let copier = Copier::new(Arc::clone(plan), report.clone(), sources);
    let mut generator = Generator::new(dest, receive, Output::Local(Box::new(copier)), filters);
    let result = generator.run(feeds);
    report.release();
    if result.is_err() || !matches!(plan.delete, DeleteWhen::Delay | DeleteWhen::After) {
        report.tell_matches();
    }
    if result.is_ok() {
        // One process plays all three.
        for role in ["sender", "server receiver", "server generator"] {
            report.tell_heap(role);
        }
    }
    result
}

/// Names that are in a list more than once (spec: output 10).
pub fn tell_duplicates(plan: &Plan, report: &Report, segment: &Segment) {
    if plan.debug.dup == 0 {
        return;
    }
    let start = if plan.inc_recurse { segment.start } else { 0 };
    for &place in &segment.dropped {
        let name = segment.name(segment.at(place));
        let at = format!(" from file list ({})", start + place as i32);
        report.info(text!["removing duplicate name ", &name, at]);
    }
}

/// The end of the line that the list's start began (spec: output 4).
fn listed(report: &Report, feeds: &[Feed]) {
    let count: usize = feeds
        .iter()
        .map(|f| if let Feed::List(s) = f { s.len() } else { 0 })
        .sum();
    report.list_done(count);
}

fn list(plan: &Arc<Plan>, report: &Report) -> Result<()> {
    announce(plan, report);
    report.stats(|s| s.flist_build_ms = 1);
    let sources = Sources::default();
    let mut scanner = Scanner::new(Arc::clone(plan), report.clone(), sources)?;
    let mut names = names(plan);
    let mut first = true;
    let mut dirs = HashMap::new();
    let mut next_dir = 0;
    while let Some(segment) = scanner.next(names.take())? {
        if first && plan.info.flist > 0 && !plan.inc_recurse {
            report.partial(b"done\n");
        }
        if first {
            report.tell_method();
        }
        first = false;
        let segment = Arc::new(segment);
        if plan.inc_recurse {
            for i in segment.directories() {
                dirs.insert(next_dir, (Arc::clone(&segment), i));
                next_dir += 1;
            }
        }
        list_segment(plan, report, dirs.remove(&segment.dir_ndx), &segment);
    }
    report.tell_matches();
    Ok(())
}

/// The lines of one list. With incremental recursion a directory stands in front of its own list, not among its
/// siblings; `of` is the one that this list belongs to.
pub fn list_segment(plan: &Plan, report: &Report, of: Option<(Arc<Segment>, usize)>, segment: &Segment) {
    if let Some((parent, i)) = of {
        if parent.entry(i).is_active() {
            list_entry(plan, report, &parent, i);
        }
    }
    for k in 0..segment.len() {
        let i = segment.at(k);
        let entry = segment.entry(i);
        let later =
            plan.inc_recurse && entry.is_dir() && !(segment.basename(i) == b"." && segment.dirname(i).is_empty());
        if entry.is_active() && !later {
            list_entry(plan, report, segment, i);
        }
    }
}

/// One line of a listing (spec: output 8).
pub fn list_entry(plan: &Plan, report: &Report, segment: &Segment, i: usize) {
    let name = segment.name(i);
    let mut line = Vec::with_capacity(name.len() + 48);
    if segment.entry(i).mode == 0 {
        let column = 10 + 1 + if plan.human_readable == 0 { 11 } else { 14 } + 1 + 19;
        line.extend_from_slice(format!("{:<column$} ", "*missing").as_bytes());
        line.extend_from_slice(&name);
        report.info(&line);
        return;
    }
    let shown = item_of(
        report,
        segment,
        i,
        &name,
        b"",
        ItemFlags::NONE,
        None,
        false,
        Figures::default(),
    );
    let atime = (plan.atimes > 0).then(|| segment.atime(i));
    let crtime = plan.crtimes.then(|| segment.crtime(i));
    item::listing(&shown, atime, crtime, plan, &mut line);
    report.info(&line);
    report.emit_listed(&shown);
}
