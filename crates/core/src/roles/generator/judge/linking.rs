//! Making the names of hard-link groups (spec: transfer 8).

use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use super::links::Member;
use super::{Effects, Judge};
use crate::error::{sys_text, IoErrorExt, Result};
use crate::flist::{At, Segment};
use crate::plan::AltDest;
use crate::report::say::text;
use crate::roles::compare::item_flags;
use crate::tree::mode::{self, is_file, is_link};
use crate::tree::{Atime, Root, Stat};
use crate::wire::item::ItemFlags;

/// How many finished members wait before the others are linked to them.
const DEFERRED: usize = 256;

impl Judge {
    /// A list is left out: its members lead no group, and no member waits for them.
    pub(crate) fn pass_over_list(&mut self, fx: &mut dyn Effects, list: &Arc<Segment>) -> Result<()> {
        if !self.plan.attrs.hard_links {
            return Ok(());
        }
        for i in 0..list.len() {
            let at = At::new(list, i);
            if at.entry().is_active() {
                self.links.visit(&at);
                self.pass_over(fx, &at)?;
            }
        }
        Ok(())
    }

    /// An entry is left out. If it was the last of its group, another one leads.
    pub(super) fn pass_over(&mut self, fx: &mut dyn Effects, at: &At) -> Result<()> {
        if self.links.is_complete(at) {
            return self.choose_leader(fx, at);
        }
        Ok(())
    }

    /// Decide what a member of a group becomes. `true`: it is linked, or waits, and is not judged for itself.
    pub(super) fn join_group(
        &mut self,
        fx: &mut dyn Effects,
        at: &At,
        rel: &[u8],
        found: Option<&Stat>,
    ) -> Result<bool> {
        // A name that holds no regular file does not lead, whether the object can be replaced or not (observed).
        let none = found.is_none_or(|stat| at.entry().is_file() && !stat.is_file());
        let elsewhere = found.is_none() && self.is_in_alternates(rel);
        match self.links.member(at, none && !elsewhere) {
            Member::Link(leader) => self.link_to(fx, at, rel, &leader)?,
            Member::Follows => {
                self.links.follow(at);
                fx.keep_open(at);
            }
            Member::Waits => {
                let looks = self.plan.select.fuzzy > 0 && self.plan.write.append == 0;
                if looks && found.is_none() && self.has_similar(at, rel) {
                    return Ok(false);
                }
                self.links.wait(at);
                fx.keep_open(at);
                if let Some(stat) = found {
                    // The object in the way is removed now; a failure is reported again when the name is linked
                    // (observed).
                    self.make_way(rel, stat.mode, "regular file")?;
                }
            }
            Member::Leads => return Ok(false),
        }
        Ok(true)
    }

    /// A member is in place without a transfer: the others can be linked to it.
    pub(super) fn link_ready(&mut self, fx: &mut dyn Effects, at: &At) -> Result<()> {
        if !self.plan.attrs.hard_links {
            return Ok(());
        }
        self.finish_member(fx, at, true)
    }

    /// A member's transfer has ended. rsync's generator is far ahead of the process that writes, and handles a finished
    /// file when it has nothing else to do; so the names are linked later here as well.
    pub(super) fn link_later(&mut self, fx: &mut dyn Effects, at: At, good: bool) -> Result<()> {
        if self.idle {
            return self.finish_member(fx, &at, good);
        }
        fx.keep_open(&at);
        if self.links.defer(at, good) >= DEFERRED && !self.plan.write.delay_updates {
            self.link_deferred(fx)?;
        }
        Ok(())
    }

    /// Link the members that wait for finished ones.
    pub(crate) fn link_deferred(&mut self, fx: &mut dyn Effects) -> Result<()> {
        loop {
            fx.wait_for_writes(self)?;
            if !self.links.has_deferred() {
                return Ok(());
            }
            for (at, good) in self.links.take_deferred() {
                self.finish_member(fx, &at, good)?;
                fx.release(&at);
            }
        }
    }

