//! zlib and zlibx: one raw deflate stream per file, flushed at each reference. With zlib the data of referenced blocks
//! belongs to the history as well.
//!
//! Only what the window can still reach when literal data comes next matters, so both directions keep the last 32 KiB
//! of a stretch of references and enter them once, instead of running every block through the codec.
//!
//! spec: protocol 7.3

use super::flags::{put_piece, Flag, RunReader, RunWriter, MAX_PIECE};
use super::{Token, TokenOut, MAX_OUTPUT};
use crate::error::{bail, Error, Result};
use crate::wire::ints::Source;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Bytes of history that deflate can refer to.
const WINDOW: usize = 32 * 1024;
/// What a sync flush ends with, and what is not sent.
const SYNC_TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// Most bytes of a stored block, by which the reference implementation enters a block into the history.
const MAX_STORED: usize = 65535;
/// Level if none is given.
const DEFAULT_LEVEL: i32 = 6;

/// Data of referenced blocks that is not yet in the history of the codec.
#[derive(Default)]
struct Unseen {
    data: Vec<u8>,
    /// Before protocol 31 the second and later 65535 bytes of a block are taken from its start again.
    repeats: bool,
}

impl Unseen {
    fn add(&mut self, block: &[u8]) {
        if !self.repeats || block.len() <= MAX_STORED {
            self.push(block);
            return;
        }
        let mut left = block.len();
        while left > 0 {
            let n = left.min(MAX_STORED);
            self.push(&block[..n]);
            left -= n;
        }
    }

    fn push(&mut self, data: &[u8]) {
        let data = &data[data.len().saturating_sub(WINDOW)..];
        if data.len() == WINDOW {
            self.data.clear();
        } else if self.data.len() + data.len() > 4 * WINDOW {
            let surplus = self.data.len() - WINDOW;
            self.data.drain(..surplus);
        }
        self.data.extend_from_slice(data);
    }

    /// The part of it that counts.
    fn window(&self) -> &[u8] {
        &self.data[self.data.len().saturating_sub(WINDOW)..]
    }
}

/// Writes zlib and zlibx streams.
pub(crate) struct Encoder {
    deflate: Compress,
    /// Nothing was compressed since the last reset.
    fresh: bool,
    history: bool,
    unseen: Unseen,
    runs: RunWriter,
    /// Output that is not sent yet: its last four bytes may be those of a flush.
    pending: Vec<u8>,
    /// Literal data came since the last flush.
    open: bool,
}

impl Encoder {
    /// `history`: referenced blocks are entered (zlib).
    pub(super) fn new(level: i32, history: bool, protocol: u8) -> Self {
        let level = if level < 0 { DEFAULT_LEVEL } else { level.min(9) };
        Self {
            deflate: Compress::new(Compression::new(level as u32), false),
            fresh: true,
            history,
            unseen: Unseen {
                repeats: protocol < 31,
                ..Unseen::default()
            },
            runs: RunWriter::default(),
            pending: Vec::new(),
            open: false,
        }
    }

    pub(super) fn begin_file(&mut self) {
        if !self.fresh {
            self.deflate.reset();
            self.fresh = true;
        }
        self.unseen.data.clear();
        self.runs = RunWriter::default();
        self.pending.clear();
        self.open = false;
    }

    pub(super) fn literal(&mut self, data: &[u8], out: &mut TokenOut<'_>) -> Result<()> {
        self.runs.flush(out)?;
        if !self.unseen.data.is_empty() {
            // After a sync flush the stream stands between two blocks, where a raw deflater takes a dictionary as
            // though it had been compressed: the same history as the reader's, without the work of compressing.
            self.deflate
                .set_dictionary(self.unseen.window())
                .map_err(|e| deflate_error(&e))?;
            self.unseen.data.clear();
        }
        self.fresh = false;
        self.open = true;
        let mut rest = data;
        while !rest.is_empty() {
            let before = self.deflate.total_in();
            self.pending.reserve(MAX_PIECE);
            self.deflate
                .compress_vec(rest, &mut self.pending, FlushCompress::None)
                .map_err(|e| deflate_error(&e))?;
            rest = &rest[(self.deflate.total_in() - before) as usize..];
            self.send(out, false)?;
        }
        Ok(())
    }

    /// Sends whole pieces, but never bytes that a flush might still have to take back.
    fn send(&mut self, out: &mut TokenOut<'_>, all: bool) -> Result<()> {
        let mut sent = 0;
        let keep = if all { 0 } else { SYNC_TAIL.len() };
        while self.pending.len() - sent >= MAX_PIECE + keep {
            put_piece(&self.pending[sent..sent + MAX_PIECE], out)?;
            sent += MAX_PIECE;
        }
        if all && sent < self.pending.len() {
            put_piece(&self.pending[sent..], out)?;
            sent = self.pending.len();
        }
        self.pending.drain(..sent);
        Ok(())
    }

    fn flush(&mut self, out: &mut TokenOut<'_>) -> Result<()> {
        if !self.open {
            return Ok(());
        }
        loop {
            self.pending.reserve(MAX_PIECE);
            let room = self.pending.capacity();
            self.deflate
                .compress_vec(&[], &mut self.pending, FlushCompress::Sync)
                .map_err(|e| deflate_error(&e))?;
            // The flush is complete when it leaves room.
            if self.pending.len() < room {
                break;
            }
            self.send(out, false)?;
        }
        if !self.pending.ends_with(&SYNC_TAIL) {
            bail!(Stream; "deflate did not flush");
        }
        self.pending.truncate(self.pending.len() - SYNC_TAIL.len());
        self.open = false;
        self.send(out, true)
    }

