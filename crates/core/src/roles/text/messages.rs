//! Texts of messages that several files report. Scripts match on them, so each text has one place (spec: output 3).
//!
//! A function gives the text for a name that is already quoted where the message quotes it. In the table stands what
//! comes before the name, and after it.

use crate::report::say::{text, Piece};

macro_rules! messages {
    ($($(#[$doc:meta])* $function:ident = $($part:expr),+;)+) => {
        $($(#[$doc])* pub(crate) fn $function(name: impl Piece) -> Vec<u8> {
            messages!(@text name, $($part),+)
        })+
    };
    (@text $name:ident, $before:expr) => { text![$before, $name] };
    (@text $name:ident, $before:expr, $after:expr) => { text![$before, $name, $after] };
}

messages! {
    /// Could not set the permissions of a file.
    set_permissions_failed = "failed to set permissions on ";
    /// Could not set the times of a file.
    set_times_failed = "failed to set times on ";
    /// A listed file no longer exists.
    file_vanished = "file has vanished: ";
    /// Could not read the status of a name below an argument.
    readlink_stat_failed = "readlink_stat(", ") failed";
    /// Could not read the status of an argument.
    link_stat_failed = "link_stat ", " failed";
    /// Could not read the status of an open file.
    fstat_failed = "fstat ", " failed";
    /// Could not open a directory.
    opendir_failed = "opendir ", " failed";
    /// Could not read a source file to its end.
    read_failed = "read errors mapping ";
    /// A source file is shorter than the data that is to be kept.
    diminished = "skipped diminished file: ";
    /// Could not open a basis, which counts as missing.
    basis_failed = "failed to open ", ", continuing";
    /// Could not list the extended attributes of a file.
    xattr_names_failed = "get_xattr_names: llistxattr(\"", "\",1024) failed";
    /// A directory is left out without `-r` or `-d`.
    skipping_directory = "skipping directory ";
    /// Could not make a temporary file.
    mkstemp_failed = "mkstemp ", " failed";
    /// Could not make a directory of the backup-dir.
    backup_mkdir_failed = "backup mkdir ", " failed";
    /// A directory with contents stays.
    non_empty = "cannot delete non-empty directory: ";
    /// Could not remove a file.
    unlink_failed = "unlink ", " failed";
}
