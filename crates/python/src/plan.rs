//! `Plan` from keyword arguments.

use std::borrow::Cow;
use std::os::fd::RawFd;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyString};
use tain_core::plan::{AccountSource, Accounts, Handle, Plan as CorePlan, Value};
use tain_core::roles::chmod::Chmod;

use crate::errors::OrRaise;
use crate::link::duplicate;

/// Any value that a plan may hold.
fn value(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    if object.is_none() {
        return Ok(Value::None);
    }
    if let Ok(flag) = object.downcast::<PyBool>() {
        return Ok(Value::Bool(flag.is_true()));
    }
    if object.is_instance_of::<PyInt>() {
        return Ok(match object.extract::<i64>() {
            Ok(number) => Value::Int(i128::from(number)),
            Err(_) => Value::Int(i128::from(object.extract::<u64>()?)),
        });
    }
    if let Ok(bytes) = object.downcast::<PyBytes>() {
        return Ok(Value::Bytes(bytes.as_bytes().to_vec()));
    }
    if let Ok(text) = object.downcast::<PyString>() {
        return Ok(Value::Bytes(text.to_cow()?.as_bytes().to_vec()));
    }
    if let Ok(map) = object.downcast::<PyDict>() {
        let mut items = Vec::with_capacity(map.len());
        for (key, item) in map {
            items.push((key.extract::<String>()?, value(&item)?));
        }
        return Ok(Value::Map(items));
    }
    if let Ok(items) = object.try_iter() {
        return Ok(Value::List(items.map(|item| value(&item?)).collect::<PyResult<_>>()?));
    }
    Err(PyTypeError::new_err(format!(
        "a plan cannot hold a {}",
        object.get_type().name()?
    )))
}

/// Accounts that a Python function looks up.
struct PythonAccounts(Py<PyAny>);

impl PythonAccounts {
    /// What the function returns for an id or a name; `None` if it raises an exception, too.
    fn ask<K, V>(&self, group: bool, key: K) -> Option<V>
    where
        K: for<'py> IntoPyObject<'py>,
        V: for<'py> FromPyObject<'py>,
    {
        Python::attach(|py| self.0.call1(py, (group, key)).and_then(|found| found.extract(py)).ok())
    }
}

impl AccountSource for PythonAccounts {
    fn name(&self, group: bool, id: u32) -> Option<Vec<u8>> {
        self.ask(group, id)
    }

    fn id(&self, group: bool, name: &[u8]) -> Option<u32> {
        self.ask(group, Cow::from(name))
    }
}

/// See the stub.
#[pyclass(module = "tain._core", frozen)]
pub struct Plan {
    pub inner: Arc<CorePlan>,
}

#[pymethods]
impl Plan {
    #[new]
    #[pyo3(signature = (**fields))]
    fn new(py: Python<'_>, fields: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut plan = CorePlan::default();
        if let Some(fields) = fields {
            for (name, object) in fields {
                let name = name.extract::<String>()?;
                if object.is_callable() {
                    let accounts = Accounts(Arc::new(PythonAccounts(object.unbind())));
                    plan.set(&name, Value::Accounts(accounts)).or_raise(py)?;
                    continue;
                }
                let value = match value(&object)? {
                    // The plan has its own duplicate, so the caller may close its descriptor.
                    Value::Int(fd) if name.ends_with("_handle") => {
                        let fd = RawFd::try_from(fd).unwrap_or(-1);
                        Value::Handle(Handle(Arc::new(duplicate(fd).or_raise(py)?)))
                    }
                    other => other,
                };
                plan.set(&name, value).or_raise(py)?;
            }
        }
        plan.check().or_raise(py)?;
        Ok(Self { inner: Arc::new(plan) })
    }
}

/// See the stub.
#[pyfunction]
pub(crate) fn is_chmod(text: &[u8]) -> bool {
    !text.is_empty() && Chmod::parse(text).is_some()
}
