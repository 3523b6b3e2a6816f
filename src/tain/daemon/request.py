"""A client's request, with the settings of its module applied (spec: daemon 4 steps 20 to 23, 7.3, 13.2)."""

from __future__ import annotations

import os

from tain.daemon import arguments, optionpaths
from tain.errors import TainError, UnsupportedError, UsageError
from tain.options import levels
from tain.options.chmod import check_chmod
from tain.options.parse import parse
from tain.options.refuse import refusals
from tain.options.resolve import Finished, resolve
from tain.options.resolved import ResolvedOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.log import Log
    from tain.daemon.module_view import ModuleView
    from tain.options.refuse import Refusals

#: Most threads for one client (spec: daemon 9).
_MAX_THREADS = 8


class Request:
    """The options of one client, and the error that it gets instead of a transfer, if any."""

    def __init__(self, asked: arguments.Arguments, view: ModuleView, log: Log) -> None:
        """Parse the client's options; faults of the configuration go to the log."""
        section = view.section
        refused = refused_by(section.text("refuse options"), charset=view.charset is not None)
        for term in refused.unmatched:
            log.error(f'No match for refuse-options string "{term}"')
        self.asked = asked
        self.options, self.refusal = _remembered(asked.options, refused)
        for name in ("read_batch", "write_batch"):
            if getattr(self.options, name) is not None:
                log.error(f"ignoring --{name.replace('_', '-')} option sent to server")

    @property
    def sender(self) -> bool:
        """The daemon sends."""
        return self.options.sender

    def apply_module(self, view: ModuleView, paths: list[bytes], log: Log, *, failure: str) -> None:
        """Apply the module's settings to the options. *failure* is that of ``pre-xfer exec``; the first error counts.

        *paths* are those of `expand_paths`.
        """
        if failure:
            self.refusal = UnsupportedError(failure)
        if self.refusal is None:
            self.refusal = forbidden(self.options, view)
        if self.refusal is None:
            try:
                # The paths come first: directories in options are relative to the destination.
                self.options.args = [b".", *paths]
                adapt(self.options, view)
                optionpaths.confine(self.options, view, log.write_escaped)
            except TainError as error:
                self.refusal = error


#: What `refused_by` has found: connections that share a process have the same few texts.
_KNOWN: dict[tuple[bytes, bool], Refusals] = {}
_MOST_KNOWN = 64


def refused_by(text: bytes, *, charset: bool) -> Refusals:
    """The options that the value of ``refuse options`` refuses."""
    found = _KNOWN.get((text, charset))
    if found is None:
        found = refusals(os.fsdecode(text).split(), charset=charset)
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[text, charset] = found
    return found


#: What `understand` has found for words without a fault, by the words and what is refused: the clients of a mirror have
#: few command lines.
_UNDERSTOOD: dict[tuple[Refusals, bytes], ResolvedOptions] = {}
_MOST_UNDERSTOOD = 64
#: Bytes of the words of one request that are remembered.
_LONGEST = 1024


def _remembered(words: list[bytes], refused: Refusals) -> tuple[ResolvedOptions, TainError | None]:
    """As `understand`."""
    key = refused, b"\0".join(words)
    options = _UNDERSTOOD.get(key)
    if options is not None:
        return _copy(options), None
    options, refusal = understand(words, refused)
    # A time of the day has another meaning for each request.
    if refusal is None and not options.stop_at and len(key[1]) <= _LONGEST:
        if len(_UNDERSTOOD) >= _MOST_UNDERSTOOD:
            _UNDERSTOOD.clear()
        _UNDERSTOOD[key] = _copy(options)
    return options, refusal


def _copy(options: ResolvedOptions) -> ResolvedOptions:
    """The same options, which a connection may change without changing those of another."""
    found = ResolvedOptions()
    own = vars(found)
    for name, value in vars(options).items():
        own[name] = value.copy() if isinstance(value, (list, dict)) else value
    return found


