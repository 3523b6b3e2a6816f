"""``refuse options`` against the real daemon: terms, a client's words, and the complaint."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tain.errors import TainError
from tain.options.parse import parse
from tain.options.refuse import refusals
from tain.options.resolve import resolve
from tain.session.arguments import server_command

RSYNC = shutil.which("rsync")
if RSYNC is None and not os.environ.get("CI"):
    pytest.skip("no rsync to compare with", allow_module_level=True)

#: terms | words; MOD stands for the module's address.
ROWS = """
delete | -r --delete src/ MOD
delete | -r --del src/ MOD
delete | -r --delete-missing-args src/ MOD
delete | -r --delete-excluded src/ MOD
delete | -r --max-delete=3 src/ MOD
delete | --remove-source-files src/f MOD
delete | --remove-source-files MOD dst2
del | -r --delete-during src/ MOD
delete-during | -r --del src/ MOD
delete-during | -r --delete src/ MOD
delete-before | -r --delete src/ MOD
delete-* | -r --delete src/ MOD
delete-* !delete-during | -r --delete src/ MOD
delete* | -r --delete src/ MOD
delete-excluded | -r --delete-excluded src/ MOD
remove* | --remove-source-files MOD dst2
compress | -z src/f MOD
compress | --zl=3 src/f MOD
compress | --zc=none src/f MOD
z | --zc=lz4 src/f MOD
zc | --zc=zstd src/f MOD
compress-choice | -zz src/f MOD
new-compress | -zz src/f MOD
a | -r src/ MOD
archive | -l src/f MOD
archive | -D src/f MOD
links | -a src/ MOD
o g | -a src/ MOD
r | -a src/ MOD
d | -r src/ MOD
d | -d src/ MOD
* | src/f MOD
* | -n src/f MOD
* | -v src/f MOD
* | -a src/ MOD
* | MOD
* | -r MOD
* !a | -a src/ MOD
* !a | -av src/ MOD
* !a !v | -av src/ MOD
!a * | -a src/ MOD
archive* | -a src/ MOD
inplace | --inplace src/f MOD
inplace | --append src/f MOD
inplace !write-devices | --write-devices src/f MOD
partial | --inplace src/f MOD
partial | --partial src/f MOD
partial | -P src/f MOD
partial | --partial-dir=x src/f MOD
partial | --delay-updates src/f MOD
partial-dir | --delay-updates src/f MOD
append | --append-verify src/f MOD
progress | -P src/f MOD
| --write-devices src/f MOD
| --copy-devices MOD dst2
!write-devices | --write-devices src/f MOD
!write* | --write-devices src/f MOD
| --iconv=utf8,utf8 src/f MOD
!iconv | --iconv=utf8,utf8 src/f MOD
| -M--log-file=x src/f MOD
!log-file | -M--log-file=x src/f MOD
| -M--log-file-format=x src/f MOD
| -M--insecure-links src/f MOD
| -M--confine-root=x src/f MOD
| -M--daemon src/f MOD
| -M--config=x src/f MOD
| -M--dparam=x src/f MOD
| -M--no-detach src/f MOD
| -M--bogus src/f MOD
| -M--timeout=x src/f MOD
no-iconv | -M--no-iconv src/f MOD
no-* | -M--no-motd src/f MOD
no-r | -d --delete src/ MOD
fake-super | -M--fake-super src/f MOD
super | -M--fake-super src/f MOD
time-limit | -M--stop-after=1 src/f MOD
checksum | -c src/f MOD
perms | -p src/f MOD
p | -A src/f MOD
existing | --ignore-non-existing src/f MOD
ignore-non-existing | --existing src/f MOD
dry-run | -n src/f MOD
timeout | --timeout=5 src/f MOD
devices | -D src/f MOD
specials | -D src/f MOD
D | --specials src/f MOD
log-format | -i src/f MOD
out-format | -i src/f MOD
o* | -i src/f MOD
e | src/f MOD
*e* | src/f MOD
rsh | src/f MOD
[st]* | -t src/f MOD
xattrs | -X src/f MOD
X | -XX src/f MOD
stats | --stats src/f MOD
msgs2stderr | --msgs2stderr src/f MOD
stderr | --msgs2stderr src/f MOD
chown | --chown=1 src/f MOD
usermap | --chown=1 src/f MOD
whole-file | -W src/f MOD
no-W | --no-W src/f MOD
info | --info=name src/f MOD
8* | -8 src/f MOD
-v | -v src/f MOD
max-alloc | --max-alloc=2g src/f MOD
temp-dir | -T /tmp src/f MOD
T | -T /tmp src/f MOD
s | -s src/f MOD
protect-args | -s src/f MOD
server | src/f MOD
sender | MOD dst2
* !s* !v | -v --stats src/f MOD
d* !dirs !delete | -r --delete src/ MOD
""".strip().splitlines()


def complaint(lines: list[str]) -> str | None:
    for line in lines:
        if line.startswith("rsync: ") and ("refuse" in line or "option" in line or "hack" in line or "numeric" in line):
            return line
    return None


def theirs(place: Path, terms: str, words: list[str]) -> str | None:
    source, target = place / "src", place / "dst"
    for directory in (source, target, place / "dst2"):
        directory.mkdir(exist_ok=True)
    (source / "f").write_text("x")
    config = place / "conf"
    config.write_text(
        f"[m]\npath = {target}\nread only = no\nuse chroot = no\nuid = {os.getuid()}\ngid = {os.getgid()}\n"
        f"refuse options = {terms}\n"
    )
    program = f"rsync --daemon --config={config} --log-file={place / 'log'}"
    assert RSYNC is not None
    done = subprocess.run(
        [RSYNC, *words],
        cwd=place,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "RSYNC_CONNECT_PROG": program},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return complaint(done.stderr.splitlines())


def ours(terms: str, words: list[str]) -> tuple[str | None, int]:
    options = resolve(parse([os.fsencode(word) for word in words]))
    sends = not words[-1].startswith("dst2") and not (words[-1].endswith("/m/") and len(options.args) == 1)
    options.secluded_args = False
    received = server_command(options, [], am_sender=sends, shell=False).visible
    if "-s" in words:
        received.insert(1, b"-s")
    try:
        resolve(parse(received), refusals=refusals(terms.split()))
    except TainError as error:
        return str(error).splitlines()[0], error.code
    return None, 4


def split(row: str) -> tuple[str, list[str]]:
    terms, _, text = row.partition("|")
    return terms.strip(), [word.replace("MOD", "rsync://localhost/m/") for word in shlex.split(text)]


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[str | None]]]:
    """What rsync says to each row. It waits for half a second after each, so many run at a time."""
    with ThreadPoolExecutor(16) as pool:
        yield {row: pool.submit(theirs, tmp_path_factory.mktemp("refuse"), *split(row)) for row in ROWS}


@pytest.mark.parametrize("row", ROWS)
def test_same_refusals(row: str, complaints: dict[str, Future[str | None]]) -> None:
    terms, words = split(row)
    expected = complaints[row].result()
    if expected is not None and "(null)" in expected:
        expected = expected.replace("--(null) (-D)", "-D")
    assert ours(terms, words) == (expected, 4)


def test_unknown_terms_are_reported() -> None:
    assert refusals(["nosuch", "delete", "!other*x"]).unmatched == ["nosuch", "!other*x"]


def test_own_names_are_refused() -> None:
    for word in (b"--tls", b"--hints"):
        with pytest.raises(TainError) as caught:
            resolve(parse([b"--server", word]), refusals=refusals([]))
        assert caught.value.code == 4


def test_plain_delete_uses_the_mode_that_is_allowed() -> None:
    words = [b"--server", b"-re.iLsfxCIvu", b"--delete", b".", b"x"]
    assert resolve(parse(words), refusals=refusals(["delete-during"])).delete == "before"
    assert resolve(parse(words), refusals=refusals(["delete-before"])).delete == "during"
    assert resolve(parse(words), refusals=refusals([])).delete == "default"
