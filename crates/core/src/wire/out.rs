//! The outgoing data that is not written yet, already framed (spec: protocol 3.1, 3.4).

use std::collections::VecDeque;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::delivery::Delivery;
use super::frames::{self, Tag, HEADER_LEN};
use crate::error::Error;

/// A buffer of this size is handed to the writer thread at once.
pub(super) const FRAME_TARGET: usize = 32 * 1024;

/// Without threads, callers wait while more than this is unwritten: what a slow client may hold of this process's memory.
pub(super) const MAX_UNWRITTEN: usize = 128 * 1024;
/// Most pieces of one `writev`.
pub(super) const MAX_SLICES: usize = 64;

/// How long a part-filled frame may wait for more data. A side that waits for the peer flushes first; this is for a side
/// that works on without writing. 3.5.0 waits without a limit, and users see its messages overtake the data that it
/// still holds. A time near a time slice of the scheduler would make the order of lines depend on the load of the
/// machine; the limit is below the shortest `--timeout`.
pub(super) const LINGER: Duration = Duration::from_millis(500);
/// How long data may wait that the peer can do without (spec: protocol 5.10).
pub(super) const PACE: Duration = Duration::from_millis(20);

/// Unwritten data, already framed. The raw phase uses it as a plain buffer.
#[derive(Default)]
pub(super) struct Out {
    /// The part-filled buffer; may hold several finished frames and an open one.
    pub open: Vec<u8>,
    /// Where in `open` the header of the open data frame stands.
    pub frame_at: Option<usize>,
    /// Buffers to write, in order.
    pub sealed: VecDeque<Vec<u8>>,
    /// Bytes in `sealed` and with the writer thread.
    pub sealed_len: usize,
    pub mux: bool,
    /// Write `open` without waiting for `due`.
    pub flush: bool,
    /// `open` holds only data that the peer can do without: a side that waits for the peer leaves it to `due`.
    pub deferred: bool,
    pub due: Option<Instant>,
    /// Raw bytes put so far.
    pub total: u64,
    /// How far the sender's work is that has been written.
    pub delivery: Delivery,
    pub pool: Vec<Vec<u8>>,
    pub writer_waits: bool,
    /// When the waiting writer wakes up without a signal.
    pub writer_wakes: Option<Instant>,
    pub callers_wait: usize,
    pub finishing: bool,
    pub abandoned: bool,
    pub done: bool,
    pub error: Option<Error>,
    pub thread: Option<JoinHandle<()>>,
}

impl Out {
    /// Frames everything put from here on.
    pub(super) fn start_mux(&mut self) {
        self.mux = true;
    }

    /// What is put from here on is not framed.
    pub(super) fn stop_mux(&mut self) {
        self.close_frame();
        self.mux = false;
    }

    /// Everything unwritten, as one buffer; for the raw phase, which has no thread.
    pub(super) fn take_all(&mut self) -> Vec<u8> {
        self.seal();
        self.sealed_len = 0;
        let mut all = self.sealed.pop_front().unwrap_or_default();
        for more in self.sealed.drain(..) {
            all.extend_from_slice(&more);
        }
        all
    }

    /// Forgets what the writer has not taken yet.
    pub(super) fn discard(&mut self) {
        self.seal();
        self.sealed_len -= self.sealed.drain(..).map(|buffer| buffer.len()).sum::<usize>();
    }

    /// The first `n` bytes of what is sealed are written.
    pub(super) fn wrote(&mut self, mut n: usize) {
        self.sealed_len -= n;
        while let Some(first) = self.sealed.front_mut() {
            if n < first.len() {
                first.drain(..n);
                return;
            }
            n -= first.len();
            if let Some(done) = self.sealed.pop_front() {
                self.reuse(done);
            }
        }
    }

    /// Keeps a written buffer for later data, unless there are enough or it has an unusual size.
    pub(super) fn reuse(&mut self, mut buffer: Vec<u8>) {
        if self.pool.len() < 4 && (FRAME_TARGET / 2..=4 * FRAME_TARGET).contains(&buffer.capacity()) {
            buffer.clear();
            self.pool.push(buffer);
        }
    }

    /// Nothing more can be written.
    pub(super) fn fail(&mut self, error: Error) {
        self.error = Some(error);
        self.sealed.clear();
        self.sealed_len = 0;
        self.open = Vec::new();
        self.frame_at = None;
        self.done = true;
    }

    pub(super) fn pending(&self) -> usize {
        self.sealed_len + self.open.len()
    }

    pub(super) fn close_frame(&mut self) {
        if let Some(at) = self.frame_at.take() {
            let header = frames::header(Tag::Data, self.open.len() - at - HEADER_LEN);
            self.open[at..at + HEADER_LEN].copy_from_slice(&header);
        }
    }

    /// Hands the part-filled buffer to the writer.
    pub(super) fn seal(&mut self) {
        self.close_frame();
        self.due = None;
        self.flush = false;
        self.deferred = false;
        if !self.open.is_empty() {
            let next = self.pool.pop().unwrap_or_default();
            let full = std::mem::replace(&mut self.open, next);
            self.sealed_len += full.len();
            self.sealed.push_back(full);
            self.delivery.mark(self.total);
        }
    }

