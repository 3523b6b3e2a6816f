//! The file list: compact entries in segments, their order and numbering, and the codec of every protocol version
//! from 27 to 32 (spec: protocol 5).
//!
//! A list (or, with incremental recursion, each of the many lists) is a [`Segment`]: entries in index order, names
//! and link targets in one byte arena, and what a plain file does not have in a side table. A scanner fills a
//! [`SegmentBuilder`]; a [`Decoder`] reads one from a peer; an [`Encoder`] writes entries in any order it is given
//! them. [`Lists`] keeps the live segments and resolves indices.

pub mod acl;
pub mod charset;
pub mod decode;
pub mod encode;
pub mod entry;
pub mod hardlinks;
pub mod ids;
pub mod lists;
pub mod names;
pub mod options;
pub mod order;
pub mod segment;
pub mod tables;
pub mod xattr;

#[cfg(test)]
mod tests;

pub use acl::{Acl, NamedAce};
pub use charset::{Charset, Iconv};
pub use decode::{Decoder, Received, Unconverted, Vet, Vetted, EILSEQ};
pub use encode::Encoder;
pub use entry::{eflag, mode, Entry, NewEntry};
pub use hardlinks::{HardLinks, LinkRole};
pub use ids::{IdFiles, IdLookup, IdMap, NoIds, Who};
pub use lists::{Found, Lists};
pub use options::FlistOptions;
pub use segment::{Segment, SegmentBuilder};
pub use tables::Tables;
pub use xattr::{XattrLedger, XattrSet, XattrValue};

/// Longest name or link target in bytes (spec: protocol 12).
pub const MAX_NAME: usize = 4095;
