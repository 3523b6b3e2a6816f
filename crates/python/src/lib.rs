//! The door between tain's Python and its Rust core. The binding converts types and decides nothing.

mod algorithms;
mod charset;
mod dircache;
mod errors;
mod figures;
mod link;
mod operator;
mod plan;
mod rules;
mod run;

use std::sync::Arc;

use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;
use tain_core::event::Summary as CoreSummary;
use tain_core::plan::Plan as CorePlan;
use tain_core::report::Report;
use tain_core::roles::{local, remote};

use dircache::DirectoryCache;
use figures::Figures;
use link::Link;
use plan::Plan;
use run::{Deletions, Done, Item, Planned, Run, Skipped, Summary};

/// A run of `work`. `sender`: this side begins as the sender.
fn run(plan: &Plan, sender: bool, work: impl FnOnce(&Arc<CorePlan>, &Report) -> CoreSummary + Send + 'static) -> Run {
    let plan = Arc::clone(&plan.inner);
    let report = Report::new(Arc::clone(&plan), sender);
    Run::new(report, move |report| work(&plan, report))
}

/// Start as the sender over a link.
#[pyfunction]
#[pyo3(signature = (link, plan, listings=None, *, here=false))]
fn send(link: Py<Link>, plan: &Plan, listings: Option<&DirectoryCache>, here: bool) -> PyResult<Run> {
    let listings = listings.map(|cache| Arc::clone(&cache.inner));
    let run = run(plan, true, move |plan, report| {
        remote::send(&mut link.get().lock(), plan, report, listings.as_ref())
    });
    if here {
        Ok(run)
    } else {
        run.start()
    }
}

/// Start as generator and receiver over a link.
#[pyfunction]
fn receive(link: Py<Link>, plan: &Plan) -> PyResult<Run> {
    run(plan, false, move |plan, report| {
        remote::receive(&mut link.get().lock(), plan, report)
    })
    .start()
}

/// Start a local copy.
#[pyfunction]
fn copy_local(plan: &Plan) -> PyResult<Run> {
    run(plan, true, local::copy).start()
}

/// List the sources of a plan.
#[pyfunction]
fn list_sources(plan: &Plan) -> PyResult<Run> {
    run(plan, true, local::enumerate).start()
}

/// Open `/proc` and load the local time zone, which a chroot will hide.
#[pyfunction]
fn prepare_chroot() {
    tain_core::tree::hold_proc();
    tain_core::report::item::local_time(0, "%Y");
}

// Everything behind the door is protected by types of its own, so a free-threaded interpreter needs no lock for it.
#[pymodule(gil_used = false)]
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
    m.add_class::<Deletions>()?;
    m.add_class::<DirectoryCache>()?;
    m.add_class::<Done>()?;
    m.add_class::<Skipped>()?;
    m.add_class::<Planned>()?;
    m.add_class::<Figures>()?;
    m.add_class::<Link>()?;
    m.add_class::<Plan>()?;
    m.add_class::<Item>()?;
    m.add_class::<Run>()?;
    m.add_class::<Summary>()?;
    m.add("debug_build", cfg!(debug_assertions))?;
    m.add_function(wrap_pyfunction!(send, m)?)?;
    m.add_function(wrap_pyfunction!(receive, m)?)?;
    m.add_function(wrap_pyfunction!(copy_local, m)?)?;
    m.add_function(wrap_pyfunction!(list_sources, m)?)?;
    m.add_function(wrap_pyfunction!(prepare_chroot, m)?)?;
    m.add_function(wrap_pyfunction!(run::merge_lines, m)?)?;
    m.add_function(wrap_pyfunction!(errors::raise_error, m)?)?;
    m.add_function(wrap_pyfunction!(operator::open_named, m)?)?;
    m.add_function(wrap_pyfunction!(rules::build_rules, m)?)?;
    m.add_function(wrap_pyfunction!(rules::rules_to_wire, m)?)?;
    m.add_function(wrap_pyfunction!(rules::rules_from_wire, m)?)?;
    m.add_function(wrap_pyfunction!(rules::excluded, m)?)?;
    m.add_function(wrap_pyfunction!(rules::wildmatch, m)?)?;
    m.add_function(wrap_pyfunction!(rules::expand_path, m)?)?;
    m.add_function(wrap_pyfunction!(plan::is_chmod, m)?)?;
    m.add_function(wrap_pyfunction!(link::varint, m)?)?;
    m.add_function(wrap_pyfunction!(charset::convert, m)?)?;
    m.add_function(wrap_pyfunction!(algorithms::checksum, m)?)?;
    m.add_function(wrap_pyfunction!(algorithms::seeded_md4, m)?)?;
    m.add_function(wrap_pyfunction!(algorithms::signature, m)?)?;
    m.add_function(wrap_pyfunction!(algorithms::delta, m)?)?;
    m.add_function(wrap_pyfunction!(algorithms::patch, m)?)?;
    Ok(())
}
