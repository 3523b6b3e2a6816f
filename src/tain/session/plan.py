"""The plan of a transfer from options, handshake and environment: every field of the core's Plan."""

from __future__ import annotations

import errno
import os

from tain.errors import StreamError, UnsupportedError, UsageError
from tain.escape import printable
from tain.options.resolved import PLAN_FIELDS
from tain.session.rules import user_rules
from tain.system import umask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tain._core import PlanFields
    from tain.options.hostspec import Locations
    from tain.options.resolved import ResolvedOptions
    from tain.session.agreement import Agreed
    from tain.session.environment import Environment

#: Items in a log file when no format was given (spec: output 13).
LOG_FORMAT = b"%i %n%L"


def am_root(options: ResolvedOptions) -> bool:
    """Whether super-user operations are attempted (spec: options 2.3 ``--super``)."""
    return options.super_user == 1 or (options.super_user != 0 and os.geteuid() == 0)


def charset_name(options: ResolvedOptions) -> str | None:
    """The local charset of ``--iconv``, or None without conversion. Errors: `UnsupportedError` (spec: options 6.8)."""
    if options.iconv is None:
        return None
    local = options.iconv.partition(b",")[0]
    if local in (b"", b"."):
        import locale

        name = locale.nl_langinfo(locale.CODESET)
    else:
        name = os.fsdecode(local)
    import codecs

    try:
        return codecs.lookup(name).name
    except LookupError:
        raise UnsupportedError(f'iconv_open("UTF-8", "{name}") failed') from None


def convert_words(words: Sequence[bytes], options: ResolvedOptions, *, to_wire: bool) -> list[bytes]:
    """Secluded words converted to UTF-8 for the connection, or back to the local charset (spec: protocol 1.8)."""
    charset = charset_name(options)
    if charset is None:
        return list(words)
    from tain import _core

    return [_core.convert(word, charset, to_wire=to_wire) for word in words]


# ---------------------------------------------------------------------------------------------- files-from


def read_files_from(path: bytes, env: Environment, options: ResolvedOptions, *, forward: bool = False) -> bytes:
    """The whole list of ``--files-from``; ``-`` is standard input. *forward*: the list is sent to the other end.

    Unlike other files of the command line, this one must be inside ``--confine-root``, because it names files of the
    tree. Errors: `UsageError` with rsync's text; `StreamError` for a file that can be opened but not read.
    """
    if path == b"-":
        return env.read_stdin()
    from tain.session.operator_file import open_named, with_link_note

    try:
        fd = open_named(path, env, options, confine_root=options.confine_root)
        with open(fd, "rb") as file:
            return file.read()
    except IsADirectoryError as error:
        # rsync opens a directory without an error, and fails to read it; it then sends an empty list.
        if forward:
            return b""
        reason = os.strerror(errno.EISDIR)
        if not path.strip(b"/"):
            raise UsageError(f"rsync: failed to open files-from file {printable(path)}: {reason}") from error
        text = f"rsync: [sender] safe_read failed to read 1 bytes: {reason} ({int(errno.EISDIR)})"
        raise StreamError(text) from error
    except OSError as error:
        text = f"rsync: failed to open files-from file {printable(path)}: {os.strerror(error.errno or 0)}"
        raise UsageError(with_link_note(error, text)) from error


def files_from_mode(options: ResolvedOptions, *, am_sender: bool) -> str:
    """Where the list of names comes from, in the plan's word (spec: protocol 2.9)."""
    if options.files_from is None:
        return "none"
    if options.server:
        if am_sender:
            return "link" if options.files_from == b"-" else "local"
        return "forward"
    if am_sender:
        return "local" if options.files_from_host is None else "link"
    return "forward" if options.files_from_host is None else "none"


def _names(data: bytes, from0: bool) -> list[bytes]:
    """The entries of a list that is forwarded; such a list has no comments."""
    if not from0:
        data = data.replace(b"\r", b"\0").replace(b"\n", b"\0")
    return [name for name in data.split(b"\0") if name]


