//! How a side of a link ends: what it sends to the peer, and which error is the cause (spec: protocol 3.7).

use std::time::{Duration, Instant};

use crate::error::{exit_text, Error};
use crate::plan::{Plan, StderrMode};
use crate::report::Report;
use crate::role::Role;
use crate::wire::frames::Tag;
use crate::wire::link::{Reader, Writer};

/// How long a peer that knows of our end may take to close, and how much it may still send.
pub(super) const FAREWELL: Duration = Duration::from_secs(5);
pub(super) const FAREWELL_BYTES: usize = 1 << 30;
/// How long the earlier lines of this server may take to be written.
const WRITTEN: Duration = Duration::from_secs(5);
/// How long the peer may take to close after a good end.
pub(super) const CLOSING: Duration = Duration::from_secs(2);

/// How long a sender that ends without ERROR_EXIT goes on reading.
pub(super) const UNANNOUNCED: Duration = Duration::from_millis(100);

/// Whether a side that ends with this error sends ERROR_EXIT (spec: protocol 3.7). A sender at the end of a remote shell
/// closes the stream instead, and its client ends with 12 (observed).
pub(super) fn is_announced(plan: &Plan, error: &Error, role: Role) -> bool {
    plan.agreed.protocol >= 31
        && !is_behind_shell(plan, role)
        && !matches!(error.code(), 0 | 10 | 12 | 19 | 30)
        && !matches!(error, Error::PeerExit(_))
}

/// A sender that a remote shell has started.
fn is_behind_shell(plan: &Plan, role: Role) -> bool {
    role == Role::Sender && plan.place.is_server() && !plan.place.is_daemon()
}

/// How much an error says about the cause. The end of another role says nothing, a broken pipe little, and a stream
/// that ends less than a fault inside it.
pub(super) fn weight(error: &Error) -> u8 {
    match error {
        Error::Ended(_) => 0,
        Error::Socket(_) => 1,
        Error::Stream(_) => 2,
        _ => 3,
    }
}

/// The closing line (spec: output 2).
pub(super) fn closing_line(code: i32, role: Role) -> String {
    format!(
        "rsync error: {} (code {code}) at core.rs(1) [{role}=3.5.0]\n",
        exit_text(code)
    )
}

/// Send the cause and the closing line to the client of this server. The client ends as soon as it reads ERROR_EXIT, and
/// from then on nobody forwards our standard error; so the lines go over the link, in front of ERROR_EXIT.
fn send_cause(plan: &Plan, report: &Report, writer: &Writer, error: &Error, role: Role) {
    if !plan.place.is_server() || error.is_silent() || matches!(error.code(), 10 | 12 | 19 | 30) {
        return;
    }
    if !plan.place.is_daemon() {
        // Earlier lines on this server's standard error go first.
        report.wait_written(WRITTEN);
        if plan.output.stderr_mode == StderrMode::All {
            return;
        }
    }
    let tag = if plan.agreed.protocol < 30 {
        Tag::ErrorXfer
    } else {
        Tag::Error
    };
    let text = error.to_string();
    if !text.is_empty() {
        // This side ends with `error` whether or not the peer still reads it; so in `announce_end`.
        let _ = writer.last_msg(tag, format!("{text}\n").as_bytes());
    }
    let closing = closing_line(error.code(), role);
    if matches!(writer.last_msg(tag, closing.as_bytes()), Ok(true)) {
        report.stats(|s| s.reported = true);
    }
}

/// Send to the peer why this side ends.
pub(super) fn announce_end(plan: &Plan, report: &Report, writer: &Writer, error: &Error, role: Role) {
    if is_behind_shell(plan, role) {
        // The cause goes to our standard error, which the remote shell forwards, and the list in work is not sent.
        writer.discard();
        return;
    }
    send_cause(plan, report, writer, error, role);
    // The end must not wait for a limit on the bandwidth of what is left in the queue.
    writer.control().set_bwlimit(0);
    if is_announced(plan, error, role) {
        let _ = writer.last_msg(Tag::ErrorExit, &error.code().to_le_bytes());
    }
    writer.flush();
}

/// The cause of an error of the link: a broken pipe is only a symptom of what the peer sent last.
pub(super) fn find_cause(reader: &mut Reader, error: Error) -> Error {
    if !matches!(error, Error::Socket(_)) {
        return error;
    }
    let end = Instant::now() + CLOSING;
    loop {
        match reader.chunk(64 * 1024) {
            Ok(_) if Instant::now() < end => {}
            Ok(_) => return error,
            Err(other @ (Error::PeerExit(_) | Error::Ended(_) | Error::Stream(_))) => return other,
            Err(_) => return error,
        }
    }
}
