//! Checksums: the rolling sum that finds candidates, the strong digests that confirm them, and the sizes that a
//! generator chooses for both.
//!
//! spec: protocol 6.6, 8; protocol-old 6.2, 8

pub(crate) mod md4;
pub(crate) mod rolling;
pub(crate) mod size;
pub(crate) mod strong;

pub use size::SumHead;
pub(crate) use strong::digest_len;
pub use strong::{BlockHasher, Hasher};
