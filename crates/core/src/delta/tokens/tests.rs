use super::*;
use crate::delta::search::tests::noise;
use proptest::prelude::*;

const KINDS: [CompressKind; 5] = [
    CompressKind::None,
    CompressKind::Zlib,
    CompressKind::Zlibx,
    CompressKind::Zstd,
    CompressKind::Lz4,
];

#[derive(Clone, Debug)]
enum Step {
    Literal(Vec<u8>),
    Block(u32),
}

/// A basis, cut into blocks.
struct Blocks(Vec<u8>, usize);

impl Blocks {
    fn count(&self) -> u32 {
        self.0.len().div_ceil(self.1) as u32
    }
    fn get(&self, i: u32) -> &[u8] {
        let at = i as usize * self.1;
        &self.0[at..(at + self.1).min(self.0.len())]
    }
}

fn encode(encoder: &mut Encoder, steps: &[Step], basis: &Blocks) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut put = |b: &[u8]| {
        bytes.extend_from_slice(b);
        Ok(())
    };
    let mut out = TokenOut::new(&mut put);
    encoder.begin_file();
    for step in steps {
        match step {
            Step::Literal(data) => encoder.literal(data, &mut out).unwrap(),
            Step::Block(i) => encoder.block(*i, basis.get(*i), &mut out).unwrap(),
        }
    }
    encoder.end(&mut out).unwrap();
    out.flush().unwrap();
    bytes
}

fn decode(decoder: &mut Decoder, src: &mut &[u8], basis: &Blocks) -> Result<Vec<u8>> {
    decoder.begin_file(basis.count());
    let mut file = Vec::new();
    loop {
        match decoder.next(src)? {
            Token::Literal(data) => {
                assert!(!data.is_empty() && data.len() <= 32912);
                file.extend_from_slice(data);
            }
            Token::Block(i) => {
                decoder.see_block(basis.get(i));
                file.extend_from_slice(basis.get(i));
            }
            Token::End => return Ok(file),
        }
    }
}

fn plain(steps: &[Step], basis: &Blocks) -> Vec<u8> {
    steps
        .iter()
        .flat_map(|s| match s {
            Step::Literal(data) => data.clone(),
            Step::Block(i) => basis.get(*i).to_vec(),
        })
        .collect()
}

/// The flag bytes of a stream, with the lengths of its pieces.
fn pieces(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some(&flag) = bytes.first() {
        let len = match flag {
            0x40..=0x7f => {
                let n = usize::from(flag & 0x3f) * 256 + usize::from(bytes[1]);
                found.push(bytes[2..2 + n].to_vec());
                n + 2
            }
            0x20 => 5,
            0x21 => 7,
            0xc0.. => 3,
            _ => 1,
        };
        bytes = &bytes[len..];
    }
    found
}

fn round_trip(kind: CompressKind, level: i32, protocol: u8, files: &[(Vec<Step>, &Blocks)]) {
    let mut encoder = Encoder::new(kind, level, 0, protocol).unwrap();
    let mut decoder = Decoder::new(kind, protocol).unwrap();
    for (steps, basis) in files {
        let bytes = encode(&mut encoder, steps, basis);
        let mut src = &bytes[..];
        let got = decode(&mut decoder, &mut src, basis).unwrap();
        assert!(got == plain(steps, basis), "{kind:?} {level} {protocol}");
        assert!(src.is_empty());
    }
}

#[test]
fn plain_example() {
    let basis = Blocks(vec![0; 40], 10);
    let steps = [
        Step::Block(0),
        Step::Block(1),
        Step::Literal(b"XYZ".to_vec()),
        Step::Block(3),
    ];
    let mut encoder = Encoder::new(CompressKind::None, 0, 0, 32).unwrap();
    let expected = [
        0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 3, 0, 0, 0, 0x58, 0x59, 0x5a, 0xfc, 0xff, 0xff, 0xff, 0, 0, 0,
        0,
    ];
    assert_eq!(encode(&mut encoder, &steps, &basis), expected);
    let mut src = &expected[..];
    assert_eq!(
        decode(&mut Decoder::new(CompressKind::None, 32).unwrap(), &mut src, &basis)
            .unwrap()
            .len(),
        33
    );
}

