use super::*;
use crate::plan::SumKind;
use crate::sums::size::sum_head;
use proptest::prelude::*;

#[derive(Default)]
struct Collect(Vec<(Option<u32>, Vec<u8>)>);

impl TokenSink for Collect {
    fn literal(&mut self, data: &[u8]) -> Result<()> {
        assert!(!data.is_empty());
        match self.0.last_mut() {
            Some((None, last)) => last.extend_from_slice(data),
            _ => self.0.push((None, data.to_vec())),
        }
        Ok(())
    }
    fn block(&mut self, index: u32, data: &[u8]) -> Result<()> {
        self.0.push((Some(index), data.to_vec()));
        Ok(())
    }
}

pub(crate) fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut x = seed | 1;
    (0..len)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            (x >> 11) as u8
        })
        .collect()
}

struct Found {
    tokens: Vec<(Option<u32>, Vec<u8>)>,
    stats: SearchStats,
    intact: Intact,
    head: SumHead,
}

impl Found {
    fn shape(&self) -> Vec<i64> {
        self.tokens
            .iter()
            .map(|(b, d)| b.map_or(-(d.len() as i64), i64::from))
            .collect()
    }
}

fn run(old: &[u8], new: &[u8], blength: u32, inplace: bool) -> Found {
    let kind = SumKind::Xxh128;
    let head = sum_head(old.len() as u64, blength, 32, kind, true);
    let hasher = BlockHasher::new(kind, 99, true);
    let (sig, _) = Signature::of(&mut &old[..], head, &hasher).unwrap();
    let mut sink = Collect::default();
    let mut stats = SearchStats::default();
    let mut whole = Hasher::new(kind);
    let intact = search(
        &mut &new[..],
        new.len() as u64,
        &sig,
        &hasher,
        inplace,
        &mut whole,
        &mut sink,
        &mut stats,
    )
    .unwrap();
    if intact.is_ok() {
        assert_eq!(whole.finish(), crate::sums::strong::digest(kind, new));
    }
    assert_eq!(stats.literal + stats.matched, new.len() as u64);
    Found {
        tokens: sink.0,
        stats,
        intact,
        head,
    }
}

/// Rebuilds as a receiver does, in place or not, and checks each reference.
fn rebuild(old: &[u8], new: &[u8], found: &Found, inplace: bool) {
    let mut file = old.to_vec();
    let mut copy = Vec::new();
    let mut at = 0;
    for (block, data) in &found.tokens {
        if let Some(i) = *block {
            let from = found.head.offset(i) as usize;
            let len = found.head.block_len(i) as usize;
            let basis = if inplace { &file } else { old };
            assert!(basis[from..from + len] == data[..], "block {i} at {at}");
        }
        copy.extend_from_slice(data);
        if file.len() < at + data.len() {
            file.resize(at + data.len(), 0);
        }
        file[at..at + data.len()].copy_from_slice(data);
        at += data.len();
    }
    assert!(copy == new);
}

#[test]
fn unchanged_and_inserted() {
    let old = noise(3000, 1);
    assert_eq!(run(&old, &old, 0, false).shape(), [0, 1, 2, 3, 4]);
    let mut new = old.clone();
    new.splice(1500..1500, *b"XYZ");
    // Block 2 is broken by the insertion; the short block 4 is found at the end.
    assert_eq!(run(&old, &new, 0, false).shape(), [0, 1, -703, 3, 4]);
    new.splice(0..0, *b"Q");
    assert_eq!(run(&old, &new, 0, false).shape(), [-1, 0, 1, -703, 3, 4]);
    new.push(b'!');
    assert_eq!(run(&old, &new, 0, false).shape(), [-1, 0, 1, -703, 3, -201]);
}

#[test]
fn short_files() {
    assert_eq!(run(b"abc", b"abc", 0, false).shape(), [0]);
    assert_eq!(run(b"abc", b"xabc", 0, false).shape(), [-1, 0]);
    assert_eq!(run(b"abc", b"ab", 0, false).shape(), [-2]);
    assert!(run(b"abc", b"", 0, false).shape().is_empty());
    assert_eq!(run(b"", b"abc", 0, false).shape(), [-3]);
    assert_eq!(run(&[1; 700], &[1; 700], 0, false).shape(), [0]);
    assert_eq!(run(&[1; 700], &[1; 699], 0, false).shape(), [-699]);
}

