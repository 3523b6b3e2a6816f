//! A neighbour swaps a directory with a link to outside, ten thousand times, while whole transfers run over it: copies
//! on this machine, a receiver and a sender at the ends of a link, in each way of writing, deleting and keeping that a
//! plan can ask for. Nothing outside may be read into the copy or changed (spec: security SEC-1, SEC-2, SECT-2).
//! (`tree::race_tests` does the same for each single operation.)

use crate::plan::Process;
use crate::plan_with;
use std::fs;
use std::os::unix::fs::{symlink, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{RenameFlags, CWD};
use tempfile::TempDir;

use super::compare::Wanted;
use super::dest::{Dest, SetTimes};
use super::wire_tests::{agreed, archive, both, bytes};
use crate::plan::{AltDest, DeleteWhen, Plan};
use crate::report::Report;
use crate::tree::{Root, RootOptions, Stat};

/// Of the directory, while each plan is carried out again and again.
const FLIPS: u32 = 10_000;
/// A plan is carried out this often at least, so that the flips meet each of its calls at many points.
const RUNS: u32 = 12;

const SECRET: &str = "secret";

/// A link to outside that belongs to the neighbour, so that no rule about owners lets it through: not for a moment, so it
/// gets its owner elsewhere.
fn link_out(path: &Path) {
    let made = path.parent().unwrap().with_file_name("made");
    symlink("../out", &made).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(&made, Some(65534), Some(65534)).unwrap();
    }
    if rustix::fs::renameat_with(CWD, &made, CWD, path, RenameFlags::NOREPLACE).is_err() {
        fs::remove_file(&made).unwrap();
    }
}

struct Scene {
    tmp: TempDir,
}

impl Scene {
    fn new() -> Self {
        let tmp = TempDir::new().unwrap();
        let scene = Self { tmp };
        let out = scene.path("out");
        for dir in ["sub", "gone/x", ".p", ".~tmp~", "deep"] {
            fs::create_dir_all(out.join(dir)).unwrap();
        }
        for name in [
            "f", "new", "old", "hard", "link", "pipe", "f~", ".p/f", ".~tmp~/f", "gone/x/y", "extra", "deep/g",
        ] {
            fs::write(out.join(name), SECRET).unwrap();
        }
        for side in ["src", "dst"] {
            fs::create_dir_all(scene.path(side)).unwrap();
            link_out(&scene.path(side).join("swap"));
        }
        scene
    }

    fn path(&self, rel: &str) -> PathBuf {
        self.tmp.path().join(rel)
    }

