//! Lists that the receiver reads (spec: protocol 5).

use std::sync::Arc;

use super::Receiver;
use crate::error::{bail, Result};
use crate::flist::{At, Received, Segment, Unconverted, EILSEQ};
use crate::report::debug::debug;
use crate::report::say::text;
use crate::role::Role;
use crate::roles::exchange::trace_list;
use crate::roles::paths::clean;
use crate::roles::text::listing::report_received;
use crate::roles::words::inbox::Feed;
use crate::tree::operator;
use crate::wire::ints::Source as _;
use crate::wire::item::IoErrors;
use crate::wire::trace::Way;

impl Receiver {
    /// Report names that are left out (spec: protocol 5.16). While the first list is read, the receiver is still in the
    /// directory in which it was started.
    fn report_unconverted(&self, notices: &[Unconverted], first: bool) {
        for notice in notices {
            let (what, shown) = match notice {
                Unconverted::Name(name) => ("filename", name.clone()),
                Unconverted::Target(name) => {
                    let plan = &self.plan;
                    let here = if first { &b"."[..] } else { &plan.select.destination };
                    let path = match operator::absolute(here, &plan.place.cwd) {
                        Ok(dir) => [clean(&dir).as_slice(), b"/", name].concat(),
                        Err(_) => name.clone(),
                    };
                    ("symlink data for", self.report.quoted(&path))
                }
            };
            let role = self.report.role();
            self.report.error_xfer(text![
                "[",
                role,
                "] cannot convert ",
                what,
                ": ",
                shown,
                " (",
                EILSEQ,
                ")"
            ]);
        }
    }

    pub(super) fn take_list(&mut self, received: Received, role: Role) -> Result<()> {
        self.report_unconverted(&received.notices, role == Role::EarlyReceiver);
        let mut segment = received.segment;
        segment.io_error = IoErrors::from_bits(received.io_error as u32);
        self.report.set_listing_error(segment.io_error);
        if self.plan.select.prune_empty_dirs {
            crate::roles::metadata::prune(&self.plan, &mut segment, &self.plan.select.destination, &self.report)?;
        }
        trace_list(self.reader.tracer(), Way::In, &segment);
        let segment = Arc::new(segment);
        if !self.plan.agreed.inc_recurse {
            debug!(self.report, flist >= 3; "[", role, "] flist_eof=1");
        }
        for line in received.ids {
            self.report.info(line);
        }
        report_received(&self.report, role, &segment);
        self.report.stats(|s| {
            for entry in segment.entries() {
                s.files.add(entry.mode);
                if entry.is_file() || entry.is_link() {
                    s.total_size = s.total_size.saturating_add(entry.len);
                }
            }
            s.had_entries |= !segment.is_empty();
        });
        if !self.plan.output.shared_dirs.is_empty() {
            self.leave_out_shared(&segment);
        }
        self.report.add_listed(segment.len() as u64, segment.file_bytes());
        self.places.add(&segment);
        self.lists.add(Arc::clone(&segment))?;
        self.notify_generator(Feed::List(segment))
    }

    /// Directories that another run counts are not counted here.
    fn leave_out_shared(&self, segment: &Arc<Segment>) {
        let shared = segment
            .directories()
            .filter(|&i| self.plan.output.shares(&At::new(segment, i).name()))
            .count() as u64;
        self.report.stats(|s| s.files.dir = s.files.dir.saturating_sub(shared));
    }

    pub(super) fn sub_list(&mut self, dir_ndx: i32) -> Result<()> {
        let before = self.reader.bytes_read();
        let path = self.lists.expect(dir_ndx)?.name();
        if self.lists.is_empty() {
            // The sender has ended all lists: a phase can't begin again (spec: protocol 6.3).
            bail!(Protocol; "rsync: refusing sub-flist after final flist was freed");
        }
        // This list is read before the destination is resolved: the process has not divided yet.
        let early = self.lists.added() == 1 && self.lists.first().is_some_and(|list| list.len() == 1);
        let role = if early { Role::EarlyReceiver } else { Role::Receiver };
        debug!(self.report, flist >= 2; "[", role, "] receiving flist for dir ", dir_ndx);
        self.report.live().enter(&path);
        let start = self.lists.next_start();
        self.decoder.set_role(role.name());
        let received = self
            .decoder
            .read_list(&mut self.reader, start, Some((dir_ndx, &path)))?;
        self.take_list(received, role)?;
        let size = self.reader.bytes_read() - before;
        self.report.stats(|s| s.flist_size += size);
        Ok(())
    }
}
