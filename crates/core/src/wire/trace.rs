//! The messages of both ends in words (`--debug=IO`): who, direction, message, values.
//!
//! A [`Tracer`] belongs to a connection and hands each line to the sink of the run. A side without one makes no lines.

use std::fmt::Write as _;
use std::sync::{Arc, Weak};

/// Texts of messages are cut after this many bytes.
const MAX_TEXT: usize = 200;

/// Takes the lines, each with its newline.
pub(crate) type Sink = dyn Fn(&str) + Send + Sync;

/// The direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    In,
    Out,
}

/// Makes the lines of one end. It does not keep the sink alive: the sink may hold the connection.
#[derive(Clone)]
pub struct Tracer {
    who: &'static str,
    sink: Weak<Sink>,
}

impl Tracer {
    /// `who` is `client` or `server`.
    pub(crate) fn new(who: &'static str, sink: &Arc<Sink>) -> Self {
        Self {
            who,
            sink: Arc::downgrade(sink),
        }
    }

    /// Hands on a line.
    pub(crate) fn line(&self, way: Way, text: &str) {
        if let Some(sink) = self.sink.upgrade() {
            let arrow = if way == Way::In { "<-" } else { "->" };
            sink(&format!("[{}] {arrow} {text}\n", self.who));
        }
    }

    /// A message: texts as texts, numbers as numbers.
    pub(crate) fn message(&self, way: Way, name: &str, payload: &[u8], is_text: bool) {
        let mut text = name.to_owned();
        if is_text || payload.len() > 8 {
            let _ = write!(text, " \"{}\"", payload[..payload.len().min(MAX_TEXT)].escape_ascii());
        } else if let Ok(value) = <[u8; 4]>::try_from(payload) {
            let _ = write!(text, " {}", i32::from_le_bytes(value));
        } else if !payload.is_empty() {
            let _ = write!(text, " \"{}\"", payload.escape_ascii());
        }
        self.line(way, &text);
    }
}
