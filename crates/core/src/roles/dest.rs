//! The destination, as generator and receiver share it: they set attributes and put finished files in place through it
//! (spec: transfer 5, 6, 11).

pub(crate) mod alt_dirs;
mod attributes;
mod backup;
mod partial;
mod partial_dir;
mod writing;

pub(crate) use partial_dir::PartialDir;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use rustix::io::Errno;

use super::chmod::Chmod;
use super::filter::Filters;
use super::metadata::Metadata;
use super::paths::lexical_path;
use crate::error::{bail, sys_text, Error, IoErrorExt as _, Result};
use crate::flist::{At, Tables};
use crate::plan::Plan;
use crate::report::say::text;
use crate::report::{Report, Reported};
use crate::role::Role;
use crate::tree::{Root, RootOptions};

/// Why a file is not in place.
#[derive(Debug)]
pub enum Failed {
    /// This file alone: the run goes on.
    File(Reported),
    /// The run ends.
    Run(Error),
}

impl From<Reported> for Failed {
    fn from(reported: Reported) -> Self {
        Self::File(reported)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Run(error)
    }
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
    /// The only entry is stored under this name (spec: options 5.3).
    pub single: Option<Arc<Vec<u8>>>,
    /// `generator` or `receiver`, for messages.
    pub role: Role,
    pub temp_dir: Option<Root>,
    /// The temp-dir, if a link in its path belongs to another user, so that it cannot be used.
    temp_refused: Option<Arc<Vec<u8>>>,
    pub partial: PartialDir,
    /// Files for which this run has put a fragment at the name itself (`--partial` with `--backup`).
    own_partials: Arc<Mutex<HashSet<Vec<u8>>>>,
    /// A module's rules, if they may hide a relative partial-dir.
    partial_filter: Option<Arc<Mutex<Filters>>>,
    /// The destination of a dry run does not exist: every look-up finds nothing.
    pub void: bool,
    /// The destination directory was made by this run.
    pub created: bool,
    /// ACLs, attributes and ids.
    pub metadata: Metadata,
    chmod: Arc<Chmod>,
    incoming: Arc<Chmod>,
    /// The alternate directories, opened when a value of an attribute is first looked for there.
    alternates: Arc<OnceLock<Vec<Root>>>,
    pub(in crate::roles) effective: (u32, u32),
    /// The destination is on NFS.
    on_nfs: bool,
}

impl Dest {
    pub fn new(plan: Arc<Plan>, report: Report, root: Root) -> Result<Self> {
        let mut dest = Self::bare(plan, report, root);
        dest.open_helpers()?;
        Ok(dest)
    }

    /// The destination of a dry run does not exist; `root` is no part of it.
    pub fn void(plan: Arc<Plan>, report: Report, root: Root) -> Result<Self> {
        let mut dest = Self::bare(plan, report, root);
        dest.void = true;
        dest.open_helpers()?;
        Ok(dest)
    }

    fn bare(plan: Arc<Plan>, report: Report, root: Root) -> Self {
        report.set_base(root.path());
        // In a local copy the list has the changed modes already. A server has a --chmod of its own, or none.
        let receiver_chmod = if plan.place.is_local() {
            Vec::new()
        } else {
            plan.attrs.chmod.clone()
        };
        Self {
            chmod: Arc::new(Chmod::parse(&receiver_chmod).unwrap_or_default()),
            incoming: Arc::new(Chmod::parse(&plan.attrs.daemon_chmod).unwrap_or_default()),
            effective: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
            on_nfs: crate::tree::data::is_nfs(root.handle()),
            single: None,
            role: Role::Generator,
            temp_dir: None,
            temp_refused: None,
            partial: PartialDir::None,
            own_partials: Arc::default(),
            partial_filter: None,
            void: false,
            created: false,
            metadata: Metadata::new(Arc::clone(&plan), Tables::default()),
            alternates: Arc::default(),
            plan,
            report,
            root,
        }
    }

    /// Open an operator path that is relative to the destination.
    pub fn operator_dir(&self, path: &[u8]) -> io::Result<Root> {
        self.open_operator_dir(path, false)
    }

    /// Open an alternate directory. Links of trusted owners beneath it are followed to any place: a part of a snapshot
    /// may have been moved.
    pub fn alternate_dir(&self, path: &[u8]) -> io::Result<Root> {
        self.open_operator_dir(path, true)
    }

