//! Tests of modes, owners, xattrs, ACLs, fake-super and content helpers.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rustix::io::Errno;
use tempfile::TempDir;

use super::acl::{self, Acl, AclKind, Named};
use super::data::{self, CopyError, CopyWay, Reflink};
use super::fake::{self, FakeStat};
use super::root::Atime;
use super::xattr::{self, Handling};
use super::{attrs, stat, Root, RootOptions};
use crate::error::Error;

fn root() -> (TempDir, Root) {
    let tmp = TempDir::new().unwrap();
    let root = Root::open(tmp.path().as_os_str().as_bytes(), &RootOptions::default()).unwrap();
    root.mkdir(b"d", 0o755).unwrap();
    fs::write(tmp.path().join("d/f"), "content").unwrap();
    root.symlink(b"f", b"d/l").unwrap();
    (tmp, root)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn xattrs() {
    let (_tmp, root) = root();
    let f = b"d/f";
    root.set_xattr(f, b"user.a", b"1").unwrap();
    root.set_xattr(f, b"user.empty", b"").unwrap();
    let long = vec![7; 3000];
    root.set_xattr(f, b"user.long", &long).unwrap();
    let mut names = root.list_xattrs(f).unwrap();
    names.sort();
    assert_eq!(names, [&b"user.a"[..], b"user.empty", b"user.long"]);
    assert_eq!(root.get_xattr(f, b"user.long").unwrap().unwrap(), long);
    assert_eq!(root.get_xattr(f, b"user.empty").unwrap().unwrap(), b"");
    assert_eq!(root.get_xattr(f, b"user.none").unwrap(), None);
    assert!(root.remove_xattr(f, b"user.long").unwrap());
    assert!(!root.remove_xattr(f, b"user.long").unwrap());
    // the link has none and takes no user ones: the file behind it is not touched
    assert_eq!(root.list_xattrs(b"d/l").unwrap().len(), 0);
    assert!(root.set_xattr(b"d/l", b"user.x", b"").is_err());
    assert_eq!(root.get_xattr(f, b"user.x").unwrap(), None);
    if is_root() {
        root.set_xattr(b"d/l", b"trusted.x", b"link").unwrap();
        assert_eq!(root.get_xattr(f, b"trusted.x").unwrap(), None);
    }
    let pin = root.pin_follow(f).unwrap();
    pin.set_xattr(b"user.pin", b"p").unwrap();
    assert_eq!(pin.list_xattrs().unwrap().len(), 3);
    let file = root.open_read(f, Atime::Update).unwrap();
    assert_eq!(xattr::fget(&file, b"user.pin").unwrap().unwrap(), b"p");
    xattr::fset(&file, b"user.pin", b"q").unwrap();
    assert_eq!(xattr::flist(&file).unwrap().len(), 3);
    assert!(xattr::fremove(&file, b"user.pin").unwrap());
    // a list longer than the first guess (ext4 has room for 4 KiB)
    for i in 0..50 {
        root.set_xattr(b"d", format!("user.{i:030}").as_bytes(), b"").unwrap();
    }
    assert_eq!(root.list_xattrs(b"d").unwrap().len(), 50);
}

#[test]
fn pinned_attributes() {
    let (tmp, root) = root();
    let pin = root.pin_follow(b"d/f").unwrap();
    // another file takes the name: the pinned one is meant
    root.rename(b"d/f", b"d/g").unwrap();
    drop(root.create_excl(b"d/f", 0o600).unwrap());
    pin.chmod(0o4711).unwrap();
    let s = root.lstat(b"d/g").unwrap();
    assert_eq!(s.mode & 0o7777, 0o4711);
    assert_eq!(root.lstat(b"d/f").unwrap().mode & 0o7777, 0o600);
    assert_eq!(pin.stat().unwrap().ino, s.ino);
    let temp = root.create_temp(b"d/t", None).unwrap();
    attrs::fchmod(&temp.file, 0o644).unwrap();
    attrs::futimens(&temp.file, Some((11, 0)), None).unwrap();
    attrs::fchown(&temp.file, None, None).unwrap();
    let s = stat::of_file(&temp.file).unwrap();
    assert_eq!((s.mode & 0o7777, s.mtime), (0o644, 11));
    drop(tmp);
}

#[test]
fn held_entry() {
    let (_tmp, root) = root();
    let pin = root.pin_entry(b"d/f").unwrap();
    let loops = |rel: &[u8]| root.pin_entry(rel).unwrap_err().raw_os_error();
    assert_eq!(loops(b"d/l"), Some(Errno::LOOP.raw_os_error()));
    // A link takes the name: the file that was held is meant.
    root.rename(b"d/f", b"d/g").unwrap();
    root.symlink(b"x", b"d/f").unwrap();
    if is_root() {
        pin.chown(Some(12), Some(13)).unwrap();
        root.mknod(b"d/p", 0o010_600, 0, 0).unwrap();
        root.pin_entry(b"d/p").unwrap().chown(None, Some(14)).unwrap();
        root.pin_entry(b"d").unwrap().chown(Some(15), None).unwrap();
        let owners = |rel: &[u8]| root.lstat(rel).map(|s| (s.uid, s.gid)).unwrap();
        assert_eq!(owners(b"d/g"), (12, 13));
        assert_eq!(owners(b"d/f").0, 0);
        assert_eq!(owners(b"d/p").1, 14);
        assert_eq!(owners(b"d").0, 15);
    }
    let impossible = pin.chown(Some(u32::MAX), None).unwrap_err();
    assert_eq!(impossible.raw_os_error(), Some(Errno::INVAL.raw_os_error()));
}

#[test]
fn acl_codecs() {
    const USER: u32 = 1 << 31;
    let named = |id, perms, user| Named {
        id,
        perms,
        is_user: user,
    };
    // captured: setfacl -m u:1:rw,u:3:rw,u:9:r,g:2:r,g:8:x on a file with mode 0640
    let acl = Acl {
        user_obj: Some(6),
        group_obj: Some(4),
        mask: Some(7),
        other: Some(0),
        named: vec![
            named(1, 6, true),
            named(3, 6, true),
            named(9, 4, true),
            named(2, 4, false),
            named(8, 1, false),
        ],
    };
    assert_eq!(Acl::from_xattr(&acl.to_xattr()).unwrap(), acl);
    let mut stripped = acl.stripped(0o670);
    assert_eq!(
        (stripped.user_obj, stripped.group_obj, stripped.mask),
        (None, Some(4), None)
    );
    stripped.fill_access_mask(0o670);
    let words: Vec<u32> = stripped
        .to_fake()
        .chunks(4)
        .map(|w| u32::from_le_bytes(w.try_into().unwrap()))
        .collect();
    assert_eq!(
        words,
        [0x80, 4, 7, 0x80, 1, USER | 6, 3, USER | 6, 9, USER | 4, 2, 4, 8, 1]
    );
    assert_eq!(Acl::from_fake(&stripped.to_fake()).unwrap(), stripped);
    assert_eq!(stripped.completed(0o670), acl);
    assert_eq!(acl.mode(0o4000), 0o4670);

    // a plain mode says all: nothing goes over the wire, nothing is kept
    let plain = Acl::default().completed(0o751);
    assert!(plain.is_plain() && plain.stripped(0o751).is_empty());

    let default = Acl {
        user_obj: Some(7),
        group_obj: Some(1),
        named: vec![named(1, 4, true)],
        ..Acl::default()
    };
    let default = default.completed_default();
    assert_eq!(default.mask, Some(5));
    assert_eq!(default.default_permissions(), 0o750);

    for bad in [
        &b""[..],
        b"\x02\0\0\0\x01",
        b"\x01\0\0\0",
        b"\x02\0\0\0\x01\0\x08\0\xff\xff\xff\xff",
    ] {
        assert_eq!(Acl::from_xattr(bad), None);
    }
    assert_eq!(Acl::from_fake(&[0; 20]), None);
    assert_eq!(Acl::from_fake(&[0; 12]), None);
    assert_eq!(Acl::from_fake(&[9; 16]), None);
}

#[test]
fn acls_on_files() {
    let (tmp, root) = root();
    let named = vec![
        Named {
            id: 1,
            perms: 7,
            is_user: true,
        },
        Named {
            id: 5,
            perms: 0,
            is_user: false,
        },
    ];
    let acl = Acl {
        named,
        ..Acl::default()
    };
    let acl = acl.completed(0o740);
    root.set_acl(b"d/f", AclKind::Access, Some(&acl)).unwrap();
    assert_eq!(root.get_acl(b"d/f", AclKind::Access).unwrap().unwrap(), acl);
    assert_eq!(root.lstat(b"d/f").unwrap().mode & 0o7777, 0o740);
    assert_eq!(
        root.pin_follow(b"d/f")
            .unwrap()
            .get_acl(AclKind::Access)
            .unwrap()
            .unwrap(),
        acl
    );
    let file = File::open(tmp.path().join("d/f")).unwrap();
    assert_eq!(acl::fget(&file, AclKind::Access).unwrap().unwrap(), acl);
    // one that says no more than a mode becomes the mode
    acl::fset(&file, AclKind::Access, Some(&Acl::default().completed(0o604))).unwrap();
    assert_eq!(root.get_acl(b"d/f", AclKind::Access).unwrap(), None);
    assert_eq!(root.lstat(b"d/f").unwrap().mode & 0o7777, 0o604);
    assert_eq!(root.get_acl(b"d/l", AclKind::Access).unwrap(), None);

    assert_eq!(root.default_permissions(b"d", 0o027).unwrap(), 0o750);
    let mut default = Acl { mask: Some(6), ..acl };
    default.group_obj = Some(5);
    root.set_acl(b"d", AclKind::Default, Some(&default)).unwrap();
    assert_eq!(root.default_permissions(b"d", 0o027).unwrap(), 0o760);
    root.set_acl(b"d", AclKind::Default, None).unwrap();
    root.set_acl(b"d", AclKind::Default, None).unwrap();
    assert_eq!(root.get_acl(b"d", AclKind::Default).unwrap(), None);
}

#[test]
fn fake_super() {
    for (text, mode, rdev, ids) in [
        (&b"100755 0,0 1234:2345"[..], 0o100_755, (0, 0), (1234, 2345)),
        (b"120777 0,0 0:0", 0o120_777, (0, 0), (0, 0)),
        (b"20644 1,3 0:0", 0o020_644, (1, 3), (0, 0)),
        (b"41777 0,0 5:6", 0o041_777, (0, 0), (5, 6)),
    ] {
        let want = FakeStat {
            mode,
            major: rdev.0,
            minor: rdev.1,
            uid: ids.0,
            gid: ids.1,
        };
        assert_eq!(want.encode(), text);
        assert_eq!(FakeStat::decode(text).unwrap(), want);
    }
    for bad in [
        &b""[..],
        b"100644",
        b"100644 0,0",
        b"9 0,0 0:0",
        b"100644 0 0:0",
        b"100644 0,0 0:0 x",
        b"\xff 0,0 0:0",
    ] {
        assert_eq!(FakeStat::decode(bad), None, "{bad:?}");
    }
    assert_eq!(fake::real_mode(0o020_644), 0o100_644);
    assert_eq!(fake::real_mode(0o104_055), 0o100_655);
    assert_eq!(fake::real_mode(0o041_077), 0o040_777);
    let real = stat::Stat {
        mode: 0o100_644,
        uid: 5,
        gid: 6,
        ..stat::Stat::default()
    };
    let mut fake = FakeStat {
        mode: 0o100_644,
        major: 0,
        minor: 0,
        uid: 5,
        gid: 6,
    };
    assert!(!fake.is_needed(&real));
    fake.mode = 0o104_644;
    assert!(fake.is_needed(&real));
}

#[test]
fn xattr_names() {
    let root = Handling {
        am_root: true,
        ..Handling::default()
    };
    let user = Handling::default();
    let fake = Handling {
        fake_super: true,
        ..Handling::default()
    };
    assert_eq!(xattr::sent_name(b"system.posix_acl_access", root), None);
    assert_eq!(xattr::sent_name(b"user.rsync.%stat", root), None);
    assert_eq!(
        xattr::sent_name(b"user.rsync.%stat", Handling { internal: true, ..root }),
        Some(&b"user.rsync.%stat"[..])
    );
    assert_eq!(
        xattr::sent_name(b"user.rsync.security.x", fake),
        Some(&b"security.x"[..])
    );
    assert_eq!(xattr::sent_name(b"trusted.x", user), Some(&b"trusted.x"[..]));
    assert_eq!(xattr::kept_name(b"security.x", root).unwrap(), b"security.x");
    assert_eq!(xattr::kept_name(b"security.x", user), None);
    assert_eq!(xattr::kept_name(b"security.x", fake).unwrap(), b"user.rsync.security.x");
    assert_eq!(xattr::kept_name(b"user.x", fake).unwrap(), b"user.x");
}

#[test]
fn copies() {
    let (tmp, root) = root();
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    fs::write(tmp.path().join("d/big"), &content).unwrap();
    let source = root.open_read(b"d/big", Atime::Update).unwrap();
    for (len, reflink) in [
        (3_000_000, Reflink::Try),
        (3_000_000, Reflink::Never),
        (1000, Reflink::Never),
        (4_000_000, Reflink::Never),
        (0, Reflink::Try),
    ] {
        let temp = root.create_temp(b"d/copy", None).unwrap();
        let result = data::copy_whole(&source, &temp.file, len, reflink);
        if len > 3_000_000 {
            // It has become shorter than it was.
            assert!(matches!(result, Err(CopyError::Source(e)) if e.raw_os_error() == Some(61)));
        } else {
            let _: CopyWay = result.unwrap();
        }
        assert!(
            fs::read(tmp.path().join("d").join(std::str::from_utf8(&temp.name[2..]).unwrap())).unwrap()
                == content[..len.min(3_000_000) as usize]
        );
    }
    // content beyond the size that is shown, and another filesystem
    let temp = root.create_temp(b"d/copy", None).unwrap();
    let way = data::copy_whole(&File::open("/proc/self/status").unwrap(), &temp.file, 40, Reflink::Try).unwrap();
    assert_eq!(way, CopyWay::User);
    // a cancelled one
    let temp = root.create_temp(b"d/copy", None).unwrap();
    let stop = &mut |_| Err(Error::Interrupted(String::new()));
    let stopped = data::copy_whole_with(&source, &temp.file, 3_000_000, Reflink::Never, stop);
    assert!(matches!(stopped, Err(CopyError::Stopped(_))));
    // each side's errors are its own
    let unreadable = File::open(tmp.path()).unwrap();
    let result = data::copy_whole(&unreadable, &temp.file, 10, Reflink::Never);
    assert!(matches!(result, Err(CopyError::Source(e)) if e.raw_os_error() == Some(21)));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let result = data::copy_whole(&source, &full, 10, Reflink::Never);
    assert!(matches!(result, Err(CopyError::Target(e)) if e.raw_os_error() == Some(28)));
}

#[test]
fn holes_and_room() {
    let (tmp, root) = root();
    let file = root.create_excl(b"d/h", 0o600).unwrap();
    data::preallocate(&file, 1 << 20, false).unwrap();
    let s = stat::of_file(&file).unwrap();
    assert!(s.size == 0 && s.blocks * 512 >= 1 << 20);
    data::preallocate(&file, 1 << 20, true).unwrap();
    assert_eq!(stat::of_file(&file).unwrap().size, 1 << 20);
    fs::write(tmp.path().join("d/h"), vec![1; 1 << 20]).unwrap();
    data::punch_hole(&file, 65536, 65536, 1 << 20).unwrap();
    let seek = |to| rustix::fs::seek(&file, to).ok();
    assert_eq!(seek(rustix::fs::SeekFrom::Hole(0)), Some(65536));
    assert_eq!(seek(rustix::fs::SeekFrom::Data(65536)), Some(131_072));
    assert_eq!(seek(rustix::fs::SeekFrom::Data(1 << 20)), None);
    let m = fs::metadata(tmp.path().join("d/h")).unwrap();
    assert_eq!(
        (m.len(), m.permissions().mode() & 0o777, m.nlink()),
        (1 << 20, 0o600, 1)
    );
}

#[test]
fn reopening_without_a_descriptor_table() {
    let (_tmp, root) = root();
    root.mknod(b"d/fifo", 0o010_600, 0, 0).unwrap();
    let again = |name: &[u8]| {
        let pin = std::os::fd::OwnedFd::from(root.open_read(name, Atime::Update)?);
        root.at(name, |dir, leaf| super::inode::reopen(dir, leaf, &pin))
    };
    assert!(again(b"d/f").is_ok() && again(b"d").is_ok());
    assert_eq!(again(b"d/fifo").unwrap_err().raw_os_error(), Some(95));
    // another inode has taken the name
    let pin = std::os::fd::OwnedFd::from(root.open_read(b"d/f", Atime::Update).unwrap());
    root.rename(b"d/f", b"d/g").unwrap();
    drop(root.create_excl(b"d/f", 0o600).unwrap());
    let got = root.at(b"d/f", |dir, leaf| super::inode::reopen(dir, leaf, &pin));
    assert_eq!(got.unwrap_err().raw_os_error(), Some(95));
}

#[test]
fn kept_status() {
    let (_tmp, root) = root();
    let real = root.lstat(b"d/f").unwrap();
    let fake = FakeStat {
        mode: 0o060_640,
        major: 8,
        minor: 1,
        uid: 77,
        gid: 78,
    };
    root.set_xattr(b"d/f", fake::XATTR, &fake.encode()).unwrap();
    let seen = root.lstat_fake(b"d/f").unwrap();
    assert!(seen.is_device() && (seen.rdev_major, seen.rdev_minor, seen.uid, seen.gid) == (8, 1, 77, 78));
    assert!(root.remove_xattr(b"d/f", fake::XATTR).unwrap());
    assert_eq!(root.lstat_fake(b"d/f").unwrap(), real);
    root.set_xattr(b"d/f", fake::XATTR, b"junk").unwrap();
    assert!(matches!(root.lstat_fake(b"d/f"), Err(fake::LookupError::Corrupt(v)) if v == b"junk"));
    assert!(root.lstat_fake(b"d/l").unwrap().is_symlink());
}
