//! Writing in a thread of its own, while the caller makes what comes next.

use std::io;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::sparse::Output;

/// Bytes that are written at once.
const PIECE: usize = 256 * 1024;
/// Pieces that may wait to be written.
const WAITING: usize = 3;

/// Where the spans of a file go: to an [`Output`], in this thread or in another one.
pub(crate) enum Spans<'scope, 'f> {
    /// Each span is written before the call returns.
    Here(Output<'f>),
    /// Spans are collected, and written behind the caller.
    Behind(Behind<'scope>),
}

/// The caller's end of a thread that writes.
pub(crate) struct Behind<'scope> {
    piece: Vec<u8>,
    position: u64,
    to: SyncSender<Vec<u8>>,
    /// Pieces that have been written, to be filled again.
    empty: Receiver<Vec<u8>>,
    /// Gives the end of the file. Taken when it has failed.
    thread: Option<ScopedJoinHandle<'scope, io::Result<u64>>>,
}

impl<'scope, 'f: 'scope> Spans<'scope, 'f> {
    /// Write to `output` in a thread of `scope`; in this one, if no thread can be had. `output` makes no holes: they
    /// would depend on where pieces end.
    pub(crate) fn behind<'env>(scope: &'scope Scope<'scope, 'env>, output: Output<'f>) -> Self {
        let (to, pieces) = sync_channel::<Vec<u8>>(WAITING);
        let (back, empty) = sync_channel(WAITING + 2);
        let position = output.position();
        // The output goes to the thread that has started, so that it is still here if none has.
        let (give, given) = sync_channel::<Output<'f>>(1);
        let run = move || {
            let Ok(mut output) = given.recv() else {
                return Ok(0);
            };
            for mut piece in pieces {
                output.write(&piece)?;
                piece.clear();
                // Nobody takes it back at the end.
                let _ = back.try_send(piece);
            }
            output.finish()
        };
        match Builder::new().name("write".into()).spawn_scoped(scope, run) {
            Err(_) => Self::Here(output),
            Ok(thread) => match give.send(output) {
                // It has ended before its first step.
                Err(returned) => Self::Here(returned.0),
                Ok(()) => Self::Behind(Behind {
                    piece: Vec::with_capacity(PIECE),
                    position,
                    to,
                    empty,
                    thread: Some(thread),
                }),
            },
        }
    }
}

impl Spans<'_, '_> {
    /// Where the next span goes.
    pub(crate) fn position(&self) -> u64 {
        match self {
            Self::Here(output) => output.position(),
            Self::Behind(behind) => behind.position,
        }
    }

    /// Write a span. Errors: of this write, or of an earlier one.
    pub(crate) fn write(&mut self, span: &[u8]) -> io::Result<()> {
        match self {
            Self::Here(output) => output.write(span),
            Self::Behind(behind) => behind.write(span),
        }
    }

    /// A matched block that is in its place already. Errors: `InvalidInput` behind the caller, where none can be.
    pub(crate) fn stay(&mut self, span: &[u8]) -> io::Result<()> {
        match self {
            Self::Here(output) => output.stay(span),
            Self::Behind(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Give the file the length of what was written. Returns it. Errors: of the first write that failed.
    pub(crate) fn finish(self) -> io::Result<u64> {
        match self {
            Self::Here(output) => output.finish(),
            Self::Behind(behind) => behind.finish(),
        }
    }
}

impl Behind<'_> {
    fn write(&mut self, mut span: &[u8]) -> io::Result<()> {
        self.position += span.len() as u64;
        while !span.is_empty() {
            let (now, later) = span.split_at(span.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            span = later;
            if self.piece.len() == PIECE {
                self.pass_on()?;
            }
        }
        Ok(())
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let fresh = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE));
        let piece = std::mem::replace(&mut self.piece, fresh);
        match self.to.send(piece) {
            Ok(()) => Ok(()),
            // The thread has ended before its time.
            Err(_) => Err(ended(self.thread.take()).err().unwrap_or_else(failed)),
        }
    }

    fn finish(mut self) -> io::Result<u64> {
        if !self.piece.is_empty() {
            self.pass_on()?;
        }
        drop(self.to);
        ended(self.thread)
    }
}

fn ended(thread: Option<ScopedJoinHandle<'_, io::Result<u64>>>) -> io::Result<u64> {
    thread
        .and_then(|thread| thread.join().ok())
        .unwrap_or_else(|| Err(failed()))
}

fn failed() -> io::Error {
    io::Error::other("the thread that writes has failed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File, OpenOptions};

    #[test]
    fn the_file_is_that_of_direct_writes() {
        let data: Vec<u8> = (0..3_000_001u32).map(|i| (i % 251) as u8).collect();
        for step in [1000, PIECE, PIECE + 1, 2_000_000] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let end = std::thread::scope(|scope| {
                let mut spans = Spans::behind(scope, Output::new(file.as_file(), 0, 0, false));
                for span in data.chunks(step) {
                    spans.write(span).unwrap();
                }
                assert_eq!(spans.position(), data.len() as u64);
                assert!(spans.stay(b"x").is_err());
                spans.finish().unwrap()
            });
            assert_eq!(end, data.len() as u64);
            assert!(fs::read(file.path()).unwrap() == data);
        }
    }

    #[test]
    fn an_error_of_a_write_is_returned() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        for pieces in [1, 100] {
            let error = std::thread::scope(|scope| {
                let mut spans = Spans::behind(scope, Output::new(&full, 0, 0, false));
                (0..pieces)
                    .try_for_each(|_| spans.write(&vec![1; PIECE]))
                    .and_then(|()| spans.finish().map(drop))
            });
            assert_eq!(error.unwrap_err().raw_os_error(), Some(28));
        }
    }

    #[test]
    fn a_caller_that_gives_up_leaves_no_thread() {
        let file: File = tempfile::tempfile().unwrap();
        std::thread::scope(|scope| {
            let mut spans = Spans::behind(scope, Output::new(&file, 0, 0, false));
            spans.write(&vec![1; PIECE]).unwrap();
        });
    }
}
