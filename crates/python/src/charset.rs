//! Character sets of secluded arguments.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tain_core::flist::charset::Iconv;
use tain_core::Error;

use crate::errors::OrRaise;

/// Convert a text to UTF-8 or from it; bytes that cannot be converted stay as they are.
#[pyfunction]
#[pyo3(signature = (text, charset, *, to_wire))]
pub(crate) fn convert<'py>(
    py: Python<'py>,
    text: &[u8],
    charset: &str,
    to_wire: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let set = Iconv::new(charset)
        .ok_or_else(|| Error::Unsupported(format!("iconv_open(\"UTF-8\", \"{charset}\") failed")))
        .or_raise(py)?;
    Ok(PyBytes::new(py, &set.convert(text, to_wire)))
}
