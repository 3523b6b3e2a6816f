//! Answers requests when both ends are this process: the file is copied at once (spec: transfer 6).

mod contents;
mod requests;
mod rewrite;

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::error::{bail, Error, Result};
use crate::flist::At;
use crate::plan::Plan;
use crate::report::Report;
use crate::role::Role;
use crate::roles::dest::Dest;
use crate::roles::landing::{NewFile, Outcome};
use crate::roles::paths::disk;
use crate::roles::pool::{self, Pool, FIRST};
use crate::roles::sources::Sources;
use crate::roles::text::items::{self, Change, Figures, Moved, Part};
use crate::roles::text::messages;
use crate::roles::words::request::{sum_head_of, Answer, BasisKind, Request};
use crate::tree::data::CopyError;
use crate::tree::mode::is_file;
use crate::tree::Root;
use crate::wire::item::{IoErrors, ItemFlags};
use crate::wire::throttle::Throttle;

/// Files up to this size are read and written in one piece.
const SMALL: u64 = 256 * 1024;

/// A finished file that waits in the partial-dir (`--delay-updates`).
struct Delayed {
    at: At,
    iflags: ItemFlags,
    rel: Vec<u8>,
    /// There is a file at its name that needs a backup.
    exists: bool,
    /// Bytes, bytes of sums and the sum that the log shows.
    figures: Option<(u64, u64, Option<Vec<u8>>)>,
    moved: Moved,
}

/// One file that is being copied.
#[derive(Clone, Copy)]
struct Job<'a> {
    request: &'a Request,
    source: &'a File,
    /// Length of the source.
    size: u64,
    target: &'a File,
    /// Length that the target has already: of old data, or of zeros in reserved space.
    existing: u64,
}

/// Copies files on this machine.
pub struct Copier {
    plan: Arc<Plan>,
    report: Report,
    sources: Sources,
    /// The destination for the receiver's role; kept, because it caches handles of directories.
    dest: Option<Arc<Dest>>,
    buffer: Vec<u8>,
    /// The buffer holds the whole file.
    early: bool,
    /// Finished files that wait in the partial-dir (`--delay-updates`).
    delayed: Vec<Delayed>,
    throttle: Throttle,
    /// Literal and matched bytes of the current file.
    written: (u64, u64),
    /// Its progress line is not ended yet.
    progress_open: bool,
    /// The workers, once there are enough small files for them.
    pool: Option<Pool<(Request, File), (i32, Outcome)>>,
    /// Small files until workers are started; `None`: this run has none.
    until_pool: Option<usize>,
}

