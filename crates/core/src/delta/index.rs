//! From a rolling sum to the blocks that have it.

use std::ops::Range;

use super::signature::Signature;

/// Bits of the filter: at most 256 KiB, which a second-level cache holds.
const MAX_FILTER_BITS: u32 = 21;
const MIN_FILTER_BITS: u32 = 10;
/// Filter bits per block, as a power of two. With two bits tested in one word, one position in 50 or fewer passes by
/// chance; with one bit it would be one in 16, each of them a mispredicted branch.
const FILTER_RATIO_BITS: u32 = 4;

/// Spreads a sum over all bits. Multiplying by an odd number loses nothing: equal hashes are equal sums.
#[inline(always)]
#[allow(clippy::inline_always)]
fn spread(sum: u32) -> u32 {
    sum.wrapping_mul(0x9e37_79b1)
}

/// Places in a word of the filter.
#[inline(always)]
#[allow(clippy::inline_always)]
fn filter_bits_of(hash: u32) -> (u32, u32) {
    (hash & 63, hash >> 6 & 63)
}

/// Blocks with the same sums, in rising order. The groups are sorted by rolling, then by strong sum.
struct Group {
    hash: u32,
    /// Where its blocks start in [`Index::members`]; they end where those of the next group start.
    start: u32,
}

/// All full blocks of a signature, by rolling sum.
pub(super) struct Index {
    /// Two bits for each sum, both in the word that the upper bits of its hash choose.
    filter: Vec<u64>,
    filter_shift: u32,
    /// First group for each value of the upper bits of a hash, with one entry more for the end.
    directory: Vec<u32>,
    directory_shift: u32,
    groups: Vec<Group>,
    members: Vec<u32>,
}

impl Index {
    /// With `all` every block is kept, else only the first of several blocks with equal sums.
    pub(super) fn new(sig: &Signature, all: bool) -> Self {
        let short = sig.head.remainder != 0 && sig.head.remainder < sig.head.blength;
        let full = sig.len() - usize::from(short).min(sig.len());
        let mut keys: Vec<u64> = sig.rolling_sums()[..full]
            .iter()
            .enumerate()
            .map(|(i, &sum)| u64::from(spread(sum)) << 32 | i as u64)
            .collect();
        keys.sort_unstable();

        let bits = full.next_power_of_two().trailing_zeros();
        let filter_bits = (bits + FILTER_RATIO_BITS).clamp(MIN_FILTER_BITS, MAX_FILTER_BITS);
        let mut filter = vec![0u64; 1 << (filter_bits - 6)];
        let filter_shift = 32 - (filter_bits - 6);
        let directory_bits = bits.clamp(4, 22);
        let directory_shift = 32 - directory_bits;
        let mut directory = vec![0u32; (1 << directory_bits) + 1];
        let mut groups: Vec<Group> = Vec::with_capacity(full);
        let mut members: Vec<u32> = Vec::with_capacity(full);

        for run in keys.chunk_by_mut(|a, b| a >> 32 == b >> 32) {
            let hash = (run[0] >> 32) as u32;
            let (first, second) = filter_bits_of(hash);
            filter[(hash >> filter_shift) as usize] |= 1 << first | 1 << second;
            if run.len() > 1 {
                run.sort_unstable_by(|&a, &b| sig.strong(a as u32).cmp(sig.strong(b as u32)).then(a.cmp(&b)));
            }
            let mut last: Option<u32> = None;
            for &key in run.iter() {
                let block = key as u32;
                if last.is_some_and(|l| sig.strong(l) == sig.strong(block)) {
                    if all {
                        members.push(block);
                    }
                    continue;
                }
                last = Some(block);
                directory[(hash >> directory_shift) as usize + 1] += 1;
                groups.push(Group {
                    hash,
                    start: members.len() as u32,
                });
                members.push(block);
            }
        }
        let mut sum = 0;
        for entry in &mut directory {
            sum += *entry;
            *entry = sum;
        }
        Self {
            filter,
            filter_shift,
            directory,
            directory_shift,
            groups,
            members,
        }
    }

    /// Whether a block may have this sum: false is certain.
    #[inline(always)]
    #[allow(clippy::inline_always)] // one call per source byte
    pub(super) fn may_have(&self, sum: u32) -> bool {
        let hash = spread(sum);
        let (first, second) = filter_bits_of(hash);
        self.filter
            .get((hash >> self.filter_shift) as usize)
            .is_some_and(|word| word >> first & word >> second & 1 != 0)
    }

    /// The groups of blocks with this rolling sum.
    pub(super) fn candidates(&self, sum: u32) -> Range<usize> {
        let hash = spread(sum);
        let slot = (hash >> self.directory_shift) as usize;
        let (from, to) = (self.directory[slot] as usize, self.directory[slot + 1] as usize);
        let slot = &self.groups[from..to];
        let first = from + slot.partition_point(|g| g.hash < hash);
        let count = self.groups[first..to].partition_point(|g| g.hash == hash);
        first..first + count
    }

    /// The one of `candidates` with this strong sum. They are sorted by it, so however many blocks a peer gives the
    /// same rolling sum, none is missed and the search stays short (spec: protocol 9.1).
    pub(super) fn with_strong(&self, candidates: Range<usize>, sig: &Signature, strong: &[u8]) -> Option<usize> {
        let first = candidates.start;
        self.groups[candidates]
            .binary_search_by(|g| sig.strong(self.members[g.start as usize]).cmp(strong))
            .ok()
            .map(|at| first + at)
    }

    /// The blocks of a group: not empty, in rising order.
    pub(super) fn blocks(&self, group: usize) -> &[u32] {
        let end = self
            .groups
            .get(group + 1)
            .map_or(self.members.len(), |next| next.start as usize);
        &self.members[self.groups[group].start as usize..end]
    }
}
