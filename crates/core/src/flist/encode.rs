//! Lists onto the wire (spec: protocol 5).

use super::entry::{eflag, NewEntry};
use super::hardlinks::{HardLinks, LinkRole};
use super::ids::{IdLookup, SentNames, Who};
use super::options::{makedev, xmit, FlistOptions, Prev};
use super::segment::Segment;
use super::tables::Tables;
use super::xattr::put_set;
use super::MAX_NAME;
use crate::error::{bail, Result};
use crate::tree::{mode, Acl};
use crate::wire::ints::{put_byte, put_int, put_longint, put_varint, put_varlong, put_x30int, put_x30long};
use std::collections::HashMap;
use std::sync::Arc;

/// The values that an abbreviated hard link takes from the first of its group.
#[derive(Clone, Copy)]
struct FirstLink {
    prev: Prev,
    mtime_nsec: u32,
    crtime: Option<i64>,
}

/// Writes entries in the order in which it gets them. One for the sending side of a connection: it remembers the
/// previous entry, the ids that were named, the hard links, and the ACLs and attribute sets that were sent.
pub(crate) struct Encoder {
    o: FlistOptions,
    tables: Tables,
    users: SentNames,
    groups: SentNames,
    prev: Prev,
    prev_name: Vec<u8>,
    name: Vec<u8>,
    links: HardLinks,
    /// First members of groups in the current list.
    firsts: HashMap<u32, FirstLink>,
    start: u32,
    sent: u32,
    access_sent: HashMap<Acl, i32>,
    default_sent: HashMap<Acl, i32>,
    xattrs_sent: HashMap<Option<u32>, i32>,
    /// Stands in for inodes that the scanner did not give before protocol 28, where every file needs one.
    spare_inode: u64,
}

impl Encoder {
    /// `tables` holds what the entries' ACL and attribute indices refer to; `lookup` has the names for ids.
    pub(crate) fn new(options: FlistOptions, tables: Tables, lookup: Arc<dyn IdLookup>) -> Self {
        Self {
            start: u32::from(options.inc_recurse),
            o: options,
            tables,
            users: SentNames::new(Who::User, lookup.clone()),
            groups: SentNames::new(Who::Group, lookup),
            prev: Prev::default(),
            prev_name: Vec::new(),
            name: Vec::new(),
            links: HardLinks::new(),
            firsts: HashMap::new(),
            sent: 0,
            access_sent: HashMap::new(),
            default_sent: HashMap::new(),
            xattrs_sent: HashMap::new(),
            spare_inode: 0,
        }
    }

    /// Begin a list whose first entry has the index `start`. The header of a sub-list (an ndx) is the caller's.
    pub(crate) fn start_list(&mut self, start: i32) {
        self.start = start as u32;
        self.sent = 0;
        self.firsts.clear();
    }

    fn wire_name(&self, e: &NewEntry, out: &mut Vec<u8>) -> bool {
        out.clear();
        match &self.o.charset {
            None => sent_name(e, out),
            Some(set) => {
                let mut local = Vec::new();
                sent_name(e, &mut local);
                if !set.to_wire(&local, out) {
                    return false;
                }
            }
        }
        (1..=MAX_NAME).contains(&out.len())
    }

    fn wire_link(&self, target: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match &self.o.charset {
            Some(set) if self.o.convert_links => {
                if !set.to_wire(target, &mut out) {
                    return None;
                }
            }
            _ => out.extend_from_slice(target),
        }
        (out.len() <= MAX_NAME).then_some(out)
    }

