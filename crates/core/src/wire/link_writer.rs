//! The writing half of a [`Link`](super::link::Link): frames are filled by any thread and written by one of its own, so
//! that no reader ever waits behind a full pipe (spec: protocol 3.1, 3.4, 3.5; options 6.9).

use std::io::{self, IoSlice};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, Weak};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::frames::{self, Tag, MAX_PAYLOAD};
use super::out::{Out, LINGER, MAX_SLICES, MAX_UNWRITTEN, PACE};
use super::port::{write_error, Port, Wake};
use super::shared::{counted, lock, Control, Shared};
use super::throttle::Throttle;
use super::trace::{Tracer, Way};
use crate::error::{bail, sys_text, Error, Result};

/// Callers wait while more than this is unwritten.
const MAX_PENDING: usize = 1024 * 1024;
/// Payloads below this are copied: a frame of their own costs a switch to the writer thread, as much as 100 KB copied.
const OWN_FRAME: usize = 32 * 1024;
/// How much the writer takes at a time, so that waiting callers can go on early.
const BATCH: usize = 256 * 1024;

/// Ends the thread when the last [`Writer`] is gone.
struct Handle {
    shared: Arc<Shared>,
    /// Wakes the thread, if there is one.
    wake: Option<Arc<Wake>>,
    port: Arc<Port>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut out = lock(&self.shared.out);
        out.abandoned = true;
        let Some(wake) = &self.wake else {
            out.seal();
            return self.shared.write_now(&mut out);
        };
        self.shared.out_work.notify_all();
        drop(out);
        wake.set();
    }
}

/// The writing half of a connection. Clones write to the same stream; what one call puts stays together.
///
/// When the last clone is dropped without [`finish`](Self::finish), what can be written without waiting still is.
#[derive(Clone)]
pub struct Writer(Arc<Handle>);

impl Writer {
    pub(super) fn start(shared: Arc<Shared>, port: Arc<Port>) -> Result<Self> {
        let failed = |e: &io::Error| Error::Ipc(format!("could not start the writer thread: {}", sys_text(e)));
        let wake = Arc::new(Wake::new().map_err(|e| failed(&e))?);
        let thread = {
            let (shared, port, wake) = (shared.clone(), port.clone(), wake.clone());
            std::thread::Builder::new()
                .name("writer".into())
                .spawn(move || run(&shared, &port, &wake))
                .map_err(|e| failed(&e))?
        };
        lock(&shared.out).thread = Some(thread);
        if port.never_blocks() {
            let _ = shared.direct.set(Arc::downgrade(&port));
        }
        let wake = Some(wake);
        Ok(Self(Arc::new(Handle { shared, wake, port })))
    }

    /// A writer without a thread; see [`lean`](super::lean).
    pub(super) fn lean(shared: Arc<Shared>, port: Arc<Port>) -> Self {
        // A link is split once, so nothing was set before.
        let _ = shared.direct.set(Arc::downgrade(&port));
        let wake = None;
        Self(Arc::new(Handle { shared, wake, port }))
    }

    /// Bytes that may be unwritten before callers wait.
    fn most_pending(&self) -> usize {
        match self.0.wake {
            Some(_) => MAX_PENDING,
            None => MAX_UNWRITTEN,
        }
    }

