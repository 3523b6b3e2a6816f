//! The ITEM message: what one end asks or reports about one entry of a list (spec: protocol 6.1, 6.2). Its flags and the
//! `io_error` bits are the vocabulary of every role.

use std::borrow::Cow;
use std::ops::{BitOr, BitOrAssign, Sub};

use super::ints::{self, Source};
use super::ndx::NdxWriter;
use super::trace::{Tracer, Way};
use crate::error::{Error, Result};

/// Longest xname in bytes (spec: protocol 12).
const MAX_XNAME: usize = 4095;

/// A set of bits with named members.
macro_rules! bits {
    ($(#[$doc:meta])* $name:ident($int:ty) { $($(#[$member_doc:meta])* $member:ident = $value:expr;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name($int);

        impl $name {
            /// The empty set.
            pub const NONE: Self = Self(0);
            $(#[allow(missing_docs)] // most members are named as in the table of the spec, which says what they mean
            $(#[$member_doc])* pub const $member: Self = Self($value);)+

            /// The set with these bits, which may include bits without a name.
            pub const fn from_bits(bits: $int) -> Self {
                Self(bits)
            }

            /// The bits, as the wire has them.
            pub const fn bits(self) -> $int {
                self.0
            }

            /// Whether no bit is set.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Whether all bits of `other` are set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether at least one bit of `other` is set.
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// `self` if `on`, else the empty set.
            #[must_use]
            pub const fn when(self, on: bool) -> Self {
                if on { self } else { Self::NONE }
            }
        }

        impl BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl BitOrAssign for $name {
            fn bitor_assign(&mut self, other: Self) {
                self.0 |= other.0;
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }
        }
    };
}

bits! {
    /// What an item reports of its entry (spec: protocol 6.2).
    ItemFlags(u16) {
        ATIME = 0x0001;
        CHANGE = 0x0002;
        SIZE = 0x0004;
        /// For symlinks: the time could not be set.
        TIMEFAIL = 0x0004;
        TIME = 0x0008;
        PERMS = 0x0010;
        OWNER = 0x0020;
        GROUP = 0x0040;
        ACL = 0x0080;
        XATTR = 0x0100;
        CRTIME = 0x0400;
        BASIS_TYPE = 0x0800;
        XNAME = 0x1000;
        NEW = 0x2000;
        LOCAL_CHANGE = 0x4000;
        TRANSFER = 0x8000;
        /// Every bit that makes an item worth a line.
        SIGNIFICANT = !(0x0800 | 0x1000 | 0x4000);
    }
}

impl ItemFlags {
    /// Whether an item with these flags is worth an item on the wire and a line (spec: protocol 6.2).
    pub fn is_significant(self, xname: Option<&[u8]>) -> bool {
        self.intersects(Self::SIGNIFICANT) || xname.is_some_and(|name| !name.is_empty())
    }
}

bits! {
    /// What went wrong on the side that lists files, as far as it changes deletions and the exit code (spec: protocol
    /// 3.2).
    IoErrors(u32) {
        GENERAL = 1;
        VANISHED = 2;
        DEL_LIMIT = 4;
    }
}

impl IoErrors {
    /// What a peer sent, without the bits that have no meaning.
    pub const fn from_peer(bits: i32) -> Self {
        Self(bits as u32 & 7)
    }
}

/// One item: a request of the generator, or its echo.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// Index of the entry.
    pub ndx: i32,
    /// What is asked or reported.
    pub iflags: ItemFlags,
    /// Type of the basis, if the item names one ([`ItemFlags::BASIS_TYPE`]).
    pub basis: Option<u8>,
    /// Name of the basis or of the hard link's leader ([`ItemFlags::XNAME`]).
    pub xname: Option<Cow<'a, [u8]>>,
}

impl<'a> Item<'a> {
    /// An item with the flags that its parts need.
    pub fn new(ndx: i32, iflags: ItemFlags, basis: Option<u8>, xname: Option<&'a [u8]>) -> Self {
        Self {
            ndx,
            iflags: iflags | ItemFlags::BASIS_TYPE.when(basis.is_some()) | ItemFlags::XNAME.when(xname.is_some()),
            basis,
            xname: xname.map(Cow::Borrowed),
        }
    }

    /// Read what follows an index.
    ///
    /// spec: protocol 6.1; without flags (P<29) each index asks for data.
    pub fn read(src: &mut dyn Source, ndx: i32, protocol: u8) -> Result<Self> {
        let mut item = Self::new(ndx, ItemFlags::TRANSFER, None, None);
        if protocol < 29 {
            item.trace(src.tracer(), Way::In);
            return Ok(item);
        }
        item.iflags = ItemFlags(src.shortint()?);
        if item.iflags.contains(ItemFlags::BASIS_TYPE) {
            item.basis = Some(src.byte()?);
        }
        if item.iflags.contains(ItemFlags::XNAME) {
            let name = src.vstring(MAX_XNAME).map_err(|e| match e {
                Error::Stream(_)
                | Error::Timeout(_)
                | Error::Socket(_)
                | Error::Interrupted(_)
                | Error::PeerExit(_)
                | Error::Ended(_) => e,
                other => Error::Protocol(other.to_string()),
            })?;
            item.xname = Some(Cow::Owned(name));
        }
        item.trace(src.tracer(), Way::In);
        Ok(item)
    }

    /// Write the item up to, and without, sums and data. `xattr_request`: the numbers of the attribute values that the
    /// generator asks for, ascending from 1 (spec: protocol 6.5).
    pub fn put(
        &self,
        ndx: &mut NdxWriter,
        out: &mut Vec<u8>,
        protocol: u8,
        xattr_request: Option<&[u32]>,
    ) -> Result<()> {
        self.trace(ndx.tracer(), Way::Out);
        ndx.put(out, self.ndx);
        if protocol < 29 {
            return Ok(());
        }
        ints::put_shortint(out, self.iflags.bits());
        if let Some(basis) = self.basis {
            out.push(basis);
        }
        if let Some(xname) = &self.xname {
            ints::put_vstring(out, xname)?;
        }
        if let Some(numbers) = xattr_request {
            put_xattr_request(out, numbers);
        }
        Ok(())
    }

    /// Whether data is asked for, or follows.
    pub fn wants_data(&self) -> bool {
        self.iflags.contains(ItemFlags::TRANSFER)
    }

    /// The item in words, for `--debug=IO`.
    fn trace(&self, tracer: Option<&Tracer>, way: Way) {
        const NAMES: [(ItemFlags, &str); 15] = [
            (ItemFlags::TRANSFER, "TRANSFER"),
            (ItemFlags::LOCAL_CHANGE, "LOCAL_CHANGE"),
            (ItemFlags::NEW, "NEW"),
            (ItemFlags::XNAME, "XNAME"),
            (ItemFlags::BASIS_TYPE, "BASIS_TYPE"),
            (ItemFlags::CRTIME, "CRTIME"),
            (ItemFlags::XATTR, "XATTR"),
            (ItemFlags::ACL, "ACL"),
            (ItemFlags::GROUP, "GROUP"),
            (ItemFlags::OWNER, "OWNER"),
            (ItemFlags::PERMS, "PERMS"),
            (ItemFlags::TIME, "TIME"),
            (ItemFlags::SIZE, "SIZE"),
            (ItemFlags::CHANGE, "CHANGE"),
            (ItemFlags::ATIME, "ATIME"),
        ];
        let Some(tracer) = tracer else { return };
        let flags: Vec<_> = NAMES
            .iter()
            .filter(|(bit, _)| self.iflags.contains(*bit))
            .map(|(_, name)| *name)
            .collect();
        let flags = if flags.is_empty() {
            "-".to_owned()
        } else {
            flags.join("|")
        };
        let basis = self.basis.map_or(String::new(), |basis| format!(" basis={basis:#x}"));
        let xname = self
            .xname
            .as_ref()
            .map_or(String::new(), |name| format!(" xname=\"{}\"", name.escape_ascii()));
        tracer.line(way, &format!("ITEM {} {flags}{basis}{xname}", self.ndx));
    }
}

/// Write a request for the values with these numbers (ascending, from 1).
pub fn put_xattr_request(out: &mut Vec<u8>, numbers: &[u32]) {
    let mut prev = 0;
    for &n in numbers {
        ints::put_varint(out, n.wrapping_sub(prev) as i32);
        prev = n;
    }
    ints::put_varint(out, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_survive_the_wire() {
        let (basis, leader) = (Some(0x83), Some(&b"leader"[..]));
        for (protocol, item, request, wire) in [
            (
                28,
                Item::new(4, ItemFlags::TRANSFER, None, None),
                None,
                &b"\x04\0\0\0"[..],
            ),
            (
                29,
                Item::new(4, ItemFlags::NEW, None, None),
                None,
                b"\x04\0\0\0\x00\x20",
            ),
            (32, Item::new(0, ItemFlags::TRANSFER, None, None), None, b"\x01\x00\x80"),
            (
                32,
                Item::new(0, ItemFlags::TRANSFER, basis, leader),
                None,
                b"\x01\x00\x98\x83\x06leader",
            ),
            (
                32,
                Item::new(0, ItemFlags::XATTR, None, Some(b"")),
                Some(&[1, 3][..]),
                b"\x01\x00\x11\0\x01\x02\0",
            ),
        ] {
            let mut out = Vec::new();
            item.put(&mut NdxWriter::new(protocol), &mut out, protocol, request)
                .unwrap();
            assert_eq!(out, wire, "{item:?} at protocol {protocol}");
            let head = if protocol < 30 { 4 } else { 1 };
            let back = Item::read(&mut &wire[head..], item.ndx, protocol).unwrap();
            assert_eq!(
                (back.iflags, back.basis, &back.xname),
                (item.iflags, item.basis, &item.xname)
            );
        }
    }

    #[test]
    fn sets_of_flags() {
        let flags = ItemFlags::TIME | ItemFlags::SIZE.when(true) | ItemFlags::OWNER.when(false);
        assert!(flags.contains(ItemFlags::TIME | ItemFlags::SIZE) && flags.intersects(ItemFlags::SIGNIFICANT));
        assert!(!flags.contains(ItemFlags::TIME | ItemFlags::OWNER) && !flags.intersects(ItemFlags::OWNER));
        assert_eq!(flags - ItemFlags::TIME, ItemFlags::SIZE);
        assert!(!ItemFlags::LOCAL_CHANGE.is_significant(Some(b"")) && ItemFlags::NONE.is_significant(Some(b"x")));
    }
}
