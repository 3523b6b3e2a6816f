"""The keywords of `tain.Options` for functions that forward them. Written by ``tools/options_stub.py``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, TypedDict

#: A file name: text is encoded with the encoding of the file system, bytes are used as they are.
StrOrBytesPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]
#: One value or several.
Texts = str | bytes | Sequence[str | bytes]
Paths = StrOrBytesPath | Sequence[StrOrBytesPath]
#: Bytes, or with a unit as on the command line (``"1.5m"``).
Size = int | str
DeleteWhen = Literal["before", "during", "delay", "after"]


class OptionFields(TypedDict, total=False):
    """The keywords of `Options`: see there for what all have in common."""

    archive: bool
    """The same as recursive, links, perms, times, group, owner, devices and specials; on by default."""
    recursive: bool | None
    """Recurse into directories."""
    links: bool | None
    """Copy symlinks as symlinks."""
    perms: bool | None
    """Preserve permissions."""
    times: bool | None
    """Preserve modification times."""
    group: bool | None
    """Preserve group."""
    owner: bool | None
    """Preserve owner (super-user only)."""
    devices: bool | None
    """Preserve device files (super-user only)."""
    specials: bool | None
    """Preserve special files."""
    copy_devices: bool
    """Copy device contents as a regular file."""
    write_devices: bool | None
    """Write to devices as files (implies --inplace)."""
    drop_D: bool | None
    """Receiver refuses to create devices/specials."""
    dirs: bool | None
    """Transfer directories without recursing."""
    old_dirs: bool
    """Works like --dirs when talking to old rsync."""
    relative: bool | None
    """Use relative path names."""
    implied_dirs: bool | None
    """Send implied directories with `relative`."""
    inc_recursive: bool | None
    """Enable incremental recursion."""
    hard_links: bool | int
    """Preserve hard links."""
    acls: bool
    """Preserve ACLs (implies --perms)."""
    xattrs: bool | int
    """Preserve extended attributes."""
    atimes: bool | int
    """Preserve access (use) times."""
    crtimes: bool
    """Preserve create times; refused on this platform, which cannot set them."""
    open_noatime: bool
    """Avoid changing the atime on opened files."""
    executability: bool
    """Preserve executability."""
    numeric_ids: bool
    """Don't map uid/gid values by user/group name."""
    fake_super: bool
    """Store/recover privileged attrs using xattrs."""
    super: bool | None
    """Receiver attempts super-user activities."""
    omit_dir_times: bool
    """Omit directories from --times."""
    omit_link_times: bool
    """Omit symlinks from --times."""
    chmod: Texts
    """Affect file and/or directory permissions."""
    chown: str | bytes | None
    """Simple username/groupname mapping."""
    usermap: str | bytes | None
    """Custom username mapping."""
    groupmap: str | bytes | None
    """Custom groupname mapping."""
    copy_links: bool
    """Transform symlink into referent file/directory."""
    copy_unsafe_links: bool
    """Only "unsafe" symlinks are transformed."""
    safe_links: bool
    """Ignore symlinks that point outside the tree."""
    copy_dirlinks: bool
    """Transform symlink to directory into referent directory."""
    keep_dirlinks: bool
    """Treat symlinked directory on receiver as directory."""
    munge_links: bool
    """Munge symlinks to make them safe & unusable."""
    insecure_links: bool | None
    """Follow attacker-owned symlinks in operator paths."""
    confine_root: StrOrBytesPath | None
    """Refuse operator paths resolving outside DIR."""
    filters: Texts
    """Whole filter rules in their order, as for --filter; before `include` and `exclude`."""
    filter: Texts
    """The same as `filters`, whose rules come first."""
    include: Texts
    """Don't exclude files matching these patterns; after `filters`, before `exclude`."""
    exclude: Texts
    """Exclude files matching these patterns; after `filters` and `include`."""
    include_from: Paths
    """Read include patterns from FILE."""
    exclude_from: Paths
    """Read exclude patterns from FILE."""
    cvs_exclude: bool
    """Auto-ignore files in the same way CVS does."""
    files_from: StrOrBytesPath | None
    """Read list of source-file names from FILE."""
    from0: bool
    """All *-from/filter files are delimited by 0s."""
    qsort: bool
    """Sort the file list with another algorithm; for compatibility."""
    update: bool
    """Skip files that are newer on the receiver."""
    existing: bool
    """Skip creating new files on receiver."""
    ignore_existing: bool
    """Skip updating files that exist on receiver."""
    ignore_times: bool
    """Don't skip files that match size and time."""
    size_only: bool
    """Skip files that match in size."""
    checksum: bool
    """Skip based on checksum, not mod-time & size."""
    checksum_choice: str | None
    """Choose the checksum algorithm (aka --cc)."""
    checksum_seed: int | None
    """Set block/file checksum seed (advanced)."""
    modify_window: int | None
    """Set the accuracy for mod-time comparisons in seconds; -1 compares nanoseconds."""
    max_size: Size | None
    """Don't transfer any file larger than this: bytes, or text with a unit."""
    min_size: Size | None
    """Don't transfer any file smaller than this: bytes, or text with a unit."""
    one_file_system: bool | int
    """Don't cross filesystem boundaries."""
    prune_empty_dirs: bool
    """Prune empty directory chains from file-list."""
    remove_source_files: bool
    """Sender removes synchronized files (non-directory)."""
    ignore_missing_args: bool
    """Ignore missing source arguments without error."""
    delete_missing_args: bool
    """Delete missing source arguments from destination."""
    delete: bool | DeleteWhen
    """Delete extraneous files from destination directories; a word says when, True leaves it to the protocol."""
    delete_excluded: bool
    """Also delete excluded files from dest directories."""
    max_delete: int | None
    """Don't delete more than this many files."""
    force: bool
    """Force deletion of directories even if not empty."""
    ignore_errors: bool
    """Delete even if there are I/O errors."""
    sparse: bool
    """Turn sequences of nulls into sparse blocks."""
    inplace: bool
    """Update destination files in-place."""
    append: bool | Literal["verify"]
    """Append data to shorter files; 'verify' compares the old data too."""
    preallocate: bool
    """Allocate dest files before writing them."""
    fsync: bool
    """Fsync every written file."""
    whole_file: bool | None
    """Copy files whole (w/o delta-xfer algorithm)."""
    block_size: Size | None
    """Force a fixed checksum block-size: bytes, or text with a unit."""
    fuzzy: bool | int
    """Find similar file for basis if no dest file."""
    partial: bool
    """Keep partially transferred files."""
    partial_dir: StrOrBytesPath | None
    """Put a partially transferred file into DIR."""
    delay_updates: bool
    """Put all updated files into place at end."""
    temp_dir: StrOrBytesPath | None
    """Create temporary files in directory DIR."""
    mkpath: bool
    """Create destination's missing path components."""
    backup: bool
    """Make backups (see --suffix & --backup-dir)."""
    backup_dir: StrOrBytesPath | None
    """Make backups into hierarchy based in DIR."""
    suffix: str | bytes | None
    """Backup suffix (default ~ w/o --backup-dir)."""
    compare_dest: Paths
    """Also compare destination files relative to DIR."""
    copy_dest: Paths
    """... and include copies of unchanged files."""
    link_dest: Paths
    """Hardlink to files in DIR when unchanged."""
    dry_run: bool
    """Perform a trial run with no changes made."""
    write_batch: StrOrBytesPath | None
    """Write a batched update to FILE."""
    only_write_batch: StrOrBytesPath | None
    """Like --write-batch but w/o updating dest."""
    read_batch: StrOrBytesPath | None
    """Read a batched update from FILE."""
    stop_after: int | None
    """Stop after this many minutes have elapsed."""
    stop_at: str | None
    """Stop at this point in time: year-month-dayThour:minute."""
    copy_as: str | bytes | None
    """User and optional group for the copy (USER[:GROUP]); refused here: a program keeps its identity."""
    list_only: bool
    """List the files instead of copying them."""
    verbose: int
    """Increase verbosity of `Result.output` by this many levels."""
    quiet: bool
    """Suppress non-error messages."""
    stats: bool
    """Add file-transfer statistics to `Result.output`; `Result.statistics` has them always."""
    stderr: Literal["errors", "all", "client"] | None
    """Which messages go to standard error: 'errors', 'all', or 'client'."""
    eight_bit_output: bool
    """Leave high-bit chars unescaped in output."""
    outbuf: Literal["N", "L", "B"] | None
    """Set output buffering to None ('N'), Line ('L') or Block ('B')."""
    itemize_changes: bool | int
    """Output a change-summary for all updates."""
    out_format: str | bytes | None
    """Output updates using the specified FORMAT."""
    human_readable: int | None
    """How numbers are written: 0 plain digits, 1 separators, 2 units of 1000, 3 units of 1024."""
    info: str | None
    """Fine-grained informational verbosity."""
    debug: str | None
    """Fine-grained debug verbosity."""
    log_file: StrOrBytesPath | None
    """Log what happens to this file."""
    log_file_format: str | bytes | None
    """Log updates using the specified FMT."""
    motd: bool | None
    """Show the daemon's message of the day in `Result.output`."""
    compress: bool | str
    """Compress file data during the transfer; a word is the codec: 'zstd', 'lz4', 'zlib', 'zlibx'."""
    compress_level: int | None
    """Explicitly set compression level (aka --zl)."""
    compress_choice: str | None
    """Choose the compression algorithm (aka --zc)."""
    compress_threads: int | None
    """Explicitly set compression threads (aka --zt)."""
    skip_compress: str | bytes | None
    """Skip compressing files with suffix in LIST."""
    bwlimit: Size | None
    """Limit socket I/O bandwidth: KiB per second, or text with a unit ('1.5m')."""
    jobs: int | None
    """Transfer in this number of streams at once, 1 to 64."""
    jobs_limit: str | None
    """Limit the streams: 'connections=N,start-gap=SECONDS'."""
    timeout: int | None
    """Set I/O timeout in seconds."""
    contimeout: int | None
    """Set daemon connection timeout in seconds."""
    protocol: int | None
    """Force an older protocol version."""
    max_alloc: Size | None
    """Change a limit relating to memory alloc."""
    rsh: str | bytes | None
    """The remote shell to use, with its arguments."""
    rsync_path: str | bytes | None
    """The rsync to run on the remote machine."""
    remote_option: Texts
    """Send OPTION to the remote side only."""
    secluded_args: bool | None
    """Use the protocol to safely send the arguments."""
    old_args: bool | None
    """Disable the modern argument-protection idiom."""
    trust_sender: bool
    """Trust the remote sender's file list."""
    blocking_io: bool | None
    """Use blocking I/O for the remote shell."""
    sockopts: str | None
    """Specify custom TCP options."""
    early_input: StrOrBytesPath | None
    """Use FILE for daemon's early exec input."""
    password_file: StrOrBytesPath | None
    """Read daemon-access password from FILE."""
    port: int | None
    """The port of the daemon."""
    address: str | None
    """Bind address for outgoing socket to daemon."""
    address_family: Literal[4, 6] | None
    """Prefer IPv4 (4) or IPv6 (6)."""
    ipv4: bool
    """Prefer IPv4."""
    ipv6: bool
    """Prefer IPv6."""
    iconv: str | None
    """Request charset conversion of filenames."""
    extra: Sequence[str | bytes]
    """Further words of a command line, unchanged and behind all others."""
