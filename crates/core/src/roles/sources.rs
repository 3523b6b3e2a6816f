//! The roots that source arguments open, shared between the thread that scans and the one that reads contents.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;

use super::paths::disk;
use crate::error::IoErrorExt as _;
use crate::flist::Entry;
use crate::plan::Plan;
use crate::report::say::text;
use crate::report::Report;
use crate::role::Role;
use crate::roles::text::messages;
use crate::tree::{operator, Atime, Root, RootOptions};
use crate::wire::item::IoErrors;

/// The root of a daemon's module. The user of the transfer may have no access to the path, so a handle that was opened
/// before is preferred.
pub(crate) fn open_module(plan: &Plan, path: &[u8], options: &RootOptions) -> io::Result<Root> {
    let options = &RootOptions {
        in_root: plan.place.module_chroot,
        ..options.clone()
    };
    match &plan.place.module_root_handle {
        Some(handle) => {
            let full = operator::absolute(path, &options.cwd)?;
            Ok(Root::from_handle(
                handle.0.try_clone()?,
                &super::paths::clean(&full),
                options,
            ))
        }
        None => Root::open(path, options),
    }
}

/// Roots by number, and by spelling, or by path and the links that were followed to open it.
#[derive(Default)]
struct Opened {
    roots: Vec<Root>,
    known: HashMap<Vec<Vec<u8>>, u16>,
}

impl Opened {
    fn add(&mut self, key: Vec<Vec<u8>>, root: Root) -> io::Result<u16> {
        let number = u16::try_from(self.roots.len())
            .ok()
            .filter(|number| *number < u16::MAX)
            .ok_or_else(|| io::Error::from(Errno::TOOBIG))?;
        self.known.insert(key, number);
        self.roots.push(root);
        Ok(number)
    }
}

/// The path of a root, and the names of its doors.
fn key(root: &Root) -> Vec<Vec<u8>> {
    let path = std::iter::once(root.path());
    path.chain(root.doors()).map(<[u8]>::to_vec).collect()
}

/// All source roots of a run; an entry names its own by number.
#[derive(Clone, Default)]
pub struct Sources {
    shared: Arc<Mutex<Opened>>,
    /// This thread's clones, each with its own cache of handles.
    own: Vec<Root>,
}

