//! What answers a request when both ends are this process: the file is copied at once (spec: design 3, transfer 6).

mod rewrite;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::compare::is_reg;
use super::dest::{Dest, Failed};
use super::generator::Request;
use super::items::{self, Figures, Part};
use super::landing::{NewFile, Outcome};
use super::paths::disk;
use super::pool::Pool;
use super::sources::Sources;
use crate::error::{Error, IoErrorExt as _, Result};
use crate::flist::Segment;
use crate::plan::{Debug, DeleteWhen, Plan};
use crate::report::say::text;
use crate::report::Report;
use crate::role::Role;
use crate::sums::size::sum_head;
use crate::sums::strong::Hasher;
use crate::tree::data::{self, CopyError};
use crate::tree::sparse::Output;
use crate::tree::Root;
use crate::wire::item::IoErrors;
use crate::wire::item::ItemFlags;
use crate::wire::throttle::Throttle;

/// Files up to this size are read and written in one piece.
const SMALL: u64 = 256 * 1024;

/// Bytes that are looked at for holes at a time.
const PIECE: usize = 32 * 1024;

/// So many small files are copied here before workers are started: most runs have no more.
const FIRST: usize = 16;

/// What became of a request.
pub enum Copied {
    Now(Outcome),
    /// A worker has it; [`Copier::finished`] and [`Copier::wait`] tell of the end.
    Later,
}

/// A finished file that waits in the partial-dir (`--delay-updates`).
struct Delayed {
    segment: Arc<Segment>,
    i: usize,
    ndx: i32,
    iflags: ItemFlags,
    rel: Vec<u8>,
    /// Something is at its name that a backup is made of.
    exists: bool,
    /// Bytes, bytes of sums and the sum that the log shows.
    figures: Option<(u64, u64, Option<Vec<u8>>)>,
}

/// A file whose last step has been tried: its list, its place there, its number, and what became of it.
pub type Ended = (Arc<Segment>, usize, i32, Outcome);

/// Copies files on this machine.
pub struct Copier {
    plan: Arc<Plan>,
    report: Report,
    sources: Sources,
    /// The destination with the receiver's eyes; kept, because it holds the handles of directories in use.
    dest: Option<Arc<Dest>>,
    buffer: Vec<u8>,
    /// The buffer holds the whole file.
    early: bool,
    /// Finished files that wait in the partial-dir (`--delay-updates`).
    delayed: Vec<Delayed>,
    throttle: Throttle,
    /// Literal and matched bytes of the file in hand.
    written: (u64, u64),
    /// Its progress is shown, and not ended yet.
    progress_open: bool,
    /// The workers, once there is enough for them.
    pool: Option<Pool>,
    /// Small files until workers are started; `None`: this run has none.
    until_pool: Option<usize>,
}

impl Copier {
    pub fn new(plan: Arc<Plan>, report: Report, sources: Sources) -> Self {
        let pooled = poolable(&plan) && !report.after_data() && Pool::size() > 0;
        let until_pool = pooled.then_some(FIRST);
        let mut throttle = Throttle::new();
        throttle.set(plan.bwlimit);
        Self {
            plan,
            report,
            sources,
            throttle,
            written: (0, 0),
            progress_open: false,
            dest: None,
            buffer: Vec::new(),
            early: false,
            delayed: Vec::new(),
            pool: None,
            until_pool,
        }
    }

    /// One that writes files for this one in a thread of its own.
    pub fn worker(&self) -> Self {
        let mut copier = Self::new(Arc::clone(&self.plan), self.report.clone(), self.sources.clone());
        copier.until_pool = None;
        copier
    }

    /// A file whose writing has ended, if there is one: its number, and what became of it.
    pub fn finished(&mut self) -> Result<Option<(i32, Outcome)>> {
        let done = self.pool.as_mut().and_then(Pool::finished);
        done.map(|(ndx, outcome)| Ok((ndx, outcome?))).transpose()
    }

