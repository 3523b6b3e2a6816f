//! Tables of decisions: what the judge makes of an entry, given what is in the destination and the plan.

use crate::plan_with;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use super::links::Member;
use super::{Effects, Judge, LinkGroups};
use crate::error::Result;
use crate::flist::{eflag, At, NewEntry, Segment, SegmentBuilder};
use crate::plan::{AltDest, Plan};
use crate::report::Report;
use crate::roles::dest::Dest;
use crate::roles::filter::Filters;
use crate::roles::words::request::{BasisKind, Request};
use crate::tree::{Root, RootOptions};
use crate::wire::item::ItemFlags;

/// What a judgement caused.
#[derive(Default)]
struct Recorder {
    items: Vec<(ItemFlags, Option<Vec<u8>>)>,
    requests: Vec<Request>,
    kept_open: Vec<i32>,
    late: bool,
}

impl Effects for Recorder {
    fn pass_item(&mut self, _: &Dest, _: &At, _: i32, flags: ItemFlags, xname: Option<&[u8]>) -> Result<()> {
        self.items.push((flags, xname.map(<[u8]>::to_vec)));
        Ok(())
    }
    fn request(&mut self, _: &mut Judge, request: Request) -> Result<()> {
        self.requests.push(request);
        Ok(())
    }
    fn remove_source(&mut self, _: &Dest, _: &At) -> Result<()> {
        Ok(())
    }
    fn keep_open(&mut self, at: &At) {
        self.kept_open.push(at.ndx());
    }
    fn release(&mut self, at: &At) {
        self.kept_open.retain(|ndx| *ndx != at.ndx());
    }
    fn skip_below(&mut self, _: &[u8]) {}
    fn made_early(&mut self, _: bool) {}
    fn touch_parent_again(&mut self, _: &[u8]) {}
    fn takes_requests(&self) -> bool {
        !self.late
    }
    fn wait_for_writes(&mut self, _: &mut Judge) -> Result<()> {
        Ok(())
    }
}

/// A list of files with these names; those with a number belong to that hard-link group.
fn list(names: &[(&str, Option<u32>)], len: u64, mtime: i64) -> Arc<Segment> {
    let mut builder = SegmentBuilder::new(31);
    for (name, group) in names {
        let entry = NewEntry {
            len,
            mtime,
            mode: 0o100_644,
            flags: if group.is_some() { eflag::HLINKED } else { 0 },
            group: *group,
            ..NewEntry::named(name.as_bytes())
        };
        builder.push(&entry).unwrap();
    }
    Arc::new(builder.finish(1, -1))
}

fn judge(dest: &Path, plan: Plan) -> Judge {
    let plan = Arc::new(plan);
    let report = Report::new(Arc::clone(&plan), false);
    let path = dest.to_str().unwrap().as_bytes();
    let root = Root::open(path, &RootOptions::default()).unwrap();
    let dest = Dest::new(Arc::clone(&plan), report, root).unwrap();
    Judge::new(dest, Filters::receiver(&plan, path).unwrap(), true)
}

/// A file of `len` bytes; the times in the tables are seconds.
fn write(path: &Path, len: usize, mtime: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, vec![b'x'; len]).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(mtime)).unwrap();
}

/// What is in the destination under names that matter: length and mtime.
#[derive(Default, Clone, Copy)]
struct Seen {
    here: Option<(usize, u64)>,
    alternate: Option<(usize, u64)>,
    partial: Option<(usize, u64)>,
    similar: Option<(usize, u64)>,
}

/// What is expected.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// The entry is left out.
    Nothing,
    Item(ItemFlags),
    Request(ItemFlags, Option<BasisKind>),
}

