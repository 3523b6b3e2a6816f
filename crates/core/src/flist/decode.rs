//! Lists from the wire (spec: protocol 5, limits in 12).

use super::charset::Charset;
use super::entry::{eflag, split, NewEntry};
use super::hardlinks::{HardLinks, LinkRole};
use super::ids::IdMap;
use super::names::{clean, shown};
use super::options::{xmit, FlistOptions, Prev};
use super::segment::builder::SegmentBuilder;
use super::segment::Segment;
use super::tables::Tables;
use super::MAX_NAME;
use crate::error::{bail, Error, Result};
use crate::tree::mode;
use crate::wire::ints::Source;
use std::collections::HashMap;

mod fields;
mod tables;

/// What a [`Vet`] says about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vetted {
    Accept,
    /// Only as a parent of something that was asked for: whatever the flags say, its contents are not in the
    /// transfer.
    AsParent,
}

/// Judges the names of a remote sender (spec: filters 9). Called for each entry, in order of arrival.
pub trait Vet: Send {
    /// `name` is clean, without leading slash, in the local character set. `early`: it stands in the first list, or in
    /// the second if the first has one entry only. Errors (`Unsupported`) end the transfer.
    fn vet(&mut self, name: &[u8], is_dir: bool, early: bool) -> Result<Vetted>;
}

/// A text that this side's character set cannot express; its entry is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unconverted {
    /// A name, as it came.
    Name(Vec<u8>),
    /// The target of the link of this name.
    Target(Vec<u8>),
}

/// What iconv says about a name that does not fit.
pub(crate) const EILSEQ: &str = "Invalid or incomplete multibyte or wide character";

/// A list as it was read.
#[derive(Debug)]
pub struct Received {
    pub segment: Segment,
    /// Bits of spec: protocol 3.2, already masked; includes this side's trouble with names.
    pub io_error: i32,
    /// What could not be converted.
    pub notices: Vec<Unconverted>,
    /// What ids were mapped to, one line each, if the debug level asks for it.
    pub ids: Vec<Vec<u8>>,
}

/// Longest digest in bytes.
const MAX_SUM: usize = 32;

/// Reads the lists of a connection; it remembers the previous entry, the hard links, the ids, and the ACLs and
/// attribute sets that came.
pub struct Decoder {
    o: FlistOptions,
    tables: Tables,
    ids: IdMap,
    vet: Option<Box<dyn Vet>>,
    /// The list being read is one of those that [`Vet::vet`] calls early.
    early: bool,
    prev: Prev,
    prev_name: Vec<u8>,
    started: bool,
    /// First members of hard-link groups in all lists, with owner and group as the sender has them (P>=30).
    firsts: HashMap<u32, (u32, u32)>,
    links: HardLinks,
    access: Vec<u32>,
    default: Vec<u32>,
    xattrs: Vec<u32>,
    hierarchy: Hierarchy,
    name: Vec<u8>,
    link: Vec<u8>,
    notices: Vec<Unconverted>,
    io_error: i32,
    /// What stands in the brackets of messages.
    role: &'static str,
}

/// Which directory the entries that follow are in the transfer with, below protocol 30 (spec: protocol 5.5).
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hierarchy {
    None,
    All,
    Below(Vec<u8>),
}

/// Position and index of the entry that an abbreviated hard link has its fields from.
type SameAs = Option<(usize, u32)>;

impl Decoder {
    /// `tables` is filled as ACLs and attribute sets arrive.
    pub fn new(options: FlistOptions, tables: Tables, ids: IdMap) -> Self {
        Self {
            o: options,
            tables,
            ids,
            vet: None,
            early: true,
            prev: Prev::default(),
            prev_name: Vec::new(),
            started: false,
            firsts: HashMap::new(),
            links: HardLinks::new(),
            access: Vec::new(),
            default: Vec::new(),
            xattrs: Vec::new(),
            hierarchy: Hierarchy::None,
            name: Vec::new(),
            link: Vec::new(),
            notices: Vec::new(),
            io_error: 0,
            role: "Receiver",
        }
    }

    /// What stands in the brackets of messages from now on.
    pub fn set_role(&mut self, role: &'static str) {
        self.role = role;
    }

