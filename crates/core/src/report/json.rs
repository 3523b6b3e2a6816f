//! Events about entries as lines of JSON: `item`, `done`, `delete` and `skip`. The other types are rare, and the caller writes
//! them.
//!
//! A line is UTF-8 without any character at which a reader could break it. Names are text; if the bytes of a
//! name are no UTF-8, what is not becomes U+FFFD, and a second field has all bytes in base 64.

use std::time::{Duration, Instant};

use bstr::ByteSlice;

use super::item::{itemized, Item, Operation};
use super::Report;
use crate::event::{Event, Skipped};
use crate::plan::Plan;
use crate::role::Role;
use crate::rules::Match;
use crate::wire::item::ItemFlags;

/// What is known of a file whose data is complete. Sizes are in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// Data that was sent or copied.
    pub literal: u64,
    /// Data that the receiver had.
    pub matched: u64,
    /// Time between the request and the end.
    pub time: Duration,
    /// The receiver has compared the sum of the whole file.
    pub verified: bool,
}

/// Why an entry is skipped. The words are those of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    /// The destination has it already.
    UpToDate,
    /// The destination has a newer file (`--update`).
    Newer,
    /// `--ignore-existing`, and something is at the name.
    Exists,
    /// `--existing`, and nothing is at the name.
    Missing,
    /// `--max-size`, `--min-size`.
    Size,
    /// A link that points out of the tree (`--safe-links`).
    UnsafeLink,
    /// Its type is not to be copied.
    NonRegular,
    /// A directory that would be deleted is not empty.
    NotEmpty,
}

impl Skip {
    const fn word(self) -> &'static str {
        match self {
            Self::UpToDate => "uptodate",
            Self::Newer => "newer",
            Self::Exists => "exists",
            Self::Missing => "missing",
            Self::Size => "size",
            Self::UnsafeLink => "unsafe-link",
            Self::NonRegular => "nonregular",
            Self::NotEmpty => "not-empty",
        }
    }
}

/// The clock of the lines.
pub(super) struct Clock {
    start: Instant,
    /// Milliseconds that had passed by then.
    before: u64,
}

impl Clock {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            start: Instant::now(),
            before: plan.output.elapsed_ms,
        }
    }

    /// Milliseconds since the start of the program.
    fn now(&self) -> u64 {
        self.before + self.start.elapsed().as_millis() as u64
    }
}

impl Report {
    /// Emit the line of an item: what was decided about an entry.
    pub(crate) fn json_item(&self, item: &Item<'_>) {
        let plan = &self.shared.plan;
        self.shared.events.push_json(|out| {
            let mut line = Line::new(out, "item", self.shared.clock.now());
            line.word("op", operation(item, plan));
            line.name("path", item.name, item.is_dir());
            line.word("kind", kind(item.mode));
            line.word("change", change(item));
            line.reasons(item, plan);
            line.word(
                "itemized",
                &String::from_utf8_lossy(&itemized(item, self.shared.voice.style)),
            );
            line.attributes(item);
            line.end();
        });
    }

    /// Emit the line of an entry that is only listed.
    pub(super) fn json_listed(&self, item: &Item<'_>) {
        self.shared.events.push_json(|out| {
            let mut line = Line::new(out, "item", self.shared.clock.now());
            line.word("op", "list");
            line.name("path", item.name, item.is_dir());
            line.word("kind", kind(item.mode));
            line.word("change", "none");
            line.raw("reasons", "[]");
            line.word("itemized", "");
            line.attributes(item);
            line.end();
        });
    }

    /// The events of a file of `size` bytes whose data is complete under its name, of the kinds that the caller wants.
    pub(super) fn done_events(&self, name: &[u8], size: u64, done: Done, events: &mut Vec<Event>) {
        let wanted = &self.shared.plan.output.events;
        if wanted.json_done {
            events.push(self.json_done(name, size, done));
        }
        if wanted.done {
            events.push(Event::Done(crate::event::Done {
                name: name.to_vec(),
                size,
                literal: done.literal,
                matched: done.matched,
                time: done.time,
                verified: done.verified,
            }));
        }
    }

    fn json_done(&self, name: &[u8], size: u64, done: Done) -> Event {
        let mut out = Vec::with_capacity(DONE);
        let mut line = Line::new(&mut out, "done", self.shared.clock.now());
        line.name("path", name, false);
        line.number("size", size);
        line.number("literal", done.literal);
        line.number("matched", done.matched);
        line.key("seconds");
        line.seconds(done.time.as_millis() as u64);
        line.raw("verified", if done.verified { "true" } else { "false" });
        line.end();
        Event::Json(out)
    }

    /// Whether events about skipped entries are wanted, in whatever form.
    pub(crate) fn wants_skips(&self) -> bool {
        let events = &self.shared.plan.output.events;
        events.json_skip || events.skip
    }

    fn skip_event(&self, name: &[u8], why: &'static str, rule: Option<Vec<u8>>) {
        if self.shared.plan.output.events.skip {
            let name = name.to_vec();
            self.shared
                .events
                .push_item(Event::Skipped(Skipped { name, why, rule }));
        }
    }

