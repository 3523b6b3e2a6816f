//! The parts that the two ends of a transfer play: sender, generator, receiver (spec: protocol 1.1, 6).

pub mod chmod;
pub mod compare;
pub mod delete;
pub mod dest;
pub mod exchange;
pub mod filter;
pub mod generator;
pub mod landing;
pub mod local;
pub mod metadata;
mod paths;
pub mod receiver;
pub mod remote;
mod replay;
pub mod scan;
pub mod sender;
pub mod sources;
mod text;
pub mod words;

#[cfg(test)]
mod race_tests;
#[cfg(test)]
mod wire_tests;
