//! File indices on the wire: the only encoding with a state (spec: protocol 4.8).

use super::ints::{put_int, Source};
use super::trace::{Tracer, Way};
use crate::error::{bail, Result};

/// End of a phase or of a sub-list (spec: protocol 4.8).
pub const NDX_DONE: i32 = -1;
/// No more sub-lists follow (spec: protocol 4.8).
pub const NDX_FLIST_EOF: i32 = -2;
/// Deletion counts follow (spec: protocol 6.9).
pub const NDX_DEL_STATS: i32 = -3;
/// `NDX_FLIST_OFFSET - d` announces the sub-list of directory index `d` (spec: protocol 4.8).
pub const NDX_FLIST_OFFSET: i32 = -101;

/// The two running values of one direction (spec: protocol 4.8).
#[derive(Debug, Clone)]
struct NdxState {
    protocol: u8,
    pos: i32,
    neg: i32,
}

impl NdxState {
    fn new(protocol: u8) -> Self {
        Self {
            protocol,
            pos: -1,
            neg: 1,
        }
    }
}

/// Writes file indices; one per connection and direction (spec: protocol 4.8).
#[derive(Clone)]
pub struct NdxWriter(NdxState, Option<Tracer>);

impl NdxWriter {
    /// The state at the start of a connection.
    pub fn new(protocol: u8) -> Self {
        Self(NdxState::new(protocol), None)
    }

    /// The writer of a connection that is traced.
    #[must_use]
    pub(crate) fn traced(self, tracer: Option<&Tracer>) -> Self {
        Self(self.0, tracer.cloned())
    }

    /// What traces the messages that follow the indices.
    pub(crate) fn tracer(&self) -> Option<&Tracer> {
        self.1.as_ref()
    }

    /// Appends `ndx`.
    pub fn put(&mut self, out: &mut Vec<u8>, ndx: i32) {
        trace_index(self.tracer(), Way::Out, ndx);
        if self.0.protocol < 30 {
            put_int(out, ndx);
            return;
        }
        if ndx == NDX_DONE {
            out.push(0);
            return;
        }
        let (n, prev) = if ndx >= 0 {
            (ndx, &mut self.0.pos)
        } else {
            out.push(0xff);
            (ndx.saturating_neg(), &mut self.0.neg)
        };
        let d = i64::from(n) - i64::from(*prev);
        *prev = n;
        match d {
            1..=253 => out.push(d as u8),
            0 | 254..=0x7fff => out.extend_from_slice(&[0xfe, (d >> 8) as u8, d as u8]),
            _ => out.extend_from_slice(&[0xfe, 0x80 | (n >> 24) as u8, n as u8, (n >> 8) as u8, (n >> 16) as u8]),
        }
    }
}

/// Reads file indices; one per connection and direction (spec: protocol 4.8).
#[derive(Debug, Clone)]
pub struct NdxReader(NdxState);

impl NdxReader {
    /// The state at the start of a connection.
    pub fn new(protocol: u8) -> Self {
        Self(NdxState::new(protocol))
    }

    /// Reads one index. A running value over 2^31-1 is `Error::Protocol`; which indices make sense is the caller's to
    /// judge.
    pub fn read(&mut self, src: &mut dyn Source) -> Result<i32> {
        let ndx = self.take(src)?;
        trace_index(src.tracer(), Way::In, ndx);
        Ok(ndx)
    }

    fn take(&mut self, src: &mut dyn Source) -> Result<i32> {
        if self.0.protocol < 30 {
            return src.int();
        }
        let mut c = src.byte()?;
        if c == 0 {
            return Ok(NDX_DONE);
        }
        let negative = c == 0xff;
        if negative {
            c = src.byte()?;
        }
        let prev = if negative { &mut self.0.neg } else { &mut self.0.pos };
        let n = if c == 0xfe {
            let mut ab = [0; 2];
            src.read_exact(&mut ab)?;
            if ab[0] & 0x80 != 0 {
                let mut cd = [0; 2];
                src.read_exact(&mut cd)?;
                i64::from(i32::from_le_bytes([ab[1], cd[0], cd[1], ab[0] & 0x7f]))
            } else {
                i64::from(*prev) + i64::from(u16::from_be_bytes(ab))
            }
        } else {
            i64::from(*prev) + i64::from(c)
        };
        let Ok(n) = i32::try_from(n) else {
            bail!(Protocol; "invalid file index on the wire ({n})");
        };
        *prev = n;
        Ok(if negative { -n } else { n })
    }
}

