"""MD4, for logins of old clients only: hashlib has it no more where OpenSSL hides it (spec: daemon 6.1)."""

from __future__ import annotations

_WORD = 0xFFFFFFFF
_ROUNDS = (
    (0x00000000, tuple(range(16)), (3, 7, 11, 19)),
    (0x5A827999, (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13)),
    (0x6ED9EBA1, (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15)),
)


def md4(data: bytes) -> bytes:
    """The digest of ``data``, 16 bytes."""
    message = data + b"\x80" + b"\0" * ((55 - len(data)) % 64) + (len(data) * 8).to_bytes(8, "little")
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    for at in range(0, len(message), 64):
        words = [int.from_bytes(message[i : i + 4], "little") for i in range(at, at + 64, 4)]
        a, b, c, d = state
        for number, (constant, order, shifts) in enumerate(_ROUNDS):
            for step, index in enumerate(order):
                if number == 0:
                    mixed = (b & c) | (~b & d)
                elif number == 1:
                    mixed = (b & c) | (b & d) | (c & d)
                else:
                    mixed = b ^ c ^ d
                total = (a + mixed + words[index] + constant) & _WORD
                shift = shifts[step % 4]
                a, d, c, b = d, c, b, ((total << shift) | (total >> (32 - shift))) & _WORD
        state = [(old + new) & _WORD for old, new in zip(state, (a, b, c, d), strict=True)]
    return b"".join(word.to_bytes(4, "little") for word in state)
