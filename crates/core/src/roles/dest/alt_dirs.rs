//! The alternate directories of `--compare-dest`, `--copy-dest` and `--link-dest` (spec: transfer 7).

use std::io;

use rustix::io::Errno;

use super::Dest;
use crate::error::IoErrorExt;
use crate::plan::AltDest;
use crate::report::say::text;
use crate::roles::paths::lexical_path;
use crate::tree::{operator, Root};

fn absolute(dest: &Dest, dir: &[u8]) -> Vec<u8> {
    operator::absolute(dir, dest.root.path()).unwrap_or_else(|_| dir.to_vec())
}

/// Open the alternate directories for the generator, in order; `None` for one that cannot be used.
pub(crate) fn open(dest: &Dest) -> Vec<Option<Root>> {
    let option = match dest.plan.select.alt_dest {
        AltDest::None => return Vec::new(),
        AltDest::Compare => "compare",
        AltDest::Copy => "copy",
        AltDest::Link => "link",
    };
    let dirs = dest.plan.select.alt_dirs.iter();
    dirs.map(|dir| match dest.alternate_dir(dir) {
        // Nothing is ever found in a directory without a name.
        _ if dir.is_empty() => None,
        Ok(root) => Some(root),
        Err(error) => {
            warn(dest, option, dir, &error);
            None
        }
    })
    .collect()
}

/// Warn of a directory that is missing or is no directory. Other errors are reported where a file is looked for in it.
fn warn(dest: &Dest, option: &str, dir: &[u8], error: &io::Error) {
    let what = if error.is(Errno::NOENT) {
        "-dest arg does not exist: "
    } else if error.is(Errno::NOTDIR) {
        "-dest arg is not a dir: "
    } else {
        return;
    };
    // A daemon names it as it was given (observed).
    let shown = if dest.plan.place.is_daemon() {
        dir.to_vec()
    } else if dest.void {
        lexical_path(dir, dest.root.path())
    } else {
        absolute(dest, dir)
    };
    dest.report.warning(text!["--", option, what, &shown]);
}

/// Which of the alternate directories lie behind a link of another owner.
pub(crate) fn refused(dest: &Dest, roots: &[Option<Root>]) -> Vec<bool> {
    let dirs = dest.plan.select.alt_dirs.iter().zip(roots);
    dirs.map(|(dir, root)| root.is_none() && operator::is_untrusted(&absolute(dest, dir), None))
        .collect()
}

/// Open the alternate directories for the receiver, which does not report those it cannot open. Before protocol 29 the
/// receiver looks into the first one on its own account, and meets a refused link there as well.
pub(crate) fn open_quietly(dest: &Dest) -> Vec<Option<Root>> {
    let open = |dir: &Vec<u8>| {
        let opened = dest.alternate_dir(dir).inspect_err(|error| {
            if dest.plan.agreed.protocol < 29 {
                dest.report.refusal(&absolute(dest, dir), error);
            }
        });
        opened.ok()
    };
    dest.plan.select.alt_dirs.iter().map(open).collect()
}