#[test]
fn large_files_cross_the_buffer() {
    let old = noise(2_000_000, 7);
    let mut new = old.clone();
    new.splice(1_000_000..1_000_000, noise(600_000, 9));
    let found = run(&old, &new, 0, false);
    assert!(found.stats.literal < 603_000);
    rebuild(&old, &new, &found, false);
}

#[test]
fn equal_blocks_are_folded_and_runs_continue() {
    let old = vec![0u8; 70_000];
    let found = run(&old, &old, 0, false);
    assert_eq!(found.shape(), (0..100).collect::<Vec<i64>>());
    assert_eq!(found.stats.matches, 100);
}

#[test]
fn an_early_end_is_filled_with_zeros() {
    let old = noise(5000, 3);
    let kind = SumKind::Md5;
    let head = sum_head(5000, 0, 32, kind, false);
    let hasher = BlockHasher::new(kind, 0, true);
    let (sig, _) = Signature::of(&mut &old[..], head, &hasher).unwrap();
    for sig in [&sig, &Signature::none()] {
        let mut sink = Collect::default();
        let mut stats = SearchStats::default();
        let mut whole = Hasher::new(kind);
        let intact = search(
            &mut &old[..3000],
            5000,
            sig,
            &hasher,
            false,
            &mut whole,
            &mut sink,
            &mut stats,
        )
        .unwrap();
        assert_eq!(intact.unwrap_err().raw_os_error(), Some(61));
        let data: Vec<u8> = sink.0.into_iter().flat_map(|t| t.1).collect();
        assert!(data[..3000] == old[..3000] && data[3000..] == [0; 2000]);
    }
}

#[test]
fn in_place_never_looks_back() {
    // The file was shifted to the right: each block would come from what is already overwritten.
    let old = noise(7000, 5);
    let new = [noise(10, 6), old[..6990].to_vec()].concat();
    assert!(run(&old, &new, 0, false).stats.matches > 8);
    let found = run(&old, &new, 0, true);
    assert_eq!(found.stats.matches, 0);
    rebuild(&old, &new, &found, true);
    // Shifted to the left everything lies ahead.
    let found = run(&old, &old[10..], 0, true);
    assert_eq!(found.stats.matches, 9);
    rebuild(&old, &old[10..], &found, true);
}

#[test]
fn in_place_uses_blocks_that_stay() {
    let (a, b) = (noise(700, 11), noise(700, 12));
    let old = [a.clone(), b.clone(), noise(700, 13)].concat();
    let new = [a.clone(), noise(700, 14), a.clone()].concat();
    // Block 0 was found in its own place, so it may be used again although the output has passed it.
    assert_eq!(run(&old, &new, 0, true).shape(), [0, -700, 0]);
    // Of equal blocks, the one that is in place is taken.
    let old = [a.clone(), a.clone(), a.clone(), b.clone()].concat();
    let new = [b.clone(), a.clone(), a.clone(), a.clone()].concat();
    let found = run(&old, &new, 0, true);
    assert_eq!(found.shape(), [3, 1, 2, 2]);
    rebuild(&old, &new, &found, true);
}

/// `count` different blocks of 16 bytes with one rolling sum: triples of bytes that keep both halves of it, +1 -2 +1.
fn equal_sums(count: u32) -> Vec<u8> {
    let mut blocks = Vec::new();
    for i in 0..count {
        let mut block = [100u8; 16];
        for bit in 0..14 {
            if i >> bit & 1 != 0 {
                block[bit] = block[bit].wrapping_add(1);
                block[bit + 1] = block[bit + 1].wrapping_sub(2);
                block[bit + 2] = block[bit + 2].wrapping_add(1);
            }
        }
        blocks.extend_from_slice(&block);
    }
    blocks
}

#[test]
fn of_many_equal_rolling_sums_none_is_missed() {
    let old = equal_sums(3000);
    let new = [noise(5, 1), old.clone()].concat();
    let found = run(&old, &new, 16, false);
    assert_eq!((found.stats.matches, found.stats.literal), (3000, 5));
    rebuild(&old, &new, &found, false);
}

