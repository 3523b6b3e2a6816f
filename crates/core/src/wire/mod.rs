//! The wire: primitive encodings, frames, and the connection that carries them (spec: protocol 3 and 4).

pub mod frames;
pub mod ints;

pub use frames::{Message, Tag};
pub use ints::{NdxReader, NdxWriter, Source};
