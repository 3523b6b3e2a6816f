//! `Run`: a transfer in a thread of its own, and its events.

use std::fs::File;
use std::io::BufWriter;
use std::os::fd::RawFd;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use tain_core::error::Error;
use tain_core::event::{
    Amount, Candidate, Counts, Deletions as CoreDeletions, Done as CoreDone, Event, Item as CoreItem,
    Planned as CorePlanned, Skipped as CoreSkipped, Summary as CoreSummary,
};
use tain_core::report::{keyed, Report};

use crate::errors::OrRaise as _;
use crate::figures::Figures;
use crate::link::duplicate;

/// The longest delay of a Python signal handler.
const PATIENCE: Duration = Duration::from_millis(50);

/// See the stub.
#[pyclass(module = "tain._core", frozen, get_all)]
pub struct Summary {
    code: i32,
    error: String,
    reported: bool,
    role: &'static str,
    files: Py<PyDict>,
    created: Py<PyDict>,
    deleted: Py<PyDict>,
    updated: u64,
    attributes: u64,
    unchanged: u64,
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
    io_error: bool,
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
            reported: s.reported,
            role: s.role.name(),
            files: counts(py, s.files)?,
            created: counts(py, s.created)?,
            deleted: counts(py, s.deleted)?,
            updated: s.updated,
            attributes: s.attributes,
            unchanged: s.unchanged,
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
            io_error: s.io_error,
            deletions_skipped: s.deletions_skipped,
            had_entries: s.had_entries,
        })
    }
}

/// See the stub.
#[pyclass(module = "tain._core", frozen, get_all)]
pub struct Item {
    operation: Py<PyString>,
    itemized: Py<PyString>,
    name: Py<PyBytes>,
    length: u64,
    mtime: i64,
    mtime_ns: i128,
    uid: Option<u32>,
    gid: Option<u32>,
    mode: u32,
    target: Option<Py<PyBytes>>,
}

impl Item {
    fn new(py: Python<'_>, item: &CoreItem) -> Self {
        Self {
            operation: PyString::intern(py, item.operation).unbind(),
            itemized: PyString::new(py, &item.itemized).unbind(),
            name: PyBytes::new(py, &item.name).unbind(),
            length: item.length,
            mtime: item.mtime,
            mtime_ns: i128::from(item.mtime) * 1_000_000_000 + i128::from(item.mtime_nsec),
            uid: item.uid,
            gid: item.gid,
            mode: item.mode,
            target: item.target.as_ref().map(|t| PyBytes::new(py, t).unbind()),
        }
    }
}

/// See the stub.
#[pyclass(module = "tain._core", frozen, get_all)]
pub struct Skipped {
    name: Py<PyBytes>,
    why: Py<PyString>,
    rule: Option<Py<PyBytes>>,
}

impl Skipped {
    fn new(py: Python<'_>, skipped: &CoreSkipped) -> Self {
        Self {
            name: PyBytes::new(py, &skipped.name).unbind(),
            why: PyString::intern(py, skipped.why).unbind(),
            rule: skipped.rule.as_ref().map(|rule| PyBytes::new(py, rule).unbind()),
        }
    }
}

/// See the stub.
#[pyclass(module = "tain._core", frozen, get_all)]
pub struct Done {
    name: Py<PyBytes>,
    size: u64,
    literal: u64,
    matched: u64,
    seconds: f64,
    verified: bool,
}

impl Done {
    fn new(py: Python<'_>, done: &CoreDone) -> Self {
        Self {
            name: PyBytes::new(py, &done.name).unbind(),
            size: done.size,
            literal: done.literal,
            matched: done.matched,
            seconds: done.time.as_secs_f64(),
            verified: done.verified,
        }
    }
}

/// See the stub.
#[pyclass(module = "tain._core", frozen, get_all)]
pub struct Deletions {
    number: u64,
    bytes: u64,
    entries: u64,
}

impl Deletions {
    fn new(planned: CoreDeletions) -> Self {
        Self {
            number: planned.number,
            bytes: planned.bytes,
            entries: planned.entries,
        }
    }
}

