//! Token streams of every codec, several files in one stream (spec: protocol 7).
#![no_main]

use libfuzzer_sys::fuzz_target;
use tain_core::delta::{Decoder, Token};
use tain_fuzz::{Choices, CODECS};

/// Literal data after which an input has made its point.
const ENOUGH: usize = 4 << 20;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let kind = choices.of(&CODECS);
    let protocol = choices.protocol();
    let count = u32::from(choices.byte()) | u32::from(choices.byte()) << 16;
    let block = vec![b'x'; 1 + usize::from(choices.byte()) * 7];
    let mut src = choices.rest();
    let mut decoder = Decoder::new(kind, protocol).expect("a decoder");
    let mut literal = 0;
    let mut blocks = 0;
    for file in 0..8 {
        decoder.begin_file(count >> file);
        loop {
            match decoder.next(&mut src) {
                Ok(Token::Literal(data)) => {
                    assert!(!data.is_empty());
                    literal += data.len();
                    if literal > ENOUGH {
                        return;
                    }
                }
                Ok(Token::Block(index)) => {
                    assert!(index < count >> file);
                    if decoder.wants_blocks() {
                        decoder.see_block(&block);
                    }
                    blocks += 1;
                    if blocks > 100_000 {
                        return;
                    }
                }
                Ok(Token::End) => break,
                Err(_) => return,
            }
        }
    }
});
