//! `--chmod` and the daemon's incoming and outgoing chmod (spec: options 6.1).

const S_ISUID: u32 = 0o4000;
const S_ISGID: u32 = 0o2000;
const S_ISVTX: u32 = 0o1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Dirs,
    Files,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Octal(u32),
    Change {
        /// Class bits as a mask of 0o777.
        who: u32,
        /// No class was named, so the umask limits the bits.
        masked: bool,
        op: u8,
        /// Permission bits for one class (0..7).
        perms: u32,
        /// `X`.
        x_if_any: bool,
        special: u32,
        /// A class whose bits are copied: shift of 6, 3 or 0.
        copy: Option<u32>,
    },
}

/// A compiled list of clauses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chmod {
    clauses: Vec<(Which, Action)>,
}

impl Chmod {
    /// `None` when a clause is not valid. An empty text has no clauses.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let clauses = text.split(|&b| b == b',').map(parse_clause).collect::<Option<_>>()?;
        Some(Self { clauses })
    }

    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// The 12 bits after all clauses, type bits kept.
    pub fn apply(&self, mode: u32, umask: u32) -> u32 {
        let is_dir = mode & 0o170_000 == 0o040_000;
        let any_x = is_dir || mode & 0o111 != 0;
        let mut bits = mode & 0o7777;
        for (which, action) in &self.clauses {
            match which {
                Which::Dirs if !is_dir => continue,
                Which::Files if is_dir => continue,
                _ => {}
            }
            bits = step(*action, bits, any_x, umask);
        }
        mode & !0o7777 | bits
    }
}

fn step(action: Action, bits: u32, any_x: bool, umask: u32) -> u32 {
    let Action::Change {
        who,
        masked,
        op,
        perms,
        x_if_any,
        special,
        copy,
    } = action
    else {
        let Action::Octal(value) = action else { return bits };
        return value;
    };
    let one = match copy {
        Some(shift) => bits >> shift & 7,
        None => perms | u32::from(x_if_any && any_x),
    };
    let mut wanted = (one << 6 | one << 3 | one) & who;
    if masked {
        wanted &= !umask;
    }
    wanted |= special;
    match op {
        b'+' => bits | wanted,
        b'-' => bits & !wanted,
        _ => {
            // A copy clears the special bit of each class (the sticky bit for `o`). Letters that include `s` or `t` clear
            // set-uid and set-gid of the named classes; other letters clear no special bit (observed).
            let cleared = if copy.is_some() {
                set_ids(who) | if who & 0o007 != 0 { S_ISVTX } else { 0 }
            } else if special != 0 && !masked {
                set_ids(who)
            } else {
                0
            };
            bits & !(who | cleared) | wanted
        }
    }
}

/// The set-id bits of these classes.
fn set_ids(who: u32) -> u32 {
    let mut bits = 0;
    if who & 0o700 != 0 {
        bits |= S_ISUID;
    }
    if who & 0o070 != 0 {
        bits |= S_ISGID;
    }
    bits
}

/// The text behind a run of `byte`, which means the same as one.
fn skip(text: &[u8], byte: u8) -> &[u8] {
    let length = text.iter().take_while(|&&b| b == byte).count();
    &text[length..]
}

