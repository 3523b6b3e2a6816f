//! The checksums of `-c` for files of the destination, made by several threads before their entries are judged
//! (spec: protocol 8.5).

use std::collections::HashMap;
use std::sync::Arc;

use super::Judge;
use crate::error::Result;
use crate::flist::{At, Segment};
use crate::plan::Plan;
use crate::roles::scan::sum_file;
use crate::roles::share::share;
use crate::tree::stat::of_file;
use crate::tree::{Atime, Stat};

/// Entries and bytes that are read ahead at most: a changed file is asked for without much delay.
const MOST_ENTRIES: usize = 512;
const MOST_BYTES: u64 = 32 << 20;
/// Files that are smaller on average are hashed as fast as they are handed to a thread.
const LEAST_SIZE: u64 = 64 * 1024;

/// The sums of some files, by the index of their entries, with what identifies the file that was read.
#[derive(Default)]
pub(super) struct Known(HashMap<i32, (Identity, Vec<u8>)>);

type Identity = (u64, u64, u64, (i64, u32));

fn identity(stat: &Stat) -> Identity {
    (stat.dev, stat.ino, stat.size, stat.mtime_pair())
}

impl Known {
    /// The sum of the file with this status, which has the size of the entry. It is forgotten.
    pub(super) fn take(&mut self, at: &At, stat: &Stat) -> Option<Vec<u8>> {
        let (read, sum) = self.0.remove(&at.ndx())?;
        (read == identity(stat)).then_some(sum)
    }
}

/// Whether every file that is there is compared, and none changes while another one is written.
fn compares_all(plan: &Plan) -> bool {
    let (select, write) = (&plan.select, &plan.write);
    select.checksum
        && !(select.update || select.ignore_existing || write.inplace)
        && select.max_size.is_none()
        && select.min_size.is_none()
}

impl Judge {
    /// Read the files of the next entries, from place `from` in sorted order, if that saves time. Returns the place where
    /// this is to be called again.
    ///
    /// Errors: `Ipc` if a thread fails.
    pub(in crate::roles::generator) fn sum_ahead(&mut self, list: &Arc<Segment>, from: usize) -> Result<usize> {
        self.known_sums = Known::default();
        if !compares_all(&self.plan) {
            return Ok(usize::MAX);
        }
        let (mut places, mut bytes, mut count) = (Vec::new(), 0_u64, 0);
        for i in list.sorted().skip(from).take(MOST_ENTRIES) {
            if bytes >= MOST_BYTES {
                break;
            }
            count += 1;
            let entry = list.entry(i);
            if entry.is_active() && entry.is_file() {
                bytes = bytes.saturating_add(entry.len);
                places.push(i);
            }
        }
        if bytes / (places.len() as u64).max(1) < LEAST_SIZE {
            return Ok(from + count.max(1));
        }
        let plan = Arc::clone(&self.plan);
        let worker = || {
            // Each thread has handles of directories of its own.
            let (plan, dest, mut buffer, mut at) = (&plan, self.dest.clone(), Vec::new(), At::new(list, 0));
            move |&i: &usize| {
                at.set(i);
                let mut file = dest.root.open_read(&dest.name(&at), Atime::Update).ok()?;
                let stat = of_file(&file).ok()?;
                if stat.size != at.entry().len {
                    return None;
                }
                let sum = sum_file(&mut file, plan.agreed.file_sum, &mut buffer).ok()?;
                Some((at.ndx(), (identity(&stat), sum)))
            }
        };
        let sums = share(&places, bytes, &self.report, worker(), worker)?;
        self.known_sums = Known(sums.into_iter().filter_map(|(_, sum)| sum).collect());
        Ok(from + count)
    }
}
