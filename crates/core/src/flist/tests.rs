//! Encoder and decoder against each other, against captures of rsync 3.5.0, and at every limit.

use super::*;
use crate::error::Result;
use crate::tree::acl::{Acl, Named};
use crate::tree::mode;
use crate::wire::ints::{put_varint, Source};
use crate::wire::ndx::{NdxReader, NdxWriter, NDX_FLIST_EOF, NDX_FLIST_OFFSET};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

fn lookup() -> Arc<dyn IdLookup> {
    Arc::new(IdFiles::parse(
        b"root:x:0:0::/:\ndaemon:x:1:1::/:\nbin:x:2:2::/:\n",
        b"root:x:0:\ndaemon:x:1:\nbin:x:2:\n",
    ))
}

fn decoder(o: &FlistOptions) -> Decoder {
    let ids = IdMap::new(lookup(), b"", b"", o.numeric_ids, o.id0_names).unwrap();
    Decoder::new(o.clone(), Tables::default(), ids)
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .map(|b| (b as char).to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()
}

fn hex(bytes: &[u8]) -> String {
    format!("{bytes:02x?}")
}

/// All lists of a stream, in the order of arrival.
fn decode(o: &FlistOptions, src: &mut &[u8]) -> Result<(Vec<Received>, Tables)> {
    let mut d = decoder(o);
    let mut lists = Lists::new(o.inc_recurse);
    let mut ndx = NdxReader::new(o.protocol);
    let mut out = vec![d.read_list(src, lists.next_start(), None)?];
    lists.add(Arc::new(out[0].segment.clone()))?;
    if !o.inc_recurse {
        return Ok((out, d.tables().clone()));
    }
    loop {
        let n = ndx.read(src)?;
        if n == NDX_FLIST_EOF {
            break;
        }
        let dir = NDX_FLIST_OFFSET - n;
        assert!(dir >= 0, "a sub-list was expected, not {n}");
        let path = lists.expect(dir)?.name();
        let list = d.read_list(src, lists.next_start(), Some((dir, &path)))?;
        lists.add(Arc::new(list.segment.clone()))?;
        out.push(list);
    }
    Ok((out, d.tables().clone()))
}

fn encode(o: &FlistOptions, lists: &[Received], tables: &Tables) -> Vec<u8> {
    let mut e = Encoder::new(o.clone(), tables.clone(), lookup());
    let mut ndx = NdxWriter::new(o.protocol);
    let mut out = Vec::new();
    for list in lists {
        if list.segment.dir_ndx >= 0 {
            ndx.put(&mut out, NDX_FLIST_OFFSET - list.segment.dir_ndx);
        }
        e.start_list(list.segment.start);
        for i in 0..list.segment.len() {
            let mut view = list.segment.view(i);
            // A received access ACL lacks what the mode says, one to be sent has it.
            view.acl = view.acl.map(|a| tables.intern_acl(tables.acl(a).completed(view.mode)));
            assert!(e.encode_entry(&view, &mut out));
        }
        e.end_marker(list.io_error, &mut out);
    }
    if o.inc_recurse {
        ndx.put(&mut out, NDX_FLIST_EOF);
    } else {
        e.id_lists(lists[0].io_error, &mut out);
    }
    out
}

/// Options from the header of a batch file (spec: protocol 11).
fn batch_options(name: &str, src: &mut &[u8]) -> FlistOptions {
    let flags = src.int().unwrap();
    let protocol = src.int().unwrap() as u8;
    let compat = if protocol >= 30 { src.varint().unwrap() } else { 0 };
    src.int().unwrap();
    let bit = |n: i32| flags >> n & 1 == 1;
    FlistOptions {
        protocol,
        inc_recurse: compat & 1 != 0,
        safe_flist: compat & 8 != 0,
        varint_flags: compat & 0x80 != 0,
        id0_names: compat & 0x100 != 0,
        recurse: bit(0),
        owner: bit(1),
        group: bit(2),
        links: bit(3),
        devices: bit(4),
        specials: bit(4),
        hard_links: bit(5),
        checksum_len: if bit(6) { 16 } else { 0 },
        acls: bit(10),
        xattrs: bit(11),
        relative: name.contains("absolute") || name.contains("relative"),
        atimes: name.contains("atimes"),
        numeric_ids: name.contains("numeric") || name == "32-absolute",
        ..FlistOptions::default()
    }
}

fn captures() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    include_str!("captures.txt")
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.split_once(' '))
        .map(|(name, text)| (name, unhex(text)))
}

// Names that are "converted" from UTF-8 to UTF-8 keep their order of arrival, so that the list can be sent again as
// it came.
#[test]
fn captures_are_read_and_written_again_byte_for_byte() {
    let mut count = 0;
    for (name, bytes) in captures() {
        let mut src = &bytes[..];
        let mut o = batch_options(name, &mut src);
        o.charset = Some(Arc::new(Iconv::new("utf-8").unwrap()));
        let before = src;
        let (lists, tables) = decode(&o, &mut src).unwrap_or_else(|e| panic!("{name}: {e}"));
        let used = &before[..before.len() - src.len()];
        assert_eq!(hex(&encode(&o, &lists, &tables)), hex(used), "{name}");
        if name.contains("error") && name != "30-error-LsxCI" {
            assert_eq!(lists[0].io_error, 1, "{name}");
        }
        count += 1;
    }
    assert!(count >= 30);
}

