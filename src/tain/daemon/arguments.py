"""The arguments of a daemon's client: reading, unescaping, and paths inside the module (spec: daemon 4.6, 7.3)."""

from __future__ import annotations

from tain.options import paths
from tain.session.arguments import unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.conversation import Conversation

#: 16,000 places less the implied program name and the end.
MAX_WORDS = 15998
MAX_WORD = 5119
_REQUEST_LIMIT = 1024


class Arguments:
    """The arguments of a client."""

    __slots__ = ("options", "paths", "raw", "request")

    def __init__(self) -> None:
        #: Words before ``.``, unescaped, with their order kept.
        self.options: list[bytes] = []
        #: Words after ``.`` without the module's name, neither expanded nor cleaned.
        self.paths: list[bytes] = []
        #: The paths as received, for the log and hooks.
        self.request = b""
        #: Every word as hooks see them.
        self.raw: list[bytes] = []


def read(talk: Conversation, protocol: int, module: bytes, *, charset: bytes | None = None) -> Arguments:
    """Read one list of words, or two with secluded args.

    *charset* is the module's: a client with ``--iconv`` sends secluded words in UTF-8, and they are converted to it.
    Errors: those of the conversation.
    """
    stop = b"\0" if protocol >= 30 else b"\n"
    words = talk.read_list(stop, word_limit=MAX_WORD, count_limit=MAX_WORDS)
    secluded = _secluded(words)
    found = Arguments()
    if not secluded:
        _take(found, words, module, escaped=True, split=True)
        return found
    hidden = talk.read_list(b"\0", word_limit=MAX_WORD, count_limit=MAX_WORDS)
    visible = [unescape(word) for word in words]
    if charset is not None and any(word.startswith(b"--iconv=") for word in visible):
        import codecs

        from tain import _core

        name = codecs.lookup(charset.decode().partition(",")[0]).name
        hidden = [_core.convert(word, name, to_wire=False) for word in hidden]
    found.raw = list(visible)
    # The first word of the second list is the program's name; the others are added to the first list.
    _take(found, hidden[1:], module, escaped=False, split=False)
    found.options = visible + found.options
    return found


def _secluded(words: list[bytes]) -> bool:
    """Whether the first list announces a second one, by ``-s`` among short options or by a long name."""
    for word in words:
        if word == b".":
            return False
        if word in (b"--secluded-args", b"--protect-args"):
            return True
        if word[:1] == b"-" and word[:2] != b"--":
            # Letters after `e` are capabilities of the client, not options.
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
    request = b""
    for word in words[dot + 1 :]:
        # The text is cut between two words, not inside one (tests/unit/test_daemon_parts.py).
        if len(request) < _REQUEST_LIMIT:
            request += (b" " if request else b"") + word
        parts = split_paths(word, module) if split else [strip_module(word, module)]
        found.paths += parts
        found.raw += parts
    found.request = request


def strip_module(path: bytes, module: bytes) -> bytes:
    """The path without the module's name in front."""
    if path == module:
        return b""
    return path[len(module) + 1 :] if path.startswith(module + b"/") else path


def split_paths(word: bytes, module: bytes) -> list[bytes]:
    """The paths of one word: old clients join several with `` module/``."""
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


def clean_source(path: bytes) -> bytes:
    """A path below the module for a sender: like :func:`clean`, but with its ``.`` components.

    They mark where the kept part of a relative name begins (spec: options 5.3).
    """
    out: list[bytes] = []
    for part in path.split(b"/"):
        if part == b"..":
            del out[-1:]
        elif part:
            out.append(part)
    if not out:
        return b"."
    return b"/".join(out) + (b"/" if path.endswith(b"/") else b"")


def clean(path: bytes) -> bytes:
    """A path below the module, without a leading slash and without ``..`` above the root (spec: daemon 7.3).

    A final slash or ``.`` is kept, because it means "the contents of". An empty path becomes ``.``.
    """
    last = path.rpartition(b"/")[2]
    text = paths.clean(b"/" + path)[1:]
    if not text:
        return b"./" if path.endswith(b"/") and path.strip(b"/") else b"."
    if last == b"":
        return text + b"/"
    return text + b"/." if last == b"." else text
