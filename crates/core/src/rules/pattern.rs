//! Patterns of filter rules, compiled once and matched without allocation.
//!
//! spec: filters 10. Which string is compared and where a match may start are decided when a pattern is compiled; what
//! is left per name is a comparison of bytes for most patterns, and a glob with bounded backtracking for the rest.

/// One element of a glob.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`: any byte but a slash.
    Any,
    /// `[...]`, as a bit per byte value; the slash is never in it.
    Set(Box<[u64; 4]>),
    /// `*`: a run without slashes.
    Star,
    /// `**` and longer: any run.
    StarStar,
}

impl Token {
    #[inline]
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(b) => *b == byte,
            Self::Any => byte != b'/',
            Self::Set(bits) => bits[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1,
            Self::Star | Self::StarStar => false,
        }
    }
}

/// Backtracking steps after which a match continues by the table method, whose cost is bounded by the product of the
/// lengths (SEC-22). Honest patterns need a few hundred.
const STEPS: usize = 4096;

/// A compiled glob (spec: filters 10.4). An invalid set makes it match nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// `None`: can never match (an unknown class or an unterminated set).
    tokens: Option<Box<[Token]>>,
    /// The bytes that every match ends with, to refuse most names at once.
    tail: Box<[u8]>,
}

impl Glob {
    /// Compile the wildcards of `pattern`. Backslash escapes are recognised.
    pub fn new(pattern: &[u8]) -> Self {
        Self::from_tokens(parse(pattern))
    }

    fn from_tokens(tokens: Option<Vec<Token>>) -> Self {
        let mut tail: Vec<u8> = Vec::new();
        for token in tokens.iter().flatten().rev() {
            let Token::Byte(b) = token else { break };
            tail.push(*b);
        }
        tail.reverse();
        Self {
            tokens: tokens.map(Vec::into_boxed_slice),
            tail: tail.into_boxed_slice(),
        }
    }

    /// Does the whole of `text` match?
    pub fn matches(&self, text: &[u8]) -> bool {
        let Some(tokens) = &self.tokens else {
            return false;
        };
        if !text.ends_with(&self.tail) {
            return false;
        }
        greedy(tokens, text).unwrap_or_else(|| table(tokens, text))
    }
}

/// Match the whole of `text` against a pattern with wildcards (spec: filters 10.4).
pub fn wildmatch(pattern: &[u8], text: &[u8]) -> bool {
    Glob::new(pattern).matches(text)
}

fn parse(pattern: &[u8]) -> Option<Vec<Token>> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut i = 0;
    while let Some(&c) = pattern.get(i) {
        i += 1;
        match c {
            b'?' => out.push(Token::Any),
            b'*' => {
                let mut token = Token::Star;
                while pattern.get(i) == Some(&b'*') {
                    token = Token::StarStar;
                    i += 1;
                }
                out.push(token);
            }
            b'\\' => {
                // With nothing to escape, a backslash at the end matches nothing.
                out.push(Token::Byte(*pattern.get(i)?));
                i += 1;
            }
            b'[' => {
                let (bits, next) = parse_set(pattern, i)?;
                out.push(Token::Set(Box::new(bits)));
                i = next;
            }
            _ => out.push(Token::Byte(c)),
        }
    }
    Some(out)
}

