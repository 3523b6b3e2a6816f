//! The directories that arguments are resolved from, and how they are spelled (spec: options 5.3).

use std::io;

use rustix::io::Errno;

use super::Scanner;
use crate::report::say::text;
use crate::roles::paths::{clean, disk, split_name, trim_slashes};
use crate::roles::text::messages;
use crate::tree::operator;

impl Scanner {
    /// Open the directory of an argument; `named`: the argument. A failure is reported.
    pub(super) fn open_base(&mut self, base: &[u8], named: &[u8]) -> Option<u16> {
        let opened = match self.base_hidden(base) {
            true => Err(io::Error::from(Errno::NOENT)),
            false => {
                let spelled = self.spelling(base, named);
                if self.named.0 != spelled {
                    self.named = (spelled.to_vec(), self.named.1 + 1);
                }
                let of_list = self.of_list && self.plan.select.relative;
                self.sources.open(base, spelled, of_list, &self.plan)
            }
        };
        match opened {
            Ok(root) => {
                if let Some(opened) = self.sources.root(root) {
                    self.report.set_base(opened.path());
                }
                let typed = clean(self.beyond_start(base));
                self.report
                    .set_source_name(root, if typed == b"." { b"" } else { &typed });
                Some(root)
            }
            Err(error) => {
                // The message names the path from the directory in which the role is before any argument.
                self.report.set_base(&self.plan.place.cwd);
                let full = self.as_typed(base, named);
                self.cannot_list(text!["change_dir ", &self.report.quoted(&full), " failed"], &error);
                None
            }
        }
    }

    /// By what rsync knows the directory of an argument again: as it is typed, without the part that names the entry.
    fn spelling<'a>(&self, base: &'a [u8], named: &[u8]) -> &'a [u8] {
        if self.of_list || self.plan.select.relative {
            return base;
        }
        if base != named {
            return if named.contains(&b'/') { base } else { b"" };
        }
        match base.strip_suffix(b"/.").or_else(|| base.strip_suffix(b"/")) {
            Some(b"") => b"/",
            Some(b".") | None => b"",
            Some(spelled) => spelled,
        }
    }

    /// The part of a directory that an entry of `--files-from` adds to the source argument; all of it otherwise.
    fn beyond_start<'a>(&self, dir: &'a [u8]) -> &'a [u8] {
        if !self.of_list {
            return dir;
        }
        let start = self.plan.select.sources.first().map_or(&b"."[..], Vec::as_slice);
        let rest = dir.strip_prefix(trim_slashes(start)).unwrap_or(dir);
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        if rest.is_empty() {
            b"."
        } else {
            rest
        }
    }

    /// The root for an argument of `--relative`, whose path may lead through links.
    /// `contents`: the last component is a directory like the others.
    pub(super) fn led_by(&mut self, root: u16, name: &[u8], contents: bool) -> Option<u16> {
        let dir = if contents { disk(name) } else { split_name(disk(name)).0 };
        match self.sources.leading_to(root, dir, &self.plan) {
            Ok(led) if led == root => Some(root),
            Ok(led) => {
                let typed = self.report.source_name(root);
                self.report.set_source_name(led, &typed);
                Some(led)
            }
            Err(error) => {
                let shown = self.display(root, name);
                self.cannot_list(messages::link_stat_failed(&shown), &error);
                None
            }
        }
    }

    /// The absolute directory of an argument, with the dots and slashes of the command line (observed), which --relative
    /// removes. The mark for the contents of a directory is left out, unless it is that of a list.
    fn as_typed(&self, base: &[u8], named: &[u8]) -> Vec<u8> {
        if self.plan.select.relative && !self.of_list {
            let full = operator::absolute(base, &self.plan.place.cwd).unwrap_or_else(|_| named.to_vec());
            return clean(&full);
        }
        let mut full = base.to_vec();
        if !base.starts_with(b"/") {
            let Ok(here) = operator::absolute(b".", &self.plan.place.cwd) else {
                return named.to_vec();
            };
            full = if base == b"." {
                here
            } else if here.ends_with(b"/") {
                [&here[..], base].concat()
            } else {
                [&here[..], b"/", base].concat()
            };
        }
        if !self.of_list {
            let end = full.strip_suffix(b"/.").or_else(|| full.strip_suffix(b"/"));
            if let Some(end) = end.filter(|end| !end.is_empty() && base == named) {
                full = end.to_vec();
            }
        }
        full
    }

    /// Whether a daemon's rules hide the directory of an argument.
    fn base_hidden(&mut self, base: &[u8]) -> bool {
        if self.plan.select.daemon_rules.is_empty() {
            return false;
        }
        let Ok(full) = operator::absolute(base, &self.plan.place.cwd) else {
            return false;
        };
        self.filters.set_root(&full);
        self.filter_root = None;
        !self.filters.is_module_root() && self.filters.daemon_hides(b".", true)
    }
}
