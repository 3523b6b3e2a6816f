"""Statements of the checklist that no other test stands for (spec: daemon 17)."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tain.daemon.config import load
from tain.daemon.parameters import PARAMETERS
from tests import programs
from tests.ports import free_port

from .harness import HELLO, LIMIT, PROGRAMS, Daemon, environment, wait_until
from .pairs import DATE, Pair, difference, fill

BASE = b"log file = DIR/log\nuse chroot = no\nreverse lookup = no\nuid = 0\ngid = 0\n"
GREETING = b"@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4\n"

both = pytest.mark.parametrize("kind", ["rsync", "tain"])


@both
@pytest.mark.parametrize(("words", "families"), [((), [4, 6]), (("-4",), [4]), (("--ipv6",), [6])])
def test_dmn_02_listeners(kind: str, words: tuple[str, ...], families: list[int], tmp_path: Path) -> None:
    port = free_port()
    conf = tmp_path / "conf"
    conf.write_text(f"log file = {tmp_path}/log\n[m]\npath = /\n")
    process = subprocess.Popen(
        [*PROGRAMS[kind], "--daemon", "--no-detach", f"--config={conf}", f"--port={port}", *words],
        stdin=subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    try:

        def listening() -> list[int]:
            found = []
            for number, table in ((4, "tcp"), (6, "tcp6")):
                rows = [row.split() for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
                if any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows):
                    found.append(number)
            return found

        wait_until(lambda: listening() == families, f"listeners {families}")
        time.sleep(0.2)
        assert listening() == families
    finally:
        process.terminate()
        process.wait(LIMIT)


@both
def test_dmn_04_a_running_transfer_continues(kind: str, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(3_000_000))
    daemon = Daemon(kind, tmp_path, BASE + b"[m]\npath = DIR\n")
    with subprocess.Popen(
        [*PROGRAMS["rsync"], "--bwlimit=1m", f"rsync://127.0.0.1:{daemon.port}/m/big", str(tmp_path / "copy")],
        env=environment(),
    ) as client:
        wait_until(lambda: list(tmp_path.glob(".copy.*")), "data")
        assert daemon.stop() == 0
        assert client.poll() is None
        assert client.wait(LIMIT) == 0
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "big").read_bytes()


@both
def test_dmn_07_file_of_an_ordinary_user(kind: str, tmp_path: Path) -> None:
    """Over a remote shell. As root the daemon would read the system's file."""
    programs.need_root()
    tmp_path.chmod(0o755)
    (tmp_path / "rsyncd.conf").write_text("reverse lookup = no\n[mine]\ncomment = own\n")
    run = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    found = [
        subprocess.run(
            [*who, *PROGRAMS[kind], "--server", "--daemon", "."],
            input=HELLO + b"\n", capture_output=True, timeout=LIMIT, env=environment(), cwd=tmp_path,
        ).stdout
        for who in (run, [])
    ]  # fmt: skip
    assert found[0] == GREETING + b"mine           \town\n@RSYNCD: EXIT\n"
    assert b"mine" not in found[1]


@both
def test_dmn_13_home(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "a b")
    conf = BASE + b"[m]\ncomment = %HOME%|%home%|%NOSUCH%|%%\n[%HOME%]\n"
    with Daemon(kind, tmp_path, conf) as daemon:
        answer = daemon.talk(HELLO + b"\n")
        assert b"Unknown module '%HOME%'" in daemon.talk(HELLO + b"%HOME%\n")
        assert b"@ERROR: no path setting." in daemon.talk(HELLO + b"a b\n")
    assert answer.startswith(GREETING + b"m              \ta b|%home%|%NOSUCH%|%%\na b            \t")


