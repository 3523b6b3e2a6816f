//! lz4: each piece is a separate block.
//!
//! spec: protocol 7.5

use super::flags::{put_piece, Flag, RunReader, RunWriter, MAX_PIECE};
use super::{Token, TokenOut};
use crate::error::{bail, Error, Result};
use crate::wire::ints::Source;
use lz4_flex::block;

/// Most bytes that a piece may decompress to.
const MAX_BLOCK: usize = 32912;

/// Writes lz4 streams.
#[derive(Default)]
pub(crate) struct Encoder {
    runs: RunWriter,
    piece: Vec<u8>,
}

impl Encoder {
    pub(super) fn begin_file(&mut self) {
        self.runs = RunWriter::default();
    }

    pub(super) fn literal(&mut self, data: &[u8], out: &mut TokenOut<'_>) -> Result<()> {
        self.runs.flush(out)?;
        self.piece.resize(block::get_maximum_output_size(MAX_PIECE), 0);
        let mut rest = data;
        while !rest.is_empty() {
            let mut take = rest.len().min(MAX_PIECE);
            let len = loop {
                let len = block::compress_into(&rest[..take], &mut self.piece)
                    .map_err(|e| Error::Stream(format!("lz4 failed: {e}")))?;
                if len <= MAX_PIECE {
                    break len;
                }
                take = take.div_ceil(2);
            };
            put_piece(&self.piece[..len], out)?;
            rest = &rest[take..];
        }
        Ok(())
    }

    pub(super) fn block(&mut self, index: u32, out: &mut TokenOut<'_>) -> Result<()> {
        self.runs.add(index, out)
    }

    pub(super) fn end(&mut self, out: &mut TokenOut<'_>) -> Result<()> {
        self.runs.end(out)
    }
}

/// Reads lz4 streams.
#[derive(Default)]
pub struct Decoder {
    runs: RunReader,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Decoder {
    pub(super) fn begin_file(&mut self, count: u32) {
        self.runs.begin_file(count);
    }

    pub(super) fn next(&mut self, src: &mut dyn Source) -> Result<Token<'_>> {
        loop {
            if let Some(index) = self.runs.block() {
                return Ok(Token::Block(index));
            }
            match self.runs.flag(src)? {
                Flag::End => return Ok(Token::End),
                Flag::Blocks => {}
                Flag::Data(len) => {
                    self.input.resize(len, 0);
                    src.read_exact(&mut self.input)?;
                    self.output.resize(MAX_BLOCK, 0);
                    let gave = block::decompress_into(&self.input, &mut self.output)
                        .map_err(|e| Error::Stream(format!("lz4 failed: {e}")))?;
                    if gave == 0 {
                        bail!(Stream; "lz4 piece without data");
                    }
                    return Ok(Token::Literal(&self.output[..gave]));
                }
            }
        }
    }
}
