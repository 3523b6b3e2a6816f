//! fake-super: what an unprivileged receiver may not set is kept in an attribute (spec: transfer 5.6).

use std::io;

use super::mode::{self, is_device};
use super::pin::Pin;
use super::root::Root;
use super::stat::Stat;

/// The attribute.
pub const XATTR: &[u8] = b"user.rsync.%stat";

/// The contents of the attribute: `MODE MAJOR,MINOR UID:GID`, the mode in octal with its type, the rest decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FakeStat {
    /// Type and permission bits.
    pub mode: u32,
    /// Major number of a device, else 0.
    pub major: u32,
    /// Minor number of a device, else 0.
    pub minor: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl FakeStat {
    /// The value of the attribute.
    pub fn encode(&self) -> Vec<u8> {
        format!(
            "{:o} {},{} {}:{}",
            self.mode, self.major, self.minor, self.uid, self.gid
        )
        .into_bytes()
    }

    /// `None` for a corrupt value.
    pub fn decode(value: &[u8]) -> Option<FakeStat> {
        let text = std::str::from_utf8(value).ok()?.trim_end_matches('\0');
        let mut words = text.split_ascii_whitespace();
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let (major, minor) = words.next()?.split_once(',')?;
        let (uid, gid) = words.next()?.split_once(':')?;
        if words.next().is_some() {
            return None;
        }
        Some(FakeStat {
            mode,
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        })
    }

    /// Put the kept values in the place of the real ones. The size of a stored link is the length of its target.
    pub fn apply(&self, stat: &mut Stat) {
        stat.mode = self.mode;
        stat.uid = self.uid;
        stat.gid = self.gid;
        stat.rdev_major = self.major;
        stat.rdev_minor = self.minor;
    }

    /// Whether the attribute must be written, because the real file with the mode of [`real_mode`] does not show all
    /// values. Otherwise the attribute is removed. A real device, pipe or socket shows what it is.
    pub fn is_needed(&self, real: &Stat) -> bool {
        if is_stored_as_file(real.mode) {
            return self.mode != real.mode
                || is_device(real.mode) && (self.major, self.minor) != (real.rdev_major, real.rdev_minor)
                || (self.uid, self.gid) != (real.uid, real.gid);
        }
        real_mode(self.mode) != self.mode
            || (self.major, self.minor) != (0, 0)
            || (self.uid, self.gid) != (real.uid, real.gid)
    }
}

/// The mode that the file itself gets when `mode` (with type) is wanted: devices, pipes, sockets and links are regular
/// files; no set-id or sticky bit; always open to the owner.
pub fn real_mode(mode: u32) -> u32 {
    if mode::is_dir(mode) {
        mode::DIR | mode & 0o777 | 0o700
    } else {
        mode::FILE | mode & 0o777 | 0o600
    }
}

/// Whether an object of this type is kept as a regular file.
pub fn is_stored_as_file(mode: u32) -> bool {
    !mode::is_dir(mode) && !mode::is_file(mode)
}

/// Why the kept values of a file cannot be read.
#[derive(Debug)]
pub enum LookupError {
    /// The status of the file itself.
    Stat(io::Error),
    /// `failed to read xattr user.rsync.%stat for "P": ...`; the status is that of the file itself.
    Read(io::Error, Box<Stat>),
    /// `Corrupt user.rsync.%stat xattr attached to "P": "TEXT"`, exit code 11.
    Corrupt(Vec<u8>),
}

impl Root {
    /// Status as a fake-super sender or generator sees it: kept values in the place of the real ones. Real devices,
    /// pipes, sockets and links are as they are.
    pub fn lstat_fake(&self, rel: &[u8]) -> Result<Stat, LookupError> {
        let mut stat = self.lstat(rel).map_err(LookupError::Stat)?;
        if stat.is_file() || stat.is_dir() {
            let value = match self.get_xattr(rel, XATTR) {
                // a filesystem without attributes has kept nothing
                Err(e) if e.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) => None,
                other => other.map_err(|e| LookupError::Read(e, Box::new(stat)))?,
            };
            if let Some(value) = value {
                match FakeStat::decode(&value) {
                    Some(fake) => fake.apply(&mut stat),
                    None => return Err(LookupError::Corrupt(value)),
                }
            }
        }
        Ok(stat)
    }
}

impl Pin {}
