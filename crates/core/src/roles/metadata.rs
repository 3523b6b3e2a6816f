//! What a file has besides content, mode, owner and times: ACLs, extended attributes, and the bookkeeping of
//! fake-super (spec: transfer 5.5, 5.6; protocol 5.11, 5.12, 6.5). Read by a scanner into the tables of the list,
//! compared and set by the receiving side.

mod acls;
mod apply;
mod converter;
mod place;
mod reading;
mod system;

use acls::{read_acl, same_access};
pub(crate) use place::Place;
use reading::handling;
pub(crate) use reading::{
    acl_indices, look, lstat, read_link, read_own_link, read_set, requested_values, values_follow, Lookup,
};

use std::sync::{Arc, Mutex, PoisonError};

use super::compare::Wanted;
use super::filter::{Filters, Perishable};
use crate::error::Result;
use crate::flist::{self, xattr as wire, At, IdLookup, IdMap, Tables, Who, XattrLedger, XattrSet, XattrValue};
use crate::plan::Plan;
use crate::report::Report;
use crate::role::Role;
use crate::tree::acl::AclKind;
use crate::tree::mode::{is_dir, is_link};
use crate::tree::xattr::{self, Handling, INTERNAL};
use crate::tree::Acl;
use crate::tree::{fake, Root, Stat};
use crate::wire::ints::Source;
use crate::wire::item::ItemFlags;
use converter::Converter;
use system::SystemIds;

/// What the receiving side knows about metadata. Clones share it.
#[derive(Clone)]
pub struct Metadata {
    plan: Arc<Plan>,
    tables: Tables,
    filters: Option<Arc<Filters>>,
    /// Values that were requested already.
    ledger: Arc<Mutex<XattrLedger>>,
    /// The map from the sender's ids in the list to ours.
    ids: Option<Arc<Mutex<(IdMap, Arc<dyn IdLookup>)>>>,
    /// The last directory that was looked up, and the permissions that new files in it may have.
    default_perms: Arc<Mutex<Option<(Vec<u8>, u32)>>>,
}

/// Users and groups of this machine, or of the program that the plan names.
pub(crate) fn ids_of(plan: &Plan, report: &Report) -> Arc<dyn IdLookup> {
    match (
        &plan.attrs.converter_answers_handle,
        &plan.attrs.converter_questions_handle,
    ) {
        (Some(answers), Some(questions)) => Arc::new(Converter::new(report, answers, questions)),
        _ => Arc::new(SystemIds::new(plan.attrs.accounts.clone())),
    }
}

