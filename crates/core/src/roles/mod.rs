//! The parts that the two ends of a transfer play: sender, generator, receiver (spec: protocol 1.1, 6).

pub mod chmod;
pub(crate) mod compare;
pub(crate) mod delete;
pub(crate) mod dest;
pub mod exchange;
pub mod expand;
pub mod filter;
pub(crate) mod generator;
pub(crate) mod landing;
pub mod local;
pub(crate) mod metadata;
mod paths;
mod pool;
pub(crate) mod receiver;
pub mod remote;
mod replay;
pub(crate) mod scan;
pub(crate) mod sender;
pub(crate) mod share;
mod sources;
mod text;
pub(crate) mod words;

#[cfg(test)]
mod race_tests;
#[cfg(test)]
mod wire_tests;
