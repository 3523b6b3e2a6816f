//! The directory of partial and delayed files (spec: transfer 6.1).

use std::collections::HashSet;
use std::io;
use std::sync::{MutexGuard, PoisonError};

use rustix::io::Errno;

use super::partial_dir::{PartialDir, Shared};
use super::{Dest, Failed};
use crate::error::IoErrorExt as _;
use crate::report::debug::debug;
use crate::report::say::text;
use crate::report::Reported;
use crate::role::Role;
use crate::roles::compare::Wanted;
use crate::roles::paths::split_name;
use crate::roles::text::messages;
use crate::tree::{attrs, Root, RootOptions, Temp};

impl PartialDir {
    pub(super) fn open(dest: &Dest, dir: &[u8]) -> Self {
        if !dir.starts_with(b"/") {
            return Self::Relative(dir.to_vec());
        }
        let found = open_dir(dest, dir);
        // ELOOP and EXDEV: what a walk beneath the module ends with at its border.
        let outside = dest.plan.place.module_root.is_some()
            && !dest.plan.place.insecure_links
            && matches!(&found, Err(e) if e.is(Errno::XDEV) || e.is(Errno::LOOP));
        Self::Absolute(Shared::new(dir, found.ok(), outside))
    }
}

/// Open the partial-dir, or its parent. In a module, links anywhere in the path are followed if their targets are in the
/// module (observed).
fn open_dir(dest: &Dest, path: &[u8]) -> io::Result<Root> {
    let beneath = dest.operator_dir(path);
    match (&beneath, &dest.plan.place.module_root) {
        (Err(error), Some(module)) if !dest.plan.place.insecure_links && error.is(Errno::LOOP) => {
            let options = RootOptions {
                cwd: dest.root.path().to_vec(),
                operator: true,
                confine_root: Some(module.clone()),
                ..RootOptions::default()
            };
            Root::open(path, &options)
        }
        _ => beneath,
    }
}

/// Make `leaf` a directory that no other user may enter. A file or a link with that name is removed first.
fn make_dir(root: &Root, leaf: &[u8]) -> io::Result<()> {
    match root.mkdir(leaf, 0o700) {
        Err(e) if e.is(Errno::EXIST) => {}
        other => return other,
    }
    if root.lstat(leaf)?.is_dir() {
        return Ok(());
    }
    root.unlink(leaf)?;
    root.mkdir(leaf, 0o700)
}

impl Dest {
    /// Root and name of the copy of `rel` in the partial-dir; `None` also while an absolute one does not exist.
    pub fn partial_name(&self, rel: &[u8]) -> Option<(Root, Vec<u8>)> {
        let (dir, base) = split_name(rel);
        match &self.partial {
            PartialDir::None => None,
            PartialDir::Relative(sub) => {
                let mut name = dir.to_vec();
                if !dir.is_empty() {
                    name.push(b'/');
                }
                name.extend_from_slice(sub);
                if self.hides_partial(&name) {
                    return None;
                }
                name.push(b'/');
                name.extend_from_slice(base);
                Some((self.root.clone(), name))
            }
            PartialDir::Absolute(shared) => {
                let root = shared.state().root.clone()?;
                Some((root, base.to_vec()))
            }
        }
    }

    /// Whether a module hides this partial-dir: then files in it are neither read nor replaced nor removed (spec: daemon
    /// 8).
    fn hides_partial(&self, dir: &[u8]) -> bool {
        self.partial_filter.as_ref().is_some_and(|filter| {
            let filter = filter.lock().unwrap_or_else(PoisonError::into_inner);
            filter.daemon_hides(&crate::roles::paths::confine(dir), true)
        })
    }

    /// Whether a copy of `rel` may be kept in a partial-dir.
    pub fn keeps_partial(&self, rel: &[u8]) -> bool {
        match &self.partial {
            PartialDir::None => false,
            PartialDir::Relative(_) => self.partial_name(rel).is_some(),
            PartialDir::Absolute(_) => true,
        }
    }

    /// Whether the partial copy of `rel` is a file outside of the module, to which a client's partial-dir leads through a
    /// link (spec: security SEC-9).
    pub fn partial_is_outside(&self, rel: &[u8]) -> bool {
        let PartialDir::Absolute(shared) = &self.partial else {
            return false;
        };
        if !shared.state().outside {
            return false;
        }
        let options = RootOptions {
            cwd: self.root.path().to_vec(),
            operator: true,
            ..RootOptions::default()
        };
        let base = split_name(rel).1;
        Root::open(&shared.path, &options)
            .and_then(|root| root.lstat(base))
            .is_ok_and(|stat| stat.is_file())
    }

    /// The copy of `rel` in the partial-dir. A missing partial-dir is made.
    fn partial_place(&self, rel: &[u8]) -> io::Result<(Root, Vec<u8>)> {
        let shared = match &self.partial {
            PartialDir::None => return Err(io::Error::from(Errno::NOENT)),
            PartialDir::Relative(_) => {
                let (root, name) = self.partial_name(rel).ok_or(io::ErrorKind::NotFound)?;
                make_dir(&root, split_name(&name).0)?;
                return Ok((root, name));
            }
            PartialDir::Absolute(shared) => shared,
        };
        let mut state = shared.state();
        if !state.made {
            let (parent, leaf) = split_name(&shared.path);
            if leaf.is_empty() {
                // `/` always exists.
                state.root.as_ref().ok_or(io::ErrorKind::NotFound)?;
            } else {
                let parent = open_dir(self, if parent.is_empty() { b"/" } else { parent })?;
                make_dir(&parent, leaf)?;
                state.root = Some(parent.subroot_nofollow(leaf)?);
            }
            state.made = true;
        }
        let root = state.root.clone().ok_or(io::ErrorKind::NotFound)?;
        Ok((root, split_name(rel).1.to_vec()))
    }

