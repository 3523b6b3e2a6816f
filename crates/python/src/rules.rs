//! Filter rules as texts (spec: filters).

use std::io;
use std::os::fd::RawFd;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use tain_core::error::Error;
use tain_core::roles::expand::Expansion;
use tain_core::roles::filter::{daemon_side, read_in_module, read_operator};
use tain_core::rules::{build, pattern, BuildOptions, RuleOptions, RuleSet, Rules, Side, Source};
use tain_core::tree::operator;

use crate::errors::OrRaise;
use crate::link::duplicate;

/// One filter option.
fn source(item: &Bound<'_, PyTuple>) -> PyResult<Source> {
    let kind: String = item.get_item(0)?.extract()?;
    let bytes = || -> PyResult<Vec<u8>> { Ok(item.get_item(1)?.extract::<&[u8]>()?.to_vec()) };
    Ok(match kind.as_str() {
        "filter" => Source::Filter(bytes()?),
        "exclude" => Source::Exclude(bytes()?),
        "include" => Source::Include(bytes()?),
        "exclude-from" => Source::ExcludeFrom(bytes()?),
        "include-from" => Source::IncludeFrom(bytes()?),
        "cvs" => Source::Cvs,
        "from0" => Source::From0(item.get_item(1)?.extract::<i64>()? != 0),
        "delete-excluded" => Source::DeleteExcluded,
        other => return Err(PyValueError::new_err(format!("unknown rule event {other}"))),
    })
}

fn list(py: Python<'_>, texts: &[Vec<u8>]) -> Vec<Py<PyBytes>> {
    texts.iter().map(|t| PyBytes::new(py, t).unbind()).collect()
}

/// See the stub.
#[pyfunction]
#[pyo3(signature = (events, *, from0=false, protocol=32, role="client", cwd=None, cvs_file=None, cvs_words=None, notes=None, read_stdin=None, module=None, insecure=false))]
// Keywords of a Python function; what Python hands over is converted into an owned list.
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)]
pub(crate) fn build_rules(
    py: Python<'_>,
    events: Vec<Bound<'_, PyTuple>>,
    from0: bool,
    protocol: u8,
    role: &str,
    cwd: Option<&[u8]>,
    cvs_file: Option<&[u8]>,
    cvs_words: Option<&[u8]>,
    notes: Option<&Bound<'_, PyList>>,
    read_stdin: Option<&Bound<'_, PyAny>>,
    module: Option<&[u8]>,
    insecure: bool,
) -> PyResult<Vec<Py<PyBytes>>> {
    let sources = events.iter().map(source).collect::<PyResult<Vec<_>>>()?;
    let options = BuildOptions {
        role: role.into(),
        from0,
        protocol,
        cvs_file: cvs_file.map(<[u8]>::to_vec),
        cvs_words: cvs_words.map(<[u8]>::to_vec),
    };
    let cwd = cwd.unwrap_or_default().to_vec();
    let (mut refused, mut raised) = (false, None);
    let mut read = |name: &[u8]| -> io::Result<Option<Vec<u8>>> {
        if let Some(module) = module {
            return read_in_module(name, module, insecure);
        }
        match read_stdin.filter(|_| name == b"-") {
            Some(read) => bytes_of(py, read.call0(), &mut raised).map(Some),
            None => read_named(name, &cwd, &mut refused),
        }
    };
    let built = build(&sources, &options, &mut read);
    if let Some(error) = raised {
        return Err(error);
    }
    let set = built.map_err(|error| with_refusal(error, refused)).or_raise(py)?;
    if let Some(notes) = notes {
        for line in &set.warnings {
            notes.append((0, line))?;
        }
        for (level, line) in &set.debug {
            notes.append((*level, line))?;
        }
    }
    Ok(list(py, &set.plan_texts()))
}

/// The bytes that a Python call returned. An `OSError` becomes an error of the file; any other exception is kept in
/// `raised` for the caller.
fn bytes_of(py: Python<'_>, result: PyResult<Bound<'_, PyAny>>, raised: &mut Option<PyErr>) -> io::Result<Vec<u8>> {
    result.and_then(|data| data.extract::<Vec<u8>>()).map_err(|error| {
        let number = error.value(py).getattr("errno").and_then(|n| n.extract::<i32>());
        if let Ok(number) = number {
            return io::Error::from_raw_os_error(number);
        }
        *raised = Some(error);
        io::Error::other("interrupted")
    })
}

