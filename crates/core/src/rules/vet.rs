//! Which names a pulling client accepts from a remote sender. spec: filters 9.

use std::collections::HashMap;

use super::pattern::Glob;
use super::{Rules, Verdict};

/// What was asked for: the path arguments as the remote side gets them.
#[derive(Debug, Clone, Default)]
pub struct Requested {
    /// The arguments that do not stand for a directory's contents.
    tree: Tree,
    /// Some argument asks for the contents of a directory: any name may come.
    any: bool,
    relative: bool,
}

/// Paths by their components, so that a name is looked up in its length, however many paths there are.
#[derive(Debug, Clone, Default)]
struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// A path ends here: whatever is below it was asked for.
    end: bool,
    /// By the next component as it is written.
    children: HashMap<Vec<u8>, usize>,
    /// Those of them with wildcards.
    globs: Vec<(Glob, usize)>,
}

/// The one name that a pattern without wildcards matches: names with wildcards in them are asked for with these escaped.
fn plain(part: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'*' | b'?' | b'[' => return None,
            b'\\' => out.push(*bytes.next()?),
            _ => out.push(byte),
        }
    }
    Some(out)
}

impl Tree {
    fn add<'a>(&mut self, parts: impl IntoIterator<Item = &'a [u8]>) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        for part in parts {
            at = if let Some(&child) = self.nodes[at].children.get(part) {
                child
            } else {
                let plain = plain(part);
                let known = plain
                    .as_ref()
                    .and_then(|text| self.nodes[at].children.get(text).copied());
                let child = known.unwrap_or(self.nodes.len());
                if known.is_none() {
                    self.nodes.push(Node::default());
                }
                let node = &mut self.nodes[at];
                node.children.insert(part.to_vec(), child);
                match plain {
                    Some(text) => {
                        node.children.entry(text).or_insert(child);
                    }
                    None => node.globs.push((Glob::new(part), child)),
                }
                child
            };
        }
        self.nodes[at].end = true;
    }

    /// Does a path match the start of `name`, or, with `parents`, is the whole of it the start of a path?
    fn matches(&self, name: &[u8], parents: bool) -> bool {
        if self.nodes.is_empty() {
            return false;
        }
        // Each node is reached in one way only, so this ends. What stands in the list as it is written is looked at
        // first: a name that was asked for so never tries a wildcard.
        let mut open = vec![(0, Some(name), false)];
        while let Some((at, rest, wild)) = open.pop() {
            let node = &self.nodes[at];
            if node.end {
                return true;
            }
            let Some(rest) = rest else {
                if parents {
                    return true;
                }
                continue;
            };
            let (part, below) = match memchr::memchr(b'/', rest) {
                Some(slash) => (&rest[..slash], Some(&rest[slash + 1..])),
                None => (rest, None),
            };
            let exact = node.children.get(part);
            if wild {
                let others = node.globs.iter().filter(|(_, child)| Some(child) != exact);
                let matching = others.filter(|(glob, _)| glob.matches(part));
                open.extend(matching.map(|&(_, child)| (child, below, false)));
                continue;
            }
            if !node.globs.is_empty() {
                open.push((at, Some(rest), true));
            }
            open.extend(exact.map(|&child| (child, below, false)));
        }
        false
    }
}

impl Requested {
    /// `args`: the remote paths, without host and module (an empty one asks for the module's contents). `relative`: -R.
    pub fn new(args: &[Vec<u8>], relative: bool) -> Self {
        let mut out = Self {
            relative,
            ..Self::default()
        };
        for arg in args {
            let mut path = arg.as_slice();
            if relative {
                // Only what follows the first `/./` is kept in names.
                if let Some(at) = arg.windows(3).position(|w| w == b"/./") {
                    path = &arg[at + 3..];
                }
            }
            let last = super::rule::base_name(path);
            let contents = matches!(last, b"" | b"." | b"..");
            let mut parts: Vec<&[u8]> = path
                .split(|&b| b == b'/')
                .filter(|p| !matches!(*p, b"" | b"." | b".."))
                .collect();
            if !relative {
                if contents {
                    out.any = true;
                    continue;
                }
                parts = parts.pop().into_iter().collect();
            }
            // `~` and `~user` are named by the remote shell.
            if parts.is_empty() || (arg.first() == Some(&b'~') && (relative || !arg.contains(&b'/'))) {
                out.any = true;
                continue;
            }
            out.tree.add(parts);
        }
        out
    }

    /// Was a name asked for, or does it lie below one that was? With -R, parents are allowed as directories.
    pub fn allows(&self, name: &[u8], is_dir: bool) -> bool {
        if self.any || name == b"." {
            return self.any || (self.relative && is_dir);
        }
        self.tree.matches(name, is_dir)
    }
}

/// The checks on names from a remote sender. Leave out what does not apply: `requested` with `--old-args` or a remote
/// list of files, `rules` when a `:` rule exists.
#[derive(Debug, Default)]
pub struct Vetting {
    /// What the client asked for.
    pub requested: Option<Requested>,
    /// The client's own rules, as a sender sees them.
    pub rules: Option<Rules>,
}

impl Vetting {
    /// Why a name is refused, as messages say it: `unrequested` or `excluded`.
    pub fn refuses(&self, name: &[u8], is_dir: bool) -> Option<&'static str> {
        let unrequested = |requested: &Requested| !requested.allows(name, is_dir);
        let excluded = |rules: &Rules| name != b"." && rules.check(name, is_dir) == Verdict::Exclude;
        if self.requested.as_ref().is_some_and(unrequested) {
            return Some("unrequested");
        }
        self.rules.as_ref().is_some_and(excluded).then_some("excluded")
    }
}
