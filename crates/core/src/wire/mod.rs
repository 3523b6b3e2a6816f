//! The wire: primitive encodings, frames, and the connection that carries them (spec: protocol 3 and 4).

pub mod frames;
pub mod ints;
pub mod link;
mod link_reader;
#[cfg(test)]
mod link_tests;
mod link_writer;
pub mod ndx;
mod out;
mod port;
mod read_ahead;
pub mod record;
mod shared;
pub mod throttle;
pub mod trace;

pub use frames::{Message, Tag};
pub use ints::Source;
pub use link::{Link, Reader, Writer};
pub use ndx::{NdxReader, NdxWriter};
pub use shared::{Control, LinkOptions};
