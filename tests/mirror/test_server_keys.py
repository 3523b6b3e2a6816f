"""MIR-3: errors and warnings about the keys of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tain.mirror.loading import read_config


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('listen = ["127.0.0.1:8730", "localhost:0", "[::1]:80", "unix:/x", "systemd"]', []),
        ('listen = "0.0.0.0:8730"', ["warning: F:2: server.listen: \"0.0.0.0:8730\": everybody who reaches it sees the "
                                     "page; set tokens_file or public"]),
        ('listen = "0.0.0.0:8730"\npublic = "none"', []),
        ('listen = ["here"]', ['F:2: server.listen: "here" is not HOST:PORT, unix:/path or systemd']),
        ('listen = ["h:99999"]', ['F:2: server.listen: "h:99999" is not HOST:PORT, unix:/path or systemd']),
        ('base_path = "x"', ['F:2: server.base_path: "x" is not a path such as /mirrors/']),
        ('base_path = "/a/../b"', ['F:2: server.base_path: "/a/../b" is not a path such as /mirrors/']),
        ('public = "all"', ['F:2: server.public: "all" is not none, summary, status or logs']),
        ('compat = ["lug"]', ['F:2: server.compat[0]: "lug" is not tunasync, yuki or mirrorz']),
        ('textfile = "x.prom"', ['F:2: server.textfile: "x.prom" is not an absolute path']),
        ('tokens_file = "OPEN"', ['F:2: server.tokens_file: "OPEN" can be read by others: chmod 600']),
        ('tokens = "x"', ['F:2: server.tokens: unknown key; did you mean "tokens_file"?']),
    ],
)  # fmt: skip
def test_mir_3_keys_of_the_server(lines: str, expected: list[str], tmp_path: Path) -> None:
    readable = tmp_path / "tokens"
    readable.write_text("")
    readable.chmod(0o644)
    file = tmp_path / "mirror.toml"
    file.write_text("[server]\n" + lines.replace("OPEN", str(readable)) + "\n")
    found = [
        str(finding).replace(str(file), "F").replace(str(readable), "OPEN")
        for finding in read_config(str(file)).findings
    ]
    assert found == expected


def test_the_name_of_a_base_path_ends_with_a_slash(tmp_path: Path) -> None:
    file = tmp_path / "mirror.toml"
    file.write_text('[server]\nbase_path = "/mirrors"\n[site]\nlang = "ko"\n')
    config = read_config(str(file))
    assert config.server.base_path == "/mirrors/" and config.site.lang == "ko" and not config.errors
