//! Resolving the destination once the list is known (spec: options 5.3).

use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use crate::error::{bail, sys_text, Error, IoErrorExt, Result};
use crate::flist::{eflag, At};
use crate::plan::Plan;
use crate::report::debug::debug;
use crate::report::say::text;
use crate::report::Report;
use crate::roles::dest::Dest;
use crate::roles::paths::{self, trim_slashes};
use crate::roles::sources;
use crate::roles::words::inbox::{self, Feed};
use crate::tree::{operator, Root, RootOptions};

/// How many entries there are, as far as it matters, and the one if there is just one.
fn survey(feeds: &[Feed]) -> (usize, Option<At>) {
    let mut count = 0;
    let mut only = None;
    for feed in feeds {
        let Feed::List(list) = feed else { continue };
        for i in 0..list.len() {
            count += 1;
            if count > 1 {
                return (count, None);
            }
            only = Some(At::new(list, i));
        }
    }
    (count, only)
}

fn options(plan: &Plan) -> RootOptions {
    RootOptions {
        cwd: plan.place.cwd.clone(),
        operator: true,
        insecure_links: plan.place.insecure_links,
        follow_links: false,
        trusted_links: false,
        in_root: false,
        // The destination itself is not confined (spec: transfer 16.2).
        confine_root: None,
        no_openat2: false,
    }
}

/// Open a directory that the destination argument names; inside the module on a daemon.
fn open_root(plan: &Plan, path: &[u8]) -> io::Result<Root> {
    match &plan.place.module_root {
        Some(module) if !plan.place.insecure_links => {
            let full = operator::absolute(path, &plan.place.cwd)?;
            let full = paths::clean(&full);
            let module = sources::open_module(plan, module, &options(plan))?;
            let rel = full.strip_prefix(module.path()).unwrap_or(&full);
            let rel = rel.strip_prefix(b"/").unwrap_or(rel);
            module.subroot(if rel.is_empty() { b"." } else { rel })
        }
        _ => Root::open(path, &options(plan)),
    }
}

/// The destination must lie in a module, and a link could lead out of it (which is impossible in a chroot).
fn is_confined(plan: &Plan) -> bool {
    plan.place.module_root.is_some() && !plan.place.module_chroot && !plan.place.insecure_links
}

/// Check that something exists at a path that leads out of the module.
fn outside(plan: &Plan, path: &[u8]) -> io::Result<()> {
    let Some(module) = &plan.place.module_root else {
        return Ok(());
    };
    let full = paths::clean(&operator::absolute(path, &plan.place.cwd)?);
    let module = sources::open_module(plan, module, &options(plan))?;
    let rel = full.strip_prefix(module.path()).unwrap_or(&full);
    module.look_anywhere(rel.strip_prefix(b"/").unwrap_or(rel))
}

/// Parent directory and name of the destination.
fn parent_of(path: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let path = trim_slashes(path);
    match memchr::memrchr(b'/', path) {
        Some(0) => (b"/".to_vec(), path[1..].to_vec()),
        Some(at) => (path[..at].to_vec(), path[at + 1..].to_vec()),
        None => (b".".to_vec(), path.to_vec()),
    }
}

/// What is at the path that the destination argument names.
enum Found {
    Directory(Root),
    /// Something else than a directory.
    Other,
    Nothing,
}

/// The destination argument, and the entries that it is for.
struct Argument<'a> {
    plan: &'a Arc<Plan>,
    report: &'a Report,
    path: &'a [u8],
    /// It ends in a slash, and so names a directory.
    slash: bool,
    /// How many entries there are, up to two.
    count: usize,
}

