//! Filter rules: their grammar, the files they come from, matching, and their form on the wire. spec: filters.
//!
//! A [`RuleSet`] grows from options in order ([`build`]) or from the wire ([`RuleSet::from_wire`]); [`Rules`] is a set
//! compiled for one side of the transfer, to which names are put while walking. Nothing here opens a file: a
//! [`Reader`] gives their bytes.

pub mod chain;
mod compiled;
pub mod pattern;
pub mod rule;
pub mod set;
mod split;
pub mod vet;
pub mod wire;

#[cfg(test)]
mod tests;

pub use chain::{RuleOptions, Rules, Warning};
pub use compiled::Match;
pub use rule::{Kind, Rule, Template, FROM_FILE};
pub use set::{build, BuildOptions, Reader, RuleSet, Source};
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
    Include,
    Exclude,
    NoMatch,
}

impl Verdict {
    /// Excluded, hidden or protected?
    pub fn is_exclude(self) -> bool {
        self == Self::Exclude
    }
}