    /// Judge names with `vet` from now on.
    pub fn set_vet(&mut self, vet: Box<dyn Vet>) {
        self.vet = Some(vet);
    }

    /// The tables that entries refer to.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The first index of the first list (spec: protocol 5.8).
    pub fn first_start(&self) -> i32 {
        i32::from(self.o.inc_recurse)
    }

    /// Read one list to its end, id lists included, and sort it. `start` is the index of its first entry; `parent` is
    /// `None` for the first list, or directory index and path of the directory that a sub-list belongs to.
    ///
    /// Errors, which all end the connection: `Protocol`, `Unsupported`, `Stream`, `Memory` and `FileIo` as section 12
    /// of the protocol has them.
    pub fn read_list(&mut self, src: &mut dyn Source, start: i32, parent: Option<(i32, &[u8])>) -> Result<Received> {
        let mut list = SegmentBuilder::new(self.o.protocol);
        self.hierarchy = Hierarchy::None;
        self.io_error = 0;
        while let Some(flags) = self.read_flags(src)? {
            self.read_entry(src, flags, &mut list, start, parent)?;
        }
        if !self.o.inc_recurse {
            self.read_id_lists(src)?;
            self.map_ids(&mut list);
        }
        if self.o.protocol < 30 {
            self.io_error |= src.int()? & 7;
            if self.o.hard_links {
                list.ungroup_singles();
            }
        }
        list.sort(self.o.charset.is_some());
        let dropped = list.drop_duplicates();
        self.early = parent.is_none() && list.len() == 1;
        list.strip_leading_slashes();
        let mut segment = list.finish(start, parent.map_or(-1, |p| p.0));
        segment.dropped = dropped;
        Ok(Received {
            segment,
            io_error: self.io_error,
            notices: std::mem::take(&mut self.notices),
            ids: self.ids.mapped.as_mut().map(std::mem::take).unwrap_or_default(),
        })
    }

    /// spec: protocol 5.2 and 5.14; `None` at the end of the list.
    fn read_flags(&mut self, src: &mut dyn Source) -> Result<Option<u32>> {
        if self.o.varint_flags {
            let flags = src.varint()? as u32;
            if flags == 0 {
                self.io_error |= src.varint()? & 7;
                return Ok(None);
            }
            return Ok(Some(flags));
        }
        let mut flags = u32::from(src.byte()?);
        if flags == 0 {
            return Ok(None);
        }
        if self.o.protocol >= 28 && flags & xmit::EXTENDED != 0 {
            flags |= u32::from(src.byte()?) << 8;
            if flags == xmit::IO_ERROR_END && self.o.protocol >= 30 {
                if self.o.protocol == 30 && !self.o.safe_flist {
                    bail!(Protocol; "invalid flist flag: 0x1004");
                }
                self.io_error |= src.varint()? & 7;
                return Ok(None);
            }
        }
        Ok(Some(flags))
    }

    /// The name on the wire, into `prev_name`.
    fn read_name(&mut self, src: &mut dyn Source, flags: u32) -> Result<()> {
        let shared = if flags & xmit::SAME_NAME == 0 {
            0
        } else {
            usize::from(src.byte()?)
        };
        let suffix = if flags & xmit::LONG_NAME == 0 {
            i32::from(src.byte()?)
        } else {
            src.x30int(self.o.protocol)?
        };
        let fits = usize::try_from(suffix)
            .ok()
            .filter(|&suffix| shared <= self.prev_name.len() && suffix <= MAX_NAME && shared + suffix <= MAX_NAME);
        let Some(suffix) = fits else {
            bail!(
                Memory;
                "overflow: xflags=0x{flags:x} l1={shared} l2={suffix} lastname={} [{}]\n{}",
                shown(&self.prev_name), self.role, self.overflow()
            );
        };
        self.prev_name.resize(shared + suffix, 0);
        src.read_exact(&mut self.prev_name[shared..])
    }

    /// The second line about a name or target that is too long.
    fn overflow(&self) -> String {
        format!(
            "[{}] buffer overflow: recv_file_entry (file=core.rs, line=1)",
            self.role
        )
    }

