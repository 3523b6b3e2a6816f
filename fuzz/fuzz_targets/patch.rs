//! Signatures and deltas by themselves: a random signature for a delta, a random delta for a patch, and the way there
//! and back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tain_core::delta::standalone::{delta, patch, signature};
use tain_core::plan::SumKind;
use tain_fuzz::Choices;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let what = choices.byte();
    let block = choices.byte();
    let mut basis = choices.short();
    let rest = choices.rest();
    let mut out = Vec::new();
    let mut put = |piece: &[u8]| {
        out.extend_from_slice(piece);
        // A delta may repeat a block as often as it likes; here that is enough.
        if out.len() > 8 << 20 {
            return Err(tain_core::Error::Memory("enough".into()));
        }
        Ok(())
    };
    match what % 3 {
        0 => {
            let _ = patch(&mut basis, &mut &rest[..], &mut put);
        }
        1 => {
            let _ = delta(&mut &basis[..], basis.len() as u64, rest, &mut put);
        }
        _ => {
            let kinds = [SumKind::Md5, SumKind::Xxh3, SumKind::Sha1];
            let kind = kinds[usize::from(what / 3) % 3];
            let sums = signature(&mut &basis[..], basis.len() as u64, block.into(), kind).expect("a signature");
            delta(&mut &rest[..], rest.len() as u64, &sums, &mut put).expect("a delta");
            let mut new = Vec::new();
            let made = patch(&mut basis, &mut &out[..], &mut |piece| {
                new.extend_from_slice(piece);
                Ok(())
            });
            assert_eq!(made, Ok(rest.len() as u64));
            assert_eq!(new, rest);
        }
    }
});
