"""``--log-file`` of a client or a server; each writes its own file (spec: options 2.11, output 13)."""

from __future__ import annotations

import os

from tain.escape import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.resolved import ResolvedOptions
    from tain.report.output import Output
    from tain.session.environment import Environment


def open_log(options: ResolvedOptions, env: Environment, out: Output, *, role: str) -> None:
    """Open the log that *options* name, for *out*. A file that cannot be opened is reported and left out."""
    if not options.log_file:
        return
    from tain.report.logfile import LogFile
    from tain.session.operator_file import open_named, with_link_note
    from tain.system import system_text

    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY
    try:
        out.log = LogFile(open_named(options.log_file, env, options, flags), env.pid)
    except OSError as error:
        text = f"rsync: [{role}] failed to open log-file {printable(options.log_file)}: {system_text(error)}\n"
        out.error(with_link_note(error, text).encode("utf-8", "surrogateescape"))
        out.info(b'Ignoring "log file" setting.\n')
