//! One entry of a list, with all that the options ask to be told of it (spec: transfer 2; protocol 5.5).

use std::io;
use std::sync::Arc;

use super::Scanner;
use crate::error::Result;
use crate::flist::{eflag, Charset, NewEntry, SegmentBuilder, EILSEQ};
use crate::report::say::text;
use crate::report::Level;
use crate::role::Role;
use crate::roles::compare::{is_link, is_reg, S_IFDIR, S_IFMT, S_IFREG};
use crate::roles::metadata::{self, Place};
use crate::roles::paths::disk;
use crate::sums::strong::{digest_len, Hasher};
use crate::tree::Stat;
use crate::wire::item::IoErrors;

impl Scanner {
    /// Whether name and target can travel; if not, that is told (spec: protocol 5.16).
    fn convertible(&mut self, name: &[u8], link: Option<&[u8]>, root_number: u16) -> bool {
        let Some(set) = self.charset else { return true };
        let mut out = Vec::new();
        let (what, shown) = if !set.to_wire(name, &mut out) {
            ("filename", name.to_vec())
        } else if self.plan.compat_symlink_iconv && link.is_some_and(|l| !set.to_wire(l, &mut out)) {
            ("symlink data for", self.display(root_number, name))
        } else {
            return true;
        };
        let text = [
            format!("[sender] cannot convert {what}: ").as_bytes(),
            &shown,
            format!(" ({EILSEQ})").as_bytes(),
        ]
        .concat();
        self.report.set_listing_error(IoErrors::GENERAL);
        self.report.line(Level::ErrorXfer, text);
        false
    }

    /// Put one entry into the list. `false` when it was left out.
    pub(super) fn push(
        &mut self,
        root_number: u16,
        name: &[u8],
        stat: &Stat,
        flags: u16,
        builder: &mut SegmentBuilder,
    ) -> Result<bool> {
        let plan = Arc::clone(&self.plan);
        let path = disk(name);
        let mut mode = stat.mode & 0o177_777;
        let mut link = None;
        if is_link(mode) {
            if plan.links {
                let target = self
                    .sources
                    .root(root_number)
                    .map(|r| metadata::read_link(r, path, plan.fake_super));
                match target {
                    Some(Ok(target)) if target.is_empty() => {
                        let shown = self.display(root_number, name);
                        let text = text!["skipping symlink with 0-length value: ", &shown];
                        self.report.set_listing_error(IoErrors::GENERAL);
                        self.report.warning(text);
                        return Ok(false);
                    }
                    Some(Ok(target)) => {
                        link = Some(match target.strip_prefix(b"/rsyncd-munged/") {
                            Some(plain) if plan.munge_links => plain.to_vec(),
                            _ => target,
                        });
                    }
                    Some(Err(error)) => {
                        let shown = self.display(root_number, name);
                        let text = text!["readlink_stat(", &shown, ") failed"];
                        self.report.set_listing_error(IoErrors::GENERAL);
                        self.report.sys_error(Role::Sender, text, &error);
                        return Ok(false);
                    }
                    None => return Ok(false),
                }
            }
        } else {
            // Whoever may not read it shall not know of it either (`ignore nonreadable`).
            if plan.ignore_nonreadable && !self.sources.root(root_number).is_some_and(|r| r.readable(path)) {
                return Ok(false);
            }
            mode = self.daemon_chmod.apply(mode, plan.umask);
            mode = self.chmod.apply(mode, plan.umask);
        }
        let mut sum = None;
        if plan.checksum && is_reg(mode) {
            sum = Some(self.file_sum(root_number, path));
        }
        let device = matches!(mode & S_IFMT, 0o020_000 | 0o060_000);
        let special = matches!(mode & S_IFMT, 0o010_000 | 0o140_000);
        let entry = NewEntry {
            len: if device || special { 0 } else { stat.size },
            mtime: stat.mtime,
            // An old protocol has whole seconds only; one that sends drops the rest itself.
            mtime_nsec: if self.local && plan.protocol < 31 {
                0
            } else {
                stat.mtime_nsec
            },
            mode,
            uid: stat.uid,
            gid: stat.gid,
            flags,
            root: root_number,
            link: link.as_deref(),
            checksum: sum.as_deref(),
            rdev: if device {
                (stat.rdev_major, stat.rdev_minor)
            } else {
                (0, 0)
            },
            atime: (plan.atimes > 0).then_some(stat.atime),
            crtime: if plan.crtimes {
                Some(stat.btime.map_or(0, |b| b.0))
            } else {
                None
            },
            inode: (plan.hard_links
                && mode & S_IFMT != S_IFDIR
                && (stat.nlink > 1 || plan.protocol < 28 && is_reg(mode)))
            .then_some((stat.dev, stat.ino)),
            ..NewEntry::named(name)
        };
        let Some(entry) = self.with_metadata(entry, root_number, path, stat) else {
            return Ok(false);
        };
        if !self.convertible(name, entry.link, root_number) {
            return Ok(false);
        }
        let (kind, length) = (entry.mode, entry.len);
        let entry_extra = entry.link.map_or(0, |l| l.len() as u64) + entry.checksum.map_or(0, |c| c.len() as u64);
        builder.push(&entry)?;
        self.report.stats(|s| {
            s.files.add(kind);
            if matches!(kind & S_IFMT, S_IFREG | crate::roles::compare::S_IFLNK) {
                s.total_size += length;
            }
            s.had_entries = true;
        });
        self.report.listed(1, false);
        if self.local {
            // Flags, name, size and time, as an entry that shares the rest with its neighbour has them.
            let bytes = name.len().min(24) as u64 + 12 + entry_extra;
            self.report.stats(|s| {
                s.sent += bytes;
            });
        }
        Ok(true)
    }

