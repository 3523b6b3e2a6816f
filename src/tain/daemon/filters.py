"""A module's filter parameters as rule texts (spec: daemon 8)."""

from __future__ import annotations

import os
import re

from tain.daemon.refusal import RefusalError, or_refuse
from tain.errors import TainError
from tain.session import operator_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.sections import Section

_LONG = frozenset({b"exclude", b"include", b"hide", b"show", b"protect", b"risk", b"merge", b"dir-merge"})
_SHORT = b"+-HSPR.:"
#: The beginning of an exclude rule, up to a pattern that is more than the root.
_EXCLUDES = re.compile(rb"(?:[-HP]|exclude|hide|protect)[^ _/]*[ _]+/?[^/ _]")


def rules(section: Section) -> list[bytes]:
    """All rules in order, in the new style; the first match wins. Errors: `RefusalError`."""
    found = split_rules(section.text("filter"))
    _vet(found)
    found += file_rules(section.text("include from"), b"+")
    found += pattern_rules(section.text("include").split(), b"+")
    found += file_rules(section.text("exclude from"), b"-")
    found += pattern_rules(section.text("exclude").split(), b"-")
    return [whole_directory(rule) for rule in found]


def whole_directory(rule: bytes) -> bytes:
    """Extend an exclude of a directory (``- /d/``) to its contents: a name is not always tested with its parents.

    Rules from a file that ``filter`` merges are not extended, as in rsync.
    """
    return rule + b"***" if rule.endswith(b"/") and _EXCLUDES.match(rule) else rule


def _vet(found: list[bytes]) -> None:
    """Refuse the connection if a rule cannot be parsed."""
    from tain import _core

    for at, rule in enumerate(found):
        try:
            _core.excluded([rule], b"x", False)
        except TainError as error:
            # rsync shows the rest of the parameter from this rule on.
            shown = os.fsdecode(rule)
            text = str(error).replace("[client]", "[Receiver]")
            if text.endswith(f": {shown}"):
                text = text[: -len(shown)] + os.fsdecode(b" ".join(found[at:]))
            raise RefusalError("", text, error.code) from None


def split_rules(text: bytes) -> list[bytes]:
    """The rules of a parameter, separated by blanks. A blank between a rule's name and its pattern belongs to it."""
    out: list[bytes] = []
    words = text.split()
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if _wants_pattern(word) and at < len(words):
            word += b" " + words[at]
            at += 1
        out.append(word)
    return out


def _wants_pattern(word: bytes) -> bool:
    """Whether the word is only the name of a rule: ``-``, ``+p``, ``dir-merge,n-``, but not ``-_x`` or ``!``."""
    name, comma, _ = word.partition(b",")
    if name in _LONG:
        return b"_" not in word and b"=" not in word
    if word[:1] and word[:1] in _SHORT:
        if b"C" in word[1:] and word[:1] in b"-.:":
            return False
        modifiers = word[2:] if comma and len(name) == 1 else word[1:]
        return all(byte in b"!/Cserxnpw+-" for byte in modifiers)
    return False


def pattern_rules(words: list[bytes], sign: bytes) -> list[bytes]:
    """The rules of ``include`` and ``exclude``: ``+``, ``-`` or ``!`` before a pattern has its usual meaning."""
    out: list[bytes] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == b"!":
            out.append(b"!")
        elif word in (b"+", b"-") and at < len(words):
            out.append(word + b" " + words[at])
            at += 1
        else:
            out.append(sign + b" " + word)
    return out


def file_rules(path: bytes, sign: bytes) -> list[bytes]:
    """The rules of a file with one pattern per line, without blank lines and comments. Errors: `RefusalError`."""
    if not path:
        return []
    kind = "include" if sign == b"+" else "exclude"
    with or_refuse(f"failed to open {kind} file {os.fsdecode(path)}", code=11):
        data = operator_file.read_walk(path)
    out: list[bytes] = []
    for entry in data.replace(b"\r", b"\n").split(b"\n"):
        if not entry or entry[:1] in (b"#", b";"):
            continue
        if entry[:2] in (b"+ ", b"- ") or entry == b"!":
            out.append(entry)
        else:
            out.append(sign + b" " + entry)
    return out
