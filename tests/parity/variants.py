"""Rows again by another way: over the stand-in shell, over a daemon, or as an ordinary user.

A third of the local rows is taken over a link, and some as an ordinary user, chosen by a sum of their ids: which ones
stays the same from run to run, and a new row may fall among them.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
import zlib
from collections.abc import Iterable, Sequence

from tests.parity.harness import Row

#: What means something else, or nothing, when the other end is another process or machine, or another user.
_LOCAL_ONLY = re.compile(
    r"--(files-from|list-only|log-file|(only-)?(write|read)-batch|insecure-links|confine-root|copy-as|protocol|rsync-path"
    r"|remote-option|munge-links|fake-super|super|drop-D|progress|info=progress2?|stats|outbuf|msgs2stderr"
    r"|no-msgs2stderr|stderr|copy-devices|write-devices|max-alloc|iconv|old-args|debug|out-format|log-format|chmod"
    r"|inc-recursive|i-r|no-inc-recursive|no-i-r|whole-file|no-whole-file)\b|-M|(^| )-[a-zA-Z]*[evPW]|:|\{|-vv"
)
_WAYS = ("push", "", "pull", "daemon-push", "", "daemon-pull", "user", "", "", "")


def _places(command: str | Sequence[str | bytes]) -> tuple[list[str], str, str] | None:
    """The options, the source and the destination of a plain command; None for another."""
    if not isinstance(command, str) or _LOCAL_ONLY.search(command):
        return None
    words = shlex.split(command)
    if len(words) < 3 or not words[-3].startswith("-") or words[-3] in ("-f", "-T", "-B", "-e", "-M", "-@"):
        return None
    if re.fullmatch(r"--[a-z-]+", words[-3]) and words[-3].endswith(
        ("-dest", "-dir", "size", "filter", "clude", "map")
    ):
        return None
    options, (source, destination) = words[:-2], words[-2:]
    if any(word[:1] in ("-", "/", "") or ".." in word for word in (source, destination)):
        return None
    return options, source, destination


def _over(row: Row, way: str) -> Row | None:
    """The row with one of its ends behind a link; None where that would be another test."""
    remote = "{url}/m/" if way.startswith("daemon") else "h:{w}/"
    steps: list[str] = []
    for step in (row.cmd, *row.then):
        if isinstance(step, str) and step.startswith("!"):
            steps.append(step)
            continue
        if callable(step):
            return None
        places = _places(step)
        if places is None:
            return None
        options, source, destination = places
        if source == destination and "--remove-source-files" in options:
            # One end removes where the other sets the directory's time: which is later is a race of processes.
            return None
        if way.endswith("push"):
            destination = remote + destination
        else:
            source = remote + source
        steps.append(shlex.join([*options, source, destination]))
    via = "daemon" if way.startswith("daemon") else "shell"
    conf = "path = {w}\nread only = no" if via == "daemon" else ""
    return dataclasses.replace(row, id=f"{row.id}-over-{way}", cmd=steps[0], then=steps[1:], via=via, conf=conf)


def variants(rows: Iterable[Row]) -> list[Row]:
    """The rows that are run again, each by the way that falls to it."""
    found: list[Row] = []
    for row in rows:
        way = _WAYS[zlib.crc32(row.id.encode()) % len(_WAYS)]
        if not way or row.via != "local" or row.user or row.pty or row.env or row.stdin:
            continue
        if way == "user":
            if _places(row.cmd) is not None:
                found.append(dataclasses.replace(row, id=f"{row.id}-as-user", user=True))
            continue
        other = _over(row, way)
        if other is not None:
            found.append(other)
    return found


def is_variant(row: Row) -> bool:
    """Whether it is one of those that `variants` makes."""
    return "-over-" in row.id or row.id.endswith("-as-user")
