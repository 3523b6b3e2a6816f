//! Tests of the connection over socket pairs and pipes. They run twice: with threads, and without.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::frames::{header, Message, Tag, KEEP_ALIVE};
use super::ints::Source;
use super::link::{Link, LinkOptions, Reader, Writer};
use crate::error::{Error, Result};

fn options() -> LinkOptions {
    LinkOptions {
        role: "sender".into(),
        ..LinkOptions::default()
    }
}

/// The two halves, without threads in the second run.
fn split(link: &mut Link) -> Result<(Reader, Writer)> {
    if module_path!().ends_with("lean_link_tests") {
        link.split_lean()
    } else {
        link.split()
    }
}

/// A link and the bare other end.
fn raw(options: LinkOptions) -> (Link, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    let a2 = a.try_clone().unwrap();
    (Link::new(a.into(), a2.into(), options), b)
}

/// A split link, framed both ways, and the bare other end.
fn framed(options: LinkOptions) -> (Reader, Writer, UnixStream) {
    let (mut link, peer) = raw(options);
    link.start_mux_in();
    link.start_mux_out();
    let (reader, writer) = split(&mut link).unwrap();
    (reader, writer, peer)
}

fn frame(tag: Tag, payload: &[u8]) -> Vec<u8> {
    [&header(tag, payload.len())[..], payload].concat()
}

/// Collects the messages of a reader.
fn collect(reader: &mut Reader) -> Arc<Mutex<Vec<Message>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    reader.set_handler(Box::new(move |m| {
        sink.lock().unwrap().push(m);
        Ok(())
    }));
    seen
}

#[test]
fn raw_phase_reads_lines_and_values() {
    let (mut link, mut peer) = raw(options());
    peer.write_all(b"@RSYNCD: 32.0 md5\r\nrest\x81\x2c").unwrap();
    assert_eq!(link.read_line(1023).unwrap(), b"@RSYNCD: 32.0 md5");
    assert_eq!(link.read_some(4).unwrap(), b"rest");
    link.write(b"hello").unwrap();
    assert_eq!(link.byte().unwrap(), 0x81);
    // A read writes first, so that the peer can answer.
    let mut five = [0; 5];
    peer.read_exact(&mut five).unwrap();
    assert_eq!(&five, b"hello");
    assert_eq!(link.byte().unwrap(), 0x2c);
    peer.write_all(b"0123456789\n").unwrap();
    assert_eq!(link.read_line(5).unwrap_err().code(), 12);
    drop(peer);
    link.read_some(100).unwrap();
    assert_eq!(link.read_some(100).unwrap(), b"");
    assert_eq!(
        link.byte().unwrap_err().to_string(),
        "rsync: connection unexpectedly closed (0 bytes received so far) [sender]"
    );
}

#[test]
fn raw_phase_both_write_first() {
    let (a, b) = UnixStream::pair().unwrap();
    let ends = [a, b].map(|fd| {
        std::thread::spawn(move || {
            let fd2 = fd.try_clone().unwrap();
            let mut link = Link::new(fd.into(), fd2.into(), options());
            link.write(&vec![1; 1_000_000]).unwrap();
            link.flush().unwrap();
            assert_eq!(link.bytes(1_000_000).unwrap(), vec![1; 1_000_000]);
        })
    });
    for end in ends {
        end.join().unwrap();
    }
}

#[test]
fn values_straddle_frames_and_empty_frames() {
    let (mut reader, _writer, mut peer) = framed(options());
    let seen = collect(&mut reader);
    let mut bytes = Vec::new();
    for byte in [0x04, 0x03, 0x02, 0x01] {
        bytes.extend(frame(Tag::Data, &[byte]));
        bytes.extend(frame(Tag::Data, b""));
        bytes.extend(frame(Tag::Info, &[b'm', byte]));
    }
    bytes.extend(frame(Tag::Data, b"tail"));
    // One byte at a time: headers and payloads straddle the reads as well.
    let total = bytes.len() as u64;
    let feeder = std::thread::spawn(move || {
        for byte in bytes {
            peer.write_all(&[byte]).unwrap();
        }
        peer
    });
    assert_eq!(reader.int().unwrap(), 0x0102_0304);
    assert_eq!(seen.lock().unwrap().len(), 3);
    assert_eq!(reader.bytes(4).unwrap(), b"tail");
    assert_eq!(seen.lock().unwrap().len(), 4);
    assert_eq!(
        seen.lock().unwrap()[2],
        Message {
            tag: Tag::Info,
            payload: b"m\x02".to_vec()
        }
    );
    assert_eq!(reader.bytes_read(), total);
    drop(feeder.join().unwrap());
    assert!(reader.at_eof().unwrap());
}

