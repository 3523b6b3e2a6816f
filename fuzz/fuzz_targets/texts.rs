//! Small texts that a peer or a user writes: modes, id maps, output formats, character sets, lists of names, numbers.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tain_core::flist::{Charset, Iconv, IdFiles, IdMap, Who};
use tain_core::plan::{Charset as Screen, Plan};
use tain_core::plan_with;
use tain_core::report::item::{itemized, listing, local_time, permissions, Format, Item, ItemStyle, Operation};
use tain_core::report::{escape_line, escape_log, escape_text};
use tain_core::roles::chmod::Chmod;
use tain_core::wire::item::ItemFlags;
use tain_fuzz::{lookup, Choices};

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let what = choices.byte();
    let number = choices.word();
    let wide = i64::from(choices.word() as i32) << (number % 33);
    let text = choices.short();
    let rest = choices.rest();
    match what % 5 {
        0 => {
            if let Some(chmod) = Chmod::parse(rest) {
                let kept = chmod.apply(number, 0o022);
                assert_eq!(kept & 0o170_000, number & 0o170_000);
                let _ = chmod.apply(number | 0o040_000, number);
            }
        }
        1 => {
            let Ok(mut map) = IdMap::new(lookup(), text, rest, number & 1 != 0, number & 2 != 0) else {
                return;
            };
            map.restrict_groups(vec![number]);
            for who in [Who::User, Who::Group] {
                let local = map.learn(who, number, text);
                assert_eq!(map.known(who, number), Some(local));
                let _ = (
                    map.local(who, number),
                    map.local(who, number.wrapping_add(1)),
                    map.may_set_group(local),
                );
            }
            let _ = IdFiles::parse(text, rest);
        }
        2 => {
            let format = Format::new(text);
            let item = Item {
                operation: Operation::Receive,
                name: rest,
                source: b"src",
                mode: number,
                length: wide as u64,
                mtime: wide,
                uid: number,
                gid: (number & 8 != 0).then_some(number),
                iflags: ItemFlags::from_bits(number as u16),
                missing_flags: number & 16 != 0,
                link_target: (number & 32 != 0).then_some(rest.into()),
                leader: (number & 64 != 0).then_some(rest),
                checksum: (number & 128 != 0).then_some(rest),
                bytes: wide as u64,
                sum_bytes: wide as u64,
            };
            let plan = plan_with!(
                Plan::default(),
                place.peer_host = rest.to_vec(),
                output.human_readable = (number % 4) as u8
            );
            let style = ItemStyle {
                sent_to_remote: number & 1 != 0,
                keep_times: number & 2 != 0,
                keep_link_times: number & 4 != 0,
                keep_dir_times: number & 8 != 0,
            };
            let mut out = Vec::new();
            format.expand(&item, &plan, style, &mut out);
            listing(&item, Some(wide), Some(wide), &plan, &mut out);
            let _ = (
                itemized(&item, style),
                permissions(number),
                local_time(wide, "%Y/%m/%d-%H:%M:%S"),
            );
        }
        3 => {
            let Ok(name) = std::str::from_utf8(text) else { return };
            if let Some(set) = Iconv::new(name).map(Arc::new) {
                let (mut local, mut wire) = (Vec::new(), Vec::new());
                if set.from_wire(rest, &mut local) {
                    let _ = set.to_wire(&local, &mut wire);
                }
            }
        }
        _ => {
            for charset in [Screen::Utf8, Screen::Ascii, Screen::Other] {
                let mut out = Vec::new();
                escape_line(rest, charset, number & 1 != 0, &mut out);
                escape_text(rest, charset, number & 1 != 0, &mut out);
                assert!(!out.contains(&0x1b), "an escape sequence reaches the terminal");
            }
            escape_log(rest, &mut Vec::new());
        }
    }
});