    /// Wait for the next end; `None`: nothing is in hand.
    pub fn wait(&mut self) -> Result<Option<(i32, Outcome)>> {
        let done = self.pool.as_mut().and_then(Pool::wait);
        done.map(|(ndx, outcome)| Ok((ndx, outcome?))).transpose()
    }

    /// Whether a worker may have it: a small file that is copied whole.
    fn for_worker(&mut self, request: &Request, dest: &Dest) -> bool {
        let fits = !request.redo
            && request.segment.entry(request.i).len < SMALL
            && !request.exists.is_some_and(|s| s.is_device());
        match self.until_pool {
            Some(0) => fits && self.pool.is_some(),
            Some(left) if fits => {
                self.until_pool = Some(left - 1);
                if left == 1 {
                    self.pool = Pool::start(self, dest);
                }
                false
            }
            _ => false,
        }
    }

    /// Write a file whose item was reported already.
    pub fn write_small(&mut self, request: &Request, dest: &Dest, source: &File) -> Result<Outcome> {
        let outcome = self.data(request, dest, source)?;
        let figures = self.wire_figures(request, self.written.0, self.written.1);
        self.report.stats(|s| {
            s.sent += figures.0;
            s.received += figures.1 + 3;
        });
        Ok(outcome)
    }

    fn tell(&self, request: &Request, figures: Figures<'_>, part: Part) {
        let name = request.segment.given_name(request.i);
        items::tell(
            &self.report,
            &request.segment,
            request.i,
            &name,
            request.iflags,
            None,
            true,
            figures,
            part,
        );
    }

    /// Carry out a request, or have it carried out.
    pub fn copy(&mut self, request: Request, dest: &Dest) -> Result<Copied> {
        self.report.check()?;
        if !self.for_worker(&request, dest) {
            return self.copy_now(&request, dest).map(Copied::Now);
        }
        let entry = *request.segment.entry(request.i);
        let name = request.segment.name(request.i);
        self.count(&request);
        let Some(source) = self.open_source(entry.root, disk(&name)) else {
            return Ok(Copied::Now(Outcome::Failed));
        };
        self.tell(&request, Figures::default(), Part::Screen);
        self.tell(&request, Figures::default(), Part::KeptAfter(request.ndx));
        match &mut self.pool {
            Some(pool) => pool.submit(request, source)?,
            None => return Err(Error::Ipc("no thread writes files".into())),
        }
        Ok(Copied::Later)
    }

    /// A file counts as soon as it is asked for, readable or not; as a new one only the first time (observed).
    fn count(&self, request: &Request) {
        let entry = request.segment.entry(request.i);
        if !request.redo {
            items::count(&self.report, entry.mode, request.iflags);
        }
        self.report.stats(|s| {
            s.transferred += 1;
            s.transferred_size += entry.len;
        });
    }

    /// Carry out a request.
    fn copy_now(&mut self, request: &Request, dest: &Dest) -> Result<Outcome> {
        let entry = *request.segment.entry(request.i);
        self.count(request);
        if self.plan.dry_run {
            self.tell(request, Figures::default(), Part::All);
            self.report.stats(|s| {
                s.sent += 3;
                s.received += 3;
            });
            return Ok(Outcome::Placed);
        }
        let name = request.segment.name(request.i);
        let Some(source) = self.open_source(entry.root, disk(&name)) else {
            return Ok(Outcome::Failed);
        };
        let late = self.report.after_data();
        if !late {
            self.tell(request, Figures::default(), Part::Screen);
        }
        if self.report.progress_level() > 0 {
            self.report.progress_begin(0);
            self.progress_open = true;
        }
        let dest = Arc::clone(self.dest.get_or_insert_with(|| Arc::new(dest.for_role(Role::Receiver))));
        let outcome = self.data(request, &dest, &source)?;
        let figures = self.wire_figures(request, self.written.0, self.written.1);
        self.report.stats(|s| {
            s.sent += figures.0;
            s.received += figures.1 + 3;
        });
        self.end_progress(entry.len);
        let sum = if late { self.late_sum(&source, entry.len) } else { None };
        let mut shown = Figures::default();
        if late {
            shown = Figures {
                bytes: figures.0,
                sum_bytes: figures.1,
                checksum: sum.as_deref(),
            };
            self.tell(request, shown, Part::Screen);
        }
        match outcome {
            Outcome::Placed => self.tell(request, shown, Part::Kept),
            Outcome::Held => {
                let figures = late.then_some((figures.0, figures.1, sum));
                self.delayed.push(Delayed {
                    segment: Arc::clone(&request.segment),
                    i: request.i,
                    ndx: request.ndx,
                    iflags: request.iflags,
                    rel: request.rel.clone(),
                    exists: request.exists.is_some(),
                    figures,
                });
            }
            Outcome::Again | Outcome::Failed => {}
        }
        Ok(outcome)
    }