#[test]
fn handshake_bytes_are_not_counted() {
    let (mut link, mut peer) = raw(options());
    peer.write_all(&[&b"12345678"[..], &frame(Tag::Data, b"ab")].concat())
        .unwrap();
    link.write(b"four").unwrap();
    assert_eq!(link.bytes(8).unwrap(), b"12345678");
    link.start_mux_in();
    link.write(&[0; 4]).unwrap();
    let (mut reader, writer) = split(&mut link).unwrap();
    // Closing with unread bytes would be a reset.
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(
        reader.int().unwrap_err().to_string(),
        "rsync: connection unexpectedly closed (6 bytes received so far) [sender]"
    );
    assert_eq!((reader.bytes_read(), writer.bytes_written()), (6, 4));
    assert!(link.byte().is_err());
}

#[test]
fn illegal_frames_end_with_12() {
    for number in (-7..=10).chain(20..=120) {
        for len in [0_usize, 1, 4, 5119, 5120] {
            let good = match number {
                0 => continue,
                1..=4 | 101 => len < 5120,
                22 | 33 | 100 | 102 => len == 4,
                42 => len == 0,
                86 => len == 0 || len == 4,
                _ => false,
            };
            let (mut link, mut peer) = raw(options());
            link.start_mux_in();
            let mut bytes = header(Tag::Data, len).to_vec();
            bytes[3] = (number + 7) as u8;
            bytes.resize(4 + len, b'x');
            bytes.extend(frame(Tag::Data, b"z"));
            peer.write_all(&bytes).unwrap();
            match link.byte() {
                Ok(byte) => assert!(good && byte == b'z', "tag {number} length {len}"),
                Err(error) => assert!(!good && error.code() == 12, "tag {number} length {len}: {error}"),
            }
        }
    }
}

#[test]
fn io_timeout_is_adopted_within_its_range() {
    for (own, value, client, want) in [
        (0, 10, true, 10),
        (60, 10, true, 10),
        (5, 10, true, 5),
        (7, 0, true, 7),
        (7, -1, true, 7),
        (0, 86_401, true, 0),
        (0, 86_400, true, 86_400),
    ] {
        let (mut reader, _writer, mut peer) = framed(LinkOptions {
            timeout: own,
            client,
            ..options()
        });
        let seen = collect(&mut reader);
        peer.write_all(&[frame(Tag::IoTimeout, &i32::to_le_bytes(value)), frame(Tag::Data, b"x")].concat())
            .unwrap();
        reader.byte().unwrap();
        assert_eq!(seen.lock().unwrap()[0].value(), Some(value));
        assert_eq!(reader.control().timeout(), want);
    }
}

#[test]
fn a_handler_error_ends_the_read() {
    let (mut reader, _writer, mut peer) = framed(options());
    reader.set_handler(Box::new(|m| Err(crate::Error::PeerExit(m.value().unwrap_or(0)))));
    peer.write_all(&[frame(Tag::ErrorExit, &[7, 0, 0, 0]), frame(Tag::Data, b"x")].concat())
        .unwrap();
    assert_eq!(reader.byte().unwrap_err().code(), 7);
}

#[test]
fn ready_does_not_block_and_keeps_errors() {
    let (mut reader, _writer, mut peer) = framed(options());
    let seen = collect(&mut reader);
    assert!(!reader.ready());
    peer.write_all(&frame(Tag::Info, b"hi")).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while seen.lock().unwrap().is_empty() && Instant::now() < until {
        assert!(!reader.ready());
    }
    assert_eq!(seen.lock().unwrap().len(), 1);
    peer.write_all(&[0, 0, 0, 200]).unwrap();
    while !reader.ready() && Instant::now() < until {}
    assert_eq!(reader.byte().unwrap_err().code(), 12);
    assert_eq!(reader.byte().unwrap_err().code(), 12);
}

