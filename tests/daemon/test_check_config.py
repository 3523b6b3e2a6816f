"""``--check-config``: mistakes in the file, and things that this machine lacks (P14)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tain.diagnosis.hints import find

from .harness import HELLO, LIMIT, PROGRAMS, Daemon, environment


def check(tmp_path: Path, text: str) -> tuple[int, list[str]]:
    """The exit code and the findings; the last line is the summary."""
    file = tmp_path / "rsyncd.conf"
    file.write_text(text.replace("DIR", str(tmp_path)))
    done = subprocess.run(
        [*PROGRAMS["tain"], "--daemon", "--check-config", f"--config={file}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, env=environment(),
    )  # fmt: skip
    assert done.stdout == ""
    return done.returncode, [line.replace(str(file), "FILE") for line in done.stderr.splitlines()]


def test_nothing_wrong(tmp_path: Path) -> None:
    code, lines = check(tmp_path, "[m]\npath = DIR\n[n]\npath = DIR\ncomment = x\n")
    assert (code, lines) == (0, ["rsyncd.conf: 2 modules, no errors, no warnings"])


def test_the_first_configuration_of_the_page(tmp_path: Path) -> None:
    """Missing accounts, directory and secret: each once, in the order of the file, with its place."""
    (tmp_path / "secrets").write_text("name:password\n")
    (tmp_path / "secrets").chmod(0o600)
    code, lines = check(
        tmp_path,
        "uid = nobody\nuse chroot = no\nmax connections = 4\n\n[www.wangsy]\ncomment = site\npath = DIR/somewhere\n"
        "read only = false\nuid = apache-x\ngid = no-such-group\nauth users = wangsy\nsecrets file = DIR/secrets\n",
    )
    assert code == 1
    assert lines == [
        f'error: module www.wangsy: there is no "{tmp_path}/somewhere": No such file or directory (FILE:7)',
        "error: module www.wangsy: uid = apache-x: there is no such account (FILE:9)",
        "error: module www.wangsy: gid = no-such-group: there is no such group (FILE:10)",
        f"error: module www.wangsy: wangsy has no line in {tmp_path}/secrets and can't log in (FILE:11)",
        "rsyncd.conf: 1 module, 4 errors, no warnings",
    ]


def test_a_misspelt_line_is_one_finding(tmp_path: Path) -> None:
    code, lines = check(tmp_path, "[m]\npath = DIR\nhost allow = 10.0.0.1\n")
    assert code == 1
    assert lines == [
        'error: module m is refused: unknown parameter "host allow": did you mean "hosts allow"? (FILE:3)',
        "rsyncd.conf: 1 module, 1 error, no warnings",
    ]


#: Lines of a module, and the finding about each.
FINDINGS = {
    "gid = nobody-x": "error: module m: gid = nobody-x: there is no such group",
    "uid = 4294967295": "error: module m: uid = 4294967295: there is no such account",
    "path = /dev/null/x": 'error: module m: "/dev/null" is no directory',
    "auth users = bob\nsecrets file = /no/such": "error: module m: nobody can log in: ",
    "auth users = bob\nsecrets file = DIR/open": "must not be other-accessible",
    "auth users = alice, carol:deny, d*, @staff\nsecrets file = DIR/good": "error: module m: @staff has no line in",
    "auth users = alice\nsecrets file = DIR/junk": "line 2 of the secrets file has no colon: it is ignored",
    "auth digest = sha3": "there is no digest sha3",
    "charset = klingon": "there is no such character set",
    "incoming chmod = zz": "incoming chmod = zz is not understood",
    "exclude from = /no/such": "failed to open exclude file /no/such",
    "filter = frobnicate x": "error: module m: ",
    "refuse options = nosuchoption": 'no option is called "nosuchoption"',
    "read only = no": "everybody may write here",
    "tain bwlimit = 5": '"tain bwlimit" is not supported yet',
    "tain tls required = yes": 'error: module m is refused: "tain tls required" is not supported yet',
}


@pytest.mark.parametrize("text", FINDINGS)
def test_findings(tmp_path: Path, text: str) -> None:
    for name, data, mode in (
        ("open", "bob:x\n", 0o644), ("good", "@other:twelve-letters\n@more:x\nalice:x\n", 0o600),
        ("junk", "alice:pw\njunk\n", 0o600),
    ):  # fmt: skip
        (tmp_path / name).write_text(data)
        (tmp_path / name).chmod(mode)
    if "@staff" in text:
        (tmp_path / "good").write_text("@other:twelve-letters\n")
    code, lines = check(tmp_path, f"[m]\npath = DIR\n{text}\n")
    wanted = FINDINGS[text]
    assert any(wanted in line for line in lines)
    assert len(lines) == len(set(lines))
    assert code == any(line.startswith("error: ") for line in lines)
    assert "twelve-letters" not in "\n".join(lines)


def test_a_value_that_depends_on_the_client_is_not_checked(tmp_path: Path) -> None:
    code, lines = check(
        tmp_path,
        "[m]\npath = /srv/%RSYNC_USER_NAME%\nuid = %RSYNC_USER_NAME%\nauth users = *\n"
        "secrets file = /s/%RSYNC_HOST_ADDR%\n",
    )
    assert (code, lines) == (0, ["rsyncd.conf: 1 module, no errors, no warnings"])


def test_a_client_of_a_refused_module_gets_a_hint(tmp_path: Path) -> None:
    """P15."""
    with Daemon("tain", tmp_path, b"log file = DIR/log\n[m]\npath = DIR\nhost allow = 10.0.0.1\n") as daemon:
        answer = daemon.talk(HELLO + b"m\n").decode()
    (hint,) = find(answer.splitlines(), host="h")
    assert hint.id == "D34" and "tain --daemon --check-config" in hint.check
