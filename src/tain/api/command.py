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
    streams of the process (descriptors 1 and 2), byte for byte that of the command; with *capture* it is in the result
    instead. The files of popt, which define aliases for commands, are not read, and ``--debug`` shows the lines of
    separate processes only where there are any: the process of a program is not forked.

    Errors: `UsageError` for words that are no transfer: servers, daemons, ``--version``, ``--help``, wrong options.
    """
    words = [os.fsencode(word) for word in argv]
    return Transfer._of_words(words, environ=environ, cwd=cwd, capture=capture).run()
