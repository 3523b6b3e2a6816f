//! The receiving side's hold on the destination: what generator and receiver share. Attributes are set and finished
//! files put in place here (spec: transfer 5, 6, 11).

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::chmod::Chmod;
use super::compare::{dest_mode, is_dir, is_link, is_reg, keeps_time, same_time, Wanted};
use super::metadata::{Metadata, Place};
use crate::error::{sys_text, Error, Result};
use crate::flist::{eflag, Segment, Tables};
use crate::plan::Plan;
use crate::report::{Level, Report};
use crate::tree::{attrs, FileKind, Root, RootOptions, Stat, Temp, WriteFlags};

/// Where interrupted and delayed files are kept (spec: transfer 6.1).
#[derive(Debug, Clone)]
pub enum PartialDir {
    None,
    /// In each file's own directory.
    Relative(Vec<u8>),
    /// One for all.
    Absolute(Root),
}

/// How [`Dest::set_attrs`] treats times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetTimes {
    /// To the nanosecond, even if equal under the window (the file was transferred or verified).
    pub exact: bool,
    /// Not now.
    pub skip: bool,
}

/// The destination of a run. Clone one for each thread.
#[derive(Clone)]
pub struct Dest {
    pub plan: Arc<Plan>,
    pub report: Report,
    pub root: Root,
    /// A single entry that is stored under this name (spec: options 5.3).
    pub single: Option<Arc<Vec<u8>>>,
    /// `generator` or `receiver`, for messages.
    pub role: &'static str,
    pub temp_dir: Option<Root>,
    /// The temp-dir that cannot be used: a link on the way to it belongs to somebody else.
    temp_refused: Option<Arc<Vec<u8>>>,
    pub partial: PartialDir,
    /// A dry run whose destination does not exist: nothing is there, wherever one looks.
    pub void: bool,
    /// The destination directory was made by this run.
    pub created: bool,
    /// ACLs, attributes and ids.
    pub metadata: Metadata,
    chmod: Arc<Chmod>,
    incoming: Arc<Chmod>,
    effective: (u32, u32),
}

impl Dest {
    pub fn new(plan: Arc<Plan>, report: Report, root: Root) -> Result<Self> {
        let receiver_chmod = if plan.server || plan.local {
            Vec::new()
        } else {
            plan.chmod.clone()
        };
        let mut dest = Self {
            chmod: Arc::new(Chmod::parse(&receiver_chmod).unwrap_or_default()),
            incoming: Arc::new(Chmod::parse(&plan.daemon_chmod).unwrap_or_default()),
            effective: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
            single: None,
            role: "generator",
            temp_dir: None,
            temp_refused: None,
            partial: PartialDir::None,
            void: false,
            created: false,
            metadata: Metadata::new(Arc::clone(&plan), Tables::default()),
            plan,
            report,
            root,
        };
        dest.open_helpers()?;
        Ok(dest)
    }

    /// Open an operator path that is relative to the destination.
    pub fn operator_dir(&self, path: &[u8]) -> io::Result<Root> {
        let lexical;
        let path = if self.void {
            // The destination is not there to be walked through.
            lexical = lexical_path(path, self.root.path());
            &lexical[..]
        } else {
            path
        };
        let options = RootOptions {
            cwd: self.root.path().to_vec(),
            operator: true,
            insecure_links: self.plan.insecure_links,
            confine_root: self.plan.confine_root.clone(),
            ..RootOptions::default()
        };
        match &self.plan.module_root {
            // Directory options from a client stay in the module, links included (SEC-9).
            Some(module) if !self.plan.insecure_links => {
                let full = crate::tree::operator::absolute(path, self.root.path())?;
                let options = RootOptions {
                    cwd: Vec::new(),
                    ..options
                };
                let module = super::sources::open_module(&self.plan, module, &options)?;
                let full = super::scan::clean(&full);
                let Some(rel) = full.strip_prefix(module.path()) else {
                    return Err(io::Error::from_raw_os_error(40));
                };
                let rel = rel.strip_prefix(b"/").unwrap_or(rel);
                module.subroot(if rel.is_empty() { b"." } else { rel })
            }
            _ => Root::open(path, &options),
        }
    }

