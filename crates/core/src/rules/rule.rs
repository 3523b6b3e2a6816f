//! One rule: its grammar and its canonical text. spec: filters 2.

use crate::error::{bail, Error, Result};

/// How a rule from a file is shown that was read before this directory.
pub(crate) const FROM_FILE: &str = "<rule from a file read earlier>";

/// What a rule does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// `-` or `+` and a pattern.
    #[default]
    Pattern,
    /// `:`: a file looked for in each directory.
    PerDir,
    /// `.`: a file read now.
    Merge,
    /// `-C`, `+C`: the global CVS list stands here.
    CvsList,
    /// `!`: empty the list.
    Clear,
}

/// A parsed rule. `sender` and `receiver` both false: the rule names no side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    pub kind: Kind,
    /// The pattern without the trailing slash that marks directories; a merge file's name as written.
    pub pattern: Vec<u8>,
    pub include: bool,
    pub dir_only: bool,
    /// `/`
    pub absolute: bool,
    /// `!`
    pub negate: bool,
    /// `s`
    pub sender: bool,
    /// `r`
    pub receiver: bool,
    /// `p`
    pub perishable: bool,
    /// `x`
    pub xattr: bool,
    /// Merges, `C`: CVS parsing (implies the next three).
    pub cvs: bool,
    /// Merges, `n`.
    pub no_inherit: bool,
    /// Merges, `w`.
    pub word_split: bool,
    /// Merges, `-` and `+` (which one is `include`).
    pub no_prefixes: bool,
    /// Merges, `e`.
    pub exclude_self: bool,
    /// The text came from a file and is never shown (SEC-13).
    pub from_file: bool,
    /// Part of the global CVS list.
    pub global_cvs: bool,
}

impl Rule {
    /// A plain rule without modifiers; a trailing slash of `pattern` marks directories (spec: filters 10.2).
    pub fn plain(pattern: &[u8], include: bool) -> Self {
        let mut rule = Self {
            include,
            ..Self::default()
        };
        rule.set_pattern(pattern);
        rule
    }

    fn set_pattern(&mut self, pattern: &[u8]) {
        self.dir_only = self.kind == Kind::Pattern && pattern.len() > 1 && pattern.ends_with(b"/");
        let end = pattern.len() - usize::from(self.dir_only);
        self.pattern = pattern[..end].to_vec();
    }

    /// Prefix and modifiers in the wire's order, with `perishable` shown or not.
    pub(super) fn head(&self, perishable: bool) -> Vec<u8> {
        let mut out = vec![match self.kind {
            Kind::PerDir => b':',
            Kind::Merge => b'.',
            Kind::Clear => return b"!".to_vec(),
            Kind::Pattern | Kind::CvsList if self.include => b'+',
            Kind::Pattern | Kind::CvsList => b'-',
        }];
        let mut put = |on: bool, c: u8| {
            if on {
                out.push(c);
            }
        };
        put(self.absolute, b'/');
        put(self.negate, b'!');
        put(self.cvs || self.kind == Kind::CvsList, b'C');
        if !self.cvs {
            put(self.no_inherit, b'n');
            put(self.word_split, b'w');
            put(self.no_prefixes, if self.include { b'+' } else { b'-' });
        }
        put(self.exclude_self, b'e');
        put(self.xattr, b'x');
        put(self.sender, b's');
        put(self.receiver, b'r');
        put(perishable && self.perishable, b'p');
        out
    }

    /// The pattern with the trailing slash put back.
    pub fn pattern_text(&self) -> Vec<u8> {
        let mut out = self.pattern.clone();
        if self.dir_only {
            out.push(b'/');
        }
        out
    }

    /// Canonical new-style text (spec: filters 11.2).
    pub fn text(&self) -> Vec<u8> {
        let mut out = self.head(true);
        if self.kind != Kind::Clear {
            out.push(b' ');
            out.extend_from_slice(&self.pattern_text());
        }
        out
    }

