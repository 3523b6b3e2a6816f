//! What the halves of a connection and their threads share: the clock of the time-out, the counters, the outgoing buffer.

use std::io::IoSlice;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::inlet::Inlet;
use super::out::Out;
use super::port::Port;
use super::trace::Tracer;
use crate::error::{bail, Error, Result};

/// How often a waiting caller looks at the cancel flag and the clock; a cancel must be seen within 100 ms.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// How a [`Link`](super::link::Link) behaves. All but the cancel flag can be changed later.
#[derive(Clone)]
pub struct LinkOptions {
    /// Seconds without any byte in either direction before the time-out; 0: no time-out.
    pub timeout: u32,
    /// Bytes per second that may be written; 0 is unlimited (spec: options 6.9).
    pub bwlimit: u64,
    /// The negotiated protocol.
    pub protocol: u8,
    /// What stands in the brackets of error lines: `sender`, `Receiver`, `generator` ...
    pub role: String,
    /// Whether this end is the client; only a client takes a daemon's time-out.
    pub client: bool,
    /// Whether keep-alives are sent; the receiving side starts without (spec: protocol 3.5).
    pub keep_alive: bool,
    /// When set, every wait ends within 100 ms with `Error::Interrupted`.
    pub cancel: Arc<AtomicBool>,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self {
            timeout: 0,
            bwlimit: 0,
            protocol: 32,
            role: "client".into(),
            client: true,
            keep_alive: true,
            cancel: Arc::default(),
        }
    }
}

/// Locks, also after another thread has panicked: the value is consistent, because nothing panics between two updates.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What both halves and their threads share.
pub(super) struct Shared {
    start: Instant,
    /// Milliseconds since `start`.
    last_in: AtomicU64,
    last_out: AtomicU64,
    last_touch: AtomicU64,
    /// Raw bytes of both directions, as they pass the descriptors.
    traffic: AtomicU64,
    /// Raw bytes that have been written.
    written: AtomicU64,
    timeout: AtomicU32,
    keep_alive: AtomicBool,
    client: AtomicBool,
    pub(super) bwlimit: AtomicU64,
    /// Bytes per second that may be read; 0: no limit.
    pub(super) read_limit: AtomicU64,
    protocol: AtomicU8,
    role: Mutex<String>,
    cancel: Arc<AtomicBool>,
    /// Set when a transfer begins that is to be traced.
    pub(super) tracer: OnceLock<Tracer>,
    /// Where the counters stood when the handshake ended.
    pub(super) in_base: OnceLock<u64>,
    pub(super) out_base: OnceLock<u64>,
    /// The outgoing port, as long as there are writers, if its writes never block.
    pub(super) direct: OnceLock<Weak<Port>>,
    /// The incoming side of a link without threads, as long as there is a reader.
    pub(super) inlet: OnceLock<Weak<Inlet>>,
    pub(super) out: Mutex<Out>,
    /// For the writer thread: there may be work.
    pub(super) out_work: Condvar,
    /// For the callers: there may be room, or an end.
    pub(super) out_room: Condvar,
}

