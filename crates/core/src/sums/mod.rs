//! Checksums: the rolling sum that finds candidates, the strong digests that confirm them, and the sizes that a
//! generator chooses for both.
//!
//! spec: protocol 6.6, 8; protocol-old 6.2, 8

pub mod md4;
pub mod rolling;
pub mod size;
pub mod strong;

pub use size::SumHead;
pub use strong::{digest_len, BlockHasher, Digest, Hasher};
