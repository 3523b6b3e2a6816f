//! The door between tain's Python and its Rust core: types are converted here, and nothing is decided.

mod algorithms;
mod charset;
mod errors;
mod link;
mod operator;
mod plan;
mod rules;
mod transfer;

use std::sync::Arc;

use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;
use tain_core::report::Report;
use tain_core::roles::{local, remote};

use link::Link;
use plan::Plan;
use transfer::{Record, Summary, Transfer};

/// Start as the sender over a link.
#[pyfunction]
fn send(py: Python<'_>, link: Py<Link>, plan: &Plan) -> PyResult<Transfer> {
    let plan = Arc::clone(&plan.inner);
    let report = Report::new(Arc::clone(&plan), true);
    let _ = py;
    Transfer::start(report, move |report| {
        remote::send(&mut link.get().lock(), &plan, report)
    })
}

/// Start as generator and receiver over a link.
#[pyfunction]
fn receive(py: Python<'_>, link: Py<Link>, plan: &Plan) -> PyResult<Transfer> {
    let plan = Arc::clone(&plan.inner);
    let report = Report::new(Arc::clone(&plan), false);
    let _ = py;
    Transfer::start(report, move |report| {
        remote::receive(&mut link.get().lock(), &plan, report)
    })
}

/// Start a local copy.
#[pyfunction]
fn copy(plan: &Plan) -> PyResult<Transfer> {
    let plan = Arc::clone(&plan.inner);
    let report = Report::new(Arc::clone(&plan), true);
    Transfer::start(report, move |report| local::copy(&plan, report))
}

/// List the sources of a plan.
#[pyfunction]
fn enumerate(plan: &Plan) -> PyResult<Transfer> {
    let plan = Arc::clone(&plan.inner);
    let report = Report::new(Arc::clone(&plan), true);
    Transfer::start(report, move |report| local::enumerate(&plan, report))
}

/// Find now what a chroot will hide: `/proc`, and the local time zone.
#[pyfunction]
fn prepare_chroot() {
    tain_core::tree::hold_proc();
    tain_core::report::item::local_time(0, "%Y");
}

#[pymodule]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    if cfg!(debug_assertions) {
        let category = m.py().get_type::<PyRuntimeWarning>();
        PyErr::warn(
            m.py(),
            &category,
            c"tain runs a debug build, which is many times slower: make build",
            1,
        )?;
    }
    m.add_class::<Link>()?;
    m.add_class::<Plan>()?;
    m.add_class::<Record>()?;
    m.add_class::<Summary>()?;
    m.add_class::<Transfer>()?;
    m.add("debug_build", cfg!(debug_assertions))?;
    m.add_function(wrap_pyfunction!(send, m)?)?;
    m.add_function(wrap_pyfunction!(receive, m)?)?;
    m.add_function(wrap_pyfunction!(copy, m)?)?;
    m.add_function(wrap_pyfunction!(enumerate, m)?)?;
    m.add_function(wrap_pyfunction!(prepare_chroot, m)?)?;
    m.add_function(wrap_pyfunction!(errors::raise_error, m)?)?;
    m.add_function(wrap_pyfunction!(operator::open_named, m)?)?;
    m.add_function(wrap_pyfunction!(rules::build_rules, m)?)?;
    m.add_function(wrap_pyfunction!(rules::rules_to_wire, m)?)?;
    m.add_function(wrap_pyfunction!(rules::rules_from_wire, m)?)?;
    m.add_function(wrap_pyfunction!(rules::excluded, m)?)?;
    m.add_function(wrap_pyfunction!(charset::convert, m)?)?;
    m.add_function(wrap_pyfunction!(algorithms::checksum, m)?)?;
    m.add_function(wrap_pyfunction!(algorithms::signature, m)?)?;
    m.add_function(wrap_pyfunction!(algorithms::delta, m)?)?;
    m.add_function(wrap_pyfunction!(algorithms::patch, m)?)?;
    Ok(())
}