impl Shared {
    pub(super) fn new(options: LinkOptions) -> Self {
        Self {
            start: Instant::now(),
            last_in: AtomicU64::new(0),
            last_out: AtomicU64::new(0),
            last_touch: AtomicU64::new(0),
            traffic: AtomicU64::new(0),
            written: AtomicU64::new(0),
            timeout: AtomicU32::new(options.timeout),
            keep_alive: AtomicBool::new(options.keep_alive),
            client: AtomicBool::new(options.client),
            bwlimit: AtomicU64::new(options.bwlimit),
            read_limit: AtomicU64::new(0),
            protocol: AtomicU8::new(options.protocol),
            role: Mutex::new(options.role),
            cancel: options.cancel,
            tracer: OnceLock::new(),
            in_base: OnceLock::new(),
            out_base: OnceLock::new(),
            direct: OnceLock::new(),
            inlet: OnceLock::new(),
            out: Mutex::default(),
            out_work: Condvar::new(),
            out_room: Condvar::new(),
        }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    pub(super) fn mark_in(&self, bytes: usize) {
        self.traffic.fetch_add(bytes as u64, Ordering::Relaxed);
        self.last_in.store(self.now(), Ordering::Relaxed);
    }

    pub(super) fn mark_out(&self, bytes: usize) {
        self.traffic.fetch_add(bytes as u64, Ordering::Relaxed);
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        self.last_out.store(self.now(), Ordering::Relaxed);
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(super) fn role(&self) -> String {
        lock(&self.role).clone()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    pub(super) fn protocol(&self) -> u8 {
        self.protocol.load(Ordering::Relaxed)
    }

    pub(super) fn is_client(&self) -> bool {
        self.client.load(Ordering::Relaxed)
    }

    /// Polled by waiting callers: an error if the connection is cancelled, or was silent for too long (spec: protocol 3.5).
    pub(super) fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::Interrupted(String::new()));
        }
        let timeout = self.timeout.load(Ordering::Relaxed);
        if timeout > 0 {
            let last = [&self.last_in, &self.last_out, &self.last_touch];
            let last = last.map(|t| t.load(Ordering::Relaxed)).into_iter().max().unwrap_or(0);
            let seconds = self.now().saturating_sub(last) / 1000;
            if seconds >= u64::from(timeout) {
                let role = self.role();
                bail!(Timeout; "[{role}] io timeout after {seconds} seconds -- exiting");
            }
        }
        Ok(())
    }

    /// How long until a keep-alive is due; `None` if none will be, as below protocol 27 (spec: protocol-old 3).
    pub(super) fn keep_alive_in(&self) -> Option<Duration> {
        let timeout = self.timeout.load(Ordering::Relaxed);
        if timeout == 0 || self.protocol() < 27 || !self.keep_alive.load(Ordering::Relaxed) {
            return None;
        }
        let due = self.last_out.load(Ordering::Relaxed) + u64::from(timeout.div_ceil(2)) * 1000;
        Some(Duration::from_millis(due.saturating_sub(self.now())))
    }

    /// Takes a peer's IO_TIMEOUT (spec: protocol 3.6).
    pub(super) fn adopt_timeout(&self, seconds: i32) {
        let own = self.timeout.load(Ordering::Relaxed);
        if (1..=86400).contains(&seconds) && (own == 0 || own > seconds as u32) {
            self.timeout.store(seconds as u32, Ordering::Relaxed);
            self.wake_writer();
        }
    }

    /// Asks for the messages in front of the open data frame to be written without delay.
    pub(super) fn flush_messages(&self) {
        let mut out = lock(&self.out);
        if out.frame_at != Some(0) && !out.open.is_empty() && !out.done {
            out.seal_messages();
            if self.is_lean() {
                return self.write_now(&mut out);
            }
            out.writer_waits = false;
            self.out_work.notify_one();
        }
    }

    /// Before this side waits for the peer, which may be waiting for what is buffered. Deferred data is left to its time.
    pub(super) fn flush_before_wait(&self) {
        if !lock(&self.out).deferred {
            self.flush_out();
        }
    }

    /// Writes what is buffered now. While the writer thread holds nothing, the caller writes as much as fits
    /// without waiting: this saves the switch to the thread where the two ends take turns (140 to 95 us a round).
    pub(super) fn flush_out(&self) {
        let mut out = lock(&self.out);
        if self.is_lean() {
            out.seal();
            return self.write_now(&mut out);
        }
        if out.open.is_empty() || out.done {
            return;
        }
        if out.sealed_len == 0 && self.bwlimit.load(Ordering::Relaxed) == 0 {
            if let Some(port) = self.direct.get().and_then(Weak::upgrade) {
                out.close_frame();
                // The thread will meet the same error at once, and reports it.
                if let Ok(Some(n @ 1..)) = port.write(&[IoSlice::new(&out.open)]) {
                    self.mark_out(n);
                    out.open.drain(..n);
                }
                if out.open.is_empty() {
                    out.due = None;
                    out.flush = false;
                    out.deferred = false;
                    return;
                }
            }
        }
        out.flush = true;
        if out.writer_waits {
            out.writer_waits = false;
            drop(out);
            self.out_work.notify_one();
        }
    }

