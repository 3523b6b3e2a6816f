//! The delta algorithm: the sums of a basis, the search for its blocks in the new file, and the token stream that
//! carries the result.
//!
//! spec: protocol 6.6, 7, 9

pub(crate) mod feed;
pub mod search;
pub(crate) mod signature;
pub mod standalone;
pub(crate) mod tokens;
pub(crate) mod whole;

mod effort;
mod index;

pub(crate) use feed::Intact;
pub use search::{search, SearchStats, TokenSink};
pub use signature::Signature;
pub use tokens::{Decoder, Token};