#[test]
fn captures_have_the_right_contents() {
    for (name, bytes) in captures() {
        let mut src = &bytes[..];
        let o = batch_options(name, &mut src);
        let (lists, tables) = decode(&o, &mut src).unwrap();
        let mut all = HashMap::new();
        let mut order = Vec::new();
        for (k, list) in lists.iter().enumerate() {
            for i in 0..list.segment.len() {
                let name = String::from_utf8(list.segment.name(i)).unwrap();
                order.push(name.clone());
                all.insert(name, (k, i));
            }
        }
        if !name.contains("sums") && name.ends_with("links") {
            assert_eq!(
                order,
                [".", "a", "blk", "dev", "fifo", "hl", "lnk", "old", "sub", "sub/b", "sub/hb"]
            );
        }
        let get = |n: &str| {
            let (k, i) = all[n];
            (&lists[k].segment, i)
        };
        if !all.contains_key("old") || name.contains("absolute") {
            continue;
        }
        let (s, old) = get("old");
        assert_eq!((s.entry(old).mode, s.entry(old).len), (0o100_664, 0), "{name}");
        if o.owner {
            assert_eq!((s.entry(old).uid, s.entry(old).gid), (12345, 1));
        }
        assert_eq!(s.entry(old).mtime_nsec, if o.protocol >= 31 { 123_456_789 } else { 0 });
        if o.atimes {
            assert_ne!(s.atime(old), 0);
        }
        if o.devices {
            let (s, dev) = get("dev");
            assert_eq!(s.rdev(dev), (5, 300));
            let (s, blk) = get("blk");
            assert_eq!(s.rdev(blk), (8, 1));
        }
        if o.links {
            let (s, lnk) = get("lnk");
            assert_eq!(s.link_target(lnk), Some(&b"a"[..]));
        }
        if o.hard_links {
            let (s, a) = get("a");
            let (t, hl) = get("hl");
            assert!(s.hlink(a).is_some() && s.hlink(a) == t.hlink(hl), "{name}");
            assert_eq!((s.entry(a).len, s.entry(a).mode), (6, 0o100_644));
            let (s, b) = get("sub/b");
            let (t, hb) = get("sub/hb");
            assert!(s.hlink(b).is_some() && s.hlink(b) == t.hlink(hb));
            assert_eq!(get("old").0.hlink(old), None);
        }
        if o.checksum_len > 0 {
            let (s, a) = get("a");
            assert_eq!(s.checksum(a).unwrap().len(), 16);
            assert_eq!(s.checksum(a), get("hl").0.checksum(get("hl").1));
        }
        if o.acls {
            let (s, sub) = get("sub");
            let default = tables.acl(s.acl(sub).1.unwrap());
            assert_eq!(
                default.named,
                [Named {
                    id: 1,
                    is_user: true,
                    perms: 7
                }]
            );
            let access = tables.acl(s.acl(old).0.unwrap()).completed(0o664);
            assert_eq!((access.mask, access.group_obj), (Some(6), Some(4)));
        }
        if o.xattrs {
            let (s, a) = get("a");
            let set = tables.xattrs(s.xattrs(a).unwrap());
            assert!(set[0].1.is(&[b'x'; 40]));
            assert_eq!(set[1], (b"user.short".to_vec(), XattrValue::Full(b"v1".to_vec())));
        }
        if o.recurse && !o.relative {
            let (s, sub) = get("sub");
            assert_eq!(s.entry(sub).flags & 7, eflag::CONTENT_DIR, "{name}");
            let (s, dot) = get(".");
            assert_eq!(s.entry(dot).flags & 7, eflag::CONTENT_DIR | eflag::TOP_DIR, "{name}");
        }
    }
}

fn new_options(protocol: u8) -> FlistOptions {
    FlistOptions {
        protocol,
        inc_recurse: protocol >= 30,
        varint_flags: protocol >= 30,
        safe_flist: protocol >= 30,
        id0_names: protocol >= 30,
        recurse: true,
        owner: true,
        group: true,
        devices: true,
        specials: true,
        links: true,
        ..FlistOptions::default()
    }
}

// 13.1
#[test]
fn worked_session_push() {
    let wire = unhex(
        "ac 01 01 2e 00 00 10 6b 00 af 02 f0 f2 60 bd 1a ed 41 00 00 00 04 72 6f 6f 74 00 04 72 6f 6f 74
         a0 98 03 6c 6e 6b 00 01 00 f0 f2 60 bd 1a ff a1 00 00 01 61
         a0 98 03 73 75 62 00 00 10 f0 45 e3 67 1a ed 41 00 00
         a0 98 01 61 00 06 00 f0 45 e3 67 1a a4 81 00 00
         00 00
         ff 65 a0 9a 05 73 75 62 2f 62 00 06 00 f0 45 e3 67 1a
         00 00 ff fe 80 02 00 00",
    );
    assert_eq!(wire.len(), 88 + 26);
    let mut o = new_options(32);
    let (lists, _) = decode(&o, &mut &wire[..]).unwrap();
    let s = &lists[0].segment;
    let names: Vec<_> = (0..s.len()).map(|i| (s.ndx(i), s.name(i))).collect();
    assert_eq!(
        names,
        [
            (1, b".".to_vec()),
            (2, b"a".to_vec()),
            (3, b"lnk".to_vec()),
            (4, b"sub".to_vec())
        ]
    );
    assert_eq!((lists[1].segment.start, lists[1].segment.dir_ndx), (6, 1));
    assert_eq!((s.entry(0).mtime, s.entry(0).mtime_nsec), (0x6b02_af00, 0x1abd_60f2));
    o.charset = Some(Arc::new(Iconv::new("utf-8").unwrap()));
    let (lists, tables) = decode(&o, &mut &wire[..]).unwrap();
    assert_eq!(hex(&encode(&o, &lists, &tables)), hex(&wire));
}

