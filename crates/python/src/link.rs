//! `Link`: the raw phase of a connection.

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tain_core::wire::frames::Tag;
use tain_core::wire::ints::{put_byte, put_int, put_varint, put_vstring, Source};
use tain_core::wire::{Link as CoreLink, LinkOptions};
use tain_core::{Error, Result};

use crate::errors::OrRaise;

/// A duplicate of a descriptor that Python owns.
pub(crate) fn duplicate(fd: RawFd) -> Result<OwnedFd> {
    if fd < 0 {
        return Err(Error::Ipc(format!("{fd} is no file descriptor")));
    }
    // SAFETY: the number is only used for the duration of the dup; a closed one makes it fail with EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    borrowed
        .try_clone_to_owned()
        .map_err(|e| Error::Ipc(format!("descriptor {fd}: {e}")))
}

/// See the stub.
#[pyclass(module = "tain._core", frozen)]
pub struct Link {
    inner: Mutex<CoreLink>,
}

impl Link {
    pub fn lock(&self) -> MutexGuard<'_, CoreLink> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T: Send>(&self, py: Python<'_>, call: impl FnOnce(&mut CoreLink) -> Result<T> + Send) -> PyResult<T> {
        py.detach(|| call(&mut self.lock())).or_raise(py)
    }
}

#[pymethods]
impl Link {
    #[new]
    #[pyo3(signature = (read_fd, write_fd, *, timeout=0, bwlimit=0, role="client"))]
    fn new(py: Python<'_>, read_fd: RawFd, write_fd: RawFd, timeout: u32, bwlimit: u64, role: &str) -> PyResult<Self> {
        let options = LinkOptions {
            timeout,
            bwlimit,
            role: role.into(),
            ..LinkOptions::default()
        };
        let read = duplicate(read_fd).or_raise(py)?;
        let write = duplicate(write_fd).or_raise(py)?;
        Ok(Self {
            inner: Mutex::new(CoreLink::new(read, write, options)),
        })
    }

    fn read<'py>(&self, py: Python<'py>, n: usize) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.run(py, |link| link.bytes(n))?))
    }

    fn read_some<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.run(py, |link| link.read_some(limit))?))
    }

    fn read_line<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.run(py, |link| link.read_line(limit))?))
    }

    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let time = Duration::from_secs_f64(seconds.clamp(0.0, 3600.0));
        self.run(py, |link| link.wait(time))
    }

    fn write(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        self.run(py, |link| link.write(data))
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, CoreLink::flush)
    }

    fn read_byte(&self, py: Python<'_>) -> PyResult<u8> {
        self.run(py, Source::byte)
    }

    fn read_int(&self, py: Python<'_>) -> PyResult<i32> {
        self.run(py, Source::int)
    }

    fn read_varint(&self, py: Python<'_>) -> PyResult<i32> {
        self.run(py, Source::varint)
    }

    fn read_vstring<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.run(py, |link| {
            link.vstring(limit).map_err(|e| match e {
                Error::Protocol(text) => Error::Unsupported(text),
                other => other,
            })
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    fn write_byte(&self, py: Python<'_>, value: u8) -> PyResult<()> {
        let mut out = Vec::new();
        put_byte(&mut out, value);
        self.run(py, |link| link.write(&out))
    }

    fn write_int(&self, py: Python<'_>, value: i32) -> PyResult<()> {
        let mut out = Vec::new();
        put_int(&mut out, value);
        self.run(py, |link| link.write(&out))
    }

    fn write_varint(&self, py: Python<'_>, value: i32) -> PyResult<()> {
        let mut out = Vec::new();
        put_varint(&mut out, value);
        self.run(py, |link| link.write(&out))
    }

    fn write_vstring(&self, py: Python<'_>, data: &[u8]) -> PyResult<()> {
        let mut out = Vec::new();
        put_vstring(&mut out, data).or_raise(py)?;
        self.run(py, |link| link.write(&out))
    }

    fn start_counting(&self) {
        self.lock().start_counting();
    }

    fn start_mux_in(&self) {
        self.lock().start_mux_in();
    }

    fn start_mux_out(&self) {
        self.lock().start_mux_out();
    }

    fn message(&self, py: Python<'_>, tag: i32, payload: &[u8]) -> PyResult<()> {
        self.run(py, |link| {
            let tag = Tag::from_number(tag).ok_or_else(|| Error::Usage(format!("unknown message tag {tag}")))?;
            link.message(tag, payload).map(|_| ())
        })
    }

    fn set_timeout(&self, seconds: u32) {
        self.lock().set_timeout(seconds);
    }

    fn set_bwlimit(&self, bytes_per_second: u64) {
        self.lock().set_bwlimit(bytes_per_second);
    }

    fn set_protocol(&self, protocol: u8) {
        self.lock().control().set_protocol(protocol);
    }

    fn set_role(&self, role: &str) {
        self.lock().set_role(role);
    }

    fn drain(&self, py: Python<'_>, seconds: f64, limit: usize) {
        let time = Duration::from_secs_f64(seconds.clamp(0.0, 3600.0));
        py.detach(|| self.lock().drain(time, limit));
    }

    #[getter]
    fn bytes_read(&self) -> u64 {
        self.lock().bytes_read()
    }

    #[getter]
    fn bytes_written(&self) -> u64 {
        self.lock().bytes_written()
    }
}

/// See the stub.
#[pyfunction]
pub(crate) fn varint(py: Python<'_>, value: i32) -> Py<PyBytes> {
    let mut out = Vec::new();
    put_varint(&mut out, value);
    PyBytes::new(py, &out).unbind()
}
