//! Tests of roots, resolution and the operator walk.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use tempfile::TempDir;

use super::operator::{self, Trust};
use super::root::{Atime, Root, RootOptions, WriteFlags};
use super::temp::Place;
use super::walk::DIR_FLAGS;
use super::{temp, FileKind};

const ELOOP: i32 = 40;
const EINVAL: i32 = 22;
const ENOTDIR: i32 = 20;

fn bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes()
}

fn code<T: std::fmt::Debug>(r: std::io::Result<T>) -> i32 {
    r.expect_err("must fail").raw_os_error().unwrap_or(0)
}

/// Names and kinds of the entries of a directory; any error is an error.
fn entries(root: &Root, rel: &[u8]) -> std::io::Result<Vec<(Vec<u8>, FileKind)>> {
    let names = root.read_names(rel, Atime::Update)?;
    let entries = names.iter().map(|e| (e.name.to_vec(), e.kind)).collect();
    names.error.map_or(Ok(entries), Err)
}

/// A tree `t` with an outside `out` beside it, and its roots by openat2 and by the walk.
fn setup() -> (TempDir, Vec<Root>) {
    let tmp = TempDir::new().unwrap();
    let t = tmp.path().join("t");
    fs::create_dir_all(t.join("a/b/c")).unwrap();
    fs::create_dir_all(tmp.path().join("out")).unwrap();
    fs::write(tmp.path().join("out/secret"), "s").unwrap();
    fs::write(t.join("a/f"), "hello").unwrap();
    fs::write(t.join("top"), "x").unwrap();
    symlink("b", t.join("a/in")).unwrap();
    symlink("../a/b", t.join("a/in2")).unwrap();
    symlink("../../out", t.join("a/esc")).unwrap();
    symlink(tmp.path().join("t/a/b"), t.join("a/abs")).unwrap();
    symlink("loop2", t.join("loop1")).unwrap();
    symlink("loop1", t.join("loop2")).unwrap();
    let roots = [false, true]
        .iter()
        .map(|&no_openat2| {
            Root::open(
                bytes(&t),
                &RootOptions {
                    no_openat2,
                    ..RootOptions::default()
                },
            )
            .unwrap()
        })
        .collect();
    (tmp, roots)
}

/// A root that was led to `a/esc` and back into the tree by `a/abs` goes where the links led then, and nowhere else.
#[test]
fn doors() {
    let (tmp, roots) = setup();
    fs::create_dir_all(tmp.path().join("out/sub")).unwrap();
    symlink("/", tmp.path().join("out/sub/up")).unwrap();
    symlink("sub", tmp.path().join("out/in")).unwrap();
    for root in &roots {
        assert!(root.leads_out(b"a/esc") && root.leads_out(b"a/abs/c") && !root.leads_out(b"a/in"));
        assert!(!root.leads_out(b".") && !root.leads_out(b"none"));
        let led = root.with_doors(b"a/esc/sub").unwrap();
        assert_eq!(led.doors().collect::<Vec<_>>(), [b"a/esc"]);
        assert!(!led.leads_out(b"a/esc/sub") && led.leads_out(b"a/esc/sub/up"));
        assert_eq!(led.lstat(b"a/esc/secret").unwrap().size, 1);
        assert!(led.lstat(b"a/esc/in/up").unwrap().is_symlink());
        assert_eq!(entries(&led, b"a/esc").unwrap().len(), 3);
        assert!(led.lstat(b"a/esc").unwrap().is_symlink());
        assert_eq!(led.lstat(b"a/f").unwrap().size, 5);
        // What is behind it has no way out of its own, and neither has the rest of the root.
        assert_eq!(code(led.lstat(b"a/esc/sub/up/etc")), ELOOP);
        assert_eq!(code(led.lstat(b"a/abs/c")), ELOOP);
        // A name that only begins like it is another one.
        assert_eq!(code(led.lstat(b"a/esc2/x")), 2);
        // Several on one way.
        let led = root.with_doors(b"a/esc/sub/up/etc").unwrap();
        assert_eq!(led.doors().collect::<Vec<_>>(), [&b"a/esc"[..], b"a/esc/sub/up"]);
        assert!(led.lstat(b"a/esc/sub/up/etc/passwd").unwrap().is_file());
        assert_eq!(code(root.with_doors(b"loop1/x").unwrap().lstat(b"loop1/x")), ELOOP);
        // A later change of the link has no effect.
        let led = root.with_doors(b"a/esc").unwrap();
        fs::remove_file(tmp.path().join("t/a/esc")).unwrap();
        symlink("/etc", tmp.path().join("t/a/esc")).unwrap();
        assert_eq!(led.lstat(b"a/esc/secret").unwrap().size, 1);
        fs::remove_file(tmp.path().join("t/a/esc")).unwrap();
        symlink("../../out", tmp.path().join("t/a/esc")).unwrap();
        symlink("/nowhere", tmp.path().join("t/dead")).unwrap();
        assert_eq!(code(root.with_doors(b"dead/x").unwrap().lstat(b"dead/x")), 2);
        fs::remove_file(tmp.path().join("t/dead")).unwrap();
    }
}

