//! Decides whether a file at the destination is as the list wants it (spec: transfer 4, 5; protocol 6.2). Pure functions
//! of stats and plans, for the generator; they touch no file.

use crate::plan::Plan;
use crate::roles::paths::trim_leading_slashes;
use crate::tree::mode::{self, is_device, is_dir, is_file, is_link, is_special};
use crate::tree::stat::Stat;
use crate::wire::item::ItemFlags;

/// Whether an entry updates what has its name. A device updates a device, a pipe or socket updates either of the two, and
/// other types update their own type. All else makes a new file (observed).
pub(crate) fn same_family(a: u32, b: u32) -> bool {
    (a ^ b) & mode::TYPE == 0 || is_device(a) && is_device(b) || is_special(a) && is_special(b)
}

/// The attributes that an entry of the list is to have on this machine: ids mapped, mode resolved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Type bits and the twelve permission bits the result gets.
    pub mode: u32,
    /// The twelve bits as listed, for comparing under `-p`.
    pub listed_mode: u32,
    pub len: u64,
    pub mtime: i64,
    pub mtime_nsec: u32,
    pub atime: i64,
    pub atime_nsec: u32,
    pub crtime: Option<i64>,
    pub uid: u32,
    /// `None`: a group that this process can't give (spec: transfer 5.3).
    pub gid: Option<u32>,
    /// Device number.
    pub rdev: (u32, u32),
    /// ACLs and attributes in the tables of the list.
    pub acl: Option<u32>,
    pub default_acl: Option<u32>,
    pub xattrs: Option<u32>,
    /// ACLs were compared and are equal; so were attributes.
    pub acl_equal: bool,
    pub xattrs_equal: bool,
}

impl Wanted {
    /// The same after a comparison: what its `flags` show to be equal is not compared again.
    pub fn compared(self, flags: ItemFlags) -> Self {
        Self {
            acl_equal: !flags.contains(ItemFlags::ACL),
            xattrs_equal: !flags.contains(ItemFlags::XATTR),
            ..self
        }
    }
}

/// Whether times are equal under `--modify-window` (spec: transfer 4).
pub(crate) fn same_time(window: i64, a: (i64, u32), b: (i64, u32)) -> bool {
    match window {
        0 => a.0 == b.0,
        w if w > 0 => a.0.abs_diff(b.0) <= w as u64,
        _ => a == b,
    }
}

/// Whether the mtime of an entry of this type is kept.
pub(crate) fn keeps_time(plan: &Plan, mode: u32) -> bool {
    plan.attrs.times
        && match mode & mode::TYPE {
            mode::DIR => !plan.attrs.omit_dir_times,
            mode::LINK => !plan.attrs.omit_link_times,
            _ => true,
        }
}

/// The mode an entry gets (spec: transfer 5.2). `exists` is the mode of a file that is here already; `default_perms`
/// is what the umask or the parent's default ACL allows.
pub(crate) fn dest_mode(plan: &Plan, listed: u32, exists: Option<u32>, default_perms: u32) -> u32 {
    let kind = listed & mode::TYPE;
    if plan.attrs.perms {
        return listed;
    }
    match exists {
        Some(old) => {
            let mut bits = old & 0o7777;
            if plan.attrs.executability && kind == mode::FILE {
                if listed & 0o111 == 0 {
                    bits &= !0o111;
                } else if bits & 0o111 == 0 {
                    bits |= (bits & 0o444) >> 2;
                }
            }
            kind | bits
        }
        None => kind | listed & 0o777 & default_perms,
    }
}

/// Whether executability differs, for `-E` without `-p`.
fn executability_differs(wanted: &Wanted, stat: &Stat) -> bool {
    is_file(wanted.mode) && (wanted.listed_mode & 0o111 == 0) != (stat.mode & 0o111 == 0)
}

fn perms_differ(plan: &Plan, wanted: &Wanted, stat: &Stat) -> bool {
    if is_link(wanted.mode) && is_link(stat.mode) {
        return false;
    }
    if plan.attrs.perms {
        (wanted.listed_mode ^ stat.mode) & 0o7777 != 0
    } else {
        plan.attrs.executability && executability_differs(wanted, stat)
    }
}

fn owner_differs(plan: &Plan, wanted: &Wanted, stat: &Stat) -> bool {
    plan.place.root_like() && plan.attrs.owner && wanted.uid != stat.uid
}

fn group_differs(plan: &Plan, wanted: &Wanted, stat: &Stat) -> bool {
    plan.attrs.group && wanted.gid.is_some_and(|gid| gid != stat.gid)
}

