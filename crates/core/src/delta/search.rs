//! Finding the blocks of a basis in a new file.
//!
//! A window of one block length moves over the file. Where a block was just found, the next one is expected and tried
//! first; elsewhere the rolling sum passes a small filter before the index is looked at, and the strong sum is
//! computed only where a rolling sum is equal, and within a budget ([`super::effort`]). The file is read once, in order,
//! through a buffer: no seeking, and nothing that can fault when the file is cut short.
//!
//! spec: protocol 9

use super::effort::{Effort, Known};
use super::feed::{Feed, Intact};
use super::index::Index;
use super::signature::Signature;
use crate::error::Result;
use crate::sums::rolling::{checksum, Rolling};
use crate::sums::{BlockHasher, Hasher, SumHead};
use std::io::Read;

/// Bytes of the source that are read at once.
const READ_SIZE: usize = 256 * 1024;

/// Takes the result of a search, in the order of the source.
pub trait TokenSink {
    /// Data that is in no block. Several calls may follow each other.
    fn literal(&mut self, data: &[u8]) -> Result<()>;
    /// Block `index` of the basis, which has this data.
    fn block(&mut self, index: u32, data: &[u8]) -> Result<()>;
}

/// What a search did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchStats {
    /// Blocks found.
    pub matches: u64,
    /// Positions at which a block had the rolling sum of the window.
    pub hash_hits: u64,
    /// Those of them at which no strong sum was equal.
    pub false_alarms: u64,
    /// Bytes of the windows whose strong sum was computed.
    pub hashed: u64,
    /// Bytes sent as they are.
    pub literal: u64,
    /// Bytes covered by blocks.
    pub matched: u64,
}

/// Sends what is left of `feed` as literals.
fn rest(feed: &mut Feed, whole: &mut Hasher, sink: &mut dyn TokenSink, stats: &mut SearchStats) -> Result<()> {
    let mut buf = vec![0; feed.left().min(READ_SIZE as u64) as usize];
    while feed.left() > 0 {
        let n = feed.fill(&mut buf);
        whole.update(&buf[..n]);
        stats.literal += n as u64;
        sink.literal(&buf[..n])?;
    }
    Ok(())
}

/// Passes over the first `len` bytes of `src`, which the receiver has already (append mode). They are hashed if `whole`
/// is given, as `--append-verify` and protocols before 30 want it.
///
/// spec: protocol 6.7
pub fn skip_appended(src: &mut dyn Read, len: u64, mut whole: Option<&mut Hasher>) -> Intact {
    let mut feed = Feed::new(src, len);
    let mut buf = vec![0; len.min(READ_SIZE as u64) as usize];
    while feed.left() > 0 {
        let n = feed.fill(&mut buf);
        if let Some(whole) = whole.as_deref_mut() {
            whole.update(&buf[..n]);
        }
    }
    feed.into_intact()
}

/// Searches `file_len` bytes of `src` for the blocks of `sig`, adds all of them to `whole`, and hands literals and
/// blocks to `sink`.
///
/// `inplace` says that the receiver overwrites the basis while it reads from it (spec: protocol 9.2). An error
/// inside means that some of the data was not the file's, so the whole-file sum must be spoiled.
#[allow(clippy::too_many_arguments)] // what is searched, for what, and where the results go: no two belong together
pub fn search(
    src: &mut dyn Read,
    file_len: u64,
    sig: &Signature,
    hasher: &BlockHasher,
    inplace: bool,
    whole: &mut Hasher,
    sink: &mut dyn TokenSink,
    stats: &mut SearchStats,
) -> Result<Intact> {
    let mut feed = Feed::new(src, file_len);
    if sig.is_empty() || sig.head.blength == 0 {
        rest(&mut feed, whole, sink, stats)?;
        return Ok(feed.into_intact());
    }
    let blength = sig.head.blength as usize;
    let size = file_len.min((READ_SIZE + 2 * blength) as u64) as usize;
    let mut run = Run {
        head: sig.head,
        sig,
        index: Index::new(sig, inplace),
        effort: Effort::new(sig.len(), blength),
        hasher,
        inplace,
        kept: if inplace {
            vec![0; sig.len().div_ceil(64)]
        } else {
            Vec::new()
        },
        expected: 0,
        feed,
        whole,
        sink,
        stats,
        buf: vec![0; size],
        offset: 0,
        literal: 0,
        pos: 0,
        end: 0,
    };
    run.full_blocks()?;
    run.last_block()?;
    run.literal_to(run.end)?;
    Ok(run.feed.into_intact())
}

