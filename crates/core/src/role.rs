//! The parts that this side of a transfer plays, as messages name them (spec: output 3).

use std::fmt;

/// The role that reports, acts or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// The program around a transfer.
    #[default]
    Client,
    /// Lists files and sends their data.
    Sender,
    /// The receiving side before its process divides in two: while it takes the first list and finds its destination.
    EarlyReceiver,
    /// Writes files.
    Receiver,
    /// Compares entries and asks for data.
    Generator,
}

impl Role {
    /// The word between the brackets of a message. The early receiver's has a capital.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Sender => "sender",
            Self::EarlyReceiver => "Receiver",
            Self::Receiver => "receiver",
            Self::Generator => "generator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
