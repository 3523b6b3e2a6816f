//! What a file has besides content, mode, owner and times: ACLs, extended attributes, and the bookkeeping of
//! fake-super (spec: transfer 5.5, 5.6; protocol 5.11, 5.12, 6.5). Read by a scanner into the tables of the list,
//! compared and set by the receiving side.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::compare::{is_dir, is_link, Wanted};
use super::dest::Dest;
use super::filter::Filters;
use crate::error::{Error, Result};
use crate::flist::{
    self, xattr as wire, IdFiles, IdLookup, IdMap, NamedAce, Tables, Who, XattrLedger, XattrSet, XattrValue,
};
use crate::plan::Plan;
use crate::report::Report;
use crate::tree::acl::{self, Acl, AclKind, Named};
use crate::tree::fake::{self, FakeStat, LookupError};
use crate::tree::xattr::{self, Handling, FAKE_PREFIX, INTERNAL};
use crate::tree::{Pin, Root, Stat};
use crate::wire::ints::Source;

const ENODATA: i32 = 61;
const EOPNOTSUPP: i32 = 95;

// ---- one file

/// The file that a call is about.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// A name beneath a root; a link is meant itself.
    Name(&'a Root, &'a [u8]),
    Open(&'a File),
    Pinned(&'a Pin),
}

impl Place<'_> {
    fn list(self) -> io::Result<Vec<Vec<u8>>> {
        match self {
            Self::Name(root, rel) => root.list_xattrs(rel),
            Self::Open(file) => xattr::flist(file),
            Self::Pinned(pin) => pin.list_xattrs(),
        }
    }

    fn get(self, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Name(root, rel) => root.get_xattr(rel, name),
            Self::Open(file) => xattr::fget(file, name),
            Self::Pinned(pin) => pin.get_xattr(name),
        }
    }

    fn set(self, name: &[u8], value: &[u8]) -> io::Result<()> {
        match self {
            Self::Name(root, rel) => root.set_xattr(rel, name, value),
            Self::Open(file) => xattr::fset(file, name, value),
            Self::Pinned(pin) => pin.set_xattr(name, value),
        }
    }

    fn remove(self, name: &[u8]) -> io::Result<bool> {
        match self {
            Self::Name(root, rel) => root.remove_xattr(rel, name),
            Self::Open(file) => xattr::fremove(file, name),
            Self::Pinned(pin) => pin.remove_xattr(name),
        }
    }

    fn acl(self, kind: AclKind) -> io::Result<Option<Acl>> {
        match self {
            Self::Name(root, rel) => root.get_acl(rel, kind),
            Self::Open(file) => acl::fget(file, kind),
            Self::Pinned(pin) => pin.get_acl(kind),
        }
    }

    fn set_acl(self, kind: AclKind, acl: Option<&Acl>) -> io::Result<()> {
        match self {
            Self::Name(root, rel) => root.set_acl(rel, kind, acl),
            Self::Open(file) => acl::fset(file, kind, acl),
            Self::Pinned(pin) => pin.set_acl(kind, acl),
        }
    }

    fn stat(self) -> io::Result<Stat> {
        match self {
            Self::Name(root, rel) => root.lstat(rel),
            Self::Open(file) => crate::tree::stat::of_file(file),
            Self::Pinned(pin) => pin.stat(),
        }
    }

    fn chmod(self, mode: u32) -> io::Result<()> {
        match self {
            Self::Name(root, rel) => root.chmod(rel, mode),
            Self::Open(file) => crate::tree::attrs::fchmod(file, mode),
            Self::Pinned(pin) => pin.chmod(mode),
        }
    }
}

/// An ACL of the filesystem as the list has it.
fn listed(acl: &Acl) -> flist::Acl {
    flist::Acl {
        user_obj: acl.user_obj,
        group_obj: acl.group_obj,
        mask: acl.mask,
        other: acl.other,
        named: acl
            .named
            .iter()
            .map(|n| NamedAce {
                id: n.id,
                is_user: n.user,
                perms: n.perms,
            })
            .collect(),
    }
}

