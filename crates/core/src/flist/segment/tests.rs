use super::builder::SegmentBuilder;
use super::*;
use crate::flist::hardlinks::HardLinks;
use crate::flist::MAX_NAME;

const FILE: u32 = 0o100_644;
const DIR: u32 = 0o040_755;

fn build(names: &[(&str, u32, u16)], protocol: u8, unsorted: bool) -> Segment {
    let mut b = SegmentBuilder::new(protocol);
    for (name, mode, flags) in names {
        b.push(&NewEntry {
            mode: *mode,
            flags: *flags,
            ..NewEntry::named(name.as_bytes())
        })
        .unwrap();
    }
    b.sort(unsorted);
    b.drop_duplicates();
    b.finish(0, -1)
}

fn names(s: &Segment) -> Vec<String> {
    s.sorted()
        .filter(|&i| s.entry(i).is_active())
        .map(|i| String::from_utf8(s.name(i)).unwrap())
        .collect()
}

#[test]
fn plain_files_have_no_extra() {
    let mut b = SegmentBuilder::new(32);
    for i in 0..1000 {
        let base = format!("f{i}");
        b.push(&NewEntry {
            dir: b"some/dir",
            base: base.as_bytes(),
            mode: FILE,
            ..NewEntry::default()
        })
        .unwrap();
    }
    assert!(b.store.extras.is_empty());
    assert_eq!(b.store.arena.len(), 9 + 10 * 2 + 90 * 3 + 900 * 4);
}

#[test]
fn sorts_and_finds() {
    for unsorted in [false, true] {
        let s = build(
            &[
                ("b/c", FILE, 0),
                ("a/y", FILE, 0),
                ("z", FILE, 0),
                (".", DIR, 0),
                ("a", DIR, 0),
                ("a!", DIR, 0),
                ("b", DIR, 0),
                ("a!/x", FILE, 0),
            ],
            30,
            unsorted,
        );
        assert_eq!(names(&s), [".", "z", "a!", "a!/x", "a", "a/y", "b", "b/c"]);
        for i in 0..s.len() {
            assert_eq!(s.find(&s.name(i), s.entry(i).is_dir()), Some(i));
            assert_eq!(s.find(&s.name(i), !s.entry(i).is_dir()), None);
        }
        assert_eq!(s.find(b"nope", false), None);
        if unsorted {
            assert_eq!(s.basename(0), b"c");
        }
    }
}

#[test]
fn sort_is_stable_and_drops_duplicates() {
    let s = build(&[("a", FILE, 0), ("a", FILE | 0o111, 0), ("b", FILE, 0)], 30, false);
    assert_eq!(s.len(), 3);
    assert!(s.entry(0).is_active() && !s.entry(1).is_active());
    assert_eq!(s.entry(0).mode, FILE);
    assert_eq!(s.find(b"a", false), Some(0));
}

#[test]
fn a_directory_beats_a_file() {
    for protocol in [28, 30] {
        for list in [
            [("a", FILE, 0), ("a", DIR, 0), ("b", FILE, 0)],
            [("b", FILE, 0), ("a", DIR, 0), ("a", FILE, 0)],
        ] {
            let s = build(&list, protocol, false);
            let i = s.find_any(b"a").unwrap();
            assert!(s.entry(i).is_dir());
            assert_eq!(s.entries().iter().filter(|e| e.is_active()).count(), 2);
        }
    }
}

#[test]
fn directories_merge_their_flags() {
    use eflag::{CONTENT_DIR, IMPLIED, TOP_DIR};
    let merge = |a, b| {
        let s = build(&[("d", DIR, a), ("d", DIR, b)], 30, false);
        assert!(s.entry(0).is_active() && !s.entry(1).is_active());
        s.entry(0).flags
    };
    assert_eq!(merge(IMPLIED, IMPLIED), IMPLIED);
    assert_eq!(merge(IMPLIED, CONTENT_DIR), CONTENT_DIR);
    assert_eq!(merge(CONTENT_DIR, IMPLIED), CONTENT_DIR);
    assert_eq!(merge(0, TOP_DIR | CONTENT_DIR), TOP_DIR | CONTENT_DIR);
}

