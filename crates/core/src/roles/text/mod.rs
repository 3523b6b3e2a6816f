//! What several roles print.

pub mod listing;