    /// Write one entry (spec: protocol 5.2, 5.3). False, and nothing is written, when the name
    /// or the target cannot be converted to the wire's character set or is too long: such an entry is left out of the
    /// list, with an I/O error of 1 (spec: protocol 5.16).
    pub(crate) fn encode_entry(&mut self, e: &NewEntry, out: &mut Vec<u8>) -> bool {
        let mut name = std::mem::take(&mut self.name);
        let link = e.link.filter(|_| self.o.links && mode::is_link(e.mode));
        // Only a conversion needs a copy of the target.
        let converted = link
            .filter(|_| self.o.convert_links)
            .map(|target| self.wire_link(target));
        let fits = !matches!(converted, Some(None)) && self.wire_name(e, &mut name);
        if !fits {
            self.name = name;
            return false;
        }
        self.encode_named(e, &name, converted.flatten().as_deref().or(link), out);
        self.sent += 1;
        self.name = std::mem::replace(&mut self.prev_name, name);
        true
    }

    #[allow(clippy::too_many_lines)] // one field after the other, in the order of protocol 5.3
    fn encode_named(&mut self, e: &NewEntry, name: &[u8], link: Option<&[u8]>, out: &mut Vec<u8>) {
        let p = self.o.protocol;
        let is_dir = mode::is_dir(e.mode);
        let mut flags = 0;
        let mut now = Prev {
            mtime: if p < 30 { i64::from(e.mtime as u32) } else { e.mtime },
            mode: e.mode & 0xffff,
            uid: e.uid,
            gid: e.gid,
            ..self.prev
        };
        let mut nsec = if p >= 31 { e.mtime_nsec } else { 0 };
        let mut crtime = e.crtime;
        if self.o.atimes && !is_dir {
            now.atime = e.atime.unwrap_or(0);
        }

        // Hard links come first: an abbreviated one is coded with the values of the first of its group, because the
        // receiver continues from those, even if the file has changed since.
        let mut reference = None;
        let mut abbreviated = false;
        let mut inode = None;
        if self.o.hard_links && !is_dir {
            if p >= 30 {
                let ndx = self.start + self.sent;
                let key = e.inode.or(e.group.map(|g| (u64::MAX, g.into())));
                if let Some(key) = key {
                    flags |= xmit::HLINKED;
                    match self.links.note(key, ndx) {
                        LinkRole::First => flags |= xmit::HLINK_FIRST,
                        LinkRole::Follower(first) => {
                            reference = Some(first);
                            if let Some(known) = self.firsts.get(&first) {
                                abbreviated = true;
                                now = Prev {
                                    rdev: now.rdev,
                                    major: now.major,
                                    dev: now.dev,
                                    ..known.prev
                                };
                                nsec = known.mtime_nsec;
                                crtime = known.crtime;
                            }
                        }
                    }
                }
            } else if p >= 28 {
                inode = e.inode;
                if let Some((dev, _)) = inode {
                    flags |= xmit::HLINKED;
                    now.dev = dev as i64;
                    if now.dev == self.prev.dev {
                        flags |= xmit::SAME_DEV;
                    }
                }
            } else if mode::is_file(e.mode) {
                inode = e.inode.or_else(|| {
                    self.spare_inode += 1;
                    Some((u64::from(u32::MAX), self.spare_inode))
                });
            }
        }

        if is_dir {
            let implied = e.flags & eflag::IMPLIED != 0;
            let contents = e.flags & eflag::CONTENT_DIR != 0;
            if implied && p >= 30 {
                flags |= xmit::TOP_DIR | xmit::NO_CONTENT_DIR;
            } else if !contents && p >= 30 {
                flags |= xmit::NO_CONTENT_DIR;
            } else if e.flags & eflag::TOP_DIR != 0 && !implied {
                flags |= xmit::TOP_DIR;
            }
        }
        let first = self.prev_name.is_empty();
        let prev = self.prev;
        let mut set = |on: bool, bit: u32| flags |= if on { bit } else { 0 };
        set(now.mode == prev.mode, xmit::SAME_MODE);
        set(!self.o.owner || now.uid == prev.uid && !first, xmit::SAME_UID);
        set(!self.o.group || now.gid == prev.gid && !first, xmit::SAME_GID);
        set(now.mtime == prev.mtime, xmit::SAME_TIME);
        set(nsec != 0, xmit::MOD_NSEC);
        set(
            self.o.atimes && !is_dir && p >= 28 && now.atime == prev.atime,
            xmit::SAME_ATIME,
        );
        set(
            self.o.crtimes && crtime.is_none_or(|c| c == now.mtime),
            xmit::CRTIME_EQ_MTIME,
        );

        let special = mode::is_special(e.mode);
        let device = mode::is_device(e.mode);
        let has_rdev = device && self.o.devices || special && self.o.specials && p < 31;
        let (major, minor) = if device { e.rdev } else { (prev.major, 0) };
        if p < 28 {
            // For specials, whatever costs nothing.
            now.rdev = match (has_rdev, device) {
                (true, true) => makedev(e.rdev),
                (true, false) => prev.rdev,
                _ => 0,
            };
            set(has_rdev && now.rdev == prev.rdev, xmit::SAME_RDEV);
        } else if has_rdev {
            now.major = major;
            set(major == prev.major, xmit::SAME_RDEV_MAJOR);
            set(p < 30 && minor <= 0xff, xmit::RDEV_MINOR_8);
        }

        let (mut user_name, mut group_name) = (None, None);
        if !abbreviated {
            let inline = self.o.inc_recurse && !self.o.numeric_ids && !self.o.own_numeric_ids;
            if flags & xmit::SAME_UID == 0 {
                if inline {
                    user_name = self.users.first_mention(now.uid);
                } else if self.o.id_lists() && !self.o.own_numeric_ids {
                    self.users.note(now.uid);
                }
            }
            if flags & xmit::SAME_GID == 0 {
                if inline {
                    group_name = self.groups.first_mention(now.gid);
                } else if self.o.id_lists() && !self.o.own_numeric_ids {
                    self.groups.note(now.gid);
                }
            }
            flags |= if user_name.is_some() { xmit::USER_NAME } else { 0 };
            flags |= if group_name.is_some() { xmit::GROUP_NAME } else { 0 };
        }

        let shared = name
            .iter()
            .zip(&self.prev_name)
            .take(255)
            .take_while(|(a, b)| a == b)
            .count();
        let suffix = &name[shared..];
        flags |= if shared > 0 { xmit::SAME_NAME } else { 0 };
        flags |= if suffix.len() > 255 { xmit::LONG_NAME } else { 0 };

        flags = self.put_flags(flags, is_dir, out);
        if shared > 0 {
            put_byte(out, shared as u8);
        }
        if flags & xmit::LONG_NAME != 0 {
            put_x30int(out, p, suffix.len() as i32);
        } else {
            put_byte(out, suffix.len() as u8);
        }
        out.extend_from_slice(suffix);
        if let Some(first) = reference {
            put_varint(out, first as i32);
        }
        if !abbreviated {
            let len = if device || special { 0 } else { e.len };
            put_x30long(out, p, len as i64, 3);
            if flags & xmit::SAME_TIME == 0 {
                if p >= 30 {
                    put_varlong(out, now.mtime, 4);
                } else {
                    put_int(out, now.mtime as i32);
                }
            }
            if nsec != 0 {
                put_varint(out, nsec as i32);
            }
            if let Some(crtime) = crtime.filter(|_| self.o.crtimes && flags & xmit::CRTIME_EQ_MTIME == 0) {
                put_varlong(out, crtime, 4);
            }
            if flags & xmit::SAME_MODE == 0 {
                put_int(out, now.mode as i32);
            }
            if self.o.atimes && !is_dir && flags & xmit::SAME_ATIME == 0 {
                put_varlong(out, now.atime, 4);
            }
            for (same, id, text) in [
                (xmit::SAME_UID, now.uid, user_name),
                (xmit::SAME_GID, now.gid, group_name),
            ] {
                if flags & same == 0 {
                    put_x30int(out, p, id as i32);
                    if let Some(text) = text {
                        put_byte(out, text.len() as u8);
                        out.extend_from_slice(&text);
                    }
                }
            }
            if has_rdev {
                put_rdev(out, p, flags, now.rdev, major, minor);
            }
            if self.o.links && mode::is_link(e.mode) {
                let target = link.unwrap_or_default();
                put_x30int(out, p, target.len() as i32);
                out.extend_from_slice(target);
            }
            if let Some((dev, ino)) = inode {
                let dev = (dev as i64).wrapping_add(1);
                if p < 26 {
                    // spec: protocol-old 5.2
                    put_int(out, dev as i32);
                    put_int(out, ino as i32);
                } else {
                    if p < 28 || flags & xmit::SAME_DEV == 0 {
                        put_longint(out, dev);
                    }
                    put_longint(out, ino as i64);
                }
            }
            if self.o.checksum_len > 0 && (mode::is_file(e.mode) || p < 28) {
                let at = out.len();
                out.extend_from_slice(
                    e.checksum
                        .and_then(|s| s.get(..self.o.checksum_len))
                        .unwrap_or_default(),
                );
                out.resize(at + self.o.checksum_len, 0);
            }
            if flags & xmit::HLINK_FIRST != 0 && flags & xmit::HLINKED != 0 && p >= 30 {
                let first = FirstLink {
                    prev: now,
                    mtime_nsec: nsec,
                    crtime,
                };
                self.firsts.insert(self.start + self.sent, first);
            }
        }
        self.prev = now;
        if self.o.acls && !mode::is_link(e.mode) {
            self.put_acls(e, out);
        }
        if self.o.xattrs {
            self.put_xattrs(e.xattrs, out);
        }
    }

