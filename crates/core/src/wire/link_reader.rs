//! The reading half of a [`Link`](super::link::Link): a thread that reads ahead, and the consumer's side, which parses
//! frames in place and hands out slices of what was read (spec: protocol 3.1, 3.2, 3.8).
//!
//! The thread knows nothing of frames: they are parsed at the consumer's position, so that framing can be switched on
//! and off exactly where the stream does it.

mod peer_end;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::frames::{self, Message, Tag, HEADER_LEN};
use super::inlet::{Chunk, End, Inlet, MAX_QUEUED};
use super::ints::Source;
use super::port::{read_error, Port, Wake};
use super::read_ahead::{self, Ahead, Shelf, BUFFER, HAND_OVER};
use super::record::Record;
use super::shared::{counted, lock, Control, Shared, TICK};
use super::trace::{Tracer, Way};
use crate::error::{sys_text, Error, Result};

/// Messages kept while there is no handler.
const MAX_PARKED: usize = 1000;
/// `left` of an unframed stream.
const ENDLESS: usize = usize::MAX;

/// Takes the messages of a stream, in its order.
pub(super) type Handler = Box<dyn FnMut(Message) -> Result<()> + Send>;

enum Feed {
    Direct(Arc<Port>),
    Thread {
        shelf: Arc<Shelf>,
        wake: Arc<Wake>,
        thread: Option<JoinHandle<()>>,
    },
    Lean(Arc<Inlet>),
}

/// What [`Reader::step`] found.
#[derive(PartialEq, Eq)]
enum Step {
    Data,
    Nothing,
    Eof,
}

/// The reading half of a connection.
pub struct Reader {
    /// The bytes that can be handed out: `cur[pos..end]`.
    cur: Vec<u8>,
    pos: usize,
    end: usize,
    /// Bytes of the open data frame that are still to come.
    left: usize,
    mux: bool,
    /// The part of a header that has arrived.
    header: [u8; HEADER_LEN],
    header_len: usize,
    /// The part of a message that has arrived, and its whole length.
    message: Option<(Message, usize)>,
    parked: VecDeque<Message>,
    handler: Option<Handler>,
    /// Gets a copy of all data, until writing it has failed.
    record: Option<Arc<Record>>,
    /// Why it failed; the next read returns it.
    record_error: Option<Error>,
    /// Chunks behind `cur`.
    local: VecDeque<Chunk>,
    spare: Vec<Vec<u8>>,
    finished: Option<End>,
    /// ERROR_EXIT has arrived: nothing of use follows.
    peer_ended: bool,
    /// See [`Reader::leave_data`].
    data_is_anothers: bool,
    feed: Feed,
    shared: Arc<Shared>,
    /// Raw bytes that lie before `cur[pos]`, and all that have arrived.
    pub(super) consumed: u64,
    arrived: u64,
}

impl Reader {
    pub(super) fn direct(shared: Arc<Shared>, port: Arc<Port>) -> Self {
        Self {
            cur: Vec::new(),
            pos: 0,
            end: 0,
            left: ENDLESS,
            mux: false,
            header: [0; HEADER_LEN],
            header_len: 0,
            message: None,
            parked: VecDeque::new(),
            handler: None,
            record: None,
            record_error: None,
            local: VecDeque::new(),
            spare: Vec::new(),
            finished: None,
            peer_ended: false,
            data_is_anothers: false,
            feed: Feed::Direct(port),
            shared,
            consumed: 0,
            arrived: 0,
        }
    }

    /// Moves the reading into a thread.
    pub(super) fn start_thread(&mut self) -> Result<()> {
        let Feed::Direct(port) = &self.feed else {
            return Ok(());
        };
        let failed = |e: &io::Error| Error::Ipc(format!("could not start the reader thread: {}", sys_text(e)));
        let (port, shelf) = (port.clone(), Arc::new(Shelf::default()));
        let wake = Arc::new(Wake::new().map_err(|e| failed(&e))?);
        port.widen();
        let thread = {
            let (shelf, wake, shared) = (shelf.clone(), wake.clone(), self.shared.clone());
            std::thread::Builder::new()
                .name("reader".into())
                .spawn(move || read_ahead::run(&shelf, &port, &wake, &shared))
                .map_err(|e| failed(&e))?
        };
        self.feed = Feed::Thread {
            shelf,
            wake,
            thread: Some(thread),
        };
        Ok(())
    }