struct Run<'a, 'b> {
    head: SumHead,
    sig: &'a Signature,
    index: Index,
    effort: Effort,
    hasher: &'a BlockHasher,
    inplace: bool,
    /// In place: one bit for each block that was found at its own offset and so need not move.
    kept: Vec<u64>,
    /// The block after the one found last.
    expected: u32,
    feed: Feed<'b>,
    whole: &'a mut Hasher,
    sink: &'a mut dyn TokenSink,
    stats: &'a mut SearchStats,
    buf: Vec<u8>,
    /// Of `buf[0]` in the source.
    offset: u64,
    /// Positions in `buf`: of the first byte not yet handed on, of the window, and of the end of the data.
    literal: usize,
    pos: usize,
    end: usize,
}

impl Run<'_, '_> {
    /// Moves what is still needed to the front of the buffer and reads behind it.
    fn refill(&mut self) -> Result<()> {
        self.literal_to(self.pos)?;
        self.buf.copy_within(self.pos..self.end, 0);
        self.offset += self.pos as u64;
        self.end -= self.pos;
        self.pos = 0;
        self.literal = 0;
        let n = self.feed.fill(&mut self.buf[self.end..]);
        self.whole.update(&self.buf[self.end..self.end + n]);
        self.end += n;
        Ok(())
    }

    fn literal_to(&mut self, to: usize) -> Result<()> {
        if to > self.literal {
            self.stats.literal += (to - self.literal) as u64;
            self.sink.literal(&self.buf[self.literal..to])?;
            self.literal = to;
        }
        Ok(())
    }

    fn block(&mut self, index: u32, len: usize) -> Result<()> {
        self.literal_to(self.pos)?;
        if self.inplace && self.head.offset(index) == self.output() {
            self.kept[index as usize / 64] |= 1 << (index % 64);
        }
        self.stats.matches += 1;
        self.stats.matched += len as u64;
        self.sink.block(index, &self.buf[self.pos..self.pos + len])?;
        self.pos += len;
        self.literal = self.pos;
        self.expected = index.wrapping_add(1);
        Ok(())
    }

    /// Where the receiver will be when it gets the next token for the window.
    fn output(&self) -> u64 {
        self.offset + self.pos as u64
    }

    fn is_kept(&self, index: u32) -> bool {
        self.kept[index as usize / 64] >> (index % 64) & 1 != 0
    }

    /// Whether the receiver still has block `index` (spec: protocol 9.2).
    fn usable(&self, index: u32) -> bool {
        !self.inplace || self.head.offset(index) >= self.output() || self.is_kept(index)
    }

