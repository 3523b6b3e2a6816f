//! The vocabulary that the roles share: types without logic and without I/O.

pub mod at;
pub mod inbox;
pub mod request;

pub use at::At;
