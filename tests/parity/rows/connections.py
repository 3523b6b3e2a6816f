"""Hosts, ports, proxies and RSYNC_CONNECT_PROG (spec: protocol 10.2, security SEC-36)."""

from __future__ import annotations

from tests.parity.harness import Row
from tests.parity.tree import File

SAFE = {
    "name": "n1.example.", "underscore": "node_1", "plus": "node+x", "tilde": "node~x", "percent": "a%b",
    "scope": "[fe80::9%lo]", "dot": ".x", "low": "_x", "digit": "9", "address": "[::1]",
}  # fmt: skip

UNSAFE = {
    "dash": "-n", "plus": "+x", "tilde": "~bin", "percent": "%x", "empty": "", "equals-first": "=x", "comma-first": ",x",
    "blank": "a b", "semicolon": "a;b", "dollar": "a$b", "quote": "a'b", "double-quote": 'a"b', "backslash": "a\\b",
    "star": "a*b", "ampersand": "a&b", "pipe": "a|b", "comma": "a,b", "equals": "a=b", "caret": "a^b", "letter": "é",
    "line-end": "a\nb", "end-of-line": "ab\n", "backquote": "a`b", "bracket": "[a;b]", "paren": "a(b", "less": "a<b",
    "hash": "a#b", "exclamation": "a!b", "delete": "a\x7fb", "question": "a?b", "brace": "a{b", "high": "\x80",
}  # fmt: skip

#: Records its arguments, reads the client's greeting, and ends without a greeting of its own.
PROBE = File("probe", content=b'#!/bin/sh\nprintf %s "$*" >"${0%/*}/seen"\nread line\n', mode=0o755)


def connect_program(ident: str, host: str, template: str = "{w}/probe %H", *options: str) -> Row:
    """The program of RSYNC_CONNECT_PROG with *host*. What it was started with, if at all, is in the tree."""
    return Row(
        f"SEC-36-{ident}",
        [PROBE, "out/"],
        [*options, "--", host, "out/"],
        env={"RSYNC_CONNECT_PROG": template},
    )


HOSTS = [
    *[connect_program(f"unsafe-{name}", f"rsync://{host}/m/") for name, host in UNSAFE.items()],
    *[connect_program(f"safe-{name}", f"rsync://{host}/m/") for name, host in SAFE.items()],
    *[
        connect_program(f"unsafe-colons-{name}", f"{UNSAFE[name]}::m/")
        for name in ("dash", "plus", "empty", "semicolon", "letter")
    ],
    connect_program("unsafe-user", "rsync://u;x@h/m/"),
    connect_program("unsafe-user-colons", "u;x@h::m/"),
    connect_program("unsafe-with-user", "rsync://u@-n/m/"),
    connect_program("template-fixed", "rsync://a;b/m/", "{w}/probe fixed"),
    connect_program("template-fixed-dash", "rsync://-n/m/", "{w}/probe fixed"),
    connect_program("template-escaped", "rsync://a;b/m/", "{w}/probe %%H"),
    connect_program("template-escaped-safe", "rsync://ab/m/", "{w}/probe %%H"),
    connect_program("template-other", "rsync://a;b/m/", "{w}/probe %h"),
    connect_program("template-percent", "rsync://a;b/m/", "{w}/probe %"),
    connect_program("template-inner-shell", "rsync://h;>ran;x/m/", "sh -c 'echo %H >&2'"),
    # Without the variable a dash matters to a remote shell only.
    Row("SEC-36-resolver-dash", ["out/"], "rsync://-n.invalid/m/ out/"),
    Row("SEC-36-resolver-dash-colons", ["out/"], "-- -n.invalid::m/ out/"),
    Row("SEC-36-shell-dash", ["out/"], "-e true -- -n:m/ out/"),
    Row("SEC-36-shell-dash-daemon", ["out/"], "-e true -- -n::m/ out/"),
    Row("SEC-36-shell-dash-url", ["out/"], "-e true -- rsync://-n/m/ out/"),
    Row("SEC-36-shell-dash-push", ["src/a"], "-e true -- src/ -n:m/"),
]

#: Nothing listens there: port 1 of the loopback is refused.
_PROXIES = {
    "large": "127.0.0.1:99999", "zero": "127.0.0.1:0", "none": "127.0.0.1:", "no-colon": "127.0.0.1", "text": "127.0.0.1:x",
    "partly": "127.0.0.1:1x", "no-host": ":1", "nothing": ":", "only-login": "u:p@", "no-password": "u@127.0.0.1:1",
    "login": "u:p@127.0.0.1:1", "at": "u:p@q@127.0.0.1:1", "blank": " 127.0.0.1:1", "negative": "127.0.0.1:-1",
    "blank-port": "127.0.0.1: 1", "two-colons": "127.0.0.1:1:2", "brackets": "[::1]:1", "bare-v6": "::1:1",
    "digits": "127.0.0.1:" + "9" * 5000, "fewer-digits": "127.0.0.1:" + "9" * 40, "just-over": "127.0.0.1:18446744073709551617",
    "plus": "127.0.0.1:+1", "service": "127.0.0.1:tcpmux", "other-digits": "127.0.0.1:٣", "empty-login": "@127.0.0.1:1",
    "colon-login": ":@127.0.0.1:1", "both-wrong": "u@h",
}  # fmt: skip

PROXIES = [
    Row(f"PRO-10.2-proxy-{name}", ["out/"], "rsync://h.invalid/m/ out/", env={"RSYNC_PROXY": text})
    for name, text in _PROXIES.items()
]

ROWS: list[Row] = [*HOSTS, *PROXIES]