    /// Waits for room. `Err` when the connection is broken, cancelled or timed out.
    fn room(&self) -> Result<MutexGuard<'_, Out>> {
        let shared = &self.0.shared;
        let most = self.most_pending();
        let mut out = lock(&shared.out);
        loop {
            if let Some(error) = &out.error {
                return Err(error.clone());
            }
            if out.finishing {
                bail!(Socket; "rsync: [{}] write after the end", shared.role());
            }
            if out.pending() <= most {
                return Ok(out);
            }
            out = shared.wait_room(out);
            if out.error.is_none() && out.pending() > most {
                drop(out);
                shared.check()?;
                out = lock(&shared.out);
            }
        }
    }

    /// Wakes the writer thread if there is something for it to do. Without a thread, writes what is complete.
    fn wake_thread(&self, mut out: MutexGuard<'_, Out>) {
        let mut has_work = !out.sealed.is_empty();
        if !out.open.is_empty() && out.due.is_none() {
            let due = Instant::now() + if out.deferred { PACE } else { LINGER };
            out.due = Some(due);
            has_work |= out.writer_wakes.is_none_or(|at| at > due);
        }
        if self.0.shared.is_lean() {
            if out.flush {
                out.seal();
            }
            return self.0.shared.write_now(&mut out);
        }
        if out.writer_waits && has_work {
            out.writer_waits = false;
            // Woken under the lock, it would only wait for the lock.
            drop(out);
            self.0.shared.out_work.notify_one();
        }
    }

    /// Writes a full buffer without the thread, as much as fits without waiting, while the thread holds nothing. A
    /// stream of small items would otherwise pay for two switches of threads with each buffer.
    fn write_directly(&self, out: &mut Out) {
        let shared = &self.0.shared;
        if shared.is_lean() {
            return shared.write_now(out);
        }
        if !out.writer_waits || out.sealed.len() != 1 {
            return;
        }
        let Some(port) = shared.direct.get().and_then(Weak::upgrade) else {
            return;
        };
        if shared.bwlimit.load(Ordering::Relaxed) != 0 || out.sealed_len != out.sealed[0].len() {
            return;
        }
        // The thread will meet the same error at once, and reports it.
        if let Ok(Some(n @ 1..)) = port.write(&[IoSlice::new(&out.sealed[0])]) {
            shared.mark_out(n);
            out.sealed_len -= n;
            if out.sealed_len > 0 {
                out.sealed[0].drain(..n);
            } else if let Some(mut done) = out.sealed.pop_front() {
                done.clear();
                out.pool.push(done);
            }
        }
    }

    /// Appends to the data stream. Blocks while more than 1 MiB is unwritten; `Err` when the connection is broken (code
    /// 10), cancelled (20) or timed out (30).
    pub fn put(&self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let mut out = self.room()?;
            out.end_deferral();
            while !data.is_empty() && out.pending() <= self.most_pending() {
                data = out.put_some(data);
                self.write_directly(&mut out);
            }
            self.wake_thread(out);
        }
        Ok(())
    }

    /// Like [`put`](Self::put), for data that the peer can do without: waiting for the peer does not flush it while nothing
    /// else is unwritten. It is written after 20 ms at the latest.
    pub fn put_deferred(&self, data: &[u8]) -> Result<()> {
        let mut out = self.room()?;
        out.put_deferred(data);
        self.wake_thread(out);
        Ok(())
    }

    /// Like [`put`](Self::put), without a copy when the payload is large: it becomes a frame of its own.
    pub fn put_owned(&self, data: Vec<u8>) -> Result<()> {
        if data.len() < OWN_FRAME || data.len() > MAX_PAYLOAD {
            return self.put(&data);
        }
        let mut out = self.room()?;
        out.put_whole(data);
        self.wake_thread(out);
        Ok(())
    }

    /// Sends a message at the next frame boundary. `Ok(false)`: the stream is not framed, nothing was sent. A payload
    /// over [`MAX_PAYLOAD`] is cut.
    pub fn msg(&self, tag: Tag, payload: &[u8]) -> Result<bool> {
        Ok(self.put_msg(self.room()?, tag, payload))
    }

    /// [`msg`](Self::msg) without waiting for room: for the last messages of a side that is cancelled, or whose peer
    /// does not read.
    pub fn last_msg(&self, tag: Tag, payload: &[u8]) -> Result<bool> {
        let out = lock(&self.0.shared.out);
        if let Some(error) = &out.error {
            return Err(error.clone());
        }
        Ok(self.put_msg(out, tag, payload))
    }

    fn put_msg(&self, mut out: MutexGuard<'_, Out>, tag: Tag, payload: &[u8]) -> bool {
        if !out.mux {
            return false;
        }
        // The next wait flushes it. Its time stays: another thread may put this while the one that waits has not flushed.
        out.deferred = false;
        for part in frames::parts(tag, payload, self.0.shared.protocol()) {
            out.put_message(tag, part);
        }
        self.wake_thread(out);
        if let Some(tracer) = self.tracer() {
            tracer.message(Way::Out, tag.name(), payload, tag.is_text());
        }
        true
    }

    /// Sends a keep-alive if the stream is framed and nothing is waiting to be written (spec: protocol 3.5), and the
    /// protocol has one.
    pub fn keep_alive(&self) -> Result<()> {
        let mut out = self.room()?;
        if self.0.shared.protocol() >= 27 && out.mux && out.pending() == 0 {
            out.put_message(Tag::Data, &[]);
            out.flush = true;
            self.wake_thread(out);
        }
        Ok(())
    }

    /// Asks for everything put so far to be written without delay. Does not wait for it.
    pub fn flush(&self) {
        self.0.shared.flush_out();
    }

    /// Forgets what has not been written yet, for an end without a farewell.
    pub fn discard(&self) {
        lock(&self.0.shared.out).discard();
    }

    /// What traces the messages of this connection.
    pub(crate) fn tracer(&self) -> Option<&Tracer> {
        self.0.shared.tracer.get()
    }

    /// The handle for other threads.
    pub fn control(&self) -> Control {
        Control::new(self.0.shared.clone())
    }

    /// Frames everything put from here on.
    pub fn start_mux(&self) {
        lock(&self.0.shared.out).start_mux();
    }

    /// Frames nothing from here on (spec: protocol 2.9).
    pub fn stop_mux(&self) {
        lock(&self.0.shared.out).stop_mux();
    }

    /// Whether the stream is framed.
    pub fn is_muxed(&self) -> bool {
        lock(&self.0.shared.out).mux
    }

    /// Raw bytes put so far, headers included, since the end of the handshake.
    pub fn bytes_written(&self) -> u64 {
        let shared = &self.0.shared;
        let total = lock(&shared.out).total;
        counted(total, &shared.out_base)
    }

    /// Why writing failed, if it did.
    pub fn error(&self) -> Option<Error> {
        lock(&self.0.shared.out).error.clone()
    }

    /// Waits until everything is written, and ends the thread. Any later `put` fails.
    pub fn finish(&self) -> Result<()> {
        let shared = &self.0.shared;
        let mut out = lock(&shared.out);
        out.finishing = true;
        out.writer_waits = false;
        shared.out_work.notify_one();
        loop {
            if shared.is_lean() {
                out.seal();
                shared.write_now(&mut out);
                out.done |= out.sealed.is_empty();
            }
            if out.done {
                break;
            }
            out = shared.wait_room(out);
            if !out.done {
                drop(out);
                shared.check()?;
                out = lock(&shared.out);
            }
        }
        let thread = out.thread.take();
        let error = out.error.clone();
        drop(out);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        error.map_or(Ok(()), Err)
    }

    /// [`finish`](Self::finish), then closes the sending side of a socket (a pipe is closed when it is dropped).
    pub fn shutdown(&self) -> Result<()> {
        let result = self.finish();
        self.0.port.shutdown_write();
        result
    }
}

