//! A connection: first raw and blocking, for the handshake; then split into a [`Reader`] and a [`Writer`], with a thread
//! each or without (spec: protocol 3).

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;

use super::frames::Tag;
use super::ints::Source;
use super::lean;
use super::port::{write_error, Port};
use super::shared::{counted, lock, Shared, TICK};
use crate::error::{bail, Error, Result};

pub(crate) use super::link_reader::Reader;
pub(crate) use super::link_writer::Writer;
pub(crate) use super::shared::{Control, LinkOptions};

/// The raw phase flushes when this much is buffered.
const RAW_BUFFER: usize = 64 * 1024;
/// How much the raw phase reads ahead while it waits to write.
const RAW_AHEAD: usize = 1024 * 1024;

/// A peer that ends closes its two descriptors one after the other: how long the second may take.
const LAST_INPUT: Duration = Duration::from_secs(1);

/// The raw phase of a connection. Writes are buffered until [`flush`](Self::flush), a full buffer, or a read.
pub struct Link {
    reader: Option<Reader>,
    /// Taken together with the reader: the stream ends when the last writer is dropped.
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
                0 => bail!(Stream; "NUL byte in a line [{}]", self.shared.role()),
                _ if line.len() >= limit => bail!(Stream; "line longer than {limit} bytes [{}]", self.shared.role()),
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
        if !out.mux {
            return Ok(false);
        }
        for part in super::frames::parts(tag, payload, self.shared.protocol()) {
            out.put_message(tag, part);
        }
        Ok(true)
    }

    /// Writes what is buffered. While the peer does not read, its data is read ahead, so that two ends that both write
    /// first do not wait for each other.
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
                // The last messages of the peer say why it closed; without any, the end of its stream is the cause.
                Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => {
                    return reader.wait_for_last_input(LAST_INPUT).unwrap_or_else(|| Err(failed(e)));
                }
                other => other.map_err(failed)?,
            };
            if let Some(n) = written {
                shared.mark_out(n);
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
            let _ = self.shared.in_base.set(reader.consumed);
            let _ = self.shared.out_base.set(lock(&self.shared.out).total);
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
        counted(lock(&self.shared.out).total, &self.shared.out_base)
    }

    /// Starts the two threads and hands out the halves. The link is used up: later reads fail.
    pub fn split(&mut self) -> Result<(Reader, Writer)> {
        let (mut reader, port) = self.take_halves()?;
        let writer = Writer::start(self.shared.clone(), port)?;
        reader.start_thread()?;
        Ok((reader, writer))
    }

    /// As [`split`](Self::split), without threads where that is possible: the halves read and write by themselves when they
    /// are used. For a sender; a limit of the bandwidth needs a thread.
    pub fn split_lean(&mut self) -> Result<(Reader, Writer)> {
        let never_blocks = self.out_port.as_ref().is_some_and(|port| port.never_blocks());
        let limited = self.shared.bwlimit.load(Ordering::Relaxed) != 0;
        if !never_blocks || limited || lean::keep(&self.shared).is_err() {
            return self.split();
        }
        let (mut reader, port) = self.take_halves()?;
        reader.make_lean();
        Ok((reader, Writer::lean(self.shared.clone(), port)))
    }

    /// Writes what is buffered, and takes the reader and the port that is written to: the link is used up.
    fn take_halves(&mut self) -> Result<(Reader, Arc<Port>)> {
        self.flush()?;
        self.reader()?;
        self.start_counting();
        let (Some(reader), Some(port)) = (self.reader.take(), self.out_port.take()) else {
            bail!(Ipc; "the connection has been handed over to a transfer");
        };
        port.widen();
        Ok((reader, port))
    }

    /// Ends a connection whose peer may still be writing: closes the sending side of a socket, then reads and discards at
    /// most `limit` bytes for at most `time`, so that the peer reads our last messages before it sees a reset.
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
