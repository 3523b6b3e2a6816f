//! The wire: primitive encodings, frames, and the connection that carries them (spec: protocol 3 and 4).

mod delivery;
pub mod frames;
mod inlet;
pub mod ints;
pub mod item;
mod lean;
#[cfg(test)]
#[path = "link_tests.rs"]
#[expect(clippy::duplicate_mod, reason = "a link without threads passes the same tests")]
mod lean_link_tests;
pub(crate) mod link;
mod link_reader;
#[cfg(test)]
mod link_tests;
mod link_writer;
pub mod ndx;
mod out;
mod port;
mod read_ahead;
pub(crate) mod record;
mod shared;
pub(crate) mod throttle;
pub mod trace;

pub use link::Link;
pub use shared::LinkOptions;
