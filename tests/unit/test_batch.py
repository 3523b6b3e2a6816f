"""Batch headers and replay scripts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tain import _core
from tain.errors import FileError, ProtocolError, SelectionError, UsageError
from tain.options.resolved import ResolvedOptions
from tain.session import batch
from tain.session.agreement import Agreed
from tain.session.environment import Environment
from tests.unit.fake_core import FakeLink


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, "00"), (1, "01"), (0x7F, "7f"), (0x80, "8080"), (0x1FF, "81ff"), (0x1FE, "81fe"), (0x3FFF, "bfff"),
     (0x4000, "c00040"), (0x7FFFFFFF, "f0ffffff7f")],
)  # fmt: skip
def test_varint(value: int, data: str) -> None:
    assert _core.varint(value).hex() == data


def options_of(**values: object) -> ResolvedOptions:
    options = ResolvedOptions()
    for name, value in values.items():
        setattr(options, name, value)
    return options


def test_header_as_captured(tmp_path: Path) -> None:
    options = options_of(recurse=2, links=True, dirs=1, times=True)
    agreed = Agreed(32)
    agreed.compat, agreed.seed = 0x1FF, 7
    data = batch.first_bytes(options) + batch.header(agreed)
    assert data == bytes.fromhex("89000000 20000000 81ff 07000000")
    old = Agreed(29)
    old.seed = 7
    assert batch.first_bytes(options) + batch.header(old) == bytes.fromhex("89000000 1d000000 07000000")
    file = tmp_path / "b"
    file.write_bytes(data)
    with file.open("rb") as stream:
        link = FakeLink(stream.fileno(), stream.fileno())
        flags, read = batch.read_header(link, ResolvedOptions())
        link.close()
    assert (flags, read.protocol, read.compat, read.seed) == (0x89, 32, 0x1FF, 7)
    with file.open("rb") as stream, pytest.raises(ProtocolError, match=r"too new \(32 > 29\)"):
        batch.read_header(FakeLink(stream.fileno(), stream.fileno()), options_of(protocol=29))


def test_bits_win_over_options() -> None:
    new = batch.apply_flags(options_of(owner=True, recurse=1, dirs=-1), 0x89 | 1 << 13, 32)
    assert (new.owner, new.recurse, new.links, new.dirs, new.append) == (False, 1, True, 1, 1)
    with pytest.raises(UsageError, match=r"^Do not specify the --iconv option"):
        batch.apply_flags(options_of(iconv=b"utf-8"), 0, 32)
    with pytest.raises(UsageError, match=r"^Please specify the --iconv option"):
        batch.apply_flags(ResolvedOptions(), 1 << 9, 32)


def script(argv: list[bytes], *, args: int = 2, rules: list[bytes] | None = None, protocol: int = 32) -> bytes:
    return batch.script_text(argv, destination=argv[-1], sources=argv[-args:-1], rules=rules or [], protocol=protocol)


def test_script_as_the_real_one_writes_it() -> None:
    words = b"rsync -av --delete --write-batch=b9 -e ssh --exclude=x -f".split()
    words += [b"- y", b"-f- z", b"--include", b"w", b"-F", b"s/", b"dst 9/"]
    assert (
        script(words, rules=[b"- x", b"- y"])
        == b"'rsync' --filter='._-' '-av' '--delete' --read-batch='b9' '-e' 'ssh' '-f- z' '-F' ${1:-'dst 9/'} <<'#E#'\n"
        b"- x\n- y\n#E#\n"
    )
    assert script([b"rsync", b"-a", b"--write-batch", b"b10", b"s/", b"d'q"]) == (
        b"'rsync' '-a' --read-batch 'b10' ${1:-'d'\\''q'}\n"
    )
    assert script([b"rsync", b"-a", b"--only-write-batch=b11", b"-e", b"../rsh", b"s/", b"h:/tmp/d11"]) == (
        b"'rsync' '-a' --read-batch='b11' '-e' '../rsh' ${1:-'/tmp/d11'}\n"
    )
    assert script([b"rsync", b"--protocol=28", b"--write-batch=b", b"s/", b"d"], rules=[b"- foo"], protocol=28) == (
        b"'rsync' --exclude-from='-' --protocol='28' --read-batch='b' ${1:-'d'} <<'#E#'\n- foo\n#E#\n"
    )
    with pytest.raises(UsageError, match="containing a newline"):
        script([b"rsync", b"--write-batch=b", b"s/", b"d"], rules=[b"- a\nb"])


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    env = Environment(argv=[b"rsync", b"--write-batch=b", b"s", b"d"], environ={}, cwd=os.fsencode(tmp_path))
    with pytest.raises(
        FileError, match=r'^rsync: \[Receiver\] Batch file "/.*/no" open error: No such file or directory'
    ):
        batch.open_batch(b"no", env, options_of(), role="Receiver")
    with pytest.raises(FileError, match="is neither a regular file nor a FIFO"):
        batch.open_batch(b".", env, options_of(), role="Receiver")
    with pytest.raises(SelectionError, match=r'Batch file "/.*/no/b\.sh" open error'):
        batch.BatchFile(options_of(write_batch=b"no/b"), env, role="Receiver")
    with pytest.raises(FileError, match=r'Batch file "/.*/" open error: Invalid argument \(22\)'):
        batch.BatchFile(options_of(write_batch=b""), env, role="Receiver")
    file = batch.BatchFile(options_of(write_batch=b"b", args=[b"s", b"d"], checksum=True), env, role="Receiver")
    assert (tmp_path / "b").read_bytes() == b"\x40\0\0\0"
    assert (tmp_path / "b.sh").read_bytes() == b""
    agreed = Agreed(29)
    agreed.seed = 7
    file.begin(options_of(args=[b"s", b"d"]), agreed, env.argv, [b"- x"])
    file.close()
    assert (tmp_path / "b").read_bytes() == bytes.fromhex("40000000 1d000000 07000000")
    assert (tmp_path / "b.sh").read_bytes() == b"'rsync' --filter='._-' --read-batch='b' ${1:-'d'} <<'#E#'\n- x\n#E#\n"
    assert (tmp_path / "b.sh").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
