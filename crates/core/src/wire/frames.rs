//! Frames and messages (spec: protocol 3; protocol-old 3): the tags, the header, and what a reader accepts.

use crate::error::{bail, Error, Result};

/// Bytes of a frame header.
pub const HEADER_LEN: usize = 4;
/// Longest payload a header can announce.
pub const MAX_PAYLOAD: usize = 0xff_ffff;
/// Longest text or deleted name a reader accepts (spec: protocol 3.2).
pub const MAX_TEXT: usize = 5119;
/// Longest text that a reader below protocol 27 accepts (spec: protocol-old 3).
pub const OLD_MAX_TEXT: usize = 1023;
/// An empty data frame: the keep-alive (spec: protocol 3.5).
pub const KEEP_ALIVE: [u8; HEADER_LEN] = [0, 0, 0, 7];

macro_rules! tags {
    ($($(#[$doc:meta])* $tag:ident = $number:literal $name:literal;)+) => {
        /// What a frame carries (spec: protocol 3.2).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Tag { $($(#[$doc])* $tag = $number),+ }

        impl Tag {
            /// The tag of a number (the header's top byte less 7), if there is one.
            pub fn from_number(number: i32) -> Option<Self> {
                match number { $($number => Some(Self::$tag),)+ _ => None }
            }

            /// The name in the table of spec protocol 3.2, for traces.
            pub fn name(self) -> &'static str {
                match self { $(Self::$tag => $name),+ }
            }
        }
    };
}

tags! {
    /// A piece of the data stream.
    Data = 0 "DATA";
    /// A text for stderr; the final exit status is at least 23.
    ErrorXfer = 1 "ERROR_XFER";
    /// A text for stdout.
    Info = 2 "INFO";
    /// A text for stderr that does not change the status.
    Error = 3 "ERROR";
    /// A text for stderr.
    Warning = 4 "WARNING";
    /// Private to one side's processes.
    ErrorSocket = 5 "ERROR_SOCKET";
    /// Private to one side's processes.
    Log = 6 "LOG";
    /// Private to one side's processes.
    Client = 7 "CLIENT";
    /// Private to one side's processes.
    ErrorUtf8 = 8 "ERROR_UTF8";
    /// Private to one side's processes.
    Redo = 9 "REDO";
    /// Private to one side's processes.
    Stats = 10 "STATS";
    /// Bits for the io_error state, sender to receiver.
    IoError = 22 "IO_ERROR";
    /// A daemon's time-out in seconds.
    IoTimeout = 33 "IO_TIMEOUT";
    /// The keep-alive of protocol 30.
    Noop = 42 "NOOP";
    /// The exit status of the peer, or (empty) the acknowledgement of ours.
    ErrorExit = 86 "ERROR_EXIT";
    /// This file arrived; the sender may remove its source.
    Success = 100 "SUCCESS";
    /// A name that the receiving server deleted.
    Deleted = 101 "DELETED";
    /// The requested file will not come.
    NoSend = 102 "NO_SEND";
}

impl Tag {
    /// The number in the table of spec protocol 3.2.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether the payload is a line of text for the user.
    pub fn is_text(self) -> bool {
        matches!(self, Self::ErrorXfer | Self::Info | Self::Error | Self::Warning)
    }
}

/// Encodes a header. `len` is at most [`MAX_PAYLOAD`]; the writer splits what is longer.
pub fn header(tag: Tag, len: usize) -> [u8; HEADER_LEN] {
    debug_assert!(len <= MAX_PAYLOAD);
    let [a, b, c, _] = (len as u32).to_le_bytes();
    [a, b, c, 7 + tag.number()]
}

/// Splits a header into the tag's number (which may be no tag at all) and the payload's length.
pub fn parse(header: [u8; HEADER_LEN]) -> (i32, usize) {
    let [a, b, c, top] = header;
    (i32::from(top as i8) - 7, u32::from_le_bytes([a, b, c, 0]) as usize)
}

/// What a message's payload is cut into: texts for a reader below protocol 27 into parts that it accepts, at the ends of
/// lines where there are any (spec: protocol-old 3).
pub fn parts(tag: Tag, payload: &[u8], protocol: u8) -> impl Iterator<Item = &[u8]> {
    let limit = if protocol < 27 && tag.is_text() {
        OLD_MAX_TEXT
    } else {
        MAX_PAYLOAD
    };
    let mut rest = Some(&payload[..payload.len().min(MAX_PAYLOAD)]);
    std::iter::from_fn(move || {
        let text = rest?;
        if text.len() <= limit {
            return rest.take();
        }
        let end = memchr::memrchr(b'\n', &text[..limit]).map_or(limit, |at| at + 1);
        let (part, more) = text.split_at(end);
        rest = Some(more);
        Some(part)
    })
}

/// Judges a header that came from the network: the tag must exist, must not be private to the peer's own processes and
/// must suit this end, and the length must fit it (spec: protocol 3.2). Anything else is `Error::Stream`, with rsync's
/// text; `role` is what stands in its brackets. Only a client takes an `IO_TIMEOUT`. Below protocol 27 there are only
/// the first two texts, and the answers that a later program speaking an old protocol may give (spec: protocol-old 3).
pub fn check(number: i32, len: usize, client: bool, protocol: u8, role: &str) -> Result<Tag> {
    let known = |tag: &Tag| protocol >= 27 || matches!(tag, Tag::Data | Tag::ErrorXfer | Tag::Info | Tag::Success);
    let Some(tag) = Tag::from_number(number).filter(known) else {
        bail!(Stream; "unexpected tag {number} [{role}]");
    };
    let fits = match tag {
        Tag::Data => true,
        Tag::ErrorXfer | Tag::Info | Tag::Error | Tag::Warning | Tag::Deleted => {
            if len > MAX_TEXT {
                bail!(Stream; "multiplexing overflow {number}:{len} [{role}]");
            }
            true
        }
        Tag::ErrorSocket | Tag::Log | Tag::Client | Tag::ErrorUtf8 | Tag::Redo | Tag::Stats => false,
        Tag::IoError | Tag::Success | Tag::NoSend => len == 4,
        Tag::IoTimeout => len == 4 && client,
        Tag::Noop => len == 0,
        Tag::ErrorExit => len == 0 || len == 4,
    };
    if fits {
        Ok(tag)
    } else {
        Err(Error::Stream(format!("invalid multi-message {number}:{len} [{role}]")))
    }
}

/// One message from the peer; never [`Tag::Data`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub tag: Tag,
    /// Its bytes, of a length that suits the tag (see [`check`]).
    pub payload: Vec<u8>,
}