/// Find, or make, the directory that entries go to. `feeds` are the lists read so far: enough to tell one entry from
/// more.
pub(crate) fn resolve(plan: &Arc<Plan>, report: &Report, feeds: &[Feed]) -> Result<Dest> {
    let (count, only) = survey(feeds);
    debug!(report, recv >= 1; "get_local_name count=", inbox::entries(feeds), " ", &plan.select.destination);
    if plan.select.list_only {
        // There is no destination, so there is nothing that could be written or removed.
        let root = Root::nowhere(b"/")
            .map_err(|e| Error::Selection(format!("rsync: [Receiver] change_dir#1 \"/\" failed: {}", sys_text(&e))))?;
        return Dest::void(Arc::clone(plan), report.clone(), root);
    }
    let path: &[u8] = if plan.select.destination.is_empty() {
        b"."
    } else {
        &plan.select.destination
    };
    let argument = Argument {
        plan,
        report,
        path,
        slash: path.ends_with(b"/") || path.ends_with(b"/."),
        count,
    };
    match argument.look()? {
        Found::Directory(root) => finish(plan, report, root, None),
        Found::Nothing => argument.make(feeds),
        Found::Other if count > 1 => Err(Error::Selection(
            "ERROR: destination must be a directory when copying more than 1 file".into(),
        )),
        Found::Other if only.is_some_and(|at| at.entry().is_dir()) => Err(Error::Selection(
            "ERROR: cannot overwrite non-directory with a directory".into(),
        )),
        Found::Other => argument.single(false),
    }
}

impl Argument<'_> {
    /// A path in messages: whole, and quoted.
    fn quoted(&self, path: &[u8]) -> String {
        let full = operator::absolute(path, &self.plan.place.cwd).unwrap_or_else(|_| path.to_vec());
        let mut full = paths::clean(&full);
        if path.len() > 1 && path.ends_with(b"/") {
            full.push(b'/');
        }
        crate::report::name_text(&self.report.quoted(&full))
    }

    /// The error of a directory that cannot be entered; rsync numbers the places in which it tries.
    fn cannot_enter(&self, place: u8, path: &[u8], error: &io::Error) -> Error {
        let (path, why) = (self.quoted(path), sys_text(error));
        Error::Selection(format!("rsync: [Receiver] change_dir#{place} {path} failed: {why}"))
    }

    /// The error of a destination that cannot be looked at.
    fn cannot_stat(&self, error: &io::Error) -> Error {
        let (path, why) = (self.quoted(self.path), sys_text(error));
        Error::Selection(format!(
            "rsync: [Receiver] ERROR: cannot stat destination {path}: {why}"
        ))
    }

    /// The path is that of a directory for the entries, not that of the one entry.
    fn is_directory(&self) -> bool {
        self.count > 1 || self.slash
    }

    /// Look what is at the path.
    fn look(&self) -> Result<Found> {
        let (plan, path) = (self.plan, self.path);
        let error = match open_root(plan, path) {
            Ok(root) => {
                // The handle alone would do, but rsync wants to be able to go there.
                root.lstat(b".").map_err(|error| self.cannot_enter(1, path, &error))?;
                return Ok(Found::Directory(root));
            }
            Err(error) => error,
        };
        let full = operator::absolute(path, &plan.place.cwd).unwrap_or_else(|_| path.to_vec());
        self.report.refusal(&full, &error);
        if error.is(Errno::NOENT) {
            return Ok(Found::Nothing);
        }
        let mut error = io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()));
        if error.is(Errno::LOOP) && is_confined(plan) {
            // A link leads out of the module: rsync looks whether something is there before it refuses to go there.
            match outside(plan, path) {
                Ok(()) => {}
                Err(error) if error.is(Errno::NOENT) => return Ok(Found::Nothing),
                Err(error) => return Err(self.cannot_stat(&error)),
            }
        } else if error.is(Errno::NOTDIR) {
            let (parent, leaf) = parent_of(path);
            match open_root(plan, &parent).and_then(|root| root.stat_follow(&leaf, false)) {
                Ok(_) if !self.slash => return Ok(Found::Other),
                Ok(_) => {}
                // Making the path is tried, and reports why it cannot be made.
                Err(error) if plan.write.mkpath && error.is(Errno::NOTDIR) => return Ok(Found::Nothing),
                Err(other) => error = other,
            }
        }
        let entered = error.is(Errno::LOOP) && !plan.place.module_chroot
            || error.is(Errno::ACCESS) && open_root(plan, &parent_of(path).0).is_ok();
        Err(if entered {
            self.cannot_enter(1, path, &error)
        } else {
            self.cannot_stat(&error)
        })
    }

    /// Make what is missing at the path.
    fn make(&self, feeds: &[Feed]) -> Result<Dest> {
        let (plan, report) = (self.plan, self.report);
        let mut made = 0;
        if plan.write.mkpath && (memchr::memchr(b'/', self.path).is_some() || self.count > 1) {
            let upto = if self.is_directory() {
                trim_slashes(self.path).to_vec()
            } else {
                parent_of(self.path).0
            };
            made = make_path(plan, &upto, &self.quoted(self.path))?;
            if made > 0 && (plan.output.info.name > 0 || plan.output.itemize) {
                let plural = if made == 1 { "directory" } else { "directories" };
                let said = format!("created {made} {plural} for ");
                report.info(text![said, root_sign(plan, &upto), &upto]);
            }
            if self.is_directory() {
                if let Ok(root) = open_root(plan, self.path) {
                    return finish(plan, report, root, None);
                }
            }
        }
        if self.is_directory() && (made == 0 || plan.idle()) {
            return self.make_directory(feeds);
        }
        self.single(made > 0 && plan.idle())
    }

    /// Make the directory itself.
    fn make_directory(&self, feeds: &[Feed]) -> Result<Dest> {
        let (plan, report) = (self.plan, self.report);
        let trimmed = trim_slashes(self.path);
        let (parent, leaf) = parent_of(self.path);
        let mut root = open_root(plan, &parent);
        if plan.idle() {
            announce(plan, report, trimmed);
            return void(plan, report, root, trimmed);
        }
        if let Err(error) = &root {
            if error.is(Errno::LOOP) && is_confined(plan) {
                // rsync makes the directory out there, and only then refuses to enter it.
                root = match outside(plan, &parent) {
                    Ok(()) => return Err(self.cannot_enter(2, trimmed, error)),
                    Err(error) => Err(error),
                };
            }
        }
        root.and_then(|root| root.mkdir(&leaf, 0o777)).map_err(|error| {
            let (path, why) = (self.quoted(trimmed), sys_text(&error));
            Error::FileIo(format!("rsync: [Receiver] mkdir {path} failed: {why}"))
        })?;
        announce(plan, report, trimmed);
        let root = open_root(plan, self.path).map_err(|error| self.cannot_enter(1, self.path, &error))?;
        let mut dest = finish(plan, report, root, None)?;
        // An entry whose name could not be converted sorts before the root. rsync then forgets that the root is new
        // (observed).
        dest.created = feeds
            .iter()
            .find_map(|feed| if let Feed::List(list) = feed { Some(list) } else { None })
            .is_none_or(|list| list.entries().iter().all(|entry| !entry.has(eflag::UNCONVERTED)));
        Ok(dest)
    }

    /// The one entry gets the name of the path. `announced`: its directory would have been made.
    fn single(&self, announced: bool) -> Result<Dest> {
        let (plan, report) = (self.plan, self.report);
        let (parent, leaf) = parent_of(self.path);
        match open_root(plan, &parent) {
            Ok(root) => finish(plan, report, root, Some(leaf)),
            Err(error) if announced => {
                let mut dest = void(plan, report, Err(error), &parent)?;
                dest.single = Some(Arc::new(leaf));
                Ok(dest)
            }
            Err(error) => Err(self.cannot_enter(3, &parent, &error)),
        }
    }
}