/// The set that begins after the `[` before `start`: its bits and where the pattern goes on. `None` when it is invalid.
fn parse_set(pattern: &[u8], start: usize) -> Option<([u64; 4], usize)> {
    let mut bits = [0u64; 4];
    let mut put = |b: u8| bits[usize::from(b >> 6)] |= 1 << (b & 63);
    let mut i = start;
    let negated = matches!(pattern.get(i), Some(b'!' | b'^'));
    if negated {
        i += 1;
    }
    let mut first = true;
    // The byte that a following `-` makes the low end of a range; none after a range or a class.
    let mut low: Option<u8> = None;
    loop {
        let c = *pattern.get(i)?;
        if c == b']' && !first {
            i += 1;
            break;
        }
        first = false;
        if c == b'-' && low.is_some() && !matches!(pattern.get(i + 1), None | Some(b']')) {
            i += 1;
            let mut high = *pattern.get(i)?;
            if high == b'\\' {
                i += 1;
                high = *pattern.get(i)?;
            }
            for b in low.unwrap_or(high)..=high {
                put(b);
            }
            low = None;
            i += 1;
        } else if c == b'[' && pattern.get(i + 1) == Some(&b':') {
            let name_start = i + 2;
            let end = name_start + pattern[name_start..].iter().position(|&b| b == b']')?;
            if end == name_start || pattern[end - 1] != b':' {
                // Not a class after all: the bracket is one of the set's own bytes.
                put(b'[');
                low = Some(b'[');
                i += 1;
                continue;
            }
            let class = class(&pattern[name_start..end - 1])?;
            (0..=255u8).filter(|&b| class(b)).for_each(&mut put);
            low = None;
            i = end + 1;
        } else {
            let mut b = c;
            if b == b'\\' {
                i += 1;
                b = *pattern.get(i)?;
            }
            put(b);
            low = Some(b);
            i += 1;
        }
    }
    if negated {
        for word in &mut bits {
            *word = !*word;
        }
    }
    bits[usize::from(b'/' >> 6)] &= !(1 << (b'/' & 63));
    Some((bits, i))
}

fn class(name: &[u8]) -> Option<fn(u8) -> bool> {
    Some(match name {
        b"alnum" => |b| b.is_ascii_alphanumeric(),
        b"alpha" => |b| b.is_ascii_alphabetic(),
        b"blank" => |b| b == b' ' || b == b'\t',
        b"cntrl" => |b| b.is_ascii_control(),
        b"digit" => |b| b.is_ascii_digit(),
        b"graph" => |b| b.is_ascii_graphic(),
        b"lower" => |b| b.is_ascii_lowercase(),
        b"print" => |b| b.is_ascii_graphic() || b == b' ',
        b"punct" => |b| b.is_ascii_punctuation(),
        b"space" => |b| matches!(b, b' ' | 9..=13),
        b"upper" => |b| b.is_ascii_uppercase(),
        b"xdigit" => |b| b.is_ascii_hexdigit(),
        _ => return None,
    })
}

/// Greedy match. Only the last `*` and the last `**` are ever revisited: between two `*` every literal slash has one
/// possible place, so a longer match of an earlier star never helps; a `**` makes everything before it final. `None` when
/// [`STEPS`] did not decide.
fn greedy(tokens: &[Token], text: &[u8]) -> Option<bool> {
    let (mut p, mut t) = (0, 0);
    // Where to go on (token after the star, text position it was tried at).
    let mut star: Option<(usize, usize)> = None;
    let mut deep: Option<(usize, usize)> = None;
    let mut steps = 0;
    loop {
        match tokens.get(p) {
            Some(Token::Star) => {
                p += 1;
                star = Some((p, t));
                continue;
            }
            Some(Token::StarStar) => {
                p += 1;
                if p == tokens.len() {
                    return Some(true);
                }
                deep = Some((p, t));
                star = None;
                continue;
            }
            Some(token) if t < text.len() && token.takes(text[t]) => {
                p += 1;
                t += 1;
                continue;
            }
            None if t == text.len() => return Some(true),
            _ => {}
        }
        steps += 1;
        if steps > STEPS {
            return None;
        }
        if let Some((after, at)) = star {
            if at < text.len() && text[at] != b'/' {
                (p, t) = (after, at + 1);
                star = Some((after, t));
                continue;
            }
            star = None;
        }
        match deep {
            Some((after, at)) if at < text.len() => {
                (p, t) = (after, at + 1);
                deep = Some((after, t));
            }
            _ => return Some(false),
        }
    }
}

/// Match by the set of reachable text positions per token: no worse than length times length.
fn table(tokens: &[Token], text: &[u8]) -> bool {
    let mut now = vec![false; text.len() + 1];
    let mut next = now.clone();
    now[0] = true;
    for token in tokens {
        next.fill(false);
        match token {
            Token::Star | Token::StarStar => {
                let mut open = false;
                for (i, reached) in now.iter().enumerate() {
                    if i > 0 && *token == Token::Star && text[i - 1] == b'/' {
                        open = false;
                    }
                    open |= *reached;
                    next[i] = open;
                }
            }
            _ => {
                for (i, byte) in text.iter().enumerate() {
                    next[i + 1] = now[i] && token.takes(*byte);
                }
            }
        }
        std::mem::swap(&mut now, &mut next);
    }
    now[text.len()]
}