#[test]
fn plain_runs_of_any_length_are_read_and_short_ones_written() {
    let data = noise(100_000, 3);
    let basis = Blocks(Vec::new(), 1);
    let mut bytes = 100_000i32.to_le_bytes().to_vec();
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(&[0; 4]);
    let mut decoder = Decoder::new(CompressKind::None, 32).unwrap();
    assert!(decode(&mut decoder, &mut &bytes[..], &basis).unwrap() == data);
    let mut encoder = Encoder::new(CompressKind::None, 0, 0, 32).unwrap();
    let written = encode(&mut encoder, &[Step::Literal(data)], &basis);
    assert_eq!(written[..4], 32768i32.to_le_bytes());
}

#[test]
fn zlib_example() {
    // 2100 + 700 bytes of basis, 703 literal bytes between blocks 1 and 3.
    let basis = Blocks(noise(3000, 8), 700);
    let literal = [&basis.0[1400..1500], b"XYZ", &basis.0[1500..2100]].concat();
    for kind in [CompressKind::Zlib, CompressKind::Zlibx] {
        let mut bytes = vec![0xc0, 1, 0, 0x42, 0xc5, 0x00, 0xbf, 0x02, 0x40, 0xfd];
        bytes.extend_from_slice(&literal);
        bytes.push(0x00);
        bytes.extend_from_slice(&[0xc2, 1, 0, 0]);
        let steps = [
            Step::Block(0),
            Step::Block(1),
            Step::Literal(literal.clone()),
            Step::Block(3),
            Step::Block(4),
        ];
        let mut src = &bytes[..];
        let got = decode(&mut Decoder::new(kind, 32).unwrap(), &mut src, &basis).unwrap();
        assert!(got == plain(&steps, &basis) && src.is_empty());
        // What we write has the same tokens around data that means the same; noise does not shrink.
        let written = encode(&mut Encoder::new(kind, 6, 0, 32).unwrap(), &steps, &basis);
        assert_eq!(written[..3], bytes[..3]);
        assert_eq!(written[written.len() - 4..], bytes[bytes.len() - 4..]);
        let piece = &pieces(&written)[0];
        assert!((704..=712).contains(&piece.len()), "{}", piece.len());
        assert!(!piece.ends_with(&[0, 0, 0xff, 0xff]));
    }
}

#[test]
fn zlib_enters_matched_blocks_and_zlibx_does_not() {
    let basis = Blocks(noise(20_000, 4), 10_000);
    let steps = [
        Step::Block(0),
        Step::Literal(basis.get(0)[100..4000].to_vec()),
        Step::Block(1),
    ];
    for (kind, small) in [(CompressKind::Zlib, true), (CompressKind::Zlibx, false)] {
        let bytes = encode(&mut Encoder::new(kind, 6, 0, 32).unwrap(), &steps, &basis);
        assert_eq!(bytes.len() < 200, small, "{}", bytes.len());
        round_trip(kind, 6, 32, &[(steps.to_vec(), &basis)]);
    }
}

#[test]
fn long_blocks_before_31_repeat_their_start() {
    let basis = Blocks(noise(300_000, 5), 100_000);
    // The window before the literal: at 31 the end of the block, at 30 bytes 65535-.. of the first chunk and its start.
    let end = Step::Literal(basis.get(0)[95_000..99_000].to_vec());
    let start = Step::Literal(basis.get(0)[25_000..29_000].to_vec());
    for (protocol, step, small) in [
        (31, &end, true),
        (31, &start, false),
        (30, &end, false),
        (30, &start, true),
        (29, &start, true),
    ] {
        let steps = [Step::Block(0), step.clone()];
        let bytes = encode(
            &mut Encoder::new(CompressKind::Zlib, 6, 0, protocol).unwrap(),
            &steps,
            &basis,
        );
        assert_eq!(bytes.len() < 500, small, "{protocol}: {}", bytes.len());
        round_trip(CompressKind::Zlib, 6, protocol, &[(steps.to_vec(), &basis)]);
    }
}