    /// Nobody flips now: make `d` a directory and `swap` the link to outside again.
    fn straighten(&self, side: &str) -> PathBuf {
        let (d, swap) = (self.path(side).join("d"), self.path(side).join("swap"));
        if d.is_symlink() {
            fs::remove_file(&d).unwrap();
            let _ = fs::rename(&swap, &d);
        }
        for path in [&d, &swap] {
            if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_dir()) {
                fs::remove_file(path).unwrap();
            }
        }
        if swap.is_dir() {
            fs::remove_dir_all(&swap).unwrap();
        }
        fs::create_dir_all(&d).unwrap();
        link_out(&swap);
        d
    }

    /// What is to be sent: something of each type in the directory that is swapped.
    fn fill_source(&self) {
        let d = self.straighten("src");
        fs::create_dir_all(d.join("deep")).unwrap();
        fs::create_dir_all(d.join("sub")).unwrap();
        for (name, content) in [("f", "mine"), ("new", "mine"), ("old", "mine too"), ("deep/g", "mine")] {
            fs::write(d.join(name), content).unwrap();
        }
        let _ = fs::hard_link(d.join("f"), d.join("hard"));
        let _ = symlink("f", d.join("link"));
        let _ = rustix::fs::mknodat(
            CWD,
            d.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        );
        let _ = rustix::fs::setxattr(d.join("f"), "user.race", b"1", rustix::fs::XattrFlags::empty());
    }

    /// What is there already: to be replaced, linked, deleted, backed up.
    fn fill_destination(&self) {
        let d = self.straighten("dst");
        fs::remove_dir_all(&d).unwrap();
        fs::create_dir_all(d.join("gone/x")).unwrap();
        for name in ["f", "old", "extra", "gone/x/y", "link", "pipe"] {
            fs::write(d.join(name), "older, mine").unwrap();
        }
    }

    /// Everything observable about the outside.
    fn outside(&self) -> Vec<(PathBuf, u32, u32, i64, i64, u64, Vec<u8>)> {
        let mut todo = vec![self.path("out")];
        let mut seen = Vec::new();
        while let Some(path) = todo.pop() {
            let meta = fs::symlink_metadata(&path).unwrap();
            let content = if meta.is_file() {
                fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            if meta.is_dir() {
                let mut below: Vec<_> = fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).collect();
                below.sort();
                todo.extend(below);
            }
            seen.push((
                path,
                meta.mode(),
                meta.uid(),
                meta.mtime(),
                meta.ctime() ^ meta.ctime_nsec(),
                meta.nlink(),
                content,
            ));
        }
        seen
    }

    /// No byte from outside has come into the copy.
    fn nothing_leaked(&self, what: &str) {
        fn walk(at: &Path, what: &str) {
            for path in fs::read_dir(at).into_iter().flatten().flatten().map(|e| e.path()) {
                let Ok(meta) = fs::symlink_metadata(&path) else {
                    continue;
                };
                if meta.is_dir() {
                    walk(&path, what);
                } else if meta.is_file() {
                    let content = fs::read(&path).unwrap_or_default();
                    assert_ne!(content, SECRET.as_bytes(), "{what}: {}", path.display());
                }
            }
        }
        walk(&self.path("dst"), what);
        walk(&self.path("side"), what);
    }

    /// Carry out `transfer` again and again while `d` and `swap` below `side` are exchanged.
    fn race(&self, what: &str, side: &str, transfer: impl Fn()) {
        let before = self.outside();
        let base = self.path(side);
        let (a, b) = (base.join("d"), base.join("swap"));
        let flips = AtomicU32::new(0);
        let turn = Mutex::new(());
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let turn = turn.lock().unwrap();
                    if rustix::fs::renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).is_err() {
                        // The transfer has replaced one of the two, as it should: put a link there again.
                        for path in [&a, &b] {
                            if !path.exists() {
                                link_out(path);
                            }
                        }
                        let _ = fs::create_dir(&a);
                    }
                    drop(turn);
                    if flips.fetch_add(1, Ordering::AcqRel).is_multiple_of(8) {
                        thread::yield_now();
                    }
                }
            });
            let mut runs = 0;
            while flips.load(Ordering::Acquire) < FLIPS || runs < RUNS {
                {
                    let _still = turn.lock().unwrap();
                    self.fill_source();
                    self.fill_destination();
                }
                transfer();
                runs += 1;
                let _still = turn.lock().unwrap();
                self.nothing_leaked(what);
            }
            done.store(true, Ordering::Release);
        });
        assert_eq!(self.outside(), before, "{what}");
    }
}

/// Ways of writing, keeping and deleting; together they make every kind of call that a receiving side has.
fn plans(scene: &Scene) -> Vec<(&'static str, Plan)> {
    let mut plans = all_plans(scene);
    if !rustix::process::geteuid().is_root() {
        // The link is our own here, and an operator's path may lead through it.
        plans.retain(|(what, _)| *what != "backup-dir inside");
    }
    plans
}

fn all_plans(scene: &Scene) -> Vec<(&'static str, Plan)> {
    let base = plan_with!(
        archive(),
        attrs.hard_links = true,
        select.ignore_times = true,
        attrs.xattrs = 1,
        attrs.acls = true,
        removal.delete = DeleteWhen::During,
        removal.force = true,
        select.implied_dirs = true,
        place.umask = 0o022
    );
    let side = bytes(&scene.path("side"));
    vec![
        ("plain", base.clone()),
        (
            "backup",
            plan_with!(base.clone(), write.backup = true, write.backup_suffix = b"~".to_vec()),
        ),
        (
            "backup-dir inside",
            plan_with!(
                base.clone(),
                write.backup = true,
                write.backup_dir = Some(b"d".to_vec()),
                removal.delete = DeleteWhen::After
            ),
        ),
        (
            "partial-dir and delayed updates",
            plan_with!(
                base.clone(),
                write.partial = true,
                write.partial_dir = Some(b".p".to_vec()),
                write.delay_updates = true,
                removal.delete = DeleteWhen::Delay
            ),
        ),
        (
            "temp-dir outside",
            plan_with!(base.clone(), write.temp_dir = Some(side.clone())),
        ),
        (
            "in place",
            plan_with!(base.clone(), write.inplace = true, write.whole_file = false),
        ),
        (
            "link-dest",
            plan_with!(
                base.clone(),
                select.alt_dest = AltDest::Link,
                select.alt_dirs = vec![side],
                select.ignore_times = false,
                removal.delete = DeleteWhen::Before
            ),
        ),
        (
            "directories that are links are kept",
            plan_with!(base.clone(), attrs.keep_dirlinks = true),
        ),
        (
            "fake-super",
            plan_with!(base, place.fake_super = true, attrs.xattrs = 0, attrs.acls = false),
        ),
    ]
}