    /// Bytes that a sender would have written for the item, and read as sums, over an uncompressed wire: item, sum
    /// head, tokens, end and whole-file sum (spec: protocol 6.1, 7.1).
    fn wire_figures(&self, request: &Request, literal: u64, matched: u64) -> (u64, u64) {
        let digest = crate::sums::strong::digest_len(self.plan.xfer_sum) as u64;
        let mut sums = 16;
        let mut blocks = 0;
        if let Some(basis) = request.basis.as_ref().filter(|_| !self.plan.whole_file) {
            let head = sum_head(
                basis.size,
                self.plan.block_size,
                self.plan.protocol,
                self.plan.xfer_sum,
                request.redo,
            );
            sums += u64::from(head.count) * (4 + u64::from(head.s2length));
            blocks = matched.div_ceil(u64::from(head.blength.max(1)));
        }
        let runs = literal.div_ceil(32 * 1024);
        (3 + 16 + literal + 4 * (runs + blocks) + 4 + digest, sums)
    }

    /// `%C` of a file whose bytes never came by.
    fn late_sum(&mut self, source: &File, len: u64) -> Option<Vec<u8>> {
        if self.plan.checksum {
            return None;
        }
        let mut hasher = Hasher::new(self.plan.xfer_sum);
        self.buffer.resize(SMALL as usize, 0);
        let mut at = 0;
        while at < len {
            match source.read_at(&mut self.buffer, at) {
                // No sum is better than a wrong one.
                Ok(0) | Err(_) => return None,
                Ok(n) => {
                    hasher.update(&self.buffer[..n]);
                    at += n as u64;
                }
            }
        }
        Some(hasher.finish().as_slice().to_vec())
    }

    fn open_source(&mut self, number: u16, path: &[u8]) -> Option<File> {
        let report = &self.report;
        let shown = |root: &Root| report.quoted(&root.display(path));
        let opened = self.sources.open_data(&self.plan, report, number, path, shown);
        opened.map_err(|bits| report.set_io_error(bits)).ok()
    }

    fn data(&mut self, request: &Request, dest: &Dest, source: &File) -> Result<Outcome> {
        let plan = Arc::clone(&self.plan);
        self.written = (0, 0);
        let entry = *request.segment.entry(request.i);
        let to_device = plan.write_devices && request.exists.is_some_and(|s| s.is_device());
        let size = if self.read_early(request, source, to_device) {
            entry.len
        } else {
            match crate::tree::stat::of_file(source) {
                Ok(stat) if is_reg(stat.mode) => stat.size,
                Ok(_) => entry.len,
                Err(error) => {
                    self.report.set_io_error(IoErrors::GENERAL);
                    let name = request.segment.name(request.i);
                    let shown = self.shown_source(entry.root, &name);
                    let text = text!["fstat ", &shown, " failed"];
                    self.report.sys_error(Role::Sender, text, &error);
                    return Ok(Outcome::Failed);
                }
            }
        };
        // Without --perms the mode is that of the file which the data builds on (observed).
        let model = match &request.basis {
            Some(basis) if !plan.perms => dest.model(&basis.root, &basis.name),
            _ => request.exists,
        };
        let want = dest.wanted(&request.segment, request.i, model.as_ref());
        let name = request.segment.name(request.i);
        let file = NewFile {
            dest,
            rel: &request.rel,
            name: &name,
            want: &want,
            size,
            existing: request.exists.map(|s| s.size),
            replaces: request.exists.is_some(),
            from_partial: matches!(&request.basis, Some(b) if b.kind == super::generator::basis::PARTIAL),
            redo: request.redo,
        };
        let outcome = if plan.inplace || to_device || plan.append > 0 {
            self.in_place(request, file, source, size, to_device)
        } else {
            self.replacement(request, file, source, size)
        };
        let (literal, matched) = self.written;
        self.report.stats(|s| {
            s.literal += literal;
            s.matched += matched;
        });
        outcome
    }

