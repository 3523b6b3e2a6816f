//! What answers a request when both ends are this process: the file is copied at once (spec: design 3, transfer 6).

mod rewrite;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::compare::is_reg;
use super::dest::Dest;
use super::generator::Request;
use super::items::{self, Figures};
use super::paths::disk;
use super::pool::Pool;
use super::sources::Sources;
use crate::error::{Error, Result};
use crate::flist::Segment;
use crate::plan::{Debug, DeleteWhen, Plan};
use crate::report::Report;
use crate::sums::size::sum_head;
use crate::sums::strong::Hasher;
use crate::tree::sparse::Output;
use crate::tree::{data, Root};
use crate::wire::throttle::Throttle;

/// Files up to this size are read and written in one piece.
const SMALL: u64 = 256 * 1024;

/// Bytes that are looked at for holes at a time.
const PIECE: usize = 32 * 1024;

/// So many small files are copied here before workers are started: most runs have no more.
const FIRST: usize = 16;

/// What became of a request.
pub enum Copied {
    /// `false`: the file was not updated (reported).
    Now(bool),
    /// A worker has it; [`Copier::finished`] and [`Copier::wait`] tell of the end.
    Later,
}

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
    delayed: Vec<(Vec<u8>, bool)>,
    /// Second tries that are still to be told of: entry and item flags.
    again: Vec<(Arc<Segment>, usize, u16)>,
    throttle: Throttle,
    /// Literal and matched bytes of all that was written here, which the workers' counts must not mix with.
    written: (u64, u64),
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
            dest: None,
            buffer: Vec::new(),
            early: false,
            delayed: Vec::new(),
            again: Vec::new(),
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

    /// A file whose writing has ended, if there is one: its number, and whether it is in place.
    pub fn finished(&mut self) -> Result<Option<(i32, bool)>> {
        let done = self.pool.as_mut().and_then(Pool::finished);
        done.map(|(ndx, good)| Ok((ndx, good?))).transpose()
    }

    /// Wait for the next end; `None`: nothing is in hand.
    pub fn wait(&mut self) -> Result<Option<(i32, bool)>> {
        let done = self.pool.as_mut().and_then(Pool::wait);
        done.map(|(ndx, good)| Ok((ndx, good?))).transpose()
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

    /// Write a file that was told of already. `false`: it was not updated (reported).
    pub fn write_small(&mut self, request: &Request, dest: &Dest, source: &File) -> Result<bool> {
        let len = request.segment.entry(request.i).len;
        let good = self.data(request, dest, source)?;
        let figures = self.wire_figures(request, len, 0);
        self.report.stats(|s| {
            s.sent += figures.0;
            s.received += figures.1 + 3;
        });
        Ok(good)
    }

    fn tell(&self, request: &Request, figures: Figures<'_>) {
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
        // A file counts as soon as it is asked for, readable or not (observed).
        items::count(&self.report, entry.mode, request.iflags);
        self.report.stats(|s| {
            s.transferred += 1;
            s.transferred_size += entry.len;
        });
        let Some(source) = self.open_source(entry.root, disk(&name)) else {
            return Ok(Copied::Now(false));
        };
        self.tell(&request, Figures::default());
        match &mut self.pool {
            Some(pool) => pool.submit(request, source)?,
            None => return Err(Error::Ipc("no thread writes files".into())),
        }
        Ok(Copied::Later)
    }

    /// Carry out a request. `false`: the file was not updated (reported).
    fn copy_now(&mut self, request: &Request, dest: &Dest) -> Result<bool> {
        let entry = *request.segment.entry(request.i);
        if self.plan.dry_run {
            items::count(&self.report, entry.mode, request.iflags);
            self.tell(request, Figures::default());
            self.report.stats(|s| {
                s.sent += 3;
                s.received += 3;
                s.transferred += 1;
                s.transferred_size += entry.len;
            });
            return Ok(true);
        }
        let name = request.segment.name(request.i);
        // A file counts as soon as it is asked for, readable or not (observed).
        items::count(&self.report, entry.mode, request.iflags);
        self.report.stats(|s| {
            s.transferred += 1;
            s.transferred_size += entry.len;
        });
        let Some(source) = self.open_source(entry.root, disk(&name)) else {
            return Ok(false);
        };
        let late = self.report.after_data();
        if !late {
            self.tell(request, Figures::default());
        }
        if self.report.progress_level() > 0 {
            self.report.progress_begin(0);
        }
        let dest = Arc::clone(self.dest.get_or_insert_with(|| Arc::new(dest.for_role("receiver"))));
        let before = self.written;
        let good = self.data(request, &dest, &source)?;
        let (literal, matched) = (self.written.0 - before.0, self.written.1 - before.1);
        let figures = self.wire_figures(request, literal, matched);
        self.report.stats(|s| {
            s.sent += figures.0;
            s.received += figures.1 + 3;
        });
        if self.report.progress_level() > 0 {
            self.report.progress_end(entry.len);
        }
        if late {
            let sum = self.late_sum(&source, entry.len);
            self.tell(
                request,
                Figures {
                    bytes: figures.0,
                    sum_bytes: figures.1,
                    checksum: sum.as_deref(),
                },
            );
        }
        Ok(good)
    }

    fn wrote(&mut self, literal: u64, matched: u64) {
        self.written.0 += literal;
        self.written.1 += matched;
        self.report.stats(|s| {
            s.literal += literal;
            s.matched += matched;
        });
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
                Ok(0) | Err(_) => break,
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

    fn data(&mut self, request: &Request, dest: &Dest, source: &File) -> Result<bool> {
        let plan = Arc::clone(&self.plan);
        let entry = *request.segment.entry(request.i);
        let to_device = plan.write_devices && request.exists.is_some_and(|s| s.is_device());
        let size = if self.read_early(request, source, to_device) {
            entry.len
        } else {
            let stat = crate::tree::stat::of_file(source)
                .map_err(|e| Error::FileIo(format!("fstat failed: {}", crate::error::sys_text(&e))))?;
            if is_reg(stat.mode) {
                stat.size
            } else {
                entry.len
            }
        };
        // Without --perms the mode is that of the file which the data builds on (observed).
        let model = match &request.basis {
            Some(basis) if !plan.perms => dest.model(&basis.root, &basis.name),
            _ => request.exists,
        };
        let want = dest.wanted(&request.segment, request.i, model.as_ref());
        if plan.inplace || to_device || plan.append > 0 {
            return self.in_place(request, dest, source, size, &want);
        }
        let Some(temp) = self.temp_file(request, dest) else {
            // What can't be written anywhere counts as well (observed).
            self.wrote(size, 0);
            return Ok(false);
        };
        let written = self.fill(request, dest, source, size, &temp.file, plan.append > 0);
        match written {
            Ok(()) => {}
            Err(error) => {
                let received = self.report.stats(|s| s.literal) > 0;
                dest.keep_or_drop(temp, &request.rel, &want, received);
                return Err(error);
            }
        }
        dest.sync(&temp.file, &request.rel)?;
        dest.set_attrs_open(&temp.file, &request.rel, &want, Some(&temp.name));
        let crate::tree::Temp { file, name } = temp;
        drop(file);
        let partial_used = matches!(&request.basis, Some(b) if b.kind == super::generator::basis::PARTIAL);
        if plan.delay_updates {
            if dest.keep_in_partial_dir(&name, &request.rel) {
                self.delayed.push((request.rel.clone(), request.exists.is_some()));
                return Ok(true);
            }
            dest.remove_temp(&name);
            return Ok(false);
        }
        let placed = dest.commit(&name, &request.rel, request.exists.is_some())?;
        if placed && partial_used {
            dest.drop_partial(&request.rel);
        }
        Ok(placed)
    }

    /// Read a small file that is copied whole into the buffer, before anything is made for it. `false`: look at the
    /// file's status first, because this is no such case or the file is not as long as listed.
    fn read_early(&mut self, request: &Request, source: &File, to_device: bool) -> bool {
        let plan = &self.plan;
        let len = request.segment.entry(request.i).len;
        let whole = request.basis.is_none() || plan.whole_file;
        let plain = !(plan.sparse || plan.preallocate || plan.inplace || plan.copy_devices || to_device);
        self.early = false;
        if !whole || !plain || plan.append > 0 || len >= SMALL {
            return false;
        }
        self.buffer.resize(SMALL as usize, 0);
        // One byte more is asked for than there should be, so an answer of just that length is the end of the file.
        self.early = source
            .read_at(&mut self.buffer[..=len as usize], 0)
            .is_ok_and(|n| n as u64 == len);
        self.early
    }

    fn temp_file(&self, request: &Request, dest: &Dest) -> Option<crate::tree::Temp> {
        if self.plan.relative && !self.plan.implied_dirs {
            let dir = super::paths::split_name(&request.rel).0;
            if !dir.is_empty() && dest.root.lstat(dir).is_err() {
                dest.make_parents(&request.rel);
            }
        }
        dest.create_temp(&request.rel)
    }

    /// Move the files that were held back (spec: transfer 6 `--delay-updates`).
    pub fn finish_delayed(&mut self, dest: &Dest) -> Result<()> {
        let dest = dest.for_role("receiver");
        for (rel, exists) in std::mem::take(&mut self.delayed) {
            dest.place_delayed(&rel, exists)?;
        }
        Ok(())
    }

    /// Tell of the second tries in this list; of all without one.
    pub fn tell_again(&mut self, list: Option<&Arc<Segment>>) {
        let (now, later) = std::mem::take(&mut self.again)
            .into_iter()
            .partition(|(segment, ..)| list.is_none_or(|list| Arc::ptr_eq(list, segment)));
        self.again = later;
        let now: Vec<(Arc<Segment>, usize, u16)> = now;
        for (segment, i, flags) in now {
            let name = segment.given_name(i);
            let figures = Figures::default();
            items::tell(&self.report, &segment, i, &name, flags, None, true, figures);
        }
    }

    /// Write the new content into `target`, which is empty.
    fn fill(
        &mut self,
        request: &Request,
        dest: &Dest,
        source: &File,
        size: u64,
        target: &File,
        _append: bool,
    ) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let failed = |e: io::Error| dest.write_error(&request.rel, &e);
        if plan.preallocate && size > 0 {
            if let Err(error) = data::preallocate(target, size, plan.sparse) {
                let text = [b"do_fallocate ".as_slice(), &dest.display(&request.rel)].concat();
                self.report.warning(crate::report::sys_line("receiver", &text, &error));
            }
        }
        if let Some(basis) = request.basis.as_ref().filter(|_| !plan.whole_file && size > 0) {
            if self.delta(request, dest, source, size, basis, target, 0, false)? {
                return Ok(());
            }
        }
        let done = if plan.sparse || plan.bwlimit > 0 {
            self.sparse_copy(request, dest, source, size, target)?
        } else if size <= SMALL {
            self.small_copy(source, size, target).map_err(failed)?
        } else {
            let report = self.report.clone();
            let progress = report.progress_level() > 0;
            let mut cancelled = None;
            let copied = data::copy_whole_with(source, target, size, true, &mut |done| {
                if progress {
                    report.progress(done, size);
                }
                if let Err(error) = report.check() {
                    cancelled = Some(error);
                    return Err(io::Error::from(io::ErrorKind::Interrupted));
                }
                Ok(())
            });
            if let Some(error) = cancelled {
                return Err(error);
            }
            copied.map_err(failed)?.bytes
        };
        self.wrote(done, 0);
        Ok(())
    }

    fn small_copy(&mut self, source: &File, size: u64, target: &File) -> io::Result<u64> {
        self.buffer.resize(SMALL as usize, 0);
        let limit = (size as usize).min(self.buffer.len());
        let mut filled = if self.early { limit } else { 0 };
        let mut reader: &File = source;
        while filled < limit {
            match reader.read(&mut self.buffer[filled..limit]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        if filled > 0 {
            use std::io::Write;
            let mut writer: &File = target;
            writer.write_all(&self.buffer[..filled])?;
        }
        Ok(filled as u64)
    }

    /// Piece by piece: for holes, and when there is a limit to the speed.
    fn sparse_copy(&mut self, request: &Request, dest: &Dest, source: &File, size: u64, target: &File) -> Result<u64> {
        let existing = if self.plan.preallocate { size } else { 0 };
        let mut output = Output::new(target, 0, existing, self.plan.sparse);
        let at = self.copy_pieces(request, dest, source, size, &mut output, PIECE)?;
        output.finish().map_err(|e| dest.write_error(&request.rel, &e))?;
        Ok(at)
    }

    /// Copy up to `size` bytes, `piece` at a time, watched and paced; says how many there were. Errors end the run.
    fn copy_pieces(
        &mut self,
        request: &Request,
        dest: &Dest,
        source: &File,
        size: u64,
        output: &mut Output<'_>,
        piece: usize,
    ) -> Result<u64> {
        let failed = |e: io::Error| dest.write_error(&request.rel, &e);
        self.buffer.resize(piece, 0);
        let mut at = 0;
        while at < size {
            self.report.check()?;
            let want = self.buffer.len().min((size - at) as usize);
            match source.read_at(&mut self.buffer[..want], at) {
                Ok(0) => break,
                Ok(n) => {
                    output.write(&self.buffer[..n]).map_err(failed)?;
                    pace(&mut self.throttle, &self.report, n)?;
                    at += n as u64;
                    if self.report.progress_level() > 0 {
                        self.report.progress(at, size);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(failed(e)),
            }
        }
        Ok(at)
    }

    /// `--remove-source-files`: the file goes if it is still the one that was listed (spec: transfer 13).
    pub fn remove_source(&mut self, segment: &Arc<Segment>, i: usize, dest: &Dest) {
        let name = segment.name(i);
        let entry = *segment.entry(i);
        let Some(root) = self.sources.root(entry.root) else {
            return;
        };
        let there = dest.root.lstat(&dest.name(segment, i)).ok();
        remove_source_file(&self.report, root, &name, &entry, there.map(|s| (s.dev, s.ino)));
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
        let text = [b"sender failed to remove ".as_slice(), name].concat();
        report.sys_error("sender", text, error);
    };
    let found = if report.plan().copy_links {
        root.stat_follow(path, false)
    } else {
        root.lstat(path)
    };
    let stat = match found {
        Ok(stat) => stat,
        Err(e) if e.raw_os_error() == Some(2) => {
            if report.plan().info.remove > 0 {
                report.info([b"sender file already removed: ".as_slice(), name].concat());
            }
            return;
        }
        Err(e) => return failed(&e),
    };
    if destination == Some((stat.dev, stat.ino)) {
        report.error_xfer([b"ERROR: Skipping sender remove of destination file: ".as_slice(), name].concat());
        return;
    }
    let exact = !report.plan().local || report.plan().protocol >= 31;
    if stat.size != entry.len && entry.is_file()
        || stat.mtime != entry.mtime
        || exact && stat.mtime_nsec != entry.mtime_nsec
    {
        report.error_xfer([b"ERROR: Skipping sender remove for changed file: ".as_slice(), name].concat());
        return;
    }
    match root.unlink(path) {
        Ok(()) => {
            if report.plan().info.remove > 0 {
                report.info([b"sender removed ".as_slice(), name].concat());
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
