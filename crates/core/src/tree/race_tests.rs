//! A neighbour swaps a directory, or a file, with a link to outside, thousands of times, while each kind of operation
//! runs. Nothing outside may be read or changed (spec: security SEC-1, SEC-2).

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{RenameFlags, CWD};
use tempfile::TempDir;

use super::acl::{Acl, AclKind};
use super::root::Atime;
use super::{Root, RootOptions, WriteFlags};

/// Per way of resolving, so 10,000 per operation: each side of the swap is met hundreds of times, and it is still quick
/// enough for every test run.
const FLIPS: u32 = 5000;

struct Scene {
    tmp: TempDir,
}

type Shot = (Vec<u8>, u32, u32, u32, i64, i64, u64, Vec<u8>);

impl Scene {
    fn new() -> Self {
        let tmp = TempDir::new().unwrap();
        for dir in ["t/d", "t/keep", "out/sub"] {
            fs::create_dir_all(tmp.path().join(dir)).unwrap();
        }
        for name in ["f", "g", "gone"] {
            fs::write(tmp.path().join("out").join(name), "secret").unwrap();
        }
        fs::write(tmp.path().join("t/d/f"), "mine").unwrap();
        fs::write(tmp.path().join("t/keep/f"), "mine").unwrap();
        symlink("../out", tmp.path().join("t/swap")).unwrap();
        symlink("../../out/f", tmp.path().join("t/keep/swap")).unwrap();
        Self { tmp }
    }

    /// Everything observable about the outside.
    fn outside(&self) -> Vec<Shot> {
        let out = self.tmp.path().join("out");
        let mut paths = vec![out.clone()];
        paths.extend(fs::read_dir(&out).unwrap().map(|e| e.unwrap().path()));
        paths.sort();
        paths
            .iter()
            .map(|p| {
                let m = fs::symlink_metadata(p).unwrap();
                let content = if m.is_file() { fs::read(p).unwrap() } else { Vec::new() };
                (
                    p.as_os_str().as_bytes().to_vec(),
                    m.mode(),
                    m.uid(),
                    m.gid(),
                    m.mtime(),
                    m.ctime_nsec(),
                    m.nlink(),
                    content,
                )
            })
            .collect()
    }

    /// Run `op` again and again while `a` and `b` below `t` are exchanged.
    fn race(&self, what: &str, a: &str, b: &str, op: impl Fn(&Root) + Sync) {
        let t = self.tmp.path().join("t");
        self.race_in(
            what,
            a,
            b,
            |options| Root::open(t.as_os_str().as_bytes(), options).unwrap(),
            op,
        );
    }

    fn race_in(&self, what: &str, a: &str, b: &str, open: impl Fn(&RootOptions) -> Root, op: impl Fn(&Root) + Sync) {
        let t = self.tmp.path().join("t");
        let before = self.outside();
        for no_openat2 in [false, true] {
            let root = open(&RootOptions {
                no_openat2,
                ..RootOptions::default()
            });
            let done = AtomicBool::new(false);
            let (a, b) = (t.join(a), t.join(b));
            thread::scope(|scope| {
                scope.spawn(|| {
                    for n in 0..FLIPS {
                        rustix::fs::renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
                        if n % 16 == 0 {
                            thread::yield_now();
                        }
                    }
                    done.store(true, Ordering::Release);
                });
                scope.spawn(|| {
                    let mut n = 0_u32;
                    while !done.load(Ordering::Acquire) {
                        // in turn with the handles that are held and, in a new clone, without any
                        if n.is_multiple_of(4) {
                            op(&root);
                        } else {
                            op(&root.clone());
                        }
                        n = n.wrapping_add(1);
                    }
                });
            });
        }
        assert_eq!(self.outside(), before, "{what}");
    }
}

fn read_all(mut file: fs::File) -> Vec<u8> {
    let mut content = Vec::new();
    let _ = file.read_to_end(&mut content);
    content
}

