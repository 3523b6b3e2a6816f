//! Transfers over real streams: our two ends against each other, and each against the real program.

use crate::plan::Process;
use crate::plan_with;
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::remote::{receive, send};
use crate::event::{Event, Summary};
use crate::plan::{AltDest, CompressKind, DeleteWhen, Plan, SumKind};
use crate::report::Report;
use crate::wire::ints::{put_int, put_vstring, Source};
use crate::wire::link::{Link, LinkOptions};

pub(super) fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// What a tree looks like: name to type, mode, time, content.
fn snapshot(root: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, at: &Path, out: &mut BTreeMap<String, String>) {
        let mut names: Vec<_> = fs::read_dir(at).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        for path in names {
            let meta = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let what = if meta.is_symlink() {
                format!("link {}", fs::read_link(&path).unwrap().display())
            } else if meta.is_dir() {
                format!("dir {:o} {}", meta.mode(), meta.mtime())
            } else {
                format!(
                    "file {:o} {} {:?}",
                    meta.mode(),
                    meta.mtime(),
                    crate::sums::strong::digest(SumKind::Md5, &fs::read(&path).unwrap()).as_slice()
                )
            };
            out.insert(name, what);
            if meta.is_dir() {
                walk(root, &path, out);
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(root, root, &mut out);
    out
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

fn make_tree(root: &Path) {
    fs::create_dir_all(root.join("sub/deep/er")).unwrap();
    fs::create_dir_all(root.join("empty")).unwrap();
    fs::write(root.join("a"), b"hello\n").unwrap();
    fs::write(root.join("zero"), b"").unwrap();
    fs::write(root.join("sub/b"), b"world\n").unwrap();
    fs::write(root.join("sub/big"), noise(700_000, 1)).unwrap();
    fs::write(root.join("sub/deep/text"), b"some text that packs well. ".repeat(5000)).unwrap();
    fs::write(root.join("sub/deep/er/x"), noise(33_000, 2)).unwrap();
    for n in 0..8 {
        fs::create_dir_all(root.join(format!("many{n}"))).unwrap();
        for k in 0..10 {
            fs::write(root.join(format!("many{n}/f{k}")), format!("{n} {k}")).unwrap();
        }
    }
    symlink("a", root.join("lnk")).unwrap();
    fs::set_permissions(root.join("sub/b"), fs::Permissions::from_mode(0o600)).unwrap();
    let file = fs::File::open(root.join("sub/b")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
        .unwrap();
}

/// Change a destination so that there is work: deltas, deletions, attributes.
fn spoil(dst: &Path) {
    let mut big = fs::read(dst.join("sub/big")).unwrap();
    big[300_000] ^= 1;
    big.splice(100..100, *b"inserted");
    fs::write(dst.join("sub/big"), big).unwrap();
    let mut text = fs::read(dst.join("sub/deep/text")).unwrap();
    text.truncate(100_000);
    fs::write(dst.join("sub/deep/text"), text).unwrap();
    fs::write(dst.join("extra"), b"x").unwrap();
    fs::create_dir_all(dst.join("sub/gone/deeper")).unwrap();
    fs::write(dst.join("sub/gone/deeper/f"), b"x").unwrap();
    fs::set_permissions(dst.join("a"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(dst.join("lnk")).unwrap();
    symlink("zero", dst.join("lnk")).unwrap();
}

pub(super) fn archive() -> Plan {
    plan_with!(
        Plan::default(),
        select.recurse = true,
        attrs.links = true,
        attrs.perms = true,
        attrs.times = true,
        attrs.owner = true,
        attrs.group = true,
        attrs.devices = true,
        attrs.specials = true,
        place.am_root = rustix::process::geteuid().is_root(),
        agreed.seed = 77
    )
}

/// The plan as both ends agree on it for a protocol.
pub(super) fn agreed(protocol: u8, inc: bool) -> Plan {
    let modern = protocol >= 30;
    let sum = match protocol {
        30.. => SumKind::Xxh128,
        27.. => SumKind::Md4Old,
        _ => SumKind::Md4Unpadded,
    };
    plan_with!(
        archive(),
        agreed.protocol = protocol,
        agreed.inc_recurse = inc && modern,
        agreed.compat_safe_flist = modern,
        agreed.compat_avoid_xattr_optim = modern,
        agreed.compat_seed_fix = modern,
        agreed.compat_inplace_partial = modern,
        agreed.compat_varint_flist = modern,
        agreed.compat_id0_names = modern,
        agreed.compat_symlink_times = modern,
        agreed.xfer_sum = sum,
        agreed.file_sum = sum
    )
}

pub(super) struct Done {
    summary: Summary,
    out: String,
    err: String,
}

fn texts(report: &Report) -> (String, String) {
    report.finish();
    let (mut out, mut err) = (String::new(), String::new());
    while let Some(events) = report.take(Duration::from_millis(1)) {
        for event in events {
            match event {
                Event::Stdout(b) => out.push_str(&String::from_utf8_lossy(&b)),
                Event::Stderr(b) => err.push_str(&String::from_utf8_lossy(&b)),
                _ => {}
            }
        }
    }
    (out, err)
}

pub(super) fn run(mut link: Link, plan: Plan, sending: bool) -> Done {
    let plan = Arc::new(plan);
    let report = Report::new(Arc::clone(&plan), sending);
    // Whatever goes wrong, a test ends.
    let watched = report.clone();
    let (over, guard) = crossbeam_channel::bounded::<()>(0);
    let watch = std::thread::spawn(move || {
        if guard.recv_timeout(Duration::from_secs(20)) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
            watched.cancel(99);
        }
    });
    let summary = if sending {
        send(&mut link, &plan, &report, None)
    } else {
        receive(&mut link, &plan, &report)
    };
    drop(link);
    drop(over);
    watch.join().unwrap();
    let (out, err) = texts(&report);
    Done { summary, out, err }
}

fn link(stream: UnixStream, plan: &Plan, sending: bool) -> Link {
    let copy = stream.try_clone().unwrap();
    let options = LinkOptions {
        protocol: plan.agreed.protocol,
        client: !plan.place.is_server(),
        ..LinkOptions::default()
    };
    let mut link = Link::new(OwnedFd::from(stream), OwnedFd::from(copy), options);
    // Server to client is framed from protocol 23 on, the other way from protocol 30 on.
    let (framed, modern) = (plan.agreed.protocol >= 23, plan.agreed.protocol >= 30);
    if plan.place.is_server() && framed || modern {
        link.start_mux_out();
    }
    if !plan.place.is_server() && framed || modern {
        link.start_mux_in();
    }
    let _ = sending;
    link
}

/// Both ends are ours. `push`: the client sends.
pub(super) fn both(src: &Path, dst: &Path, base: Plan, push: bool) -> (Done, Done) {
    let (a, b) = UnixStream::pair().unwrap();
    let sender = plan_with!(
        base.clone(),
        select.sources = vec![[bytes(src), b"/".to_vec()].concat()],
        place.process = if push { Process::Client } else { Process::Server }
    );
    let receiver = plan_with!(
        base,
        select.destination = bytes(dst),
        place.process = if push { Process::Server } else { Process::Client }
    );
    let (one, two) = (link(a, &sender, true), link(b, &receiver, false));
    let sending = std::thread::spawn(move || run(one, sender, true));
    let received = run(two, receiver, false);
    (sending.join().unwrap(), received)
}

fn good(done: &Done) {
    assert_eq!(
        (done.summary.code, done.summary.error.as_str()),
        (0, ""),
        "{} {}",
        done.out,
        done.err
    );
    assert_eq!(done.err, "");
}

#[test]
fn ours_with_ours() {
    for protocol in 20..=32 {
        for inc in [false, true] {
            if inc && protocol < 30 {
                continue;
            }
            for push in [false, true] {
                let dir = tempfile::tempdir().unwrap();
                let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
                make_tree(&src);
                let what = format!("P{protocol} inc {inc} push {push}");
                let (s, r) = both(&src, &dst, agreed(protocol, inc), push);
                good(&s);
                good(&r);
                assert_eq!(snapshot(&src), snapshot(&dst), "{what}");
                assert_eq!(s.summary.transferred, 86, "{what}");
                spoil(&dst);
                let plan = plan_with!(
                    agreed(protocol, inc),
                    removal.delete = if inc { DeleteWhen::During } else { DeleteWhen::After }
                );
                let (s, r) = both(&src, &dst, plan, push);
                good(&s);
                good(&r);
                assert_eq!(snapshot(&src), snapshot(&dst), "{what}");
                assert_eq!(s.summary.transferred, 2, "{what}");
                assert!(
                    s.summary.matched > 500_000 && s.summary.literal < 150_000,
                    "{what} {:?}",
                    s.summary
                );
                if protocol >= 31 {
                    assert_eq!(r.summary.deleted.total(), 4, "{what}");
                    assert_eq!(s.summary.deleted.total(), 4, "{what}");
                }
            }
        }
    }
}

/// Nothing is asked for in any list, so only the ends of lists tell the sender that it may list on.
#[test]
fn more_up_to_date_files_than_a_sender_lists_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
    for n in 0..13 {
        let (from, to) = (src.join(format!("d{n}")), dst.join(format!("d{n}")));
        fs::create_dir_all(&from).unwrap();
        fs::create_dir_all(&to).unwrap();
        for k in 0..1000 {
            let name = format!("f{k}");
            fs::write(from.join(&name), b"").unwrap();
            fs::hard_link(from.join(&name), to.join(&name)).unwrap();
        }
    }
    let (sent, received) = both(&src, &dst, agreed(32, true), true);
    good(&sent);
    good(&received);
    assert_eq!(received.summary.transferred, 0);
}

#[test]
fn codecs_and_sums() {
    for kind in [
        CompressKind::Zlib,
        CompressKind::Zlibx,
        CompressKind::Zstd,
        CompressKind::Lz4,
    ] {
        for sum in [SumKind::Md5, SumKind::Sha1, SumKind::Xxh64, SumKind::Xxh3, SumKind::Md4] {
            let dir = tempfile::tempdir().unwrap();
            let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
            make_tree(&src);
            let plan = plan_with!(
                agreed(32, true),
                agreed.compress = kind,
                agreed.compress_level = 3,
                agreed.xfer_sum = sum
            );
            for _ in 0..2 {
                let (s, r) = both(&src, &dst, plan.clone(), true);
                good(&s);
                good(&r);
                assert_eq!(snapshot(&src), snapshot(&dst), "{kind:?} {sum:?}");
                spoil(&dst);
                fs::remove_file(dst.join("extra")).unwrap();
                fs::remove_dir_all(dst.join("sub/gone")).unwrap();
            }
        }
    }
}

#[test]
fn dry_run_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
    make_tree(&src);
    fs::create_dir(&dst).unwrap();
    for protocol in [28, 32] {
        let plan = plan_with!(agreed(protocol, true), select.dry_run = true);
        let (s, r) = both(&src, &dst, plan, true);
        good(&s);
        good(&r);
        assert!(snapshot(&dst).is_empty());
        assert_eq!(s.summary.transferred, 86);
    }
}

#[test]
fn ways_of_writing() {
    let ways: [(&str, fn(&mut Plan)); 9] = [
        ("inplace", |p| p.write.inplace = true),
        ("sparse", |p| p.write.sparse = true),
        ("delay", |p| {
            p.write.delay_updates = true;
            p.write.partial_dir = Some(b".~tmp~".to_vec());
            p.write.partial = true;
            p.agreed.inc_recurse = false;
        }),
        ("append", |p| {
            p.write.append = 1;
            p.write.inplace = true;
        }),
        ("append-verify", |p| {
            p.write.append = 2;
            p.write.inplace = true;
        }),
        ("backup", |p| {
            p.write.backup = true;
            p.write.backup_suffix = b".old".to_vec();
        }),
        ("inplace-backup", |p| {
            p.write.inplace = true;
            p.write.backup = true;
            p.write.backup_suffix = b".old".to_vec();
        }),
        ("whole", |p| p.write.whole_file = true),
        ("preallocate", |p| p.write.preallocate = true),
    ];
    for (name, change) in ways {
        let dir = tempfile::tempdir().unwrap();
        let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
        make_tree(&src);
        let (s, _) = both(&src, &dst, agreed(32, true), true);
        good(&s);
        if name.starts_with("append") {
            let mut text = fs::read(dst.join("sub/deep/text")).unwrap();
            text.truncate(100_000);
            fs::write(dst.join("sub/deep/text"), text).unwrap();
        } else {
            spoil(&dst);
            fs::remove_file(dst.join("extra")).unwrap();
            fs::remove_dir_all(dst.join("sub/gone")).unwrap();
        }
        let mut plan = agreed(32, true);
        change(&mut plan);
        let (s, r) = both(&src, &dst, plan, true);
        good(&s);
        good(&r);
        if name.contains("backup") {
            for old in ["sub/big.old", "sub/deep/text.old", "lnk.old"] {
                fs::remove_file(dst.join(old)).unwrap_or_else(|e| panic!("{name} {old} {e}"));
            }
            for path in ["sub", "sub/deep", "."] {
                let time = fs::metadata(src.join(path)).unwrap().modified().unwrap();
                fs::File::open(dst.join(path)).unwrap().set_modified(time).unwrap();
            }
        }
        assert_eq!(snapshot(&src), snapshot(&dst), "{name}");
    }
}

#[test]
fn alternate_directories() {
    let dir = tempfile::tempdir().unwrap();
    let (src, old, dst) = (dir.path().join("src"), dir.path().join("old"), dir.path().join("dst"));
    make_tree(&src);
    let (s, _) = both(&src, &old, agreed(32, true), true);
    good(&s);
    spoil(&old);
    let plan = plan_with!(
        agreed(32, true),
        select.alt_dest = AltDest::Link,
        select.alt_dirs = vec![bytes(&old)]
    );
    let (s, r) = both(&src, &dst, plan, true);
    good(&s);
    good(&r);
    assert_eq!(snapshot(&src), snapshot(&dst));
    assert_eq!(s.summary.transferred, 2);
    assert!(s.summary.matched > 500_000);
    assert!(fs::metadata(dst.join("zero")).unwrap().nlink() > 1);
}

#[test]
fn sources_are_removed() {
    for inc in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
        make_tree(&src);
        let plan = plan_with!(agreed(32, inc), removal.remove_source_files = true);
        let (s, r) = both(&src, &dst, plan, true);
        good(&s);
        good(&r);
        let left = snapshot(&src);
        assert!(left.values().all(|v| v.starts_with("dir")), "{left:?}");
        assert!(snapshot(&dst).contains_key("many7/f9"));
    }
}

#[test]
fn a_missing_source_is_said_once_and_the_rest_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
    make_tree(&src);
    fs::create_dir(&dst).unwrap();
    let base = agreed(32, true);
    let (a, b) = UnixStream::pair().unwrap();
    let sender = plan_with!(
        base.clone(),
        select.sources = vec![bytes(&src.join("none")), [bytes(&src), b"/".to_vec()].concat()]
    );
    let receiver = plan_with!(base, select.destination = bytes(&dst), place.process = Process::Server);
    let (one, two) = (link(a, &sender, true), link(b, &receiver, false));
    let sending = std::thread::spawn(move || run(one, sender, true));
    let r = run(two, receiver, false);
    let s = sending.join().unwrap();
    assert_eq!(s.summary.code, 23, "{}", s.err);
    assert!(s.err.contains("link_stat"), "{}", s.err);
    assert_eq!(r.err, "");
    assert_eq!(snapshot(&src), snapshot(&dst));
}

// ---- the real program at the other end

fn have_rsync() -> bool {
    let there = Command::new("rsync")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "rsync is missing");
    there
}

struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Start a server, and shake hands as a client of this protocol. `letters` are the compact word without capabilities.
fn server(
    sender: bool,
    letters: &str,
    extra: &[&str],
    path: &Path,
    base: &Plan,
    inc: bool,
    filters: bool,
) -> (Child, Link, Plan) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new("rsync");
    command.arg("--server");
    if sender {
        command.arg("--sender");
    }
    let modern = base.agreed.protocol >= 30;
    let caps = if modern {
        if inc {
            "e.iLsfxCIvu"
        } else {
            "e.LsfxCIvu"
        }
    } else {
        ""
    };
    command.arg(format!("-{letters}{caps}")).args(extra).arg(".").arg(path);
    let input = OwnedFd::from(theirs.try_clone().unwrap());
    command
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(OwnedFd::from(theirs)));
    let child = Child(command.spawn().unwrap());
    drop(command);
    let mut plan = base.clone();
    let copy = ours.try_clone().unwrap();
    let options = LinkOptions {
        protocol: plan.agreed.protocol,
        ..LinkOptions::default()
    };
    let mut link = Link::new(OwnedFd::from(ours), OwnedFd::from(copy), options);
    let mut out = Vec::new();
    put_int(&mut out, i32::from(plan.agreed.protocol));
    link.write(&out).unwrap();
    assert_eq!(link.int().unwrap(), 32);
    if modern {
        let flags = link.varint().unwrap();
        plan.agreed.inc_recurse = flags & 1 != 0;
        plan.agreed.compat_symlink_times = flags & 2 != 0;
        plan.agreed.compat_safe_flist = flags & 8 != 0;
        plan.agreed.compat_avoid_xattr_optim = flags & 0x10 != 0;
        plan.agreed.compat_seed_fix = flags & 0x20 != 0;
        plan.agreed.compat_inplace_partial = flags & 0x40 != 0;
        plan.agreed.compat_varint_flist = flags & 0x80 != 0;
        plan.agreed.compat_id0_names = flags & 0x100 != 0;
        plan.agreed.xfer_sum = SumKind::Md5;
        if plan.agreed.compat_varint_flist {
            let mut out = Vec::new();
            put_vstring(&mut out, b"xxh128").unwrap();
            if letters.contains('z') {
                put_vstring(&mut out, plan.agreed.compress.name().as_bytes()).unwrap();
            }
            link.write(&out).unwrap();
            link.vstring(255).unwrap();
            if letters.contains('z') {
                link.vstring(255).unwrap();
            }
            plan.agreed.xfer_sum = SumKind::Xxh128;
        }
    }
    plan.agreed.file_sum = plan.agreed.xfer_sum;
    plan.agreed.seed = link.int().unwrap();
    if base.agreed.protocol >= 23 {
        link.start_mux_in();
    }
    if modern {
        link.start_mux_out();
    }
    if filters {
        link.write(&[0; 4]).unwrap();
    }
    (child, link, plan)
}

