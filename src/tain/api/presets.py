"""Options for common purposes, and `retry`."""

from __future__ import annotations

import os

from tain.errors import UsageError
from tain.keywords import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec

    from tain.keyword_fields import StrOrBytesPath
    from tain.results import Result

    _P = ParamSpec("_P")

#: A copy that readers use while it changes: deletions and renames come at the end, all at once.
MIRROR = Options(hard_links=True, delete="delay", delay_updates=True, partial_dir=".~tmp~")
#: A copy with everything that the file system knows; an interrupted file is continued.
BACKUP = Options(acls=True, xattrs=True, hard_links=True, numeric_ids=True, partial=True)
#: A copy after which the source files are gone.
MOVE = Options(remove_source_files=True)
#: A tree for a web server: readable by all, without owners, devices, and links that lead out of it.
PUBLISH = Options(
    owner=False, group=False, devices=False, specials=False, safe_links=True, delete="delay", chmod="D755,F644"
)
#: Codes after which another attempt may succeed: the daemon was not ready, or the connection broke.
_AGAIN = frozenset((5, 10, 12, 30, 35))


def snapshot(previous: StrOrBytesPath) -> Options:
    """The options of a backup whose unchanged files are hard links to those of *previous*, the backup before it.

    A relative *previous* is relative to the destination.
    """
    return BACKUP.replace(link_dest=os.fsencode(previous), delete=True)


def retry(
    transfer: Callable[_P, Result],
    *,
    times: int = 5,
    pause: float = 1.0,
    longest: float = 60.0,
) -> Callable[_P, Result]:
    """*transfer* (`tain.sync`) with up to *times* attempts: ``tain.retry(tain.sync, times=5)("src/", "host:dst")``.

    Another attempt follows codes 5, 10, 12, 30 and 35, after *pause* seconds, which double up to *longest*; with
    ``partial=True`` it continues interrupted files. The result is that of the last attempt. Errors: `UsageError` when
    *times* is less than 1.
    """
    if times < 1:
        raise UsageError(f"times: at least 1 is expected, not {times}")

    def attempts(*arguments: _P.args, **keywords: _P.kwargs) -> Result:
        import time

        wait = pause
        result = transfer(*arguments, **keywords)
        for _ in range(times - 1):
            if result.code not in _AGAIN:
                break
            time.sleep(wait)
            wait = min(2 * wait, longest)
            result = transfer(*arguments, **keywords)
        return result

    return attempts
