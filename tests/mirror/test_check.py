"""MIR-2 to MIR-6: the configuration, with all of its errors at once, each with its line."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from tain.mirror import words
from tain.mirror.effective import effective_lines, json_schema
from tain.mirror.loading import load_config, read_config
from tain.mirror.positions import lines_of
from tests.mirror.site import Site, daemon
from tests.programs import ROOT

EXAMPLE = """\
include = ["mirror.d/*.toml"]
[site]
name = "Example Mirrors"
timezone = "Asia/Seoul"
[limits]
jobs = 6
per_upstream = 1
bandwidth = "100M"
[defaults]
jitter = "10m"
resources = { nice = 10, ionice = "idle" }
[profile.slow]
extends = "debian"
resources = { bandwidth = "5M" }
[job.debian]
profile = "slow"
destination = "/srv/mirror/debian"
every = "6h"
description = "Debian packages"
[[job.debian.upstream]]
url = "rsync://ftp.example.kr/debian/"
[[job.debian.upstream]]
url = "rsync://syncproxy.example.net/debian/"
family = 4
[job.debian.guard]
max_delete = 60000
max_delete_percent = 8
[job."packages-index.git"]
kind = "command"
command = ["/bin/sh", "/srv/scripts/git.sh"]
compat = "tunasync"
destination = "/srv/mirror/git"
cron = ["@daily", "30 2 * * *"]
[job.homes]
source = "backup@files.example.org:/home/"
destination = "/backup/homes"
cron = "30 2 * * *"
guard = { marker = ".this-is-home" }
window = "Mon-Fri 22:00-06:00"
transfer = { numeric_ids = true }
"""
JOB = '[job.a]\nsource = "h::m/"\ndestination = "/srv/a"\nevery = "6h"\n'


def found(tmp_path: Path, text: str) -> list[str]:
    """The findings, without the path of the file."""
    file = tmp_path / "mirror.toml"
    file.write_text(text)
    return [str(finding).replace(f"{file}:", "") for finding in read_config(str(file)).findings]


def test_mir_2_the_example_is_right(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(EXAMPLE)
    config = load_config(str(tmp_path / "m.toml"))
    debian = config.jobs["debian"].job
    assert [stage.name for stage in debian.stages] == ["payload", "indices"]
    assert (
        debian.resources.bandwidth == words.timetable("5M")
        and debian.resources.nice == 10
        and debian.resources.ionice == "idle"
    )
    assert debian.jitter == 600 and debian.every == 21600 and debian.guard.max_delete == 60000
    assert config.jobs["packages-index.git"].job.cron == ["@daily", "30 2 * * *"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("guard = { max_delet = 3 }", '5: job.a.guard.max_delet: unknown key; did you mean "max_delete"?'),
        ("max_delete = 3", '5: job.a.max_delete: unknown key; "max_delete" belongs in [job.a.guard]'),
        ("guard.max_delete_percent = 250", "5: job.a.guard.max_delete_percent: 250 is not between 0 and 100"),
        ("guard.max_delete = 'many'", '5: job.a.guard.max_delete: "many" is not a whole number or "none"'),
        ("cron = '61 * * * *'", '5: job.a.cron: "61 * * * *": bad minute'),
        ("window = '25:00-3'", '5: job.a.window: "25:00-3" is not a time, such as "22:00-06:00" or "Mon-Fri 08:00-18:00"'),
        ("timeout = 'soon'", '5: job.a.timeout: "soon" is not a duration, such as 90s, 15m, 6h, 1d or 1h30m'),
        ("enabled = 1", "5: job.a.enabled: 1 is not true or false"),
        ("timezone = 'Mars/Base'", '5: job.a.timezone: "Mars/Base" is not a known time zone'),
        ("profile = 'debain'", '5: job.a.profile: "debain" is no profile; there are: alpine, arch, backup, cpan, cran, ctan, '
         "debian, iso, plain, rpm"),
        ("on_missed = 'never'", '5: job.a.on_missed: "never" is not once or skip'),
        ("manual = true", '5: job.a.manual: has both "every" and "manual"'),
        ("upstream = [{ url = 'h::n/' }]", '5: job.a.upstream: has both "source" and "upstream"'),
        ("window_end = 'cancel'", "5: job.a.window_end: this version does not have cancelling at the end of a window yet"),
        ("transfer = { max_delete = 3 }", "5: job.a.transfer.max_delete: belongs to tain mirror: set "
         "job.a.guard.max_delete instead"),
        ("transfer = { compres = true }", '5: job.a.transfer.compres: unknown option; did you mean "compress"?'),
        ("transfer = { chmod = 'u+q' }", "5: job.a.transfer.chmod: Invalid argument passed to --chmod (u+q)"),
        ("transfer = { extra = ['--delete'] }", "5: job.a.transfer.extra: deletions and dry runs belong to tain mirror"),
        ("retry = { wait = '1h', max_wait = '1m' }", "5: job.a.retry.max_wait: is less than wait (1h)"),
        ("retry = { accept = [24] }", "5: job.a.retry.accept: must have 0"),
        ("retry = { accept = [0, 23] }", "5: job.a.retry.codes: 23 is in accept too"),
        ("stage = [{ name = 'x' }, { name = 'x' }]", '5: job.a.stage[1].name: "x" is the name of an earlier stage'),
        ("stage = [{ name = 'x', exclude = ['*.iso'] }]", '5: job.a.stage[0].exclude: files matching "*.iso" would '
         "never be mirrored; exclude them for the whole job"),
        ("stage = [{ name = 'x', delete = true }, { name = 'y' }]", "5: job.a.stage[0].delete: only the last stage can "
         "delete"),
        ("guard = { marker = '../x' }", '5: job.a.guard.marker: "../x" is not a relative path without ..'),
        ("[job.b]\nsource = 'h::m/'\ndestination = '/srv/a/b'\nevery = '1d'", "7: job.b.destination: /srv/a/b lies inside "
         "the destination of job.a (3)"),
        ("[job.b]\nsource = 'h::m/'\ndestination = 'srv/b'\nevery = '1d'", '7: job.b.destination: "srv/b" is not an '
         "absolute path"),
        ("[job.b]\nsource = '/srv/b/x/'\ndestination = '/srv/b/x/y'\nevery = '1d'", "7: job.b.destination: /srv/b/x/y lies "
         "inside the source /srv/b/x/"),
        ("[job.b]\ndestination = '/srv/b'\nevery = '1d'", '5: job.b: needs "source" or an [[upstream]]'),
        ("[job.b]\nsource = 'h::m/'\ndestination = '/srv/b'", '5: job.b: needs one of "every", "cron" or "manual = true"'),
        ("[job.b]\nsource = 'h::m/'\nevery = '1d'", '5: job.b: needs "destination"'),
        ("[jobs.b]\nx = 1", "5: jobs: unknown key"),
        ("[profile.p]\nextends = 'q'\n[profile.q]\nextends = 'p'\n[job.b]\nprofile = 'p'\nsource = 'h::m/'\n"
         "destination = '/srv/b'\nmanual = true", '8: profile.q.extends: profile "p" extends itself'),
        ("[job.b]\nsource = 'h::m'\ndestination = '/srv/b'\nmanual = true", "warning: 6: job.b.source: no trailing slash: "
         "the tree would become /srv/b/m/"),
        ("guard = { max_delete = 'none' }", "warning: 5: job.a.guard.max_delete: deletions have no limit"),
        ("[site", "5: expected ']' at the end of a table declaration"),
    ],
)  # fmt: skip
def test_mir_3_each_error_has_its_line_and_advice(lines: str, expected: str, tmp_path: Path) -> None:
    assert expected in found(tmp_path, JOB + lines + "\n")


def test_mir_2_all_errors_at_once(site: Site) -> None:
    site.write(JOB + "guard = { max_delet = 1, max_delete_percent = 250 }\n[job.b]\nsource = 'h::b/'\nevery = '1d'\n")
    text = site.run("check", code=78)
    assert text.count("mirror.toml:5: ") == 2 and text.count("mirror.toml:6: ") == 1
    assert text.startswith("3 errors, 0 warnings\n")
    errors = site.json("check", code=78)
    assert errors["schema"] == "tain.mirror.error/1" and errors["code"] == 78
    assert {(item["line"], item["suggestion"]) for item in errors["errors"]} == {(5, "max_delete"), (5, ""), (6, "")}
    # Every other command says the same, and does nothing.
    assert "max_delet" in site.run("run", "--all", code=78)
    site.write(JOB)
    assert site.run("check").endswith("0 errors, 0 warnings, 1 job\n")


def test_mir_2_files_that_are_included(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/1.toml").write_text(JOB.replace("job.a", "job.b").replace("/srv/a", "/srv/a/x"))
    (tmp_path / "d/2.toml").write_text(JOB)
    lines = found(tmp_path, 'include = ["d/*.toml"]\n' + JOB)
    file = tmp_path / "mirror.toml"
    assert lines == [
        f"{tmp_path}/d/1.toml:3: job.b.destination: /srv/a/x lies inside the destination of job.a (4)",
        f"{tmp_path}/d/2.toml:1: job.a: there is a job of this name already (2)",
    ], file


def test_mir_3_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    secret = tmp_path / "pw"
    job = JOB.replace('source = "h::m/"', f'upstream = [{{ url = "h::m/", password_file = "{secret}" }}]')
    assert "cannot be read: No such file" in found(tmp_path, job)[0]
    secret.write_text("x")
    secret.chmod(0o640)
    assert found(tmp_path, job) == [f'2: job.a.upstream[0].password_file: "{secret}" can be read by others: chmod 600']
    secret.chmod(0o600)
    assert found(tmp_path, job) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must not trust others")
def test_mir_3_root_reads_only_its_own_files(tmp_path: Path) -> None:
    file = tmp_path / "mirror.toml"
    file.write_text(JOB)
    file.chmod(0o664)
    assert "nobody else may write it" in str(read_config(str(file)).findings[0])
    file.chmod(0o644)
    os.chown(file, 65534, 65534)
    assert "must belong to root" in str(read_config(str(file)).findings[0])


def test_mir_4_effective_values_have_their_origin(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text(EXAMPLE)
    lines = {line.key: line for line in effective_lines(load_config(str(file)).jobs["debian"])}
    assert str(lines["resources.bandwidth"]) == f'resources.bandwidth = "5M"  # {file}:14'
    assert lines["resources.nice"].origin == f"{file}:11"
    assert lines["guard.max_delete"].origin == f"{file}:26"
    assert lines["stage[0].name"].origin == "built-in profile debian"
    assert lines["guard.delete_floor"].origin == "default" and lines["guard.delete_floor"].value == "20"


def test_mir_4_a_job_overrides_all_of_a_group(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('[defaults]\nevery = "6h"\n' + JOB.replace('every = "6h"', 'cron = "1 1 * * *"'))
    job = load_config(str(tmp_path / "m.toml")).jobs["a"].job
    assert job.every is None and job.cron == ["1 1 * * *"]


def test_mir_5_the_schema_is_the_one_of_the_models() -> None:
    written = json.loads((ROOT / "docs/mirror.schema.json").read_text())
    assert written == json.loads(json.dumps(json_schema())), (
        "run: python -m tain.mirror.effective > docs/mirror.schema.json"
    )


def test_mir_6_random_changes_never_give_a_traceback(tmp_path: Path) -> None:
    """300 mutations: lines removed, doubled, swapped, values replaced."""
    values = [
        "3",
        '"x"',
        "true",
        "[]",
        "{}",
        "{ a = 1 }",
        "[1]",
        "1e400",
        "-1",
        "2026-01-01",
        '"\\u0000"',
        "''",
        "[[1]]",
        "nan",
    ]
    random.seed(6)
    for number in range(300):
        lines = EXAMPLE.splitlines()
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(lines))
            choice = random.randrange(5)
            if choice == 0:
                del lines[at]
            elif choice == 1:
                lines.insert(random.randrange(len(lines)), lines[at])
            elif choice == 2 and " = " in lines[at]:
                lines[at] = lines[at].split(" = ")[0] + " = " + random.choice(values)
            elif choice == 3:
                lines[at] = lines[at].replace(random.choice("abcdeiorst"), random.choice('xyz"[.='), 1)
            else:
                lines[at] = lines[at][: random.randrange(len(lines[at]) + 1)]
        text = "\n".join(lines)
        assert isinstance(found(tmp_path, text), list), number


def test_lines_of_keys() -> None:
    text = (
        'a = 1\n[t."x.y"]\nb = """\nz = 3\n"""\nc = [\n 1, # ]\n { d = "}" },\n]\n[[t.l]]\ne.f = 1\n[[t.l]]\n\n g = \'\'\'\n\'\'\'\n'
        "[t.l.m]\nh = 2020-01-01 10:00:00\n"
    )
    lines = lines_of(text)
    assert lines[("a",)] == 1 and lines[("t", "x.y")] == 2 and lines[("t", "x.y", "b")] == 3
    assert lines[("t", "x.y", "c")] == 6 and lines[("t", "x.y", "c", 1, "d")] == 8
    assert lines[("t", "l", 0)] == 10 and lines[("t", "l", 0, "e", "f")] == 11
    assert lines[("t", "l", 1, "g")] == 14 and lines[("t", "l", 1, "m", "h")] == 17


@pytest.mark.parametrize(
    ("text", "seconds"), [(5, 5), ("90s", 90), ("1h30m", 5400), ("2w", 1209600), ("1.5h", 5400), ("7", 7)]
)
def test_durations(text: object, seconds: float) -> None:
    assert words.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1x", "1h 2", -1, True, None, float("nan"), "1h1h1", []])
def test_durations_that_are_none(text: object) -> None:
    with pytest.raises(ValueError):
        words.duration(text)


def test_mir_51_init_add_and_check(site: Site) -> None:
    """The samples of section 14: `init`, then `add`, whose profile is guessed from the root of the upstream."""
    text = site.run("init")
    assert text.splitlines()[0] == f"wrote {site.file} (no jobs yet)" and "tain mirror add samba" in text
    assert "exists already" in site.run("init", code=73)
    for name in ("dists", "pool"):
        (site.root / "src" / name).mkdir()
    with daemon(site.root / "src") as server:
        text = site.run("add", "deb", server.url("pub"), f"{site.root}/deb", "--every", "6h")
        line = site.file.read_text().splitlines().index("[job.deb]") + 1
        assert text.splitlines()[0].startswith("127.0.0.1: reachable in ")
        assert text.splitlines()[0].endswith(" ms, 5 entries at the root")
        assert text.splitlines()[1] == (
            f'added job "deb" (profile debian) to {site.file}:{line}; first run: tain mirror run deb'
        )
        assert "there is a job deb already" in site.run("add", "deb", "h::m/", "/srv/x", "--manual", code=65)
        assert "# resources" in site.file.read_text(), "comments stay"
        site.run("add", "two", "h::m/", f"{site.root}/deb/two", "--manual", code=78)
        assert "[job.two]" not in site.file.read_text()
        site.run("add", "two", "h::m/", f"{site.root}/two", "--manual", "--no-probe")
        assert [*load_config(str(site.file)).jobs] == ["deb", "two"]
        text = site.run("check", "--probe", code=69)
        assert "deb: 127.0.0.1: reachable" in text and "two: h: not reachable" in text
