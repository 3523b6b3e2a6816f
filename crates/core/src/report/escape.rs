//! How names and messages are escaped (spec: output 11).

use std::io;

use crate::error::sys_text;
use crate::plan::Charset;
use crate::role::Role;

/// `rsync: [ROLE] MESSAGE: ERR (n)`.
pub fn sys_line(role: Role, message: &[u8], error: &io::Error) -> Vec<u8> {
    let mut out = format!("rsync: [{role}] ").into_bytes();
    out.extend_from_slice(message);
    out.extend_from_slice(b": ");
    out.extend_from_slice(sys_text(error).as_bytes());
    out
}

/// Escape a message line as spec output 11 says; a final newline and leading CRs are raw.
pub fn escape_line(raw: &[u8], charset: Charset, eight_bit: bool, out: &mut Vec<u8>) {
    let (body, end) = match raw.last() {
        Some(b'\n') => (&raw[..raw.len() - 1], &b"\n"[..]),
        _ => (raw, &b""[..]),
    };
    let start = usize::from(body.first() == Some(&b'\r'));
    out.extend_from_slice(&body[..start]);
    escape_text(&body[start..], charset, eight_bit, out);
    out.extend_from_slice(end);
}

fn octal(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[
        b'\\',
        b'#',
        b'0' + (byte >> 6),
        b'0' + (byte >> 3 & 7),
        b'0' + (byte & 7),
    ]);
}

/// The character of several bytes that a text begins with, if it is valid UTF-8.
fn character(text: &[u8]) -> Option<&str> {
    let len = match text.first()? {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    std::str::from_utf8(text.get(..len)?).ok()
}

fn looks_escaped(text: &[u8]) -> bool {
    text.len() >= 5 && text[1] == b'#' && text[2..5].iter().all(u8::is_ascii_digit)
}

/// Escape a name for the screen.
pub fn escape_text(text: &[u8], charset: Charset, eight_bit: bool, out: &mut Vec<u8>) {
    if text.iter().all(|&b| (0x20..0x80).contains(&b) && b != b'\\') {
        out.extend_from_slice(text);
        return;
    }
    let mut i = 0;
    while i < text.len() {
        let b = text[i];
        if b < 0x20 && b != b'\t' || b == b'\\' && looks_escaped(&text[i..]) {
            octal(b, out);
            i += 1;
        } else if b < 0x80 || eight_bit || charset == Charset::Other {
            out.push(b);
            i += 1;
        } else if charset == Charset::Utf8 {
            match character(&text[i..]) {
                Some(c) => {
                    out.extend_from_slice(c.as_bytes());
                    i += c.len();
                }
                None => {
                    octal(b, out);
                    i += 1;
                }
            }
        } else {
            octal(b, out);
            i += 1;
        }
    }
}

/// A name as part of an error's text, which may be sent and logged: on one line, and without characters that mean an escape
/// there. The output escapes other high bytes.
pub fn name_text(name: &[u8]) -> String {
    let mut out = Vec::with_capacity(name.len());
    for line in name.split_inclusive(|&b| b == b'\n') {
        escape_text(line.strip_suffix(b"\n").unwrap_or(line), Charset::Utf8, false, &mut out);
        if line.ends_with(b"\n") {
            octal(b'\n', &mut out);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Escape a line for the log: control bytes too, but valid UTF-8 stays readable (spec: output 11, daemon 12.1).
pub fn escape_log(text: &[u8], out: &mut Vec<u8>) {
    let mut plain = Vec::with_capacity(text.len());
    escape_text(text, Charset::Utf8, true, &mut plain);
    let mut i = 0;
    while i < plain.len() {
        let b = plain[i];
        if b < 0x80 {
            out.push(b);
            i += 1;
            continue;
        }
        match character(&plain[i..]) {
            Some(c) if !c.chars().any(|c| ('\u{80}'..='\u{9f}').contains(&c)) => {
                out.extend_from_slice(c.as_bytes());
                i += c.len();
            }
            _ => {
                if (0x80..=0x9f).contains(&b) {
                    octal(b, out);
                } else {
                    out.push(b);
                }
                i += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &[u8], charset: Charset) -> Vec<u8> {
        let mut out = Vec::new();
        escape_line(text, charset, false, &mut out);
        out
    }

    #[test]
    fn a_name_in_an_error_stays_on_one_line() {
        assert_eq!(
            name_text(b"a\nb\x1b\\#012 \xea\xb0\x80\xff"),
            "a\\#012b\\#033\\#134#012 \u{ac00}\\#377"
        );
    }

    /// OUT-17
    #[test]
    fn names_are_escaped() {
        assert_eq!(shown(b"n\nl\n", Charset::Utf8), b"n\\#012l\n");
        assert_eq!(shown(b"a\\#123", Charset::Utf8), b"a\\#134#123");
        assert_eq!(shown(b"t\tb\\x", Charset::Utf8), b"t\tb\\x");
        assert_eq!(shown("한글".as_bytes(), Charset::Utf8), "한글".as_bytes());
        assert_eq!(shown(b"\xc7\xd1", Charset::Utf8), b"\\#307\\#321");
        assert_eq!(shown("é".as_bytes(), Charset::Ascii), b"\\#303\\#251");
    }
}