// 13.2
#[test]
fn worked_session_pull() {
    let wire = unhex(
        "01 01 2e 00 10 00 00 00 af 02 6b ed 41 00 00 00 00 00 00 00 00 00 00
         98 03 6c 6e 6b 01 00 00 00 ff a1 00 00 01 00 00 00 61
         98 03 73 75 62 00 10 00 00 ed 41 00 00
         98 01 61 06 00 00 00 a4 81 00 00
         9a 05 73 75 62 2f 62 06 00 00 00
         00 00 00 00 00 00 00 00 00 00 00 00 00",
    );
    assert_eq!(wire.len(), 0x59);
    let mut o = new_options(29);
    let (lists, _) = decode(&o, &mut &wire[..]).unwrap();
    let s = &lists[0].segment;
    let names: Vec<_> = (0..s.len()).map(|i| s.name(i)).collect();
    assert_eq!(names, [&b"."[..], b"a", b"lnk", b"sub", b"sub/b"]);
    o.charset = Some(Arc::new(Iconv::new("utf-8").unwrap()));
    let (lists, tables) = decode(&o, &mut &wire[..]).unwrap();
    assert_eq!(hex(&encode(&o, &lists, &tables)), hex(&wire));
}

fn one(o: &FlistOptions, e: &NewEntry) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(Encoder::new(o.clone(), Tables::default(), lookup()).encode_entry(e, &mut out));
    out
}

// PRO-28, PRO-29, PRO-32
#[test]
fn flag_words() {
    let file = NewEntry {
        mode: 0o100_644,
        mtime: 5,
        ..NewEntry::named(b"f")
    };
    let dir = NewEntry {
        mode: 0o040_755,
        flags: eflag::CONTENT_DIR,
        ..file
    };
    assert_eq!(one(&new_options(32), &file)[0], 0x8c); // names of uid and gid follow
    let bare = |p: u8| FlistOptions {
        inc_recurse: false,
        ..new_options(p)
    };
    assert_eq!(one(&bare(32), &file)[0], 0x04);
    assert_eq!(
        one(
            &FlistOptions {
                varint_flags: false,
                ..bare(31)
            },
            &file
        )[0],
        0x01
    );
    assert_eq!(
        one(
            &FlistOptions {
                varint_flags: false,
                ..bare(31)
            },
            &dir
        )[..2],
        [0x04, 0x00]
    );
    assert_eq!(one(&bare(29), &file)[0], 0x01);
    assert_eq!(one(&bare(29), &dir)[..2], [0x04, 0x00]);
    assert_eq!(one(&bare(27), &file)[0], 0x01);
    assert_eq!(one(&bare(27), &dir)[0], 0x40);
    // The first entry at mtime 0: SAME_TIME.
    assert_eq!(one(&bare(29), &NewEntry { mtime: 0, ..file })[0], 0x80);
    // 0x0219 becomes 1d 02.
    let o = FlistOptions {
        owner: false,
        group: false,
        hard_links: true,
        ..bare(29)
    };
    let linked = NewEntry {
        inode: Some((7, 8)),
        mode: 0o100_644,
        mtime: 5,
        ..NewEntry::named(b"f")
    };
    assert_eq!(one(&o, &linked)[..2], [0x1c, 0x02]);
    let back = decoder(&o)
        .read_list(&mut &[&one(&o, &linked)[..], &[0; 5]].concat()[..], 0, None)
        .unwrap();
    assert_eq!(back.segment.len(), 1);
}

// PRO-46
#[test]
fn end_markers() {
    let end = |o: FlistOptions, err: i32| {
        let mut out = Vec::new();
        let mut e = Encoder::new(o, Tables::default(), lookup());
        let message = e.end_marker(err, &mut out);
        (out, message)
    };
    let byte = |p: u8, safe| FlistOptions {
        varint_flags: false,
        safe_flist: safe,
        ..new_options(p)
    };
    assert_eq!(end(new_options(32), 0), (vec![0, 0], None));
    assert_eq!(end(new_options(32), 1), (vec![0, 1], None));
    assert_eq!(
        end(
            FlistOptions {
                ignore_errors: true,
                ..new_options(32)
            },
            1
        ),
        (vec![0, 0], None)
    );
    assert_eq!(end(byte(31, false), 1), (vec![4, 0x10, 1], None));
    assert_eq!(end(byte(30, true), 1), (vec![4, 0x10, 1], None));
    assert_eq!(end(byte(30, false), 1), (vec![0], Some(1)));
    assert_eq!(end(byte(29, false), 1), (vec![0], None));
    let read = |o: FlistOptions, wire: &[u8]| decoder(&o).read_list(&mut &wire[..], 1, None).map(|r| r.io_error);
    assert_eq!(read(new_options(32), &[0, 1]), Ok(1));
    assert_eq!(read(new_options(32), &[0, 0x0f]), Ok(7));
    assert_eq!(read(byte(31, false), &[4, 0x10, 1]), Ok(1));
    assert_eq!(read(byte(30, false), &[4, 0x10, 1]).unwrap_err().code(), 2);
    assert_eq!(read(byte(29, false), &[0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]), Ok(3));
}

