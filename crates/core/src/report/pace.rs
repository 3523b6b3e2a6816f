//! The bandwidth limit of a run, which the caller may change while the run goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Report;
use crate::plan::Plan;
use crate::role::Role;
use crate::wire::link::Control;

/// The limit as it is now.
pub(super) struct Pace {
    /// Bytes per second; 0: no limit. A link has a limit of its own until this one is set.
    limit: AtomicU64,
    is_set: AtomicBool,
}

impl Pace {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            limit: AtomicU64::new(plan.agreed.bwlimit),
            is_set: AtomicBool::new(false),
        }
    }
}

impl Report {
    /// Bytes per second that a local copy may write; 0: no limit.
    pub(crate) fn bwlimit(&self) -> u64 {
        self.shared.pace.limit.load(Ordering::Relaxed)
    }

    /// Limit the run to so many bytes per second from now on; 0: no limit. What this side receives is limited by reading
    /// more slowly, so a limit that the sending peer has stays in force.
    pub fn set_bwlimit(&self, bytes_per_second: u64) {
        let pace = &self.shared.pace;
        pace.limit.store(bytes_per_second, Ordering::Relaxed);
        pace.is_set.store(true, Ordering::Release);
        if let Some(link) = self.live().link() {
            self.limit(&link);
        }
    }

    /// The run goes over this connection.
    pub(crate) fn connect(&self, link: &Control) {
        self.live().set_link(link.clone(), self.role() == Role::Sender);
        if self.shared.pace.is_set.load(Ordering::Acquire) {
            self.limit(link);
        }
    }

    fn limit(&self, link: &Control) {
        let limit = self.bwlimit();
        link.set_bwlimit(limit);
        if self.role() != Role::Sender {
            link.set_read_limit(limit);
        }
    }
}