impl Sources {
    /// Open a directory as a source root, or find it again by its spelling. `of_list`: the names beneath it come from a
    /// list of the operator with `--relative`. Errors: of the open.
    pub fn open(&mut self, path: &[u8], spelled: &[u8], of_list: bool, plan: &Plan) -> io::Result<u16> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let plain = vec![spelled.to_vec()];
        if let Some(&found) = shared.known.get(&plain) {
            return Ok(found);
        }
        let full = &operator::absolute(path, &plan.place.cwd)?;
        let follow = plan.attrs.copy_links || plan.attrs.copy_unsafe_links || plan.attrs.copy_dirlinks;
        // Followed links must stay in the module too; `/` has no outside, and a chroot enforces it.
        let border = follow && !plan.place.insecure_links && plan.place.module_root.as_ref().is_some_and(|m| m != b"/");
        let options = RootOptions {
            cwd: plan.place.cwd.clone(),
            insecure_links: plan.place.insecure_links,
            follow_links: follow && !border,
            trusted_links: of_list,
            ..RootOptions::default()
        };
        let root = match &plan.place.module_root {
            // A path that a client of a daemon names stays beneath the module, links included.
            Some(module) if !plan.place.insecure_links => {
                let module = open_module(
                    plan,
                    module,
                    &RootOptions {
                        operator: true,
                        trusted_links: false,
                        ..options.clone()
                    },
                )?;
                let rel = full.strip_prefix(module.path()).unwrap_or(full);
                let rel = rel.strip_prefix(b"/").unwrap_or(rel);
                let rel = if rel.is_empty() { b"." } else { rel };
                if border {
                    module.subroot_within(rel)?
                } else {
                    module.subroot(rel)?
                }
            }
            _ => Root::open(path, &options)?,
        };
        if !plan.place.am_root {
            // A directory can be opened as a handle although it can't be entered.
            root.lstat(b".")?;
        }
        shared.add(plain, root)
    }

    /// The root from which the names of an argument are resolved: the root of its base. If links lead from the base to
    /// the directory `dir` of the argument, it is a root in which these links are followed. No link leads out of a
    /// daemon's module.
    ///
    /// spec: options 5.3
    pub fn leading_to(&mut self, number: u16, dir: &[u8], plan: &Plan) -> io::Result<u16> {
        if plan.place.module_root.is_some() || !self.root(number).is_some_and(|root| root.leads_out(dir)) {
            return Ok(number);
        }
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(base) = shared.roots.get(usize::from(number)) else {
            return Ok(number);
        };
        let root = base.with_doors(dir)?;
        let led = key(&root);
        if let Some(&found) = shared.known.get(&led) {
            return Ok(found);
        }
        shared.add(led, root)
    }

    /// The root with this number.
    pub fn root(&mut self, number: u16) -> Option<&Root> {
        let number = usize::from(number);
        if self.own.len() <= number {
            let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            for root in shared.roots.iter().skip(self.own.len()) {
                self.own.push(root.clone());
            }
        }
        self.own.get(number)
    }

    /// Open a file for its data; links are followed where the plan follows them. An error is reported, with the file as
    /// `shown` quotes it, and comes back as bits of io_error (spec: transfer 13).
    pub fn open_data(
        &mut self,
        plan: &Plan,
        report: &Report,
        number: u16,
        path: &[u8],
        shown: impl FnOnce(&Root) -> Vec<u8>,
    ) -> Result<File, IoErrors> {
        let follow = plan.attrs.copy_links
            || plan.attrs.copy_unsafe_links
            || plan.attrs.copy_dirlinks
            || plan.attrs.copy_devices;
        let Some(root) = self.root(number) else {
            return Err(IoErrors::NONE);
        };
        let opened = if follow {
            root.open_read_follow(path, Atime::keep_if(plan.attrs.open_noatime))
        } else {
            root.open_read(path, Atime::keep_if(plan.attrs.open_noatime))
        };
        opened.map_err(|error| {
            let shown = shown(root);
            if error.is(Errno::NOENT) {
                report.warning(messages::file_vanished(&shown));
                return IoErrors::VANISHED;
            }
            let text = text!["send_files failed to open ", &shown];
            report.sys_error(Role::Sender, text, &error);
            IoErrors::GENERAL
        })
    }
}

/// Remove a source file after its transfer, with the checks and messages of spec transfer 13.
pub(crate) fn remove_source_file(
    report: &Report,
    root: &Root,
    name: &[u8],
    entry: &Entry,
    destination: Option<(u64, u64)>,
) {
    let path = disk(name);
    let failed = |error: &io::Error| {
        let text = text!["sender failed to remove ", name];
        report.sys_error(Role::Sender, text, error);
    };
    let found = if report.plan().attrs.copy_links {
        root.stat_follow(path, false)
    } else {
        root.lstat(path)
    };
    let stat = match found {
        Ok(stat) => stat,
        Err(e) if e.is(Errno::NOENT) => {
            report.info(text!["sender file already removed: ", name]);
            return;
        }
        Err(e) => return failed(&e),
    };
    if destination == Some((stat.dev, stat.ino)) {
        report.error_xfer(text!["ERROR: Skipping sender remove of destination file: ", name]);
        return;
    }
    let exact = !report.plan().place.is_local() || report.plan().agreed.protocol >= 31;
    if stat.size != entry.len && entry.is_file()
        || stat.mtime != entry.mtime
        || exact && stat.mtime_nsec != entry.mtime_nsec
    {
        report.error_xfer(text!["ERROR: Skipping sender remove for changed file: ", name]);
        return;
    }
    match root.unlink(path) {
        Ok(()) => {
            if report.plan().output.info.remove > 0 {
                report.info(text!["sender removed ", name]);
            }
        }
        Err(e) => failed(&e),
    }
}