impl Message {
    /// The number that a fixed-size message carries; `None` for an empty one or a text.
    pub fn value(&self) -> Option<i32> {
        self.payload.as_slice().try_into().ok().map(i32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_examples() {
        for (bytes, tag, len) in [
            ([0x04, 0, 0, 0x07], Tag::Data, 4),
            (KEEP_ALIVE, Tag::Data, 0),
            ([0x20, 0, 0, 0x09], Tag::Info, 32),
            ([0x04, 0, 0, 0x6c], Tag::Deleted, 4),
            ([0xff, 0xff, 0xff, 0x07], Tag::Data, MAX_PAYLOAD),
        ] {
            assert_eq!(header(tag, len), bytes);
            assert_eq!(parse(bytes), (i32::from(tag.number()), len));
        }
        // The top byte is signed.
        assert_eq!(parse([0, 0, 0, 0xff]), (-8, 0));
        assert_eq!(parse([0, 0, 0, 5]), (-2, 0));
    }

    #[test]
    fn numbers_go_both_ways() {
        let known: Vec<i32> = (-200..200)
            .filter(|&n| Tag::from_number(n).is_some_and(|t| i32::from(t.number()) == n))
            .collect();
        assert_eq!(known, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 22, 33, 42, 86, 100, 101, 102]);
    }

    #[test]
    fn every_tag_and_length() {
        for number in -135..=120 {
            for len in [0, 1, 3, 4, 5, 8, 20, 5119, 5120, MAX_PAYLOAD] {
                for client in [false, true] {
                    let good = match number {
                        0 => true,
                        1..=4 | 101 => len <= 5119,
                        22 | 100 | 102 => len == 4,
                        33 => len == 4 && client,
                        42 => len == 0,
                        86 => len == 0 || len == 4,
                        _ => false,
                    };
                    let got = check(number, len, client, 32, "sender");
                    assert_eq!(got.is_ok(), good, "tag {number} len {len} client {client}");
                    if let Err(error) = got {
                        assert_eq!(error.code(), 12);
                    }
                    let old = check(number, len, client, 26, "sender").is_ok();
                    assert_eq!(old, good && matches!(number, 0..=2 | 100), "old tag {number} len {len}");
                }
            }
        }
    }

    #[test]
    fn texts_are_those_of_rsync() {
        let text = |n, len| check(n, len, true, 32, "Receiver").unwrap_err().to_string();
        assert_eq!(text(50, 0), "unexpected tag 50 [Receiver]");
        assert_eq!(text(-8, 0), "unexpected tag -8 [Receiver]");
        assert_eq!(text(5, 0), "invalid multi-message 5:0 [Receiver]");
        assert_eq!(text(22, 1), "invalid multi-message 22:1 [Receiver]");
        assert_eq!(text(2, 5120), "multiplexing overflow 2:5120 [Receiver]");
    }

    /// PRO-89: no text for an old reader is longer than it accepts.
    #[test]
    fn pro_89_parts() {
        let cut = |tag, text: &[u8], protocol| parts(tag, text, protocol).map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(cut(Tag::Info, &[b'x'; 5000], 27), [5000]);
        assert_eq!(cut(Tag::Info, &[b'x'; 1023], 26), [1023]);
        assert_eq!(cut(Tag::ErrorXfer, &[b'x'; 1024], 26), [1023, 1]);
        assert_eq!(cut(Tag::Info, b"", 26), [0]);
        let lines = [&[b'a'; 600][..], b"\n", &[b'b'; 600], b"\n", &[b'c'; 2000], b"\n"].concat();
        assert_eq!(cut(Tag::Info, &lines, 20), [601, 601, 1023, 978]);
        assert_eq!(parts(Tag::Info, &lines, 20).collect::<Vec<_>>().concat(), lines);
        assert_eq!(cut(Tag::Success, &[0; 4], 20), [4]);
    }

    #[test]
    fn message_values() {
        let m = |payload: &[u8]| {
            Message {
                tag: Tag::ErrorExit,
                payload: payload.to_vec(),
            }
            .value()
        };
        assert_eq!(m(&[7, 0, 0, 0]), Some(7));
        assert_eq!(m(&[]), None);
        assert_eq!(m(b"hello"), None);
    }
}
