//! What several roles print.

pub(super) mod items;
pub(super) mod link_text;
pub(super) mod listing;
pub(super) mod messages;
