//! The sums of a basis: written by the generator, read by the sender.
//!
//! spec: protocol 6.6

use super::feed::{Feed, Intact};
use crate::error::{bail, Result};
use crate::sums::{rolling, BlockHasher, SumHead};
use crate::wire::ints::Source;
use std::io::Read;

/// Bytes of the basis that are read at once, unless a block is longer.
const READ_SIZE: usize = 256 * 1024;
/// Bytes of sums that are read at once: memory is taken as they arrive, whatever count the head claims.
const PIECE: usize = 64 * 1024;

/// The sums of all blocks of a basis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    /// How the basis was cut.
    pub head: SumHead,
    rolling: Vec<u32>,
    strong: Vec<u8>,
}

impl Signature {
    /// The signature that matches nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads the sums that follow `head`. More than `max_alloc` bytes of them end the run with 22.
    pub fn read(src: &mut dyn Source, head: SumHead, max_alloc: u64) -> Result<Self> {
        let strong_len = head.s2length as usize;
        let each = 4 + strong_len;
        let total = u64::from(head.count) * each as u64;
        if total > max_alloc {
            bail!(Memory; "[sender] exceeded --max-alloc={max_alloc} setting (file=core.rs, line=1)");
        }
        let mut sig = Self {
            head,
            ..Self::default()
        };
        let mut piece = vec![0u8; each * (PIECE / each).min(head.count as usize)];
        let mut left = head.count as usize * each;
        while left > 0 {
            let n = piece.len().min(left);
            src.read_exact(&mut piece[..n])?;
            left -= n;
            sig.rolling.reserve(n / each);
            sig.strong.reserve(n / each * strong_len);
            for entry in piece[..n].chunks_exact(each) {
                sig.rolling
                    .push(u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]));
                sig.strong.extend_from_slice(&entry[4..]);
            }
        }
        Ok(sig)
    }

    /// The sums of a basis that this process has.
    pub fn of(file: &mut dyn Read, head: SumHead, hasher: &BlockHasher) -> Result<(Self, Intact)> {
        let mut bytes = Vec::new();
        let intact = write(file, head, hasher, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok((Self::read(&mut &bytes[..], head, u64::MAX)?, intact))
    }

    /// Number of blocks for which there are sums (none in append mode, whatever the head says).
    pub fn len(&self) -> usize {
        self.rolling.len()
    }

    /// Whether nothing can match.
    pub fn is_empty(&self) -> bool {
        self.rolling.is_empty()
    }

    /// The rolling sum of block `i`, which must exist.
    pub fn rolling(&self, i: u32) -> u32 {
        self.rolling[i as usize]
    }

    /// What was sent of the strong sum of block `i`, which must exist.
    pub fn strong(&self, i: u32) -> &[u8] {
        let len = self.head.s2length as usize;
        &self.strong[i as usize * len..][..len]
    }

    pub(super) fn rolling_sums(&self) -> &[u32] {
        &self.rolling
    }
}

/// Computes the sums of the basis that `head` describes and hands them on in wire form, some tens of KiB at a time. The
/// head itself is not written. Data that cannot be read any more counts as zeros: that costs matches, never correctness.
#[allow(clippy::trivially_copy_pass_by_ref)] // as `search` takes it
pub(crate) fn write(
    file: &mut dyn Read,
    head: SumHead,
    hasher: &BlockHasher,
    out: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Intact> {
    if head.count == 0 || head.blength == 0 {
        return Ok(Ok(()));
    }
    let blength = head.blength as usize;
    let strong_len = head.s2length as usize;
    let flength = head.flength();
    let size = (blength * (READ_SIZE / blength).max(1)) as u64;
    let mut buf = vec![0; size.min(flength) as usize];
    let mut sums = Vec::with_capacity((4 + strong_len) * buf.len().div_ceil(blength));
    let mut feed = Feed::new(file, flength);
    while feed.left() > 0 {
        let n = feed.fill(&mut buf);
        sums.clear();
        for block in buf[..n].chunks(blength) {
            sums.extend_from_slice(&rolling::checksum(block).to_le_bytes());
            sums.extend_from_slice(hasher.sum(block).prefix(strong_len));
        }
        out(&sums)?;
    }
    Ok(feed.into_intact())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SumKind;
    use crate::sums::size::sum_head;

    #[test]
    fn written_sums_are_read_back() {
        let data: Vec<u8> = (0..1_000_003u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for kind in [SumKind::Xxh128, SumKind::Md5, SumKind::Sha1, SumKind::Xxh3] {
            for redo in [false, true] {
                let head = sum_head(data.len() as u64, 0, 32, kind, redo);
                let hasher = BlockHasher::new(kind, 12345, true);
                let (sig, intact) = Signature::of(&mut &data[..], head, &hasher).unwrap();
                assert!(intact.is_ok());
                assert_eq!(sig.len(), head.count as usize);
                for i in 0..head.count {
                    let at = head.offset(i) as usize;
                    let block = &data[at..at + head.block_len(i) as usize];
                    assert_eq!(sig.rolling(i), rolling::checksum(block));
                    assert_eq!(sig.strong(i), &hasher.sum(block).as_slice()[..head.s2length as usize]);
                }
            }
        }
    }

    #[test]
    fn a_basis_that_shrank() {
        let head = sum_head(2000, 0, 32, SumKind::Md5, false);
        let hasher = BlockHasher::new(SumKind::Md5, 0, true);
        let (sig, intact) = Signature::of(&mut &[7u8; 1000][..], head, &hasher).unwrap();
        assert!(intact.is_err());
        assert_eq!(sig.len(), 3);
        assert_eq!(sig.rolling(2), 0);
    }

    #[test]
    fn a_claimed_count_costs_nothing() {
        let head = SumHead {
            count: i32::MAX as u32,
            blength: 700,
            s2length: 16,
            remainder: 0,
        };
        assert_eq!(
            Signature::read(&mut &[0u8; 100][..], head, 1 << 30).map_err(|e| e.code()),
            Err(22)
        );
        assert_eq!(
            Signature::read(&mut &[0u8; 100][..], head, u64::MAX).map_err(|e| e.code()),
            Err(12)
        );
        let zero = SumHead::default();
        assert!(Signature::read(&mut &[][..], zero, 0).unwrap().is_empty());
    }
}
