//! Reading a file whose length was announced: exactly that many bytes must follow, even if the file shrinks or fails.
//!
//! spec: protocol 9.1, transfer 13

use std::io::{self, ErrorKind, IoSliceMut, Read};

/// `ENODATA`: how rsync reports a file that ended before its length was reached.
const NO_DATA: i32 = 61;

/// Why data was replaced by zeros; the text follows `read errors mapping "P": `. The whole-file sum must then be spoiled
/// ([`Digest::spoiled`](crate::sums::strong::Digest::spoiled)), so that the receiver discards what it got.
pub(crate) type Problem = io::Error;

/// Whether all that was delivered is the file's. It is a `Result` so that no caller can leave it unread: what follows
/// from a [`Problem`] (a spoiled sum, a second try, a source that stays) is the caller's to do.
pub(crate) type Intact = Result<(), Problem>;

/// Delivers exactly the announced number of bytes. After a read error or an early end the rest is zeros; what a file has
/// grown by is not read.
pub(crate) struct Feed<'a> {
    src: &'a mut dyn Read,
    left: u64,
    problem: Option<Problem>,
}

impl<'a> Feed<'a> {
    /// `len` bytes of `src`, from where it stands.
    pub(crate) fn new(src: &'a mut dyn Read, len: u64) -> Self {
        Self {
            src,
            left: len,
            problem: None,
        }
    }

    /// Bytes that are still to be delivered.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// What went wrong, if zeros were delivered.
    pub(crate) fn into_intact(self) -> Intact {
        self.problem.map_or(Ok(()), Err)
    }

    /// Fills the front of `buf` with what is left, as far as it fits; the number of bytes.
    pub(crate) fn fill(&mut self, buf: &mut [u8]) -> usize {
        let want = self.left.min(buf.len() as u64) as usize;
        let mut have = 0;
        while have < want && self.problem.is_none() {
            match self.src.read(&mut buf[have..want]) {
                Ok(0) => self.problem = Some(Problem::from_raw_os_error(NO_DATA)),
                Ok(n) => have += n.min(want - have),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => self.problem = Some(e),
            }
        }
        buf[have..want].fill(0);
        self.left -= want as u64;
        want
    }

    /// Like [`Feed::fill`] for several buffers that are all wanted whole (their sum is at most [`Feed::left`]), with one
    /// system call where possible.
    pub(crate) fn fill_all(&mut self, bufs: &mut [&mut [u8]]) {
        let want: usize = bufs.iter().map(|b| b.len()).sum();
        let mut done = 0;
        if bufs.len() > 1 && self.problem.is_none() && want as u64 <= self.left {
            let mut slices: Vec<IoSliceMut<'_>> = bufs.iter_mut().map(|b| IoSliceMut::new(b)).collect();
            match self.src.read_vectored(&mut slices) {
                // The end of the file is seen by the next read.
                Ok(n) => done = n.min(want),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => self.problem = Some(e),
            }
            self.left -= done as u64;
        }
        for buf in bufs {
            let skip = done.min(buf.len());
            done -= skip;
            self.fill(&mut buf[skip..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its data in small pieces, then fails or ends.
    struct Bad(Vec<u8>, Option<i32>);

    impl Read for Bad {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let n = buf.len().min(3).min(self.0.len());
            if n == 0 {
                return self.1.map_or(Ok(0), |code| Err(io::Error::from_raw_os_error(code)));
            }
            buf[..n].copy_from_slice(&self.0[..n]);
            self.0.drain(..n);
            Ok(n)
        }
    }

    #[test]
    fn zeros_after_an_error_or_an_early_end() {
        for (code, expected) in [(Some(5), 5), (None, NO_DATA)] {
            let mut src = Bad(b"abcdefgh".to_vec(), code);
            let mut feed = Feed::new(&mut src, 12);
            let mut buf = [1u8; 10];
            assert_eq!(feed.fill(&mut buf), 10);
            assert_eq!(&buf, b"abcdefgh\0\0");
            assert_eq!(feed.fill(&mut buf), 2);
            assert_eq!(&buf[..2], b"\0\0");
            assert_eq!(feed.fill(&mut buf), 0);
            assert_eq!(feed.into_intact().unwrap_err().raw_os_error(), Some(expected));
        }
    }

    #[test]
    fn growth_is_not_read() {
        let mut src = &b"abcdef"[..];
        let mut feed = Feed::new(&mut src, 4);
        let mut buf = [0u8; 10];
        assert_eq!(feed.fill(&mut buf), 4);
        assert!(feed.into_intact().is_ok());
        assert_eq!(src, b"ef");
    }

    #[test]
    fn several_buffers() {
        for code in [None, Some(5)] {
            let mut src = Bad(b"abcdefgh".to_vec(), code);
            let mut feed = Feed::new(&mut src, 9);
            let (mut a, mut b, mut c) = ([1u8; 2], [1u8; 4], [1u8; 3]);
            feed.fill_all(&mut [&mut a, &mut b, &mut c]);
            assert_eq!((&a, &b, &c), (b"ab", b"cdef", b"gh\0"));
            assert_eq!(feed.left(), 0);
            assert!(feed.into_intact().is_err());
        }
    }
}
