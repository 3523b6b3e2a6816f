//! The strong digests, as bytes in wire order.
//!
//! spec: protocol 8.2 to 8.5

use super::md4::Md4Unpadded;
use crate::plan::SumKind;
use digest::Digest as _;
use xxhash_rust::{xxh3, xxh64};

/// Bytes of the longest digest, with room for later ones.
pub(crate) const MAX_DIGEST: usize = 32;

/// Bytes of a digest of this kind on the wire.
pub(crate) fn digest_len(kind: SumKind) -> usize {
    match kind {
        SumKind::Xxh128 | SumKind::Md5 | SumKind::Md4 | SumKind::Md4Old | SumKind::Md4Unpadded => 16,
        SumKind::Xxh3 | SumKind::Xxh64 => 8,
        SumKind::Sha1 => 20,
        SumKind::None => 1,
    }
}

/// A finished digest in wire order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest {
    bytes: [u8; MAX_DIGEST],
    len: u8,
}

impl Digest {
    /// Takes the bytes as they are on the wire; what is longer than [`MAX_DIGEST`] is cut.
    pub fn from_wire(bytes: &[u8]) -> Self {
        let len = bytes.len().min(MAX_DIGEST);
        let mut digest = Self {
            bytes: [0; MAX_DIGEST],
            len: len as u8,
        };
        digest.bytes[..len].copy_from_slice(&bytes[..len]);
        digest
    }

    /// A digest of the same length that differs from this one for certain, for a file whose data could not all be read
    /// (spec: protocol 8.4).
    pub fn spoiled(&self) -> Self {
        let mut digest = Self {
            bytes: [0; MAX_DIGEST],
            len: self.len,
        };
        if digest == *self && self.len > 0 {
            digest.bytes[usize::from(self.len) - 1] = 1;
        }
        digest
    }

    /// The bytes in wire order.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The first `len` bytes, as a sum head asks for them; the whole digest if it is shorter.
    pub fn prefix(&self, len: usize) -> &[u8] {
        &self.bytes[..usize::from(self.len).min(len)]
    }

    fn of_u64(value: u64) -> Self {
        Self::from_wire(&value.to_le_bytes())
    }