@both
def test_dmn_22_as_many_arguments_as_may_be(kind: str, tmp_path: Path) -> None:
    with Daemon(kind, tmp_path, BASE + b"[m]\npath = DIR\n") as daemon:
        words = [b"--server", b"--sender", b"-e.LsfxCIvu", b".", *[b"m/none"] * 15994]
        daemon.talk(HELLO + b"m\n" + b"".join(word + b"\0" for word in words) + b"\0")
        lines = daemon.log_lines()
    assert "too many daemon arguments" not in lines
    assert any(line.startswith("rsync on m/none m/none") for line in lines)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    def make(place: Path) -> None:
        fill(place)
        (place / "outer" / "rsyncd-munged").mkdir(parents=True)
        (place / "outer" / "inner").mkdir()
        (place / "euckr").mkdir()
        (place / "euckr" / os.fsdecode("명령어사전 .hwp".encode("euc-kr"))).write_text("x")
        (place / "euckr" / os.fsdecode("제1부설치편 (60-151p).hwp".encode("euc-kr"))).write_text("y")
        for name in [*(place / "euckr").iterdir(), *(place / "outer").iterdir(), place / "outer"]:
            os.utime(name, (DATE, DATE))

    conf = (
        BASE
        + b"""read only = no
path = DIR/up
[munged]
use chroot = yes
path = DIR/outer/./inner
[munged-off]
use chroot = yes
path = DIR/outer/./inner
munge symlinks = no
[munged-root]
use chroot = yes
path = DIR/outer
munge symlinks = yes
[korean]
path = DIR/euckr
[cp949]
path = DIR/euckr
charset = cp949
[cp949-up]
charset = cp949
[empty-gid]
gid = ,,
[filter-bogus]
filter = - *.gz bogus a - x
[filter-merge]
filter = - *.gz merge DIR/none - x
[filter-modifier]
filter = hide,secret - *.gz
[refuse]
refuse options = delete-after delay-updates prune-empty-dirs
[chroot-up]
use chroot = yes
[inner-up]
use chroot = yes
path = DIR/./up
"""
    )
    with Pair(tmp_path_factory.mktemp("checklist"), conf, make=make) as pair:
        yield pair


@pytest.mark.parametrize("module", ["munged", "munged-off", "munged-root"])
@pytest.mark.parametrize("words", ["-a HOST/{}/ DIR/d/", "-a DIR/send/ HOST/{}/new/"])
def test_dmn_31_munged_directory(pair: Pair, module: str, words: str) -> None:
    programs.need_root()
    pair.same(words.format(module), reset="d" if "DIR/d" in words else "up")


@pytest.mark.parametrize(
    "words",
    [
        "-a HOST/korean/ DIR/d/", "-a HOST/cp949/ DIR/d/", "-a --iconv=utf-8 HOST/cp949/ DIR/d/",
        "-av --iconv=utf-8 HOST/cp949/ DIR/d/", "-av --iconv=utf-8 HOST/korean/ DIR/d/",
    ],
)  # fmt: skip
def test_dmn_49_names_of_another_charset(pair: Pair, words: str) -> None:
    found = pair.both(words, reset="d")
    # rsync's daemon resets a connection that it refuses (DMN-54).
    if found["rsync"].code != 10 and found["rsync"] != found["tain"]:
        pytest.fail(difference(found["rsync"], found["tain"]), pytrace=False)
    names = {os.fsencode(line.partition(" -rw")[0]) for line in found["tain"].tree}
    if "--iconv" not in words and "DIR/d" in words:
        assert "명령어사전 .hwp".encode("euc-kr") in names
    elif "cp949" in words:
        assert "명령어사전 .hwp".encode() in names


