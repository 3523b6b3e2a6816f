"""Names of checksums and compressions (spec: options 2.5, 6.10; protocol 2.4)."""

from __future__ import annotations

from tain.errors import UnsupportedError, shown

#: In the order of preference.
CHECKSUMS = ("xxh128", "xxh3", "xxh64", "md5", "md4", "sha1", "none")
COMPRESSIONS = ("zstd", "lz4", "zlibx", "zlib", "none")
#: For the daemon's authentication: strongest first, the order in which both ends prefer them.
DIGESTS = ("sha512", "sha256", "sha1", "md5", "md4")

_ALIASES = {"xxhash": "xxh64"}

#: Lowest, highest and default level, and the level that means "no compression" (None: there is none).
LEVELS: dict[str, tuple[int, int, int, int | None]] = {
    "zlib": (1, 9, 6, 0),
    "zlibx": (1, 9, 6, 0),
    "zstd": (-131072, 22, 3, None),
    "lz4": (0, 0, 0, None),
}


def checksum_name(text: bytes) -> str:
    """Canonical name of a checksum, "auto" included. Raises `UnsupportedError`."""
    name = text.decode("latin-1").lower()
    name = _ALIASES.get(name, name)
    if name != "auto" and name not in CHECKSUMS:
        raise UnsupportedError(f"unknown checksum name: {shown(text)}")
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
        # The name that is not found ends at the comma, but what is told of it does not.
        raise UnsupportedError(f"unknown checksum name: {shown(text)}") from None
    return transfer, checksum_name(second)


def compress_name(text: bytes) -> str | None:
    """Canonical name of a compression; None for "auto". Raises `UnsupportedError`."""
    name = text.decode("latin-1").lower()
    if name == "auto":
        return None
    if name not in COMPRESSIONS:
        raise UnsupportedError(f"unknown compress name: {shown(text)}")
    return name


def clamp_level(kind: str, level: int | None) -> int | None:
    """The level that *kind* really uses; None when the level asked for means "do not compress"."""
    if kind not in LEVELS:
        return None
    low, high, default, off = LEVELS[kind]
    if level is None:
        return default
    if off is not None and level == off:
        return None
    if (kind == "zstd" and level == 0) or (kind in ("zlib", "zlibx") and level == -1):
        return default
    return min(max(level, low), high)
