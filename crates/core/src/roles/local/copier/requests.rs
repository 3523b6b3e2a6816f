//! The copier answers the generator's requests.

use super::Copier;
use crate::error::Result;
use crate::flist::At;
use crate::role::Role;
use crate::roles::dest::{Dest, Failed};
use crate::roles::landing::Outcome;
use crate::roles::paths::disk;
use crate::roles::pool::Pool;
use crate::roles::sources::remove_source_file;
use crate::roles::text::items::{self, Change, Figures, Part};
use crate::roles::words::request::{Answer, Request, Requests};
use crate::wire::item::ItemFlags;

/// Bytes that a request would have on a wire, for the order of held lines.
const REQUEST: usize = 19;

impl Requests for Copier {
    fn is_remote(&self) -> bool {
        false
    }

    fn item(&mut self, _dest: &Dest, at: &At, _ndx: i32, iflags: ItemFlags, xname: Option<&[u8]>) -> Result<()> {
        let report = &self.report;
        if self.plan.agreed.protocol < 29 {
            Change::received(at, iflags, xname).report_unsent(report);
            return Ok(());
        }
        report.held_cost(3 + xname.map_or(0, <[u8]>::len));
        // The sending side reports it, which has absolute names as such.
        let name = at.given_name();
        items::count_item(report, at, iflags, xname);
        Change::sent(at, iflags, xname).report(report, &name, Figures::default(), Part::All);
        let cost = 3 + xname.map_or(0, |x| x.len() as u64 + 1);
        items::count_wire(report, cost, cost);
        Ok(())
    }

    fn request(&mut self, dest: &Dest, request: Request) -> Result<Answer> {
        self.report.held_cost(REQUEST);
        self.copy(request, dest)
    }

    fn remove_source(&mut self, dest: &Dest, at: &At) -> Result<()> {
        let name = at.name();
        let entry = *at.entry();
        let Some(root) = self.sources.root(entry.root) else {
            return Ok(());
        };
        let rel = dest.name(at);
        let mut there = dest.root.lstat(&rel).ok();
        if there.is_none() {
            // Nothing was made, because an alternate directory has the file, which may be the source itself.
            let mut alternates = dest.alternates().iter().filter_map(|root| root.lstat(&rel).ok());
            there = match root.lstat(disk(&name)) {
                Ok(source) => alternates.find(|stat| stat.same_file(&source)),
                Err(_) => None,
            };
        }
        remove_source_file(&self.report, root, &name, &entry, there.map(|s| (s.dev, s.ino)));
        Ok(())
    }

    fn take_written(&mut self) -> Result<Option<(i32, Outcome)>> {
        self.pool.as_mut().and_then(Pool::finished).transpose()
    }

    fn wait_written(&mut self) -> Result<Option<(i32, Outcome)>> {
        self.pool.as_mut().and_then(Pool::wait).transpose()
    }

    fn place_delayed(&mut self, dest: &Dest) -> Result<Vec<(At, Outcome)>> {
        let dest = dest.for_role(Role::Receiver);
        let mut ended = Vec::new();
        for held in std::mem::take(&mut self.delayed) {
            let outcome = match dest.place_delayed(&held.rel, held.exists) {
                Ok(()) => Outcome::Placed,
                Err(Failed::File(_)) => Outcome::Failed,
                Err(Failed::Run(error)) => return Err(error),
            };
            if outcome == Outcome::Placed {
                let mut figures = Figures {
                    moved: held.moved,
                    ..Figures::default()
                };
                if let Some((bytes, sum_bytes, sum)) = &held.figures {
                    figures = Figures {
                        bytes: *bytes,
                        sum_bytes: *sum_bytes,
                        checksum: sum.as_deref(),
                        moved: held.moved,
                    };
                }
                let name = held.at.given_name();
                Change::sent(&held.at, held.iflags, None).report(&self.report, &name, figures, Part::Kept);
            }
            ended.push((held.at, outcome));
        }
        Ok(ended)
    }
}
