//! MD4 as programs below protocol 27 compute it: with two defects, which both ends must have.
//!
//! spec: protocol-old 8.1

/// Bytes of a block.
const BLOCK: usize = 64;
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// A running digest. Input whose length is a multiple of 64 gets no padding block, and the count of bits in the padding
/// has 32 bits.
#[derive(Clone)]
pub(crate) struct Md4Unpadded {
    state: [u32; 4],
    /// The begin of the next block.
    block: [u8; BLOCK],
    filled: usize,
    /// Bytes so far, as far as the count of bits goes.
    len: u32,
}

impl Default for Md4Unpadded {
    fn default() -> Self {
        Self {
            state: START,
            block: [0; BLOCK],
            filled: 0,
            len: 0,
        }
    }
}

impl Md4Unpadded {
    /// Adds data.
    pub(crate) fn update(&mut self, mut data: &[u8]) {
        self.len = self.len.wrapping_add(data.len() as u32);
        if self.filled > 0 {
            let (now, rest) = data.split_at(data.len().min(BLOCK - self.filled));
            self.block[self.filled..self.filled + now.len()].copy_from_slice(now);
            self.filled += now.len();
            data = rest;
            if self.filled < BLOCK {
                return;
            }
            compress(&mut self.state, &self.block);
            self.filled = 0;
        }
        let mut blocks = data.chunks_exact(BLOCK);
        for block in &mut blocks {
            compress(&mut self.state, block);
        }
        let rest = blocks.remainder();
        self.block[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    /// The digest of what was added so far; starts over.
    pub(crate) fn finish(&mut self) -> [u8; 16] {
        if self.filled > 0 {
            let bits = self.len.wrapping_mul(8);
            self.block[self.filled] = 0x80;
            self.block[self.filled + 1..].fill(0);
            if self.filled + 9 > BLOCK {
                compress(&mut self.state, &self.block);
                self.block.fill(0);
            }
            self.block[BLOCK - 8..BLOCK - 4].copy_from_slice(&bits.to_le_bytes());
            compress(&mut self.state, &self.block);
        }
        let mut digest = [0; 16];
        for (out, word) in digest.chunks_exact_mut(4).zip(self.state) {
            out.copy_from_slice(&word.to_le_bytes());
        }
        *self = Self::default();
        digest
    }
}

/// One block of RFC 1320.
fn compress(state: &mut [u32; 4], block: &[u8]) {
    let mut x = [0u32; 16];
    for (word, bytes) in x.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let [mut a, mut b, mut c, mut d] = *state;
    let mut step = |mixed: fn(u32, u32, u32) -> u32, word: u32, constant: u32, shift: u32| {
        let next = a
            .wrapping_add(mixed(b, c, d))
            .wrapping_add(word)
            .wrapping_add(constant)
            .rotate_left(shift);
        (a, b, c, d) = (d, next, b, c);
    };
    for i in 0..16 {
        step(|b, c, d| (b & c) | (!b & d), x[i], 0, [3, 7, 11, 19][i % 4]);
    }
    for i in 0..16 {
        let word = x[i % 4 * 4 + i / 4];
        step(
            |b, c, d| (b & c) | (b & d) | (c & d),
            word,
            0x5a82_7999,
            [3, 5, 9, 13][i % 4],
        );
    }
    const ORDER: [usize; 16] = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15];
    for (i, at) in ORDER.into_iter().enumerate() {
        step(|b, c, d| b ^ c ^ d, x[at], 0x6ed9_eba1, [3, 9, 11, 15][i % 4]);
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d]) {
        *old = old.wrapping_add(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use digest::Digest as _;
    use proptest::prelude::*;

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write;
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn of(parts: &[&[u8]]) -> String {
        let mut sum = Md4Unpadded::default();
        for part in parts {
            sum.update(part);
        }
        hex(&sum.finish())
    }

    /// PRO-100: the table of protocol-old 8.3, seed 1.
    #[test]
    fn pro_100_samples() {
        let rows: [(usize, &str, &str, &str); 5] = [
            (
                0,
                "6e2d946b34531b49bd177b49c538ee64",
                "0123456789abcdeffedcba9876543210",
                "",
            ),
            (
                1,
                "c98b487b0b8d413bc21cad8320cc8253",
                "47c61a0fa8738ba77308a8a600f88e4b",
                "40a0a8440ffde0e962dded8b66a82344",
            ),
            (
                60,
                "f3dd3cd7ac4a903a8a05353fbcf4ee35",
                "3e3c6df9500bff8404486a3aefc6f16d",
                "ce8c428399680e790fc45557d7036934",
            ),
            (
                64,
                "2f0b1f9605eb738c54150dfc33de941f",
                "d4bfca4ea6f36ea263150cc9469a59db",
                "6559666fdba0ecffe1e8df080c04095d",
            ),
            (
                128,
                "7edb872bf9c2dc0ef96dbbbee0ad58a6",
                "32ff2c334d86af8110ce4060727f1da2",
                "5327beb5d36533be864b6498fff42f22",
            ),
        ];
        let seed = 1i32.to_le_bytes();
        for (n, whole, list, block) in rows {
            let data: Vec<u8> = (0..n).map(|i| i as u8).collect();
            assert_eq!(of(&[&seed, &data]), whole, "whole file of {n}");
            assert_eq!(of(&[&data]), list, "list sum of {n}");
            if !block.is_empty() {
                assert_eq!(of(&[&data, &seed]), block, "block of {n}");
            }
        }
        assert_eq!(of(&[&[0; 60], &seed]), "aedb93efe89b0dc2f34feaf4152b43eb");
    }

    /// PRO-100: the count of bits has 32 bits, which shows from 2^29 bytes on.
    #[test]
    fn pro_100_the_count_of_bits() {
        const PIECE: usize = 1 << 16;
        let zeros = vec![0; PIECE];
        let mut old = Md4Unpadded::default();
        let mut padded = md4::Md4::new();
        for _ in 0..(1 << 29) / PIECE {
            old.update(&zeros);
            padded.update(&zeros);
        }
        old.update(&[0]);
        padded.update([0]);
        assert_eq!(hex(&old.finish()), "8c62ad5cb8a310f63a21a40c69345136");
        assert_eq!(hex(&padded.finalize()), "6b20d4598e70dc88e3fe5996920d0eb4");
    }

    proptest! {
        /// Everything but the defects is MD4.
        #[test]
        fn the_same_as_md4_elsewhere(data: Vec<u8>, cut: usize) {
            prop_assume!(data.len() % 64 != 0);
            let (a, b) = data.split_at(cut % data.len());
            prop_assert_eq!(of(&[a, b]), hex(&md4::Md4::digest(&data)));
        }
    }
}
