//! Entries as bytes (spec: protocol 5.3).
//!
//! The form is that of a list on the wire with varint flags, always with owners, links and devices, and with names that
//! begin at the directory: a plain file takes some 25 bytes. Inodes are kept beside the bytes, because they are searched
//! for without decoding.

use crate::error::{bail, Result};
use crate::tree::{mode, Stat};
use crate::wire::ints::{put_byte, put_int, put_varint, put_varlong, Source as _};

/// Flags of an encoded entry: those of protocol 5.2 that apply here.
mod bit {
    pub(super) const SAME_MODE: u32 = 0x0002;
    /// Stands for "no flag", which would otherwise be the end of a list.
    pub(super) const EXTENDED: u32 = 0x0004;
    pub(super) const SAME_UID: u32 = 0x0008;
    pub(super) const SAME_GID: u32 = 0x0010;
    pub(super) const SAME_NAME: u32 = 0x0020;
    pub(super) const SAME_TIME: u32 = 0x0080;
    pub(super) const SAME_RDEV_MAJOR: u32 = 0x0100;
    /// More than one link.
    pub(super) const HLINKED: u32 = 0x0200;
    pub(super) const MOD_NSEC: u32 = 0x2000;
}

/// Entries of a block: few enough that a position is found quickly, many enough that the first name of each costs little.
const ENTRIES: usize = 128;

/// Longest name of an entry in bytes; a length is one byte.
const MAX_BASE: usize = 255;

/// One entry of a directory as the view shows it. Of [`Stat`] only type, permissions, owner, group, size, modification
/// time, device numbers, inode, and whether there is more than one link, are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Last component of the name.
    pub name: Vec<u8>,
    /// What the view shows of its status.
    pub stat: Stat,
    /// Target of a symlink.
    pub link: Option<Vec<u8>>,
}

/// A [`Record`] that lies in a [`Decoder`].
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    /// Last component of the name.
    pub name: &'a [u8],
    /// What the view shows of its status.
    pub stat: &'a Stat,
    /// Target of a symlink.
    pub link: Option<&'a [u8]>,
}

impl RecordRef<'_> {
    /// A copy that owns its name and target.
    pub fn to_record(self) -> Record {
        Record {
            name: self.name.to_vec(),
            stat: *self.stat,
            link: self.link.map(<[u8]>::to_vec),
        }
    }
}

/// Up to 128 entries that are decoded from the first on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    bytes: Box<[u8]>,
    inos: Box<[u64]>,
}

impl Block {
    pub(super) fn len(&self) -> usize {
        self.inos.len()
    }

    /// Inode numbers of the entries, in order.
    pub(super) fn inos(&self) -> &[u64] {
        &self.inos
    }

    /// Bytes of memory, without the struct itself.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + std::mem::size_of_val(&*self.inos)
    }
}

/// Encode entries in their order.
///
/// Errors: `Memory` for a name of more than 255 bytes, which no file system has.
pub(super) fn encode(records: &[Record]) -> Result<Box<[Block]>> {
    let mut out = Vec::new();
    let blocks = records.chunks(ENTRIES).map(|part| encode_block(part, &mut out));
    blocks.collect()
}

fn encode_block(records: &[Record], out: &mut Vec<u8>) -> Result<Block> {
    out.clear();
    let (mut prev, mut prev_name) = (Stat::default(), &b""[..]);
    for record in records {
        put_record(record, &prev, prev_name, out)?;
        prev = Stat {
            rdev_major: if record.stat.is_device() {
                record.stat.rdev_major
            } else {
                prev.rdev_major
            },
            ..record.stat
        };
        prev_name = &record.name;
    }
    Ok(Block {
        bytes: Box::from(&out[..]),
        inos: records.iter().map(|r| r.stat.ino).collect(),
    })
}

fn put_record(record: &Record, prev: &Stat, prev_name: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let (stat, name) = (&record.stat, &record.name);
    if name.len() > MAX_BASE {
        bail!(Memory; "file name too long");
    }
    let shared = name.iter().zip(prev_name).take_while(|(a, b)| a == b).count();
    let device = stat.is_device();
    let mut flags = 0;
    let mut set = |on: bool, bit: u32| flags |= if on { bit } else { 0 };
    set(stat.mode == prev.mode, bit::SAME_MODE);
    set(stat.uid == prev.uid, bit::SAME_UID);
    set(stat.gid == prev.gid, bit::SAME_GID);
    set(shared > 0, bit::SAME_NAME);
    set(stat.mtime == prev.mtime, bit::SAME_TIME);
    set(device && stat.rdev_major == prev.rdev_major, bit::SAME_RDEV_MAJOR);
    set(stat.nlink > 1 && !stat.is_dir(), bit::HLINKED);
    set(stat.mtime_nsec != 0, bit::MOD_NSEC);
    put_varint(out, if flags == 0 { bit::EXTENDED } else { flags } as i32);
    if shared > 0 {
        put_byte(out, shared as u8);
    }
    put_byte(out, (name.len() - shared) as u8);
    out.extend_from_slice(&name[shared..]);
    put_varlong(out, stat.size as i64, 3);
    if flags & bit::SAME_TIME == 0 {
        put_varlong(out, stat.mtime, 4);
    }
    if stat.mtime_nsec != 0 {
        put_varint(out, stat.mtime_nsec as i32);
    }
    if flags & bit::SAME_MODE == 0 {
        put_int(out, stat.mode as i32);
    }
    if flags & bit::SAME_UID == 0 {
        put_varint(out, stat.uid as i32);
    }
    if flags & bit::SAME_GID == 0 {
        put_varint(out, stat.gid as i32);
    }
    if device {
        if flags & bit::SAME_RDEV_MAJOR == 0 {
            put_varint(out, stat.rdev_major as i32);
        }
        put_varint(out, stat.rdev_minor as i32);
    }
    if mode::is_link(stat.mode) {
        let target = record.link.as_deref().unwrap_or_default();
        put_varint(out, target.len() as i32);
        out.extend_from_slice(target);
    }
    Ok(())
}

