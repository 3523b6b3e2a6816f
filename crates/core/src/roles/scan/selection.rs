//! The caller's choice among the names that the rules let through (`select` of the API): asked for many at a time.

use super::{Contents, Node, Scanner};
use crate::error::Result;
use crate::event::Candidate;
use crate::roles::metadata;
use crate::roles::paths::disk;
use crate::tree::mode::is_link;
use crate::tree::Stat;

/// Names of one directory that are asked about together: the caller needs some milliseconds for them, and another
/// thread can be stopped meanwhile.
const TOGETHER: usize = 1024;

/// Names of one directory that wait for the caller's choice.
pub(super) type Waiting = Vec<(Vec<u8>, Stat)>;

impl Scanner {
    /// Whether the caller chooses among the names.
    pub(super) fn selects(&self) -> bool {
        self.plan.output.events.select
    }

    /// Let a name wait for the caller's choice; many are asked about at once.
    pub(super) fn propose(
        &mut self,
        waiting: &mut Waiting,
        name: &[u8],
        stat: Stat,
        place: Contents,
        children: &mut Vec<Node>,
    ) -> Result<()> {
        waiting.push((name.to_vec(), stat));
        if waiting.len() < TOGETHER {
            return Ok(());
        }
        self.list_selected(waiting, place, children)
    }

    /// Ask about the names that wait, and list those that the caller takes.
    pub(super) fn list_selected(
        &mut self,
        waiting: &mut Waiting,
        place: Contents,
        children: &mut Vec<Node>,
    ) -> Result<()> {
        if waiting.is_empty() {
            return Ok(());
        }
        let candidates = waiting
            .iter()
            .map(|(name, stat)| self.candidate(place.root, name, *stat))
            .collect();
        let taken = self.report.select(candidates)?;
        for ((name, stat), taken) in std::mem::take(waiting).into_iter().zip(taken) {
            if taken {
                children.extend(self.list_file(place.root, &name, stat, Some(place.dev))?);
            }
        }
        Ok(())
    }

    /// Whether the caller takes an argument.
    pub(super) fn takes_argument(&mut self, root: u16, name: &[u8], stat: Stat) -> Result<bool> {
        if !self.selects() {
            return Ok(true);
        }
        let candidate = self.candidate(root, name, stat);
        Ok(self.report.select(vec![candidate])?.first() == Some(&true))
    }

    /// What the caller sees of a name: the status with which it will be listed.
    fn candidate(&mut self, root_number: u16, name: &[u8], mut stat: Stat) -> Candidate {
        let attrs = &self.plan.attrs;
        let (all, dirs, fake) = (attrs.copy_links, attrs.copy_dirlinks, self.plan.place.fake_super);
        let mut target = None;
        if let Some(root) = self.sources.root(root_number).filter(|_| is_link(stat.mode)) {
            if all || dirs {
                let behind = root.stat_follow(disk(name), false).ok();
                stat = behind.filter(|behind| all || behind.is_dir()).unwrap_or(stat);
            }
            if is_link(stat.mode) {
                target = metadata::read_link(root, disk(name), fake).ok();
            }
        }
        Candidate {
            path: name.to_vec(),
            size: stat.size,
            mtime: stat.mtime,
            mtime_nsec: stat.mtime_nsec,
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
            target,
        }
    }
}
