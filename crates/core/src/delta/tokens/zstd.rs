//! zstd: one stream for the whole connection, flushed at each reference and at the end of each file.
//!
//! spec: protocol 7.4

use super::flags::{put_piece, Flag, RunReader, RunWriter, MAX_PIECE};
use super::{Token, TokenOut, MAX_OUTPUT};
use crate::error::{bail, Error, Result};
use crate::wire::ints::Source;
use zstd::stream::raw::{CParameter, DParameter, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe;

/// Level if none (or 0) is given.
const DEFAULT_LEVEL: i32 = 3;
/// Largest window of a peer, as a power of two: 128 MiB, the library's own limit for streams.
const MAX_WINDOW_LOG: u32 = 27;

fn codec_error(error: &std::io::Error) -> Error {
    Error::Stream(format!("zstd failed: {error}"))
}

/// Writes zstd streams.
pub(crate) struct Encoder {
    zstd: zstd::stream::raw::Encoder<'static>,
    runs: RunWriter,
    /// One piece in the making.
    piece: Vec<u8>,
    used: usize,
    /// Literal data came since the last flush.
    open: bool,
}

impl Encoder {
    pub(super) fn new(level: i32, threads: u32) -> Result<Self> {
        let level = if level == 0 { DEFAULT_LEVEL } else { level };
        let range = zstd_safe::min_c_level()..=zstd_safe::max_c_level();
        let level = level.clamp(*range.start(), *range.end());
        let mut zstd = zstd::stream::raw::Encoder::new(level).map_err(|e| codec_error(&e))?;
        if threads > 0 {
            // More threads than the library allows are none at all; compression works without.
            let _ = zstd.set_parameter(CParameter::NbWorkers(threads));
        }
        Ok(Self {
            zstd,
            runs: RunWriter::default(),
            piece: vec![0; MAX_PIECE],
            used: 0,
            open: false,
        })
    }

    pub(super) fn begin_file(&mut self) {
        self.runs = RunWriter::default();
    }

    pub(super) fn literal(&mut self, data: &[u8], out: &mut TokenOut<'_>) -> Result<()> {
        self.runs.flush(out)?;
        self.open = true;
        let mut input = InBuffer::around(data);
        while input.pos() < data.len() {
            let mut output = OutBuffer::around_pos(&mut self.piece, self.used);
            self.zstd.run(&mut input, &mut output).map_err(|e| codec_error(&e))?;
            self.used = output.pos();
            self.send(out, false)?;
        }
        Ok(())
    }

    fn send(&mut self, out: &mut TokenOut<'_>, all: bool) -> Result<()> {
        if self.used == MAX_PIECE || (all && self.used > 0) {
            put_piece(&self.piece[..self.used], out)?;
            self.used = 0;
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut TokenOut<'_>) -> Result<()> {
        while self.open {
            let mut output = OutBuffer::around_pos(&mut self.piece, self.used);
            let left = self.zstd.flush(&mut output).map_err(|e| codec_error(&e))?;
            self.used = output.pos();
            self.open = left > 0;
            self.send(out, !self.open)?;
        }
        Ok(())
    }

    pub(super) fn block(&mut self, index: u32, out: &mut TokenOut<'_>) -> Result<()> {
        self.flush(out)?;
        self.runs.add(index, out)
    }

    pub(super) fn end(&mut self, out: &mut TokenOut<'_>) -> Result<()> {
        self.flush(out)?;
        self.runs.end(out)
    }
}

/// Reads zstd streams.
pub struct Decoder {
    zstd: zstd::stream::raw::Decoder<'static>,
    runs: RunReader,
    input: Vec<u8>,
    taken: usize,
    output: Vec<u8>,
    /// The last call filled the output, so there may be more without further input.
    more: bool,
}

impl Decoder {
    pub(super) fn new() -> Result<Self> {
        let mut zstd = zstd::stream::raw::Decoder::new().map_err(|e| codec_error(&e))?;
        zstd.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG))
            .map_err(|e| codec_error(&e))?;
        Ok(Self {
            zstd,
            runs: RunReader::default(),
            input: Vec::new(),
            taken: 0,
            output: Vec::new(),
            more: false,
        })
    }

    pub(super) fn begin_file(&mut self, count: u32) {
        self.runs.begin_file(count);
        self.input.clear();
        self.taken = 0;
        self.more = false;
    }

    pub(super) fn next(&mut self, src: &mut dyn Source) -> Result<Token<'_>> {
        loop {
            while self.taken < self.input.len() || self.more {
                self.output.resize(MAX_OUTPUT, 0);
                let mut input = InBuffer::around(&self.input[self.taken..]);
                let mut output = OutBuffer::around(&mut self.output[..]);
                self.zstd.run(&mut input, &mut output).map_err(|e| codec_error(&e))?;
                let (took, gave) = (input.pos(), output.pos());
                self.taken += took;
                self.more = gave == MAX_OUTPUT;
                if gave > 0 {
                    return Ok(Token::Literal(&self.output[..gave]));
                }
                if took == 0 && !self.more && self.taken < self.input.len() {
                    bail!(Stream; "zstd makes no progress");
                }
            }
            if let Some(index) = self.runs.block() {
                return Ok(Token::Block(index));
            }
            match self.runs.flag(src)? {
                Flag::End => return Ok(Token::End),
                Flag::Blocks => {}
                Flag::Data(len) => {
                    self.input.resize(len, 0);
                    src.read_exact(&mut self.input)?;
                    self.taken = 0;
                }
            }
        }
    }
}