# ---------------------------------------------------------------------------------------------- the plan


def whole_file(options: ResolvedOptions, agreed: Agreed, *, local: bool) -> bool:
    """``--whole-file``, or its default when the option was not given (spec: options 2.4)."""
    if agreed.xfer_sum == "none":
        return True
    if options.whole_file >= 0:
        return options.whole_file > 0
    return local and options.write_batch is None and not options.append


def delete_when(options: ResolvedOptions, protocol: int) -> str:
    """When extraneous files are deleted; for plain ``--delete`` the protocol decides (spec: protocol 1.9)."""
    if options.delete == "default":
        return "during" if protocol >= 30 else "before"
    return options.delete


def _requested(options: ResolvedOptions, job: Locations, files_from: str, data: bytes) -> list[bytes]:
    """The names that a remote sender may send (spec: filters 9); an empty list means no check."""
    if options.trust_sender or options.old_args or options.files_from_host is not None:
        return []
    if files_from == "forward":
        return _names(data, options.from0)
    if job.daemon:
        return [path.partition(b"/")[2] for path in job.sources]
    return list(job.sources)


def plan_fields(
    options: ResolvedOptions,
    agreed: Agreed,
    *,
    env: Environment,
    job: Locations | None = None,
    local: bool = False,
    rules: Sequence[bytes] | None = None,
    write_batch_fd: int | None = None,
    twin: bool = False,
    files_from_data: bytes | None = None,
    extra: PlanFields | None = None,
) -> PlanFields:
    """All fields of a plan.

    *job*: the client's sorted arguments; None on a server. *local*: both ends are this process. *twin*: both ends are
    on this machine, with a link between them. *rules* and *files_from_data*: the rule texts and the list of names, if
    they were read before. *extra* overrides other fields (a daemon's module). Errors: `UsageError`, and the errors of
    files that are read.
    """
    am_sender = options.sender if job is None else job.am_sender
    # tests/unit/test_arguments_plan.py compares these names with the fields of the core.
    fields: PlanFields = {name: getattr(options, name) for name in PLAN_FIELDS}  # type: ignore[assignment]
    fields |= {
        "process": "local" if local else "server" if options.server else "client",
        "twin": twin,
        "write_batch_handle": write_batch_fd,
    }
    fields |= _process_fields(options, env)
    fields |= _agreed_fields(options, agreed)
    fields |= _path_fields(options, job, am_sender=am_sender)
    mode = files_from_mode(options, am_sender=am_sender)
    data = files_from_data or b""
    if mode in ("local", "forward") and options.files_from is not None and files_from_data is None:
        try:
            data = read_files_from(options.files_from, env, options, forward=mode == "forward")
        except UsageError as error:
            if extra is not None and extra.get("process") == "daemon":
                # Every error in a request ends a daemon's connection with this code.
                raise UnsupportedError(str(error)) from error
            raise
    fields |= {"files_from": mode, "files_from_data": data}
    vetted = job is not None and not am_sender and not local and not twin and options.read_batch is None
    fields["trust_sender"] = options.trust_sender or not vetted
    fields["requested"] = _requested(options, job, mode, data) if vetted and job is not None else []
    if rules is None:
        rules = user_rules(options, env, protocol=agreed.protocol, am_sender=am_sender)
    # Without a destination nothing is written, however many sources there are (spec: options 5.2).
    lists = bool(options.list_only) or (job is not None and not am_sender and job.destination is None)
    fields |= {"rules": list(rules), "list_only": lists, "bwlimit": options.bwlimit * 1024 if local else 0}
    fields |= _transfer_fields(options, agreed.protocol)
    fields["whole_file"] = whole_file(options, agreed, local=local or twin)
    fields |= _output_fields(options, env, server=job is None)
    if extra:
        fields |= extra
    if "deletions" in fields.get("events", ()) and fields["delete"] == "during":
        # Deletions that are judged as a whole cannot begin before the last one is known.
        fields["delete"] = "delay"
    return fields


