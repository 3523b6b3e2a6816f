//! The order of a list (spec: protocol 5.9).

use std::cmp::Ordering;

/// What the comparison looks at: the directory part with its final `/` (or empty), the last component, the type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a> {
    pub dir: &'a [u8],
    pub base: &'a [u8],
    pub is_dir: bool,
}

impl<'a> Key<'a> {
    /// The key of a full name.
    pub(crate) fn of(name: &'a [u8], is_dir: bool) -> Self {
        let at = memchr::memrchr(b'/', name).map_or(0, |at| at + 1);
        Self {
            dir: &name[..at],
            base: &name[at..],
            is_dir,
        }
    }

    /// The last component as an item or a path: the directory `.` is an item with the empty name.
    fn last(&self) -> (bool, &'a [u8]) {
        if self.is_dir && (self.base == b"." || self.base.is_empty()) {
            (false, &[])
        } else {
            (self.is_dir, self.base)
        }
    }
}

/// Compare two names as both ends of the connection do (spec: protocol 5.9).
pub(crate) fn compare(a: &Key, b: &Key, protocol: u8) -> Ordering {
    if protocol < 29 {
        plain(a, b)
    } else {
        by_levels(a, b)
    }
}

/// Plain byte order of the full names.
fn plain(a: &Key, b: &Key) -> Ordering {
    let m = common(a.dir, b.dir);
    match (a.dir.get(m), b.dir.get(m)) {
        (Some(x), Some(y)) => x.cmp(y),
        (None, None) => a.base.cmp(b.base),
        (None, Some(_)) => against(a.base, &b.dir[m..], b.base),
        (Some(_), None) => against(b.base, &a.dir[m..], a.base).reverse(),
    }
}

/// `name` against the concatenation of `head` and `tail`.
fn against(name: &[u8], head: &[u8], tail: &[u8]) -> Ordering {
    let k = name.len().min(head.len());
    name[..k].cmp(&head[..k]).then_with(|| {
        if name.len() > k {
            name[k..].cmp(tail)
        } else if head.len() > k {
            Ordering::Less
        } else {
            [].as_slice().cmp(tail)
        }
    })
}

fn common(a: &[u8], b: &[u8]) -> usize {
    // The directory is mostly the very same bytes.
    if std::ptr::eq(a, b) || a == b {
        return a.len();
    }
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// Level by level, items before paths. Every directory part ends with `/`, so the level at which two names part is
/// where the equal bytes end: inside both directory parts (two paths, plain bytes decide), or at the end of one.
fn by_levels(a: &Key, b: &Key) -> Ordering {
    let m = common(a.dir, b.dir);
    match (a.dir.get(m), b.dir.get(m)) {
        (Some(x), Some(y)) => x.cmp(y),
        (None, None) => last_levels(a, b),
        (None, Some(_)) => last_against_path(a, &b.dir[m..]),
        (Some(_), None) => last_against_path(b, &a.dir[m..]).reverse(),
    }
}

fn last_levels(a: &Key, b: &Key) -> Ordering {
    let (a_path, x) = a.last();
    let (b_path, y) = b.last();
    match (a_path, b_path) {
        (false, true) => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, false) => x.cmp(y),
        (true, true) => {
            let k = x.len().min(y.len());
            x[..k].cmp(&y[..k]).then_with(|| match (x.get(k), y.get(k)) {
                (None, Some(c)) => b'/'.cmp(c),
                (Some(c), None) => c.cmp(&b'/'),
                _ => Ordering::Equal,
            })
        }
    }
}

/// Compare the last component of `a` with a directory part that has at least one component (with `/`) left.
fn last_against_path(a: &Key, path: &[u8]) -> Ordering {
    let (a_path, x) = a.last();
    if !a_path {
        return Ordering::Less;
    }
    let k = x.len().min(path.len());
    x[..k].cmp(&path[..k]).then_with(|| match path.get(k) {
        // `x` is a component and `path` ends with '/', so `x` is the one that ends here.
        Some(c) => b'/'.cmp(c).then(Ordering::Less),
        None => Ordering::Greater,
    })
}

