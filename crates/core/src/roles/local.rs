//! A copy with both ends in this process: there is no wire.

pub mod copier;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{bounded, Receiver, Sender};

use super::filter::Filters;
use super::generator::{destination, held, Generator};
use super::metadata::Metadata;
use super::paths::split_names;
use super::scan::Scanner;
use super::sources::Sources;
use super::text::listing;
use super::words::inbox::{self, Feed};
use crate::error::{bail, Error, Result};
use crate::event::Summary;
use crate::flist::{At, Tables};
use crate::plan::{DeleteWhen, FilesFrom, Plan};
use crate::report::Report;
use crate::role::Role;
use crate::wire::item::IoErrors;
use copier::Copier;

/// Lists by which the scanner may be ahead of the generator, and the entries that a list has on average where the
/// plan names a number of entries instead.
const AHEAD: usize = 64;
const ENTRIES_OF_LIST: usize = 8;

/// Copy sources to a destination on this machine.
pub fn copy(plan: &Arc<Plan>, report: &Report) -> Summary {
    let started = Instant::now();
    let result = run(plan, report).inspect_err(|error| {
        // One process plays all roles; the closing line names the one that failed.
        if let Some(role) = error.role() {
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
    report.end_changes();
    report.progress_close();
    let mut summary = report.summary();
    let changed = summary.created.total() + summary.updated + summary.attributes;
    summary.unchanged = summary.files.total().saturating_sub(changed);
    summary.seconds = started.elapsed().as_secs_f64();
    summary.role = report.role();
    summary.io_error = report.io_error().contains(IoErrors::GENERAL);
    match result {
        Ok(()) => summary.code = report.code(),
        Err(error) => {
            // A cancelled link does not know why it was cancelled.
            summary.code = match error {
                Error::Interrupted(_) => report.cancelled_with().unwrap_or(error.code()),
                _ => error.code(),
            };
            summary.error = error.to_string();
            summary.reported |= error.is_silent();
            if !summary.reported {
                report.end_line();
            }
        }
    }
    summary
}

fn names(plan: &Plan) -> Option<Vec<Vec<u8>>> {
    (plan.select.files_from != FilesFrom::None)
        .then(|| split_names(&plan.select.files_from_data, plan.select.from0, true))
}

fn scanner(plan: &Arc<Plan>, report: &Report, sources: &Sources, tables: Tables, feed: &Sender<Feed>) -> Result<()> {
    let started = Instant::now();
    let mut scanner = Scanner::new(Arc::clone(plan), report.clone(), sources.clone(), None)?;
    scanner.tables = tables;
    let mut names = names(plan);
    let mut first = true;
    while let Some(segment) = scanner.next(names.take())? {
        if first {
            first = false;
            let ms = started.elapsed().as_millis() as u64;
            report.stats(|s| s.flist_build_ms = ms.max(1));
        }
        if feed.send(Feed::List(Arc::new(segment))).is_err() {
            return Ok(());
        }
    }
    report.end_lists();
    let _ = feed.send(Feed::Eof);
    Ok(())
}

fn run(plan: &Arc<Plan>, report: &Report) -> Result<()> {
    if plan.select.list_only {
        return list(plan, report);
    }
    listing::announce(plan, report, Role::Sender);
    let lists = plan.select.look_ahead as usize / ENTRIES_OF_LIST;
    let (send, receive) = bounded(lists.max(AHEAD));
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
            bail!(Ipc; "cannot start a thread: {error}");
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
    let mut feeds = inbox::look_ahead(&receive, report).inspect_err(|_| report.set_role(Role::Sender))?;
    if plan.output.info.flist > 0 && !plan.agreed.inc_recurse && plan.select.lists_dirs() {
        // The end of the line that the list's start began (spec: output 4).
        report.list_done(inbox::entries(&feeds));
    }
    if !plan.agreed.inc_recurse {
        for feed in &feeds {
            if let Feed::List(segment) = feed {
                listing::report_duplicates(plan, report, segment);
            }
        }
    }
    held::hold(plan, report, &mut feeds, |dest| {
        dest.metadata = metadata.clone();
        dest.metadata.read_rules(dest.root.path())
    })?;
    let mut dest = destination::resolve(plan, report, &feeds)?;
    // A path's length is the limit. rsync notices that with the first item (spec: output 7).
    if plan.output.out_format.as_ref().is_some_and(|f| f.len() >= 4096)
        || plan.output.log_format.as_ref().is_some_and(|f| f.len() >= 4096)
    {
        report.set_role(Role::Sender);
        bail!(Diagnostics; "log-format string is WAY too long!");
    }
    dest.metadata = metadata;
    dest.metadata.read_rules(dest.root.path())?;
    report.set_role(Role::Sender);
    report.hold_items();
    let filters = Filters::receiver(plan, dest.root.path())?;
    if plan.select.prune_empty_dirs {
        for feed in &mut feeds {
            if let Feed::List(segment) = feed {
                if let Some(segment) = Arc::get_mut(segment) {
                    super::metadata::prune(plan, segment, dest.root.path(), report)?;
                }
            }
        }
    }
    let copier = Copier::new(Arc::clone(plan), report.clone(), sources);
    let mut generator = Generator::new(dest, receive, Box::new(copier), filters);
    let result = generator.run(feeds);
    report.release();
    if result.is_err() || !matches!(plan.removal.delete, DeleteWhen::Delay | DeleteWhen::After) {
        report.report_matches();
    }
    if result.is_ok() {
        // One process plays all three.
        for role in ["sender", "server receiver", "server generator"] {
            report.report_heap(role);
        }
    }
    result
}

fn list(plan: &Arc<Plan>, report: &Report) -> Result<()> {
    listing::announce(plan, report, Role::Sender);
    report.stats(|s| s.flist_build_ms = 1);
    let sources = Sources::default();
    let mut scanner = Scanner::new(Arc::clone(plan), report.clone(), sources, None)?;
    let mut names = names(plan);
    let mut first = true;
    let mut dirs = HashMap::new();
    let mut next_dir = 0;
    while let Some(segment) = scanner.next(names.take())? {
        if first && plan.output.info.flist > 0 && !plan.agreed.inc_recurse {
            report.partial(b"done\n");
        }
        if first {
            report.report_method();
        }
        first = false;
        let segment = Arc::new(segment);
        if plan.agreed.inc_recurse {
            for i in segment.directories() {
                dirs.insert(next_dir, At::new(&segment, i));
                next_dir += 1;
            }
        }
        listing::list_segment(plan, report, dirs.remove(&segment.dir_ndx), &segment);
        report.live().decide(segment.len() as u64, segment.file_bytes(), false);
    }
    report.end_lists();
    report.report_matches();
    Ok(())
}
