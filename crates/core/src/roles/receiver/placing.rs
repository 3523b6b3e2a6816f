//! Small files that workers write and put in place, while the receiver reads on.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crossbeam_channel::Sender as Outbox;

use super::Incoming;
use crate::error::{Error, Result};
use crate::flist::At;
use crate::plan::Plan;
use crate::report::Report;
use crate::role::Role;
use crate::roles::compare::Wanted;
use crate::roles::dest::Dest;
use crate::roles::landing::{Landing, NewFile, Outcome};
use crate::roles::pool::{self, Pool, FIRST};
use crate::roles::words::inbox::Feed;
use crate::roles::words::request::BasisKind;

/// Files up to this size are held in memory until a worker writes them.
const SMALL: u64 = 64 * 1024;

/// A file whose data has arrived and was verified.
pub(super) struct Arrived {
    at: At,
    rel: Vec<u8>,
    want: Wanted,
    existing: Option<u64>,
    replaces: bool,
    data: Vec<u8>,
}

impl Arrived {
    /// The file of `incoming` with this data.
    pub(super) fn new(incoming: &Incoming, data: Vec<u8>) -> Self {
        Self {
            at: incoming.at.clone(),
            rel: incoming.rel.clone(),
            want: incoming.want,
            existing: incoming.exists.map(|stat| stat.size),
            replaces: incoming.replaces,
            data,
        }
    }

    /// Write the file and give it its name. Errors: those that end a run.
    fn place(&self, dest: &Dest) -> Result<Outcome> {
        let name = self.at.name();
        let file = NewFile {
            dest,
            rel: &self.rel,
            name: &name,
            want: &self.want,
            size: self.at.entry().len,
            existing: self.existing,
            replaces: self.replaces,
            from_partial: false,
            redo: false,
        };
        match file.begin() {
            Ok(landing) => write(landing, dest, &self.rel, &self.data)?.finish(),
            Err(_) => Ok(Outcome::Failed),
        }
    }
}

/// Write `data` into a new file. Errors: those that end a run; the file is kept or dropped then.
fn write<'a>(landing: Landing<'a>, dest: &Dest, rel: &[u8], data: &[u8]) -> Result<Landing<'a>> {
    match landing.target().write_all_at(data, 0) {
        Ok(()) => Ok(landing),
        Err(error) => {
            landing.interrupted(!data.is_empty());
            Err(dest.write_error(rel, &error))
        }
    }
}

/// The workers of a receiver.
pub(super) struct Placing {
    report: Report,
    /// Small files until workers are started; `None`: this run has none.
    until: Option<usize>,
    /// Gives the number of each file, and whether it is in place.
    pool: Option<Pool<Arrived, (i32, bool)>>,
    /// The run has failed: the generator is to do nothing more.
    failed: Arc<AtomicBool>,
}

impl Placing {
    /// No workers yet. `replayed`: the stream is a batch.
    pub(super) fn new(plan: &Plan, report: &Report, replayed: bool) -> Self {
        // A line on the screen follows the creation of the file, and the figures of an event its end.
        let shows = !plan.place.is_server() && report.wants_items() || plan.output.events.json_item;
        let reports = report.after_data() || plan.output.events.wants_done() || shows;
        let works = pool::may_work(plan) && !reports && !replayed && !plan.idle() && pool::size() > 0;
        Self {
            report: report.clone(),
            until: works.then_some(FIRST),
            pool: None,
            failed: Arc::default(),
        }
    }

    /// Whether a worker may write the file: then its data is to be held in memory. Starts the workers where enough small
    /// files have come; each reports to the generator by `feed`.
    pub(super) fn takes(&mut self, incoming: &Incoming, dest: &Dest, feed: &Outbox<Feed>) -> bool {
        let plain = incoming.exists.is_none_or(|stat| stat.is_file()) && incoming.kind != BasisKind::Partial;
        let fits = plain && !incoming.redo && !incoming.basis_lost && incoming.at.entry().len <= SMALL;
        match self.until {
            Some(0) => fits && self.pool.is_some(),
            Some(left) if fits => {
                self.until = Some(left - 1);
                if left == 1 {
                    self.start(dest, feed);
                }
                false
            }
            _ => false,
        }
    }

    fn start(&mut self, dest: &Dest, feed: &Outbox<Feed>) {
        self.pool = Pool::start(|| {
            let (dest, feed, report) = (dest.for_role(Role::Receiver), feed.clone(), self.report.clone());
            let failed = Arc::clone(&self.failed);
            move |file: Arrived| {
                let good = file.place(&dest)? == Outcome::Placed;
                let ndx = file.at.ndx();
                // Its bytes were counted as they arrived.
                report.live().file_done(0, good);
                if !failed.load(Ordering::Relaxed) {
                    let news = Feed::Finished { ndx, good };
                    feed.send(news).map_err(|_| Error::Ended(14))?;
                }
                Ok((ndx, good))
            }
        });
    }

