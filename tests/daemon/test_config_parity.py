"""Both daemons read the same configuration files: the same list of modules and the same log lines."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from .harness import HELLO, Daemon

BASE = b"log file = DIR/log\nreverse lookup = no\n"

FILES: dict[str, bytes] = {
    "comments": b"; x\n# y\n[m]\n # z\ncomment = a # b ; c\n",
    "continuation": b"[m]\ncomment = aa   \\\n    bb \\  \n  cc\n[ My \\\n  Mod ] junk\nre \\\n ad only = yes\n",
    "continuation at once": b"[m]\ncomment = \\\n   y\n[n]\ncomment = x\\y \\ z\n[o]\ncomment=a\\\n",
    "comment does not continue": b"[m]\n# a comment \\\ncomment = x\n",
    "lone backslash": b"[m]\n\\\ncomment = x\n\\ \n[n]\n\\comment = y\n",
    "no equals": b"[m]\nhello   there\ncomment = x\n",
    "end in a name": b"[m]\ncomment",
    "crlf": b"[m]\r\ncomment = a\rb\r\nlist = yes\r\n",
    "spelling": b"[m]\nCOM MENT =   q  \n [M ]\nl ist = yes\n[z]\n",
    "global": b"comment=1\n[m]\n[g l o b al]\ncomment=2\n[n]\n[M]\n[o]\n",
    "texts fall back late": b"[m]\n[n]\ncomment=\n[global]\ncomment=late\nlist=no\n[o]\nlist=yes\n",
    "global parameter": b"[m]\nport = 99\nmotd file = /x\n",
    "booleans": b"[m]\nlist = NO\n[n]\nlist = False\n[o]\nlist = 0\n"
    b"[p]\nlist = maybe\n[q]\nlist = unset\n[r]\nlist = 1\n",
    "tristate": b"[m]\nuse chroot = -1\nnumeric ids = unset\nmunge symlinks = perhaps\n",
    "numbers": b"[m]\nmax connections = 12abc\ntimeout=junk\nmax verbosity = -3\n",
    "minus": b"[m]\n-x = 1\n",
    "empty value": b"[m]\ncomment = x\ncomment =\n",
    "variables": b"[m]\ncomment=%LANGUAGE_X%|%lower%|50%|%NOSUCH%|%%\n",
    "variable": b"[m]\ncomment=%RSYNCTEST% and %RSYNCTEST%%\n",
    "long name": b"[a long name of a module]\ncomment=c\n[\xc3\xa9]\ncomment=\xea\n",
    "header tail": b"[m] \\\ncomment = x\n",
    "directive without argument": b"[m]\n&include\n&merge\n",
    "include in a module": b"[m]\n&include DIR/d\ncomment=after\n[n]\n",
    "merge in a module": b"[m]\n&merge DIR/d\nlist = yes\n[n]\n",
    "include with equals": b"&include=DIR/d/a.conf\n[z]\n",
    "merge with tab": b"&merge\tDIR/d/b.inc\n[z]\n",
    "continued directive": b"&include DIR/d\\\n/a.conf\n[z]\n",
    "empty directory": b"&include DIR/e\n[z]\n",
    "aliases are none": b"bind address=127.0.0.1\nrsync port=1\n[m]\n",
    "name": b"[m]\nname=foo\n[n]\nname = \n[m]\ncomment=2\n[foo]\ncomment=3\n",
    "no module": b"comment = x\n",
    "file of a header": b"[m]\ncomment=x\n[global]\nlog file=DIR/log2\n[n]\n",
    "header before the log": b"[global]\nlog file=DIR/log2\nfoo = bar\n[m]\n",
    "path": b"[m]\npath=\n[n]\npath=///\n[o]\npath=/tmp//\n",
    "quotes": b"[m]\ncomment = 'a b'  \n[n]\ncomment=\"x\" # y\n[o]\ncomment=\\\\\n"
    b"[p]\ncomment = a\\\n\n[q]\ncomment=\tt\t\n",
    "equals": b"[m]\ncomment=a=b=c\n",
    "headers in a line": b"[m]   [n]\n[o]x=y\n[p]\n\t[ q r ]\n",
    "spellings of modules": b"[a]\n[A]\n[a ]\n[ a b ]\n[ab]\ncomment=x\n[aB]\n",
    "byte order mark": b"\xef\xbb\xbf# c\n[m]\n",
    "variables side by side": b"[m]\ncomment=%RSYNCTEST%%RSYNCTEST%\n"
    b"[n]\ncomment=%R%SYNCTEST%\n[o]\ncomment=% RSYNCTEST %\n",
    "variables of a connection": b"[m]\ncomment=%RSYNC_MODULE_NAME%-%RSYNC_HOST_ADDR%-%RSYNC_PID%\n",
    "variable in a boolean": b"list=%NOSUCH%\n[m]\n",
    "long comment": b"[m]\ncomment=" + b"x" * 5000 + b"\n[" + b"m" * 2000 + b"]\n",
    "odd booleans": b"[m]\nread only = yes no\n[n]\nlist = y\n[o]\nlist=YES\n[p]\nlist=on\n[q]\nlist=2\n[r]\nlist=\n",
    "facilities": b"syslog facility=foo\n[m]\nsyslog facility = 3\n[n]\nsyslog facility=local9\n",
    "directive in capitals": b"&Include DIR/d\n[z]\n",
    "directory among files": b"&include DIR/f\n[z]\n",
    "bad: first header": b"[m\n",
    "bad: empty first header": b"[]\n",
    "bad: slash in the first header": b"[a/b]\n",
    "bad: blank after the ampersand": b"& include DIR/d\n[z]\n",
    "bad: device": b"&merge /dev/null\n[z]\n",
    "bad: globals": b"foo=bar\n = x\n[m]\n",
    "bad: blank in a directive's file": b"[m]\n&include DIR/d x\n",
    "bad: unknown directive": b"[m]\n&foo bar\n",
    "bad: no file": b"[m]\n&include /nonexist\n",
    "bad: no name": b"[m]\n = x\n",
    "bad: header": b"[m]\n[ab\n",
    "bad: empty header": b"[m]\n[ ]\n",
    "bad: slash": b"[m]\n[a/b]\n",
    # The samples of spec daemon 16.1, B15, B17 and B18.
    "first sample": b"uid = nobody\ngid = nobody\nuse chroot = no\nmax connections = 4\nsyslog facility = local5\n"
    b"#motd = /etc/motd\n[www.wangsy]\npath = /home\ncomment = web\nread only=false\nauth users = a\n"
    b"secrets file = /etc/rsyncd.secrets\n",
    "third sample": b"[home]\npath=/home\nuid=root\ngid=root\nuse chroot=yes\nread only=yes\n"
    b"hosts allow=1.2.3.4 5.6.7.8\nmax connections=3\ntimeout=300\n[mysql]\npath=/usr/local/mysql\n",
    "fourth sample": b"motd file=/nonexistent\nmax connections = 25\nsyslog facility = local3\n[ftp]\n"
    b"\tcomment = whole ftp area\n\tpath = /var/ftp/pub\n\thosts allow = 192.168.2.0/24 127.0.0.0/8 *.anu.edu.au\n"
    b"[tmp]\n\tlist = yes\n",
}


def _tree(directory: Path) -> None:
    (directory / "d").mkdir()
    (directory / "e").mkdir()
    (directory / "f" / "x.conf").mkdir(parents=True)
    (directory / "f" / "y.conf").write_text("[if]\n")
    (directory / "d" / "a.conf").write_text("comment = inca\nmotd file = /nonexistent\n[ia]\nlist = yes\n")
    (directory / "d" / ".b.conf").write_text("[ib]\n")
    (directory / "d" / "a.inc").write_text("comment = merged\n")
    (directory / "d" / "b.inc").write_text("[im]\ncomment=IM\n")


def _run(kind: str, directory: Path, name: str) -> tuple[int | None, bytes, list[str], str]:
    _tree(directory)
    with Daemon(kind, directory, BASE + FILES[name]) as daemon:
        answer = b""
        if daemon.process.poll() is None:
            with contextlib.suppress(ConnectionError):
                answer = daemon.talk(HELLO + b"#list\n")
        lines = daemon.log_lines()
        code = daemon.process.poll()
    said = (directory / "err").read_text(errors="replace").replace(str(directory), "DIR")
    return code, answer, [line for line in lines if "safe_write" not in line and "(code 12)" not in line], said


@pytest.mark.parametrize("name", FILES)
def test_dmn_08_same_reading(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSYNCTEST", "value")
    results = []
    for kind in ("rsync", "tain"):
        (tmp_path / kind).mkdir()
        results.append(_run(kind, tmp_path / kind, name))
    assert results[1] == results[0]
