//! `Transfer`: a run in a thread of its own, and what it tells.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use tain_core::event::{Counts, Event, Record as CoreRecord, Summary as CoreSummary};
use tain_core::report::Report;

/// How long a wait for events may keep signals waiting.
const PATIENCE: Duration = Duration::from_millis(50);

/// See the stub.
#[pyclass(module = "tain._core", frozen, get_all)]
pub struct Summary {
    code: i32,
    error: String,
    told: bool,
    role: &'static str,
    files: Py<PyDict>,
    created: Py<PyDict>,
    deleted: Py<PyDict>,
    transferred: u64,
    total_size: u64,
    transferred_size: u64,
    literal: u64,
    matched: u64,
    flist_size: u64,
    flist_build_ms: u64,
    flist_xfer_ms: u64,
    sent: u64,
    received: u64,
    matches: u64,
    hash_hits: u64,
    false_alarms: u64,
    seconds: f64,
    deletions_skipped: u64,
    had_entries: bool,
}

fn counts(py: Python<'_>, counts: Counts) -> PyResult<Py<PyDict>> {
    let out = PyDict::new(py);
    for (name, value) in [
        ("reg", counts.reg),
        ("dir", counts.dir),
        ("link", counts.link),
        ("dev", counts.dev),
        ("special", counts.special),
    ] {
        out.set_item(name, value)?;
    }
    Ok(out.unbind())
}

impl Summary {
    fn new(py: Python<'_>, s: CoreSummary) -> PyResult<Self> {
        Ok(Self {
            code: s.code,
            error: s.error,
            told: s.told,
            role: s.role.name(),
            files: counts(py, s.files)?,
            created: counts(py, s.created)?,
            deleted: counts(py, s.deleted)?,
            transferred: s.transferred,
            total_size: s.total_size,
            transferred_size: s.transferred_size,
            literal: s.literal,
            matched: s.matched,
            flist_size: s.flist_size,
            flist_build_ms: s.flist_build_ms,
            flist_xfer_ms: s.flist_xfer_ms,
            sent: s.sent,
            received: s.received,
            matches: s.matches,
            hash_hits: s.hash_hits,
            false_alarms: s.false_alarms,
            seconds: s.seconds,
            deletions_skipped: s.deletions_skipped,
            had_entries: s.had_entries,
        })
    }
}

/// See the stub.
#[pyclass(module = "tain._core", frozen, get_all)]
pub struct Record {
    operation: Py<PyString>,
    itemized: Py<PyString>,
    name: Py<PyBytes>,
    length: u64,
    mtime: i64,
    mode: u32,
    target: Option<Py<PyBytes>>,
}

impl Record {
    fn new(py: Python<'_>, record: &CoreRecord) -> Self {
        Self {
            operation: PyString::intern(py, record.operation.trim_end_matches('.')).unbind(),
            itemized: PyString::new(py, &record.itemized).unbind(),
            name: PyBytes::new(py, &record.name).unbind(),
            length: record.length,
            mtime: record.mtime,
            mode: record.mode,
            target: record.target.as_ref().map(|t| PyBytes::new(py, t).unbind()),
        }
    }
}

/// See the stub.
#[pyclass(module = "tain._core", frozen)]
pub struct Transfer {
    report: Report,
    records: Mutex<Vec<CoreRecord>>,
    outcome: Arc<Mutex<Option<CoreSummary>>>,
}

impl Transfer {
    /// Run `work` in a thread.
    pub fn start(report: Report, work: impl FnOnce(&Report) -> CoreSummary + Send + 'static) -> PyResult<Self> {
        let outcome = Arc::new(Mutex::new(None));
        let (slot, handle) = (Arc::clone(&outcome), report.clone());
        std::thread::Builder::new().name("transfer".into()).spawn(move || {
            let summary =
                std::panic::catch_unwind(AssertUnwindSafe(|| work(&handle))).unwrap_or_else(|_| CoreSummary {
                    code: 15,
                    error: "internal error: please report it".into(),
                    role: handle.role(),
                    ..CoreSummary::default()
                });
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(summary);
            handle.finish();
        })?;
        Ok(Self {
            report,
            records: Mutex::default(),
            outcome,
        })
    }
}

#[pymethods]
impl Transfer {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Vec<(u8, Py<PyBytes>)>>> {
        loop {
            let batch = py.detach(|| self.report.take(PATIENCE));
            py.check_signals()?;
            let Some(events) = batch else { return Ok(None) };
            if events.is_empty() {
                continue;
            }
            let mut out = Vec::with_capacity(events.len());
            for event in events {
                let (kind, bytes) = match event {
                    Event::Stdout(bytes) => (1, bytes),
                    Event::Stderr(bytes) => (2, bytes),
                    Event::Log(bytes) => (3, bytes),
                    Event::Record(record) => {
                        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
                        continue;
                    }
                };
                out.push((kind, PyBytes::new(py, &bytes).unbind()));
            }
            return Ok(Some(out));
        }
    }

    #[getter]
    fn summary(&self, py: Python<'_>) -> PyResult<Summary> {
        let done = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Summary::new(py, done.unwrap_or_else(|| self.report.summary()))
    }

    fn take_records(&self, py: Python<'_>) -> Vec<Record> {
        let taken = std::mem::take(&mut *self.records.lock().unwrap_or_else(PoisonError::into_inner));
        taken.iter().map(|record| Record::new(py, record)).collect()
    }

    #[pyo3(signature = (code=20))]
    fn cancel(&self, code: i32) {
        self.report.cancel(code);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        // A transfer that nobody iterates any more must not wait for its events to be taken.
        let over = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if !over {
            self.report.cancel(20);
        }
    }
}