    fn open_operator_dir(&self, path: &[u8], trusted_links: bool) -> io::Result<Root> {
        let lexical;
        let path = if self.void {
            // The destination does not exist, so no path leads through it.
            lexical = lexical_path(path, self.root.path());
            &lexical[..]
        } else {
            path
        };
        let options = RootOptions {
            cwd: self.root.path().to_vec(),
            operator: true,
            insecure_links: self.plan.place.insecure_links,
            trusted_links,
            confine_root: self.plan.place.confine_root.clone(),
            ..RootOptions::default()
        };
        match &self.plan.place.module_root {
            // Directory options from a client stay in the module, links included (SEC-9).
            Some(module) if !self.plan.place.insecure_links => {
                // The walk beneath the module takes no `..`, so the path is cleaned as text.
                let full = lexical_path(path, self.root.path());
                let options = RootOptions {
                    cwd: Vec::new(),
                    trusted_links: false,
                    ..options
                };
                let beneath = |module: &Root, rel: &[u8]| match trusted_links {
                    // Its links may lead to other parts of the module.
                    true => module.subroot_within(rel),
                    false => module.subroot_climbing(rel),
                };
                let module = super::sources::open_module(&self.plan, module, &options)?;
                let Some(rel) = full.strip_prefix(module.path()) else {
                    return Err(io::Error::from(Errno::LOOP));
                };
                let rel = rel.strip_prefix(b"/").unwrap_or(rel);
                beneath(&module, if rel.is_empty() { b"." } else { rel })
            }
            _ => Root::open(path, &options),
        }
    }

    /// The directories, besides the destination, whose files an entry may have been compared with.
    pub(in crate::roles) fn alternates(&self) -> &[Root] {
        self.alternates.get_or_init(|| {
            let dirs = self.plan.select.alt_dirs.iter();
            dirs.filter_map(|dir| self.alternate_dir(dir).ok()).collect()
        })
    }

    fn open_helpers(&mut self) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        if let Some(dir) = plan.write.temp_dir.as_deref() {
            if dir.is_empty() {
                bail!(Usage; "The temp-dir does not exist: ");
            }
            let opened = match self.void {
                // The run could not enter the destination, so the path is relative to its working directory (observed).
                true => crate::tree::operator::absolute(dir, &plan.place.cwd).and_then(|full| self.operator_dir(&full)),
                false => self.operator_dir(dir),
            };
            match opened {
                Ok(root) => self.temp_dir = Some(root),
                // Reported for each file that should have been made there.
                Err(error) if error.is(Errno::LOOP) => {
                    let full = crate::tree::operator::absolute(dir, self.root.path()).unwrap_or_else(|_| dir.to_vec());
                    self.temp_refused = Some(Arc::new(super::paths::clean(&full)));
                }
                Err(error) => {
                    let shown = crate::report::name_text(dir);
                    return Err(match Errno::from_io_error(&error) {
                        Some(Errno::NOENT) => Error::Usage(format!("The temp-dir does not exist: {shown}")),
                        Some(Errno::NOTDIR) => Error::Usage(format!("The temp-dir is not a directory: {shown}")),
                        _ => Error::FileIo(format!("Failed to stat temp-dir {shown}: {}", sys_text(&error))),
                    });
                }
            }
        }
        if let Some(dir) = plan.write.partial_dir.as_deref() {
            self.partial = PartialDir::open(self, dir);
            if matches!(self.partial, PartialDir::Relative(_)) && !plan.select.daemon_rules.is_empty() {
                self.partial_filter = Some(Arc::new(Mutex::new(Filters::receiver(&plan, self.root.path())?)));
            }
        }
        Ok(())
    }

    /// The same destination for another role.
    pub fn for_role(&self, role: Role) -> Self {
        Self { role, ..self.clone() }
    }

    /// Name of an entry below the root.
    pub(crate) fn name(&self, at: &At) -> Vec<u8> {
        match &self.single {
            Some(name) => name.to_vec(),
            None => at.name(),
        }
    }

    pub fn display(&self, rel: &[u8]) -> Vec<u8> {
        let mut path = super::paths::clean(&self.root.display(rel));
        if rel == b"." {
            path.extend_from_slice(if path == b"/" { b"." } else { b"/." });
        }
        self.report.quoted_from(self.root.path(), &path)
    }

    pub fn sys_error(&self, verb: &str, rel: &[u8], error: &io::Error) -> Reported {
        let text = text![verb, " ", &self.display(rel), " failed"];
        self.report.sys_error(self.role, text, error)
    }

    /// Make the parents of `rel` if the nearest is missing.
    pub fn make_missing_parents(&self, rel: &[u8]) {
        let dir = super::paths::split_name(rel).0;
        if !dir.is_empty() && self.root.lstat(dir).is_err() {
            self.make_parents(rel);
        }
    }

    /// Make the parents of `rel` with default modes (`--relative` without implied directories). As for every directory
    /// that no list describes, the kernel removes the bits that the umask, or the parent's default ACL, forbids. A
    /// failure is not reported here: making the entry itself then fails for the same reason, and that is reported.
    pub fn make_parents(&self, rel: &[u8]) {
        let mut at = 0;
        while let Some(slash) = memchr::memchr(b'/', &rel[at..]) {
            let _ = self.root.mkdir(&rel[..at + slash], 0o777);
            at += slash + 1;
        }
    }
}