#[test]
fn framing_can_be_switched_within_buffered_bytes() {
    let (mut link, mut peer) = raw(options());
    peer.write_all(&[b"ab", &frame(Tag::Data, b"cd")[..], b"raw", &frame(Tag::Data, b"ef")].concat())
        .unwrap();
    let (mut reader, _writer) = split(&mut link).unwrap();
    assert_eq!(reader.bytes(2).unwrap(), b"ab");
    reader.start_mux();
    assert_eq!(reader.bytes(2).unwrap(), b"cd");
    reader.stop_mux();
    assert_eq!(reader.bytes(3).unwrap(), b"raw");
    reader.start_mux();
    assert_eq!(reader.chunk(100).unwrap(), b"ef");
}

#[test]
fn peer_closing_at_each_point() {
    let whole = [
        frame(Tag::Data, b"abc"),
        frame(Tag::Info, b"text"),
        frame(Tag::Data, b"d"),
    ]
    .concat();
    // Where the stream may end: between frames.
    let good = [0, 7, 15, 20];
    for cut in 0..=whole.len() {
        let (mut reader, _writer, mut peer) = framed(options());
        peer.write_all(&whole[..cut]).unwrap();
        drop(peer);
        let end = loop {
            match reader.at_eof() {
                Ok(false) => assert!(reader.chunk(1).is_ok()),
                end => break end,
            }
        };
        assert_eq!(end.is_ok(), good.contains(&cut), "cut at {cut}");
        let error = reader.byte().unwrap_err();
        assert_eq!(error.code(), 12);
        assert!(
            error.to_string().contains(&format!("({cut} bytes")),
            "cut at {cut}: {error}"
        );
    }
}

#[test]
fn small_puts_share_a_frame_and_go_out_by_themselves() {
    let (_reader, writer, mut peer) = framed(options());
    for byte in b"abc" {
        writer.put(&[*byte]).unwrap();
    }
    writer.msg(Tag::Info, b"hi").unwrap();
    // A message goes in front of what is still held back.
    let want = [frame(Tag::Info, b"hi"), frame(Tag::Data, b"abc")].concat();
    let mut got = vec![0; want.len()];
    peer.read_exact(&mut got).unwrap();
    // The first puts may have gone out as a frame of their own only if this thread was held up for a millisecond.
    if got != want {
        let mut rest = Vec::new();
        writer.finish().unwrap();
        peer.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let _ = peer.read_to_end(&mut rest);
        got.extend(rest);
        assert!(got.windows(2).any(|w| w == b"hi"));
    }
}

// CCH-1
#[test]
fn deferred_data_goes_out_after_its_time_or_with_other_data() {
    let (mut reader, writer, mut peer) = framed(options());
    let waits = std::thread::spawn(move || reader.byte());
    writer.put_deferred(b"a").unwrap();
    writer.put_deferred(b"b").unwrap();
    let mut got = [0; 6];
    // Nobody flushes it. (A thread that is held up may send the two apart.)
    peer.read_exact(&mut got).unwrap();
    assert!(got == frame(Tag::Data, b"ab")[..] || got[..5] == frame(Tag::Data, b"a"));
    peer.write_all(&frame(Tag::Data, b"x")).unwrap();
    assert_eq!(waits.join().unwrap().unwrap(), b'x');
}

#[test]
fn unframed_streams_take_no_messages() {
    let (mut link, mut peer) = raw(options());
    let (_reader, writer) = split(&mut link).unwrap();
    assert!(!writer.msg(Tag::Info, b"hi").unwrap());
    writer.put(b"raw").unwrap();
    writer.start_mux();
    assert!(writer.msg(Tag::Info, b"hi").unwrap());
    writer.put_owned(vec![b'x'; 10_000]).unwrap();
    assert_eq!(writer.bytes_written(), 3 + 6 + 10_004);
    writer.shutdown().unwrap();
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert_eq!(
        all,
        [b"raw", &frame(Tag::Info, b"hi")[..], &frame(Tag::Data, &[b'x'; 10_000])].concat()
    );
    assert!(writer.put(b"late").is_err());
}