// PRO-45
#[test]
fn id_lists() {
    let o = FlistOptions {
        inc_recurse: false,
        ..new_options(32)
    };
    let mut e = Encoder::new(o.clone(), Tables::default(), lookup());
    let mut out = Vec::new();
    for (uid, gid, name) in [(1, 2, b"a"), (0, 0, b"b"), (4321, 4321, b"c")] {
        e.encode_entry(
            &NewEntry {
                uid,
                gid,
                mode: 0o100_644,
                ..NewEntry::named(name)
            },
            &mut out,
        );
    }
    e.end_marker(0, &mut out);
    let at = out.len();
    e.id_lists(0, &mut out);
    assert_eq!(&out[at..], b"\x01\x06daemon\x00\x04root\x02\x03bin\x00\x04root");
    let there = IdFiles::parse(b"daemon:x:77:\n", b"bin:x:88:\nroot:x:9:\n");
    let ids = IdMap::new(Arc::new(there), b"4321:5", b"", false, true).unwrap();
    let list = Decoder::new(o.clone(), Tables::default(), ids)
        .read_list(&mut &out[..], 0, None)
        .unwrap()
        .segment;
    let ids: Vec<_> = list.entries().iter().map(|e| (e.uid, e.gid)).collect();
    assert_eq!(ids, [(77, 88), (0, 0), (5, 4321)]);

    // A module with numeric ids keeps the form.
    let o = FlistOptions {
        own_numeric_ids: true,
        ..o
    };
    let mut out = Vec::new();
    let mut e = Encoder::new(o, Tables::default(), lookup());
    e.encode_entry(
        &NewEntry {
            uid: 1,
            mode: 0o100_644,
            ..NewEntry::named(b"a")
        },
        &mut Vec::new(),
    );
    e.id_lists(0, &mut out);
    assert_eq!(out, b"\x00\x04root\x00\x04root");
}

/// The exit code with which a list ends that has this entry, after a file `f`.
fn refusal(o: &FlistOptions, wire: &[u8]) -> i32 {
    let mut e = Encoder::new(o.clone(), Tables::default(), lookup());
    let mut all = Vec::new();
    e.encode_entry(
        &NewEntry {
            mode: 0o100_644,
            mtime: 1,
            ..NewEntry::named(b"f")
        },
        &mut all,
    );
    all.extend_from_slice(wire);
    all.extend_from_slice(&[0; 40]);
    match decoder(o).read_list(&mut &all[..], 1, None) {
        Ok(list) => {
            assert_eq!(list.segment.len(), 2);
            0
        }
        Err(e) => e.code(),
    }
}

fn named(name: &[u8]) -> Vec<u8> {
    // SAME_UID SAME_GID SAME_TIME SAME_MODE LONG_NAME
    let mut out = vec![0x80, 0xda];
    put_varint(&mut out, name.len() as i32);
    out.extend_from_slice(name);
    out.extend_from_slice(&[0, 0, 0]);
    out
}