/// Whether attributes other than content are as wanted (level 3 of spec transfer 7).
pub(crate) fn unchanged(plan: &Plan, wanted: &Wanted, stat: &Stat) -> bool {
    (!keeps_time(plan, wanted.mode)
        || same_time(
            plan.select.modify_window,
            (wanted.mtime, wanted.mtime_nsec),
            (stat.mtime, stat.mtime_nsec),
        ))
        && !perms_differ(plan, wanted, stat)
        && !owner_differs(plan, wanted, stat)
        && !group_differs(plan, wanted, stat)
        && wanted
            .crtime
            .is_none_or(|t| !plan.attrs.crtimes || stat.btime.is_none_or(|b| b.0 == t))
}

/// Add the bits for what differs on this machine (spec: protocol 6.2, output 6). `stat` is `None` for a new item.
/// `linked`: the entry becomes a hard link to a file that matches completely, and has the time of that file.
pub(crate) fn item_flags(
    plan: &Plan,
    wanted: &Wanted,
    stat: Option<&Stat>,
    base: ItemFlags,
    linked: bool,
) -> ItemFlags {
    let mut flags = base;
    let Some(stat) = stat else {
        flags |= ItemFlags::NEW;
        if !flags.contains(ItemFlags::TRANSFER) {
            flags |= ItemFlags::LOCAL_CHANGE;
        }
        return flags;
    };
    flags |= ItemFlags::SIZE.when(is_file(wanted.mode) && wanted.len != stat.size);
    let made = flags.intersects(ItemFlags::TRANSFER | ItemFlags::LOCAL_CHANGE);
    // -O does not keep the time of a directory from being compared with its copy in an alternate one (observed).
    let compared = keeps_time(plan, wanted.mode) || made && plan.attrs.times && is_dir(wanted.mode);
    let same = same_time(
        plan.select.modify_window,
        (wanted.mtime, wanted.mtime_nsec),
        (stat.mtime, stat.mtime_nsec),
    );
    let dir = is_dir(wanted.mode);
    flags |= ItemFlags::TIME.when(compared && !same || !compared && made && !linked && !dir);
    let atime = plan.attrs.atimes > 0 && !dir && !is_link(wanted.mode) && wanted.atime != stat.atime;
    flags |= ItemFlags::ATIME.when(atime);
    let crtime = wanted.crtime.is_some_and(|t| stat.btime.is_some_and(|b| b.0 != t));
    flags |= ItemFlags::CRTIME.when(plan.attrs.crtimes && crtime);
    flags |= ItemFlags::PERMS.when(perms_differ(plan, wanted, stat));
    flags |= ItemFlags::OWNER.when(owner_differs(plan, wanted, stat));
    flags | ItemFlags::GROUP.when(group_differs(plan, wanted, stat))
}

/// Whether a link target leads outside of the tree (spec: transfer 2.1). `path` is the link relative to the transfer
/// root.
pub(crate) fn unsafe_link(target: &[u8], path: &[u8]) -> bool {
    if target.is_empty() || target[0] == b'/' {
        return true;
    }
    let mut rest = target;
    while let Some(tail) = rest.strip_prefix(b"../") {
        rest = trim_leading_slashes(tail);
    }
    if memchr::memmem::find(rest, b"/../").is_some() {
        return true;
    }
    if target.len() > 3 && target.ends_with(b"/..") {
        return true;
    }
    let mut depth: i64 = 0;
    let mut parts: Vec<&[u8]> = path.split(|&b| b == b'/').collect();
    parts.pop();
    for part in parts {
        match part {
            b"" | b"." => {}
            b".." => depth = 0,
            _ => depth += 1,
        }
    }
    let components: Vec<&[u8]> = target.split(|&b| b == b'/').collect();
    let last = components.len() - 1;
    for (i, part) in components.iter().enumerate() {
        match *part {
            b"" | b"." => {}
            b".." => {
                depth -= 1;
                if depth < 0 {
                    return true;
                }
            }
            _ if i < last => depth += 1,
            _ => {}
        }
    }
    depth < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_links() {
        for (target, path, wanted) in [
            (&b""[..], &b"a"[..], true),
            (b"/etc", b"a", true),
            (b"b", b"a", false),
            (b"..", b"a", true),
            (b"../x", b"d/a", false),
            (b"../../x", b"d/a", true),
            (b"../x/../y", b"d/a", true),
            (b"x/..", b"d/a", true),
            (b"./../x", b"a", true),
            (b"../e/b", b"d/a", false),
            (b"x/../../y", b"d/e/a", true),
        ] {
            assert_eq!(unsafe_link(target, path), wanted, "{target:?} {path:?}");
        }
    }

    #[test]
    fn windows() {
        assert!(same_time(0, (5, 1), (5, 2)));
        assert!(!same_time(-1, (5, 1), (5, 2)));
        assert!(same_time(2, (5, 1), (7, 2)));
        assert!(!same_time(2, (5, 1), (8, 0)));
    }
}
