//! The fields of one entry between its name and its ACL (spec: protocol 5.3, fields 5 to 16).

use super::super::ids::Who;
use super::super::names::shown;
use super::super::options::{splitdev, xmit};
use super::super::segment::builder::SegmentBuilder;
use super::super::MAX_NAME;
use super::{Decoder, MAX_SUM};
use crate::error::{bail, Result};
use crate::tree::mode;
use crate::wire::ints::Source;

/// The fields of an entry as they are read; what an abbreviated one takes from the first of its group.
pub(super) struct Fields {
    pub len: u64,
    pub nsec: u32,
    pub crtime: i64,
    pub rdev: (u32, u32),
    pub inode: Option<(u64, u64)>,
    pub sum: [u8; MAX_SUM],
    pub has_link: bool,
    pub uid: u32,
    pub gid: u32,
}

impl Decoder {
    /// Fields 5 to 16 (spec: protocol 5.3).
    pub(super) fn read_fields(&mut self, src: &mut dyn Source, flags: u32, first_ever: bool) -> Result<Fields> {
        let p = self.o.protocol;
        let len = src.x30long(p, 3)?;
        if len < 0 {
            bail!(Unsupported; "Offset underflow: file-length is negative");
        }
        if flags & xmit::SAME_TIME == 0 {
            self.prev.mtime = if p >= 30 {
                src.varlong(4)?
            } else {
                i64::from(src.int()? as u32)
            };
        }
        let nsec = if p >= 31 && flags & xmit::MOD_NSEC != 0 {
            src.varint()?
        } else {
            0
        };
        if !(0..=999_999_999).contains(&nsec) {
            bail!(Protocol; "wire value modtime_nsec out of range: {nsec} not in [0,999999999] [{}]", self.role);
        }
        let crtime = if self.o.crtimes && flags & xmit::CRTIME_EQ_MTIME == 0 {
            src.varlong(4)?
        } else {
            self.prev.mtime
        };
        if flags & xmit::SAME_MODE == 0 {
            self.prev.mode = self.check_mode(src.int()?)?;
        } else if first_ever {
            // Nothing before it: the mode 0 of a missing argument.
            self.check_mode(0)?;
        }
        let m = self.prev.mode;
        let is_dir = mode::is_dir(m);
        if self.o.atimes && !is_dir && flags & xmit::SAME_ATIME == 0 {
            self.prev.atime = src.varlong(4)?;
        }
        let uid = self.read_id(src, flags, Who::User)?;
        let gid = self.read_id(src, flags, Who::Group)?;
        let device = mode::is_device(m);
        let special = mode::is_special(m);
        let mut rdev = (0, 0);
        if device && self.o.devices || special && self.o.specials && p < 31 {
            let read = self.read_rdev(src, flags)?;
            if device {
                rdev = read;
            }
        } else if p < 28 && !device && !special {
            self.prev.rdev = 0;
        }
        let has_link = self.o.links && mode::is_link(m);
        if has_link {
            self.read_target(src)?;
        }
        let linked = match p {
            ..=27 => mode::is_file(m),
            28 | 29 => flags & xmit::HLINKED != 0 && !is_dir,
            _ => false,
        };
        let mut inode = None;
        if linked && p >= 28 && !self.o.hard_links {
            bail!(Protocol; "hard-link data without --hard-links from sender");
        }
        if linked && self.o.hard_links {
            inode = Some(if p < 26 {
                // spec: protocol-old 5.2: a key, and nothing else.
                (src.int()? as u32 as u64, src.int()? as u32 as u64)
            } else {
                if p < 28 || flags & xmit::SAME_DEV == 0 {
                    self.prev.dev = src.longint()?.wrapping_sub(1);
                }
                (self.prev.dev as u64, src.longint()? as u64)
            });
        }
        let mut sum = [0; MAX_SUM];
        if self.o.checksum_len > 0 && (mode::is_file(m) || p < 28) {
            src.read_exact(&mut sum[..self.o.checksum_len.min(MAX_SUM)])?;
        }
        Ok(Fields {
            len: if device || special { 0 } else { len as u64 },
            nsec: nsec as u32,
            crtime,
            rdev,
            inode,
            sum,
            has_link,
            uid,
            gid,
        })
    }