    /// A member's transfer has ended.
    pub(crate) fn finish_member(&mut self, fx: &mut dyn Effects, at: &At, good: bool) -> Result<()> {
        let name = self.name(at);
        for member in self.links.finish(at, &name, good) {
            let rel = self.name(&member);
            // Another member may lead by now, because a link to the first could not be made.
            let leader = self.links.leader(&member);
            self.link_to(fx, &member, &rel, leader.as_ref().unwrap_or(&name))?;
            fx.release(&member);
        }
        if good {
            return Ok(());
        }
        self.choose_leader(fx, at)
    }

    /// Let the next waiting member lead. If it is left out, the one before it leads.
    fn choose_leader(&mut self, fx: &mut dyn Effects, at: &At) -> Result<()> {
        while let Some(next) = self.links.next_leader(at) {
            let rel = self.name(&next);
            if !fx.takes_requests() {
                // The file could not be moved to its name (`--delay-updates`), and so its other names are not made.
                let (shown, leader) = (self.dest.display(&rel), self.name(at));
                let text = text!["rsync: [generator] link ", &shown, " => ", &leader];
                self.report
                    .error_xfer(text![&text, " failed: the file is not in place"]);
                fx.release(&next);
                continue;
            }
            self.links.set_choosing(at, true);
            let found = self.dest.lstat(&rel).ok();
            let result = self.regular(fx, &next, rel, found, false);
            // From here on the request keeps its list open.
            fx.release(&next);
            self.links.set_choosing(at, false);
            result?;
        }
        Ok(())
    }

    /// Choose leaders for the groups whose last member never came.
    pub(crate) fn link_stragglers(&mut self, fx: &mut dyn Effects) -> Result<()> {
        for at in self.links.stragglers() {
            self.choose_leader(fx, &at)?;
        }
        Ok(())
    }

    /// Make a member that cannot be linked a copy of the leader's file; later members are linked to the copy. `flags`
    /// are those of its item.
    fn make_separate(
        &mut self,
        fx: &mut dyn Effects,
        at: &At,
        rel: &[u8],
        leader: &[u8],
        flags: ItemFlags,
    ) -> Result<()> {
        let found = self.dest.lstat(rel).ok();
        let mode = at.entry().mode;
        if is_link(mode) {
            return self.symlink(fx, at, rel, found);
        }
        if !is_file(mode) {
            return self.node(fx, at, rel, found);
        }
        let source = self.dest.root.open_read(leader, Atime::Update);
        let source = source.and_then(|file| Ok((crate::tree::stat::of_file(&file)?.size, file)));
        let copied = match source {
            Ok((size, file)) => self.copy_here(at, &file, size, rel, found)?,
            Err(error) => Err(error),
        };
        if !self.made(copied, "copy ", rel, &text![" => ", leader, " failed"]) {
            return Ok(());
        }
        self.links.set_leader(at, rel);
        self.item(fx, at, flags, None)?;
        fx.touch_parent_again(rel);
        self.succeeded(fx, at, true)
    }

    /// The file that the item of a new link is compared with: the one at the name, or its copy in an alternate
    /// directory. With --link-dest the copy counts only if it is the same file as the leader, which a dry run knows of
    /// regular files only (observed).
    fn compared_link(
        &mut self,
        at: &At,
        rel: &[u8],
        found: Option<Stat>,
        target: Option<Stat>,
    ) -> Option<(Root, Stat)> {
        let entry = at.entry();
        if let Some(stat) = found {
            // For anything but a regular file, each object that can be replaced counts; a dry run has removed nothing
            // (observed).
            let replaced = !entry.is_file() && !stat.is_dir();
            let same_kind = self.idle || replaced || (stat.mode ^ entry.mode) & mode::TYPE == 0;
            return same_kind.then(|| (self.dest.root.clone(), stat));
        }
        let shown = self.alt_member(at, rel)?;
        if self.plan.select.alt_dest == AltDest::Link {
            let leader = self.links.alternate(at).or(target);
            return leader.is_some_and(|leader| leader.same_file(&shown.1)).then_some(shown);
        }
        entry.is_file().then_some(shown)
    }

