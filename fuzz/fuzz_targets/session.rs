//! Whole transfers against a peer that sends random bytes: a receiver and a sender, as client, as server and from a
//! batch, over a real tree (spec: protocol 1, 6, 11; security 2). Whatever comes, the run ends by itself, and nothing
//! outside the destination changes. A run that breaks this would harm the machine, so the target starts only where it
//! cannot (`insist_on_confinement`), and every path that it names is inside a directory of its own.
#![no_main]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tain_core::event::Event;
use tain_core::plan::{AltDest, CompressKind, DeleteWhen, FilesFrom, Plan, Process, SumKind};
use tain_core::plan_with;
use tain_core::report::Report;
use tain_core::roles::remote::{receive, send};
use tain_core::wire::LinkOptions;
use tain_fuzz::{insist_on_confinement, link, Choices, CODECS};

/// What lies beside the destination, and must stay as it is.
const SECRET: &[u8] = b"outside";
/// No input should take this long; most of it is the wait for a peer that has gone.
const LIMIT: Duration = Duration::from_secs(10);

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

struct Trees {
    base: tempfile::TempDir,
    src: PathBuf,
    dst: PathBuf,
}

impl Trees {
    fn make() -> Self {
        // Memory where there is some of our own; else the one directory that may be written.
        let base = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let base = base.expect("a directory");
        let (src, dst) = (base.path().join("src"), base.path().join("dst"));
        for dir in [&src, &dst] {
            fs::create_dir_all(dir.join("d")).expect("a directory");
            fs::write(
                dir.join("d/b"),
                [b"block ".repeat(300), dir.as_os_str().as_bytes().to_vec()].concat(),
            )
            .expect("a file");
        }
        fs::write(src.join("a"), b"hello\n").expect("a file");
        fs::write(dst.join("old"), b"old").expect("a file");
        fs::write(base.path().join("secret"), SECRET).expect("a file");
        std::os::unix::fs::symlink("../secret", dst.join("out")).expect("a link");
        std::os::unix::fs::symlink("..", dst.join("up")).expect("a link");
        Self { base, src, dst }
    }

    fn check(&self) {
        let mut names: Vec<_> = fs::read_dir(self.base.path())
            .expect("the base directory")
            .map(|e| e.expect("an entry").file_name())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["dst", "secret", "src"],
            "something was written beside the destination"
        );
        assert_eq!(fs::read(self.base.path().join("secret")).expect("the file"), SECRET);
    }
}

/// Every path that the plan names is below the directory of this run, and a listing has nothing that it could write to
/// or remove.
fn harmless(plan: Plan, base: &Path) -> Plan {
    let plan = if plan.select.list_only {
        plan.for_listing()
    } else {
        plan
    };
    let inside = |path: &Vec<u8>| Path::new(OsStr::from_bytes(path)).starts_with(base);
    assert!(base.components().count() > 2 && base.is_absolute());
    assert!(inside(&plan.select.destination) && inside(&plan.place.cwd));
    assert!(plan.select.sources.iter().all(inside) && plan.select.alt_dirs.iter().all(inside));
    assert!(plan.write.temp_dir.is_none() && plan.write.backup_dir.is_none());
    plan
}