// PRO-47 and section 12
#[test]
fn limits() {
    let o = new_options(32);
    assert_eq!(refusal(&o, &named(b"g")), 0);
    assert_eq!(refusal(&o, &named(b"../x")), 4);
    assert_eq!(refusal(&o, &named(b"/x")), 4);
    assert_eq!(refusal(&o, &named(b"a/b")), 4); // not in the top level
    assert_eq!(refusal(&o, &named(b".")), 2); // not a directory
    assert_eq!(refusal(&o, &named(b"")), 2);
    assert_eq!(refusal(&o, &named(b"a\0b")), 2);
    assert_eq!(refusal(&o, &named(&[b'a'; 255])), 0);
    assert_eq!(refusal(&o, &named(&[b'a'; 256])), 2);
    let flat = FlistOptions {
        inc_recurse: false,
        numeric_ids: true,
        ..new_options(32)
    };
    let long = [&[b'a'; 255][..], b"/"].concat().repeat(16);
    assert_eq!(refusal(&flat, &named(&long[..4095])), 0);
    assert_eq!(refusal(&flat, &named(&long[..4096])), 22);
    assert_eq!(refusal(&o, b"\x80\xda\xf0\xff\xff\xff\xff"), 22);
    // A prefix longer than the name before.
    assert_eq!(refusal(&o, b"\x80\xba\x01\x01x\x00\x00\x00"), 0);
    assert_eq!(refusal(&o, b"\x80\xba\x02\x01x\x00\x00\x00"), 22);
    // Length -1.
    assert_eq!(refusal(&o, b"\x80\x9a\x01x\xfc\xff\xff\xff\xff\xff\xff\xff\xff"), 4);
    // Nanoseconds.
    assert_eq!(refusal(&o, b"\xa0\x9a\x01x\x00\x00\x00\xf0\xff\xc9\x9a\x3b"), 0);
    assert_eq!(refusal(&o, b"\xa0\x9a\x01x\x00\x00\x00\xf0\x00\xca\x9a\x3b"), 2);
    assert_eq!(refusal(&o, b"\xa0\x9a\x01x\x00\x00\x00\xf0\xff\xff\xff\xff"), 2);
    // Modes.
    assert_eq!(refusal(&o, b"\x80\x98\x01x\x00\x00\x00\xa4\x81\x00\x00"), 0);
    assert_eq!(refusal(&o, b"\x80\x98\x01x\x00\x00\x00\x00\xf0\x00\x00"), 2);
    assert_eq!(refusal(&o, b"\x80\x98\x01x\x00\x00\x00\xa4\x81\x01\x00"), 2);
    assert_eq!(refusal(&o, b"\x80\x98\x01x\x00\x00\x00\x00\x00\x00\x00"), 2);
    let missing = FlistOptions {
        delete_missing_args: true,
        ..o.clone()
    };
    assert_eq!(refusal(&missing, b"\x80\x98\x01x\x00\x00\x00\x00\x00\x00\x00"), 0);
    // Link targets.
    let link = |n: i32| {
        let mut out = b"\x80\x98\x01x\x00\x00\x00\xff\xa1\x00\x00".to_vec();
        put_varint(&mut out, n);
        out.resize(out.len() + n.max(0) as usize, b't');
        out
    };
    assert_eq!(refusal(&o, &link(4095)), 0);
    assert_eq!(refusal(&o, &link(4096)), 22);
    assert_eq!(refusal(&o, &link(-1)), 22);
    assert_eq!(refusal(&o, b"\x80\x98\x01x\x00\x00\x00\xff\xa1\x00\x00\x01\x00"), 2);
    // Hard links, whether this end links files or not (`-M-H`): a reference to itself, to a file that is no first link,
    // negative.
    for hard_links in [false, true] {
        let linked = FlistOptions {
            hard_links,
            ..o.clone()
        };
        assert_eq!(refusal(&linked, b"\x92\x9a\x01x\x00\x00\x00"), 0);
        assert_eq!(refusal(&linked, b"\x82\x9a\x01x\x02"), 2);
        assert_eq!(refusal(&linked, b"\x82\x9a\x01x\x01"), 2);
        assert_eq!(refusal(&linked, b"\x82\x9a\x01x\x00"), 2);
        assert_eq!(refusal(&linked, b"\x82\x9a\x01x\xf0\xff\xff\xff\xff"), 2);
    }
    // Bad varints.
    assert_eq!(refusal(&o, b"\xf8"), 12);
    // Indices of ACLs and attribute sets.
    let rich = FlistOptions {
        acls: true,
        ..o.clone()
    };
    let mut d = decoder(&rich);
    let entry = b"\x8c\x00\x01x\x00\x00\x00\x00\x00\x00\x01\xa4\x81\x00\x00\x00\x04root\x00\x04root";
    let read = |d: &mut Decoder, tail: &[u8]| {
        let all = [&entry[..], tail, &[0, 0]].concat();
        d.read_list(&mut &all[..], 1, None).map(|_| ()).map_err(|e| e.code())
    };
    assert_eq!(read(&mut d, b"\x00\x00"), Ok(()));
    assert_eq!(read(&mut d, b"\x01"), Ok(()));
    assert_eq!(read(&mut d, b"\x02"), Err(12));
    assert_eq!(read(&mut d, b"\xf0\xff\xff\xff\xff"), Err(12));
    let mut d = decoder(&FlistOptions { xattrs: true, ..o });
    assert_eq!(read(&mut d, b"\x00\x00"), Ok(()));
    assert_eq!(read(&mut d, b"\x01"), Ok(()));
    assert_eq!(read(&mut d, b"\x02"), Err(12));
}

#[test]
fn sub_lists_are_directly_in_their_directory() {
    let o = new_options(32);
    let read = |name: &[u8], path: &[u8]| {
        let mut out = Vec::new();
        let mut e = Encoder::new(o.clone(), Tables::default(), lookup());
        e.encode_entry(
            &NewEntry {
                mode: 0o100_644,
                ..NewEntry::named(name)
            },
            &mut out,
        );
        e.end_marker(0, &mut out);
        decoder(&o)
            .read_list(&mut &out[..], 6, Some((1, path)))
            .map(|_| ())
            .map_err(|e| e.code())
    };
    assert_eq!(read(b"d/a", b"d"), Ok(()));
    assert_eq!(read(b"d/e/a", b"d"), Err(4));
    assert_eq!(read(b"da", b"d"), Err(4));
    assert_eq!(read(b"e/a", b"d"), Err(4));
    assert_eq!(read(b"d", b"d"), Err(4));
}

