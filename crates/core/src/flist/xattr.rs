//! Extended attributes as they travel: the sets in the list (spec: protocol 5.12), and requests and replies for long
//! values (spec: protocol 6.5).

use super::names::shown;
use crate::error::{bail, Error, Result};
use crate::wire::ints::{put_byte, put_varint, Source};
use md5::{Digest, Md5};
use std::collections::HashSet;

/// Values longer than this travel as their MD5 until they are asked for.
pub const MAX_FULL: usize = 32;
/// Most attributes in one set (spec: protocol 12).
pub const MAX_COUNT: i32 = 65_536;
/// Longest name, NUL included.
pub const MAX_NAME: i32 = 4096;
/// Longest value in bytes.
pub const MAX_VALUE: i32 = 128 << 20;
/// Names and values of one set together.
pub const MAX_SET: u64 = 512 << 20;

/// The value of an attribute, whole or as a digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum XattrValue {
    /// The value itself.
    Full(Vec<u8>),
    /// Digest and length of a value over [`MAX_FULL`] bytes.
    Abbrev {
        /// Digest of the value.
        md5: [u8; 16],
        /// Length of the value in bytes.
        len: u32,
    },
}

impl XattrValue {
    /// Length of the value itself in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Full(v) => v.len(),
            Self::Abbrev { len, .. } => *len as usize,
        }
    }

    /// A value of this length travels as a digest.
    pub fn is_long(&self) -> bool {
        self.len() > MAX_FULL
    }

    /// A long value shrunk to its digest, a short one as it is.
    pub fn abbreviated(self) -> Self {
        match self {
            Self::Full(v) if v.len() > MAX_FULL => Self::Abbrev {
                md5: Md5::digest(&v).into(),
                len: v.len() as u32,
            },
            other => other,
        }
    }

    /// Whether the value is `bytes`, or has the digest and length of `bytes`.
    pub fn is(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Full(v) => v == bytes,
            Self::Abbrev { md5, len } => *len as usize == bytes.len() && *md5 == <[u8; 16]>::from(Md5::digest(bytes)),
        }
    }
}

/// The attributes of a file: names (without NUL, with their namespace) and values, sorted by name by the sender.
/// Requests number them from 1 in this order.
pub type XattrSet = Vec<(Vec<u8>, XattrValue)>;

/// Write a literal set.
pub fn put_set(out: &mut Vec<u8>, set: &XattrSet) {
    put_varint(out, set.len() as i32);
    for (name, value) in set {
        put_varint(out, name.len() as i32 + 1);
        put_varint(out, value.len() as i32);
        out.extend_from_slice(name);
        put_byte(out, 0);
        match value {
            XattrValue::Full(v) if v.len() > MAX_FULL => out.extend_from_slice(&Md5::digest(v)),
            XattrValue::Full(v) => out.extend_from_slice(v),
            XattrValue::Abbrev { md5, .. } => out.extend_from_slice(md5),
        }
    }
}

/// Read a literal set. `role` is what stands in the brackets of messages.
///
/// Errors: `Protocol` for a count or length over its cap, `FileIo` for a name without its final NUL.
pub fn read_set(src: &mut dyn Source, role: &str) -> Result<XattrSet> {
    let count = src.varint()?;
    if !(0..=MAX_COUNT).contains(&count) {
        bail!(Protocol; "wire value xattr count out of range: {count} not in [0,{MAX_COUNT}] [{role}]");
    }
    let mut set = XattrSet::new();
    let mut total = 0;
    for _ in 0..count {
        let name_len = src.varint()?;
        let len = src.varint()?;
        if !(0..=MAX_NAME).contains(&name_len) {
            bail!(Protocol; "wire size xattr name_len out of range: {name_len} > {MAX_NAME} [{role}]");
        }
        check_len(len, role)?;
        total += name_len as u64 + len as u64;
        if total > MAX_SET {
            bail!(Protocol; "xattrs of one file too large from sender");
        }
        let mut name = src.bytes(name_len as usize)?;
        if name.pop() != Some(0) {
            bail!(FileIo; "Invalid xattr name received (missing trailing \\0).");
        }
        let value = if len as usize > MAX_FULL {
            let mut md5 = [0; 16];
            src.read_exact(&mut md5)?;
            XattrValue::Abbrev { md5, len: len as u32 }
        } else {
            XattrValue::Full(src.bytes(len as usize)?)
        };
        set.push((name, value));
    }
    Ok(set)
}

fn check_len(len: i32, role: &str) -> Result<()> {
    if len < 0 {
        bail!(Protocol; "wire size xattr datum_len out of range: {len} > {} [{role}]", i32::MAX);
    }
    if len > MAX_VALUE {
        bail!(Protocol; "xattr datum_len exceeds per-value limit [{role}]");
    }
    Ok(())
}

/// The next number of a request or reply, `None` at its end. `who`: role and file, for the message.
fn next_number(src: &mut dyn Source, prev: &mut i32, set: &XattrSet, who: (&str, &[u8])) -> Result<Option<u32>> {
    let diff = src.varint()?;
    if diff == 0 {
        return Ok(None);
    }
    let n = prev.checked_add(diff).filter(|&n| n >= 1 && n as usize <= set.len());
    match n {
        Some(n) if set[n as usize - 1].1.is_long() => {
            *prev = n;
            Ok(Some(n as u32))
        }
        _ => Err(Error::Protocol(format!(
            "[{}] could not find xattr #{} for {}",
            who.0,
            prev.wrapping_add(diff),
            shown(who.1)
        ))),
    }
}