/// Both ends write 32 MiB before either reads a byte of it from its own thread.
fn both_ways(a: Link, b: Link) {
    const TOTAL: usize = 32 << 20;
    let started = Instant::now();
    let ends = [a, b].map(|mut link| {
        std::thread::spawn(move || {
            link.start_mux_in();
            link.start_mux_out();
            let (mut reader, writer) = split(&mut link).unwrap();
            let out = writer.clone();
            let putting = std::thread::spawn(move || {
                let mut sent = 0;
                let mut round = 0_usize;
                while sent < TOTAL {
                    let n = [1, 7, 100, 4096, 33_000, 200_000][round % 6].min(TOTAL - sent);
                    let data: Vec<u8> = (sent..sent + n).map(|i| (i % 251) as u8).collect();
                    if round.is_multiple_of(2) {
                        out.put(&data).unwrap();
                    } else {
                        out.put_owned(data).unwrap();
                    }
                    if round.is_multiple_of(50) {
                        out.msg(Tag::Info, b"note").unwrap();
                    }
                    sent += n;
                    round += 1;
                }
                out.finish().unwrap();
                round.div_ceil(50)
            });
            let seen = collect(&mut reader);
            let mut at = 0;
            while at < TOTAL {
                let part = reader.chunk(TOTAL - at).unwrap();
                assert!(part.iter().enumerate().all(|(i, b)| *b == ((at + i) % 251) as u8));
                at += part.len();
            }
            let sent = putting.join().unwrap();
            assert!(seen.lock().unwrap().len().abs_diff(sent) <= 1);
            assert!(writer.bytes_written() > TOTAL as u64);
        })
    });
    for end in ends {
        end.join().unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn big_transfers_both_ways_over_sockets() {
    let (a, b) = UnixStream::pair().unwrap();
    let link = |s: UnixStream| Link::new(s.try_clone().unwrap().into(), s.into(), options());
    both_ways(link(a), link(b));
}

#[test]
fn big_transfers_both_ways_over_pipes() {
    let (r1, w1) = rustix::pipe::pipe().unwrap();
    let (r2, w2) = rustix::pipe::pipe().unwrap();
    both_ways(Link::new(r1, w2, options()), Link::new(r2, w1, options()));
}

#[test]
fn a_slow_reader_stops_the_writer_but_not_the_other_direction() {
    let (mut reader, writer, mut peer) = framed(options());
    let blocked = writer.clone();
    let thread = std::thread::spawn(move || blocked.put(&vec![0; 8 << 20]));
    std::thread::sleep(Duration::from_millis(50));
    assert!(!thread.is_finished());
    peer.write_all(&frame(Tag::Data, b"x")).unwrap();
    assert_eq!(reader.byte().unwrap(), b'x');
    drop(peer);
    let error = thread.join().unwrap().unwrap_err();
    assert_eq!(error.code(), 10);
    assert!(
        error.to_string().starts_with("rsync: [sender] write error: "),
        "{error}"
    );
    assert!(writer.error().is_some() && writer.finish().is_err());
}

#[test]
fn keep_alives_fill_silence() {
    let start = Instant::now();
    let (mut reader, writer, mut peer) = framed(LinkOptions {
        timeout: 1,
        ..options()
    });
    let thread = std::thread::spawn(move || reader.byte());
    let mut four = [0; 4];
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for _ in 0..2 {
        peer.read_exact(&mut four).unwrap();
        assert_eq!(four, KEEP_ALIVE);
    }
    assert!(start.elapsed() >= Duration::from_millis(1900));
    peer.write_all(&frame(Tag::Data, b"x")).unwrap();
    // Our own keep-alives count as activity, as they do in 3.5.0.
    assert_eq!(thread.join().unwrap().unwrap(), b'x');
    writer.finish().unwrap();
}

#[test]
fn silence_times_out_unless_touched() {
    let start = Instant::now();
    let (mut reader, _writer, _peer) = framed(LinkOptions {
        timeout: 1,
        keep_alive: false,
        ..options()
    });
    let control = reader.control();
    let toucher = std::thread::spawn(move || {
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(300));
            control.touch();
        }
    });
    let error = reader.byte().unwrap_err();
    assert_eq!(error.code(), 30);
    assert_eq!(error.to_string(), "[sender] io timeout after 1 seconds -- exiting");
    assert!(start.elapsed() >= Duration::from_millis(2100));
    toucher.join().unwrap();
    let (mut link, _peer) = raw(LinkOptions {
        timeout: 1,
        ..options()
    });
    assert_eq!(link.byte().unwrap_err().code(), 30);
}

