"""Checksums, signatures, deltas and patches without a transfer."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tain

OLD = bytes(range(256)) * 400
NEW = OLD[:5000] + b"inserted" + OLD[5000:]


@pytest.mark.parametrize("kind", ["xxh128", "xxh3", "xxh64", "md5", "md4", "sha1"])
def test_round_trip(kind: str) -> None:
    signature = tain.signature(OLD, checksum=kind)
    delta = tain.delta(NEW, signature)
    assert len(delta) < len(NEW) / 10
    assert tain.patch(OLD, delta) == NEW
    with pytest.raises(tain.StreamError, match="right basis"):
        tain.patch(NEW, delta)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=2000), st.binary(max_size=2000), st.integers(0, 100))
def test_any_data(old: bytes, new: bytes, block_size: int) -> None:
    mixed = old[:700] + new + old[300:]
    signature = tain.signature(old, block_size=block_size)
    assert tain.patch(old, tain.delta(mixed, signature)) == mixed


def test_every_kind_of_source(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(OLD)
    expected = tain.signature(OLD)
    assert tain.signature(path) == tain.signature(str(path)) == tain.signature(bytearray(OLD)) == expected
    assert tain.signature(memoryview(OLD)) == expected
    with path.open("rb") as file:
        file.seek(10)
        assert tain.signature(file) == expected
        assert file.tell() == 10
    with pytest.raises(OSError):
        tain.signature(io.BytesIO(OLD))


def test_checksum(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(OLD)
    assert tain.checksum(tmp_path / "f", "md5") == hashlib.md5(OLD).digest()
    assert tain.checksum(OLD, "sha1") == hashlib.sha1(OLD).digest()
    assert (
        tain.checksum(b"") == bytes.fromhex("99aa06d3014798d86001c324468d497f")[::-1] or len(tain.checksum(b"")) == 16
    )
    for name in ("none", "md4-old", "crc"):
        with pytest.raises(tain.UsageError, match="unknown checksum name"):
            tain.checksum(b"", name)
    with pytest.raises(tain.FileError, match="No such file"):
        tain.checksum(tmp_path / "no")


def test_patch_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(0o640)
    delta = tain.delta(NEW, tain.signature(path))
    tain.patch_file(path, delta, path)
    assert path.read_bytes() == NEW
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(tain.StreamError):
        tain.patch_file(path, delta, path)
    assert path.read_bytes() == NEW
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("data", [b"", b"tnS", b"tnX1\0" + bytes(20), b"tnD1\0" + b"\xff" * 40])
def test_garbage(data: bytes) -> None:
    with pytest.raises(tain.TainError):
        tain.patch(OLD, data)
    with pytest.raises(tain.TainError):
        tain.delta(NEW, data)


def test_a_signal_ends_it(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(64 << 30)

    class Stop(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stop

    before = signal.signal(signal.SIGUSR2, stop)
    try:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR2)).start()
        began = time.monotonic()
        with pytest.raises(Stop):
            tain.checksum(tmp_path / "big")
        assert time.monotonic() - began < 2
    finally:
        signal.signal(signal.SIGUSR2, before)
