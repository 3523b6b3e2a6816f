//! A request for a file's data, and the basis that it offers (spec: protocol 6.1, 6.2).

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::error::Result;
use crate::event::Counts;
use crate::flist::At;
use crate::plan::Plan;
use crate::report::{sys_line, Report};
use crate::role::Role;
use crate::roles::dest::Dest;
use crate::roles::landing::Outcome;
use crate::roles::replay::Replay;
use crate::roles::text::messages;
use crate::sums::size::{sum_head, SumHead};
use crate::tree::{Atime, Root, Stat};
use crate::wire::item::{Item, ItemFlags};

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

    /// The kind that an item names.
    pub fn of(item: &Item<'_>) -> Self {
        item.basis.map_or(Self::Itself, Self::from_wire)
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

impl Basis {
    /// A basis that is not found by its likeness: it needs no name on the wire. `size` is in bytes.
    pub fn new(kind: BasisKind, root: Root, name: Vec<u8>, size: u64) -> Self {
        Self {
            kind,
            root,
            name,
            size,
            xname: None,
        }
    }

    /// Opens the file for reading.
    pub fn open(&self, plan: &Plan) -> io::Result<File> {
        let atime = Atime::keep_if(plan.attrs.open_noatime);
        self.root.open_read(&self.name, atime)
    }

    /// Report a basis that cannot be opened, and so counts as missing (spec: transfer 3.4).
    pub fn report_unreadable(&self, report: &Report, error: &io::Error) {
        let path = report.quoted(&self.root.display(&self.name));
        let text = messages::basis_failed(&path);
        report.error(sys_line(Role::Generator, &text, error));
    }
}

/// The head of the sums of a file of `len` bytes. `full` asks for sums of full length.
pub(crate) fn sum_head_of(plan: &Plan, len: u64, full: bool) -> SumHead {
    let agreed = &plan.agreed;
    sum_head(len, plan.write.block_size, agreed.protocol, agreed.xfer_sum, full)
}

/// A file whose data is wanted.
#[derive(Debug)]
pub struct Request {
    pub at: At,
    /// Name below the destination.
    pub rel: Vec<u8>,
    pub iflags: ItemFlags,
    /// What the delta may be made against.
    pub basis: Option<Basis>,
    /// The second request, after the first data did not verify.
    pub redo: bool,
    /// What is at the name already.
    pub exists: Option<Stat>,
}

/// When the data of a request comes.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It was here at once, and this is what became of the file.
    Here(Outcome),
    /// It comes later.
    Later,
}

/// What answers the generator's requests: a sender at the other end of a link, or the copier of a local copy.
pub(crate) trait Requests {
    /// A sender at the other end of a link answers.
    fn is_remote(&self) -> bool;

    /// Send or show an item that needs no data. `ndx` is the index of the item, which for a directory is not that of
    /// the entry.
    fn item(&mut self, dest: &Dest, at: &At, ndx: i32, iflags: ItemFlags, xname: Option<&[u8]>) -> Result<()>;

    /// Ask for the data of a file.
    fn request(&mut self, dest: &Dest, request: Request) -> Result<Answer>;

    /// The source of an entry may be removed (spec: protocol 6.10).
    fn remove_source(&mut self, dest: &Dest, at: &At) -> Result<()>;

    /// The end of a list or a phase (spec: protocol 6.3).
    fn end_phase(&mut self) -> Result<()> {
        Ok(())
    }

    /// How much was deleted (spec: protocol 6.9).
    fn deletions(&mut self, _counts: Counts) -> Result<()> {
        Ok(())
    }

    /// Send what waits in buffers.
    fn flush(&self) {}

    /// The batch that stands in for a sender.
    fn replay(&self) -> Option<&Arc<Replay>> {
        None
    }

    /// A file that was written by a worker, if one is finished: its index, and what became of it.
    fn take_written(&mut self) -> Result<Option<(i32, Outcome)>> {
        Ok(None)
    }

    /// As [`Requests::take_written`], but wait while workers are busy.
    fn wait_written(&mut self) -> Result<Option<(i32, Outcome)>> {
        Ok(None)
    }

    /// Put the files in place that were held back (`--delay-updates`), and say what became of each.
    fn place_delayed(&mut self, _dest: &Dest) -> Result<Vec<(At, Outcome)>> {
        Ok(Vec::new())
    }
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