    /// The name in the partial-dir, for messages.
    fn shown_partial(&self, name: &[u8]) -> Vec<u8> {
        match &self.partial {
            PartialDir::Absolute(shared) => [&shared.path, b"/".as_slice(), name].concat(),
            _ => name.to_vec(),
        }
    }

    /// Move a temporary file into the partial-dir (made if missing). If that fails, the file is removed, with a report.
    /// `what`: the file is "completed" or "partial".
    pub fn keep_in_partial_dir(&self, temp: &[u8], rel: &[u8], what: &str) -> Result<(), Reported> {
        let Ok((root, name)) = self.partial_place(rel) else {
            let text = text![
                "Unable to create partial-dir for ",
                rel,
                " -- discarding ",
                what,
                " file."
            ];
            // An error, where rsync warns: the file is missing then, so the exit code must be 23.
            let reported = self.report.error_xfer(text);
            self.remove_temp(temp);
            return Err(reported);
        };
        debug!(self.report, recv >= 1; "renaming ", temp, " to ", &name);
        self.move_temp(temp, &root, &name).map_err(|(verb, error)| {
            let shown = self.report.quoted(&self.temp_root().display(temp));
            let text = text![verb, " ", shown, " -> \"", self.shown_partial(&name), "\""];
            let reported = self.report.sys_error(self.role, text, &error);
            self.remove_temp(temp);
            reported
        })
    }

    /// Remove the partial-dir copy and, if it is empty then, a relative partial-dir.
    pub fn drop_partial(&self, rel: &[u8]) {
        let Some((root, name)) = self.partial_name(rel) else {
            return;
        };
        // An absolute partial-dir may be the directory of the file: then the name is the file itself.
        if let (Ok(partial), Ok(file)) = (root.lstat(&name), self.root.lstat(rel)) {
            if (partial.dev, partial.ino) == (file.dev, file.ino) {
                return;
            }
        }
        match root.unlink(&name) {
            Err(error) if !error.is(Errno::NOENT) => {
                let text = messages::unlink_failed(self.report.quoted(&root.display(&name)));
                self.report.sys_error(self.role, text, &error);
            }
            _ => self.drop_partial_dir(rel),
        }
    }

    /// A failure is not reported: the directory holds other files, or is missing already.
    fn drop_partial_dir(&self, rel: &[u8]) {
        if let (PartialDir::Relative(_), Some((root, name))) = (&self.partial, self.partial_name(rel)) {
            let _ = root.rmdir(split_name(&name).0);
        }
    }

    /// End an interrupted transfer: keep the data if that was asked for, else remove it (spec: transfer 6.1).
    pub fn keep_or_drop(&self, temp: Temp, rel: &[u8], want: &Wanted, received: bool) {
        let Temp { file, name } = temp;
        let nowhere = !matches!(self.partial, PartialDir::None) && !self.keeps_partial(rel);
        if !(self.plan.write.partial && received) || nowhere {
            drop(file);
            self.remove_temp(&name);
            return;
        }
        self.set_attrs_open(&file, rel, want, Some(&name));
        if !matches!(self.partial, PartialDir::None) {
            drop(file);
            // Reported.
            let _kept = self.keep_in_partial_dir(&name, rel, "partial");
            return;
        }
        if self.plan.attrs.times {
            if let Err(error) = attrs::futimens(&file, Some((0, want.mtime_nsec)), None) {
                // With the time of the source the fragment would count as the whole file.
                let text = messages::set_times_failed(self.display(rel));
                self.report.sys_error(self.role, text, &error);
                drop(file);
                self.remove_temp(&name);
                return;
            }
        }
        drop(file);
        if self.plan.write.backup && !self.is_own_partial(rel) {
            // The fragment replaces the file, so the backup becomes the only whole copy.
            if let Err(error) = self.backup_before_overwrite(rel) {
                self.report.error_xfer(error.to_string());
                self.remove_temp(&name);
                return;
            }
        }
        match self.move_temp(&name, &self.root, rel) {
            Ok(()) if self.plan.write.backup => {
                self.partials().insert(rel.to_vec());
            }
            Ok(()) => {}
            Err((verb, error)) => {
                self.move_failed(verb, &name, rel, &error);
            }
        }
    }

    fn partials(&self) -> MutexGuard<'_, HashSet<Vec<u8>>> {
        // Each change is one insertion.
        self.own_partials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the file at the name is a fragment that this run has put there. The file before it has its backup already.
    pub(super) fn is_own_partial(&self, rel: &[u8]) -> bool {
        self.partials().contains(rel)
    }

    /// Give a delayed file its name (spec: transfer 6 `--delay-updates`). `exists`: there is a file to back up first. A file
    /// that can't be put in place stays in the partial directory.
    pub fn place_delayed(&self, rel: &[u8], exists: bool) -> Result<(), Failed> {
        let Some((root, name)) = self.partial_name(rel) else {
            return Ok(());
        };
        if exists && self.plan.write.backup {
            self.backup_before_overwrite(rel)?;
        }
        debug!(self.report, recv >= 1; "renaming ", &name, " to ", rel);
        let moved = match self.root.rename_from(&root, &name, rel) {
            Err(error) if error.is(Errno::XDEV) => self.copy_across(&root, &name, &self.root, rel),
            other => other,
        };
        if let Err(error) = moved {
            let (to, from) = (self.display(rel), self.shown_partial(&name));
            let text = text!["rename failed for ", to, " (from ", from, ")"];
            return Err(self.report.sys_error(Role::Receiver, text, &error).into());
        }
        self.drop_partial_dir(rel);
        Ok(())
    }
}