/// The destination of a dry run that would have made the directory `path`. Nothing is there, and nothing will be:
/// `stand_in`, its parent, is never looked into.
fn void(plan: &Arc<Plan>, report: &Report, stand_in: io::Result<Root>, path: &[u8]) -> Result<Dest> {
    let root = match stand_in {
        Ok(root) => root,
        Err(_) => Root::open(b"/", &RootOptions::default())
            .map_err(|e| Error::Selection(format!("rsync: [Receiver] {}", sys_text(&e))))?,
    };
    let full = operator::absolute(path, &plan.place.cwd).unwrap_or_else(|_| path.to_vec());
    let handle = rustix::io::dup(root.handle())
        .map_err(|e| Error::FileIo(format!("rsync: [Receiver] {}", sys_text(&e.into()))))?;
    let root = Root::from_handle(handle, &paths::clean(&full), &options(plan));
    Dest::void(Arc::clone(plan), report.clone(), root)
}

/// In a module that is this process's root, paths are shown with a leading slash.
fn root_sign(plan: &Plan, path: &[u8]) -> &'static [u8] {
    if plan.place.module_chroot && !path.starts_with(b"/") {
        b"/"
    } else {
        b""
    }
}

fn announce(plan: &Plan, report: &Report, path: &[u8]) {
    if plan.output.info.name > 0 || plan.output.itemize {
        report.info(text!["created directory ", root_sign(plan, path), path]);
    }
}