/// What a pattern is compared with (spec: filters 10.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The last component of the name.
    Base,
    /// The name relative to the transfer root.
    Name,
    /// The name below a directory whose relative path has this length.
    Below(usize),
    /// The absolute path, without its leading slash, from this offset on.
    Absolute(usize),
}

/// Where in the subject a match may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Whole,
    /// Only the last components, this many.
    Tail(usize),
    /// The start, or after any slash.
    AnySlash,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Matcher {
    Exact(Box<[u8]>),
    /// Equal to a trailing run of whole components.
    TailExact(Box<[u8]>),
    /// A lone `*` against the last component.
    All,
    /// `*` and a literal, against the last component.
    Suffix(Box<[u8]>),
    /// A literal and `*`, against the last component.
    Prefix(Box<[u8]>),
    Globs {
        position: Position,
        any: Box<[Glob]>,
        /// Further forms that only directories match (`a/***` and the directory `a`).
        dirs: Box<[Glob]>,
    },
}

/// A rule's pattern, ready to match. `pattern` is without the trailing slash that marks directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What to hand to [`Pattern::matches`].
    pub subject: Subject,
    matcher: Matcher,
}

impl Pattern {
    /// Compile (spec: filters 10.2, 10.3). `absolute`: the rule has the `/` modifier. `base`: for an anchored pattern of
    /// a per-directory file, what the part below that file's directory is.
    pub fn new(pattern: &[u8], absolute: bool, base: Option<Subject>) -> Self {
        let slashes = memchr::memchr_iter(b'/', pattern).count();
        let wild = pattern.iter().any(|b| matches!(b, b'*' | b'?' | b'['));
        let deep = pattern.windows(2).any(|w| w == b"**");
        let deep_start = pattern.starts_with(b"**");
        let deep_end = pattern.ends_with(b"***");
        let anchored = pattern.first() == Some(&b'/');
        let literal = if anchored { &pattern[1..] } else { pattern };

        let subject = if anchored && !absolute && base.is_some() {
            base.unwrap_or(Subject::Name)
        } else if slashes == 0 && !deep {
            Subject::Base
        } else if absolute {
            Subject::Absolute(0)
        } else {
            Subject::Name
        };
        let position = if anchored || deep_start || (slashes == 0 && !deep) {
            Position::Whole
        } else if deep {
            Position::AnySlash
        } else {
            Position::Tail(slashes + 1)
        };
        if !wild {
            let text = literal.into();
            let matcher = if position == Position::Whole {
                Matcher::Exact(text)
            } else {
                Matcher::TailExact(text)
            };
            return Self { subject, matcher };
        }
        if subject == Subject::Base {
            let plain = |part: &[u8]| !part.iter().any(|b| matches!(b, b'*' | b'?' | b'[' | b'\\'));
            let matcher = match (literal.first(), literal.last()) {
                (Some(b'*'), _) if literal.len() == 1 => Some(Matcher::All),
                (Some(b'*'), _) if plain(&literal[1..]) => Some(Matcher::Suffix(literal[1..].into())),
                (_, Some(b'*')) if plain(&literal[..literal.len() - 1]) => {
                    Some(Matcher::Prefix(literal[..literal.len() - 1].into()))
                }
                _ => None,
            };
            if let Some(matcher) = matcher {
                return Self { subject, matcher };
            }
        }
        let tokens = parse(literal);
        let mut forms = vec![tokens];
        // `**/foo` is compared with a slash in front of the name: the stars take that slash, or the pattern's own does.
        if deep_start && subject == Subject::Name {
            if let Some(tokens) = &forms[0] {
                if tokens.get(1) == Some(&Token::Byte(b'/')) {
                    forms.push(Some(tokens[2..].to_vec()));
                }
            }
        }
        // `a/***` is compared with a slash after the name of a directory: the same at the other end.
        let mut dirs = Vec::new();
        if deep_end {
            for tokens in forms.iter().flatten() {
                if let [head @ .., Token::Byte(b'/'), Token::StarStar] = tokens.as_slice() {
                    dirs.push(Glob::from_tokens(Some(head.to_vec())));
                }
            }
        }
        let any = forms.into_iter().map(Glob::from_tokens).collect();
        Self {
            subject,
            matcher: Matcher::Globs {
                position,
                any,
                dirs: dirs.into_boxed_slice(),
            },
        }
    }

