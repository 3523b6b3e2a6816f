"""Shell wildcards, and their expansion in a tree where no shell expands them (spec: protocol 10.6).

A client with secluded arguments, and every client of a daemon, leaves its patterns to the server.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Patterns with more parts are not expanded.
_DEPTH_LIMIT = 128


def wild(pattern: bytes, text: bytes, *, fold: bool = False, path: bool = False) -> bool:
    """Shell wildcards ``* ? [ ]`` over the whole text; with ``path`` a slash is matched only by itself and ``**``."""
    if fold:
        pattern, text = pattern.lower(), text.lower()
    # Greedy, with one position to return to: linear in practice, and never exponential.
    p = t = 0
    star = resume = -1
    while t < len(text):
        step = _one(pattern, p, text[t], path)
        if p < len(pattern) and pattern[p] == 0x2A:
            star, resume = p, t
            p += 1
        elif step:
            p, t = step, t + 1
        elif star >= 0 and not (path and text[resume] == 0x2F):
            resume += 1
            p, t = star + 1, resume
        else:
            return False
    return not pattern[p:].strip(b"*")


def _one(pattern: bytes, p: int, byte: int, path: bool) -> int:
    """The position behind the part of the pattern that matches *byte*, or 0 without a match."""
    if p >= len(pattern):
        return 0
    c = pattern[p]
    if c == 0x3F:
        return 0 if path and byte == 0x2F else p + 1
    if c == 0x5C and p + 1 < len(pattern):
        return p + 2 if pattern[p + 1] == byte else 0
    if c != 0x5B:
        return p + 1 if c == byte else 0
    end = p + 1
    negate = pattern[end : end + 1] in (b"!", b"^")
    end += negate
    found, first = False, True
    while end < len(pattern) and (pattern[end] != 0x5D or first):
        first = False
        if pattern[end] == 0x5C and end + 1 < len(pattern):
            end += 1
        low = high = pattern[end]
        if pattern[end + 1 : end + 2] == b"-" and pattern[end + 2 : end + 3] not in (b"", b"]"):
            high = pattern[end + 2]
            end += 2
        found = found or low <= byte <= high
        end += 1
    if end >= len(pattern) or (path and byte == 0x2F):
        return 0
    return end + 1 if found != negate else 0


def has_wildcard(text: bytes) -> bool:
    return any(byte in b"*?[" for byte in text)


def unescape(word: bytes) -> bytes:
    """``\\x`` is ``x``; a backslash at the end stays."""
    if b"\\" not in word:
        return word
    out, at = bytearray(), 0
    while at < len(word):
        if word[at] == 0x5C and at + 1 < len(word):
            at += 1
        out.append(word[at])
        at += 1
    return bytes(out)


def expand(
    path: bytes,
    root: int,
    hidden: Callable[[bytes, bool], bool] | None = None,
    *,
    follow: bool = False,
    locked: bool = False,
) -> list[bytes]:
    """The names that *path* matches in the tree under the open directory *root*, sorted.

    As in rsync, a wildcard also matches a leading dot, and the parts behind the last wildcard need not exist. A path
    without a match is returned unchanged, so that the error names it. *hidden* says whether a path must not be visible;
    its second argument is true for a directory. Unless *follow*, a symlink is followed only when it is relative and
    stays below *root*, which holds even if the tree changes meanwhile. *locked*: the process cannot leave *root*.
    """
    if not has_wildcard(path):
        return [path]
    tail = b"/" if path.endswith(b"/") else b""
    top = b"/" if path.startswith(b"/") else b""
    parts = [part for part in path.split(b"/") if part]
    if len(parts) > _DEPTH_LIMIT:
        return [path]
    found: list[bytes] = []
    start = os.open(top or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    try:
        _search(start, start, parts, b"", bool(tail), hidden, follow, found, None if follow or locked else 0)
    finally:
        os.close(start)
    return sorted(top + name + tail for name in found) or [path]


def _search(
    root: int,
    directory: int,
    parts: list[bytes],
    prefix: bytes,
    want_directory: bool,
    hidden: Callable[[bytes, bool], bool] | None,
    follow: bool,
    found: list[bytes],
    depth: int | None,
) -> None:
    part, rest = parts[0], parts[1:]
    if not has_wildcard(part):
        names = [unescape(part)]
    else:
        try:
            names = [name for name in map(os.fsencode, os.listdir(directory)) if wild(part, name, path=True)]
        except OSError:
            return
    if not any(map(has_wildcard, rest)):
        behind = b"".join(b"/" + unescape(one) for one in rest)
        for name in names:
            try:
                kind = os.stat(name, dir_fd=directory, follow_symlinks=follow).st_mode & 0o170000
            except OSError:
                kind = 0
            if has_wildcard(part) and kind == 0o120000 and _dangles(directory, name, depth):
                continue
            # The target of a symlink is checked when it is opened.
            fits = kind in (0o040000, 0o120000) or not (rest or want_directory)
            if fits and not (hidden is not None and hidden(prefix + name, kind == 0o040000)):
                found.append(prefix + name + behind)
        return
    for name in names:
        below = prefix + name
        if hidden is not None and hidden(below, True):
            continue
        try:
            child = os.open(name, _LIST, dir_fd=directory) if depth is None else open_inside(root, below)
        except OSError:
            continue
        try:
            level = None if depth is None else depth + 1
            _search(root, child, rest, below + b"/", want_directory, hidden, follow, found, level)
        finally:
            os.close(child)


_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MAX_LINKS = 40


def open_inside(root: int, path: bytes) -> int:
    """Open a directory below *root*, component by component; a symlink on the way must stay below *root*.

    Errors: `OSError`, with ``ELOOP`` for a symlink that leads out.
    """
    refused = OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    todo = [part for part in path.split(b"/") if part not in (b"", b".")]
    held = [os.open(b".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)]
    links = 0
    try:
        while todo:
            part = todo.pop(0)
            if part == b"..":
                if len(held) == 1:
                    raise refused
                os.close(held.pop())
                continue
            pin = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=held[-1])
            held.append(pin)
            if stat.S_ISLNK(os.fstat(pin).st_mode):
                links += 1
                target = os.readlink(b"", dir_fd=pin)
                os.close(held.pop())
                if target.startswith(b"/") or links > _MAX_LINKS:
                    raise refused
                todo[:0] = [part for part in target.split(b"/") if part not in (b"", b".")]
        return os.open(b".", _LIST, dir_fd=held[-1])
    finally:
        for fd in held:
            os.close(fd)


def _dangles(directory: int, name: bytes, depth: int | None) -> bool:
    """Whether a symlink has no target; patterns do not match such a link.

    With a *depth* below the root, a target outside is not looked up, because its existence must stay secret.
    """
    try:
        if depth is not None:
            target = os.readlink(name, dir_fd=directory)
            level = depth
            for part in target.split(b"/"):
                level += -1 if part == b".." else part not in (b"", b".")
                if level < 0:
                    return False
            if target.startswith(b"/"):
                return False
        os.stat(name, dir_fd=directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False
