//! One entry of a list, with all that the options ask for (spec: transfer 2; protocol 5.5).

use std::sync::Arc;

use rustix::io::Errno;

use super::shown::{shown, Shown};
use super::{Contents, Node, Scanner};
use crate::error::{IoErrorExt as _, Result};
use crate::flist::{eflag, Charset, NewEntry, EILSEQ};
use crate::report::say::text;
use crate::report::Level;
use crate::role::Role;
use crate::roles::compare::unsafe_link;
use crate::roles::metadata::{self, Place};
use crate::roles::paths::disk;
use crate::roles::text::messages;
use crate::sums::strong::digest_len;
use crate::tree::mode::{is_device, is_dir, is_file, is_link, is_special};
use crate::tree::Stat;
use crate::wire::item::IoErrors;

/// An entry that was put into the list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub mode: u32,
    pub len: u64,
    /// Another run counts it.
    pub shared: bool,
    /// Bytes of target and checksum.
    extra: u64,
}

impl Made {
    /// What it adds to the total size of the run.
    pub(super) fn counted(self) -> u64 {
        if is_file(self.mode) || is_link(self.mode) {
            self.len
        } else {
            0
        }
    }
}

impl Scanner {
    pub(super) fn report_no_referent(&mut self, root: u16, name: &[u8]) {
        let path = self.display(root, name);
        self.report.set_listing_error(IoErrors::GENERAL);
        self.report.error_xfer(text!["symlink has no referent: ", &path]);
    }

    /// The status that the list gives for a link where some links are followed; `None` when the link is left out.
    pub(super) fn follow_link(&mut self, root_number: u16, name: &[u8], stat: Stat) -> Option<Stat> {
        let plan = Arc::clone(&self.plan);
        let path = disk(name);
        let mut follow = plan.attrs.copy_links;
        if !follow && plan.attrs.copy_unsafe_links {
            let target = self.sources.root(root_number)?.read_link(path);
            if let Some(target) = target.ok().filter(|target| unsafe_link(target, path)) {
                follow = true;
                if plan.output.info.symsafe > 0 {
                    let text = text!["copying unsafe symlink \"", path, "\" -> \"", target, "\""];
                    self.report.info(text);
                }
            }
        }
        let root = self.sources.root(root_number)?;
        if !follow {
            let behind = plan
                .attrs
                .copy_dirlinks
                .then(|| root.stat_follow(path, plan.attrs.crtimes).ok())
                .flatten();
            return Some(behind.filter(Stat::is_dir).unwrap_or(stat));
        }
        match root.stat_follow(path, plan.attrs.crtimes) {
            Ok(behind) => return Some(behind),
            Err(error) if error.is(Errno::NOENT) => self.report_no_referent(root_number, name),
            Err(error) => {
                let shown = self.display(root_number, name);
                self.cannot_list(messages::readlink_stat_failed(&shown), &error);
            }
        }
        None
    }

    /// Whether name and target can be converted for the wire; if not, that is reported (spec: protocol 5.16).
    fn convertible(&mut self, name: &[u8], link: Option<&[u8]>, root_number: u16) -> bool {
        let Some(set) = self.charset else { return true };
        let mut out = Vec::new();
        let (what, shown) = if !set.to_wire(name, &mut out) {
            ("filename", name.to_vec())
        } else if self.plan.agreed.compat_symlink_iconv && link.is_some_and(|l| !set.to_wire(l, &mut out)) {
            ("symlink data for", self.display(root_number, name))
        } else {
            return true;
        };
        let text = text!["[sender] cannot convert ", what, ": ", &shown, " (", EILSEQ, ")"];
        self.report.set_listing_error(IoErrors::GENERAL);
        self.report.line(Level::ErrorXfer, text);
        false
    }

    /// Put one entry into the list. `false` when it was left out.
    pub(super) fn push(&mut self, root_number: u16, name: &[u8], stat: &Stat, flags: u16) -> Result<bool> {
        let links = self.plan.attrs.links;
        let Some(root) = self.sources.root(root_number) else {
            return Ok(false);
        };
        match shown(root, disk(name), stat, &self.plan, &self.daemon_chmod, links) {
            Shown::Hidden => Ok(false),
            Shown::As(mode, link) => {
                let stat = Stat { mode, ..*stat };
                self.push_shown(root_number, name, &stat, link.as_deref(), flags)
            }
            Shown::NoTarget => {
                let shown = self.display(root_number, name);
                self.report.set_listing_error(IoErrors::GENERAL);
                self.report
                    .warning(text!["skipping symlink with 0-length value: ", &shown]);
                Ok(false)
            }
            Shown::Failed(error) => {
                let shown = self.display(root_number, name);
                self.cannot_list(messages::readlink_stat_failed(&shown), &error);
                Ok(false)
            }
        }
    }

    /// Put one entry as the view shows it into the list, and count it. `false` when it was left out.
    fn push_shown(
        &mut self,
        root_number: u16,
        name: &[u8],
        stat: &Stat,
        link: Option<&[u8]>,
        flags: u16,
    ) -> Result<bool> {
        let Some(made) = self.enter_shown(root_number, name, stat, link, flags)? else {
            return Ok(false);
        };
        self.report.stats(|s| {
            if !made.shared {
                s.files.add(made.mode);
            }
            s.total_size += made.counted();
            s.had_entries = true;
        });
        self.report.add_listed(1, if is_file(made.mode) { made.len } else { 0 });
        if self.local {
            // The size of an encoded entry with flags, name, size and time, which shares the rest with its neighbour.
            let bytes = name.len().min(24) as u64 + 12 + made.extra;
            self.report.stats(|s| s.sent += bytes);
        }
        Ok(true)
    }

