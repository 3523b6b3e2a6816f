//! Links, devices, pipes and sockets (spec: transfer 3.2, 3.3).

use std::io;
use std::sync::Arc;

use super::compare::{is_device, item_flags, same_family, unsafe_link, Wanted, S_IFMT};
use super::dest::SetTimes;
use super::entries::missing;
use super::generator::Generator;
use super::metadata::read_own_link;
use crate::error::Result;
use crate::flist::Segment;
use crate::plan::{AltDest, Plan};
use crate::report::debug::debug;
use crate::role::Role;
use crate::tree::Stat;
use crate::wire::item::ItemFlags;

/// The prefix of a munged link (spec: options 2.3).
pub const MUNGE: &[u8] = b"/rsyncd-munged/";

impl Generator {
    pub(super) fn symlink(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        ndx: i32,
        rel: &[u8],
        found: Option<Stat>,
    ) -> Result<()> {
        let Some(listed) = segment.link_target(i) else {
            return Ok(());
        };
        let mut target = listed.to_vec();
        if self.plan.sanitize_paths && !self.plan.munge_links {
            target = sanitize_target(&target, &segment.name(i));
        }
        if self.plan.safe_links && unsafe_link(&target, &segment.name(i)) {
            if self.plan.info.name > 0 {
                let text = [
                    b"ignoring unsafe symlink \"".as_slice(),
                    rel,
                    b"\" -> \"",
                    &target,
                    b"\"",
                ]
                .concat();
                self.report.info(text);
            }
            return Ok(());
        }
        if self.plan.munge_links && !self.plan.local {
            target = [MUNGE, &target].concat();
        }
        let want = self.dest.wanted(segment, i, found.as_ref());
        if let Some(stat) = found.filter(Stat::is_symlink) {
            if read_own_link(&self.dest.root, rel, self.plan.fake_super).is_ok_and(|now| now == target) {
                let flags = item_flags(&self.plan, &want, Some(&stat), ItemFlags::NONE, false);
                let flags = self.metadata_flags(&self.dest.root, rel, &want, Some(&stat), flags);
                self.dest
                    .set_attrs(rel, &want.settled(flags), &stat, SetTimes::default());
                self.item(segment, i, ndx, flags, None)?;
                self.link_told(segment, i, flags);
                self.link_ready(segment, i, ndx)?;
                if self.plan.remove_source_files {
                    self.succeeded(segment, i, ndx, false)?;
                }
                return Ok(());
            }
        }
        let mut compared = found.filter(Stat::is_symlink);
        let mut place = self.dest.root.clone();
        let mut same = false;
        if found.is_none() && self.plan.alt_dest != AltDest::None {
            match self.alt_other(segment, i, ndx, rel, Some(&target))? {
                super::basis::AltOther::Settled => return Ok(()),
                super::basis::AltOther::Compared(root, stat, unchanged) => {
                    place = root;
                    same = unchanged;
                    compared = Some(stat);
                }
                super::basis::AltOther::Nothing => {}
            }
        }
        let same_kind = found.is_some_and(|s| s.is_symlink());
        let flags = ItemFlags::LOCAL_CHANGE | ItemFlags::CHANGE.when(!same);
        let shown = if same_kind || compared.is_some() {
            compared.or(found)
        } else {
            None
        };
        let flags = item_flags(&self.plan, &want, shown.as_ref(), flags, same);
        let flags = self.metadata_flags(&place, rel, &want, shown.as_ref(), flags);
        let target_ref = target.as_slice();
        let dest = self.dest.clone();
        let made = self.replace(
            rel,
            found,
            "symlink",
            |root, name| dest.symlink(root, target_ref, name),
            |rel, this| {
                [
                    b"symlink ".as_slice(),
                    &this.dest.display(rel),
                    b" -> \"",
                    target_ref,
                    b"\" failed",
                ]
                .concat()
            },
        )?;
        if !made {
            return Ok(());
        }
        self.finish_made(rel, &want);
        self.item(segment, i, ndx, flags, None)?;
        self.link_ready(segment, i, ndx)?;
        self.succeeded(segment, i, ndx, true)
    }

