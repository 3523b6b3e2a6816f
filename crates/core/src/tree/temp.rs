//! Names of temporary files (spec: transfer 6).

use std::cell::RefCell;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::time::SystemTime;

use rustix::io::Errno;

/// The longest name that Linux filesystems take.
const NAME_MAX: usize = 255;
/// What the dots and the random part add, and one more, as rsync counts.
const ADDED: usize = 9;
const RANDOM: usize = 6;
/// Far more tries than chance needs; an attacker cannot guess the names.
const TRIES: u32 = 100;

/// Where a temporary file is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the directory of its target, hidden by a dot.
    Beside,
    /// In the directory of `--temp-dir`.
    TempDir,
}

impl Place {
    /// `TempDir` if there is one.
    pub(crate) fn of(has_temp_dir: bool) -> Self {
        if has_temp_dir {
            Self::TempDir
        } else {
            Self::Beside
        }
    }
}

/// A new temporary file.
#[derive(Debug)]
pub struct Temp {
    /// Open for reading and writing, mode 0600.
    pub file: File,
    /// Its path, relative to the root it was made in (the temp-dir's root if one was given).
    pub name: Vec<u8>,
}

/// Six unpredictable characters. SipHash with a key from the system over a counter is a keyed random
/// function, and costs no system call per file.
fn random_suffix() -> [u8; RANDOM] {
    const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    thread_local! {
        static STATE: RefCell<(RandomState, u64)> = RefCell::new((RandomState::new(), 0));
    }
    let mut bits = STATE.with(|state| {
        let mut state = state.borrow_mut();
        state.1 = state.1.wrapping_add(1);
        let mut hasher = state.0.build_hasher();
        hasher.write_u64(state.1);
        // A forked child has the key and the counter of its parent, but another time. (No system call: the clock is in the
        // vDSO, a getpid is not.)
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        hasher.write_u128(now.map_or(0, |d| d.as_nanos()));
        hasher.finish()
    });
    let mut out = [0; RANDOM];
    for byte in &mut out {
        *byte = ALPHABET[(bits % 62) as usize];
        bits /= 62;
    }
    out
}

/// The name without its random part: `.NAME.` beside the target, `NAME.` in a temp-dir. `basename` is cut so that
/// the whole fits, never inside a multi-byte character, and one dot at its end goes.
pub(crate) fn stem(basename: &[u8], place: Place) -> Vec<u8> {
    let mut out = Vec::with_capacity(NAME_MAX);
    let mut base = basename;
    if place == Place::Beside {
        out.push(b'.');
        base = base.strip_prefix(b".").unwrap_or(base);
    }
    let max = NAME_MAX - ADDED;
    if base.len() > max {
        base = &base[..character_floor(base, max)];
    }
    base = base.strip_suffix(b".").unwrap_or(base);
    out.extend_from_slice(base);
    out.push(b'.');
    out
}

/// Where to cut `name`, which is longer than `max`, so that no multi-byte character is halved: if the byte after the
/// cut is a high one, all high bytes before it go (the observed rule; it needs no knowledge of the charset).
fn character_floor(name: &[u8], max: usize) -> usize {
    let mut at = max;
    if name[at] & 0x80 != 0 {
        while at > 0 && name[at - 1] & 0x80 != 0 {
            at -= 1;
        }
    }
    at
}

/// The name for which a temporary file beside it was made, as far as that can be seen; a name that was cut is not found.
pub(crate) fn target_of(basename: &[u8]) -> Option<&[u8]> {
    let (head, random) = basename.split_at_checked(basename.len().checked_sub(RANDOM)?)?;
    let target = head.strip_prefix(b".")?.strip_suffix(b".")?;
    (!target.is_empty() && random.iter().all(u8::is_ascii_alphanumeric)).then_some(target)
}

/// A fresh temporary name for `rel`: its directory, the stem, six random characters.
pub(crate) fn name_for(rel: &[u8], place: Place) -> Vec<u8> {
    let (dir, base) = match memchr::memrchr(b'/', rel) {
        Some(at) => rel.split_at(at + 1),
        None => (&b""[..], rel),
    };
    let mut out = Vec::with_capacity(rel.len() + 8);
    if place == Place::Beside {
        out.extend_from_slice(dir);
    }
    out.extend_from_slice(&stem(base, place));
    out.extend_from_slice(&random_suffix());
    out
}

/// Run `make` with fresh names until one is not taken.
pub(super) fn with_fresh_name<T>(
    rel: &[u8],
    place: Place,
    mut make: impl FnMut(&[u8]) -> io::Result<T>,
) -> io::Result<(T, Vec<u8>)> {
    let mut name = name_for(rel, place);
    for _ in 0..TRIES {
        match make(&name) {
            Ok(made) => return Ok((made, name)),
            Err(e) if e.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {
                let at = name.len() - RANDOM;
                name[at..].copy_from_slice(&random_suffix());
            }
            Err(e) => return Err(e),
        }
    }
    Err(Errno::EXIST.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_temporary_names() {
        for (name, target) in [
            (&b".file.txt.Ab3xYz"[..], Some(&b"file.txt"[..])),
            (b".a.123456", Some(b"a")),
            (b"..123456", None),
            (b"file.txt.Ab3xYz", None),
            (b".file.Ab3xY", None),
            (b".file.Ab3-Yz", None),
            (b".short", None),
            (b"", None),
        ] {
            assert_eq!(target_of(name), target);
        }
        for (name, target) in [
            (&b"x/file"[..], &b"file"[..]),
            (b"x/.hidden", b"hidden"),
            (b"x/dot.", b"dot"),
        ] {
            let temp = name_for(name, Place::Beside);
            assert_eq!(target_of(&temp[2..]), Some(target));
        }
    }
}
