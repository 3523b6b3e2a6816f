//! Conversion of names between the local character set and the wire's UTF-8 (spec: protocol 5.16, options 6.8).

use encoding_rs::{Encoding, UTF_8};

/// Converts whole names. Both functions append to `out` and return false, with `out` as it was, when the name cannot
/// be converted exactly.
pub trait Charset: Send + Sync {
    /// From the local character set to UTF-8.
    fn to_wire(&self, name: &[u8], out: &mut Vec<u8>) -> bool;
    /// From UTF-8 to the local character set.
    #[allow(clippy::wrong_self_convention)] // Named after the direction, like its twin.
    fn from_wire(&self, name: &[u8], out: &mut Vec<u8>) -> bool;
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Exact ISO-8859-1: the web's "latin1" is windows-1252.
    Latin1,
    Ascii,
    Utf8,
    Table(&'static Encoding),
    /// A double-byte set that the web takes for its larger successor: both bytes of a letter are 0xA1 or more.
    Strict(&'static Encoding),
}

/// A named local character set.
#[derive(Debug, Clone, Copy)]
pub struct Iconv(Kind);

impl Iconv {
    /// Look a name up as iconv would: case does not matter. `None` when there is no such character set, or it is one
    /// that file names cannot be in (UTF-16).
    pub fn new(name: &str) -> Option<Self> {
        let plain: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        let kind = match plain.as_str() {
            "utf8" => Kind::Utf8,
            "iso88591" | "latin1" | "l1" | "8859" | "88591" | "cp819" | "ibm819" => Kind::Latin1,
            "ascii" | "usascii" | "ansix341968" | "iso646us" | "c" | "posix" | "646" => Kind::Ascii,
            // Names that iconv knows and the web standard does not.
            "cp949" | "uhc" | "mscp949" | "windows949" => Kind::Table(encoding_rs::EUC_KR),
            "euckr" | "cseuckr" => Kind::Strict(encoding_rs::EUC_KR),
            "gb2312" | "csgb2312" | "euccn" => Kind::Strict(encoding_rs::GBK),
            "cp932" | "sjis" | "shiftjis" => Kind::Table(encoding_rs::SHIFT_JIS),
            "cp936" => Kind::Table(encoding_rs::GBK),
            "cp950" => Kind::Table(encoding_rs::BIG5),
            other => {
                let by_name = Encoding::for_label(name.trim().as_bytes());
                let by_number = other
                    .strip_prefix("cp")
                    .and_then(|n| Encoding::for_label(format!("windows-{n}").as_bytes()));
                let encoding = by_name.or(by_number)?;
                if encoding == UTF_8 {
                    Kind::Utf8
                } else if encoding.output_encoding() == encoding {
                    Kind::Table(encoding)
                } else {
                    return None;
                }
            }
        };
        Some(Self(kind))
    }
}

impl Charset for Iconv {
    fn to_wire(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        match self.0 {
            Kind::Ascii if !name.is_ascii() => false,
            Kind::Utf8 if std::str::from_utf8(name).is_err() => false,
            _ if name.is_ascii() && !self.remaps_ascii() => {
                out.extend_from_slice(name);
                true
            }
            Kind::Utf8 | Kind::Ascii => {
                out.extend_from_slice(name);
                true
            }
            Kind::Latin1 => {
                let mut buf = [0; 4];
                for &b in name {
                    out.extend_from_slice(char::from(b).encode_utf8(&mut buf).as_bytes());
                }
                true
            }
            Kind::Strict(_) if !is_strict(name) => false,
            Kind::Table(encoding) | Kind::Strict(encoding) => {
                match encoding.decode_without_bom_handling_and_without_replacement(name) {
                    Some(text) => {
                        out.extend_from_slice(text.as_bytes());
                        true
                    }
                    None => false,
                }
            }
        }
    }

    fn from_wire(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let Ok(text) = std::str::from_utf8(name) else {
            return false;
        };
        match self.0 {
            Kind::Ascii if !name.is_ascii() => false,
            Kind::Utf8 | Kind::Ascii => {
                out.extend_from_slice(name);
                true
            }
            Kind::Latin1 => {
                let before = out.len();
                for c in text.chars() {
                    let Ok(b) = u8::try_from(u32::from(c)) else {
                        out.truncate(before);
                        return false;
                    };
                    out.push(b);
                }
                true
            }
            Kind::Table(encoding) | Kind::Strict(encoding) => {
                let (bytes, _, unknown) = encoding.encode(text);
                let lossy = unknown || matches!(self.0, Kind::Strict(_)) && !is_strict(&bytes);
                if !lossy {
                    out.extend_from_slice(&bytes);
                }
                !lossy
            }
        }
    }
}

/// Whether all high bytes come in pairs that EUC has.
fn is_strict(text: &[u8]) -> bool {
    let mut high = text.split(u8::is_ascii);
    high.all(|run| run.len() % 2 == 0 && run.iter().all(|&b| b > 0xa0 && b < 0xff))
}

/// Longest letter of any character set that file names can be in.
const LETTER: usize = 4;

impl Iconv {
    /// A whole text, to UTF-8 or from it; what cannot be converted stays as it is, letter by letter.
    pub fn convert(self, text: &[u8], to_wire: bool) -> Vec<u8> {
        let one = |part: &[u8], out: &mut Vec<u8>| {
            if to_wire {
                self.to_wire(part, out)
            } else {
                self.from_wire(part, out)
            }
        };
        let mut out = Vec::with_capacity(text.len());
        if one(text, &mut out) {
            return out;
        }
        let mut rest = text;
        while let Some(&first) = rest.first() {
            let taken = (1..=LETTER.min(rest.len())).find(|&n| one(&rest[..n], &mut out));
            if taken.is_none() {
                out.push(first);
            }
            rest = &rest[taken.unwrap_or(1)..];
        }
        out
    }

    fn remaps_ascii(self) -> bool {
        matches!(self.0, Kind::Table(e) if !e.is_ascii_compatible())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(name: &str, local: &[u8], utf8: &str) {
        let set = Iconv::new(name).unwrap();
        let (mut wire, mut back) = (Vec::new(), Vec::new());
        assert!(set.to_wire(local, &mut wire));
        assert_eq!(wire, utf8.as_bytes(), "{name}");
        assert!(set.from_wire(utf8.as_bytes(), &mut back));
        assert_eq!(back, local, "{name}");
    }

    #[test]
    fn converts_both_ways() {
        both("ISO-8859-1", b"\xe4\x80b", "\u{e4}\u{80}b");
        both("latin1", b"\xff", "\u{ff}");
        both("EUC-KR", b"\xb0\xa1", "\u{ac00}");
        both("CP949", b"\x81\x41", "\u{ac02}");
        both("windows-949", b"a\x81\x41", "a\u{ac02}");
        both("gb2312", b"\xb0\xa1b", "\u{554a}b");
        both("utf-8", "\u{ac00}".as_bytes(), "\u{ac00}");
        both("UTF8", b"plain", "plain");
        both("cp1251", b"\xcf", "\u{41f}");
        both("koi8-r", b"\xf0", "\u{41f}");
        both("shift_jis", b"\x82\xa0", "\u{3042}");
    }

    #[test]
    fn smaller_sets_lack_the_letters_of_their_successors() {
        for (name, local, utf8) in [
            ("euc-kr", &b"\x81\x41"[..], "\u{ac02}"),
            ("gb2312", b"\x81\x40", "\u{4e02}"),
        ] {
            let set = Iconv::new(name).unwrap();
            let mut out = Vec::new();
            assert!(!set.to_wire(local, &mut out), "{name}");
            assert!(!set.from_wire(utf8.as_bytes(), &mut out), "{name}");
            assert_eq!(out, b"", "{name}");
        }
    }

    #[test]
    fn keeps_what_does_not_fit() {
        let latin = Iconv::new("latin1").unwrap();
        assert_eq!(latin.convert(b"a\xe9", true), "a\u{e9}".as_bytes());
        assert_eq!(
            latin.convert("a\u{e9}\u{ac00}b\u{e9}".as_bytes(), false),
            b"a\xe9\xea\xb0\x80b\xe9"
        );
        assert_eq!(latin.convert(b"\xff\xc3\xa9", false), b"\xff\xe9");
        assert_eq!(Iconv::new("utf-8").unwrap().convert(b"x\xff", true), b"x\xff");
        assert_eq!(
            Iconv::new("euc-kr").unwrap().convert(b"\xb0\xa1\xff", true),
            b"\xea\xb0\x80\xff"
        );
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let mut out = b"x".to_vec();
        assert!(!Iconv::new("utf-8").unwrap().to_wire(b"bad\xff", &mut out));
        assert!(!Iconv::new("latin1")
            .unwrap()
            .from_wire("a\u{ac00}".as_bytes(), &mut out));
        assert!(!Iconv::new("ascii").unwrap().from_wire("\u{e4}".as_bytes(), &mut out));
        assert!(!Iconv::new("euc-kr").unwrap().to_wire(b"\xb0", &mut out));
        assert!(!Iconv::new("latin1").unwrap().from_wire(b"\xff", &mut out));
        assert_eq!(out, b"x");
        assert!(Iconv::new("no-such-set").is_none());
        assert!(Iconv::new("utf-16le").is_none());
    }
}
