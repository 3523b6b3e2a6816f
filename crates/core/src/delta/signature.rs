//! The sums of a basis: written by the generator, read by the sender.
//!
//! spec: protocol 6.6

use super::feed::{Feed, Intact};
use crate::error::{bail, Result};
use crate::sums::{rolling, BlockHasher, SumHead};
use crate::wire::ints::Source;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};

/// Bytes of the basis that are read at once, unless a block is longer.
const READ_SIZE: usize = 256 * 1024;
/// From this length on a basis is worth further threads.
const SHARED: u64 = 4 << 20;
/// More threads than this wait for the disk or for memory.
const MOST_THREADS: usize = 4;
/// Pieces that a thread may be ahead of what is handed on.
const AHEAD: usize = 4;
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
        Self::collected(head, |out| write(file, head, hasher, out))
    }

    /// The same of a file from its first byte on, computed on several processors if it is long.
    pub fn of_file(file: &File, head: SumHead, hasher: &BlockHasher) -> Result<(Self, Intact)> {
        Self::collected(head, |out| write_file(file, head, *hasher, out))
    }

    fn collected(
        head: SumHead,
        write: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<Intact>,
    ) -> Result<(Self, Intact)> {
        let mut bytes = Vec::new();
        let intact = write(&mut |piece| {
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
    let flength = head.flength();
    let mut buf = vec![0; piece_size(head).min(flength) as usize];
    let mut sums = Vec::new();
    let mut feed = Feed::new(file, flength);
    while feed.left() > 0 {
        let n = feed.fill(&mut buf);
        sums.clear();
        put_sums(&buf[..n], head, *hasher, &mut sums);
        out(&sums)?;
    }
    Ok(feed.into_intact())
}

/// Like [`write()`] for a file from its first byte on. The sums of a long one are computed on several processors; they
/// are handed on in order, by this thread. The file's own offset is not used then.
pub(crate) fn write_file(
    mut file: &File,
    head: SumHead,
    hasher: BlockHasher,
    out: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Intact> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.min(MOST_THREADS);
    // Only a regular file can be read at any place by several threads.
    let shared = threads > 1 && head.flength() >= SHARED && file.metadata().is_ok_and(|status| status.is_file());
    if shared {
        write_shared(file, head, hasher, out, threads)
    } else {
        write(&mut file, head, &hasher, out)
    }
}

/// Bytes of the basis of which the sums are computed at once: whole blocks.
fn piece_size(head: SumHead) -> u64 {
    let blength = head.blength as usize;
    (blength * (READ_SIZE / blength).max(1)) as u64
}

/// Adds the sums of the blocks of `data` to `sums`, in wire form.
fn put_sums(data: &[u8], head: SumHead, hasher: BlockHasher, sums: &mut Vec<u8>) {
    let strong_len = head.s2length as usize;
    let blength = head.blength as usize;
    sums.reserve((4 + strong_len) * data.len().div_ceil(blength));
    for block in data.chunks(blength) {
        sums.extend_from_slice(&rolling::checksum(block).to_le_bytes());
        sums.extend_from_slice(hasher.sum(block).prefix(strong_len));
    }
}

/// The sums of one piece of a basis, and whether all of it could be read.
type Piece = (Vec<u8>, Intact);

/// Reads the pieces of a basis at their places.
struct Pieces<'a> {
    file: &'a File,
    head: SumHead,
    hasher: BlockHasher,
    size: u64,
}

impl Pieces<'_> {
    fn count(&self) -> u64 {
        self.head.flength().div_ceil(self.size)
    }

    /// The sums of piece `number`, which must exist, read into `buf`. From a failed read on its data is zeros.
    fn sums(&self, number: u64, buf: &mut Vec<u8>) -> Piece {
        let at = number * self.size;
        let len = self.size.min(self.head.flength() - at);
        buf.resize(len as usize, 0);
        let mut place = At { file: self.file, at };
        let mut feed = Feed::new(&mut place, len);
        feed.fill(buf);
        let mut sums = Vec::new();
        put_sums(buf, self.head, self.hasher, &mut sums);
        (sums, feed.into_intact())
    }

    /// The sums of piece `number` if nothing of it can be read.
    fn zeros(&self, number: u64) -> Vec<u8> {
        let len = self.size.min(self.head.flength() - number * self.size);
        let mut sums = Vec::new();
        put_sums(&vec![0; len as usize], self.head, self.hasher, &mut sums);
        sums
    }

    /// Sends the sums of every piece of a thread: of `first` and of each `step` pieces behind it. Ends when nobody
    /// takes them any more.
    fn run(&self, first: u64, step: usize, to: &SyncSender<Piece>) {
        let mut buf = Vec::new();
        for number in (first..self.count()).step_by(step) {
            if to.send(self.sums(number, &mut buf)).is_err() {
                return;
            }
        }
    }
}

