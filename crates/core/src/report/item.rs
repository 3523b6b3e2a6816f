//! One line per item: the itemized flags, the escapes of `--out-format` and `--log-file-format`, and the listing
//! (spec: output 6, 7, 8; daemon 12.3).

use std::borrow::Cow;

use chrono::{Local, TimeZone};

use super::number;
use crate::plan::{Plan, SumKind};
use crate::sums::digest_len;
use crate::wire::item::ItemFlags;

/// What is done to an item, for `%o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The file is sent.
    Send,
    /// The file is received.
    Receive,
    /// The file is deleted.
    Delete,
}

impl Operation {
    /// The text of `%o`.
    pub fn text(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "recv",
            Self::Delete => "del.",
        }
    }

    /// The name of the operation for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delete => "del",
            other => other.text(),
        }
    }
}

/// One item, as the escapes need it.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// What is done.
    pub operation: Operation,
    /// Relative to the transfer root, without trailing slash.
    pub name: &'a [u8],
    /// Path of its source argument, for `%f` on a sender; empty elsewhere.
    pub source: &'a [u8],
    /// Type and permission bits.
    pub mode: u32,
    /// Size in bytes.
    pub length: u64,
    /// Modification time in seconds since 1970.
    pub mtime: i64,
    /// Nanoseconds of that second; 0 if the list has none.
    pub mtime_nsec: u32,
    /// Owner.
    pub uid: u32,
    /// `None` prints `DEFAULT`.
    pub gid: Option<u32>,
    /// Item flags, or `None` at protocols below 29, where none travel.
    pub iflags: ItemFlags,
    /// The item came without flags (below protocol 29).
    pub missing_flags: bool,
    /// Target of a symlink.
    pub link_target: Option<Cow<'a, [u8]>>,
    /// The leader of a hard-linked item (the xname).
    pub leader: Option<&'a [u8]>,
    /// Whole-file checksum, if there is one.
    pub checksum: Option<&'a [u8]>,
    /// `%b` and `%c`.
    pub bytes: u64,
    /// Bytes of block sums that were sent or received.
    pub sum_bytes: u64,
}