    /// A new file that takes the place of what is at the name.
    fn replacement(&mut self, request: &Request, file: NewFile<'_>, source: &File, size: u64) -> Result<Outcome> {
        let dest = file.dest;
        let Ok(landing) = file.begin() else {
            // What can't be written anywhere counts as well (observed).
            self.written.0 = size;
            return Ok(Outcome::Failed);
        };
        match self.fill(request, dest, source, size, landing.target(), landing.reserved()) {
            Ok(()) => landing.finish(),
            Err(CopyError::Source(error)) => {
                let received = self.written.0 > 0;
                self.source_failed(request, size, &error);
                Ok(landing.unverified(received))
            }
            Err(other) => {
                landing.interrupted(self.written.0 > 0);
                Err(target_failed(dest, &request.rel, other))
            }
        }
    }

    fn end_progress(&mut self, len: u64) {
        if std::mem::take(&mut self.progress_open) {
            self.report.progress_end(len);
        }
    }

    /// A source file in messages.
    fn shown_source(&mut self, number: u16, name: &[u8]) -> Vec<u8> {
        match self.sources.root(number) {
            Some(root) => self.report.quoted(&root.display(disk(name))),
            None => self.report.quoted(name),
        }
    }

    /// The source can't be read to its end: say so, as a sender does (spec: transfer 13).
    fn source_failed(&mut self, request: &Request, size: u64, error: &io::Error) {
        let entry = *request.segment.entry(request.i);
        let name = request.segment.name(request.i);
        self.report.set_io_error(IoErrors::GENERAL);
        let shown = self.shown_source(entry.root, &name);
        let text = text!["read errors mapping ", &shown];
        // A sender has shown the item before it reads, and its end after the zeros that stand for the rest.
        self.report.release();
        self.end_progress(entry.len);
        self.report.sys_error(Role::Sender, text, error);
        // A sender fills up with zeros, which count (observed).
        self.written.0 = size.saturating_sub(self.written.1);
    }

    /// Read a small file that is copied whole into the buffer, before anything is made for it. `false`: look at the
    /// file's status first, because this is no such case or the file is not as long as listed.
    fn read_early(&mut self, request: &Request, source: &File, to_device: bool) -> bool {
        let plan = &self.plan;
        let len = request.segment.entry(request.i).len;
        let whole = request.basis.is_none() || plan.whole_file;
        let plain = !(plan.sparse || plan.preallocate || plan.inplace || plan.copy_devices || to_device);
        self.early = false;
        // An empty file is not read, which would change its access time.
        if !whole || !plain || plan.append > 0 || len >= SMALL || len == 0 {
            return false;
        }
        self.buffer.resize(SMALL as usize, 0);
        // One byte more is asked for than there should be, so an answer of just that length is the end of the file.
        self.early = source
            .read_at(&mut self.buffer[..=len as usize], 0)
            .is_ok_and(|n| n as u64 == len);
        self.early
    }