    /// spec: protocol 5.2, the three forms. Returns the flags that the receiver will act on.
    fn put_flags(&self, mut flags: u32, is_dir: bool, out: &mut Vec<u8>) -> u32 {
        let p = self.o.protocol;
        if self.o.varint_flags {
            put_varint(out, if flags == 0 { xmit::EXTENDED } else { flags } as i32);
        } else if p >= 28 {
            if flags == 0 && !is_dir {
                flags = xmit::TOP_DIR;
            }
            if flags == 0 || flags & 0xff00 != 0 {
                flags |= xmit::EXTENDED;
                out.extend_from_slice(&(flags as u16).to_le_bytes());
            } else {
                put_byte(out, flags as u8);
            }
        } else {
            if flags as u8 == 0 {
                flags |= if is_dir { xmit::LONG_NAME } else { xmit::TOP_DIR };
            }
            put_byte(out, flags as u8);
        }
        flags
    }

    fn put_acls(&mut self, e: &NewEntry, out: &mut Vec<u8>) {
        let access = e.acl.map(|i| self.tables.acl(i).stripped(e.mode)).unwrap_or_default();
        self.put_acl(access, false, out);
        if mode::is_dir(e.mode) {
            let default = e
                .default_acl
                .map(|i| Acl::clone(&self.tables.acl(i)))
                .unwrap_or_default();
            self.put_acl(default, true, out);
        }
    }

