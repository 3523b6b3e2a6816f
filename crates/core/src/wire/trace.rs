//! The talk of both ends in words, on stderr (`--debug=IO`): who, direction, message, values.
//!
//! One line is one write, so that the lines of two processes that share stderr stay whole. It is a matter of the whole
//! process: the messages are written and read where no plan is at hand.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};

static WHO: AtomicU8 = AtomicU8::new(0);

/// Texts of messages are cut after this many bytes.
const MAX_TEXT: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
}

/// Begin to trace as this end, or stop.
pub fn set(on: bool, server: bool) {
    WHO.store(u8::from(on) + u8::from(on && server), Ordering::Relaxed);
}

/// Whether anybody wants the lines; they are not worth making otherwise.
pub fn is_on() -> bool {
    WHO.load(Ordering::Relaxed) != 0
}

/// Write a line. Whether it arrives is no concern of the transfer.
pub fn line(way: Way, text: &str) {
    let who = match WHO.load(Ordering::Relaxed) {
        0 => return,
        1 => "client",
        _ => "server",
    };
    let arrow = if way == Way::In { "<-" } else { "->" };
    let _ = std::io::stderr().write_all(format!("[{who}] {arrow} {text}\n").as_bytes());
}

/// A message: texts as texts, numbers as numbers.
pub fn message(way: Way, name: &str, payload: &[u8], is_text: bool) {
    if !is_on() {
        return;
    }
    let mut text = name.to_owned();
    if is_text || payload.len() > 8 {
        let _ = write!(text, " \"{}\"", payload[..payload.len().min(MAX_TEXT)].escape_ascii());
    } else if let Ok(value) = <[u8; 4]>::try_from(payload) {
        let _ = write!(text, " {}", i32::from_le_bytes(value));
    } else if !payload.is_empty() {
        let _ = write!(text, " \"{}\"", payload.escape_ascii());
    }
    line(way, &text);
}