/// The operations on a name in the swapped directory.
#[allow(clippy::too_many_lines)] // one table
fn parents(scene: &Scene) {
    let dirs = |what: &str, op: &(dyn Fn(&Root) + Sync)| scene.race(what, "d", "swap", op);
    dirs("lstat", &|r| {
        if let Ok(s) = r.lstat(b"d/f") {
            assert_eq!(s.size, 4);
        }
    });
    dirs("read", &|r| {
        for file in [
            r.open_read(b"d/f", Atime::Keep),
            r.open_read_follow(b"d/f", Atime::Update),
        ]
        .into_iter()
        .flatten()
        {
            assert_eq!(read_all(file), b"mine");
        }
    });
    dirs("read_names", &|r| {
        if let Ok(names) = r.read_names(b"d", Atime::Update) {
            assert!(!names.iter().any(|e| e.name == b"gone" || e.name == b"sub"));
        }
        if let Ok(names) = r.read_names_nofollow(b"d") {
            assert!(!names.iter().any(|e| e.name == b"gone"));
        }
    });
    dirs("subroot", &|r| {
        for sub in [r.subroot(b"d"), r.subroot_nofollow(b"d"), r.subroot(b"swap")]
            .into_iter()
            .flatten()
        {
            assert!(sub.lstat(b"gone").is_err());
            let _ = sub.unlink(b"gone");
        }
    });
    dirs("write", &|r| {
        let how = WriteFlags {
            create: Some(0o600),
            truncate: true,
            ..WriteFlags::default()
        };
        if let Ok(file) = r.open_write(b"d/w", how) {
            let _ = std::os::unix::fs::FileExt::write_at(&file, b"w", 0);
        }
        let _ = r.open_write(
            b"d/g",
            WriteFlags {
                truncate: true,
                ..WriteFlags::default()
            },
        );
    });
    dirs("create", &|r| {
        if let Ok(temp) = r.create_temp(b"d/x", None) {
            let _ = r.rename(&temp.name, b"d/g");
            let _ = r.unlink(&temp.name);
        }
        let _ = r.create_excl(b"d/new", 0o600);
        let _ = r.unlink(b"d/new");
    });
    dirs("mkdir and rmdir", &|r| {
        let _ = r.mkdir(b"d/sub", 0o700);
        let _ = r.mkdir(b"d/sub2", 0o700);
        let _ = r.rmdir(b"d/sub");
        let _ = r.rmdir(b"d/sub2");
    });
    dirs("unlink", &|r| {
        let _ = r.unlink(b"d/gone");
        let _ = r.remove(b"d/gone", super::FileKind::Unknown);
    });
    dirs("symlink", &|r| {
        let _ = r.symlink(b"x", b"d/s");
        let _ = r.read_link(b"d/s");
        let _ = r.unlink(b"d/s");
    });
    dirs("mknod", &|r| {
        let _ = r.mknod(b"d/fifo", 0o010_600, 0, 0);
        let _ = r.unlink(b"d/fifo");
    });
    dirs("link", &|r| {
        let _ = r.link(b"keep/f", b"d/hard");
        let _ = r.link(b"d/f", b"keep/hard");
        let _ = r.unlink(b"d/hard");
        if let Ok(s) = r.lstat(b"keep/hard") {
            assert_eq!(s.size, 4);
        }
        let _ = r.unlink(b"keep/hard");
    });
    dirs("rename", &|r| {
        let _ = r.rename(b"d/gone", b"keep/gone");
        let _ = r.rename(b"keep/x", b"d/gone");
    });
    dirs("attributes", &|r| {
        let _ = r.chmod(b"d/f", 0o604);
        let _ = r.chown(b"d/f", None, None);
        let _ = r.utimens(b"d/f", Some((1, 1)), Some((2, 2)));
    });
    dirs("xattrs and ACLs", &|r| {
        let _ = r.set_xattr(b"d/f", b"user.race", b"1");
        let _ = r.list_xattrs(b"d/f");
        let _ = r.remove_xattr(b"d/f", b"user.race");
        let _ = r.set_acl(b"d/f", AclKind::Access, Some(&Acl::default().completed(0o606)));
        let _ = r.set_acl(b"d", AclKind::Default, Some(&Acl::default().completed(0o777)));
        if let Ok(pin) = r.pin_follow(b"d/f") {
            let _ = pin.set_xattr(b"user.race", b"1");
            let _ = pin.chmod(0o600);
        }
    });
}

