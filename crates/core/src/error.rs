//! The one error type of the core. Each kind carries the exit code that rsync gives for it
//! (spec: output 2), and a message that is complete as it stands: what happened, to what.

use std::io;

use rustix::io::Errno;

/// Why a transfer, or a step of it, ended. The text is what the user reads; an empty text means that the peer has
/// already reported the cause.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum Error {
    /// 1: syntax or usage error.
    #[error("{0}")]
    Usage(String),
    /// 2: the peer broke a rule of the protocol.
    #[error("{0}")]
    Protocol(String),
    /// 3: errors selecting input or output files.
    #[error("{0}")]
    Selection(String),
    /// 4: requested action not supported.
    #[error("{0}")]
    Unsupported(String),
    /// 5: the client-server start failed.
    #[error("{0}")]
    Startup(String),
    /// 10: a socket failed.
    #[error("{0}")]
    Socket(String),
    /// 11: a file could not be read or written and the run can't go on.
    #[error("{0}")]
    FileIo(String),
    /// 12: the stream ended early or makes no sense.
    #[error("{0}")]
    Stream(String),
    /// 13: diagnostics could not be produced.
    #[error("{0}")]
    Diagnostics(String),
    /// 14: inter-process communication failed.
    #[error("{0}")]
    Ipc(String),
    /// 20: interrupted by a signal (or by `cancel`).
    #[error("{0}")]
    Interrupted(String),
    /// 22: a length is over its cap, or memory is exhausted.
    #[error("{0}")]
    Memory(String),
    /// 30: nothing came or went for too long.
    #[error("{0}")]
    Timeout(String),
    /// The peer ended with this code and has said why.
    #[error("")]
    PeerExit(i32),
    /// Any other code.
    #[error("{1}")]
    Other(i32, String),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The exit code of rsync for this error (spec: output 2).
    pub fn code(&self) -> i32 {
        match self {
            Self::Usage(_) => 1,
            Self::Protocol(_) => 2,
            Self::Selection(_) => 3,
            Self::Unsupported(_) => 4,
            Self::Startup(_) => 5,
            Self::Socket(_) => 10,
            Self::FileIo(_) => 11,
            Self::Stream(_) => 12,
            Self::Diagnostics(_) => 13,
            Self::Ipc(_) => 14,
            Self::Interrupted(_) => 20,
            Self::Memory(_) => 22,
            Self::Timeout(_) => 30,
            Self::PeerExit(code) | Self::Other(code, _) => *code,
        }
    }
}

/// Whoever reads the errors of a run knows of this one already: the peer has told it, or another role of this side.
pub fn is_silent(error: &Error) -> bool {
    match error {
        Error::PeerExit(_) => true,
        Error::Ipc(text) | Error::Stream(text) => text.is_empty(),
        _ => false,
    }
}

/// The text of the closing line for an exit code (spec: output 2).
pub fn exit_text(code: i32) -> &'static str {
    match code {
        1 => "syntax or usage error",
        2 => "protocol incompatibility",
        3 => "errors selecting input/output files, dirs",
        4 => "requested action not supported",
        5 => "error starting client-server protocol",
        10 => "error in socket IO",
        11 => "error in file IO",
        12 => "error in rsync protocol data stream",
        13 => "errors with program diagnostics",
        14 => "error in IPC code",
        19 => "received SIGUSR1",
        20 => "received SIGINT, SIGTERM, or SIGHUP",
        22 => "error allocating core memory buffers",
        30 => "timeout in data send/receive",
        _ => "unexplained error",
    }
}

/// Questions about the error of a system call.
pub trait IoErrorExt {
    /// Whether the system call failed with this errno.
    fn is(&self, errno: Errno) -> bool;
}

impl IoErrorExt for io::Error {
    fn is(&self, errno: Errno) -> bool {
        self.raw_os_error() == Some(errno.raw_os_error())
    }
}

/// The system's text for an error without Rust's " (os error N)", as rsync prints it: `No such file or directory`.
pub fn strerror(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_string(),
        None => text,
    }
}

/// `No such file or directory (2)`: the form in which rsync ends a line about a failed system call (spec: output 3).
pub fn sys_text(error: &io::Error) -> String {
    format!("{} ({})", strerror(error), error.raw_os_error().unwrap_or(0))
}
