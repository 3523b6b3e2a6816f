//! Building a new file from literal data and blocks of a basis (spec: protocol 7, 9.2).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::placing::Held;
use crate::delta::tokens::{Decoder, Token};
use crate::error::{Error, Result};
use crate::report::debug::debug;
use crate::report::Report;
use crate::sums::size::SumHead;
use crate::sums::strong::Hasher;
use crate::tree::sparse::Output;
use crate::wire::ints::Source;

/// Data is written in pieces of about this size.
const PIECE: usize = 256 * 1024;

/// Where the new content goes.
pub(super) struct Target<'a, 'h> {
    pub output: Sink<'a, 'h>,
    /// The basis is the file that is written: blocks that are in their place stay there.
    pub inplace: bool,
}

/// A file that is written at once, or data that is held for a worker.
pub(super) enum Sink<'a, 'h> {
    File(Output<'a>),
    Held(&'a mut Held<'h>),
}

impl Sink<'_, '_> {
    fn position(&self) -> u64 {
        match self {
            Self::File(output) => output.position(),
            Self::Held(held) => held.position(),
        }
    }

    fn write(&mut self, span: &[u8]) -> io::Result<()> {
        match self {
            Self::File(output) => output.write(span),
            Self::Held(held) => held.write(span),
        }
    }

    /// A block that is in its place already. Errors: `InvalidInput` for data that is held, which has no place.
    fn stay(&mut self, span: &[u8]) -> io::Result<()> {
        match self {
            Self::File(output) => output.stay(span),
            Self::Held(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::File(output) => output.finish().map(drop),
            Self::Held(_) => Ok(()),
        }
    }
}

/// What a stream gave.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Built {
    pub literal: u64,
    pub matched: u64,
}

/// How it failed.
pub(super) enum Failure {
    /// The file could not be written.
    Write(io::Error),
    /// The stream names blocks of a basis that is missing.
    NoBasis,
    /// The stream, or the whole run.
    Run(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Run(error)
    }
}

/// The inputs of a rebuild.
pub(super) struct Job<'a> {
    pub head: SumHead,
    pub basis: Option<&'a File>,
    /// Length of the new file as listed, for progress.
    pub size: u64,
    /// Where the output begins (append).
    pub offset: u64,
    pub report: &'a Report,
    pub stop: &'a AtomicBool,
}

/// Blocks in a row that are still to be read.
#[derive(Clone, Copy)]
struct Run {
    offset: u64,
    len: u64,
}

struct Builder<'a, 'b, 'h> {
    job: &'a Job<'a>,
    target: Option<Target<'b, 'h>>,
    whole: &'a mut Hasher,
    /// Data that is not written yet.
    pending: Vec<u8>,
    run: Option<Run>,
    done: u64,
    built: Built,
}