    /// The name as this side uses it, clean, into `name`; false when it cannot be converted.
    fn local_name(&mut self) -> Result<bool> {
        self.name.clear();
        match &self.o.charset {
            None => self.name.extend_from_slice(&self.prev_name),
            Some(set) => {
                if !set.from_wire(&self.prev_name, &mut self.name) {
                    self.notices.push(Unconverted::Name(self.prev_name.clone()));
                    return Ok(false);
                }
            }
        }
        clean(&mut self.name, self.o.relative)?;
        if self.name.len() > MAX_NAME {
            bail!(Memory; "file name too long: {}", shown(&self.name));
        }
        Ok(true)
    }

    /// The hard-link group of an entry, and where in this list the first of it stands if the fields are taken from there
    /// (spec: protocol 5.6). Below protocol 30 groups are made from inodes.
    fn read_group(&self, src: &mut dyn Source, flags: u32, ndx: i64, start: i32) -> Result<(Option<u32>, SameAs)> {
        if self.o.protocol < 30 || flags & xmit::HLINKED == 0 {
            return Ok((None, None));
        }
        // Only the sender may have been asked for -H (`-M-H`): its references are resolved, and no file is linked.
        let group = |first: u32| self.o.hard_links.then_some(first);
        if flags & xmit::HLINK_FIRST != 0 {
            return Ok((group(ndx as u32), None));
        }
        let first = src.varint()?;
        if first < 0 || i64::from(first) >= ndx {
            bail!(Protocol; "hard-link reference out of range: {first} ({ndx})");
        }
        if !self.firsts.contains_key(&(first as u32)) {
            if first < start {
                bail!(Protocol; "hard-link gnum {first} precedes flist start {start}");
            }
            bail!(Protocol; "hard-link reference to an entry that is no first link: {first}");
        }
        let at = first.checked_sub(start).filter(|&at| at >= 0);
        Ok((group(first as u32), at.map(|at| (at as usize, first as u32))))
    }

    fn read_entry(
        &mut self,
        src: &mut dyn Source,
        flags: u32,
        list: &mut SegmentBuilder,
        start: i32,
        parent: Option<(i32, &[u8])>,
    ) -> Result<()> {
        let p = self.o.protocol;
        let first_ever = !std::mem::replace(&mut self.started, true);
        self.read_name(src, flags)?;
        let mut usable = self.local_name()?;

        let hlinked = p >= 28 && flags & xmit::HLINKED != 0;
        let hlink_first = p >= 30 && hlinked && flags & xmit::HLINK_FIRST != 0;
        let ndx = i64::from(start) + list.len() as i64;
        let (mut group, same_as) = self.read_group(src, flags, ndx, start)?;

        let fields = match same_as {
            None => self.read_fields(src, flags, first_ever)?,
            Some((at, first)) => self.copy_fields(list, at, first),
        };
        let m = self.prev.mode;
        let is_dir = mode::is_dir(m);
        if hlink_first {
            self.firsts.insert(ndx as u32, (self.prev.uid, self.prev.gid));
        }
        if hlinked && is_dir && p >= 30 {
            bail!(Protocol; "hard-link data on a directory from sender");
        }
        let (has_acl, has_default) = (self.o.acls && !mode::is_link(m), self.o.acls && is_dir);
        let acl = has_acl.then(|| self.read_acl(src, false)).transpose()?;
        let default_acl = has_default.then(|| self.read_acl(src, true)).transpose()?;
        let xattrs = self.o.xattrs.then(|| self.read_xattrs(src)).transpose()?;

        let mut eflags = self.entry_flags(flags, is_dir);
        if fields.has_link && !self.convert_link() {
            usable = false;
        }
        if usable {
            if self.check_name(is_dir, parent)? == Vetted::AsParent && is_dir {
                eflags = eflag::IMPLIED;
            }
        } else {
            // The index stays occupied (spec: protocol 5.16). The name sorts, and is found, under a byte that no
            // name has.
            self.io_error |= 1;
            self.name.clear();
            self.name.push(0);
            eflags |= eflag::UNCONVERTED;
        }
        if m == 0 {
            eflags |= eflag::MISSING_ARG;
        }
        if let Some(inode) = fields.inode {
            match self.links.note(inode, ndx as u32) {
                LinkRole::First => {
                    group = Some(ndx as u32);
                    eflags |= eflag::HLINK_FIRST;
                }
                LinkRole::Follower(first) => group = Some(first),
            }
        }
        if group.is_some() {
            eflags |= eflag::HLINKED;
        }
        if hlink_first && self.o.hard_links {
            eflags |= eflag::HLINK_FIRST;
        }
        if self.o.group && !self.ids.may_set_group(fields.gid) {
            eflags |= eflag::SKIP_GROUP;
        }
        let (dir, base) = split(&self.name);
        let is_file = mode::is_file(m);
        list.push(&NewEntry {
            dir,
            base,
            len: fields.len,
            mtime: self.prev.mtime,
            mtime_nsec: fields.nsec,
            mode: m,
            uid: fields.uid,
            gid: fields.gid,
            flags: eflags,
            link: fields.has_link.then_some(&self.link),
            checksum: (is_file && self.o.checksum_len > 0).then(|| &fields.sum[..self.o.checksum_len.min(MAX_SUM)]),
            rdev: fields.rdev,
            atime: (self.o.atimes && !is_dir).then_some(self.prev.atime),
            crtime: self.o.crtimes.then_some(fields.crtime),
            inode: fields.inode,
            group,
            acl,
            default_acl,
            xattrs,
            root: 0,
        })?;
        Ok(())
    }