    fn of_u128(value: u128) -> Self {
        // Little-endian as a whole is the low half first, each half little-endian.
        Self::from_wire(&value.to_le_bytes())
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.as_slice() {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[derive(Clone)]
enum State {
    Xxh3(Box<xxh3::Xxh3>),
    Xxh64(xxh64::Xxh64),
    Md5(md5::Md5),
    Md4(md4::Md4),
    Md4Unpadded(Md4Unpadded),
    Sha1(sha1::Sha1),
    None,
}

/// A running digest over a file.
#[derive(Clone)]
pub struct Hasher {
    kind: SumKind,
    state: State,
}

impl Hasher {
    /// An unseeded digest: the sums of a file list, and all whole-file sums but the one of the old MD4.
    pub fn new(kind: SumKind) -> Self {
        let state = match kind {
            SumKind::Xxh128 | SumKind::Xxh3 => State::Xxh3(Box::new(xxh3::Xxh3::new())),
            SumKind::Xxh64 => State::Xxh64(xxh64::Xxh64::new(0)),
            SumKind::Md5 => State::Md5(md5::Md5::new()),
            SumKind::Md4 | SumKind::Md4Old => State::Md4(md4::Md4::new()),
            SumKind::Md4Unpadded => State::Md4Unpadded(Md4Unpadded::default()),
            SumKind::Sha1 => State::Sha1(sha1::Sha1::new()),
            SumKind::None => State::None,
        };
        Self { kind, state }
    }

    /// The whole-file sum of a transfer: the unnamed MD4 of protocols up to 29 starts with the four bytes of the seed,
    /// even if it is 0 (spec: protocol 8.4).
    pub fn new_whole_file(kind: SumKind, seed: i32) -> Self {
        let mut hasher = Self::new(kind);
        if matches!(kind, SumKind::Md4Old | SumKind::Md4Unpadded) {
            hasher.update(&seed.to_le_bytes());
        }
        hasher
    }

    /// Adds data.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.state {
            State::Xxh3(state) => state.update(data),
            State::Xxh64(state) => state.update(data),
            State::Md5(state) => state.update(data),
            State::Md4(state) => state.update(data),
            State::Md4Unpadded(state) => state.update(data),
            State::Sha1(state) => state.update(data),
            State::None => {}
        }
    }

    /// The digest of what was added so far. The hasher starts over, unseeded.
    pub fn finish(&mut self) -> Digest {
        match &mut self.state {
            State::Xxh3(state) => {
                let digest = match self.kind {
                    SumKind::Xxh3 => Digest::of_u64(state.digest()),
                    _ => Digest::of_u128(state.digest128()),
                };
                state.reset();
                digest
            }
            State::Xxh64(state) => {
                let digest = Digest::of_u64(state.digest());
                state.reset(0);
                digest
            }
            State::Md5(state) => Digest::from_wire(&state.finalize_reset()),
            State::Md4(state) => Digest::from_wire(&state.finalize_reset()),
            State::Md4Unpadded(state) => Digest::from_wire(&state.finish()),
            State::Sha1(state) => Digest::from_wire(&state.finalize_reset()),
            State::None => Digest::from_wire(&[0]),
        }
    }
}

/// The digest of a buffer in one go, unseeded: what the tests compare with.
#[cfg(test)]
pub(crate) fn digest(kind: SumKind, data: &[u8]) -> Digest {
    match kind {
        SumKind::Xxh128 => Digest::of_u128(xxh3::xxh3_128(data)),
        SumKind::Xxh3 => Digest::of_u64(xxh3::xxh3_64(data)),
        SumKind::Xxh64 => Digest::of_u64(xxh64::xxh64(data, 0)),
        SumKind::Md5 => Digest::from_wire(&md5::Md5::digest(data)),
        SumKind::Md4 | SumKind::Md4Old => Digest::from_wire(&md4::Md4::digest(data)),
        SumKind::Md4Unpadded => unpadded(&[data]),
        SumKind::Sha1 => Digest::from_wire(&sha1::Sha1::digest(data)),
        SumKind::None => Digest::from_wire(&[0]),
    }
}

/// MD4 with the defects of old programs (spec: protocol-old 8.1).
fn unpadded(parts: &[&[u8]]) -> Digest {
    let mut state = Md4Unpadded::default();
    for part in parts {
        state.update(part);
    }
    Digest::from_wire(&state.finish())
}

/// Makes the strong sums of blocks, with the seed of the connection.
///
/// spec: protocol 8.3
#[derive(Debug, Clone, Copy)]
pub struct BlockHasher {
    kind: SumKind,
    seed: i32,
    seed_first: bool,
}

impl BlockHasher {
    /// `seed_fix` is compat bit 5: MD5 takes the seed in front of the data instead of behind it.
    pub fn new(kind: SumKind, seed: i32, seed_fix: bool) -> Self {
        let seed_first = match kind {
            SumKind::Md5 => seed_fix,
            SumKind::Sha1 => true,
            _ => false,
        };
        Self { kind, seed, seed_first }
    }

    /// The full digest of one block; a sum head says how many of its bytes travel.
    pub fn sum(&self, block: &[u8]) -> Digest {
        let seed64 = i64::from(self.seed) as u64;
        match self.kind {
            SumKind::Xxh128 => Digest::of_u128(xxh3::xxh3_128_with_seed(block, seed64)),
            SumKind::Xxh3 => Digest::of_u64(xxh3::xxh3_64_with_seed(block, seed64)),
            SumKind::Xxh64 => Digest::of_u64(xxh64::xxh64(block, seed64)),
            SumKind::Md5 => Digest::from_wire(&self.seeded::<md5::Md5>(block)),
            SumKind::Md4 | SumKind::Md4Old => Digest::from_wire(&self.seeded::<md4::Md4>(block)),
            SumKind::Md4Unpadded if self.seed == 0 => unpadded(&[block]),
            SumKind::Md4Unpadded => unpadded(&[block, &self.seed.to_le_bytes()]),
            SumKind::Sha1 => Digest::from_wire(&self.seeded::<sha1::Sha1>(block)),
            SumKind::None => Digest::from_wire(&[0]),
        }
    }