/// Read a request for long values of `set`. `who`: role and file, for messages.
///
/// Errors: `Protocol` for a number that is not that of a long value, or comes twice.
pub fn read_request(src: &mut dyn Source, set: &XattrSet, who: (&str, &[u8])) -> Result<Vec<u32>> {
    let mut numbers = Vec::new();
    let mut prev = 0;
    while let Some(n) = next_number(src, &mut prev, set, who)? {
        // A set has far fewer long values than would make this slow, unless the peer repeats itself.
        if numbers.len() >= set.len() {
            bail!(Protocol; "xattr requested twice");
        }
        numbers.push(n);
    }
    Ok(numbers)
}

/// Write the reply to a request: numbers with their values, in the order of the request. A value that could not be
/// read any more is sent empty.
pub fn put_reply<'a>(out: &mut Vec<u8>, values: impl IntoIterator<Item = (u32, &'a [u8])>) {
    let mut prev = 0;
    for (n, value) in values {
        put_varint(out, n.wrapping_sub(prev) as i32);
        prev = n;
        put_varint(out, value.len() as i32);
        out.extend_from_slice(value);
    }
    put_varint(out, 0);
}

/// Read a reply: numbers and values. `who` as above.
///
/// Errors: `Protocol` for a number that is not that of a long value, or a length over its cap; `Memory` when the values
/// are larger than `max_alloc` bytes together.
pub fn read_reply(
    src: &mut dyn Source,
    set: &XattrSet,
    max_alloc: u64,
    who: (&str, &[u8]),
) -> Result<Vec<(u32, Vec<u8>)>> {
    let mut values = Vec::new();
    let (mut prev, mut total) = (0, 0_u64);
    while let Some(n) = next_number(src, &mut prev, set, who)? {
        let len = src.varint()?;
        check_len(len, who.0)?;
        total += len as u64;
        if total > max_alloc.min(MAX_SET) || values.len() >= set.len() {
            bail!(Memory; "xattr values too large");
        }
        values.push((n, src.bytes(len as usize)?));
    }
    Ok(values)
}

/// Which long values have been asked for: each at most once per connection, however many files share the set.
#[derive(Debug, Default)]
pub struct XattrLedger(HashSet<(u32, u32)>);

impl XattrLedger {
    /// Note the request for value `number` of the set with this table index; false if there was one before.
    pub fn first_time(&mut self, set: u32, number: u32) -> bool {
        self.0.insert((set, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> XattrSet {
        vec![
            (b"user.long".to_vec(), XattrValue::Full(vec![b'x'; 40]).abbreviated()),
            (b"user.short".to_vec(), XattrValue::Full(b"v1".to_vec())),
        ]
    }

    // Captured from rsync 3.5.0: the digest is plain MD5.
    const WIRE: &[u8] = b"\x02\x0a\x28user.long\0\x2e\x5a\x5d\xf3\x0e\xbd\x85\x39\x44\x5b\xa6\xe0\xf6\x38\xb6\xf9\x0b\x02user.short\0v1";

    #[test]
    fn set_both_ways() {
        let mut out = Vec::new();
        put_set(&mut out, &sample());
        assert_eq!(out, WIRE);
        assert_eq!(read_set(&mut &WIRE[..], "Receiver").unwrap(), sample());
        assert!(sample()[0].1.is(&[b'x'; 40]));
    }

    #[test]
    fn set_limits() {
        let code = |wire: &[u8]| read_set(&mut &wire[..], "Receiver").map_err(|e| e.code());
        assert_eq!(code(b"\xc1\x01\x00"), Err(2)); // 65537 attributes
        assert_eq!(code(b"\x01\x00\x00"), Err(11)); // name length 0: no NUL
        assert_eq!(code(b"\x01\x90\x01\x00"), Err(2)); // name length 4097
        assert_eq!(code(b"\x01\x02\x00ab"), Err(11)); // no NUL
        assert_eq!(code(b"\x01\x01\xe8\x01\x00\x00"), Err(2)); // value 128 MiB + 1
        assert_eq!(code(b"\x01\x01\xf0\xff\xff\xff\xff"), Err(2));
        assert_eq!(code(b"\x01\x01\x00"), Err(12)); // ends early
        let mut big = vec![5];
        for _ in 0..5 {
            big.extend_from_slice(b"\x02\xe8\x00\x00\x00a\0");
            big.extend_from_slice(&[0; 16]);
        }
        assert_eq!(code(&big), Err(2)); // over 512 MiB together
    }

    #[test]
    fn requests_and_replies() {
        let set = sample();
        let mut out = Vec::new();
        crate::wire::item::put_xattr_request(&mut out, &[1]);
        assert_eq!(out, b"\x01\x00");
        assert_eq!(read_request(&mut &out[..], &set, ("sender", b"f")).unwrap(), [1]);
        assert_eq!(
            read_request(&mut &b"\x02\x00"[..], &set, ("sender", b"f"))
                .unwrap_err()
                .code(),
            2
        );
        assert_eq!(
            read_request(&mut &b"\x03\x00"[..], &set, ("sender", b"f"))
                .unwrap_err()
                .code(),
            2
        );
        let mut out = Vec::new();
        put_reply(&mut out, [(1, &[b'x'; 40][..])]);
        assert_eq!(&out[..2], b"\x01\x28");
        assert_eq!(
            read_reply(&mut &out[..], &set, 1 << 30, ("receiver", b"f")).unwrap(),
            [(1, vec![b'x'; 40])]
        );
        assert_eq!(
            read_reply(&mut &out[..], &set, 39, ("receiver", b"f"))
                .unwrap_err()
                .code(),
            22
        );
        let mut ledger = XattrLedger::default();
        assert!(ledger.first_time(0, 1));
        assert!(!ledger.first_time(0, 1));
    }
}
