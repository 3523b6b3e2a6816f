//! The checksums of `-c`.

use std::fs::File;
use std::io::{self, Read};

use crate::plan::SumKind;
use crate::sums::strong::Hasher;

/// The unseeded checksum of a whole file (spec: protocol 8.5).
pub(crate) fn sum_file(file: &mut File, kind: SumKind, buffer: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut hasher = Hasher::new(kind);
    buffer.resize(256 * 1024, 0);
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hasher.finish().as_slice().to_vec()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
