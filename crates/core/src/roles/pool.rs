//! Workers for small jobs that a role hands over while it goes on.
//!
//! The role reports what it has to before it hands a job over, so the order of lines stays the role's. An error that
//! ends the run comes out of [`Pool::finished`] or [`Pool::wait`].

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{bounded, unbounded, Receiver, Sender};

use crate::error::{Error, Result};
use crate::plan::{Debug, DeleteWhen, Plan};

/// Small files that are written before workers are started: most runs have no more.
pub(super) const FIRST: usize = 16;
/// Jobs that are handed over together: to wake a thread costs as much as to write a small file.
const BATCH: usize = 32;
/// Batches that wait for a worker.
const WAITING: usize = 2;
/// More workers than this wait for one another in the kernel.
const MOST: usize = 4;
/// Each job may hold a file open: with fewer descriptors than this there are no workers.
const DESCRIPTORS: u64 = 768;

fn gone() -> Error {
    Error::Ipc("the threads that write files have ended".into())
}

/// Workers that turn jobs into results. Dropping the pool ends them: waiting jobs are left out, running jobs finish.
pub(super) struct Pool<J, T> {
    jobs: Option<Sender<Vec<J>>>,
    batch: Vec<J>,
    results: Receiver<Vec<Result<T>>>,
    received: std::vec::IntoIter<Result<T>>,
    /// Batches that the workers have.
    in_flight: usize,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Whether files of this run may be put in place in any order and in parallel to the generator: nothing that it does
/// later depends on a file being in place before the file is reported as finished, and nothing is shown meanwhile.
pub(super) fn may_work(plan: &Plan) -> bool {
    let plain = !(plan.select.dry_run || plan.write.inplace || plan.write.append > 0 || plan.write.write_devices);
    let independent = !(plan.attrs.hard_links
        || plan.removal.remove_source_files
        || plan.removal.remove_sent_files
        || plan.write.delay_updates
        || plan.write.partial_dir.is_some()
        || plan.write.backup
        || plan.select.fuzzy > 0
        || plan.write.sparse
        || plan.write.preallocate);
    // With names from several places a directory may be cleaned after the first of its files was asked for.
    let ordered = plan.removal.delete == DeleteWhen::Never || !plan.select.relative;
    let silent = plan.output.progress == 0 && plan.output.verbose < 3 && plan.output.debug == Debug::default();
    plain && independent && ordered && silent
}

/// How many workers are worth starting here; 0 on a machine with one processor.
pub(super) fn size() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if limit.current.is_some_and(|n| n < DESCRIPTORS) {
        return 0;
    }
    match std::thread::available_parallelism().map_or(1, usize::from) {
        1 => 0,
        n => n.min(MOST),
    }
}

impl<J: Send + 'static, T: Send + 'static> Pool<J, T> {
    /// Start the workers, each with a function of its own; `None` when no thread can be started.
    pub(super) fn start<W: FnMut(J) -> Result<T> + Send + 'static>(mut worker: impl FnMut() -> W) -> Option<Self> {
        let (jobs, inbox) = bounded::<Vec<J>>(WAITING);
        let (outbox, results) = unbounded();
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for _ in 0..size() {
            let (inbox, outbox, stop) = (inbox.clone(), outbox.clone(), Arc::clone(&stop));
            let mut work = worker();
            let run = move || {
                for batch in inbox {
                    let mut done = Vec::with_capacity(batch.len());
                    for job in batch {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        done.push(
                            catch_unwind(AssertUnwindSafe(|| work(job)))
                                .unwrap_or_else(|_| Err(Error::Ipc("a thread that writes files has failed".into()))),
                        );
                    }
                    if outbox.send(done).is_err() {
                        return;
                    }
                }
            };
            if let Ok(thread) = std::thread::Builder::new().name("write".into()).spawn(run) {
                threads.push(thread);
            }
        }
        (!threads.is_empty()).then_some(Self {
            jobs: Some(jobs),
            batch: Vec::with_capacity(BATCH),
            results,
            received: Vec::new().into_iter(),
            in_flight: 0,
            stop,
            threads,
        })
    }

    /// Hand over a job; waits while too many wait.
    pub(super) fn submit(&mut self, job: J) -> Result<()> {
        self.batch.push(job);
        if self.batch.len() < BATCH {
            return Ok(());
        }
        self.hand_over()
    }

    /// Hand over the jobs that wait for others to be handed over with.
    pub(super) fn hand_over(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(batch).map_err(|_| gone())?;
        self.in_flight += 1;
        Ok(())
    }

    /// Whether jobs wait to be handed over.
    pub(super) fn collects(&self) -> bool {
        !self.batch.is_empty()
    }

    /// A result, if there is one.
    pub(super) fn finished(&mut self) -> Option<Result<T>> {
        if let Some(result) = self.received.next() {
            return Some(result);
        }
        self.received = self.results.try_recv().ok()?.into_iter();
        self.in_flight -= 1;
        self.received.next()
    }

    /// Wait for the next result; `None` when no job is left.
    pub(super) fn wait(&mut self) -> Option<Result<T>> {
        if let Some(result) = self.received.next() {
            return Some(result);
        }
        if let Err(error) = self.hand_over() {
            return Some(Err(error));
        }
        if self.in_flight == 0 {
            return None;
        }
        self.in_flight -= 1;
        match self.results.recv() {
            Ok(batch) => {
                self.received = batch.into_iter();
                self.received.next()
            }
            Err(_) => Some(Err(gone())),
        }
    }
}

impl<J, T> Drop for Pool<J, T> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // Results come through the channel; a worker has nothing else to report.
            let _ = thread.join();
        }
    }
}
