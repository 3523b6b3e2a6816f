//! Frames, messages and lines of a connection (spec: protocol 3, daemon 5), read as a random program would.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tain_core::wire::frames;
use tain_core::wire::ints::Source;
use tain_core::wire::LinkOptions;
use tain_fuzz::{link, Choices};

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let flags = choices.byte();
    let protocol = choices.protocol();
    let program = choices.short();
    for header in choices.0.chunks_exact(4).take(64) {
        let (number, len) = frames::parse([header[0], header[1], header[2], header[3]]);
        if let Ok(tag) = frames::check(number, len, flags & 1 != 0, protocol, "fuzz") {
            assert!(tag == frames::Tag::Data || len <= frames::MAX_TEXT);
        }
    }
    let options = LinkOptions {
        protocol,
        client: flags & 1 != 0,
        ..LinkOptions::default()
    };
    let mut link = link(choices.rest(), options);
    if flags & 2 != 0 {
        link.start_mux_in();
    }
    for op in program {
        let failed = match op % 12 {
            0 => link.byte().is_err(),
            1 => link.shortint().is_err(),
            2 => link.int().is_err(),
            3 => link.varint().is_err(),
            4 => link.varlong(3 + usize::from(op / 128)).is_err(),
            5 => link.longint().is_err(),
            6 => link.vstring(4095).is_err(),
            7 => link.read_line(100).is_err(),
            8 => link.read_some(1 + usize::from(*op)).is_err(),
            9 => link.bytes(usize::from(*op) * 64).is_err(),
            10 => {
                link.start_mux_in();
                false
            }
            _ => link.read_line(5119).is_err(),
        };
        if failed {
            break;
        }
    }
    while matches!(link.read_some(4096), Ok(piece) if !piece.is_empty()) {}
});
