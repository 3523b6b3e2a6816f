//! What a symlink's target becomes on this side (spec: daemon 7.4, options 2.3).

use crate::plan::Plan;

/// The prefix of a munged link (spec: options 2.3).
pub(crate) const MUNGE: &[u8] = b"/rsyncd-munged/";

/// A target that leads nowhere until the prefix is taken away.
pub(crate) fn munged(target: &[u8]) -> Vec<u8> {
    [MUNGE, target].concat()
}

/// What a receiver over a link stores for the symlink `name` (spec: daemon 7.4).
pub(crate) fn stored_target(plan: &Plan, target: &[u8], name: &[u8]) -> Vec<u8> {
    if plan.attrs.munge_links {
        munged(target)
    } else if plan.place.sanitize_paths {
        sanitize_target(target, name)
    } else {
        target.to_vec()
    }
}

/// Keep a link's target inside the module: a leading slash is dropped, and `..` climbs no higher than the directories
/// of the link's own name (spec: daemon 7.4; observed in every detail of slashes and dots).
pub(crate) fn sanitize_target(target: &[u8], name: &[u8]) -> Vec<u8> {
    let mut left = name
        .split(|&b| b == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .count()
        .saturating_sub(1);
    let mut out: Vec<u8> = Vec::with_capacity(target.len());
    // Length of the `..` at the front, which must stay.
    let mut fixed = 0;
    let mut parts = target.split(|&b| b == b'/').peekable();
    while let Some(part) = parts.next() {
        let slash = parts.peek().is_some();
        match part {
            b"" | b"." => {}
            b".." if out.len() > fixed => {
                let end = out.len() - usize::from(out.ends_with(b"/"));
                let keep = memchr::memrchr(b'/', &out[..end]).map_or(0, |at| at + 1);
                out.truncate(keep.max(fixed));
            }
            b".." if left == 0 => {}
            _ => {
                out.extend_from_slice(part);
                if slash {
                    out.push(b'/');
                }
                if part == b".." {
                    left -= 1;
                    fixed = out.len();
                }
            }
        }
    }
    if out.is_empty() {
        out.push(b'.');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::sanitize_target;

    // Observed with rsync 3.5.0, with a link in the module's root, one and two directories below.
    #[test]
    fn sanitized_targets() {
        for (target, wanted) in [
            ("/a", ["a", "a", "a"]),
            ("//a", ["a", "a", "a"]),
            ("a/", ["a/", "a/", "a/"]),
            ("../a", ["a", "../a", "../a"]),
            ("../../../a", ["a", "../a", "../../a"]),
            ("a/../b", ["b", "b", "b"]),
            ("a/../../../b", ["b", "../b", "../../b"]),
            ("a/./b", ["a/b", "a/b", "a/b"]),
            ("a//b", ["a/b", "a/b", "a/b"]),
            (".", [".", ".", "."]),
            ("..", [".", "..", ".."]),
            ("../..", [".", "../", "../.."]),
            ("../../..", [".", "../", "../../"]),
            ("./..", [".", "..", ".."]),
            ("a/..", [".", ".", "."]),
            ("a/b/..", ["a/", "a/", "a/"]),
            ("/..", [".", "..", ".."]),
            ("../a/../..", [".", "../", "../.."]),
            ("a/../..", [".", "..", ".."]),
            ("../.", [".", "../", "../"]),
            ("../d/../e/q", ["e/q", "../e/q", "../e/q"]),
            ("...", ["...", "...", "..."]),
            ("d/./../../..//z", ["z", "../z", "../../z"]),
        ] {
            for (name, wanted) in ["l", "d/l", "d/e/l"].iter().zip(wanted) {
                let got = sanitize_target(target.as_bytes(), name.as_bytes());
                assert_eq!(got, wanted.as_bytes(), "{target} as {name}");
            }
        }
    }
}