fn copy(src: &Path, dst: &Path, plan: Plan) {
    let plan = Arc::new(plan_with!(
        plan,
        place.process = Process::Local,
        select.sources = vec![[bytes(src), b"/".to_vec()].concat()],
        select.destination = bytes(dst)
    ));
    let report = Report::new(Arc::clone(&plan), true);
    let drained = report.clone();
    let drain = thread::spawn(move || while drained.take(std::time::Duration::from_millis(20)).is_some() {});
    super::local::copy(&plan, &report);
    report.finish();
    drain.join().unwrap();
}

/// A scene with a directory beside it for what plans keep elsewhere.
fn scene() -> Scene {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("side/d")).unwrap();
    scene
}

/// The list says directory, and a neighbour's link stands there when the owner is to be set. With the owner of the
/// directory it would be a link that paths of the operator follow (spec: transfer 16.2).
#[test]
fn sec_7_link_in_place_of_a_directory_keeps_its_owner() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scene = scene();
    let link = scene.path("dst").join("d");
    link_out(&link);
    let plan = Arc::new(archive());
    let report = Report::new(Arc::clone(&plan), false);
    let root = Root::open(&bytes(&scene.path("dst")), &RootOptions::default()).unwrap();
    let dest = Dest::new(plan, report, root).unwrap();
    let seen = Stat {
        mode: 0o040_755,
        uid: 65534,
        gid: 65534,
        ..Stat::default()
    };
    let want = Wanted {
        mode: seen.mode,
        ..Wanted::default()
    };
    let times = SetTimes {
        skip: true,
        ..SetTimes::default()
    };
    assert_eq!(dest.set_attrs(b"d", &want, &seen, times), None);
    assert_eq!(fs::symlink_metadata(&link).unwrap().uid(), 65534);
    // The entry is a link itself: it gets the owner of the list.
    let want = Wanted {
        mode: 0o120_777,
        ..want
    };
    assert_eq!(dest.set_attrs(b"d", &want, &seen, times), Some(true));
    assert_eq!(fs::symlink_metadata(&link).unwrap().uid(), 0);
}

#[test]
fn sect_2_local_destination_swapped() {
    let scene = scene();
    for (what, plan) in plans(&scene) {
        scene.race(what, "dst", || {
            copy(&scene.path("src"), &scene.path("dst"), plan.clone());
        });
    }
}

#[test]
fn sect_2_local_source_swapped() {
    let scene = scene();
    for (what, plan) in plans(&scene) {
        let plan = plan_with!(plan, removal.remove_source_files = true);
        scene.race(what, "src", || {
            copy(&scene.path("src"), &scene.path("dst"), plan.clone());
        });
    }
}

/// Over a link; by turns either end is the client.
fn over_link(scene: &Scene, side: &str, extra: impl Fn(Plan) -> Plan) {
    for (n, (what, plan)) in plans(scene).into_iter().enumerate() {
        let rules = agreed(
            32,
            plan.removal.delete != DeleteWhen::Before
                && plan.removal.delete != DeleteWhen::After
                && !plan.write.delay_updates,
        );
        let plan = extra(plan_with!(
            plan,
            agreed.protocol = rules.agreed.protocol,
            agreed.inc_recurse = rules.agreed.inc_recurse,
            agreed.compat_safe_flist = true,
            agreed.compat_avoid_xattr_optim = true,
            agreed.compat_seed_fix = true,
            agreed.compat_varint_flist = true,
            agreed.compat_id0_names = true,
            agreed.compat_symlink_times = true,
            agreed.xfer_sum = rules.agreed.xfer_sum,
            agreed.file_sum = rules.agreed.file_sum
        ));
        scene.race(what, side, || {
            both(&scene.path("src"), &scene.path("dst"), plan.clone(), n % 2 == 0);
        });
    }
}

#[test]
fn sect_2_receiver_destination_swapped() {
    over_link(&scene(), "dst", |plan| plan);
}

#[test]
fn sect_2_sender_source_swapped() {
    over_link(&scene(), "src", |plan| {
        plan_with!(plan, removal.remove_source_files = true)
    });
}

/// A module's sender that follows links stays in the module all the same (SEC-5, SECT-2).
#[test]
fn sect_2_module_sender_follows_links() {
    let scene = scene();
    fs::create_dir_all(scene.path("src/in")).unwrap();
    let root = bytes(&scene.path("src"));
    over_link(&scene, "src", |plan| {
        plan_with!(
            plan,
            attrs.copy_links = true,
            place.module = b"m".to_vec(),
            place.module_root = Some(root.clone()),
            place.sanitize_paths = true,
            place.process = Process::Daemon
        )
    });
}
