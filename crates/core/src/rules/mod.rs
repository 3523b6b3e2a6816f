//! Filter rules: their grammar, the files they come from, matching, and their form on the wire. spec: filters.
//!
//! A [`RuleSet`] grows from options in order ([`build`]) or from the wire ([`RuleSet::from_wire`]); [`Rules`] is a set
//! compiled for one side of the transfer, to which names are put while walking. Nothing here opens a file: a
//! [`Reader`](set::Reader) gives their bytes.

pub(crate) mod chain;
mod compiled;
pub mod pattern;
pub(crate) mod rule;
pub(crate) mod set;
mod split;
pub(crate) mod vet;
pub mod wire;

#[cfg(test)]
mod tests;

pub(crate) use chain::Warning;
pub use chain::{RuleOptions, Rules};
pub(crate) use compiled::Match;
pub(crate) use rule::FROM_FILE;
pub use set::{build, BuildOptions, RuleSet, Source};
pub use vet::{Requested, Vetting};

/// A side of the transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Decides what enters the file list.
    Sender,
    /// Decides what is protected from deletion.
    Receiver,
}

/// What the first matching rule says. `NoMatch` counts as included, or at risk of deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A rule includes the name.
    Include,
    /// A rule excludes, hides or protects the name.
    Exclude,
    /// No rule matches.
    NoMatch,
}

impl Verdict {
    /// Excluded, hidden or protected?
    pub fn is_exclude(self) -> bool {
        self == Self::Exclude
    }
}