/// An ACL of the list as the filesystem takes it.
fn settable(acl: &flist::Acl) -> Acl {
    Acl {
        user_obj: acl.user_obj,
        group_obj: acl.group_obj,
        mask: acl.mask,
        other: acl.other,
        named: acl
            .named
            .iter()
            .map(|n| Named {
                id: n.id,
                perms: n.perms,
                user: n.is_user,
            })
            .collect(),
    }
}

/// The ACL of a file, or the one that fake-super keeps for it.
fn read_acl(place: Place<'_>, kind: AclKind, fake: bool) -> io::Result<Option<Acl>> {
    if !fake {
        return place.acl(kind);
    }
    match place.get(kind.fake_xattr()) {
        Ok(value) => Ok(value.as_deref().and_then(Acl::from_fake)),
        Err(e) if e.raw_os_error() == Some(EOPNOTSUPP) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Access ACLs are equal as far as the mode does not say it: the mask is in the mode (observed; spec: transfer 5.5).
fn same_access(want: &flist::Acl, want_mode: u32, have: &flist::Acl, have_mode: u32) -> bool {
    let (want, have) = (want.completed(want_mode), have.completed(have_mode));
    let named = |acl: &flist::Acl| {
        let mut named = acl.named.clone();
        named.sort_by_key(|n| (!n.is_user, n.id));
        named
    };
    want.mask.is_some() == have.mask.is_some()
        && (want.mask.is_none() || want.group_obj == have.group_obj)
        && named(&want) == named(&have)
}

/// Nothing but what a mode says.
fn is_plain(acl: &flist::Acl) -> bool {
    acl.named.is_empty() && acl.mask.is_none()
}

// ---- stats

/// Why a file could not be looked at.
#[derive(Debug)]
pub enum Lookup {
    Failed(io::Error),
    /// The bookkeeping of fake-super is damaged: the run ends (spec: transfer 5.6).
    Broken(Error),
}

/// Status as this side sees it: with `fake`, what is kept in attributes stands in the place of the real values.
///
/// Errors: `Lookup::Broken` with exit code 11 for kept values that can't be read or make no sense.
pub fn lstat(root: &Root, rel: &[u8], plan: &Plan, report: &Report) -> std::result::Result<Stat, Lookup> {
    if !plan.fake_super {
        return if plan.crtimes {
            root.lstat_btime(rel)
        } else {
            root.lstat(rel)
        }
        .map_err(Lookup::Failed);
    }
    root.lstat_fake(rel)
        .map_err(|error| fake_error(error, &report.quoted(&root.display(rel)), report))
}

/// As [`lstat`], or of what a link leads to.
pub fn look(root: &Root, rel: &[u8], follow: bool, plan: &Plan, report: &Report) -> std::result::Result<Stat, Lookup> {
    if !follow {
        return lstat(root, rel, plan, report);
    }
    let mut stat = root.stat_follow(rel).map_err(Lookup::Failed)?;
    if plan.fake_super && (stat.is_file() || stat.is_dir()) {
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
                        report,
                    ))
                }
            }
        }
    }
    Ok(stat)
}

fn fake_error(error: LookupError, shown: &[u8], report: &Report) -> Lookup {
    match error {
        LookupError::Stat(error) => Lookup::Failed(error),
        LookupError::Read(error) => {
            let text = [b"failed to read xattr user.rsync.%stat for ".as_slice(), shown].concat();
            report.sys_error(report.role(), text, &error);
            Lookup::Failed(error)
        }
        LookupError::Corrupt(value) => Lookup::Broken(Error::FileIo(format!(
            "Corrupt user.rsync.%stat xattr attached to {}: \"{}\"",
            String::from_utf8_lossy(shown),
            String::from_utf8_lossy(&value)
        ))),
    }
}

/// A link's target; of a link that fake-super keeps, the content of its file.
pub fn read_link(root: &Root, rel: &[u8], fake: bool) -> io::Result<Vec<u8>> {
    use std::io::Read;
    match root.read_link(rel) {
        Err(e) if fake && e.raw_os_error() == Some(22) => {
            let mut target = Vec::new();
            root.open_read(rel, false)?
                .take(flist::MAX_NAME as u64)
                .read_to_end(&mut target)?;
            Ok(target)
        }
        other => other,
    }
}

