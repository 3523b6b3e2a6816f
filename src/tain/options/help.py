"""``--help``, made from the option table (spec: options 1.3)."""

from __future__ import annotations

from tain.errors import UsageError
from tain.options.table import DAEMON_ROWS, ROWS
from tain.options.version import version_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.table import Row

_INTRO = """{name} is a file transfer program capable of efficient remote update
via a fast differencing algorithm.

Usage: {name} [OPTION]... SRC [SRC]... DEST
  or   {name} [OPTION]... SRC [SRC]... [USER@]HOST:DEST
  or   {name} [OPTION]... SRC [SRC]... [USER@]HOST::DEST
  or   {name} [OPTION]... SRC [SRC]... rsync://[USER@]HOST[:PORT]/DEST
  or   {name} [OPTION]... [USER@]HOST:SRC [DEST]
  or   {name} [OPTION]... [USER@]HOST::SRC [DEST]
  or   {name} [OPTION]... rsync://[USER@]HOST[:PORT]/SRC [DEST]
The ':' usages connect via remote shell, while '::' & 'rsync://' usages connect
to an rsync daemon, and require SRC or DEST to start with a module name.

Options
"""

_END = """
Use "{name} --daemon --help" to see the daemon-mode command-line options.
Please see the {name}(1) and rsyncd.conf(5) manpages for full documentation.
"""

_DAEMON_END = """
If you were not trying to invoke {name} as a daemon, avoid using any of the
daemon-specific {name} options.  See also the rsyncd.conf(5) manpage.
"""

#: Further lines behind a row: its first name -> (left column, text).
_EXTRA: dict[str, tuple[tuple[str, str], ...]] = {
    "archive": (("--no-OPTION", "turn off an implied OPTION (e.g. --no-D)"),),
    "no-inc-recursive": (("--no-i-r", "same as --no-inc-recursive"),),
    "old-dirs": (("--old-d", "same as --old-dirs"),),
    "existing": (("--ignore-non-existing", "skip creating new files on receiver"),),
}
_LEFT = {
    "inc-recursive": "--inc-recursive, --i-r",
    "no-whole-file": "--no-whole-file, --no-W",
    "help": "--help, -h (*)",
}
_WIDTH = 25


def _line(left: str, text: str) -> str:
    return f"{left:<{_WIDTH - 1}} {text}\n"


def _left(row: Row, daemon: bool) -> str:
    if not daemon and row.key in _LEFT:
        return _LEFT[row.key]
    if not row.longs:
        return f"-{row.short}"
    left = f"--{row.longs[0]}" + (f"={row.metavar}" if row.metavar else "")
    return f"{left}, -{row.short}" if row.short else left


def options_text(rows: tuple[Row, ...], name: str, *, daemon: bool = False) -> str:
    """The list of options, a line each."""
    out = []
    for row in rows:
        if row.help is None:
            continue
        left = _left(row, daemon)
        for text in row.help.replace("{name}", name).split("\n"):
            out.append(_line(left, text))
            left = ""
        if not daemon:
            out.extend(_line(left, text) for left, text in _EXTRA.get(row.key, ()))
    return "".join(out)


def usage(name: str) -> str:
    """The whole text of ``--help``."""
    return version_text(name) + "\n" + _INTRO.format(name=name) + options_text(ROWS, name) + _END.format(name=name)


def missing_arguments(name: str) -> UsageError:
    """The error for a command line that names nothing to do: the text of ``--help``."""
    return UsageError(usage(name).rstrip("\n"))


def daemon_usage(name: str) -> str:
    """The whole text of ``--daemon --help``."""
    return (
        version_text(name)
        + f"\nUsage: {name} --daemon [OPTION]...\n"
        + options_text(DAEMON_ROWS, name, daemon=True)
        + _DAEMON_END.format(name=name)
    )