#[test]
fn run_flags() {
    let basis = Blocks(vec![1; 200_000], 1);
    let step = |range: std::ops::Range<u32>| range.map(Step::Block).collect::<Vec<_>>();
    let mut encoder = Encoder::new(CompressKind::Lz4, 0, 0, 32).unwrap();
    let mut check = |steps: &[Step], expected: &[u8]| assert_eq!(encode(&mut encoder, steps, &basis), expected);
    check(&step(0..1), &[0x80, 0]);
    check(&step(0..2), &[0xc0, 1, 0, 0]);
    check(&step(63..64), &[0xbf, 0]);
    check(&step(64..65), &[0x20, 64, 0, 0, 0, 0]);
    check(&step(64..66), &[0x21, 64, 0, 0, 0, 1, 0, 0]);
    // Two references back to back that do not continue each other, and one backwards.
    check(&[Step::Block(5), Step::Block(5)], &[0x85, 0x80, 0]);
    check(&[Step::Block(5), Step::Block(4)], &[0x85, 0x20, 4, 0, 0, 0, 0]);
    // A run of 65536 blocks is the longest; the next starts one further.
    check(&step(0..65_537), &[0xc0, 0xff, 0xff, 0x81, 0]);
    // `last` starts over with each file.
    check(&step(63..64), &[0xbf, 0]);
    round_trip(CompressKind::Lz4, 0, 32, &[(step(0..200_000), &basis)]);
}

#[test]
fn references_split_by_literals_step_by_one() {
    let basis = Blocks(vec![1; 100], 10);
    let steps = [Step::Block(3), Step::Literal(b"x".to_vec()), Step::Block(4)];
    let bytes = encode(&mut Encoder::new(CompressKind::Lz4, 0, 0, 32).unwrap(), &steps, &basis);
    assert_eq!(bytes[0], 0x83);
    assert_eq!(bytes[bytes.len() - 2..], [0x81, 0]);
}

#[test]
fn every_level_and_size() {
    let basis = Blocks([noise(150_000, 2), b"hello world, ".repeat(12_000)].concat(), 70_000);
    for kind in KINDS {
        for level in [-1, 1, 2, 3, 4, 5, 6, 7, 8, 9] {
            let mut files = Vec::new();
            for len in [0usize, 1, 16_382, 16_383, 16_384, 32_768, 65_535, 300_000] {
                let text = basis.0.iter().rev().cycle().take(len).copied().collect::<Vec<u8>>();
                let mut steps: Vec<Step> = text.chunks(32_768).map(|c| Step::Literal(c.to_vec())).collect();
                files.push((steps.clone(), &basis));
                steps.insert(0, Step::Block(2));
                steps.push(Step::Block(0));
                steps.push(Step::Block(1));
                steps.push(Step::Literal(basis.0[50_000..120_000].to_vec()));
                steps.push(Step::Literal(b"x".to_vec()));
                steps.push(Step::Block(4));
                steps.push(Step::Literal(b"the end".to_vec()));
                files.push((steps, &basis));
            }
            for protocol in [30, 32] {
                round_trip(kind, level, protocol, &files);
            }
        }
    }
}

#[test]
fn a_matched_stretch_of_exactly_one_window() {
    for len in [32_767usize, 32_768, 32_769, 65_535, 65_536, 131_072] {
        let basis = Blocks(noise(len * 2, 6), len);
        let mut steps = Vec::new();
        for i in 0..12 {
            steps.push(Step::Literal(basis.0[len - 30_000 + i..len - 10_000].to_vec()));
            steps.push(Step::Block(i as u32 % 2));
        }
        steps.push(Step::Literal(basis.0[len..].to_vec()));
        for level in [1, 6, 9] {
            for protocol in [29, 32] {
                round_trip(
                    CompressKind::Zlib,
                    level,
                    protocol,
                    &[(steps.clone(), &basis), (steps.clone(), &basis)],
                );
            }
        }
    }
}

#[test]
fn zstd_is_one_frame() {
    let basis = Blocks(noise(1000, 1), 500);
    let text = Step::Literal(noise(3000, 9));
    let mut encoder = Encoder::new(CompressKind::Zstd, 0, 0, 32).unwrap();
    let first = encode(&mut encoder, &[text.clone(), Step::Block(1)], &basis);
    let second = encode(&mut encoder, std::slice::from_ref(&text), &basis);
    assert_eq!(pieces(&first)[0][..4], [0x28, 0xb5, 0x2f, 0xfd]);
    // The context lives on: the same data again is a reference to the first file.
    assert!(second.len() < 100, "{}", second.len());
    let mut decoder = Decoder::new(CompressKind::Zstd, 32).unwrap();
    for (bytes, len) in [(&first, 3500), (&second, 3000)] {
        assert_eq!(decode(&mut decoder, &mut &bytes[..], &basis).unwrap().len(), len);
    }
    // With worker threads the stream is as good.
    let mut threaded = Encoder::new(CompressKind::Zstd, 3, 2, 32).unwrap();
    let mut decoder = Decoder::new(CompressKind::Zstd, 32).unwrap();
    for len in [10usize, 3_000_000] {
        let steps = [Step::Literal(noise(len, 9)), Step::Block(0)];
        let bytes = encode(&mut threaded, &steps, &basis);
        assert!(decode(&mut decoder, &mut &bytes[..], &basis).unwrap() == plain(&steps, &basis));
    }
}

