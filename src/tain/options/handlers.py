"""What each option does on its own, in the order of the command line (spec: options 2)."""

from __future__ import annotations

from tain.errors import TainError, UnsupportedError, UsageError
from tain.escape import printable
from tain.options import levels
from tain.options.parse import DAEMON_HINT
from tain.options.resolved import ResolvedOptions
from tain.options.sizes import parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tain.options.parse import RawOptions
    from tain.options.refuse import Refusals
    from tain.options.table import Row

#: Limits of ``--block-size``, by protocol.
BLOCK_MAX, BLOCK_MAX_OLD = 1 << 17, 1 << 29
BASIS_DIRS_MAX = 20
#: More streams than that gain nothing on one machine.
MOST_JOBS = 64

#: The groups of ``--delete-WHEN``: options of different groups exclude each other.
_DELETE_GROUPS = {"before": "before", "during": "during", "delay": "during", "after": "after"}


class Finished(Exception):
    """The command line asked for a text only: print `text` on `stream` and exit with 0."""

    def __init__(self, text: str, stream: int = 1) -> None:
        super().__init__(text)
        self.text = text
        #: 1, or 2 on a server, whose standard output is the connection.
        self.stream = stream


#: More than any run lasts.
_MOST_SECONDS = 1e6


def usage_error(text: str) -> UsageError:
    """The error for a wrong value or combination of options."""
    return UsageError(f"rsync: {text}")