// ---- reading, for a list

/// Who handles attributes on a side of this run.
fn handling(plan: &Plan, rules: bool) -> Handling {
    Handling {
        am_root: plan.am_root && !plan.fake_super,
        fake_super: plan.fake_super,
        rules,
        internal: plan.xattrs > 1,
    }
}

/// ACLs of an entry as indices into the tables: access, default. `None` for what the mode says alone.
pub fn acl_indices(place: Place<'_>, mode: u32, fake: bool, tables: &Tables) -> io::Result<(Option<u32>, Option<u32>)> {
    let access = read_acl(place, AclKind::Access, fake)?
        .map(|acl| listed(&acl).stripped(mode))
        .filter(|acl| !acl.is_empty())
        .map(|acl| tables.intern_acl(acl));
    let default = if is_dir(mode) {
        read_acl(place, AclKind::Default, fake)?
    } else {
        None
    };
    let default = default
        .filter(|acl| !acl.is_empty())
        .map(|acl| tables.intern_acl(listed(&acl)));
    Ok((access, default))
}

/// Attributes of a file under the names that travel, sorted, values whole. The error tells the attribute that could
/// not be read; an empty name: the list of them.
pub fn read_set(
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
            Err(e) if e.raw_os_error() == Some(ENODATA) => {}
            Err(e) => return Err((local, e)),
        }
    }
    set.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(set)
}

