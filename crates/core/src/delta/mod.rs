//! The delta algorithm: the sums of a basis, the search for its blocks in the new file, and the token stream that
//! carries the result.
//!
//! spec: protocol 6.6, 7, 9

pub mod feed;
pub mod search;
pub mod signature;
pub mod standalone;
pub mod tokens;
pub mod whole;

mod effort;
mod index;

pub use feed::{Feed, Intact, Problem};
pub use search::{search, SearchStats, TokenSink};
pub use signature::Signature;
pub use tokens::{Decoder, Encoder, Token};
