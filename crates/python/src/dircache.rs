//! `DirectoryCache`: the listings of one view, for many senders.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use tain_core::dircache::{Settings, Swept};
use tain_core::roles::remote::Listings;
use tain_core::Error;

use crate::errors::OrRaise;
use crate::plan::Plan;

/// See the stub.
#[pyclass(module = "tain._core", frozen)]
pub struct DirectoryCache {
    pub inner: Arc<Listings>,
}

#[pymethods]
impl DirectoryCache {
    #[new]
    #[pyo3(signature = (plan, root, *, watch=false, told=false, max_age=5.0, memory=268_435_456, any_file_system=false))]
    #[allow(clippy::too_many_arguments)] // keywords
    fn new(
        py: Python<'_>,
        plan: &Plan,
        root: &[u8],
        watch: bool,
        told: bool,
        max_age: f64,
        memory: usize,
        any_file_system: bool,
    ) -> PyResult<Self> {
        let settings = Settings {
            watch,
            told,
            max_age: Duration::try_from_secs_f64(max_age)
                .map_err(|e| Error::Usage(format!("max_age: {e}")))
                .or_raise(py)?,
            memory,
        };
        let plan = &plan.inner;
        let listings = py.detach(|| Listings::new(plan, root, settings, any_file_system));
        Ok(Self {
            inner: Arc::new(listings.or_raise(py)?),
        })
    }

    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let status = py.detach(|| self.inner.cache().status());
        let out = PyDict::new(py);
        for (name, value) in [
            ("entries", status.entries as u64),
            ("directories", status.directories as u64),
            ("stale", status.stale as u64),
            ("bytes", status.bytes as u64),
            ("watches", status.watches as u64),
            ("watches_missing", status.watches_missing),
            ("lists_cached", status.lists_cached),
            ("directories_cached", status.directories_cached),
            ("reads", status.reads),
            ("refreshed_names", status.refreshed_names),
            ("overflows", status.overflows),
            ("missed", status.missed),
            ("evictions", status.evictions),
            ("jobs", status.jobs as u64),
        ] {
            out.set_item(name, value)?;
        }
        for (name, counts) in [
            ("lists_live", status.lists_live),
            ("directories_live", status.directories_live),
        ] {
            let by_reason = PyDict::new(py);
            for (why, n) in counts {
                by_reason.set_item(why, n)?;
            }
            out.set_item(name, by_reason)?;
        }
        out.set_item("fallen", status.fallen)?;
        out.set_item("oldest_seconds", status.oldest_seconds)?;
        Ok(out)
    }

    fn refresh(&self, py: Python<'_>, path: &[u8]) {
        py.detach(|| self.inner.cache().refresh(path));
    }

    fn clear(&self, py: Python<'_>) {
        py.detach(|| self.inner.cache().clear());
    }

    fn sweep<'py>(&self, py: Python<'py>, most: usize) -> PyResult<(usize, Vec<Bound<'py, PyBytes>>)> {
        let swept = py.detach(|| self.inner.sweep(most)).or_raise(py)?;
        Ok(shown(py, &swept))
    }

    fn check<'py>(&self, py: Python<'py>, most: usize, random: u64) -> PyResult<(usize, Vec<Bound<'py, PyBytes>>)> {
        let swept = py.detach(|| self.inner.check(most, random)).or_raise(py)?;
        Ok(shown(py, &swept))
    }

    fn begin(&self, py: Python<'_>, root: &[u8]) -> PyResult<()> {
        self.inner.cache().job_begins(root).or_raise(py)
    }

    #[allow(clippy::needless_pass_by_value)] // the binding gives a list
    fn commit(&self, py: Python<'_>, root: &[u8], directories: Vec<Vec<u8>>) -> PyResult<()> {
        self.inner.cache().job_commits(root, &directories).or_raise(py)
    }

    fn abort(&self, py: Python<'_>, root: &[u8]) -> PyResult<()> {
        self.inner.cache().job_aborts(root).or_raise(py)
    }
}

/// How many directories were compared, and the paths of those that differed.
fn shown<'py>(py: Python<'py>, swept: &Swept) -> (usize, Vec<Bound<'py, PyBytes>>) {
    let missed = swept.missed.iter().map(|path| PyBytes::new(py, path));
    (swept.checked, missed.collect())
}
