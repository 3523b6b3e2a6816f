//! A connection: first raw and blocking, for the handshake; then split into a [`Reader`] and a [`Writer`] with a thread
//! each (spec: protocol 3).

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::frames::Tag;
use super::ints::Source;
use super::link_writer::{write_error, Out};
use super::port::Port;
use crate::error::{Error, Result};

pub use super::frames::Message;
pub use super::link_reader::{Handler, Reader};
pub use super::link_writer::Writer;

/// How often a waiting caller looks at the cancel flag and the clock; a cancel must be seen within 100 ms.
pub(super) const TICK: Duration = Duration::from_millis(50);
/// The raw phase writes by itself when this much is buffered.
const RAW_BUFFER: usize = 64 * 1024;
/// How much the raw phase reads ahead while it waits to write.
const RAW_AHEAD: usize = 1024 * 1024;

/// A peer that ends closes its two descriptors one after the other: how long the second may take.
const LAST_HEARD: Duration = Duration::from_secs(1);

/// How a [`Link`] behaves. All but the cancel flag can be changed later.
#[derive(Clone)]
pub struct LinkOptions {
    /// Seconds without any byte in either direction before the time-out; 0 is none.
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

/// Locks; what a panicking thread left behind is still consistent, because nothing panics between two updates.
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
    timeout: AtomicU32,
    keep_alive: AtomicBool,
    client: AtomicBool,
    pub(super) bwlimit: AtomicU64,
    protocol: AtomicU8,
    role: Mutex<String>,
    cancel: Arc<AtomicBool>,
    /// Where the counters stood when the handshake ended.
    pub(super) in_base: OnceLock<u64>,
    pub(super) out_base: OnceLock<u64>,
    /// The outgoing port, as long as there are writers, if its writes never block.
    pub(super) direct: OnceLock<Weak<Port>>,
    pub(super) out: Mutex<Out>,
    /// For the writer thread: there may be work.
    pub(super) out_work: Condvar,
    /// For the callers: there may be room, or an end.
    pub(super) out_room: Condvar,
}

impl Shared {
    fn new(options: LinkOptions) -> Self {
        Self {
            start: Instant::now(),
            last_in: AtomicU64::new(0),
            last_out: AtomicU64::new(0),
            last_touch: AtomicU64::new(0),
            timeout: AtomicU32::new(options.timeout),
            keep_alive: AtomicBool::new(options.keep_alive),
            client: AtomicBool::new(options.client),
            bwlimit: AtomicU64::new(options.bwlimit),
            protocol: AtomicU8::new(options.protocol),
            role: Mutex::new(options.role),
            cancel: options.cancel,
            in_base: OnceLock::new(),
            out_base: OnceLock::new(),
            direct: OnceLock::new(),
            out: Mutex::default(),
            out_work: Condvar::new(),
            out_room: Condvar::new(),
        }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    pub(super) fn mark_in(&self) {
        self.last_in.store(self.now(), Ordering::Relaxed);
    }

    pub(super) fn mark_out(&self) {
        self.last_out.store(self.now(), Ordering::Relaxed);
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

    /// What a waiting caller asks again and again: cancelled, or silent for too long? (spec: protocol 3.5)
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
                return Err(Error::Timeout(format!(
                    "[{role}] io timeout after {seconds} seconds -- exiting"
                )));
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
}

/// The part of a counter that lies behind the handshake: 3.5.0 counts nothing before it.
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

    /// Counts as activity: the time-out starts anew. For work that keeps this end from reading and writing.
    pub fn touch(&self) {
        self.0.last_touch.store(self.0.now(), Ordering::Relaxed);
    }

    /// Ends every wait of this connection with `Error::Interrupted`.
    pub fn cancel(&self) {
        self.0.cancel.store(true, Ordering::Relaxed);
    }

    /// Whether the cancel flag is set.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// The flag behind [`cancel`](Self::cancel).
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        self.0.cancel.clone()
    }

    /// Seconds of silence that end the connection; 0 is none.
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

