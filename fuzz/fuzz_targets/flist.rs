//! File lists of every protocol version and every set of preserve flags, with id lists, ACLs and attribute sets, and
//! the sub-lists of incremental recursion (spec: protocol 5).
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tain_core::flist::{Charset, Decoder, Iconv, Lists, Segment, Tables, MAX_NAME};
use tain_core::tree::mode;
use tain_core::wire::ndx::{NdxReader, NDX_FLIST_EOF, NDX_FLIST_OFFSET};
use tain_fuzz::{flist_options, ids, Choices};

/// What everybody may rely on in a list that was accepted.
fn inspect(list: &Segment, tables: &Tables) {
    for i in list.sorted() {
        let name = list.name(i);
        let entry = list.entry(i);
        assert!(name.len() <= MAX_NAME && !name.is_empty());
        if name != b"\0" {
            assert!(!name.contains(&0), "NUL in a name");
            assert!(!name.starts_with(b"/"), "absolute name {name:?}");
            assert!(
                name.split(|&b| b == b'/').all(|part| part != b".."),
                "climbing name {name:?}"
            );
        }
        assert!(entry.mtime_nsec < 1_000_000_000);
        if let Some(target) = list.link_target(i) {
            assert!(target.len() <= MAX_NAME && !target.contains(&0));
        }
        let (acl, default) = list.acl(i);
        for index in [acl, default].into_iter().flatten() {
            let acl = tables.acl(index);
            let _ = (
                acl.completed(entry.mode),
                acl.completed_default(),
                acl.stripped(entry.mode),
            );
        }
        let _ = list.xattrs(i).map(|index| tables.xattrs(index));
        let _ = (
            list.checksum(i),
            list.rdev(i),
            list.atime(i),
            list.crtime(i),
            list.hlink(i),
        );
        if entry.is_active() && name != b"\0" {
            assert!(
                list.find(&name, mode::is_dir(entry.mode)).is_some(),
                "{name:?} is not found"
            );
            let _ = list.find_any(&name);
        }
    }
    let _ = (list.dir_count(), list.directories().count());
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let protocol = choices.protocol();
    let bits = choices.word();
    let mut options = flist_options(protocol, bits, choices.byte());
    if bits >> 21 & 7 == 7 {
        options.charset = Iconv::new("latin1").map(|set| Arc::new(set) as Arc<dyn Charset>);
    } else if bits >> 21 & 7 == 6 {
        options.charset = Iconv::new("shift_jis").map(|set| Arc::new(set) as Arc<dyn Charset>);
    }
    if options.check().is_err() {
        return;
    }
    let inc_recurse = options.inc_recurse;
    let mut decoder = Decoder::new(
        options.clone(),
        Tables::default(),
        ids(options.numeric_ids, options.id0_names),
    );
    let tables = decoder.tables().clone();
    let mut src = choices.rest();
    let mut lists = Lists::new(inc_recurse);
    let mut ndx = NdxReader::new(protocol);
    let mut parent: Option<(i32, Vec<u8>)> = None;
    for _ in 0..16 {
        let above = parent.as_ref().map(|(n, path)| (*n, path.as_slice()));
        let Ok(mut received) = decoder.read_list(&mut src, lists.next_start(), above) else {
            return;
        };
        inspect(&received.segment, &tables);
        received.segment.prune_empty_dirs(|name| name.len() % 2 == 0);
        if lists.add(Arc::new(received.segment)).is_err() || !inc_recurse {
            break;
        }
        let Ok(next) = ndx.read(&mut src) else { break };
        if next == NDX_FLIST_EOF {
            lists.complete();
            break;
        }
        let Some(dir) = NDX_FLIST_OFFSET.checked_sub(next).filter(|&n| n >= 0) else {
            let _ = lists.find(next);
            continue;
        };
        match lists.expect(dir) {
            Ok(at) => parent = Some((dir, at.name())),
            Err(_) => break,
        }
    }
    for at in -1..lists.next_start().min(300) {
        let _ = lists.find(at);
    }
});
