//! The vocabulary that the roles share: types without logic and without I/O.

pub(crate) mod at;
pub(crate) mod inbox;
pub(crate) mod request;

pub(crate) use at::At;