fn search_for(sig: &Signature, new: &[u8], inplace: bool) -> SearchStats {
    let hasher = BlockHasher::new(SumKind::Xxh128, 99, true);
    let mut stats = SearchStats::default();
    let mut whole = Hasher::new(SumKind::None);
    let mut sink = Collect::default();
    let len = new.len() as u64;
    search(
        &mut &new[..],
        len,
        sig,
        &hasher,
        inplace,
        &mut whole,
        &mut sink,
        &mut stats,
    )
    .unwrap()
    .unwrap();
    stats
}

/// A pattern of noise whose sum is a multiple of half its length.
fn even_noise(len: usize) -> Vec<u8> {
    let mut pattern = noise(len, 21);
    let sum: u32 = pattern[1..].iter().map(|&b| u32::from(b)).sum();
    pattern[0] = (sum.wrapping_neg() % (len as u32 / 2)) as u8;
    pattern
}

fn sums_of(old: &[u8], blength: u32) -> Signature {
    let head = sum_head(old.len() as u64, blength, 32, SumKind::Xxh128, true);
    Signature::of(&mut &old[..], head, &BlockHasher::new(SumKind::Xxh128, 99, true))
        .unwrap()
        .0
}

#[test]
fn repeated_data_costs_its_length_and_is_matched() {
    let blength = 1 << 17;
    let repeat = |pattern: &[u8], len: usize| pattern.iter().copied().cycle().take(len).collect::<Vec<u8>>();
    let len = 16 * blength;
    // With a window of 2^17 all rotations of a pattern whose sum is a multiple of half its length have one rolling sum.
    for (name, old, new, unmatched) in [
        ("no block", vec![0; len], vec![0xff; len], len),
        (
            "after it",
            vec![0; 2 * len],
            [vec![0xff; len], vec![0; len]].concat(),
            len,
        ),
        ("rotated", repeat(b"\x02\0", len), repeat(b"\0\x02", len), blength),
        (
            "rotated far",
            repeat(&even_noise(128), 4 * len),
            repeat(&even_noise(128), 4 * len + 28)[28..].to_vec(),
            // A test of each of the 128 rotations, at the rate of the budget.
            32 * blength,
        ),
    ] {
        let sig = sums_of(&old, blength as u32);
        for inplace in [false, true] {
            let stats = search_for(&sig, &new, inplace);
            assert!(
                stats.hashed <= (64 * blength + 6 * new.len()) as u64,
                "{name}: {stats:?}"
            );
            assert!(
                stats.literal <= unmatched as u64 + 1,
                "{name}, in place {inplace}: {stats:?}"
            );
        }
    }
}

#[test]
fn invented_sums_cost_the_length_of_the_source() {
    // A sum for every place of the source, all of them wrong: the peer knows the file.
    let new = noise(1 << 20, 3);
    let blength = 4096;
    let mut sums = Vec::new();
    for at in 0..new.len() - blength {
        sums.extend_from_slice(&checksum(&new[at..at + blength]).to_le_bytes());
        sums.extend_from_slice(&(at as u32).to_le_bytes());
    }
    let head = SumHead {
        count: (sums.len() / 8) as u32,
        blength: blength as u32,
        s2length: 4,
        remainder: 0,
    };
    let sig = Signature::read(&mut &sums[..], head, u64::MAX).unwrap();
    for inplace in [false, true] {
        let stats = search_for(&sig, &new, inplace);
        assert!(stats.hashed <= (1 << 20) + 7 * new.len() as u64, "{stats:?}");
        assert_eq!(stats.matches, 0);
    }
}

#[test]
fn in_place_what_was_overwritten_is_not_tested_at_each_byte() {
    // All blocks have the content of each window, and all of them lie behind.
    let blength = 1 << 14;
    let old = [vec![5; 4 * blength], noise(blength, 1)].concat();
    let new = [noise(5 * blength + 1, 2), vec![5; 64 * blength]].concat();
    let stats = search_for(&sums_of(&old, blength as u32), &new, true);
    assert!(stats.hashed <= (1 << 20) + 6 * new.len() as u64, "{stats:?}");
    assert_eq!(stats.matches, 0);
}

/// Random edits: (place, deleted, inserted from noise or copied from elsewhere).
fn edits() -> impl Strategy<Value = Vec<(u32, u16, u16, bool)>> {
    prop::collection::vec((any::<u32>(), 0u16..900, 0u16..900, any::<bool>()), 0..8)
}