/// The map from the sender's ids to ours that the options ask for. Faults in it are reported.
///
/// Errors: `Usage` when `--usermap` or `--groupmap` makes no sense.
pub(crate) fn id_map(plan: &Plan, report: &Report, lookup: Arc<dyn IdLookup>) -> Result<IdMap> {
    let id0_names = plan.place.is_local() || plan.agreed.compat_id0_names;
    let mut map = IdMap::new(
        lookup,
        &plan.attrs.usermap,
        &plan.attrs.groupmap,
        plan.attrs.numeric_ids,
        id0_names,
    )?;
    if !plan.place.root_like() {
        let mut groups = plan.place.groups.clone();
        groups.push(rustix::process::getegid().as_raw());
        map.restrict_groups(groups);
    }
    // A failure of the name converter has ended the transfer, and needs no other report.
    let warnings = std::mem::take(&mut map.warnings);
    for warning in warnings.into_iter().filter(|_| !report.is_cancelled()) {
        report.error(warning);
    }
    map.mapped = (plan.output.debug.own > 1).then(Vec::new);
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

    /// The tables that a decoder or scanner fills.
    pub fn set_tables(&mut self, tables: Tables) {
        self.tables = tables;
    }

    /// Map ids when the list is used: a local list has ids as the sender sees them.
    ///
    /// Errors: of [`id_map`].
    pub fn map_ids(&mut self, report: &Report) -> Result<()> {
        // Without maps each id stays the same.
        if !self.plan.attrs.usermap.is_empty() || !self.plan.attrs.groupmap.is_empty() {
            let lookup = ids_of(&self.plan, report);
            let map = id_map(&self.plan, report, Arc::clone(&lookup))?;
            self.ids = Some(Arc::new(Mutex::new((map, lookup))));
        }
        Ok(())
    }

    /// The rules about attribute names, if there are any.
    ///
    /// Errors: of the rules.
    pub fn read_rules(&mut self, root: &[u8]) -> Result<()> {
        if self.plan.attrs.xattrs > 0 && !self.plan.select.rules.is_empty() {
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

    fn local_acl(&self, index: Option<u32>) -> Arc<Acl> {
        let acl = index.map(|i| self.tables.acl(i)).unwrap_or_default();
        let Some(ids) = self.ids.as_ref().filter(|_| !acl.named.is_empty()) else {
            return acl;
        };
        let mut acl = Acl::clone(&acl);
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
        // A process with uid 0 compares all names, even where fake-super does not change them (observed).
        if how.am_root || self.plan.place.am_root {
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
        // A failure to list attributes is reported when they are to be changed.
        let Ok(names) = place.list() else {
            return true;
        };
        let names: Vec<&Vec<u8>> = names.iter().filter(|n| self.compared(n, how)).collect();
        names.len() != kept.len()
            || kept.iter().any(|(local, at)| {
                !names.contains(&local) || !matches!(place.get(local), Ok(Some(now)) if set[*at].1.is(&now))
            })
    }

    /// The ACL that a file has. One that cannot be read counts as none.
    fn acl_of(&self, place: Place<'_>, kind: AclKind) -> Acl {
        let found = read_acl(place, kind, self.plan.place.fake_super);
        found.ok().flatten().unwrap_or_default()
    }

    /// The ACLs that `place` has differ from those wanted.
    fn acls_differ(&self, place: Place<'_>, want: &Wanted, now: &Stat) -> bool {
        if is_link(want.mode) {
            return false;
        }
        let have = self.acl_of(place, AclKind::Access);
        if !same_access(&self.local_acl(want.acl), want.listed_mode, &have, now.mode) {
            return true;
        }
        if !is_dir(want.mode) {
            return false;
        }
        let have = self.acl_of(place, AclKind::Default);
        self.local_acl(want.default_acl).completed_default() != have.completed_default()
    }

    /// The flags for differences in ACL and extended attributes (spec: protocol 6.2). `now` is `None` for a new item.
    pub fn flags(&self, place: Place<'_>, want: &Wanted, now: Option<&Stat>) -> ItemFlags {
        let xattrs = self.plan.attrs.xattrs > 0;
        let Some(now) = now else {
            return ItemFlags::XATTR.when(xattrs && !self.set_of(want).is_empty());
        };
        let acl = self.plan.attrs.acls && self.acls_differ(place, want, now);
        ItemFlags::ACL.when(acl) | ItemFlags::XATTR.when(xattrs && self.xattrs_differ(place, want))
    }

    /// Numbers (from 1) of the abbreviated values that must be asked for, given the attributes of the file at `place`. Each
    /// number is returned once in a run (spec: protocol 6.5).
    pub fn needed(&self, place: Option<Place<'_>>, xattrs: Option<u32>) -> Vec<u32> {
        let Some(index) = xattrs.filter(|_| self.plan.attrs.xattrs > 0) else {
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
    pub fn read_values(&self, src: &mut dyn Source, at: &At) -> Result<()> {
        let xattrs = at.xattrs();
        let values = {
            // This must be the only reference to the set while values are put into it: else each reply would copy it.
            let set = xattrs.map(|i| self.tables.xattrs(i)).unwrap_or_default();
            wire::read_reply(
                src,
                &set,
                self.plan.agreed.max_alloc,
                (Role::Receiver.name(), &at.name()),
            )?
        };
        if let Some(index) = xattrs {
            for (number, value) in values {
                self.tables.set_value(index, number, value);
            }
        }
        Ok(())
    }

    /// The permissions that the parent of `rel` allows a new file: by its default ACL, or by the umask (spec: transfer 5.2).
    pub fn default_perms(&self, root: &Root, rel: &[u8]) -> u32 {
        let (dir, _) = super::paths::split_name(rel);
        let dir = if dir.is_empty() { b"." } else { dir };
        let mut last = locked(&self.default_perms);
        if let Some((known, perms)) = last.as_ref() {
            if known == dir {
                return *perms;
            }
        }
        let umask = self.plan.place.umask;
        let perms = root.default_permissions(dir, umask).unwrap_or(0o777 & !umask);
        *last = Some((dir.to_vec(), perms));
        perms
    }

    /// Note that a directory has a new default ACL.
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

/// The attributes of fake-super.
fn is_bookkeeping(local: &[u8]) -> bool {
    local == fake::XATTR || local == AclKind::Access.fake_xattr() || local == AclKind::Default.fake_xattr()
}

/// Take out directories that contain only directories (`--prune-empty-dirs`), unless a rule of this side
/// protects one. `root` is the destination.
///
/// Errors: of the rules.
pub(crate) fn prune(plan: &Plan, segment: &mut flist::Segment, root: &[u8], report: &Report) -> Result<()> {
    let filters = Filters::receiver(plan, root)?;
    segment.prune_empty_dirs(|name| filters.protects(name, true, Perishable::Obeyed, report));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::acl::Named;

    fn acl(group: u8, mask: Option<u8>, named: &[u32]) -> Acl {
        Acl {
            user_obj: Some(6),
            group_obj: Some(group),
            mask,
            other: Some(4),
            named: named
                .iter()
                .map(|&id| Named {
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
        let same = |a: &Acl, am: u32, b: &Acl, bm: u32| same_access(&a.stripped(am), am, b, bm);
        assert!(same(&acl(4, Some(4), &[5]), 0o644, &acl(4, Some(7), &[5]), 0o674));
        assert!(same(&acl(6, Some(0), &[]), 0o604, &acl(6, Some(7), &[]), 0o674));
        assert!(!same(&acl(4, Some(4), &[5]), 0o644, &acl(0, Some(7), &[5]), 0o674));
        assert!(!same(&acl(4, Some(4), &[]), 0o644, &acl(4, None, &[]), 0o644));
        assert!(same(&acl(4, None, &[]), 0o644, &acl(6, None, &[]), 0o664));
        assert!(!same(&acl(4, Some(4), &[5]), 0o644, &acl(4, Some(4), &[6]), 0o644));
    }
}
