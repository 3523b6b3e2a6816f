//! The directory of partial and delayed files (spec: transfer 6.1).

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::{Dest, Failed};
use crate::error::IoErrorExt as _;
use crate::report::debug::debug;
use crate::report::say::text;
use crate::report::Reported;
use crate::role::Role;
use crate::roles::compare::Wanted;
use crate::roles::paths::split_name;
use crate::tree::{attrs, Root, RootOptions, Temp};

/// Where interrupted and delayed files are kept.
#[derive(Debug, Clone)]
pub enum PartialDir {
    None,
    /// In each file's own directory.
    Relative(Vec<u8>),
    /// One for all, which need not exist before it is needed.
    Absolute(Shared),
}

/// An absolute partial-dir, as generator and receiver have it.
#[derive(Clone)]
pub struct Shared {
    path: Vec<u8>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The directory, if it is there.
    root: Option<Root>,
    /// It is known to be a directory itself, and no link to one.
    made: bool,
    /// A client's path leads out of the module.
    outside: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.path).finish()
    }
}

impl PartialDir {
    pub(super) fn open(dest: &Dest, dir: &[u8]) -> Self {
        if !dir.starts_with(b"/") {
            return Self::Relative(dir.to_vec());
        }
        let found = open_dir(dest, dir);
        // ELOOP and EXDEV: what a walk beneath the module ends with at its border.
        let outside = dest.plan.module_root.is_some()
            && !dest.plan.insecure_links
            && matches!(&found, Err(e) if e.is(Errno::XDEV) || e.is(Errno::LOOP));
        Self::Absolute(Shared {
            path: dir.to_vec(),
            state: Arc::new(Mutex::new(State {
                root: found.ok(),
                made: false,
                outside,
            })),
        })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Open the partial-dir, or its parent. In a module, links are followed wherever they stand as long as what they lead
/// to is in the module (observed).
fn open_dir(dest: &Dest, path: &[u8]) -> io::Result<Root> {
    let beneath = dest.operator_dir(path);
    match (&beneath, &dest.plan.module_root) {
        (Err(error), Some(module)) if !dest.plan.insecure_links && error.is(Errno::LOOP) => {
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

/// Make `leaf` a directory that nobody else may enter; what is no directory there (a link included) gives way.
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

    /// A module hides this partial-dir: what is in it is neither read, nor replaced, nor removed (spec: daemon 8).
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

    /// Whether a file outside of the module stands where a partial copy of `rel` is looked for: a client's partial-dir
    /// leads there over a link (spec: security SEC-9).
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

    /// The copy of `rel` in the partial-dir, which is made if it is not there.
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
                // The root of everything is there, and can't be made.
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

    /// Move a temporary file into the partial-dir (made if missing); where that fails it is removed, which is reported.
    /// `what`: the file is "completed" or "partial".
    pub fn keep_in_partial_dir(&self, temp: &[u8], rel: &[u8], what: &str) -> Result<(), Reported> {
        let Ok((root, name)) = self.partial_place(rel) else {
            let text = [
                b"Unable to create partial-dir for ".as_slice(),
                rel,
                b" -- discarding ",
                what.as_bytes(),
                b" file.",
            ];
            // An error, though rsync has a warning: the file is missing then, which code 23 says.
            let reported = self.report.error_xfer(text.concat());
            self.remove_temp(temp);
            return Err(reported);
        };
        debug!(self.report, recv >= 1; "renaming ", temp, " to ", &name);
        self.move_temp(temp, &root, &name).map_err(|(verb, error)| {
            let shown = self.report.quoted(&self.temp_root().display(temp));
            let text = [
                verb.as_bytes(),
                b" ",
                &shown,
                b" -> \"",
                &self.shown_partial(&name),
                b"\"",
            ];
            let reported = self.report.sys_error(self.role, text.concat(), &error);
            self.remove_temp(temp);
            reported
        })
    }

    /// Remove the partial-dir copy and, if it is empty then, a relative partial-dir.
    pub fn drop_partial(&self, rel: &[u8]) {
        let Some((root, name)) = self.partial_name(rel) else {
            return;
        };
        // An absolute partial-dir may be the very directory of the file: what is at the name then is the file.
        if let (Ok(partial), Ok(file)) = (root.lstat(&name), self.root.lstat(rel)) {
            if (partial.dev, partial.ino) == (file.dev, file.ino) {
                return;
            }
        }
        match root.unlink(&name) {
            Err(error) if !error.is(Errno::NOENT) => {
                let text = [
                    b"unlink ".as_slice(),
                    &self.report.quoted(&root.display(&name)),
                    b" failed",
                ];
                self.report.sys_error(self.role, text.concat(), &error);
            }
            _ => self.drop_partial_dir(rel),
        }
    }

    /// An empty directory is not worth a word, and one that is not empty is wanted.
    fn drop_partial_dir(&self, rel: &[u8]) {
        if let (PartialDir::Relative(_), Some((root, name))) = (&self.partial, self.partial_name(rel)) {
            let _ = root.rmdir(split_name(&name).0);
        }
    }

    /// An interrupted transfer: keep the data if asked, else remove it (spec: transfer 6.1).
    pub fn keep_or_drop(&self, temp: Temp, rel: &[u8], want: &Wanted, received: bool) {
        let Temp { file, name } = temp;
        let nowhere = !matches!(self.partial, PartialDir::None) && !self.keeps_partial(rel);
        if !(self.plan.partial && received) || nowhere {
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
        if self.plan.times {
            if let Err(error) = attrs::futimens(&file, Some((0, want.mtime_nsec)), None) {
                // With the time of the source it would pass for the whole file.
                let text = text!["failed to set times on ", &self.display(rel)];
                self.report.sys_error(self.role, text, &error);
                drop(file);
                self.remove_temp(&name);
                return;
            }
        }
        drop(file);
        if self.plan.backup && !self.is_own_partial(rel) {
            // What is there gives way to a fragment: its backup is then the only whole file.
            if let Err(error) = self.backup_before_overwrite(rel) {
                self.report.error_xfer(error.to_string());
                self.remove_temp(&name);
                return;
            }
        }
        match self.move_temp(&name, &self.root, rel) {
            Ok(()) if self.plan.backup => {
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

    /// What is at the name is what this run has kept of a first try; the file before has its backup already.
    pub(super) fn is_own_partial(&self, rel: &[u8]) -> bool {
        self.partials().contains(rel)
    }

    /// Give a file that was held back its name (spec: transfer 6 `--delay-updates`). `exists`: something is there, and is
    /// backed up first. What can't be placed stays in the partial directory.
    pub fn place_delayed(&self, rel: &[u8], exists: bool) -> Result<(), Failed> {
        let Some((root, name)) = self.partial_name(rel) else {
            return Ok(());
        };
        if exists && self.plan.backup {
            self.backup_before_overwrite(rel)?;
        }
        debug!(self.report, recv >= 1; "renaming ", &name, " to ", rel);
        let moved = match self.root.rename_from(&root, &name, rel) {
            Err(error) if error.is(Errno::XDEV) => self.copy_across(&root, &name, &self.root, rel),
            other => other,
        };
        if let Err(error) = moved {
            let text = [
                b"rename failed for ".as_slice(),
                &self.display(rel),
                b" (from ",
                &self.shown_partial(&name),
                b")",
            ];
            return Err(self.report.sys_error(Role::Receiver, text.concat(), &error).into());
        }
        self.drop_partial_dir(rel);
        Ok(())
    }
}