// PRO-35, and the values that come after an abbreviated link.
#[test]
fn hard_links_in_later_lists_are_complete() {
    let o = FlistOptions {
        hard_links: true,
        ..new_options(32)
    };
    let mut e = Encoder::new(o.clone(), Tables::default(), lookup());
    let file = |name: &'static [u8], inode, mtime| NewEntry {
        mode: 0o100_644,
        len: 9,
        mtime,
        inode: Some((1, inode)),
        ..NewEntry::named(name)
    };
    let mut first = Vec::new();
    e.start_list(1);
    e.encode_entry(&file(b"a", 5, 100), &mut first);
    e.encode_entry(&file(b"b", 6, 200), &mut first);
    // The file has changed since it was listed as `a`: it is sent, and goes on, as `a` was.
    e.encode_entry(&file(b"c", 5, 300), &mut first);
    e.encode_entry(&file(b"d", 7, 300), &mut first);
    e.end_marker(0, &mut first);
    e.start_list(6);
    let mut second = Vec::new();
    e.encode_entry(&file(b"s/e", 6, 200), &mut second);
    e.end_marker(0, &mut second);

    let mut d = decoder(&o);
    let one = d.read_list(&mut &first[..], 1, None).unwrap().segment;
    let two = d.read_list(&mut &second[..], 6, Some((0, b"s"))).unwrap().segment;
    let got: Vec<_> = (0..4).map(|i| (one.entry(i).mtime, one.hlink(i).unwrap())).collect();
    assert_eq!(got, [(100, 1), (200, 2), (100, 1), (300, 4)]);
    assert_eq!((two.entry(0).mtime, two.entry(0).len, two.hlink(0)), (200, 9, Some(2)));
    assert!(!two.entry(0).has(eflag::HLINK_FIRST) && one.entry(1).has(eflag::HLINK_FIRST));
}

#[test]
fn names_that_cannot_be_converted_keep_their_index() {
    let utf8 = FlistOptions {
        inc_recurse: false,
        ..new_options(32)
    };
    let mut e = Encoder::new(utf8.clone(), Tables::default(), lookup());
    let mut out = Vec::new();
    for name in ["x", "\u{ac00}", "\u{e4}"] {
        e.encode_entry(
            &NewEntry {
                mode: 0o100_644,
                ..NewEntry::named(name.as_bytes())
            },
            &mut out,
        );
    }
    e.end_marker(0, &mut out);
    e.id_lists(0, &mut out);
    let o = FlistOptions {
        charset: Some(Arc::new(Iconv::new("latin1").unwrap())),
        ..utf8
    };
    let list = decoder(&o).read_list(&mut &out[..], 0, None).unwrap();
    assert_eq!(list.io_error, 1);
    assert_eq!(list.notices.len(), 1);
    let s = list.segment;
    assert_eq!((s.name(0), s.name(2)), (b"x".to_vec(), b"\xe4".to_vec()));
    assert!(!s.entry(1).is_active());
    // The sender leaves them out.
    let o = FlistOptions {
        charset: Some(Arc::new(Iconv::new("utf-8").unwrap())),
        ..o
    };
    let mut e = Encoder::new(o, Tables::default(), lookup());
    let bad = NewEntry {
        mode: 0o100_644,
        ..NewEntry::named(b"bad\xff")
    };
    let mut out = Vec::new();
    assert!(!e.encode_entry(&bad, &mut out) && out.is_empty());
}

#[test]
fn a_vet_can_refuse_and_demote() {
    struct Only;
    impl Vet for Only {
        fn vet(&mut self, name: &[u8], is_dir: bool, _: bool) -> Result<Vetted> {
            match (name, is_dir) {
                (b"d", true) => Ok(Vetted::AsParent),
                (b"f", _) => Ok(Vetted::Accept),
                _ => Err(crate::Error::Unsupported(
                    "ERROR: rejecting unrequested file-list name".into(),
                )),
            }
        }
    }
    let o = new_options(32);
    let read = |name: &[u8], mode| {
        let e = NewEntry {
            mode,
            flags: eflag::TOP_DIR | eflag::CONTENT_DIR,
            ..NewEntry::named(name)
        };
        let all = [&one(&o, &e)[..], &[0, 0]].concat();
        let mut d = decoder(&o);
        d.set_vet(Box::new(Only));
        d.read_list(&mut &all[..], 1, None)
            .map(|l| l.segment.entry(0).flags)
            .map_err(|e| e.code())
    };
    assert_eq!(read(b"f", 0o100_644), Ok(0));
    assert_eq!(read(b"d", 0o040_755), Ok(eflag::IMPLIED));
    assert_eq!(read(b"x", 0o100_644), Err(4));
}