#[test]
fn lz4_pieces_are_independent() {
    let basis = Blocks(Vec::new(), 1);
    for data in [noise(100_000, 1), vec![0; 100_000]] {
        let bytes = encode(
            &mut Encoder::new(CompressKind::Lz4, 0, 0, 32).unwrap(),
            &[Step::Literal(data.clone())],
            &basis,
        );
        let mut got = Vec::new();
        for piece in pieces(&bytes) {
            assert!(piece.len() <= 16383);
            got.extend(lz4_flex::block::decompress(&piece, 40_000).unwrap());
        }
        assert!(got == data);
    }
}

fn refuse(kind: CompressKind, count: usize, bytes: &[u8]) -> i32 {
    let basis = Blocks(vec![0; count], 1);
    let mut decoder = Decoder::new(kind, 32).unwrap();
    decode(&mut decoder, &mut &bytes[..], &basis)
        .map_err(|e| e.code())
        .unwrap_err()
}

#[test]
fn hostile_plain_tokens() {
    assert_eq!(refuse(CompressKind::None, 5, &(-6i32).to_le_bytes()), 2);
    assert_eq!(refuse(CompressKind::None, 0, &(-1i32).to_le_bytes()), 2);
    assert_eq!(refuse(CompressKind::None, 5, &i32::MIN.to_le_bytes()), 2);
    assert_eq!(refuse(CompressKind::None, 5, &i32::MAX.to_le_bytes()), 12);
    assert_eq!(refuse(CompressKind::None, 5, &[1, 0]), 12);
}

#[test]
fn hostile_flags() {
    for kind in [
        CompressKind::Zlib,
        CompressKind::Zlibx,
        CompressKind::Zstd,
        CompressKind::Lz4,
    ] {
        for bad in [
            &[0x85][..],                                 // block 5 of 5
            &[0xc0, 5, 0],                               // a run that reaches block 5
            &[0xc0, 0, 0],                               // an empty run
            &[0x21, 0, 0, 0, 0, 0, 0],                   // the same in the long form
            &[0x20, 0xff, 0xff, 0xff, 0xff],             // -1
            &[0x20, 0, 0, 0, 0x80],                      // the least int
            &[0x20, 0xff, 0xff, 0xff, 0x7f],             // above the highest index
            &[0x21, 0xfe, 0xff, 0xff, 0x7f, 0xff, 0xff], // a run beyond it
            &[0x84, 0x81],                               // one step too far
        ] {
            assert_eq!(refuse(kind, 5, bad), 2, "{kind:?} {bad:x?}");
        }
        for cut in [
            &[][..],
            &[0x40],
            &[0x40, 0],
            &[0x7f, 0xff, 1, 2, 3],
            &[0x20, 1],
            &[0xc0, 1],
            &[0x84, 0x41],
        ] {
            assert_eq!(refuse(kind, 5, cut), 12, "{kind:?} {cut:x?}");
        }
    }
    // Flags that are not written count as the references of their lowest bit.
    let basis = Blocks(vec![0; 5], 1);
    let mut decoder = Decoder::new(CompressKind::Lz4, 32).unwrap();
    let odd = [0x02, 1, 0, 0, 0, 0x3f, 2, 0, 0, 0, 2, 0, 0];
    assert_eq!(decode(&mut decoder, &mut &odd[..], &basis).unwrap().len(), 4);
    // The highest index there is.
    decoder.begin_file(0x7fff_ffff);
    assert_eq!(
        decoder.next(&mut &[0x20, 0xfe, 0xff, 0xff, 0x7f][..]),
        Ok(Token::Block(0x7fff_fffe))
    );
}

fn piece(data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x40 | (data.len() >> 8) as u8, data.len() as u8];
    bytes.extend_from_slice(data);
    bytes
}