#[test]
fn cancel_wakes_everyone() {
    let options = options();
    let cancel = options.cancel.clone();
    let (mut reader, writer, _peer) = framed(options);
    let reading = std::thread::spawn(move || reader.byte());
    let writing = std::thread::spawn(move || writer.put(&vec![0; 8 << 20]).and_then(|()| writer.finish()));
    std::thread::sleep(Duration::from_millis(30));
    let start = Instant::now();
    cancel.store(true, Ordering::Relaxed);
    assert_eq!(reading.join().unwrap().unwrap_err().code(), 20);
    assert_eq!(writing.join().unwrap().unwrap_err().code(), 20);
    assert!(start.elapsed() < Duration::from_millis(150), "{:?}", start.elapsed());
}

#[test]
fn bandwidth_is_limited() {
    let (_reader, writer, mut peer) = framed(LinkOptions {
        bwlimit: 200 * 1024,
        ..options()
    });
    let start = Instant::now();
    writer.put(&vec![1; 120 * 1024]).unwrap();
    let finishing = std::thread::spawn(move || writer.finish());
    let mut first = [0; 1024];
    peer.read_exact(&mut first).unwrap();
    let mut rest = vec![0; 119 * 1024];
    peer.read_exact(&mut rest).unwrap();
    finishing.join().unwrap().unwrap();
    let time = start.elapsed().as_secs_f64();
    assert!((0.45..1.5).contains(&time), "{time}");
}

#[test]
fn dropping_writes_what_fits_and_closes() {
    let (reader, writer, mut peer) = framed(options());
    writer.put(b"last words").unwrap();
    drop(writer);
    drop(reader);
    let mut all = Vec::new();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    peer.read_to_end(&mut all).unwrap();
    assert_eq!(all, frame(Tag::Data, b"last words"));
}

#[test]
fn pipes_get_their_flags_back() {
    let (r, w) = rustix::pipe::pipe().unwrap();
    let (r2, w2): (OwnedFd, OwnedFd) = (r.try_clone().unwrap(), w.try_clone().unwrap());
    let blocking = |fd: &OwnedFd| {
        !rustix::fs::fcntl_getfl(fd)
            .unwrap()
            .contains(rustix::fs::OFlags::NONBLOCK)
    };
    let link = Link::new(r, w, options());
    assert!(!blocking(&r2) && !blocking(&w2));
    drop(link);
    assert!(blocking(&r2) && blocking(&w2));
}

#[test]
fn drain_is_bounded() {
    let (mut link, mut peer) = raw(options());
    link.write(b"bye").unwrap();
    peer.write_all(&[0; 1000]).unwrap();
    let start = Instant::now();
    link.drain(Duration::from_millis(200), 1 << 20);
    assert!((150..1000).contains(&start.elapsed().as_millis()));
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"bye");
    let (mut reader, _writer, peer) = framed(options());
    drop(peer);
    assert!(reader.drain(Duration::from_secs(5), 1 << 20));
}

/// The header of a frame.
fn head(tag: u8, len: u8) -> [u8; 4] {
    [len, 0, 0, 7 + tag]
}

#[test]
fn drain_ends_at_the_answer() {
    let (mut reader, _writer, mut peer) = framed(options());
    peer.write_all(&head(0, 2)).unwrap();
    peer.write_all(b"xy").unwrap();
    peer.write_all(&head(86, 0)).unwrap();
    // The peer keeps its end open, as one does that waits for ours.
    assert!(reader.drain(Duration::from_secs(60), 1 << 20));
}