/// The first of `n` positions for which `before` is false; it is true for all positions in front of that one.
pub(super) fn partition(n: usize, mut before: impl FnMut(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, n);
    while low < high {
        let mid = low + (high - low) / 2;
        if before(mid) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(name: &[u8]) -> Key<'_> {
        // In these tables a final '/' marks a directory.
        let is_dir = name.ends_with(b"/") || name == b"." || name.ends_with(b"/.");
        let name = if name.len() > 1 {
            name.strip_suffix(b"/").unwrap_or(name)
        } else {
            name
        };
        Key::of(name, is_dir)
    }

    /// The rules of 5.9 word for word.
    fn reference(a: &Key, b: &Key) -> Ordering {
        fn levels(k: &Key) -> Vec<(bool, Vec<u8>)> {
            let mut full = k.dir.to_vec();
            full.extend_from_slice(k.base);
            let parts: Vec<&[u8]> = full.split(|&c| c == b'/').collect();
            let n = parts.len();
            parts
                .iter()
                .enumerate()
                .map(|(i, p)| {
                    if i + 1 < n {
                        (true, [*p, b"/"].concat())
                    } else if k.is_dir && *p == b"." {
                        (false, Vec::new())
                    } else if k.is_dir {
                        (true, [*p, b"/"].concat())
                    } else {
                        (false, p.to_vec())
                    }
                })
                .collect()
        }
        let (a, b) = (levels(a), levels(b));
        for i in 0.. {
            match (a.get(i), b.get(i)) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some(x), Some(y)) => {
                    let c = x.0.cmp(&y.0).then_with(|| x.1.cmp(&y.1));
                    if c != Ordering::Equal {
                        return c;
                    }
                }
            }
        }
        unreachable!()
    }

    // PRO-39: `.` first, files before directories per level, `a!/` before `a/`.
    #[test]
    fn sorted_table() {
        let names: [&[u8]; 14] = [
            b".", b"-", b"a", b"a-", b"b", b"z", b"a!/", b"a!/x", b"a/", b"a/y", b"a/z", b"a/b/", b"a/b/c", b"b/",
        ];
        for (i, x) in names.iter().enumerate() {
            for (j, y) in names.iter().enumerate() {
                assert_eq!(compare(&key(x), &key(y), 29), i.cmp(&j), "{x:?} {y:?}");
            }
        }
    }

    #[test]
    fn absolute_names_sort_with_their_slash() {
        assert_eq!(compare(&key(b"/tmp/"), &key(b"/tmp/a"), 30), Ordering::Less);
        assert_eq!(compare(&key(b"/tmp/"), &key(b"a/"), 30), Ordering::Less);
        assert_eq!(compare(&key(b"/tmp/"), &key(b"a"), 30), Ordering::Greater);
    }

    // PRO-40: at P=28 plain byte order.
    #[test]
    fn plain_table() {
        let names: [&[u8]; 8] = [b"!", b".", b"a", b"a!", b"a!/x", b"a/y", b"a0", b"b"];
        for (i, x) in names.iter().enumerate() {
            for (j, y) in names.iter().enumerate() {
                for d in [false, true] {
                    let (kx, ky) = (Key::of(x, d), Key::of(y, !d));
                    assert_eq!(compare(&kx, &ky, 28), i.cmp(&j), "{x:?} {y:?}");
                }
            }
        }
    }

    #[test]
    fn a_directory_equals_itself_with_a_dot() {
        // "x/." has the components x/ and "", "x" only x/: the first level is equal and "x" has no next one.
        assert_eq!(reference(&key(b"x/"), &key(b"x/.")), Ordering::Less);
        assert_eq!(compare(&key(b"x/"), &key(b"x/."), 30), Ordering::Less);
    }

    fn name() -> impl Strategy<Value = (Vec<u8>, bool)> {
        let part = prop::collection::vec(prop::sample::select(b"!./a0\xff".to_vec()), 1..4)
            .prop_map(|v| v.into_iter().filter(|&c| c != b'/').collect::<Vec<u8>>())
            .prop_filter("component", |v| !v.is_empty() && v != b"..");
        (prop::collection::vec(part, 1..4), any::<bool>()).prop_map(|(mut parts, is_dir)| {
            let n = parts.len();
            for (i, p) in parts.iter_mut().enumerate() {
                if p == b"." && (n > 1 || i > 0 || !is_dir) {
                    *p = b"a".to_vec();
                }
            }
            (parts.join(&b'/'), is_dir)
        })
    }

    proptest! {
        #[test]
        fn matches_the_rules(a in name(), b in name()) {
            let (ka, kb) = (Key::of(&a.0, a.1), Key::of(&b.0, b.1));
            prop_assert_eq!(compare(&ka, &kb, 30), reference(&ka, &kb));
            prop_assert_eq!(compare(&ka, &kb, 28), a.0.cmp(&b.0));
        }
    }
}