    fn open_helpers(&mut self) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        if let Some(dir) = plan.temp_dir.as_deref() {
            match self.operator_dir(dir) {
                Ok(root) => self.temp_dir = Some(root),
                // Told for each file that should have been made there.
                Err(error) if error.raw_os_error() == Some(40) => {
                    let full = crate::tree::operator::absolute(dir, self.root.path()).unwrap_or_else(|_| dir.to_vec());
                    self.temp_refused = Some(Arc::new(super::scan::clean(&full)));
                }
                Err(error) => {
                    let shown = String::from_utf8_lossy(dir).into_owned();
                    return Err(match error.raw_os_error() {
                        Some(2) => Error::Usage(format!("The temp-dir does not exist: {shown}")),
                        Some(20) => Error::Usage(format!("The temp-dir is not a directory: {shown}")),
                        _ => Error::FileIo(format!("Failed to stat temp-dir {shown}: {}", sys_text(&error))),
                    });
                }
            }
        }
        if let Some(dir) = plan.partial_dir.as_deref() {
            self.partial = if dir.starts_with(b"/") {
                self.operator_dir(dir).map_or(PartialDir::None, PartialDir::Absolute)
            } else {
                PartialDir::Relative(dir.to_vec())
            };
        }
        Ok(())
    }

    /// The same destination as the other role sees it.
    pub fn for_role(&self, role: &'static str) -> Self {
        Self { role, ..self.clone() }
    }

    /// Name of an entry below the root.
    pub fn name(&self, segment: &Segment, i: usize) -> Vec<u8> {
        match &self.single {
            Some(name) => name.to_vec(),
            None => segment.name(i),
        }
    }

    pub fn display(&self, rel: &[u8]) -> Vec<u8> {
        let mut path = super::scan::clean(&self.root.display(rel));
        if rel == b"." {
            path.extend_from_slice(if path == b"/" { b"." } else { b"/." });
        }
        self.report.quoted(&path)
    }

    pub fn sys_error(&self, verb: &str, rel: &[u8], error: &io::Error) {
        let text = [verb.as_bytes(), b" ", &self.display(rel), b" failed"].concat();
        self.report.sys_error(self.role, text, error);
    }

    /// What the umask, or the parent's default ACL, lets a new file have.
    fn default_perms(&self, segment: &Segment, i: usize) -> u32 {
        if self.void {
            return 0o777 & !self.plan.umask;
        }
        self.metadata.default_perms(&self.root, &self.name(segment, i))
    }

    /// What an entry is to look like here.
    pub fn wanted(&self, segment: &Segment, i: usize, exists: Option<&Stat>) -> Wanted {
        let entry = segment.entry(i);
        let plan = &self.plan;
        let mut listed = entry.mode;
        if !is_link(listed) && !self.chmod.is_empty() {
            listed = self.chmod.apply(listed, plan.umask);
        }
        let fresh = !plan.perms && exists.is_none();
        let allowed = if fresh { self.default_perms(segment, i) } else { 0o777 };
        let mut mode = dest_mode(plan, listed, exists.map(|s| s.mode), allowed);
        if !is_link(mode) && !self.incoming.is_empty() {
            mode = self.incoming.apply(mode, plan.umask);
            if plan.perms {
                listed = mode;
            }
        }
        let (uid, gid) = self.metadata.local_ids(entry.uid, entry.gid);
        let gid = (!entry.has(eflag::SKIP_GROUP)
            && (plan.root_like() || plan.groups.contains(&gid) || gid == self.effective.1))
            .then_some(gid);
        let (acl, default_acl) = if plan.acls { segment.acl(i) } else { (None, None) };
        Wanted {
            mode,
            listed_mode: listed,
            len: entry.len,
            mtime: entry.mtime,
            mtime_nsec: entry.mtime_nsec,
            atime: if plan.atimes > 0 { segment.atime(i) } else { 0 },
            atime_nsec: 0,
            crtime: plan.crtimes.then(|| segment.crtime(i)),
            uid,
            gid,
            rdev: segment.rdev(i),
            acl,
            default_acl,
            xattrs: if plan.xattrs > 0 { segment.xattrs(i) } else { None },
            acl_settled: false,
            xattrs_settled: false,
        }
    }

    fn ids_to_set(&self, want: &Wanted, now: &Stat) -> (Option<u32>, Option<u32>) {
        let plan = &self.plan;
        if plan.fake_super {
            return (None, None);
        }
        let uid = (plan.am_root && plan.owner && want.uid != now.uid).then_some(want.uid);
        let gid = want.gid.filter(|&gid| plan.group && gid != now.gid);
        (uid, gid)
    }

    /// The root itself is shown with a dot when it is an entry.
    fn display_entry(&self, rel: &[u8]) -> Vec<u8> {
        if rel != b"." {
            return self.display(rel);
        }
        let mut path = self.root.display(rel);
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.push(b'.');
        self.report.quoted(&path)
    }

    /// Tell it; whether the rest can be done all the same.
    fn chown_failed(&self, shown: &[u8], want: &Wanted, uid: Option<u32>, error: &io::Error) -> bool {
        let impossible: &[u8] = match (uid, want.gid) {
            (Some(u32::MAX), _) => b"uid 4294967295 (-1) is impossible to set on ",
            (_, Some(u32::MAX)) => b"gid 4294967295 (-1) is impossible to set on ",
            _ => {
                let verb: &[u8] = if uid.is_some() { b"chown " } else { b"chgrp " };
                self.report
                    .sys_error(self.role, [verb, shown, b" failed"].concat(), error);
                return false;
            }
        };
        self.report.error_xfer([impossible, shown].concat());
        true
    }

    /// Bring the attributes of an existing file to what is wanted; whether anything was changed. `None`: it can't be
    /// given away (reported), and is left alone.
    pub fn set_attrs(&self, rel: &[u8], want: &Wanted, now: &Stat, times: SetTimes) -> Option<bool> {
        let plan = &self.plan;
        if plan.dry_run {
            return Some(false);
        }
        let mut changed = false;
        let mut mode_now = now.mode;
        let place = Place::Name(&self.root, rel);
        if plan.fake_super {
            changed |= self.keep_fake(place, rel, want, now);
            mode_now = self.root.lstat(rel).map_or(mode_now, |s| s.mode);
        }
        let (uid, gid) = self.ids_to_set(want, now);
        if uid.is_some() || gid.is_some() {
            match self.root.chown(rel, uid, gid) {
                Ok(()) => {
                    changed = true;
                    if now.mode & 0o6000 != 0 {
                        mode_now = self.root.lstat(rel).map_or(now.mode & !0o6000, |s| s.mode);
                    }
                }
                Err(error) => {
                    // Who can't give the file away can't do the rest either.
                    if !self.chown_failed(&self.display_entry(rel), want, uid, &error) {
                        return None;
                    }
                }
            }
        }
        if plan.xattrs > 0 && !want.xattrs_settled {
            changed |= self.set_xattrs(place, rel, want, &mut mode_now);
        }
        if !times.skip {
            let mtime = keeps_time(plan, want.mode)
                .then_some((want.mtime, want.mtime_nsec))
                .filter(|&t| {
                    if times.exact {
                        t != now.mtime_pair()
                    } else {
                        !same_time(plan.modify_window, t, now.mtime_pair())
                    }
                });
            let atime = (plan.atimes > 0 && !is_dir(want.mode) && want.atime != now.atime)
                .then_some((want.atime, want.atime_nsec));
            if mtime.is_some() || atime.is_some() {
                match self.root.utimens(rel, mtime, atime) {
                    Ok(()) => changed = true,
                    Err(error) => {
                        let text = [b"failed to set times on ".as_slice(), &self.display_entry(rel)].concat();
                        self.report.sys_error(self.role, text, &error);
                    }
                }
            }
        }
        if plan.acls && !want.acl_settled {
            changed |= self.set_acls(place, rel, want, &mut mode_now);
        }
        let mode = self.real_mode(want.mode);
        if !is_link(mode_now) && (mode_now ^ mode) & 0o7777 != 0 {
            match self.root.chmod(rel, mode) {
                Ok(()) => changed = true,
                Err(error) => {
                    // A link that stands for a directory is never followed for this.
                    let link = error.raw_os_error() == Some(95) && self.root.lstat(rel).is_ok_and(|s| s.is_symlink());
                    let error = if link { io::Error::from_raw_os_error(40) } else { error };
                    let text = [b"failed to set permissions on ".as_slice(), &self.display_entry(rel)].concat();
                    self.report.sys_error(self.role, text, &error);
                }
            }
        }
        Some(changed)
    }

    /// Attributes of a file that is still open and not yet in place (or is updated in place).
    /// `temp` is its present name if it is a new temporary file. What can't be given its owner is left as it is.
    pub fn set_attrs_open(&self, file: &File, rel: &[u8], want: &Wanted, temp: Option<&[u8]>) {
        let shown = match temp {
            Some(name) => self.report.quoted(&self.temp_root().display(name)),
            None => self.display(rel),
        };
        let plan = &self.plan;
        let mut mode_now = 0o600;
        let place = Place::Open(file);
        if plan.fake_super {
            if let Ok(now) = crate::tree::stat::of_file(file) {
                mode_now = now.mode & 0o7777;
                self.keep_fake(place, rel, want, &now);
            }
        } else if plan.owner && plan.am_root || plan.group || temp.is_none() {
            if let Ok(now) = crate::tree::stat::of_file(file) {
                mode_now = now.mode & 0o7777;
                let (uid, gid) = self.ids_to_set(want, &now);
                if uid.is_some() || gid.is_some() {
                    match attrs::fchown(file, uid, gid) {
                        Ok(()) => mode_now &= !0o6000,
                        Err(error) => {
                            if !self.chown_failed(&shown, want, uid, &error) {
                                return;
                            }
                        }
                    }
                }
            }
        }
        if plan.xattrs > 0 {
            self.set_xattrs(place, rel, want, &mut mode_now);
        }
        if plan.acls {
            self.set_acls(place, rel, want, &mut mode_now);
        }
        let mode = self.real_mode(want.mode);
        if (mode_now ^ mode) & 0o7777 != 0 {
            if let Err(error) = attrs::fchmod(file, mode) {
                let text = [b"failed to set permissions on ".as_slice(), &shown].concat();
                self.report.sys_error(self.role, text, &error);
            }
        }
        let mtime = keeps_time(plan, want.mode).then_some((want.mtime, want.mtime_nsec));
        let atime = (plan.atimes > 0).then_some((want.atime, want.atime_nsec));
        if mtime.is_some() || atime.is_some() {
            if let Err(error) = attrs::futimens(file, mtime, atime) {
                let text = [b"failed to set times on ".as_slice(), &shown].concat();
                self.report.sys_error(self.role, text, &error);
            }
        }
    }

    /// Make the parents of `rel` with default modes (`--relative` without implied directories).
    pub fn make_parents(&self, rel: &[u8]) {
        let mut at = 0;
        while let Some(slash) = memchr::memchr(b'/', &rel[at..]) {
            let _ = self.root.mkdir(&rel[..at + slash], 0o777 & !self.plan.umask);
            at += slash + 1;
        }
    }

    // ---- writing a file

    /// A new temporary file for `rel`. Errors are reported; the file is then skipped.
    pub fn create_temp(&self, rel: &[u8]) -> Option<Temp> {
        if let Some(dir) = &self.temp_refused {
            let error = io::Error::from_raw_os_error(40);
            self.report.refusal(dir, &error);
            let path = [dir.as_slice(), b"/", split_name(rel).1, b".XXXXXX"].concat();
            let text = [b"mkstemp ".as_slice(), &self.report.quoted(&path), b" failed"].concat();
            self.report.sys_error(self.role, text, &error);
            return None;
        }
        match self.root.create_temp(rel, self.temp_dir.as_ref()) {
            Ok(temp) => Some(temp),
            Err(error) => {
                let shown = self.temp_dir.as_ref().unwrap_or(&self.root);
                let name = crate::tree::temp::name_for(rel, self.temp_dir.is_some());
                let path = self.report.quoted(&shown.display(&name));
                let text = [b"mkstemp ".as_slice(), &path, b" failed"].concat();
                self.report.sys_error(self.role, text, &error);
                None
            }
        }
    }

    fn temp_root(&self) -> &Root {
        self.temp_dir.as_ref().unwrap_or(&self.root)
    }

    pub fn remove_temp(&self, temp: &[u8]) {
        let _ = self.temp_root().unlink(temp);
    }

    /// Open a file for writing in place; made if missing.
    pub fn open_inplace(&self, rel: &[u8]) -> Option<File> {
        let how = WriteFlags {
            read: true,
            create: Some(0o600),
            exclusive: false,
            truncate: false,
        };
        let mut result = self.root.open_write(rel, how);
        if matches!(&result, Err(e) if e.raw_os_error() == Some(13)) {
            // An unwritable file of our own is made writable; its mode is set again at the end.
            if let Ok(stat) = self.root.lstat(rel) {
                if stat.is_file() && self.root.chmod(rel, stat.mode & 0o7777 | 0o200).is_ok() {
                    result = self.root.open_write(rel, how);
                }
            }
        }
        match result {
            Ok(file) => Some(file),
            Err(error) => {
                self.sys_error("open", rel, &error);
                None
            }
        }
    }

    /// Put a finished temporary file in place: backup, rename, or a copy across filesystems. `false` when it failed
    /// (reported).
    pub fn commit(&self, temp: &[u8], rel: &[u8], replaces: bool) -> Result<bool> {
        if replaces && self.plan.backup && !self.backup_before_overwrite(rel)? {
            self.remove_temp(temp);
            return Ok(false);
        }
        self.rename_into_place(temp, rel)
    }

    fn rename_into_place(&self, temp: &[u8], rel: &[u8]) -> Result<bool> {
        let from = self.temp_root();
        match self.root.rename_from(from, temp, rel) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(18) && self.temp_dir.is_some() => {
                // Another filesystem: copy beside the target, then rename.
                match self.copy_across(temp, rel) {
                    Ok(()) => Ok(true),
                    Err(error) => {
                        let text = [
                            b"copy ".as_slice(),
                            &self.report.quoted(&from.display(temp)),
                            b" -> \"",
                            rel,
                            b"\"",
                        ]
                        .concat();
                        self.report.sys_error(self.role, text, &error);
                        self.remove_temp(temp);
                        Ok(false)
                    }
                }
            }
            Err(error) => {
                let text = [
                    b"rename ".as_slice(),
                    &self.report.quoted(&from.display(temp)),
                    b" -> \"",
                    rel,
                    b"\"",
                ]
                .concat();
                self.report.sys_error(self.role, text, &error);
                self.remove_temp(temp);
                Ok(false)
            }
        }
    }

    fn copy_across(&self, temp: &[u8], rel: &[u8]) -> io::Result<()> {
        let source = self.temp_root().open_read(temp, false)?;
        let stat = crate::tree::stat::of_file(&source)?;
        let near = self.root.create_temp(rel, None)?;
        let finish = || -> io::Result<()> {
            crate::tree::data::copy_whole(&source, &near.file, stat.size, false)?;
            attrs::fchown(&near.file, Some(stat.uid), Some(stat.gid))
                .or_else(|_| attrs::fchown(&near.file, None, Some(stat.gid)))
                .ok();
            attrs::fchmod(&near.file, stat.mode)?;
            attrs::futimens(&near.file, Some(stat.mtime_pair()), Some(stat.atime_pair()))?;
            self.root.rename(&near.name, rel)
        };
        let result = finish();
        if result.is_err() {
            let _ = self.root.unlink(&near.name);
        }
        let _ = self.temp_root().unlink(temp);
        result
    }

    /// Sync a finished file when asked (`--fsync`).
    pub fn sync(&self, file: &File, rel: &[u8]) -> Result<()> {
        if self.plan.fsync {
            file.sync_all().map_err(|e| {
                Error::FileIo(format!(
                    "rsync: [{}] fsync failed on {}: {}",
                    self.role,
                    String::from_utf8_lossy(&self.display(rel)),
                    sys_text(&e)
                ))
            })?;
        }
        Ok(())
    }

    /// The error that ends a run when data can't be written (TRF-27).
    pub fn write_error(&self, rel: &[u8], error: &io::Error) -> Error {
        Error::FileIo(format!(
            "rsync: [{}] write failed on {}: {}",
            self.role,
            String::from_utf8_lossy(&self.display(rel)),
            sys_text(error)
        ))
    }

    // ---- partial files

    /// Name of the partial-dir copy of `rel`, and the root it is in.
    pub fn partial_name(&self, rel: &[u8]) -> Option<(&Root, Vec<u8>)> {
        let (dir, base) = split_name(rel);
        match &self.partial {
            PartialDir::None => None,
            PartialDir::Relative(sub) => {
                let mut name = dir.to_vec();
                if !dir.is_empty() {
                    name.push(b'/');
                }
                name.extend_from_slice(sub);
                name.push(b'/');
                name.extend_from_slice(base);
                Some((&self.root, name))
            }
            PartialDir::Absolute(root) => Some((root, base.to_vec())),
        }
    }

    /// Move a temporary file into the partial-dir (made if missing).
    pub fn keep_in_partial_dir(&self, temp: &[u8], rel: &[u8]) -> bool {
        let Some((root, name)) = self.partial_name(rel) else {
            return false;
        };
        if let PartialDir::Relative(_) = &self.partial {
            let (dir, _) = split_name(&name);
            match root.mkdir(dir, 0o700) {
                Ok(()) => {}
                Err(e) if e.raw_os_error() == Some(17) => {}
                Err(_) => return false,
            }
        }
        root.rename_from(self.temp_root(), temp, &name).is_ok()
    }

    /// Remove the partial-dir copy and, if it is empty then, a relative partial-dir.
    pub fn drop_partial(&self, rel: &[u8]) {
        let Some((root, name)) = self.partial_name(rel) else {
            return;
        };
        let _ = root.unlink(&name);
        self.drop_partial_dir(rel);
    }

    pub fn drop_partial_dir(&self, rel: &[u8]) {
        if let (PartialDir::Relative(_), Some((root, name))) = (&self.partial, self.partial_name(rel)) {
            let _ = root.rmdir(split_name(&name).0);
        }
    }

    /// An interrupted transfer: keep the data if asked, else remove it (spec: transfer 6.1).
    pub fn keep_or_drop(&self, temp: Temp, rel: &[u8], want: &Wanted, received: bool) {
        let Temp { file, name } = temp;
        if !(self.plan.partial && received) {
            self.remove_temp(&name);
            return;
        }
        if matches!(self.partial, PartialDir::None) {
            self.set_attrs_open(&file, rel, want, Some(&name));
            if self.plan.times {
                let _ = attrs::futimens(&file, Some((0, want.mtime_nsec)), None);
            }
            drop(file);
            if self.root.rename_from(self.temp_root(), &name, rel).is_err() {
                self.remove_temp(&name);
            }
            return;
        }
        self.set_attrs_open(&file, rel, want, Some(&name));
        drop(file);
        if !self.keep_in_partial_dir(&name, rel) {
            let text = [
                b"Unable to create partial-dir for ".as_slice(),
                rel,
                b" -- discarding partial file.",
            ]
            .concat();
            self.report.line(Level::Warning, text);
            self.remove_temp(&name);
        }
    }

    // ---- backups (spec: transfer 11)

    /// Root and name of the backup of `rel`; missing directories of a backup-dir are made.
    fn backup_name(&self, rel: &[u8], make: bool) -> Option<(Root, Vec<u8>)> {
        let mut name = rel.to_vec();
        name.extend_from_slice(&self.plan.backup_suffix);
        let Some(dir) = self.plan.backup_dir.as_deref() else {
            return Some((self.root.clone(), name));
        };
        if make && !self.make_backup_dir(dir) {
            return None;
        }
        let root = match self.operator_dir(dir) {
            Ok(root) => root,
            Err(_) if !make => return Some((self.root.clone(), name)),
            Err(error) => {
                let text = [b"backup mkdir ".as_slice(), &self.report.quoted(dir), b" failed"].concat();
                self.report.sys_error(self.role, text, &error);
                return None;
            }
        };
        if make {
            self.make_backup_parents(&root, &name);
        }
        Some((root, name))
    }

    /// Where the backup of `rel` is.
    pub fn backup_place(&self, rel: &[u8]) -> Option<(Root, Vec<u8>)> {
        self.backup_name(rel, false)
    }

    fn make_backup_dir(&self, dir: &[u8]) -> bool {
        if self.operator_dir(dir).is_ok() {
            return true;
        }
        // Each missing component in turn, from the top.
        let full = crate::tree::operator::absolute(dir, self.root.path()).unwrap_or_else(|_| dir.to_vec());
        let full = super::scan::clean(&full);
        let mut at = 1;
        while at < full.len() {
            let end = memchr::memchr(b'/', &full[at..]).map_or(full.len(), |n| at + n);
            let (parent, leaf) = (&full[..at.max(1)], &full[at..end]);
            if leaf == b".." {
                at = end + 1;
                continue;
            }
            let parent = if parent == b"/" {
                parent
            } else {
                &parent[..parent.len() - 1]
            };
            if let Ok(root) = self.operator_dir(parent) {
                match root.mkdir(leaf, 0o777 & !self.plan.umask) {
                    Ok(()) => {}
                    Err(e) if e.raw_os_error() == Some(17) => {}
                    Err(error) => {
                        let text = [
                            b"backup mkdir ".as_slice(),
                            &self.report.quoted(&full[..end]),
                            b" failed",
                        ]
                        .concat();
                        self.report.sys_error(self.role, text, &error);
                        return false;
                    }
                }
            }
            at = end + 1;
        }
        true
    }

    fn make_backup_parents(&self, root: &Root, name: &[u8]) {
        let mut at = 0;
        while let Some(slash) = memchr::memchr(b'/', &name[at..]) {
            let dir = &name[..at + slash];
            if root.mkdir(dir, 0o777 & !self.plan.umask).is_ok() {
                // The copy of a directory looks like the directory.
                if let (Ok(from), Ok(now)) = (self.root.lstat(dir), root.lstat(dir)) {
                    let _ = root.chmod(dir, from.mode & 0o7777);
                    if self.plan.changes_owners() && (from.uid, from.gid) != (now.uid, now.gid) {
                        let _ = root.chown(dir, Some(from.uid), Some(from.gid));
                    }
                }
            }
            at += slash + 1;
        }
    }

    fn clear_backup_place(&self, root: &Root, name: &[u8]) -> bool {
        match root.lstat(name) {
            Ok(stat) if stat.is_dir() => super::delete::remove_tree(root, name).is_ok(),
            Ok(_) => root.unlink(name).is_ok(),
            Err(_) => true,
        }
    }

    fn backed_up(&self, rel: &[u8], name: &[u8]) {
        if self.plan.info.backup > 0 {
            let shown = match self.plan.backup_dir.as_deref() {
                Some(dir) => [dir, b"/", name].concat(),
                None => name.to_vec(),
            };
            self.report
                .info([b"backed up ".as_slice(), rel, b" to ", &shown].concat());
        }
    }

    fn backup_failed(&self, rel: &[u8], name: &[u8], error: &io::Error) -> Error {
        Error::FileIo(format!(
            "rsync: [{}] keep_backup failed: {} -> \"{}\": {}",
            self.role,
            String::from_utf8_lossy(&self.display(rel)),
            String::from_utf8_lossy(name),
            sys_text(error)
        ))
    }

    /// Keep what is about to be replaced: by a hard link, so that the name is never missing, else by a rename.
    /// `false`: left out on purpose. Errors end the run (spec: transfer 11).
    pub fn backup_before_overwrite(&self, rel: &[u8]) -> Result<bool> {
        let Ok(stat) = self.root.lstat(rel) else {
            return Ok(true);
        };
        if stat.is_dir() {
            return Ok(true);
        }
        let Some((root, name)) = self.backup_name(rel, true) else {
            return Err(Error::FileIo(String::new()));
        };
        if stat.is_symlink() && self.plan.safe_links {
            if let Ok(target) = self.root.read_link(rel) {
                if super::compare::unsafe_link(&target, rel) {
                    let text = [
                        b"not backing up unsafe symlink \"".as_slice(),
                        rel,
                        b"\" -> \"",
                        &target,
                        b"\"",
                    ]
                    .concat();
                    self.report.info(text);
                    return Ok(true);
                }
            }
        }
        self.clear_backup_place(&root, &name);
        let result = root
            .link_from(&self.root, rel, &name)
            .or_else(|_| root.rename_from(&self.root, rel, &name))
            .or_else(|e| {
                if e.raw_os_error() == Some(18) {
                    self.copy_to_backup(&root, rel, &name, &stat)
                } else {
                    Err(e)
                }
            });
        match result {
            Ok(()) => {
                self.backed_up(rel, &name);
                Ok(true)
            }
            Err(error) => Err(self.backup_failed(rel, &name, &error)),
        }
    }

    /// A copy of a file that will be updated in place.
    pub fn backup_copy(&self, rel: &[u8]) -> Result<Option<(Root, Vec<u8>)>> {
        let stat = match self.root.lstat(rel) {
            Ok(stat) if stat.is_file() => stat,
            _ => return Ok(None),
        };
        let Some((root, name)) = self.backup_name(rel, true) else {
            return Err(Error::FileIo(String::new()));
        };
        self.clear_backup_place(&root, &name);
        match self.copy_to_backup(&root, rel, &name, &stat) {
            Ok(()) => {
                self.backed_up(rel, &name);
                Ok(Some((root, name)))
            }
            Err(error) => Err(self.backup_failed(rel, &name, &error)),
        }
    }

    fn copy_to_backup(&self, root: &Root, rel: &[u8], name: &[u8], stat: &Stat) -> io::Result<()> {
        if stat.is_symlink() {
            return root.symlink(&self.root.read_link(rel)?, name);
        }
        if !is_reg(stat.mode) {
            return root.mknod(name, stat.mode, stat.rdev_major, stat.rdev_minor);
        }
        let source = self.root.open_read(rel, false)?;
        let copy = root.create_excl(name, 0o600)?;
        crate::tree::data::copy_whole(&source, &copy, stat.size, true)?;
        if self.plan.changes_owners() {
            attrs::fchown(&copy, Some(stat.uid), Some(stat.gid))?;
        }
        attrs::fchmod(&copy, stat.mode)?;
        attrs::futimens(&copy, Some(stat.mtime_pair()), Some(stat.atime_pair()))
    }

    /// Move something that is to be deleted to its backup. `Ok(false)`: it has none and is simply removed.
    pub fn backup_by_rename(&self, rel: &[u8], kind: FileKind) -> io::Result<bool> {
        if kind == FileKind::Dir {
            return Ok(false);
        }
        let suffix = &self.plan.backup_suffix;
        if self.plan.backup_dir.is_none() && !suffix.is_empty() && rel.ends_with(suffix) {
            return Ok(false);
        }
        let Some((root, name)) = self.backup_name(rel, true) else {
            return Err(io::Error::from_raw_os_error(2));
        };
        if self.plan.safe_links {
            if let Ok(target) = self.root.read_link(rel) {
                if super::compare::unsafe_link(&target, rel) {
                    let text = [
                        b"not backing up unsafe symlink \"".as_slice(),
                        rel,
                        b"\" -> \"",
                        &target,
                        b"\"",
                    ]
                    .concat();
                    self.report.info(text);
                    return Ok(false);
                }
            }
        }
        self.clear_backup_place(&root, &name);
        match root.rename_from(&self.root, rel, &name) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(18) => {
                let stat = self.root.lstat(rel)?;
                self.copy_to_backup(&root, rel, &name, &stat)?;
                self.root.unlink(rel)?;
            }
            Err(e) => return Err(e),
        }
        self.backed_up(rel, &name);
        Ok(true)
    }
}

/// An absolute path with `..` taken back as text.
fn lexical_path(path: &[u8], base: &[u8]) -> Vec<u8> {
    let full = if path.starts_with(b"/") {
        path.to_vec()
    } else {
        [base, b"/", path].concat()
    };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in full.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    [b"/", parts.join(&b'/').as_slice()].concat()
}

/// Directory part and last component.
pub fn split_name(rel: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b'/', rel) {
        Some(at) => (&rel[..at], &rel[at + 1..]),
        None => (b"", rel),
    }
}
