"""The daemon tolerates what rsync tolerates, except with ``tain strict = yes`` (docs/daemon.md, "Strict mode")."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import HELLO, Daemon
from .pairs import Pair

BASE = b"log file = DIR/log\nuse chroot = no\nreverse lookup = no\nuid = 0\ngid = 0\n"
STRICT = b"tain strict = yes\n" + BASE
OK = b"@RSYNCD: OK\n"

#: Lines of a secrets file that are not `name:password`, placed before and after a good one.
IMPERFECT = {
    "semicolon": b"; users\n",
    "blanks": b"   \n",
    "indented-comment": b"  # who\n",
    "section": b"[section]\n",
    "junk": b"junk\n",
    "disabled": b"bob:\n",
    "no-name": b":x\n",
    "no-group": b"@:x\n",
    "long": b"x:" + b"y" * 1100 + b"\n",
    "nul": b"eve:a\0b\n",
}


def _secrets(place: Path, data: bytes) -> None:
    (place / "secrets").write_bytes(data)
    (place / "secrets").chmod(0o600)
    (place / "tree").mkdir(exist_ok=True)


LOGIN = b"[m]\npath = DIR/tree\nauth users = alice, bob\nsecrets file = DIR/secrets\n"


@pytest.fixture(scope="module")
def tolerant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Pair(tmp_path_factory.mktemp("tolerant"), BASE + LOGIN, make=lambda place: _secrets(place, b"")) as pair:
        yield pair


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon("tain", tmp_path_factory.mktemp("strict"), STRICT + LOGIN) as daemon:
        yield daemon


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("line", IMPERFECT)
def test_an_imperfect_line_of_the_secrets_file(tolerant: Pair, strict: Daemon, line: str, last: bool) -> None:
    good = b"alice:pw1\n"
    data = good + IMPERFECT[line].rstrip(b"\n") if last else IMPERFECT[line] + good
    for daemon in (*tolerant.daemons.values(), strict):
        _secrets(daemon.dir, data)
    before = len(tolerant.daemons["tain"].log_lines())
    for daemon in tolerant.daemons.values():
        assert daemon.login(b"m", b"alice", b"pw1") == OK
        assert daemon.login(b"m", b"alice", b"pw2") != OK
    number = 2 if last else 1
    lines = tolerant.daemons["tain"].log_lines()[before:]
    assert any(f"line {number} of the secrets file" in text for text in lines)
    before = len(strict.log_lines())
    assert strict.login(b"m", b"alice", b"pw1") == b"@ERROR: auth failed on module m\n"
    assert any(text.endswith("for alice: ignoring secrets file") for text in strict.log_lines()[before:])


def test_a_user_without_a_password_is_shut_out(tmp_path: Path) -> None:
    """The first line of a name counts."""
    conf = b"[m]\npath = DIR/tree\nauth users = bob\nsecrets file = DIR/secrets\n"
    with Daemon("tain", tmp_path, BASE + conf) as daemon:
        _secrets(tmp_path, b"bob:\nbob:later\n")
        for password in (b"", b"\0", b"later"):
            assert daemon.login(b"m", b"bob", password) == b"@ERROR: auth failed on module m\n"


@pytest.mark.parametrize("users", [b"bob:r0", b"bob, :ro", b"bob, @:rw", b"bob:"])
def test_items_of_auth_users(tmp_path: Path, users: bytes) -> None:
    conf = b"[m]\npath = DIR/tree\nauth users = %s\nsecrets file = DIR/secrets\n" % users
    with Pair(tmp_path, BASE + conf, make=lambda place: _secrets(place, b"bob:secret\n")) as pair:
        for daemon in pair.daemons.values():
            assert daemon.login(b"m", b"bob", b"secret") == OK
            assert daemon.login(b"m", b"", b"secret") != OK
    with Daemon("tain", tmp_path / "strict", STRICT + conf) as daemon:
        _secrets(daemon.dir, b"bob:secret\n")
        assert daemon.login(b"m", b"bob", b"secret") == b"@ERROR: auth failed on module m\n"


@pytest.mark.parametrize("words", [b"10.0.0.0/33", b"10.0.0.1/x", b"58.120.226."])
def test_words_of_hosts_deny(tmp_path: Path, words: bytes) -> None:
    conf = b"[m]\npath = DIR\nhosts deny = " + words + b"\n"
    with Pair(tmp_path, BASE + conf, make=lambda _: None) as pair:
        assert all(daemon.talk(HELLO + b"m\n").endswith(OK + b"<open>") for daemon in pair.daemons.values())
    with Daemon("tain", tmp_path / "strict", STRICT + conf) as daemon:
        assert b"@ERROR: access denied" in daemon.talk(HELLO + b"m\n")


def test_the_name_of_a_user_who_did_not_log_in_is_empty(tmp_path: Path) -> None:
    def make(place: Path) -> None:
        (place / "tree").mkdir()
        (place / "tree/f").touch()

    conf = b"[m]\npath = DIR/tree/%RSYNC_USER_NAME%\n"
    with Pair(tmp_path, BASE + conf, make=make) as pair:
        assert pair.same("-r --list-only --no-t HOST/m/").code == 0
    with Daemon("tain", tmp_path / "strict", STRICT + conf) as daemon:
        make(daemon.dir)
        assert daemon.talk(HELLO + b"m\n").endswith(b"@ERROR: daemon security issue -- contact admin\n")


@pytest.mark.parametrize("user", [b"..", b"a/b", b"."])
def test_a_user_cannot_choose_the_directory(tmp_path: Path, user: bytes) -> None:
    """In both modes. rsync would serve the directory above."""
    conf = b"[m]\npath = DIR/tree/%RSYNC_USER_NAME%\nauth users = *, a/b\nsecrets file = DIR/secrets\n"
    for number, base in enumerate((BASE, STRICT)):
        with Daemon("tain", tmp_path / str(number), base + conf) as daemon:
            _secrets(daemon.dir, user + b":twelve-letters\n")
            assert daemon.login(b"m", user, b"twelve-letters").startswith(b"@ERROR: daemon security issue")


def test_a_hook_gets_every_name(tmp_path: Path) -> None:
    """A control byte does not refuse a request, but a strict configuration passes none to a hook."""

    def make(place: Path) -> None:
        (place / "tree").mkdir()
        (place / "tree" / "a\nb\x1b").write_text("x")
        (place / "got").mkdir()

    conf = b'[m]\npath = DIR/tree\npre-xfer exec = printf %s "$RSYNC_REQUEST" >DIR/heard\n'
    words = ["-r", "HOST/m/a\nb\x1b", "DIR/got/"]
    with Pair(tmp_path, BASE + conf, make=make) as pair:
        assert pair.same(words, reset="got").code == 0
        heard = {kind: (daemon.dir / "heard").read_bytes() for kind, daemon in pair.daemons.items()}
        assert heard["tain"] == heard["rsync"] == b"m/a\nb\x1b"
    with Daemon("tain", tmp_path / "strict", STRICT + conf) as daemon:
        make(daemon.dir)
        assert daemon.client(*(word.replace("DIR", str(daemon.dir)) for word in words))[0] != 0
        assert any("RSYNC_REQUEST holds a control byte" in line for line in daemon.log_lines())


def test_a_large_request_reaches_a_hook(tmp_path: Path) -> None:
    def make(place: Path) -> None:
        (place / "tree").mkdir()
        (place / "got").mkdir()
        for number in range(900):
            (place / "tree" / f"{number:0200d}").touch()

    conf = b"[m]\npath = DIR/tree\npre-xfer exec = true\n"
    with Pair(tmp_path, BASE + conf, make=make) as pair:
        words = [f"HOST/m/{number:0200d}" for number in range(900)]
        assert pair.same(["-r", *words, "DIR/got/"], reset="got").code == 0


def test_a_long_motd(tmp_path: Path) -> None:
    text = b"welcome " * 10_000 + b"\n"
    with Pair(tmp_path, BASE + b"motd file = DIR/motd\n", make=lambda place: _motd(place, text)) as pair:
        answers = [daemon.talk(HELLO + b"\n") for daemon in pair.daemons.values()]
        assert answers[0] == answers[1]
        assert text in answers[1]
    with Daemon("tain", tmp_path / "strict", STRICT + b"motd file = DIR/motd\n") as daemon:
        _motd(daemon.dir, text)
        assert len(daemon.talk(HELLO + b"\n")) < 66_000


def _motd(place: Path, text: bytes) -> None:
    (place / "motd").write_bytes(text)


@pytest.mark.parametrize("hosts", [b"*", b"UNDET*", b"127.0.0.0/8", b"10.0.0.0/8 *"])
def test_trusted_proxies(tmp_path: Path, hosts: bytes) -> None:
    conf = b"proxy protocol = yes\nproxy protocol hosts = " + hosts + b"\n"
    header = b"PROXY TCP4 10.1.2.3 10.0.0.1 1 2\r\n"
    with Pair(tmp_path, BASE + conf, make=lambda _: None) as pair:
        answers = [daemon.talk(header + HELLO + b"\n") for daemon in pair.daemons.values()]
        assert answers[0] == answers[1] != b""
        assert "connect from UNDETERMINED (10.1.2.3)" in pair.daemons["tain"].log_lines()
    with Daemon("tain", tmp_path / "strict", STRICT + conf) as daemon:
        assert bool(daemon.talk(header + HELLO + b"\n")) == (b"*" not in hosts)


def test_hooks_have_no_time_limit_unless_strict() -> None:
    from tain.daemon.hooks import Hook
    from tain.daemon.sections import Section, Variables, defaults

    variables = Variables({})
    section = Section(b"m", defaults(), variables)
    assert Hook(section, "pre-xfer exec").limit == 0
    variables.strict = True
    assert Hook(section, "pre-xfer exec").limit == 300
    section.values["tain hook timeout"] = 7
    assert Hook(section, "pre-xfer exec").limit == 7
