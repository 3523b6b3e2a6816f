//! The data of one file: its basis, where the data is written, and its verification.

use std::fs::File;
use std::sync::Arc;

use super::placing::{End, Held};
use super::rebuild::{rebuild, Built, Failure, Job, Sink, Target};
use super::{Incoming, Receiver, Written};
use crate::error::{bail, Error, Result};
use crate::flist::names::shown;
use crate::report::debug::debug;
use crate::report::say::text;
use crate::roles::dest::Dest;
use crate::roles::landing::{NewFile, Outcome};
use crate::roles::paths::split_name;
use crate::roles::text::items;
use crate::roles::words::request::BasisKind;
use crate::sums::strong::{digest_len, Hasher};
use crate::tree::sparse::Output;
use crate::tree::{Root, Stat};
use crate::wire::ints::Source;
use crate::wire::item::Item;

impl Receiver {
    /// The basis that an item names, with checks on what the sender says about it (spec: protocol 6.2).
    pub(super) fn basis_place(
        &self,
        item: &Item<'_>,
        dest: &Dest,
        rel: &[u8],
        exists: Option<&Stat>,
    ) -> Result<(BasisKind, Option<(Root, Vec<u8>)>)> {
        let own = || (dest.root.clone(), rel.to_vec());
        if self.plan.agreed.protocol < 29 {
            if self.plan.write.inplace && self.plan.write.backup {
                return Ok((BasisKind::Backup, dest.backup_place(rel)));
            }
            if let Some((root, name)) = dest.partial_name(rel) {
                if root.lstat(&name).is_ok_and(|s| s.is_file()) {
                    return Ok((BasisKind::Partial, Some((root, name))));
                }
            }
            if exists.is_none() {
                if let Some(Some(root)) = self.alt_roots.first() {
                    return Ok((BasisKind::Alternate(0), Some((root.clone(), rel.to_vec()))));
                }
            }
            return Ok((BasisKind::Itself, Some(own())));
        }
        let kind = BasisKind::of(item);
        let bad = || Err(Error::Protocol(format!("invalid basis_dir index: {}.", kind.to_wire())));
        let place = match kind {
            BasisKind::Itself => Some(own()),
            BasisKind::Partial => dest.partial_name(rel),
            BasisKind::Backup => dest.backup_place(rel),
            BasisKind::Alternate(n) => {
                if usize::from(n) >= self.plan.select.alt_dirs.len() {
                    return bad();
                }
                self.alt_roots
                    .get(usize::from(n))
                    .cloned()
                    .flatten()
                    .map(|root| (root, rel.to_vec()))
            }
            BasisKind::Fuzzy(n) => {
                let base = clean_xname(item.xname.as_deref().unwrap_or_default());
                if self.plan.select.fuzzy == 0 {
                    bail!(Protocol; "rsync: refusing malicious fuzzy operation for {}", shown(&base));
                }
                let root = if let Some(n) = n.map(usize::from) {
                    if n >= self.plan.select.alt_dirs.len() {
                        return bad();
                    }
                    self.alt_roots.get(n).cloned().flatten()
                } else {
                    Some(dest.root.clone())
                };
                let (dir, _) = split_name(rel);
                let name = if dir.is_empty() {
                    base
                } else {
                    [dir, b"/", &base].concat()
                };
                root.map(|root| (root, name))
            }
        };
        Ok((kind, place))
    }

    pub(super) fn file(
        &mut self,
        dest: &Dest,
        incoming: &Incoming,
        sum: &mut Vec<u8>,
        opened: &mut dyn FnMut(&Self),
    ) -> Result<Written> {
        let to_device = self.plan.write.write_devices && incoming.exists.is_some_and(|s| s.is_device());
        if incoming.exists.is_some_and(|s| s.is_dir()) {
            let text = text!["recv_files: ", &dest.display(&incoming.rel), " is a directory"];
            self.report.error_xfer(text);
            self.discard(incoming, sum)?;
            return Ok(Outcome::Failed.into());
        }
        if incoming.basis_lost {
            self.discard(incoming, sum)?;
            let outcome = if incoming.redo { Outcome::Failed } else { Outcome::Again };
            return Ok(outcome.into());
        }
        let name = incoming.at.name();
        let file = NewFile {
            dest,
            rel: &incoming.rel,
            name: &name,
            want: &incoming.want,
            size: incoming.at.entry().len,
            existing: incoming.exists.map(|s| s.size),
            replaces: incoming.replaces,
            from_partial: incoming.kind == BasisKind::Partial,
            redo: incoming.redo,
        };
        if self.plan.write.inplace || to_device || self.plan.write.append > 0 {
            let outcome = self.in_place(file, incoming, to_device, sum, opened)?;
            return Ok(outcome.into());
        }
        if self.placing.takes(incoming, dest, &self.feed) {
            return self.hold(file, incoming, sum, opened);
        }
        // It may take long.
        self.placing.hand_over()?;
        let Ok(landing) = file.begin() else {
            self.discard(incoming, sum)?;
            return Ok(Outcome::Failed.into());
        };
        opened(self);
        self.begin_progress(incoming);
        let mut built = Built::default();
        let target = Target {
            output: Sink::File(Output::new(
                landing.target(),
                0,
                landing.reserved(),
                self.plan.write.sparse,
            )),
            inplace: false,
        };
        match self.data(dest, incoming, Some(target), 0, None, &mut built, sum) {
            Ok(true) => landing.finish().map(Written::from),
            Ok(false) => Ok(landing.unverified(built.literal > 0).into()),
            Err(error) => {
                landing.interrupted(built.literal > 0);
                Err(error)
            }
        }
    }

