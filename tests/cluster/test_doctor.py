"""`tain cluster doctor`: what it reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import distributed
import pytest

from tain.cluster import doctor
from tain.errors import UsageError
from tain.release import VERSION
from tests.cluster.servers import site


def test_a_cluster_and_its_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with site(tmp_path / "site") as cluster:
        words = [f"--scheduler-file={cluster.file}", *cluster.words("client"), "--json"]
        assert doctor.main(words) == 1
        assert {"ok": False, "subject": "workers", "text": "0"} in json.loads(capsys.readouterr().out)["findings"]
        cluster.start_worker()
        (tmp_path / "src").mkdir()
        assert doctor.main([*words, f"--plan-dir={tmp_path}", str(tmp_path / "src")]) == 0
        found = json.loads(capsys.readouterr().out)["findings"]
        assert {row["subject"] for row in found} >= {"workers", "tain", "distributed", "Python", "clocks", "this host"}
        assert any(row["subject"] == str(tmp_path / "src") and "everywhere" in row["text"] for row in found)
        assert doctor.main([*words[:-1], f"--plan-dir={tmp_path}/none", str(tmp_path / "missing")]) == 1
        text = capsys.readouterr().out
        assert "the directory of the plan, cannot be written: No such file" in text
        assert "missing: No such file or directory (2); not mounted?" in text


def answer(**more: Any) -> dict[str, Any]:
    row = {"ino": 2, "fs": "lustre", "free": 10 << 30}
    usual = {
        "name": "n01/1", "version": VERSION, "distributed": distributed.__version__, "python": "3.11.0", "clock": 100.0,
        "files": 4096, "certificate": 100.0 + 86400 * 30, "writable": "", "paths": {"/new": row},
    }  # fmt: skip
    return {**usual, **more}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"version": "0.0.1"}, f"tain 0.0.1, and {VERSION} here"),
        ({"distributed": "2026.3.0"}, "distributed 2026.3.0, and"),
        ({"clock": 130.0}, "its clock differs from the one here by +30.0 s"),
        ({"files": 256}, "256 files may be open"),
        ({"certificate": 100.0 + 86400 * 2}, "valid for 2 more days"),
        ({"certificate": 1.0}, "is not valid"),
        ({"writable": "/plan cannot be written"}, "/plan cannot be written"),
        ({"paths": {"/new": {"ino": 3, "fs": "ext4", "free": 10 << 30}}}, "not the same directory everywhere"),
        ({"paths": {"/new": {"ino": 2, "fs": "lustre", "free": 5}}}, "0.0 GB free"),
    ],
)
def test_what_is_wrong_with_one_of_two(more: dict[str, Any], text: str) -> None:
    asked = {
        "began": 99.9, "ended": 100.1, "scheduler": {}, "wanted": {},
        "workers": {"a": answer(), "b": answer(name="n02/1", **more), "c": {"error": "ModuleNotFoundError: tain"}},
    }  # fmt: skip
    found = [each for each in doctor.of_cluster(asked) if not each.ok and each.subject != "n01/1"]
    texts = [f"{each.subject}: {each.text}" for each in found if not each.text.startswith("Python")]
    assert any(text in each for each in texts)
    assert any(each.startswith("c: ModuleNotFoundError") for each in texts)
    assert len(texts) == 2


def test_a_scheduler_is_needed() -> None:
    with pytest.raises(UsageError, match="--scheduler or --scheduler-file is needed"):
        doctor.main([])
