//! Content: whole copies inside the kernel, holes, allocation (spec: transfer 6).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::{retry_on_intr, Errno};

/// Bytes given to the kernel at once: some tens of milliseconds on slow media, so that a cancel is soon seen.
const STEP: u64 = 16 << 20;
/// Bytes through user space at once.
const BUFFER: usize = 256 * 1024;

/// How the bytes of [`copy_whole`] went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyWay {
    /// Blocks are shared (FICLONE).
    Reflink,
    /// copy_file_range.
    Kernel,
    /// read and write.
    User,
}

/// A copy that was made: `bytes` is less than asked for if the source has become shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    pub bytes: u64,
    pub way: CopyWay,
}

/// Copy the first `len` bytes of `source` into the empty file `target`. See [`copy_whole_with`].
pub fn copy_whole(source: &File, target: &File, len: u64, reflink: bool) -> io::Result<Copied> {
    copy_whole_with(source, target, len, reflink, &mut |_| Ok(()))
}

/// Copy the first `len` bytes of `source` into the empty file `target`: shared blocks if `reflink` and the filesystem
/// can, else inside the kernel, else through user space. `progress` gets the number of bytes done so far; its error
/// ends the copy. The files' own offsets are not used.
pub fn copy_whole_with(
    source: &File,
    target: &File,
    len: u64,
    reflink: bool,
    progress: &mut dyn FnMut(u64) -> io::Result<()>,
) -> io::Result<Copied> {
    if reflink && len > 0 && rustix::fs::ioctl_ficlone(target, source).is_ok() {
        let got = super::stat::of_file(target)?.size;
        if got > len {
            target.set_len(len)?;
        }
        let bytes = got.min(len);
        progress(bytes)?;
        return Ok(Copied {
            bytes,
            way: CopyWay::Reflink,
        });
    }
    let (mut from, mut to) = (0, 0);
    while from < len {
        let step = (len - from).min(STEP) as usize;
        match rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut to), step) {
            Ok(0) => break,
            Ok(_) => progress(from)?,
            Err(Errno::INTR | Errno::AGAIN) => {}
            // these are about the medium, and would meet a write as well
            Err(e @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::IO)) => return Err(e.into()),
            // other filesystems, odd files, old kernels
            Err(_) => break,
        }
    }
    if from == len {
        return Ok(Copied {
            bytes: from,
            way: CopyWay::Kernel,
        });
    }
    // Also when the kernel says "no more": files made up on the fly (in /proc, say) have content beyond their size.
    let kernel = from;
    let mut buffer = vec![0; BUFFER.min(len.saturating_sub(from) as usize).max(1)];
    while from < len {
        let want = buffer.len().min((len - from) as usize);
        let got = match source.read_at(&mut buffer[..want], from) {
            Ok(0) => break,
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        target.write_all_at(&buffer[..got], from)?;
        from += got as u64;
        progress(from)?;
    }
    let way = if kernel > 0 && kernel == from {
        CopyWay::Kernel
    } else {
        CopyWay::User
    };
    Ok(Copied { bytes: from, way })
}

/// Reserve room for `len` bytes. With `grow` the file gets that length (rsync does so with `--sparse`, and punches);
/// otherwise its length stays.
pub fn preallocate(file: &File, len: u64, grow: bool) -> io::Result<()> {
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
pub fn punch_hole(file: &File, offset: u64, len: u64, length: u64) -> io::Result<()> {
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

/// Where the next data at or after `offset` begins; `None` when only a hole follows. Moves the file's offset.
pub fn seek_data(file: &File, offset: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(at) => Ok(Some(at)),
        Err(Errno::NXIO) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Where the next hole at or after `offset` begins (the end of the file counts as one); `None` beyond the end.
pub fn seek_hole(file: &File, offset: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, SeekFrom::Hole(offset)) {
        Ok(at) => Ok(Some(at)),
        Err(Errno::NXIO) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Data and metadata to the medium.
pub fn fsync(file: &File) -> io::Result<()> {
    Ok(retry_on_intr(|| rustix::fs::fsync(file))?)
}
