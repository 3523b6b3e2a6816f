//! A transfer over a link: the roles of one side, their threads, and how they end (spec: protocol 1.1, 3.7, 6.11).

mod ending;
mod pair;
mod requests;
mod vetting;

use std::sync::Arc;
use std::time::Instant;

use super::local::conclude;
use super::metadata;
pub use super::scan::Listings;
use super::sender::Sender;
use super::text::listing;
use crate::error::Result;
use crate::event::Summary;
use crate::plan::Plan;
use crate::report::debug::debug;
use crate::report::Report;
use crate::role::Role;
use crate::wire::link::Link;
use crate::wire::trace::{Sink, Tracer};
use ending::{announce_end, find_cause, is_announced, CLOSING, FAREWELL, FAREWELL_BYTES, UNANNOUNCED};

/// Trace the messages of this run if the plan says so (`--debug=IO`), as long as the sink lives that is returned.
fn trace(link: &Link, plan: &Plan, report: &Report) -> Option<Arc<Sink>> {
    (plan.output.debug.io > 0).then(|| {
        let report = report.clone();
        let sink: Arc<Sink> = Arc::new(move |line| report.trace(line));
        let who = if plan.place.is_server() { "server" } else { "client" };
        link.control().set_tracer(Tracer::new(who, &sink));
        sink
    })
}

/// Be the sending side. `listings`: directories of the plan's view that are taken from memory where the request allows it.
pub fn send(link: &mut Link, plan: &Arc<Plan>, report: &Report, listings: Option<&Arc<Listings>>) -> Summary {
    let started = Instant::now();
    let _sink = trace(link, plan, report);
    let result = run_sender(link, plan, report, listings);
    conclude(report, result, started)
}

/// Be the receiving side.
pub fn receive(link: &mut Link, plan: &Arc<Plan>, report: &Report) -> Summary {
    let started = Instant::now();
    let plan = &(if plan.select.list_only {
        Arc::new(plan.for_listing())
    } else {
        Arc::clone(plan)
    });
    let _sink = trace(link, plan, report);
    let result = pair::run_receiver(link, plan, report);
    conclude(report, result, started)
}

fn run_sender(link: &mut Link, plan: &Arc<Plan>, report: &Report, listings: Option<&Arc<Listings>>) -> Result<()> {
    report.set_role(Role::Sender);
    link.control().set_role(Role::Sender.name());
    report.set_cancel_flag(link.control().cancel_flag());
    report.connect(&link.control());
    // A daemon has many clients, and threads of each cost more than they gain.
    let (reader, writer) = if plan.place.is_daemon() {
        link.split_lean()?
    } else {
        link.split()?
    };
    if plan.place.is_server() {
        report.set_writer(writer.clone());
    }
    listing::announce(plan, report, Role::Sender);
    report_rules(plan, report, Role::Sender);
    let ids = metadata::ids_of(plan, report);
    let mut sender = Sender::new(plan, report, reader, writer.clone(), ids, listings)
        .inspect_err(|error| announce_end(plan, report, &writer, error, Role::Sender))?;
    let mut result = sender.run();
    if let Err(error) = result {
        let error = find_cause(sender.reader(), error);
        announce_end(plan, report, &writer, &error, Role::Sender);
        // A peer that is writing requests would see a broken pipe instead of the end of our stream.
        let farewell = if is_announced(plan, &error, Role::Sender) {
            FAREWELL
        } else {
            UNANNOUNCED
        };
        sender.reader().drain(farewell, FAREWELL_BYTES);
        result = Err(error);
    }
    let read = sender.reader().bytes_read();
    report.stats(|s| {
        s.sent = writer.bytes_written();
        s.received = read;
    });
    result?;
    writer.finish()?;
    if !plan.place.is_server() {
        let mut reader = sender.into_reader();
        if plan.agreed.protocol < 24 {
            // There is no goodbye: the peer may wait for the end of our stream (spec: protocol-old 6.4).
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

/// Report the rules that a server received, for `--debug=FILTER2`. A client has reported its own while it read them.
fn report_rules(plan: &Plan, report: &Report, role: Role) {
    if plan.place.is_server() && !plan.place.twin {
        for rule in &plan.select.rules {
            debug!(report, filter >= 2; "[", role, "] add_rule(", rule, ")");
        }
    }
}
