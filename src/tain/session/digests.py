"""Digests of daemon authentication (spec: protocol 10.7)."""

from __future__ import annotations

from tain.options.choices import DIGESTS
from tain.session import oldpeer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MASK = 0xFFFFFFFF
_ROUNDS = (
    # message order, shifts, additive constant of the three rounds of RFC 1320
    (tuple(range(16)), (3, 7, 11, 19), 0),
    ((0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13), 0x5A827999),
    ((0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15), 0x6ED9EBA1),
)


def md4(data: bytes, *, unpadded: bool = False) -> bytes:
    """MD4 (RFC 1320). OpenSSL 3 has it no longer. Only old daemons ask for it, so its speed does not matter.

    *unpadded*: the form of programs below protocol 27, which leave the padding out when the data fill the last block
    (spec: protocol-old 8.1).
    """
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + (len(data) * 8 & (1 << 64) - 1).to_bytes(8, "little")
    if unpadded and len(data) % 64 == 0:
        padded = data
    for start in range(0, len(padded), 64):
        words = [int.from_bytes(padded[start + i : start + i + 4], "little") for i in range(0, 64, 4)]
        a, b, c, d = state
        for number, (order, shifts, constant) in enumerate(_ROUNDS):
            for step, k in enumerate(order):
                if number == 0:
                    mixed = (b & c) | (~b & d)
                elif number == 1:
                    mixed = (b & c) | (b & d) | (c & d)
                else:
                    mixed = b ^ c ^ d
                total = (a + mixed + words[k] + constant) & _MASK
                shift = shifts[step % 4]
                a, b, c, d = d, ((total << shift) | (total >> (32 - shift))) & _MASK, b, c
        state = [(old + new) & _MASK for old, new in zip(state, (a, b, c, d), strict=True)]
    return b"".join(word.to_bytes(4, "little") for word in state)


def choose(offered: Sequence[str] | None, protocol: int, announced: int = 32) -> str | None:
    """The digest that a client uses with a daemon; ``md4-old`` and ``md4-unpadded`` are seeded forms. None: none fits.

    *offered* is the list in the daemon's greeting (None without a list), *announced* the number in it.
    """
    if offered is None:
        # A greeting without a list, with such a number, comes from an old program (spec: protocol-old 10.2).
        return "md5" if protocol >= 30 else oldpeer.md4_kind(announced)
    return next((name for name in DIGESTS if name in offered), None)


def response(digest: str, password: bytes, challenge: bytes) -> bytes:
    """The unpadded base64 of digest(password + challenge)."""
    import base64

    if digest.startswith("md4"):
        # The old forms hash the seed of block sums, which is zero at this point, first.
        prefix = b"" if digest == "md4" else bytes(4)
        raw = md4(prefix + password + challenge, unpadded=digest == "md4-unpadded")
    else:
        import hashlib

        raw = hashlib.new(digest, password + challenge, usedforsecurity=False).digest()
    return base64.b64encode(raw).rstrip(b"=")
