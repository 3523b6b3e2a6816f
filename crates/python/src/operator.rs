//! Files that the operator named.

use std::os::fd::IntoRawFd;

use pyo3::prelude::*;
use tain_core::tree::operator::{self, Trust};

/// Open a file by the walk for operator paths: a descriptor or a negative errno, and whether a link of another owner is
/// the reason. The caller repeats a call that a signal has interrupted.
#[pyfunction]
#[pyo3(signature = (path, flags, mode, *, insecure = false, confine_root = None))]
pub(crate) fn open_named(
    py: Python<'_>,
    path: &[u8],
    flags: u32,
    mode: u32,
    insecure: bool,
    confine_root: Option<&[u8]>,
) -> (i32, bool) {
    let trust = Trust {
        uid: None,
        insecure,
        confine_root,
    };
    match py.detach(|| operator::open_raw(path, flags, mode, trust)) {
        Ok(fd) => (fd.into_raw_fd(), false),
        Err((number, refused)) => (-number, refused),
    }
}