/// Links of trusted owners are followed anywhere, those of others nowhere, and none out of the bound.
#[test]
fn trusted_links() {
    let (tmp, _) = setup();
    let t = tmp.path().join("t");
    symlink("b", t.join("a/foreign")).unwrap();
    let root_user = rustix::process::geteuid().is_root();
    if root_user {
        std::os::unix::fs::lchown(t.join("a/foreign"), Some(1234), None).unwrap();
    }
    for no_openat2 in [false, true] {
        let options = RootOptions {
            trusted_links: true,
            no_openat2,
            ..RootOptions::default()
        };
        let root = Root::open(bytes(&t), &options).unwrap();
        assert_eq!(root.lstat(b"a/esc/secret").unwrap().size, 1);
        assert!(root.lstat(b"a/abs/c").unwrap().is_dir());
        assert!(root.lstat(b"a/in2/c").unwrap().is_dir());
        assert!(root.stat_follow(b"a/esc", false).unwrap().is_dir());
        assert_eq!(entries(&root, b"a/esc").unwrap().len(), 1);
        assert_eq!(code(root.lstat(b"loop1/c")), ELOOP);
        assert_eq!(code(root.lstat(b"a/f/c")), ENOTDIR);
        assert!(!root.leads_out(b"a/esc"));
        if root_user {
            assert_eq!(code(root.lstat(b"a/foreign/c")), ELOOP);
            assert_eq!(code(root.stat_follow(b"a/foreign", false)), ELOOP);
            assert_eq!(code(entries(&root, b"a/foreign")), ELOOP);
            assert!(root.lstat(b"a/foreign").unwrap().is_symlink());
        }
        let bound = RootOptions {
            confine_root: Some(bytes(&t).to_vec()),
            ..options
        };
        let root = Root::open(bytes(&t), &bound).unwrap();
        assert_eq!(code(root.lstat(b"a/esc/secret")), ELOOP);
        assert!(root.lstat(b"a/abs/c").unwrap().is_dir());
    }
}

#[test]
fn resolution() {
    let (_tmp, roots) = setup();
    for root in &roots {
        assert_eq!(root.lstat(b"a/f").unwrap().size, 5);
        assert!(root.lstat(b"").unwrap().is_dir());
        assert!(root.lstat(b".").unwrap().is_dir());
        assert!(root.lstat(b"./a/").unwrap().is_dir());
        assert!(root.lstat(b"a/./b/.").unwrap().is_dir());
        assert!(root.lstat(b"a/in").unwrap().is_symlink());
        assert!(root.lstat(b"a/in/c").unwrap().is_dir());
        assert!(root.lstat(b"a/in2/c").unwrap().is_dir());
        assert_eq!(code(root.lstat(b"a/esc/secret")), ELOOP);
        assert_eq!(code(root.lstat(b"a/abs/c")), ELOOP);
        assert_eq!(code(root.lstat(b"loop1/c")), ELOOP);
        assert_eq!(code(root.lstat(b"a/f/c")), ENOTDIR);
        assert_eq!(code(root.lstat(b"none/c")), 2);
        for bad in [&b"/etc"[..], b"..", b"a/../top", b"a/..", b"../out/secret", b"x\0y"] {
            assert_eq!(code(root.lstat(bad)), EINVAL, "{bad:?}");
        }
        assert!(root.stat_follow(b"a/esc", false).unwrap().is_dir());
        assert_eq!(root.read_link(b"a/in").unwrap(), b"b");
        assert_eq!(code(root.open_read(b"a/in", Atime::Update)), ELOOP);
        assert_eq!(code(root.open_read_follow(b"a/esc/secret", Atime::Update)), ELOOP);
        assert_eq!(code(root.subroot_nofollow(b"a/in")), ENOTDIR);
        assert!(root.subroot(b"a/in").unwrap().lstat(b"c").unwrap().is_dir());
    }
}