/// See the stub.
#[pyclass(module = "tain._core", frozen, get_all)]
pub struct Planned {
    new: (u64, u64),
    update: (u64, u64),
    attributes: (u64, u64),
    delete: (u64, u64),
    keep: (u64, u64),
    need_bytes: u64,
    need_inodes: u64,
    freed_bytes: u64,
    freed_inodes: u64,
    directories: Py<PyDict>,
}

impl Planned {
    fn new(py: Python<'_>, planned: &CorePlanned) -> PyResult<Self> {
        let pair = |amount: Amount| (amount.number, amount.bytes);
        let directories = PyDict::new(py);
        for (name, amount) in &planned.directories {
            directories.set_item(PyBytes::new(py, name), pair(*amount))?;
        }
        Ok(Self {
            new: pair(planned.new),
            update: pair(planned.update),
            attributes: pair(planned.attributes),
            delete: pair(planned.delete),
            keep: pair(planned.keep),
            need_bytes: planned.need_bytes,
            need_inodes: planned.need_inodes,
            freed_bytes: planned.freed_bytes,
            freed_inodes: planned.freed_inodes,
            directories: directories.unbind(),
        })
    }
}

/// Events with their kinds, in order.
type Batch = Vec<(Py<PyString>, Py<PyAny>)>;

/// A name to choose, as a tuple; see the stub.
fn candidate<'py>(py: Python<'py>, name: &Candidate) -> PyResult<Bound<'py, PyTuple>> {
    let nanoseconds = i128::from(name.mtime) * 1_000_000_000 + i128::from(name.mtime_nsec);
    let target = name.target.as_ref().map(|target| PyBytes::new(py, target));
    (
        PyBytes::new(py, &name.path),
        name.size,
        nanoseconds,
        name.mode,
        name.uid,
        name.gid,
        target,
    )
        .into_pyobject(py)
}

/// An event as a pair of its kind and its value; see the stub.
fn event(py: Python<'_>, event: &Event) -> PyResult<(Py<PyString>, Py<PyAny>)> {
    let text = |bytes: &[u8]| PyBytes::new(py, bytes).into_any().unbind();
    let (kind, value) = match event {
        Event::Stdout(bytes) => (intern!(py, "stdout"), text(bytes)),
        Event::Entry(bytes) => (intern!(py, "entry"), text(bytes)),
        Event::Stderr(bytes) => (intern!(py, "stderr"), text(bytes)),
        Event::Log(bytes) => (intern!(py, "log"), text(bytes)),
        Event::Json(lines) => (intern!(py, "json"), text(lines)),
        Event::Item(item) => (intern!(py, "item"), Py::new(py, Item::new(py, item))?.into_any()),
        Event::Select(names) => {
            let names = PyList::new(
                py,
                names
                    .iter()
                    .map(|name| candidate(py, name))
                    .collect::<PyResult<Vec<_>>>()?,
            )?;
            (intern!(py, "select"), names.into_any().unbind())
        }
        Event::Skipped(skipped) => (intern!(py, "skip"), Py::new(py, Skipped::new(py, skipped))?.into_any()),
        Event::Done(done) => (intern!(py, "done"), Py::new(py, Done::new(py, done))?.into_any()),
        Event::Deletions(planned) => (
            intern!(py, "deletions"),
            Py::new(py, Deletions::new(*planned))?.into_any(),
        ),
        Event::Planned(planned) => (
            intern!(py, "planned"),
            Py::new(py, Planned::new(py, planned)?)?.into_any(),
        ),
    };
    Ok((kind.clone().unbind(), value))
}

/// See the stub.
#[pyclass(module = "tain._core", frozen)]
pub struct Run {
    report: Report,
    outcome: Arc<Mutex<Option<CoreSummary>>>,
    /// What has not begun.
    work: Mutex<Option<Work>>,
}

type Work = Box<dyn FnOnce() + Send>;

impl Run {
    /// A run that begins with [`Run::start`] or [`Run::run_here`].
    pub fn new(report: Report, work: impl FnOnce(&Report) -> CoreSummary + Send + 'static) -> Self {
        let outcome = Arc::new(Mutex::new(None));
        let (slot, handle) = (Arc::clone(&outcome), report.clone());
        let work = move || {
            let summary =
                std::panic::catch_unwind(AssertUnwindSafe(|| work(&handle))).unwrap_or_else(|_| CoreSummary {
                    code: 15,
                    error: "internal error: please report it".into(),
                    role: handle.role(),
                    ..CoreSummary::default()
                });
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(summary);
            handle.finish();
        };
        Self {
            report,
            outcome,
            work: Mutex::new(Some(Box::new(work))),
        }
    }