    /// Reads without a thread, while this side waits; see [`lean`](super::lean).
    pub(super) fn make_lean(&mut self) {
        if let Feed::Direct(port) = &self.feed {
            port.widen();
            let inlet = Arc::new(Inlet::new(port.clone()));
            // A link is split once, so nothing was set before.
            let _ = self.shared.inlet.set(Arc::downgrade(&inlet));
            self.feed = Feed::Lean(inlet);
        }
    }

    /// The data of this side is put by another thread, which flushes it when it waits: reading flushes messages only.
    /// 3.5.0 has a process for each, and users see its messages overtake the data that it still holds.
    pub(crate) fn leave_data(&mut self) {
        self.data_is_anothers = true;
    }

    /// Sets what takes the messages. It is called in stream order from the thread that reads; an `Err` ends the read.
    /// Messages that arrived before there was a handler are delivered at the next read.
    pub fn set_handler(&mut self, handler: Handler) {
        self.handler = Some(handler);
    }

    /// The handle for other threads.
    pub fn control(&self) -> Control {
        Control::new(self.shared.clone())
    }

    /// Copies all data that is read from here on, messages excluded, into a batch. An error of it ends a later read.
    pub fn set_record(&mut self, record: Arc<Record>) {
        self.record = Some(record);
    }

    /// From here on the stream is framed.
    pub fn start_mux(&mut self) {
        if !self.mux {
            self.mux = true;
            self.left = 0;
        }
    }

    /// From here on the stream is not framed, including what has been read ahead (spec: protocol 2.9). Only between two
    /// frames.
    pub fn stop_mux(&mut self) {
        self.mux = false;
        self.left = ENDLESS;
    }

    /// Whether the stream is framed.
    pub fn is_muxed(&self) -> bool {
        self.mux
    }

    /// Raw bytes taken from the stream since the end of the handshake, headers and messages included.
    pub fn bytes_read(&self) -> u64 {
        counted(self.consumed, &self.shared.in_base)
    }

    /// Raw bytes that have arrived and are not consumed.
    pub(super) fn buffered(&self) -> usize {
        (self.arrived - self.consumed) as usize
    }

    /// Reads what has arrived, without blocking. Returns whether there was anything.
    pub(super) fn read_ahead(&mut self) -> bool {
        let before = self.arrived;
        if let Feed::Direct(port) = &self.feed {
            if self.finished.is_none() {
                let mut buf = vec![0; HAND_OVER];
                match port.read(&mut buf) {
                    Ok(Some(0)) => self.finished = Some(End::Eof),
                    Ok(Some(n)) => {
                        self.shared.mark_in(n);
                        self.arrived += n as u64;
                        self.local.push_back(Chunk { data: buf, end: n });
                    }
                    Ok(None) => {}
                    Err(e) => {
                        self.finished = Some(End::Failed(read_error(&self.shared.role(), &e)));
                    }
                }
            }
        }
        self.arrived > before
    }

