"""MIR-7 to MIR-10: jobs from crontabs, command lines, tunasync and ftpsync. Nothing of a file is executed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from tain.mirror.commands.importing import toml_of
from tain.mirror.importers.crontab import read_crontab
from tain.mirror.importers.ftpsync import read_ftpsync
from tain.mirror.importers.rsyncline import read_line
from tain.mirror.importers.tunasync import read_worker
from tain.mirror.importers.words import Unusable
from tain.mirror.loading import LoadedJob, read_config
from tain.mirror.stages import stage_options
from tests.mirror.site import Site

A = {"hard_links": False, "safe_links": False, "owner": True, "group": True, "devices": True, "specials": True}
LINES: list[tuple[str, dict[str, Any]]] = [
    ("-a h::m/ /d", {"source": "h::m/", "delete": False, "transfer": A}),
    ("-a --delete h::m/ /d/", {"source": "h::m/", "transfer": A}),
    ("-aH --safe-links --no-o --no-g --no-D --delete rsync://h/m/ /d", {"source": "rsync://h/m/"}),
    ("-rlptH --safe-links --del u@h:/p/ /d", {"source": "u@h:/p/"}),
    ("-rlptH --safe-links --delete-after --delay-updates h::m/ /d",
     {"source": "h::m/", "stage": [{"name": "mirror", "delay_updates": True}]}),
    ("-rlptHvz --safe-links --del --exclude=a --exclude b h::m/ /d",
     {"source": "h::m/", "transfer": {"compress": True}, "exclude": ["a", "b"]}),
    ("-rlptH --safe-links --del --include=a --exclude=* -f '- b' h::m/ /d",
     {"source": "h::m/", "filters": ["+ a", "- *", "- b"]}),
    ("-rlptH --safe-links --del --exclude-from=/etc/x --timeout=600 --contimeout 9 h::m/ /d",
     {"source": "h::m/", "exclude_from": ["/etc/x"], "timeout": 600, "connect_timeout": 9}),
    ("-rlptH --safe-links --del --bwlimit=1000 --max-delete=5 h::m/ /d",
     {"source": "h::m/", "resources": {"bandwidth": "1000K"}, "guard": {"max_delete": 5}}),
    ("-rlptH --safe-links --del --bwlimit=1.5m h::m/ /d", {"source": "h::m/", "resources": {"bandwidth": "1.5m"}}),
    ("-rlptH --safe-links --del -e 'ssh -p 3' -4 h:/m/ /d",
     {"upstream": [{"url": "h:/m/", "rsh": "ssh -p 3", "family": 4}]}),
    ("-rlptH --safe-links --del --address=::1 h::m/ /d", {"upstream": [{"url": "h::m/", "bind": "::1"}]}),
    ("-avP --stats --progress --log-file=/x --partial-dir=y -hh h::m/ /d",
     {"source": "h::m/", "delete": False, "transfer": A}),
    ("-rt h::m/ /d", {"source": "h::m/", "delete": False, "transfer":
     {"links": False, "perms": False, "hard_links": False, "safe_links": False}}),
    ("-rlptHXAS --numeric-ids --safe-links --del --chmod=F644 --block-size=700 -M--fake-super /s/ /d",
     {"source": "/s/", "transfer": {"xattrs": True, "acls": True, "sparse": True, "numeric_ids": True, "chmod": "F644",
                                    "block_size": "700", "remote_option": "--fake-super"}}),
]  # fmt: skip


def load(tmp_path: Path, jobs: dict[str, dict[str, Any]]) -> dict[str, LoadedJob]:
    file = tmp_path / "mirror.toml"
    file.write_text(toml_of(jobs))
    config = read_config(str(file))
    assert not config.errors, (toml_of(jobs), list(map(str, config.errors)))
    return config.jobs


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_mir_7_command_lines(line: str, expected: dict[str, Any], tmp_path: Path) -> None:
    """The job, and that its effective options are those of the line."""
    losses: list[str] = []
    job = read_line(shlex.split(line), losses, [])
    assert {**job, "destination": "/d"} == {**expected, "destination": "/d"} and not losses
    for path in ("/etc/x",):
        job["exclude_from"] = [name for name in job.get("exclude_from", []) if name != path]
    if not job["exclude_from"]:
        del job["exclude_from"]
    loaded = load(tmp_path, {"one": {**job, "manual": True}})["one"].job
    words = stage_options(loaded, 0, loaded.upstreams[0]).words()
    options = [word.decode() for word in words if not word.startswith((b"--timeout", b"--contimeout"))]
    # Read once more, the options lead to the same job.
    again = read_line([*options, loaded.upstreams[0].url, "/d"], [], [])
    assert again.get("transfer") == job.get("transfer") and again.get("delete") == job.get("delete")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("-a /s/ h:/d", "is remote"),
        ("-a s/ /d", "absolute"),
        ("-a a::b c::d /e", "one source"),
        ("h::m/", "no destination"),
        ("--nonsense h::m/ /d", "unknown option"),
        ("--daemon", "daemon"),
        ("-a h::m/*.deb /d", "wildcards"),
    ],
)
def test_mir_7_lines_that_are_no_job(line: str, text: str) -> None:
    with pytest.raises(Unusable, match=text):
        read_line(shlex.split(line), [], [])


@pytest.mark.parametrize("word", ["-n", "--link-dest=/x", "--remove-source-files", "--files-from=/x"])
def test_mir_7_what_is_lost_is_named(word: str) -> None:
    losses: list[str] = []
    read_line(["-a", word, "h::m/", "/d"], losses, [])
    assert losses


CRONTAB = """\
# Mirrors
SHELL=/bin/bash
MAILTO=admin@example.org
17 3 * * * rsync -a --delete rsync://a.example.org/one/ /srv/one >/dev/null 2>&1
@daily /usr/bin/nice -n 19 ionice -c3 flock -n /run/x rsync -rlptH --safe-links --del b::two/ /srv/two/
*/30 * * * * rsync -a c::three/ /srv/other/one
0 5 * * 1 {script}
61 * * * * rsync -a d::x/ /srv/x
0 1 * * * rsync -a "$(touch {root}/executed)::x/" /srv/y
0 2 * * * rsync -a e::x/ /srv/e && touch {root}/executed
0 2 * * * /usr/local/bin/backup --all
0 4 * * * RSYNC_PASSWORD=x rsync -a f::f/ /srv/f
5 4 * * * rsync -a g::g/ /srv/50\\%
broken
"""


def test_mir_9_a_crontab(site: Site) -> None:
    script = site.root / "mirror.sh"
    script.write_text(
        f"#!/bin/sh\n# rsync -a is not this line\ntouch {site.root}/executed\n\n"
        "rsync -a --delete \\\n  s.example.org::script/ /srv/script\n"
    )
    script.chmod(0o755)
    file = site.root / "crontab"
    file.write_text(CRONTAB.format(script=script, root=site.root))
    site.write("")
    text = site.run("import", "crontab", str(file), "--write", code=65)
    assert not (site.root / "executed").exists()
    config = read_config(str(site.file))
    assert not config.errors
    jobs = {name: item.job for name, item in config.jobs.items()}
    assert list(jobs) == ["one", "two", "one-2", "script", "f", "50"]
    assert jobs["one"].cron == ["17 3 * * *"] and jobs["one"].delete and jobs["script"].cron == ["0 5 * * 1"]
    assert jobs["two"].resources.nice == 19 and jobs["two"].resources.ionice == "idle"
    assert text.count("not carried over:") == 6, text
    for line in ("line 8: 61 * * * *: bad minute", "line 9", "line 10", "it needs a shell", "line 12", "line 14"):
        assert line in text, (line, text)


def test_mir_9_a_crontab_of_the_system() -> None:
    found = read_crontab("CRON_TZ=Asia/Seoul\n1 2 * * *  mirror  rsync -a h::m/ /d\n", with_users=True)
    assert found.jobs["d"]["cron"] == "1 2 * * *" and found.jobs["d"]["timezone"] == "Asia/Seoul"
    assert any("ran as mirror" in note for note in found.notes)


WORKER = """\
[global]
name = "worker"
log_dir = "/var/log/tunasync/{{.Name}}"
mirror_dir = "/srv/tunasync"
concurrent = 10
interval = 120
retry = 3
timeout = 86400
[manager]
api_base = "http://localhost:12345"
[include]
include_mirrors = "mirrors/*.conf"
[[mirrors]]
name = "archlinux"
provider = "rsync"
upstream = "rsync://mirror.example.org/archlinux/"
use_ipv6 = true
exclude_file = "{root}/excludes"
memory_limit = "256M"
exec_on_failure = ["echo failed"]
[[mirrors]]
name = "debian"
provider = "two-stage-rsync"
stage1_profile = "debian"
upstream = "rsync://ftp.example.org/debian/"
username = "me"
password = "secret"
interval = 240
rsync_options = ["--bwlimit=5000"]
[[mirrors]]
name = "pypi"
provider = "command"
upstream = "https://pypi.example.org/"
command = "/usr/bin/touch {root}/executed 'a b'"
success_exit_codes = [3]
env = { KEY = "word" }
[[mirrors]]
name = "box"
provider = "command"
upstream = "https://box.example.org/"
command = "box --all"
docker_image = "box:1"
docker_volumes = ["/etc/box:/etc/box:ro"]
[[mirrors]]
mirror_subdir = "group"
provider = "rsync"
rsync_override = ["-a", "--delete"]
[[mirrors.mirrors]]
name = "first"
upstream = "rsync://h/first/"
[[mirrors.mirrors]]
name = "second"
upstream = "rsync://h/second/"
docker_image = "x"
"""


def test_mir_8_tunasync(site: Site) -> None:
    (site.root / "mirrors").mkdir()
    (site.root / "excludes").write_text("*.iso\n")
    (site.root / "mirrors/more.conf").write_text(
        "[[mirrors]]\nname = 'included'\nprovider = 'rsync'\nupstream = 'rsync://h/i/'\nmirror_dir = '/srv/elsewhere'\n"
    )
    worker = site.root / "worker.conf"
    worker.write_text(WORKER.replace("{root}", str(site.root)))
    site.write('[site]\nname = "x"\n')
    text = site.run("import", "tunasync", str(worker), "--write", code=65)
    config = read_config(str(site.file))
    assert not config.errors, list(map(str, config.errors))
    jobs = {name: item.job for name, item in config.jobs.items()}
    assert list(jobs) == ["archlinux", "debian", "pypi", "box", "first", "second", "included"]
    arch, debian = jobs["archlinux"], jobs["debian"]
    assert arch.destination == "/srv/tunasync/archlinux" and arch.every == 7200 and arch.upstream[0].family == 6
    assert arch.exclude_from == [f"{site.root}/excludes"] and arch.resources.max_memory == 256 << 20
    assert arch.retry.attempts == 3 and arch.max_runtime == 86400 and arch.hook[0].on == ["failed"]
    assert arch.stages[0].delay_updates
    assert debian.profile == "debian" and debian.every == 4 * 3600 and debian.resources.bandwidth is not None
    assert debian.upstream[0].url == "rsync://me@ftp.example.org/debian/"
    password = Path(debian.upstream[0].password_file or "")
    assert password.read_text() == "secret\n" and password.stat().st_mode & 0o777 == 0o600
    assert "secret" not in site.file.read_text() and "secret" not in text
    pypi, box = jobs["pypi"], jobs["box"]
    assert pypi.kind == "command" and pypi.command == ["/usr/bin/touch", f"{site.root}/executed", "a b"]
    assert (pypi.success_codes, pypi.env, pypi.source) == ([0, 3], {"KEY": "word"}, ["https://pypi.example.org/"])
    assert " ".join(box.command[1:]).startswith(
        "run --rm -w /srv/tunasync/box -v /srv/tunasync/box:/srv/tunasync/box -v /etc/b"
    )
    assert box.command[-3:] == ["box:1", "box", "--all"] and "note: box: runs docker itself" in text
    assert jobs["first"].destination == "/srv/tunasync/group/first" and jobs["first"].transfer["owner"]
    assert jobs["included"].destination == "/srv/elsewhere"
    assert "second: docker_image is not carried over" in text
    assert not (site.root / "executed").exists()


def test_mir_8_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(Unusable):
        read_worker(str(tmp_path / "none"), str(tmp_path))
    (tmp_path / "x").write_text("= broken")
    with pytest.raises(Unusable):
        read_worker(str(tmp_path / "x"), str(tmp_path))


FTPSYNC = """\
########################################################################
## Sample of an administrator
########################################################################
MIRRORNAME=`hostname -f`
BASE=/srv
TO="${BASE}/mirrors/debian/"   # here
MAILTO="me"
HUB=true
RSYNC_HOST=ftp.example.org
RSYNC_PATH="debian"
RSYNC_USER=me RSYNC_NOTHING=1
RSYNC_USER="me"
export RSYNC_PASSWORD='se$cret'
RSYNC_BW=2000
RSYNC_EXTRA="--exclude .hidden --timeout=900"
ARCH_EXCLUDE="armel source"
EXCLUDE="--exclude=*.iso --exclude 'a b' --max-size=3"
INFO_MAINTAINER="Me <me@example.org>"
INFO_COUNTRY=KR
UIPSLEEP=600
UIPRETRIES=5
HOOK1="touch {root}/executed"
LOGDIR=$(touch {root}/executed; echo /var/log)
if [ -e /etc/x ]; then
  TO=/elsewhere
