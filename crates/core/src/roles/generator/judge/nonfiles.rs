//! Links, devices, pipes and sockets (spec: transfer 3.2, 3.3).

use std::io;

use rustix::io::Errno;

use super::alternates::AltOther;
use super::{Effects, Judge};
use crate::error::{IoErrorExt, Result};
use crate::flist::At;
use crate::plan::AltDest;
use crate::report::debug::debug;
use crate::report::json::Skip;
use crate::report::say::text;
use crate::roles::compare::{same_family, unsafe_link, Wanted};
use crate::roles::dest::SetTimes;
use crate::roles::metadata::read_own_link;
use crate::roles::text::link_text::{munged, sanitize_target};
use crate::tree::mode::{self, is_device};
use crate::tree::{Root, Stat};
use crate::wire::item::ItemFlags;

/// What a new object is compared with in its item.
struct Compared {
    /// Where it is.
    place: Root,
    stat: Option<Stat>,
    /// It is the same in everything.
    same: bool,
}

impl Judge {
    /// Judge a symlink; `found` is what is at the name.
    pub(super) fn symlink(&mut self, fx: &mut dyn Effects, at: &At, rel: &[u8], found: Option<Stat>) -> Result<()> {
        let Some(target) = self.target_of(at, rel) else {
            return Ok(());
        };
        let want = self.wanted(at, found.as_ref());
        let found_link = found.filter(Stat::is_symlink);
        if let Some(stat) = found_link {
            if read_own_link(&self.dest.root, rel, self.plan.place.fake_super).is_ok_and(|now| now == target) {
                let flags = self.keep_attributes(rel, &want, &stat);
                return self.keep(fx, at, flags);
            }
        }
        let Some(compared) = self.compared(fx, at, rel, (found, found_link), Some(&target))? else {
            return Ok(());
        };
        let flags = self.flags_of_new(rel, &want, &compared);
        let dest = self.dest.clone();
        // Paths of the operator lead through root's links, so a link of another owner has him before it has its name.
        let owner = dest.foreign_owner(&want);
        let make = |root: &Root, name: &[u8]| {
            dest.symlink(root, &target, name)?;
            if let Some(uid) = owner {
                // `set_new` repeats the change, and reports its failure.
                let _repeated = root.chown(name, Some(uid), None);
            }
            Ok(())
        };
        let made = if owner.is_some() && found.is_none_or(|stat| stat.is_dir()) {
            self.replace(rel, found, "symlink", |_, name| dest.make_over(name, make))?
        } else {
            self.replace(rel, found, "symlink", make)?
        };
        if !self.made(made, "symlink ", rel, &text![" -> \"", &target, "\" failed"]) {
            return Ok(());
        }
        self.set_new(rel, &want, owner.map(|_| dest.effective.0));
        self.item(fx, at, flags, None)?;
        self.link_ready(fx, at)?;
        self.succeeded(fx, at, true)
    }

    /// Where a symlink should point here; `None` if it is left out, which is reported.
    fn target_of(&self, at: &At, rel: &[u8]) -> Option<Vec<u8>> {
        let mut target = at.link_target()?.to_vec();
        if self.plan.place.sanitize_paths && !self.plan.attrs.munge_links {
            target = sanitize_target(&target, &at.name());
        }
        if self.plan.attrs.safe_links && unsafe_link(&target, &at.name()) {
            self.report.skipped(rel, false, Skip::UnsafeLink);
            if self.plan.output.info.name > 0 {
                self.report
                    .info(text!["ignoring unsafe symlink \"", rel, "\" -> \"", &target, "\""]);
            }
            return None;
        }
        Some(if self.plan.attrs.munge_links && !self.plan.place.is_local() {
            munged(&target)
        } else {
            target
        })
    }

