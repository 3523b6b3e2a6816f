//! The reports of the roles: this room decides the stream of a line, escapes names, and counts.
//!
//! Roles run in several threads; a [`Report`] is a cheap handle that all of them share. The caller takes its
//! events in batches.

mod changes;
pub mod debug;
mod escape;
mod events;
pub mod figures;
mod heap;
pub mod item;
mod items;
pub mod json;
pub mod keyed;
pub mod number;
mod outcome;
mod pace;
pub mod progress;
mod question;
pub mod say;
mod screen;
mod sent;
mod sequence;
mod tally;
mod voice;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Result;
use crate::event::{Event, Summary};
use crate::plan::{Charset, Plan, StderrMode};
use crate::role::Role;
use crate::wire::frames::Tag;
use crate::wire::item::IoErrors;
use crate::wire::link::Writer;
use events::Events;
use outcome::Outcome;
use screen::Screen;
use tally::Tally;
use voice::Voice;

pub use events::Sink;

pub use escape::{escape_line, escape_log, escape_text, name_text, sys_line};

/// Most bytes of a text that are sent in one message; the limit is 5120 (spec: protocol 3.2).
const MAX_MESSAGE: usize = 5000;

/// The kind of a line (spec: output 1, protocol 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Information: stdout of the client.
    Info,
    /// A warning: stderr, no effect on the exit code.
    Warning,
    /// No effect on the exit code.
    Error,
    /// Makes the exit code at least 23.
    ErrorXfer,
    /// The log file only.
    Log,
    /// The client's screen only, never the log.
    Client,
    /// As `Client`, about an item or a deletion.
    Entry,
    /// As `Info`, about an entry that is listed.
    Listed,
}

impl Level {
    /// The line is what the user asked for, and `--quiet` leaves it out.
    fn is_output(self) -> bool {
        matches!(self, Self::Info | Self::Listed) || self.is_unlogged()
    }

    fn is_unlogged(self) -> bool {
        matches!(self, Self::Client | Self::Entry)
    }

    fn is_error(self) -> bool {
        matches!(self, Self::Warning | Self::Error | Self::ErrorXfer)
    }
}

/// What all roles of a transfer share.
struct Shared {
    plan: Arc<Plan>,
    events: Events,
    tally: Tally,
    live: figures::Live,
    question: question::Question,
    sent: Mutex<sent::Sent>,
    clock: json::Clock,
    outcome: Outcome,
    changes: changes::Changes,
    pace: pace::Pace,
    voice: Voice,
    screen: Screen,
    /// Carries a server's messages to its client.
    writer: Mutex<Option<Writer>>,
}

/// Proof that an error of one file was reported: the run goes on and ends with code 23. A function that returns
/// `Result<T, Reported>` has reported its failure, exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported(());

