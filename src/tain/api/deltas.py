"""The delta algorithm on its own: signatures, deltas, patches, and checksums."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, TypeAlias

    from tain.keyword_fields import StrOrBytesPath

    #: Data, an open file, or the name of a file. Bytes are always data, never a name.
    Source: TypeAlias = bytes | bytearray | memoryview | BinaryIO | str | os.PathLike[str] | os.PathLike[bytes]


def checksum(source: Source, kind: str = "xxh128") -> bytes:
    """The digest of data or of a file. *kind*: ``xxh128 xxh3 xxh64 md5 md4 sha1``.

    Errors: `UsageError`, `FileError`.
    """
    from tain import _core

    with _Input(source) as data:
        return _core.checksum(data, kind)


def signature(source: Source, *, block_size: int = 0, checksum: str = "xxh128") -> bytes:
    """Block sums of an old file, for `delta`. *block_size* is in bytes; 0: the size that rsync would choose.

    Errors: `UsageError`, `FileError`.
    """
    from tain import _core

    with _Input(source) as data:
        return _core.signature(data, block_size=block_size, checksum=checksum)


def delta(source: Source, signature: bytes) -> bytes:
    """The change that `patch` applies to the file of *signature* to get *source*.

    Errors: `ProtocolError`, `FileError`.
    """
    from tain import _core

    with _Input(source) as data:
        made = _core.delta(data, signature)
    assert made is not None
    return made


def patch(basis: Source, delta: Source) -> bytes:
    """The new file from the old one and a `delta`. Errors: `StreamError` when *basis* is not the file of the signature
    or the delta is damaged; `ProtocolError`, `FileError`."""
    from tain import _core

    with _Input(basis) as old, _Input(delta) as change:
        made = _core.patch(old, change)
    assert made is not None
    return made


def patch_file(basis: Source, delta: Source, target: StrOrBytesPath) -> None:
    """`patch` into a file of any size. *target*, which may be the basis, is replaced only after a complete patch.

    Errors: those of `patch`, and `OSError`.
    """
    import tempfile

    from tain import _core

    name = os.fsencode(target)
    fd, temporary = tempfile.mkstemp(prefix=b"." + os.path.basename(name) + b".", dir=os.path.dirname(name) or b".")
    try:
        try:
            with _Input(basis) as old, _Input(delta) as change:
                _core.patch(old, change, fd)
        finally:
            os.close(fd)
        try:
            mode = os.stat(name).st_mode & 0o7777
        except FileNotFoundError:
            from tain.system import umask

            mode = 0o666 & ~umask()
        os.chmod(temporary, mode)
        os.replace(temporary, name)
    except BaseException:
        os.unlink(temporary)
        raise


class _Input:
    """A `Source` in the form for the core: bytes or a descriptor."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._fd = -1

    def __enter__(self) -> bytes | bytearray | int:
        source = self._source
        if isinstance(source, (bytes, bytearray)):
            return source
        if isinstance(source, memoryview):
            return bytes(source)
        if isinstance(source, (str, os.PathLike)):
            try:
                self._fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                from tain.errors import FileError

                raise FileError(f"{os.fsdecode(source)}: {error.strerror}") from error
            return self._fd
        return source.fileno()

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