    /// Matches at all positions where a whole block length is left.
    fn full_blocks(&mut self) -> Result<()> {
        let blength = self.head.blength as usize;
        'window: loop {
            if self.end - self.pos < blength && self.feed.left() > 0 {
                self.refill()?;
            }
            if self.end - self.pos < blength {
                return Ok(());
            }
            let mut rolling = Rolling::new(&self.buf[self.pos..self.pos + blength]);
            loop {
                if let Some(index) = self.find(rolling.value(), blength) {
                    self.block(index, blength)?;
                    continue 'window;
                }
                // The window was tested in vain; on to the next one that passes the filter.
                loop {
                    if self.pos + blength == self.end {
                        if self.feed.left() == 0 {
                            self.pos += 1;
                            return Ok(());
                        }
                        self.refill()?;
                    }
                    let (steps, found) = roll_on(&self.index, &mut rolling, &self.buf[self.pos..self.end], blength);
                    self.pos += steps;
                    if found {
                        break;
                    }
                }
            }
        }
    }

    /// The short block at the end of the basis, which can only be at the end of the source.
    fn last_block(&mut self) -> Result<()> {
        let short = self.head.remainder as usize;
        let last = self.head.count.wrapping_sub(1);
        if short == 0 || short >= self.head.blength as usize || self.sig.len() != self.head.count as usize {
            return Ok(());
        }
        // A short source may never have filled a window; everything there is has been read.
        let Some(at) = self.end.checked_sub(short).filter(|&at| at >= self.literal) else {
            return Ok(());
        };
        let data = &self.buf[at..self.end];
        if checksum(data) != self.sig.rolling(last) {
            return Ok(());
        }
        self.stats.hash_hits += 1;
        if self.hasher.sum(data).prefix(self.head.s2length as usize) != self.sig.strong(last) {
            self.stats.false_alarms += 1;
            return Ok(());
        }
        self.pos = at;
        if self.usable(last) {
            self.block(last, short)?;
        }
        Ok(())
    }

    /// The block that the window has, if it has the rolling sum `sum`.
    fn find(&mut self, sum: u32, blength: usize) -> Option<u32> {
        let full = |block: u32| (block as usize) < self.sig.len() && self.head.block_len(block) as usize == blength;
        let has_sum = |block: u32| full(block) && self.sig.rolling(block) == sum;

        // In place a block that is already where it belongs costs the receiver nothing at all.
        let own = (self.inplace && self.output().is_multiple_of(blength as u64))
            .then(|| u32::try_from(self.output() / blength as u64).ok())
            .flatten()
            .filter(|&own| has_sum(own));
        let next = Some(self.expected).filter(|&next| has_sum(next) && self.usable(next));
        let likely = [own, next].into_iter().flatten();
        if likely.clone().next().is_none() && (!self.index.may_have(sum) || self.index.candidates(sum).is_empty()) {
            return None;
        }

        self.stats.hash_hits += 1;
        match self.effort.recall(&self.buf, self.pos, self.offset) {
            Some(Known::Nothing) => {
                self.stats.false_alarms += 1;
                return None;
            }
            // What has become usable since is tested again.
            Some(Known::Group(group)) if self.usable_of(self.index.blocks(group)).is_none() => return None,
            _ => {}
        }
        if !self.effort.allows(self.output()) {
            return None;
        }
        self.stats.hashed += blength as u64;
        let digest = self.hasher.sum(&self.buf[self.pos..self.pos + blength]);
        let strong = digest.prefix(self.head.s2length as usize);
        if let Some(block) = likely.clone().find(|&block| self.sig.strong(block) == strong) {
            return Some(block);
        }
        let known = match self.index.with_strong(self.index.candidates(sum), self.sig, strong) {
            Some(group) => {
                let blocks = self.index.blocks(group);
                let found = if self.inplace {
                    self.usable_of(blocks)
                } else {
                    Some(blocks[0])
                };
                if found.is_some() {
                    return found;
                }
                Known::Group(group)
            }
            None => {
                self.stats.false_alarms += 1;
                Known::Nothing
            }
        };
        self.effort.in_vain(known, &self.buf, self.pos, self.offset);
        None
    }

    /// In place: the nearest of equal blocks that lies ahead, else one that need not move.
    fn usable_of(&self, group: &[u32]) -> Option<u32> {
        let output = self.output();
        let ahead = group.partition_point(|&block| self.head.offset(block) < output);
        group.get(ahead).copied().or_else(|| {
            // The latest come first and are the likeliest; the bound keeps a file of one repeated block linear.
            group[..ahead]
                .iter()
                .rev()
                .take(16)
                .copied()
                .find(|&block| self.is_kept(block))
        })
    }
}

/// Moves the window at the start of `data` until its sum passes the filter or the data ends: the number of steps (at
/// least one is possible), and whether the filter was passed.
#[inline(never)]
fn roll_on(index: &Index, rolling: &mut Rolling, data: &[u8], blength: usize) -> (usize, bool) {
    let entering = &data[blength..];
    let mut moving = *rolling;
    for (step, (&out, &byte)) in data.iter().zip(entering).enumerate() {
        moving.roll(out, byte);
        if index.may_have(moving.value()) {
            *rolling = moving;
            return (step + 1, true);
        }
    }
    *rolling = moving;
    (entering.len(), false)
}

#[cfg(test)]
pub(crate) mod tests;
