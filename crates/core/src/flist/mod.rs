//! The file list: compact entries in segments, their order and numbering, and the codec of every protocol version
//! from 27 to 32 (spec: protocol 5).
//!
//! A list (or, with incremental recursion, each of the many lists) is a [`Segment`]: entries in index order, names
//! and link targets in one byte arena, and what a plain file does not have in a side table. A scanner fills a
//! [`SegmentBuilder`]; a [`Decoder`] reads one from a peer; an [`Encoder`] writes entries in any order it is given
//! them. [`Lists`] keeps the live segments and resolves indices.

pub mod entry;
pub mod hardlinks;
pub mod order;
pub mod segment;

pub use entry::{eflag, mode, Entry, NewEntry};
pub use hardlinks::{HardLinks, LinkRole};
pub use segment::{Segment, SegmentBuilder};

/// Longest name or link target in bytes (spec: protocol 12).
pub const MAX_NAME: usize = 4095;
