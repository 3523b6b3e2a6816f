//! Rules on the wire. spec: filters 11, protocol 2.8, protocol-old 2.6.

use super::rule::{Kind, Rule, Template};
use super::set::{BuildOptions, Reader, RuleSet};
use super::Side;
use crate::error::{bail, Error, Result};

/// The same for a reader below protocol 27.
const OLD_MAX_RULE: usize = 4096;

const TOO_MODERN: &str = "filter rules are too modern for remote rsync.";

impl RuleSet {
    /// The texts to send to a server that is `server` side of the transfer (a push: `Receiver`; a pull: `Sender`).
    /// Whether the list is sent at all is spec filters 11.1.
    /// Errors: `Protocol` (2) when a rule has no form in this protocol.
    pub fn to_wire(&self, protocol: u8, server: Side, delete_excluded: bool) -> Result<Vec<Vec<u8>>> {
        let push = server == Side::Receiver;
        let mut out = Vec::new();
        for item in &self.items {
            // A pulling client leaves the rules of `-C` to the server, which has the option.
            if item.option && (!push || (protocol < 29 && item.rule.kind == Kind::PerDir)) {
                continue;
            }
            let rule = &item.rule;
            if elided(rule, server, delete_excluded) {
                continue;
            }
            if rule.kind == Kind::CvsList && (push || protocol < 29) {
                for rule in &item.cvs {
                    out.push(wire_text(rule, protocol, push)?);
                }
            } else {
                out.push(wire_text(rule, protocol, push)?);
            }
        }
        Ok(out)
    }

    /// Build from received texts. From protocol 29 on they are new-style rules, and merges are read here.
    pub fn from_wire(texts: &[Vec<u8>], options: &BuildOptions, read: &mut Reader<'_>) -> Result<Self> {
        let template = if options.protocol >= 29 {
            Template::new_style()
        } else {
            Template::old_style(false)
        };
        let mut set = Self::default();
        for text in texts {
            set.add_rule_text(text, &template, options, read)?;
        }
        Ok(set)
    }
}

/// Is the rule of no use to this side (spec: filters 5, 11.2)?
pub(super) fn elided(rule: &Rule, side: Side, delete_excluded: bool) -> bool {
    if rule.sender || rule.receiver {
        return match side {
            Side::Sender => !rule.sender,
            Side::Receiver => !rule.receiver,
        };
    }
    // `--delete-excluded` makes plain rules the sender's; a `:` file may still hold receiver rules unless its lines are
    // bare patterns.
    delete_excluded && side == Side::Receiver && (rule.kind != Kind::PerDir || rule.no_prefixes)
}

fn wire_text(rule: &Rule, protocol: u8, push: bool) -> Result<Vec<u8>> {
    let too_modern = || Error::Protocol(TOO_MODERN.into());
    // A built-in CVS rule loses its `p` for an old peer; one that a user wrote matters to a receiver.
    if rule.perishable && protocol < 30 && push && !rule.global_cvs {
        return Err(too_modern());
    }
    if protocol >= 29 {
        let mut out = rule.head(protocol >= 30);
        out.push(b' ');
        out.extend_from_slice(&rule.pattern_text());
        return Ok(out);
    }
    if rule.kind != Kind::Pattern || rule.absolute || rule.negate || rule.xattr {
        return Err(too_modern());
    }
    let pattern = rule.pattern_text();
    let ambiguous = pattern.starts_with(b"- ") || pattern.starts_with(b"+ ");
    let text = match (rule.include, ambiguous) {
        (true, _) => [b"+ ", &pattern[..]].concat(),
        (false, true) => [b"- ", &pattern[..]].concat(),
        (false, false) => pattern,
    };
    if protocol < 27 && text.len() >= OLD_MAX_RULE {
        bail!(Protocol; "filter rule of {} bytes is too long for remote rsync.", text.len());
    }
    Ok(text)
}
