//! Names as a peer sends them: clean-up and refusals (spec: protocol 5.3, security SEC-11).

use crate::error::{bail, Result};
use std::fmt::Write;

/// Longest component of a name in bytes.
pub(crate) const MAX_COMPONENT: usize = 255;

/// A name as an error message shows it: control characters and bytes that are not UTF-8 as `\#ooo`.
pub(crate) fn shown(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                let mut buf = [0; 4];
                for b in c.encode_utf8(&mut buf).bytes() {
                    let _ = write!(out, "\\#{b:03o}");
                }
            } else {
                out.push(c);
            }
        }
        for b in chunk.invalid() {
            let _ = write!(out, "\\#{b:03o}");
        }
    }
    out
}

/// Check and clean a received name in place: `//` and `/./` collapse, a trailing slash goes, nothing left is `.`.
/// An absolute name keeps its leading slash where `relative` allows it. Cleaning a clean name changes nothing.
///
/// Errors: `Unsupported` (4) for a `..` component, or an absolute name without `relative`; `Protocol` (2) for an empty
/// name, a NUL, or a component over [`MAX_COMPONENT`] bytes.
pub(crate) fn clean(name: &mut Vec<u8>, relative: bool) -> Result<()> {
    if name.is_empty() || memchr::memchr(0, name).is_some() {
        bail!(Protocol; "invalid file name from sender: \"{}\"", shown(name));
    }
    let absolute = name[0] == b'/';
    let mut untidy = name.len() > 1 && name.ends_with(b"/");
    let body = &name[usize::from(absolute)..];
    let mut unsafe_name = absolute && !relative;
    for part in parts(body) {
        match part {
            b".." => unsafe_name = true,
            b"" | b"." => untidy |= body.len() > part.len(),
            _ if part.len() > MAX_COMPONENT => {
                bail!(Protocol; "file name component too long from sender: {}", shown(name))
            }
            _ => {}
        }
    }
    if unsafe_name {
        bail!(Unsupported; "ABORTING due to unsafe pathname from sender: {}", shown(name));
    }
    if untidy || (absolute && body == b".") {
        let mut tidy = Vec::with_capacity(name.len());
        for part in parts(body).filter(|p| !matches!(*p, b"" | b".")) {
            if absolute || !tidy.is_empty() {
                tidy.push(b'/');
            }
            tidy.extend_from_slice(part);
        }
        if tidy.is_empty() {
            tidy.push(if absolute { b'/' } else { b'.' });
        }
        *name = tidy;
    }
    Ok(())
}

/// Components, found with memchr: most names have one or two.
fn parts(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        if let Some(at) = memchr::memchr(b'/', rest) {
            let part = &rest[..at];
            rest = &rest[at + 1..];
            Some(part)
        } else {
            done = true;
            Some(rest)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(name: &[u8], relative: bool) -> std::result::Result<Vec<u8>, i32> {
        let mut name = name.to_vec();
        clean(&mut name, relative).map(|()| name).map_err(|e| e.code())
    }

    #[test]
    fn table() {
        for (name, relative, want) in [
            (&b"a"[..], false, Ok(&b"a"[..])),
            (b".", false, Ok(b".")),
            (b"a/b", false, Ok(b"a/b")),
            (b"a//b/./c/", false, Ok(b"a/b/c")),
            (b"./", false, Ok(b".")),
            (b"./a", false, Ok(b"a")),
            (b"...", false, Ok(b"...")),
            (b"a..", false, Ok(b"a..")),
            (b"/a//b", true, Ok(b"/a/b")),
            (b"/", true, Ok(b"/")),
            (b"/.", true, Ok(b"/")),
            (b"//", true, Ok(b"/")),
            (b"/a", false, Err(4)),
            (b"..", false, Err(4)),
            (b"../x", true, Err(4)),
            (b"a/../../b", true, Err(4)),
            (b"a/..", false, Err(4)),
            (b"", false, Err(2)),
            (b"a\0", false, Err(2)),
        ] {
            assert_eq!(run(name, relative), want.map(<[u8]>::to_vec), "{name:?}");
        }
        assert!(run(&[b'a'; 255], false).is_ok());
        assert_eq!(run(&[b'a'; 256], false), Err(2));
    }

    proptest! {
        #[test]
        fn total_and_idempotent(parts in prop::collection::vec("[./a\\x00]{0,4}", 0..6), relative: bool) {
            let mut name = parts.join("/").into_bytes();
            if clean(&mut name, relative).is_ok() {
                let once = name.clone();
                prop_assert!(clean(&mut name, relative).is_ok());
                prop_assert_eq!(&once, &name);
                prop_assert!(!once.is_empty());
                prop_assert!(once.split(|&c| c == b'/').all(|p| p != b".."));
                prop_assert!(relative || once[0] != b'/');
            }
        }
    }
}
