//! The token streams: literal runs and block references, in one of four forms that is fixed for a connection.
//!
//! spec: protocol 7

pub(crate) mod deflate;
pub(crate) mod lz4;
pub(crate) mod plain;
pub(crate) mod zstd;

mod flags;

use super::search::TokenSink;
use crate::error::{Error, Result};
use crate::plan::CompressKind;
use crate::wire::ints::Source;

/// Most bytes of literal data that a decoder hands on at once.
pub(crate) const MAX_OUTPUT: usize = 32 * 1024;

/// Where an encoder's bytes go. Small ones are gathered, literal data passes through without a copy.
pub(crate) struct TokenOut<'a> {
    gathered: Vec<u8>,
    put: &'a mut dyn FnMut(&[u8]) -> Result<()>,
}

impl<'a> TokenOut<'a> {
    /// Bytes up to this size are worth a copy, to save a call.
    const SMALL: usize = 4096;
    /// Gathered bytes are passed on when they reach this.
    const FULL: usize = 32 * 1024;

    /// Everything goes to `put`, in order.
    pub(crate) fn new(put: &'a mut dyn FnMut(&[u8]) -> Result<()>) -> Self {
        Self {
            gathered: Vec::new(),
            put,
        }
    }

    /// Adds bytes.
    pub(crate) fn write(&mut self, data: &[u8]) -> Result<()> {
        if data.len() > Self::SMALL {
            self.flush()?;
            return (self.put)(data);
        }
        self.gathered.extend_from_slice(data);
        if self.gathered.len() >= Self::FULL {
            self.flush()?;
        }
        Ok(())
    }

    /// Passes on what was gathered. Dropping without it loses bytes.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if !self.gathered.is_empty() {
            (self.put)(&self.gathered)?;
            self.gathered.clear();
        }
        Ok(())
    }
}

/// Writes the token streams of all files of a connection, one after the other.
pub(crate) enum Encoder {
    /// Spec: protocol 7.1.
    Plain,
    /// zlib and zlibx (spec: protocol 7.3).
    Deflate(deflate::Encoder),
    /// Spec: protocol 7.4.
    Zstd(zstd::Encoder),
    /// Spec: protocol 7.5.
    Lz4(lz4::Encoder),
}

impl Encoder {
    /// `level` and `threads` as options give them; codecs without such settings ignore them.
    pub(crate) fn new(kind: CompressKind, level: i32, threads: u32, protocol: u8) -> Result<Self> {
        Ok(match kind {
            CompressKind::None => Self::Plain,
            CompressKind::Zlib => Self::Deflate(deflate::Encoder::new(level, true, protocol)),
            CompressKind::Zlibx => Self::Deflate(deflate::Encoder::new(level, false, protocol)),
            CompressKind::Zstd => Self::Zstd(zstd::Encoder::new(level, threads)?),
            CompressKind::Lz4 => Self::Lz4(lz4::Encoder::default()),
        })
    }

    /// Starts the stream of a file, whether or not the last one was ended.
    pub(crate) fn begin_file(&mut self) {
        match self {
            Self::Plain => {}
            Self::Deflate(e) => e.begin_file(),
            Self::Zstd(e) => e.begin_file(),
            Self::Lz4(e) => e.begin_file(),
        }
    }

    /// Literal data. It may stay inside until the next reference or the end of the file.
    pub(crate) fn literal(&mut self, data: &[u8], out: &mut TokenOut<'_>) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        match self {
            Self::Plain => plain::Encoder::literal(data, out),
            Self::Deflate(e) => e.literal(data, out),
            Self::Zstd(e) => e.literal(data, out),
            Self::Lz4(e) => e.literal(data, out),
        }
    }

    /// A reference to block `index`, whose data is `data`.
    pub(crate) fn block(&mut self, index: u32, data: &[u8], out: &mut TokenOut<'_>) -> Result<()> {
        match self {
            Self::Plain => plain::Encoder::block(index, out),
            Self::Deflate(e) => e.block(index, data, out),
            Self::Zstd(e) => e.block(index, out),
            Self::Lz4(e) => e.block(index, out),
        }
    }

    /// The end of the file. The whole-file sum is the caller's.
    pub(crate) fn end(&mut self, out: &mut TokenOut<'_>) -> Result<()> {
        match self {
            Self::Plain => plain::Encoder::end(out),
            Self::Deflate(e) => e.end(out),
            Self::Zstd(e) => e.end(out),
            Self::Lz4(e) => e.end(out),
        }
    }
}

