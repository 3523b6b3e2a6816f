//! The thread that reads ahead, and the queue between it and the [`Reader`](super::link_reader::Reader).

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::frames::{self, Tag, HEADER_LEN};
use super::inlet::{Chunk, End, MAX_QUEUED};
use super::port::{read_error, Port, Wake};
use super::shared::{lock, Shared};
use super::throttle::Throttle;

/// Bytes of one read at most.
pub(super) const BUFFER: usize = 256 * 1024;
/// Less than this is copied out of the buffer, so that a small item does not hold a large one.
pub(super) const HAND_OVER: usize = 32 * 1024;
/// The thread also stops when the buffers in the queue take this much memory.
pub(super) const MAX_HELD: usize = 4 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Queue {
    pub chunks: VecDeque<Chunk>,
    pub len: usize,
    /// Memory of the chunks: a buffer may be filled in part only.
    pub held: usize,
    pub end: Option<End>,
    pub spare: Vec<Vec<u8>>,
    pub consumer_waits: bool,
    pub thread_waits: bool,
    pub stop: bool,
}

#[derive(Default)]
pub(super) struct Shelf {
    pub queue: Mutex<Queue>,
    pub filled: Condvar,
    pub emptied: Condvar,
}

impl Shelf {
    /// Moves everything queued to the end of `to`, lets the thread read on, and returns the number of bytes moved.
    pub(super) fn take_all(&self, queue: &mut Queue, to: &mut VecDeque<Chunk>) -> u64 {
        to.append(&mut queue.chunks);
        queue.held = 0;
        if queue.thread_waits {
            queue.thread_waits = false;
            self.emptied.notify_one();
        }
        std::mem::take(&mut queue.len) as u64
    }

    /// Waits until the queue has something or has ended, at most `time`.
    pub(super) fn wait<'a>(&self, mut queue: MutexGuard<'a, Queue>, time: Duration) -> MutexGuard<'a, Queue> {
        queue.consumer_waits = true;
        let wait = self.filled.wait_timeout(queue, time);
        let mut queue = wait.unwrap_or_else(PoisonError::into_inner).0;
        queue.consumer_waits = false;
        queue
    }
}

impl Queue {
    /// Whether there is nothing to take, and more may come.
    pub(super) fn is_pending(&self) -> bool {
        self.chunks.is_empty() && self.end.is_none()
    }
}

/// A view of what has arrived, from a reader's position on.
pub(super) struct Ahead<'a> {
    pub first: &'a [u8],
    pub rest: std::collections::vec_deque::Iter<'a, Chunk>,
}

impl<'a> Ahead<'a> {
    /// At most `want` bytes, as many as lie together; empty at the end.
    pub(super) fn take(&mut self, want: usize) -> &'a [u8] {
        while self.first.is_empty() {
            let Some(next) = self.rest.next() else { return &[] };
            self.first = &next.data[..next.end];
        }
        let (part, rest) = self.first.split_at(want.min(self.first.len()));
        self.first = rest;
        part
    }

    pub(super) fn skip(&mut self, mut n: usize) {
        while n > 0 {
            match self.take(n).len() {
                0 => return,
                done => n -= done,
            }
        }
    }

    /// Fills `into`; returns whether enough has arrived.
    pub(super) fn fill(&mut self, into: &mut [u8]) -> bool {
        let mut done = 0;
        while done < into.len() {
            let part = self.take(into.len() - done);
            if part.is_empty() {
                return false;
            }
            into[done..done + part.len()].copy_from_slice(part);
            done += part.len();
        }
        true
    }

    /// Whether a frame with this tag has arrived; `have` bytes of the first header are in `header` already.
    pub(super) fn has_frame(mut self, tag: Tag, mut header: [u8; HEADER_LEN], mut have: usize) -> bool {
        while self.fill(&mut header[have..]) {
            have = 0;
            let (number, len) = frames::parse(header);
            if number == tag as i32 {
                return true;
            }
            self.skip(len);
        }
        false
    }
}

/// The reader thread.
pub(super) fn run(shelf: &Shelf, port: &Port, wake: &Wake, shared: &Shared) {
    let mut buf = vec![0; BUFFER];
    let mut throttle = Throttle::new();
    loop {
        throttle.set(shared.read_limit.load(Ordering::Relaxed));
        let room = throttle.piece().min(BUFFER);
        let found = loop {
            match port.read(&mut buf[..room]) {
                Ok(Some(n)) => break Ok(n),
                Ok(None) => {
                    if let Err(error) = port.wait(PollFlags::IN, Some(wake.fd()), None) {
                        break Err(error);
                    }
                    if lock(&shelf.queue).stop {
                        return;
                    }
                }
                Err(error) => break Err(error),
            }
        };
        if let Some(time) = found.as_ref().ok().and_then(|&n| throttle.written(n, Instant::now())) {
            wake.sleep(time);
            throttle.slept(time, Instant::now());
        }
        let mut chunk = None;
        if let Ok(n @ 1..HAND_OVER) = found {
            chunk = Some(Chunk {
                data: buf[..n].to_vec(),
                end: n,
            });
        }
        let mut queue = lock(&shelf.queue);
        match found {
            Ok(0) => queue.end = Some(End::Eof),
            Ok(n) => {
                shared.mark_in(n);
                queue.len += n;
                let chunk = chunk.unwrap_or_else(|| {
                    let next = queue.spare.pop().unwrap_or_else(|| vec![0; BUFFER]);
                    Chunk {
                        data: std::mem::replace(&mut buf, next),
                        end: n,
                    }
                });
                queue.held += chunk.data.capacity();
                queue.chunks.push_back(chunk);
            }
            Err(error) => queue.end = Some(End::Failed(read_error(&shared.role(), &error))),
        }
        if queue.consumer_waits {
            queue.consumer_waits = false;
            shelf.filled.notify_one();
        }
        if queue.end.is_some() {
            return;
        }
        while (queue.len >= MAX_QUEUED || queue.held >= MAX_HELD) && !queue.stop {
            queue.thread_waits = true;
            queue = shelf.emptied.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.stop {
            return;
        }
    }
}