    /// Move the files that were held back (spec: transfer 6 `--delay-updates`), and say what became of each.
    pub fn finish_delayed(&mut self, dest: &Dest) -> Result<Vec<Ended>> {
        let dest = dest.for_role(Role::Receiver);
        let mut ended = Vec::new();
        for held in std::mem::take(&mut self.delayed) {
            let outcome = match dest.place_delayed(&held.rel, held.exists) {
                Ok(()) => Outcome::Placed,
                Err(Failed::File(_)) => Outcome::Failed,
                Err(Failed::Run(error)) => return Err(error),
            };
            if outcome == Outcome::Placed {
                let mut figures = Figures::default();
                if let Some((bytes, sum_bytes, sum)) = &held.figures {
                    figures = Figures {
                        bytes: *bytes,
                        sum_bytes: *sum_bytes,
                        checksum: sum.as_deref(),
                    };
                }
                let name = held.segment.given_name(held.i);
                let (report, segment) = (&self.report, &held.segment);
                items::tell(
                    report,
                    segment,
                    held.i,
                    &name,
                    held.iflags,
                    None,
                    true,
                    figures,
                    Part::Kept,
                );
            }
            ended.push((held.segment, held.i, held.ndx, outcome));
        }
        Ok(ended)
    }

    /// Write the new content into `target`, which is empty (or has `reserved` zeros).
    fn fill(
        &mut self,
        request: &Request,
        dest: &Dest,
        source: &File,
        size: u64,
        target: &File,
        reserved: u64,
    ) -> Result<(), CopyError> {
        let plan = Arc::clone(&self.plan);
        if let Some(basis) = request.basis.as_ref().filter(|_| !plan.whole_file && size > 0) {
            if self.delta(request, dest, source, size, basis, target, reserved, false)? {
                return Ok(());
            }
        }
        if plan.sparse || plan.bwlimit > 0 {
            // Piece by piece: for holes, and when there is a limit to the speed.
            let mut output = Output::new(target, 0, reserved, plan.sparse);
            self.copy_pieces(source, 0, size, &mut output, PIECE)?;
            output.finish().map_err(CopyError::Target)?;
            return Ok(());
        }
        if size <= SMALL {
            return self.small_copy(source, size, target);
        }
        let report = self.report.clone();
        let progress = report.progress_level() > 0;
        let written = &mut self.written.0;
        data::copy_whole_with(source, target, size, true, &mut |done| {
            *written = done;
            if progress {
                report.progress(done, size);
            }
            report.check()
        })?;
        Ok(())
    }

    fn small_copy(&mut self, source: &File, size: u64, target: &File) -> Result<(), CopyError> {
        self.buffer.resize(SMALL as usize, 0);
        let content = &mut self.buffer[..size as usize];
        if !self.early {
            data::read_at(source, content, 0)?;
        }
        if size > 0 {
            use std::io::Write;
            let mut writer: &File = target;
            writer.write_all(content).map_err(CopyError::Target)?;
        }
        self.written.0 = size;
        Ok(())
    }

