//! tain-core: everything of rsync that runs once per file or once per byte.
//!
//! No Python, no unsafe code, no policy: decisions are made by the caller and arrive as a [`plan::Plan`].
#![forbid(unsafe_code)]

pub mod delta;
pub mod dircache;
pub mod error;
pub mod event;
pub mod flist;
pub mod plan;
pub mod report;
pub mod role;
pub mod roles;
pub mod rules;
pub mod sums;
pub mod tree;
pub mod wire;

pub use error::{Error, Result};
