"""The configuration file's grammar (spec: daemon 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tain.daemon import lint
from tain.daemon.config import BadParameterError, load
from tain.daemon.parameters import distance, key, nearest
from tain.daemon.sections import Config, ExpansionOverflowError, UnsafeExpansionError


def read(tmp_path: Path, text: bytes, **more: Any) -> Config:
    file = tmp_path / "conf"
    file.write_bytes(text)
    return load(bytes(file), **more)


def texts(config: Config) -> list[str]:
    return [d.text for d in config.diagnostics if d.level in ("error", "warning")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"comment = a # b ; c\n", b"a # b ; c"),
        (b"comment =\t a  b \t\n", b"a  b"),
        (b"comment = a=b = c\n", b"a=b = c"),
        (b'comment = "q"\n', b'"q"'),
        (b"comment = aa   \\\n    bb \\  \n  cc\n", b"aa       bb   cc"),
        (b"comment = \\\n   y\n", b"   y"),
        (b"comment = x\\y \\ z\n", b"x\\y \\ z"),
        (b"comment=a\\\n", b"a"),
        (b"comment=a", b"a"),
        (b"comment = a\rb\r\n", b"ab"),
        (b"\\\ncomment = x\n", b"x"),
        (b"\\comment = x\n", b"x"),
        (b"# c \\\ncomment = x\n", b"x"),
        (b"COM ment = x\n", b"x"),
        (b"com \\\nment = x\n", b"x"),
        (b"comment = x\ncomment =\n", b""),
        (b"comment = x\ncomment = y\n", b"y"),
        (b"hello there\ncomment = y\n", b"y"),
    ],
)
def test_values(tmp_path: Path, text: bytes, value: bytes) -> None:
    config = read(tmp_path, b"[m]\n" + text)
    assert not config.failed
    assert config.modules[0].text("comment") == value


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"[ My \\\n  Mod ] junk\n", [b"My Mod"]),
        (b"[a]\n[ A ]\n", [b"a"]),
        (b"[m]\n[g l o b al]\n[n]\n", [b"m", b"n"]),
        (b"[m] \\\ncomment = x\n[www.wangsy]\n", [b"m", b"www.wangsy"]),
    ],
)
def test_sections(tmp_path: Path, text: bytes, names: list[bytes]) -> None:
    assert [section.name for section in read(tmp_path, text).modules] == names


@pytest.mark.parametrize(
    ("text", "line", "fails"),
    [
        (b"fooo = 1\n", 'IGNORING unknown parameter "fooo"', False),
        (b"-x = 1\n", 'IGNORING unknown parameter "-x"', False),
        (b"[m]\nport=99\n", "Global parameter port found in module section!", False),
        (b"read only = maybe\n", 'Badly formed boolean in configuration file: "maybe".', False),
        (b"hello there\n", "params.c:Parameter() - Ignoring badly formed line in config file: hello there", False),
        (b"&include\n", "params.c:Parameter() - Ignoring badly formed line in config file: &include", False),
        (b"comment", "params.c:Parameter() - Unexpected end-of-file at: comment", False),
        (b" = x\n", "params.c:Parameter() - Invalid parameter name in config file.", True),
        (b"[ab\n", "params.c:Section() - Badly formed line in config file: ab", True),
        (b"[ab", "params.c:Section() - Unexpected EOF in the config file: ab", True),
        (b"[ ]\n", "params.c:Section() - Empty section name in config file.", True),
        (b"[a/b]\n", "Warning: invalid section name in configuration file: a/b", True),
        (b"&foo bar\n", "Unknown directive: &foo.", True),
        (
            b"&include /nonexist\n",
            'rsync: [Receiver] unable to stat config file "/nonexist": No such file or directory (2)',
            True,
        ),
        (b"a\0 = 1\n", "NUL byte in config file", True),
    ],
)
def test_errors(tmp_path: Path, text: bytes, line: str, fails: bool) -> None:
    config = read(tmp_path, text)
    assert line in texts(config)
    assert config.failed is fails
    if fails:
        assert texts(config)[-1] == "params.c:pm_process() - Failed.  Error returned from params.c:parse()."


def test_missing_file(tmp_path: Path) -> None:
    config = load(bytes(tmp_path / "none"))
    assert config.failed
    assert texts(config)[0].endswith("No such file or directory (2)")


def test_places_are_named(tmp_path: Path) -> None:
    config = read(tmp_path, b"# one\n[m]\n\nport = 1\n")
    assert str(config.diagnostics[0]).endswith("/conf:4)")


def test_defaults_hold_for_later_modules(tmp_path: Path) -> None:
    config = read(tmp_path, b"comment=a\n[m]\n[global]\nport=7\ncomment=b\n[n]\ncomment=c\n[o]\n")
    assert [section.text("comment") for section in config.modules] == [b"a", b"c", b"b"]
    assert config.globals.number("port") == 7


def test_start_stops_at_the_first_module(tmp_path: Path) -> None:
    config = read(tmp_path, b"port=1\n[m]\n = broken\n", globals_only=True)
    assert not config.failed
    assert config.globals.number("port") == 1
    assert not config.modules


def test_dparam(tmp_path: Path) -> None:
    text = b"comment=a\n[m]\n[n]\ncomment=c\n"
    config = read(tmp_path, text, overrides=[b"Com ment = b", b"pidfile=/x"])
    assert [section.text("comment") for section in config.modules] == [b"b", b"c"]
    assert config.globals.text("pid file") == b"/x"
    with pytest.raises(BadParameterError, match='Unknown parameter "foo"'):
        read(tmp_path, text, overrides=[b"foo=1"])
    with pytest.raises(BadParameterError, match="--dparam value is missing an '=': foo"):
        read(tmp_path, text, overrides=[b"foo"])


def test_include_and_merge(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "b.conf").write_bytes(b"[ib]\n")
    (tmp_path / "d" / ".a.conf").write_bytes(b"comment=inner\nport=5\n[ia]\n")
    (tmp_path / "d" / "a.inc").write_bytes(b"comment = merged\n")
    (tmp_path / "d" / "b.inc").write_bytes(b"[im]\ncomment = im\n")
    d = bytes(tmp_path / "d")
    config = read(tmp_path, b"[m]\n&include " + d + b"\ncomment=after\n[n]\n")
    comments = {s.name: s.text("comment") for s in config.modules}
    assert comments == {b"m": b"after", b"ia": b"inner", b"ib": b"after", b"n": b"after"}
    assert config.globals.number("port") == 0
    config = read(tmp_path, b"[m]\n&merge = " + d + b"\nlist = no\n[n]\n")
    assert [(s.name, s.text("comment"), s.flag("list")) for s in config.modules] == [
        (b"m", b"merged", True), (b"im", b"im", False), (b"n", b"", True)
    ]  # fmt: skip


def test_include_of_itself_fails(tmp_path: Path) -> None:
    assert read(tmp_path, b"&include " + bytes(tmp_path / "conf") + b"\n").failed


def test_variables(tmp_path: Path) -> None:
    env = {b"HOME": b"/h", b"lower": b"x"}
    text = b"[m]\ncomment=%HOME% %lower% 50% %NOSUCH% %%\npath=/a/%RSYNC_USER_NAME%/\n"
    config = read(tmp_path, text, environment=env)
    section = config.modules[0]
    assert section.text("comment") == b"/h %lower% 50% %NOSUCH% %%"
    assert section.text("path") == b"/a/%RSYNC_USER_NAME%"
    for name in (b".", b"..", b"a/b", b"a\nb"):
        config.variables.connection[b"RSYNC_USER_NAME"] = name
        with pytest.raises(UnsafeExpansionError):
            section.text("path")
    config.variables.connection[b"RSYNC_USER_NAME"] = b""
    assert section.text("path") == b"/a"
    config.variables.strict = True
    with pytest.raises(UnsafeExpansionError):
        section.text("path")
    config.variables.connection[b"RSYNC_USER_NAME"] = b"bob"
    assert section.text("path") == b"/a/bob"
    config.variables.connection[b"RSYNC_MODULE_PATH"] = b"/a/b"
    assert config.variables.expand(b"%RSYNC_MODULE_PATH%/x", one_component=True) == b"/a/b/x"


def test_expansion_is_bounded(tmp_path: Path) -> None:
    config = read(tmp_path, b"[m]\ncomment=%BIG%\n", environment={b"BIG": b"x" * 5000})
    with pytest.raises(ExpansionOverflowError):
        config.modules[0].text("comment")


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        (b"max connections = 12abc", "max connections", 12),
        (b"max connections = junk", "max connections", 0),
        (b"max connections = -1", "max connections", -1),
        (b"syslog facility = local5", "syslog facility", 21 << 3),
        (b"syslog facility = nosuch", "syslog facility", 3 << 3),
        (b"path = /x//", "path", b"/x"),
        (b"path = /", "path", b"/"),
        (b"use chroot = UNSET", "use chroot", None),
        (b"use chroot = 0", "use chroot", False),
    ],
)
def test_types(tmp_path: Path, text: bytes, name: str, value: object) -> None:
    assert read(tmp_path, b"[m]\n" + text + b"\n").modules[0].values[name] == value


@pytest.mark.parametrize(
    ("name", "meant"),
    [(b"host allow", "hosts allow"), (b"hosts denny", "hosts deny"), (b"read onyl", "read only"),
     (b"auth user", "auth users"), (b"secret file", "secrets file"), (b"exlude", "exclude")],
)  # fmt: skip
def test_misspelt_access_control_refuses(tmp_path: Path, name: bytes, meant: str) -> None:
    for text in (b"[m]\n%s = x\n", b"%s = x\n[m]\n"):
        config = read(tmp_path, text % name)
        refusal = config.refusal(config.modules[0])
        assert refusal is not None and f'did you mean "{meant}"?' in refusal.text
        config = read(tmp_path, b"tain allow unknown = " + name + b"\n" + text % name)
        assert config.refusal(config.modules[0]) is None


def test_other_unknown_names_are_served_unless_strict(tmp_path: Path) -> None:
    config = read(tmp_path, b"[m]\nfrobnicate = 1\n#motd = x\nmotd = x\n")
    assert config.refusal(config.modules[0]) is None
    config = read(tmp_path, b"tain strict = yes\n[m]\nfrobnicate = 1\n")
    assert config.refusal(config.modules[0]) is not None
    config = read(tmp_path, b"[m]\ntain frobnicate = 1\n[n]\ntain hook timeout = 1\n")
    assert config.refusal(config.modules[0]) is not None
    assert config.refusal(config.modules[1]) is None


def test_names() -> None:
    assert key(b" Read ONLY\t") == b"readonly"
    assert distance(b"hostallow", b"hostsallow", 2) == 1
    assert distance(b"onyl", b"only", 2) == 1
    assert distance(b"abc", b"xyz", 2) == 3
    assert nearest(b"path") == "path"
    assert nearest(b"completely else") is None


def test_lint(tmp_path: Path) -> None:
    text = (
        b"path=/x\n[m]\ncomment=c\nhosts allow = 58.120.226. ALL .example.com 192.168.1.*\n[n]\ncomment=c\npath=/y\n"
        b"auth users=a\n"
    )
    found = "\n".join(map(str, lint.check(read(tmp_path, text))))
    for part in ('write "58.120.226.0/24"', 'write "*"', 'write "*.example.com"', "wildcards match names only",
                 "has no path of its own", "nobody can log in", "has the comment of module m"):  # fmt: skip
        assert part in found
