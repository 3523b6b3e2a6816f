"""`run`: a whole command line in this process."""

from __future__ import annotations

import os

from tain.api.transfer import Transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tain.keyword_fields import StrOrBytesPath
    from tain.results import Result


def run(
    argv: Sequence[str | bytes],
    *,
    capture: bool = False,
    environ: Mapping[str, str] | None = None,
    cwd: StrOrBytesPath | None = None,
) -> Result:
    """Run the words of an rsync command line, without the program's name: ``run(["-av", "src/", "host:dst/"])``.

    Nothing is added: `archive` is off unless a word says so, and there are no guards. The output goes to the standard
    streams of the process, and is in the result with *capture* only. The files of popt, which define aliases for
    commands, are not read.

    Errors: `UsageError` for words that are no transfer: servers, daemons, ``--version``, ``--help``, wrong options.
    """
    return Transfer.of_words(
        [os.fsencode(word) for word in argv], on_output=None if capture else _print, environ=environ, cwd=cwd
    ).run()


def _print(fd: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        # As the command does: a closed pipe does not stop the run.
        return