#[test]
fn absolute_names_are_sorted_with_and_used_without_their_slash() {
    let mut b = SegmentBuilder::new(30);
    for (name, mode) in [("a", FILE), ("/tmp/x", FILE), ("/tmp", DIR), ("/q", FILE)] {
        b.push(&NewEntry {
            mode,
            ..NewEntry::named(name.as_bytes())
        })
        .unwrap();
    }
    b.sort(false);
    b.drop_duplicates();
    b.strip_leading_slashes();
    let s = b.finish(1, -1);
    assert_eq!(names(&s), ["a", "q", "tmp", "tmp/x"]);
    assert_eq!(s.dirname(1), b"");
    for (i, name) in [&b"a"[..], b"q", b"tmp", b"tmp/x"].iter().enumerate() {
        assert_eq!(s.find_any(name), Some(i));
    }
}

#[test]
fn the_root_directory_keeps_its_place_among_absolute_names() {
    // Found by fuzzing: `/` becomes `.`, which plain byte order has after some names of the list.
    for protocol in [20, 27, 28, 29, 30, 32] {
        let mut b = SegmentBuilder::new(protocol);
        for (name, mode) in [("/", DIR), ("/\u{2}d/x", DIR), ("/-", FILE), ("/a", FILE), ("b", FILE)] {
            b.push(&NewEntry {
                mode,
                ..NewEntry::named(name.as_bytes())
            })
            .unwrap();
        }
        b.sort(false);
        b.drop_duplicates();
        b.strip_leading_slashes();
        let s = b.finish(0, -1);
        for i in 0..s.len() {
            let found = s.find(&s.name(i), s.entry(i).is_dir());
            assert_eq!(found, Some(i), "{:?} at {protocol}", s.name(i));
        }
    }
}

#[test]
fn extras_come_back() {
    let mut b = SegmentBuilder::new(32);
    b.push(&NewEntry {
        mode: 0o120_777,
        link: Some(b"to"),
        ..NewEntry::named(b"l")
    })
    .unwrap();
    b.push(&NewEntry {
        mode: 0o020_644,
        rdev: (5, 300),
        ..NewEntry::named(b"dev")
    })
    .unwrap();
    let file = NewEntry {
        mode: FILE,
        checksum: Some(b"0123456789abcdef"),
        atime: Some(-5),
        crtime: Some(7),
        inode: Some((3, 4)),
        acl: Some(1),
        xattrs: Some(2),
        ..NewEntry::named(b"x/f")
    };
    b.push(&file).unwrap();
    b.sort(false);
    b.group_hard_links(&mut HardLinks::new(), 1);
    let s = b.finish(1, -1);
    assert_eq!(s.rdev(0), (5, 300));
    assert_eq!(s.link_target(1), Some(&b"to"[..]));
    assert_eq!(s.checksum(2), Some(&b"0123456789abcdef"[..]));
    assert_eq!((s.atime(2), s.crtime(2)), (-5, 7));
    assert_eq!((s.view(2).inode, s.hlink(2)), (Some((3, 4)), Some(3)));
    assert_eq!((s.acl(2), s.xattrs(2)), ((Some(1), None), Some(2)));
    assert_eq!(s.hlink(1), None);
}

#[test]
fn an_over_long_name_is_refused() {
    let long = vec![b'a'; MAX_NAME];
    let mut b = SegmentBuilder::new(32);
    assert!(b.push(&NewEntry::named(&long)).is_ok());
    let longer = vec![b'a'; MAX_NAME + 1];
    assert_eq!(b.push(&NewEntry::named(&longer)).unwrap_err().code(), 22);
}
