//! What the fuzz targets share. Each target takes its choices (protocol, options) from the first bytes of the input and
//! reads the rest as the stream, so that a captured stream behind a few bytes is a seed.
#![forbid(unsafe_code)]

use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tain_core::flist::{FlistOptions, IdFiles, IdLookup, IdMap};
use tain_core::plan::{CompressKind, SumKind};
use tain_core::wire::{Link, LinkOptions};

/// The first bytes of an input. Where it is too short, zeros are read.
pub struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    pub fn word(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::from(self.byte()) % list.len()]
    }

    /// 20 to 32.
    pub fn protocol(&mut self) -> u8 {
        20 + self.byte() % 13
    }

    /// Up to `len` bytes.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// A piece behind a byte that tells its length.
    pub fn short(&mut self) -> &'a [u8] {
        let len = self.byte();
        self.take(len.into())
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

pub const SUMS: [SumKind; 9] = [
    SumKind::Md5,
    SumKind::Md4,
    SumKind::Md4Old,
    SumKind::Sha1,
    SumKind::Xxh64,
    SumKind::Xxh3,
    SumKind::Xxh128,
    SumKind::None,
    SumKind::Md4Unpadded,
];

pub const CODECS: [CompressKind; 5] = [
    CompressKind::None,
    CompressKind::Zlib,
    CompressKind::Zlibx,
    CompressKind::Zstd,
    CompressKind::Lz4,
];

/// Fixed users and groups, so that an input means the same on every machine.
pub fn lookup() -> Arc<dyn IdLookup> {
    Arc::new(IdFiles::parse(
        b"root:x:0:0::/:\nalice:x:1001:1001::/:\nbob:x:1002:1::/:\n",
        b"root:x:0:\nstaff:x:50:alice\n",
    ))
}

/// The ids of a connection without maps.
pub fn ids(numeric: bool, id0_names: bool) -> IdMap {
    match IdMap::new(lookup(), b"", b"", numeric, id0_names) {
        Ok(map) => map,
        Err(error) => panic!("empty maps are good: {error}"),
    }
}

/// Every preserve flag from the bits of a word.
pub fn flist_options(protocol: u8, bits: u32, checksum_len: u8) -> FlistOptions {
    let bit = |n: u32| bits >> n & 1 != 0;
    FlistOptions {
        protocol,
        inc_recurse: bit(0) && protocol >= 30,
        varint_flags: bit(1) && protocol >= 30,
        safe_flist: bit(2),
        id0_names: bit(3),
        recurse: bit(4),
        relative: bit(5),
        owner: bit(6),
        group: bit(7),
        devices: bit(8),
        specials: bit(9),
        links: bit(10),
        hard_links: bit(11),
        atimes: bit(12),
        crtimes: bit(13),
        acls: bit(14),
        xattrs: bit(15),
        checksum_len: usize::from(checksum_len % 21),
        numeric_ids: bit(16),
        own_numeric_ids: bit(17),
        delete_missing_args: bit(18),
        ignore_errors: bit(19),
        charset: None,
        convert_links: bit(20),
    }
}

/// A link that reads these bytes and then the end of the stream; what is written to it goes nowhere.
pub fn link(data: &[u8], options: LinkOptions) -> Link {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    // More than a pipe holds would block.
    writer
        .write_all(&data[..data.len().min(60_000)])
        .expect("room in the pipe");
    drop(writer);
    let null = std::fs::File::options()
        .write(true)
        .open("/dev/null")
        .expect("/dev/null");
    Link::new(OwnedFd::from(reader), OwnedFd::from(null), options)
}

/// Whether a process can do no harm, by its `/proc/self/status` and `mountinfo`: an ordinary user without capabilities, on
/// a machine whose root is mounted read-only.
fn confined(status: &str, mounts: &str) -> bool {
    let of = |key: &str| status.lines().find_map(|line| line.strip_prefix(key));
    let ids: Vec<_> = of("Uid:").unwrap_or_default().split_whitespace().collect();
    let capable = of("CapEff:").is_none_or(|bits| bits.trim().bytes().any(|b| b != b'0'));
    // Fields: id, parent, device, root, mount point, options. The last mount on `/` is the one in force.
    let root = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .rfind(|fields| fields.get(4) == Some(&"/"));
    let options = root.and_then(|fields| fields.get(5).copied()).unwrap_or_default();
    ids.len() == 4 && !ids.contains(&"0") && !capable && options.split(',').any(|option| option == "ro")
}

/// For a target that works on files: what it looks for is a program that touches what it must not, so everything but
/// its own directory has to be out of its reach. Ends the process where it isn't.
pub fn insist_on_confinement() {
    static CONFINED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let look = || {
        let read = |name| std::fs::read_to_string(name).unwrap_or_default();
        confined(&read("/proc/self/status"), &read("/proc/self/mountinfo"))
    };
    if !CONFINED.get_or_init(look) {
        eprintln!("this target runs only as an ordinary user below a root that is mounted read-only: see tools/fuzz");
        std::process::exit(2);
    }
}

#[cfg(test)]
mod tests {
    use super::confined;

    #[test]
    fn confinement() {
        let nobody = "Name:\tx\nUid:\t65534\t65534\t65534\t65534\nCapEff:\t0000000000000000\n";
        let ro = "20 1 254:0 / / ro,relatime - ext4 /dev/vda rw\n21 20 254:0 /w /w rw - ext4 /dev/vda rw\n";
        assert!(confined(nobody, ro));
        for status in [
            "",
            "Uid:\t0\t0\t0\t0\nCapEff:\t0000000000000000\n",
            "Uid:\t5\t5\t0\t5\nCapEff:\t0000000000000000\n",
            "Uid:\t5\t5\t5\t5\nCapEff:\t0000000000000001\n",
            "Uid:\t5\t5\t5\t5\n",
        ] {
            assert!(!confined(status, ro), "{status}");
        }
        for mounts in [
            "",
            "20 1 254:0 / / rw,relatime - ext4 /dev/vda ro\n",
            "20 1 254:0 / / ro - ext4 /dev/vda rw\n22 20 0:9 / / rw - tmpfs none rw\n",
        ] {
            assert!(!confined(nobody, mounts), "{mounts}");
        }
    }
}
