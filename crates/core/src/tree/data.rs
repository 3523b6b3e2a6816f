//! Content: whole copies inside the kernel, holes, allocation (spec: transfer 6).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::FallocateFlags;
use rustix::io::{retry_on_intr, Errno};

use crate::error::Error;

/// Bytes given to the kernel at once: some tens of milliseconds on slow media, so that a cancel is soon seen.
const STEP: u64 = 16 << 20;
/// Bytes through user space at once.
const BUFFER: usize = 256 * 1024;

/// How [`copy_whole`] copied the last bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CopyWay {
    /// Blocks are shared (FICLONE).
    Reflink,
    /// copy_file_range.
    Kernel,
    /// read and write.
    User,
}

/// Whether a copy may share its blocks with the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reflink {
    Try,
    Never,
}

/// `ENODATA`: how rsync reports a file that ended before the length it had when it was opened.
const NO_DATA: i32 = 61;

/// Why a copy ended early. A source that fails costs this file (it is reported and tried again), a target that fails
/// ends the run: so they are different types.
#[derive(Debug)]
pub enum CopyError {
    /// The source cannot be read, or is shorter than it was (`ENODATA`).
    Source(io::Error),
    Target(io::Error),
    /// The caller has stopped the copy.
    Stopped(Error),
}

impl CopyError {
    /// The source has ended before its length was reached.
    pub fn ended_early() -> Self {
        Self::Source(io::Error::from_raw_os_error(NO_DATA))
    }
}

/// For callers that own both files.
impl From<CopyError> for io::Error {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Source(error) | CopyError::Target(error) => error,
            CopyError::Stopped(_) => io::ErrorKind::Interrupted.into(),
        }
    }
}

/// Read `buffer` full from `offset`; an error also if the file ends before.
pub(crate) fn read_at(source: &File, buffer: &mut [u8], offset: u64) -> Result<(), CopyError> {
    let mut done = 0;
    while done < buffer.len() {
        match source.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => return Err(CopyError::ended_early()),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(CopyError::Source(e)),
        }
    }
    Ok(())
}

/// Copy the first `len` bytes of `source` into the empty file `target`. See [`copy_whole_with`].
pub(crate) fn copy_whole(source: &File, target: &File, len: u64, reflink: Reflink) -> Result<CopyWay, CopyError> {
    copy_whole_with(source, target, len, reflink, &mut |_| Ok(()))
}

/// Copy the first `len` bytes of `source` into the empty file `target`: shared blocks if asked for and the filesystem
/// can, else inside the kernel, else through user space. `progress` gets the number of bytes done so far; its error
/// ends the copy. The files' own offsets are not used. `Ok` means that all `len` bytes are there.
pub(crate) fn copy_whole_with(
    source: &File,
    target: &File,
    len: u64,
    reflink: Reflink,
    progress: &mut dyn FnMut(u64) -> Result<(), Error>,
) -> Result<CopyWay, CopyError> {
    if reflink == Reflink::Try && len > 0 && rustix::fs::ioctl_ficlone(target, source).is_ok() {
        let got = super::stat::of_file(target).map_err(CopyError::Target)?.size;
        if got > len {
            target.set_len(len).map_err(CopyError::Target)?;
        }
        progress(got.min(len)).map_err(CopyError::Stopped)?;
        return if got < len {
            Err(CopyError::ended_early())
        } else {
            Ok(CopyWay::Reflink)
        };
    }
    let (mut from, mut to) = (0, 0);
    while from < len {
        let step = (len - from).min(STEP) as usize;
        match rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut to), step) {
            Ok(0) => break,
            Ok(_) => progress(from).map_err(CopyError::Stopped)?,
            Err(Errno::INTR | Errno::AGAIN) => {}
            // Other filesystems, odd files, old kernels; or either medium has failed, and which of them a read or a
            // write will say.
            Err(_) => break,
        }
    }
    if from == len {
        return Ok(CopyWay::Kernel);
    }
    // Also when the kernel says "no more": files made up on the fly (in /proc, say) have content beyond their size.
    let mut buffer = vec![0; BUFFER.min(len.saturating_sub(from) as usize).max(1)];
    while from < len {
        let want = buffer.len().min((len - from) as usize);
        let got = match source.read_at(&mut buffer[..want], from) {
            Ok(0) => return Err(CopyError::ended_early()),
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(CopyError::Source(e)),
        };
        target.write_all_at(&buffer[..got], from).map_err(CopyError::Target)?;
        from += got as u64;
        progress(from).map_err(CopyError::Stopped)?;
    }
    Ok(CopyWay::User)
}

/// Reserve room for `len` bytes. With `grow` the file gets that length (rsync does so with `--sparse`, and punches);
/// otherwise its length stays.
pub(crate) fn preallocate(file: &File, len: u64, grow: bool) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    let flags = if grow {
        FallocateFlags::empty()
    } else {
        FallocateFlags::KEEP_SIZE
    };
    Ok(retry_on_intr(|| rustix::fs::fallocate(file, flags, 0, len))?)
}

/// Make a range read as zeros: a hole where the filesystem can, written zeros otherwise. The file has `length` bytes;
/// a hole may go beyond (that frees its last block), zeros may not.
pub(crate) fn punch_hole(file: &File, offset: u64, len: u64, length: u64) -> io::Result<()> {
    if len == 0 || offset >= length {
        return Ok(());
    }
    let flags = FallocateFlags::KEEP_SIZE | FallocateFlags::PUNCH_HOLE;
    match retry_on_intr(|| rustix::fs::fallocate(file, flags, offset, len)) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            let len = len.min(length - offset);
            let zeros = vec![0; BUFFER.min(len as usize)];
            let mut done = 0;
            while done < len {
                let step = (len - done).min(zeros.len() as u64);
                file.write_all_at(&zeros[..step as usize], offset.saturating_add(done))?;
                done += step;
            }
            Ok(())
        }
        Err(e) => Err(e.into()),
    }
}

/// Whether a directory is on NFS; one that cannot say is not.
pub(crate) fn is_nfs(dir: impl std::os::fd::AsFd) -> bool {
    rustix::fs::fstatfs(dir).is_ok_and(|fs| fs.f_type == rustix::fs::NFS_SUPER_MAGIC)
}