    /// Waits until there is something to read, or the end of the stream; `false` when that takes more than `time`.
    pub(super) fn wait_ready(&mut self, time: Duration) -> Result<bool> {
        let end = Instant::now() + time;
        while self.buffered() == 0 && !self.read_ahead() && self.finished.is_none() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.shared.check()?;
            self.wait_for_more(TICK.min(left));
        }
        Ok(true)
    }

    /// After a write has failed: `Ok` if there is something to read, an error if the peer has closed this direction too,
    /// `None` if nothing arrives within `time`.
    pub(super) fn wait_for_last_input(&mut self, time: Duration) -> Option<Result<()>> {
        let end = Instant::now() + time;
        loop {
            while self.buffered() < HAND_OVER && self.read_ahead() {}
            if self.buffered() > 0 {
                return Some(Ok(()));
            }
            match &self.finished {
                Some(End::Eof) => return Some(Err(self.closed())),
                Some(End::Failed(error)) => return Some(Err(error.clone())),
                None if Instant::now() < end && !self.shared.is_cancelled() => self.wait_for_more(TICK),
                None => return None,
            }
        }
    }

    /// The error for an end where bytes are needed (spec: protocol 3.8, output 14.6).
    fn closed(&self) -> Error {
        let bytes = counted(self.arrived, &self.shared.in_base);
        let role = self.shared.role();
        Error::Stream(format!(
            "rsync: connection unexpectedly closed ({bytes} bytes received so far) [{role}]"
        ))
    }

    /// Replaces the current chunk, which is used up, by the next one.
    fn refill(&mut self, block: bool) -> Result<Step> {
        if self.cur.len() == BUFFER && self.spare.len() < 2 {
            self.spare.push(std::mem::take(&mut self.cur));
        }
        let mut flushed = false;
        loop {
            if let Some(chunk) = self.local.pop_front() {
                self.cur = chunk.data;
                self.pos = 0;
                self.end = chunk.end;
                return Ok(Step::Data);
            }
            match &self.finished {
                Some(End::Eof) => return Ok(Step::Eof),
                Some(End::Failed(error)) => return Err(error.clone()),
                None => {}
            }
            match &self.feed {
                Feed::Lean(inlet) => {
                    let used = std::mem::take(&mut self.cur);
                    let (n, end) = inlet.take_all(&mut self.local, used);
                    (self.pos, self.end) = (0, 0);
                    self.arrived += n;
                    if n > 0 || end.is_some() {
                        // Data that waited is activity too: a silence begins now.
                        self.shared.mark_in(0);
                        self.finished = end;
                    } else if !self.shared.read_into(inlet) {
                        if !block {
                            return Ok(Step::Nothing);
                        }
                        // The peer may be waiting for what we have not written yet.
                        self.shared.flush_before_wait();
                        self.shared.check()?;
                        self.shared.exchange(TICK);
                    }
                }
                Feed::Direct(port) => {
                    let port = port.clone();
                    if !self.read_ahead() && self.finished.is_none() {
                        if !block {
                            return Ok(Step::Nothing);
                        }
                        self.shared.check()?;
                        port.wait(PollFlags::IN, None, Some(TICK))
                            .map_err(|e| read_error(&self.shared.role(), &e))?;
                    }
                }
                Feed::Thread { shelf, .. } => {
                    let mut queue = lock(&shelf.queue);
                    while queue.spare.len() < 4 {
                        let Some(buffer) = self.spare.pop() else {
                            break;
                        };
                        queue.spare.push(buffer);
                    }
                    if queue.is_pending() {
                        if !block {
                            return Ok(Step::Nothing);
                        }
                        if !flushed {
                            // The peer may be waiting for what we have not written yet.
                            drop(queue);
                            if self.data_is_anothers {
                                self.shared.flush_messages();
                            } else {
                                self.shared.flush_before_wait();
                            }
                            flushed = true;
                            continue;
                        }
                        queue = shelf.wait(queue, TICK);
                        if queue.is_pending() {
                            drop(queue);
                            self.shared.check()?;
                            continue;
                        }
                    }
                    if queue.chunks.is_empty() {
                        self.finished.clone_from(&queue.end);
                    } else {
                        self.arrived += shelf.take_all(&mut queue, &mut self.local);
                        // Data that waited in the queue is activity too: a silence begins now.
                        self.shared.mark_in(0);
                    }
                }
            }
        }
    }

    /// Copies raw bytes of the current chunk, at most `want`.
    fn take_raw(&mut self, want: usize) -> &[u8] {
        let from = self.pos;
        let n = want.min(self.end - from);
        self.pos += n;
        self.consumed += n as u64;
        &self.cur[from..from + n]
    }

    fn deliver(&mut self, message: Message) -> Result<()> {
        if let Some(tracer) = self.shared.tracer.get() {
            tracer.message(Way::In, message.tag.name(), &message.payload, message.tag.is_text());
        }
        if message.tag == Tag::ErrorExit {
            self.peer_ended = true;
        }
        if message.tag == Tag::IoTimeout {
            if let Some(seconds) = message.value() {
                self.shared.adopt_timeout(seconds);
            }
        }
        match &mut self.handler {
            Some(handler) => handler(message),
            None if self.parked.len() < MAX_PARKED => {
                self.parked.push_back(message);
                Ok(())
            }
            None => Err(Error::Stream(format!(
                "too many messages before the transfer [{}]",
                self.shared.role()
            ))),
        }
    }

    /// Handles messages until data bytes are available.
    fn step(&mut self, block: bool) -> Result<Step> {
        while self.handler.is_some() {
            let Some(message) = self.parked.pop_front() else {
                break;
            };
            self.deliver(message)?;
        }
        loop {
            if let Some((message, len)) = &self.message {
                if message.payload.len() == *len {
                    if let Some((message, _)) = self.message.take() {
                        self.deliver(message)?;
                    }
                    continue;
                }
            }
            if self.pos == self.end {
                match self.refill(block)? {
                    Step::Data => {}
                    Step::Nothing => return Ok(Step::Nothing),
                    Step::Eof => {
                        // An end within a header, a message or a frame is never a good one.
                        let between = self.header_len == 0 && self.message.is_none();
                        if between && (!self.mux || self.left == 0) {
                            return Ok(Step::Eof);
                        }
                        return Err(self.closed());
                    }
                }
            }
            if let Some((mut message, len)) = self.message.take() {
                message
                    .payload
                    .extend_from_slice(self.take_raw(len - message.payload.len()));
                self.message = Some((message, len));
                continue;
            }
            if self.left > 0 {
                return Ok(Step::Data);
            }
            let (at, mut header) = (self.header_len, self.header);
            let part = self.take_raw(HEADER_LEN - at);
            header[at..at + part.len()].copy_from_slice(part);
            self.header_len += part.len();
            self.header = header;
            if self.header_len == HEADER_LEN {
                self.header_len = 0;
                let (number, len) = frames::parse(header);
                if number == 0 {
                    self.left = len;
                } else {
                    let tag = frames::check(
                        number,
                        len,
                        self.shared.is_client(),
                        self.shared.protocol(),
                        &self.shared.role(),
                    )?;
                    let payload = Vec::with_capacity(len);
                    self.message = Some((Message { tag, payload }, len));
                }
            }
        }
    }

    /// Number of data bytes that can be handed out without a read.
    fn available(&self) -> usize {
        (self.end - self.pos).min(self.left)
    }

    /// Counts `n` available data bytes as consumed.
    fn advance(&mut self, n: usize) {
        if let Some(record) = &self.record {
            if let Err(error) = record.put(&self.cur[self.pos..self.pos + n]) {
                self.record = None;
                self.record_error = Some(error);
            }
        }
        self.pos += n;
        self.consumed += n as u64;
        if self.mux {
            self.left -= n;
        }
    }

    /// Blocks until data is available.
    fn need(&mut self) -> Result<()> {
        if let Some(error) = self.record_error.take() {
            return Err(error);
        }
        if self.available() == 0 && self.step(true)? == Step::Eof {
            return Err(self.closed());
        }
        Ok(())
    }

    /// Hands out 1 to `max` data bytes, as many as are available, without a copy. They are consumed. `max` must not be 0.
    pub fn chunk(&mut self, max: usize) -> Result<&[u8]> {
        self.need()?;
        let n = self.available().min(max);
        self.advance(n);
        Ok(&self.cur[self.pos - n..self.pos])
    }

    /// Whether a read of one byte would not block. Messages in front of the data are handled. The next read returns an
    /// error, also for an end where none is allowed.
    pub fn ready(&mut self) -> bool {
        if self.available() > 0 {
            return true;
        }
        match self.step(false) {
            Ok(Step::Data) => true,
            Ok(Step::Nothing | Step::Eof) => false,
            Err(error) => {
                self.finished = Some(End::Failed(error));
                self.local.clear();
                self.pos = self.end;
                true
            }
        }
    }

    /// Blocks until data is available (`false`) or the stream has ended properly (`true`).
    pub fn at_eof(&mut self) -> Result<bool> {
        Ok(self.available() == 0 && self.step(true)? == Step::Eof)
    }
}

impl Source for Reader {
    fn tracer(&self) -> Option<&Tracer> {
        self.shared.tracer.get()
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> Result<()> {
        let n = buf.len();
        if self.available() >= n {
            buf.copy_from_slice(&self.cur[self.pos..self.pos + n]);
            self.advance(n);
            return Ok(());
        }
        let mut done = 0;
        while done < n {
            let part = self.chunk(n - done)?;
            buf[done..done + part.len()].copy_from_slice(part);
            done += part.len();
        }
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Feed::Thread { shelf, wake, thread } = &mut self.feed {
            lock(&shelf.queue).stop = true;
            shelf.emptied.notify_one();
            wake.set();
            if let Some(thread) = thread.take() {
                let _ = thread.join();
            }
        }
    }
}