    /// Emit an entry that is skipped, if somebody wants to know.
    pub(crate) fn skipped(&self, name: &[u8], dir: bool, why: Skip) {
        self.skip_event(name, why.word(), None);
        if self.shared.plan.output.events.json_skip {
            self.shared.events.push_json(|out| {
                let mut line = Line::new(out, "skip", self.shared.clock.now());
                line.name("path", name, dir);
                line.word("why", why.word());
                line.raw("rule", "null");
                line.end();
            });
        }
    }

    /// Emit a name that this rule excludes from the list, if somebody wants to know. The scan calls this.
    pub(crate) fn excluded(&self, name: &[u8], dir: bool, rule: Match<'_>) {
        if self.shared.plan.output.events.skip {
            self.skip_event(name, "excluded", Some(rule.text()));
        }
        if !self.shared.plan.output.events.json_skip {
            return;
        }
        self.shared.events.push_json(|out| {
            let mut line = Line::new(out, "skip", self.shared.clock.now());
            line.name("path", name, dir);
            line.word("why", "excluded");
            line.key("rule");
            line.out.push(b'{');
            line.name("text", &rule.text(), false);
            match rule.place() {
                Some((file, number)) => {
                    line.name("file", file, false);
                    if number > 0 {
                        line.number("line", number as u64);
                    } else {
                        line.raw("line", "null");
                    }
                }
                None => {
                    line.raw("file", "null");
                    line.raw("line", "null");
                }
            }
            line.out.push(b'}');
            line.end();
        });
    }

    /// Emit the line of a deletion. A sender does not know the size.
    pub(super) fn json_deleted(&self, name: &[u8], mode: u32, size: u64) {
        self.shared.events.push_json(|out| {
            let mut line = Line::new(out, "delete", self.shared.clock.now());
            line.name("path", name, mode & 0o170_000 == 0o040_000);
            line.word("kind", kind(mode));
            if self.shared.plan.place.is_local() || self.role() != Role::Sender {
                line.number("size", size);
            } else {
                line.raw("size", "null");
            }
            line.end();
        });
    }
}

fn kind(mode: u32) -> &'static str {
    match mode & 0o170_000 {
        0o040_000 => "dir",
        0o120_000 => "link",
        0o020_000 | 0o060_000 => "device",
        0o010_000 | 0o140_000 => "special",
        _ => "file",
    }
}

