//! What decides the form of a list on the wire.

use super::charset::{Charset, Iconv};
use crate::error::{bail, Error, Result};
use crate::plan::{Plan, SumKind};
use crate::sums::digest_len;
use std::sync::Arc;

/// The protocols that are spoken here.
pub(crate) const PROTOCOLS: std::ops::RangeInclusive<u8> = 20..=32;

/// Everything about a connection that the form of a list depends on (spec: protocol 1.9, 2.3, 5; protocol-old 5).
#[derive(Clone, Default)]
pub struct FlistOptions {
    /// One of [`PROTOCOLS`].
    pub protocol: u8,
    /// Compat bit 0: many lists instead of one.
    pub inc_recurse: bool,
    /// Compat bit 7.
    pub varint_flags: bool,
    /// Compat bit 3.
    pub safe_flist: bool,
    /// Compat bit 8.
    pub id0_names: bool,
    /// `--recursive`.
    pub recurse: bool,
    /// `--relative`.
    pub relative: bool,
    /// `--owner`.
    pub owner: bool,
    /// `--group`.
    pub group: bool,
    /// `--devices`.
    pub devices: bool,
    /// `--specials`.
    pub specials: bool,
    /// `--links`.
    pub links: bool,
    /// `--hard-links`.
    pub hard_links: bool,
    /// `--atimes`.
    pub atimes: bool,
    /// `--crtimes`.
    pub crtimes: bool,
    /// `--acls`.
    pub acls: bool,
    /// `--xattrs`.
    pub xattrs: bool,
    /// How many bytes of each digest of `--checksum` travel; 0 without it.
    pub checksum_len: usize,
    /// The user asked for numeric ids, and both sides know: no names travel.
    pub numeric_ids: bool,
    /// Only this side uses numeric ids (a daemon module): lists of names travel, empty when sent, ignored when read.
    pub own_numeric_ids: bool,
    /// `--delete-missing-args`: an argument that does not exist is an entry with mode 0.
    pub delete_missing_args: bool,
    /// The sender reports no errors at the end of the list.
    pub ignore_errors: bool,
    /// Conversion of names; also means that entries are numbered in order of arrival.
    pub charset: Option<Arc<dyn Charset>>,
    /// Link targets are converted too.
    pub convert_links: bool,
}

impl FlistOptions {
    /// The options of a plan.
    ///
    /// Errors: `Unsupported` when the character set is unknown, `Protocol` when a feature needs a later protocol.
    pub fn from_plan(plan: &Plan) -> Result<Self> {
        let charset: Option<Arc<dyn Charset>> = match &plan.agreed.iconv {
            None => None,
            Some(name) => match Iconv::new(name) {
                Some(set) => Some(Arc::new(set)),
                None => bail!(Unsupported; "iconv_open(\"UTF-8\", \"{name}\") failed"),
            },
        };
        let out = Self {
            protocol: plan.agreed.protocol,
            inc_recurse: plan.agreed.inc_recurse,
            varint_flags: plan.agreed.compat_varint_flist,
            safe_flist: plan.agreed.compat_safe_flist,
            id0_names: plan.agreed.compat_id0_names,
            recurse: plan.select.recurse,
            relative: plan.select.relative,
            owner: plan.attrs.owner,
            group: plan.attrs.group,
            devices: plan.attrs.devices,
            specials: plan.attrs.specials,
            links: plan.attrs.links,
            hard_links: plan.attrs.hard_links,
            atimes: plan.attrs.atimes > 0,
            crtimes: plan.attrs.crtimes,
            acls: plan.attrs.acls,
            xattrs: plan.attrs.xattrs > 0,
            checksum_len: if plan.select.checksum {
                listed_sum_len(plan.agreed.file_sum, plan.agreed.protocol)
            } else {
                0
            },
            numeric_ids: plan.attrs.numeric_ids,
            own_numeric_ids: plan.attrs.own_numeric_ids,
            delete_missing_args: plan.removal.delete_missing_args,
            ignore_errors: plan.removal.ignore_errors,
            convert_links: charset.is_some() && plan.agreed.compat_symlink_iconv,
            charset,
        };
        out.check()?;
        Ok(out)
    }