impl Builder<'_, '_, '_> {
    fn position(&self) -> u64 {
        self.target.as_ref().map_or(0, |t| t.output.position()) + self.pending.len() as u64
    }

    fn write_out(&mut self) -> Result<(), Failure> {
        if let Some(target) = &mut self.target {
            if !self.pending.is_empty() {
                target.output.write(&self.pending).map_err(Failure::Write)?;
            }
        }
        self.pending.clear();
        self.job.report.live().advance(self.done);
        if self.job.report.progress_level() > 0 {
            self.job.report.progress(self.done, self.job.size);
        }
        if self.job.stop.load(Ordering::Relaxed) {
            return Err(Error::Ended(12).into());
        }
        self.job.report.check()?;
        Ok(())
    }

    fn literal(&mut self, data: &[u8]) -> Result<(), Failure> {
        debug!(self.job.report, deltasum >= 3; "data recv ", data.len(), " at ", self.done);
        self.whole.update(data);
        self.built.literal += data.len() as u64;
        self.done += data.len() as u64;
        if self.target.is_none() {
            return Ok(());
        }
        if self.pending.is_empty() && data.len() >= PIECE / 2 {
            if let Some(target) = &mut self.target {
                target.output.write(data).map_err(Failure::Write)?;
            }
            return self.write_out();
        }
        self.pending.extend_from_slice(data);
        if self.pending.len() >= PIECE {
            self.write_out()?;
        }
        Ok(())
    }

    /// The stream has ended early: pending data is written, because the file may be kept as a partial one.
    fn keep(&mut self) {
        let _ = self.finish_run();
        let _ = self.write_out();
    }

    /// Read the pending blocks.
    fn finish_run(&mut self) -> Result<(), Failure> {
        let Some(run) = self.run.take() else { return Ok(()) };
        let Some(basis) = self.job.basis else { return Ok(()) };
        let stays = self.target.as_ref().is_some_and(|t| t.inplace) && run.offset == self.position();
        if stays {
            self.write_out()?;
        }
        let (mut at, end) = (run.offset, run.offset + run.len);
        while at < end {
            let from = self.pending.len();
            let n = (end - at).min(PIECE as u64) as usize;
            self.pending.resize(from + n, 0);
            // Unreadable data stays zeros, which the whole-file sum reveals.
            read_full(basis, &mut self.pending[from..], at);
            self.whole.update(&self.pending[from..]);
            at += n as u64;
            self.done += n as u64;
            self.built.matched += n as u64;
            if stays {
                if let Some(target) = &mut self.target {
                    target.output.stay(&self.pending[from..]).map_err(Failure::Write)?;
                }
                self.pending.clear();
            } else if self.pending.len() >= PIECE || self.target.is_none() {
                self.write_out()?;
            }
        }
        Ok(())
    }

    fn block(&mut self, index: u32) -> Result<(), Failure> {
        let head = &self.job.head;
        let (offset, len) = (head.offset(index), u64::from(head.block_len(index)));
        if self.job.report.plan().output.debug.deltasum > 2 {
            let at = self.done + self.run.map_or(0, |run| run.len);
            let stays = self.target.as_ref().is_some_and(|t| t.inplace) && at == offset;
            debug!(
                self.job.report, deltasum >= 3;
                "chunk[", index, "] of size ", len, " at ", offset, " offset=", at, if stays { " (seek)" } else { "" }
            );
        }
        if self.job.basis.is_none() {
            if self.target.is_some() {
                return Err(Failure::NoBasis);
            }
            self.done += len;
            self.built.matched += len;
            return Ok(());
        }
        match &mut self.run {
            Some(run) if run.offset + run.len == offset && run.len < PIECE as u64 => run.len += len,
            _ => {
                self.finish_run()?;
                self.run = Some(Run { offset, len });
            }
        }
        Ok(())
    }
}

fn read_full(file: &File, buffer: &mut [u8], offset: u64) {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
}

/// Read the tokens of one file and write what they mean; without a target they are read and dropped.
pub(super) fn rebuild(
    src: &mut dyn Source,
    tokens: &mut Decoder,
    job: &Job<'_>,
    target: Option<Target<'_, '_>>,
    whole: &mut Hasher,
    built: &mut Built,
) -> Result<(), Failure> {
    let mut builder = Builder {
        job,
        target,
        whole,
        pending: Vec::new(),
        run: None,
        done: job.offset,
        built: Built::default(),
    };
    tokens.begin_file(job.head.count);
    let result = build(src, tokens, &mut builder);
    if matches!(result, Err(Failure::Run(_))) {
        builder.keep();
    }
    built.literal += builder.built.literal;
    built.matched += builder.built.matched;
    result?;
    if let Some(target) = builder.target {
        target.output.finish().map_err(Failure::Write)?;
    }
    Ok(())
}

fn build(src: &mut dyn Source, tokens: &mut Decoder, builder: &mut Builder<'_, '_, '_>) -> Result<(), Failure> {
    let wants_blocks = tokens.wants_blocks();
    let mut block = Vec::new();
    loop {
        match tokens.next(src)? {
            Token::Literal(data) => {
                builder.finish_run()?;
                builder.literal(data)?;
            }
            Token::Block(index) => {
                builder.block(index)?;
                if wants_blocks {
                    block.clear();
                    block.resize(builder.job.head.block_len(index) as usize, 0);
                    if let Some(basis) = builder.job.basis {
                        read_full(basis, &mut block, builder.job.head.offset(index));
                    }
                    tokens.see_block(&block);
                }
            }
            Token::End => {
                builder.finish_run()?;
                return builder.write_out();
            }
        }
    }
}
