"""The patterns of ``auth users`` in both daemons: each list is a module (spec: daemon 6)."""

from __future__ import annotations

from pathlib import Path

from .harness import Daemon

PATTERNS = [
    "ann", "a*", "?nn", "A*", "a**", "*", "**", "[ab]nn", "[!b]nn", "[^a]nn", "b[!a]b", "an[n]", "[[:lower:]]nn",
    "[[:digit:]]*", "a\\nn", "ann\\", "a*\\", "x\\*y", "x[*]y", "[a", "an[", "a[n-", "[a-c]*:ro",
    "bob:deny,*", "*,bob:deny",
]  # fmt: skip
USERS = [b"ann", b"bob", b"x*y", b"xzy"]


def test_dmn_user_patterns(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_bytes(b"".join(user + b":pw\n" for user in USERS))
    secrets.chmod(0o600)
    conf = f"use chroot = no\npath = DIR\nsecrets file = {secrets}\n"
    conf += "".join(f"[m{number}]\nauth users = {pattern}\n" for number, pattern in enumerate(PATTERNS))
    found: dict[str, list[tuple[str, bytes, bytes]]] = {}
    for kind in ("rsync", "tain"):
        with Daemon(kind, tmp_path / kind, conf.encode()) as daemon:
            found[kind] = [
                (pattern, user, daemon.login(b"m%d" % number, user, b"pw").splitlines()[-1])
                for number, pattern in enumerate(PATTERNS)
                for user in USERS
            ]
    assert found["tain"] == found["rsync"]
    assert {answer.partition(b" ")[2][:2] for _, _, answer in found["tain"]} >= {b"OK", b"au"}
