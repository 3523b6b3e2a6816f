"""A finished tree is compared with its indices and with its upstream (MIR-18, MIR-32)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from tain.mirror import indices
from tain.mirror.indices import Entry, UnreadableIndex
from tain.mirror.model import Job, Notify
from tain.mirror.notices import decide
from tain.mirror.verify import is_excluded, pick
from tests.mirror.site import Site, daemon, fill, names

QUIET = "trace = { write = 'none', busy_marker = false }\n"


def suite(source: Path, *, lie: str = "") -> None:
    """A suite of one architecture whose Release names its index, and one that no mirror has. *lie*: another content."""
    place = source / "dists/sid/main/binary-amd64"
    place.mkdir(parents=True, exist_ok=True)
    (place / "Packages.xz").write_text("packages\n")
    lines = ["Suite: sid", "MD5Sum:", " 0 1 main/binary-amd64/Packages.xz", "SHA256:"]
    for path, text in (
        ("main/binary-amd64/Packages", "unpacked"),
        ("main/binary-amd64/Packages.xz", lie or "packages\n"),
        ("main/binary-amd64/Release", "never there"),
        ("main/binary-armel/Packages.xz", "another"),
        ("../../x", "outside"),
    ):
        lines.append(f" {hashlib.sha256(text.encode()).hexdigest()} {len(text):8} {path}")
    (source / "dists/sid/Release").write_text("\n".join(lines) + "\n")


def repository(source: Path, *, lie: str = "") -> None:
    place = source / "fc/os/repodata"
    place.mkdir(parents=True, exist_ok=True)
    (place / "primary.xml.gz").write_text("primary\n")
    digest = hashlib.sha256((lie or "primary\n").encode()).hexdigest()
    (place / "repomd.xml").write_text(
        '<?xml version="1.0"?><repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary">'
        f'<checksum type="sha256">{digest}</checksum><location href="repodata/primary.xml.gz"/><size>8</size>'
        "</data></repomd>\n"
    )


def event(site: Site) -> dict[str, object]:
    lines = (site.state / "jobs/one/latest/events.jsonl").read_text().splitlines()
    found: dict[str, object] = next(json.loads(line) for line in lines if '"verify"' in line and "faults" in line)
    return found


@pytest.mark.parametrize("kind", ["debian", "rpm"])
@pytest.mark.parametrize("mode", ["in-place", "swap"])
def test_mir_32_an_index_of_other_files_is_no_success(kind: str, mode: str, site: Site) -> None:
    """A swapped tree is checked before anybody reads it; a file that is wrong here only is repaired."""
    source = site.root / "src"
    make = suite if kind == "debian" else repository
    make(source)
    with daemon(source) as server:
        site.job(source=server.url("pub"), more=f"profile = '{kind}'\n{QUIET}publish = {{ mode = '{mode}' }}\n")
        site.run("run", "one")
        assert event(site)["faults"] == 0
        assert names(site.root / "dst") == names(source)
        # An upstream that is in the middle of an update.
        make(source, lie="updated!\n")
        index = "dists/sid/Release" if kind == "debian" else "fc/os/repodata/repomd.xml"
        os.utime(source / index, (1.6e9, 1.6e9))
        text = site.run("run", "one", code=65)
        path = "dists/sid/main/binary-amd64/Packages.xz" if kind == "debian" else "fc/os/repodata/primary.xml.gz"
        assert f"1 file differs from what its index says: {path} (checksum)" in text
        same = (site.root / "dst" / index).read_bytes() == (source / index).read_bytes()
        assert same == (mode == "in-place")
        make(source)
        # The size is that of before, and the second may be.
        os.utime(source / index, (1.5e9, 1.5e9))
        assert "success" in site.run("run", "one")
        assert site.status()["state"] == "fresh"


def test_mir_18_a_damaged_file_is_repaired(site: Site) -> None:
    """Size and time are those of the upstream, so no transfer would look at it again."""
    source = site.root / "src"
    suite(source)
    site.job(more="profile = 'debian'\nverify = { every = 0 }\n" + QUIET)
    site.run("run", "one")
    path = "dists/sid/main/binary-amd64/Packages.xz"
    info = (site.root / "dst" / path).stat()
    (site.root / "dst" / path).write_text("damaged!\n")
    os.utime(site.root / "dst" / path, ns=(info.st_atime_ns, info.st_mtime_ns))
    (source / "new").write_text("x")
    site.run("run", "one")
    assert (site.root / "dst" / path).read_text() == "packages\n"
    # A missing content counts if the upstream has it: here the upstream itself has lost one.
    (source / path).unlink()
    site.run("run", "one")
    site.job(more="profile = 'debian'\nverify = { on_mismatch = 'fail', every = 0 }\nexclude = ['Packages*']\n" + QUIET)
    suite(source)
    site.run("run", "one")


@pytest.mark.parametrize("mode", ["repair", "fail"])
def test_a_sample_is_compared_by_checksum(mode: str, site: Site) -> None:
    with daemon(site.root / "src") as server:
        site.job(source=server.url("pub"), more=f"verify = {{ sample = 1000, on_mismatch = '{mode}' }}\n")
        site.run("run", "one")
        damaged = site.root / "dst/d1/f11"
        info, text = damaged.stat(), damaged.read_text()
        damaged.write_text("x" * len(text))
        os.utime(damaged, ns=(info.st_atime_ns, info.st_mtime_ns))
        # Random ways find every one of thirty files within three thousand.
        out = site.run("run", "one", code=0 if mode == "repair" else 65)
        if mode == "repair":
            assert damaged.read_text() == text and "repairing" in out
        else:
            assert "1 file differs from that of the upstream: d1/f11" in out and damaged.read_text() != text
        assert event(site)["faults"] == 0


def test_changed_files_are_compared_too(site: Site) -> None:
    site.job(more="verify = { changed = true, sample = 0 }\n")
    site.run("run", "one")
    fill(site.root / "src", 5, start=500)
    site.run("run", "one")
    assert event(site)["sample"] == 0
    assert names(site.root / "dst") == names(site.root / "src")


def test_a_mismatch_is_a_message_of_its_own() -> None:
    document = {"result": "failed", "mismatch": True}
    assert decide(Notify(), document, {"failures": 1}, 5.0, stale=False)[0] == "mismatch"


def test_indices_of_others_are_read_with_care() -> None:
    with pytest.raises(UnreadableIndex):
        indices.rpm_entries(b'<!DOCTYPE x [<!ENTITY a "b">]><repomd/>', "")
    with pytest.raises(UnreadableIndex):
        indices.rpm_entries(b"<repomd", "")
    assert indices.rpm_entries(b"<repomd/>", "") == []
    line = " " + "0" * 64 + " 3 "
    data = f"SHA256:\n{line}/etc/passwd\n{line}a/../../b\n{line}c d\nOther:\n{line}e\n".encode()
    assert indices.debian_entries(data, "dists/x") == [Entry("dists/x/c d", 3, "sha256", "0" * 64)]


def test_a_fifo_does_not_stop_a_check(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    entry = Entry("pipe", None, "sha256", "0")
    assert [fault.what for fault in indices.check_group(str(tmp_path), [entry])] == ["missing"]
    assert indices.check_group(str(tmp_path), [Entry("no/where", None, "sha256", "0")]) == []


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("Contents-*", "dists/x/Contents-all.gz", True),
        ("binary-armel/", "dists/x/main/binary-armel/Packages", True),
        ("/dists/sid", "dists/sid/main/x", True),
        ("/sid", "dists/sid/main/x", False),
        ("main/source", "dists/sid/main/source/Sources.xz", True),
        ("*.iso", "dists/sid/x.deb", False),
    ],
)
def test_what_is_perhaps_not_mirrored(pattern: str, path: str, expected: bool) -> None:
    for values in ({"exclude": [pattern]}, {"filters": [f"- {pattern}", "+ /"]}):
        job = Job.model_validate({"destination": "/d", "manual": True, **values})
        assert is_excluded(job, path) == expected


def test_a_sample_has_no_links_and_no_file_twice(tmp_path: Path) -> None:
    fill(tmp_path, 30)
    (tmp_path / "link").symlink_to("d0")
    found = pick(str(tmp_path), 10)
    assert len(found) == 10 == len(set(found)) and all((tmp_path / name).is_file() for name in found)
    assert pick(str(tmp_path / "d0"), 0) == []
    shutil.rmtree(tmp_path)
    assert pick(str(tmp_path), 10) == []