    fn seeded<D: digest::Digest>(self, block: &[u8]) -> digest::Output<D> {
        let mut state = D::new();
        let seed = self.seed.to_le_bytes();
        if self.seed != 0 && self.seed_first {
            state.update(seed);
        }
        state.update(block);
        if self.seed != 0 && !self.seed_first {
            state.update(seed);
        }
        state.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [SumKind; 9] = [
        SumKind::Xxh128,
        SumKind::Xxh3,
        SumKind::Xxh64,
        SumKind::Md5,
        SumKind::Md4,
        SumKind::Md4Old,
        SumKind::Md4Unpadded,
        SumKind::Sha1,
        SumKind::None,
    ];

    fn hex(digest: Digest) -> String {
        format!("{digest:?}")
    }

    #[test]
    fn known_values() {
        assert_eq!(
            hex(digest(SumKind::Xxh128, b"hello\n")),
            "9ce4c8f135b4105a6df569e0c786ba6b"
        );
        assert_eq!(hex(digest(SumKind::Md4, b"")), "31d6cfe0d16ae931b73c59d7e0c089c0");
        assert_eq!(hex(digest(SumKind::Md5, b"")), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(
            hex(digest(SumKind::Sha1, b"abc")),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        // The published test values are ef46db3751d8e999 and 2d06800538d394c2, printed high byte first.
        assert_eq!(hex(digest(SumKind::Xxh64, b"")), "99e9d85137db46ef");
        assert_eq!(hex(digest(SumKind::Xxh3, b"")), "c294d3380580062d");
        assert_eq!(hex(digest(SumKind::None, b"anything")), "00");
    }

    #[test]
    fn old_md4_starts_with_the_seed_even_when_zero() {
        let mut hasher = Hasher::new_whole_file(SumKind::Md4Old, 1);
        hasher.update(b"hello\n");
        assert_eq!(hex(hasher.finish()), "a80ae97540596a493610f81807b4144c");
        let mut zero = Hasher::new_whole_file(SumKind::Md4Old, 0);
        zero.update(b"x");
        assert_eq!(zero.finish(), digest(SumKind::Md4, b"\0\0\0\0x"));
        let mut named = Hasher::new_whole_file(SumKind::Md4, 1);
        named.update(b"x");
        assert_eq!(named.finish(), digest(SumKind::Md4, b"x"));
    }

    #[test]
    fn streaming_agrees_with_one_go_and_starts_over() {
        let data: Vec<u8> = (0..5000u32).map(|i| (i * 7 % 251) as u8).collect();
        for kind in KINDS {
            let mut hasher = Hasher::new(kind);
            for _ in 0..2 {
                for piece in data.chunks(333) {
                    hasher.update(piece);
                }
                let sum = hasher.finish();
                assert_eq!(sum, digest(kind, &data), "{kind:?}");
                assert_eq!(sum.as_slice().len(), digest_len(kind));
            }
            assert_eq!(BlockHasher::new(kind, 0, true).sum(&data), digest(kind, &data));
        }
    }

    #[test]
    fn place_of_the_seed_in_block_sums() {
        let seed = 0x0102_0304;
        let first = [&[4, 3, 2, 1][..], b"data"].concat();
        let last = [b"data", &[4, 3, 2, 1][..]].concat();
        let sum = |kind, fix| BlockHasher::new(kind, seed, fix).sum(b"data");
        assert_eq!(sum(SumKind::Md5, true), digest(SumKind::Md5, &first));
        assert_eq!(sum(SumKind::Md5, false), digest(SumKind::Md5, &last));
        for fix in [false, true] {
            assert_eq!(sum(SumKind::Md4, fix), digest(SumKind::Md4, &last));
            assert_eq!(sum(SumKind::Md4Old, fix), digest(SumKind::Md4, &last));
            assert_eq!(sum(SumKind::Sha1, fix), digest(SumKind::Sha1, &first));
        }
    }

    #[test]
    fn xxh_takes_the_seed_sign_extended() {
        assert_eq!(
            BlockHasher::new(SumKind::Xxh64, -2, true).sum(b"data"),
            Digest::of_u64(xxh64::xxh64(b"data", 0xffff_ffff_ffff_fffe))
        );
    }

    #[test]
    fn a_spoiled_sum_never_matches() {
        let sum = digest(SumKind::Md5, b"x");
        let zero = Digest::from_wire(&[0; 16]);
        assert_eq!(sum.spoiled(), zero);
        assert_eq!(
            zero.spoiled().as_slice(),
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        );
    }
}