    /// Name without its directories, for per-directory files.
    pub fn base_name(&self) -> &[u8] {
        base_name(&self.pattern)
    }
}

pub(super) fn base_name(path: &[u8]) -> &[u8] {
    match memchr::memrchr(b'/', path) {
        Some(slash) => &path[slash + 1..],
        None => path,
    }
}

/// How a rule is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// With a prefix: `--filter`, merge files, the wire from protocol 29.
    #[default]
    New,
    /// A pattern with an optional `- ` or `+ `, or a lone `!`: `--exclude` and the like.
    Old,
    /// A pattern and nothing else: merge files with the `-` or `+` modifier.
    Bare,
}

/// What a rule takes from where it is written (spec: filters 2, last paragraph but one).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Template {
    pub style: Style,
    /// Old and bare styles: the default is to include.
    pub include: bool,
    /// Tokens end at whitespace; no comments.
    pub word_split: bool,
    /// CVS parsing: a lone `!` clears, also in bare style.
    pub cvs: bool,
    pub absolute: bool,
    pub perishable: bool,
    pub xattr: bool,
    pub sender: bool,
    pub receiver: bool,
}

impl Template {
    /// New-style rules.
    pub fn new_style() -> Self {
        Self::default()
    }

    /// Old-style rules that include or exclude.
    pub fn old_style(include: bool) -> Self {
        Self {
            style: Style::Old,
            include,
            ..Self::default()
        }
    }

    /// How the lines of the file that a merge rule names are to be read.
    pub fn of_merge(rule: &Rule) -> Self {
        Self {
            style: if rule.no_prefixes { Style::Bare } else { Style::New },
            include: rule.include,
            word_split: rule.word_split,
            cvs: rule.cvs,
            absolute: rule.absolute,
            perishable: rule.perishable,
            // `x` stays with the merge rule.
            xattr: false,
            sender: rule.sender,
            receiver: rule.receiver,
        }
    }
}

/// Where a rule's text came from, for messages. Text read from a file is never shown (SEC-13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Options and the wire: the text is shown.
    Text,
    /// Read from a file; this stands for the text: `F line 3`, `a file named at F line 3`.
    File(String),
}

impl Origin {
    /// The text as a message shows it.
    pub(crate) fn show(&self, text: &[u8]) -> String {
        match self {
            Self::Text => String::from_utf8_lossy(text).into_owned(),
            Self::File(place) => format!("<rule from {place}>"),
        }
    }
}

const WORDS: [(&[u8], u8); 9] = [
    (b"exclude", b'-'),
    (b"include", b'+'),
    (b"merge", b'.'),
    (b"dir-merge", b':'),
    (b"hide", b'H'),
    (b"show", b'S'),
    (b"protect", b'P'),
    (b"risk", b'R'),
    (b"clear", b'!'),
];

/// The prefix letter and the position after it. A word counts only before the end, a blank, `_` or `,`.
fn prefix(text: &[u8]) -> Option<(u8, usize)> {
    match text.first()? {
        c @ (b'-' | b'+' | b'.' | b':' | b'H' | b'S' | b'P' | b'R' | b'!') => Some((*c, 1)),
        _ => WORDS.iter().find_map(|(word, letter)| {
            let rest = text.strip_prefix(*word)?;
            let ends = rest.first().is_none_or(|c| is_space(*c) || matches!(c, b'_' | b','));
            ends.then_some((*letter, word.len()))
        }),
    }
}

pub(super) fn is_space(c: u8) -> bool {
    matches!(c, b' ' | 9..=13)
}