def understand(words: list[bytes], refused: Refusals) -> tuple[ResolvedOptions, TainError | None]:
    """The options of a request, and what is wrong with them.

    An error is sent only after the handshake, and that needs all the options.
    """
    environ: dict[bytes, bytes] = {}
    try:
        options = resolve(parse(words), environ=environ, refusals=refused)
        if options.max_alloc_arg is not None and options.max_alloc <= 0:
            return options, UnsupportedError("rsync: max-alloc must be greater than zero")
        if options.iconv is None and "no-iconv" in refused:
            return options, UnsupportedError("rsync: The server is configured to refuse --no-iconv")
        return options, None
    except Finished:
        refusal: TainError = UnsupportedError(
            "rsync: Error parsing options: option may be supported on client but not on server?"
        )
    except TainError as error:
        refusal = error if error.code == 4 else UnsupportedError(str(error))
    return _options_for_handshake(words, refused), refusal


def _options_for_handshake(words: list[bytes], refused: Refusals) -> ResolvedOptions:
    """As much of a refused request as the handshake needs."""
    environ: dict[bytes, bytes] = {}
    raw = parse(words)
    raw.error, raw.daemon = None, None
    # Words behind a refused one are not read: the handshake does not depend on them.
    for at, (row, _, _, _) in enumerate(raw.items):
        if refused.refuses(row):
            # These two are noted before they are refused, and decide how the list travels.
            del raw.items[at + (row.key in ("delete-after", "delay-updates")) :]
            break
    try:
        options = resolve(raw, environ=environ)
    except (TainError, Finished):
        options = ResolvedOptions()
        options.sender = b"--sender" in words
        for word in words:
            if word[:1] == b"-" and word[1:2] != b"-" and b"e" in word:
                options.capabilities = word.partition(b"e")[2]
    options.server = True
    return options


def forbidden(options: ResolvedOptions, view: ModuleView) -> TainError | None:
    """The error when the module does not allow this direction (spec: daemon 13.2)."""
    if options.sender:
        if view.section.flag("write only"):
            return UsageError("ERROR: module is write only")
        if view.read_only and options.remove_source_files:
            return UsageError("ERROR: --remove-source-files cannot be used with a read-only module")
    elif view.read_only:
        return UsageError("ERROR: module is read only")
    return None


def adapt(options: ResolvedOptions, view: ModuleView) -> None:
    """Limit and override the client's options by the module's parameters."""
    section = view.section
    verbosity, cap = section.number("max verbosity"), view.settings.bwlimit
    options.verbose = min(options.verbose, max(verbosity, 0))
    levels.limit(options, verbosity)
    if view.timeout and (not options.timeout or options.timeout > view.timeout):
        options.timeout = view.timeout
    if cap and (not options.bwlimit or options.bwlimit > cap):
        options.bwlimit = cap
    options.compress_threads = min(options.compress_threads, _MAX_THREADS)
    options.confine_root = None
    options.insecure_links = view.insecure_links
    if options.iconv is not None:
        options.iconv = view.charset
    if section.flag("fake super"):
        options.super_user = 2
    elif options.fake_super:
        options.super_user = 1
    if section.flag("ignore errors"):
        options.ignore_errors = True
    noatime = section.tri("open noatime")
    if noatime is not None:
        options.open_noatime = noatime
    if options.sender and options.compress and b"*" in section.text("dont compress").split():
        options.compress_level = 1


def module_chmod(view: ModuleView, log: Log, *, sender: bool) -> bytes:
    """The module's chmod for this direction. One that cannot be read is logged and ignored, as rsync does."""
    name = view.chmod_name(sender=sender)
    value = view.section.text(name)
    if value:
        try:
            check_chmod(value)
        except UsageError:
            log.error(f'Invalid "{name}" directive: {os.fsdecode(value)}')
            return b""
    return value


def expand_paths(asked: arguments.Arguments, view: ModuleView, *, sender: bool) -> list[bytes]:
    """The requested paths below the module's root, cleaned and with wildcards expanded."""
    from tain import _core

    found: list[bytes] = []
    for path in asked.paths:
        cleaned = arguments.clean_source(path) if sender else arguments.clean(path)
        matches = _core.expand_path(cleaned, view.root_fd, is_chroot=view.is_chroot, rules=view.rules, sends=sender)
        # A destination is one place: a pattern with several matches stays as it is.
        found += matches if sender or len(matches) == 1 else [cleaned]
    return found or [b"."]


def paths_for_hooks(asked: arguments.Arguments, view: ModuleView, found: list[bytes]) -> list[bytes]:
    """The expanded paths as hooks get them: in a chroot they begin at its root."""
    if not view.is_chroot:
        return found
    plain = b"." in asked.paths
    return [b"/" if path == b"." and not plain else b"/" + path for path in found]
