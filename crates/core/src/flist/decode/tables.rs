//! What entries refer to by number: ACLs, attribute sets and ids (spec: protocol 5.11, 5.12, 5.15).

use super::super::entry::eflag;
use super::super::ids::Who;
use super::super::names::shown;
use super::super::segment::builder::SegmentBuilder;
use super::super::xattr::read_set;
use super::Decoder;
use crate::error::{bail, Error, Result};
use crate::tree::Acl;
use crate::wire::ints::Source;

/// Most names in an id list (spec: security SEC-17).
const MAX_ID_NAMES: usize = 65_536;

impl Decoder {
    /// spec: protocol 5.11
    pub(super) fn read_acl(&mut self, src: &mut dyn Source, is_default: bool) -> Result<u32> {
        let k = src.varint()?;
        let known = if is_default { &self.default } else { &self.access };
        if k != 0 {
            return usize::try_from(k)
                .ok()
                .and_then(|k| known.get(k - 1))
                .copied()
                .ok_or_else(|| {
                    let kind = if is_default {
                        "ACL_TYPE_DEFAULT"
                    } else {
                        "ACL_TYPE_ACCESS"
                    };
                    Error::Stream(format!("recv_acl_index: {kind} ACL index {k} > {}", known.len()))
                });
        }
        let (ids, o) = (&mut self.ids, &self.o);
        let acl = Acl::read(src, self.role, |id, is_user, name| {
            let who = if is_user { Who::User } else { Who::Group };
            match name.filter(|_| !o.own_numeric_ids) {
                Some(name) => ids.learn(who, id, name),
                None if o.inc_recurse => ids.local(who, id),
                None => id,
            }
        })?;
        let i = self.tables.add_acl(acl);
        if is_default {
            self.default.push(i);
        } else {
            self.access.push(i);
        }
        Ok(i)
    }

    /// spec: protocol 5.12
    pub(super) fn read_xattrs(&mut self, src: &mut dyn Source) -> Result<u32> {
        let k = src.varint()?;
        if k != 0 {
            return usize::try_from(k)
                .ok()
                .and_then(|k| self.xattrs.get(k - 1))
                .copied()
                .ok_or_else(|| {
                    Error::Stream(format!(
                        "receive_xattr: xa index {k} out of range for {}",
                        shown(&self.name)
                    ))
                });
        }
        let i = self.tables.add_xattrs(read_set(src, self.role)?);
        self.xattrs.push(i);
        Ok(i)
    }

    /// spec: protocol 5.15
    pub(super) fn read_id_lists(&mut self, src: &mut dyn Source) -> Result<()> {
        if !self.o.id_lists() {
            return Ok(());
        }
        for (wanted, who) in [(self.o.owner, Who::User), (self.o.group, Who::Group)] {
            if !wanted && !self.o.acls {
                continue;
            }
            let mut count = 0;
            loop {
                let id = src.x30int(self.o.protocol)? as u32;
                if id == 0 && !self.o.id0_names {
                    break;
                }
                let n = src.byte()?;
                let name = src.bytes(n.into())?;
                let name = if self.o.own_numeric_ids { &[][..] } else { &name };
                self.ids.learn(who, id, name);
                if id == 0 {
                    break;
                }
                count += 1;
                if count > MAX_ID_NAMES {
                    bail!(Protocol; "too many names in an id list from sender");
                }
            }
        }
        Ok(())
    }

    /// Names came after the list: now the ids can be mapped.
    pub(super) fn map_ids(&mut self, list: &mut SegmentBuilder) {
        if self.o.owner || self.o.group {
            for i in 0..list.len() {
                let e = list.entry_mut(i);
                if self.o.owner {
                    e.uid = self.ids.local(Who::User, e.uid);
                }
                if self.o.group {
                    e.gid = self.ids.local(Who::Group, e.gid);
                    if self.ids.may_set_group(e.gid) {
                        e.flags &= !eflag::SKIP_GROUP;
                    } else {
                        e.flags |= eflag::SKIP_GROUP;
                    }
                }
            }
        }
        if self.o.acls {
            self.tables
                .map_ids(|id, is_user| self.ids.local(if is_user { Who::User } else { Who::Group }, id));
        }
    }
}
