//! A transfer over a link: the roles of one side, their threads, and how they end (spec: protocol 1.1, 3.7, 6.11).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, unbounded};

use super::arrival;
use super::dest::Dest;
use super::filter::{read_operator, Filters};
use super::generator::{Feed, Generator, Output, WireOutput};
use super::local::{conclude, first_lists};
use super::metadata;
use super::receiver::Receiver;
use super::replay::Replay;
use super::sender::Sender;
use crate::error::{is_silent, Error, Result};
use crate::event::Summary;
use crate::flist::names::shown;
use crate::flist::{Decoder, FlistOptions, Tables, Vet, Vetted};
use crate::plan::{FilesFrom, Plan, StderrMode};
use crate::report::debug::debug;
use crate::report::{Level, Report};
use crate::role::Role;
use crate::rules::{BuildOptions, Requested, RuleOptions, Rules, Side, Vetting};
use crate::wire::frames::Tag;
use crate::wire::ints::NdxWriter;
use crate::wire::link::{Control, Link, Reader, Writer};
use crate::wire::trace;

/// How long a peer that was told of our end may take to close, and how much it may still send.
const FAREWELL: Duration = Duration::from_secs(5);
const FAREWELL_BYTES: usize = 1 << 30;
/// How long the lines that this server has said before may take to be written.
const SPOKEN: Duration = Duration::from_secs(5);
/// How long the peer may take to close after a good end.
const CLOSING: Duration = Duration::from_secs(2);

/// A list line is due: something is walked, or listed (spec: output 4).
pub fn worth_a_line(plan: &Plan) -> bool {
    plan.recurse || plan.dirs || plan.list_only
}

/// Be the sending side.
pub fn send(link: &mut Link, plan: &Arc<Plan>, report: &Report) -> Summary {
    let started = Instant::now();
    trace::set(plan.debug.io > 0, plan.server);
    let result = run_sender(link, plan, report);
    conclude(report, result, started)
}

/// Be the receiving side.
pub fn receive(link: &mut Link, plan: &Arc<Plan>, report: &Report) -> Summary {
    let started = Instant::now();
    let plan = &(if plan.list_only {
        Arc::new(plan.for_listing())
    } else {
        Arc::clone(plan)
    });
    trace::set(plan.debug.io > 0, plan.server);
    let result = run_receiver(link, plan, report);
    conclude(report, result, started)
}

/// Whether the end of a run with this error is told to the peer (spec: protocol 3.7).
fn is_told(plan: &Plan, error: &Error) -> bool {
    plan.protocol >= 31 && !matches!(error.code(), 0 | 10 | 12 | 19 | 30) && !matches!(error, Error::PeerExit(_))
}

/// How much an error says of why a side ends: that another role has gone says nothing, that the pipe is broken little,
/// and a stream that ends less than what was wrong in it.
fn weight(error: &Error) -> u8 {
    match error {
        Error::PeerExit(_) => 3,
        Error::Socket(_) => 1,
        other if is_silent(other) => 0,
        Error::Stream(_) => 2,
        _ => 3,
    }
}

/// The line, with its end, that says what a run ended with (spec: output 2).
fn closing(code: i32, role: Role) -> String {
    format!(
        "rsync error: {} (code {code}) at core.rs(1) [{role}=3.5.0]\n",
        crate::error::exit_text(code)
    )
}

/// A server's client ends as soon as it reads ERROR_EXIT, and then nobody passes on what stands on our standard error.
/// So the cause goes over the link, in front of it; the summary says that this was done.
fn last_words(plan: &Plan, report: &Report, writer: &Writer, error: &Error, role: Role) {
    if !plan.server || is_silent(error) || matches!(error.code(), 10 | 12 | 19 | 30) {
        return;
    }
    if !plan.daemon {
        // What this server has said on its standard error before is on its way first.
        report.wait_written(SPOKEN);
        if plan.stderr_mode == StderrMode::All {
            return;
        }
    }
    let tag = if plan.protocol < 30 { Tag::ErrorXfer } else { Tag::Error };
    let text = error.to_string();
    if !text.is_empty() {
        let _ = writer.last_msg(tag, format!("{text}\n").as_bytes());
    }
    let closing = closing(error.code(), role);
    if matches!(writer.last_msg(tag, closing.as_bytes()), Ok(true)) {
        report.stats(|s| s.told = true);
    }
}

/// Say why this side goes.
fn tell(plan: &Plan, report: &Report, writer: &Writer, error: &Error, role: Role) {
    last_words(plan, report, writer, error, role);
    // Whatever is still to be written, the end of it is what counts now.
    writer.control().set_bwlimit(0);
    if is_told(plan, error) {
        let _ = writer.last_msg(Tag::ErrorExit, &error.code().to_le_bytes());
    }
    writer.flush();
}