    /// Give a file to the workers. Errors: those of the workers that end the run.
    pub(super) fn submit(&mut self, file: Arrived) -> Result<()> {
        let Some(pool) = &mut self.pool else {
            return Err(Error::Ipc("no thread writes files".into()));
        };
        while let Some(result) = pool.finished() {
            // Here, because lines have an order: two workers would mix those that their files release.
            let (ndx, good) = result?;
            self.report.file_ended(ndx, good);
        }
        pool.submit(file)
    }

    /// Whether files wait for others to be written with.
    pub(super) fn collects(&self) -> bool {
        self.pool.as_ref().is_some_and(Pool::collects)
    }

    /// Let the workers write what they were given, because no other file follows at once.
    pub(super) fn hand_over(&mut self) -> Result<()> {
        self.pool.as_mut().map_or(Ok(()), Pool::hand_over)
    }

    /// The run has ended like this: files whose data has arrived get their names all the same. Returns the first error.
    pub(super) fn end(&mut self, received: Result<()>) -> Result<()> {
        // A generator that goes on would meet the end of the connection in its own way.
        self.failed.store(received.is_err(), Ordering::Relaxed);
        received.and(self.finish())
    }

    /// Wait until all files are in place. Errors: the first one that ends the run.
    pub(super) fn finish(&mut self) -> Result<()> {
        let mut finished = Ok(());
        while let Some(result) = self.pool.as_mut().and_then(Pool::wait) {
            match result {
                Ok((ndx, good)) => self.report.file_ended(ndx, good),
                Err(error) => finished = finished.and(Err(error)),
            }
        }
        finished
    }
}

/// The data of a file that a worker is to write. What is more than was listed is not held: the file is begun then.
pub(super) struct Held<'a> {
    dest: &'a Dest,
    rel: &'a [u8],
    state: State<'a>,
    data: Vec<u8>,
    at: u64,
}

enum State<'a> {
    /// All data is in memory.
    Memory(NewFile<'a>),
    Begun(Landing<'a>),
    /// The file could not be made, which has been reported: its data is dropped.
    Failed,
}

/// What became of held data.
pub(super) enum End<'a> {
    Memory(Vec<u8>),
    Begun(Landing<'a>),
    Failed,
}

impl<'a> Held<'a> {
    /// No data of `file` yet.
    pub(super) fn new(file: NewFile<'a>) -> Self {
        Self {
            dest: file.dest,
            rel: file.rel,
            state: State::Memory(file),
            data: Vec::new(),
            at: 0,
        }
    }

    /// Where the next span goes.
    pub(super) fn position(&self) -> u64 {
        self.at
    }

    /// Add a span. Errors: of writing a file that was begun.
    pub(super) fn write(&mut self, span: &[u8]) -> io::Result<()> {
        if matches!(self.state, State::Memory(_)) && self.at + span.len() as u64 > SMALL {
            self.begin()?;
        }
        match &self.state {
            State::Memory(_) => self.data.extend_from_slice(span),
            State::Begun(landing) => landing.target().write_all_at(span, self.at)?,
            State::Failed => {}
        }
        self.at += span.len() as u64;
        Ok(())
    }

    /// Make the file, and write what is held.
    fn begin(&mut self) -> io::Result<()> {
        if let State::Memory(file) = std::mem::replace(&mut self.state, State::Failed) {
            if let Ok(landing) = file.begin() {
                let written = landing.target().write_all_at(&self.data, 0);
                self.state = State::Begun(landing);
                self.data = Vec::new();
                written?;
            }
        }
        Ok(())
    }

    /// The data is complete and verified.
    pub(super) fn verified(self) -> End<'a> {
        match self.state {
            State::Memory(_) => End::Memory(self.data),
            State::Begun(landing) => End::Begun(landing),
            State::Failed => End::Failed,
        }
    }

    /// The data differs from what was sent. Errors: those that end the run.
    pub(super) fn unverified(mut self, received: bool) -> Result<Outcome> {
        let written = self.begin();
        match (written, self.state) {
            (Ok(()), State::Begun(landing)) => Ok(landing.unverified(received)),
            (Err(error), State::Begun(landing)) => {
                landing.interrupted(received);
                Err(self.dest.write_error(self.rel, &error))
            }
            _ => Ok(Outcome::Failed),
        }
    }

    /// The run ends: keep the data if that was asked for.
    pub(super) fn interrupted(mut self, received: bool) {
        if self.dest.plan.write.partial && received {
            // The run ends with another error already; what could be written is kept.
            let _written = self.begin();
        }
        if let State::Begun(landing) = self.state {
            landing.interrupted(received);
        }
    }
}