impl Item<'_> {
    pub(super) fn is_dir(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

/// What `%i` depends on in a run.
#[derive(Debug, Clone, Copy)]
pub struct ItemStyle {
    /// `<` for a sender over a link.
    pub sent_to_remote: bool,
    /// `--times`.
    pub keep_times: bool,
    /// The receiver sets times of symlinks.
    pub keep_link_times: bool,
    /// `--times` without `--omit-dir-times`.
    pub keep_dir_times: bool,
}

/// The 11 characters of `%i` (spec: output 6).
pub fn itemized(item: &Item<'_>, style: ItemStyle) -> [u8; 11] {
    if item.operation == Operation::Delete {
        return *b"*deleting  ";
    }
    let flags = item.iflags;
    let kind = item.mode & 0o170_000;
    let mut out = *b"...........";
    out[0] = if flags.contains(ItemFlags::LOCAL_CHANGE) {
        if flags.contains(ItemFlags::XNAME) {
            b'h'
        } else {
            b'c'
        }
    } else if !flags.contains(ItemFlags::TRANSFER) {
        b'.'
    } else if style.sent_to_remote {
        b'<'
    } else {
        b'>'
    };
    out[1] = match kind {
        0o040_000 => b'd',
        0o120_000 => b'L',
        0o020_000 | 0o060_000 => b'D',
        0o010_000 | 0o140_000 => b'S',
        _ => b'f',
    };
    if item.missing_flags {
        out[2..].fill(b'?');
        return out;
    }
    if flags.contains(ItemFlags::NEW) {
        out[2..].fill(b'+');
        return out;
    }
    let set = |on: bool, c: u8| if on { c } else { b'.' };
    let keep_time = match kind {
        0o040_000 => style.keep_dir_times,
        0o120_000 => style.keep_link_times,
        _ => style.keep_times,
    };
    let time_fail = kind == 0o120_000 && flags.contains(ItemFlags::TIMEFAIL);
    out[2] = set(flags.contains(ItemFlags::CHANGE), b'c');
    out[3] = set(flags.contains(ItemFlags::SIZE) && kind != 0o120_000, b's');
    out[4] = if !flags.contains(ItemFlags::TIME) {
        b'.'
    } else if !keep_time || time_fail {
        b'T'
    } else {
        b't'
    };
    out[5] = set(flags.contains(ItemFlags::PERMS), b'p');
    out[6] = set(flags.contains(ItemFlags::OWNER), b'o');
    out[7] = set(flags.contains(ItemFlags::GROUP), b'g');
    out[8] = match (flags.contains(ItemFlags::ATIME), flags.contains(ItemFlags::CRTIME)) {
        (true, true) => b'b',
        (true, false) => b'u',
        (false, true) => b'n',
        (false, false) => b'.',
    };
    out[9] = set(flags.contains(ItemFlags::ACL), b'a');
    out[10] = set(flags.contains(ItemFlags::XATTR), b'x');
    if matches!(out[0], b'.' | b'h' | b'c') && out[2..].iter().all(|&c| c == b'.') {
        out[2..].fill(b' ');
    }
    out
}

/// `rwxr-xr-x` with set-id and sticky letters.
pub fn permissions(mode: u32) -> [u8; 9] {
    let mut out = *b"---------";
    for (i, letter) in b"rwxrwxrwx".iter().enumerate() {
        if mode & (0o400 >> i) != 0 {
            out[i] = *letter;
        }
    }
    for (bit, at, lower, upper) in [
        (0o4000, 2, b's', b'S'),
        (0o2000, 5, b's', b'S'),
        (0o1000, 8, b't', b'T'),
    ] {
        if mode & bit != 0 {
            out[at] = if out[at] == b'x' { lower } else { upper };
        }
    }
    out
}

/// Seconds since 1970 as local time.
pub fn local_time(seconds: i64, format: &str) -> String {
    match Local.timestamp_opt(seconds, 0).earliest() {
        Some(time) => time.format(format).to_string(),
        None => seconds.to_string(),
    }
}

#[derive(Debug, Clone)]
enum Piece {
    Text(Vec<u8>),
    Escape {
        letter: u8,
        width: i32,
        level: u8,
        raw: Vec<u8>,
    },
}

/// Longest value of an escape (observed; a path's length).
const LONGEST: usize = 4095;

/// A width has at most this many digits, one less behind a minus (observed).
const MOST_DIGITS: usize = 23;

/// Length of the arrow in front of a link's target or leader.
const ARROW: usize = 4;

/// A compiled format (spec: output 7).
#[derive(Debug, Clone)]
pub struct Format {
    pieces: Vec<Piece>,
    /// The format as given.
    pub text: Vec<u8>,
}

impl Format {
    /// Compile a format with `%` escapes.
    pub fn new(text: &[u8]) -> Self {
        let mut pieces = Vec::new();
        let mut plain: Vec<u8> = Vec::new();
        let mut i = 0;
        while i < text.len() {
            if text[i] != b'%' {
                plain.push(text[i]);
                i += 1;
                continue;
            }
            let start = i;
            i += 1;
            let mut level = 0u8;
            while i < text.len() && text[i] == b'\'' {
                level = level.saturating_add(1);
                i += 1;
            }
            let mut negative = false;
            if i < text.len() && text[i] == b'-' {
                negative = true;
                i += 1;
            }
            let mut width = 0i32;
            let end = i + MOST_DIGITS - usize::from(negative);
            while i < end && text.get(i).is_some_and(u8::is_ascii_digit) {
                width = width
                    .saturating_mul(10)
                    .saturating_add(i32::from(text[i] - b'0'))
                    .min(2 * LONGEST as i32);
                i += 1;
            }
            if i == end && text.get(i).is_some_and(u8::is_ascii_digit) {
                // This is no escape; the text after it may hold one.
                plain.extend_from_slice(&text[start..i]);
                continue;
            }
            while i < text.len() && text[i] == b'\'' {
                level = level.saturating_add(1);
                i += 1;
            }
            if i >= text.len() {
                plain.extend_from_slice(&text[start..]);
                break;
            }
            let letter = text[i];
            i += 1;
            if letter == b'%' && i == start + 2 {
                plain.push(b'%');
                continue;
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Escape {
                letter,
                width: if negative { -width } else { width },
                level,
                raw: text[start..i].to_vec(),
            });
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Self {
            pieces,
            text: text.to_vec(),
        }
    }

    /// Whether the format holds this escape.
    pub fn has(&self, wanted: u8) -> bool {
        self.pieces
            .iter()
            .any(|p| matches!(p, Piece::Escape { letter, .. } if *letter == wanted))
    }

    /// Items are reported after their data when a figure of the data is asked for.
    pub fn after_data(&self) -> bool {
        self.has(b'b') || self.has(b'c') || self.has(b'C')
    }

    /// The line for an item, without newline.
    pub fn expand(&self, item: &Item<'_>, plan: &Plan, style: ItemStyle, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Escape {
                    letter,
                    width,
                    level,
                    raw,
                } => {
                    let mut value = Vec::new();
                    if !escape(*letter, *level, item, plan, style, &mut value) {
                        out.extend_from_slice(raw);
                        continue;
                    }
                    let start = out.len();
                    // The arrow of a link stands outside the width, and blanks stand for a missing one.
                    if *letter == b'L' && (*width != 0 || !value.is_empty()) {
                        if value.is_empty() {
                            value.resize(ARROW, b' ');
                        }
                        out.extend(value.drain(..ARROW));
                    }
                    let pad = (width.unsigned_abs() as usize).saturating_sub(value.len());
                    if *width > 0 {
                        out.resize(out.len() + pad, b' ');
                    }
                    out.extend_from_slice(&value);
                    if *width < 0 {
                        out.resize(out.len() + pad, b' ');
                    }
                    out.truncate(start + LONGEST);
                }
            }
        }
    }
}