    /// Make `rel` another name of `leader`.
    fn link_to(&mut self, fx: &mut dyn Effects, at: &At, rel: &[u8], leader: &[u8]) -> Result<()> {
        let found = self.dest.lstat(rel).ok();
        let target = self.dest.lstat(leader).ok();
        if let (Some(a), Some(b)) = (&found, &target) {
            if a.same_file(b) {
                let want = self.wanted(at, found.as_ref());
                let flags = item_flags(&self.plan, &want, found.as_ref(), ItemFlags::LOCAL_CHANGE, true);
                self.item(fx, at, flags, Some(b""))?;
                return self.succeeded_unsent(fx, at);
            }
        }
        let shown = self.compared_link(at, rel, found, target);
        let stat = shown.as_ref().map(|(_, stat)| *stat);
        let want = self.wanted(at, stat.as_ref());
        let mut flags = item_flags(&self.plan, &want, stat.as_ref(), ItemFlags::LOCAL_CHANGE, false);
        let replaces = !self.idle && found.is_some();
        if !replaces {
            let place = shown.as_ref().map_or(&self.dest.root, |(root, _)| root);
            flags |= self.dest.metadata_flags(place, rel, &want, stat.as_ref());
        }
        match self.replace(rel, found, "regular file", |root, name| root.link(leader, name))? {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return self.link_failed(fx, at, rel, leader, flags, &error),
        }
        // A link that replaced a file is compared after it was made: its attributes are the leader's by then
        // (observed).
        if replaces && stat.is_some() {
            if let Ok(now) = self.dest.lstat(rel) {
                if self.links.attributes_to_come(at) {
                    flags |= ItemFlags::XATTR;
                }
                flags |= self.dest.metadata_flags(&self.dest.root, rel, &want, Some(&now));
            }
        }
        // The copy in the alternate directory is the same file as the leader: nothing is new (observed).
        let known = found.is_none() && stat.is_some() && self.plan.select.alt_dest == AltDest::Link;
        if !known || self.report.wants_unchanged() {
            if known && !self.plan.output.itemize {
                // Without -i it is reported like its leader, as a file that is up to date (observed).
                self.item(fx, at, ItemFlags::LOCAL_CHANGE, Some(b""))?;
            } else {
                self.item(fx, at, flags, Some(leader))?;
            }
        }
        fx.touch_parent_again(rel);
        self.succeeded(fx, at, true)
    }

    /// A link could not be made. If [`needs_own_file`], the name becomes a copy.
    fn link_failed(
        &mut self,
        fx: &mut dyn Effects,
        at: &At,
        rel: &[u8],
        leader: &[u8],
        flags: ItemFlags,
        error: &io::Error,
    ) -> Result<()> {
        let after = text![" => ", leader, " failed"];
        if !needs_own_file(error) {
            self.report_failed("link ", rel, &after, error);
            return Ok(());
        }
        if self.plan.output.info.name > 0 {
            let why = format!(": {}; it becomes a copy", sys_text(error));
            self.report.info(text!["link ", &self.dest.display(rel), &after, why]);
        }
        self.make_separate(fx, at, rel, leader, flags)
    }
}

/// A link could not be made for a reason that lies in the two places or in the file to be linked: too many names,
/// another file system, one without links, or a file that may not be linked.
fn needs_own_file(error: &io::Error) -> bool {
    let errors = [Errno::MLINK, Errno::XDEV, Errno::PERM, Errno::NOSYS, Errno::OPNOTSUPP];
    errors.into_iter().any(|errno| error.is(errno))
}