#[test]
fn pull_from_rsync() {
    if !have_rsync() {
        return;
    }
    for protocol in 20..=32 {
        for inc in [false, true] {
            if inc && protocol < 30 {
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
            make_tree(&src);
            let base = plan_with!(agreed(protocol, inc), select.destination = bytes(&dst));
            for round in 0..2 {
                let base = plan_with!(base.clone(), removal.delete = DeleteWhen::During);
                let (_child, link, plan) = server(true, "logDtpr", &[], &src.join(""), &base, inc, true);
                assert_eq!(plan.agreed.inc_recurse, inc && protocol >= 30);
                let done = run(link, plan, false);
                good(&done);
                assert_eq!(snapshot(&src), snapshot(&dst), "P{protocol} inc {inc} round {round}");
                if round == 1 {
                    assert!(done.summary.matched > 500_000);
                }
                spoil(&dst);
            }
        }
    }
}

#[test]
fn push_to_rsync() {
    if !have_rsync() {
        return;
    }
    for protocol in 20..=32 {
        for inc in [false, true] {
            if inc && protocol < 30 {
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
            make_tree(&src);
            let base = plan_with!(
                agreed(protocol, inc),
                select.sources = vec![[bytes(&src), b"/".to_vec()].concat()]
            );
            for round in 0..2 {
                let base = plan_with!(base.clone(), removal.delete = DeleteWhen::During);
                let (mut child, link, plan) = server(false, "logDtpr", &["--delete"], &dst, &base, inc, true);
                let done = run(link, plan, true);
                good(&done);
                assert!(child.0.wait().unwrap().success());
                assert_eq!(snapshot(&src), snapshot(&dst), "P{protocol} inc {inc} round {round}");
                if round == 1 {
                    assert!(done.summary.matched > 500_000);
                }
                spoil(&dst);
            }
        }
    }
}

#[test]
fn codecs_with_rsync() {
    if !have_rsync() {
        return;
    }
    for kind in [
        CompressKind::Zlib,
        CompressKind::Zlibx,
        CompressKind::Zstd,
        CompressKind::Lz4,
    ] {
        for push in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
            make_tree(&src);
            let base = plan_with!(
                agreed(32, true),
                select.sources = vec![[bytes(&src), b"/".to_vec()].concat()],
                select.destination = bytes(&dst),
                agreed.compress = kind,
                agreed.compress_level = 3
            );
            for _ in 0..2 {
                let path = if push { dst.clone() } else { src.join("") };
                let (_child, link, plan) = server(!push, "logDtprz", &[], &path, &base, true, !push);
                let done = run(link, plan, push);
                good(&done);
                assert_eq!(snapshot(&src), snapshot(&dst), "{kind:?} push {push}");
                spoil(&dst);
                fs::remove_file(dst.join("extra")).unwrap();
                fs::remove_dir_all(dst.join("sub/gone")).unwrap();
            }
        }
    }
}