fn escape(letter: u8, level: u8, item: &Item<'_>, plan: &Plan, style: ItemStyle, out: &mut Vec<u8>) -> bool {
    let number = |n: i64| number::human(n, level.min(3), plan.output.thousands).into_bytes();
    match letter {
        b'a' if plan.place.is_daemon() => out.extend_from_slice(&plan.place.peer_addr),
        b'h' if plan.place.is_daemon() => out.extend_from_slice(&plan.place.peer_host),
        b'u' if plan.place.is_daemon() => out.extend_from_slice(&plan.place.auth_user),
        b'P' if plan.place.is_daemon() => out.extend_from_slice(&plan.place.module_path),
        b'm' => out.extend_from_slice(&plan.place.module),
        b'%' => out.push(b'%'),
        b'b' => *out = number(item.bytes as i64),
        b'c' => *out = number(item.sum_bytes as i64),
        b'B' => out.extend_from_slice(&permissions(item.mode)),
        b'C' => match item.checksum {
            Some(sum) if item.mode & 0o170_000 == 0o100_000 => out.extend_from_slice(hex(sum, plan).as_bytes()),
            _ => out.resize(2 * digest_len(sum_kind(plan)), b' '),
        },
        b'f' => {
            // An absolute name (`-R`) has no path in front.
            if let Some(name) = item.name.strip_prefix(b"/") {
                out.extend_from_slice(name);
            } else if item.source.is_empty() {
                out.extend_from_slice(item.name);
            } else {
                let source = item.source.strip_prefix(b"/").unwrap_or(item.source);
                out.extend_from_slice(source);
                if !source.is_empty() {
                    out.push(b'/');
                }
                out.extend_from_slice(item.name);
            }
        }
        b'n' => {
            out.extend_from_slice(item.name);
            if item.is_dir() {
                out.push(b'/');
            }
        }
        b'G' => match item.gid {
            Some(gid) => out.extend_from_slice(gid.to_string().as_bytes()),
            None => out.extend_from_slice(b"DEFAULT"),
        },
        b'U' => out.extend_from_slice(item.uid.to_string().as_bytes()),
        b'i' => out.extend_from_slice(&itemized(item, style)),
        b'l' => {
            *out = number(if item.operation == Operation::Delete {
                0
            } else {
                item.length as i64
            });
        }
        b'L' => {
            if let Some(leader) = item.leader.filter(|l| !l.is_empty()) {
                out.extend_from_slice(b" => ");
                out.extend_from_slice(leader);
            } else if let Some(target) = &item.link_target {
                out.extend_from_slice(b" -> ");
                out.extend_from_slice(target);
            }
        }
        b'M' => out.extend_from_slice(local_time(item.mtime, "%Y/%m/%d-%H:%M:%S").as_bytes()),
        b'o' => out.extend_from_slice(item.operation.text().as_bytes()),
        b'p' => out.extend_from_slice(plan.place.pid.to_string().as_bytes()),
        b't' => {
            out.extend_from_slice(Local::now().format("%Y/%m/%d %H:%M:%S").to_string().as_bytes());
        }
        _ => return false,
    }
    true
}

