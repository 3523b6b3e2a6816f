"""The options of the Python API: typed names for rsync's option words.

One field per common option; `Options.extra` takes any other word in its form on the command line. The words go through
the parser of the command line, so the two cannot differ.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypedDict

from tain.errors import UsageError

#: A file name: text is encoded with the encoding of the file system, bytes are used as they are.
StrOrBytesPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]
#: One value or several.
Texts = str | bytes | Sequence[str | bytes]
Paths = StrOrBytesPath | Sequence[StrOrBytesPath]
#: Bytes, or with a unit as on the command line (``"1.5m"``).
Size = int | str
DeleteWhen = Literal["before", "during", "delay", "after"]


class OptionFields(TypedDict, total=False):
    """The keywords of `Options`, for functions that forward them (a test compares the two)."""

    archive: bool
    recursive: bool | None
    links: bool | None
    perms: bool | None
    times: bool | None
    group: bool | None
    owner: bool | None
    devices: bool | None
    specials: bool | None
    dirs: bool | None
    relative: bool | None
    implied_dirs: bool | None
    inc_recursive: bool | None
    hard_links: bool
    acls: bool
    xattrs: bool
    atimes: bool
    crtimes: bool
    executability: bool
    numeric_ids: bool
    fake_super: bool
    super: bool | None
    omit_dir_times: bool
    omit_link_times: bool
    chmod: Texts
    chown: str | bytes | None
    usermap: str | bytes | None
    groupmap: str | bytes | None
    copy_links: bool
    copy_unsafe_links: bool
    safe_links: bool
    copy_dirlinks: bool
    keep_dirlinks: bool
    munge_links: bool
    filters: Texts
    include: Texts
    exclude: Texts
    include_from: Paths
    exclude_from: Paths
    cvs_exclude: bool
    files_from: StrOrBytesPath | None
    from0: bool
    update: bool
    existing: bool
    ignore_existing: bool
    ignore_times: bool
    size_only: bool
    checksum: bool
    checksum_choice: str | None
    modify_window: int | None
    max_size: Size | None
    min_size: Size | None
    one_file_system: bool
    prune_empty_dirs: bool
    remove_source_files: bool
    ignore_missing_args: bool
    delete_missing_args: bool
    delete: bool | DeleteWhen
    delete_excluded: bool
    max_delete: int | None
    force: bool
    ignore_errors: bool
    sparse: bool
    inplace: bool
    append: bool | Literal["verify"]
    preallocate: bool
    fsync: bool
    whole_file: bool | None
    block_size: Size | None
    fuzzy: bool
    partial: bool
    partial_dir: StrOrBytesPath | None
    delay_updates: bool
    temp_dir: StrOrBytesPath | None
    mkpath: bool
    backup: bool
    backup_dir: StrOrBytesPath | None
    suffix: str | bytes | None
    compare_dest: Paths
    copy_dest: Paths
    link_dest: Paths
    dry_run: bool
    list_only: bool
    verbose: int
    itemize_changes: bool
    out_format: str | bytes | None
    human_readable: int | None
    info: str | None
    debug: str | None
    log_file: StrOrBytesPath | None
    log_file_format: str | bytes | None
    motd: bool | None
    compress: bool | str
    compress_level: int | None
    bwlimit: Size | None
    timeout: int | None
    contimeout: int | None
    protocol: int | None
    max_alloc: Size | None
    rsh: str | bytes | None
    rsync_path: str | bytes | None
    remote_option: Texts
    secluded_args: bool | None
    password_file: StrOrBytesPath | None
    port: int | None
    address: str | None
    address_family: Literal[4, 6] | None
    iconv: str | None
    extra: Sequence[str | bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options of a transfer; a field is the rsync option of its name unless a comment says otherwise.

    ``None`` leaves the option out, so that rsync's default holds, or what `archive` implies; for a field with that
    default, ``False`` is ``--no-OPTION``. `Transfer` checks the values.
    """

    # ---- attributes. `archive` is -rlptgoD; the next fields switch parts of it on or off.
    archive: bool = True
    recursive: bool | None = None
    links: bool | None = None
    perms: bool | None = None
    times: bool | None = None
    group: bool | None = None
    owner: bool | None = None
    devices: bool | None = None
    specials: bool | None = None
    dirs: bool | None = None
    relative: bool | None = None
    implied_dirs: bool | None = None
    inc_recursive: bool | None = None
    hard_links: bool = False
    acls: bool = False
    xattrs: bool = False
    atimes: bool = False
    crtimes: bool = False
    executability: bool = False
    numeric_ids: bool = False
    fake_super: bool = False
    super: bool | None = None
    omit_dir_times: bool = False
    omit_link_times: bool = False
    chmod: Texts = ()
    chown: str | bytes | None = None
    usermap: str | bytes | None = None
    groupmap: str | bytes | None = None
    # ---- symbolic links
    copy_links: bool = False
    copy_unsafe_links: bool = False
    safe_links: bool = False
    copy_dirlinks: bool = False
    keep_dirlinks: bool = False
    munge_links: bool = False
    # ---- selection. The first rule that matches decides, in this order: `filters` (whole rules, as for --filter),
    # `include`, `exclude`, then the files of patterns.
    filters: Texts = ()
    include: Texts = ()
    exclude: Texts = ()
    include_from: Paths = ()
    exclude_from: Paths = ()
    cvs_exclude: bool = False
    files_from: StrOrBytesPath | None = None
    from0: bool = False
    update: bool = False
    existing: bool = False
    ignore_existing: bool = False
    ignore_times: bool = False
    size_only: bool = False
    checksum: bool = False
    checksum_choice: str | None = None
    modify_window: int | None = None
    max_size: Size | None = None
    min_size: Size | None = None
    one_file_system: bool = False
    prune_empty_dirs: bool = False
    remove_source_files: bool = False
    ignore_missing_args: bool = False
    delete_missing_args: bool = False
    # ---- deletion. True leaves the time to the protocol, a word names it.
    delete: bool | DeleteWhen = False
    delete_excluded: bool = False
    max_delete: int | None = None
    force: bool = False
    ignore_errors: bool = False
    # ---- writing
    sparse: bool = False
    inplace: bool = False
    append: bool | Literal["verify"] = False
    preallocate: bool = False
    fsync: bool = False
    whole_file: bool | None = None
    block_size: Size | None = None
    fuzzy: bool = False
    partial: bool = False
    partial_dir: StrOrBytesPath | None = None
    delay_updates: bool = False
    temp_dir: StrOrBytesPath | None = None
    mkpath: bool = False
    backup: bool = False
    backup_dir: StrOrBytesPath | None = None
    suffix: str | bytes | None = None
    compare_dest: Paths = ()
    copy_dest: Paths = ()
    link_dest: Paths = ()
    dry_run: bool = False
    list_only: bool = False
    # ---- output, for `Result.output` and `Result.errors`
    verbose: int = 0
    itemize_changes: bool = False
    out_format: str | bytes | None = None
    human_readable: int | None = None
    info: str | None = None
    debug: str | None = None
    log_file: StrOrBytesPath | None = None
    log_file_format: str | bytes | None = None
    motd: bool | None = None
    # ---- connection. `compress` may name the codec. Times are in seconds, `bwlimit` is in KiB per second.
    compress: bool | str = False
    compress_level: int | None = None
    bwlimit: Size | None = None
    timeout: int | None = None
    contimeout: int | None = None
    protocol: int | None = None
    max_alloc: Size | None = None
    rsh: str | bytes | None = None
    rsync_path: str | bytes | None = None
    remote_option: Texts = ()
    secluded_args: bool | None = None
    password_file: StrOrBytesPath | None = None
    port: int | None = None
    address: str | None = None
    address_family: Literal[4, 6] | None = None
    iconv: str | None = None
    # ---- further words, unchanged and behind all others: ("--fuzzy", "--skip-compress=gz/zip", ...)
    extra: Sequence[str | bytes] = ()

    def words(self) -> list[bytes]:
        """The option words of a command line with the same meaning."""
        out: list[bytes] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "extra":
                out += _several(field.name, value)
            elif value is not None and (value is not False or field.default is None):
                out += _words(field.name, value)
        return out


