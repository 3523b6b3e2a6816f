//! The queue between the roles, which emit events from several threads, and the caller, who takes them in batches.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::lock;
use super::sequence::Sequence;
use crate::event::Event;

/// Bytes that may wait for the caller before roles are held up.
const MAX_WAITING: usize = 1 << 20;

/// A batch of this many bytes is worth waking the caller for.
const BATCH: usize = 64 * 1024;

/// The same for lines of JSON, which programs read.
const JSON_BATCH: usize = 256 * 1024;

/// How long a batch may grow. Lines come in bursts: a short wait makes one batch of many.
const GROWS: Duration = Duration::from_millis(4);
const JSON_GROWS: Duration = Duration::from_millis(16);

/// Bytes of requests that a generator of rsync buffers before it sends them.
const HELD: usize = 128 * 1024;

/// How long a wait goes without a check of the state.
const TICK: Duration = Duration::from_millis(100);

/// What the caller waits for, so that nobody wakes it in vain: each wake-up is a system call.
#[derive(Default, PartialEq, Eq)]
enum Taker {
    /// It does not wait.
    #[default]
    Away,
    /// Any event.
    First,
    /// A full batch.
    Full,
}

#[derive(Default)]
struct Queue {
    events: Vec<Event>,
    bytes: usize,
    finished: bool,
    /// The run is cancelled: roles no longer wait for the caller.
    cancelled: bool,
    /// Nobody takes events.
    silent: bool,
    /// The caller has the last batch, and may not have written it yet.
    away: bool,
    taker: Taker,
    /// Roles that wait until the caller has taken or written events.
    roles: usize,
}

impl Queue {
    /// How many bytes are a full batch, and how long a smaller one waits for more.
    fn full(&self) -> (usize, Duration) {
        match self.events.last() {
            Some(Event::Json(_)) => (JSON_BATCH, JSON_GROWS),
            _ => (BATCH, GROWS),
        }
    }
}

/// Takes events at once, from the thread that emits them.
pub type Sink = dyn Fn(Event) + Send + Sync;

/// All events of a transfer, in order.
#[derive(Default)]
pub(super) struct Events {
    queue: Mutex<Queue>,
    arrived: Condvar,
    taken: Condvar,
    /// Lines of items are held.
    holding: AtomicBool,
    /// The held lines, and the bytes that their requests would have on a wire.
    held: Mutex<(Vec<Event>, usize)>,
    /// At least one file was handed to a worker.
    sequenced: AtomicBool,
    /// Log lines and items that wait for files in the hands of workers.
    sequence: Mutex<Sequence>,
    /// The caller runs the roles in its own thread, so nothing is queued.
    has_sink: AtomicBool,
    sink: Mutex<Option<Arc<Sink>>>,
}

impl Events {
    /// Drops every event.
    pub(super) fn silent() -> Self {
        Self {
            queue: Mutex::new(Queue {
                silent: true,
                ..Queue::default()
            }),
            ..Self::default()
        }
    }

    /// Gives all further events to `sink` at once, until [`Events::finish`].
    pub(super) fn set_sink(&self, sink: Arc<Sink>) {
        *lock(&self.sink) = Some(sink);
        self.has_sink.store(true, Ordering::Release);
    }