    /// The target of a link, into `link`.
    fn read_target(&mut self, src: &mut dyn Source) -> Result<()> {
        let n = src.x30int(self.o.protocol)?;
        if !(0..=MAX_NAME as i32).contains(&n) {
            bail!(Memory; "overflow: linkname_len={n}\n{}", self.overflow());
        }
        self.link.clear();
        self.link.resize(n as usize, 0);
        src.read_exact(&mut self.link)?;
        if memchr::memchr(0, &self.link).is_some() {
            bail!(Protocol; "NUL in link target from sender: {}", shown(&self.link));
        }
        Ok(())
    }

    /// An abbreviated hard link: everything but name, ACL and attributes is that of the first (spec: protocol 5.6).
    pub(super) fn copy_fields(&mut self, list: &SegmentBuilder, at: usize, ndx: u32) -> Fields {
        let first = list.view(at);
        self.prev.mtime = first.mtime;
        self.prev.mode = first.mode;
        if let Some(atime) = first.atime.filter(|_| self.o.atimes) {
            self.prev.atime = atime;
        }
        // `prev` has the sender's ids where the entries have local ones already.
        if let Some(&(uid, gid)) = self.firsts.get(&ndx) {
            self.prev.uid = uid;
            self.prev.gid = gid;
        }
        if mode::is_device(first.mode) && self.o.devices {
            self.prev.major = first.rdev.0;
        }
        let mut sum = [0; MAX_SUM];
        if let Some(s) = first.checksum {
            sum[..s.len().min(MAX_SUM)].copy_from_slice(&s[..s.len().min(MAX_SUM)]);
        }
        self.link.clear();
        self.link.extend_from_slice(first.link.unwrap_or_default());
        Fields {
            len: first.len,
            nsec: first.mtime_nsec,
            crtime: first.crtime.unwrap_or(0),
            rdev: first.rdev,
            inode: None,
            sum,
            has_link: first.link.is_some(),
            uid: first.uid,
            gid: first.gid,
        }
    }

    fn check_mode(&self, m: i32) -> Result<u32> {
        let m = m as u32;
        let missing = m == 0 && self.o.delete_missing_args;
        if !missing && (!mode::is_known(m) || m > 0xffff) {
            bail!(Protocol; "invalid file mode 0{m:o} for {} [{}]", shown(&self.name), self.role);
        }
        Ok(m)
    }

    /// spec: protocol 5.3, fields 11 and 12. The local id if names come inline, the sender's otherwise.
    fn read_id(&mut self, src: &mut dyn Source, flags: u32, who: Who) -> Result<u32> {
        let p = self.o.protocol;
        let (wanted, same, named) = match who {
            Who::User => (self.o.owner, xmit::SAME_UID, xmit::USER_NAME),
            Who::Group => (self.o.group, xmit::SAME_GID, xmit::GROUP_NAME),
        };
        if !wanted {
            return Ok(0);
        }
        let prev = match who {
            Who::User => &mut self.prev.uid,
            Who::Group => &mut self.prev.gid,
        };
        if flags & same == 0 {
            let id = src.x30int(p)? as u32;
            *prev = id;
            if p >= 30 && flags & named != 0 {
                let n = src.byte()?;
                let mut name = [0; 255];
                src.read_exact(&mut name[..n.into()])?;
                let name = if self.o.own_numeric_ids { &[] } else { &name[..n.into()] };
                return Ok(self.ids.learn(who, id, name));
            }
        }
        let id = *prev;
        if self.o.inc_recurse {
            return Ok(self.ids.local(who, id));
        }
        Ok(id)
    }

    /// spec: protocol 5.7
    fn read_rdev(&mut self, src: &mut dyn Source, flags: u32) -> Result<(u32, u32)> {
        let p = self.o.protocol;
        if p < 28 {
            if flags & xmit::SAME_RDEV == 0 {
                self.prev.rdev = src.int()? as u32;
            }
            return Ok(splitdev(self.prev.rdev));
        }
        if flags & xmit::SAME_RDEV_MAJOR == 0 {
            self.prev.major = src.x30int(p)? as u32;
        }
        let minor = if p >= 30 {
            src.varint()? as u32
        } else if flags & xmit::RDEV_MINOR_8 != 0 {
            src.byte()?.into()
        } else {
            src.int()? as u32
        };
        Ok((self.prev.major, minor))
    }
}