    /// Judge a device, pipe or socket; `found` is what is at the name.
    pub(super) fn node(&mut self, fx: &mut dyn Effects, at: &At, rel: &[u8], found: Option<Stat>) -> Result<()> {
        let listed = at.entry().mode;
        let device = is_device(listed);
        let (major, minor) = if device { at.rdev() } else { (0, 0) };
        // Without --perms it takes the mode of the object that it replaces, of whatever type (observed).
        let want = self.wanted(at, found.as_ref().filter(|s| !s.is_dir()));
        let same_kind = found.filter(|s| same_family(s.mode, listed));
        if let Some(stat) = same_kind {
            let same_type = (stat.mode ^ listed) & mode::TYPE == 0;
            // rsync does not tell a block device from a character device of the same numbers. Leaving it would lose it.
            if same_type && (!device || (stat.rdev_major, stat.rdev_minor) == (major, minor)) {
                let flags = self.keep_attributes(rel, &want, &stat);
                let flags = self.after_chown(rel, &want, &stat, flags);
                return self.keep(fx, at, flags);
            }
        }
        let Some(compared) = self.compared(fx, at, rel, (found, same_kind), None)? else {
            return Ok(());
        };
        let flags = self.flags_of_new(rel, &want, &compared);
        let kind = if device { "device file" } else { "special file" };
        debug!(self.report, genr >= 1; "mknod(", rel, format!(", 0{listed:o}, [{major},{minor}])"));
        let dest = self.dest.clone();
        let mode = want.mode & (mode::TYPE | 0o700);
        let make = |root: &Root, name: &[u8]| dest.mknod(root, name, mode, major, minor);
        let made = self.replace(rel, found, kind, make)?;
        if !self.made(made, "mknod ", rel, " failed") {
            return Ok(());
        }
        self.set_new(rel, &want, None);
        self.item(fx, at, flags, None)?;
        self.link_ready(fx, at)?;
        // Nothing was sent for it.
        self.succeeded(fx, at, false)
    }

    /// Set the attributes of an object that is right otherwise; the flags of its item.
    fn keep_attributes(&self, rel: &[u8], want: &Wanted, stat: &Stat) -> ItemFlags {
        let flags = self.flags(&self.dest.root, rel, want, Some(stat), ItemFlags::NONE, false);
        self.dest
            .set_attrs(rel, &want.compared(flags), stat, SetTimes::default());
        flags
    }

    /// What a new object is compared with: `same_kind`, or what an alternate directory has if nothing is `found`.
    /// `None`: the alternate directory had all that is needed.
    fn compared(
        &mut self,
        fx: &mut dyn Effects,
        at: &At,
        rel: &[u8],
        (found, same_kind): (Option<Stat>, Option<Stat>),
        target: Option<&[u8]>,
    ) -> Result<Option<Compared>> {
        if found.is_none() && self.plan.select.alt_dest != AltDest::None {
            match self.alt_other(fx, at, rel, target)? {
                AltOther::Done => return Ok(None),
                AltOther::Compared(place, stat, same) => {
                    return Ok(Some(Compared {
                        place,
                        stat: Some(stat),
                        same,
                    }))
                }
                AltOther::Nothing => {}
            }
        }
        Ok(Some(Compared {
            place: self.dest.root.clone(),
            stat: same_kind,
            same: false,
        }))
    }

    /// The flags of an object that is made.
    fn flags_of_new(&self, rel: &[u8], want: &Wanted, with: &Compared) -> ItemFlags {
        let base = ItemFlags::LOCAL_CHANGE | ItemFlags::CHANGE.when(!with.same);
        self.flags(&with.place, rel, want, with.stat.as_ref(), base, with.same)
    }

    /// Make an object that is not a file: under a temporary name and renamed if something is there, else directly.
    /// `Ok(false)`: what is in the way stays, which is reported. The inner error is that of `make`, for the caller to
    /// report.
    pub(super) fn replace(
        &mut self,
        rel: &[u8],
        found: Option<Stat>,
        kind: &str,
        make: impl Fn(&Root, &[u8]) -> io::Result<()>,
    ) -> Result<io::Result<bool>> {
        if self.idle {
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
                if self.plan.write.backup {
                    self.dest.backup_before_overwrite(rel)?;
                }
                self.dest.make_over(rel, make)
            }
            None => {
                let result = make(&self.dest.root, rel);
                if matches!(&result, Err(e) if e.is(Errno::NOENT)) && self.plan.select.relative {
                    self.dest.make_parents(rel);
                    make(&self.dest.root, rel)
                } else {
                    result
                }
            }
        };
        Ok(result.map(|()| true))
    }

    /// Set the attributes of something that was just made. `created_by`: the owner that it had first.
    fn set_new(&mut self, rel: &[u8], want: &Wanted, created_by: Option<u32>) {
        if self.idle {
            return;
        }
        match self.dest.lstat(rel) {
            Ok(mut stat) => {
                if let Some(uid) = created_by {
                    stat.uid = uid;
                }
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
