//! A batch while it is written: the data of a stream, without frames and messages (spec: protocol 11).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use crate::error::{sys_text, Error, Result};

/// Tokens are small; a write for each of them would cost more than everything else.
const BUFFER: usize = 64 * 1024;

/// The file that a stream is copied to. What has been written before it (the header) stays in front.
pub struct Record {
    file: Mutex<BufWriter<File>>,
    role: &'static str,
}

impl Record {
    /// `role` is what stands in the brackets of an error.
    pub fn new(fd: OwnedFd, role: &'static str) -> Self {
        Self {
            file: Mutex::new(BufWriter::with_capacity(BUFFER, File::from(fd))),
            role,
        }
    }

    fn run(&self, len: usize, step: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        step(&mut file).map_err(|error| {
            Error::Stream(format!(
                "rsync: [{}] safe_write failed to write {len} bytes to batch file: {}",
                self.role,
                sys_text(&error)
            ))
        })
    }

    /// Appends `data`. Errors: `Stream`, as rsync counts a batch that cannot be written.
    pub fn put(&self, data: &[u8]) -> Result<()> {
        self.run(data.len(), |file| file.write_all(data))
    }

    /// Writes what is still buffered.
    pub fn finish(&self) -> Result<()> {
        let left = self.file.lock().map_or(0, |file| file.buffer().len());
        self.run(left, Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_an_error_of_the_stream() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let record = Record::new(full.into(), "sender");
        record.put(b"abc").unwrap();
        let error = record.finish().unwrap_err();
        assert_eq!(error.code(), 12);
        assert_eq!(
            error.to_string(),
            "rsync: [sender] safe_write failed to write 3 bytes to batch file: No space left on device (28)"
        );
    }
}