/// An index that stands for itself, or announces something.
fn trace_index(tracer: Option<&Tracer>, way: Way, ndx: i32) {
    let Some(tracer) = tracer else { return };
    match ndx {
        NDX_DONE => tracer.line(way, "DONE"),
        NDX_FLIST_EOF => tracer.line(way, "FLIST_EOF"),
        n if n <= NDX_FLIST_OFFSET => tracer.line(way, &format!("FLIST directory={}", NDX_FLIST_OFFSET - n)),
        // What follows names it.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace()
            .map(|b| u8::from_str_radix(b, 16).unwrap())
            .collect()
    }

    const NDX_TABLE: [(i32, &str); 16] = [
        (0, "01"),
        (1, "01"),
        (5, "04"),
        (5, "fe 00 00"),
        (258, "fd"),
        (259, "01"),
        (512, "fd"),
        (NDX_DONE, "00"),
        (40000, "fe 80 40 9c 00"),
        (3, "fe 80 03 00 00"),
        (-102, "ff 65"),
        (-103, "ff 01"),
        (NDX_FLIST_EOF, "ff fe 80 02 00 00"),
        (NDX_FLIST_OFFSET, "ff 63"),
        (NDX_DEL_STATS, "ff fe 80 03 00 00"),
        (0x0102_0304, "fe 81 04 03 02"),
    ];

    #[test]
    fn ndx_table() {
        let (mut writer, mut reader) = (NdxWriter::new(30), NdxReader::new(30));
        for (ndx, text) in NDX_TABLE {
            let bytes = hex(text);
            let mut out = Vec::new();
            writer.put(&mut out, ndx);
            assert_eq!(out, bytes, "writing {ndx}");
            let mut src = &bytes[..];
            assert_eq!(reader.read(&mut src).unwrap(), ndx, "reading {text}");
            assert!(src.is_empty());
        }
        let (mut writer, mut reader) = (NdxWriter::new(29), NdxReader::new(29));
        for (ndx, _) in NDX_TABLE {
            let mut out = Vec::new();
            writer.put(&mut out, ndx);
            assert_eq!(out, ndx.to_le_bytes());
            assert_eq!(reader.read(&mut &out[..]).unwrap(), ndx);
        }
    }

    #[test]
    fn ndx_overflow_is_a_protocol_error() {
        let mut reader = NdxReader::new(31);
        assert_eq!(reader.read(&mut &hex("fe ff ff ff ff")[..]).unwrap(), i32::MAX);
        assert_eq!(reader.read(&mut &hex("01")[..]).unwrap_err().code(), 2);
        assert_eq!(reader.read(&mut &hex("fe 00 01")[..]).unwrap_err().code(), 2);
        // After ff a 00 and an ff are plain differences.
        assert_eq!(reader.read(&mut &hex("ff 00")[..]).unwrap(), -1);
        assert_eq!(reader.read(&mut &hex("ff ff")[..]).unwrap(), -256);
    }

    proptest! {
        #[test]
        fn ndx_round_trips(values: Vec<(i32, u8)>, protocol in 20_u8..=32) {
            let (mut writer, mut reader) = (NdxWriter::new(protocol), NdxReader::new(protocol));
            let values: Vec<i32> =
                values.iter().map(|(v, s)| v >> (s % 31)).map(|v| v.max(-i32::MAX)).collect();
            let mut out = Vec::new();
            for &v in &values {
                writer.put(&mut out, v);
            }
            let mut src = &out[..];
            for &v in &values {
                prop_assert_eq!(reader.read(&mut src).unwrap(), v);
            }
            prop_assert!(src.is_empty());
        }

        #[test]
        fn hostile_bytes_do_not_panic(data: Vec<u8>) {
            let mut reader = NdxReader::new(32);
            let mut src = &data[..];
            while reader.read(&mut src).is_ok() {}
        }
    }
}
