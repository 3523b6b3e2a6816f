//! The plain form: an int for each run and each reference.
//!
//! spec: protocol 7.1

use super::{check_index, Token, TokenOut, MAX_OUTPUT};
use crate::error::Result;
use crate::wire::ints::Source;

/// Most bytes in one literal run of a writer.
pub(crate) const MAX_LITERAL: usize = 32 * 1024;
/// Bytes of a token.
pub(crate) const TOKEN_LEN: usize = 4;

/// Writes plain tokens. Nothing carries over from one to the next.
pub(crate) struct Encoder;

impl Encoder {
    pub(super) fn literal(data: &[u8], out: &mut TokenOut<'_>) -> Result<()> {
        for run in data.chunks(MAX_LITERAL) {
            out.write(&(run.len() as i32).to_le_bytes())?;
            out.write(run)?;
        }
        Ok(())
    }

    pub(super) fn block(index: u32, out: &mut TokenOut<'_>) -> Result<()> {
        // -(n + 1) is the complement of n.
        out.write(&(!index).to_le_bytes())
    }

    pub(super) fn end(out: &mut TokenOut<'_>) -> Result<()> {
        out.write(&[0; TOKEN_LEN])
    }
}

/// Reads plain tokens.
#[derive(Default)]
pub struct Decoder {
    count: u32,
    /// Bytes left of the literal run.
    run: u32,
    buf: Vec<u8>,
}

impl Decoder {
    pub(super) fn begin_file(&mut self, count: u32) {
        self.count = count;
        self.run = 0;
    }

    pub(super) fn next(&mut self, src: &mut dyn Source) -> Result<Token<'_>> {
        if self.run == 0 {
            match src.int()? {
                0 => return Ok(Token::End),
                n @ 1.. => self.run = n as u32,
                n => {
                    let index = !n as u32;
                    check_index(index, self.count)?;
                    return Ok(Token::Block(index));
                }
            }
        }
        let n = (self.run as usize).min(MAX_OUTPUT);
        if self.buf.len() < n {
            self.buf.resize(n, 0);
        }
        src.read_exact(&mut self.buf[..n])?;
        self.run -= n as u32;
        Ok(Token::Literal(&self.buf[..n]))
    }
}