    /// Whether keep-alives are sent (spec: protocol 3.5).
    pub fn set_keep_alive(&self, on: bool) {
        self.0.keep_alive.store(on, Ordering::Relaxed);
        self.0.wake_writer();
    }

    /// What stands in the brackets of error lines.
    pub fn set_role(&self, role: &str) {
        *lock(&self.0.role) = role.into();
    }

    /// The negotiated protocol.
    pub fn protocol(&self) -> u8 {
        self.0.protocol()
    }

    /// Sets the protocol, once it is negotiated. It decides which messages there are.
    pub fn set_protocol(&self, protocol: u8) {
        self.0.protocol.store(protocol, Ordering::Relaxed);
    }

    /// Whether this end is the client.
    pub fn set_client(&self, client: bool) {
        self.0.client.store(client, Ordering::Relaxed);
    }
}

/// The raw phase of a connection. Writes are buffered until [`flush`](Self::flush), a full buffer, or a read.
pub struct Link {
    reader: Option<Reader>,
    /// Gone with the reader: the stream ends when the last writer does.
    out_port: Option<Arc<Port>>,
    shared: Arc<Shared>,
}

impl Link {
    /// Takes the two descriptors, which may be duplicates of one socket.
    pub fn new(read_fd: OwnedFd, write_fd: OwnedFd, options: LinkOptions) -> Self {
        let shared = Arc::new(Shared::new(options));
        let out_port = Arc::new(Port::new(write_fd));
        let in_port = Arc::new(Port::new(read_fd));
        Self {
            reader: Some(Reader::direct(shared.clone(), in_port)),
            out_port: Some(out_port),
            shared,
        }
    }

    /// The handle for other threads.
    pub fn control(&self) -> Control {
        Control::new(self.shared.clone())
    }

    /// See [`Control::set_timeout`].
    pub fn set_timeout(&self, seconds: u32) {
        self.control().set_timeout(seconds);
    }

    /// See [`Control::set_bwlimit`].
    pub fn set_bwlimit(&self, bytes_per_second: u64) {
        self.control().set_bwlimit(bytes_per_second);
    }

    /// See [`Control::set_role`].
    pub fn set_role(&self, role: &str) {
        self.control().set_role(role);
    }

    fn reader(&mut self) -> Result<&mut Reader> {
        self.reader
            .as_mut()
            .ok_or_else(|| Error::Ipc("the connection has been handed over to a transfer".into()))
    }

    /// The reading side, flushed first so that the peer can answer.
    fn flushed(&mut self) -> Result<&mut Reader> {
        self.flush()?;
        self.reader()
    }

    /// Writes what is buffered, and waits at most `time` until a read would not block.
    pub fn wait(&mut self, time: Duration) -> Result<bool> {
        self.flushed()?.wait_ready(time)
    }

    /// Reads 1 to `max` bytes, as many as are there; empty at the end of the stream.
    pub fn read_some(&mut self, max: usize) -> Result<Vec<u8>> {
        let reader = self.flushed()?;
        if reader.at_eof()? {
            return Ok(Vec::new());
        }
        Ok(reader.chunk(max)?.to_vec())
    }

    /// Reads up to the next LF, which is dropped together with every CR. More than `limit` bytes, a NUL, or an end of the
    /// stream before the LF is `Error::Stream` (spec: daemon 5).
    pub fn read_line(&mut self, limit: usize) -> Result<Vec<u8>> {
        let reader = self.flushed()?;
        let mut line = Vec::new();
        loop {
            match reader.byte()? {
                b'\n' => return Ok(line),
                b'\r' => {}
                0 => return Err(Error::Stream(format!("NUL byte in a line [{}]", self.shared.role()))),
                _ if line.len() >= limit => {
                    return Err(Error::Stream(format!(
                        "line longer than {limit} bytes [{}]",
                        self.shared.role()
                    )));
                }
                byte => line.push(byte),
            }
        }
    }

