//! What several roles print.

pub mod items;
pub mod link_text;
pub mod listing;
pub mod messages;