#[test]
fn hostile_data() {
    for kind in [CompressKind::Zlib, CompressKind::Zlibx] {
        // A reserved block type; a stored length that is not its complement; a distance before the start; an end.
        for bad in [&[0x07][..], &[0x00, 1, 0, 1, 0], &[0x4b, 0x04, 0x12], &[0x03, 0x00]] {
            let mut bytes = piece(bad);
            bytes.push(0x00);
            assert_eq!(refuse(kind, 0, &bytes), 12, "{bad:x?}");
        }
        // A stream that ends inside a stored block takes the flush tail for data: what matters is that it ends.
        let mut bytes = piece(&[0x00, 0x10, 0x00, 0xef, 0xff, b'a']);
        bytes.push(0x00);
        let mut decoder = Decoder::new(kind, 32).unwrap();
        let basis = Blocks(Vec::new(), 1);
        assert!(decode(&mut decoder, &mut &bytes[..], &basis).is_ok_and(|d| d.len() == 5));
        // A block cannot be entered there.
        let mut bytes = piece(&[0x00, 0x10, 0x00, 0xef, 0xff, b'a']);
        bytes.push(0x80);
        bytes.extend(piece(b"more"));
        bytes.push(0x00);
        if kind == CompressKind::Zlib {
            assert_eq!(refuse(kind, 1, &bytes), 12);
        }
    }
    assert_eq!(refuse(CompressKind::Zstd, 0, &piece(b"nonsense")), 12);
    // A window of 2^28 bytes is over the cap.
    assert_eq!(
        refuse(
            CompressKind::Zstd,
            0,
            &piece(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x90, 0x01, 0x00, 0x00])
        ),
        12
    );
    assert_eq!(refuse(CompressKind::Lz4, 0, &piece(&[0xf0])), 12);
    assert_eq!(refuse(CompressKind::Lz4, 0, &piece(&[0x00])), 12);
    let fits = piece(&lz4_flex::block::compress(&vec![7; 32_912]));
    let mut decoder = Decoder::new(CompressKind::Lz4, 32).unwrap();
    let basis = Blocks(Vec::new(), 1);
    assert_eq!(
        decode(&mut decoder, &mut &[&fits[..], &[0]].concat()[..], &basis)
            .unwrap()
            .len(),
        32_912
    );
    assert_eq!(
        refuse(
            CompressKind::Lz4,
            0,
            &piece(&lz4_flex::block::compress(&vec![7; 32_913]))
        ),
        12
    );
}

