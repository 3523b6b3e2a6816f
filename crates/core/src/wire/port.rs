//! One descriptor of a connection: reads and writes that never block, and waiting.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};

use crate::error::{sys_text, Error};

/// Wanted capacity of a pipe: four times the usual one saves most of the switches between the two ends.
const PIPE_SIZE: usize = 256 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Each call has the flag not to block; the flags of the open file stay unchanged.
    Socket,
    /// Set to non-blocking (as 3.5.0 does with all its descriptors) and set back at the end.
    Pipe,
    /// A terminal or a file: reads wait for `poll` first, writes block.
    Other,
}

/// A descriptor and its kind.
pub(super) struct Port {
    fd: OwnedFd,
    kind: Kind,
    restore: Option<OFlags>,
}

/// `None`: the call would block.
fn or_would_block(result: Result<usize, Errno>) -> io::Result<Option<usize>> {
    match result {
        Ok(n) => Ok(Some(n)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

impl Port {
    pub(super) fn new(fd: OwnedFd) -> Self {
        let kind = match rustix::fs::fstat(&fd).map(|s| FileType::from_raw_mode(s.st_mode)) {
            Ok(FileType::Socket) => Kind::Socket,
            Ok(FileType::Fifo) => Kind::Pipe,
            _ => Kind::Other,
        };
        let mut restore = None;
        if kind == Kind::Pipe {
            if let Ok(flags) = rustix::fs::fcntl_getfl(&fd) {
                if !flags.contains(OFlags::NONBLOCK) && rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK).is_ok() {
                    restore = Some(flags);
                }
            }
        }
        Self { fd, kind, restore }
    }

    pub(super) fn is_socket(&self) -> bool {
        self.kind == Kind::Socket
    }

    /// Whether [`write`](Self::write) returns at once even if the peer takes nothing.
    pub(super) fn never_blocks(&self) -> bool {
        self.kind != Kind::Other
    }

    /// Asks for a larger pipe; a refusal costs speed only.
    pub(super) fn widen(&self) {
        if self.kind == Kind::Pipe && rustix::pipe::fcntl_getpipe_size(&self.fd).is_ok_and(|n| n < PIPE_SIZE) {
            let _ = rustix::pipe::fcntl_setpipe_size(&self.fd, PIPE_SIZE);
        }
    }

    /// Bytes of a pipe that the other end has not read. Those of a socket are not known.
    pub(super) fn unread(&self) -> u64 {
        if self.kind == Kind::Pipe {
            rustix::io::ioctl_fionread(&self.fd).unwrap_or(0)
        } else {
            0
        }
    }

    /// Reads what has arrived: `Some(0)` at the end of the stream, `None` if nothing has arrived yet.
    pub(super) fn read(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        match self.kind {
            Kind::Socket => or_would_block(rustix::net::recv(&self.fd, buf, RecvFlags::DONTWAIT).map(|(n, _)| n)),
            Kind::Pipe => or_would_block(rustix::io::read(&self.fd, buf)),
            Kind::Other => {
                if self.wait(PollFlags::IN, None, Some(Duration::ZERO))?.is_empty() {
                    return Ok(None);
                }
                or_would_block(rustix::io::read(&self.fd, buf))
            }
        }
    }

    /// Writes as much as fits: `None` if nothing does.
    pub(super) fn write(&self, bufs: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        match self.kind {
            Kind::Socket => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                or_would_block(rustix::net::sendmsg(
                    &self.fd,
                    bufs,
                    &mut SendAncillaryBuffer::default(),
                    flags,
                ))
            }
            _ => or_would_block(rustix::io::writev(&self.fd, bufs)),
        }
    }

    /// Waits until one of `events` (or an error condition) holds, `wake` becomes readable, or the time is over. Returns
    /// the events that hold for the port; empty if none does.
    pub(super) fn wait(
        &self,
        events: PollFlags,
        wake: Option<&OwnedFd>,
        time: Option<Duration>,
    ) -> io::Result<PollFlags> {
        let time = time.map(|t| Timespec {
            tv_sec: t.as_secs() as i64,
            tv_nsec: t.subsec_nanos().into(),
        });
        let own = PollFd::from_borrowed_fd(self.fd.as_fd(), events);
        let mut fds = [own.clone(), own];
        let count = match wake {
            Some(wake) => {
                fds[1] = PollFd::from_borrowed_fd(wake.as_fd(), PollFlags::IN);
                2
            }
            None => 1,
        };
        match rustix::event::poll(&mut fds[..count], time.as_ref()) {
            Ok(_) => Ok(fds[0].revents()),
            Err(Errno::INTR) => Ok(PollFlags::empty()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Closes the sending side of a socket.
    pub(super) fn shutdown_write(&self) {
        if self.is_socket() {
            let _ = rustix::net::shutdown(&self.fd, rustix::net::Shutdown::Write);
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if let Some(flags) = self.restore {
            let _ = rustix::fs::fcntl_setfl(&self.fd, flags);
        }
    }
}

/// The error for a failed read (spec: output 14.6).
pub(super) fn read_error(role: &str, error: &io::Error) -> Error {
    Error::Socket(format!("rsync: [{role}] read error: {}", sys_text(error)))
}

/// The error for a failed write (spec: output 14.6).
pub(super) fn write_error(role: &str, error: &io::Error) -> Error {
    Error::Socket(format!("rsync: [{role}] write error: {}", sys_text(error)))
}

/// Waits until `input` can be read (or has ended) or `output` can be written (or has failed), at most `time`. Returns
/// whether each of them can.
pub(super) fn wait_both(input: Option<&Port>, output: Option<&Port>, time: Duration) -> io::Result<(bool, bool)> {
    let time = Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    };
    let mut fds = Vec::with_capacity(2);
    fds.extend(input.map(|port| PollFd::new(&port.fd, PollFlags::IN)));
    fds.extend(output.map(|port| PollFd::new(&port.fd, PollFlags::OUT)));
    match rustix::event::poll(&mut fds, Some(&time)) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok((false, false)),
        Err(errno) => return Err(errno.into()),
    }
    let happened = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
    let readable = input.is_some() && happened(fds.first());
    let writable = output.is_some() && happened(fds.last());
    Ok((readable, writable))
}

/// Wakes a thread in [`Port::wait`].
pub(super) struct Wake(OwnedFd);

impl Wake {
    pub(super) fn new() -> io::Result<Self> {
        use rustix::event::{eventfd, EventfdFlags};
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Wakes the thread, now and in every later wait.
    pub(super) fn set(&self) {
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Sleeps for `time`, less if woken.
    pub(super) fn sleep(&self, time: Duration) {
        let time = Timespec {
            tv_sec: time.as_secs() as i64,
            tv_nsec: time.subsec_nanos().into(),
        };
        let _ = rustix::event::poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&time));
    }
}
