//! The immutable record of one directory's entries at one moment.

use super::codec::{encode, Block, Decoder, Record, RecordRef};
use crate::error::Result;
use crate::tree::mode::is_dir;

/// What a view reads of a directory.
#[derive(Debug, Default)]
pub struct Fresh {
    /// Device of the directory.
    pub dev: u64,
    /// Inode of the directory.
    pub ino: u64,
    /// Its entries, in any order.
    pub records: Vec<Record>,
}

/// The entries of one directory in the order of lists (spec: protocol 5.9): files, then directories.
#[derive(Debug, PartialEq, Eq)]
pub struct Listing {
    dev: u64,
    ino: u64,
    files: Box<[Block]>,
    dirs: Box<[Block]>,
    /// Directories on other devices: mount points.
    mounts: Box<[(Box<[u8]>, u64)]>,
    /// An entry has more than one link.
    linked: bool,
}

impl Listing {
    /// Errors: `Memory` for a name that no file system can have.
    pub(super) fn new(fresh: Fresh) -> Result<Self> {
        let Fresh { dev, ino, mut records } = fresh;
        records.sort_unstable_by(|a, b| {
            let (x, y) = (is_dir(a.stat.mode), is_dir(b.stat.mode));
            x.cmp(&y).then_with(|| {
                if x {
                    a.name.iter().chain(b"/").cmp(b.name.iter().chain(b"/"))
                } else {
                    a.name.cmp(&b.name)
                }
            })
        });
        let split = records.partition_point(|r| !is_dir(r.stat.mode));
        let (files, dirs) = records.split_at(split);
        Ok(Self {
            dev,
            ino,
            files: encode(files)?,
            dirs: encode(dirs)?,
            mounts: dirs
                .iter()
                .filter(|r| r.stat.dev != dev)
                .map(|r| (Box::from(&r.name[..]), r.stat.dev))
                .collect(),
            linked: files.iter().any(|r| r.stat.nlink > 1),
        })
    }

    /// Device of the directory and of its files.
    pub fn dev(&self) -> u64 {
        self.dev
    }

    /// Inode of the directory.
    pub fn ino(&self) -> u64 {
        self.ino
    }

    /// An entry has more than one link.
    pub(super) fn is_linked(&self) -> bool {
        self.linked
    }

    /// Inodes of the entries that are no directories.
    pub(super) fn inos(&self) -> impl Iterator<Item = u64> + '_ {
        self.files.iter().flat_map(|block| block.inos().iter().copied())
    }

    /// Inodes of the files with more than one link.
    pub(super) fn linked_inos(&self) -> Vec<u64> {
        let (mut files, mut out) = (self.files(), Vec::new());
        while let Ok(Some(record)) = files.next_record() {
            if record.stat.nlink > 1 {
                out.push(record.stat.ino);
            }
        }
        out
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.files.iter().chain(&*self.dirs).map(Block::len).sum()
    }

    /// Whether the directory is empty.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.dirs.is_empty()
    }

    /// Entries that are no directories.
    pub fn files(&self) -> Decoder<'_> {
        Decoder::new(&self.files, self.dev)
    }

    /// Directories. A mount point has its own device in [`Listing::dev_of`], not in its status.
    pub fn dirs(&self) -> Decoder<'_> {
        Decoder::new(&self.dirs, self.dev)
    }

    /// The device of a directory in this one.
    pub fn dev_of(&self, name: &[u8]) -> u64 {
        let found = self.mounts.iter().find(|(mount, _)| **mount == *name);
        found.map_or(self.dev, |(_, dev)| *dev)
    }

    /// Bytes of memory.
    pub(super) fn size(&self) -> usize {
        let blocks = self.files.iter().chain(&*self.dirs);
        let mounts: usize = self.mounts.iter().map(|(name, _)| name.len() + 24).sum();
        std::mem::size_of::<Self>() + blocks.map(|b| std::mem::size_of::<Block>() + b.size()).sum::<usize>() + mounts
    }

    /// Call `each` with every entry, files first.
    ///
    /// Errors: of [`Decoder::next_record`].
    pub(super) fn for_each(&self, mut each: impl FnMut(RecordRef<'_>)) -> Result<()> {
        for mut part in [self.files(), self.dirs()] {
            while let Some(record) = part.next_record()? {
                each(record);
            }
        }
        Ok(())
    }

    /// All entries.
    ///
    /// Errors: of [`Decoder::next_record`].
    pub(super) fn records(&self) -> Result<Vec<Record>> {
        let mut out = Vec::with_capacity(self.len());
        self.for_each(|record| out.push(record.to_record()))?;
        if !self.mounts.is_empty() {
            for record in out.iter_mut().filter(|r| is_dir(r.stat.mode)) {
                record.stat.dev = self.dev_of(&record.name);
            }
        }
        Ok(out)
    }

    /// The names of the files whose inode is among `inos` (sorted).
    ///
    /// Errors: of [`Decoder::next_record`].
    pub(super) fn names_of(&self, inos: &[u64]) -> Result<Vec<Vec<u8>>> {
        let mut out = Vec::new();
        for block in &*self.files {
            if block.inos().iter().any(|ino| inos.binary_search(ino).is_ok()) {
                let mut part = Decoder::new(std::slice::from_ref(block), self.dev);
                while let Some(record) = part.next_record()? {
                    if inos.binary_search(&record.stat.ino).is_ok() {
                        out.push(record.name.to_vec());
                    }
                }
            }
        }
        Ok(out)
    }
}
