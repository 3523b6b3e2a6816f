//! Which names a pulling client accepts from a remote sender. spec: filters 9.

use super::pattern::wildmatch;
use super::{Rules, Verdict};
use crate::error::{Error, Result};

/// What was asked for: the path arguments as the remote side gets them.
#[derive(Debug, Clone, Default)]
pub struct Requested {
    /// One list of components per argument that does not stand for a directory's contents.
    args: Vec<Vec<Vec<u8>>>,
    /// Some argument asks for the contents of a directory: any name may come.
    any: bool,
    relative: bool,
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
            let mut parts: Vec<Vec<u8>> = path
                .split(|&b| b == b'/')
                .filter(|p| !matches!(*p, b"" | b"." | b".."))
                .map(<[u8]>::to_vec)
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
            out.args.push(parts);
        }
        out
    }

    /// Was a name asked for, or does it lie below one that was? With -R, parents are allowed as directories.
    pub fn allows(&self, name: &[u8], is_dir: bool) -> bool {
        if self.any || name == b"." {
            return self.any || (self.relative && is_dir);
        }
        self.args.iter().any(|parts| {
            let mut have = name.split(|&b| b == b'/');
            for part in parts {
                match have.next() {
                    Some(got) if got == part.as_slice() || wildmatch(part, got) => {}
                    Some(_) => return false,
                    None => return is_dir,
                }
            }
            true
        })
    }
}

/// The checks on names from a remote sender. Leave out what does not apply: `requested` with `--old-args` or a remote
/// list of files, `rules` when a `:` rule exists.
#[derive(Debug, Default)]
pub struct Vetting {
    pub requested: Option<Requested>,
    /// The client's own rules, as a sender sees them.
    pub rules: Option<Rules>,
}

impl Vetting {
    /// Errors: `Unsupported` (4) for a name that was not asked for or is excluded.
    pub fn vet(&self, name: &[u8], is_dir: bool) -> Result<()> {
        let refuse = |why: &str| {
            let name = String::from_utf8_lossy(name);
            Err(Error::Unsupported(format!(
                "ERROR: rejecting {why} file-list name: {name}"
            )))
        };
        if self
            .requested
            .as_ref()
            .is_some_and(|requested| !requested.allows(name, is_dir))
        {
            return refuse("unrequested");
        }
        let excluded = |rules: &Rules| name != b"." && rules.check(name, is_dir) == Verdict::Exclude;
        if self.rules.as_ref().is_some_and(excluded) {
            return refuse("excluded");
        }
        Ok(())
    }
}
