//! Reads the status of files as this side sees them, and the metadata that a list holds (spec: transfer 5.5, 5.6).

use std::io;

use rustix::io::Errno;

use super::acls::read_acl;
use super::place::Place;
use crate::error::{Error, IoErrorExt as _};
use crate::flist::{self, Tables, XattrSet, XattrValue};
use crate::plan::Plan;
use crate::report::say::text;
use crate::report::Report;
use crate::roles::filter::Filters;
use crate::tree::acl::AclKind;
use crate::tree::fake::{self, FakeStat, LookupError};
use crate::tree::mode::is_dir;
use crate::tree::xattr::{self, Handling, FAKE_PREFIX};
use crate::tree::{Atime, Root, Stat};
use crate::wire::item::ItemFlags;

/// Why the status of a file could not be read.
#[derive(Debug)]
pub(crate) enum Lookup {
    Failed(io::Error),
    /// The attribute of fake-super is damaged: the run ends (spec: transfer 5.6).
    Broken(Error),
}

/// Status as this side sees it: with `fake`, values that are stored in attributes replace the real ones.
///
/// Errors: `Lookup::Broken` with exit code 11 for stored values that make no sense.
pub(crate) fn lstat(root: &Root, rel: &[u8], plan: &Plan, report: &Report) -> std::result::Result<Stat, Lookup> {
    if !plan.place.fake_super {
        return if plan.attrs.crtimes {
            root.lstat_btime(rel)
        } else {
            root.lstat(rel)
        }
        .map_err(Lookup::Failed);
    }
    match root.lstat_fake(rel) {
        Err(LookupError::Read(error, stat)) => {
            // The error is reported, and the real values count.
            let shown = report.quoted(&root.display(rel));
            let text = text!["failed to read xattr user.rsync.%stat for ", &shown];
            report.sys_error(report.looker(), text, &error);
            Ok(*stat)
        }
        other => other.map_err(|error| fake_error(error, &report.quoted(&root.display(rel)))),
    }
}

/// As [`lstat`], or of what a link leads to.
pub(crate) fn look(
    root: &Root,
    rel: &[u8],
    follow: bool,
    plan: &Plan,
    report: &Report,
) -> std::result::Result<Stat, Lookup> {
    if !follow {
        return lstat(root, rel, plan, report);
    }
    let mut stat = root.stat_follow(rel, plan.attrs.crtimes).map_err(Lookup::Failed)?;
    if plan.place.fake_super && (stat.is_file() || stat.is_dir()) {
        let kept = root
            .pin_follow(rel)
            .and_then(|pin| pin.get_xattr(fake::XATTR))
            .ok()
            .flatten();
        if let Some(value) = kept {
            match FakeStat::decode(&value) {
                Some(kept) => kept.apply(&mut stat),
                None => {
                    return Err(fake_error(
                        LookupError::Corrupt(value),
                        &report.quoted(&root.display(rel)),
                    ))
                }
            }
        }
    }
    Ok(stat)
}

fn fake_error(error: LookupError, shown: &[u8]) -> Lookup {
    match error {
        LookupError::Stat(error) | LookupError::Read(error, _) => Lookup::Failed(error),
        LookupError::Corrupt(value) => Lookup::Broken(Error::FileIo(format!(
            "Corrupt user.rsync.%stat xattr attached to {}: \"{}\"",
            String::from_utf8_lossy(shown),
            String::from_utf8_lossy(&value)
        ))),
    }
}

/// A link's target; of a link that fake-super keeps, the content of its file.
pub(crate) fn read_link(root: &Root, rel: &[u8], fake: bool) -> io::Result<Vec<u8>> {
    match root.read_link(rel) {
        Err(e) if fake && e.is(Errno::INVAL) => read_kept_link(root, rel),
        other => other,
    }
}

