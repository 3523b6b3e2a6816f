"""Users and groups that only the name service of the system knows (spec: transfer 5.3, options 6.2).

The test accounts are JSON records of systemd's name service, which needs no running service.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import programs

#: Makes the accounts in a mount namespace, and runs the command in it.
SCRIPT = r"""
mount -t tmpfs none /run && mkdir /run/userdb && cd /run/userdb || exit 90
for name in nsonly nsother; do
    case $name in nsonly) uid=4242 gid=4243 ;; *) uid=4244 gid=4245 ;; esac
    echo "{\"userName\":\"$name\",\"uid\":$uid,\"gid\":$gid,\"disposition\":\"regular\"}" >$name.user
    echo "{\"groupName\":\"$name-g\",\"gid\":$gid}" >$name-g.group
    ln -s $name.user $uid.user && ln -s $name-g.group $gid.group
done
getent passwd nsonly >&2 && getent group 4243 >&2 || exit 91
cd "$0" && "$@" >&2; code=$?; stat -c '%u %g' dst/f; exit $code
"""
SHELL = '#!/bin/sh\nshift\nexec sh -c "$*"\n'


def copied(top: Path, program: str, peer: str, way: str, *words: str) -> tuple[int, str]:
    """Exit code and output of a run, and owner and group of the copy."""
    top.mkdir()
    (top / "src").mkdir()
    (top / "src/f").touch()
    (top / "sh").write_text(SHELL)
    (top / "sh").chmod(0o755)
    subprocess.run(["chown", "4242:4243", top / "src/f"], check=True)
    remote = ["-e", f"{top}/sh", f"--rsync-path={peer}"]
    ends = {
        "local": ["src/f", "dst/"],
        "push": [*remote, "src/f", f"h:{top}/dst/"],
        "pull": [*remote, f"h:{top}/src/f", "dst/"],
    }[way]
    command = ["unshare", "-m", "sh", "-c", SCRIPT, str(top), program, "-a", *words, *ends]
    done = subprocess.run(command, capture_output=True, text=True, timeout=programs.LIMIT, check=False)
    if done.returncode == 91:
        programs.missing("libnss-systemd in /etc/nsswitch.conf")
    return done.returncode, done.stdout


@pytest.mark.parametrize("way", ["local", "push", "pull"])
@pytest.mark.parametrize(
    ("words", "owner"),
    [
        ("--usermap=nsonly:7 --groupmap=nsonly-g:8", "7 8\n"),
        ("--usermap=*:nsother --groupmap=*:nsother-g", "4244 4245\n"),
        ("--chown=nsother:nsother-g", "4244 4245\n"),
        ("--usermap=4242:9", "9 4243\n"),
        ("--numeric-ids --usermap=4242:nsother", "4244 4243\n"),
    ],
)
def test_accounts_of_the_name_service(words: str, owner: str, way: str, tmp_path: Path, tain: str) -> None:
    programs.need_root()
    programs.need("unshare", "getent")
    results = [
        copied(tmp_path / name, program, peer, way, *words.split())
        for name, program, peer in (
            ("both", tain, tain), ("client", tain, programs.PEER), ("server", programs.PEER, tain),
            ("rsync", programs.PEER, programs.PEER),
        )
    ]  # fmt: skip
    assert results == [(0, owner)] * 4