@pytest.mark.parametrize(
    "words",
    ["-av DIR/send/ HOST/empty-gid/", "-av DIR/send/ HOST/chroot-up/new/", "-av DIR/send/ HOST/inner-up/new/",
     "-a -v --mkpath DIR/send/ HOST/chroot-up/a/b/", "-ai DIR/send/n1 HOST/chroot-up/new/",
     "-r HOST/filter-bogus/ DIR/up/", "-r DIR/send/ HOST/filter-bogus/", "-r HOST/filter-merge/ DIR/up/",
     "-r HOST/filter-modifier/ DIR/up/", "-rv --delete-after DIR/send/ HOST/refuse/", "-rvm DIR/send/ HOST/refuse/",
     "-rv --delay-updates DIR/send/ HOST/refuse/"],
)  # fmt: skip
def test_modules_without_settings(pair: Pair, words: str) -> None:
    programs.need_root()
    pair.same(words, reset="up")


@pytest.mark.parametrize("name", [":/nolist", ":nolist"])
def test_a_list_of_names_that_is_missing(pair: Pair, name: str) -> None:
    """The daemon ends with 4, as for every request that it cannot understand."""
    pair.refused(f"-a --files-from={name} HOST/inner-up/ DIR/up/", reset="up")


@both
def test_dmn_51_errors_behind_the_first_header_do_not_stop_the_start(kind: str, tmp_path: Path) -> None:
    with Daemon(kind, tmp_path, BASE + b"[m]\npath = DIR\n&include /nonexistent\n") as daemon:
        assert daemon.talk(HELLO + b"\n") == b""
        assert any('unable to stat config file "/nonexistent"' in line for line in daemon.log_lines())
        daemon.write(BASE + b"[m]\npath = DIR\n")
        assert daemon.talk(HELLO + b"\n") == GREETING + b"m              \t\n@RSYNCD: EXIT\n"