    pub(super) fn node(
        &mut self,
        segment: &Arc<Segment>,
        i: usize,
        ndx: i32,
        rel: &[u8],
        found: Option<Stat>,
    ) -> Result<()> {
        let entry = *segment.entry(i);
        let device = is_device(entry.mode);
        let (major, minor) = if device { segment.rdev(i) } else { (0, 0) };
        // Without --perms it takes the mode of what it replaces, of whatever kind that is (observed).
        let want = self.dest.wanted(segment, i, found.as_ref().filter(|s| !s.is_dir()));
        let same_kind = found.filter(|s| same_family(s.mode, entry.mode));
        if let Some(stat) = same_kind {
            let same_type = (stat.mode ^ entry.mode) & S_IFMT == 0;
            // rsync takes a block device for a character device of the same numbers, and leaves it; that would lose it.
            if same_type && (!device || (stat.rdev_major, stat.rdev_minor) == (major, minor)) {
                let flags = item_flags(&self.plan, &want, Some(&stat), ItemFlags::NONE, false);
                let flags = self.metadata_flags(&self.dest.root, rel, &want, Some(&stat), flags);
                self.dest
                    .set_attrs(rel, &want.settled(flags), &stat, SetTimes::default());
                let flags = self.after_chown(&want, &stat, flags);
                self.item(segment, i, ndx, flags, None)?;
                self.link_told(segment, i, flags);
                self.link_ready(segment, i, ndx)?;
                if self.plan.remove_source_files {
                    self.succeeded(segment, i, ndx, false)?;
                }
                return Ok(());
            }
        }
        let mut compared = same_kind;
        let mut place = self.dest.root.clone();
        let mut same = false;
        if found.is_none() && self.plan.alt_dest != AltDest::None {
            match self.alt_other(segment, i, ndx, rel, None)? {
                super::basis::AltOther::Settled => return Ok(()),
                super::basis::AltOther::Compared(root, stat, unchanged) => {
                    place = root;
                    same = unchanged;
                    compared = Some(stat);
                }
                super::basis::AltOther::Nothing => {}
            }
        }
        let flags = ItemFlags::LOCAL_CHANGE | ItemFlags::CHANGE.when(!same);
        let flags = item_flags(&self.plan, &want, compared.as_ref(), flags, same);
        let flags = self.metadata_flags(&place, rel, &want, compared.as_ref(), flags);
        let kind = if device { "device file" } else { "special file" };
        let mode = want.mode;
        debug!(
            self.report, genr >= 1;
            "mknod(", rel, format!(", 0{:o}, [{major},{minor}])", segment.entry(i).mode)
        );
        let dest = self.dest.clone();
        let made = self.replace(
            rel,
            found,
            kind,
            |root, name| dest.mknod(root, name, mode & S_IFMT | mode & 0o700, major, minor),
            |rel, this| [b"mknod ".as_slice(), &this.dest.display(rel), b" failed"].concat(),
        )?;
        if !made {
            return Ok(());
        }
        self.finish_made(rel, &want);
        self.item(segment, i, ndx, flags, None)?;
        self.link_ready(segment, i, ndx)?;
        // Nothing was sent for it.
        self.succeeded(segment, i, ndx, false)
    }

    /// Make an object that is not a file: under a temporary name and renamed if something is there, else directly.
    /// `false` when it failed (reported).
    pub(super) fn replace(
        &mut self,
        rel: &[u8],
        found: Option<Stat>,
        kind: &str,
        make: impl Fn(&crate::tree::Root, &[u8]) -> io::Result<()>,
        failed: impl Fn(&[u8], &Self) -> Vec<u8>,
    ) -> Result<bool> {
        Ok(self.try_replace(rel, found, kind, make)?.unwrap_or_else(|error| {
            let text = failed(rel, self);
            self.report.sys_error(Role::Generator, text, &error);
            false
        }))
    }

    /// The same, for a caller that knows better what a failure of `make` means: that comes back, and is reported by it.
    pub(super) fn try_replace(
        &mut self,
        rel: &[u8],
        found: Option<Stat>,
        kind: &str,
        make: impl Fn(&crate::tree::Root, &[u8]) -> io::Result<()>,
    ) -> Result<io::Result<bool>> {
        if self.dry_run {
            if let Some(stat) = found.filter(Stat::is_dir) {
                return self.make_way(rel, stat.mode, kind).map(Ok);
            }
            return Ok(Ok(true));
        }
        let result = match found {
            Some(stat) if stat.is_dir() => {
                if !self.make_way(rel, stat.mode, kind)? {
                    return Ok(Ok(false));
                }
                make(&self.dest.root, rel)
            }
            Some(_) => {
                if self.plan.backup {
                    self.dest.backup_before_overwrite(rel)?;
                }
                self.make_over(rel, make)
            }
            None => {
                let result = make(&self.dest.root, rel);
                if matches!(&result, Err(e) if missing(e)) && self.plan.relative {
                    self.dest.make_parents(rel);
                    make(&self.dest.root, rel)
                } else {
                    result
                }
            }
        };
        Ok(result.map(|()| true))
    }

    /// Make something under a temporary name and rename it over what is at `rel`, which stays if either fails.
    pub(super) fn make_over(
        &self,
        rel: &[u8],
        make: impl Fn(&crate::tree::Root, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let temp = self.dest.root.make_temp(rel, |root, name| make(root, name))?;
        self.dest
            .root
            .rename(&temp, rel)
            .inspect_err(|_| self.dest.remove_made(&temp))
    }

    /// Attributes of something that was just made.
    fn finish_made(&mut self, rel: &[u8], want: &Wanted) {
        if self.dry_run {
            return;
        }
        match self.dest.lstat(rel) {
            Ok(stat) => {
                let times = SetTimes {
                    exact: true,
                    skip: false,
                };
                self.dest.set_attrs(rel, want, &stat, times);
            }
            Err(error) => {
                self.dest.sys_error("stat", rel, &error);
            }
        }
    }
}

/// What a receiver over a link stores for the symlink `name` (spec: daemon 7.4).
pub fn stored_target(plan: &Plan, target: &[u8], name: &[u8]) -> Vec<u8> {
    if plan.munge_links {
        [MUNGE, target].concat()
    } else if plan.sanitize_paths {
        sanitize_target(target, name)
    } else {
        target.to_vec()
    }
}

/// Keep a link's target inside the module: a leading slash is dropped, and `..` climbs no higher than the directories
/// of the link's own name (spec: daemon 7.4; observed in every detail of slashes and dots).
fn sanitize_target(target: &[u8], name: &[u8]) -> Vec<u8> {
    let mut left = name
        .split(|&b| b == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .count()
        .saturating_sub(1);
    let mut out: Vec<u8> = Vec::with_capacity(target.len());
    // What may not be taken back: the `..` at the front.
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
