//! The primitive encodings of the protocol (spec: protocol 4). Pure codecs: no I/O and no state.
//!
//! Writers append to a `Vec<u8>`; readers take their bytes from a [`Source`].

use super::trace::Tracer;
use crate::error::{bail, Error, Result};

/// Longest value a [`put_vstring`] can carry (spec: protocol 4.7).
pub const MAX_VSTRING: usize = 0x7fff;

/// How many bytes [`Source::bytes`] allocates before it has seen any of them.
const FIRST_PIECE: usize = 64 * 1024;

/// Appends one byte (spec: protocol 4.1).
pub fn put_byte(out: &mut Vec<u8>, v: u8) {
    out.push(v);
}

/// Appends two bytes, little-endian (spec: protocol 4.1).
pub fn put_shortint(out: &mut Vec<u8>, v: u16) {
    out.extend_from_slice(&v.to_le_bytes());
}

/// Appends four bytes, little-endian (spec: protocol 4.2).
pub fn put_int(out: &mut Vec<u8>, v: i32) {
    out.extend_from_slice(&v.to_le_bytes());
}

/// The first byte's leading ones that announce `extra` further bytes.
fn prefix(extra: usize) -> u8 {
    // extra is at most 6 here (varlong(3) of a negative value).
    !(0xff_u8 >> extra)
}

/// How many bytes a first byte announces beyond the fixed ones; 5 and 6 occur in varlong only (spec: protocol 4.3, 4.4).
fn extra(first: u8) -> usize {
    (first.leading_ones() as usize).min(6)
}

/// Appends a varint, 1 to 5 bytes (spec: protocol 4.3).
pub fn put_varint(out: &mut Vec<u8>, v: i32) {
    let b = v.to_le_bytes();
    let k = 4 - (b[1..].iter().rev().take_while(|&&x| x == 0).count());
    let top = b[k - 1];
    if u32::from(top) < 1 << (8 - k) {
        out.push(top | prefix(k - 1));
        out.extend_from_slice(&b[..k - 1]);
    } else {
        out.push(prefix(k));
        out.extend_from_slice(&b[..k]);
    }
}

/// Appends a varlong of at least `min` bytes; `min` is 3 or 4 (spec: protocol 4.4).
pub fn put_varlong(out: &mut Vec<u8>, v: i64, min: usize) {
    debug_assert!((3..=8).contains(&min));
    let b = v.to_le_bytes();
    let mut k = 8;
    while k > min && b[k - 1] == 0 {
        k -= 1;
    }
    let top = b[k - 1];
    if u32::from(top) < 1 << (7 - (k - min)) {
        out.push(top | prefix(k - min));
        out.extend_from_slice(&b[..k - 1]);
    } else {
        out.push(prefix(k - min + 1));
        out.extend_from_slice(&b[..k]);
    }
}

/// Appends an old-style 64-bit value, 4 or 12 bytes (spec: protocol 4.5).
pub fn put_longint(out: &mut Vec<u8>, v: i64) {
    if let Ok(small @ 0..) = i32::try_from(v) {
        put_int(out, small);
    } else {
        put_int(out, -1);
        out.extend_from_slice(&v.to_le_bytes());
    }
}

/// Appends `int` below protocol 30, else `varint` (spec: protocol 4.6).
pub fn put_x30int(out: &mut Vec<u8>, protocol: u8, v: i32) {
    if protocol < 30 {
        put_int(out, v);
    } else {
        put_varint(out, v);
    }
}

/// Appends `longint` below protocol 30, else `varlong(min)` (spec: protocol 4.6).
pub fn put_x30long(out: &mut Vec<u8>, protocol: u8, v: i64, min: usize) {
    if protocol < 30 {
        put_longint(out, v);
    } else {
        put_varlong(out, v, min);
    }
}

/// Appends a vstring. A value over [`MAX_VSTRING`] bytes has no encoding and is refused (spec: protocol 4.7).
pub fn put_vstring(out: &mut Vec<u8>, v: &[u8]) -> Result<()> {
    let len = v.len();
    if len > MAX_VSTRING {
        bail!(Protocol; "attempting to send over-long vstring ({len} > {MAX_VSTRING})");
    }
    if len > 0x7f {
        out.push(0x80 | (len >> 8) as u8);
    }
    out.push(len as u8);
    out.extend_from_slice(v);
    Ok(())
}

