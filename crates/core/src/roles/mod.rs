//! The parts that the two ends of a transfer play: sender, generator, receiver (spec: protocol 1.1, 6).

pub mod arrival;
pub mod basis;
pub mod chmod;
pub mod compare;
pub mod delete;
pub mod dest;
mod directories;
mod entries;
pub mod exchange;
pub mod filter;
pub mod generator;
pub mod items;
pub mod landing;
mod links;
pub mod local;
pub mod metadata;
mod nonfiles;
mod paths;
pub mod receiver;
mod regular;
pub mod remote;
mod replay;
mod requests;
pub mod scan;
pub mod sender;
pub mod sources;
mod text;

#[cfg(test)]
mod race_tests;
#[cfg(test)]
mod wire_tests;
