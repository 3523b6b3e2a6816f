"""Digests of daemon authentication (spec: protocol 10.7)."""

from __future__ import annotations

from tain.options.choices import DIGESTS
from tain.session import oldpeer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def choose(offered: Sequence[str] | None, protocol: int, announced: int = 32) -> str | None:
    """The digest that a client uses with a daemon; ``md4-old`` and ``md4-unpadded`` are seeded forms. None: none fits.

    *offered* is the list in the daemon's greeting (None without a list), *announced* the number in it.
    """
    if offered is None:
        # A greeting without a list, with such a number, comes from an old program (spec: protocol-old 10.2).
        return "md5" if protocol >= 30 else oldpeer.md4_kind(announced)
    return next((name for name in DIGESTS if name in offered), None)


def encode(digest: str, data: bytes) -> bytes:
    """The digest of *data* as unpadded base64, the form of challenges and answers."""
    import binascii

    if digest.startswith("md4"):
        # OpenSSL 3 has no MD4, and the old forms begin with the seed of block sums, which is zero at this point.
        from tain import _core

        raw = _core.seeded_md4(data, digest)
    else:
        import hashlib

        raw = hashlib.new(digest, data, usedforsecurity=False).digest()
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=")


def response(digest: str, password: bytes, challenge: bytes) -> bytes:
    """The answer of a client that knows the password."""
    return encode(digest, password + challenge)