    /// Put one entry as the view shows it into the list, with what the client wants of it. `None` when it was left out.
    pub(super) fn enter_shown(
        &mut self,
        root_number: u16,
        name: &[u8],
        stat: &Stat,
        link: Option<&[u8]>,
        flags: u16,
    ) -> Result<Option<Made>> {
        let path = disk(name);
        let mut mode = stat.mode;
        if !is_link(mode) {
            mode = self.chmod.apply(mode, self.plan.place.umask);
        }
        let unknown =
            (self.plan.select.checksum && is_file(mode)).then(|| vec![0; digest_len(self.plan.agreed.file_sum)]);
        let mut entry = NewEntry {
            flags,
            root: root_number,
            link,
            checksum: unknown.as_deref(),
            ..self.new_entry(name, stat, mode)
        };
        if self.plan.attrs.acls || self.plan.attrs.xattrs > 0 {
            entry = match self.with_metadata(entry, root_number, path, stat) {
                Some(entry) => entry,
                None => return Ok(None),
            };
        }
        if !self.convertible(name, entry.link, root_number) {
            return Ok(None);
        }
        let made = Made {
            shared: is_dir(entry.mode) && self.plan.output.shares(name),
            mode: entry.mode,
            len: entry.len,
            extra: entry.link.map_or(0, |l| l.len() as u64) + entry.checksum.map_or(0, |c| c.len() as u64),
        };
        let at = self.builder.push(&entry)?;
        if unknown.is_some() {
            self.sum_later(at, root_number, path, made.len)?;
        }
        Ok(Some(made))
    }

    /// What the status of a file gives for its entry.
    fn new_entry<'a>(&self, name: &'a [u8], stat: &Stat, mode: u32) -> NewEntry<'a> {
        let plan = &self.plan;
        let device = is_device(mode);
        let special = is_special(mode);
        let linked = !is_dir(mode) && (stat.nlink > 1 || plan.agreed.protocol < 28 && is_file(mode));
        NewEntry {
            len: if device || special { 0 } else { stat.size },
            mtime: stat.mtime,
            // An old protocol has whole seconds only; on a link the encoder drops the rest.
            mtime_nsec: if self.local && plan.agreed.protocol < 31 {
                0
            } else {
                stat.mtime_nsec
            },
            mode,
            uid: stat.uid,
            gid: stat.gid,
            rdev: if device {
                (stat.rdev_major, stat.rdev_minor)
            } else {
                (0, 0)
            },
            atime: (plan.attrs.atimes > 0).then_some(stat.atime),
            crtime: plan.attrs.crtimes.then(|| stat.btime.map_or(0, |b| b.0)),
            inode: (plan.attrs.hard_links && linked).then_some((stat.dev, stat.ino)),
            ..NewEntry::named(name)
        }
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
        let acls = plan.attrs.acls && !is_link(stat.mode);
        if !acls && plan.attrs.xattrs == 0 {
            return Some(entry);
        }
        let root = self.sources.root(root_number)?;
        let follows = plan.attrs.copy_links
            || plan.attrs.copy_unsafe_links
            || plan.attrs.copy_dirlinks
            || entry.flags & eflag::TOP_DIR != 0;
        let pin = if follows && !is_link(stat.mode) {
            root.pin_follow(path).ok()
        } else {
            None
        };
        let place = pin.as_ref().map_or(Place::Name(root, path), Place::Pinned);
        if acls {
            match metadata::acl_indices(place, stat.mode, plan.place.fake_super, &self.tables) {
                Ok((access, default)) => (entry.acl, entry.default_acl) = (access, default),
                Err(error) => {
                    let text = text!["get_acl: xacl_get(", path, ", ACL_TYPE_ACCESS)"];
                    // The entry is missing from the list, so nothing may be deleted by it.
                    self.report.set_listing_error(IoErrors::GENERAL);
                    self.report.sys_error(Role::Sender, text, &error);
                    return None;
                }
            }
        }
        if plan.attrs.xattrs > 0 {
            // The attributes of the name itself count, under `-L` those of the link (observed).
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
                        messages::xattr_names_failed(&shown)
                    } else {
                        let shown = self.report.quoted(&shown);
                        text!["get_xattr_data: lgetxattr(", &shown, ",\"", &name, "\",0) failed"]
                    };
                    self.report.set_listing_error(IoErrors::GENERAL);
                    self.report.sys_error(Role::Sender, text, &error);
                    return None;
                }
            }
        }
        Some(entry)
    }

    /// The flags of a directory's entry, and the node of its contents if they are to be listed. `None`: it is left out.
    pub(super) fn directory(
        &self,
        root_number: u16,
        name: &[u8],
        stat: &Stat,
        top_dev: Option<u64>,
    ) -> Option<(u16, Option<Node>)> {
        let plan = &self.plan;
        let mount = plan.select.one_file_system > 0 && top_dev.is_some_and(|dev| dev != stat.dev);
        if mount && plan.select.one_file_system > 1 {
            if plan.output.info.mount > 0 {
                self.report
                    .info(text!["[sender] skipping mount-point dir ", disk(name)]);
            }
            return None;
        }
        // The list of a mount point is an empty one: by that a receiver with incremental recursion finishes the directory.
        let contents = plan.select.recurse && !mount;
        let flags = if contents { eflag::CONTENT_DIR } else { 0 };
        let here = Contents {
            root: root_number,
            dev: top_dev.unwrap_or(stat.dev),
            turn: self.turn,
        };
        let node = Node {
            path: name.to_vec(),
            contents: if contents { vec![here] } else { Vec::new() },
            ..Node::default()
        };
        Some((flags, (contents || mount).then_some(node)))
    }
}