def _check(tmp_path: Path, conf: bytes) -> tuple[int, list[str]]:
    file = tmp_path / "rsyncd.conf"
    file.write_bytes(conf)
    done = subprocess.run(
        [*PROGRAMS["tain"], "--daemon", "--check-config", f"--config={file}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, env=environment(),
    )  # fmt: skip
    return done.returncode, [line.replace(str(file), "FILE") for line in done.stderr.splitlines()]


def test_dmn_44_misspelt_access_control_is_shown(tmp_path: Path) -> None:
    for strict in (b"", b"tain strict = yes\n"):
        code, lines = _check(tmp_path, strict + b"[m]\npath = /\nhost allow = 10.0.0.1\n")
        assert code == 1
        assert any('did you mean "hosts allow"?' in line and f"FILE:{3 + bool(strict)}" in line for line in lines)
        with Daemon("tain", tmp_path / str(len(strict)), BASE + strict + b"[m]\npath = /\nhost allow = x\n") as daemon:
            assert b"@ERROR: daemon security issue" in daemon.talk(HELLO + b"m\n")


def test_dmn_45_a_path_outside_any_module(tmp_path: Path) -> None:
    conf = b"path = /\n[a]\npath = /usr\n[b]\ncomment = x\npath = /etc\ncomment = y\npath = /var\n[d]\n"
    code, lines = _check(tmp_path, conf)
    assert code == 0
    assert any("path in the global section" in line and "FILE:1" in line for line in lines)
    assert any("second path in module b" in line and "FILE:8" in line for line in lines)
    assert any("module d has no path of its own" in line and "FILE:9" in line for line in lines)


def test_dmn_48_the_second_sample(tmp_path: Path) -> None:
    """A misspelt name is refused; the right one is served, and so is one that the operator insists on."""
    sample = (
        b"use chroot = no\nread only = yes\nmax connections = 5\nlock file = DIR/lock\ntimeout = 60\nuid = 0\ngid = 0\n"
        b"[iso]\npath = DIR\ncomment = iso\n%s = 127.0.0.1\n"
    )
    log = b"log file = DIR/log\nreverse lookup = no\n"
    refused, served = b"@ERROR: daemon security issue -- contact admin\n", b"@RSYNCD: OK\n<open>"
    for before, name, answer in (
        (b"", b"host allow", refused),
        (b"", b"hosts allow", served),
        (b"tain allow unknown = host allow\n", b"host allow", served),
    ):
        with Daemon("tain", tmp_path / str(len(before + name)), log + before + sample % name) as daemon:
            assert daemon.talk(HELLO + b"iso\n") == GREETING + answer
            assert daemon.talk(HELLO + b"\n") == GREETING + b"iso            \tiso\n@RSYNCD: EXIT\n"


def test_dmn_57_parameters_of_our_own(tmp_path: Path) -> None:
    """rsync ignores them with two lines each. An unknown name that begins with `tain` refuses its module."""
    own = [row for row in PARAMETERS.values() if row.name.startswith("tain ")]
    values = {"boolean": "no", "integer": "1", "string": "x"}
    conf = "".join(f"{row.name} = {values[row.kind]}\n" for row in own if row.of_daemon)
    conf += "[m]\npath = /\n" + "".join(f"{row.name} = {values[row.kind]}\n" for row in own if not row.of_daemon)
    with Daemon("rsync", tmp_path / "rsync", BASE + conf.encode()) as daemon:
        assert daemon.talk(HELLO + b"m\n").endswith(b"@RSYNCD: OK\n<open>")
        lines = daemon.log_lines()
    for row in own:
        assert f'Unknown Parameter encountered: "{row.name}"' in lines
        assert f'IGNORING unknown parameter "{row.name}"' in lines
    (tmp_path / "all").write_text(conf)
    config = load(os.fsencode(tmp_path / "all"))
    assert not config.failed
    assert config.refusal(config.modules[0]) is None
    with Daemon("tain", tmp_path / "tain", BASE + b"[m]\npath = /\ntain nosuch thing = 1\n[n]\npath = /\n") as daemon:
        assert daemon.talk(HELLO + b"m\n").endswith(b"@ERROR: daemon security issue -- contact admin\n")
        assert daemon.talk(HELLO + b"n\n").endswith(b"@RSYNCD: OK\n<open>")


@both
def test_dmn_20_a_slot_is_free_after_a_kill(kind: str, tmp_path: Path) -> None:
    conf = BASE + b"[m]\npath = DIR\nmax connections = 1\nlock file = DIR/lock\n"
    with Daemon(kind, tmp_path, conf) as daemon, daemon.connect() as first:
        first.sendall(HELLO + b"m\n")
        first.settimeout(LIMIT)
        answer = b""
        while not answer.endswith(b"OK\n"):
            answer += first.recv(4096)
        assert b"max connections (1) reached" in daemon.talk(HELLO + b"m\n")
        os.kill(daemon.children()[0], signal.SIGKILL)
        daemon.wait_for_connections()
        assert daemon.talk(HELLO + b"m\n").endswith(b"OK\n<open>")


def test_dmn_21_a_proxy_header_with_more_in_it(tmp_path: Path) -> None:
    """rsync refuses a version 2 header with extensions; tain skips them."""
    body = socket.inet_aton("192.0.2.9") + socket.inet_aton("192.0.2.1") + b"\0\1\0\2" + b"\x04\0\x03abc"
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + len(body).to_bytes(2, "big") + body
    conf = b"proxy protocol = yes\nproxy protocol hosts = 127.0.0.1\n" + BASE + b"[m]\n"
    with Daemon("tain", tmp_path, conf) as daemon:
        assert daemon.talk(header + HELLO + b"\n").endswith(b"@RSYNCD: EXIT\n")
        assert "connect from UNDETERMINED (192.0.2.9)" in daemon.log_lines()


def test_dmn_55_max_alloc_of_zero(tmp_path: Path) -> None:
    with Daemon("tain", tmp_path, BASE + b"[m]\npath = DIR\n") as daemon:
        code, _, err = daemon.client("-r", "-M--max-alloc=0", "HOST/m/", str(tmp_path / "d"))
        assert code == 4
        assert "max-alloc must be greater than zero" in err
        with contextlib.suppress(ConnectionError):
            assert daemon.talk(HELLO + b"\n").endswith(b"EXIT\n")
