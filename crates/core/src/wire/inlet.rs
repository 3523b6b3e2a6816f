//! What has arrived on a connection and was not taken, and the incoming side of a link without threads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::port::{read_error, Port};
use crate::error::Error;

/// Nobody reads while this much waits to be taken; the consumer may hold as much again.
pub(super) const MAX_QUEUED: usize = 2 * 1024 * 1024;
/// The size of the first read's buffer, and of the largest. Most requests are small.
const FIRST_BUFFER: usize = 4 * 1024;
const LAST_BUFFER: usize = 64 * 1024;

/// The bytes of one read: the first `end` of `data`.
pub(super) struct Chunk {
    pub data: Vec<u8>,
    pub end: usize,
}

/// How the stream ended.
#[derive(Clone)]
pub(super) enum End {
    Eof,
    Failed(Error),
}

/// What has arrived and was not taken.
#[derive(Default)]
struct Arrived {
    chunks: VecDeque<Chunk>,
    len: usize,
    end: Option<End>,
    spare: Option<Vec<u8>>,
    /// The size of the next buffer.
    size: usize,
}

/// The incoming side: any thread that waits reads, and the order of the stream is kept by the lock.
pub(super) struct Inlet {
    pub(super) port: Arc<Port>,
    arrived: Mutex<Arrived>,
}

impl Inlet {
    pub(super) fn new(port: Arc<Port>) -> Self {
        Self {
            port,
            arrived: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a read may find something: not at the end, nor while too much is waiting.
    pub(super) fn is_open(&self) -> bool {
        let arrived = self.lock();
        arrived.end.is_none() && arrived.len < MAX_QUEUED
    }

    /// Reads what has arrived, one buffer of it. Returns the number of bytes, 0 for the end of the stream; `None` when
    /// there is nothing yet. `role` is that of error lines.
    pub(super) fn read(&self, role: impl FnOnce() -> String) -> Option<usize> {
        let mut arrived = self.lock();
        if arrived.end.is_some() || arrived.len >= MAX_QUEUED {
            return None;
        }
        let size = arrived.size.clamp(FIRST_BUFFER, LAST_BUFFER);
        let spare = arrived.spare.take().filter(|buffer| buffer.len() >= size);
        let mut data = spare.unwrap_or_else(|| vec![0; size]);
        match self.port.read(&mut data) {
            Ok(Some(0)) => arrived.end = Some(End::Eof),
            Ok(Some(n)) => {
                if n == data.len() {
                    arrived.size = 4 * n;
                }
                arrived.len += n;
                arrived.chunks.push_back(Chunk { data, end: n });
                return Some(n);
            }
            Ok(None) => {
                arrived.spare = Some(data);
                return None;
            }
            Err(error) => arrived.end = Some(End::Failed(read_error(&role(), &error))),
        }
        Some(0)
    }

    /// Moves everything that has arrived to the end of `to`, and takes `used` for a later read. Returns the number of
    /// bytes, and the end of the stream if it lies behind them.
    pub(super) fn take_all(&self, to: &mut VecDeque<Chunk>, used: Vec<u8>) -> (u64, Option<End>) {
        let mut arrived = self.lock();
        if !used.is_empty() {
            arrived.spare = Some(used);
        }
        to.append(&mut arrived.chunks);
        (std::mem::take(&mut arrived.len) as u64, arrived.end.clone())
    }
}
