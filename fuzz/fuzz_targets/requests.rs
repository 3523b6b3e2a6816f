//! What a generator asks of a sender: indices, item flags, names, sum heads and sums (spec: protocol 4.8, 6), and the
//! search that a sender makes with such sums.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tain_core::delta::search::SearchStats;
use tain_core::delta::{search, Signature, TokenSink};
use tain_core::error::Result;
use tain_core::role::Role;
use tain_core::roles::exchange::read_deletions;
use tain_core::sums::{BlockHasher, Hasher, SumHead};
use tain_core::wire::item::Item;
use tain_core::wire::ndx::{NdxReader, NdxWriter, NDX_DEL_STATS};
use tain_fuzz::{Choices, SUMS};

/// Checks that literals and blocks, put together, are the file again.
struct Check<'a> {
    file: &'a [u8],
    count: u32,
    seen: usize,
}

impl Check<'_> {
    fn next(&mut self, data: &[u8]) {
        assert_eq!(&self.file[self.seen..][..data.len()], data);
        self.seen += data.len();
    }
}

impl TokenSink for Check<'_> {
    fn literal(&mut self, data: &[u8]) -> Result<()> {
        self.next(data);
        Ok(())
    }

    fn block(&mut self, index: u32, data: &[u8]) -> Result<()> {
        assert!(index < self.count);
        self.next(data);
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let protocol = choices.protocol();
    let kind = choices.of(&SUMS);
    let flags = choices.byte();
    let mut src = choices.rest();
    let file = src;
    let mut indices = NdxReader::new(protocol);
    let mut echo = NdxWriter::new(protocol);
    let mut again = NdxReader::new(protocol);
    let hasher = BlockHasher::new(kind, 7, flags & 1 != 0);
    for _ in 0..64 {
        let Ok(ndx) = indices.read(&mut src) else { return };
        if ndx < 0 {
            if ndx == NDX_DEL_STATS && read_deletions(&mut src, Role::Sender).is_err() {
                return;
            }
            continue;
        }
        let Ok(item) = Item::read(&mut src, ndx, protocol) else {
            return;
        };
        let mut out = Vec::new();
        item.put(&mut echo, &mut out, protocol, None)
            .expect("what was read can be written");
        assert_eq!(again.read(&mut &out[..]), Ok(ndx));
        if !item.wants_data() {
            continue;
        }
        let Ok(head) = SumHead::read(&mut src, protocol, kind, flags & 2 != 0, "sender") else {
            return;
        };
        let _ = (
            head.flength(),
            head.offset(head.count),
            head.block_len(head.count.saturating_sub(1)),
        );
        let Ok(sums) = Signature::read(&mut src, head, 1 << 20) else {
            return;
        };
        let mut check = Check {
            file,
            count: head.count,
            seen: 0,
        };
        let mut whole = Hasher::new(kind);
        let mut stats = SearchStats::default();
        let mut reader = file;
        let problem = search(
            &mut reader,
            file.len() as u64,
            &sums,
            &hasher,
            flags & 2 != 0,
            &mut whole,
            &mut check,
            &mut stats,
        );
        assert!(matches!(problem, Ok(Ok(()))));
        assert_eq!(check.seen, file.len());
    }
});