    fn put_acl(&mut self, acl: Acl, is_default: bool, out: &mut Vec<u8>) {
        let sent = if is_default {
            &mut self.default_sent
        } else {
            &mut self.access_sent
        };
        if let Some(&k) = sent.get(&acl) {
            put_varint(out, k);
            return;
        }
        put_varint(out, 0);
        let (users, groups) = (&mut self.users, &mut self.groups);
        let (lists, inline) = (self.o.id_lists(), self.o.inc_recurse);
        let silent = self.o.numeric_ids || self.o.own_numeric_ids;
        acl.put(out, |id, is_user| {
            let names = if is_user { &mut *users } else { &mut *groups };
            if silent {
                None
            } else if inline {
                names.first_mention(id)
            } else {
                if lists {
                    names.note(id);
                }
                None
            }
        });
        let k = sent.len() as i32 + 1;
        sent.insert(acl, k);
    }

    fn put_xattrs(&mut self, index: Option<u32>, out: &mut Vec<u8>) {
        if let Some(&k) = self.xattrs_sent.get(&index) {
            put_varint(out, k);
            return;
        }
        put_varint(out, 0);
        let set = index.map(|i| self.tables.xattrs(i)).unwrap_or_default();
        put_set(out, &set);
        let k = self.xattrs_sent.len() as i32 + 1;
        self.xattrs_sent.insert(index, k);
    }

