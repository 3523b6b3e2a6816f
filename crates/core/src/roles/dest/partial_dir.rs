//! The partial-dir of a run: where it is, and what is known of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::tree::Root;

/// Where interrupted and delayed files are kept.
#[derive(Debug, Clone)]
pub enum PartialDir {
    None,
    /// In each file's own directory.
    Relative(Vec<u8>),
    /// One directory for all files, made when it is first needed.
    Absolute(Shared),
}

/// An absolute partial-dir, shared by generator and receiver.
#[derive(Clone)]
pub struct Shared {
    pub(super) path: Vec<u8>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(super) struct State {
    /// The directory, once it exists.
    pub(super) root: Option<Root>,
    /// It is a directory itself, and no link to one.
    pub(super) made: bool,
    /// A client's path leads out of the module.
    pub(super) outside: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.path).finish()
    }
}

impl Shared {
    pub(super) fn new(path: &[u8], root: Option<Root>, outside: bool) -> Self {
        let made = false;
        Self {
            path: path.to_vec(),
            state: Arc::new(Mutex::new(State { root, made, outside })),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
