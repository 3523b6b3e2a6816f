//! The only place that touches files (spec: transfer 5, 6, 16; security 2.1).
//!
//! Everything that a peer named goes through [`Root`]: a held directory handle and paths relative to it. The parent
//! of a name is resolved once, beneath the root, and kept; an operation is then one `*at(parent, leaf)` call. So the
//! safe way is also the fast way, and a directory that is swapped for a link meanwhile leads nowhere.
//!
//! Paths that the operator named (the destination argument, `--backup-dir`, a password file) are opened by
//! [`operator`]: a link is followed only if its owner could have done the same damage anyway.
//!
//! Errors are [`std::io::Error`]s with the system's errno, because that is what messages are made of.

pub(crate) mod acl;
#[cfg(test)]
mod attr_tests;
pub(crate) mod attrs;
pub(crate) mod behind;
mod cache;
pub(crate) mod data;
pub(crate) mod dir;
pub mod fake;
mod files;
mod inode;
pub mod mode;
mod names;
pub mod operator;
mod pin;
mod procfs;
#[cfg(test)]
mod race_tests;
mod resolve;
mod root;
pub(crate) mod sparse;
pub(crate) mod stat;
pub(crate) mod temp;
#[cfg(test)]
mod tests;
mod walk;
pub(crate) mod watch;
pub(crate) mod xattr;

pub use acl::Acl;
pub(crate) use dir::FileKind;
pub(crate) use pin::Pin;
pub use procfs::hold_proc;
pub(crate) use root::{Atime, Root, RootOptions, WriteFlags};
pub(crate) use stat::Stat;
pub(crate) use temp::Temp;
