//! The sum head: into how many blocks of which length a basis is cut, and how much of each strong sum travels.
//!
//! spec: protocol 6.6; protocol-old 6.2

use super::strong::digest_len;
use crate::error::{bail, Result};
use crate::plan::SumKind;
use crate::wire::ints::{put_int, Source};
use crate::wire::trace::{Tracer, Way};

/// Block length of small files, and the least that is ever chosen.
pub(crate) const DEFAULT_BLOCK: u32 = 700;
/// Longest block from protocol 30 on.
pub(crate) const MAX_BLOCK: u32 = 1 << 17;
/// Longest block before protocol 30.
pub(crate) const OLD_MAX_BLOCK: u32 = 1 << 29;
/// Most bytes of a strong sum that are ever sent.
const MAX_STRONG: u32 = 16;
/// Fewest, unless the digest itself is shorter.
const MIN_STRONG: u32 = 2;
/// Bits of evidence that are wanted beyond what size and block length call for.
const BIAS_BITS: i64 = 10;

/// The longest block a peer may announce (spec: protocol 12).
pub(crate) fn max_block(protocol: u8) -> u32 {
    if protocol >= 30 {
        MAX_BLOCK
    } else {
        OLD_MAX_BLOCK
    }
}

/// How a basis is cut. All zero means: no basis, send everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SumHead {
    /// Number of blocks.
    pub count: u32,
    /// Bytes of a block.
    pub blength: u32,
    /// Bytes sent of each strong sum.
    pub s2length: u32,
    /// Bytes of the last block if it is short, else 0.
    pub remainder: u32,
}

impl SumHead {
    /// Appends the four ints; below protocol 27 three, without the strong length.
    pub fn put(&self, out: &mut Vec<u8>, protocol: u8) {
        put_int(out, self.count as i32);
        put_int(out, self.blength as i32);
        if protocol >= 27 {
            put_int(out, self.s2length as i32);
        }
        put_int(out, self.remainder as i32);
    }

    /// Reads a head from a peer and holds it to the limits (spec: protocol 12): every violation is fatal with 2.
    /// `redo` says, for a protocol below 27, which strong length is meant: the first DONE of the stream has come. `role`
    /// is what stands in the brackets of the messages.
    pub fn read(src: &mut dyn Source, protocol: u8, kind: SumKind, redo: bool, role: &str) -> Result<Self> {
        let (count, blength) = (src.int()?, src.int()?);
        let s2length = if protocol >= 27 {
            src.int()?
        } else {
            old_strong_length(kind, redo) as i32
        };
        let remainder = src.int()?;
        if count < 0 {
            bail!(Protocol; "Invalid checksum count {count} [{role}]");
        }
        // Old programs send a block length for a file without a basis, which means nothing.
        let unused = protocol < 27 && count == 0;
        if (blength < 0 || blength as u32 > max_block(protocol)) && !unused {
            bail!(Protocol; "Invalid block length {blength} [{role}]");
        }
        let fits = blength >= 0 && blength as u32 <= max_block(protocol);
        if blength == 0 && count > 0 {
            bail!(Protocol; "Invalid zero block length [{role}]");
        }
        // With a strong sum of less than two bytes, a peer that invents rolling sums could choose the matching blocks.
        let digest = digest_len(kind) as i32;
        if !(0..=digest).contains(&s2length) || (count > 0 && s2length < digest.min(MIN_STRONG as i32)) {
            bail!(Protocol; "Invalid checksum length {s2length} [{role}]");
        }
        if remainder < 0 || (remainder > blength && fits) {
            bail!(Protocol; "Invalid remainder length {remainder} [{role}]");
        }
        let head = Self {
            count: count as u32,
            blength: blength as u32,
            s2length: s2length as u32,
            remainder: remainder as u32,
        };
        head.trace(src.tracer(), Way::In);
        Ok(head)
    }

    /// The head in words, for `--debug=IO`.
    pub(crate) fn trace(&self, tracer: Option<&Tracer>, way: Way) {
        if let Some(tracer) = tracer {
            let (count, length, strong, rest) = (self.count, self.blength, self.s2length, self.remainder);
            tracer.line(
                way,
                &format!("SUMS count={count} length={length} strong={strong} rest={rest}"),
            );
        }
    }

    /// Bytes of block `index`.
    pub fn block_len(&self, index: u32) -> u32 {
        if self.remainder != 0 && index.checked_add(1) == Some(self.count) {
            self.remainder
        } else {
            self.blength
        }
    }

    /// Where block `index` starts in the basis.
    pub fn offset(&self, index: u32) -> u64 {
        u64::from(index) * u64::from(self.blength)
    }

    /// Bytes of the basis, as far as the blocks cover it.
    pub fn flength(&self) -> u64 {
        let full = self.offset(self.count);
        if self.count > 0 && self.remainder != 0 {
            full - u64::from(self.blength - self.remainder.min(self.blength))
        } else {
            full
        }
    }
}