#[test]
fn insecure_follows() {
    let (tmp, _) = setup();
    let options = RootOptions {
        insecure_links: true,
        ..RootOptions::default()
    };
    let root = Root::open(bytes(&tmp.path().join("t")), &options).unwrap();
    assert!(root.lstat(b"a/esc/secret").unwrap().is_file());
    assert!(root.lstat(b"a/abs/c").unwrap().is_dir());
}

#[test]
fn operations() {
    let (tmp, roots) = setup();
    for (n, root) in roots.iter().enumerate() {
        let d = format!("w{n}");
        let p = |leaf: &str| format!("{d}/{leaf}").into_bytes();
        root.mkdir(d.as_bytes(), 0o755).unwrap();
        let file = root.create_temp(&p("file"), None).unwrap();
        assert_eq!(file.name.len(), p("file").len() + 8);
        root.rename(&file.name, &p("file")).unwrap();
        root.chmod(&p("file"), 0o640).unwrap();
        root.utimens(&p("file"), Some((1_000_000_000, 5)), None).unwrap();
        let s = root.lstat_btime(&p("file")).unwrap();
        assert_eq!((s.mode & 0o7777, s.mtime_pair()), (0o640, (1_000_000_000, 5)));
        root.link(&p("file"), &p("hard")).unwrap();
        assert_eq!(root.lstat(&p("file")).unwrap().nlink, 2);
        root.symlink(b"/nowhere", &p("sym")).unwrap();
        root.utimens(&p("sym"), Some((7, 0)), Some((8, 0))).unwrap();
        assert_eq!(root.lstat(&p("sym")).unwrap().mtime, 7);
        assert_eq!(code(root.chmod(&p("sym"), 0o777)), 95);
        root.mknod(&p("fifo"), 0o010_600, 0, 0).unwrap();
        assert_eq!(root.lstat(&p("fifo")).unwrap().mode, 0o010_600);
        root.chmod(&p("fifo"), 0o644).unwrap();
        // a pipe in the place of a file does not block the open
        assert!(root.open_read(&p("fifo"), Atime::Keep).is_ok());
        if rustix::process::geteuid().is_root() {
            root.chown(&p("file"), Some(12), Some(13)).unwrap();
            let s = root.lstat(&p("file")).unwrap();
            assert_eq!((s.uid, s.gid), (12, 13));
            root.chown(&p("sym"), Some(14), None).unwrap();
            assert_eq!(root.lstat(&p("sym")).unwrap().uid, 14);
            root.mknod(&p("null"), 0o020_666, 1, 3).unwrap();
            let s = root.lstat(&p("null")).unwrap();
            assert_eq!((s.rdev_major, s.rdev_minor, s.is_device()), (1, 3, true));
            root.unlink(&p("null")).unwrap();
        }
        assert_eq!(code(root.chown(&p("file"), Some(u32::MAX), None)), EINVAL);
        let mut names: Vec<_> = entries(root, d.as_bytes()).unwrap().into_iter().collect();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(
            names,
            [
                (b"fifo".to_vec(), FileKind::Fifo),
                (b"file".to_vec(), FileKind::File),
                (b"hard".to_vec(), FileKind::File),
                (b"sym".to_vec(), FileKind::Symlink)
            ]
        );
        for name in ["fifo", "file", "hard"] {
            root.remove(&p(name), FileKind::Unknown).unwrap();
        }
        root.remove(&p("sym"), FileKind::Symlink).unwrap();
        root.remove(d.as_bytes(), FileKind::Unknown).unwrap();
        assert!(!tmp.path().join("t").join(&d).exists());
    }
}

