"""The parts of the daemon that work without a connection."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tain import _core
from tain.daemon import arguments, auth, filters, hooks, module, proxyheader, slots
from tain.daemon.access import Peer, allowed
from tain.daemon.names import UNDETERMINED
from tain.daemon.pidfile import PidFile
from tain.daemon.refusal import RefusalError
from tain.daemon.sections import Variables
from tain.daemon.text import comma_list, escape
from tain.errors import FileError
from tain.session import operator_file
from tain.session.arguments import unescape


class Names:
    def __init__(self, known: dict[bytes, list[str]]) -> None:
        self.known = known

    def addresses(self, name: bytes) -> list[str] | None:
        return self.known.get(name)


@pytest.mark.parametrize(
    ("allow", "deny", "result"),
    [
        (b"", b"", True),
        (b"10.1.2.3", b"", True),
        (b"10.1.2.4", b"", False),
        (b"10.1.2.4", b"10.9.9.9", True),
        (b"10.1.2.4", b"10.1.2.3", False),
        (b"10.1.2.3", b"*", True),
        (b"10.0.0.0/8", b"", True),
        (b"10.1.2.0/255.255.255.0", b"", True),
        (b"10.1.3.0/24", b"", False),
        (b"0.0.0.0/0", b"", True),
        (b"::/0", b"", False),
        (b"10.1.2.*", b"", False),
        (b"*.Example.org", b"", True),
        (b"PEER.example.org", b"", True),
        (b"[p]eer.*", b"", True),
        (b"other,peer.example.org", b"", True),
        (b"known", b"", True),
        (b"unknown-name", b"", False),
        (b"", b"unknown-name", False),
        (b"", b"known", False),
        (b"", b"elsewhere", True),
        (b"10.0.0.0/33", b"", False),
        (b"", b"10.0.0.0/33", False),
        (b"", b"58.120.226.", False),
        (b"@group", b"", False),
        (b"", b"@group", True),
        (b"10.66051", b"", True),
    ],
)
def test_host_lists(allow: bytes, deny: bytes, result: bool) -> None:
    names = Names({b"known": ["::1", "10.1.2.3"], b"elsewhere": ["10.9.9.9"]})
    peer = Peer("10.1.2.3", b"peer.example.org")
    assert allowed(peer, allow, deny, resolver=names, warn=lambda _: None) is result


def test_mapped_and_scoped_addresses() -> None:
    def ask(address: str, word: bytes) -> bool:
        return allowed(Peer(address, UNDETERMINED), word, b"", resolver=None, warn=lambda _: None)

    assert ask("::ffff:10.1.2.3", b"10.0.0.0/8")
    assert ask("fe80::1%eth0", b"fe80::1")
    assert ask("fe80::1%eth0", b"fe80::1%eth0")
    assert not ask("fe80::1%eth0", b"fe80::1%eth1")
    assert ask("2001:db8::5", b"2001:db8::/32")
    assert ask("2001:db8::5", b"2001:db8::/ffff:ffff::")
    assert ask("10.1.2.3", b"*")


def test_forward_match_names_the_peer() -> None:
    peer = Peer("10.1.2.3", UNDETERMINED)
    assert allowed(peer, b"known", b"", resolver=Names({b"known": ["10.1.2.3"]}), warn=lambda _: None)
    assert peer.name == b"known"


def test_comma_rule() -> None:
    assert comma_list(b"a b,c") == [b"a", b"b", b"c"]
    assert comma_list(b", @Some Group:deny, bob,,") == [b"@Some Group:deny", b"bob"]


def test_user_rules() -> None:
    found = auth.rules(b", @Some Group:deny, bob:RW, al*:ro, x")
    assert [(r.pattern, r.group, r.access) for r in found] == [
        (b"Some Group", True, "deny"), (b"bob", False, "rw"), (b"al*", False, "ro"), (b"x", False, "")
    ]  # fmt: skip
    for bad in (b"bob:r0", b":ro", b"@:ro", b"bob:"):
        with pytest.raises(auth.RuleError):
            auth.rules(bad, strict=True)


@pytest.mark.parametrize(
    "data",
    [b"a:" + b"x" * 1023 + b"admin:x\n", b"nocolon\n", b":pw\n", b"a:\n", b"a:b\0c\n"],
)
def test_bad_secrets(data: bytes) -> None:
    secrets = auth.parse_secrets(b"good:one\n" + data + b"\nlast:two\n")
    assert [pair for pair in secrets.pairs if pair[1] is not None] == [(b"good", b"one"), (b"last", b"two")]
    assert [problem.partition(" of ")[0] for problem in secrets.problems] == ["line 2"]
    with pytest.raises(auth.SecretsError, match="line 2"):
        auth.parse_secrets(b"good:one\n" + data, strict=True)


def test_secrets() -> None:
    data = b"# c:d\n\nbob:a:b c \r\n@grp:x\nbob:later\n"
    assert auth.parse_secrets(data, strict=True).pairs == [(b"bob", b"a:b c "), (b"@grp", b"x"), (b"bob", b"later")]


def test_challenges_are_unique_and_of_the_right_length() -> None:
    for digest, length in (("sha512", 86), ("sha256", 43), ("sha1", 27), ("md5", 22), ("md4-old", 22)):
        found = {auth.challenge(digest, "10.0.0.1") for _ in range(50)}
        assert len(found) == 50
        assert {len(item) for item in found} == {length}


def test_digest_floor() -> None:
    assert not auth.too_weak("sha512", "sha256")
    assert "weaker" in auth.too_weak("md5", "sha256")
    assert "not a supported digest" in auth.too_weak("sha512", "sha3")


def test_the_request_text_is_cut_between_words() -> None:
    class Talk:
        def read_list(self, stop: bytes, *, word_limit: int, count_limit: int) -> list[bytes]:
            return [b"--server", b".", *(b"mod/" + b"x" * 400 for _ in range(9))]

    found = arguments.read(Talk(), 32, b"mod")  # type: ignore[arg-type]
    assert len(found.paths) == 9
    assert found.request == b" ".join([b"mod/" + b"x" * 400] * 3)


class Bytes:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def read_exact(self, count: int) -> bytes:
        assert len(self.data) >= count, "read past the header"
        out, self.data = self.data[:count], self.data[count:]
        return out


_V2 = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "1.2.3.4"),
        (b"PROXY TCP6 ::1 ::2 1 2\r\n", "::1"),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN a b c d e\r\n", None),
        (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", None),
        (_V2 + b"\x20\x00\x0f\xf0" + b"x" * 4080, None),
        (_V2 + b"\x20\x00\x00\x00", None),
        (_V2 + b"\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02", "1.2.3.4"),
        (_V2 + b"\x21\x11\x00\x10\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02\x04\x00\x01x", "1.2.3.4"),
        (_V2 + b"\x21\x21\x00\x24" + b"\0" * 15 + b"\1" + b"\0" * 20, "::1"),
        (_V2 + b"\x21\x31\x00\x02ab", None),
    ],
)
def test_proxy_headers(data: bytes, address: str | None) -> None:
    source = Bytes(data + b"@RSYNCD")
    assert proxyheader.read(source) == address
    assert source.data == b"@RSYNCD"


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 0 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        b"PROXY TCP4 1.2.3.400 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY " + b"x" * 200 + b"\r\n",
        b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
        _V2 + b"\x20\x00\x0f\xf1" + b"x" * 4081,
        b"@RSYNCD: 32.0 md5\n",
        _V2 + b"\x31\x11\x00\x0c" + b"\0" * 12,
        _V2 + b"\x22\x11\x00\x0c" + b"\0" * 12,
        _V2 + b"\x21\x11\x00\x0b" + b"\0" * 11,
        _V2 + b"\x21\x11\x00\x0e" + b"\0" * 14,
        _V2 + b"\x21\x11\xff\xff" + b"\0" * 65535,
    ],
)
def test_bad_proxy_headers(data: bytes) -> None:
    with pytest.raises(proxyheader.BadHeaderError):
        proxyheader.read(Bytes(data))


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain\ttext", b"plain\ttext"),
        (b"a\nb\x1bc\x7f", b"a\\#012b\\#033c\\#177"),
        ("한글".encode(), "한글".encode()),
        (b"\x85\xe9", b"\\#205\xe9"),
        ("\u0085\u202e".encode(), b"\\#302\\#205\\#342\\#200\\#256"),
        (b"\\#012 \\#01 \\x", b"\\#134#012 \\#01 \\x"),
    ],
)
def test_escape(data: bytes, shown: bytes) -> None:
    assert escape(data) == shown


@pytest.mark.parametrize(
    ("pattern", "text", "result"),
    [
        (b"*", b"", True), (b"a*b*c", b"axxbyyc", True), (b"a*b*c", b"axxbyy", False), (b"?", b"", False),
        (b"[a-c]x", b"bx", True), (b"[!a-c]x", b"bx", False), (b"[]]", b"]", True), (b"\\*", b"*", True),
        (b"\\*", b"a", False), (b"[a", b"[a", False), (b"*a*a*a*a*a*a*a*b", b"a" * 400, False),
    ],
)  # fmt: skip
def test_wild(pattern: bytes, text: bytes, result: bool) -> None:
    assert _core.wildmatch(pattern, text) is result


def test_filter_words() -> None:
    assert filters.split_rules(b"- *.o + /a/ hide,! x -_y dir-merge,n- .f ! merge_z -/ /q") == [
        b"- *.o", b"+ /a/", b"hide,! x", b"-_y", b"dir-merge,n- .f", b"!", b"merge_z", b"-/ /q"
    ]  # fmt: skip
    assert filters.pattern_rules(b"a + b - c d !".split(), b"-") == [b"- a", b"+ b", b"- c", b"- d", b"!"]


def test_filter_files(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"# c\n; d\n\n*.o\n+ keep me\n- drop\r\n!\n")
    assert filters.file_rules(bytes(file), b"-") == [b"- *.o", b"+ keep me", b"- drop", b"!"]
    with pytest.raises(RefusalError):
        filters.file_rules(bytes(tmp_path / "none"), b"-")


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        (b"", b"."), (b"/", b"."), (b".", b"."), (b"a", b"a"), (b"/a//b/", b"a/b/"),
        (b"../../etc/passwd", b"etc/passwd"),
        (b"a/../../b", b"b"), (b"a/.", b"a/."), (b"./a/./b", b"a/b"), (b"a/..", b"."),
    ],
)  # fmt: skip
def test_clean(path: bytes, cleaned: bytes) -> None:
    assert arguments.clean(path) == cleaned


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        (b"", b"."), (b"/", b"."), (b"../", b"."), (b"./a", b"./a"), (b"a/./b", b"a/./b"), (b".//a//", b"./a/"),
        (b"a/./../b", b"a/b"), (b"a/..", b"."), (b"../../x", b"x"), (b"./", b"./"),
    ],
)  # fmt: skip
def test_clean_source(path: bytes, cleaned: bytes) -> None:
    assert arguments.clean_source(path) == cleaned


def test_argument_words() -> None:
    assert unescape(b"a\\ b\\\\c\\") == b"a b\\c\\"
    assert arguments.split_paths(b"mod/a b mod/c mod/", b"mod") == [b"a b", b"c", b""]
    assert arguments.split_paths(b"mod/a[ ]mod/b", b"mod") == [b"a[ ]mod/b"]
    assert arguments.strip_module(b"mod", b"mod") == b""
    assert arguments.strip_module(b"module/x", b"mod") == b"module/x"


def test_expand(tmp_path: Path) -> None:
    for name in ("a1/x", "a2/x", "b/y", ".hid/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "alink").symlink_to("/etc")
    root = os.open(tmp_path, os.O_RDONLY)
    try:
        assert _core.expand_path(b"a*/x", root) == [b"a1/x", b"a2/x", b"alink/x"]
        assert _core.expand_path(b"a*", root) == [b"a1", b"a2", b"alink"]
        assert _core.expand_path(b"*/", root) == [b".hid/", b"a1/", b"a2/", b"alink/", b"b/"]
        assert _core.expand_path(b"alink/*", root) == [b"alink/*"]
        assert _core.expand_path(b"[ab]?", root) == [b"a1", b"a2"]
        assert _core.expand_path(b"none*", root) == [b"none*"]
        assert _core.expand_path(b"*", root, rules=[b"- /a1"]) == [b".hid", b"a2", b"alink", b"b"]
        assert _core.expand_path(b"\\a1*", root) == [b"a1"]
    finally:
        os.close(root)


@pytest.mark.parametrize(
    ("template", "value", "result"),
    [
        (b"x %RSYNC_USER_NAME%", b"bob", b"x 'bob'"),
        (b"x '%RSYNC_USER_NAME%'", b"bob", b"x ''bob''"),
        (b'x "%RSYNC_USER_NAME%"', b"bob", b"x \"'bob'\""),
        (b"x %RSYNC_USER_NAME%", b"", b"x ''"),
        (b"x \\'%RSYNC_USER_NAME%", b"b", b"x \\''b'"),
        (b"50% %lower% %%", b"", b"50% %lower% %%"),
    ],
)
def test_hook_commands(template: bytes, value: bytes, result: bytes) -> None:
    variables = Variables({})
    variables.connection[b"RSYNC_USER_NAME"] = value
    assert hooks.fill(template, variables) == result


@pytest.mark.parametrize("byte", list(b" \t\n'\"`$\\;&|<>()*?[]#!~{}\x7f"))
def test_hook_commands_refuse_shell_bytes(byte: int) -> None:
    variables = Variables({})
    variables.connection[b"RSYNC_USER_NAME"] = b"a" + bytes([byte])
    for template in (b"%RSYNC_USER_NAME%", b"'%RSYNC_USER_NAME%'", b'"%RSYNC_USER_NAME%"'):
        with pytest.raises(RefusalError) as caught:
            hooks.fill(template, variables)
        assert caught.value.code == 4
        assert not caught.value.client


def test_module_roots(tmp_path: Path) -> None:
    from tain.daemon.config import load

    def roots(path: bytes, chroot: bytes, problem: str = "") -> tuple[object, ...]:
        file = tmp_path / "conf"
        file.write_bytes(b"[m]\npath=%s\nuse chroot=%s\n" % (path, chroot))
        section = load(bytes(file)).modules[0]
        found = module.roots(section, can_chroot=lambda: problem, warn=lambda _: None)
        return found.full_path, found.chroot, found.root, found.sanitize, found.munge

    assert roots(b"/a/b", b"yes") == (b"/a/b", b"/a/b", b"/", False, False)
    assert roots(b"/a/./b", b"yes") == (b"/a/b", b"/a", b"/b", True, True)
    assert roots(b"/a/./b", b"unset", "no") == (b"/a/b", b"/a", b"/b", True, True)
    assert roots(b"/a/./b", b"no") == (b"/a/b", None, b"/a/b", True, True)
    assert roots(b"/a/b", b"no") == (b"/a/b", None, b"/a/b", True, True)
    assert roots(b"/a/b", b"unset", "no") == (b"/a/b", None, b"/a/b", True, True)
    assert roots(b"/", b"no") == (b"/", None, b"/", False, True)
    assert roots(b"/", b"yes") == (b"/", b"/", b"/", False, False)


def test_slots(tmp_path: Path) -> None:
    path = bytes(tmp_path / "lock")
    mine = slots.claim(path, 1)
    assert mine is not None
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write_fd, b"n" if slots.claim(path, 1) is None else b"y")
        os.write(write_fd, b"n" if slots.claim(path, 2) is None else b"y")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read_fd, 2) == b"ny"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    for fd in (mine, read_fd, write_fd):
        os.close(fd)


def test_pid_file(tmp_path: Path) -> None:
    path = bytes(tmp_path / "pid")
    file = PidFile(path)
    file.create()
    # Closing another descriptor of the file would release the lock.
    assert os.pread(file.fd, 99, 0) == b"%d\n" % os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            PidFile(path).create()
        except FileError as error:
            os._exit(7 if "failed to lock pid file" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    file.remove()
    assert not os.path.exists(path)
    file.forget()
    Path(tmp_path / "pid").write_text("x" * 40)
    with pytest.raises(FileError, match="find small"):
        PidFile(path).create()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs links of another owner")
def test_ownership_walk(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"x")
    for name, target in (("leaf", "d/f"), ("parent", "d"), ("abs", str(tmp_path / "d" / "f"))):
        (tmp_path / name).symlink_to(target)
    good = [tmp_path / "leaf", tmp_path / "parent" / "f", tmp_path / "abs", tmp_path / "d" / ".." / "d" / "f"]
    for path in good:
        assert operator_file.read_walk(bytes(path)) == b"x"
    for name in ("leaf", "parent", "abs"):
        os.chown(tmp_path / name, 1, 1, follow_symlinks=False)
    for path in good[:3]:
        with pytest.raises(OSError, match="Too many levels"):
            operator_file.read_walk(bytes(path))


class Lists:
    def __init__(self, *lists: list[bytes]) -> None:
        self.lists = list(lists)

    def read_list(self, stop: bytes, *, word_limit: int, count_limit: int) -> list[bytes]:
        assert stop == b"\0"
        return self.lists.pop(0)


def test_reading_arguments() -> None:
    plain = Lists([b"--server", b"--sender", b"-logDtpre.iLsfxCIvu", b"--suffix=a\\ b", b".", b"mod/x\\ y mod/z"])
    found = arguments.read(plain, 32, b"mod")  # type: ignore[arg-type]
    assert found.options == [b"--server", b"--sender", b"-logDtpre.iLsfxCIvu", b"--suffix=a b"]
    assert found.paths == [b"x\\ y", b"z"]
    assert found.request == b"mod/x\\ y mod/z"
    assert found.raw == [*found.options, b".", b"x\\ y", b"z"]
    hidden = Lists([b"--server", b"--sender", b"-sre.iLsfxCIvu"], [b"rsync", b"--suffix=a\\ b", b".", b"mod/x mod/z"])
    found = arguments.read(hidden, 32, b"mod")  # type: ignore[arg-type]
    assert found.options == [b"--server", b"--sender", b"-sre.iLsfxCIvu", b"--suffix=a\\ b"]
    assert found.paths == [b"x mod/z"]


@pytest.mark.parametrize(
    ("path", "depth", "result"),
    [
        (b"/tmp", 3, b"/m/tmp"), (b"/../../etc", 3, b"/m/etc"), (b"../x", 0, b"x"), (b"../x", 1, b"../x"),
        (b"../../x", 1, b"../x"), (b"a/../../x", 0, b"x"), (b"a/../../x", 1, b"../x"), (b"..", 0, b"."),
        (b"/", 0, b"/m/"),
    ],
)  # fmt: skip
def test_option_paths(path: bytes, depth: int, result: bytes) -> None:
    from tain.daemon.optionpaths import sanitize

    assert sanitize(path, b"/m", depth) == result
