//! `Figures`: a copy of the live figures of a transfer.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tain_core::report::figures::Figures as CoreFigures;

/// See the stub.
#[pyclass(module = "tain._core", frozen, get_all)]
pub struct Figures {
    entries: u64,
    listed_bytes: u64,
    complete: bool,
    decided: u64,
    undecided_bytes: u64,
    asked_bytes: u64,
    done_bytes: u64,
    room_bytes: u64,
    wire_bytes: u64,
    files: u64,
    created: u64,
    updated: u64,
    attributes: u64,
    deleted: u64,
    errors: u64,
    name: Py<PyBytes>,
    size: u64,
    offset: u64,
    directory: Py<PyBytes>,
    phase: &'static str,
}

impl Figures {
    /// The figures as a Python object.
    pub fn new(py: Python<'_>, f: &CoreFigures) -> Self {
        Self {
            entries: f.entries,
            listed_bytes: f.listed_bytes,
            complete: f.complete,
            decided: f.decided,
            undecided_bytes: f.undecided_bytes,
            asked_bytes: f.asked_bytes,
            done_bytes: f.done_bytes,
            room_bytes: f.room_bytes,
            wire_bytes: f.wire_bytes,
            files: f.files,
            created: f.created,
            updated: f.updated,
            attributes: f.attributes,
            deleted: f.deleted,
            errors: f.errors,
            name: PyBytes::new(py, &f.name).unbind(),
            size: f.size,
            offset: f.offset,
            directory: PyBytes::new(py, &f.directory).unbind(),
            phase: f.phase.name(),
        }
    }
}