fn operation(item: &Item<'_>, plan: &Plan) -> &'static str {
    if plan.place.is_local() {
        "local"
    } else if item.operation == Operation::Send {
        "send"
    } else {
        "recv"
    }
}

fn change(item: &Item<'_>) -> &'static str {
    let flags = item.iflags;
    if flags.contains(ItemFlags::LOCAL_CHANGE | ItemFlags::XNAME) {
        "link"
    } else if flags.contains(ItemFlags::NEW) {
        "new"
    } else if flags.intersects(ItemFlags::TRANSFER | ItemFlags::LOCAL_CHANGE) {
        "update"
    } else {
        "attributes"
    }
}

/// Usual length of a line about a finished file, with a name of 128 bytes.
const DONE: usize = 256;

/// One line that is being written, at the end of others.
struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Line<'a> {
    fn new(out: &'a mut Vec<u8>, kind: &'static str, millis: u64) -> Self {
        let mut line = Self { out };
        line.out.extend_from_slice(b"{\"type\":\"");
        line.out.extend_from_slice(kind.as_bytes());
        line.out.push(b'"');
        line.key("t");
        line.seconds(millis);
        line
    }

    fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    /// A key, without the value.
    fn key(&mut self, key: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A value that is JSON already.
    fn raw(&mut self, key: &str, value: &str) {
        self.key(key);
        self.out.extend_from_slice(value.as_bytes());
    }

    /// A text that needs no escapes.
    fn word(&mut self, key: &str, value: &str) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b'"');
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        self.digits(value);
    }

    /// Size, modification time, mode and target.
    fn attributes(&mut self, item: &Item<'_>) {
        self.number("size", item.length);
        self.key("mtime");
        if item.mtime < 0 {
            self.out.push(b'-');
        }
        self.digits(item.mtime.unsigned_abs());
        self.number("mode", u64::from(item.mode));
        match item
            .leader
            .filter(|leader| !leader.is_empty())
            .or(item.link_target.as_deref())
        {
            Some(target) => self.name("target", target, false),
            None => self.raw("target", "null"),
        }
    }

    fn digits(&mut self, mut value: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
    }

    /// Seconds with three decimals.
    fn seconds(&mut self, millis: u64) {
        self.digits(millis / 1000);
        self.out.push(b'.');
        for place in [100, 10, 1] {
            self.out.push(b'0' + (millis / place % 10) as u8);
        }
    }

    /// A name; `dir`: it ends with a slash.
    fn name(&mut self, key: &str, name: &[u8], dir: bool) {
        let slash = if dir && !name.ends_with(b"/") { "/" } else { "" };
        self.key(key);
        self.out.push(b'"');
        let text = std::str::from_utf8(name);
        match text {
            Ok(text) => self.escaped(text),
            Err(_) => self.escaped(&name.to_str_lossy()),
        }
        self.out.extend_from_slice(slash.as_bytes());
        self.out.push(b'"');
        if text.is_err() {
            self.key(&[key, "_b64"].concat());
            self.out.push(b'"');
            put_base64(self.out, &[name, slash.as_bytes()].concat());
            self.out.push(b'"');
        }
    }

    fn escaped(&mut self, text: &str) {
        let plain = |&byte: &u8| !matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f | 0xc2 | 0xe2);
        if text.as_bytes().iter().all(plain) {
            self.out.extend_from_slice(text.as_bytes());
            return;
        }
        for letter in text.chars() {
            match letter {
                '"' => self.out.extend_from_slice(b"\\\""),
                '\\' => self.out.extend_from_slice(b"\\\\"),
                '\n' => self.out.extend_from_slice(b"\\n"),
                '\r' => self.out.extend_from_slice(b"\\r"),
                '\t' => self.out.extend_from_slice(b"\\t"),
                // Many readers end a line at the last two, and terminals act on the others.
                '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                    self.out
                        .extend_from_slice(format!("\\u{:04x}", u32::from(letter)).as_bytes());
                }
                other => {
                    let mut bytes = [0; 4];
                    self.out.extend_from_slice(other.encode_utf8(&mut bytes).as_bytes());
                }
            }
        }
    }

    /// The words for what differs.
    fn reasons(&mut self, item: &Item<'_>, plan: &Plan) {
        let flags = item.iflags;
        self.key("reasons");
        self.out.push(b'[');
        let mut first = true;
        let mut add = |word: &str| {
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            self.out.push(b'"');
            self.out.extend_from_slice(word.as_bytes());
            self.out.push(b'"');
        };
        let transfer = flags.contains(ItemFlags::TRANSFER);
        let link = item.mode & 0o170_000 == 0o120_000;
        if flags.contains(ItemFlags::NEW) {
            add("new");
        } else if !item.missing_flags {
            let changed = match item.mode & 0o170_000 {
                0o120_000 => "target",
                0o020_000 | 0o060_000 => "type",
                _ => "content",
            };
            for (flag, word) in [
                (ItemFlags::CHANGE, changed),
                (ItemFlags::SIZE, "size"),
                (ItemFlags::TIME, "time"),
                (ItemFlags::PERMS, "permissions"),
                (ItemFlags::OWNER, "owner"),
                (ItemFlags::GROUP, "group"),
                (ItemFlags::ACL, "acl"),
                (ItemFlags::XATTR, "xattr"),
                (ItemFlags::ATIME, "access-time"),
                (ItemFlags::CRTIME, "create-time"),
            ] {
                // On a link the bit of the size says that its time could not be set.
                if flags.contains(flag) && !(link && word == "size") {
                    add(word);
                }
            }
            let differs = ItemFlags::CHANGE | ItemFlags::SIZE | ItemFlags::TIME;
            if transfer && plan.write.append > 0 {
                add("append");
            } else if transfer && !flags.intersects(differs) {
                add("forced");
            }
        }
        self.out.push(b']');
    }
}

fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for part in bytes.chunks(3) {
        let byte = |i: usize| u32::from(part.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= part.len() { letter } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(bytes: &[u8], dir: bool) -> String {
        let mut out = Vec::new();
        Line { out: &mut out }.name("path", bytes, dir);
        String::from_utf8(out).unwrap_or_default()
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(name(b"a b", false), r#","path":"a b""#);
        assert_eq!(name(b"dir", true), r#","path":"dir/""#);
        assert_eq!(name(b"dir/", true), r#","path":"dir/""#);
        assert_eq!(name(b"\"\\\n\x01\x7f", false), r#","path":"\"\\\n\u0001\u007f""#);
        assert_eq!(
            name("\u{85}\u{2028}\u{e9}\u{d55c}".as_bytes(), false),
            ",\"path\":\"\\u0085\\u2028\u{e9}\u{d55c}\""
        );
    }

    #[test]
    fn bytes_that_are_no_text_come_twice() {
        assert_eq!(
            name(b"\xb9\xae\xbc\xad.hwp", false),
            ",\"path\":\"\u{fffd}\u{fffd}\u{fffd}\u{fffd}.hwp\",\"path_b64\":\"ua68rS5od3A=\""
        );
        // A surrogate is no character of UTF-8.
        assert!(name(b"\xed\xa0\x80", true).ends_with(",\"path_b64\":\"7aCALw==\""));
    }

    #[test]
    fn base_64() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            let mut out = Vec::new();
            put_base64(&mut out, bytes.as_bytes());
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn numbers_and_seconds() {
        let mut out = Vec::new();
        let mut line = Line { out: &mut out };
        line.number("a", 0);
        line.number("b", u64::MAX);
        line.key("c");
        line.seconds(61_007);
        assert_eq!(out, b",\"a\":0,\"b\":18446744073709551615,\"c\":61.007");
    }
}
