//! How a [`Reader`] sees that its peer ends: the wait for it, and the look ahead for its ERROR_EXIT (spec: protocol 3.7).

use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::{Ahead, Feed, Reader, Step, MAX_QUEUED};
use crate::error::Result;
use crate::wire::frames::Tag;
use crate::wire::shared::{lock, TICK};

/// How long a cancelled side waits for the peer to end.
const CANCELLED: Duration = Duration::from_secs(1);

impl Reader {
    /// Reads and discards until the peer closes or answers with ERROR_EXIT, `limit` bytes have arrived or `time` is over.
    /// Messages are still handled; after a framing error the rest is discarded unparsed. Returns whether the peer has
    /// ended.
    ///
    /// A cancel during the wait ends it at once. After an earlier cancel the peer gets a moment to read of it.
    pub fn drain(&mut self, time: Duration, limit: usize) -> bool {
        let late = self.shared.is_cancelled();
        let end = Instant::now() + if late { time.min(CANCELLED) } else { time };
        let (mut seen, mut raw) = (0, false);
        while seen < limit && Instant::now() < end {
            if self.peer_ended {
                return true;
            }
            let step = if raw {
                seen += self.end - self.pos;
                self.pos = self.end;
                self.refill(false)
            } else {
                let n = self.available();
                seen += n;
                self.advance(n);
                self.step(false)
            };
            match step {
                Ok(Step::Data) => {}
                Ok(Step::Nothing) => {
                    if !late && self.shared.is_cancelled() {
                        break;
                    }
                    self.wait_for_more(TICK.min(time));
                }
                Ok(Step::Eof) => return true,
                Err(_) if raw || self.finished.is_some() => return true,
                Err(_) => raw = true,
            }
        }
        self.peer_ended
    }

    /// For a side that writes for long without reading: an error if ERROR_EXIT has arrived. The messages before it are
    /// handled first, and the data is dropped, because it will not be answered any more.
    pub fn check_peer(&mut self) -> Result<()> {
        if !self.mux || !self.has_exit_message() {
            return Ok(());
        }
        loop {
            let n = self.available();
            self.advance(n);
            match self.step(false)? {
                Step::Data => {}
                Step::Nothing | Step::Eof => return Ok(()),
            }
        }
    }

    /// Whether ERROR_EXIT is among the frames that have arrived.
    fn has_exit_message(&mut self) -> bool {
        if self.buffered() < MAX_QUEUED {
            match &self.feed {
                Feed::Direct(_) => {}
                Feed::Thread { shelf, .. } => {
                    self.arrived += shelf.take_all(&mut lock(&shelf.queue), &mut self.local);
                }
                Feed::Lean(inlet) => {
                    while self.shared.read_into(inlet) {}
                    // The end is seen again by the read that comes to it.
                    self.arrived += inlet.take_all(&mut self.local, Vec::new()).0;
                }
            }
        }
        let mut ahead = Ahead {
            first: &self.cur[self.pos..self.end],
            rest: self.local.iter(),
        };
        match &self.message {
            // Its header was consumed by an earlier look, before the rest had arrived.
            Some((message, _)) if message.tag == Tag::ErrorExit => return true,
            Some((message, len)) => ahead.skip(len - message.payload.len()),
            None => ahead.skip(self.left),
        }
        ahead.has_frame(Tag::ErrorExit, self.header, self.header_len)
    }

    /// Waits until something may have arrived, at most `time`.
    pub(super) fn wait_for_more(&self, time: Duration) {
        match &self.feed {
            Feed::Direct(port) => {
                // A port that cannot be waited for is reported by the next read.
                let _ = port.wait(PollFlags::IN, None, Some(time));
            }
            Feed::Lean(_) => self.shared.exchange(time),
            Feed::Thread { shelf, .. } => {
                let queue = lock(&shelf.queue);
                if queue.is_pending() {
                    drop(shelf.wait(queue, time));
                }
            }
        }
    }
}
