//! The one table from the core's errors to the exceptions of `tain.errors`.

use pyo3::prelude::*;
use tain_core::Error;

/// The class name for an error.
fn class(error: &Error) -> &'static str {
    match error {
        Error::Usage(_) => "UsageError",
        Error::Protocol(_) => "ProtocolError",
        Error::Selection(_) => "SelectionError",
        Error::Unsupported(_) => "UnsupportedError",
        Error::Startup(_) => "StartupError",
        Error::Socket(_) => "SocketError",
        Error::FileIo(_) | Error::File(_) => "FileError",
        Error::Stream(_) => "StreamError",
        Error::Diagnostics(_) => "DiagnosticsError",
        Error::Ipc(_) => "IpcError",
        Error::Interrupted(_) => "Interrupted",
        Error::Memory(_) => "MemoryLimitError",
        Error::Timeout(_) => "TransferTimeout",
        Error::PeerExit(_) | Error::Ended(_) | Error::Reported(_) | Error::Other(..) => "PeerExit",
    }
}

/// The exception for an error.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let make = || -> PyResult<PyErr> {
        let class = py.import("tain.errors")?.getattr(class(error))?;
        let value = match error {
            // The peer has reported the reason.
            Error::PeerExit(code) | Error::Ended(code) | Error::Reported(code) => class.call1(("", *code))?,
            Error::Other(code, text) => class.call1((text.as_str(), *code))?,
            other => class.call1((other.to_string(),))?,
        };
        Ok(PyErr::from_value(value))
    };
    make().unwrap_or_else(|e| e)
}

/// Raise the exception for an error of the core, for the test of this table.
#[pyfunction]
pub(crate) fn raise_error(py: Python<'_>, kind: &str, code: i32, text: String) -> PyResult<()> {
    let error = match kind {
        "Usage" => Error::Usage(text),
        "Protocol" => Error::Protocol(text),
        "Selection" => Error::Selection(text),
        "Unsupported" => Error::Unsupported(text),
        "Startup" => Error::Startup(text),
        "Socket" => Error::Socket(text),
        "FileIo" => Error::FileIo(text),
        "Stream" => Error::Stream(text),
        "Diagnostics" => Error::Diagnostics(text),
        "Ipc" => Error::Ipc(text),
        "Interrupted" => Error::Interrupted(text),
        "Memory" => Error::Memory(text),
        "Timeout" => Error::Timeout(text),
        "PeerExit" => Error::PeerExit(code),
        _ => Error::Other(code, text),
    };
    Err(exception(py, &error))
}

/// Turn a result of the core into one of Python.
pub(crate) trait OrRaise<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for tain_core::Result<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|e| exception(py, &e))
    }
}