/// The block length for a basis of `len` bytes: about its square root, as a multiple of 8.
pub(crate) fn block_length(len: u64, block_size_option: u32, protocol: u8) -> u32 {
    if block_size_option != 0 {
        return block_size_option;
    }
    if len <= u64::from(DEFAULT_BLOCK) * u64::from(DEFAULT_BLOCK) {
        return DEFAULT_BLOCK;
    }
    let max = max_block(protocol);
    let mut bit = 1u64 << (len.ilog2() / 2);
    if bit >= u64::from(max) {
        return max;
    }
    let mut blength = 0u64;
    while bit >= 8 {
        if (blength | bit) * (blength | bit) <= len {
            blength |= bit;
        }
        bit >>= 1;
    }
    (blength as u32).max(DEFAULT_BLOCK)
}

/// The strong length below protocol 27, which does not travel (spec: protocol-old 6.2).
fn old_strong_length(kind: SumKind, redo: bool) -> u32 {
    let length = if redo { MAX_STRONG } else { MIN_STRONG };
    length.min(digest_len(kind) as u32)
}

/// How many bytes of each strong sum are enough for a basis of `len` bytes.
pub(crate) fn strong_length(len: u64, blength: u32, protocol: u8, kind: SumKind, redo: bool) -> u32 {
    if protocol < 27 {
        return old_strong_length(kind, redo);
    }
    let most = MAX_STRONG.min(digest_len(kind) as u32);
    if redo {
        return most;
    }
    let log2 = |n: u64| i64::from(n.checked_ilog2().unwrap_or(0));
    let bits = (BIAS_BITS + 2 * log2(len) - log2(u64::from(blength))).max(0);
    // Rust's division truncates toward zero, as the formula wants.
    let bytes = (bits - 24) / 8;
    (bytes.max(i64::from(MIN_STRONG)) as u32).min(most)
}

