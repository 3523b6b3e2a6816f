//! The weak sum of a block, which can be moved along the data byte by byte.
//!
//! Bytes count as signed. Both halves live modulo 2^16, so sixteen-bit lanes lose nothing and the compiler can put
//! eight of them into the smallest vector register.
//!
//! spec: protocol 8.1

/// Bytes taken per step of [`checksum`]: four SSE2 registers of sixteen-bit lanes, which hides the latency of the adds.
const LANES: usize = 32;

/// The sum of a whole buffer: `s1` in the low half, `s2` in the high half.
pub(crate) fn checksum(buf: &[u8]) -> u32 {
    // With L lanes and m steps, byte (c, j) has the weight (m - c) * L - j in s2. The lanes collect the sum of x (`sum`)
    // and of (m - c) * x (`weighted`) without a multiplication; the weights by lane are applied once at the end.
    let (sum, weighted) = lanes(buf);
    let mut s1 = 0u16;
    let mut s2 = 0u16;
    for j in 0..LANES {
        s1 = s1.wrapping_add(sum[j]);
        s2 = s2
            .wrapping_add(weighted[j].wrapping_mul(LANES as u16))
            .wrapping_sub(sum[j].wrapping_mul(j as u16));
    }
    for &byte in buf.chunks_exact(LANES).remainder() {
        s1 = s1.wrapping_add(byte as i8 as u16);
        s2 = s2.wrapping_add(s1);
    }
    u32::from(s1) | u32::from(s2) << 16
}

/// The loop over all whole steps. It stays a function of its own: together with the reduction behind it, the compiler
/// gives up the registers for a shuffle in each step, which costs eight ninths of the speed.
#[inline(never)]
fn lanes(buf: &[u8]) -> ([u16; LANES], [u16; LANES]) {
    let mut sum = [0u16; LANES];
    let mut weighted = [0u16; LANES];
    for chunk in buf.chunks_exact(LANES) {
        for j in 0..LANES {
            sum[j] = sum[j].wrapping_add(chunk[j] as i8 as u16);
        }
        for j in 0..LANES {
            weighted[j] = weighted[j].wrapping_add(sum[j]);
        }
    }
    (sum, weighted)
}

/// A sum over a window that moves.
///
/// The halves are kept in 32 bits; what overflows 16 is cut off in [`Rolling::value`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rolling {
    s1: u32,
    s2: u32,
    window: u32,
}

impl Rolling {
    /// The sum of `window`, ready to be moved.
    pub(crate) fn new(window: &[u8]) -> Self {
        let sum = checksum(window);
        Self {
            s1: sum & 0xffff,
            s2: sum >> 16,
            window: window.len() as u32,
        }
    }

    /// Moves the window by one: `out` leaves at the start, `byte` enters at the end.
    #[inline(always)]
    #[allow(clippy::inline_always)] // one call per source byte; the loop around it must stay in registers
    pub(crate) fn roll(&mut self, out: u8, byte: u8) {
        let out = out as i8 as u32;
        self.s1 = self.s1.wrapping_add(byte as i8 as u32).wrapping_sub(out);
        self.s2 = self
            .s2
            .wrapping_add(self.s1)
            .wrapping_sub(self.window.wrapping_mul(out));
    }

    /// The sum as the wire has it.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(crate) fn value(&self) -> u32 {
        self.s1 & 0xffff | self.s2 << 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(buf: &[u8]) -> u32 {
        let (mut s1, mut s2) = (0u32, 0u32);
        for &b in buf {
            s1 = s1.wrapping_add(b as i8 as u32);
            s2 = s2.wrapping_add(s1);
        }
        s1 & 0xffff | s2 << 16
    }

    #[test]
    fn table_of_the_spec() {
        let all: Vec<u8> = (0..=255).collect();
        let rows: [(&[u8], u32); 5] = [
            (b"a", 0x0061_0061),
            (b"hello\n", 0x0845_021e),
            (&[0xff; 3], 0xfffa_fffd),
            (&all, 0x6a80_ff80),
            (&[0x80; 700], 0xcd00_a200),
        ];
        for (data, sum) in rows {
            assert_eq!(checksum(data), sum);
            assert_eq!(plain(data), sum);
        }
        assert_eq!(checksum(b""), 0);
    }

    proptest! {
        #[test]
        fn lanes_agree_with_the_definition(data in prop::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(checksum(&data), plain(&data));
        }

        #[test]
        fn rolling_agrees_with_the_definition(data in prop::collection::vec(any::<u8>(), 1..600), k in 1usize..200) {
            let k = k.min(data.len());
            let mut rolling = Rolling::new(&data[..k]);
            for i in 0..data.len() - k {
                prop_assert_eq!(rolling.value(), plain(&data[i..i + k]));
                rolling.roll(data[i], data[i + k]);
            }
            prop_assert_eq!(rolling.value(), plain(&data[data.len() - k..]));
        }
    }
}