// spec: protocol 5.5, below 30
#[test]
fn old_protocols_derive_what_is_in_the_transfer() {
    let contents = |relative, recurse, list: &[(&'static str, u16)]| {
        let o = FlistOptions {
            relative,
            recurse,
            numeric_ids: true,
            ..new_options(29)
        };
        let mut e = Encoder::new(o.clone(), Tables::default(), lookup());
        let mut out = Vec::new();
        for (name, flags) in list {
            e.encode_entry(
                &NewEntry {
                    mode: 0o040_755,
                    flags: *flags,
                    ..NewEntry::named(name.as_bytes())
                },
                &mut out,
            );
        }
        e.end_marker(0, &mut out);
        e.id_lists(0, &mut out);
        let s = decoder(&o).read_list(&mut &out[..], 0, None).unwrap().segment;
        list.iter()
            .map(|(n, _)| s.entry(s.find(n.as_bytes(), true).unwrap()).has_contents())
            .collect::<Vec<_>>()
    };
    let top = eflag::TOP_DIR | eflag::CONTENT_DIR;
    assert_eq!(
        contents(false, true, &[(".", top), ("a", 0), ("a/b", 0)]),
        [true, true, true]
    );
    assert_eq!(contents(false, false, &[(".", top), ("a", 0)]), [true, false]);
    assert_eq!(
        contents(true, true, &[("a", 0), ("a/b", top), ("a/b/c", 0), ("a/bc", 0)]),
        [false, true, true, false]
    );
}

#[allow(clippy::type_complexity)]
fn entry_strategy() -> impl Strategy<Value = (u32, u64, i64, u32, u32, u32, u16, (u32, u32), (i64, i64), u64)> {
    (
        prop::sample::select(vec![
            0o100_644, 0o100_755, 0o040_755, 0o120_777, 0o020_600, 0o060_660, 0o010_644, 0o140_755,
        ]),
        prop_oneof![0..1000_u64, Just(u64::MAX / 2), any::<u32>().prop_map(u64::from)],
        prop_oneof![Just(0), Just(0x6b02_af00), -(1_i64 << 40)..1 << 40],
        prop_oneof![Just(0_u32), 0..1_000_000_000_u32],
        prop_oneof![0..3_u32, any::<u32>()],
        prop_oneof![0..3_u32, any::<u32>()],
        prop::sample::select(vec![
            0,
            eflag::CONTENT_DIR,
            eflag::TOP_DIR | eflag::CONTENT_DIR,
            eflag::IMPLIED,
        ]),
        (0..4096_u32, 0..0x10_0000_u32),
        (0..5_i64, -5..5_i64),
        0..6_u64,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn what_is_written_is_read(
        protocol in 20..=32_u8,
        bits in any::<u32>(),
        names in prop::collection::btree_set("[a-c]{1,3}(x{250})?y?", 1..20),
        entries in prop::collection::vec(entry_strategy(), 20),
    ) {
        let bit = |n: u32| bits >> n & 1 == 1;
        let new = protocol >= 30;
        let varint = new && bit(0);
        let o = FlistOptions {
            protocol,
            inc_recurse: new && bit(1),
            varint_flags: varint,
            safe_flist: new && bit(2),
            id0_names: new && bit(3),
            recurse: true,
            owner: bit(4),
            group: bit(5),
            devices: bit(6),
            specials: bit(7),
            links: bit(8),
            hard_links: bit(9),
            atimes: bit(10) && protocol >= 28,
            crtimes: bit(11) && varint,
            acls: bit(12) && new,
            xattrs: bit(13) && new,
            checksum_len: if bit(14) { 16 } else { 0 },
            numeric_ids: bit(15),
            ..FlistOptions::default()
        };
        o.check().unwrap();
        let tables = Tables::default();
        let mut enc = Encoder::new(o.clone(), tables.clone(), lookup());
        let start = i32::from(o.inc_recurse);
        enc.start_list(start);
        let mut out = Vec::new();
        let mut want = HashMap::new();
        // Members of a group agree in everything but their names.
        let mut groups: HashMap<u64, usize> = HashMap::new();
        let mut members: HashMap<u64, u32> = HashMap::new();
        let mut digests = Vec::new();
        for i in 0..names.len() {
            digests.push([i as u8; 16]);
        }
        for (i, name) in names.iter().enumerate() {
            let mut k = i;
            let ino = entries[i].9;
            let can_link = !mode::is_dir(entries[i].0) && ino > 0 && (protocol >= 28 || mode::is_file(entries[i].0));
            if o.hard_links && can_link {
                let first = *groups.entry(ino).or_insert(i);
                if entries[first].0 == entries[i].0 {
                    k = first;
                } else {
                    k = i;
                }
            }
            let linked = o.hard_links && can_link && groups.get(&ino) == Some(&k);
            let (mode, len, mtime, nsec, uid, gid, flags, rdev, (atime, crtime), _) = entries[k];
            let is_dir = mode::is_dir(mode);
            let e = NewEntry {
                mode, len, mtime, uid, gid, rdev,
                mtime_nsec: nsec,
                flags: if is_dir { flags } else { 0 },
                link: mode::is_link(mode).then_some(&b"target"[..]),
                checksum: Some(&digests[k]),
                atime: Some(atime),
                crtime: Some(mtime + crtime),
                inode: linked.then_some((9, ino)),
                acl: (uid % 2 == 0).then(|| tables.intern_acl(Acl {
                    user_obj: Some((mode >> 6 & 7) as u8), group_obj: Some(3), mask: Some(1), other: Some((mode & 7) as u8),
                    named: vec![Named { id: uid, is_user: true, perms: 5 }, Named { id: gid, is_user: false, perms: 1 }],
                })),
                default_acl: (gid % 2 == 0).then(|| tables.intern_acl(Acl { mask: Some(2), ..Acl::default() })),
                xattrs: (len % 2 == 0).then(|| tables.intern_xattrs(vec![(b"user.a".to_vec(), XattrValue::Full(len.to_le_bytes().to_vec()))])),
                ..NewEntry::named(name.as_bytes())
            };
            prop_assert!(enc.encode_entry(&e, &mut out));
            if linked {
                *members.entry(ino).or_default() += 1;
            }
            want.insert(name.clone(), (e, linked.then_some(ino)));
        }
        let message = enc.end_marker(2, &mut out);
        enc.id_lists(2, &mut out);

        let mut src = &out[..];
        let mut dec = decoder(&o);
        let got = dec.read_list(&mut src, start, None).unwrap();
        prop_assert!(src.is_empty());
        prop_assert_eq!(got.io_error, if message.is_some() { 0 } else { 2 });
        let s = &got.segment;
        prop_assert_eq!(s.len(), want.len());
        let mut seen: HashMap<u64, u32> = HashMap::new();
        for i in 0..s.len() {
            let e = s.entry(i);
            let (w, group) = &want[&String::from_utf8(s.name(i)).unwrap()];
            let dev = mode::is_device(w.mode);
            prop_assert_eq!(e.mode, w.mode);
            prop_assert_eq!(e.len, if dev || mode::is_special(w.mode) { 0 } else { w.len });
            prop_assert_eq!(e.mtime, if new { w.mtime } else { i64::from(w.mtime as u32) });
            prop_assert_eq!(e.mtime_nsec, if protocol >= 31 { w.mtime_nsec } else { 0 });
            prop_assert_eq!(e.uid, if o.owner { w.uid } else { 0 });
            prop_assert_eq!(e.gid, if o.group { w.gid } else { 0 });
            prop_assert_eq!(s.link_target(i), w.link.filter(|_| o.links));
            prop_assert_eq!(s.rdev(i), if dev && o.devices { w.rdev } else { (0, 0) });
            prop_assert_eq!(s.checksum(i), w.checksum.filter(|_| o.checksum_len > 0 && mode::is_file(w.mode)));
            if o.atimes && !mode::is_dir(w.mode) {
                prop_assert_eq!(Some(s.atime(i)), w.atime);
            }
            if o.crtimes {
                prop_assert_eq!(Some(s.crtime(i)), w.crtime);
            }
            if mode::is_dir(w.mode) && new {
                prop_assert_eq!(e.flags & 7, w.flags);
            }
            if o.xattrs {
                let want = w.xattrs.map(|x| tables.xattrs(x)).unwrap_or_default();
                prop_assert_eq!(&dec.tables().xattrs(s.xattrs(i).unwrap()), &want);
            }
            if o.acls && !mode::is_link(w.mode) {
                let want = w.acl.map(|x| tables.acl(x).stripped(w.mode)).unwrap_or_default();
                prop_assert_eq!(&*dec.tables().acl(s.acl(i).0.unwrap()), &want);
            }
            match group {
                Some(ino) if new || members[ino] > 1 => {
                    let g = s.hlink(i).expect("in a group");
                    prop_assert_eq!(*seen.entry(*ino).or_insert(g), g);
                }
                _ => prop_assert_eq!(s.hlink(i), None),
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        protocol in 20..=32_u8,
        bits in any::<u16>(),
        bytes in prop::collection::vec(prop_oneof![0..8_u8, any::<u8>(), Just(b'a')], 0..200),
    ) {
        let bit = |n: u32| bits >> n & 1 == 1;
        let o = FlistOptions {
            acls: bit(0) && protocol >= 30,
            xattrs: bit(1) && protocol >= 30,
            hard_links: bit(2),
            checksum_len: if bit(3) { 16 } else { 0 },
            atimes: bit(4),
            relative: bit(5),
            inc_recurse: bit(6) && protocol >= 30,
            varint_flags: bit(7) && protocol >= 30,
            delete_missing_args: bit(8),
            charset: bit(9).then(|| Arc::new(Iconv::new("euc-kr").unwrap()) as Arc<dyn Charset>),
            ..new_options(protocol)
        };
        let mut src = &bytes[..];
        let _ = decoder(&o).read_list(&mut src, 1, None);
    }
}

/// Not a test of speed, a way to see it: `cargo test -p tain-core --lib flist::tests::speed --release -- --ignored --nocapture`.
#[test]
#[ignore = "prints times, asserts nothing"]
fn speed() {
    use std::time::Instant;
    let o = FlistOptions {
        inc_recurse: false,
        ..new_options(32)
    };
    let mut b = SegmentBuilder::new(32);
    let t = Instant::now();
    for d in 0..1000 {
        let dir = format!("some/directory{}/number{d}", d % 7);
        for f in 0..1000 {
            let base = format!("file-{}.txt", (f * 7919) % 1000);
            let e = NewEntry {
                mode: 0o100_644,
                len: f * 100,
                mtime: 0x6b02_af00 + f as i64,
                mtime_nsec: f as u32 * 1000,
                dir: dir.as_bytes(),
                base: base.as_bytes(),
                ..NewEntry::default()
            };
            b.push(&e).unwrap();
        }
    }
    println!("push    {:?}", t.elapsed());
    let arrival = b.clone().finish(0, -1);
    let t = Instant::now();
    b.sort(false);
    println!("sort    {:?}", t.elapsed());
    let s = b.finish(0, -1);
    let mut e = Encoder::new(o.clone(), Tables::default(), lookup());
    let mut out = Vec::new();
    let t = Instant::now();
    e.encode_segment(&arrival, &mut out).unwrap();
    println!("encode  {:?} {} bytes", t.elapsed(), out.len());
    e.end_marker(0, &mut out);
    e.id_lists(0, &mut out);
    let t = Instant::now();
    let got = decoder(&o).read_list(&mut &out[..], 0, None).unwrap();
    println!("decode  {:?} with sort", t.elapsed());
    let t = Instant::now();
    for i in (0..s.len()).step_by(10) {
        assert_eq!(got.segment.find(&s.name(i), false), Some(i));
    }
    println!("find    {:?} for {}", t.elapsed(), s.len() / 10);
}
