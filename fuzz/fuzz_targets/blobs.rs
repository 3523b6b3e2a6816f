//! ACLs and attributes: as they travel (spec: protocol 5.11, 5.12, 6.5), as the kernel and fake-super keep them (spec:
//! transfer 5.6).
#![no_main]

use libfuzzer_sys::fuzz_target;
use tain_core::flist::{xattr, Tables, XattrLedger};
use tain_core::tree::fake::FakeStat;
use tain_core::tree::Acl;
use tain_fuzz::Choices;

/// What stands in the brackets of messages.
const ROLE: &str = "Receiver";

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let what = choices.byte();
    let mut src = choices.rest();
    match what % 5 {
        0 => {
            while let Ok(acl) = Acl::read(&mut src, ROLE, |id: u32, user, name: Option<&[u8]>| {
                id ^ u32::from(user) ^ name.map_or(0, |n| n.len() as u32)
            }) {
                for mode in [0o100_644, 0o040_755, 0] {
                    let stripped = acl.stripped(mode);
                    assert_eq!(stripped.stripped(mode), stripped);
                    let _ = acl.completed(mode);
                }
                let mut out = Vec::new();
                acl.put(&mut out, |id, _| (id % 2 == 0).then(|| b"name".to_vec()));
                assert_eq!(Acl::read(&mut &out[..], ROLE, |id, _, _| id), Ok(acl));
            }
        }
        1 => {
            let tables = Tables::default();
            let mut ledger = XattrLedger::default();
            while let Ok(set) = xattr::read_set(&mut src, ROLE) {
                let mut out = Vec::new();
                xattr::put_set(&mut out, &set);
                assert_eq!(xattr::read_set(&mut &out[..], ROLE).as_ref(), Ok(&set));
                let index = tables.add_xattrs(set.clone());
                let Ok(asked) = xattr::read_request(&mut src, &set, (ROLE, b"f")) else {
                    return;
                };
                for number in asked {
                    let _ = ledger.first_time(index, number);
                }
                let Ok(values) = xattr::read_reply(&mut src, &set, 1 << 20, (ROLE, b"f")) else {
                    return;
                };
                for (number, value) in values {
                    tables.set_value(index, number, value);
                }
            }
        }
        2 => {
            if let Some(mut acl) = Acl::from_xattr(src) {
                // The kernel keeps its entries in one order; from there on it must be the same again.
                let sorted = Acl::from_xattr(&acl.to_xattr()).expect("what was written can be read");
                assert_eq!(Acl::from_xattr(&sorted.to_xattr()).as_ref(), Some(&sorted));
                assert_eq!(sorted.named.len(), acl.named.len());
                acl.complete_default(0o755);
                acl.fill_access_mask(0o600);
                let _ = (acl.is_plain(), acl.mode(0o644), acl.default_permissions());
            }
        }
        3 => {
            if let Some(acl) = Acl::from_fake(src) {
                assert_eq!(Acl::from_fake(&acl.to_fake()), Some(acl));
            }
        }
        _ => {
            if let Some(stat) = FakeStat::decode(src) {
                assert_eq!(FakeStat::decode(&stat.encode()), Some(stat));
            }
        }
    }
});
