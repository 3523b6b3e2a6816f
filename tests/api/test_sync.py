"""`tain.sync` and `tain.Transfer` on local trees."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

import tain
from tain.keywords import Options


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "src"
    (root / "dir").mkdir(parents=True)
    (root / "dir/file").write_text("hello")
    (root / "제1부설치편 (60-151p).hwp").write_text("한글")
    (root / "link").symlink_to("dir/file")
    return root


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_mirror(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "dst"
    result = tain.sync(f"{source}/", target)
    assert result.ok and result.check() is result
    assert names(source) == names(target)
    assert (target / "link").is_symlink()
    assert result.statistics is not None
    assert result.statistics.transferred == 2
    assert result.statistics.files["dir"] == 2
    assert result.statistics.literal == result.statistics.transferred_size == 11
    assert result.items is None
    (target / "extra").write_text("x")
    again = tain.sync(f"{source}/", target, delete=True, items=True).check()
    assert names(source) == names(target)
    assert [(item.operation, item.itemized, item.name) for item in again.items or () if item.name != b"."] == [
        ("del", "*deleting  ", b"extra")
    ]


def test_several_sources_of_several_types(source: Path, tmp_path: Path) -> None:
    tain.sync([source / "dir", os.fsencode(source / "link")], os.fsencode(tmp_path / "dst")).check()
    assert names(tmp_path / "dst") == {"dir", "dir/file", "link"}


def test_items_come_as_they_happen(source: Path, tmp_path: Path) -> None:
    seen: list[tain.Item] = []
    output: list[tuple[int, bytes]] = []
    result = tain.sync(
        source, tmp_path / "dst", verbose=1, on_items=seen.extend, on_output=lambda *event: output.append(event)
    )
    assert {item.name for item in seen if item.mode & 0o170000 == 0o100000} == {
        b"src/dir/file",
        "src/제1부설치편 (60-151p).hwp".encode(),
    }
    assert next(item for item in seen if item.name == b"src/link").target == b"dir/file"
    assert b"".join(text for stream, text in output if stream == 1) == result.output
    assert b"src/dir/file\n" in result.output


def test_an_item_comes_after_its_line(source: Path, tmp_path: Path) -> None:
    order: list[bytes] = []
    tain.sync(
        source,
        tmp_path / "dst",
        extra=["--out-format=line %n"],
        on_items=lambda items: order.extend(b"item " + item.name for item in items),
        on_output=lambda _stream, text: order.extend(text.splitlines()),
    ).check()
    order = [entry.rstrip(b"/") for entry in order]
    names = (b"src", b"src/dir", b"src/dir/file", b"src/link")
    assert all(order.index(b"line " + name) < order.index(b"item " + name) for name in names)


def test_a_failure_is_a_result(source: Path, tmp_path: Path) -> None:
    result = tain.sync([source / "nothing", source / "dir"], tmp_path / "dst")
    assert result.code == 23 and not result.ok
    assert result.messages[0].endswith(f'link_stat "{source}/nothing" failed: No such file or directory (2)')
    assert names(tmp_path / "dst") == {"dir", "dir/file"}
    with pytest.raises(tain.PartialTransfer, match="nothing") as caught:
        result.check()
    assert caught.value.code == 23


def test_wrong_options_are_an_exception(source: Path) -> None:
    with pytest.raises(tain.UsageError, match="--max-size=many is invalid"):
        tain.sync(source, "x", max_size="many")
    with pytest.raises(tain.UsageError, match="unknown option"):
        tain.sync(source, "x", extra=["--no-such-option"])
    with pytest.raises(tain.UsageError, match="no transfer"):
        tain.sync(source, "x", extra=["--version"])
    with pytest.raises(tain.UsageError, match="started by the command"):
        tain.sync(source, "x", extra=["--daemon"])
    with pytest.raises(tain.UsageError, match="not both"):
        tain.sync(source, "x", options=Options(), delete=True)
    with pytest.raises(TypeError):
        tain.sync(source, "x", no_such_keyword=True)  # type: ignore[call-arg]


def test_a_missing_list_of_names(source: Path, tmp_path: Path) -> None:
    """Told before anything is connected to: the host does not exist."""
    result = tain.sync(source, "nowhere.invalid:dst", files_from="/no/such/list", rsh="false")
    assert result.code == 1
    assert result.messages[0] == "rsync: failed to open files-from file /no/such/list: No such file or directory"
    assert "[client=" in result.messages[1]


def test_names_that_look_like_options(tmp_path: Path) -> None:
    (tmp_path / "--delete").write_text("x")
    tain.sync("--delete", "dst/", cwd=tmp_path).check()
    assert names(tmp_path / "dst") == {"--delete"}


def test_a_transfer_runs_once(source: Path, tmp_path: Path) -> None:
    transfer = tain.Transfer(source, tmp_path / "dst")
    transfer.run().check()
    with pytest.raises(tain.UsageError, match="runs once"):
        transfer.run()


def test_cancelled_before_it_began(source: Path, tmp_path: Path) -> None:
    transfer = tain.Transfer(source, tmp_path / "dst")
    transfer.cancel()
    assert transfer.run().code == 20


def test_cancelled_from_another_thread(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for number in range(3000):
        (tmp_path / f"src/{number}").write_bytes(b"x" * 10)
    transfer: tain.Transfer
    started = threading.Event()

    def stop(_stream: int, _text: bytes) -> None:
        started.set()
        transfer.cancel()

    transfer = tain.Transfer(f"{tmp_path}/src/", tmp_path / "dst", verbose=1, on_output=stop)
    assert transfer.run().code == 20
    assert started.is_set()
    assert not [name for name in names(tmp_path / "dst") if name.startswith(".")]


def test_an_exception_of_a_listener_stops_the_transfer(source: Path, tmp_path: Path) -> None:
    def fail(_items: object) -> None:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        tain.sync(source, tmp_path / "dst", on_items=fail)


def test_async(source: Path, tmp_path: Path) -> None:
    async def both() -> tuple[tain.Result, tain.Result]:
        return await asyncio.gather(
            tain.sync_async(source, tmp_path / "one"), tain.sync_async(source, tmp_path / "two")
        )

    for result in asyncio.run(both()):
        result.check()
    assert (
        names(tmp_path / "one")
        == names(tmp_path / "two")
        == names(source.parent)
        - {"one", "two"}
        - {name for name in names(source.parent) if name.startswith(("one/", "two/"))}
    )


def test_many_in_threads(source: Path, tmp_path: Path) -> None:
    codes: list[int] = []

    def run(number: int) -> None:
        codes.append(tain.sync(source, tmp_path / f"dst{number}").code)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert codes == [0] * 8


@pytest.mark.parametrize("word", ["--tls", "--tls-pin=sha256:00"])
def test_unsupported_options_are_refused(word: str, source: Path, tmp_path: Path) -> None:
    result = tain.sync(source, tmp_path / "dst", extra=[word], cwd=tmp_path)
    assert result.code == 4
    assert result.messages[0] == f"rsync: {word.partition('=')[0]} is not supported by this version of tain"
    assert not (tmp_path / "dst").exists() and not (tmp_path / "b").exists()


def test_a_program_keeps_its_identity(source: Path, tmp_path: Path) -> None:
    result = tain.sync(source, tmp_path / "dst", extra=["--copy-as=nobody"], cwd=tmp_path)
    assert result.code == 4
    assert "--copy-as changes the ids of a whole process" in result.messages[0]
    assert not (tmp_path / "dst").exists()


def test_an_encrypted_address_gets_no_plain_text(source: Path) -> None:
    result = tain.sync(source, "rsyncs://127.0.0.1:1/module/")
    assert (result.code, result.messages[0]) == (4, "rsync: rsyncs:// is not supported by this version of tain")
