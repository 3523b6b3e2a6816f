//! The levels of `--info` and `--debug`, one field for each word (spec: options 4.2, 4.3).

use super::value::{FromValue, Value};

macro_rules! levels {
    ($(#[$doc:meta])* $name:ident { $($field:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[allow(missing_docs)] // a field is named like the word of the option
        pub struct $name { $(pub $field: u8),* }
        impl FromValue for $name {
            fn from_value(value: Value) -> Option<Self> {
                let Value::Map(items) = value else { return None };
                let mut out = Self::default();
                for (word, level) in items {
                    let level = u8::from_value(level)?;
                    match word.as_str() { $($word => out.$field = level,)* _ => return None }
                }
                Some(out)
            }
        }
    };
}
levels! {
    /// `--info` levels, words in upper case on the Python side.
    Info { backup = "BACKUP", copy = "COPY", del = "DEL", flist = "FLIST", misc = "MISC", mount = "MOUNT",
        name = "NAME", nonreg = "NONREG", progress = "PROGRESS", remove = "REMOVE", skip = "SKIP", stats = "STATS",
        symsafe = "SYMSAFE" }
}
levels! {
    /// `--debug` levels.
    Debug { acl = "ACL", backup = "BACKUP", bind = "BIND", chdir = "CHDIR", connect = "CONNECT", cmd = "CMD",
        del = "DEL", deltasum = "DELTASUM", dup = "DUP", exit = "EXIT", filter = "FILTER", flist = "FLIST",
        fuzzy = "FUZZY", genr = "GENR", hash = "HASH", hlink = "HLINK", iconv = "ICONV", io = "IO", nstr = "NSTR",
        own = "OWN", proto = "PROTO", recv = "RECV", send = "SEND", time = "TIME" }
}