    /// Waits a tick for room, or for the end of what is written.
    pub(super) fn wait_room<'a>(&'a self, mut out: MutexGuard<'a, Out>) -> MutexGuard<'a, Out> {
        if self.is_lean() {
            drop(out);
            self.exchange(TICK);
            return lock(&self.out);
        }
        out.callers_wait += 1;
        let wait = self.out_room.wait_timeout(out, TICK);
        let mut out = wait.unwrap_or_else(PoisonError::into_inner).0;
        out.callers_wait -= 1;
        out
    }

    /// Wakes the writer thread after a change of the time-out.
    pub(super) fn wake_writer(&self) {
        let _out = lock(&self.out);
        self.out_work.notify_one();
    }
}

/// The part of a counter that was counted after the handshake: rsync 3.5.0 counts nothing before its end.
pub(super) fn counted(total: u64, base: &OnceLock<u64>) -> u64 {
    base.get().map_or(0, |base| total.saturating_sub(*base))
}

/// Adjusts a connection from any thread, before and after the split.
#[derive(Clone)]
pub struct Control(Arc<Shared>);

impl Control {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Counts as activity: restarts the time-out. For work that keeps this end from reading and writing.
    pub fn touch(&self) {
        self.0.last_touch.store(self.0.now(), Ordering::Relaxed);
    }

    /// Ends every wait of this connection with `Error::Interrupted`.
    pub fn cancel(&self) {
        self.0.cancel.store(true, Ordering::Relaxed);
    }

    /// Raw bytes of both directions so far, with those of the handshake.
    pub fn traffic(&self) -> u64 {
        self.0.traffic.load(Ordering::Relaxed)
    }

    /// Count work by this counter, which never falls, when its data is written. For [`delivered`](Self::delivered).
    pub(crate) fn follow(&self, done: Arc<AtomicU64>) {
        lock(&self.0.out).delivery.follow(done);
    }

    /// The part of the work `done` whose data has left this process and its pipe, to some 32 KiB of data. All of it if
    /// nothing is followed.
    pub(crate) fn delivered(&self, done: u64) -> u64 {
        let shared = &self.0;
        let port = shared.direct.get().and_then(Weak::upgrade);
        let in_pipe = port.map_or(0, |port| port.unread());
        let mut out = lock(&shared.out);
        let written = shared.written().saturating_sub(in_pipe);
        let total = out.total;
        out.delivery.reached(done, total, written)
    }

    /// Whether the cancel flag is set.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// The flag behind [`cancel`](Self::cancel).
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        self.0.cancel.clone()
    }

    /// Sets the seconds of silence that end the connection; 0: no limit.
    pub fn set_timeout(&self, seconds: u32) {
        // The silence before there was a time-out does not count.
        self.touch();
        self.0.timeout.store(seconds, Ordering::Relaxed);
        self.0.wake_writer();
    }

    /// The time-out now, which may have come from the peer (spec: protocol 3.6).
    pub fn timeout(&self) -> u32 {
        self.0.timeout.load(Ordering::Relaxed)
    }

    /// Bytes per second that may be written; 0 is unlimited.
    pub fn set_bwlimit(&self, bytes_per_second: u64) {
        self.0.bwlimit.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Bytes per second that may be read, which slows the peer down; 0 is unlimited. Nothing limits a read by default.
    pub(crate) fn set_read_limit(&self, bytes_per_second: u64) {
        self.0.read_limit.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Whether keep-alives are sent (spec: protocol 3.5).
    pub fn set_keep_alive(&self, on: bool) {
        self.0.keep_alive.store(on, Ordering::Relaxed);
        self.0.wake_writer();
    }

    /// What stands in the brackets of error lines.
    pub fn set_role(&self, role: &str) {
        *lock(&self.0.role) = role.into();
    }

    /// Trace the messages of this connection from now on.
    pub(crate) fn set_tracer(&self, tracer: Tracer) {
        let _ = self.0.tracer.set(tracer);
    }

    /// The negotiated protocol.
    pub fn protocol(&self) -> u8 {
        self.0.protocol()
    }

    /// Sets the protocol, once it is negotiated. It decides which messages exist.
    pub fn set_protocol(&self, protocol: u8) {
        self.0.protocol.store(protocol, Ordering::Relaxed);
    }
}
