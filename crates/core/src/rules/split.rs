//! Cutting texts into rules: the lines of a rule file, and the strings of daemon parameters (spec: filters 2.2, 3).

use super::rule::is_space;

/// Lines ending in LF, CR or CRLF, or NUL-terminated entries. A CRLF counts as one line.
pub(super) struct Lines<'a> {
    pub rest: &'a [u8],
    pub nul: bool,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let nul = self.nul;
        let end = |c: &u8| {
            if nul {
                *c == 0
            } else {
                matches!(c, b'\n' | b'\r')
            }
        };
        let at = self.rest.iter().position(end).unwrap_or(self.rest.len());
        let line = &self.rest[..at];
        let eaten = if !nul && self.rest[at..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        self.rest = self.rest.get(at + eaten..).unwrap_or_default();
        Some(line)
    }
}

/// The first rule of a daemon's `filter` string and what follows it: blanks separate, and the separator inside a rule is
/// understood.
pub(super) fn next_blank_separated(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = skip_blanks(text);
    let blank = |c: &u8| is_space(*c);
    let word = text
        .iter()
        .position(blank)
        .or((!text.is_empty()).then_some(text.len()))?;
    // A word without `_` in it is a prefix and modifiers; its pattern is the next one. `!` and `-C` have no pattern.
    let head = &text[..word];
    let complete = head.contains(&b'_')
        || matches!(head, b"!" | b"clear")
        || (head.contains(&b'C') && matches!(head[0], b'-' | b'+' | b'e' | b'i'))
        || word == text.len();
    let mut end = word;
    if !complete {
        end = word + 1;
        end += text[end..].iter().position(blank).unwrap_or(text.len() - end);
    }
    Some((&text[..end], &text[end..]))
}

/// Not `trim_ascii_start`, for which a vertical tab is no blank: what ends a word must be skipped here.
pub(super) fn skip_blanks(text: &[u8]) -> &[u8] {
    let begin = text.iter().position(|c| !is_space(*c)).unwrap_or(text.len());
    &text[begin..]
}

/// Cut a daemon's `include` or `exclude` string into patterns; `- ` and `+ ` stay with their pattern.
pub(super) fn old_style_words(text: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = skip_blanks(rest);
        if rest.is_empty() {
            return out;
        }
        let start = if rest.len() > 2 && matches!(&rest[..2], b"- " | b"+ ") {
            2
        } else {
            0
        };
        let end = start
            + rest[start..]
                .iter()
                .position(|c| is_space(*c))
                .unwrap_or(rest.len() - start);
        out.push(&rest[..end]);
        rest = &rest[end..];
    }
}