    /// Errors: `Protocol` when a feature needs a later protocol (spec: protocol 1.9, 5.3).
    pub fn check(&self) -> Result<()> {
        let late = |what: &str, least: u8| {
            Err(Error::Protocol(format!(
                "{what} requires protocol {least} or higher (negotiated {}).",
                self.protocol
            )))
        };
        if !PROTOCOLS.contains(&self.protocol) {
            bail!(Protocol; "protocol {} is not spoken here", self.protocol);
        }
        if self.acls && self.protocol < 30 {
            return late("--acls", 30);
        }
        if self.xattrs && self.protocol < 30 {
            return late("--xattrs", 30);
        }
        if self.crtimes && !self.varint_flags {
            bail!(Protocol; "Both rsync versions must be at least 3.2.0 for --crtimes.");
        }
        // With one flag byte 3.5.0 itself loses its place in the stream.
        if self.atimes && self.protocol < 28 {
            return late("--atimes", 28);
        }
        Ok(())
    }

    /// Names of users and groups follow the list.
    pub(super) fn id_lists(&self) -> bool {
        !self.inc_recurse && !self.numeric_ids
    }
}

/// How much of a digest travels in a list (spec: protocol 8.2; protocol-old 5.3). One that was asked for by its name
/// travels whole at 20 as well (observed).
fn listed_sum_len(kind: SumKind, protocol: u8) -> usize {
    let whole = digest_len(kind);
    if protocol == 20 && kind == SumKind::Md4Unpadded {
        whole.min(2)
    } else {
        whole
    }
}

/// Flag bits on the wire (spec: protocol 5.2). Some bits mean different things for different types and versions.
pub(super) mod xmit {
    pub(crate) const TOP_DIR: u32 = 0x0001;
    pub(crate) const SAME_MODE: u32 = 0x0002;
    /// P<28.
    pub(crate) const SAME_RDEV: u32 = 0x0004;
    /// P>=28.
    pub(crate) const EXTENDED: u32 = 0x0004;
    pub(crate) const SAME_UID: u32 = 0x0008;
    pub(crate) const SAME_GID: u32 = 0x0010;
    pub(crate) const SAME_NAME: u32 = 0x0020;
    pub(crate) const LONG_NAME: u32 = 0x0040;
    pub(crate) const SAME_TIME: u32 = 0x0080;
    /// Devices and specials.
    pub(crate) const SAME_RDEV_MAJOR: u32 = 0x0100;
    /// Directories, P>=30.
    pub(crate) const NO_CONTENT_DIR: u32 = 0x0100;
    pub(crate) const HLINKED: u32 = 0x0200;
    /// P=28, 29.
    pub(crate) const SAME_DEV: u32 = 0x0400;
    /// P>=30.
    pub(crate) const USER_NAME: u32 = 0x0400;
    /// P=28, 29.
    pub(crate) const RDEV_MINOR_8: u32 = 0x0800;
    /// P>=30.
    pub(crate) const GROUP_NAME: u32 = 0x0800;
    pub(crate) const HLINK_FIRST: u32 = 0x1000;
    pub(crate) const IO_ERROR_END: u32 = 0x1004;
    pub(crate) const MOD_NSEC: u32 = 0x2000;
    pub(crate) const SAME_ATIME: u32 = 0x4000;
    pub(crate) const CRTIME_EQ_MTIME: u32 = 0x2_0000;
}

/// Values of the previous entry; the next one is coded as its difference from them (spec: protocol 5.3).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Prev {
    pub mtime: i64,
    pub atime: i64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// P<28: the whole device number in the form of Linux.
    pub rdev: u32,
    pub major: u32,
    /// Hard-link device, P=28, 29.
    pub dev: i64,
}

/// The 32-bit device number of Linux.
pub(super) fn makedev((major, minor): (u32, u32)) -> u32 {
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xf_ff00) << 12
}

pub(super) fn splitdev(v: u32) -> (u32, u32) {
    (v >> 8 & 0xfff, (v & 0xff) | (v >> 12 & 0xf_ff00))
}
