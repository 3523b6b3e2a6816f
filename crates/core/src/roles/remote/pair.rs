//! The receiving side of a link: two roles that end together (spec: protocol 1.1, 3.7, 6.11).
//!
//! ```text
//!   link -> receiver (a thread of its own) -- Feed --> generator (the caller's thread) -> link
//!                                          <-- Dest --
//! ```
//!
//! The pair is *running* until one role fails. The error that says most about the cause is kept, and announced to the
//! peer once. Then the other role is stopped, and the pair is over when the receiver's thread has ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{bounded, unbounded, Receiver as Inbox, Sender as Outbox};

use super::ending::{announce_end, closing_line, is_announced, weight, CLOSING, FAREWELL, FAREWELL_BYTES};
use super::report_rules;
use super::requests::WireRequests;
use super::vetting::decoder;
use crate::error::{bail, Error, Result};
use crate::flist::Tables;
use crate::plan::{FilesFrom, Plan};
use crate::report::debug::debug;
use crate::report::Report;
use crate::role::Role;
use crate::roles::dest::Dest;
use crate::roles::filter::Filters;
use crate::roles::generator::{destination, held, Generator};
use crate::roles::receiver::{Receiver, Setup};
use crate::roles::replay::Replay;
use crate::roles::sender::{forward_names, record_of};
use crate::roles::text::listing;
use crate::roles::words::inbox::{first_lists, Feed};
use crate::wire::link::{Control, Link, Writer};

enum State {
    Running,
    Failed { error: Error, role: Role },
}

/// Receiver and generator, and how they end.
struct Pair<'a> {
    plan: &'a Arc<Plan>,
    report: &'a Report,
    writer: Writer,
    control: Control,
    /// The stream is a batch, so no sender answers requests.
    replay: Option<Arc<Replay>>,
    state: Mutex<State>,
    /// The receiver is to end at its next step.
    stop: Arc<AtomicBool>,
    /// Bytes that the receiver had read when the generator began.
    read_at_split: AtomicU64,
}

/// What goes between the roles, as the generator's thread sees it.
struct Channels {
    feed: Outbox<Feed>,
    inbox: Inbox<Feed>,
    dest: Outbox<Dest>,
    tables: Tables,
}

pub(super) fn run_receiver(link: &mut Link, plan: &Arc<Plan>, report: &Report) -> Result<()> {
    report.set_role(Role::EarlyReceiver);
    let control = link.control();
    control.set_role(Role::EarlyReceiver.name());
    control.set_keep_alive(false);
    report.set_cancel_flag(control.cancel_flag());
    report.connect(&link.control());
    let (mut reader, writer) = link.split()?;
    let record = record_of(plan, Role::Receiver)?;
    if let Some(record) = &record {
        reader.set_record(Arc::clone(record));
    }
    if plan.place.is_server() {
        report.set_writer(writer.clone());
    }
    listing::announce(plan, report, Role::EarlyReceiver);
    if plan.place.is_server() {
        debug!(report, recv >= 1; "server_recv(2) starting pid=", plan.place.pid);
    }
    report_rules(plan, report, Role::EarlyReceiver);
    let decoder = decoder(plan, report).inspect_err(|error| {
        // The peer's user chose the words that make no sense, and no role runs yet that could report them.
        announce_end(plan, report, &writer, error, Role::EarlyReceiver);
        if is_announced(plan, error, Role::EarlyReceiver) {
            reader.drain(FAREWELL, FAREWELL_BYTES);
        }
    })?;
    let pair = Pair {
        plan,
        report,
        writer,
        control,
        replay: plan.agreed.read_batch.then(Arc::<Replay>::default),
        state: Mutex::new(State::Running),
        stop: Arc::new(AtomicBool::new(false)),
        read_at_split: AtomicU64::new(0),
    };
    let ((feed, inbox), (dest, dest_inbox)) = (unbounded(), bounded(1));
    let channels = Channels {
        feed,
        inbox,
        dest,
        tables: decoder.tables().clone(),
    };
    let setup = Setup {
        reader,
        writer: pair.writer.clone(),
        decoder,
        feed: channels.feed.clone(),
        dest_inbox,
        stop: Arc::clone(&pair.stop),
        replay: pair.replay.clone(),
    };
    let receiver = Receiver::new(plan, report, setup)?;
    let result = pair.run(receiver, channels);
    report.stats(|s| {
        if plan.place.is_server() || s.sent == 0 {
            s.sent = pair.writer.bytes_written();
        }
    });
    match pair.into_failure() {
        Some((error, role)) => {
            report.set_role(role);
            Err(error)
        }
        None => result.and_then(|()| record.map_or(Ok(()), |record| record.finish())),
    }
}