/// The algorithm of the sums that are shown.
fn sum_kind(plan: &Plan) -> SumKind {
    if plan.select.checksum {
        plan.agreed.file_sum
    } else {
        plan.agreed.xfer_sum
    }
}

/// A digest as tools print it: the xxh family prints a number, so the byte order of the wire is reversed (spec: protocol 8.2).
fn hex(sum: &[u8], plan: &Plan) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(sum.len() * 2);
    let mut add = |b: &u8| {
        let _ = write!(text, "{b:02x}");
    };
    if matches!(sum_kind(plan), SumKind::Xxh128 | SumKind::Xxh3 | SumKind::Xxh64) {
        sum.iter().rev().for_each(&mut add);
    } else {
        sum.iter().for_each(&mut add);
    }
    text
}

/// A line of `--list-only`, without newline (spec: output 8).
pub fn listing(item: &Item<'_>, atime: Option<i64>, crtime: Option<i64>, plan: &Plan, out: &mut Vec<u8>) {
    out.push(match item.mode & 0o170_000 {
        0o040_000 => b'd',
        0o120_000 => b'l',
        0o020_000 => b'c',
        0o060_000 => b'b',
        0o140_000 => b's',
        0o010_000 => b'p',
        _ => b'-',
    });
    out.extend_from_slice(&permissions(item.mode));
    let size = number::human(item.length as i64, plan.output.human_readable, plan.output.thousands);
    let width = if plan.output.human_readable == 0 { 11 } else { 14 };
    out.extend_from_slice(format!(" {size:>width$} ").as_bytes());
    out.extend_from_slice(local_time(item.mtime, "%Y/%m/%d %H:%M:%S").as_bytes());
    let atime = (plan.attrs.atimes > 0).then(|| atime.filter(|_| !item.is_dir()));
    let crtime = plan.attrs.crtimes.then_some(crtime);
    for time in [atime, crtime].into_iter().flatten() {
        let shown = time.map_or(" ".repeat(19), |time| local_time(time, "%Y/%m/%d %H:%M:%S"));
        out.extend_from_slice(format!(" {shown}").as_bytes());
    }
    out.push(b' ');
    out.extend_from_slice(item.name);
    if let Some(target) = &item.link_target {
        out.extend_from_slice(b" -> ");
        out.extend_from_slice(target);
    }
}
