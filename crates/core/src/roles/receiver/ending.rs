//! The end of a receiver: delayed files, and the goodbye (spec: protocol 6.3, 6.8).

use super::Receiver;
use crate::error::{bail, Result};
use crate::plan::DeleteWhen;
use crate::role::Role;
use crate::roles::dest::Failed;
use crate::roles::exchange::read_deletions;
use crate::roles::text::items::{Figures, Part};
use crate::roles::words::inbox::Feed;
use crate::wire::ints::Source;
use crate::wire::ndx::{NDX_DEL_STATS, NDX_DONE};

impl Receiver {
    /// Give the delayed files their names (spec: transfer 6 `--delay-updates`).
    pub(super) fn finish_delayed(&mut self) -> Result<()> {
        if self.delayed.is_empty() {
            return Ok(());
        }
        let dest = self.dest()?;
        for held in std::mem::take(&mut self.delayed) {
            let good = match dest.place_delayed(&held.rel, held.exists) {
                Ok(()) => true,
                Err(Failed::File(_)) => false,
                Err(Failed::Run(error)) => return Err(error),
            };
            if good {
                let late = !held.sum.is_empty();
                let figures = Figures {
                    bytes: if late { held.bytes } else { 0 },
                    sum_bytes: 0,
                    checksum: late.then_some(&held.sum),
                    moved: held.moved,
                };
                self.report_item(&held.item, &held.at, figures, Part::Kept);
            }
            self.notify_generator(Feed::Placed {
                ndx: held.item.ndx,
                good,
            })?;
        }
        Ok(())
    }

    /// Statistics and the last DONE (spec: protocol 6.3, 6.8).
    pub(super) fn goodbye(&mut self) -> Result<()> {
        let protocol = self.plan.agreed.protocol;
        if !self.plan.place.is_server() {
            let mut figure = || self.reader.x30long(protocol, 3).map(|n| n.max(0) as u64);
            let (read, written, total) = (figure()?, figure()?, figure()?);
            let (build, xfer) = if protocol >= 29 { (figure()?, figure()?) } else { (0, 0) };
            self.report.stats(|s| {
                s.sent = read;
                s.received = written;
                s.total_size = total;
                s.flist_build_ms = build;
                s.flist_xfer_ms = xfer;
            });
        }
        if protocol >= 31 {
            loop {
                match self.ndx.read(&mut self.reader)? {
                    NDX_DONE => break,
                    NDX_DEL_STATS => {
                        let counts = read_deletions(&mut self.reader, Role::Receiver)?;
                        if self.plan.removal.delete == DeleteWhen::Never && !self.plan.removal.force {
                            self.report.stats(|s| s.deleted = counts);
                        }
                    }
                    ndx => bail!(Protocol; "Invalid packet at end of run ({ndx}) [receiver]"),
                }
            }
        }
        Ok(())
    }
}
