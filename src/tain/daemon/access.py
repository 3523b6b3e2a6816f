"""Which hosts may use a module (spec: daemon 5, security SEC-29)."""

from __future__ import annotations

import _socket as socket
import os

from tain.daemon.names import UNDETERMINED, UNKNOWN, plain_address
from tain.daemon.text import blanks, has_wildcard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Forward(Protocol):
        def addresses(self, name: bytes) -> list[str] | None: ...


class BadTokenError(Exception):
    """A word of a host list cannot be understood; the text is for the log."""


class Peer:
    """The client that a host list is compared with."""

    __slots__ = ("address", "name")

    def __init__(self, address: str, name: bytes) -> None:
        self.address = plain_address(address)
        self.name = name

    @property
    def shown(self) -> str:
        """``NAME (ADDRESS)``, as in log lines."""
        return f"{os.fsdecode(self.name)} ({self.address})"


def allowed(
    peer: Peer,
    allow: bytes,
    deny: bytes,
    *,
    resolver: Forward | None,
    warn: Callable[[str], object],
    strict: bool = True,
) -> bool:
    """Whether ``hosts allow`` and ``hosts deny`` of one module let this peer in.

    *resolver* is None when ``forward lookup`` is off. An allow word that matched by forward look-up becomes the name of
    a peer whose own name was not looked up. *strict*: a deny word that cannot be understood means everybody; in rsync
    it means nobody.
    """
    if allow:
        if _any(peer, allow, deny=False, when_unclear=False, resolver=resolver, warn=warn):
            return True
        if not deny:
            return False
    return not (deny and _any(peer, deny, deny=True, when_unclear=strict, resolver=resolver, warn=warn))


def _any(
    peer: Peer,
    words: bytes,
    *,
    deny: bool,
    when_unclear: bool,
    resolver: Forward | None,
    warn: Callable[[str], object],
) -> bool:
    """Whether a word of a list means this peer. *when_unclear*: a word that cannot be understood does (SEC-29)."""
    for word in blanks(words.lower()):
        try:
            if matches(peer, word, deny=deny, resolver=resolver):
                return True
        except BadTokenError as error:
            warn(str(error))
            if when_unclear:
                return True
    return False


def matches(peer: Peer, word: bytes, *, deny: bool, resolver: Forward | None) -> bool:
    """Whether one lower-case word of a list means this peer. Errors: `BadTokenError`.

    *deny*: the word is from ``hosts deny``, where a name without a known address matches.
    """
    if word.startswith(b"@"):
        return _in_netgroup(word[1:], peer.name)
    pattern = has_wildcard(word)
    if pattern or b"\\" in word:
        from tain import _core

        if _core.wildmatch(word, peer.name.lower()):
            return True
    if pattern and b":" not in word:
        return False
    if word == peer.name.lower() and peer.name not in (UNKNOWN, UNDETERMINED):
        return True
    if b"/" in word:
        return _masked(peer, word)
    if word.startswith(b"0x"):
        return False
    numeric = _address(word)
    if numeric is not None:
        return _same_scope(word, peer.address) and numeric == _address(peer.address.encode())
    if b":" in word or not word.strip(b"0123456789."):
        raise BadTokenError(f"error matching address {_show(word)}: Name or service not known")
    if resolver is None:
        return False
    found = resolver.addresses(word)
    if found is None:
        return deny
    own = _address(peer.address.encode())
    if own is None or all(_address(other.encode()) != own for other in found):
        return False
    if peer.name == UNDETERMINED and not deny:
        peer.name = word
    return True


def _in_netgroup(group: bytes, name: bytes) -> bool:
    # Python's library has no netgroups; the C library may have them.
    try:
        import ctypes

        return bool(ctypes.CDLL(None).innetgr(group, name, None, None))
    except (AttributeError, ImportError, OSError):
        return False


def _show(word: bytes) -> str:
    return word.decode("utf-8", "replace")


def _address(word: bytes) -> bytes | None:
    """4 or 16 bytes of a literal; ``127.1`` is one too."""
    text = word.decode("latin-1").partition("%")[0]
    try:
        if ":" in text:
            return socket.inet_pton(socket.AF_INET6, text)
        return socket.inet_aton(text) if text[:1].isdigit() and not text.strip("0123456789.xabcdef") else None
    except OSError:
        return None


def _same_scope(word: bytes, address: str) -> bool:
    scope = word.decode("latin-1").partition("%")[2]
    return not scope or scope == address.partition("%")[2]


def _masked(peer: Peer, word: bytes) -> bool:
    base_text, _, mask_text = word.partition(b"/")
    base, own = _address(base_text), _address(peer.address.encode())
    bad = BadTokenError(f"malformed mask in {_show(word)}")
    if base is None:
        raise BadTokenError(f"error matching address {_show(base_text)}: Name or service not known")
    if own is None or len(own) != len(base):
        return False
    width = len(base) * 8
    if mask_text.isdigit():
        if len(mask_text) > 3 or int(mask_text) > width:
            raise bad
        bits = int(mask_text)
        mask = ((1 << bits) - 1) << (width - bits)
    else:
        packed = _address(mask_text)
        if packed is None or len(packed) != len(base) or (len(base) == 4 and mask_text.count(b".") != 3):
            raise bad
        mask = int.from_bytes(packed, "big")
    return _same_scope(base_text, peer.address) and not (
        (int.from_bytes(own, "big") ^ int.from_bytes(base, "big")) & mask
    )