    /// Does the pattern match its subject? `text` is what [`Pattern::subject`] says.
    #[inline]
    pub fn matches(&self, text: &[u8], is_dir: bool) -> bool {
        match &self.matcher {
            Matcher::Exact(want) => text == &want[..],
            Matcher::TailExact(want) => {
                text.ends_with(want) && (text.len() == want.len() || text[text.len() - want.len() - 1] == b'/')
            }
            Matcher::All => true,
            Matcher::Suffix(want) => text.ends_with(want),
            Matcher::Prefix(want) => text.starts_with(want),
            Matcher::Globs { position, any, dirs } => {
                let hit = |text: &[u8]| {
                    any.iter().any(|g| g.matches(text)) || (is_dir && dirs.iter().any(|g| g.matches(text)))
                };
                match position {
                    Position::Whole => hit(text),
                    Position::Tail(components) => last_components(text, *components).is_some_and(hit),
                    Position::AnySlash => {
                        hit(text) || memchr::memchr_iter(b'/', text).any(|slash| hit(&text[slash + 1..]))
                    }
                }
            }
        }
    }
}

/// The last `count` components; `None` when there are fewer (slashes of a pattern also count where they stand in a set).
fn last_components(text: &[u8], count: usize) -> Option<&[u8]> {
    let mut slashes = memchr::memrchr_iter(b'/', text);
    if count > 1 {
        slashes.nth(count - 2)?;
    }
    Some(slashes.next().map_or(text, |slash| &text[slash + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sets_and_escapes() {
        for (pattern, text, want) in [
            ("f[]o]o", "f]o", true),
            ("f[a\\]]o", "f]o", true),
            ("f[!]]o", "f]o", false),
            ("f[-a]o", "f-o", true),
            ("f[a-]o", "f-o", true),
            ("f[[:bogus:]]o", "foo", false),
            ("f[[:alpha:]]o", "foo", true),
            ("f[o", "f[o", false),
            ("[/]foo", "/foo", false),
            ("[!a]foo", "/foo", false),
            ("*\\", "a\\", false),
            ("a*", "a/b", false),
            ("a**", "a/b", true),
            ("**/*.c", "a/b/c.c", true),
            ("*/*.c", "a/b/c.c", false),
        ] {
            assert_eq!(wildmatch(pattern.as_bytes(), text.as_bytes()), want, "{pattern} {text}");
        }
    }

    #[test]
    fn backtracking_is_bounded() {
        let pattern = [b"**a*".repeat(400), b"b".to_vec()].concat();
        let text = b"a".repeat(4000);
        assert!(!wildmatch(&pattern, &text));
        let pattern = [
            b"**".to_vec(),
            b"a".repeat(500),
            b"*".to_vec(),
            b"a".repeat(500),
            b"?b?".to_vec(),
        ]
        .concat();
        assert!(!wildmatch(&pattern, &text));
    }

    proptest! {
        #[test]
        fn both_methods_agree(pattern in "[ab/*?]{0,12}", text in "[ab/]{0,14}") {
            let tokens = parse(pattern.as_bytes()).unwrap();
            prop_assert_eq!(greedy(&tokens, text.as_bytes()), Some(table(&tokens, text.as_bytes())));
        }

        #[test]
        fn no_pattern_panics(pattern in proptest::collection::vec(any::<u8>(), 0..40), text in proptest::collection::vec(any::<u8>(), 0..40)) {
            wildmatch(&pattern, &text);
            let compiled = Pattern::new(&pattern, false, None);
            compiled.matches(&text, true);
        }
    }
}