/// Where a decoder takes its bytes from: a connection or a slice.
///
/// Only [`read_exact`](Source::read_exact) is required; the rest decodes the types of spec protocol 4 from it.
pub trait Source {
    /// Fills `buf`; an end of the stream before that is `Error::Stream`.
    fn read_exact(&mut self, buf: &mut [u8]) -> Result<()>;

    /// What traces the messages of this source.
    fn tracer(&self) -> Option<&Tracer> {
        None
    }

    /// One byte.
    fn byte(&mut self) -> Result<u8> {
        let mut b = [0];
        self.read_exact(&mut b)?;
        Ok(b[0])
    }

    /// Two bytes, little-endian, unsigned (spec: protocol 4.1).
    fn shortint(&mut self) -> Result<u16> {
        let mut b = [0; 2];
        self.read_exact(&mut b)?;
        Ok(u16::from_le_bytes(b))
    }

    /// Four bytes, little-endian (spec: protocol 4.2).
    fn int(&mut self) -> Result<i32> {
        let mut b = [0; 4];
        self.read_exact(&mut b)?;
        Ok(i32::from_le_bytes(b))
    }

    /// Spec: protocol 4.3. A first byte of 0xf8 or more is `Error::Stream`.
    fn varint(&mut self) -> Result<i32> {
        let first = self.byte()?;
        let n = extra(first);
        if n == 0 {
            return Ok(i32::from(first));
        }
        if n > 4 {
            bail!(Stream; "overflow in varint (first byte {first:#04x})");
        }
        let mut b = [0; 5];
        self.read_exact(&mut b[..n])?;
        b[n] = first & (0xff_u8 >> (n + 1));
        // With four extra bytes the first byte's rest is beyond 32 bits and counts for nothing.
        Ok(i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Spec: protocol 4.4. More than 9 bytes altogether is `Error::Stream`.
    fn varlong(&mut self, min: usize) -> Result<i64> {
        debug_assert!((1..=8).contains(&min));
        let mut head = [0; 8];
        self.read_exact(&mut head[..min])?;
        let first = head[0];
        let n = extra(first);
        let mut b = [0; 9];
        let low = min - 1;
        b[..low].copy_from_slice(&head[1..min]);
        if n == 0 {
            b[low] = first;
        } else {
            if min + n > 9 {
                bail!(Stream; "overflow in varlong({min}) (first byte {first:#04x})");
            }
            self.read_exact(&mut b[low..low + n])?;
            b[low + n] = first & (0xff_u8 >> (n + 1));
        }
        let mut value = [0; 8];
        value.copy_from_slice(&b[..8]);
        Ok(i64::from_le_bytes(value))
    }

    /// Spec: protocol 4.5.
    fn longint(&mut self) -> Result<i64> {
        let small = self.int()?;
        if small != -1 {
            return Ok(i64::from(small));
        }
        let mut b = [0; 8];
        self.read_exact(&mut b)?;
        Ok(i64::from_le_bytes(b))
    }

    /// `int` below protocol 30, else `varint` (spec: protocol 4.6).
    fn x30int(&mut self, protocol: u8) -> Result<i32> {
        if protocol < 30 {
            self.int()
        } else {
            self.varint()
        }
    }

    /// `longint` below protocol 30, else `varlong(min)` (spec: protocol 4.6).
    fn x30long(&mut self, protocol: u8, min: usize) -> Result<i64> {
        if protocol < 30 {
            self.longint()
        } else {
            self.varlong(min)
        }
    }

    /// A vstring of at most `max` bytes; a longer one is `Error::Protocol` (spec: protocol 4.7; callers for whom section
    /// 12 names another code map the error).
    fn vstring(&mut self, max: usize) -> Result<Vec<u8>> {
        let mut len = usize::from(self.byte()?);
        if len & 0x80 != 0 {
            len = (len & 0x7f) << 8 | usize::from(self.byte()?);
        }
        if len > max {
            bail!(Protocol; "over-long vstring received ({len} > {max})");
        }
        self.bytes(len)
    }

    /// `n` bytes. The caller has checked `n` against its cap; even so memory is taken only as the bytes arrive, so that
    /// a length alone costs the peer as much as it costs us.
    fn bytes(&mut self, n: usize) -> Result<Vec<u8>> {
        let mut out = vec![0; n.min(FIRST_PIECE)];
        self.read_exact(&mut out)?;
        while out.len() < n {
            let have = out.len();
            out.resize(n.min(have.saturating_mul(2)), 0);
            self.read_exact(&mut out[have..])?;
        }
        Ok(out)
    }
}

impl Source for &[u8] {
    fn read_exact(&mut self, buf: &mut [u8]) -> Result<()> {
        let Some((head, rest)) = self.split_at_checked(buf.len()) else {
            let error = Error::Stream(format!(
                "unexpected end of data ({} of {} bytes)",
                self.len(),
                buf.len()
            ));
            *self = &[];
            return Err(error);
        };
        buf.copy_from_slice(head);
        *self = rest;
        Ok(())
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

    /// Checks one row of a table both ways, and that every shorter input is refused as a stream error.
    #[allow(clippy::needless_pass_by_value)] // a row of a table is a value
    fn row<T: PartialEq + std::fmt::Debug + Clone>(
        value: T,
        text: &str,
        put: impl Fn(&mut Vec<u8>, T),
        read: impl Fn(&mut &[u8]) -> Result<T>,
    ) {
        let bytes = hex(text);
        let mut out = Vec::new();
        put(&mut out, value.clone());
        assert_eq!(out, bytes, "writing {value:?}");
        let mut src = &bytes[..];
        assert_eq!(read(&mut src).unwrap(), value, "reading {text}");
        assert!(src.is_empty(), "bytes left of {text}");
        for cut in 0..bytes.len() {
            assert_eq!(read(&mut &bytes[..cut]).unwrap_err().code(), 12);
        }
    }

    #[test]
    fn fixed_sizes() {
        row(0x7f, "7f", put_byte, |s| s.byte());
        row(0x1234, "34 12", put_shortint, |s| s.shortint());
        row(-1, "ff ff ff ff", put_int, |s| s.int());
        row(0x0102_0304, "04 03 02 01", put_int, |s| s.int());
    }

    #[test]
    fn varint_table() {
        for (value, text) in [
            (0, "00"),
            (1, "01"),
            (0x7f, "7f"),
            (0x80, "80 80"),
            (0xff, "80 ff"),
            (0x100, "81 00"),
            (0x1ff, "81 ff"),
            (0x2c01, "ac 01"),
            (0x3fff, "bf ff"),
            (0x4000, "c0 00 40"),
            (0x1f_ffff, "df ff ff"),
            (0x20_0000, "e0 00 00 20"),
            (0x0fff_ffff, "ef ff ff ff"),
            (0x1000_0000, "f0 00 00 00 10"),
            (0x7fff_ffff, "f0 ff ff ff 7f"),
            (-1, "f0 ff ff ff ff"),
            (-129, "f0 7f ff ff ff"),
        ] {
            row(value, text, put_varint, |s| s.varint());
            row(value, text, |o, v| put_x30int(o, 30, v), |s| s.x30int(30));
        }
        // The rest of a first byte with four extra bytes is ignored.
        assert_eq!((&hex("f7 01 00 00 00")[..]).varint().unwrap(), 1);
        for first in 0xf8..=0xff_u8 {
            assert_eq!((&[first, 0, 0, 0, 0, 0, 0][..]).varint().unwrap_err().code(), 12);
        }
    }

    #[test]
    fn varlong_tables() {
        for (value, text) in [
            (0, "00 00 00"),
            (1, "00 01 00"),
            (76, "00 4c 00"),
            (65535, "00 ff ff"),
            (65536, "01 00 00"),
            (0x7f_ffff, "7f ff ff"),
            (0x80_0000, "80 00 00 80"),
            (0xff_ffff, "80 ff ff ff"),
            (0x100_0000, "81 00 00 00"),
            (0x3fff_ffff, "bf ff ff ff"),
            (0x4000_0000, "c0 00 00 00 40"),
            (1 << 40, "e1 00 00 00 00 00"),
            (-1, "fc ff ff ff ff ff ff ff ff"),
        ] {
            row(value, text, |o, v| put_varlong(o, v, 3), |s| s.varlong(3));
        }
        for (value, text) in [
            (0, "00 00 00 00"),
            (0x67e3_45f0, "67 f0 45 e3"),
            (0x7fff_ffff, "7f ff ff ff"),
            (0x8000_0000, "80 00 00 00 80"),
            (1 << 32, "81 00 00 00 00"),
            (-1, "f8 ff ff ff ff ff ff ff ff"),
            (-86400, "f8 80 ae fe ff ff ff ff ff"),
        ] {
            row(value, text, |o, v| put_varlong(o, v, 4), |s| s.varlong(4));
            row(value, text, |o, v| put_x30long(o, 31, v, 4), |s| s.x30long(31, 4));
        }
        assert_eq!((&[0xfc; 12][..]).varlong(4).unwrap_err().code(), 12);
        assert!((&[0xff; 12][..]).varlong(3).is_ok());
    }

    #[test]
    fn longint_table() {
        for (value, text) in [
            (0, "00 00 00 00"),
            (0x7fff_ffff, "ff ff ff 7f"),
            (0x8000_0000, "ff ff ff ff 00 00 00 80 00 00 00 00"),
            (-1, "ff ff ff ff ff ff ff ff ff ff ff ff"),
            (-2, "ff ff ff ff fe ff ff ff ff ff ff ff"),
        ] {
            row(value, text, put_longint, |s| s.longint());
            row(value, text, |o, v| put_x30long(o, 29, v, 3), |s| s.x30long(29, 3));
        }
        // A reader takes the four bytes as a signed number.
        assert_eq!((&hex("fe ff ff ff")[..]).longint().unwrap(), -2);
    }

    #[test]
    fn vstring_rules() {
        let put = |o: &mut Vec<u8>, v: Vec<u8>| put_vstring(o, &v).unwrap();
        row(b"d/c".to_vec(), "03 64 2f 63", put, |s| s.vstring(255));
        row(Vec::new(), "00", put, |s| s.vstring(255));
        let mut out = Vec::new();
        put_vstring(&mut out, &[b'x'; 300]).unwrap();
        assert_eq!(out[..2], [0x81, 0x2c]);
        assert_eq!((&out[..]).vstring(300).unwrap(), vec![b'x'; 300]);
        assert_eq!((&out[..]).vstring(299).unwrap_err().code(), 2);
        out.clear();
        put_vstring(&mut out, &[b'y'; 127]).unwrap();
        assert_eq!(out[0], 127);
        out.clear();
        put_vstring(&mut out, &[b'y'; 128]).unwrap();
        assert_eq!(out[..2], [0x80, 0x80]);
        put_vstring(&mut out, &vec![0; MAX_VSTRING]).unwrap();
        assert!(put_vstring(&mut out, &vec![0; MAX_VSTRING + 1]).is_err());
    }

    #[test]
    fn a_length_alone_takes_no_memory() {
        assert_eq!((&[1, 2, 3][..]).bytes(usize::MAX).unwrap_err().code(), 12);
        let data: Vec<u8> = (0..300_000_u32).map(|i| i as u8).collect();
        assert_eq!((&data[..]).bytes(data.len()).unwrap(), data);
    }

    proptest! {
        #[test]
        fn round_trips(a: i32, b: i64, shift in 0_u32..64, min in 3_usize..=4, text: Vec<u8>) {
            let b = b >> shift;
            let a = a >> (shift / 2);
            let mut out = Vec::new();
            put_varint(&mut out, a);
            put_varlong(&mut out, b, min);
            put_longint(&mut out, b);
            put_vstring(&mut out, &text).unwrap();
            for p in 27..=32 {
                put_x30int(&mut out, p, a);
                put_x30long(&mut out, p, b, min);
            }
            let mut src = &out[..];
            prop_assert_eq!(src.varint().unwrap(), a);
            prop_assert_eq!(src.varlong(min).unwrap(), b);
            prop_assert_eq!(src.longint().unwrap(), b);
            prop_assert_eq!(src.vstring(MAX_VSTRING).unwrap(), text);
            for p in 27..=32 {
                prop_assert_eq!(src.x30int(p).unwrap(), a);
                prop_assert_eq!(src.x30long(p, min).unwrap(), b);
            }
            prop_assert!(src.is_empty());
        }

        #[test]
        fn hostile_bytes_do_not_panic(data: Vec<u8>) {
            let mut src = &data[..];
            while src.varint().and_then(|_| src.varlong(3)).and_then(|_| src.vstring(100)).is_ok() {}
        }
    }
}
