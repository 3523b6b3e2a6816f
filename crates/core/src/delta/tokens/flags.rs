//! What the compressed forms have in common: flag bytes, pieces of data, and runs of references.
//!
//! spec: protocol 7.2

use super::{check_index, TokenOut};
use crate::error::{bail, Result};
use crate::wire::ints::Source;

/// Most bytes in one piece of compressed data.
pub(super) const MAX_PIECE: usize = 16383;
/// Highest index in a stream.
const MAX_INDEX: u32 = 0x7fff_fffe;
/// Most blocks that follow the first of a run.
const MAX_MORE: u32 = 65535;
/// Largest difference that fits into a flag byte.
const MAX_STEP: u32 = 63;

const END: u8 = 0x00;
const TOKEN_LONG: u8 = 0x20;
const RUN_LONG: u8 = 0x21;
const DATA: u8 = 0x40;
const TOKEN: u8 = 0x80;
const RUN: u8 = 0xc0;

/// Writes one piece of compressed data.
pub(super) fn put_piece(data: &[u8], out: &mut TokenOut<'_>) -> Result<()> {
    debug_assert!(!data.is_empty() && data.len() <= MAX_PIECE);
    out.write(&[DATA | (data.len() >> 8) as u8, data.len() as u8])?;
    out.write(data)
}

/// Gathers references into runs.
#[derive(Default)]
pub(super) struct RunWriter {
    last: u32,
    /// First block, and how many follow it.
    run: Option<(u32, u32)>,
}

impl RunWriter {
    pub(super) fn add(&mut self, index: u32, out: &mut TokenOut<'_>) -> Result<()> {
        if let Some((first, more)) = &mut self.run {
            if *more < MAX_MORE && first.wrapping_add(*more).wrapping_add(1) == index {
                *more += 1;
                return Ok(());
            }
        }
        self.flush(out)?;
        self.run = Some((index, 0));
        Ok(())
    }

    /// Must come before literal data and the end.
    pub(super) fn flush(&mut self, out: &mut TokenOut<'_>) -> Result<()> {
        let Some((first, more)) = self.run.take() else {
            return Ok(());
        };
        let step = first.wrapping_sub(self.last);
        let (short, long) = if more == 0 {
            (TOKEN, TOKEN_LONG)
        } else {
            (RUN, RUN_LONG)
        };
        let mut bytes = [0; 7];
        let mut len = 1;
        if step <= MAX_STEP {
            bytes[0] = short | step as u8;
        } else {
            bytes[0] = long;
            bytes[1..5].copy_from_slice(&first.to_le_bytes());
            len = 5;
        }
        if more > 0 {
            bytes[len..len + 2].copy_from_slice(&(more as u16).to_le_bytes());
            len += 2;
        }
        self.last = first.wrapping_add(more);
        out.write(&bytes[..len])
    }

    pub(super) fn end(&mut self, out: &mut TokenOut<'_>) -> Result<()> {
        self.flush(out)?;
        self.last = 0;
        out.write(&[END])
    }
}

/// What a flag byte announces.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flag {
    End,
    /// So many bytes of compressed data follow.
    Data(usize),
    /// References are waiting in the reader.
    Blocks,
}

/// Reads flag bytes and takes runs apart.
#[derive(Default)]
pub(super) struct RunReader {
    count: u32,
    last: u32,
    next: u32,
    left: u32,
}

impl RunReader {
    pub(super) fn begin_file(&mut self, count: u32) {
        *self = Self {
            count,
            ..Self::default()
        };
    }

    /// The next reference of the current run.
    pub(super) fn block(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let index = self.next;
        self.next += 1;
        Some(index)
    }

    /// Reads a flag byte with its numbers; only when [`RunReader::block`] has nothing.
    pub(super) fn flag(&mut self, src: &mut dyn Source) -> Result<Flag> {
        let flag = src.byte()?;
        let step = u32::from(flag & 0x3f);
        let (first, run) = match flag {
            END => return Ok(Flag::End),
            DATA..TOKEN => {
                let len = (step as usize) << 8 | usize::from(src.byte()?);
                if len == 0 {
                    bail!(Stream; "empty piece of compressed data");
                }
                return Ok(Flag::Data(len));
            }
            TOKEN.. => (self.last.checked_add(step), flag >= RUN),
            _ => (u32::try_from(src.int()?).ok(), flag & 1 != 0),
        };
        let more = if run { u32::from(src.shortint()?) } else { 0 };
        if run && more == 0 {
            bail!(Protocol; "Invalid run of 0 blocks");
        }
        let last = first
            .and_then(|first| first.checked_add(more))
            .filter(|&last| last <= MAX_INDEX);
        let (Some(first), Some(last)) = (first, last) else {
            bail!(Protocol; "Invalid block index in a compressed stream");
        };
        check_index(last, self.count)?;
        self.last = last;
        self.next = first;
        self.left = more + 1;
        Ok(Flag::Blocks)
    }
}