    /// Hands the messages in front of the open data frame to the writer, and keeps the frame open. A stream without
    /// frames has no messages.
    pub(super) fn seal_messages(&mut self) {
        if !self.mux {
            return;
        }
        let Some(at) = self.frame_at.take() else {
            return self.seal();
        };
        let frame = self.open.split_off(at);
        let due = self.due;
        self.seal();
        self.pool.push(std::mem::replace(&mut self.open, frame));
        self.frame_at = Some(0);
        self.due = due;
    }

    /// Before other data is put: the open buffer waits as one without deferred data. Whoever puts data flushes it before
    /// it waits for the peer.
    pub(super) fn end_deferral(&mut self) {
        if std::mem::take(&mut self.deferred) {
            self.due = self.due.map(|due| due + LINGER.saturating_sub(PACE));
        }
    }

    /// Appends data that the peer can do without. It is deferred while nothing else is in the open buffer.
    pub(super) fn put_deferred(&mut self, mut data: &[u8]) {
        let alone = self.open.is_empty() || self.deferred;
        while !data.is_empty() {
            data = self.put_some(data);
        }
        self.deferred = alone && !self.open.is_empty();
    }

    /// Appends to the open data frame as much of `data` as fits, and returns the rest.
    pub(super) fn put_some<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        if self.mux && self.frame_at.is_none() {
            self.frame_at = Some(self.open.len());
            self.open.extend_from_slice(&frames::KEEP_ALIVE);
            self.total += HEADER_LEN as u64;
        }
        // At least one byte fits, because a buffer is sealed as soon as it has reached the target.
        let room = FRAME_TARGET.saturating_sub(self.open.len()).max(1);
        let (now, rest) = data.split_at(data.len().min(room));
        self.open.extend_from_slice(now);
        self.total += now.len() as u64;
        if self.open.len() >= FRAME_TARGET {
            self.seal();
        }
        rest
    }

    /// Appends a payload as a frame of its own without copying it; at most [`MAX_PAYLOAD`](frames::MAX_PAYLOAD) bytes.
    pub(super) fn put_whole(&mut self, data: Vec<u8>) {
        self.close_frame();
        if self.mux {
            self.open.extend_from_slice(&frames::header(Tag::Data, data.len()));
            self.total += HEADER_LEN as u64;
        }
        self.seal();
        self.total += data.len() as u64;
        self.sealed_len += data.len();
        self.sealed.push_back(data);
    }

    /// Puts a message in front of the open data frame: 3.5.0 lets messages overtake the data that it still holds back,
    /// and users see the lines in that order (spec: protocol 3.4).
    pub(super) fn put_message(&mut self, tag: Tag, payload: &[u8]) {
        let header = frames::header(tag, payload.len());
        match &mut self.frame_at {
            Some(at) => {
                let place = *at..*at;
                self.open
                    .splice(place, header.into_iter().chain(payload.iter().copied()));
                *at += HEADER_LEN + payload.len();
            }
            None => {
                self.open.extend_from_slice(&header);
                self.open.extend_from_slice(payload);
            }
        }
        self.total += (HEADER_LEN + payload.len()) as u64;
        if self.open.len() >= FRAME_TARGET {
            self.seal();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_overtake_the_open_frame() {
        let mut out = Out::default();
        out.put_some(b"raw");
        out.start_mux();
        out.put_some(b"ab");
        out.put_some(b"c");
        out.put_message(Tag::Info, b"hi");
        out.put_some(b"d");
        assert_eq!(out.total, 17);
        assert_eq!(out.take_all(), b"raw\x02\0\0\x09hi\x04\0\0\x07abcd");
        assert_eq!(out.pending(), 0);
    }

    // CCH-1
    #[test]
    fn data_is_deferred_while_nothing_else_is_put() {
        let mut out = Out::default();
        out.start_mux();
        out.put_deferred(b"a");
        out.put_deferred(b"b");
        assert!(out.deferred);
        let due = Instant::now();
        out.due = Some(due);
        out.end_deferral();
        out.put_some(b"c");
        assert!(!out.deferred);
        assert_eq!(out.due, Some(due + LINGER.saturating_sub(PACE)));
        // Behind other data it waits no longer than that.
        out.put_deferred(b"d");
        assert!(!out.deferred);
        assert_eq!(out.take_all(), b"\x04\0\0\x07abcd");
        out.put_deferred(&vec![0; FRAME_TARGET - HEADER_LEN]);
        assert!(!out.deferred);
        assert_eq!(out.sealed.len(), 1);
    }

    #[test]
    fn large_payloads_keep_their_buffer() {
        let mut out = Out::default();
        out.start_mux();
        out.put_some(b"x");
        let big = vec![7; 100_000];
        let address = big.as_ptr();
        out.put_whole(big);
        assert_eq!(out.sealed[0], b"\x01\0\0\x07x\xa0\x86\x01\x07");
        assert_eq!(out.sealed[1].as_ptr(), address);
    }
}
