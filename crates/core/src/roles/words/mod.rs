//! The vocabulary that the roles share: an entry of a list, a request and what answers it, and the generator's inbox.

pub(crate) mod at;
pub(crate) mod inbox;
pub(crate) mod request;

pub(crate) use at::At;