    /// Write all entries of a segment, in index order, as a list of its own.
    ///
    /// Errors: `Protocol` when an entry cannot be sent: see [`encode_entry`](Self::encode_entry).
    pub(crate) fn encode_segment(&mut self, segment: &Segment, out: &mut Vec<u8>) -> Result<()> {
        self.start_list(segment.start);
        for i in 0..segment.len() {
            if !self.encode_entry(&segment.view(i), out) {
                bail!(Protocol; "file name cannot be sent");
            }
        }
        Ok(())
    }

    /// Write the end of a list (spec: protocol 5.14). Returns an error value that has to be sent as a message
    /// IO_ERROR, because this form has no place for it.
    pub(crate) fn end_marker(&mut self, io_error: i32, out: &mut Vec<u8>) -> Option<i32> {
        let io_error = if self.o.ignore_errors { 0 } else { io_error };
        if self.o.varint_flags {
            put_byte(out, 0);
            put_varint(out, io_error);
        } else if io_error != 0 && (self.o.protocol >= 31 || self.o.protocol == 30 && self.o.safe_flist) {
            out.extend_from_slice(&(xmit::IO_ERROR_END as u16).to_le_bytes());
            put_varint(out, io_error);
        } else {
            put_byte(out, 0);
            return (io_error != 0 && self.o.protocol >= 30).then_some(io_error);
        }
        None
    }

    /// Write what follows the only list without incremental recursion: names of users and groups
    /// (spec: protocol 5.15), and below protocol 30 the I/O error. Writes nothing with incremental recursion.
    pub(crate) fn id_lists(&mut self, io_error: i32, out: &mut Vec<u8>) {
        if self.o.id_lists() {
            for (wanted, names) in [(self.o.owner, &self.users), (self.o.group, &self.groups)] {
                if !wanted && !self.o.acls {
                    continue;
                }
                for (id, name) in names.named() {
                    put_x30int(out, self.o.protocol, *id as i32);
                    put_byte(out, name.len() as u8);
                    out.extend_from_slice(name);
                }
                put_x30int(out, self.o.protocol, 0);
                if self.o.id0_names {
                    let name = names.name(0).unwrap_or_default();
                    put_byte(out, name.len() as u8);
                    out.extend_from_slice(&name);
                }
            }
        }
        if self.o.protocol < 30 {
            put_int(out, if self.o.ignore_errors { 0 } else { io_error });
        }
    }
}

/// The name with the leading slash that a segment has taken from it.
fn sent_name(e: &NewEntry, out: &mut Vec<u8>) {
    if e.flags & eflag::ABSOLUTE != 0 && !e.dir.starts_with(b"/") {
        out.push(b'/');
    }
    e.name_into(out);
    if e.base.is_empty() {
        // The root directory itself.
        out.push(b'.');
    }
}

/// spec: protocol 5.7
fn put_rdev(out: &mut Vec<u8>, p: u8, flags: u32, rdev: u32, major: u32, minor: u32) {
    if p < 28 {
        if flags & xmit::SAME_RDEV == 0 {
            put_int(out, rdev as i32);
        }
        return;
    }
    if flags & xmit::SAME_RDEV_MAJOR == 0 {
        put_x30int(out, p, major as i32);
    }
    if p >= 30 {
        put_varint(out, minor as i32);
    } else if flags & xmit::RDEV_MINOR_8 != 0 {
        put_byte(out, minor as u8);
    } else {
        put_int(out, minor as i32);
    }
}
