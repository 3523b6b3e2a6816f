"""A dry run before the real one, which counts what another process would do.

That is the other end of a push, or the other process of a local copy between two.

Only the receiver knows its decisions before it acts. The protocol has no question for them, so a guard that counts
deletions, and a program that confirms a plan, have no other way.
"""

from __future__ import annotations

import re

from tain.escape import restore
from tain.report.output import STDERR, WHOLE_RUN, Output
from tain.session.client.held import Count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.options.resolved import ResolvedOptions
    from tain.plans import Plan
    from tain.session.client.request import Request

#: A line about a deletion, and one about an entry that the destination has.
_DELETION = re.compile(rb"^\*deleting   (.*)$", re.MULTILINE)
_EXISTING = re.compile(rb"^[<>ch.][fdLDS](?!\+).{9} (?!\./$)", re.MULTILINE)


class Forecast:
    """What a dry run found."""

    def __init__(self, code: int, request: Request, out: _Counted, items: Count) -> None:
        self.code = code
        self._items, self._summary = items, request.summary
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

    @property
    def plan(self) -> Plan | None:
        """What the run would do, if the dry run went to its end and its items were counted."""
        return None if self._summary is None else self._items.plan(self._summary)


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


def rehearse(request: Request, start: Callable[[Request], int], *, items: bool) -> Forecast:
    """Run *request* as a dry run by *start*. *items*: count them for the plan, too. Errors: those of *start*, a
    `TainError`.

    Afterwards *request* remembers what can be read once: a list on standard input, a password that was typed.
    """
    options = _dry(request.options)
    if options.files_from == b"-" and options.files_from_host is None and request.files_from is None:
        request.files_from = request.env.read_stdin()
    if options.password_file is None:
        ask_once(request)
    out, count = _Counted(), Count()
    dry = request.unobserved(options, out)
    if items:
        dry.events, dry.on_events = ("item",), count.add
    try:
        code = start(dry)
    except BaseException:
        # The error alone may not say what happened.
        request.out.error(bytes(out.errors))
        raise
    return Forecast(code, dry, out, count)


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


def ask_once(request: Request) -> None:
    """Let the password of a daemon be asked for once, though several runs need it."""
    env = request.env
    ask = env.password
    known: dict[bytes, bytes] = {}

    def password(user: bytes) -> bytes:
        from tain.session.greeting import read_password

        if user not in known:
            known[user] = read_password(request.options, env, role=request.role) if ask is None else ask(user)
        return known[user]

    env.password = password