impl Copier {
    /// A copier that reads from `sources`.
    pub fn new(plan: Arc<Plan>, report: Report, sources: Sources) -> Self {
        let pooled = poolable(&plan) && !report.after_data() && pool::size() > 0;
        let until_pool = pooled.then_some(FIRST);
        Self {
            plan,
            report,
            sources,
            throttle: Throttle::new(),
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

    /// A copier that writes files for this one in a thread of its own.
    pub fn worker(&self) -> Self {
        let mut copier = Self::new(Arc::clone(&self.plan), self.report.clone(), self.sources.clone());
        copier.until_pool = None;
        copier
    }

    /// Whether a worker may have it: a small file that is copied whole.
    fn for_worker(&mut self, request: &Request, dest: &Dest) -> bool {
        let fits = !request.redo && request.at.entry().len < SMALL && !request.exists.is_some_and(|s| s.is_device());
        match self.until_pool {
            // Nothing limits workers.
            Some(0) => fits && self.pool.is_some() && self.report.bwlimit() == 0,
            Some(left) if fits => {
                self.until_pool = Some(left - 1);
                if left == 1 {
                    self.pool = Pool::start(|| {
                        let mut copier = self.worker();
                        let dest = dest.for_role(Role::Receiver);
                        move |(request, source): (Request, File)| {
                            let outcome = copier.write_small(&request, &dest, &source)?;
                            Ok((request.at.ndx(), outcome))
                        }
                    });
                }
                false
            }
            _ => false,
        }
    }

    /// Write a file whose item was reported already.
    pub fn write_small(&mut self, request: &Request, dest: &Dest, source: &File) -> Result<Outcome> {
        let outcome = self.data(request, dest, source)?;
        self.report
            .live()
            .file_done(request.at.entry().len, outcome == Outcome::Placed);
        let figures = self.wire_figures(request, self.written.0, self.written.1);
        items::count_wire(&self.report, figures.0, figures.1 + 3);
        Ok(outcome)
    }

    fn report_item(&self, request: &Request, figures: Figures<'_>, part: Part) {
        let name = request.at.given_name();
        Change::sent(&request.at, request.iflags, None).report(&self.report, &name, figures, part);
    }

    /// Answer a request, or hand it to a worker.
    pub(crate) fn copy(&mut self, request: Request, dest: &Dest) -> Result<Answer> {
        self.report.check()?;
        if !self.for_worker(&request, dest) {
            return self.copy_now(&request, dest).map(Answer::Here);
        }
        let entry = *request.at.entry();
        let name = request.at.name();
        self.count(&request);
        let Some(source) = self.open_source(entry.root, disk(&name)) else {
            self.report.live().file_done(entry.len, false);
            return Ok(Answer::Here(Outcome::Failed));
        };
        self.report_item(&request, Figures::default(), Part::Screen);
        self.report_item(&request, Figures::default(), Part::KeptAfter(request.at.ndx()));
        match &mut self.pool {
            Some(pool) => pool.submit((request, source))?,
            None => bail!(Ipc; "no thread writes files"),
        }
        Ok(Answer::Later)
    }

    /// A file counts as soon as it is asked for, readable or not; as a new one only the first time (observed).
    fn count(&self, request: &Request) {
        let entry = request.at.entry();
        if !request.redo {
            items::count(&self.report, entry.mode, request.iflags, None);
        }
        items::count_transfer(&self.report, entry.len);
    }

    /// Answer a request.
    fn copy_now(&mut self, request: &Request, dest: &Dest) -> Result<Outcome> {
        let entry = *request.at.entry();
        self.count(request);
        if self.plan.select.dry_run {
            self.report_item(request, Figures::default(), Part::All);
            items::count_wire(&self.report, 3, 3);
            self.report.live().file_done(entry.len, true);
            return Ok(Outcome::Placed);
        }
        let name = request.at.name();
        self.report.live().begin_file(&name, entry.len, !request.redo);
        let Some(source) = self.open_source(entry.root, disk(&name)) else {
            self.report.live().end_file(false);
            return Ok(Outcome::Failed);
        };
        let late = self.report.after_data();
        if !late {
            self.report_item(request, Figures::default(), Part::Screen);
        }
        if self.report.progress_level() > 0 {
            self.report.progress_begin(0);
            self.progress_open = true;
        }
        let dest = Arc::clone(self.dest.get_or_insert_with(|| Arc::new(dest.for_role(Role::Receiver))));
        let outcome = self.data(request, &dest, &source)?;
        self.report
            .live()
            .end_file(matches!(outcome, Outcome::Placed | Outcome::Held));
        let figures = self.wire_figures(request, self.written.0, self.written.1);
        items::count_wire(&self.report, figures.0, figures.1 + 3);
        self.end_progress(entry.len);
        let sum = if late { self.late_sum(&source, entry.len) } else { None };
        let moved = Moved::now(&self.report, self.written.0, self.written.1);
        let mut shown = Figures {
            moved,
            ..Figures::default()
        };
        if late {
            shown = Figures {
                bytes: figures.0,
                sum_bytes: figures.1,
                checksum: sum.as_deref(),
                moved,
            };
            self.report_item(request, shown, Part::Screen);
        }
        match outcome {
            Outcome::Placed => self.report_item(request, shown, Part::Kept),
            Outcome::Held => {
                let figures = late.then_some((figures.0, figures.1, sum));
                self.delayed.push(Delayed {
                    at: request.at.clone(),
                    iflags: request.iflags,
                    rel: request.rel.clone(),
                    exists: request.exists.is_some(),
                    figures,
                    moved,
                });
            }
            Outcome::Again | Outcome::Failed => {}
        }
        Ok(outcome)
    }

    /// Bytes that a sender would have written for the item, and read as sums, over an uncompressed wire: item, sum
    /// head, tokens, end and whole-file sum (spec: protocol 6.1, 7.1).
    fn wire_figures(&self, request: &Request, literal: u64, matched: u64) -> (u64, u64) {
        let digest = crate::sums::strong::digest_len(self.plan.agreed.xfer_sum) as u64;
        let mut sums = 16;
        let mut blocks = 0;
        if let Some(basis) = request.basis.as_ref().filter(|_| !self.plan.write.whole_file) {
            let head = sum_head_of(&self.plan, basis.size, request.redo);
            sums += u64::from(head.count) * (4 + u64::from(head.s2length));
            blocks = matched.div_ceil(u64::from(head.blength.max(1)));
        }
        let runs = literal.div_ceil(32 * 1024);
        (3 + 16 + literal + 4 * (runs + blocks) + 4 + digest, sums)
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
        let entry = *request.at.entry();
        let to_device = plan.write.write_devices && request.exists.is_some_and(|s| s.is_device());
        let size = if self.read_early(request, source, to_device) {
            entry.len
        } else {
            match crate::tree::stat::of_file(source) {
                Ok(stat) if is_file(stat.mode) => stat.size,
                Ok(_) => entry.len,
                Err(error) => {
                    self.report.set_io_error(IoErrors::GENERAL);
                    let text = messages::fstat_failed(self.shown_source(request));
                    self.report.sys_error(Role::Sender, text, &error);
                    return Ok(Outcome::Failed);
                }
            }
        };
        // Without --perms the mode is that of the file which the data builds on (observed).
        let model = match &request.basis {
            Some(basis) if !plan.attrs.perms => dest.model(&basis.root, &basis.name),
            _ => request.exists,
        };
        let want = dest.wanted(&request.at, model.as_ref());
        let name = request.at.name();
        let file = NewFile {
            dest,
            rel: &request.rel,
            name: &name,
            want: &want,
            size,
            existing: request.exists.map(|s| s.size),
            replaces: request.exists.is_some(),
            from_partial: matches!(&request.basis, Some(b) if b.kind == BasisKind::Partial),
            redo: request.redo,
        };
        let outcome = if plan.write.inplace || to_device || plan.write.append > 0 {
            self.in_place(request, file, source, size, to_device)
        } else {
            self.replacement(request, file, source, size)
        };
        let (literal, matched) = self.written;
        items::count_data(&self.report, literal, matched);
        outcome
    }

    /// Write a new file that replaces the one at the name.
    fn replacement(&mut self, request: &Request, file: NewFile<'_>, source: &File, size: u64) -> Result<Outcome> {
        let dest = file.dest;
        let Ok(landing) = file.begin() else {
            // Data that can't be written counts as well (observed).
            self.written.0 = size;
            return Ok(Outcome::Failed);
        };
        let job = Job {
            request,
            source,
            size,
            target: landing.target(),
            existing: landing.reserved(),
        };
        match self.fill(job) {
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

    /// The path of a source file in messages.
    fn shown_source(&mut self, request: &Request) -> Vec<u8> {
        let name = request.at.name();
        match self.sources.root(request.at.entry().root) {
            Some(root) => self.report.quoted(&root.display(disk(&name))),
            None => self.report.quoted(&name),
        }
    }

    /// Report that the source can't be read to its end, as a sender does (spec: transfer 13).
    fn source_failed(&mut self, request: &Request, size: u64, error: &io::Error) {
        self.report.set_io_error(IoErrors::GENERAL);
        let text = messages::read_failed(self.shown_source(request));
        // A sender has shown the item before it reads, and its end after the zeros that stand for the rest.
        self.report.release();
        self.end_progress(request.at.entry().len);
        self.report.sys_error(Role::Sender, text, error);
        // A sender fills up with zeros, which count (observed).
        self.written.0 = size.saturating_sub(self.written.1);
    }
}

/// The error that ends the run when a copy has failed for another reason than its source.
fn target_failed(dest: &Dest, rel: &[u8], error: CopyError) -> Error {
    match error {
        CopyError::Source(error) | CopyError::Target(error) => dest.write_error(rel, &error),
        CopyError::Stopped(error) => error,
    }
}

/// Whether workers may write files of this run. Nothing waits for the whole of a file that is copied at once.
fn poolable(plan: &Plan) -> bool {
    plan.write.whole_file && !plan.attrs.copy_devices && plan.agreed.bwlimit == 0 && pool::may_work(plan)
}
