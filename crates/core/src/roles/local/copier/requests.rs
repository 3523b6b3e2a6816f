//! The copier answers the generator's requests.

use super::{Copied, Copier};
use crate::error::Result;
use crate::roles::dest::Dest;
use crate::roles::landing::Outcome;
use crate::roles::text::items::{self, Change, Figures, Part};
use crate::roles::words::request::{Answer, Request, Requests};
use crate::roles::words::At;
use crate::wire::item::ItemFlags;

/// Bytes that a request would have on a wire, for the order of held lines.
const REQUEST: usize = 19;

impl Requests for Copier {
    fn is_remote(&self) -> bool {
        false
    }

    fn item(&mut self, _dest: &Dest, at: &At, _ndx: i32, iflags: ItemFlags, xname: Option<&[u8]>) -> Result<()> {
        let report = &self.report;
        if self.plan.protocol < 29 {
            Change::received(at, iflags, xname).report_unsent(report);
            return Ok(());
        }
        report.held_cost(3 + xname.map_or(0, <[u8]>::len));
        // The sending side reports it, which has absolute names as such.
        let name = at.given_name();
        items::count(report, at.entry().mode, iflags);
        Change::sent(at, iflags, xname).report(report, &name, Figures::default(), Part::All);
        let cost = 3 + xname.map_or(0, |x| x.len() as u64 + 1);
        report.stats(|s| {
            s.sent += cost;
            s.received += cost;
        });
        Ok(())
    }

    fn request(&mut self, dest: &Dest, request: Request) -> Result<Answer> {
        self.report.held_cost(REQUEST);
        Ok(match self.copy(request, dest)? {
            Copied::Now(outcome) => Answer::Here(outcome),
            Copied::Later => Answer::Later,
        })
    }

    fn remove_source(&mut self, dest: &Dest, at: &At) -> Result<()> {
        self.remove_source_of(at, dest);
        Ok(())
    }

    fn take_written(&mut self) -> Result<Option<(i32, Outcome)>> {
        self.finished()
    }

    fn wait_written(&mut self) -> Result<Option<(i32, Outcome)>> {
        self.wait()
    }

    fn place_delayed(&mut self, dest: &Dest) -> Result<Vec<(At, Outcome)>> {
        self.finish_delayed(dest)
    }
}
