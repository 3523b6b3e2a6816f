//! One entry of a file list, and what a scanner hands over to make one.

use crate::tree::mode;

/// Flags of an [`Entry`]. They are this program's, not the wire's (spec: protocol 5.2 has those).
pub(crate) mod eflag {
    /// A directory named as a source argument, or the root of one.
    pub(crate) const TOP_DIR: u16 = 0x0001;
    /// A directory whose contents are part of the transfer; only in these are files deleted.
    pub(crate) const CONTENT_DIR: u16 = 0x0002;
    /// A directory that is there only because something below it was named (`--relative`).
    pub(crate) const IMPLIED: u16 = 0x0004;
    /// Deactivated: a duplicate, or a name this side cannot use. The index stays occupied, every use is an error.
    pub(crate) const DUPLICATE: u16 = 0x0008;
    /// Member of a hard-link group.
    pub(crate) const HLINKED: u16 = 0x0010;
    /// First member of its group, in sending order.
    pub(crate) const HLINK_FIRST: u16 = 0x0020;
    /// A source argument that does not exist (mode 0): the receiver deletes the name.
    pub(crate) const MISSING_ARG: u16 = 0x0040;
    /// The name had a leading `/` on the wire; it is sorted with it and used without.
    pub(crate) const ABSOLUTE: u16 = 0x0080;
    /// Taken out by `--prune-empty-dirs`. The index stays occupied.
    pub(crate) const PRUNED: u16 = 0x0100;
    /// The group cannot be set by this process: neither changed nor compared.
    pub(crate) const SKIP_GROUP: u16 = 0x0200;
    /// The name could not be converted to the local character set.
    pub(crate) const UNCONVERTED: u16 = 0x0400;
    /// Any flag with which an entry takes no part in the transfer.
    pub(crate) const INACTIVE: u16 = DUPLICATE | PRUNED | UNCONVERTED;
}

/// No extra record, no table index.
pub(super) const NONE: u32 = u32::MAX;

/// A file of the list: 56 bytes, plus its name in the segment's arena. Directory names are shared between
/// neighbours. Everything that a plain file does not have lies in an [`Extra`].
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Size in bytes; 0 for devices and specials.
    pub len: u64,
    /// Seconds since 1970.
    pub mtime: i64,
    /// 0..=999999999.
    pub mtime_nsec: u32,
    /// `st_mode`, type bits included.
    pub mode: u32,
    /// Owner; after decoding already mapped to a local id.
    pub uid: u32,
    /// Group; after decoding already mapped to a local id.
    pub gid: u32,
    /// Directory part in the arena, with its final `/`; empty for a name without directory.
    pub(super) dir_at: u32,
    pub(super) base_at: u32,
    pub(super) extra: u32,
    pub(super) dir_len: u16,
    pub(super) base_len: u16,
    /// See [`eflag`].
    pub flags: u16,
    /// Which source root the name is relative to; means something only on the side that scanned.
    pub root: u16,
}

impl Entry {
    pub fn is_dir(&self) -> bool {
        mode::is_dir(self.mode)
    }
    pub fn is_file(&self) -> bool {
        mode::is_file(self.mode)
    }
    pub fn is_link(&self) -> bool {
        mode::is_link(self.mode)
    }
    pub fn is_device(&self) -> bool {
        mode::is_device(self.mode)
    }
    /// All of these [`eflag`]s are set.
    pub fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }
    /// The entry takes part in the transfer.
    pub fn is_active(&self) -> bool {
        self.flags & eflag::INACTIVE == 0
    }
    /// A directory whose contents are in the transfer.
    pub fn has_contents(&self) -> bool {
        self.is_dir() && self.has(eflag::CONTENT_DIR)
    }
}

/// What only some entries have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extra {
    pub atime: i64,
    pub crtime: i64,
    /// Link: target in the arena (offset, length). Regular file: checksum there. Device: major, minor.
    pub a: u32,
    pub b: u32,
    /// Index of the group's first member in sending order.
    pub group: u32,
    /// Index into the segment's table of (device, inode).
    pub inode: u32,
    /// Indices into [`super::Tables`].
    pub acl: u32,
    pub default_acl: u32,
    pub xattrs: u32,
}

impl Extra {
    pub(super) const EMPTY: Self = Self {
        atime: 0,
        crtime: 0,
        a: NONE,
        b: 0,
        group: NONE,
        inode: NONE,
        acl: NONE,
        default_acl: NONE,
        xattrs: NONE,
    };
}

/// An entry as a scanner describes it, or as a view of one that is in a segment. All borrowed: making one costs
/// nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewEntry<'a> {
    /// Directory part of the name, without a final `/` (except for the root `/` itself); empty when there is none.
    pub dir: &'a [u8],
    /// Last component; `.` for the transfer root.
    pub base: &'a [u8],
    pub len: u64,
    pub mtime: i64,
    pub mtime_nsec: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// See [`eflag`].
    pub flags: u16,
    /// Number of the source root.
    pub root: u16,
    /// Symlink target.
    pub link: Option<&'a [u8]>,
    /// Whole-file checksum (`--checksum`), full digest length.
    pub checksum: Option<&'a [u8]>,
    /// Major and minor number of a device.
    pub rdev: (u32, u32),
    /// Seconds; `None` when access times are not preserved.
    pub atime: Option<i64>,
    /// Seconds; `None` when create times are not preserved.
    pub crtime: Option<i64>,
    /// Device and inode of a file that may be one of several hard links: any non-directory with more than one link
    /// (at protocol 27: any regular file), when hard links are preserved.
    pub inode: Option<(u64, u64)>,
    /// Index of the hard-link group (first member in sending order), when it is known already.
    pub group: Option<u32>,
    /// Access ACL: an index into [`super::Tables`].
    pub acl: Option<u32>,
    /// Default ACL of a directory.
    pub default_acl: Option<u32>,
    /// Extended attributes.
    pub xattrs: Option<u32>,
}

impl<'a> NewEntry<'a> {
    /// An entry with this full name; the rest is to be filled in.
    pub fn named(name: &'a [u8]) -> Self {
        let (dir, base) = split(name);
        Self {
            dir,
            base,
            ..Self::default()
        }
    }

    /// Append the full name to `out`.
    pub fn name_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.dir);
        if !self.dir.is_empty() && self.dir != b"/" {
            out.push(b'/');
        }
        out.extend_from_slice(self.base);
    }
}

/// Split a name into directory (as [`NewEntry::dir`] wants it) and last component.
pub(crate) fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b'/', name) {
        None => (&[], name),
        Some(0) => (&name[..1], &name[1..]),
        Some(at) => (&name[..at], &name[at + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        assert!(std::mem::size_of::<Entry>() <= 56);
        assert!(std::mem::size_of::<Extra>() <= 48);
    }

    #[test]
    fn names_split_and_join() {
        for name in [&b"a"[..], b"a/b", b"/a", b"/a/b", b"/", b"."] {
            let mut out = Vec::new();
            NewEntry::named(name).name_into(&mut out);
            assert_eq!(out, name);
        }
        assert_eq!(split(b"x/y/z"), (&b"x/y"[..], &b"z"[..]));
    }
}