/// seen x listed x plan -> request, flags. The entry is listed with 5 bytes and the mtime 100.
#[test]
#[allow(clippy::too_many_lines)] // one table
fn regular_files() {
    use Outcome::{Item, Nothing, Request};
    const OLD: Option<(usize, u64)> = Some((5, 50));
    const SAME: Option<(usize, u64)> = Some((5, 100));
    const SHORT: Option<(usize, u64)> = Some((3, 100));
    const ALTERNATE: Option<BasisKind> = Some(BasisKind::Alternate(0));
    const ITSELF: Option<BasisKind> = Some(BasisKind::Itself);
    const NONE: ItemFlags = ItemFlags::NONE;
    let new = ItemFlags::TRANSFER | ItemFlags::NEW;
    let time = ItemFlags::TRANSFER | ItemFlags::TIME;
    let size = ItemFlags::TRANSFER | ItemFlags::SIZE;
    let missing = Seen::default();
    let old = Seen { here: OLD, ..missing };
    let same = Seen { here: SAME, ..missing };
    let short = Seen { here: SHORT, ..missing };
    let times: fn(&mut Plan) = |_| {};
    let compare: fn(&mut Plan) = |p| (p.select.alt_dest, p.select.alt_dirs) = (AltDest::Compare, vec![b"alt".to_vec()]);
    let link: fn(&mut Plan) = |p| (p.select.alt_dest, p.select.alt_dirs) = (AltDest::Link, vec![b"alt".to_vec()]);
    let rows: &[(&str, fn(&mut Plan), Seen, Outcome)] = &[
        ("missing", times, missing, Request(new, None)),
        ("same size and time", times, same, Item(NONE)),
        ("older", times, old, Request(time, ITSELF)),
        ("shorter", times, short, Request(size, ITSELF)),
        ("size only", |p| p.select.size_only = true, old, Item(ItemFlags::TIME)),
        (
            "ignore times",
            |p| p.select.ignore_times = true,
            same,
            Request(ItemFlags::TRANSFER, ITSELF),
        ),
        ("no times", |p| p.attrs.times = false, old, Request(time, ITSELF)),
        ("window", |p| p.select.modify_window = 50, old, Item(NONE)),
        ("existing", |p| p.select.existing = true, missing, Nothing),
        ("ignore existing", |p| p.select.ignore_existing = true, old, Nothing),
        (
            "update, older here",
            |p| p.select.update = true,
            old,
            Request(time, ITSELF),
        ),
        (
            "update, newer here",
            |p| p.select.update = true,
            Seen {
                here: Some((3, 200)),
                ..missing
            },
            Nothing,
        ),
        ("max size", |p| p.select.max_size = Some(4), missing, Nothing),
        ("min size", |p| p.select.min_size = Some(6), missing, Nothing),
        ("append to longer", |p| p.write.append = 1, old, Nothing),
        (
            "append to shorter",
            |p| p.write.append = 1,
            short,
            Request(size, ITSELF),
        ),
        (
            "partial copy",
            |p| p.write.partial_dir = Some(b"part".to_vec()),
            Seen {
                partial: SHORT,
                ..missing
            },
            Request(new, Some(BasisKind::Partial)),
        ),
        (
            "similar name",
            |p| p.select.fuzzy = 1,
            Seen {
                similar: SAME,
                ..missing
            },
            Request(new, Some(BasisKind::Fuzzy(None))),
        ),
        (
            "compare, same there",
            compare,
            Seen {
                alternate: SAME,
                ..missing
            },
            Item(NONE),
        ),
        (
            "compare, older there",
            compare,
            Seen {
                alternate: OLD,
                ..missing
            },
            Request(time, ALTERNATE),
        ),
        (
            "compare, both differ",
            compare,
            Seen {
                alternate: OLD,
                ..short
            },
            Request(size, ITSELF),
        ),
        (
            "link, same there",
            link,
            Seen {
                alternate: SAME,
                ..missing
            },
            Item(ItemFlags::LOCAL_CHANGE),
        ),
    ];
    for (case, options, seen, expected) in rows {
        let dir = TempDir::new().unwrap();
        let mut plan = plan_with!(Plan::default(), attrs.times = true);
        options(&mut plan);
        for (name, file) in [
            ("file", seen.here),
            ("alt/file", seen.alternate),
            ("part/file", seen.partial),
            ("fila", seen.similar),
        ] {
            if let Some((len, mtime)) = file {
                write(&dir.path().join(name), len, mtime);
            }
        }
        let mut fx = Recorder::default();
        let at = At::new(&list(&[("file", None)], 5, 100), 0);
        judge(dir.path(), plan).entry(&mut fx, &at).unwrap();
        let outcome = match (fx.requests.pop(), fx.items.pop()) {
            (Some(request), None) => Request(request.iflags, request.basis.map(|basis| basis.kind)),
            (None, Some((flags, _))) => Item(flags),
            (None, None) => Nothing,
            both => panic!("{case}: {both:?}"),
        };
        assert_eq!(&outcome, expected, "{case}");
    }
}