def _process_fields(options: ResolvedOptions, env: Environment) -> PlanFields:
    """The facts of this process."""
    return {
        "am_root": am_root(options),
        "fake_super": options.fake_super,
        "accounts": _account,
        "groups": sorted({os.getegid(), *os.getgroups()}),
        "umask": umask() if env.umask is None else env.umask,
        "pid": env.pid,
        "cwd": env.cwd,
    }


def _account(group: bool, key: bytes | int) -> bytes | int | None:
    # Few runs need an account that is not in the two files, which the core reads itself.
    from tain.session import accounts

    return accounts.find(group, key)


def _agreed_fields(options: ResolvedOptions, agreed: Agreed) -> PlanFields:
    """The agreement of both ends."""
    from tain.session.agreement import COMPAT_FLAGS

    fields: PlanFields = {
        "protocol": agreed.protocol,
        "seed": agreed.seed,
        "xfer_sum": agreed.xfer_sum,
        "file_sum": agreed.file_sum,
        "compress": agreed.compress,
        "compress_level": agreed.level,
        "iconv": charset_name(options),
        "secluded_args": bool(options.secluded_args),
    }
    fields |= {name: bool(agreed.compat & bit) for name, bit in COMPAT_FLAGS.items()}  # type: ignore[typeddict-item]
    # rsync uses the old order of seed and data only for the MD5 that the protocol implies.
    fields["compat_seed_fix"] = fields["compat_seed_fix"] or agreed.named_sum
    return fields


def _path_fields(options: ResolvedOptions, job: Locations | None, *, am_sender: bool) -> PlanFields:
    """The sources or the destination of this side."""
    fields: PlanFields = {}
    if job is None:
        paths = options.args[1:] if options.args[:1] == [b"."] else options.args
        if am_sender:
            fields["sources"] = paths or [b"."]
        else:
            fields["destination"] = paths[0] if paths else b"."
    else:
        if am_sender:
            fields["sources"] = job.sources
        if job.destination is not None and (job.host is None or not am_sender):
            fields["destination"] = job.destination
    return fields


def _transfer_fields(options: ResolvedOptions, protocol: int) -> PlanFields:
    """Selection, attributes and writing."""
    return {
        "recurse": bool(options.recurse),
        "dirs": options.dirs > 0,
        "relative": options.relative > 0,
        "fuzzy": options.fuzzy,
        "read_batch": options.read_batch is not None,
        "hard_links": bool(options.hard_links),
        # The plan's empty value means "no map"; a comma stands for a map that is given but empty.
        "usermap": b"" if options.usermap is None else options.usermap or b",",
        "groupmap": b"" if options.groupmap is None else options.groupmap or b",",
        "backup_suffix": options.backup_suffix or b"",
        "alt_dest": options.alt_dest,
        "append": 2 if options.append and protocol < 30 else options.append,
        "delete": delete_when(options, protocol),
    }


def _output_fields(options: ResolvedOptions, env: Environment, *, server: bool) -> PlanFields:
    """Messages, items, progress and log."""
    from tain.session.environment import charset, thousands

    logs = bool(options.log_file)
    log_format = LOG_FORMAT if options.log_file_format is None else options.log_file_format
    return {
        "verbose": min(options.verbose, 255),
        "quiet": bool(options.quiet),
        "itemize": options.itemize_level > 0,
        "logging": logs,
        "log_format": (log_format or None) if logs else None,
        "progress": 0 if options.server or options.quiet else min(options.info.get("PROGRESS", 0), 2),
        "thousands": thousands(env.environ),
        # A server prints its own lines without a locale, as rsync does (spec: output 11).
        "charset": "ascii" if server else charset(env.environ),
    }
