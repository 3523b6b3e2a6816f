//! Where roles say what happened: one place that decides the stream a line goes to, escapes names, and counts.
//!
//! Roles run in several threads; a [`Report`] is a cheap handle that all of them share. What it collects is taken out
//! in batches by whoever drives the transfer.

pub mod debug;
mod escape;
mod heap;
pub mod item;
mod items;
pub mod number;
pub mod progress;
mod screen;
mod sequence;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::event::{Event, Summary};
use crate::flist::{Charset as Conversion, Iconv};
use crate::plan::{Charset, Plan, StderrMode};
use crate::wire::frames::Tag;
use crate::wire::link::Writer;
use item::{iflag, Format, ItemStyle};
use progress::Progress;
use sequence::Sequence;

pub use escape::{escape_line, escape_log, escape_text, name_text, sys_line};

/// Bytes that may wait for the caller before roles are held up.
const WAITING: usize = 1 << 20;

/// Bytes of requests that a generator of rsync has under way before the first are sent.
const HELD: usize = 128 * 1024;

/// `io_error` bits (spec: protocol 3.2).
pub mod ioerr {
    pub const GENERAL: u32 = 1;
    pub const VANISHED: u32 = 2;
    pub const DEL_LIMIT: u32 = 4;
}

/// The kind of a line (spec: output 1, protocol 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Info,
    Warning,
    /// No effect on the exit code.
    Error,
    /// Makes the exit code at least 23.
    ErrorXfer,
    /// The log file only.
    Log,
    /// The client's screen only, never the log.
    Client,
}

#[derive(Default)]
struct Waiting {
    events: Vec<Event>,
    bytes: usize,
    finished: bool,
    /// The last batch is with the caller, who may not have written it yet.
    away: bool,
}

struct Shared {
    plan: Arc<Plan>,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    taken: Condvar,
    writer: Mutex<Option<Writer>>,
    xfer_error: AtomicBool,
    /// What the lists could not show.
    listing_error: AtomicU32,
    /// All others.
    other_error: AtomicU32,
    cancelled: AtomicI32,
    /// Flags of connections that a cancel has to wake.
    cancel_flag: Mutex<Option<Arc<AtomicBool>>>,
    summary: Mutex<Summary>,
    progress: Mutex<Option<Progress>>,
    total_progress: AtomicU64,
    /// The line that the building of a list began is not ended yet.
    open_line: AtomicBool,
    role: Mutex<&'static str>,
    /// The local character set, when names are converted.
    charset: Option<Iconv>,
    out_format: Option<Format>,
    log_format: Option<Format>,
    style: ItemStyle,
    processed: AtomicU64,
    listed: AtomicU64,
    list_complete: AtomicBool,
    /// Lines of items that wait for the generator to pause, and the bytes that their requests would have on a wire.
    held: Mutex<Option<(Vec<Event>, usize)>>,
    /// The directory that names are relative to lies below the module's own: messages show that by a leading slash.
    below_module: AtomicBool,
    /// Source arguments' paths as typed, by number of their root.
    source_names: Mutex<Vec<Arc<[u8]>>>,
    /// Where a daemon's destination lies in its module.
    dest_name: Mutex<Arc<[u8]>>,
    /// Log lines and items that wait for files in the hands of workers.
    sequence: Mutex<Sequence>,
}

/// Proof that an error of one file was reported: the run goes on and ends with code 23. What fails with it returns
/// `Result<T, Reported>`, so that no failure is left unsaid and none is said twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported(());