/// Reads a file from a place on.
struct At<'a> {
    file: &'a File,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// [`write_file`] with `threads` threads, this one among them: thread `i` has the pieces `i`, `i + threads` and so on.
fn write_shared(
    file: &File,
    head: SumHead,
    hasher: BlockHasher,
    out: &mut dyn FnMut(&[u8]) -> Result<()>,
    threads: usize,
) -> Result<Intact> {
    let pieces = Pieces {
        file,
        head,
        hasher,
        size: piece_size(head),
    };
    std::thread::scope(|scope| {
        let pieces = &pieces;
        let mut others: Vec<Option<Receiver<Piece>>> = Vec::new();
        for first in 1..threads {
            let (to, from) = sync_channel(AHEAD);
            let thread = std::thread::Builder::new().name("sums".into());
            let started = thread.spawn_scoped(scope, move || pieces.run(first as u64, threads, &to));
            // Without a further thread this one does its work.
            others.push(started.is_ok().then_some(from));
        }
        let mut buf = Vec::new();
        let mut intact: Intact = Ok(());
        for number in 0..pieces.count() {
            if intact.is_err() {
                out(&pieces.zeros(number))?;
                continue;
            }
            let other = match (number % threads as u64) as usize {
                0 => None,
                thread => others[thread - 1].as_ref().and_then(|from| from.recv().ok()),
            };
            let (sums, read) = other.unwrap_or_else(|| pieces.sums(number, &mut buf));
            intact = read;
            out(&sums)?;
        }
        Ok(intact)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SumKind;
    use crate::sums::size::sum_head;
    use std::io::{Seek, Write};

    /// A file without a name that has this data.
    fn file_of(data: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(data).unwrap();
        file.rewind().unwrap();
        file
    }

    fn collected(threads: usize, data: &[u8], len: u64, kind: SumKind) -> (Vec<u8>, Option<i32>) {
        let head = sum_head(len, 0, 32, kind, false);
        let hasher = BlockHasher::new(kind, 12345, true);
        let mut all = Vec::new();
        let mut out = |sums: &[u8]| {
            all.extend_from_slice(sums);
            Ok(())
        };
        let file = file_of(data);
        let intact = match threads {
            0 => write(&mut &file, head, &hasher, &mut out),
            _ => write_shared(&file, head, hasher, &mut out, threads),
        };
        (all, intact.unwrap().err().and_then(|error| error.raw_os_error()))
    }

    #[test]
    fn several_threads_write_the_same_in_the_same_order() {
        let data: Vec<u8> = (0..5_000_003u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for kind in [SumKind::Xxh128, SumKind::Md5] {
            // Whole, empty, shorter than one piece, and cut short within a piece and at the end of one.
            for (have, len) in [
                (5_000_003, 5_000_003),
                (0, 5_000_003),
                (3000, 3000),
                (1_000_000, 5_000_003),
                (READ_SIZE * 4, 5_000_003),
            ] {
                let alone = collected(0, &data[..have], len, kind);
                for threads in [1, 2, 3, 7] {
                    assert!(
                        collected(threads, &data[..have], len, kind) == alone,
                        "{have} of {len}, {threads}"
                    );
                }
            }
        }
    }

    #[test]
    fn threads_end_with_the_caller() {
        let head = sum_head(50_000_000, 0, 32, SumKind::Md5, false);
        let hasher = BlockHasher::new(SumKind::Md5, 0, true);
        let ended = write_shared(&file_of(&[1; 1000]), head, hasher, &mut |_| bail!(Memory; "full"), 3);
        assert_eq!(ended.map_err(|error| error.code()).unwrap_err(), 22);
    }

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
