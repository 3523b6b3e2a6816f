//! The lines of a rule file (spec: filters 3).

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