/// A handle on what a transfer tells the world.
#[derive(Clone)]
pub struct Report {
    shared: Arc<Shared>,
    /// Of the receiving end of a local copy.
    receiving: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A role that panicked has left whole lines behind; they are still worth printing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Report {
    pub fn new(plan: Arc<Plan>, sender: bool) -> Self {
        let progress = (plan.progress > 0 && !plan.server && !plan.quiet)
            .then(|| Progress::new(plan.progress, plan.human_readable, plan.thousands));
        let style = ItemStyle {
            sent_to_remote: sender && !plan.local && !plan.twin,
            keep_times: plan.times,
            keep_dir_times: plan.times,
            // -J makes no `T` of it (observed).
            keep_link_times: plan.times && (plan.local || plan.twin || plan.compat_symlink_times || !sender),
        };
        Self {
            receiving: false,
            shared: Arc::new(Shared {
                out_format: plan.out_format.as_deref().filter(|_| !plan.server).map(Format::new),
                charset: plan.iconv.as_deref().and_then(Iconv::new),
                log_format: plan.log_format.as_deref().map(Format::new),
                plan,
                waiting: Mutex::default(),
                arrived: Condvar::new(),
                taken: Condvar::new(),
                writer: Mutex::new(None),
                xfer_error: AtomicBool::new(false),
                listing_error: AtomicU32::new(0),
                other_error: AtomicU32::new(0),
                cancelled: AtomicI32::new(0),
                cancel_flag: Mutex::new(None),
                summary: Mutex::default(),
                progress: Mutex::new(progress),
                total_progress: AtomicU64::new(0),
                open_line: AtomicBool::new(false),
                role: Mutex::new(if sender { "sender" } else { "Receiver" }),
                style,
                processed: AtomicU64::new(0),
                listed: AtomicU64::new(0),
                list_complete: AtomicBool::new(false),
                held: Mutex::new(None),
                below_module: AtomicBool::new(false),
                source_names: Mutex::default(),
                dest_name: Mutex::new(Arc::from(&b""[..])),
                sequence: Mutex::default(),
            }),
        }
    }

    /// The handle of the receiving end of a local copy.
    #[must_use]
    pub fn receiving_end(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            receiving: true,
        }
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.shared.plan
    }

    pub fn style(&self) -> ItemStyle {
        self.shared.style
    }

    /// A server's messages go to the client through this writer from now on.
    pub fn set_writer(&self, writer: Writer) {
        *lock(&self.shared.writer) = Some(writer);
    }

    /// Role for lines that name none of their own, and for the last line.
    pub fn set_role(&self, role: &'static str) {
        *lock(&self.shared.role) = role;
    }