    /// spec: protocol 5.5
    fn entry_flags(&mut self, flags: u32, is_dir: bool) -> u16 {
        if !is_dir {
            return 0;
        }
        let top = flags & xmit::TOP_DIR != 0;
        if self.o.protocol >= 30 {
            return match (top, flags & xmit::NO_CONTENT_DIR != 0) {
                (true, true) => eflag::IMPLIED,
                (true, false) => eflag::TOP_DIR | eflag::CONTENT_DIR,
                (false, false) => eflag::CONTENT_DIR,
                (false, true) => 0,
            };
        }
        if top {
            self.hierarchy = if !self.o.recurse {
                Hierarchy::None
            } else if !self.o.relative || self.name == b"." {
                Hierarchy::All
            } else {
                Hierarchy::Below([&self.name[..], b"/"].concat())
            };
            return eflag::TOP_DIR | eflag::CONTENT_DIR;
        }
        let inside = match &self.hierarchy {
            Hierarchy::None => false,
            Hierarchy::All => true,
            Hierarchy::Below(top) => self.name.starts_with(top),
        };
        if inside {
            eflag::CONTENT_DIR
        } else {
            0
        }
    }

    fn convert_link(&mut self) -> bool {
        let set: &dyn Charset = match &self.o.charset {
            Some(set) if self.o.convert_links => &**set,
            _ => return true,
        };
        let mut out = Vec::new();
        let ok = set.from_wire(&self.link, &mut out) && out.len() <= MAX_NAME;
        if ok {
            self.link = out;
        } else {
            self.notices.push(Unconverted::Target(self.name.clone()));
        }
        ok
    }

    /// Whether the sender may send this name.
    fn check_name(&mut self, is_dir: bool, parent: Option<(i32, &[u8])>) -> Result<Vetted> {
        let is_root = self.name == b"." || self.name == b"/";
        if is_root && !is_dir {
            bail!(Protocol; "ERROR: rejecting non-directory transfer-root entry: {}", shown(&self.name));
        }
        self.check_parent(parent)?;
        let Some(vet) = &mut self.vet else {
            return Ok(Vetted::Accept);
        };
        let bare = self.name.strip_prefix(b"/").unwrap_or(&self.name);
        let bare = if bare.is_empty() { b"." } else { bare };
        vet.vet(bare, is_dir, self.early)
    }

    /// spec: protocol 5.10: a sub-list has what is directly in its directory, the first list what is in none.
    fn check_parent(&self, parent: Option<(i32, &[u8])>) -> Result<()> {
        if !self.o.inc_recurse {
            return Ok(());
        }
        let name = self.name.strip_prefix(b"/").unwrap_or(&self.name);
        let (dir, base) = split(name);
        let (wanted, is_root) = match parent {
            None => (&b""[..], false),
            Some((_, b".")) => (&b""[..], self.name == b"."),
            Some((_, path)) => (path, self.name == b"."),
        };
        if dir == wanted && !is_root {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "ABORTING due to invalid path from sender: {}/{}",
            shown(dir),
            shown(base)
        )))
    }
}