#[test]
fn caches_see_replaced_directories() {
    let (_tmp, roots) = setup();
    for root in &roots {
        let other = root.clone();
        root.mkdir(b"d", 0o755).unwrap();
        drop(other.create_excl(b"d/x", 0o600).unwrap());
        other.unlink(b"d/x").unwrap();
        root.rmdir(b"d").unwrap();
        root.mkdir(b"d", 0o755).unwrap();
        drop(other.create_excl(b"d/x", 0o600).unwrap());
        root.rename(b"d", b"e").unwrap();
        assert_eq!(code(root.lstat(b"d/x")), 2);
        root.unlink(b"e/x").unwrap();
        root.rmdir(b"e").unwrap();
        // many directories, more than the cache holds
        for i in 0..40 {
            root.mkdir(format!("m{i}").as_bytes(), 0o755).unwrap();
            drop(root.create_excl(format!("m{i}/x").as_bytes(), 0o600).unwrap());
        }
        for i in 0..40 {
            root.unlink(format!("m{i}/x").as_bytes()).unwrap();
            root.rmdir(format!("m{i}").as_bytes()).unwrap();
        }
    }
}

#[test]
fn two_roots() {
    let (tmp, roots) = setup();
    let out = Root::open(bytes(&tmp.path().join("out")), &RootOptions::default()).unwrap();
    roots[0].link_from(&out, b"secret", b"a/b/s").unwrap();
    out.rename_from(&roots[0], b"a/b/s", b"s2").unwrap();
    // both names are one file: rename of one onto the other does nothing
    assert_eq!(out.lstat(b"s2").unwrap().nlink, 2);
    let temp = roots[0].create_temp(b"a/.name", Some(&out)).unwrap();
    assert!(temp.name.starts_with(b".name.") && out.lstat(&temp.name).is_ok());
}

#[test]
fn long_paths() {
    let tmp = TempDir::new().unwrap();
    for no_openat2 in [false, true] {
        let options = RootOptions {
            no_openat2,
            ..RootOptions::default()
        };
        let root = Root::open(bytes(tmp.path()), &options).unwrap();
        let part = vec![b'd'; 200];
        let mut path = Vec::new();
        let mut all = Vec::new();
        for _ in 0..30 {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&part);
            root.mkdir(&path, 0o755).unwrap();
            all.push(path.clone());
        }
        let mut file = path.clone();
        file.extend_from_slice(b"/f");
        drop(root.create_excl(&file, 0o600).unwrap());
        assert_eq!(root.clone().lstat(&file).unwrap().size, 0);
        assert_eq!(entries(&root.clone(), &path).unwrap().len(), 1);
        root.unlink(&file).unwrap();
        for dir in all.iter().rev() {
            root.rmdir(dir).unwrap();
        }
    }
}

#[test]
fn temp_names() {
    assert_eq!(temp::stem(b"foo", Place::Beside), b".foo.");
    assert_eq!(temp::stem(b".foo", Place::Beside), b".foo.");
    assert_eq!(temp::stem(b"foo", Place::TempDir), b"foo.");
    let long = vec![b'a'; 255];
    assert_eq!(temp::name_for(&long, Place::Beside).len(), 254);
    // a two-byte character over the cut goes as a whole
    let mut wide = vec![b'a'; 245];
    wide.extend_from_slice("\u{e9}bbbbbb".as_bytes());
    assert_eq!(temp::stem(&wide, Place::Beside).len(), 1 + 245 + 1);
    // as observed: only a high byte at the cut moves it, back over all high bytes before it
    let cut = |head: usize, tail: &[u8]| temp::stem(&[&vec![b'a'; head][..], tail].concat(), Place::Beside).len() - 2;
    assert_eq!(cut(246, b"\xff\xff\xff"), 246);
    assert_eq!(cut(244, b"\xff\xff\xff\xff\xff\xff"), 244);
    assert_eq!(cut(245, b"\xc3a\xc3\xc3"), 246);
    assert_eq!(cut(244, b".\xc3\xa9bbb"), 244);
    assert_eq!(cut(245, b".\xc3\xa9bbb"), 245);
    assert_eq!(temp::stem(&[0xc3; 255], Place::Beside), b"..");
    assert_eq!(temp::stem(b"foo..", Place::Beside), b".foo..");
    assert_ne!(temp::name_for(b"x", Place::Beside), temp::name_for(b"x", Place::Beside));
    assert!(temp::name_for(b"d/e/x", Place::Beside).starts_with(b"d/e/.x."));
    assert!(temp::name_for(b"d/e/x", Place::TempDir).starts_with(b"x."));
}

