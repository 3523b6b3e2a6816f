//! The vocabulary that the roles share: a request and what answers it, and the generator's inbox.

pub(crate) mod estimate;
pub(crate) mod inbox;
pub(crate) mod request;