/// An encoder and the place for its bytes, as the sink of a search.
pub(crate) struct EncodeTo<'a, 'b> {
    /// The encoder of the connection.
    pub encoder: &'a mut Encoder,
    /// Where the bytes go.
    pub out: &'a mut TokenOut<'b>,
}

impl TokenSink for EncodeTo<'_, '_> {
    fn literal(&mut self, data: &[u8]) -> Result<()> {
        self.encoder.literal(data, self.out)
    }

    fn block(&mut self, index: u32, data: &[u8]) -> Result<()> {
        self.encoder.block(index, data, self.out)
    }
}

/// One step of a token stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// Data of the new file, at least one byte.
    Literal(&'a [u8]),
    /// The data of this block of the basis; the index is below the count of the sum head.
    Block(u32),
    /// The file is complete; the whole-file sum follows on the wire.
    End,
}

/// Reads the token streams of all files of a connection. Memory is bounded whatever the peer sends; how much literal
/// data there may be altogether is for the caller to say.
pub enum Decoder {
    /// Spec: protocol 7.1.
    Plain(plain::Decoder),
    /// zlib and zlibx (spec: protocol 7.3).
    Deflate(deflate::Decoder),
    /// Spec: protocol 7.4.
    Zstd(zstd::Decoder),
    /// Spec: protocol 7.5.
    Lz4(lz4::Decoder),
}

impl Decoder {
    /// A decoder for one direction of a connection.
    pub fn new(kind: CompressKind, protocol: u8) -> Result<Self> {
        Ok(match kind {
            CompressKind::None => Self::Plain(plain::Decoder::default()),
            CompressKind::Zlib => Self::Deflate(deflate::Decoder::new(true, protocol)),
            CompressKind::Zlibx => Self::Deflate(deflate::Decoder::new(false, protocol)),
            CompressKind::Zstd => Self::Zstd(zstd::Decoder::new()?),
            CompressKind::Lz4 => Self::Lz4(lz4::Decoder::default()),
        })
    }

    /// Starts the stream of a file; `count` is that of its sum head.
    pub fn begin_file(&mut self, count: u32) {
        match self {
            Self::Plain(d) => d.begin_file(count),
            Self::Deflate(d) => d.begin_file(count),
            Self::Zstd(d) => d.begin_file(count),
            Self::Lz4(d) => d.begin_file(count),
        }
    }

    /// The next token. After [`Token::End`] comes [`Decoder::begin_file`].
    #[allow(clippy::should_implement_trait)] // it lends, and takes the source
    pub fn next(&mut self, src: &mut dyn Source) -> Result<Token<'_>> {
        match self {
            Self::Plain(d) => d.next(src),
            Self::Deflate(d) => d.next(src),
            Self::Zstd(d) => d.next(src),
            Self::Lz4(d) => d.next(src),
        }
    }

    /// Whether [`Decoder::see_block`] has an effect, that is, whether blocks must be read even if their data is not needed.
    pub fn wants_blocks(&self) -> bool {
        matches!(self, Self::Deflate(d) if d.wants_blocks())
    }

    /// Must be called with the data of each block that [`Decoder::next`] has named, before the next call of it.
    pub fn see_block(&mut self, data: &[u8]) {
        if let Self::Deflate(d) = self {
            d.see_block(data);
        }
    }
}

/// The reaction to an index that the sum head does not cover.
fn check_index(index: u32, count: u32) -> Result<()> {
    if index < count {
        Ok(())
    } else {
        Err(Error::Protocol(format!(
            "Invalid block index {index} (count={count}) [receiver]"
        )))
    }
}

#[cfg(test)]
mod tests;