    pub(super) fn block(&mut self, index: u32, data: &[u8], out: &mut TokenOut<'_>) -> Result<()> {
        self.flush(out)?;
        if self.history {
            self.unseen.add(data);
        }
        self.runs.add(index, out)
    }

    pub(super) fn end(&mut self, out: &mut TokenOut<'_>) -> Result<()> {
        self.flush(out)?;
        self.runs.end(out)?;
        self.begin_file();
        Ok(())
    }
}

fn deflate_error(error: &dyn std::fmt::Display) -> Error {
    Error::Stream(format!("deflate failed: {error}"))
}

/// What a decoder does next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Reads a flag byte.
    Flag,
    /// Gives what the inflater has for the piece it was fed.
    Piece,
    /// The same for the tail of a sync flush that is not on the wire; then follows what the flag byte said.
    Tail { end: bool },
}

/// Reads zlib and zlibx streams.
pub struct Decoder {
    inflate: Decompress,
    fresh: bool,
    history: bool,
    unseen: Unseen,
    runs: RunReader,
    step: Step,
    /// Data came since the last tail.
    open: bool,
    input: Vec<u8>,
    /// How much of `input` the inflater has taken.
    taken: usize,
    output: Vec<u8>,
}

impl Decoder {
    pub(super) fn new(history: bool, protocol: u8) -> Self {
        Self {
            inflate: Decompress::new(false),
            fresh: true,
            history,
            unseen: Unseen {
                repeats: protocol < 31,
                ..Unseen::default()
            },
            runs: RunReader::default(),
            step: Step::Flag,
            open: false,
            input: Vec::new(),
            taken: 0,
            output: Vec::new(),
        }
    }

    pub(super) fn begin_file(&mut self, count: u32) {
        if !self.fresh {
            self.inflate.reset(false);
            self.fresh = true;
        }
        self.unseen.data.clear();
        self.runs.begin_file(count);
        self.step = Step::Flag;
        self.open = false;
    }

    pub(super) fn wants_blocks(&self) -> bool {
        self.history
    }

    pub(super) fn see_block(&mut self, data: &[u8]) {
        if self.history {
            self.unseen.add(data);
        }
    }

    /// Enters the blocks seen as a stored block, whose output is thrown away.
    fn enter_blocks(&mut self) -> Result<()> {
        let window = self.unseen.window();
        if window.is_empty() {
            return Ok(());
        }
        let len = window.len() as u16;
        let mut head = [0u8; 5];
        head[1..3].copy_from_slice(&len.to_le_bytes());
        head[3..5].copy_from_slice(&(!len).to_le_bytes());
        self.output.resize(MAX_OUTPUT, 0);
        let mut produced = 0;
        for (part, input) in [(0, &head[..]), (window.len() as u64, window)] {
            let before = (self.inflate.total_in(), self.inflate.total_out());
            match self.inflate.decompress(input, &mut self.output, FlushDecompress::Sync) {
                Ok(Status::Ok | Status::BufError) => {}
                _ => bail!(Stream; "inflate of a matched block failed"),
            }
            produced += self.inflate.total_out() - before.1;
            if self.inflate.total_in() - before.0 != input.len() as u64 || produced != part {
                bail!(Stream; "inflate of a matched block stopped short");
            }
        }
        self.unseen.data.clear();
        Ok(())
    }

    /// Runs the inflater on the rest of the input: the bytes it gave, 0 when it has no more.
    fn run(&mut self) -> Result<usize> {
        self.output.resize(MAX_OUTPUT, 0);
        loop {
            let before = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(&self.input[self.taken..], &mut self.output, FlushDecompress::Sync);
            let took = (self.inflate.total_in() - before.0) as usize;
            let gave = (self.inflate.total_out() - before.1) as usize;
            self.taken += took;
            match status {
                Ok(Status::Ok | Status::BufError) => {}
                // A deflate stream has no end of its own: the end of a file is a flag byte.
                Ok(Status::StreamEnd) => bail!(Stream; "inflate returned 1 in a token stream"),
                Err(e) => bail!(Stream; "inflate failed: {e}"),
            }
            if gave > 0 {
                return Ok(gave);
            }
            if self.taken == self.input.len() {
                return Ok(0);
            }
            if took == 0 {
                bail!(Stream; "inflate makes no progress");
            }
        }
    }

    pub(super) fn next(&mut self, src: &mut dyn Source) -> Result<Token<'_>> {
        loop {
            match self.step {
                Step::Flag => {
                    if let Some(index) = self.runs.block() {
                        return Ok(Token::Block(index));
                    }
                    match self.runs.flag(src)? {
                        Flag::Data(len) => {
                            self.fresh = false;
                            self.enter_blocks()?;
                            self.input.resize(len, 0);
                            src.read_exact(&mut self.input)?;
                            self.taken = 0;
                            self.open = true;
                            self.step = Step::Piece;
                        }
                        flag => {
                            let end = flag == Flag::End;
                            self.input.clear();
                            self.taken = 0;
                            if self.open {
                                self.input.extend_from_slice(&SYNC_TAIL);
                                self.open = false;
                            }
                            self.step = Step::Tail { end };
                        }
                    }
                }
                Step::Piece => {
                    let gave = self.run()?;
                    if gave > 0 {
                        return Ok(Token::Literal(&self.output[..gave]));
                    }
                    self.step = Step::Flag;
                }
                Step::Tail { end } => {
                    let gave = if self.input.is_empty() { 0 } else { self.run()? };
                    if gave > 0 {
                        return Ok(Token::Literal(&self.output[..gave]));
                    }
                    self.step = Step::Flag;
                    if end {
                        return Ok(Token::End);
                    }
                }
            }
        }
    }
}
