"""Names of checksums and compressions (spec: options 2.5, 6.10; protocol 2.4)."""

from __future__ import annotations

from tain.errors import UnsupportedError
from tain.escape import printable


class Codec:
    """One compression and its levels (spec: options 2.5)."""

    __slots__ = ("default", "high", "low", "name", "off", "unset")

    def __init__(
        self,
        name: str,
        low: int = 0,
        high: int = 0,
        default: int = 0,
        *,
        unset: int | None = None,
        off: int | None = None,
    ) -> None:
        self.name = name
        #: The lowest and the highest level; others are moved into this range.
        self.low = low
        self.high = high
        self.default = default
        #: The number that asks for the default, and the one that turns compression off.
        self.unset = unset
        self.off = off

    def in_force(self, level: int | None) -> tuple[str, int]:
        """Codec and level for the *level* of the command line (None: not given); ``none`` when that turns it off."""
        if level is None or level == self.unset:
            return self.name, self.default
        if level == self.off:
            return "none", 0
        return self.name, max(self.low, min(self.high, level))


#: The codecs in the order of preference. A new one also needs a variant of the core's `CompressKind` and a file in
#: `crates/core/src/delta/tokens/`.
CODECS = {
    codec.name: codec
    for codec in (
        Codec("zstd", -131072, 22, 3, unset=0),
        Codec("lz4"),
        Codec("zlibx", 1, 9, 6, unset=-1, off=0),
        Codec("zlib", 1, 9, 6, unset=-1, off=0),
        Codec("none"),
    )
}
COMPRESSIONS = tuple(CODECS)
#: In the order of preference.
CHECKSUMS = ("xxh128", "xxh3", "xxh64", "md5", "md4", "sha1", "none")
#: For the daemon's authentication: strongest first, the order in which both ends prefer them.
DIGESTS = ("sha512", "sha256", "sha1", "md5", "md4")

_ALIASES = {"xxhash": "xxh64"}


def checksum_name(text: bytes) -> str:
    """Canonical name of a checksum, "auto" included. Errors: `UnsupportedError`."""
    name = text.decode("latin-1").lower()
    name = _ALIASES.get(name, name)
    if name != "auto" and name not in CHECKSUMS:
        raise UnsupportedError(f"unknown checksum name: {printable(text)}")
    return name


def checksum_choice(text: bytes) -> tuple[str, str] | None:
    """Both names of ``--checksum-choice``: for the transfer and for ``--checksum``. None for plain "auto"."""
    first, comma, second = text.partition(b",")
    if not comma:
        name = checksum_name(first)
        return None if name == "auto" else (name, name)
    try:
        transfer = checksum_name(first)
    except UnsupportedError:
        # rsync looks up the part before the comma, but reports the whole text.
        raise UnsupportedError(f"unknown checksum name: {printable(text)}") from None
    return transfer, checksum_name(second)


def compress_name(text: bytes) -> str | None:
    """Canonical name of a compression; None for "auto". Errors: `UnsupportedError`."""
    name = text.decode("latin-1").lower()
    if name == "auto":
        return None
    if name not in COMPRESSIONS:
        raise UnsupportedError(f"unknown compress name: {printable(text)}")
    return name