    pub fn role(&self) -> &'static str {
        *lock(&self.shared.role)
    }

    /// Who looks at files through this handle: the side that scans, or the one that compares.
    pub fn looker(&self) -> &'static str {
        if !self.receiving && (self.shared.plan.local || self.role() == "sender") {
            "sender"
        } else {
            "generator"
        }
    }

    // ---- cancel

    /// Ask every role to stop; `code` is the exit code the run then has.
    pub fn cancel(&self, code: i32) {
        self.shared.cancelled.store(code, Ordering::SeqCst);
        if let Some(flag) = &*lock(&self.shared.cancel_flag) {
            flag.store(true, Ordering::SeqCst);
        }
        self.shared.taken.notify_all();
    }

    /// A cancel also sets this flag: the one of the link, whose waits it ends.
    pub fn set_cancel_flag(&self, flag: Arc<AtomicBool>) {
        if self.is_cancelled() {
            flag.store(true, Ordering::SeqCst);
        }
        *lock(&self.shared.cancel_flag) = Some(flag);
    }

    /// An error once [`Report::cancel`] was called or the time of `--stop-at` has come.
    pub fn check(&self) -> Result<()> {
        match self.shared.cancelled.load(Ordering::Relaxed) {
            0 => Ok(()),
            20 => Err(Error::Interrupted(String::new())),
            code => Err(Error::Other(code, String::new())),
        }
    }

    /// The exit code that [`Report::cancel`] was called with.
    pub fn cancelled_with(&self) -> Option<i32> {
        Some(self.shared.cancelled.load(Ordering::Relaxed)).filter(|&code| code != 0)
    }

    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Relaxed) != 0
    }

    // ---- lines

    /// One line (a newline is added) of the given kind.
    pub fn line(&self, level: Level, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        if level == Level::ErrorXfer {
            self.shared.xfer_error.store(true, Ordering::SeqCst);
        }
        let mut raw = Vec::with_capacity(text.len() + 1);
        raw.extend_from_slice(text);
        raw.push(b'\n');
        self.emit(level, &raw);
    }

    pub fn info(&self, text: impl AsRef<[u8]>) {
        self.line(Level::Info, text);
    }

    pub fn warning(&self, text: impl AsRef<[u8]>) {
        self.line(Level::Warning, text);
    }

    pub fn error(&self, text: impl AsRef<[u8]>) {
        self.line(Level::Error, text);
    }

    pub fn error_xfer(&self, text: impl AsRef<[u8]>) -> Reported {
        self.line(Level::ErrorXfer, text);
        Reported(())
    }

    /// `rsync: [ROLE] MESSAGE: ERR (n)`, a transfer error (spec: output 3).
    pub fn sys_error(&self, role: &str, message: impl AsRef<[u8]>, error: &io::Error) -> Reported {
        self.error_xfer(sys_line(role, message.as_ref(), error))
    }

    /// If an open of a path that the operator named has failed at a link of another owner, say why.
    ///
    /// spec: transfer 16.2
    pub fn refusal(&self, path: &[u8], error: &io::Error) {
        if crate::tree::operator::is_refusal(path, error) {
            self.error(crate::tree::operator::REFUSAL);
        }
    }

    /// The directory that the names of this side are relative to (absolute).
    pub fn set_base(&self, path: &[u8]) {
        let root = self.shared.plan.module_root.as_deref();
        let below = root.is_some_and(|root| root != b"/" && root != path);
        self.shared.below_module.store(below, Ordering::Relaxed);
    }

    /// A path in a message: absolute, in quotes, with the module named on a daemon (spec: output 12).
    pub fn quoted(&self, path: &[u8]) -> Vec<u8> {
        let plan = &self.shared.plan;
        let mut out = vec![b'"'];
        if plan.module.is_empty() {
            out.extend_from_slice(path);
            out.push(b'"');
            return out;
        }
        let inner = self.in_module(path);
        if plan.module_chroot {
            out.push(b'/');
            out.extend_from_slice(inner);
        } else {
            if self.shared.below_module.load(Ordering::Relaxed) && !inner.is_empty() {
                out.push(b'/');
            }
            out.extend_from_slice(if inner.is_empty() { b"." } else { inner });
        }
        out.extend_from_slice(b"\" (in ");
        out.extend_from_slice(&plan.module);
        out.push(b')');
        out
    }

    /// [`Report::quoted`] for a path that is told from a directory `base` in which the role stands: only in the
    /// module's own does rsync leave out the leading slash (observed).
    pub fn quoted_from(&self, base: &[u8], path: &[u8]) -> Vec<u8> {
        let plan = &self.shared.plan;
        let mut out = self.quoted(path);
        let inside = plan
            .module_root
            .as_deref()
            .is_some_and(|root| root != base && root != b"/");
        if !plan.module.is_empty() && !plan.module_chroot && inside && out.get(1) != Some(&b'/') {
            out.insert(1, b'/');
        }
        out
    }

    fn emit(&self, level: Level, raw: &[u8]) {
        let plan = &self.shared.plan;
        let told = matches!(level, Level::Info | Level::Client);
        // In rsync that end of a local copy is a process which prints its errors itself: it knows no locale (spec: output
        // 11), and a client's log does not hear of them.
        let foreign = self.receiving && !told && level != Level::Log && !raw.starts_with(b"rsync: [sender]");
        let unheard = foreign && plan.protocol >= 29 && plan.stderr_mode != StderrMode::Client
            || self.receiving && plan.quiet && level == Level::Info;
        if plan.logging && level != Level::Client && !unheard {
            self.push_log(raw);
        }
        if level == Level::Log {
            return;
        }
        if plan.server {
            if plan.quiet && told {
                return;
            }
            let to_stderr = plan.stderr_mode == StderrMode::All && !plan.daemon;
            let by_message = !to_stderr
                && (matches!(level, Level::Info | Level::Client)
                    || plan.daemon
                    || plan.protocol < 29
                    || plan.stderr_mode == StderrMode::Client);
            if by_message {
                let writer = lock(&self.shared.writer).clone();
                if let Some(writer) = writer {
                    let tag = match level {
                        Level::Warning if plan.protocol < 30 => Tag::Info,
                        Level::Warning => Tag::Warning,
                        Level::Error if plan.protocol < 30 => Tag::ErrorXfer,
                        Level::Error => Tag::Error,
                        Level::ErrorXfer => Tag::ErrorXfer,
                        _ => Tag::Info,
                    };
                    // A text message is less than 5120 bytes (spec: protocol 3.2).
                    let mut text = self.to_wire(raw);
                    text.truncate(5000);
                    // An old stream may have no frames: then it is told here (spec: protocol-old 3). A broken one is
                    // met by whoever writes next.
                    if writer.msg(tag, &text).unwrap_or(true) {
                        return;
                    }
                }
            }
            let mut out = Vec::with_capacity(raw.len());
            escape_line(raw, plan.charset, plan.eight_bit_output, &mut out);
            self.push(Event::Stderr(out));
            return;
        }
        if plan.quiet && matches!(level, Level::Info | Level::Client) {
            return;
        }
        let mut out = Vec::with_capacity(raw.len() + 1);
        {
            let mut progress = lock(&self.shared.progress);
            if let Some(progress) = progress.as_mut().filter(|p| p.open) {
                progress.open = false;
                self.push(Event::Stdout(b"\n".to_vec()));
            }
        }
        if self.shared.open_line.swap(false, Ordering::Relaxed) {
            out.push(b'\n');
        }
        let charset = if foreign { Charset::Ascii } else { plan.charset };
        escape_line(raw, charset, plan.eight_bit_output, &mut out);
        // Below protocol 23 that end has no frames to send its lines in, and prints them (observed).
        let unframed = self.receiving && plan.protocol < 23;
        let to_stdout = told && plan.stderr_mode != StderrMode::All && !unframed;
        self.push(if to_stdout {
            Event::Stdout(out)
        } else {
            Event::Stderr(out)
        });
    }

    /// Bytes for the client's stdout that are not a whole line (`building file list ... `).
    pub fn partial(&self, text: &[u8]) {
        let plan = &self.shared.plan;
        if plan.server || plan.quiet {
            return;
        }
        self.shared.open_line.store(!text.ends_with(b"\n"), Ordering::Relaxed);
        let event = if plan.stderr_mode == StderrMode::All {
            Event::Stderr(text.to_vec())
        } else {
            Event::Stdout(text.to_vec())
        };
        self.push(event);
    }

    /// What is printed next begins a line of its own, also when a list was being built.
    pub fn end_line(&self) {
        if self.shared.open_line.swap(false, Ordering::Relaxed) {
            self.push(Event::Stderr(b"\n".to_vec()));
        }
    }

    /// A text that came from the peer (spec: protocol 3.2). The client prints it.
    pub fn from_peer(&self, tag: Tag, text: &[u8]) {
        let level = match tag {
            Tag::Info => Level::Info,
            Tag::Warning => Level::Warning,
            Tag::ErrorXfer => {
                self.shared.xfer_error.store(true, Ordering::SeqCst);
                Level::ErrorXfer
            }
            _ => Level::Error,
        };
        if self.shared.plan.server && self.shared.plan.stderr_mode != StderrMode::All {
            // A server has nobody to show a client's text to but its log.
            if self.shared.plan.logging {
                self.push_log(text);
            }
            return;
        }
        let mut local = Vec::new();
        match &self.shared.charset {
            Some(set) if set.from_wire(text, &mut local) => self.emit(level, &local),
            _ => self.emit(level, text),
        }
    }

    /// A text or name as it travels in a message (spec: protocol 5.16); what cannot be converted goes as it is.
    pub fn to_wire(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.shared.charset {
            Some(set) if set.to_wire(text, &mut out) => out,
            _ => text.to_vec(),
        }
    }

    fn push_log(&self, raw: &[u8]) {
        let text = raw.strip_suffix(b"\n").unwrap_or(raw);
        if text.is_empty() {
            return;
        }
        let mut out = Vec::with_capacity(text.len());
        escape_log(text, &mut out);
        let event = lock(&self.shared.sequence).add(Event::Log(out));
        if let Some(event) = event {
            self.push(event);
        }
    }

    /// Hold the lines of items back until [`Report::release`]. In a transfer over a link they wait for the generator's
    /// requests to be sent, while its own messages (deletions, names skipped) go at once; a local copy keeps to that
    /// order (spec: transfer 15).
    pub fn hold_items(&self) {
        let plan = &self.shared.plan;
        if plan.progress == 0 && !plan.quiet {
            *lock(&self.shared.held) = Some((Vec::new(), 0));
        }
    }

    /// A request of this many bytes would be on its way; enough of them are sent.
    pub fn held_cost(&self, bytes: usize) {
        let full = match lock(&self.shared.held).as_mut() {
            Some((_, cost)) => {
                *cost += bytes;
                *cost >= HELD
            }
            None => false,
        };
        if full {
            self.release();
        }
    }

    /// Let held lines go.
    pub fn release(&self) {
        let events = match lock(&self.shared.held).as_mut() {
            Some((events, cost)) => {
                *cost = 0;
                std::mem::take(events)
            }
            None => return,
        };
        for event in events {
            self.push(event);
        }
    }

    /// Push an item's line, or hold it.
    fn push_item(&self, event: Event) {
        {
            let mut held = lock(&self.shared.held);
            if let Some((events, _)) = held.as_mut() {
                events.push(event);
                return;
            }
        }
        self.push(event);
    }

    fn push(&self, event: Event) {
        let mut waiting = lock(&self.shared.waiting);
        while waiting.bytes > WAITING && !waiting.finished && !self.is_cancelled() {
            waiting = self
                .shared
                .taken
                .wait_timeout(waiting, Duration::from_millis(100))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let was_empty = waiting.events.is_empty();
        waiting.bytes += match &event {
            Event::Stdout(b) | Event::Stderr(b) | Event::Log(b) => b.len(),
            Event::Item(_) => 64,
        };
        match (event, waiting.events.last_mut()) {
            (Event::Stdout(new), Some(Event::Stdout(old))) | (Event::Stderr(new), Some(Event::Stderr(old))) => {
                old.extend_from_slice(&new);
            }
            (event, _) => waiting.events.push(event),
        }
        let full = waiting.bytes >= 16 * 1024;
        drop(waiting);
        if was_empty || full {
            self.shared.arrived.notify_one();
        }
    }

    /// End the run when the time of `--stop-at` has come (spec: options 6.5).
    fn stop_in_time(&self) {
        let stop = self.shared.plan.stop_at;
        if stop <= 0 || self.is_cancelled() {
            return;
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        if now.is_ok_and(|now| now.as_secs() as i64 >= stop) {
            self.error("stopping at requested limit");
            self.cancel(30);
        }
    }

    /// Wait for events; `None` when the transfer is over and all was taken. A batch may be empty after `patience`.
    pub fn take(&self, patience: Duration) -> Option<Vec<Event>> {
        self.stop_in_time();
        let mut waiting = lock(&self.shared.waiting);
        if std::mem::take(&mut waiting.away) {
            self.shared.taken.notify_all();
        }
        if waiting.events.is_empty() && !waiting.finished {
            waiting = self
                .shared
                .arrived
                .wait_timeout(waiting, patience)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if !waiting.finished && !waiting.events.is_empty() && waiting.bytes < 16 * 1024 {
            // Lines come in bursts: a short wait makes one batch of many.
            waiting = self
                .shared
                .arrived
                .wait_timeout(waiting, Duration::from_millis(4))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if waiting.events.is_empty() && waiting.finished {
            return None;
        }
        waiting.bytes = 0;
        let events = std::mem::take(&mut waiting.events);
        waiting.away = !events.is_empty();
        drop(waiting);
        self.shared.taken.notify_all();
        Some(events)
    }

    /// Wait until the caller has written all that was said so far, which shows when it comes for more; `limit` is for a
    /// caller that has gone.
    pub fn settle(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut waiting = lock(&self.shared.waiting);
        while (waiting.away || !waiting.events.is_empty()) && !waiting.finished && Instant::now() < end {
            waiting = self
                .shared
                .taken
                .wait_timeout(waiting, Duration::from_millis(100))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// No more events will come.
    pub fn finish(&self) {
        lock(&self.shared.waiting).finished = true;
        self.shared.arrived.notify_all();
        self.shared.taken.notify_all();
    }

    // ---- outcome

    /// Something could not be listed. The list that ends next says so, and from there on nothing is deleted.
    pub fn set_listing_error(&self, bits: u32) {
        self.shared.listing_error.fetch_or(bits, Ordering::SeqCst);
    }

    pub fn listing_error(&self) -> u32 {
        self.shared.listing_error.load(Ordering::SeqCst)
    }

    /// Something else went wrong with a file: that stops deletions at the end (`--delete-after`).
    pub fn set_io_error(&self, bits: u32) {
        self.shared.other_error.fetch_or(bits, Ordering::SeqCst);
    }

    /// Everything so far.
    pub fn io_error(&self) -> u32 {
        self.listing_error() | self.shared.other_error.load(Ordering::SeqCst)
    }

    pub fn set_xfer_error(&self) {
        self.shared.xfer_error.store(true, Ordering::SeqCst);
    }

    /// Exit code of a run that came to its end (spec: output 2).
    pub fn code(&self) -> i32 {
        let bits = self.io_error();
        if self.shared.xfer_error.load(Ordering::SeqCst) || bits & ioerr::GENERAL != 0 {
            23
        } else if bits & ioerr::VANISHED != 0 {
            24
        } else if bits & ioerr::DEL_LIMIT != 0 {
            25
        } else {
            0
        }
    }

    /// Change the figures.
    pub fn stats<R>(&self, change: impl FnOnce(&mut Summary) -> R) -> R {
        change(&mut lock(&self.shared.summary))
    }

    pub fn summary(&self) -> Summary {
        lock(&self.shared.summary).clone()
    }

    // ---- items

    // ---- progress
}

/// Whether an item with these flags is worth an item on the wire and a line (spec: protocol 6.2).
pub fn significant(iflags: u16, xname: Option<&[u8]>) -> bool {
    iflags & iflag::SIGNIFICANT != 0 || xname.is_some_and(|x| !x.is_empty())
}
