//! An entry of a file list.

use std::sync::Arc;

use super::{Entry, Segment};

/// One entry of a list, by position. Cloning it allocates nothing.
#[derive(Debug, Clone)]
pub struct At {
    list: Arc<Segment>,
    i: u32,
}

impl At {
    /// The entry at position `i` of `list`.
    pub fn new(list: &Arc<Segment>, i: usize) -> Self {
        Self {
            list: Arc::clone(list),
            i: i as u32,
        }
    }

    /// Move to another position of the same list.
    pub fn set(&mut self, i: usize) {
        self.i = i as u32;
    }

    /// The list that holds the entry.
    pub fn list(&self) -> &Arc<Segment> {
        &self.list
    }

    /// Position in the list.
    pub fn i(&self) -> usize {
        self.i as usize
    }

    /// File index, as it travels on the wire (spec: protocol 5.8).
    pub fn ndx(&self) -> i32 {
        self.list.ndx(self.i())
    }

    /// What the list says of the entry.
    pub fn entry(&self) -> &Entry {
        self.list.entry(self.i())
    }

    /// Full name, as [`Segment::name`].
    pub fn name(&self) -> Vec<u8> {
        self.list.name(self.i())
    }

    /// Full name with its leading `/`, as [`Segment::given_name`].
    pub fn given_name(&self) -> Vec<u8> {
        self.list.given_name(self.i())
    }

    /// Directory part of the name, as [`Segment::dirname`].
    pub fn dirname(&self) -> &[u8] {
        self.list.dirname(self.i())
    }

    /// Target of a symlink, as [`Segment::link_target`].
    pub fn link_target(&self) -> Option<&[u8]> {
        self.list.link_target(self.i())
    }

    /// Listed checksum of a regular file, as [`Segment::checksum`].
    pub fn checksum(&self) -> Option<&[u8]> {
        self.list.checksum(self.i())
    }

    /// Major and minor number of a device, as [`Segment::rdev`].
    pub fn rdev(&self) -> (u32, u32) {
        self.list.rdev(self.i())
    }

    /// Hard-link group, as [`Segment::hlink`].
    pub fn hlink(&self) -> Option<u32> {
        self.list.hlink(self.i())
    }

    /// Extended attributes, as [`Segment::xattrs`].
    pub fn xattrs(&self) -> Option<u32> {
        self.list.xattrs(self.i())
    }
}

#[cfg(test)]
mod tests {
    use super::At;

    /// Lists hold many entries that wait (for a redo, for the leader of their group): they must stay small.
    #[test]
    fn two_words() {
        assert_eq!(size_of::<At>(), 2 * size_of::<usize>());
    }
}