/// The head for a basis of `len` bytes; `block_size_option` is `--block-size`, 0 if not given. A basis that is empty or
/// has more blocks than an int can count gets the zero head.
pub(crate) fn sum_head(len: u64, block_size_option: u32, protocol: u8, kind: SumKind, redo: bool) -> SumHead {
    let blength = block_length(len, block_size_option, protocol);
    let count = len.div_ceil(u64::from(blength));
    if count == 0 || count > i32::MAX as u64 {
        return SumHead::default();
    }
    SumHead {
        count: count as u32,
        blength,
        s2length: strong_length(len, blength, protocol, kind, redo),
        remainder: (len % u64::from(blength)) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_the_spec() {
        // length, block length at 30 and before, strong length, count, remainder
        let rows: [(u64, u32, u32, u32, u32, u32); 13] = [
            (1, 700, 700, 2, 1, 1),
            (700, 700, 700, 2, 1, 0),
            (1000, 700, 700, 2, 2, 300),
            (490_000, 700, 700, 2, 700, 0),
            (490_001, 700, 700, 2, 701, 1),
            (1_000_000, 1000, 1000, 2, 1000, 0),
            (10_000_000, 3160, 3160, 2, 3165, 1760),
            (100_000_000, 10_000, 10_000, 3, 10_000, 0),
            (1_000_000_000, 31_616, 31_616, 3, 31_630, 17_536),
            (10_000_000_000, 100_000, 100_000, 4, 100_000, 0),
            (1 << 34, 131_072, 131_072, 4, 131_072, 0),
            (100_000_000_000, 131_072, 316_224, 5, 762_940, 59_392),
            (1_000_000_000_000, 131_072, 1_000_000, 5, 7_629_395, 69_632),
        ];
        for (len, blength, old, s2length, count, remainder) in rows {
            let head = sum_head(len, 0, 30, SumKind::Md5, false);
            assert_eq!(
                head,
                SumHead {
                    count,
                    blength,
                    s2length,
                    remainder
                },
                "{len}"
            );
            assert_eq!(head.flength(), len);
            assert_eq!(block_length(len, 0, 29), old, "{len}");
        }
    }

    #[test]
    fn redo_and_short_digests() {
        assert_eq!(sum_head(1000, 0, 32, SumKind::Md5, true).s2length, 16);
        assert_eq!(sum_head(1000, 0, 32, SumKind::Sha1, true).s2length, 16);
        assert_eq!(sum_head(1000, 0, 32, SumKind::Xxh64, true).s2length, 8);
        assert_eq!(sum_head(1000, 0, 32, SumKind::None, false).s2length, 1);
    }

    #[test]
    fn no_blocks() {
        assert_eq!(sum_head(0, 0, 32, SumKind::Md5, false), SumHead::default());
        assert_eq!(sum_head(1 << 40, 1, 32, SumKind::Md5, false), SumHead::default());
        let mut out = Vec::new();
        SumHead::default().put(&mut out, 32);
        assert_eq!(out, [0; 16]);
        assert_eq!(
            SumHead::read(&mut &out[..], 32, SumKind::Md5, false, "sender"),
            Ok(SumHead::default())
        );
    }

    #[test]
    fn block_size_option() {
        let head = sum_head(1000, 300, 32, SumKind::Md5, false);
        assert_eq!((head.blength, head.count, head.remainder), (300, 4, 100));
        assert_eq!(
            (0..4).map(|i| head.block_len(i)).collect::<Vec<_>>(),
            [300, 300, 300, 100]
        );
    }

    #[test]
    fn limits() {
        let read = |fields: [i32; 4], protocol, kind| {
            let mut out = Vec::new();
            for field in fields {
                put_int(&mut out, field);
            }
            SumHead::read(&mut &out[..], protocol, kind, false, "sender").map_err(|e| e.code())
        };
        for good in [[1, 131_072, 16, 131_072], [i32::MAX, 1, 2, 0], [0, 700, 0, 0]] {
            assert!(read(good, 30, SumKind::Md5).is_ok(), "{good:?}");
        }
        assert!(read([1, 1 << 29, 16, 0], 29, SumKind::Md4Old).is_ok());
        for bad in [
            [-1, 700, 2, 0],
            [i32::MIN, 700, 2, 0],
            [1, 131_073, 2, 0],
            [1, -1, 2, 0],
            [1, 0, 2, 0],
            [1, 700, 17, 0],
            [1, 700, -1, 0],
            [1, 700, 0, 0],
            [1, 700, 1, 0],
            [1, 700, 2, 701],
            [1, 700, 2, -1],
        ] {
            assert_eq!(read(bad, 30, SumKind::Md5), Err(2), "{bad:?}");
        }
        assert_eq!(read([1, (1 << 29) + 1, 16, 0], 29, SumKind::Md4Old), Err(2));
        assert_eq!(read([1, 700, 9, 0], 30, SumKind::Xxh3), Err(2));
        assert_eq!(read([1, 700, 20, 0], 30, SumKind::Sha1).map(|h| h.s2length), Ok(20));
        assert!(SumHead::read(&mut &[0u8; 15][..], 30, SumKind::Md5, false, "sender").is_err());
    }

    /// PRO-98, PRO-99: three ints, and a strong length that both ends know.
    #[test]
    fn pro_98_heads_before_27() {
        let read = |fields: [i32; 3], redo| {
            let mut out = Vec::new();
            for field in fields {
                put_int(&mut out, field);
            }
            let mut rest = &out[..];
            let head = SumHead::read(&mut rest, 26, SumKind::Md4Unpadded, redo, "sender").map_err(|e| e.code())?;
            assert!(rest.is_empty());
            // Copied as it was received.
            let mut copy = Vec::new();
            head.put(&mut copy, 26);
            assert_eq!(copy, out);
            Ok::<_, i32>(head)
        };
        for redo in [false, true] {
            let s2length = if redo { 16 } else { 2 };
            let head = sum_head(1500, 0, 26, SumKind::Md4Unpadded, redo);
            assert_eq!(
                (head.count, head.blength, head.s2length, head.remainder),
                (3, 700, s2length, 100)
            );
            let mut out = Vec::new();
            head.put(&mut out, 26);
            assert_eq!(out, [3, 0, 0, 0, 0xbc, 2, 0, 0, 100, 0, 0, 0]);
            assert_eq!(read([3, 700, 100], redo), Ok(head));
            // Whatever the size.
            assert_eq!(
                sum_head(10_000_000_000, 0, 20, SumKind::Md4Unpadded, redo).s2length,
                s2length
            );
        }
        for none in [[0, 700, 0], [0, 0, 0], [0, -1, 0], [0, i32::MAX, 0], [0, 16384, 5]] {
            assert_eq!(
                read(none, false).map(|h| (h.count, h.flength())),
                Ok((0, 0)),
                "{none:?}"
            );
        }
        assert!(read([1, 1 << 29, 1 << 29], false).is_ok());
        for bad in [
            [-1, 700, 0],
            [i32::MIN, 700, 0],
            [1, 0, 0],
            [1, -1, 0],
            [1, (1 << 29) + 1, 0],
            [1, 700, 701],
            [1, 700, -1],
            [0, 700, 701],
            [0, 0, -1],
        ] {
            assert_eq!(read(bad, false), Err(2), "{bad:?}");
        }
    }

    #[test]
    fn lengths_at_the_limits_do_not_overflow() {
        let head = SumHead {
            count: i32::MAX as u32,
            blength: OLD_MAX_BLOCK,
            s2length: 2,
            remainder: 1,
        };
        assert!(head.flength() < 1 << 60);
        assert_eq!(head.block_len(head.count - 1), 1);
    }
}
