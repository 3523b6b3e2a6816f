//! Patterns against names (spec: filters 10.4), both of them random: right by a slow and plain matcher where that can
//! say, and never slow (security SEC-22).
#![no_main]

use libfuzzer_sys::fuzz_target;
use tain_core::rules::pattern::{wildmatch, Glob, Pattern, Subject};
use tain_fuzz::Choices;

/// `*`, `**`, `?`, backslash and plain bytes, by the definition; `None` where a set stands in the pattern or the work is
/// too much.
fn plain(pattern: &[u8], text: &[u8], fuel: &mut u32) -> Option<bool> {
    *fuel = fuel.checked_sub(1)?;
    let Some((&p, rest)) = pattern.split_first() else {
        return Some(text.is_empty());
    };
    match p {
        b'[' => None,
        b'?' => match text.split_first() {
            Some((&c, after)) if c != b'/' => plain(rest, after, fuel),
            _ => Some(false),
        },
        b'*' => {
            let deep = rest.first() == Some(&b'*');
            let stars = rest.iter().take_while(|&&b| b == b'*').count();
            let rest = &rest[stars..];
            for at in 0..=text.len() {
                if plain(rest, &text[at..], fuel)? {
                    return Some(true);
                }
                if !deep && text.get(at) == Some(&b'/') {
                    return Some(false);
                }
            }
            Some(false)
        }
        b'\\' => match rest.split_first() {
            Some((q, rest)) => match text.split_first() {
                Some((c, after)) if c == q => plain(rest, after, fuel),
                _ => Some(false),
            },
            // What a backslash at the end means is for the matcher's own tests.
            None => None,
        },
        _ => match text.split_first() {
            Some((&c, after)) if c == p => plain(rest, after, fuel),
            _ => Some(false),
        },
    }
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let flags = choices.byte();
    let len = usize::from(choices.byte()) | usize::from(choices.byte()) << 8;
    let pattern = choices.take(len);
    let text = choices.rest();
    let matched = wildmatch(pattern, text);
    assert_eq!(Glob::new(pattern).matches(text), matched);
    if !pattern.contains(&b'[') {
        if let Some(right) = plain(pattern, text, &mut 20_000) {
            assert_eq!(matched, right, "{pattern:?} {text:?}");
        }
    }
    let base = [None, Some(Subject::Below(text.len().min(2)))][usize::from(flags & 1)];
    let compiled = Pattern::new(pattern, flags & 2 != 0, base);
    let _ = (compiled.matches(text, true), compiled.matches(text, false));
});