fi
touch {root}/executed
ODD=value
"""
RUNMIRRORS = """\
# kind name host user
all   one  one.example.org  archvsync
staged two two.example.org  archvsync ssh {key}
what is this
"""


def test_mir_9_ftpsync(site: Site) -> None:
    """Nothing of the two files is executed, and what only a shell could know is named."""
    key = site.root / "key"
    key.write_text("x")
    key.chmod(0o600)
    (site.root / "ftpsync.conf").write_text(FTPSYNC.replace("{root}", str(site.root)))
    (site.root / "runmirrors.mirror").write_text(RUNMIRRORS.replace("{key}", str(key)))
    site.write('[site]\nname = "x"\n')
    files = [str(site.root / name) for name in ("ftpsync.conf", "runmirrors.mirror")]
    text = site.run("import", "ftpsync", *files, "--write", code=65)
    config = read_config(str(site.file))
    assert not config.errors, list(map(str, config.errors))
    job = config.jobs["debian"].job
    assert (job.profile, job.destination) == ("debian", "/srv/mirrors/debian")
    (upstream,) = job.upstream
    assert upstream.url == "rsync://me@ftp.example.org/debian/"
    assert Path(upstream.password_file or "").read_text() == "se$cret\n" and "se$cret" not in text
    assert job.exclude == ["*.iso", "a b", ".hidden"] and job.timeout == 900
    assert "- *_armel.deb" in job.filters and "- *.dsc" in job.filters and "- *_amd64.deb" not in job.filters
    assert (job.probe.busy_wait, job.probe.busy_attempts) == (600, 5)
    assert job.trace.write == "debian" and job.trace.fields == {"Maintainer": "Me <me@example.org>", "Country": "KR"}
    assert [(hook.on, hook.shell) for hook in job.hook] == [(["before-run"], True)]
    assert [(one.name, one.on, one.trigger, one.key) for one in job.downstream] == [
        ("one", "success", "ssh://archvsync@one.example.org", None),
        ("two", "payload", "ssh://archvsync@two.example.org", str(key)),
    ]
    assert not (site.root / "executed").exists()
    lost = [line.removeprefix("not carried over: ") for line in text.splitlines() if line.startswith("not carried")]
    assert [line.partition(": ")[0] for line in lost] == ["line 11", "line 23", "line 24", "line 25", "line 26",
                                                          "line 27", "debian", "debian", "line 4"]  # fmt: skip
    assert "EXCLUDE: --max-size=3" in lost[-3] and "ODD is not carried over" in lost[-2]


def test_mir_9_architectures_of_ftpsync(tmp_path: Path) -> None:
    """A mirror of two architectures, by a rule for each kind of file; another archive has the name of its file."""
    file = tmp_path / "ftpsync-security.conf"
    file.write_text(
        "TO=/srv/security\nRSYNC_HOST=h\nARCH_INCLUDE='amd64 arm64'\nRSYNC_TRANSPORT=ssh\nRSYNC_SSH_KEY='/k y'\n"
    )
    found = read_ftpsync(str(file), str(tmp_path))
    assert found.losses == []
    job = found.jobs["security"]
    assert job["upstream"] == [{"url": "h:debian/", "rsh": "ssh -i '/k y'"}]
    rules = job["filters"]
    assert rules.index("+ *_arm64.deb") < rules.index("- *_*.deb") and "+ binary-all/" in rules and "- source/" in rules
    (tmp_path / "bad.conf").write_text("RSYNC_HOST=h\n")
    with pytest.raises(Unusable, match="TO is no absolute path"):
        read_ftpsync(str(tmp_path / "bad.conf"), str(tmp_path))


def test_mir_10_the_line_of_the_specification(site: Site) -> None:
    line = ("--every", "1d", "--", "rsync", "-a", "samba.anu.edu.au::sambaftp/", "/disk1/mirrors/samba/")
    text = site.run("import", "rsync", "samba", *line[:2], *line[2:], code=None)
    assert 'source = "samba.anu.edu.au::sambaftp/"' in text and 'every = "1d"' in text
    assert 'destination = "/disk1/mirrors/samba"' in text and "delete = false" in text