/// Parse one rule. `None`: an empty text, which is no rule.
/// Errors: `Usage`, with the texts of spec filters 2.1.
pub(crate) fn parse(text: &[u8], template: &Template, origin: &Origin) -> Result<Option<Rule>> {
    if text.is_empty() {
        return Ok(None);
    }
    let unexpected_end = || Error::Usage(format!("unexpected end of filter rule: {}", origin.show(text)));
    let mut rule = Rule {
        from_file: *origin != Origin::Text,
        absolute: template.absolute,
        perishable: template.perishable,
        xattr: template.xattr,
        ..Rule::default()
    };
    let pattern = match template.style {
        Style::Old | Style::Bare => {
            if text == b"!" && (template.style == Style::Old || template.cvs) {
                rule.kind = Kind::Clear;
                return Ok(Some(rule));
            }
            rule.include = template.include;
            match text {
                [c @ (b'-' | b'+'), b' ', rest @ ..] if template.style == Style::Old => {
                    rule.include = *c == b'+';
                    rest
                }
                _ => text,
            }
        }
        Style::New => {
            let at = new_style(&mut rule, text, template, origin)?;
            if rule.kind == Kind::Clear {
                return Ok(Some(rule));
            }
            &text[at..]
        }
    };
    if template.sender || template.receiver {
        if rule.sender || rule.receiver {
            let shown = origin.show(text);
            bail!(Usage; "specified-side merge file contains specified-side filter: {shown}");
        }
        rule.sender = template.sender;
        rule.receiver = template.receiver;
    }
    match rule.kind {
        Kind::CvsList => {}
        Kind::Merge | Kind::PerDir if rule.cvs && pattern.is_empty() => {
            rule.pattern = b".cvsignore".to_vec();
        }
        _ if pattern.is_empty() => return Err(unexpected_end()),
        _ => rule.set_pattern(pattern),
    }
    Ok(Some(rule))
}

/// Prefix, modifiers and separator; gives where the pattern begins.
fn new_style(rule: &mut Rule, text: &[u8], template: &Template, origin: &Origin) -> Result<usize> {
    let Some((letter, mut at)) = prefix(text) else {
        bail!(Usage; "Unknown filter rule: {}", origin.show(text));
    };
    if text.get(at) == Some(&b',') {
        at += 1;
    }
    match letter {
        b'+' | b'S' | b'R' => rule.include = true,
        b'.' | b':' => {
            rule.kind = if letter == b'.' { Kind::Merge } else { Kind::PerDir };
            rule.include = template.include;
        }
        b'!' => {
            rule.kind = Kind::Clear;
            if at < text.len() {
                let shown = origin.show(text);
                bail!(Usage; "'!' rule has trailing characters: {shown}");
            }
        }
        _ => {}
    }
    rule.sender = matches!(letter, b'H' | b'S');
    rule.receiver = matches!(letter, b'P' | b'R');
    let sided = rule.sender || rule.receiver;
    let merge = matches!(rule.kind, Kind::Merge | Kind::PerDir);
    while let Some(&c) = text.get(at) {
        match c {
            b' ' | b'_' => return Ok(at + 1),
            b'/' => rule.absolute = true,
            b'!' if !merge => rule.negate = true,
            b'-' | b'+' if merge && !rule.no_prefixes => {
                rule.no_prefixes = true;
                rule.include = c == b'+';
            }
            b'C' if merge && !rule.no_prefixes => {
                rule.cvs = true;
                rule.no_prefixes = true;
                rule.include = false;
                rule.word_split = true;
                rule.no_inherit = true;
            }
            b'C' if !merge && !sided => rule.kind = Kind::CvsList,
            b'e' if merge => rule.exclude_self = true,
            b'n' if merge => rule.no_inherit = true,
            b'w' if merge => rule.word_split = true,
            b's' if !sided => rule.sender = true,
            b'r' if !sided => rule.receiver = true,
            b'p' => rule.perishable = true,
            b'x' => rule.xattr = true,
            _ => {
                let which = match origin {
                    Origin::Text => {
                        format!(" '{}' at position {at}", String::from_utf8_lossy(&[c]))
                    }
                    Origin::File(_) => String::new(),
                };
                let shown = origin.show(text);
                bail!(Usage; "invalid modifier{which} in filter rule: {shown}");
            }
        }
        at += 1;
    }
    Ok(at)
}
