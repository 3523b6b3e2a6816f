//! The enumerated values of a plan, by the names that Python and the wire use for them.

use super::value::{FromValue, Value};

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? } default $default:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // a variant is named like the word of the option
        pub enum $name { $($(#[$vdoc])* $variant),* }
        impl $name {
            /// The name that Python and the wire use.
            pub fn name(self) -> &'static str { match self { $(Self::$variant => $text),* } }
            /// The variant with this name.
            pub fn from_name(name: &str) -> Option<Self> { match name { $($text => Some(Self::$variant),)* _ => None } }
        }
        impl Default for $name { fn default() -> Self { Self::$default } }
        impl FromValue for $name {
            fn from_value(value: Value) -> Option<Self> { String::from_value(value).and_then(|n| Self::from_name(&n)) }
        }
    };
}

names! {
    /// Checksum algorithms (spec: protocol 8.2). `Md4Old` is the seeded, unnamed MD4 of protocols 27 to 29,
    /// `Md4Unpadded` that of older ones, which has defects (spec: protocol-old 8.1).
    SumKind { Xxh128 = "xxh128", Xxh3 = "xxh3", Xxh64 = "xxh64", Md5 = "md5", Md4 = "md4", Md4Old = "md4-old",
              Md4Unpadded = "md4-unpadded", Sha1 = "sha1", None = "none" } default Md5
}
names! {
    /// Token stream codecs (spec: protocol 7).
    CompressKind { None = "none", Zlib = "zlib", Zlibx = "zlibx", Zstd = "zstd", Lz4 = "lz4" } default None
}
names! {
    /// When extraneous files are removed (spec: transfer 12).
    DeleteWhen { Never = "never", Before = "before", During = "during", Delay = "delay", After = "after" } default Never
}
names! {
    /// What an alternate directory is used for (spec: transfer 7).
    AltDest { None = "none", Compare = "compare", Copy = "copy", Link = "link" } default None
}
names! {
    /// Where messages of a server go (spec: protocol 3.3, options 2.1 `--stderr`).
    StderrMode { Errors = "errors", All = "all", Client = "client" } default Errors
}
names! {
    /// Where the list of `--files-from` comes from.
    FilesFrom { None = "none",
        /// `Plan::files_from_data` holds the whole list, as read by this process (comments are skipped).
        Local = "local",
        /// The names arrive over the link (this side sends, the peer has the list).
        Link = "link",
        /// This side receives and has the list in `files_from_data`; it is streamed to the sender.
        Forward = "forward" } default None
}
names! {
    /// How bytes of names are shown (spec: output 11).
    Charset { Utf8 = "utf-8", Ascii = "ascii",
        /// A single-byte or other locale: high bytes are shown as they are.
        Other = "other" } default Utf8
}
names! {
    /// What this process is to the transfer.
    Process {
        /// Started by a user; the other end is another process.
        Client = "client",
        /// Started by the peer.
        Server = "server",
        /// A daemon's child, which is a server as well.
        Daemon = "daemon",
        /// Both ends are this process; no link exists.
        Local = "local" } default Client
}
