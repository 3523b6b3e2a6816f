//! What the view of this process shows of a file, before any wish of a client: the same for a list that is scanned and for
//! a listing that is kept.

use std::io;

use crate::plan::Plan;
use crate::roles::chmod::Chmod;
use crate::roles::metadata;
use crate::tree::mode::is_link;
use crate::tree::{Root, Stat};

/// What is shown of a file.
pub(super) enum Shown {
    /// Nothing.
    Hidden,
    /// Its mode, and the target of a link if that was asked for.
    As(u32, Option<Vec<u8>>),
    /// The target of the link is empty.
    NoTarget,
    /// The target of the link cannot be read.
    Failed(io::Error),
}

/// What the view shows of the file `path` with the status `stat`. `chmod` is the module's; `targets`: read the target of a
/// link.
pub(super) fn shown(root: &Root, path: &[u8], stat: &Stat, plan: &Plan, chmod: &Chmod, targets: bool) -> Shown {
    let mode = stat.mode & 0o177_777;
    if !is_link(mode) {
        // A user who may not read it must not learn of it either (`ignore nonreadable`).
        if plan.select.ignore_nonreadable && !root.readable(path) {
            return Shown::Hidden;
        }
        return Shown::As(chmod.apply(mode, plan.place.umask), None);
    }
    if !targets {
        return Shown::As(mode, None);
    }
    match metadata::read_link(root, path, plan.place.fake_super) {
        Ok(target) if target.is_empty() => Shown::NoTarget,
        Ok(target) => Shown::As(
            mode,
            Some(match target.strip_prefix(b"/rsyncd-munged/") {
                Some(plain) if plan.attrs.munge_links => plain.to_vec(),
                _ => target,
            }),
        ),
        Err(error) => Shown::Failed(error),
    }
}
