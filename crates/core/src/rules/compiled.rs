//! Compiled rules, one at a time: what a name is asked about, and the rule that answers (spec: filters 10, 12).

use std::sync::Arc;

use super::pattern::{Pattern, Subject};
use super::rule::{Rule, Template, FROM_FILE};
use super::set::Place;
use super::{Side, Verdict};

#[derive(Debug)]
pub(super) struct Compiled {
    pub rule: Rule,
    pub pattern: Pattern,
    pub place: Option<Place>,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Rule(Arc<Compiled>),
    /// The per-directory list with this number stands here.
    PerDir(usize),
}

/// The rules of one directory's file, and behind them those inherited.
#[derive(Debug)]
pub(super) struct Frame {
    pub nodes: Vec<Node>,
    pub parent: Option<Arc<Frame>>,
}

#[derive(Debug)]
pub(super) struct MergeList {
    pub template: Template,
    pub name: Vec<u8>,
    pub no_inherit: bool,
    /// The path part of the name, until the parent scan is done.
    pub scan: Option<Vec<u8>>,
    /// As debug lines name the list.
    pub shown: String,
    /// The rule that names it stood in a file, so that nothing of it is shown.
    pub from_file: bool,
    /// Only for the other side: it keeps its place, and is never read.
    pub elided: bool,
    pub current: Option<Arc<Frame>>,
}

pub(super) struct Query<'a> {
    pub name: &'a [u8],
    pub base: &'a [u8],
    pub absolute: &'a [u8],
    pub is_dir: bool,
    pub ignore_perishable: bool,
    pub xattr: bool,
}

impl Query<'_> {
    #[inline]
    pub(super) fn hits(&self, compiled: &Compiled) -> bool {
        let rule = &compiled.rule;
        if rule.xattr != self.xattr || (self.ignore_perishable && rule.perishable) {
            return false;
        }
        let matched = (self.is_dir || !rule.dir_only) && {
            let subject = match compiled.pattern.subject {
                Subject::Base => Some(self.base),
                Subject::Name | Subject::Below(0) => Some(self.name),
                Subject::Below(length) => self.name.get(length + 1..),
                Subject::Absolute(skip) => self.absolute.get(skip..),
            };
            subject.is_some_and(|text| compiled.pattern.matches(text, self.is_dir))
        };
        matched != rule.negate
    }
}

/// The rule that decided, for messages.
#[derive(Debug, Clone, Copy)]
pub struct Match<'a> {
    pub(super) compiled: &'a Compiled,
    pub(super) list: Option<&'a MergeList>,
}

impl Match<'_> {
    pub fn verdict(&self) -> Verdict {
        if self.compiled.rule.include {
            Verdict::Include
        } else {
            Verdict::Exclude
        }
    }

    /// The text of the rule, also if it came from a file.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.compiled.rule.text()
    }

    /// The file that has the rule, and the line; 0 in a file of words. A per-directory file is named below the transfer
    /// root, another file as the user named it.
    pub(crate) fn place(&self) -> Option<(&[u8], usize)> {
        self.compiled.place.as_ref().map(|place| (&*place.file, place.line))
    }

    /// The pattern as messages show it; text from a file is replaced (SEC-13).
    pub fn pattern(&self) -> String {
        let rule = &self.compiled.rule;
        if rule.from_file {
            return FROM_FILE.into();
        }
        String::from_utf8_lossy(&rule.pattern_text()).into_owned()
    }

    /// `hiding file foo because of pattern *.o`, without the `[role] ` in front (spec: filters 12). `kind` is `file`,
    /// `directory` or `xattr`.
    pub fn debug_line(&self, side: Side, kind: &str, name: &[u8]) -> String {
        let verb = match (side, self.compiled.rule.include) {
            (Side::Sender, true) => "showing",
            (Side::Sender, false) => "hiding",
            (Side::Receiver, true) => "risking",
            (Side::Receiver, false) => "protecting",
        };
        let list = match self.list {
            Some(list) => list.suffix(),
            None if self.compiled.rule.global_cvs => " [global CVS]".into(),
            None => String::new(),
        };
        let name = String::from_utf8_lossy(name);
        format!("{verb} {kind} {name} because of pattern {}{list}", self.pattern())
    }
}

impl MergeList {
    pub(super) fn suffix(&self) -> String {
        format!(" [per-dir {}]", self.shown)
    }
}