    /// Buffers `data`, framed if the outgoing stream is.
    pub fn write(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let mut out = lock(&self.shared.out);
            data = out.put_some(data);
            let full = out.pending() >= RAW_BUFFER;
            drop(out);
            if full {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Buffers a message. `Ok(false)`: the outgoing stream is not framed, nothing was sent.
    pub fn message(&mut self, tag: Tag, payload: &[u8]) -> Result<bool> {
        let mut out = lock(&self.shared.out);
        if !out.is_muxed() {
            return Ok(false);
        }
        for part in super::frames::parts(tag, payload, self.shared.protocol()) {
            out.put_message(tag, part);
        }
        Ok(true)
    }

    /// Writes what is buffered. While the peer does not take it, what the peer sends is read ahead, so that two ends that
    /// both write first do not wait for each other.
    pub fn flush(&mut self) -> Result<()> {
        if lock(&self.shared.out).pending() == 0 {
            return Ok(());
        }
        let (shared, port) = (self.shared.clone(), self.out_port.clone());
        let reader = self.reader()?;
        let Some(port) = port else { return Ok(()) };
        let data = lock(&shared.out).take_all();
        let failed = |e: std::io::Error| write_error(&shared.role(), &e);
        let mut rest = &data[..];
        while !rest.is_empty() {
            let written = match port.write(&[std::io::IoSlice::new(rest)]) {
                // What the peer has said before it went is the cause, and that it says nothing more as good as one.
                Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => {
                    return reader.last_heard(LAST_HEARD).unwrap_or_else(|| Err(failed(e)));
                }
                other => other.map_err(failed)?,
            };
            if let Some(n) = written {
                shared.mark_out();
                rest = &rest[n..];
            } else {
                shared.check()?;
                let ahead = reader.buffered() < RAW_AHEAD && reader.read_ahead();
                let time = if ahead { Duration::from_millis(1) } else { TICK };
                port.wait(PollFlags::OUT, None, Some(time)).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Begins to count the bytes of both directions. The first `start_mux_*` does it too: it ends the handshake.
    pub fn start_counting(&mut self) {
        if let Some(reader) = &self.reader {
            let _ = self.shared.in_base.set(reader.consumed());
            let _ = self.shared.out_base.set(lock(&self.shared.out).total());
        }
    }

    /// What follows on the incoming stream is framed.
    pub fn start_mux_in(&mut self) {
        self.start_counting();
        if let Some(reader) = &mut self.reader {
            reader.start_mux();
        }
    }

    /// What is written from here on is framed.
    pub fn start_mux_out(&mut self) {
        self.start_counting();
        lock(&self.shared.out).start_mux();
    }

    /// Raw bytes taken from the stream since the handshake.
    pub fn bytes_read(&self) -> u64 {
        self.reader.as_ref().map_or(0, Reader::bytes_read)
    }

    /// Raw bytes put since the handshake.
    pub fn bytes_written(&self) -> u64 {
        counted(lock(&self.shared.out).total(), &self.shared.out_base)
    }

    /// Starts the two threads and hands out the halves. The link is used up: later reads fail.
    pub fn split(&mut self) -> Result<(Reader, Writer)> {
        self.flush()?;
        self.reader()?;
        self.start_counting();
        let (Some(mut reader), Some(port)) = (self.reader.take(), self.out_port.take()) else {
            return Err(Error::Ipc("the connection has been handed over to a transfer".into()));
        };
        port.widen();
        let writer = Writer::start(self.shared.clone(), port)?;
        reader.start_thread()?;
        Ok((reader, writer))
    }

    /// Says goodbye to a peer that may still be writing: closes the sending side of a socket, then reads and discards at
    /// most `limit` bytes for at most `time`, so that the peer reads our last words before it sees a reset.
    pub fn drain(&mut self, time: Duration, limit: usize) {
        let _ = self.flush();
        if let Some(port) = &self.out_port {
            port.shutdown_write();
        }
        if let Ok(reader) = self.reader() {
            reader.drain(time, limit);
        }
    }
}

impl Source for Link {
    fn read_exact(&mut self, buf: &mut [u8]) -> Result<()> {
        self.flushed()?.read_exact(buf)
    }
}