/// Who leads a group, and what its members become: a script of events on the members a, b and c.
#[test]
fn members_of_a_group() {
    let list = list(&[("a", Some(1)), ("b", Some(1)), ("c", Some(1)), ("d", None)], 5, 100);
    let [a, b, c, alone] = [0, 1, 2, 3].map(|i| At::new(&list, i));
    let groups = |seen: &[&At]| {
        let mut groups = LinkGroups::new(true);
        groups.announce(&list);
        for at in seen {
            groups.visit(at);
        }
        groups
    };
    let names = |members: Vec<At>| members.iter().map(At::name).collect::<Vec<_>>();
    let leader = |name: &[u8]| Member::Link(name.to_vec());

    // A missing member waits for a later one, and one that is there leads at once; the last one has nobody to wait for.
    assert_eq!(groups(&[&a]).member(&a, true), Member::Waits);
    assert_eq!(groups(&[&a]).member(&a, false), Member::Leads);
    assert_eq!(groups(&[&a, &b, &c]).member(&c, true), Member::Leads);
    assert_eq!(groups(&[&alone]).member(&alone, true), Member::Leads);
    assert_eq!(LinkGroups::new(false).member(&a, true), Member::Leads);

    // The last member is transferred. Those that waited are linked, the last first.
    let mut all = groups(&[&a, &b, &c]);
    all.wait(&a);
    all.wait(&b);
    all.start(&c);
    assert!(all.stragglers().is_empty());
    assert_eq!(names(all.finish(&c, b"c", true)), [b"b", b"a"]);
    assert_eq!(all.member(&a, true), leader(b"c"));
    assert_eq!(all.next_leader(&a).map(|at| at.name()), None);

    // A member that comes during a transfer follows, and is linked before those that waited.
    let mut busy = groups(&[&a, &b]);
    busy.wait(&a);
    busy.start(&b);
    busy.visit(&c);
    assert_eq!(busy.member(&c, true), Member::Follows);
    busy.follow(&c);
    assert_eq!(names(busy.finish(&b, b"b", true)), [b"c", b"a"]);

    // A transfer fails: the one that came last leads, and no other one is chosen meanwhile.
    let mut failed = groups(&[&a, &b, &c]);
    failed.wait(&a);
    failed.wait(&b);
    failed.start(&c);
    assert!(failed.finish(&c, b"c", false).is_empty());
    assert_eq!(failed.next_leader(&c).map(|at| at.name()), Some(b"b".to_vec()));
    failed.set_choosing(&c, true);
    assert_eq!(failed.next_leader(&c).map(|at| at.name()), None);
    failed.set_choosing(&c, false);
    assert_eq!(names(failed.stragglers()), [b"a"]);

    // A member that could not be linked leads those that come after it.
    let mut separate = groups(&[&a, &b]);
    separate.finish(&a, b"a", true);
    separate.set_leader(&b, b"b");
    assert_eq!(separate.member(&c, true), leader(b"b"));
}

/// Judged in order, missing members wait for the last, which is asked for; when it is in place, they become its names.
#[test]
fn a_group_is_asked_for_once() {
    let dir = TempDir::new().unwrap();
    let list = list(&[("a", Some(1)), ("b", Some(1)), ("c", Some(1))], 5, 100);
    let plan = plan_with!(Plan::default(), attrs.hard_links = true, attrs.times = true);
    let mut judge = judge(dir.path(), plan);
    judge.links.announce(&list);
    let mut fx = Recorder::default();
    for i in 0..list.len() {
        judge.entry(&mut fx, &At::new(&list, i)).unwrap();
    }
    assert_eq!(fx.kept_open, [1, 2]);
    let asked: Vec<_> = fx.requests.iter().map(|request| request.rel.clone()).collect();
    assert_eq!(asked, [b"c"]);
    write(&dir.path().join("c"), 5, 100);
    judge.transferred(&mut fx, &At::new(&list, 2), true).unwrap();
    judge.link_deferred(&mut fx).unwrap();
    let leaders: Vec<_> = fx.items.iter().map(|(_, leader)| leader.as_deref()).collect();
    assert_eq!(leaders, [Some(&b"c"[..]), Some(&b"c"[..])]);
    assert!(fx.kept_open.is_empty() && dir.path().join("a").exists() && dir.path().join("b").exists());

    // At the end of the requests, a member that failed leaves its group without names.
    let dir = TempDir::new().unwrap();
    let mut late = self::judge(dir.path(), judge.plan.as_ref().clone());
    late.links.announce(&list);
    let mut fx = Recorder::default();
    for i in 0..list.len() {
        late.entry(&mut fx, &At::new(&list, i)).unwrap();
    }
    fx.late = true;
    late.transferred(&mut fx, &At::new(&list, 2), false).unwrap();
    late.link_deferred(&mut fx).unwrap();
    assert_eq!((fx.requests.len(), fx.kept_open.len()), (1, 0));
}