/// A handle on the reports of a transfer.
#[derive(Clone)]
pub struct Report {
    shared: Arc<Shared>,
    /// This handle belongs to the receiving end of a local copy.
    receiving: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A role that panicked leaves whole lines, which are still worth printing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Report {
    /// The report of one side of a run; `sender`: of the sending side.
    pub fn new(plan: Arc<Plan>, sender: bool) -> Self {
        Self {
            receiving: false,
            shared: Arc::new(Self::unshared(plan, sender)),
        }
    }

    fn unshared(plan: Arc<Plan>, sender: bool) -> Shared {
        let live = figures::Live::default();
        if plan.output.events.wants_done() {
            live.time_files();
        }
        Shared {
            events: Events::default(),
            tally: Tally::default(),
            live,
            question: question::Question::default(),
            sent: Mutex::default(),
            clock: json::Clock::new(&plan),
            outcome: Outcome::default(),
            changes: changes::Changes::new(&plan),
            pace: pace::Pace::new(&plan),
            voice: Voice::new(Arc::clone(&plan), sender),
            screen: Screen::new(&plan),
            writer: Mutex::new(None),
            plan,
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

    /// A report of its own for an estimate of what this run would do: nobody sees it, and it ends with a cancel of the
    /// run.
    pub(crate) fn silent(&self, plan: Arc<Plan>) -> Self {
        let mut shared = Self::unshared(plan, false);
        shared.events = Events::silent();
        shared.outcome = self.shared.outcome.part();
        Self {
            receiving: self.receiving,
            shared: Arc::new(shared),
        }
    }

    /// The plan of the run.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.shared.plan
    }

    /// Send a server's messages to its client through this writer from now on.
    pub fn set_writer(&self, writer: Writer) {
        *lock(&self.shared.writer) = Some(writer);
    }

    /// Set the role of the closing line and of lines that name no role themselves.
    pub fn set_role(&self, role: Role) {
        *lock(&self.shared.voice.role) = role;
    }

    /// The role that this handle reports for.
    pub fn role(&self) -> Role {
        *lock(&self.shared.voice.role)
    }

    /// The role that reads the status of files through this handle: it scans or it compares.
    pub fn looker(&self) -> Role {
        if !self.receiving && (self.shared.plan.place.is_local() || self.role() == Role::Sender) {
            Role::Sender
        } else {
            Role::Generator
        }
    }

    // ---- outcome

    /// Ask every role to stop; `code` is the exit code the run then has.
    pub fn cancel(&self, code: i32) {
        self.shared.outcome.cancel(code);
        self.shared.events.cancel();
    }

    /// End the run with this code at the next step of a role. Unlike a cancel, it leaves the link open, over which the
    /// peer then receives the code.
    pub fn stop(&self, code: i32) {
        self.shared.outcome.stop(code);
    }

    /// Let a cancel set this flag of the link as well, which ends the waits of the link.
    pub fn set_cancel_flag(&self, flag: Arc<AtomicBool>) {
        self.shared.outcome.set_cancel_flag(flag);
    }

    /// An error once [`Report::cancel`] was called or the time of `--stop-at` has come.
    pub fn check(&self) -> Result<()> {
        self.shared.outcome.check()
    }

    /// The exit code that [`Report::cancel`] was called with.
    pub fn cancelled_with(&self) -> Option<i32> {
        self.shared.outcome.cancelled_with()
    }

    /// Whether the run is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled_with().is_some()
    }

    /// Something could not be listed. The list that ends next carries these bits, and from there on nothing is deleted.
    pub fn set_listing_error(&self, bits: IoErrors) {
        self.shared.outcome.set_listing_error(bits);
    }

    /// The errors of listing so far.
    pub fn listing_error(&self) -> IoErrors {
        self.shared.outcome.listing_error()
    }

    /// Something else went wrong with a file: that stops deletions at the end (`--delete-after`).
    pub fn set_io_error(&self, bits: IoErrors) {
        self.shared.outcome.set_io_error(bits);
    }

    /// All bits so far.
    pub fn io_error(&self) -> IoErrors {
        self.shared.outcome.io_error()
    }

    /// Exit code of a run that came to its end (spec: output 2).
    pub fn code(&self) -> i32 {
        self.shared.outcome.code()
    }

    /// End the run when the time of `--stop-at` has come (spec: options 6.5).
    fn stop_in_time(&self) {
        let stop = self.shared.plan.agreed.stop_at;
        if stop <= 0 || self.is_cancelled() {
            return;
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        if now.is_ok_and(|now| now.as_secs() as i64 >= stop) {
            self.error("stopping at requested limit");
            self.cancel(30);
        }
    }

    // ---- counters

    /// Change the figures.
    pub fn stats<R>(&self, change: impl FnOnce(&mut Summary) -> R) -> R {
        self.shared.tally.change(change)
    }

    /// A copy of the summary as it is now.
    pub fn summary(&self) -> Summary {
        self.stats(|s| s.clone())
    }

    // ---- events

    /// Wait for events; `None` when the transfer is over and all were taken. A batch may be empty after `patience`.
    pub fn take(&self, patience: Duration) -> Option<Vec<Event>> {
        self.stop_in_time();
        self.shared.events.take(patience)
    }

    /// Give all further events to `sink` at once instead of keeping them for [`Report::take`]: for a caller that runs the
    /// roles in its own thread. The sink is called by the thread that emits the event, and is dropped by [`Report::finish`].
    pub fn set_sink(&self, sink: Arc<Sink>) {
        self.shared.events.set_sink(sink);
    }

    /// Wait until the caller has written all events so far, but not longer than `limit`.
    pub fn wait_written(&self, limit: Duration) {
        self.shared.events.wait_written(limit);
    }

    /// No more events will come.
    pub fn finish(&self) {
        self.shared.events.finish();
    }

    /// Hold the lines of items back until [`Report::release`]. In a transfer over a link they wait for the generator's
    /// requests to be sent, while its own messages (deletions, names skipped) go at once; a local copy keeps to that
    /// order (spec: transfer 15).
    pub fn hold_items(&self) {
        let plan = &self.shared.plan;
        // Events alone have their order among themselves.
        let lines = self.shared.voice.out_format.is_some() || plan.output.logging;
        if lines && plan.output.progress == 0 && !plan.output.quiet {
            self.shared.events.hold();
        }
    }

    /// Add the size of a request to the held bytes; at the limit the held lines are emitted.
    pub fn held_cost(&self, bytes: usize) {
        self.shared.events.add_held_bytes(bytes);
    }

    /// Emit the held lines.
    pub fn release(&self) {
        self.shared.events.release();
    }

    /// A line of a trace for stderr, with its newline. It takes no part in the formats and counts of other lines.
    pub(crate) fn trace(&self, line: &str) {
        self.push(Event::Stderr(line.into()));
    }

    fn push(&self, event: Event) {
        self.shared.events.push(event);
    }

    // ---- lines

    /// Emit one line (a newline is added) of the given kind.
    pub fn line(&self, level: Level, text: impl AsRef<[u8]>) {
        self.line_by(level, None, text.as_ref());
    }

    fn line_by(&self, level: Level, by: Option<Role>, text: &[u8]) {
        if level == Level::ErrorXfer {
            self.shared.outcome.add_xfer_error();
        }
        let mut raw = Vec::with_capacity(text.len() + 1);
        raw.extend_from_slice(text);
        raw.push(b'\n');
        self.emit(level, by, &raw);
    }

    /// A line of information.
    pub fn info(&self, text: impl AsRef<[u8]>) {
        self.line(Level::Info, text);
    }

    /// A warning.
    pub fn warning(&self, text: impl AsRef<[u8]>) {
        self.line(Level::Warning, text);
    }

    /// An error without an effect on the exit code.
    pub fn error(&self, text: impl AsRef<[u8]>) {
        self.line(Level::Error, text);
    }

    /// An error of a file: the exit code is at least 23.
    pub fn error_xfer(&self, text: impl AsRef<[u8]>) -> Reported {
        self.line(Level::ErrorXfer, text);
        Reported(())
    }

    /// `rsync: [ROLE] MESSAGE: ERR (n)`, a transfer error (spec: output 3).
    pub fn sys_error(&self, role: Role, message: impl AsRef<[u8]>, error: &io::Error) -> Reported {
        let line = sys_line(role, message.as_ref(), error);
        self.line_by(Level::ErrorXfer, Some(role), &line);
        Reported(())
    }

    /// Report why an open of an operator's path failed, if the cause is a link of another owner.
    ///
    /// spec: transfer 16.2
    pub fn refusal(&self, path: &[u8], error: &io::Error) {
        if crate::tree::operator::is_refusal(path, error) {
            self.error(crate::tree::operator::REFUSAL);
        }
    }

    /// Emit a whole line with its newline. `by`: the role that the line names in front, if it names one.
    fn emit(&self, level: Level, by: Option<Role>, raw: &[u8]) {
        let plan = &self.shared.plan;
        // The receiving end of a local copy is a process of its own in rsync, and prints its errors itself: it knows no
        // locale (spec: output 11), and a client's log does not get them.
        let own_process = self.receiving && level.is_error() && by != Some(Role::Sender);
        let unlogged = own_process && plan.agreed.protocol >= 29 && plan.output.stderr_mode != StderrMode::Client
            || self.receiving && plan.output.quiet && level == Level::Info;
        if plan.output.logging && !level.is_unlogged() && !unlogged {
            self.push_log(raw);
        }
        if level == Level::Log || plan.output.quiet && level.is_output() {
            return;
        }
        if plan.place.is_server() {
            if !self.send_message(level, raw) {
                let mut out = Vec::with_capacity(raw.len());
                escape_line(raw, plan.output.charset, plan.output.eight_bit_output, &mut out);
                self.push(Event::Stderr(out));
            }
            return;
        }
        self.progress_close();
        let mut out = Vec::with_capacity(raw.len() + 1);
        if self.shared.screen.open_line.swap(false, Ordering::Relaxed) {
            out.push(b'\n');
        }
        let charset = if own_process {
            Charset::Ascii
        } else {
            plan.output.charset
        };
        escape_line(raw, charset, plan.output.eight_bit_output, &mut out);
        // Below protocol 23 that process has no frames to send its lines in, and prints them (observed).
        let unframed = self.receiving && plan.agreed.protocol < 23;
        let to_stdout = level.is_output() && plan.output.stderr_mode != StderrMode::All && !unframed;
        let about_entry = matches!(level, Level::Entry | Level::Listed);
        self.push(match (to_stdout, about_entry) {
            (true, true) => self.unkeyed_entry(out),
            (true, false) => Event::Stdout(out),
            (false, _) => Event::Stderr(out),
        });
    }

    /// Send a server's line to its client, if such a line goes over the link. `false`: the server has to print it.
    fn send_message(&self, level: Level, raw: &[u8]) -> bool {
        let plan = &self.shared.plan;
        let printed = plan.output.stderr_mode == StderrMode::All && !plan.place.is_daemon();
        let sent = level.is_output()
            || plan.place.is_daemon()
            || plan.agreed.protocol < 29
            || plan.output.stderr_mode == StderrMode::Client;
        if printed || !sent {
            return false;
        }
        let Some(writer) = lock(&self.shared.writer).clone() else {
            return false;
        };
        let tag = match level {
            Level::Warning if plan.agreed.protocol < 30 => Tag::Info,
            Level::Warning => Tag::Warning,
            Level::Error if plan.agreed.protocol < 30 => Tag::ErrorXfer,
            Level::Error => Tag::Error,
            Level::ErrorXfer => Tag::ErrorXfer,
            _ => Tag::Info,
        };
        let mut text = self.to_wire(raw);
        text.truncate(MAX_MESSAGE);
        // An old stream may have no frames: then the line is printed here (spec: protocol-old 3). A broken stream shows
        // with the next write of a role.
        writer.msg(tag, &text).unwrap_or(true)
    }

    /// Print bytes to the client's stdout that are not a whole line (`building file list ... `).
    pub fn partial(&self, text: &[u8]) {
        let plan = &self.shared.plan;
        if plan.place.is_server() || plan.output.quiet {
            return;
        }
        self.shared
            .screen
            .open_line
            .store(!text.ends_with(b"\n"), Ordering::Relaxed);
        let event = if plan.output.stderr_mode == StderrMode::All {
            Event::Stderr(text.to_vec())
        } else {
            Event::Stdout(text.to_vec())
        };
        self.push(event);
    }

    /// End the line about the building of a list, so that the next output begins a line of its own.
    pub fn end_line(&self) {
        if self.shared.screen.open_line.swap(false, Ordering::Relaxed) {
            self.push(Event::Stderr(b"\n".to_vec()));
        }
    }

    /// Handle a text from the peer (spec: protocol 3.2). The client prints it.
    pub fn from_peer(&self, tag: Tag, text: &[u8]) {
        let level = match tag {
            Tag::Info => Level::Info,
            Tag::Warning => Level::Warning,
            Tag::ErrorXfer => {
                self.shared.outcome.add_xfer_error();
                Level::ErrorXfer
            }
            _ => Level::Error,
        };
        if matches!(level, Level::Error | Level::ErrorXfer) {
            self.keep_complaint(text);
        }
        if self.shared.plan.place.is_server() && self.shared.plan.output.stderr_mode != StderrMode::All {
            // A server can show a client's text only in its log.
            if self.shared.plan.output.logging {
                self.push_log(text);
            }
            return;
        }
        match self.shared.voice.local_text(text) {
            Some(local) => self.emit(level, None, &local),
            None => self.emit(level, None, text),
        }
    }

    fn push_log(&self, raw: &[u8]) {
        let text = raw.strip_suffix(b"\n").unwrap_or(raw);
        if text.is_empty() {
            return;
        }
        let mut out = Vec::with_capacity(text.len());
        escape_log(text, &mut out);
        if let Some(event) = self.shared.events.in_sequence(Event::Log(out)) {
            self.push(event);
        }
    }
}