/// The values that a receiver asked for, read again (spec: protocol 6.5). What can't be read any more is empty.
pub fn requested_values(place: Place<'_>, plan: &Plan, set: &XattrSet, numbers: &[u32]) -> Vec<(u32, Vec<u8>)> {
    numbers
        .iter()
        .map(|&n| {
            let name = (n as usize)
                .checked_sub(1)
                .and_then(|at| set.get(at))
                .map(|item| item.0.as_slice());
            let value = name.and_then(|name| {
                let kept = if plan.fake_super {
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

/// A list of attribute values goes with an item that has these flags (spec: protocol 6.5).
pub fn values_follow(plan: &Plan, iflags: u16) -> bool {
    use crate::report::item::iflag;
    let shortcut = plan.protocol >= 31
        && !plan.compat_avoid_xattr_optim
        && iflags & iflag::XNAME != 0
        && iflags & iflag::LOCAL_CHANGE != 0;
    plan.xattrs > 0 && iflags & iflag::XATTR != 0 && !plan.dry_run && !shortcut
}

// ---- the receiving side

/// What the receiving side knows about metadata. Clones share it.
#[derive(Clone)]
pub struct Metadata {
    plan: Arc<Plan>,
    tables: Tables,
    filters: Option<Arc<Filters>>,
    /// Values that were asked for already.
    ledger: Arc<Mutex<XattrLedger>>,
    /// Ids of the list are the sender's: these are ours.
    ids: Option<Arc<Mutex<(IdMap, Arc<dyn IdLookup>)>>>,
    /// The directory asked for last, and what new files in it may have.
    default_perms: Arc<Mutex<Option<(Vec<u8>, u32)>>>,
}

/// Users and groups of this machine.
pub fn system_ids() -> Arc<dyn IdLookup> {
    let read = |path: &str| std::fs::read(path).unwrap_or_default();
    Arc::new(IdFiles::parse(&read("/etc/passwd"), &read("/etc/group")))
}

/// The map from the sender's ids to ours that the options ask for; complaints about it are told.
///
/// Errors: `Usage` when `--usermap` or `--groupmap` makes no sense.
pub fn id_map(plan: &Plan, report: &Report, lookup: Arc<dyn IdLookup>) -> Result<IdMap> {
    let id0_names = plan.local || plan.compat_id0_names;
    let mut map = IdMap::new(lookup, &plan.usermap, &plan.groupmap, plan.numeric_ids, id0_names)?;
    if !plan.root_like() {
        let mut groups = plan.groups.clone();
        groups.push(rustix::process::getegid().as_raw());
        map.restrict_groups(groups);
    }
    for warning in std::mem::take(&mut map.warnings) {
        report.error(warning);
    }
    Ok(map)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metadata {
    /// `tables` are those that the list refers to.
    pub fn new(plan: Arc<Plan>, tables: Tables) -> Self {
        Self {
            plan,
            tables,
            filters: None,
            ledger: Arc::default(),
            ids: None,
            default_perms: Arc::default(),
        }
    }

    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The tables that a decoder or scanner fills.
    pub fn set_tables(&mut self, tables: Tables) {
        self.tables = tables;
    }

    /// Map ids when the list is used: a list that did not travel has the sender's own.
    ///
    /// Errors: of [`id_map`].
    pub fn map_ids(&mut self, report: &Report) -> Result<()> {
        // Without maps a name leads back to its own id.
        if !self.plan.usermap.is_empty() || !self.plan.groupmap.is_empty() {
            let lookup = system_ids();
            let map = id_map(&self.plan, report, Arc::clone(&lookup))?;
            self.ids = Some(Arc::new(Mutex::new((map, lookup))));
        }
        Ok(())
    }

    /// The rules about attribute names, if there are any.
    ///
    /// Errors: of the rules.
    pub fn read_rules(&mut self, root: &[u8]) -> Result<()> {
        if self.plan.xattrs > 0 && !self.plan.rules.is_empty() {
            let filters = Filters::receiver(&self.plan, root)?;
            if filters.has_xattr_rules() {
                self.filters = Some(Arc::new(filters));
            }
        }
        Ok(())
    }

    /// Local ids of an owner and group of the list.
    pub fn local_ids(&self, uid: u32, gid: u32) -> (u32, u32) {
        let Some(ids) = &self.ids else { return (uid, gid) };
        let mut ids = locked(ids);
        (local_id(&mut ids, Who::User, uid), local_id(&mut ids, Who::Group, gid))
    }

    fn local_acl(&self, index: Option<u32>) -> Arc<flist::Acl> {
        let acl = index.map(|i| self.tables.acl(i)).unwrap_or_default();
        let Some(ids) = self.ids.as_ref().filter(|_| !acl.named.is_empty()) else {
            return acl;
        };
        let mut acl = flist::Acl::clone(&acl);
        let mut ids = locked(ids);
        for ace in &mut acl.named {
            ace.id = local_id(&mut ids, if ace.is_user { Who::User } else { Who::Group }, ace.id);
        }
        Arc::new(acl)
    }

    fn how(&self) -> Handling {
        handling(&self.plan, self.filters.is_some())
    }

    fn ruled_out(&self, name: &[u8]) -> bool {
        self.filters.as_ref().is_some_and(|f| f.xattr(name) == Some(false))
    }

    /// A local name that comparing looks at.
    fn compared(&self, local: &[u8], how: Handling) -> bool {
        if local.starts_with(INTERNAL) {
            return how.internal;
        }
        if how.rules {
            return !self.ruled_out(local);
        }
        // A process with uid 0 looks at all, even where fake-super keeps it from changing them (observed).
        if how.am_root || self.plan.am_root {
            !local.starts_with(b"system.")
        } else {
            local.starts_with(b"user.")
        }
    }

    /// A local name that is removed when it is not in the list.
    fn removed(&self, local: &[u8], how: Handling) -> bool {
        if how.fake_super && is_bookkeeping(local) {
            return false;
        }
        if how.rules {
            return !self.ruled_out(local);
        }
        if how.am_root {
            !local.starts_with(b"system.")
        } else {
            local.starts_with(b"user.")
        }
    }

    /// Names to keep with their numbers in the set (from 0), sorted by number.
    fn kept(&self, set: &XattrSet, how: Handling) -> Vec<(Vec<u8>, usize)> {
        let mut out = Vec::with_capacity(set.len());
        for (at, (name, _)) in set.iter().enumerate() {
            if how.rules && self.ruled_out(name) {
                continue;
            }
            if let Some(local) = xattr::kept_name(name, how) {
                if !(how.fake_super && is_bookkeeping(&local)) {
                    out.push((local, at));
                }
            }
        }
        out
    }

    fn set_of(&self, want: &Wanted) -> Arc<XattrSet> {
        want.xattrs.map(|i| self.tables.xattrs(i)).unwrap_or_default()
    }

    /// The attributes that `place` has differ from those wanted.
    fn xattrs_differ(&self, place: Place<'_>, want: &Wanted) -> bool {
        let how = self.how();
        let set = self.set_of(want);
        let kept = self.kept(&set, how);
        let Ok(names) = place.list() else {
            return !kept.is_empty();
        };
        let names: Vec<&Vec<u8>> = names.iter().filter(|n| self.compared(n, how)).collect();
        names.len() != kept.len()
            || kept.iter().any(|(local, at)| {
                !names.contains(&local) || !matches!(place.get(local), Ok(Some(now)) if set[*at].1.is(&now))
            })
    }

    /// The ACLs that `place` has differ from those wanted.
    fn acls_differ(&self, place: Place<'_>, want: &Wanted, now: &Stat) -> bool {
        if is_link(want.mode) {
            return false;
        }
        let fake = self.plan.fake_super;
        let have = read_acl(place, AclKind::Access, fake)
            .ok()
            .flatten()
            .map(|a| listed(&a))
            .unwrap_or_default();
        if !same_access(&self.local_acl(want.acl), want.listed_mode, &have, now.mode) {
            return true;
        }
        if !is_dir(want.mode) {
            return false;
        }
        let have = read_acl(place, AclKind::Default, fake)
            .ok()
            .flatten()
            .map(|a| listed(&a))
            .unwrap_or_default();
        self.local_acl(want.default_acl).completed_default() != have.completed_default()
    }

    /// Bits of what differs: ACL and extended attributes (spec: protocol 6.2). `now` is `None` for a new item.
    pub fn flags(&self, place: Place<'_>, want: &Wanted, now: Option<&Stat>) -> u16 {
        use crate::report::item::iflag;
        let mut flags = 0;
        let Some(now) = now else {
            if self.plan.xattrs > 0 && !self.set_of(want).is_empty() {
                flags |= iflag::XATTR;
            }
            return flags;
        };
        if self.plan.acls && self.acls_differ(place, want, now) {
            flags |= iflag::ACL;
        }
        if self.plan.xattrs > 0 && self.xattrs_differ(place, want) {
            flags |= iflag::XATTR;
        }
        flags
    }

    /// Numbers (from 1) of the abbreviated values that must be asked for, given what the file at `place` has. Each is
    /// given out once in a run (spec: protocol 6.5).
    pub fn needed(&self, place: Option<Place<'_>>, xattrs: Option<u32>) -> Vec<u32> {
        let Some(index) = xattrs.filter(|_| self.plan.xattrs > 0) else {
            return Vec::new();
        };
        let set = self.tables.xattrs(index);
        let how = self.how();
        let mut ledger = locked(&self.ledger);
        let mut out = Vec::new();
        for (local, at) in self.kept(&set, how) {
            let value = &set[at].1;
            if !matches!(value, XattrValue::Abbrev { .. }) {
                continue;
            }
            let here = place
                .and_then(|p| p.get(&local).ok().flatten())
                .is_some_and(|now| value.is(&now));
            let number = at as u32 + 1;
            if !here && ledger.first_time(index, number) {
                out.push(number);
            }
        }
        out
    }

    /// Read the values that were asked for; from now on they are in the tables (spec: protocol 6.5).
    ///
    /// Errors: of [`wire::read_reply`].
    pub fn read_values(&self, src: &mut dyn Source, xattrs: Option<u32>) -> Result<()> {
        let set = xattrs.map(|i| self.tables.xattrs(i)).unwrap_or_default();
        let values = wire::read_reply(src, &set, self.plan.max_alloc)?;
        if let Some(index) = xattrs {
            for (number, value) in values {
                self.tables.set_value(index, number, value);
            }
        }
        Ok(())
    }

    /// What the parent of `rel` lets a new file have: by its default ACL, or by the umask (spec: transfer 5.2).
    pub fn default_perms(&self, root: &Root, rel: &[u8]) -> u32 {
        let (dir, _) = super::dest::split_name(rel);
        let dir = if dir.is_empty() { b"." } else { dir };
        let mut last = locked(&self.default_perms);
        if let Some((known, perms)) = last.as_ref() {
            if known == dir {
                return *perms;
            }
        }
        let umask = self.plan.umask;
        let perms = root.default_permissions(dir, umask).unwrap_or(0o777 & !umask);
        *last = Some((dir.to_vec(), perms));
        perms
    }

    /// A directory has a new default ACL.
    fn forget_default_perms(&self) {
        *locked(&self.default_perms) = None;
    }
}

fn local_id(ids: &mut (IdMap, Arc<dyn IdLookup>), who: Who, id: u32) -> u32 {
    let (map, lookup) = ids;
    if let Some(to) = map.known(who, id) {
        return to;
    }
    let name = match who {
        Who::User => lookup.user_name(id),
        Who::Group => lookup.group_name(id),
    };
    map.learn(who, id, &name.unwrap_or_default())
}

/// Attributes in which fake-super keeps what it knows of a file.
fn is_bookkeeping(local: &[u8]) -> bool {
    local == fake::XATTR || local == AclKind::Access.fake_xattr() || local == AclKind::Default.fake_xattr()
}

/// Take out directories without anything but directories in them (`--prune-empty-dirs`), unless a rule of this side
/// protects one. `root` is the destination.
///
/// Errors: of the rules.
pub fn prune(plan: &Plan, segment: &mut flist::Segment, root: &[u8], report: &Report) -> Result<()> {
    let filters = Filters::receiver(plan, root)?;
    segment.prune_empty_dirs(|name| filters.protects(name, true, false, report));
    Ok(())
}

impl Dest {
    /// Status of what is at `rel`, as [`lstat`].
    ///
    /// Errors: of the system; damaged bookkeeping of fake-super is told and looks like an I/O error.
    pub fn lstat(&self, rel: &[u8]) -> io::Result<Stat> {
        self.lstat_in(&self.root, rel)
    }

    /// As [`Dest::lstat`], beneath another root.
    pub fn lstat_in(&self, root: &Root, rel: &[u8]) -> io::Result<Stat> {
        match lstat(root, rel, &self.plan, &self.report) {
            Ok(stat) => Ok(stat),
            Err(Lookup::Failed(error)) => Err(error),
            Err(Lookup::Broken(error)) => {
                self.report.error(error.to_string());
                self.report.cancel(error.code());
                Err(io::Error::from_raw_os_error(5))
            }
        }
    }

    /// The mode that the file itself gets.
    pub fn real_mode(&self, mode: u32) -> u32 {
        if self.plan.fake_super {
            fake::real_mode(mode)
        } else {
            mode
        }
    }

    /// Make a link, or the file that stands for one.
    pub fn symlink(&self, root: &Root, target: &[u8], rel: &[u8]) -> io::Result<()> {
        use std::io::Write;
        if !self.plan.fake_super {
            return root.symlink(target, rel);
        }
        root.create_excl(rel, 0o600)?.write_all(target)
    }

    /// Make a device, pipe or socket, or the file that stands for one.
    pub fn mknod(&self, root: &Root, rel: &[u8], mode: u32, major: u32, minor: u32) -> io::Result<()> {
        if !self.plan.fake_super {
            return root.mknod(rel, mode, major, minor);
        }
        root.create_excl(rel, 0o600).map(drop)
    }

    /// Bits of ACLs and attributes that differ at `rel` beneath `root`; `now` is `None` for a new item.
    pub fn metadata_flags(&self, root: &Root, rel: &[u8], want: &Wanted, now: Option<&Stat>) -> u16 {
        if !self.plan.acls && self.plan.xattrs == 0 {
            return 0;
        }
        self.metadata.flags(Place::Name(root, rel), want, now)
    }

    /// Numbers of the values of an entry that must be asked for; `rel` is where the file is now, if it is.
    pub fn xattr_requests(&self, rel: Option<&[u8]>, xattrs: Option<u32>) -> Vec<u32> {
        self.metadata
            .needed(rel.map(|rel| Place::Name(&self.root, rel)), xattrs)
    }

    /// Set the extended attributes of something that is in place: what the receiver does when an item with that bit,
    /// but without data, comes by.
    pub fn set_xattrs_at(&self, rel: &[u8], want: &Wanted) -> bool {
        if self.plan.xattrs == 0 || self.plan.dry_run {
            return false;
        }
        let Ok(stat) = self.root.lstat(rel) else { return false };
        let mut mode = stat.mode;
        let changed = self.set_xattrs(Place::Name(&self.root, rel), rel, want, &mut mode);
        if mode != stat.mode {
            let _ = self.root.chmod(rel, stat.mode);
        }
        changed
    }

    fn xattr_error(&self, call: &str, place: Place<'_>, rel: &[u8], name: &[u8], error: &io::Error) {
        // A link has no handle to go through.
        let by = match place {
            Place::Name(root, rel) if root.lstat(rel).is_ok_and(|s| s.is_symlink()) => "l",
            _ => "f",
        };
        let path = self.root.display(rel);
        let text = [
            b"rsync_xal_set: ",
            by.as_bytes(),
            call.as_bytes(),
            b"xattr(\"",
            &path,
            b"\",\"",
            name,
            b"\") failed",
        ]
        .concat();
        self.report.sys_error("receiver", text, error);
    }

    /// Bring the attributes of `place` to those wanted. `mode` is its mode, here and after. Errors are told.
    pub(super) fn set_xattrs(&self, place: Place<'_>, rel: &[u8], want: &Wanted, mode: &mut u32) -> bool {
        let meta = &self.metadata;
        let how = meta.how();
        let set = meta.set_of(want);
        let Ok(names) = place.list() else { return false };
        if set.is_empty() && names.is_empty() {
            return false;
        }
        let kept = meta.kept(&set, how);
        let mut opened = false;
        let mut open = |mode: &mut u32| {
            // An ordinary user may not change attributes of a file of his own that he may not write.
            if !how.am_root && !opened && *mode & 0o200 == 0 && !is_link(*mode) {
                opened = true;
                if place.chmod(*mode & 0o7777 | 0o200).is_ok() {
                    *mode |= 0o200;
                }
            }
        };
        let mut changed = false;
        for (local, at) in &kept {
            let value = &set[*at].1;
            if names.contains(local) && matches!(place.get(local), Ok(Some(now)) if value.is(&now)) {
                continue;
            }
            let taken;
            let bytes = match value {
                XattrValue::Full(bytes) => bytes,
                // Not asked for, so the file that was here has it.
                XattrValue::Abbrev { .. } => match self.root.get_xattr(rel, local) {
                    Ok(Some(now)) if value.is(&now) => {
                        taken = now;
                        &taken
                    }
                    _ => continue,
                },
            };
            open(mode);
            match place.set(local, bytes) {
                Ok(()) => changed = true,
                Err(error) => self.xattr_error("set", place, rel, local, &error),
            }
        }
        for local in &names {
            if meta.removed(local, how) && !kept.iter().any(|(name, _)| name == local) {
                open(mode);
                match place.remove(local) {
                    Ok(_) => changed = true,
                    Err(error) => self.xattr_error("remove", place, rel, local, &error),
                }
            }
        }
        changed
    }

    fn set_one_acl(&self, place: Place<'_>, rel: &[u8], kind: AclKind, acl: Option<&Acl>) -> bool {
        let done = if self.plan.fake_super {
            match acl {
                Some(acl) => place.set(kind.fake_xattr(), &acl.to_fake()),
                None => place.remove(kind.fake_xattr()).map(drop),
            }
        } else {
            place.set_acl(kind, acl)
        };
        if let Err(error) = &done {
            let text = match kind {
                AclKind::Access => [b"set_acl: xacl_set(".as_slice(), rel, b", ACL_TYPE_ACCESS)"].concat(),
                AclKind::Default => [b"set_acl: xacl_set(".as_slice(), rel, b", ACL_TYPE_DEFAULT)"].concat(),
            };
            self.report.sys_error(self.role, text, error);
        }
        done.is_ok()
    }

    /// Bring the ACLs of `place` to those wanted. `mode` is its mode, here and after. Errors are told.
    pub(super) fn set_acls(&self, place: Place<'_>, rel: &[u8], want: &Wanted, mode: &mut u32) -> bool {
        if is_link(want.mode) {
            return false;
        }
        let fake = self.plan.fake_super;
        let meta = &self.metadata;
        let mut changed = false;
        let have = read_acl(place, AclKind::Access, fake)
            .ok()
            .flatten()
            .map(|a| listed(&a));
        let wanted = meta.local_acl(want.acl);
        let shown = have.clone().unwrap_or_default();
        if !same_access(&wanted, want.mode, &shown, *mode) {
            let acl = if fake {
                let mut acl = settable(&wanted);
                acl.fill_access_mask(want.mode);
                Some(acl)
            } else if is_plain(&wanted) {
                None
            } else {
                Some(settable(&wanted.completed(want.mode)))
            };
            changed |= self.set_one_acl(place, rel, AclKind::Access, acl.as_ref());
            if !fake {
                *mode = place.stat().map_or(*mode, |s| s.mode);
            }
        }
        if is_dir(want.mode) {
            let have = read_acl(place, AclKind::Default, fake)
                .ok()
                .flatten()
                .map(|a| listed(&a))
                .unwrap_or_default();
            let wanted = meta.local_acl(want.default_acl).completed_default();
            if wanted != have.completed_default() {
                let mut acl = settable(&wanted);
                if !fake {
                    acl.complete_default(want.mode);
                }
                changed |= self.set_one_acl(place, rel, AclKind::Default, (!acl.is_empty()).then_some(&acl));
                meta.forget_default_perms();
            }
        }
        changed
    }

    /// Keep in an attribute what may not be set (spec: transfer 5.6). `seen` is the file as fake-super saw it before.
    pub(super) fn keep_fake(&self, place: Place<'_>, rel: &[u8], want: &Wanted, seen: &Stat) -> bool {
        let Ok(real) = place.stat() else { return false };
        if !real.is_file() && !real.is_dir() {
            return false;
        }
        let plan = &self.plan;
        let fake = FakeStat {
            mode: want.mode & 0o177_777,
            major: want.rdev.0,
            minor: want.rdev.1,
            uid: if plan.owner { want.uid } else { seen.uid },
            gid: want.gid.filter(|_| plan.group).unwrap_or(seen.gid),
        };
        let have = place.get(fake::XATTR).ok().flatten();
        let text = fake.encode();
        let done = if fake.is_needed(&real) {
            if have.as_deref() == Some(&text) {
                return false;
            }
            place.set(fake::XATTR, &text)
        } else if have.is_some() {
            place.remove(fake::XATTR).map(drop)
        } else {
            return false;
        };
        match done {
            Ok(()) => true,
            Err(error) => {
                let text = [
                    b"failed to write xattr user.rsync.%stat for ".as_slice(),
                    &self.display(rel),
                ]
                .concat();
                self.report.sys_error(self.role, text, &error);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(group: u8, mask: Option<u8>, named: &[u32]) -> flist::Acl {
        flist::Acl {
            user_obj: Some(6),
            group_obj: Some(group),
            mask,
            other: Some(4),
            named: named
                .iter()
                .map(|&id| NamedAce {
                    id,
                    is_user: true,
                    perms: 4,
                })
                .collect(),
        }
    }

    // Observed with rsync 3.5.0.
    #[test]
    fn a_mask_is_in_the_mode() {
        let same = |a: &flist::Acl, am: u32, b: &flist::Acl, bm: u32| same_access(&a.stripped(am), am, b, bm);
        assert!(same(&acl(4, Some(4), &[5]), 0o644, &acl(4, Some(7), &[5]), 0o674));
        assert!(same(&acl(6, Some(0), &[]), 0o604, &acl(6, Some(7), &[]), 0o674));
        assert!(!same(&acl(4, Some(4), &[5]), 0o644, &acl(0, Some(7), &[5]), 0o674));
        assert!(!same(&acl(4, Some(4), &[]), 0o644, &acl(4, None, &[]), 0o644));
        assert!(same(&acl(4, None, &[]), 0o644, &acl(6, None, &[]), 0o664));
        assert!(!same(&acl(4, Some(4), &[5]), 0o644, &acl(4, Some(4), &[6]), 0o644));
    }
}