    fn sink(&self) -> Option<Arc<Sink>> {
        if !self.has_sink.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.sink).clone()
    }

    /// The queue with room for more events; waits while the caller has too much to take. `None` if nobody takes events.
    fn room(&self) -> Option<MutexGuard<'_, Queue>> {
        let mut queue = lock(&self.queue);
        if queue.silent {
            return None;
        }
        while queue.bytes > MAX_WAITING && !queue.finished && !queue.cancelled {
            queue = self.wait_taken(queue);
        }
        Some(queue)
    }

    /// Wait a tick for the caller to take or write events.
    fn wait_taken<'a>(&self, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        queue.roles += 1;
        let wait = self.taken.wait_timeout(queue, TICK);
        let mut queue = wait.unwrap_or_else(PoisonError::into_inner).0;
        queue.roles -= 1;
        queue
    }

    /// The caller's wait for events.
    fn wait_arrived<'a>(
        &self,
        mut queue: MutexGuard<'a, Queue>,
        taker: Taker,
        time: Duration,
    ) -> MutexGuard<'a, Queue> {
        queue.taker = taker;
        let wait = self.arrived.wait_timeout(queue, time);
        let mut queue = wait.unwrap_or_else(PoisonError::into_inner).0;
        queue.taker = Taker::Away;
        queue
    }

    /// An event of `bytes` was added.
    fn added(&self, mut queue: MutexGuard<'_, Queue>, bytes: usize) {
        queue.bytes += bytes;
        let wake = match queue.taker {
            Taker::Away => false,
            Taker::First => true,
            Taker::Full => bytes >= BATCH || queue.bytes >= queue.full().0,
        };
        if wake {
            queue.taker = Taker::Away;
            drop(queue);
            self.arrived.notify_one();
        }
    }

    /// Add a line of JSON, which `write` appends. Lines that follow each other share a buffer: one of its own for each
    /// would cost an allocation and a copy.
    pub(super) fn push_json(&self, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(sink) = self.sink() {
            let mut lines = Vec::new();
            write(&mut lines);
            return sink(Event::Json(lines));
        }
        let Some(mut queue) = self.room() else {
            return;
        };
        if !matches!(queue.events.last(), Some(Event::Json(_))) {
            queue.events.push(Event::Json(Vec::with_capacity(BATCH + BATCH / 8)));
        }
        let mut bytes = 0;
        if let Some(Event::Json(lines)) = queue.events.last_mut() {
            bytes = lines.len();
            write(lines);
            bytes = lines.len() - bytes;
        }
        self.added(queue, bytes);
    }

    /// Add an event; waits while the caller has too much to take.
    pub(super) fn push(&self, event: Event) {
        if let Some(sink) = self.sink() {
            return sink(event);
        }
        if let Event::Json(line) = event {
            return self.push_json(|lines| lines.extend_from_slice(&line));
        }
        let Some(mut queue) = self.room() else {
            return;
        };
        let bytes = match &event {
            Event::Stdout(b) | Event::Entry(b) | Event::Stderr(b) | Event::Log(b) | Event::Json(b) => b.len(),
            Event::Item(_) | Event::Done(_) | Event::Skipped(_) => 64,
            // A role waits for the answer, so the batch is worth waking the caller for.
            Event::Select(_) | Event::Deletions(_) | Event::Planned(_) => BATCH,
        };
        match (event, queue.events.last_mut()) {
            (Event::Stdout(new), Some(Event::Stdout(old)))
            | (Event::Entry(new), Some(Event::Entry(old)))
            | (Event::Stderr(new), Some(Event::Stderr(old))) => {
                old.extend_from_slice(&new);
            }
            (event, _) => queue.events.push(event),
        }
        self.added(queue, bytes);
    }

    /// Wait for events; `None` when the transfer is over and all were taken. A batch may be empty after `patience`.
    pub(super) fn take(&self, patience: Duration) -> Option<Vec<Event>> {
        let mut queue = lock(&self.queue);
        if std::mem::take(&mut queue.away) && queue.roles > 0 {
            self.taken.notify_all();
        }
        if queue.events.is_empty() && !queue.finished {
            queue = self.wait_arrived(queue, Taker::First, patience);
        }
        let (full, time) = queue.full();
        if !queue.finished && !queue.events.is_empty() && queue.bytes < full {
            queue = self.wait_arrived(queue, Taker::Full, time);
        }
        if queue.events.is_empty() && queue.finished {
            return None;
        }
        queue.bytes = 0;
        let events = std::mem::take(&mut queue.events);
        queue.away = !events.is_empty();
        let roles_wait = queue.roles > 0;
        drop(queue);
        if roles_wait {
            self.taken.notify_all();
        }
        Some(events)
    }

    /// Wait until the caller has written all events so far, which shows when it takes the next batch. `limit` is for a
    /// caller that has gone.
    pub(super) fn wait_written(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut queue = lock(&self.queue);
        while (queue.away || !queue.events.is_empty()) && !queue.finished && Instant::now() < end {
            queue = self.wait_taken(queue);
        }
    }

    /// No more events will come.
    pub(super) fn finish(&self) {
        // It may hold what holds this queue.
        lock(&self.sink).take();
        lock(&self.queue).finished = true;
        self.arrived.notify_all();
        self.taken.notify_all();
    }

    /// Roles that wait for the caller go on at once.
    pub(super) fn cancel(&self) {
        lock(&self.queue).cancelled = true;
        self.taken.notify_all();
    }

    // ---- lines of items that wait for the generator's requests

    /// Hold lines of items until [`Events::release`].
    pub(super) fn hold(&self) {
        self.holding.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_holding(&self) -> bool {
        self.holding.load(Ordering::Relaxed)
    }

    /// Add the size of a request to the held bytes. At the limit, rsync would send them, so the lines are emitted.
    pub(super) fn add_held_bytes(&self, bytes: usize) {
        if !self.is_holding() {
            return;
        }
        let full = {
            let mut held = lock(&self.held);
            held.1 += bytes;
            held.1 >= HELD
        };
        if full {
            self.release();
        }
    }

    /// Emit the held lines.
    pub(super) fn release(&self) {
        if !self.is_holding() {
            return;
        }
        let (events, _) = std::mem::take(&mut *lock(&self.held));
        for event in events {
            self.push(event);
        }
    }

    /// Emit an item's line, or hold it. Lines of JSON do not wait: their stream has the order in which things happen.
    pub(super) fn push_item(&self, event: Event) {
        if self.is_holding() && !matches!(event, Event::Json(_)) {
            lock(&self.held).0.push(event);
        } else {
            self.push(event);
        }
    }

    // ---- log lines and items that wait for workers

    /// Emit log lines and items in order: at once, or behind the files that workers have in hand.
    pub(super) fn keep(&self, events: Vec<Event>) {
        if self.sequenced.load(Ordering::Relaxed) {
            for event in events {
                if let Some(event) = self.in_sequence(event) {
                    self.emit_kept([event]);
                }
            }
        } else {
            self.emit_kept(events);
        }
    }

    /// The event, if nothing before it waits for a worker.
    pub(super) fn in_sequence(&self, event: Event) -> Option<Event> {
        if self.sequenced.load(Ordering::Relaxed) {
            return lock(&self.sequence).add(event);
        }
        Some(event)
    }

    /// These events wait for the end of the file with this number.
    pub(super) fn keep_until_file(&self, ndx: i32, events: Vec<Event>) {
        self.sequenced.store(true, Ordering::Relaxed);
        lock(&self.sequence).wait(ndx, events);
    }

    /// A worker has finished the file with this number. Its events are dropped unless the file is in place.
    pub(super) fn file_ended(&self, ndx: i32, placed: bool) {
        let events = lock(&self.sequence).end(ndx, placed);
        self.emit_kept(events);
    }

    /// No more files will end.
    pub(super) fn no_more_files(&self) {
        let events = lock(&self.sequence).close();
        self.emit_kept(events);
    }

    fn emit_kept(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.push_item(event);
        }
    }
}
