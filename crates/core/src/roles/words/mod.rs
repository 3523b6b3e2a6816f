//! The vocabulary that the roles share: an entry of a list, a request and what answers it, and the generator's inbox.

pub mod at;
pub mod inbox;
pub mod request;

pub use at::At;