/// Read a rule file. `refused` becomes true when a link of another owner was in the way.
fn read_named(name: &[u8], cwd: &[u8], refused: &mut bool) -> io::Result<Option<Vec<u8>>> {
    read_operator(name, cwd, false).inspect_err(|error| {
        *refused |= operator::absolute(name, cwd).is_ok_and(|full| operator::is_refusal(&full, error));
    })
}

/// The error, with a line in front about a link of another owner if `refused`.
fn with_refusal(error: Error, refused: bool) -> Error {
    match error {
        Error::FileIo(text) if refused => Error::FileIo(format!("{}\n{text}", operator::REFUSAL)),
        other => other,
    }
}

#[allow(clippy::unnecessary_wraps)] // a reader of rule files, for texts that name none
fn no_files(_: &[u8]) -> io::Result<Option<Vec<u8>>> {
    Ok(None)
}

/// See the stub.
#[pyfunction]
#[pyo3(signature = (rules, *, protocol, server_sends, delete_excluded=false))]
#[allow(clippy::needless_pass_by_value)] // what Python hands over is converted into an owned list
pub(crate) fn rules_to_wire(
    py: Python<'_>,
    rules: Vec<Vec<u8>>,
    protocol: u8,
    server_sends: bool,
    delete_excluded: bool,
) -> PyResult<Vec<Py<PyBytes>>> {
    let options = BuildOptions {
        protocol,
        ..BuildOptions::default()
    };
    let set = RuleSet::from_plan_texts(&rules, &options, &mut no_files).or_raise(py)?;
    let server = if server_sends { Side::Sender } else { Side::Receiver };
    let texts = set.to_wire(protocol, server, delete_excluded).or_raise(py)?;
    Ok(list(py, &texts))
}

/// See the stub.
#[pyfunction]
#[pyo3(signature = (texts, *, protocol))]
#[allow(clippy::needless_pass_by_value)] // what Python hands over is converted into an owned list
pub(crate) fn rules_from_wire(py: Python<'_>, texts: Vec<Vec<u8>>, protocol: u8) -> PyResult<Vec<Py<PyBytes>>> {
    let options = BuildOptions {
        role: "server".into(),
        protocol,
        ..BuildOptions::default()
    };
    let mut read = |name: &[u8]| read_operator(name, b"", false);
    let set = RuleSet::from_wire(&texts, &options, &mut read).or_raise(py)?;
    Ok(list(py, &set.plan_texts()))
}

/// See the stub.
#[pyfunction]
#[pyo3(signature = (rules, name, is_dir, *, sends=true, parents=true))]
#[allow(clippy::needless_pass_by_value)] // what Python hands over is converted into an owned list
pub(crate) fn excluded(
    py: Python<'_>,
    rules: Vec<Vec<u8>>,
    name: &[u8],
    is_dir: bool,
    sends: bool,
    parents: bool,
) -> PyResult<bool> {
    let rules = daemon_rules(py, &rules, sends)?;
    let verdict = if parents {
        rules.check_path(name, is_dir)
    } else {
        rules.check(name, is_dir)
    };
    Ok(verdict.is_exclude())
}

/// A daemon's rules for one direction.
fn daemon_rules(py: Python<'_>, rules: &[Vec<u8>], sends: bool) -> PyResult<Rules> {
    let options = RuleOptions {
        side: daemon_side(sends),
        delete_excluded: false,
        root: b"/".to_vec(),
        ..RuleOptions::default()
    };
    let mut refused = false;
    let mut read = |name: &[u8]| read_named(name, b"", &mut refused);
    let made = Rules::new(rules, options, &mut read);
    made.map_err(|error| with_refusal(error, refused)).or_raise(py)
}

/// See the stub.
#[pyfunction]
pub(crate) fn wildmatch(pattern: &[u8], text: &[u8]) -> bool {
    pattern::wildmatch(pattern, text)
}

/// See the stub.
#[pyfunction]
#[pyo3(signature = (path, root=None, *, is_chroot=false, rules=None, sends=true))]
pub(crate) fn expand_path(
    py: Python<'_>,
    path: &[u8],
    root: Option<RawFd>,
    is_chroot: bool,
    rules: Option<Vec<Vec<u8>>>,
    sends: bool,
) -> PyResult<Vec<Py<PyBytes>>> {
    let tree = match root {
        None => Expansion::anywhere(),
        Some(root) => {
            let rules = rules.filter(|rules| !rules.is_empty());
            let hidden = rules.map(|rules| daemon_rules(py, &rules, sends)).transpose()?;
            Expansion::in_module(duplicate(root).or_raise(py)?, is_chroot, hidden)
        }
    };
    Ok(list(py, &py.detach(|| tree.expand(path))))
}