#: Fields whose option has another name.
_NAMES = {"filters": "filter"}


def _several(name: str, value: object) -> list[bytes]:
    """One text or path, or a sequence of them, as bytes. Errors: `UsageError` for anything else."""
    items: Iterable[object] = [value]
    if not isinstance(value, (str, bytes, os.PathLike)) and isinstance(value, Iterable):
        items = value
    words: list[bytes] = []
    for item in items:
        if not isinstance(item, (str, bytes, os.PathLike)):
            kind = type(item).__name__
            raise UsageError(f"{name}: str, bytes, a path, or a sequence of these is expected, not {kind}")
        words.append(os.fsencode(item))
    return words


def _count(name: str, value: object) -> int:
    if not isinstance(value, int):
        raise UsageError(f"{name}: int is expected, not {type(value).__name__}")
    # Higher counts have no further effect.
    return min(value, 99)


def _words(name: str, value: object) -> list[bytes]:
    option = b"--" + _NAMES.get(name, name).replace("_", "-").encode()
    if name == "verbose":
        return [b"-v"] * _count(name, value)
    if name == "human_readable":
        return [b"--no-human-readable", *([b"-h"] * _count(name, value))]
    if name == "address_family":
        return [b"--ipv6" if value == 6 else b"--ipv4"]
    if name == "delete" and isinstance(value, str):
        return [b"--delete-" + value.encode()]
    if name == "append" and value == "verify":
        return [b"--append-verify"]
    if name == "compress" and isinstance(value, str):
        return [b"--compress", b"--compress-choice=" + value.encode()]
    if value is True:
        return [option]
    if value is False:
        return [b"--no-" + option[2:]]
    if isinstance(value, int):
        if value.bit_length() > 1000:
            raise UsageError(f"{name}: the number is too large")
        return [b"%s=%d" % (option, value)]
    return [option + b"=" + text for text in _several(name, value)]
