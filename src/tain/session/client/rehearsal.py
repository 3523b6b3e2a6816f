"""A dry run before the real one, which counts the deletions that the other end would make.

Only the receiver knows its deletions before it makes them. Where that is the other end, a guard that counts them has
no other way: the protocol has no question for them.
"""

from __future__ import annotations

import copy
import re

from tain.escape import restore
from tain.report.output import STDERR, WHOLE_RUN, Output
from tain.report.trace import Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.options.resolved import ResolvedOptions
    from tain.session.client.request import Request

#: A line about a deletion, and one about an entry that the destination has.
_DELETION = re.compile(rb"^\*deleting   (.*)$", re.MULTILINE)
_EXISTING = re.compile(rb"^[<>ch.][fdLDS](?!\+).{9} (?!\./$)", re.MULTILINE)


class Forecast:
    """What a dry run found."""

    def __init__(self, code: int, request: Request, out: _Counted) -> None:
        self.code = code
        #: The dry run went to its end, so the figures count.
        self.whole = code in WHOLE_RUN and request.summary is not None
        #: The protocol that both ends agreed on.
        self.protocol = request.protocol
        #: The names that would be deleted, those of directories with a slash.
        self.deletions = out.deletions
        #: What the dry run wrote to standard error.
        self.errors = bytes(out.errors)
        #: Entries that the sender listed.
        self.listed = 0
        #: Size of the files and symbolic links among them.
        self.listed_bytes = 0
        #: Entries of the destination, the deletions among them.
        self.entries = out.existing + len(out.deletions)
        if request.summary is not None:
            self.listed = sum(request.summary.files.values())
            self.listed_bytes = request.summary.total_size
            if request.options.itemize_level == 1:
                present = self.listed - sum(request.summary.created.values()) - _lists_root(request)
                self.entries = present + len(out.deletions)


def _lists_root(request: Request) -> bool:
    """Whether the list begins with the destination itself, which is no entry of it."""
    ends = (b"/", b"/.")
    sources = request.job.sources
    return not request.options.relative and any(source == b"." or source.endswith(ends) for source in sources)


class _Counted(Output):
    """Output that is shown to nobody: the names of deletions are kept, and what goes to standard error."""

    def __init__(self) -> None:
        super().__init__(-1, -1)
        self.deletions: list[bytes] = []
        self.errors = bytearray()
        self.existing = 0

    def _put(self, stream: int, data: bytes) -> None:
        if stream == STDERR:
            self.errors += data
            return
        self.deletions += map(restore, _DELETION.findall(data))
        self.existing += len(_EXISTING.findall(data))


def rehearse(request: Request, start: Callable[[Request], int]) -> Forecast:
    """Run *request* as a dry run by *start*. Errors: those of *start*, a `TainError`.

    Afterwards *request* remembers what can be read once: a list on standard input, a password that was typed.
    """
    options = _dry(request.options)
    if options.files_from == b"-" and options.files_from_host is None and request.files_from is None:
        request.files_from = request.env.read_stdin()
    if options.password_file is None:
        _ask_once(request)
    out = _Counted()
    dry = copy.copy(request)
    dry.options, dry.out, dry.trace, dry.job = options, out, Trace(out, options.debug), copy.copy(request.job)
    dry.events, dry.on_events = (), None
    dry.batch = dry.judge = dry.display = dry.reporter = None
    try:
        code = start(dry)
    except BaseException:
        # The error alone may not say what happened.
        request.out.error(bytes(out.errors))
        raise
    return Forecast(code, dry, out)


def _dry(given: ResolvedOptions) -> ResolvedOptions:
    """Options that decide the same and change nothing, with one line for each change."""
    options = given.copy()
    options.dry_run = True
    options.out_format, options.itemize_level = b"%i %n", 1
    if options.existing or options.max_size is not None or options.min_size is not None:
        # Entries of the list may be missing at the other end without being new: each one that it has gets a line.
        # Only those that the size excludes get none; a guard then refuses rather too much.
        options.itemize_level = 2
    options.log_file = options.write_batch = options.copy_as = None
    options.json = options.only_write_batch = options.progress = options.eight_bit_output = False
    options.verbose = options.quiet = 0
    options.stderr_mode = "errors"
    options.info = dict.fromkeys(options.info, 0)
    options.debug = dict.fromkeys(options.debug, 0)
    return options


def _ask_once(request: Request) -> None:
    """Let the password of a daemon be asked for once, though two runs need it."""
    env = request.env
    ask = env.password
    known: dict[bytes, bytes] = {}

    def password(user: bytes) -> bytes:
        from tain.session.greeting import read_password

        if user not in known:
            known[user] = read_password(request.options, env, role=request.role) if ask is None else ask(user)
        return known[user]

    env.password = password