/// The operations on a name that is swapped itself.
fn leaves(scene: &Scene) {
    let files = |what: &str, op: &(dyn Fn(&Root) + Sync)| scene.race(what, "keep/f", "keep/swap", op);
    files("leaf: read and write", &|r| {
        for file in [
            r.open_read(b"keep/f", Atime::Update),
            r.open_read_follow(b"keep/f", Atime::Keep),
        ]
        .into_iter()
        .flatten()
        {
            assert_eq!(read_all(file), b"mine");
        }
        let _ = r.open_write(
            b"keep/f",
            WriteFlags {
                create: Some(0o600),
                ..WriteFlags::default()
            },
        );
    });
    files("leaf: attributes", &|r| {
        let _ = r.chmod(b"keep/f", 0o606);
        let _ = r.utimens(b"keep/f", Some((1, 1)), None);
        let _ = r.chown(b"keep/f", Some(rustix::process::geteuid().as_raw()), None);
    });
    files("leaf: xattrs and ACLs", &|r| {
        let _ = r.set_xattr(b"keep/f", b"user.race", b"1");
        let _ = r.set_acl(b"keep/f", AclKind::Access, Some(&Acl::default().completed(0o606)));
        if let Ok(pin) = r.pin_follow(b"keep/f") {
            let _ = pin.set_xattr(b"user.race", b"1");
            let _ = pin.chmod(0o604);
        }
    });
}

/// Behind a link that the operator named the same holds: what is swapped there leads nowhere.
#[test]
fn swapped_behind_a_door() {
    let scene = Scene::new();
    let base = scene.tmp.path().join("base");
    fs::create_dir(&base).unwrap();
    symlink(scene.tmp.path().join("t"), base.join("way")).unwrap();
    let open = |options: &RootOptions| {
        let root = Root::open(base.as_os_str().as_bytes(), options).unwrap();
        root.with_doors(b"way/keep").unwrap()
    };
    scene.race_in("behind a door", "d", "swap", open, |r| {
        if let Ok(s) = r.lstat(b"way/d/f") {
            assert_eq!(s.size, 4);
        }
        if let Ok(file) = r.open_read(b"way/d/f", Atime::Update) {
            assert_eq!(read_all(file), b"mine");
        }
        if let Ok(names) = r.read_names(b"way/d", Atime::Update) {
            assert!(!names.iter().any(|e| e.name == b"gone" || e.name == b"sub"));
        }
        let _ = r.unlink(b"way/d/gone");
        assert_eq!(r.lstat(b"way/keep/f").unwrap().size, 4);
    });
}

#[test]
fn swapped_parents() {
    parents(&Scene::new());
}

#[test]
fn swapped_leaves() {
    leaves(&Scene::new());
}

/// The same without powers: the outside belongs to the same user, so that only the resolution protects it.
#[test]
fn swapped_without_powers() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    thread::spawn(|| {
        let nobody = 65534;
        rustix::thread::set_thread_groups(&[]).unwrap();
        rustix::thread::set_thread_gid(rustix::fs::Gid::from_raw(nobody)).unwrap();
        rustix::thread::set_thread_uid(rustix::fs::Uid::from_raw(nobody)).unwrap();
        let scene = Scene::new();
        assert_eq!(fs::metadata(Path::new(scene.tmp.path())).unwrap().uid(), nobody);
        parents(&scene);
        leaves(&scene);
    })
    .join()
    .unwrap();
}
