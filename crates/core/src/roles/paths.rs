//! Paths as text: what an argument, a name of a list and a line of `--files-from` mean (spec: options 5.3; filters 8).

/// A name of the list as a path below its root.
pub(super) fn disk(name: &[u8]) -> &[u8] {
    match trim_leading_slashes(name) {
        b"" => b".",
        rest => rest,
    }
}

/// Without the slashes that it begins with.
pub(super) fn trim_leading_slashes(path: &[u8]) -> &[u8] {
    let n = path.iter().take_while(|&&b| b == b'/').count();
    &path[n..]
}

pub(super) fn trim_slashes(path: &[u8]) -> &[u8] {
    let mut end = path.len();
    while end > 1 && path[end - 1] == b'/' {
        end -= 1;
    }
    &path[..end]
}

/// Split at the last `/./` that is not the end of a name: what is before is the base, what is after is kept.
pub(super) fn split_relative(path: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memmem::find(path, b"/./") {
        Some(0) => (b"/", &path[3..]),
        Some(at) => (&path[..at], &path[at + 3..]),
        None => (b".", path),
    }
}

/// Collapse `//` and `/./`, drop a final slash and a leading `./`; `..` stays.
pub(super) fn clean(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    if path.starts_with(b"/") {
        out.push(b'/');
    }
    for part in path.split(|&b| b == b'/') {
        if part.is_empty() || part == b"." {
            continue;
        }
        if !out.is_empty() && out != b"/" {
            out.push(b'/');
        }
        out.extend_from_slice(part);
    }
    if out.is_empty() {
        out.push(b'.');
    }
    out
}

/// The components of a path, joined: without empty ones and `.`, and each `..` takes away the one before it.
fn resolve_dots(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join(&b'/')
}

/// Like [`clean`], relative, with `..` taken back and never above the start (spec: filters 8).
pub(super) fn confine(path: &[u8]) -> Vec<u8> {
    let resolved = resolve_dots(path);
    if resolved.is_empty() {
        return b".".to_vec();
    }
    resolved
}

/// Split the bytes of a `--files-from` list into names (spec: filters 8). `comments`: the list is read by the process
/// that scans, so names that begin with `#` or `;` are skipped, however they end.
pub(super) fn split_names(data: &[u8], nul: bool, comments: bool) -> Vec<Vec<u8>> {
    data.split(|&b| if nul { b == 0 } else { b == b'\n' || b == b'\r' })
        .filter(|n| {
            n.first()
                .is_some_and(|first| !comments || !matches!(first, b'#' | b';'))
        })
        // A line ends at a NUL within it (observed).
        .map(|line| line.split(|&b| b == 0).next().unwrap_or_default().to_vec())
        .collect()
}

/// An absolute path with `..` taken back as text.
pub(super) fn lexical_path(path: &[u8], base: &[u8]) -> Vec<u8> {
    let full = if path.starts_with(b"/") {
        path.to_vec()
    } else {
        [base, b"/", path].concat()
    };
    [b"/", resolve_dots(&full).as_slice()].concat()
}

/// Directory part and last component.
pub(super) fn split_name(rel: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b'/', rel) {
        Some(at) => (&rel[..at], &rel[at + 1..]),
        None => (b"", rel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(clean(b"a//b/./c/"), b"a/b/c");
        assert_eq!(clean(b"/"), b"/");
        assert_eq!(clean(b"./"), b".");
        assert_eq!(confine(b"../x"), b"x");
        assert_eq!(confine(b"d/e/../b"), b"d/b");
        assert_eq!(confine(b"../.."), b".");
        assert_eq!(split_relative(b"a/./b/c"), (&b"a"[..], &b"b/c"[..]));
        assert_eq!(split_relative(b"/a/b"), (&b"."[..], &b"/a/b"[..]));
        assert_eq!(disk(b"/a/b"), b"a/b");
        assert_eq!(
            split_names(b"a\r\n#x\n\nb", false, true),
            vec![b"a".to_vec(), b"b".to_vec()]
        );
        assert_eq!(
            split_names(b";s\0#c\0\0./#c\0a", true, true),
            vec![b"./#c".to_vec(), b"a".to_vec()]
        );
        assert_eq!(split_names(b";s\0#c\0", true, false).len(), 2);
        assert_eq!(
            split_names(b"a\0b\nc\0\n\0d\n", false, true),
            vec![b"a".to_vec(), b"c".to_vec(), b"".to_vec()]
        );
    }
}
