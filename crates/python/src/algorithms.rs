//! The algorithm without a transfer: checksums, signatures, deltas and patches of buffers and files.

// pyo3 passes arguments by value.
#![allow(clippy::needless_pass_by_value)]

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::RawFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use tain_core::delta::standalone::{self, Basis, ReadSource};
use tain_core::error::sys_text;
use tain_core::plan::SumKind;
use tain_core::sums::Hasher;
use tain_core::{Error, Result};

use crate::errors::OrRaise;
use crate::link::duplicate;

/// The longest delay of a Python signal handler.
const PATIENCE: Duration = Duration::from_millis(50);
/// Large enough that hashing a chunk costs much more than the system call that reads it.
const CHUNK: usize = 1 << 18;

/// An argument: bytes, or the descriptor of a file that is read from its start.
pub(crate) enum Input {
    Bytes(PyBackedBytes),
    File(File),
}

impl<'py> FromPyObject<'py> for Input {
    fn extract_bound(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(fd) = object.extract::<RawFd>() {
            return Ok(Self::File(File::from(duplicate(fd).or_raise(object.py())?)));
        }
        object
            .extract::<PyBackedBytes>()
            .map(Self::Bytes)
            .map_err(|_| PyTypeError::new_err("bytes or a file descriptor is needed"))
    }
}

fn failed(what: &str, error: &io::Error) -> Error {
    Error::FileIo(format!("{what} failed: {}", sys_text(error)))
}

impl Input {
    fn len(&self) -> Result<u64> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
            Self::File(file) => Ok(file.metadata().map_err(|e| failed("stat", &e))?.len()),
        }
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(buf, offset),
            Self::Bytes(bytes) => {
                let rest = usize::try_from(offset)
                    .ok()
                    .and_then(|at| bytes.get(at..))
                    .unwrap_or_default();
                let count = rest.len().min(buf.len());
                buf[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }
        }
    }
}

impl Basis for Input {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(buf, offset),
            Self::Bytes(bytes) => Basis::read_at(&mut &bytes[..], offset, buf),
        }
    }
}

/// Reads an input from its start by position, because the descriptor's offset belongs to the caller. Checks for signals
/// between reads.
struct Watched<'a> {
    input: &'a Input,
    at: u64,
    looked: Instant,
    raised: Option<PyErr>,
}

impl<'a> Watched<'a> {
    fn new(input: &'a Input) -> Self {
        Self {
            input,
            at: 0,
            looked: Instant::now(),
            raised: None,
        }
    }

    /// The result, or the exception that a signal handler has raised.
    fn end<T>(self, py: Python<'_>, result: Result<T>) -> PyResult<T> {
        match self.raised {
            Some(error) => Err(error),
            None => result.or_raise(py),
        }
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.looked.elapsed() >= PATIENCE {
            self.looked = Instant::now();
            // The path of the method that clippy suggests has too narrow a lifetime.
            #[allow(clippy::redundant_closure_for_method_calls)]
            let signals = Python::attach(|py| py.check_signals());
            if let Err(error) = signals {
                self.raised = Some(error);
                return Err(io::Error::other("interrupted"));
            }
        }
        let count = self.input.read_at(self.at, buf)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// The destination of a result: memory or a descriptor.
enum Output {
    Bytes(Vec<u8>),
    File(File),
}

impl Output {
    fn new(py: Python<'_>, fd: Option<RawFd>) -> PyResult<Self> {
        Ok(match fd {
            None => Self::Bytes(Vec::new()),
            Some(fd) => Self::File(File::from(duplicate(fd).or_raise(py)?)),
        })
    }

    fn put(&mut self, data: &[u8]) -> Result<()> {
        match self {
            Self::Bytes(bytes) => bytes.extend_from_slice(data),
            Self::File(file) => io::Write::write_all(file, data).map_err(|e| failed("write", &e))?,
        }
        Ok(())
    }

    fn result(self, py: Python<'_>) -> Option<Py<PyBytes>> {
        match self {
            Self::Bytes(bytes) => Some(PyBytes::new(py, &bytes).unbind()),
            Self::File(_) => None,
        }
    }
}

fn kind(py: Python<'_>, name: &str) -> PyResult<SumKind> {
    SumKind::from_name(name)
        .filter(|kind| !matches!(kind, SumKind::None | SumKind::Md4Old | SumKind::Md4Unpadded))
        .ok_or_else(|| Error::Usage(format!("unknown checksum name: {name}")))
        .or_raise(py)
}

/// See the stub.
#[pyfunction]
#[pyo3(signature = (source, kind="xxh128"))]
pub(crate) fn checksum(py: Python<'_>, source: Input, kind: &str) -> PyResult<Py<PyBytes>> {
    let kind = self::kind(py, kind)?;
    let mut reader = Watched::new(&source);
    let result = py.detach(|| {
        let mut hasher = Hasher::new(kind);
        let mut buffer = vec![0; CHUNK];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(count) => hasher.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("read", &error)),
            }
        }
    });
    Ok(PyBytes::new(py, reader.end(py, result)?.as_slice()).unbind())
}

/// See the stub.
#[pyfunction]
pub(crate) fn seeded_md4(py: Python<'_>, data: &[u8], kind: &str) -> PyResult<Py<PyBytes>> {
    let kind = SumKind::from_name(kind)
        .filter(|kind| matches!(kind, SumKind::Md4 | SumKind::Md4Old | SumKind::Md4Unpadded))
        .ok_or_else(|| Error::Usage(format!("{kind} is no MD4")))
        .or_raise(py)?;
    let mut hasher = Hasher::new_whole_file(kind, 0);
    hasher.update(data);
    Ok(PyBytes::new(py, hasher.finish().as_slice()).unbind())
}

/// See the stub.
#[pyfunction]
#[pyo3(signature = (source, *, block_size=0, checksum="xxh128"))]
pub(crate) fn signature(py: Python<'_>, source: Input, block_size: u32, checksum: &str) -> PyResult<Py<PyBytes>> {
    let kind = kind(py, checksum)?;
    let mut reader = Watched::new(&source);
    let result = py.detach(|| standalone::signature(&mut reader, source.len()?, block_size, kind));
    Ok(PyBytes::new(py, &reader.end(py, result)?).unbind())
}

/// See the stub.
#[pyfunction]
#[pyo3(signature = (source, signature, output=None))]
pub(crate) fn delta(
    py: Python<'_>,
    source: Input,
    signature: PyBackedBytes,
    output: Option<RawFd>,
) -> PyResult<Option<Py<PyBytes>>> {
    let mut output = Output::new(py, output)?;
    let mut reader = Watched::new(&source);
    let result = py.detach(|| standalone::delta(&mut reader, source.len()?, &signature, &mut |data| output.put(data)));
    reader.end(py, result)?;
    Ok(output.result(py))
}

/// See the stub.
#[pyfunction]
#[pyo3(signature = (basis, delta, output=None))]
pub(crate) fn patch(
    py: Python<'_>,
    basis: Input,
    delta: Input,
    output: Option<RawFd>,
) -> PyResult<Option<Py<PyBytes>>> {
    let mut output = Output::new(py, output)?;
    let mut basis = basis;
    let mut reader = Watched::new(&delta);
    let result = py.detach(|| {
        let mut source = ReadSource(BufReader::with_capacity(CHUNK, &mut reader));
        standalone::patch(&mut basis, &mut source, &mut |data| output.put(data))
    });
    reader.end(py, result)?;
    Ok(output.result(py))
}
