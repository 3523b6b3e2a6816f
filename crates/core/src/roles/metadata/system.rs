//! The users and groups of this machine (spec: transfer 5.3).

use crate::flist::{IdFiles, IdLookup};
use crate::plan::Accounts;

/// The two files of accounts, and behind them the other sources of the system: a directory service, for example.
pub(super) struct SystemIds {
    files: IdFiles,
    others: Option<Accounts>,
}

impl SystemIds {
    pub(super) fn new(others: Option<Accounts>) -> Self {
        let read = |path: &str| std::fs::read(path).unwrap_or_default();
        Self {
            files: IdFiles::parse(&read("/etc/passwd"), &read("/etc/group")),
            others,
        }
    }

    fn name(&self, group: bool, id: u32) -> Option<Vec<u8>> {
        self.others.as_ref()?.0.name(group, id)
    }

    fn id(&self, group: bool, name: &[u8]) -> Option<u32> {
        self.others.as_ref()?.0.id(group, name)
    }
}

impl IdLookup for SystemIds {
    fn user_name(&self, uid: u32) -> Option<Vec<u8>> {
        self.files.user_name(uid).or_else(|| self.name(false, uid))
    }
    fn group_name(&self, gid: u32) -> Option<Vec<u8>> {
        self.files.group_name(gid).or_else(|| self.name(true, gid))
    }
    fn user_id(&self, name: &[u8]) -> Option<u32> {
        self.files.user_id(name).or_else(|| self.id(false, name))
    }
    fn group_id(&self, name: &[u8]) -> Option<u32> {
        self.files.group_id(name).or_else(|| self.id(true, name))
    }
}