/// The target of a link as this receiver makes links: with fake-super a real link does not count, and is replaced (observed).
pub(crate) fn read_own_link(root: &Root, rel: &[u8], fake: bool) -> io::Result<Vec<u8>> {
    if fake {
        read_kept_link(root, rel)
    } else {
        root.read_link(rel)
    }
}

fn read_kept_link(root: &Root, rel: &[u8]) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut target = Vec::new();
    root.open_read(rel, Atime::Update)?
        .take(flist::MAX_NAME as u64)
        .read_to_end(&mut target)?;
    Ok(target)
}

/// How a side of this run handles attributes.
pub(super) fn handling(plan: &Plan, rules: bool) -> Handling {
    Handling {
        am_root: plan.place.am_root && !plan.place.fake_super,
        fake_super: plan.place.fake_super,
        rules,
        internal: plan.attrs.xattrs > 1,
    }
}

/// ACLs of an entry as indices into the tables: access, default. `None` for an ACL that says no more than the mode.
pub(crate) fn acl_indices(
    place: Place<'_>,
    mode: u32,
    fake: bool,
    tables: &Tables,
) -> io::Result<(Option<u32>, Option<u32>)> {
    let access = read_acl(place, AclKind::Access, fake)?
        .map(|acl| acl.stripped(mode))
        .filter(|acl| !acl.is_empty())
        .map(|acl| tables.intern_acl(acl));
    let default = if is_dir(mode) {
        read_acl(place, AclKind::Default, fake)?
    } else {
        None
    };
    let default = default.filter(|acl| !acl.is_empty()).map(|acl| tables.intern_acl(acl));
    Ok((access, default))
}

/// The attributes of a file with their names on the wire, sorted, with whole values. The error names the attribute that
/// could not be read; an empty name means the list of attributes.
pub(crate) fn read_set(
    place: Place<'_>,
    plan: &Plan,
    filters: &Filters,
) -> std::result::Result<XattrSet, (Vec<u8>, io::Error)> {
    let how = handling(plan, filters.has_xattr_rules());
    let mut set = XattrSet::new();
    for local in place.list().map_err(|e| (Vec::new(), e))? {
        let Some(name) = xattr::sent_name(&local, how) else {
            continue;
        };
        if how.rules && filters.xattr(&local) == Some(false) {
            continue;
        }
        match place.get(&local) {
            Ok(Some(value)) => set.push((name.to_vec(), XattrValue::Full(value))),
            Ok(None) => {}
            Err(e) if e.is(Errno::NODATA) => {}
            Err(e) => return Err((local, e)),
        }
    }
    set.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(set)
}

/// Read again the values that a receiver requested (spec: protocol 6.5). A value that can no longer be read is empty.
pub(crate) fn requested_values(place: Place<'_>, plan: &Plan, set: &XattrSet, numbers: &[u32]) -> Vec<(u32, Vec<u8>)> {
    numbers
        .iter()
        .map(|&n| {
            let name = (n as usize)
                .checked_sub(1)
                .and_then(|at| set.get(at))
                .map(|item| item.0.as_slice());
            let value = name.and_then(|name| {
                let kept = if plan.place.fake_super {
                    place.get(&[FAKE_PREFIX, name].concat()).ok().flatten()
                } else {
                    None
                };
                kept.or_else(|| place.get(name).ok().flatten())
            });
            (n, value.unwrap_or_default())
        })
        .collect()
}

/// Whether a list of attribute values follows an item with these flags (spec: protocol 6.5).
pub(crate) fn values_follow(plan: &Plan, iflags: ItemFlags) -> bool {
    let shortcut = plan.agreed.protocol >= 31
        && !plan.agreed.compat_avoid_xattr_optim
        && iflags.contains(ItemFlags::XNAME)
        && iflags.contains(ItemFlags::LOCAL_CHANGE);
    plan.attrs.xattrs > 0
        && iflags.contains(ItemFlags::XATTR)
        && (!plan.select.dry_run || plan.agreed.read_batch)
        && !shortcut
}
