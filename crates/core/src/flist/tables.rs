//! The ACLs and attribute sets that entries refer to by index (spec: protocol 5.11, 5.12).

use super::xattr::{XattrSet, XattrValue};
use crate::tree::Acl;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

#[derive(Debug, Default)]
struct Inner {
    acls: Vec<Arc<Acl>>,
    xattrs: Vec<Arc<XattrSet>>,
    acl_index: HashMap<Arc<Acl>, u32>,
    xattr_index: HashMap<Arc<XattrSet>, u32>,
}

/// Grows for as long as a connection lasts. Clones share the tables, so that the threads of a transfer can.
#[derive(Debug, Clone, Default)]
pub struct Tables(Arc<RwLock<Inner>>);

impl Tables {
    fn write<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn read<T>(&self, f: impl FnOnce(&Inner) -> T) -> T {
        f(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Index of an ACL equal to this one; it is added if there is none.
    pub fn intern_acl(&self, acl: Acl) -> u32 {
        self.write(|t| {
            if let Some(&i) = t.acl_index.get(&acl) {
                return i;
            }
            let acl = Arc::new(acl);
            let i = t.acls.len() as u32;
            t.acls.push(acl.clone());
            t.acl_index.insert(acl, i);
            i
        })
    }

    /// Index of a set equal to this one; it is added if there is none.
    pub fn intern_xattrs(&self, set: XattrSet) -> u32 {
        self.write(|t| {
            if let Some(&i) = t.xattr_index.get(&set) {
                return i;
            }
            let set = Arc::new(set);
            let i = t.xattrs.len() as u32;
            t.xattrs.push(set.clone());
            t.xattr_index.insert(set, i);
            i
        })
    }

    /// Add an ACL as it came.
    pub fn add_acl(&self, acl: Acl) -> u32 {
        self.write(|t| {
            t.acls.push(Arc::new(acl));
            t.acls.len() as u32 - 1
        })
    }

    /// Add a set as it came.
    pub fn add_xattrs(&self, set: XattrSet) -> u32 {
        self.write(|t| {
            t.xattrs.push(Arc::new(set));
            t.xattrs.len() as u32 - 1
        })
    }

    /// An ACL by index; an empty one for an index that was never given out.
    pub fn acl(&self, i: u32) -> Arc<Acl> {
        self.read(|t| t.acls.get(i as usize).cloned()).unwrap_or_default()
    }

    /// A set by index; an empty one for an index that was never given out.
    pub fn xattrs(&self, i: u32) -> Arc<XattrSet> {
        self.read(|t| t.xattrs.get(i as usize).cloned()).unwrap_or_default()
    }

    /// Put a delivered value in the place of its digest. `number` counts from 1.
    pub fn set_value(&self, i: u32, number: u32, value: Vec<u8>) {
        self.write(|t| {
            let Some(set) = t.xattrs.get_mut(i as usize) else {
                return;
            };
            if let Some(item) = (number as usize)
                .checked_sub(1)
                .and_then(|n| Arc::make_mut(set).get_mut(n))
            {
                item.1 = XattrValue::Full(value);
            }
        });
    }

    /// Change the ids of all ACLs, when the names came after the list.
    pub fn map_ids(&self, mut map: impl FnMut(u32, bool) -> u32) {
        self.write(|t| {
            for acl in t.acls.iter_mut().filter(|a| !a.named.is_empty()) {
                for ace in &mut Arc::make_mut(acl).named {
                    ace.id = map(ace.id, ace.is_user);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_things_share_an_index() {
        let t = Tables::default();
        let acl = Acl {
            mask: Some(7),
            ..Acl::default()
        };
        assert_eq!(t.intern_acl(acl.clone()), 0);
        assert_eq!(t.intern_acl(Acl::default()), 1);
        assert_eq!(t.clone().intern_acl(acl.clone()), 0);
        assert_eq!(*t.acl(0), acl);
        let set = vec![(b"user.a".to_vec(), XattrValue::Abbrev { md5: [1; 16], len: 40 })];
        let i = t.intern_xattrs(set.clone());
        assert_eq!(t.intern_xattrs(set), i);
        t.set_value(i, 1, b"new".to_vec());
        t.set_value(i, 2, b"none".to_vec());
        assert_eq!(t.xattrs(i)[0].1, XattrValue::Full(b"new".to_vec()));
        assert!(t.xattrs(99).is_empty());
    }
}
