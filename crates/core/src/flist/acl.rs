//! POSIX ACLs as they travel (spec: protocol 5.11).

use crate::error::{bail, Error, Result};
use crate::tree::acl::{Acl, Named};
use crate::wire::ints::{put_byte, put_varint, Source};

/// Most named entries of one ACL (spec: protocol 12).
pub(crate) const MAX_NAMED: i32 = 65_536;

const USER_OBJ: u8 = 0x01;
const GROUP_OBJ: u8 = 0x02;
const MASK: u8 = 0x04;
const OTHER: u8 = 0x08;
const NAMED: u8 = 0x10;
const HAS_NAME: u32 = 1;
const IS_USER: u32 = 2;

impl Acl {
    /// Write a literal. `name` is asked once for each named entry and gives the name that goes with the id, if it is
    /// to be sent.
    pub fn put(&self, out: &mut Vec<u8>, mut name: impl FnMut(u32, bool) -> Option<Vec<u8>>) {
        let fields = [
            (USER_OBJ, self.user_obj),
            (GROUP_OBJ, self.group_obj),
            (MASK, self.mask),
            (OTHER, self.other),
        ];
        let mut flags = if self.named.is_empty() { 0 } else { NAMED };
        for (bit, perms) in fields {
            if perms.is_some() {
                flags |= bit;
            }
        }
        put_byte(out, flags);
        for perms in fields.iter().filter_map(|f| f.1) {
            put_varint(out, perms.into());
        }
        if self.named.is_empty() {
            return;
        }
        put_varint(out, self.named.len() as i32);
        for ace in &self.named {
            put_varint(out, ace.id as i32);
            let text = name(ace.id, ace.is_user).filter(|n| n.len() <= 255);
            let bits = (u32::from(text.is_some()) * HAS_NAME) | (u32::from(ace.is_user) * IS_USER);
            put_varint(out, (u32::from(ace.perms) << 2 | bits) as i32);
            if let Some(text) = text {
                put_byte(out, text.len() as u8);
                out.extend_from_slice(&text);
            }
        }
    }

    /// Read a literal. `role` is what stands in the brackets of messages. `map` gets id, kind and name (if one came) of each named entry and gives the local id.
    ///
    /// Errors: `Stream` for permissions above 7, `Protocol` for more than [`MAX_NAMED`] entries.
    pub fn read(
        src: &mut dyn Source,
        role: &str,
        mut map: impl FnMut(u32, bool, Option<&[u8]>) -> u32,
    ) -> Result<Self> {
        let flags = src.byte()?;
        let mut acl = Self::default();
        for (bit, slot) in [
            (USER_OBJ, &mut acl.user_obj),
            (GROUP_OBJ, &mut acl.group_obj),
            (MASK, &mut acl.mask),
            (OTHER, &mut acl.other),
        ] {
            if flags & bit != 0 {
                *slot = Some(perms(src.varint()? as u32)?);
            }
        }
        if flags & NAMED == 0 {
            return Ok(acl);
        }
        let count = src.varint()?;
        if !(0..=MAX_NAMED).contains(&count) {
            bail!(Protocol; "wire value ACL count out of range: {count} not in [0,{MAX_NAMED}] [{role}]");
        }
        for _ in 0..count {
            let id = src.varint()? as u32;
            let access = src.varint()? as u32;
            let perms = perms(access >> 2)?;
            let is_user = access & IS_USER != 0;
            let name = if access & HAS_NAME == 0 {
                None
            } else {
                let n = src.byte()?;
                Some(src.bytes(n.into())?)
            };
            let id = map(id, is_user, name.as_deref());
            acl.named.push(Named { id, perms, is_user });
        }
        Ok(acl)
    }
}

fn perms(v: u32) -> Result<u8> {
    match v {
        0..=7 => Ok(v as u8),
        _ => Err(Error::Stream(format!("recv_acl_access: value out of range: {v:x}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ace(id: u32, is_user: bool, perms: u8) -> Named {
        Named { id, perms, is_user }
    }

    // The example of 5.11.
    #[test]
    fn worked_example() {
        let default = Acl {
            user_obj: Some(7),
            group_obj: Some(5),
            mask: Some(7),
            other: Some(5),
            named: vec![ace(1, true, 7)],
        };
        let wire = b"\x1f\x07\x05\x07\x05\x01\x01\x1f\x06daemon";
        let mut out = Vec::new();
        default.put(&mut out, |_, _| Some(b"daemon".to_vec()));
        assert_eq!(out, wire);
        let back = Acl::read(&mut &wire[..], "Receiver", |id, is_user, name| {
            assert!(is_user);
            assert_eq!(name, Some(&b"daemon"[..]));
            id
        })
        .unwrap();
        assert_eq!(back, default);

        let access = Acl {
            user_obj: Some(6),
            group_obj: Some(4),
            mask: Some(6),
            other: Some(4),
            named: vec![ace(1, true, 6), ace(2, false, 4)],
        };
        let stripped = access.stripped(0o100_664);
        let mut out = Vec::new();
        stripped.put(&mut out, |id, _| (id == 2).then(|| b"bin".to_vec()));
        assert_eq!(out, b"\x12\x04\x02\x01\x1a\x02\x11\x03bin");
        assert_eq!(stripped.completed(0o664), access);
        assert!(Acl {
            user_obj: Some(6),
            group_obj: Some(4),
            other: Some(4),
            ..Acl::default()
        }
        .stripped(0o644)
        .is_empty());
    }

    #[test]
    fn limits() {
        let code = |wire: &[u8]| Acl::read(&mut &wire[..], "Receiver", |id, _, _| id).map_err(|e| e.code());
        assert_eq!(code(b"\x01\x08"), Err(12));
        assert!(code(b"\x01\x07").is_ok());
        assert_eq!(code(b"\x10\x01\x05\x20"), Err(12));
        assert_eq!(code(b"\x10\xc1\x01\x00"), Err(2));
        assert_eq!(code(b"\x10\xf0\xff\xff\xff\xff"), Err(2));
        assert!(code(b"\x00").unwrap().is_empty());
    }

    #[test]
    fn a_default_acl_gets_a_mask() {
        let acl = Acl {
            group_obj: Some(1),
            named: vec![ace(5, true, 4)],
            ..Acl::default()
        };
        assert_eq!(acl.completed_default().mask, Some(5));
    }
}
