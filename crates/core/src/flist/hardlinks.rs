//! Hard-link groups (spec: protocol 5.6).

use std::collections::HashMap;

/// What a linked file is within its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkRole {
    First,
    /// Index of the first member, in sending order.
    Follower(u32),
}

/// Device and inode of every linked file seen so far, with the index of the first. One for a whole connection.
#[derive(Debug, Default)]
pub(crate) struct HardLinks {
    first: HashMap<(u64, u64), u32>,
}

impl HardLinks {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Note that the file `(device, inode)` has this index.
    pub(crate) fn note(&mut self, inode: (u64, u64), ndx: u32) -> LinkRole {
        match self.first.entry(inode) {
            std::collections::hash_map::Entry::Occupied(e) => LinkRole::Follower(*e.get()),
            std::collections::hash_map::Entry::Vacant(e) => {
                e.insert(ndx);
                LinkRole::First
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_followers() {
        let mut links = HardLinks::new();
        assert_eq!(links.note((1, 2), 4), LinkRole::First);
        assert_eq!(links.note((1, 3), 5), LinkRole::First);
        assert_eq!(links.note((1, 2), 6), LinkRole::Follower(4));
    }
}
