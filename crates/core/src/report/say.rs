//! Lines put together from parts: texts, names as bytes, numbers (spec: output 3, 4).

use crate::role::Role;

/// A part of a line.
pub trait Piece {
    /// Append the text of this part.
    fn put(&self, out: &mut Vec<u8>);
}

macro_rules! displayed {
    ($($type:ty)*) => {
        $(impl Piece for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.to_string().as_bytes());
            }
        })*
    };
}
displayed! { u8 i32 u32 i64 u64 usize Role }

macro_rules! bytes {
    ($($type:ty)*) => {
        $(impl Piece for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_ref());
            }
        })*
    };
}
bytes! { [u8] Vec<u8> std::borrow::Cow<'_, [u8]> }

impl Piece for str {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_bytes().put(out);
    }
}

impl Piece for String {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_bytes().put(out);
    }
}

impl<P: Piece + ?Sized> Piece for &P {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }
}

/// `report.info(text!["deleting ", name])`: the parts as one line of bytes, for every kind of message.
macro_rules! text {
    ($($part:expr),+ $(,)?) => {{
        let mut line = Vec::new();
        $($crate::report::say::Piece::put(&$part, &mut line);)+
        line
    }};
}
pub(crate) use text;

/// `debug!(report, word >= level; parts)`: a line for a user who asked for that word at that level. Otherwise this
/// is one comparison, and the parts are not evaluated.
macro_rules! debug {
    ($report:expr, $word:ident >= $level:literal; $($part:expr),+ $(,)?) => {
        if $report.plan().output.debug.$word >= $level {
            $report.info($crate::report::say::text![$($part),+]);
        }
    };
}
pub(crate) use debug;
