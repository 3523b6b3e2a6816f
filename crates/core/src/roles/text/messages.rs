//! Texts of messages that several files report. Scripts match on them, so each text has one place (spec: output 3).
//!
//! A function gives the text for a name that is already quoted where the message quotes it.

use crate::report::say::{text, Piece};

/// Could not set the permissions of a file.
pub(crate) fn set_permissions_failed(name: impl Piece) -> Vec<u8> {
    text!["failed to set permissions on ", name]
}

/// Could not set the times of a file.
pub(crate) fn set_times_failed(name: impl Piece) -> Vec<u8> {
    text!["failed to set times on ", name]
}

/// A listed file no longer exists.
pub(crate) fn file_vanished(name: impl Piece) -> Vec<u8> {
    text!["file has vanished: ", name]
}

/// Could not read the status of a name below an argument.
pub(crate) fn readlink_stat_failed(name: impl Piece) -> Vec<u8> {
    text!["readlink_stat(", name, ") failed"]
}

/// Could not read the status of an argument.
pub(crate) fn link_stat_failed(name: impl Piece) -> Vec<u8> {
    text!["link_stat ", name, " failed"]
}

/// Could not read the status of an open file.
pub(crate) fn fstat_failed(name: impl Piece) -> Vec<u8> {
    text!["fstat ", name, " failed"]
}

/// Could not open a directory.
pub(crate) fn opendir_failed(name: impl Piece) -> Vec<u8> {
    text!["opendir ", name, " failed"]
}

/// Could not read a source file to its end.
pub(crate) fn read_failed(name: impl Piece) -> Vec<u8> {
    text!["read errors mapping ", name]
}

/// A source file is shorter than the data that is to be kept.
pub(crate) fn diminished(name: impl Piece) -> Vec<u8> {
    text!["skipped diminished file: ", name]
}

/// Could not open a basis, which counts as missing.
pub(crate) fn basis_failed(name: impl Piece) -> Vec<u8> {
    text!["failed to open ", name, ", continuing"]
}

/// Could not list the extended attributes of a file.
pub(crate) fn xattr_names_failed(name: impl Piece) -> Vec<u8> {
    text!["get_xattr_names: llistxattr(\"", name, "\",1024) failed"]
}

/// A directory is left out without `-r` or `-d`.
pub(crate) fn skipping_directory(name: impl Piece) -> Vec<u8> {
    text!["skipping directory ", name]
}

/// Could not make a temporary file.
pub(crate) fn mkstemp_failed(name: impl Piece) -> Vec<u8> {
    text!["mkstemp ", name, " failed"]
}

/// Could not make a directory of the backup-dir.
pub(crate) fn backup_mkdir_failed(name: impl Piece) -> Vec<u8> {
    text!["backup mkdir ", name, " failed"]
}

/// A directory with contents stays.
pub(crate) fn non_empty(name: impl Piece) -> Vec<u8> {
    text!["cannot delete non-empty directory: ", name]
}