    /// Add ACLs and extended attributes; `None` when they can't be read, and the entry is left out.
    pub(super) fn with_metadata<'a>(
        &mut self,
        mut entry: NewEntry<'a>,
        root_number: u16,
        path: &[u8],
        stat: &Stat,
    ) -> Option<NewEntry<'a>> {
        let plan = Arc::clone(&self.plan);
        let acls = plan.acls && !is_link(stat.mode);
        if !acls && plan.xattrs == 0 {
            return Some(entry);
        }
        let root = self.sources.root(root_number)?;
        let follows =
            plan.copy_links || plan.copy_unsafe_links || plan.copy_dirlinks || entry.flags & eflag::TOP_DIR != 0;
        let pin = if follows && !is_link(stat.mode) {
            root.pin_follow(path).ok()
        } else {
            None
        };
        let place = pin.as_ref().map_or(Place::Name(root, path), Place::Pinned);
        if acls {
            match metadata::acl_indices(place, stat.mode, plan.fake_super, &self.tables) {
                Ok((access, default)) => (entry.acl, entry.default_acl) = (access, default),
                Err(error) => {
                    let text = text!["get_acl: xacl_get(", path, ", ACL_TYPE_ACCESS)"];
                    self.report.sys_error(Role::Sender, text, &error);
                    return None;
                }
            }
        }
        if plan.xattrs > 0 {
            // Also under `-L` those of the name itself are taken: a link's own (observed).
            match metadata::read_set(Place::Name(root, path), &plan, &self.filters) {
                Ok(set) if set.is_empty() => {}
                Ok(mut set) => {
                    if !self.local {
                        // Long values are read again when they are asked for.
                        set = set
                            .into_iter()
                            .map(|(name, value)| (name, value.abbreviated()))
                            .collect();
                    }
                    entry.xattrs = Some(self.tables.intern_xattrs(set));
                }
                Err((name, error)) => {
                    let shown = root.display(path);
                    let text = if name.is_empty() {
                        text!["get_xattr_names: llistxattr(\"", &shown, "\",1024) failed"]
                    } else {
                        text!["get_xattr_data: lgetxattr(\"", &shown, "\",\"", &name, "\",0) failed"]
                    };
                    self.report.sys_error(Role::Sender, text, &error);
                    return None;
                }
            }
        }
        Some(entry)
    }

    /// The checksum of `-c`; zeros for a file that can't be read (spec: protocol 8.5).
    pub(super) fn file_sum(&mut self, root: u16, path: &[u8]) -> Vec<u8> {
        let kind = self.plan.file_sum;
        let noatime = self.plan.open_noatime;
        let follow = self.plan.copy_links || self.plan.copy_unsafe_links || self.plan.copy_dirlinks;
        let opened = self.sources.root(root).map(|r| {
            if follow {
                r.open_read_follow(path, noatime)
            } else {
                r.open_read(path, noatime)
            }
        });
        let Some(Ok(mut file)) = opened else {
            return vec![0; digest_len(kind)];
        };
        sum_file(&mut file, kind, &mut self.buffer).unwrap_or_else(|_| vec![0; digest_len(kind)])
    }
}

/// The unseeded checksum of a whole file (spec: protocol 8.5).
pub fn sum_file(file: &mut std::fs::File, kind: crate::plan::SumKind, buffer: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut hasher = Hasher::new(kind);
    buffer.resize(256 * 1024, 0);
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hasher.finish().as_slice().to_vec()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