fn edited(old: &[u8], edits: &[(u32, u16, u16, bool)]) -> Vec<u8> {
    let mut new = old.to_vec();
    for (n, &(place, del, ins, copy)) in edits.iter().enumerate() {
        let at = place as usize % (new.len() + 1);
        let to = (at + usize::from(del)).min(new.len());
        let ins = usize::from(ins);
        let piece = if copy && old.len() > ins {
            let from = (place as usize).wrapping_mul(31) % (old.len() - ins);
            old[from..from + ins].to_vec()
        } else {
            noise(ins, n as u32 + 77)
        };
        new.splice(at..to, piece);
    }
    new
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_edits_rebuild(len in 0usize..20_000, seed in any::<u32>(), edits in edits(), blength in 1u32..800,
                            period in prop::option::of(1usize..2000), inplace in any::<bool>()) {
        let mut old = noise(len, seed);
        if let Some(period) = period {
            for i in period..old.len() {
                old[i] = old[i - period];
            }
        }
        let new = edited(&old, &edits);
        let found = run(&old, &new, blength, inplace);
        prop_assert!(found.intact.is_ok());
        rebuild(&old, &new, &found, inplace);
    }
}

/// MB/s of the loops that matter: `cargo test --release -p tain-core --lib speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    struct Nothing(u64);
    impl TokenSink for Nothing {
        fn literal(&mut self, data: &[u8]) -> Result<()> {
            self.0 += data.len() as u64;
            Ok(())
        }
        fn block(&mut self, _: u32, _: &[u8]) -> Result<()> {
            Ok(())
        }
    }
    let rate = |what: &str, bytes: usize, f: &mut dyn FnMut()| {
        let best = (0..3)
            .map(|_| {
                let start = std::time::Instant::now();
                f();
                start.elapsed().as_secs_f64()
            })
            .fold(f64::MAX, f64::min);
        println!("{what:40} {:8.0} MB/s", bytes as f64 / best / 1e6);
    };
    let len = 100_000_000;
    let old = noise(len, 1);
    rate("rolling checksum, blocks of 10000", len, &mut || {
        std::hint::black_box(old.chunks(10_000).map(checksum).fold(0, u32::wrapping_add));
    });
    for kind in [
        SumKind::Xxh128,
        SumKind::Xxh3,
        SumKind::Xxh64,
        SumKind::Md5,
        SumKind::Md4,
        SumKind::Sha1,
    ] {
        rate(&format!("whole-file {}", kind.name()), len, &mut || {
            let mut hasher = Hasher::new(kind);
            old.chunks(READ_SIZE).for_each(|c| hasher.update(c));
            std::hint::black_box(hasher.finish());
        });
    }
    let other = noise(len, 2);
    let mut sparse = old.clone();
    for at in (0..len).step_by(1_000_000) {
        sparse[at] ^= 1;
    }
    let shifted = [&b"x"[..], &old[..len - 1]].concat();
    for kind in [SumKind::Xxh128, SumKind::Md5] {
        let hasher = BlockHasher::new(kind, 1, true);
        let head = sum_head(len as u64, 0, 32, kind, false);
        rate(&format!("signature {}", kind.name()), len, &mut || {
            let _read = std::hint::black_box(Signature::of(&mut &old[..], head, &hasher).unwrap());
        });
        let (sig, _) = Signature::of(&mut &old[..], head, &hasher).unwrap();
        for (name, new) in [
            ("equal", &old),
            ("sparse changes", &sparse),
            ("shifted", &shifted),
            ("unrelated", &other),
        ] {
            for inplace in [false, true] {
                let mut stats = SearchStats::default();
                rate(
                    &format!("search {} {name} inplace={inplace}", kind.name()),
                    len,
                    &mut || {
                        stats = SearchStats::default();
                        let mut whole = Hasher::new(SumKind::None);
                        let intact = search(
                            &mut &new[..],
                            len as u64,
                            &sig,
                            &hasher,
                            inplace,
                            &mut whole,
                            &mut Nothing(0),
                            &mut stats,
                        )
                        .unwrap();
                        assert!(intact.is_ok());
                    },
                );
            }
        }
    }
}