#[test]
fn write_flags() {
    let (_tmp, roots) = setup();
    let root = &roots[0];
    assert_eq!(
        code(root.open_write(
            b"a/in",
            WriteFlags {
                create: Some(0o600),
                ..WriteFlags::default()
            }
        )),
        ELOOP
    );
    assert_eq!(code(root.create_excl(b"top", 0o600)), 17);
    drop(
        root.open_write(
            b"top",
            WriteFlags {
                truncate: true,
                ..WriteFlags::default()
            },
        )
        .unwrap(),
    );
    assert_eq!(root.lstat(b"top").unwrap().size, 0);
}

fn open_dir(path: &[u8], trust: Trust<'_>) -> std::io::Result<std::os::fd::OwnedFd> {
    Ok(operator::open_with(path, DIR_FLAGS, 0, trust)?)
}

#[test]
fn operator_walk() {
    let (tmp, _) = setup();
    let base = tmp.path();
    let link = base.join("link");
    symlink("t/a", &link).unwrap();
    let file = base.join("link/f");
    assert!(operator::open_file(bytes(&file), Trust::default()).is_ok());
    assert!(open_dir(bytes(&link), Trust::default()).is_ok());
    // confinement
    let t = base.join("t");
    let within = Trust {
        confine_root: Some(bytes(&t)),
        ..Trust::default()
    };
    let open_output = |path: &Path, how: OFlags| {
        let flags = OFlags::WRONLY | OFlags::CREATE | how;
        operator::open_raw(bytes(path), flags.bits(), 0o600, within)
    };
    let lead_in = base.join("in");
    symlink("t/top", &lead_in).unwrap();
    assert!(operator::open_file(bytes(&lead_in), within).is_ok());
    for name in ["new", "out/secret"] {
        let path = base.join(name);
        let made = open_output(&path, OFlags::TRUNC);
        assert_eq!(made.unwrap_err(), (ELOOP, false));
    }
    assert!(!base.join("new").exists());
    assert_eq!(fs::read(base.join("out/secret")).unwrap(), b"s");
    let made = open_output(&t.join("new"), OFlags::APPEND);
    assert!(made.is_ok() && t.join("new").exists());
    assert!(!operator::is_untrusted(bytes(&file), None));
    assert!(!operator::is_untrusted(b"", None));
    assert!(operator::open_file(bytes(&file), within).is_ok());
    assert!(open_dir(bytes(&t), within).is_ok());
    assert_eq!(code(open_dir(bytes(base), within)), ELOOP);
    assert_eq!(code(operator::open_file(bytes(&t.join("a/esc/secret")), within)), ELOOP);
    assert_eq!(
        code(operator::open_file(bytes(&t.join("../out/secret")), within)),
        ELOOP
    );
    assert!(operator::open_file(bytes(&t.join("a/esc/secret")), Trust::default()).is_ok());
    assert_eq!(
        code(operator::open_file(bytes(&t.join("loop1")), Trust::default())),
        ELOOP
    );
    assert_eq!(
        code(operator::open_file(bytes(&t.join("top/x")), Trust::default())),
        ENOTDIR
    );
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(&link, Some(1234), None).unwrap();
        assert_eq!(code(operator::open_file(bytes(&file), Trust::default())), ELOOP);
        assert_eq!(code(open_dir(bytes(&link), Trust::default())), ELOOP);
        assert_eq!(
            code(Root::open(
                bytes(&link),
                &RootOptions {
                    operator: true,
                    ..RootOptions::default()
                }
            )),
            ELOOP
        );
        assert!(operator::open_file(
            bytes(&file),
            Trust {
                insecure: true,
                ..Trust::default()
            }
        )
        .is_ok());
        assert!(operator::is_untrusted(bytes(&file), None));
        assert!(operator::is_untrusted(bytes(&link), None));
        assert!(!operator::is_untrusted(bytes(&link), Some(1234)));
        assert!(operator::open_file(
            bytes(&file),
            Trust {
                uid: Some(1234),
                ..Trust::default()
            }
        )
        .is_ok());
        assert!(Root::open(bytes(&link), &RootOptions::default()).is_ok());
    }
}