/// The writer thread.
fn run(shared: &Shared, port: &Port, wake: &Wake) {
    let mut throttle = Throttle::new();
    let mut batch: Vec<Vec<u8>> = Vec::new();
    let mut result = Ok(());
    loop {
        let mut out = lock(&shared.out);
        // After a write: waiting callers may go on.
        for done in batch.drain(..) {
            out.sealed_len -= done.len();
            out.reuse(done);
        }
        if out.callers_wait > 0 {
            shared.out_room.notify_all();
        }
        if result.is_err() {
            break;
        }
        let ending = loop {
            let now = Instant::now();
            let ending = out.finishing || out.abandoned;
            if out.flush || ending || out.due.is_some_and(|due| due <= now) {
                out.seal();
            }
            if !out.sealed.is_empty() {
                break false;
            }
            if ending {
                break true;
            }
            let keep_alive = if out.mux && out.open.is_empty() {
                shared.keep_alive_in()
            } else {
                None
            };
            if keep_alive == Some(Duration::ZERO) {
                out.put_message(Tag::Data, &[]);
                out.flush = true;
                continue;
            }
            let due = out.due.map(|due| due.saturating_duration_since(now));
            let time = due.into_iter().chain(keep_alive).min();
            let time = time.map(|time| time.max(Duration::from_micros(50)));
            out.writer_waits = true;
            out.writer_wakes = time.map(|time| now + time);
            out = match time {
                Some(time) => {
                    shared
                        .out_work
                        .wait_timeout(out, time)
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .0
                }
                None => shared
                    .out_work
                    .wait(out)
                    .unwrap_or_else(std::sync::PoisonError::into_inner),
            };
            out.writer_waits = false;
        };
        if ending {
            break;
        }
        let mut size = 0;
        while size < BATCH && batch.len() < MAX_SLICES {
            let Some(piece) = out.sealed.pop_front() else {
                break;
            };
            size += piece.len();
            batch.push(piece);
        }
        drop(out);
        result = write_all(shared, port, wake, &mut throttle, &batch);
    }
    let mut out = lock(&shared.out);
    if let Err(error) = result {
        out.fail(write_error(&shared.role(), &error));
    }
    out.done = true;
    shared.out_room.notify_all();
}

/// Writes all of `batch`, in pieces as the throttle allows.
fn write_all(shared: &Shared, port: &Port, wake: &Wake, throttle: &mut Throttle, batch: &[Vec<u8>]) -> io::Result<()> {
    let (mut index, mut offset) = (0, 0);
    let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(batch.len());
    loop {
        while index < batch.len() && offset == batch[index].len() {
            index += 1;
            offset = 0;
        }
        if index == batch.len() {
            return Ok(());
        }
        slices.clear();
        throttle.set(shared.bwlimit.load(Ordering::Relaxed));
        let mut room = throttle.piece();
        let mut from = offset;
        for piece in &batch[index..] {
            if room == 0 {
                break;
            }
            let part = &piece[from..piece.len().min(from.saturating_add(room))];
            room -= part.len();
            from = 0;
            slices.push(IoSlice::new(part));
        }
        let Some(mut n) = port.write(&slices)? else {
            if lock(&shared.out).abandoned {
                return Err(io::Error::from(rustix::io::Errno::PIPE));
            }
            port.wait(PollFlags::OUT, Some(wake.fd()), None)?;
            continue;
        };
        shared.mark_out(n);
        if let Some(time) = throttle.written(n, Instant::now()) {
            wake.sleep(time);
            throttle.slept(time, Instant::now());
        }
        while n > 0 {
            let step = n.min(batch[index].len() - offset);
            n -= step;
            offset += step;
            if offset == batch[index].len() && index + 1 < batch.len() {
                index += 1;
                offset = 0;
            }
        }
    }
}