    /// Copy what is between `at` and `size`, `piece` bytes at a time, watched and paced.
    fn copy_pieces(
        &mut self,
        source: &File,
        mut at: u64,
        size: u64,
        output: &mut Output<'_>,
        piece: usize,
    ) -> Result<(), CopyError> {
        self.buffer.resize(piece, 0);
        while at < size {
            self.report.check().map_err(CopyError::Stopped)?;
            let want = self.buffer.len().min((size - at) as usize);
            match source.read_at(&mut self.buffer[..want], at) {
                Ok(0) => return Err(CopyError::ended_early()),
                Ok(n) => {
                    output.write(&self.buffer[..n]).map_err(CopyError::Target)?;
                    at += n as u64;
                    self.written.0 += n as u64;
                    pace(&mut self.throttle, &self.report, n).map_err(CopyError::Stopped)?;
                    if self.report.progress_level() > 0 {
                        self.report.progress(at, size);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(CopyError::Source(e)),
            }
        }
        Ok(())
    }

    /// `--remove-source-files`: the file goes if it is still the one that was listed (spec: transfer 13).
    pub fn remove_source(&mut self, segment: &Arc<Segment>, i: usize, dest: &Dest) {
        let name = segment.name(i);
        let entry = *segment.entry(i);
        let Some(root) = self.sources.root(entry.root) else {
            return;
        };
        let rel = dest.name(segment, i);
        let mut there = dest.root.lstat(&rel).ok();
        if there.is_none() {
            // Nothing was made, because an alternate directory has it: which may be the source itself.
            let mut alternates = dest.alternates().iter().filter_map(|root| root.lstat(&rel).ok());
            there = match root.lstat(disk(&name)) {
                Ok(source) => alternates.find(|stat| stat.same_file(&source)),
                Err(_) => None,
            };
        }
        remove_source_file(&self.report, root, &name, &entry, there.map(|s| (s.dev, s.ino)));
    }
}

/// What ends the run when a copy has failed for another reason than its source.
fn target_failed(dest: &Dest, rel: &[u8], error: CopyError) -> Error {
    match error {
        CopyError::Source(error) | CopyError::Target(error) => dest.write_error(rel, &error),
        CopyError::Stopped(error) => error,
    }
}

/// Remove a source file after its transfer, with the checks and messages of spec transfer 13.
pub fn remove_source_file(
    report: &Report,
    root: &Root,
    name: &[u8],
    entry: &crate::flist::Entry,
    destination: Option<(u64, u64)>,
) {
    let path = disk(name);
    let failed = |error: &io::Error| {
        let text = text!["sender failed to remove ", name];
        report.sys_error(Role::Sender, text, error);
    };
    let found = if report.plan().copy_links {
        root.stat_follow(path, false)
    } else {
        root.lstat(path)
    };
    let stat = match found {
        Ok(stat) => stat,
        Err(e) if e.is(Errno::NOENT) => {
            if report.plan().info.remove > 0 {
                report.info(text!["sender file already removed: ", name]);
            }
            return;
        }
        Err(e) => return failed(&e),
    };
    if destination == Some((stat.dev, stat.ino)) {
        report.error_xfer(text!["ERROR: Skipping sender remove of destination file: ", name]);
        return;
    }
    let exact = !report.plan().local || report.plan().protocol >= 31;
    if stat.size != entry.len && entry.is_file()
        || stat.mtime != entry.mtime
        || exact && stat.mtime_nsec != entry.mtime_nsec
    {
        report.error_xfer(text!["ERROR: Skipping sender remove for changed file: ", name]);
        return;
    }
    match root.unlink(path) {
        Ok(()) => {
            if report.plan().info.remove > 0 {
                report.info(text!["sender removed ", name]);
            }
        }
        Err(e) => failed(&e),
    }
}

/// Wait as long as the limit wants after `n` bytes (`--bwlimit`).
fn pace(throttle: &mut Throttle, report: &Report, n: usize) -> Result<()> {
    let Some(time) = throttle.written(n, Instant::now()) else {
        return Ok(());
    };
    let end = Instant::now() + time;
    loop {
        report.check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
    throttle.slept(time, Instant::now());
    Ok(())
}

/// Whether files of this run may be written in any order and beside the generator's work: nothing that the generator
/// does later depends on a file being in place, and nothing is told after the data.
fn poolable(plan: &Plan) -> bool {
    let plain = plan.whole_file && !(plan.dry_run || plan.inplace || plan.append > 0 || plan.write_devices);
    let independent = !(plan.hard_links
        || plan.remove_source_files
        || plan.remove_sent_files
        || plan.delay_updates
        || plan.partial_dir.is_some()
        || plan.backup
        || plan.fuzzy > 0
        || plan.copy_devices
        || plan.sparse
        || plan.preallocate
        || plan.bwlimit > 0);
    // With names from several places a directory may be cleaned after the first of its files was asked for.
    let ordered = plan.delete == DeleteWhen::Never || !plan.relative;
    let silent = plan.progress == 0 && plan.verbose < 3 && plan.debug == Debug::default();
    plain && independent && ordered && silent
}
