//! What the generator receives: lists, and news of the files that were asked for.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::error::{Error, Result};
use crate::flist::Segment;
use crate::report::Report;

/// How long a wait may keep a cancel from being seen.
const PATIENCE: Duration = Duration::from_millis(100);

/// A message to the generator, from whoever delivers lists and writes data.
#[derive(Debug)]
pub(crate) enum Feed {
    /// A list, or a sub-list.
    List(Arc<Segment>),
    /// No more lists.
    Eof,
    /// A requested file is finished, updated or not.
    Finished {
        ndx: i32,
        good: bool,
    },
    /// The file is whole and waits in the partial directory (`--delay-updates`).
    Held(i32),
    /// A file that waited in the partial directory has its name, or could not get it.
    Placed {
        ndx: i32,
        good: bool,
    },
    /// The sender says that it cannot send this file (spec: protocol 6.10).
    NotSent(i32),
    /// Verification failed: ask again.
    Redo(i32),
    /// The sender answered the end of a phase: everything asked for in it has been reported.
    Phase(u8),
    /// Nothing more will come.
    Ended,
    Failed(Error),
}

impl Feed {
    /// Entries of the list that it brings.
    fn entries(&self) -> usize {
        if let Self::List(list) = self {
            list.len()
        } else {
            0
        }
    }
}

/// Entries of the lists among `feeds`.
pub(crate) fn entries(feeds: &[Feed]) -> usize {
    feeds.iter().map(Feed::entries).sum()
}

/// Wait for the next message; a cancel ends the wait.
pub(crate) fn wait(feed: &Receiver<Feed>, report: &Report) -> Result<Feed> {
    loop {
        match feed.recv_timeout(PATIENCE) {
            Ok(message) => return Ok(message),
            Err(RecvTimeoutError::Timeout) => report.check()?,
            Err(RecvTimeoutError::Disconnected) => {
                report.check()?;
                return Err(Error::Ended(12));
            }
        }
    }
}

/// The first lists, until it is clear whether there is more than one entry (spec: options 5.3).
pub(crate) fn first_lists(feed: &Receiver<Feed>, report: &Report, inc_recurse: bool) -> Result<Vec<Feed>> {
    let mut feeds = Vec::new();
    loop {
        let message = match wait(feed, report)? {
            Feed::Failed(error) => return Err(error),
            message => message,
        };
        let end = match &message {
            Feed::List(list) => !(feeds.is_empty() && inc_recurse && list.len() == 1),
            Feed::Eof | Feed::Ended => true,
            _ => false,
        };
        feeds.push(message);
        if end {
            return Ok(feeds);
        }
    }
}

/// What a sender has listed before the other side begins: 1000 entries, or all (spec: protocol 5.10).
pub(crate) fn look_ahead(feed: &Receiver<Feed>, report: &Report) -> Result<Vec<Feed>> {
    let mut feeds = first_lists(feed, report, true)?;
    while entries(&feeds) < 1000 && !feeds.iter().any(|f| matches!(f, Feed::Eof)) {
        match wait(feed, report)? {
            Feed::Failed(error) => return Err(error),
            message => feeds.push(message),
        }
    }
    Ok(feeds)
}
