//! The one error type of the core. Each kind carries the exit code that rsync gives for it
//! (spec: output 2), and a complete message: what happened, to what.

use std::{fmt, io};

use rustix::io::Errno;

use crate::role::Role;

/// Why a transfer, or a step of it, ended. The text is what the user reads.
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
    /// 11: the same, from a role that names itself.
    #[error("{0}")]
    File(Box<FileError>),
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
    /// 30: no data was sent or received for too long.
    #[error("{0}")]
    Timeout(String),
    /// The peer ended with this code and has reported why.
    #[error("")]
    PeerExit(i32),
    /// The other end of a channel or of the connection is gone, and reports why.
    #[error("")]
    Ended(i32),
    /// The cause was reported when it was met; the run ends with this code.
    #[error("")]
    Reported(i32),
    /// Any other code.
    #[error("{1}")]
    Other(i32, String),
}

/// A result with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Returns the error of the named kind, with a text as for `format!`.
macro_rules! bail {
    ($kind:ident; $($text:tt)+) => {
        return Err($crate::error::Error::$kind(format!($($text)+)))
    };
}
pub(crate) use bail;

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
            Self::FileIo(_) | Self::File(_) => 11,
            Self::Stream(_) => 12,
            Self::Diagnostics(_) => 13,
            Self::Ipc(_) => 14,
            Self::Interrupted(_) => 20,
            Self::Memory(_) => 22,
            Self::Timeout(_) => 30,
            Self::PeerExit(code) | Self::Ended(code) | Self::Reported(code) | Self::Other(code, _) => *code,
        }
    }

    /// The run ends because `role` could not do `what`: the system's reason is `source`.
    pub fn failed(role: Role, what: impl fmt::Display, source: &io::Error) -> Self {
        Self::File(Box::new(FileError {
            role,
            what: what.to_string(),
            reason: sys_text(source),
        }))
    }

    /// The role that failed, if the error names one.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::File(error) => Some(error.role),
            _ => None,
        }
    }

    /// Whether another part reports this end: the peer, or another role of this side. Then nothing is printed for it.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::PeerExit(_) | Self::Ended(_))
    }
}

/// A system call on a file failed.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error("rsync: [{role}] {what}: {reason}")]
pub struct FileError {
    /// The role that failed.
    pub role: Role,
    /// What the role was about to do, to which file.
    pub what: String,
    /// The system's text and its errno.
    reason: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_knows_its_role_and_whether_it_is_reported() {
        let full = Error::failed(Role::Receiver, "write failed on \"f\"", &Errno::NOSPC.into());
        assert_eq!(
            full.to_string(),
            "rsync: [receiver] write failed on \"f\": No space left on device (28)"
        );
        for (error, code, role, silent) in [
            (full, 11, Some(Role::Receiver), false),
            (Error::Reported(3), 3, None, false),
            (Error::Ended(12), 12, None, true),
            (Error::PeerExit(23), 23, None, true),
            (Error::Stream(String::new()), 12, None, false),
        ] {
            assert_eq!((error.code(), error.role(), error.is_silent()), (code, role, silent));
        }
    }
}