/// A broken pipe is only a symptom: what the peer has said last is the cause.
fn cause(reader: &mut Reader, error: Error) -> Error {
    if !matches!(error, Error::Socket(_)) {
        return error;
    }
    let end = Instant::now() + CLOSING;
    loop {
        match reader.chunk(64 * 1024) {
            Ok(_) if Instant::now() < end => {}
            Ok(_) => return error,
            Err(other @ (Error::PeerExit(_) | Error::Stream(_))) => return other,
            Err(_) => return error,
        }
    }
}

// ---- sending

fn run_sender(link: &mut Link, plan: &Arc<Plan>, report: &Report) -> Result<()> {
    report.set_role(Role::Sender);
    link.set_role(Role::Sender.name());
    report.set_cancel_flag(link.control().cancel_flag());
    let (reader, writer) = link.split()?;
    if plan.server {
        report.set_writer(writer.clone());
    }
    announce(plan, report, true);
    tell_rules(plan, report, Role::Sender);
    let mut sender = Sender::new(plan, report, reader, writer.clone(), metadata::ids_of(plan, report))
        .inspect_err(|error| tell(plan, report, &writer, error, Role::Sender))?;
    let mut result = sender.run();
    if let Err(error) = result {
        let error = cause(sender.reader(), error);
        tell(plan, report, &writer, &error, report.role());
        if is_told(plan, &error) {
            sender.reader().drain(FAREWELL, FAREWELL_BYTES);
        }
        result = Err(error);
    }
    let read = sender.reader().bytes_read();
    report.stats(|s| {
        s.sent = writer.bytes_written();
        s.received = read;
    });
    result?;
    writer.finish()?;
    if !plan.server {
        let mut reader = sender.into_reader();
        if plan.protocol < 24 {
            // There is no goodbye, so that our stream ends is all the peer may wait for (spec: protocol-old 6.4).
            let report = report.clone();
            reader.set_handler(Box::new(move |message| {
                if message.tag.is_text() {
                    report.from_peer(message.tag, &message.payload);
                }
                Ok(())
            }));
            writer.shutdown()?;
            drop(writer);
        }
        reader.drain(CLOSING, 64 * 1024);
    }
    Ok(())
}

/// The rules that a server has got, for `--debug=FILTER2`; a client has told its own while it read them.
fn tell_rules(plan: &Plan, report: &Report, role: Role) {
    if plan.server && !plan.twin {
        for rule in &plan.rules {
            debug!(report, filter >= 2; "[", role, "] add_rule(", rule, ")");
        }
    }
}

fn announce(plan: &Plan, report: &Report, sending: bool) {
    if plan.server {
        if plan.logging {
            report.line(
                Level::Log,
                if sending {
                    "building file list"
                } else {
                    "receiving file list"
                },
            );
        }
        return;
    }
    let (inc, one, log): (&[u8], &[u8], &str) = if sending {
        (
            b"sending incremental file list",
            b"building file list ... ",
            "building file list",
        )
    } else {
        (
            b"receiving incremental file list",
            b"receiving file list ... ",
            "receiving file list",
        )
    };
    if plan.info.flist > 0 && worth_a_line(plan) {
        if plan.inc_recurse {
            report.client_line(inc);
        } else {
            report.partial(one);
        }
    }
    if plan.logging {
        report.line(Level::Log, log);
    }
}

// ---- receiving

/// The checks on names from a remote sender (spec: filters 9).
struct NameCheck {
    vetting: Vetting,
}

impl Vet for NameCheck {
    fn vet(&mut self, name: &[u8], is_dir: bool) -> Result<Vetted> {
        if let Some(why) = self.vetting.refuses(name, is_dir) {
            return Err(Error::Unsupported(format!(
                "ERROR: rejecting {why} file-list name: {}",
                shown(name)
            )));
        }
        let parent = self
            .vetting
            .requested
            .as_ref()
            .is_some_and(|r| is_dir && !r.allows(name, false));
        Ok(if parent { Vetted::AsParent } else { Vetted::Accept })
    }
}

fn name_check(plan: &Plan) -> Result<Option<NameCheck>> {
    if plan.server || plan.local || plan.trust_sender || plan.read_batch {
        return Ok(None);
    }
    let requested = (!plan.requested.is_empty()).then(|| Requested::new(&plan.requested, plan.relative));
    let mut read = |name: &[u8]| read_operator(name, &plan.cwd, plan.insecure_links);
    let options = RuleOptions {
        side: Some(Side::Sender),
        delete_excluded: plan.delete_excluded,
        root: b"/".to_vec(),
        build: BuildOptions {
            role: Role::EarlyReceiver.name().into(),
            from0: plan.from0,
            protocol: plan.protocol,
            ..BuildOptions::default()
        },
    };
    let rules = Rules::new(&plan.rules, options, &mut read)?;
    let rules = (!rules.has_merge() && !rules.is_empty()).then_some(rules);
    if requested.is_none() && rules.is_none() {
        return Ok(None);
    }
    Ok(Some(NameCheck {
        vetting: Vetting { requested, rules },
    }))
}