/// Decodes the entries of blocks, one after the other, without an allocation for each.
pub struct Decoder<'a> {
    blocks: std::slice::Iter<'a, Block>,
    bytes: &'a [u8],
    inos: std::slice::Iter<'a, u64>,
    name: Vec<u8>,
    link: Option<&'a [u8]>,
    stat: Stat,
    rdev_major: u32,
    dev: u64,
}

impl<'a> Decoder<'a> {
    /// `dev`: the device that the entries are on.
    pub(super) fn new(blocks: &'a [Block], dev: u64) -> Self {
        Self {
            blocks: blocks.iter(),
            bytes: &[],
            inos: [].iter(),
            name: Vec::with_capacity(64),
            link: None,
            stat: Stat::default(),
            rdev_major: 0,
            dev,
        }
    }

    /// The next entry.
    ///
    /// Errors: `Stream` if the bytes are no entry, which only a fault of this program can cause.
    pub fn next_record(&mut self) -> Result<Option<RecordRef<'_>>> {
        let ino = loop {
            if let Some(ino) = self.inos.next() {
                break *ino;
            }
            let Some(block) = self.blocks.next() else {
                return Ok(None);
            };
            (self.bytes, self.inos) = (&block.bytes, block.inos.iter());
            self.stat = Stat::default();
            self.rdev_major = 0;
            self.name.clear();
        };
        self.read(ino)?;
        Ok(Some(RecordRef {
            name: &self.name,
            stat: &self.stat,
            link: self.link,
        }))
    }

    fn read(&mut self, ino: u64) -> Result<()> {
        let (src, stat) = (&mut self.bytes, &mut self.stat);
        let flags = src.varint()? as u32;
        let shared = if flags & bit::SAME_NAME == 0 {
            0
        } else {
            usize::from(src.byte()?)
        };
        let suffix = usize::from(src.byte()?);
        self.name.truncate(shared);
        self.name.extend_from_slice(take(src, suffix)?);
        stat.size = src.varlong(3)? as u64;
        if flags & bit::SAME_TIME == 0 {
            stat.mtime = src.varlong(4)?;
        }
        stat.mtime_nsec = if flags & bit::MOD_NSEC == 0 {
            0
        } else {
            src.varint()? as u32
        };
        if flags & bit::SAME_MODE == 0 {
            stat.mode = src.int()? as u32;
        }
        if flags & bit::SAME_UID == 0 {
            stat.uid = src.varint()? as u32;
        }
        if flags & bit::SAME_GID == 0 {
            stat.gid = src.varint()? as u32;
        }
        (stat.rdev_major, stat.rdev_minor) = (0, 0);
        if stat.is_device() {
            if flags & bit::SAME_RDEV_MAJOR == 0 {
                self.rdev_major = src.varint()? as u32;
            }
            (stat.rdev_major, stat.rdev_minor) = (self.rdev_major, src.varint()? as u32);
        }
        self.link = if mode::is_link(stat.mode) {
            let len = src.varint()?;
            Some(take(src, usize::try_from(len).unwrap_or(usize::MAX))?)
        } else {
            None
        };
        stat.nlink = if flags & bit::HLINKED == 0 { 1 } else { 2 };
        (stat.dev, stat.ino) = (self.dev, ino);
        Ok(())
    }
}

fn take<'a>(src: &mut &'a [u8], n: usize) -> Result<&'a [u8]> {
    let Some((head, rest)) = src.split_at_checked(n) else {
        bail!(Stream; "unexpected end of a listing");
    };
    *src = rest;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> impl Strategy<Value = Record> {
        let kind = prop::sample::select(vec![0o100_644, 0o100_755, 0o120_777, 0o060_600, 0o020_600, 0o010_600]);
        let name = prop::collection::vec(1u8..=255, 1..=255);
        (
            name,
            kind,
            any::<(u32, u32, i64, u8, bool, bool)>(),
            0..1i64 << 62,
            0..1_000_000_000u32,
        )
            .prop_map(
                |(name, mode, (uid, ino, mtime, minor, linked, same), size, nsec)| Record {
                    name,
                    link: mode::is_link(mode).then(|| uid.to_string().into_bytes()),
                    stat: Stat {
                        mode,
                        uid: if same { 5 } else { uid },
                        gid: uid / 2,
                        size: size as u64,
                        mtime: if same { -7 } else { mtime >> 4 },
                        mtime_nsec: if same { 0 } else { nsec },
                        rdev_major: if mode::is_device(mode) { u32::from(minor) / 3 } else { 0 },
                        rdev_minor: if mode::is_device(mode) { u32::from(minor) } else { 0 },
                        dev: 9,
                        ino: ino.into(),
                        nlink: if linked { 2 } else { 1 },
                        ..Stat::default()
                    },
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(records in prop::collection::vec(record(), 0..300)) {
            let blocks = encode(&records).unwrap();
            prop_assert_eq!(blocks.iter().map(Block::len).sum::<usize>(), records.len());
            let mut decoder = Decoder::new(&blocks, 9);
            let mut out = Vec::new();
            while let Some(found) = decoder.next_record().unwrap() {
                out.push(found.to_record());
            }
            prop_assert_eq!(out, records);
        }
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        let block = Block {
            bytes: Box::from(&[0x80u8, 0x20][..]),
            inos: Box::from([1u64]),
        };
        assert!(Decoder::new(&[block], 0).next_record().is_err());
    }
}
