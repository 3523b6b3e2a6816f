//! The algorithm for callers without a connection: `signature` of an old file, `delta` of a new file against
//! it, `patch` of the old file with the delta.
//!
//! Both formats are this program's own, made of the wire's parts. A signature is the magic, one byte for the kind of
//! sum, a sum head, and the block sums. A delta is the magic, the kind, the sum head, plain tokens, and the whole-file
//! sum. There is no second try here, so the strong sums have their full length.

use super::search::{self, SearchStats};
use super::signature::{self, Signature};
use super::tokens::{Decoder, EncodeTo, Encoder, Token, TokenOut};
use super::Intact;
use crate::error::{bail, sys_text, Error, Result};
use crate::plan::{CompressKind, SumKind};
use crate::sums::size::{sum_head, MAX_BLOCK};
use crate::sums::{digest_len, BlockHasher, Hasher, SumHead};
use crate::wire::ints::Source;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

const SIGNATURE_MAGIC: [u8; 4] = *b"tnS1";
const DELTA_MAGIC: [u8; 4] = *b"tnD1";
/// By the number in a header.
const KINDS: [SumKind; 6] = [
    SumKind::Xxh128,
    SumKind::Md5,
    SumKind::Sha1,
    SumKind::Md4,
    SumKind::Xxh3,
    SumKind::Xxh64,
];
/// Whose limits and forms hold in the formats.
const PROTOCOL: u8 = 32;

/// An old file, read at the places that a delta names.
pub trait Basis {
    /// Fills `buf` from `offset`.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
}

impl Basis for &[u8] {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let data = usize::try_from(offset)
            .ok()
            .and_then(|at| self.get(at..)?.get(..buf.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(data);
        Ok(())
    }
}

impl Basis for File {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buf, offset)
    }
}

/// Makes a [`Source`] of anything that can be read. Give it something buffered.
pub struct ReadSource<R>(pub R);

impl<R: Read> Source for ReadSource<R> {
    fn read_exact(&mut self, buf: &mut [u8]) -> Result<()> {
        self.0.read_exact(buf).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => Error::Stream("unexpected end of data".into()),
            _ => Error::FileIo(format!("read failed: {}", sys_text(&e))),
        })
    }
}

fn put_header(magic: [u8; 4], kind: SumKind, head: SumHead, out: &mut Vec<u8>) -> Result<()> {
    let number = KINDS.iter().position(|&k| k == kind);
    let number = number.ok_or_else(|| Error::Usage(format!("{} makes no signature", kind.name())))?;
    out.extend_from_slice(&magic);
    out.push(number as u8);
    head.put(out, PROTOCOL);
    Ok(())
}

fn read_header(magic: [u8; 4], what: &str, src: &mut dyn Source) -> Result<(SumKind, SumHead)> {
    let mut start = [0; 4];
    src.read_exact(&mut start)?;
    let kind = KINDS.get(usize::from(src.byte()?)).copied();
    let (true, Some(kind)) = (start == magic, kind) else {
        bail!(Protocol; "this is no {what}");
    };
    Ok((kind, SumHead::read(src, PROTOCOL, kind, false, what)?))
}

fn all_read(intact: Intact) -> Result<()> {
    intact.map_err(|e| Error::FileIo(format!("read failed: {}", sys_text(&e))))
}

/// The signature of `len` bytes. `block_size` is 0 for the usual choice.
pub fn signature(src: &mut dyn Read, len: u64, block_size: u32, kind: SumKind) -> Result<Vec<u8>> {
    if block_size > MAX_BLOCK {
        bail!(Usage; "a block of {block_size} bytes is over the limit of {MAX_BLOCK}");
    }
    let head = sum_head(len, block_size, PROTOCOL, kind, true);
    let mut out = Vec::new();
    put_header(SIGNATURE_MAGIC, kind, head, &mut out)?;
    let intact = signature::write(src, head, &BlockHasher::new(kind, 0, true), &mut |sums| {
        out.extend_from_slice(sums);
        Ok(())
    })?;
    all_read(intact)?;
    Ok(out)
}