class Pass:
    """The options of one command line while its words are applied in order.

    `apply` runs the words; `tain.options.resolve` then decides what depends on several of them.
    """

    def __init__(self, raw: RawOptions, environ: Mapping[bytes, bytes], program: str, now: Callable[[], float]) -> None:
        self.raw = raw
        self.environ = environ
        self.program = program
        self.now = now
        self.options = ResolvedOptions()
        #: What the module refuses, on a daemon's child.
        self.refusals: Refusals | None = None
        #: The locale's decimal separator.
        self.point = b"."
        # What the words said so far that has no option of its own; None until a spelling was seen.
        self.versions = 0
        self.secluded: bool | None = None
        self.old_args: int | None = None
        self.f_count = 0
        self.delete_groups: set[str] = set()
        #: The option that set the map of users, and that of groups.
        self.mapped_by: dict[str, str] = {}

    def apply(self) -> None:
        """Apply all words in order. Errors: the first one that a word, or the parser behind them, raises."""
        options = self.options
        for row, _word, name, value in self.raw.items:
            if self.refusals is not None and self.refusals.refuses(row):
                raise self.refused(row, name)
            if not store(options, row, value):
                self.call(row, value)
        if self.raw.error is not None:
            raise self.raw.error
        options.args = list(self.raw.args)

    def call(self, row: Row, value: bytes | int | None) -> None:
        """Call the handler of a row with the row's own value and with the argument, as far as there are any."""
        getattr(self, "on_" + row.dest)(*(given for given in (row.value, value) if given is not None))

    def refused(self, row: Row, name: str) -> TainError:
        """The error for an option that the module refuses; *name* is its spelling without dashes."""
        assert self.refusals is not None
        return UnsupportedError(f"rsync: The server is configured to refuse {self.refusals.shown(row, name)}")

    # ---- handlers of single options, in the order of the table

    def on_info(self, value: bytes) -> None:
        self.set_levels("info", value)

    def on_debug(self, value: bytes) -> None:
        self.set_levels("debug", value)

    def set_levels(self, kind: str, value: bytes) -> None:
        try:
            levels.apply(self.options, kind, value.decode("latin-1"), levels.USER, strict=not self.options.server)
        except levels.HelpWanted as wanted:
            raise Finished(str(wanted)) from None

    def on_stderr(self, value: bytes) -> None:
        for mode in ("errors", "all", "client"):
            if value and mode.encode().startswith(value):
                self.options.stderr_mode = mode
                return
        raise usage_error(f'--stderr mode "{printable(value)}" is not one of errors, all, or client')

    def on_archive(self) -> None:
        options = self.options
        options.recurse = options.recurse or 1
        options.links = options.perms = options.times = options.owner = options.group = True
        options.devices = options.specials = True

    def on_append(self) -> None:
        # On a server, the second --append means --append-verify.
        self.options.append = min(self.options.append + 1, 2) if self.options.server else 1

    def on_chmod(self, value: bytes) -> None:
        from tain.options.chmod import check_chmod

        check_chmod(value)
        options = self.options
        options.chmod = options.chmod + b"," + value if options.chmod else value

    def on_acls(self) -> None:
        self.options.acls = self.options.perms = True

    def on_D(self, on: bool) -> None:
        self.options.devices = self.options.specials = on

    def on_crtimes(self) -> None:
        # No file system call on this platform sets a creation time.
        who = "The server" if self.options.server else "This rsync"
        raise UsageError(f"rsync: {who} does not support --crtimes (-N)")

    def on_block_size(self, value: bytes) -> None:
        high = BLOCK_MAX_OLD if self.options.protocol < 30 else BLOCK_MAX
        self.options.block_size = parse_size(value, "block-size", high=high, point=self.point)

    def on_rsh(self, value: bytes) -> None:
        if self.options.server:
            self.options.capabilities = value
        else:
            self.options.rsh, self.options.rsh_given = value, True

    def on_remove_source_files(self) -> None:
        self.options.remove_source_files, self.options.remove_sent_files = True, False

    def on_remove_sent_files(self) -> None:
        self.options.remove_source_files = self.options.remove_sent_files = True

    def on_delete(self) -> None:
        if self.options.delete == "never":
            self.options.delete = "default"

    def on_delete_when(self, when: str) -> None:
        self.delete_groups.add(_DELETE_GROUPS[when])
        self.options.delete = when

    def on_delete_excluded(self) -> None:
        self.options.delete_excluded = True
        self.options.filter_events.append(("delete-excluded",))

    def on_max_size(self, value: bytes) -> None:
        self.options.max_size = parse_size(value, "max-size", point=self.point)

    def on_min_size(self, value: bytes) -> None:
        self.options.min_size = parse_size(value, "min-size", point=self.point)

    def on_max_alloc(self, value: bytes) -> None:
        self.options.max_alloc_arg = value

    def on_usermap(self, value: bytes) -> None:
        self.set_map("user", "usermap", value)

    def on_groupmap(self, value: bytes) -> None:
        self.set_map("group", "groupmap", value)

    def on_chown(self, value: bytes) -> None:
        user, _, group = value.partition(b":")
        for kind, name in (("user", user), ("group", group)):
            if name:
                self.set_map(kind, "chown", b"*:" + name)

    def set_map(self, kind: str, option: str, value: bytes) -> None:
        """Set the map of users or groups (*kind*), as *option* asks for it."""
        before = self.mapped_by.setdefault(kind, option)
        if before != option:
            raise usage_error(f"--{option} conflicts with prior --{before}.")
        if getattr(self.options, kind + "map") is not None:
            what = f"a {kind}-affecting --chown" if option == "chown" else f"--{option}"
            raise usage_error(f"You can only specify {what} once.")
        setattr(self.options, kind + "map", value)
        # The client sends -o and -g itself; a server that assumed them would misread the file list.
        if option == "chown" or not self.options.server:
            setattr(self.options, "owner" if kind == "user" else "group", True)

    def on_modify_window(self, value: int) -> None:
        self.options.modify_window, self.options.modify_window_given = value, True

    def on_basis(self, kind: str, value: bytes) -> None:
        options = self.options
        if options.alt_dest not in ("none", kind):
            raise usage_error(f"ERROR: the --{kind}-dest option conflicts with the --{options.alt_dest}-dest option")
        if len(options.alt_dirs) >= BASIS_DIRS_MAX:
            raise usage_error(f"ERROR: at most {BASIS_DIRS_MAX} --{kind}-dest args may be specified")
        options.alt_dest = kind
        options.alt_dirs.append(value)

    def on_no_compress(self) -> None:
        self.options.compress_asked = 0
        self.options.compress_choice_arg = None

    def on_compress_as(self, name: bytes) -> None:
        self.options.compress_choice_arg = name

    def on_compress_choice(self, value: bytes) -> None:
        self.options.compress_choice_arg = value

    def on_event(self, kind: str, value: bytes) -> None:
        self.options.filter_events.append((kind, value))

    def on_cvs_exclude(self) -> None:
        if not self.options.cvs_exclude:
            self.options.cvs_exclude = True
            self.options.filter_events.append(("cvs",))

    def on_from0(self, on: bool) -> None:
        self.options.from0 = on
        # The files that stand before it on the command line are read without it.
        self.options.filter_events.append(("from0", int(on)))

    def on_F(self) -> None:
        self.f_count += 1
        if self.f_count <= 2:
            rules = (b": /.rsync-filter", b"- .rsync-filter")
            self.options.filter_events.append(("filter", rules[self.f_count - 1]))

    def on_old_args(self) -> None:
        self.old_args = (self.old_args or 0) + 1

    def on_no_old_args(self) -> None:
        self.old_args = 0

    def on_secluded_args(self, on: bool) -> None:
        self.secluded = on

    def on_outbuf(self, value: bytes) -> None:
        letter = value[:1].lower()
        known = {b"n": "n", b"u": "n", b"l": "l", b"b": "b", b"f": "b"}
        if letter not in known:
            raise usage_error("Invalid --outbuf setting -- specify N, L, or B.")
        if not self.options.server:
            self.options.outbuf = known[letter]

    def on_P(self) -> None:
        self.options.partial = self.options.progress = True

    def on_remote_option(self, value: bytes) -> None:
        if value[:1] != b"-":
            raise usage_error(f"Remote option must start with a dash: {printable(value)}")
        self.options.remote_options.append(value)

    def on_bwlimit(self, value: bytes) -> None:
        size = parse_size(value, "bwlimit", default=b"K", low=512, zero=True, point=self.point)
        self.options.bwlimit = min((size + 512) // 1024, (1 << 31) - 1)

    def on_stop_after(self, value: bytes) -> None:
        from tain.options.stoptime import stop_after

        self.options.stop_at = stop_after(value, self.now())

    def on_stop_at(self, value: bytes) -> None:
        from tain.options.stoptime import stop_at

        self.options.stop_at = stop_at(value, self.now())

    def on_jobs(self, value: bytes) -> None:
        if not value.isdigit() or not 1 <= int(value) <= MOST_JOBS:
            raise usage_error(f"--jobs={printable(value)} is invalid: a number from 1 to {MOST_JOBS} is expected")
        self.options.jobs = int(value)

    def on_jobs_order(self, value: bytes) -> None:
        if value not in (b"list", b"live"):
            raise usage_error(f"--jobs-order={printable(value)} is invalid: list or live is expected")
        self.options.jobs_order = value.decode()

    def on_json_seconds(self, value: bytes) -> None:
        try:
            seconds = float(value)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < _MOST_SECONDS:
            raise usage_error(f"--json-seconds={printable(value)}: a number of seconds above 0 is expected")
        self.options.json_seconds = seconds

    def on_write_batch(self, value: bytes) -> None:
        self.options.write_batch, self.options.only_write_batch = value, False

    def on_only_write_batch(self, value: bytes) -> None:
        self.options.write_batch, self.options.only_write_batch = value, True

    def on_version(self) -> None:
        self.versions += 1

    def on_help(self) -> None:
        from tain.options.help import usage

        raise Finished(usage(self.program), 2 if self.options.server else 1)

    def on_server(self) -> None:
        self.options.server = True

    def on_sender(self) -> None:
        if not self.options.server:
            from tain.options.help import missing_arguments

            raise missing_arguments(self.program)
        self.options.sender = True

    def on_daemon_table(self, _value: object = None) -> None:  # only a running daemon gets here
        raise UnsupportedError("rsync: Attempt to hack rsync thwarted!")


def store(options: ResolvedOptions, row: Row, value: bytes | int | None) -> bool:
    """Do what a row of a plain action does to *options*. False: the row needs a handler."""
    if row.action == "set":
        setattr(options, row.dest, row.value)
    elif row.action == "inc":
        setattr(options, row.dest, getattr(options, row.dest) + 1)
    elif row.action in ("text", "int"):
        setattr(options, row.dest, value)
    else:
        return False
    return True


def resolve_daemon(raw: RawOptions, *, program: str, knows_parameter: Callable[[bytes], bool]) -> ResolvedOptions:
    """Give the words of a daemon's command line their meaning (spec: options 8).

    *knows_parameter* says whether ``--dparam`` may set a parameter of that name. Errors: `UsageError`.
    """
    options = ResolvedOptions()
    for row, _, _, value in raw.items:
        if store(options, row, value):
            continue
        if row.dest == "daemon_help":
            from tain.options.help import daemon_usage

            raise Finished(daemon_usage(program))
        assert isinstance(value, bytes)
        name, equals, _ = value.partition(b"=")
        if not equals:
            raise UsageError(f"--dparam value is missing an '=': {printable(value)}\n{DAEMON_HINT}")
        if not knows_parameter(name):
            raise UsageError(f'Unknown parameter "{printable(b" ".join(name.split()))}"')
        options.dparams.append(value)
    if raw.error is not None:
        raise raw.error
    if not options.daemon:
        raise UsageError(f"Daemon option(s) used without --daemon.\n{DAEMON_HINT}")
    options.args = list(raw.args)
    if options.server and not options.args:
        from tain.options.help import missing_arguments

        raise missing_arguments(program)
    levels.apply_verbosity(options)
    return options