fn decoder(plan: &Plan, report: &Report) -> Result<Decoder> {
    let mut decoder = Decoder::new(
        FlistOptions::from_plan(plan)?,
        Tables::default(),
        metadata::id_map(plan, report, metadata::ids_of(plan, report))?,
    );
    if let Some(check) = name_check(plan)? {
        decoder.set_vet(Box::new(check));
    }
    Ok(decoder)
}

/// The end of a receiving side, which two roles may bring about: the first cause is told, once.
struct Ending<'a> {
    plan: &'a Plan,
    report: &'a Report,
    writer: Writer,
    first: Mutex<Option<(Error, Role)>>,
    /// What had been read when the generator began.
    read_at_split: AtomicU64,
}

impl Ending<'_> {
    fn lock(&self) -> MutexGuard<'_, Option<(Error, Role)>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `error` has ended `role`.
    fn declare(&self, error: &Error, role: Role) {
        let mut first = self.lock();
        if matches!(&*first, Some((known, _)) if weight(known) >= weight(error)) {
            return;
        }
        *first = Some((error.clone(), role));
        drop(first);
        if weight(error) > 1 {
            tell(self.plan, self.report, &self.writer, error, role);
        }
    }

    /// The peer has been told and is waited for.
    fn is_told(&self) -> bool {
        self.lock().as_ref().is_some_and(|(error, _)| is_told(self.plan, error))
    }

    fn take(&self) -> Option<(Error, Role)> {
        self.lock().take().map(|(error, role)| self.heard_of(error, role))
    }

    /// A generator hears of a broken stream by its receiver's end only, and tells that as a connection that was closed
    /// to it. A server's receiver has nobody to tell what it knew (observed; spec: protocol 3.7).
    fn heard_of(&self, error: Error, role: Role) -> (Error, Role) {
        if role != Role::Receiver || is_silent(&error) || !matches!(error, Error::Stream(_) | Error::Socket(_)) {
            return (error, role);
        }
        let known = if self.plan.server {
            String::new()
        } else {
            format!("{error}\n{}", closing(error.code(), role))
        };
        let bytes = self.read_at_split.load(Ordering::Relaxed);
        let heard = format!("rsync: connection unexpectedly closed ({bytes} bytes received so far) [generator]");
        (Error::Stream(known + &heard), Role::Generator)
    }
}

