//! Directories get their mtime and mode when their contents are finished (spec: transfer 3.1).

use std::io;

use rustix::io::Errno;

use crate::error::IoErrorExt;
use crate::report::debug::debug;
use crate::report::say::text;
use crate::role::Role;
use crate::roles::compare::{keeps_time, same_time, Wanted};
use crate::roles::dest::Dest;
use crate::roles::text::messages;

/// A directory whose time and mode are set when its contents are finished.
#[derive(Debug, Clone)]
pub(super) struct Touch {
    /// The number that debug lines give it.
    pub number: i32,
    /// Name below the destination.
    pub rel: Vec<u8>,
    pub want: Wanted,
    /// Its mtime before this run changed anything in it.
    pub before: Option<(i64, u32)>,
    /// Times are set.
    pub times: bool,
    /// The mode was widened for the time of the run.
    pub mode: bool,
}

impl Touch {
    /// Set the directory's time and mode.
    pub(super) fn apply(&self, dest: &Dest) {
        let (plan, report) = (&dest.plan, &dest.report);
        if plan.idle() || plan.select.list_only {
            return;
        }
        let shown = || dest.display(&self.rel);
        let failed = |text: Vec<u8>, error: &io::Error| {
            report.sys_error(Role::Generator, text, error);
        };
        debug!(report, time >= 2; "touch_up_dirs: ", &self.rel, " (", self.number, ")");
        let now = match dest.root.lstat(&self.rel) {
            Ok(now) => now,
            // Somebody has removed it meanwhile.
            Err(error) if error.is(Errno::NOENT) => return,
            Err(error) => return failed(text!["stat ", shown(), " failed"], &error),
        };
        // With -K it may be a link to a directory: its own time is set (observed).
        if !(now.is_dir() || now.is_symlink() && plan.attrs.keep_dirlinks) {
            return;
        }
        let want = &self.want;
        let mtime = (want.mtime, want.mtime_nsec);
        if self.times && keeps_time(plan, want.mode) && mtime != now.mtime_pair() {
            // An untouched directory that is equal within the window is left, whatever its nanoseconds.
            let had_it = self
                .before
                .is_some_and(|before| same_time(plan.select.modify_window, mtime, before));
            if !(had_it && self.before == Some(now.mtime_pair())) {
                // That a time is restored which this run has changed is an extra: a failure of that is not reported.
                match dest.root.utimens(&self.rel, Some(mtime), None) {
                    Err(error) if !had_it => failed(messages::set_times_failed(shown()), &error),
                    _ => {}
                }
            }
        }
        let mode = dest.real_mode(want.mode);
        if self.mode && now.is_dir() && (now.mode ^ mode) & 0o7777 != 0 {
            match dest.root.chmod(&self.rel, mode) {
                Err(error) if !plan.place.fake_super => failed(messages::set_permissions_failed(shown()), &error),
                _ => {}
            }
        }
    }
}
