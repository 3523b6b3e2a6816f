//! The ACLs and attribute sets that entries refer to by index (spec: protocol 5.11, 5.12).

use super::xattr::{XattrSet, XattrValue};
use crate::tree::Acl;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

/// Values by index, and the indices of those that were interned.
#[derive(Debug)]
struct Table<T> {
    values: Vec<Arc<T>>,
    index: HashMap<Arc<T>, u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            index: HashMap::new(),
        }
    }
}

impl<T: Eq + Hash> Table<T> {
    fn add(&mut self, value: Arc<T>) -> u32 {
        self.values.push(value);
        self.values.len() as u32 - 1
    }

    fn intern(&mut self, value: T) -> u32 {
        if let Some(&i) = self.index.get(&value) {
            return i;
        }
        let value = Arc::new(value);
        let i = self.add(Arc::clone(&value));
        self.index.insert(value, i);
        i
    }
}

#[derive(Debug, Default)]
struct Inner {
    acls: Table<Acl>,
    xattrs: Table<XattrSet>,
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
        self.write(|t| t.acls.intern(acl))
    }

    /// Index of a set equal to this one; it is added if there is none.
    pub fn intern_xattrs(&self, set: XattrSet) -> u32 {
        self.write(|t| t.xattrs.intern(set))
    }

    /// Add an ACL as it came.
    pub fn add_acl(&self, acl: Acl) -> u32 {
        self.write(|t| t.acls.add(Arc::new(acl)))
    }

    /// Add a set as it came.
    pub fn add_xattrs(&self, set: XattrSet) -> u32 {
        self.write(|t| t.xattrs.add(Arc::new(set)))
    }

    /// An ACL by index; an empty one for an index that was never given out.
    pub fn acl(&self, i: u32) -> Arc<Acl> {
        self.read(|t| t.acls.values.get(i as usize).cloned())
            .unwrap_or_default()
    }

    /// A set by index; an empty one for an index that was never given out.
    pub fn xattrs(&self, i: u32) -> Arc<XattrSet> {
        self.read(|t| t.xattrs.values.get(i as usize).cloned())
            .unwrap_or_default()
    }

    /// Put a delivered value in the place of its digest. `number` counts from 1.
    pub fn set_value(&self, i: u32, number: u32, value: Vec<u8>) {
        self.write(|t| {
            let Some(set) = t.xattrs.values.get_mut(i as usize) else {
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
            for acl in t.acls.values.iter_mut().filter(|a| !a.named.is_empty()) {
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