fn run_receiver(link: &mut Link, plan: &Arc<Plan>, report: &Report) -> Result<()> {
    report.set_role(Role::EarlyReceiver);
    link.set_role(Role::EarlyReceiver.name());
    let control = link.control();
    control.set_keep_alive(false);
    report.set_cancel_flag(control.cancel_flag());
    let (mut reader, writer) = link.split()?;
    let record = super::outlet::record_of(plan, Role::Receiver)?;
    if let Some(record) = &record {
        reader.set_record(Arc::clone(record));
    }
    let replay = plan.read_batch.then(Arc::<Replay>::default);
    if plan.server {
        report.set_writer(writer.clone());
    }
    announce(plan, report, false);
    let (feed, heard) = unbounded();
    let (dest_outbox, dest_inbox) = bounded(1);
    let stop = Arc::new(AtomicBool::new(false));
    let ending = Ending {
        plan,
        report,
        writer: writer.clone(),
        first: Mutex::default(),
        read_at_split: AtomicU64::new(0),
    };
    if plan.server {
        debug!(report, recv >= 1; "server_recv(2) starting pid=", plan.pid);
    }
    tell_rules(plan, report, Role::EarlyReceiver);
    let decoder = decoder(plan, report).inspect_err(|error| {
        // Nothing runs yet that could do it, and the peer's user has chosen the words that make no sense.
        tell(plan, report, &writer, error, Role::EarlyReceiver);
        if is_told(plan, error) {
            reader.drain(FAREWELL, FAREWELL_BYTES);
        }
    })?;
    let tables = decoder.tables().clone();
    let mut receiver = Receiver::new(
        plan,
        report,
        reader,
        writer.clone(),
        decoder,
        feed.clone(),
        dest_inbox,
        Arc::clone(&stop),
        replay.clone(),
    )?;
    let (over, ended) = bounded::<()>(0);
    let result = std::thread::scope(|scope| {
        let (ending, stopped) = (&ending, Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("receiver".into())
            .spawn_scoped(scope, move || {
                // Dropped at the end of the thread, which whoever waits notices.
                let _over = over;
                receive_all(&mut receiver, ending, &stopped, &feed);
            });
        if let Err(error) = thread {
            return Err(Error::Ipc(format!("cannot start a thread: {error}")));
        }
        let wait = |time| {
            let _ = ended.recv_timeout(time);
            control.cancel();
        };
        let generated = generate(
            plan,
            report,
            &writer,
            &control,
            heard,
            &dest_outbox,
            tables,
            replay.clone(),
        );
        if let Some(replay) = &replay {
            replay.set_over();
        }
        match generated {
            Ok(()) => {
                let finished = writer.finish();
                stop.store(true, Ordering::Relaxed);
                wait(CLOSING);
                finished
            }
            Err(error) => {
                let role = report.role();
                if matches!(error, Error::Socket(_)) {
                    // The receiver may yet read why.
                    let _ = ended.recv_timeout(CLOSING);
                }
                ending.declare(&error, role);
                drop(dest_outbox);
                writer.flush();
                stop.store(true, Ordering::Relaxed);
                wait(FAREWELL);
                Ok(())
            }
        }
    });
    report.stats(|s| {
        if plan.server || s.sent == 0 {
            s.sent = writer.bytes_written();
        }
    });
    match ending.take() {
        Some((error, role)) => {
            report.set_role(role);
            Err(error)
        }
        None => result.and_then(|()| record.map_or(Ok(()), |record| record.finish())),
    }
}

/// The receiver's thread.
fn receive_all(
    receiver: &mut Receiver,
    ending: &Ending<'_>,
    stop: &AtomicBool,
    feed: &crossbeam_channel::Sender<Feed>,
) {
    let (plan, report) = (ending.plan, ending.report);
    match receiver.run() {
        Ok(_) => {
            let read = receiver.reader().bytes_read();
            report.stats(|s| {
                if plan.server || s.received == 0 {
                    s.received = read;
                }
            });
            if !plan.server {
                // Messages may still come until the server has gone, but no more data.
                while matches!(receiver.reader().at_eof(), Ok(false)) {
                    if plan.protocol >= 30 && !plan.read_batch {
                        let error = Error::Stream("Invalid packet at end of run [receiver]".into());
                        ending.declare(&error, Role::Receiver);
                    }
                    if receiver.reader().chunk(4096).is_err() {
                        break;
                    }
                }
            }
        }
        Err(error) => {
            let role = if report.role() == Role::EarlyReceiver {
                Role::EarlyReceiver
            } else {
                Role::Receiver
            };
            ending.read_at_split.store(receiver.read_at_split, Ordering::Relaxed);
            if !stop.load(Ordering::Relaxed) {
                ending.declare(&error, role);
            }
            let _ = feed.send(Feed::Failed(error));
            if ending.is_told() || stop.load(Ordering::Relaxed) {
                receiver.reader().drain(FAREWELL, FAREWELL_BYTES);
            }
        }
    }
}

/// The generator's part, from the first list on.
fn generate(
    plan: &Arc<Plan>,
    report: &Report,
    writer: &Writer,
    control: &Control,
    heard: crossbeam_channel::Receiver<Feed>,
    dest_outbox: &crossbeam_channel::Sender<Dest>,
    tables: Tables,
    replay: Option<Arc<Replay>>,
) -> Result<()> {
    if plan.files_from == FilesFrom::Forward {
        super::files_from::forward(writer, plan)?;
    }
    let feeds = first_lists(&heard, report, plan.inc_recurse)?;
    if plan.info.flist > 0 && !plan.inc_recurse && worth_a_line(plan) {
        let count = match feeds.first() {
            Some(Feed::List(list)) => list.len(),
            _ => 0,
        };
        report.list_done(count);
    }
    if !plan.server && matches!(feeds.first(), Some(Feed::List(list)) if list.is_empty()) {
        return Ok(());
    }
    let mut dest = arrival::settle(plan, report, &feeds)?;
    dest.metadata.set_tables(tables);
    dest.metadata.read_rules(dest.root.path())?;
    report.set_role(Role::Generator);
    control.set_role(Role::Receiver.name());
    // The receiver waits for it.
    let _ = dest_outbox.send(dest.clone());
    let filters = Filters::receiver(plan, dest.root.path())?;
    let wire = WireOutput {
        writer: writer.clone(),
        ndx: NdxWriter::new(plan.protocol),
        buffer: Vec::new(),
        replay,
    };
    let mut generator = Generator::new(dest, heard, Output::Wire(wire), filters);
    generator.run(feeds)
}