#[test]
fn bombs_come_in_small_portions() {
    let basis = Blocks(Vec::new(), 1);
    let zeros = vec![0u8; 10_000_000];
    for kind in KINDS {
        let bytes = encode(
            &mut Encoder::new(kind, 9, 0, 32).unwrap(),
            &[Step::Literal(zeros.clone())],
            &basis,
        );
        // `decode` checks the size of each portion.
        assert!(decode(&mut Decoder::new(kind, 32).unwrap(), &mut &bytes[..], &basis).unwrap() == zeros);
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let literal = (0usize..70_000, any::<u32>(), any::<bool>())
        .prop_map(|(len, seed, noisy)| Step::Literal(if noisy { noise(len, seed) } else { vec![seed as u8; len] }));
    let small = prop::collection::vec(any::<u8>(), 0..50).prop_map(Step::Literal);
    prop::collection::vec(
        prop_oneof![1 => literal, 3 => small, 6 => (0u32..40).prop_map(Step::Block)],
        0..30,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_steps_come_back(files in prop::collection::vec(steps(), 1..4), blength in 1usize..5000, protocol in 20u8..33) {
        let basis = Blocks([noise(blength * 20, 1), vec![3; blength * 20 - blength / 2]].concat(), blength);
        let files: Vec<_> = files.into_iter().map(|s| (s, &basis)).collect();
        for kind in KINDS {
            round_trip(kind, 6, protocol, &files);
        }
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), valid in 0usize..300) {
        let basis = Blocks(noise(1000, 1), 100);
        let literal = noise(300, 2);
        for kind in KINDS {
            let _ = decode(&mut Decoder::new(kind, 32).unwrap(), &mut &bytes[..], &basis);
            // A good start with a damaged end.
            let good = [Step::Literal(literal.clone()), Step::Block(3), Step::Literal(literal.clone())];
            let mut mixed = encode(&mut Encoder::new(kind, 6, 0, 32).unwrap(), &good, &basis);
            mixed.truncate(valid);
            mixed.extend_from_slice(&bytes);
            let _ = decode(&mut Decoder::new(kind, 32).unwrap(), &mut &mixed[..], &basis);
        }
    }
}

/// A batch of the real rsync holds the token stream as it would be on the wire (it writes plain and zlib ones only). Its
/// sum head is looked for by value.
#[test]
#[allow(clippy::too_many_lines)] // one table
fn reads_streams_of_the_real_rsync() {
    use crate::plan::SumKind;
    use crate::sums::{digest_len, size::sum_head, strong::digest};
    use std::process::Command;

    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let old = [noise(150_000, 1), b"some text that repeats, ".repeat(9000)].concat();
    let mut new = old.clone();
    new.splice(200_000..200_000, old[199_000..200_000].to_vec());
    new.splice(100_000..100_100, noise(40_000, 5));
    new.splice(50_000..50_000, old[45_000..49_999].to_vec());
    new.extend_from_slice(&old[..3000]);
    for protocol in [29u8, 30, 31, 32] {
        for (kind, choice) in [
            (CompressKind::None, "--no-compress"),
            (CompressKind::Zlib, "--compress"),
        ] {
            for block in [0u32, 1000, 100_000] {
                let _ = std::fs::remove_dir_all(path("dst"));
                std::fs::create_dir(path("dst")).unwrap();
                std::fs::write(path("new"), &new).unwrap();
                std::fs::write(path("dst/new"), &old).unwrap();
                let mut command = Command::new("rsync");
                command.args(["--no-whole-file", "-I", "--checksum-seed=1"]);
                command.arg(format!("--protocol={protocol}"));
                command.arg(choice);
                if block != 0 {
                    command.arg(format!("--block-size={block}"));
                }
                command.arg(format!("--write-batch={}", path("batch").display()));
                let done = command.arg(path("new")).arg(path("dst/")).output().unwrap();
                assert!(
                    done.status.success(),
                    "{choice} {protocol}: {}",
                    String::from_utf8_lossy(&done.stderr)
                );
                assert!(std::fs::read(path("dst/new")).unwrap() == new);
                let batch = std::fs::read(path("batch")).unwrap();
                let sum = if protocol < 30 { SumKind::Md4Old } else { SumKind::Md5 };
                let head = sum_head(old.len() as u64, block, protocol, sum, false);
                let mut bytes = Vec::new();
                head.put(&mut bytes, protocol);
                let at = batch.windows(16).position(|w| w == bytes).unwrap();
                let basis = Blocks(old.clone(), head.blength as usize);
                let mut src = &batch[at + 16..];
                let got = decode(&mut Decoder::new(kind, protocol).unwrap(), &mut src, &basis);
                assert!(got.unwrap() == new, "{choice} {protocol} {block}");
                let expected = match sum {
                    SumKind::Md5 => digest(sum, &new),
                    _ => digest(sum, &[&1i32.to_le_bytes()[..], &new].concat()),
                };
                assert_eq!(src[..digest_len(sum)], *expected.as_slice());

                // The other way: our stream in the place of its own makes the same file.
                let hasher = crate::sums::BlockHasher::new(sum, 1, true);
                let (sig, _) = crate::delta::Signature::of(&mut &old[..], head, &hasher).unwrap();
                let mut ours = batch[..at + 16].to_vec();
                let mut put = |b: &[u8]| {
                    ours.extend_from_slice(b);
                    Ok(())
                };
                let mut out = TokenOut::new(&mut put);
                let mut encoder = Encoder::new(kind, -1, 0, protocol).unwrap();
                let mut whole = crate::sums::Hasher::new_whole_file(sum, 1);
                let mut stats = crate::delta::SearchStats::default();
                let mut sink = EncodeTo {
                    encoder: &mut encoder,
                    out: &mut out,
                };
                let len = new.len() as u64;
                let intact = crate::delta::search(
                    &mut &new[..],
                    len,
                    &sig,
                    &hasher,
                    false,
                    &mut whole,
                    &mut sink,
                    &mut stats,
                )
                .unwrap();
                assert!(intact.is_ok() && stats.matches > 0);
                encoder.end(&mut out).unwrap();
                out.flush().unwrap();
                ours.extend_from_slice(src);
                std::fs::write(path("batch"), &ours).unwrap();
                std::fs::write(path("dst/new"), &old).unwrap();
                let done = Command::new("rsync")
                    .args(["-I", &format!("--protocol={protocol}"), choice])
                    .arg(format!("--read-batch={}", path("batch").display()))
                    .arg(path("dst/"))
                    .output()
                    .unwrap();
                assert!(
                    done.status.success(),
                    "{choice} {protocol}: {}",
                    String::from_utf8_lossy(&done.stderr)
                );
                assert!(
                    std::fs::read(path("dst/new")).unwrap() == new,
                    "{choice} {protocol} {block}"
                );
            }
        }
    }
}
