"""The arguments of a daemon's client: reading, unescaping, and paths inside the module (spec: daemon 4.6, 7.3)."""

from __future__ import annotations

import os

from tain.daemon.text import has_wildcard, wild

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.daemon.conversation import Conversation

#: 16,000 places less the implied program name and the end.
MAX_WORDS = 15998
MAX_WORD = 5119
_REQUEST_LIMIT = 1024
_DEPTH_LIMIT = 128


class Arguments:
    """What a client asked for."""

    __slots__ = ("options", "paths", "raw", "request")

    def __init__(self) -> None:
        #: Words before ``.``, unescaped, with their order kept.
        self.options: list[bytes] = []
        #: Words after it, the module name cut off, neither expanded nor cleaned.
        self.paths: list[bytes] = []
        #: The paths as they came, for the log and hooks.
        self.request = b""
        #: Every word as hooks see them.
        self.raw: list[bytes] = []


def read(talk: Conversation, protocol: int, module: bytes) -> Arguments:
    """Read one list, or two with secluded args. Raises what the conversation raises."""
    stop = b"\0" if protocol >= 30 else b"\n"
    words = talk.read_list(stop, word_limit=MAX_WORD, count_limit=MAX_WORDS)
    secluded = _secluded(words)
    found = Arguments()
    if not secluded:
        _take(found, words, module, escaped=True, split=True)
        return found
    hidden = talk.read_list(b"\0", word_limit=MAX_WORD, count_limit=MAX_WORDS)
    visible = [unescape(word) for word in words]
    found.raw = list(visible)
    # The first word of the second list is the program's name; the rest comes on top of the first list.
    _take(found, hidden[1:], module, escaped=False, split=False)
    found.options = visible + found.options
    return found


def _secluded(words: list[bytes]) -> bool:
    """Whether the first list announces a second one: a ``-s`` among the short letters, or its long names."""
    for word in words:
        if word == b".":
            return False
        if word in (b"--secluded-args", b"--protect-args"):
            return True
        if word[:1] == b"-" and word[:2] != b"--":
            # Letters after `e` are the client's abilities, not options.
            letters = word[1:].partition(b"e")[0]
            if b"s" in letters:
                return True
    return False


def _take(found: Arguments, words: list[bytes], module: bytes, *, escaped: bool, split: bool) -> None:
    dot = words.index(b".") if b"." in words else len(words)
    found.options = [unescape(word) if escaped else word for word in words[:dot]]
    found.raw += found.options
    if dot < len(words):
        found.raw.append(b".")
    request: list[bytes] = []
    for word in words[dot + 1 :]:
        request.append(word)
        parts = split_paths(word, module) if split else [strip_module(word, module)]
        found.paths += parts
        found.raw += parts
    found.request = b" ".join(request)[:_REQUEST_LIMIT]


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


def strip_module(path: bytes, module: bytes) -> bytes:
    """Cut the module's name off the front of a path."""
    if path == module:
        return b""
    return path[len(module) + 1 :] if path.startswith(module + b"/") else path


def split_paths(word: bytes, module: bytes) -> list[bytes]:
    """Old clients send several paths in one word, joined by `` module/``."""
    return [strip_module(part, module) for part in _split(word, b" " + module + b"/")]


def _split(word: bytes, mark: bytes) -> list[bytes]:
    parts: list[bytes] = []
    start = 0
    while True:
        at = word.find(mark, start + 1)
        if at < 0:
            return [*parts, word[start:]]
        parts.append(word[start:at])
        start = at + 1


def clean(path: bytes) -> bytes:
    """A path beneath the module: no leading slash, no ``..`` that climbs above it (spec: daemon 7.3).

    A final slash, and a final ``.``, stay: they mean "the contents of". An empty path is ``.``.
    """
    out: list[bytes] = []
    for part in path.split(b"/"):
        if part == b"..":
            if out:
                out.pop()
        elif part not in (b"", b"."):
            out.append(part)
    last = path.rpartition(b"/")[2]
    text = b"/".join(out)
    if not text:
        return b"./" if path.endswith(b"/") and path.strip(b"/") else b"."
    if last == b"":
        return text + b"/"
    return text + b"/." if last == b"." else text


def expand(path: bytes, root: int, hidden: Callable[[bytes, bool], bool] | None = None) -> list[bytes]:
    """Wildcards of a cleaned path against the tree under the open directory ``root``, sorted.

    A path that matches nothing stays as it is, so that its name stands in the error. Links are not followed on the
    way, which keeps the search inside the module whatever others do to the tree meanwhile.
    """
    if not has_wildcard(path):
        return [path]
    tail = b"/" if path.endswith(b"/") else b""
    parts = path.rstrip(b"/").split(b"/")
    if len(parts) > _DEPTH_LIMIT:
        return [path]
    found: list[bytes] = []
    start = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    try:
        _search(start, parts, b"", bool(tail), hidden, found)
    finally:
        os.close(start)
    return sorted(name + tail for name in found) or [path]


def _search(
    directory: int,
    parts: list[bytes],
    prefix: bytes,
    want_directory: bool,
    hidden: Callable[[bytes, bool], bool] | None,
    found: list[bytes],
) -> None:
    part, rest = parts[0], parts[1:]
    if has_wildcard(part):
        try:
            names = [os.fsencode(name) for name in os.listdir(directory)]
        except OSError:
            return
        # A leading dot is matched by a dot only.
        names = [n for n in names if wild(part, n, path=True) and (n[:1] != b"." or part[:1] == b".")]
    else:
        names = [unescape(part)]
    for name in names:
        below = prefix + name
        child = -1
        if rest or want_directory:
            try:
                child = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            except OSError:
                continue
        try:
            if rest:
                if hidden is None or not hidden(below, True):
                    _search(child, rest, below + b"/", want_directory, hidden, found)
                continue
            try:
                kind = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
            except OSError:
                continue
            if hidden is None or not hidden(below, kind & 0o170000 == 0o040000):
                found.append(below)
        finally:
            if child >= 0:
                os.close(child)