    fn take_work(&self) -> Option<Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Begin in a thread of its own.
    pub fn start(self) -> PyResult<Self> {
        if let Some(work) = self.take_work() {
            std::thread::Builder::new().name("transfer".into()).spawn(work)?;
        }
        Ok(self)
    }

    /// The next events; `None` at the end, and an empty batch after `timeout`.
    fn batch(&self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<Option<Batch>> {
        let end = timeout.and_then(|time| Instant::now().checked_add(time));
        loop {
            let left = end.map_or(PATIENCE, |end| end.saturating_duration_since(Instant::now()));
            let batch = py.detach(|| self.report.take(left.min(PATIENCE)));
            py.check_signals()?;
            match batch {
                None => return Ok(None),
                Some(events) if events.is_empty() => {
                    if end.is_some_and(|end| Instant::now() >= end) {
                        return Ok(Some(Vec::new()));
                    }
                }
                Some(events) => return events.iter().map(|e| event(py, e)).collect::<PyResult<_>>().map(Some),
            }
        }
    }
}

#[pymethods]
impl Run {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        self.batch(py, None)
    }

    #[pyo3(signature = (timeout))]
    fn next_batch(&self, py: Python<'_>, timeout: f64) -> PyResult<Option<Batch>> {
        let timeout = Duration::try_from_secs_f64(timeout).map_err(|e| PyValueError::new_err(e.to_string()))?;
        self.batch(py, Some(timeout))
    }

    fn run_here(&self, py: Python<'_>, on_events: Py<PyAny>) -> PyResult<()> {
        let Some(work) = self.take_work() else { return Ok(()) };
        let failure = Arc::new(Mutex::new(None));
        let (report, slot) = (self.report.clone(), Arc::clone(&failure));
        self.report.set_sink(Arc::new(move |emitted| {
            let result = Python::attach(|py| on_events.call1(py, (vec![event(py, &emitted)?],)).map(|_| ()));
            if let Err(error) = result {
                slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                report.cancel(20);
            }
        }));
        py.detach(work);
        let failed = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(Ok(()), Err)
    }

    fn figures(&self, py: Python<'_>) -> Figures {
        Figures::new(py, &self.report.figures())
    }

    #[getter]
    fn summary(&self, py: Python<'_>) -> PyResult<Summary> {
        let done = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Summary::new(py, done.unwrap_or_else(|| self.report.summary()))
    }

    fn answer_selection(&self, chosen: Vec<bool>) {
        self.report.answer_selection(chosen);
    }

    fn answer(&self, go_on: bool) {
        self.report.answer(go_on);
    }

    fn refuse(&self, code: i32, text: String) {
        self.report.refuse(Error::Other(code, text));
    }

    fn stop(&self, code: i32) {
        self.report.stop(code);
    }

    #[pyo3(signature = (bytes_per_second))]
    fn set_bwlimit(&self, bytes_per_second: u64) {
        self.report.set_bwlimit(bytes_per_second);
    }

    #[pyo3(signature = (succeeded, words=None))]
    fn next_confirmed(&self, py: Python<'_>, succeeded: bool, words: Option<&[u8]>) -> PyResult<Batch> {
        let events = self.report.next_confirmed(succeeded, words);
        events.iter().map(|e| event(py, e)).collect()
    }

    #[pyo3(signature = (code=20))]
    fn cancel(&self, code: i32) {
        self.report.cancel(code);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Without a reader of its events the thread would wait for room in the queue forever.
        let over = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if !over {
            self.report.cancel(20);
        }
    }
}

/// See the stub.
#[pyfunction]
pub(crate) fn merge_lines(py: Python<'_>, inputs: Vec<RawFd>, output: RawFd) -> PyResult<()> {
    let open = |fd| duplicate(fd).map(File::from).or_raise(py);
    let inputs = inputs.into_iter().map(open).collect::<PyResult<Vec<_>>>()?;
    let mut output = BufWriter::new(open(output)?);
    Ok(py.detach(|| keyed::merge_lines(inputs, &mut output))?)
}
