"""From words to options as typed, by the rules of popt (spec: options 1). Their meaning is decided later."""

from __future__ import annotations

from tain.digits import bounded
from tain.errors import UsageError
from tain.escape import printable
from tain.options.table import CLIENT_ONLY, DAEMON_ROWS, ROWS, spellings

TYPE_CHECKING = False  # typing itself is not imported at run time: start-up time counts
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tain.options.table import Row

#: An option as typed: its row, the word it was found in, the spelling without dashes, and the argument.
Item = tuple["Row", bytes, str, bytes | int | None]

INT_MIN, INT_MAX = -(1 << 31), (1 << 31) - 1

DAEMON_HINT = '(Type "rsync --daemon --help" for assistance with daemon mode.)'

#: The two texts of popt for a bad number.
_BAD_NUMBER = "invalid numeric value"
_OVERFLOW = "number too large or too small"


class RawOptions:
    """The options as typed, in order. `error` is for the caller to raise after it has applied all `items`."""

    __slots__ = ("args", "daemon", "error", "items", "server", "word_count")

    def __init__(self) -> None:
        self.items: list[Item] = []
        #: Words that are not options.
        self.args: list[bytes] = []
        self.error: UsageError | None = None
        #: ``--server`` was seen.
        self.server: bool = False
        #: The same words read by the daemon's table, after one of its switches; `items` ends before that.
        self.daemon: RawOptions | None = None
        #: How many words the command line had (for the ``-h`` rule).
        self.word_count: int = 0


def integer(text: bytes) -> int:
    """A C integer as ``strtol`` with base 0 reads it: hexadecimal and octal prefixes, leading blanks, a sign.

    An empty string is 0. Errors: `ValueError` with popt's text.
    """
    body = text.lstrip(b" \t\n\v\f\r")
    if not body and not text:
        return 0
    negative = body[:1] == b"-"
    if body[:1] in (b"-", b"+"):
        body = body[1:]
    base, digits = 10, body
    if body[:2] in (b"0x", b"0X"):
        base, digits = 16, body[2:]
    elif body[:1] == b"0" and len(body) > 1:
        base, digits = 8, body[1:]
    # int() accepts blanks, signs and underscores that strtol does not.
    if not digits.isalnum():
        raise ValueError(_BAD_NUMBER)
    try:
        value = bounded(digits) if base == 10 and digits.isdigit() else int(digits, base)
    except ValueError:
        raise ValueError(_BAD_NUMBER) from None
    if negative:
        value = -value
    if not INT_MIN <= value <= INT_MAX:
        raise ValueError(_OVERFLOW)
    return value


class _Parser:
    __slots__ = ("aliases", "daemon_table", "posix", "raw", "rows", "words")

    def __init__(
        self,
        words: Sequence[bytes],
        aliases: Mapping[bytes, Sequence[bytes]] | None,
        daemon_table: bool,
        posix: bool = False,
    ) -> None:
        self.posix = posix
        self.rows = spellings(DAEMON_ROWS if daemon_table else ROWS)
        # A stack: the next word is the last one. With each word stand the aliases that it came from.
        self.words: list[tuple[bytes, frozenset[bytes]]] = [(word, frozenset()) for word in reversed(words)]
        self.aliases = aliases
        self.daemon_table = daemon_table
        self.raw = RawOptions()
        self.raw.word_count = len(words)

    def complain(self, word: bytes, text: str) -> None:
        where = "on remote machine: " if self.raw.server and not self.daemon_table else ""
        if self.daemon_table:
            self.raw.error = UsageError(f"rsync: {printable(word)}: {text} (in daemon mode)\n{DAEMON_HINT}")
        else:
            self.raw.error = UsageError(f"rsync: {where}{printable(word)}: {text}")

    def expand(self, key: bytes, used: frozenset[bytes], argument: bytes | None, rest: bytes) -> bool:
        """Replace an alias by its words. False when *key* is no alias, or is being expanded already."""
        if self.aliases is None or key in used or key not in self.aliases:
            return False
        inner = used | {key}
        expansion = list(self.aliases[key])
        if any(b"!#:+" in word for word in expansion):
            if argument is None:
                argument = self.words.pop()[0] if self.words else b""
            expansion = [word.replace(b"!#:+", argument) for word in expansion]
        elif argument is not None:
            expansion.append(argument)
        if rest:
            self.words.append((b"-" + rest, used))
        self.words.extend((word, inner) for word in reversed(expansion))
        return True

    def take(self, row: Row, word: bytes, name: str, argument: bytes | None) -> bool:
        """Record one option; its argument may be the next word. False ends the parse."""
        kind = row.kind
        value: bytes | int | None = None
        if kind:
            if argument is None:
                if not self.words:
                    self.complain(word, "missing argument")
                    return False
                word = argument = self.words.pop()[0]
            value = argument
            if kind == "i":
                try:
                    value = integer(argument)
                except ValueError as error:
                    self.complain(word, str(error))
                    return False
        elif argument is not None:
            self.complain(word, "option does not take an argument")
            return False
        self.raw.items.append((row, word, name, value))
        return True

    def long(self, word: bytes, used: frozenset[bytes]) -> bool:
        name, sep, rest = word[2:].partition(b"=")
        argument = rest if sep else None
        if self.expand(b"--" + name, used, argument, b""):
            return True
        key = name.decode("latin-1")
        row = self.rows.get(key) if len(key) > 1 else None
        if row is None or (self.raw.server and key in CLIENT_ONLY):
            self.complain(word, "unknown option")
            return False
        if key == "server" and not self.daemon_table:
            self.raw.server = True
        return self.take(row, word, key, argument)

    def short(self, word: bytes, used: frozenset[bytes]) -> bool:
        bundle = word[1:]
        while bundle:
            letter, bundle = bundle[:1], bundle[1:]
            if self.expand(b"-" + letter, used, None, bundle):
                return True
            key = letter.decode("latin-1")
            row = self.rows.get(key)
            if row is None:
                self.complain(word, "unknown option")
                return False
            argument: bytes | None = None
            if (bundle and row.kind) or bundle[:1] == b"=":
                argument = bundle[1:] if bundle[:1] == b"=" else bundle
                bundle = b""
            if not self.take(row, word, key, argument):
                return False
        return True

    def run(self) -> RawOptions:
        words, raw = self.words, self.raw
        while words:
            word, used = words.pop()
            if word == b"--":
                raw.args.extend(other for other, _ in reversed(words))
                break
            if len(word) > 1 and word[:1] == b"-":
                good = self.long(word, used) if word[1:2] == b"-" else self.short(word, used)
                if not good:
                    break
                if raw.items and raw.items[-1][0].dest == "daemon_table":
                    break
            else:
                raw.args.append(word)
                if self.posix:
                    raw.args.extend(other for other, _ in reversed(words))
                    break
        return raw


def parse(
    words: Sequence[bytes], aliases: Mapping[bytes, Sequence[bytes]] | None = None, *, posix: bool = False
) -> RawOptions:
    """Read a command line without the program name. *posix*: the first word that is no option ends the options.

    *aliases* come from the popt files. With ``--server`` or ``--daemon`` anywhere in *words* they do not count, so that
    no alias can hide these two.
    """
    if aliases and any(word in (b"--server", b"--daemon") for word in words):
        aliases = None
    raw = _Parser(words, aliases, False, posix).run()
    if raw.items and raw.items[-1][0].dest == "daemon_table":
        raw.items.pop()
        raw.daemon = _Parser(words, None, True, posix).run()
    return raw
