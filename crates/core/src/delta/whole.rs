//! A file sent whole over a plain token stream: what is read is hashed and written as it lies in memory.
//!
//! spec: protocol 7.1

use super::feed::{Feed, Intact};
use super::tokens::plain::{MAX_LITERAL, TOKEN_LEN};
use crate::error::Result;
use crate::sums::strong::MAX_DIGEST;
use crate::sums::Hasher;
use std::io::Read;

/// Literal runs per buffer: 256 KiB of data, filled by one system call.
const RUNS: usize = 8;

/// Sends `len` bytes of `src` as plain literal tokens. Each full buffer goes to `out`; the last one, with the end token
/// in it and room for the whole-file sum, is returned, so that a small file is one buffer altogether. `head` is what
/// goes in front (item and sum head).
pub(crate) fn send_plain(
    src: &mut dyn Read,
    len: u64,
    head: Vec<u8>,
    whole: &mut Hasher,
    out: &mut dyn FnMut(Vec<u8>) -> Result<()>,
) -> Result<(Vec<u8>, Intact)> {
    let mut feed = Feed::new(src, len);
    let mut buf = head;
    loop {
        // The tokens' places are laid out first; then all runs are read between them at once.
        let data = feed.left().min((RUNS * MAX_LITERAL) as u64) as usize;
        let runs = data.div_ceil(MAX_LITERAL);
        let last = data as u64 == feed.left();
        let start = buf.len();
        let tail = if last { TOKEN_LEN } else { 0 };
        buf.reserve_exact(data + runs * TOKEN_LEN + tail + if last { MAX_DIGEST } else { 0 });
        buf.resize(start + data + runs * TOKEN_LEN, 0);
        {
            let mut slots: [&mut [u8]; RUNS] = Default::default();
            for (slot, run) in slots.iter_mut().zip(buf[start..].chunks_mut(TOKEN_LEN + MAX_LITERAL)) {
                let (token, space) = run.split_at_mut(TOKEN_LEN);
                token.copy_from_slice(&(space.len() as i32).to_le_bytes());
                *slot = space;
            }
            feed.fill_all(&mut slots[..runs]);
            for slot in &slots[..runs] {
                whole.update(slot);
            }
        }
        if last {
            buf.extend_from_slice(&[0; TOKEN_LEN]);
            return Ok((buf, feed.into_intact()));
        }
        out(std::mem::take(&mut buf))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::tokens::{Decoder, Token};
    use crate::plan::{CompressKind, SumKind};

    #[test]
    fn decodes_to_the_file() {
        for len in [0usize, 1, 5, 32_767, 32_768, 32_769, 262_143, 262_144, 262_145, 700_001] {
            let data: Vec<u8> = (0..len as u32)
                .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect();
            let mut sent = Vec::new();
            let mut whole = Hasher::new(SumKind::Md5);
            let (tail, intact) = send_plain(&mut &data[..], len as u64, b"head".to_vec(), &mut whole, &mut |b| {
                sent.extend_from_slice(&b);
                Ok(())
            })
            .unwrap();
            assert!(intact.is_ok());
            sent.extend_from_slice(&tail);
            assert_eq!(whole.finish(), crate::sums::strong::digest(SumKind::Md5, &data));
            assert_eq!(&sent[..4], b"head");
            let mut src = &sent[4..];
            let mut decoder = Decoder::new(CompressKind::None, 32).unwrap();
            decoder.begin_file(0);
            let mut got = Vec::new();
            loop {
                match decoder.next(&mut src).unwrap() {
                    Token::Literal(piece) => got.extend_from_slice(piece),
                    Token::Block(_) => panic!("no blocks here"),
                    Token::End => break,
                }
            }
            assert!(got == data && src.is_empty());
        }
    }

    #[test]
    fn a_file_that_shrank_keeps_its_length() {
        let mut whole = Hasher::new(SumKind::Md5);
        let (tail, intact) = send_plain(&mut &b"abc"[..], 5, Vec::new(), &mut whole, &mut |_| Ok(())).unwrap();
        assert_eq!(tail, b"\x05\0\0\0abc\0\0\0\0\0\0");
        assert!(intact.is_err());
    }
}
