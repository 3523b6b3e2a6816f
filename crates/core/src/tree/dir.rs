//! Reading directories.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{FileType, RawDir};

/// Bytes asked of the kernel at once: some 800 names of middling length, and still from malloc's free lists.
const BUFFER: usize = 32 * 1024;

/// What a directory says about the type of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    File,
    Dir,
    Symlink,
    Block,
    Char,
    Fifo,
    Socket,
    /// The filesystem does not say; `lstat` does.
    Unknown,
}

impl From<FileType> for FileKind {
    fn from(t: FileType) -> Self {
        match t {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Dir,
            FileType::Symlink => Self::Symlink,
            FileType::BlockDevice => Self::Block,
            FileType::CharacterDevice => Self::Char,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::Unknown => Self::Unknown,
        }
    }
}

impl FileKind {
    /// From the type bits of a mode.
    pub fn from_mode(mode: u32) -> Self {
        match mode & 0o170_000 {
            0o100_000 => Self::File,
            0o040_000 => Self::Dir,
            0o120_000 => Self::Symlink,
            0o060_000 => Self::Block,
            0o020_000 => Self::Char,
            0o010_000 => Self::Fifo,
            0o140_000 => Self::Socket,
            _ => Self::Unknown,
        }
    }

    /// The type bits of a mode; a regular file's for an unknown kind.
    pub fn mode(self) -> u32 {
        match self {
            Self::File | Self::Unknown => 0o100_000,
            Self::Dir => 0o040_000,
            Self::Symlink => 0o120_000,
            Self::Block => 0o060_000,
            Self::Char => 0o020_000,
            Self::Fifo => 0o010_000,
            Self::Socket => 0o140_000,
        }
    }
}

/// The entries of a directory in one arena, in the order of the filesystem, without `.` and `..`.
#[derive(Debug, Default)]
pub struct DirNames {
    arena: Vec<u8>,
    entries: Vec<Slot>,
    /// Why reading ended early; the entries before the error are there.
    pub error: Option<io::Error>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    end: usize,
    ino: u64,
    kind: FileKind,
}

/// One entry of [`DirNames`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameRef<'a> {
    pub name: &'a [u8],
    pub kind: FileKind,
    /// Inode number; sorting by it makes stats of many files quicker on spinning disks.
    pub ino: u64,
}

impl DirNames {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entry number `i`. Panics when there is none, like a slice.
    pub fn get(&self, i: usize) -> NameRef<'_> {
        let start = if i == 0 { 0 } else { self.entries[i - 1].end };
        let slot = self.entries[i];
        NameRef {
            name: &self.arena[start..slot.end],
            kind: slot.kind,
            ino: slot.ino,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = NameRef<'_>> {
        (0..self.entries.len()).map(|i| self.get(i))
    }
}

/// Read the directory behind an open, readable handle from where it stands.
pub(crate) fn read(handle: impl AsFd) -> DirNames {
    let mut out = DirNames::default();
    let mut buffer: Vec<u8> = Vec::with_capacity(BUFFER);
    let mut raw = RawDir::new(handle, buffer.spare_capacity_mut());
    while let Some(item) = raw.next() {
        match item {
            Ok(entry) => {
                let name = entry.file_name().to_bytes();
                if name == b"." || name == b".." {
                    continue;
                }
                out.arena.extend_from_slice(name);
                let kind = entry.file_type().into();
                out.entries.push(Slot {
                    end: out.arena.len(),
                    ino: entry.ino(),
                    kind,
                });
            }
            Err(rustix::io::Errno::INTR) => {}
            // a directory that was removed meanwhile has no entries
            Err(rustix::io::Errno::NOENT) => break,
            Err(e) => {
                out.error = Some(e.into());
                break;
            }
        }
    }
    out
}
