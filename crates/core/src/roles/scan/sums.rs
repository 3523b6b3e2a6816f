//! The checksums of `-c` (spec: protocol 8.5).
//!
//! A file that cannot be read has a sum of zeros, and nothing is reported. So the files of a list can be read in any order,
//! after its entries, and by several threads.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use super::Scanner;
use crate::error::Result;
use crate::plan::{Plan, SumKind};
use crate::roles::share::share;
use crate::sums::strong::{digest_len, Hasher};
use crate::tree::{Atime, Root};

/// Files that wait at most, and their bytes: memory stays flat in a run with one list, and a cancel is seen.
const MOST_FILES: usize = 1024;
const MOST_BYTES: u64 = 64 << 20;

/// The unseeded checksum of a whole file (spec: protocol 8.5).
pub(crate) fn sum_file(file: &mut File, kind: SumKind, buffer: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut hasher = Hasher::new(kind);
    buffer.resize(256 * 1024, 0);
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hasher.finish().as_slice().to_vec()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// A file of the present list whose sum is not known yet.
struct Unsummed {
    /// Position in the list.
    at: usize,
    root: u16,
    path: Vec<u8>,
}

/// The files of the present list whose sums are not known yet.
#[derive(Default)]
pub(super) struct Waiting {
    files: Vec<Unsummed>,
    bytes: u64,
}

/// The sum of a file; zeros if it cannot be read.
fn sum_of(plan: &Plan, root: Option<&Root>, file: &Unsummed, buffer: &mut Vec<u8>) -> Vec<u8> {
    let (kind, attrs) = (plan.agreed.file_sum, &plan.attrs);
    let atime = Atime::keep_if(attrs.open_noatime);
    let follow = attrs.copy_links || attrs.copy_unsafe_links || attrs.copy_dirlinks;
    root.and_then(|root| {
        let opened = if follow {
            root.open_read_follow(&file.path, atime)
        } else {
            root.open_read(&file.path, atime)
        };
        opened.ok()
    })
    .and_then(|mut file| sum_file(&mut file, kind, buffer).ok())
    .unwrap_or_else(|| vec![0; digest_len(kind)])
}

impl Scanner {
    /// The entry at this position needs the sum of its file.
    pub(super) fn sum_later(&mut self, at: usize, root: u16, path: &[u8], size: u64) -> Result<()> {
        let path = path.to_vec();
        self.unsummed.files.push(Unsummed { at, root, path });
        self.unsummed.bytes = self.unsummed.bytes.saturating_add(size);
        if self.unsummed.files.len() >= MOST_FILES || self.unsummed.bytes >= MOST_BYTES {
            self.sum_files()?;
        }
        Ok(())
    }

    /// Fill in the sums of the files that wait. Errors: those of a cancelled run; `Ipc` if a thread fails.
    pub(super) fn sum_files(&mut self) -> Result<()> {
        let Waiting { files, bytes } = std::mem::take(&mut self.unsummed);
        if files.is_empty() {
            return Ok(());
        }
        let mut roots: Vec<(u16, Option<Root>)> = Vec::new();
        for file in &files {
            if roots.iter().all(|(known, _)| *known != file.root) {
                roots.push((file.root, self.sources.root(file.root).cloned()));
            }
        }
        let plan = Arc::clone(&self.plan);
        let (sources, buffer) = (&mut self.sources, &mut self.buffer);
        let first = |file: &Unsummed| sum_of(&plan, sources.root(file.root), file, buffer);
        let another = || {
            // Each thread has handles of directories of its own.
            let (plan, roots, mut buffer) = (&plan, roots.clone(), Vec::new());
            move |file: &Unsummed| {
                let root = roots.iter().find(|(known, _)| *known == file.root);
                sum_of(plan, root.and_then(|(_, root)| root.as_ref()), file, &mut buffer)
            }
        };
        for (place, sum) in share(&files, bytes, &self.report, first, another)? {
            self.builder.set_checksum(files[place].at, &sum);
        }
        self.report.check()
    }
}