#[test]
fn an_end_is_seen_behind_unread_data() {
    let (mut reader, _writer, mut peer) = framed(options());
    reader.set_handler(Box::new(|message| match message.tag {
        Tag::ErrorExit => Err(Error::PeerExit(message.value().unwrap_or(0))),
        _ => Ok(()),
    }));
    for part in [&head(0, 3)[..], b"abc", &head(2, 5), b"hello", &head(0, 2), b"d"] {
        peer.write_all(part).unwrap();
    }
    assert_eq!(reader.byte().unwrap(), b'a');
    assert_eq!(reader.check_peer(), Ok(()));
    for part in [&b"e"[..], &head(86, 4)[..2]] {
        peer.write_all(part).unwrap();
    }
    assert_eq!(reader.check_peer(), Ok(()));
    // Nothing has been taken away so far.
    assert_eq!((reader.byte().unwrap(), reader.byte().unwrap()), (b'b', b'c'));
    peer.write_all(&head(86, 4)[2..]).unwrap();
    // The header alone is no end yet, and looking at it loses nothing.
    for _ in 0..20 {
        assert_eq!(reader.check_peer(), Ok(()));
        std::thread::sleep(Duration::from_millis(1));
    }
    peer.write_all(&11u32.to_le_bytes()).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let mut found = Ok(());
    while found.is_ok() && Instant::now() < end {
        found = reader.check_peer();
    }
    assert_eq!(found, Err(Error::PeerExit(11)));
}

#[test]
fn a_peer_that_ended_at_once_has_closed_the_stream() {
    let (r, their_w) = std::io::pipe().unwrap();
    let (their_r, w) = std::io::pipe().unwrap();
    drop(their_r);
    let mut link = Link::new(r.into(), w.into(), options());
    // One descriptor is closed after the other.
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        drop(their_w);
    });
    link.write(b"hello").unwrap();
    assert!(matches!(link.flush(), Err(Error::Stream(text)) if text.contains("unexpectedly closed (0 bytes")));
    late.join().unwrap();
}

#[test]
fn what_a_lost_peer_said_can_be_read() {
    let (r, mut their_w) = std::io::pipe().unwrap();
    let (their_r, w) = std::io::pipe().unwrap();
    their_w.write_all(b"no\n").unwrap();
    drop((their_r, their_w));
    let mut link = Link::new(r.into(), w.into(), options());
    link.write(b"hello").unwrap();
    link.flush().unwrap();
    assert_eq!(link.read_line(10).unwrap(), b"no");
}

/// Not a test of right or wrong: prints round trips per second and throughput. Run with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let (a, b) = UnixStream::pair().unwrap();
    let split = |s: UnixStream| {
        let mut link = Link::new(s.try_clone().unwrap().into(), s.into(), options());
        link.start_mux_in();
        link.start_mux_out();
        split(&mut link).unwrap()
    };
    let (mut r1, w1) = split(a);
    let (mut r2, w2) = split(b);
    const ROUNDS: u32 = 20_000;
    const TOTAL: usize = 4 << 30;
    let other = std::thread::spawn(move || {
        for _ in 0..ROUNDS {
            let v = r2.varint().unwrap();
            w2.put(&v.to_le_bytes()).unwrap();
        }
        let mut seen = 0;
        while seen < TOTAL {
            seen += r2.chunk(TOTAL).unwrap().len();
        }
        w2.put(&[0]).unwrap();
        for _ in 0..10_000_000 {
            w2.put(&[1, 2, 3]).unwrap();
        }
        w2.finish().unwrap();
    });
    let start = Instant::now();
    for _ in 0..ROUNDS {
        w1.put(&[1]).unwrap();
        r1.int().unwrap();
    }
    println!("round trip: {:?}", start.elapsed() / ROUNDS);
    let start = Instant::now();
    for _ in 0..TOTAL / (256 << 10) {
        w1.put_owned(vec![0; 256 << 10]).unwrap();
    }
    r1.byte().unwrap();
    println!(
        "large frames: {:.2} GB/s",
        TOTAL as f64 / start.elapsed().as_secs_f64() / 1e9
    );
    let start = Instant::now();
    for _ in 0..30_000_000 {
        r1.byte().unwrap();
    }
    println!(
        "3-byte puts, 1-byte reads: {:.1} M reads/s",
        30.0 / start.elapsed().as_secs_f64()
    );
    other.join().unwrap();
}
