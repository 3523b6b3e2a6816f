//! The held plan: the generator goes through the whole list once without a change, the caller reads what it would do and
//! decides, and only then the run begins.

use std::sync::Arc;

use crossbeam_channel::bounded;

use super::{destination, Generator};
use crate::error::{Error, Result};
use crate::event::{Event, Planned};
use crate::flist::At;
use crate::plan::Plan;
use crate::report::Report;
use crate::role::Role;
use crate::roles::dest::Dest;
use crate::roles::filter::Filters;
use crate::roles::metadata::prune;
use crate::roles::words::estimate::SharedEstimate;
use crate::roles::words::inbox::Feed;
use crate::roles::words::request::{Answer, Request, Requests};
use crate::wire::item::ItemFlags;

/// The size of a block where the system does not say it.
const BLOCK: u64 = 4096;

/// Takes the place of a sender: counts requests and items, and answers none.
struct Counter(SharedEstimate);

impl Requests for Counter {
    fn is_remote(&self) -> bool {
        true
    }

    fn item(&mut self, dest: &Dest, at: &At, _ndx: i32, flags: ItemFlags, xname: Option<&[u8]>) -> Result<()> {
        let entry = at.entry();
        // What is made here may have been compared with an object in another place.
        let made = flags.intersects(ItemFlags::LOCAL_CHANGE | ItemFlags::NEW);
        let exists = !made || dest.lstat(&dest.name(at)).is_ok();
        self.0.lock().item(entry.mode, entry.len, flags, xname, exists);
        Ok(())
    }

    fn request(&mut self, _dest: &Dest, request: Request) -> Result<Answer> {
        let len = request.at.entry().len;
        self.0.lock().requested(len, request.exists.as_ref());
        Ok(Answer::Later)
    }

    fn remove_source(&mut self, _dest: &Dest, _at: &At) -> Result<()> {
        Ok(())
    }
}

/// Let the caller decide about the whole run, if it subscribed to that. `feeds` is the one whole list; `prepare` makes
/// the destination ready, as for the run itself.
///
/// Errors: the caller decides against the run, or it cannot even begin. Nothing has been changed.
pub(crate) fn hold(
    plan: &Arc<Plan>,
    report: &Report,
    feeds: &mut [Feed],
    prepare: impl FnOnce(&mut Dest) -> Result<()>,
) -> Result<()> {
    if !plan.output.events.planned || plan.select.list_only {
        return Ok(());
    }
    let planned = estimate(plan, report, feeds, prepare).map_err(|error| {
        match error {
            // Reported where nobody reads it (see `Generator::check_parent`).
            Error::Reported(2) if !report.is_cancelled() => {
                Error::Protocol("ABORTING due to invalid path from sender".into())
            }
            error => error,
        }
    })?;
    if report.ask(Event::Planned(Box::new(planned)))? {
        return Ok(());
    }
    Err(Error::Other(
        25,
        "tain: the plan was refused, and nothing was changed".into(),
    ))
}

/// What the run would do.
fn estimate(
    plan: &Arc<Plan>,
    report: &Report,
    feeds: &mut [Feed],
    prepare: impl FnOnce(&mut Dest) -> Result<()>,
) -> Result<Planned> {
    let dry = Arc::new(plan.for_estimate());
    let report = report.silent(Arc::clone(&dry));
    report.set_role(Role::Generator);
    let mut dest = destination::resolve(&dry, &report, feeds)?;
    prepare(&mut dest)?;
    if plan.select.prune_empty_dirs && plan.place.is_local() {
        // A receiver has done this when the list came.
        for feed in &mut *feeds {
            if let Feed::List(list) = feed {
                if let Some(list) = Arc::get_mut(list) {
                    prune(&dry, list, dest.root.path(), &report)?;
                }
            }
        }
    }
    let block = rustix::fs::fstatvfs(dest.root.handle()).map_or(BLOCK, |place| place.f_frsize);
    let estimate = SharedEstimate::new(Arc::clone(&dry), block);
    let filters = Filters::receiver(&dry, dest.root.path())?;
    // Nothing comes back: the lists are all that the generator receives.
    let (_sender, inbox) = bounded(0);
    let mut generator = Generator::new(dest, inbox, Box::new(Counter(estimate.clone())), filters);
    generator.judge.deleter.count_in(estimate.clone());
    generator.flow.window.ended = true;
    let mut lists: Vec<Feed> = Vec::new();
    for feed in &*feeds {
        if let Feed::List(list) = feed {
            lists.push(Feed::List(Arc::clone(list)));
        }
    }
    lists.push(Feed::Eof);
    generator.run(lists)?;
    let planned = estimate.lock().take();
    Ok(planned)
}
