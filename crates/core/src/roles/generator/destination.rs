//! Resolving the destination once the list is known (spec: options 5.3).

use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use crate::error::{sys_text, Error, IoErrorExt, Result};
use crate::flist::{eflag, Segment};
use crate::plan::Plan;
use crate::report::debug::debug;
use crate::report::say::text;
use crate::report::Report;
use crate::roles::dest::Dest;
use crate::roles::paths;
use crate::roles::sources;
use crate::roles::words::inbox::{self, Feed};
use crate::tree::{operator, Root, RootOptions};

/// How many active entries there are, as far as it matters, and the one if there is just one.
fn survey(feeds: &[Feed]) -> (usize, Option<(Arc<Segment>, usize)>) {
    let mut count = 0;
    let mut only = None;
    for feed in feeds {
        let Feed::List(segment) = feed else { continue };
        for i in 0..segment.len() {
            count += 1;
            if only.is_none() {
                only = Some((Arc::clone(segment), i));
            }
            if count > 1 {
                return (count, None);
            }
        }
    }
    (count, only)
}

fn options(plan: &Plan) -> RootOptions {
    RootOptions {
        cwd: plan.cwd.clone(),
        operator: true,
        insecure_links: plan.insecure_links,
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
    match &plan.module_root {
        Some(module) if !plan.insecure_links => {
            let full = operator::absolute(path, &plan.cwd)?;
            let full = paths::clean(&full);
            let module = sources::open_module(plan, module, &options(plan))?;
            let rel = full.strip_prefix(module.path()).unwrap_or(&full);
            let rel = rel.strip_prefix(b"/").unwrap_or(rel);
            module.subroot(if rel.is_empty() { b"." } else { rel })
        }
        _ => Root::open(path, &options(plan)),
    }
}

/// What the destination argument names must lie in a module, out of which a link could lead. From a chroot none does.
fn is_confined(plan: &Plan) -> bool {
    plan.module_root.is_some() && !plan.module_chroot && !plan.insecure_links
}

/// What is at a path that leads out of the module.
fn outside(plan: &Plan, path: &[u8]) -> io::Result<()> {
    let Some(module) = &plan.module_root else { return Ok(()) };
    let full = paths::clean(&operator::absolute(path, &plan.cwd)?);
    let module = sources::open_module(plan, module, &options(plan))?;
    let rel = full.strip_prefix(module.path()).unwrap_or(&full);
    module.look_anywhere(rel.strip_prefix(b"/").unwrap_or(rel))
}

/// Parent directory and name of the destination.
fn parent_of(path: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut end = path.len();
    while end > 1 && path[end - 1] == b'/' {
        end -= 1;
    }
    let path = &path[..end];
    match memchr::memrchr(b'/', path) {
        Some(0) => (b"/".to_vec(), path[1..].to_vec()),
        Some(at) => (path[..at].to_vec(), path[at + 1..].to_vec()),
        None => (b".".to_vec(), path.to_vec()),
    }
}

/// Find, or make, the directory that entries go to. `feeds` are the lists read so far: enough to tell one entry from
/// more.
pub fn resolve(plan: &Arc<Plan>, report: &Report, feeds: &[Feed]) -> Result<Dest> {
    let path = if plan.destination.is_empty() {
        b".".to_vec()
    } else {
        plan.destination.clone()
    };
    let (count, only) = survey(feeds);
    debug!(report, recv >= 1; "get_local_name count=", inbox::entries(feeds), " ", &plan.destination);
    let quoted = |path: &[u8]| {
        let full = operator::absolute(path, &plan.cwd).unwrap_or_else(|_| path.to_vec());
        let mut full = paths::clean(&full);
        if path.len() > 1 && path.ends_with(b"/") {
            full.push(b'/');
        }
        crate::report::name_text(&report.quoted(&full))
    };
    let slash = path.ends_with(b"/") || path.ends_with(b"/.");
    let trimmed = {
        let mut end = path.len();
        while end > 1 && path[end - 1] == b'/' {
            end -= 1;
        }
        path[..end].to_vec()
    };
    if plan.list_only {
        // There is no destination, so there is nothing that could be written or removed.
        let root = Root::nowhere(b"/")
            .map_err(|e| Error::Selection(format!("rsync: [Receiver] change_dir#1 \"/\" failed: {}", sys_text(&e))))?;
        return Dest::void(Arc::clone(plan), report.clone(), root);
    }
    let opened = open_root(plan, &path);
    if let Err(error) = &opened {
        report.refusal(
            &operator::absolute(&path, &plan.cwd).unwrap_or_else(|_| path.clone()),
            error,
        );
    }
    let mut exists_otherwise = matches!(&opened, Err(e) if e.is(Errno::NOTDIR));
    let found = match &opened {
        Ok(_) => Ok(true),
        Err(e) => match e.raw_os_error() {
            Some(2) => Ok(false),
            // A link leads out of the module: rsync looks whether something is there before it refuses to go there.
            Some(40) if is_confined(plan) => match outside(plan, &path) {
                Ok(()) => Err(io::Error::from_raw_os_error(40)),
                Err(e) if e.is(Errno::NOENT) => Ok(false),
                Err(e) => {
                    return Err(Error::Selection(format!(
                        "rsync: [Receiver] ERROR: cannot stat destination {}: {}",
                        quoted(&path),
                        sys_text(&e)
                    )))
                }
            },
            // Something is there that is no directory.
            Some(20) => {
                let (parent, leaf) = parent_of(&path);
                match open_root(plan, &parent).and_then(|r| r.stat_follow(&leaf, false)) {
                    Ok(_) if !slash => Ok(false),
                    Ok(_) => Err(io::Error::from_raw_os_error(20)),
                    // Making the path is tried, and tells why it can't be.
                    Err(e) if plan.mkpath && e.is(Errno::NOTDIR) => {
                        exists_otherwise = false;
                        Ok(false)
                    }
                    Err(e) => Err(e),
                }
            }
            n => Err(io::Error::from_raw_os_error(n.unwrap_or(5))),
        },
    };
    let mut created_parents = false;
    let mut announced = false;
    match found {
        Ok(true) => {
            if let Ok(root) = opened {
                // The handle alone would do, but rsync wants to be able to go there.
                if let Err(error) = root.lstat(b".") {
                    return Err(Error::Selection(format!(
                        "rsync: [Receiver] change_dir#1 {} failed: {}",
                        quoted(&path),
                        sys_text(&error)
                    )));
                }
                return finish(plan, report, root, None);
            }
        }
        Ok(false) if exists_otherwise => {
            if count > 1 {
                return Err(Error::Selection(
                    "ERROR: destination must be a directory when copying more than 1 file".into(),
                ));
            }
            if only.as_ref().is_some_and(|(s, i)| s.entry(*i).is_dir()) {
                return Err(Error::Selection(
                    "ERROR: cannot overwrite non-directory with a directory".into(),
                ));
            }
        }
        Ok(false) => {}
        Err(error) => {
            let number = error.raw_os_error();
            if number == Some(40) && !plan.module_chroot
                || number == Some(13) && open_root(plan, &parent_of(&path).0).is_ok()
            {
                return Err(Error::Selection(format!(
                    "rsync: [Receiver] change_dir#1 {} failed: {}",
                    quoted(&path),
                    sys_text(&error)
                )));
            }
            return Err(Error::Selection(format!(
                "rsync: [Receiver] ERROR: cannot stat destination {}: {}",
                quoted(&path),
                sys_text(&error)
            )));
        }
    }
    let many = count > 1 || slash;
    if plan.mkpath && !exists_otherwise && (memchr::memchr(b'/', &path).is_some() || count > 1) {
        let upto = if many { trimmed.clone() } else { parent_of(&path).0 };
        let made = make_path(plan, &upto, &quoted(&path))?;
        if made > 0 {
            created_parents = many && !plan.idle();
            announced = plan.idle();
            if plan.info.name > 0 || plan.itemize {
                let plural = if made == 1 { "directory" } else { "directories" };
                report.info(text![
                    "created ",
                    made,
                    " ",
                    plural,
                    " for ",
                    root_sign(plan, &upto),
                    &upto
                ]);
            }
        }
        if many {
            if let Ok(root) = open_root(plan, &path) {
                return finish(plan, report, root, None);
            }
        }
    }
    if many && !exists_otherwise && !created_parents {
        let (parent, leaf) = parent_of(&path);
        let dry = plan.idle();
        let root = open_root(plan, &parent);
        if dry {
            announce(plan, report, &trimmed);
            return void(plan, report, root, &trimmed);
        }
        let root = match root {
            Err(e) if e.is(Errno::LOOP) && is_confined(plan) => match outside(plan, &parent) {
                // rsync makes the directory out there, and only then refuses to enter it.
                Ok(()) => {
                    return Err(Error::Selection(format!(
                        "rsync: [Receiver] change_dir#2 {} failed: {}",
                        quoted(&trimmed),
                        sys_text(&e)
                    )))
                }
                Err(e) => Err(e),
            },
            other => other,
        };
        let made = root.and_then(|r| r.mkdir(&leaf, 0o777).map(|()| r));
        match made {
            Ok(_) => {
                announce(plan, report, &trimmed);
                let root = open_root(plan, &path).map_err(|e| {
                    Error::Selection(format!(
                        "rsync: [Receiver] change_dir#1 {} failed: {}",
                        quoted(&path),
                        sys_text(&e)
                    ))
                })?;
                let mut dest = finish(plan, report, root, None)?;
                // An entry that has lost its name sorts before the root, which then is not known as new (observed).
                dest.created = feeds
                    .iter()
                    .find_map(|feed| if let Feed::List(list) = feed { Some(list) } else { None })
                    .is_none_or(|list| (0..list.len()).all(|i| !list.entry(i).has(eflag::UNCONVERTED)));
                return Ok(dest);
            }
            Err(error) => {
                return Err(Error::FileIo(format!(
                    "rsync: [Receiver] mkdir {} failed: {}",
                    quoted(&trimmed),
                    sys_text(&error)
                )));
            }
        }
    }
    // One entry under a name of its own.
    let (parent, leaf) = parent_of(&path);
    match open_root(plan, &parent) {
        Ok(root) => finish(plan, report, root, Some(leaf)),
        // Its directory would have been made.
        Err(error) if announced => {
            let mut dest = void(plan, report, Err(error), &parent)?;
            dest.single = Some(Arc::new(leaf));
            Ok(dest)
        }
        Err(error) => Err(Error::Selection(format!(
            "rsync: [Receiver] change_dir#3 {} failed: {}",
            quoted(&parent),
            sys_text(&error)
        ))),
    }
}

/// The destination of a dry run that would have made the directory `path`. Nothing is there, and nothing will be: `stand_in`,
/// its parent, is never looked into.
fn void(plan: &Arc<Plan>, report: &Report, stand_in: io::Result<Root>, path: &[u8]) -> Result<Dest> {
    let root = match stand_in {
        Ok(root) => root,
        Err(_) => Root::open(b"/", &RootOptions::default())
            .map_err(|e| Error::Selection(format!("rsync: [Receiver] {}", sys_text(&e))))?,
    };
    let full = operator::absolute(path, &plan.cwd).unwrap_or_else(|_| path.to_vec());
    let handle = rustix::io::dup(root.handle())
        .map_err(|e| Error::FileIo(format!("rsync: [Receiver] {}", sys_text(&e.into()))))?;
    let root = Root::from_handle(handle, &paths::clean(&full), &options(plan));
    Dest::void(Arc::clone(plan), report.clone(), root)
}

/// Where the module is this process's root, its paths are shown as whole ones.
fn root_sign(plan: &Plan, path: &[u8]) -> &'static [u8] {
    if plan.module_chroot && !path.starts_with(b"/") {
        b"/"
    } else {
        b""
    }
}