/// Make all missing components; how many there were.
fn make_path(plan: &Plan, path: &[u8], shown: &str) -> Result<u32> {
    let full = operator::absolute(path, &plan.place.cwd).unwrap_or_else(|_| path.to_vec());
    let full = paths::clean(&full);
    let mut made = 0;
    let no_way = |e| Error::FileIo(format!("rsync: [Receiver] mkdir {shown} failed: {}", sys_text(&e)));
    // The module exists, and a client must not learn of the directories above it.
    let above = plan
        .place
        .module_root
        .as_deref()
        .filter(|root| full.starts_with(root))
        .map_or(0, <[u8]>::len);
    let mut at = above.max(1);
    at += usize::from(full.get(at) == Some(&b'/'));
    while at < full.len() {
        let end = memchr::memchr(b'/', &full[at..]).map_or(full.len(), |n| at + n);
        if let Err(error) = open_root(plan, &full[..end]) {
            if error.is(Errno::LOOP) && is_confined(plan) && !plan.idle() {
                return Err(no_way(error));
            }
            if plan.idle() {
                made += 1;
                at = end + 1;
                continue;
            }
            let (parent, leaf) = parent_of(&full[..end]);
            let result = open_root(plan, &parent).and_then(|r| r.mkdir(&leaf, 0o777));
            match result {
                // Something else than a directory is there, or a link to nothing.
                Err(e) if e.is(Errno::EXIST) && end < full.len() => {
                    let found = open_root(plan, &parent).and_then(|r| r.lstat(&leaf));
                    let link = plan.place.module_chroot && found.is_ok_and(|stat| stat.is_symlink());
                    let errno = if link { Errno::NOENT } else { Errno::NOTDIR };
                    return Err(no_way(errno.into()));
                }
                Ok(()) => made += 1,
                Err(e) => return Err(no_way(e)),
            }
        }
        at = end + 1;
    }
    Ok(made)
}

fn finish(plan: &Arc<Plan>, report: &Report, root: Root, single: Option<Vec<u8>>) -> Result<Dest> {
    let mut dest = Dest::new(Arc::clone(plan), report.clone(), root)?;
    dest.single = single.map(Arc::new);
    let place = paths::clean(&dest.root.display(b""));
    report.set_dest(place.strip_suffix(b"/").unwrap_or(&place));
    if let Some(dir) = plan.write.backup_dir.as_deref() {
        check_backup_dir(plan, report, &dest, dir)?;
    }
    Ok(dest)
}

fn check_backup_dir(plan: &Plan, report: &Report, dest: &Dest, dir: &[u8]) -> Result<()> {
    let shown = crate::report::name_text(dir);
    let state = match dest.operator_dir(dir) {
        Ok(_) => "",
        Err(e) if e.is(Errno::NOTDIR) => bail!(Usage; "The backup-dir is not a directory: {shown}"),
        Err(_) => "(new) ",
    };
    if plan.output.info.backup > 0 {
        report.info(text![state, "backup_dir is ", dir]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::DeleteWhen;
    use crate::plan_with;

    /// A listing has no destination, whatever the plan asks it to delete: `/` must be out of reach.
    #[test]
    fn a_listing_has_no_destination() {
        let asked = plan_with!(
            Plan::default(),
            select.list_only = true,
            removal.delete = DeleteWhen::Before,
            removal.force = true,
            write.backup = true,
            select.destination = b"/".to_vec()
        );
        let plan = Arc::new(asked.for_listing());
        assert!(plan.select.dry_run && plan.select.list_only && !plan.removal.force && !plan.write.backup);
        assert_eq!(plan.removal.delete, DeleteWhen::Never);
        for plan in [plan, Arc::new(asked)] {
            let report = Report::new(Arc::clone(&plan), false);
            let dest = resolve(&plan, &report, &[]).unwrap();
            assert!(dest.void);
            for name in [b".".as_slice(), b"tmp", b"etc"] {
                assert!(dest.root.lstat(name).unwrap_err().is(Errno::NOENT));
            }
        }
    }
}