    /// Keep the data of a small file in memory, for a worker that writes it.
    fn hold(
        &mut self,
        file: NewFile<'_>,
        incoming: &Incoming,
        sum: &mut Vec<u8>,
        opened: &mut dyn FnMut(&Self),
    ) -> Result<Written> {
        let dest = file.dest;
        opened(self);
        self.begin_progress(incoming);
        let mut built = Built::default();
        let mut held = Held::new(file);
        let target = Target {
            output: Sink::Held(&mut held),
            inplace: false,
        };
        let result = self.data(dest, incoming, Some(target), 0, None, &mut built, sum);
        let received = built.literal > 0;
        match result {
            Ok(true) => match held.verified() {
                End::Memory(data) => Ok(Written::Held(data)),
                End::Begun(landing) => landing.finish().map(Written::from),
                End::Failed => Ok(Outcome::Failed.into()),
            },
            Ok(false) => held.unverified(received).map(Written::from),
            Err(error) => {
                held.interrupted(received);
                Err(error)
            }
        }
    }

    /// Show the file in the live figures.
    pub(super) fn begin_file(&self, incoming: &Incoming) {
        let at = &incoming.at;
        self.report
            .live()
            .begin_file(&at.name(), at.entry().len, !incoming.redo);
    }

    pub(super) fn begin_progress(&self, incoming: &Incoming) {
        if self.report.progress_level() > 0 {
            self.report.set_processed(self.places.of(&incoming.at));
            self.report.progress_begin(0);
            self.report.progress(0, incoming.at.entry().len);
        }
    }

    /// `--inplace`, `--append`, `--write-devices`.
    fn in_place(
        &mut self,
        file: NewFile<'_>,
        incoming: &Incoming,
        to_device: bool,
        sum: &mut Vec<u8>,
        opened: &mut dyn FnMut(&Self),
    ) -> Result<Outcome> {
        let dest = file.dest;
        let Ok(update) = file.begin_in_place(to_device) else {
            self.discard(incoming, sum)?;
            return Ok(Outcome::Failed);
        };
        opened(self);
        self.begin_progress(incoming);
        let existing = incoming.exists.map_or(0, |s| s.size);
        let offset = if self.plan.write.append > 0 && !incoming.redo {
            incoming.head.flength()
        } else {
            0
        };
        let target = Target {
            output: Sink::File(Output::new(
                update.target(),
                offset,
                existing,
                self.plan.write.sparse && !to_device,
            )),
            inplace: matches!(incoming.kind, BasisKind::Itself | BasisKind::Backup),
        };
        let mut built = Built::default();
        let present = Some(update.target());
        if self.data(dest, incoming, Some(target), offset, present, &mut built, sum)? {
            update.finish()
        } else {
            update.unverified()
        }
    }

    /// Read the tokens and the sum of a file. `false`: the result differs from the sender's file.
    #[allow(clippy::too_many_arguments)] // where the data comes from, where it goes, and the two sums
    pub(super) fn data(
        &mut self,
        dest: &Dest,
        incoming: &Incoming,
        target: Option<Target<'_, '_>>,
        offset: u64,
        present: Option<&File>,
        built: &mut Built,
        sum: &mut Vec<u8>,
    ) -> Result<bool> {
        let plan = Arc::clone(&self.plan);
        let mut whole = Hasher::new_whole_file(plan.agreed.xfer_sum, plan.agreed.seed);
        let appends = plan.write.append > 0 && !incoming.redo;
        let mut start = Ok(());
        if appends && offset > 0 && (plan.write.append > 1 || plan.agreed.protocol < 30) {
            if let Some(mut file) = present {
                start = crate::delta::search::skip_appended(&mut file, offset, Some(&mut whole));
            }
        }
        if let Some((name, size)) = &incoming.mapped {
            debug!(self.report, deltasum >= 2; "recv mapped ", name, " of size ", *size);
        }
        let job = Job {
            head: incoming.head,
            basis: incoming.basis.as_ref(),
            size: incoming.at.entry().len,
            offset,
            report: &self.report,
            stop: &self.stop,
        };
        let writes = target.is_some();
        let result = rebuild(&mut self.reader, &mut self.tokens, &job, target, &mut whole, built);
        self.built = *built;
        // Data that can't be written counts as well. Data that is only recorded in a batch, or comes from one, does not
        // count (observed).
        if writes || !(self.plan.agreed.only_write_batch || self.plan.agreed.read_batch) {
            items::count_data(&self.report, built.literal, built.matched);
        }
        match result {
            Ok(()) => {}
            Err(Failure::Run(error)) => return Err(error),
            Err(Failure::NoBasis) => {
                let path = dest.display(&incoming.rel);
                bail!(
                    Protocol; "got a block match with no basis file for {} [receiver]", String::from_utf8_lossy(&path)
                );
            }
            Err(Failure::Write(error)) => return Err(dest.write_error(&incoming.rel, &error)),
        }
        debug!(self.report, deltasum >= 2; "got file_sum");
        let digest = whole.finish();
        sum.resize(digest_len(plan.agreed.xfer_sum), 0);
        self.reader.read_exact(sum)?;
        // If a part of the basis could not be read, a comparison of sums means nothing.
        Ok(start.is_ok() && digest.as_slice() == sum.as_slice())
    }

    pub(super) fn discard(&mut self, incoming: &Incoming, sum: &mut Vec<u8>) -> Result<()> {
        let dest = self.dest()?;
        self.data(&dest, incoming, None, 0, None, &mut Built::default(), sum)?;
        Ok(())
    }
}

/// The last component of a name that a peer gave for a file beside another one.
fn clean_xname(name: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = name
        .split(|&b| b == b'/')
        .filter(|p| !matches!(*p, b"" | b"." | b".."))
        .collect();
    parts.join(&b'/')
}