/// Writes what turns the file of `signature` into the `len` bytes of `src`.
pub fn delta(
    src: &mut dyn Read,
    len: u64,
    signature: &[u8],
    out: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<SearchStats> {
    let mut rest = signature;
    let (kind, head) = read_header(SIGNATURE_MAGIC, "signature", &mut rest)?;
    let sig = Signature::read(&mut rest, head, u64::MAX)?;
    if !rest.is_empty() {
        bail!(Protocol; "data after the end of a signature");
    }
    let mut start = Vec::new();
    put_header(DELTA_MAGIC, kind, head, &mut start)?;
    let mut out = TokenOut::new(out);
    out.write(&start)?;
    let mut encoder = Encoder::new(CompressKind::None, 0, 0, PROTOCOL)?;
    let mut whole = Hasher::new(kind);
    let mut stats = SearchStats::default();
    let hasher = BlockHasher::new(kind, 0, true);
    let mut sink = EncodeTo {
        encoder: &mut encoder,
        out: &mut out,
    };
    all_read(search::search(
        src, len, &sig, &hasher, false, &mut whole, &mut sink, &mut stats,
    )?)?;
    encoder.end(&mut out)?;
    out.write(whole.finish().as_slice())?;
    out.flush()?;
    Ok(stats)
}

/// Makes the new file of the old one and a delta; the number of bytes written. The result is right only if this returns
/// `Ok`: the sum is known at the end.
pub fn patch(basis: &mut dyn Basis, delta: &mut dyn Source, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<u64> {
    let (kind, head) = read_header(DELTA_MAGIC, "delta", delta)?;
    let mut decoder = Decoder::new(CompressKind::None, PROTOCOL)?;
    decoder.begin_file(head.count);
    let mut whole = Hasher::new(kind);
    let mut block = vec![0; head.blength as usize];
    let mut written = 0u64;
    loop {
        let data = match decoder.next(delta)? {
            Token::Literal(data) => data,
            Token::Block(index) => {
                let data = &mut block[..head.block_len(index) as usize];
                basis
                    .read_at(head.offset(index), data)
                    .map_err(|e| Error::FileIo(format!("the basis can't be read: {e}")))?;
                data
            }
            Token::End => break,
        };
        whole.update(data);
        written = written.saturating_add(data.len() as u64);
        out(data)?;
    }
    let mut sum = vec![0; digest_len(kind)];
    delta.read_exact(&mut sum)?;
    if whole.finish().as_slice() != sum {
        bail!(Stream; "the result does not have the sum of the new file: is this the right basis?");
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(old: &[u8], new: &[u8], kind: SumKind) -> (Vec<u8>, Vec<u8>) {
        let sig = signature(&mut &old[..], old.len() as u64, 0, kind).unwrap();
        let mut out = Vec::new();
        delta(&mut &new[..], new.len() as u64, &sig, &mut |b| {
            out.extend_from_slice(b);
            Ok(())
        })
        .unwrap();
        (sig, out)
    }

    fn apply(mut old: &[u8], mut delta: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        patch(&mut old, &mut delta, &mut |b| {
            out.extend_from_slice(b);
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn there_and_back() {
        let old: Vec<u8> = (0..100_000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut new = old.clone();
        new.splice(5000..5010, *b"inserted text");
        for kind in KINDS {
            let (_, delta) = make(&old, &new, kind);
            assert!(delta.len() < 3000, "{}", delta.len());
            assert_eq!(apply(&old, &delta).unwrap(), new);
            assert_eq!(apply(&new, &delta).map_err(|e| e.code()), Err(12), "{kind:?}");
            assert!(apply(&old[..1000], &delta).is_err());
            assert!(apply(&old, &delta[..delta.len() - 1]).is_err());
        }
        let (_, from_nothing) = make(b"", b"abc", SumKind::Md5);
        assert_eq!(apply(b"", &from_nothing).unwrap(), b"abc");
        let (_, to_nothing) = make(b"abc", b"", SumKind::Md5);
        assert_eq!(apply(b"abc", &to_nothing).unwrap(), b"");
    }

    #[test]
    fn refusals() {
        assert_eq!(
            signature(&mut &b"a"[..], 1, 0, SumKind::None).map_err(|e| e.code()),
            Err(1)
        );
        assert_eq!(
            signature(&mut &b"a"[..], 1, MAX_BLOCK + 1, SumKind::Md5).map_err(|e| e.code()),
            Err(1)
        );
        assert_eq!(
            signature(&mut &b"a"[..], 2, 0, SumKind::Md5).map_err(|e| e.code()),
            Err(11)
        );
        let (mut sig, _) = make(b"abc", b"", SumKind::Md5);
        sig.push(0);
        assert_eq!(
            delta(&mut &b""[..], 0, &sig, &mut |_| Ok(())).map_err(|e| e.code()),
            Err(2)
        );
        assert_eq!(
            delta(&mut &b""[..], 0, b"tnX1\0", &mut |_| Ok(())).map_err(|e| e.code()),
            Err(2)
        );
    }
}