fn announce(plan: &Plan, report: &Report, path: &[u8]) {
    if plan.info.name > 0 || plan.itemize {
        report.info(text!["created directory ", root_sign(plan, path), path]);
    }
}

/// Make all missing components; how many there were.
fn make_path(plan: &Plan, path: &[u8], shown: &str) -> Result<u32> {
    let full = operator::absolute(path, &plan.cwd).unwrap_or_else(|_| path.to_vec());
    let full = paths::clean(&full);
    let mut made = 0;
    let no_way = |e| Error::FileIo(format!("rsync: [Receiver] mkdir {shown} failed: {}", sys_text(&e)));
    // A module is there, and what lies above it is none of a client's business.
    let above = plan
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
                // What is there is no directory, or a link to nothing.
                Err(e) if e.is(Errno::EXIST) && end < full.len() => {
                    let found = open_root(plan, &parent).and_then(|r| r.lstat(&leaf));
                    let link = plan.module_chroot && found.is_ok_and(|stat| stat.is_symlink());
                    return Err(no_way(io::Error::from_raw_os_error(if link { 2 } else { 20 })));
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
    if let Some(dir) = plan.backup_dir.as_deref() {
        check_backup_dir(plan, report, &dest, dir)?;
    }
    Ok(dest)
}

fn check_backup_dir(plan: &Plan, report: &Report, dest: &Dest, dir: &[u8]) -> Result<()> {
    let shown = crate::report::name_text(dir);
    let state = match dest.operator_dir(dir) {
        Ok(_) => "",
        Err(e) if e.is(Errno::NOTDIR) => {
            return Err(Error::Usage(format!("The backup-dir is not a directory: {shown}")));
        }
        Err(_) => "(new) ",
    };
    if plan.info.backup > 0 {
        report.info(text![state, "backup_dir is ", dir]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::plan::DeleteWhen;
    use crate::roles::*;

    /// A listing has no destination, whatever it was told to delete: `/` must be out of reach.
    #[test]
    fn a_listing_has_no_destination() {
        let asked = Plan {
            list_only: true,
            delete: DeleteWhen::Before,
            force: true,
            backup: true,
            destination: b"/".to_vec(),
            ..Plan::default()
        };
        let plan = Arc::new(asked.for_listing());
        assert!(plan.dry_run && plan.list_only && !plan.force && !plan.backup);
        assert_eq!(plan.delete, DeleteWhen::Never);
        for plan in [plan, Arc::new(asked)] {
            let report = Report::new(Arc::clone(&plan), false);
            let dest = resolve(&plan, &report, &[]).unwrap();
            assert!(dest.void);
            for name in [b".".as_slice(), b"tmp", b"etc"] {
                assert_eq!(dest.root.lstat(name).unwrap_err().raw_os_error(), Some(2));
            }
        }
    }
}
