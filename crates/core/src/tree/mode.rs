//! Tests on a mode as it travels and as Linux numbers it: 16 bits of Unix `st_mode` (spec: protocol 5.4).

/// The bits of the type.
pub const TYPE: u32 = 0o170_000;
/// Socket.
pub const SOCKET: u32 = 0o140_000;
/// Symbolic link.
pub const LINK: u32 = 0o120_000;
/// Regular file.
pub const FILE: u32 = 0o100_000;
/// Block device.
pub const BLOCK: u32 = 0o060_000;
/// Directory.
pub const DIR: u32 = 0o040_000;
/// Character device.
pub const CHAR: u32 = 0o020_000;
/// Named pipe.
pub const FIFO: u32 = 0o010_000;

/// Directory.
pub fn is_dir(m: u32) -> bool {
    m & TYPE == DIR
}

/// Regular file.
pub fn is_file(m: u32) -> bool {
    m & TYPE == FILE
}

/// Symbolic link.
pub fn is_link(m: u32) -> bool {
    m & TYPE == LINK
}

/// Block or character device.
pub fn is_device(m: u32) -> bool {
    matches!(m & TYPE, BLOCK | CHAR)
}

/// FIFO or socket.
pub fn is_special(m: u32) -> bool {
    matches!(m & TYPE, FIFO | SOCKET)
}

/// One of the seven types.
pub fn is_known(m: u32) -> bool {
    matches!(m & TYPE, SOCKET | LINK | FILE | BLOCK | DIR | CHAR | FIFO)
}
