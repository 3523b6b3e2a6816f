//! Workers that write the small files of a local copy while the generator goes on (design 3, 5).
//!
//! What is told of a file is told before it comes here, so the order of lines stays the generator's. A file that cannot
//! be written is reported by its worker; an error that ends the run comes out of [`Pool::submit`] or [`Pool::wait`].

use std::fs::File;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{bounded, unbounded, Receiver, Sender};

use super::copier::Copier;
use super::dest::Dest;
use super::generator::Request;
use super::landing::Outcome;
use crate::error::{Error, Result};
use crate::role::Role;

/// Files that are handed over together: to wake a thread costs as much as to write a small file.
const BATCH: usize = 16;
/// Batches that wait for a worker.
const WAITING: usize = 2;
/// More workers than this wait for one another in the kernel.
const MOST: usize = 4;
/// Each file in hand holds its source open: with fewer descriptors than this there are no workers.
const DESCRIPTORS: u64 = 512;

/// A file that is to be written.
struct Job {
    request: Request,
    source: File,
}

/// The end of a job: the entry's number, and what became of the file.
type Done = (i32, Result<Outcome>);

fn gone() -> Error {
    Error::Ipc("the threads that write files have ended".into())
}

/// The workers. Dropping it ends them: files that wait are left out, files in hand are finished.
pub struct Pool {
    jobs: Option<Sender<Vec<Job>>>,
    batch: Vec<Job>,
    done: Receiver<Vec<Done>>,
    heard: std::vec::IntoIter<Done>,
    /// Batches on their way.
    in_flight: usize,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// How many workers are worth starting here; 0 on a machine with one processor.
    pub fn size() -> usize {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        if limit.current.is_some_and(|n| n < DESCRIPTORS) {
            return 0;
        }
        match std::thread::available_parallelism().map_or(1, usize::from) {
            1 => 0,
            n => n.min(MOST),
        }
    }

    /// Start the workers; `None` when no thread can be had.
    pub fn start(copier: &Copier, dest: &Dest) -> Option<Self> {
        let (jobs, inbox) = bounded::<Vec<Job>>(WAITING);
        let (outbox, done) = unbounded();
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for _ in 0..Self::size() {
            let (inbox, outbox, stop) = (inbox.clone(), outbox.clone(), Arc::clone(&stop));
            let mut copier = copier.worker();
            let dest = dest.for_role(Role::Receiver);
            let work = move || {
                for batch in inbox {
                    let mut done = Vec::with_capacity(batch.len());
                    for Job { request, source } in batch {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let result = catch_unwind(AssertUnwindSafe(|| copier.write_small(&request, &dest, &source)))
                            .unwrap_or_else(|_| Err(Error::Ipc("a thread that writes files has failed".into())));
                        done.push((request.ndx, result));
                    }
                    if outbox.send(done).is_err() {
                        return;
                    }
                }
            };
            if let Ok(thread) = std::thread::Builder::new().name("write".into()).spawn(work) {
                threads.push(thread);
            }
        }
        (!threads.is_empty()).then_some(Self {
            jobs: Some(jobs),
            batch: Vec::with_capacity(BATCH),
            done,
            heard: Vec::new().into_iter(),
            in_flight: 0,
            stop,
            threads,
        })
    }

    /// Hand over a file; waits while too many wait.
    pub fn submit(&mut self, request: Request, source: File) -> Result<()> {
        self.batch.push(Job { request, source });
        if self.batch.len() < BATCH {
            return Ok(());
        }
        self.hand_over()
    }

    fn hand_over(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(batch).map_err(|_| gone())?;
        self.in_flight += 1;
        Ok(())
    }

    /// A file that is finished, if there is one.
    pub fn finished(&mut self) -> Option<Done> {
        if let Some(done) = self.heard.next() {
            return Some(done);
        }
        self.heard = self.done.try_recv().ok()?.into_iter();
        self.in_flight -= 1;
        self.heard.next()
    }

    /// Wait for the next file to be finished; `None`: nothing is in hand.
    pub fn wait(&mut self) -> Option<Done> {
        if let Some(done) = self.heard.next() {
            return Some(done);
        }
        if let Err(error) = self.hand_over() {
            return Some((-1, Err(error)));
        }
        if self.in_flight == 0 {
            return None;
        }
        self.in_flight -= 1;
        match self.done.recv() {
            Ok(batch) => {
                self.heard = batch.into_iter();
                self.heard.next()
            }
            Err(_) => Some((-1, Err(gone()))),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