fuzz_target!(|data: &[u8]| {
    insist_on_confinement();
    let mut choices = Choices(data);
    let protocol = choices.protocol();
    let bits = choices.word();
    let compress = choices.of(&CODECS);
    let way = choices.byte();
    let bit = |n: u32| bits >> n & 1 != 0;
    let modern = protocol >= 30;
    let sending = bit(0);
    let batch = !sending && way & 0xc0 == 0xc0;
    let server = bit(1) && !batch;
    let trees = Trees::make();
    // As it is without negotiation in a batch, and with it elsewhere.
    let sum = match (modern, batch) {
        (false, _) if protocol < 27 => SumKind::Md4Unpadded,
        (false, _) => SumKind::Md4Old,
        (true, true) => SumKind::Md5,
        (true, false) => SumKind::Xxh128,
    };
    let plan = plan_with!(
        Plan::default(),
        agreed.protocol = protocol,
        place.process = if server { Process::Server } else { Process::Client },
        agreed.read_batch = batch,
        agreed.inc_recurse = bit(2) && modern,
        agreed.compat_safe_flist = modern,
        agreed.compat_avoid_xattr_optim = bit(3) && modern,
        agreed.compat_seed_fix = modern,
        agreed.compat_inplace_partial = modern,
        agreed.compat_varint_flist = bit(4) && modern,
        agreed.compat_id0_names = bit(4) && modern,
        agreed.compat_symlink_times = modern,
        agreed.xfer_sum = sum,
        agreed.file_sum = sum,
        agreed.compress = if modern || compress == CompressKind::Zlib {
            compress
        } else {
            CompressKind::None
        },
        agreed.compress_level = 3,
        agreed.seed = 77,
        select.recurse = bit(5),
        select.dirs = !bit(5),
        select.relative = bit(6),
        attrs.links = bit(7),
        attrs.perms = bit(8),
        attrs.times = bit(9),
        attrs.owner = bit(10),
        attrs.group = bit(11),
        attrs.devices = bit(12),
        attrs.specials = bit(12),
        attrs.hard_links = bit(13),
        attrs.acls = bit(14) && modern,
        attrs.xattrs = u8::from(bit(15) && modern),
        attrs.atimes = u8::from(bit(16) && protocol >= 28),
        select.checksum = bit(17),
        attrs.numeric_ids = bit(18),
        select.dry_run = bit(19),
        removal.delete = [
            DeleteWhen::Never,
            DeleteWhen::Before,
            DeleteWhen::During,
            DeleteWhen::Delay,
            DeleteWhen::After,
        ][usize::from(way) % 5],
        write.inplace = bit(20),
        write.append = if bit(20) && bit(21) { 1 + way % 2 } else { 0 },
        write.sparse = bit(22),
        write.backup = bit(23),
        write.partial = bit(24),
        write.partial_dir = bit(24).then(|| b".part".to_vec()),
        write.delay_updates = bit(24) && bit(25),
        select.alt_dest = if bit(26) { AltDest::Link } else { AltDest::None },
        select.alt_dirs = if bit(26) { vec![bytes(&trees.src)] } else { Vec::new() },
        attrs.keep_dirlinks = bit(27),
        place.fake_super = bit(28),
        removal.remove_source_files = bit(29),
        select.list_only = bit(30) && !sending,
        attrs.munge_links = bit(31),
        place.am_root = bit(28) && bit(31),
        agreed.max_alloc = 16 << 20,
        output.out_format = Some(b"%i %n%L %b".to_vec()),
        output.itemize = true,
        select.files_from = if sending && way & 0xe0 == 0xe0 {
            FilesFrom::Link
        } else {
            FilesFrom::None
        },
        select.sources = vec![[bytes(&trees.src), b"/".to_vec()].concat()],
        place.cwd = bytes(trees.base.path()),
        select.destination = bytes(&trees.dst)
    );
    let options = LinkOptions {
        protocol,
        client: !server,
        ..LinkOptions::default()
    };
    let mut link = link(choices.rest(), options);
    let framed = protocol >= 23;
    if server && framed || modern {
        link.start_mux_out();
    }
    if (!server && framed || modern) && !batch {
        link.start_mux_in();
    }
    let plan = Arc::new(harmless(plan, trees.base.path()));
    let report = Report::new(Arc::clone(&plan), sending);
    let started = Instant::now();
    let summary = if sending {
        send(&mut link, &plan, &report)
    } else {
        receive(&mut link, &plan, &report)
    };
    assert!(started.elapsed() < LIMIT, "{summary:?}");
    // For a look at one input.
    if std::env::var_os("SHOW").is_some() {
        eprintln!("{summary:?}");
    }
    drop(link);
    report.finish();
    while let Some(events) = report.take(Duration::ZERO) {
        for event in events {
            if let Event::Stdout(text) | Event::Stderr(text) = event {
                assert!(!text.contains(&0x1b), "an escape sequence reaches the terminal");
            }
        }
    }
    trees.check();
});