#[test]
fn modes_by_pinned_inode() {
    let (tmp, roots) = setup();
    let t = tmp.path().join("t");
    for root in &roots {
        root.chmod(b"a", 0o2711).unwrap();
        assert_eq!(fs::metadata(t.join("a")).unwrap().permissions().mode() & 0o7777, 0o2711);
        root.chmod(b"", 0o700).unwrap();
        assert_eq!(fs::metadata(&t).unwrap().permissions().mode() & 0o7777, 0o700);
    }
}

/// A run without a destination has a root in which no name of this machine can be reached.
#[test]
fn nowhere() {
    let (tmp, _) = setup();
    let top = tmp.path().join("t");
    // Names of our own tree, as seen from `/`: were the root real, only this tree could be changed.
    let inside = |rel: &str| bytes(&top.join(rel)).strip_prefix(b"/").unwrap().to_vec();
    let (file, dir, new) = (inside("a/f"), inside("a/b/c"), inside("a/new"));
    let other = Root::open(bytes(&top), &RootOptions::default()).unwrap();
    let root = Root::nowhere(b"/").unwrap();
    for root in [root.clone(), root] {
        assert_eq!(code(root.lstat(b".")), 2);
        assert_eq!(code(root.lstat(b"tmp")), 2);
        assert_eq!(code(root.lstat(&file)), 2);
        assert_eq!(code(root.stat_follow(&file, true)), 2);
        assert_eq!(code(root.open_read(&file, Atime::Update)), 2);
        assert_eq!(code(entries(&root, b".")), 2);
        assert_eq!(code(entries(&root, &dir)), 2);
        assert_eq!(code(root.subroot(b".")), 2);
        assert_eq!(code(root.subroot(&dir)), 2);
        assert_eq!(code(root.subroot_nofollow(&dir)), 2);
        assert_eq!(code(root.unlink(&file)), 2);
        assert_eq!(code(root.rmdir(&dir)), 2);
        assert_eq!(code(root.remove(&dir, FileKind::Dir)), 2);
        assert_eq!(code(root.mkdir(&new, 0o755)), 2);
        assert_eq!(code(root.symlink(b"x", &new)), 2);
        assert_eq!(code(root.mknod(&new, 0o010_644, 0, 0)), 2);
        assert_eq!(code(root.create_excl(&new, 0o600)), 2);
        assert_eq!(code(root.create_temp(&new, None)), 2);
        assert_eq!(code(root.open_write(&file, WriteFlags::default())), 2);
        assert_eq!(code(root.rename(&file, &new)), 2);
        assert_eq!(code(root.link(&file, &new)), 2);
        assert_eq!(code(root.rename_from(&other, b"a/f", &new)), 2);
        assert_eq!(code(root.rename_from(&other, b"a/f", b"f")), 2);
        assert_eq!(code(other.rename_from(&root, &file, b"a/new")), 2);
        assert_eq!(code(root.chmod(&file, 0o600)), 2);
        assert_eq!(code(root.chown(&file, Some(1), None)), 2);
        assert_eq!(code(root.utimens(&file, Some((1, 0)), None)), 2);
        assert_eq!(code(root.pin_follow(&file)), 2);
        assert_eq!(code(root.set_xattr(&file, b"user.x", b"y")), 2);
    }
    assert_eq!(fs::read(top.join("a/f")).unwrap(), b"hello");
    assert!(top.join("a/b/c").is_dir() && !top.join("a/new").exists());
}
