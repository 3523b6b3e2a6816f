//! Wildcards in requested paths, in a tree where no shell expands them (spec: protocol 10.6): a client with secluded
//! arguments, and every client of a daemon, leaves its patterns to the server.

use std::io;
use std::os::fd::OwnedFd;

use crate::rules::pattern::Glob;
use crate::rules::Rules;
use crate::tree::{Atime, FileKind, Root, RootOptions};

/// Patterns with more components are not expanded.
const DEPTH_LIMIT: usize = 128;

/// The tree in which paths are expanded.
pub struct Expansion {
    /// The module's root. `None`: paths begin at the directory of the process, and lead wherever links lead.
    root: Option<Root>,
    /// The module's rules; what they hide does not exist.
    rules: Option<Rules>,
}

impl Expansion {
    /// Paths of the user, relative to the directory of the process; links are followed anywhere.
    pub fn anywhere() -> Self {
        Self {
            root: None,
            rules: None,
        }
    }

    /// Paths below the root of a daemon's module. A link is followed only if it is relative and stays below `root`, unless
    /// the process cannot leave `root` (`is_chroot`). Names that `rules` exclude are not found.
    pub fn in_module(root: OwnedFd, is_chroot: bool, rules: Option<Rules>) -> Self {
        let options = RootOptions {
            in_root: is_chroot,
            ..RootOptions::default()
        };
        Self {
            root: Some(Root::from_handle(root, b"/", &options)),
            rules,
        }
    }

    /// The names that `path` matches, sorted. As in rsync, a wildcard also matches a leading dot, and the components
    /// behind the last wildcard need not exist. A path without a match is returned unchanged, so that the error names it.
    pub fn expand(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let parts: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|part| !part.is_empty()).collect();
        let mut found = Vec::new();
        if has_wildcard(path) && parts.len() <= DEPTH_LIMIT {
            let top: &[u8] = if path.starts_with(b"/") { b"/" } else { b"" };
            self.search(top, &parts, path.ends_with(b"/"), &mut found);
        }
        if found.is_empty() {
            found.push(path.to_vec());
        }
        found.sort_unstable();
        found
    }

    /// Add the matches of `parts` in the directory `prefix`, which is empty or ends with a slash.
    fn search(&self, prefix: &[u8], parts: &[&[u8]], want_dir: bool, found: &mut Vec<Vec<u8>>) {
        let Some((part, rest)) = parts.split_first() else {
            return;
        };
        if !has_wildcard(part) {
            let below = [prefix, &unescape(part)].concat();
            if !self.hides(&below, true) {
                self.search(&[&below[..], b"/"].concat(), rest, want_dir, found);
            }
            return;
        }
        let Ok(dir) = self.directory(prefix) else {
            return;
        };
        let names = match dir.read_names(b".", Atime::Update) {
            Ok(names) if names.error.is_none() => names,
            _ => return,
        };
        let glob = Glob::new(part);
        let deeper = rest.iter().any(|part| has_wildcard(part));
        for entry in names.iter().filter(|entry| glob.matches(entry.name)) {
            let mut below = [prefix, entry.name].concat();
            if deeper {
                if !self.hides(&below, true) {
                    below.push(b'/');
                    self.search(&below, rest, want_dir, found);
                }
                continue;
            }
            let kind = self.kind(&dir, entry.name);
            if kind == Some(FileKind::Symlink) && self.dangles(&below) {
                continue;
            }
            // The target of a symlink is checked when it is opened.
            let leads_on = matches!(kind, Some(FileKind::Dir | FileKind::Symlink));
            if (leads_on || (rest.is_empty() && !want_dir)) && !self.hides(&below, kind == Some(FileKind::Dir)) {
                for part in rest {
                    below.push(b'/');
                    below.extend_from_slice(&unescape(part));
                }
                if want_dir {
                    below.push(b'/');
                }
                found.push(below);
            }
        }
    }

    fn directory(&self, prefix: &[u8]) -> io::Result<Root> {
        match &self.root {
            Some(root) => root.subroot(if prefix.is_empty() { b"." } else { prefix }),
            None => Root::open(prefix, &RootOptions::default()),
        }
    }

    fn kind(&self, dir: &Root, name: &[u8]) -> Option<FileKind> {
        let status = match &self.root {
            Some(_) => dir.lstat(name),
            None => dir.stat_follow(name, false),
        };
        status.ok().map(|status| FileKind::from_mode(status.mode))
    }

    /// Whether a symlink has no target. A target outside of the root is not looked up, because its existence must stay
    /// secret.
    fn dangles(&self, below: &[u8]) -> bool {
        self.root.as_ref().is_some_and(|root| root.dangles(below))
    }

    fn hides(&self, path: &[u8], is_dir: bool) -> bool {
        let Some(rules) = &self.rules else {
            return false;
        };
        let parts = path.split(|b| *b == b'/');
        let name = parts
            .filter(|part| !matches!(*part, b"" | b"."))
            .collect::<Vec<_>>()
            .join(&b'/');
        !name.is_empty() && rules.check_path(&name, is_dir).is_exclude()
    }
}

fn has_wildcard(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// `\x` is `x`; a backslash at the end stays.
fn unescape(part: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => *bytes.next().unwrap_or(byte),
            _ => *byte,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &[Vec<u8>]) -> String {
        let texts: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name)).collect();
        texts.join(" ")
    }

    #[test]
    fn patterns_are_expanded_below_the_root() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        for name in ["a1/x", "a2/x", "b/y", ".hid/x"] {
            std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            std::fs::write(at(name), b"").unwrap();
        }
        for (link, target) in [("alink", "/etc"), ("inside", "a1"), ("lost", "none"), ("up", "../none")] {
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        }
        let handle = std::fs::File::open(temp.path()).unwrap();
        let tree = Expansion::in_module(handle.into(), false, None);
        for (path, want) in [
            ("a*/x", "a1/x a2/x alink/x"),
            ("a*", "a1 a2 alink"),
            ("*/", ".hid/ a1/ a2/ alink/ b/ inside/ up/"),
            ("alink/*", "alink/*"),
            ("inside/*", "inside/x"),
            ("*/./x*", ".hid/./x a1/./x a2/./x inside/./x"),
            ("l*", "l*"),
            ("u*", "up"),
            ("[ab]?", "a1 a2"),
            ("none*", "none*"),
            ("\\a1*", "a1"),
            ("../*", "../*"),
            ("b", "b"),
        ] {
            assert_eq!(shown(&tree.expand(path.as_bytes())), want, "{path}");
        }
        let path = [temp.path().as_os_str().as_encoded_bytes(), b"/a*/../[b]/*"].concat();
        let found = Expansion::anywhere().expand(&path);
        assert!(found[0].ends_with(b"/a1/../b/y"), "{}", shown(&found));
    }
}