impl Pair<'_> {
    /// Run both roles until both have ended. Errors of a role are kept in the state.
    fn run(&self, mut receiver: Receiver, channels: Channels) -> Result<()> {
        // Nothing is sent here: the channel closes when the receiver's thread ends.
        let (running, over) = bounded::<()>(0);
        let Channels {
            feed,
            inbox,
            dest,
            tables,
        } = channels;
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name("receiver".into())
                .spawn_scoped(scope, move || {
                    let _running = running;
                    self.receive_all(&mut receiver, &feed);
                });
            if let Err(error) = thread {
                bail!(Ipc; "cannot start a thread: {error}");
            }
            let generated = self.generate(inbox, &dest, tables);
            if let Some(replay) = &self.replay {
                replay.set_over();
            }
            self.end(generated, dest, &over)
        })
    }

    /// The generator has ended: bring the receiver to its end.
    fn end(&self, generated: Result<()>, dest: Outbox<Dest>, over: &Inbox<()>) -> Result<()> {
        let Err(error) = generated else {
            let finished = self.writer.finish();
            self.stop_receiver(over, CLOSING);
            return finished;
        };
        let role = self.report.role();
        if matches!(error, Error::Socket(_)) {
            // The receiver may yet read why.
            let _ = over.recv_timeout(CLOSING);
        }
        self.fail(&error, role);
        drop(dest);
        self.writer.flush();
        self.stop_receiver(over, FAREWELL);
        Ok(())
    }

    fn stop_receiver(&self, over: &Inbox<()>, patience: Duration) {
        self.stop.store(true, Ordering::Relaxed);
        // A receiver that does not end in time is cancelled.
        let _ = over.recv_timeout(patience);
        self.control.cancel();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `role` has failed with `error`. The pair keeps the error that says most about the cause, and announces it.
    fn fail(&self, error: &Error, role: Role) {
        let mut state = self.state();
        if matches!(&*state, State::Failed { error: known, .. } if weight(known) >= weight(error)) {
            return;
        }
        *state = State::Failed {
            error: error.clone(),
            role,
        };
        drop(state);
        if weight(error) > 1 {
            announce_end(self.plan, self.report, &self.writer, error, role);
        }
    }

    /// The peer knows of our end, and the side waits for the peer to close.
    fn is_announced(&self) -> bool {
        matches!(&*self.state(), State::Failed { error, role } if is_announced(self.plan, error, *role))
    }

    /// The error that the side ends with, and the role that its closing line names.
    ///
    /// In rsync the generator notices a broken stream only by the end of its receiver, and reports that as a closed
    /// connection. A client's receiver has reported the error itself before; a server's receiver cannot (observed; spec:
    /// protocol 3.7).
    fn into_failure(self) -> Option<(Error, Role)> {
        let State::Failed { error, role } = self.state.into_inner().unwrap_or_else(PoisonError::into_inner) else {
            return None;
        };
        if role != Role::Receiver || !matches!(error, Error::Stream(_) | Error::Socket(_)) {
            return Some((error, role));
        }
        let reported = if self.plan.place.is_server() {
            String::new()
        } else {
            format!("{error}\n{}", closing_line(error.code(), role))
        };
        let bytes = self.read_at_split.load(Ordering::Relaxed);
        let noticed = format!("rsync: connection unexpectedly closed ({bytes} bytes received so far) [generator]");
        Some((Error::Stream(reported + &noticed), Role::Generator))
    }

    /// The receiver's thread.
    fn receive_all(&self, receiver: &mut Receiver, feed: &Outbox<Feed>) {
        let (plan, report) = (self.plan, self.report);
        let Err(error) = receiver.run() else {
            let read = receiver.reader().bytes_read();
            report.stats(|s| {
                if plan.place.is_server() || s.received == 0 {
                    s.received = read;
                }
            });
            if !plan.place.is_server() {
                self.read_last_messages(receiver);
            }
            return;
        };
        let role = if report.role() == Role::EarlyReceiver {
            Role::EarlyReceiver
        } else {
            Role::Receiver
        };
        self.read_at_split.store(receiver.read_at_split, Ordering::Relaxed);
        if !self.stop.load(Ordering::Relaxed) {
            self.fail(&error, role);
        }
        // The generator may have ended already.
        let _ = feed.send(Feed::Failed(error));
        if self.is_announced() || self.stop.load(Ordering::Relaxed) {
            receiver.reader().drain(FAREWELL, FAREWELL_BYTES);
        }
    }

    /// Until the server has gone messages may still come, but no more data.
    fn read_last_messages(&self, receiver: &mut Receiver) {
        while matches!(receiver.reader().at_eof(), Ok(false)) {
            if self.plan.agreed.protocol >= 30 && !self.plan.agreed.read_batch {
                let error = Error::Stream("Invalid packet at end of run [receiver]".into());
                self.fail(&error, Role::Receiver);
            }
            if receiver.reader().chunk(4096).is_err() {
                break;
            }
        }
    }

    /// The generator's part, from the first list on.
    fn generate(&self, inbox: Inbox<Feed>, dest_outbox: &Outbox<Dest>, tables: Tables) -> Result<()> {
        let (plan, report) = (self.plan, self.report);
        if plan.select.files_from == FilesFrom::Forward {
            forward_names(&self.writer, plan)?;
        }
        let mut feeds = first_lists(&inbox, report, plan.agreed.inc_recurse)?;
        // What failed in the first list, like a question to a name converter, failed before there is a generator.
        report.check()?;
        if !plan.place.is_server() && matches!(feeds.first(), Some(Feed::List(list)) if list.is_empty()) {
            return Ok(());
        }
        held::hold(plan, report, &mut feeds, |dest| {
            dest.metadata.set_tables(tables.clone());
            dest.metadata.read_rules(dest.root.path())
        })?;
        let mut dest = destination::resolve(plan, report, &feeds)?;
        dest.metadata.set_tables(tables);
        dest.metadata.read_rules(dest.root.path())?;
        report.set_role(Role::Generator);
        self.control.set_role(Role::Receiver.name());
        // The receiver waits for it.
        let _ = dest_outbox.send(dest.clone());
        let filters = Filters::receiver(plan, dest.root.path())?;
        let requests = WireRequests::new(self.writer.clone(), plan.agreed.protocol, self.replay.clone());
        let mut generator = Generator::new(dest, inbox, Box::new(requests), filters);
        generator.run(feeds)
    }
}