fn parse_clause(clause: &[u8]) -> Option<(Which, Action)> {
    let (which, rest) = match clause.first()? {
        b'D' => (Which::Dirs, skip(clause, b'D')),
        b'F' => (Which::Files, skip(clause, b'F')),
        _ => (Which::All, clause),
    };
    if rest.first().is_some_and(u8::is_ascii_digit) {
        let digits = skip(rest, b'0');
        if digits.len() > 4 || !digits.iter().all(|b| (b'0'..=b'7').contains(b)) {
            return None;
        }
        let value = digits.iter().fold(0, |v, b| v * 8 + u32::from(b - b'0'));
        return Some((which, Action::Octal(value)));
    }
    let at = rest.iter().position(|b| matches!(b, b'+' | b'-' | b'='))?;
    let (classes, op, values) = (&rest[..at], rest[at], &rest[at + 1..]);
    let mut who = 0;
    for class in classes {
        who |= match class {
            b'u' => 0o700,
            b'g' => 0o070,
            b'o' => 0o007,
            b'a' => 0o777,
            _ => return None,
        };
    }
    let masked = classes.is_empty();
    if masked {
        who = 0o777;
    }
    let (mut perms, mut x_if_any, mut special, mut copy) = (0, false, 0, None);
    for value in values {
        match value {
            b'r' => perms |= 4,
            b'w' => perms |= 2,
            b'x' => perms |= 1,
            b'X' => x_if_any = true,
            // For `o`, or without a class, `s` means set-uid (observed).
            b's' if masked || who & 0o770 == 0 => special |= S_ISUID,
            b's' => special |= set_ids(who),
            b't' => special |= S_ISVTX,
            b'u' | b'g' | b'o' if values.len() == 1 => {
                copy = Some(match value {
                    b'u' => 6,
                    b'g' => 3,
                    _ => 0,
                });
            }
            _ => return None,
        }
    }
    Some((
        which,
        Action::Change {
            who,
            masked,
            op,
            perms,
            x_if_any,
            special,
            copy,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verified results of options 6.1, umask 022.
    #[test]
    fn table() {
        for (text, file, file_after, dir_after) in [
            ("u=rwx", 0o640, 0o740, 0o755),
            ("go-rwx", 0o640, 0o600, 0o700),
            ("a+X", 0o640, 0o640, 0o755),
            ("D755,F644", 0o640, 0o644, 0o755),
            ("ugo=rwX", 0o640, 0o666, 0o777),
            ("g=u", 0o640, 0o660, 0o775),
            ("o=g", 0o640, 0o644, 0o755),
            ("+w", 0o640, 0o640, 0o755),
            ("a+s", 0o640, 0o6640, 0o6755),
            ("u+s", 0o640, 0o4640, 0o4755),
            ("+t", 0o640, 0o1640, 0o1755),
            ("F+x", 0o640, 0o751, 0o755),
            ("a=r,u+w", 0o640, 0o644, 0o644),
            ("000644", 0o600, 0o644, 0o644),
            ("DDg+w,FF00600", 0o640, 0o600, 0o775),
            ("7777", 0o640, 0o7777, 0o7777),
            ("D+X", 0o640, 0o640, 0o755),
            ("g+s,o-x", 0o640, 0o2640, 0o2754),
            ("=rx", 0o640, 0o555, 0o555),
            ("u=", 0o640, 0o040, 0o055),
            ("F-x", 0o755, 0o644, 0o755),
            ("u-s", 0o4755, 0o755, 0o755),
            ("u=rwx", 0o4755, 0o4755, 0o755),
            ("g=u", 0o4755, 0o4775, 0o775),
            ("a+x,F-x,D700", 0o644, 0o644, 0o700),
            ("o=u", 0o7640, 0o6646, 0o757),
            ("go=u", 0o7640, 0o4666, 0o777),
            ("=u", 0o7640, 0o644, 0o755),
            ("o=rx", 0o7640, 0o7645, 0o755),
            ("o+s", 0o640, 0o4640, 0o4755),
            ("o=s", 0o7644, 0o7640, 0o4750),
            ("o-s", 0o7644, 0o3644, 0o755),
            ("u=t", 0o4755, 0o1055, 0o1055),
            ("g=t", 0o7755, 0o5705, 0o1705),
            ("=t", 0o6755, 0o7000, 0o1000),
        ] {
            let list = Chmod::parse(text.as_bytes()).expect(text);
            assert_eq!(
                list.apply(0o100_000 | file, 0o022) & 0o7777,
                file_after,
                "{text} on a file"
            );
            assert_eq!(
                list.apply(0o040_755, 0o022) & 0o7777,
                dir_after,
                "{text} on a directory"
            );
        }
        for bad in [
            "q", "go=u-w", "a-x+X", "DF+x", "u+ug", "88", "77777", "u+r,", ",u+r", "u+r,,g+w",
        ] {
            assert_eq!(Chmod::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
