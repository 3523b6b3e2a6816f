//! The wire: primitive encodings, frames, and the connection that carries them (spec: protocol 3 and 4).

pub mod frames;
pub mod ints;
pub mod item;
pub mod link;
mod link_reader;
#[cfg(test)]
mod link_tests;
mod link_writer;
mod port;
pub mod record;
pub mod throttle;
pub mod trace;

pub use frames::{Message, Tag};
pub use ints::{NdxReader, NdxWriter, Source};
pub use link::{Control, Link, LinkOptions, Reader, Writer};
