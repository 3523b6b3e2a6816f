//! The file list: compact entries in segments, their order and numbering, and the codec of every protocol version
//! from 27 to 32 (spec: protocol 5).
//!
//! A list (or, with incremental recursion, each of the many lists) is a [`Segment`]: entries in index order, names
//! and link targets in one byte arena, and what a plain file does not have in a side table. A scanner fills a
//! [`SegmentBuilder`]; a [`Decoder`] reads one from a peer; an [`Encoder`] writes entries in any order it is given
//! them. [`Lists`] keeps the live segments and resolves indices.

pub(crate) mod acl;
pub(crate) mod at;
pub mod charset;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod entry;
pub(crate) mod hardlinks;
pub(crate) mod ids;
pub(crate) mod lists;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod order;
pub(crate) mod segment;
pub(crate) mod tables;
pub mod xattr;

#[cfg(test)]
mod tests;

pub(crate) use at::At;
pub use charset::{Charset, Iconv};
pub use decode::Decoder;
pub(crate) use decode::{Received, Unconverted, Vet, Vetted, EILSEQ};
pub(crate) use encode::Encoder;
pub(crate) use entry::{eflag, Entry, NewEntry};
pub(crate) use hardlinks::HardLinks;
pub use ids::{IdFiles, IdLookup, IdMap, Who};
pub(crate) use lists::Found;
pub use lists::Lists;
pub use options::FlistOptions;
pub(crate) use segment::builder::SegmentBuilder;
pub use segment::Segment;
pub use tables::Tables;
pub use xattr::XattrLedger;
pub(crate) use xattr::{XattrSet, XattrValue};

/// Longest name or link target in bytes (spec: protocol 12).
pub const MAX_NAME: usize = 4095;
