//! A request for a file's data, and the basis that it offers (spec: protocol 6.1, 6.2).

use super::At;
use crate::tree::{Root, Stat};

/// Which file the block sums describe (spec: protocol 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasisKind {
    /// The file at the name itself.
    Itself,
    /// The partial copy in the `--partial-dir`.
    Partial,
    /// The backup that was made of the file at the name.
    Backup,
    /// A file of a similar name: in the same directory, or in the alternate directory of this number.
    Fuzzy(Option<u8>),
    /// The file of the same name in the alternate directory of this number.
    Alternate(u8),
}

impl BasisKind {
    const ITSELF: u8 = 0x80;
    const PARTIAL: u8 = 0x81;
    const BACKUP: u8 = 0x82;
    const FUZZY: u8 = 0x83;
    /// Similar names in the first alternate directory; the others follow.
    const FUZZY_ALTERNATE: u8 = 0x84;

    /// The byte of the wire.
    pub fn to_wire(self) -> u8 {
        match self {
            Self::Itself => Self::ITSELF,
            Self::Partial => Self::PARTIAL,
            Self::Backup => Self::BACKUP,
            Self::Fuzzy(None) => Self::FUZZY,
            Self::Fuzzy(Some(n)) => Self::FUZZY_ALTERNATE.saturating_add(n),
            Self::Alternate(n) => n & !Self::ITSELF,
        }
    }

    /// Each byte has a meaning; whether there is an alternate directory of that number is for the caller to check.
    pub fn from_wire(byte: u8) -> Self {
        match byte {
            n if n < Self::ITSELF => Self::Alternate(n),
            Self::ITSELF => Self::Itself,
            Self::PARTIAL => Self::Partial,
            Self::BACKUP => Self::Backup,
            Self::FUZZY => Self::Fuzzy(None),
            n => Self::Fuzzy(Some(n - Self::FUZZY_ALTERNATE)),
        }
    }

    /// A file of another name, which the item has to name.
    pub fn is_fuzzy(self) -> bool {
        matches!(self, Self::Fuzzy(_))
    }
}

/// The file whose blocks may be used.
#[derive(Debug, Clone)]
pub struct Basis {
    pub kind: BasisKind,
    /// Where the file is: the destination, or another directory.
    pub root: Root,
    /// Name below `root`.
    pub name: Vec<u8>,
    /// Length in bytes.
    pub size: u64,
    /// Basename, for fuzzy matches.
    pub xname: Option<Vec<u8>>,
}

/// A file whose data is wanted.
#[derive(Debug)]
pub struct Request {
    pub at: At,
    /// Name below the destination.
    pub rel: Vec<u8>,
    pub iflags: u16,
    /// What the delta may be made against.
    pub basis: Option<Basis>,
    /// The second request, after the first data did not verify.
    pub redo: bool,
    /// What is at the name already.
    pub exists: Option<Stat>,
}

#[cfg(test)]
mod tests {
    use super::BasisKind;

    #[test]
    fn basis_kinds_and_their_bytes() {
        for (kind, byte) in [
            (BasisKind::Alternate(0), 0x00),
            (BasisKind::Alternate(19), 0x13),
            (BasisKind::Itself, 0x80),
            (BasisKind::Partial, 0x81),
            (BasisKind::Backup, 0x82),
            (BasisKind::Fuzzy(None), 0x83),
            (BasisKind::Fuzzy(Some(0)), 0x84),
            (BasisKind::Fuzzy(Some(19)), 0x97),
        ] {
            assert_eq!(kind.to_wire(), byte, "{kind:?}");
            assert_eq!(BasisKind::from_wire(byte), kind, "{byte:#x}");
        }
        for byte in 0..=u8::MAX {
            assert_eq!(BasisKind::from_wire(byte).to_wire(), byte);
        }
    }
}
