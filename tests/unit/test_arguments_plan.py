"""Every field of a plan is set from an option or a fact."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tain.errors import UnsupportedError, UsageError
from tain.options.hostspec import locate
from tain.options.parse import parse
from tain.options.resolve import resolve
from tain.session import plan, rules
from tain.session.agreement import Agreed
from tain.session.environment import Environment

if TYPE_CHECKING:
    from tain._core import PlanFields

RUST = Path(__file__).parents[2] / "crates/core/src/plan/mod.rs"

#: Set by a daemon for its module, by the API, or by a progress display.
FROM_OUTSIDE = {
    "auth_user", "converter_answers_handle", "converter_questions_handle", "own_numeric_ids",
    "daemon_chmod", "daemon_parents", "daemon_rules", "ignore_nonreadable", "module", "module_chroot",
    "module_path", "module_root", "module_root_handle", "peer_addr", "peer_host", "events", "sanitize_paths", "cwd",
    "deletion_names_handle", "elapsed_ms", "look_ahead", "watch_room", "changes_handle", "exclude_leftovers",
    "shared_dirs", "all_dirs_shared", "only_deletions", "linked",
}  # fmt: skip


def environment(tmp_path: Path, **env: str) -> Environment:
    environ = {name.encode(): value.encode() for name, value in {"LC_ALL": "C.UTF-8", **env}.items()}
    return Environment(argv=[b"tain"], environ=environ, cwd=bytes(tmp_path))


def fields(tmp_path: Path, *words: str, protocol: int = 32, local: bool = False, **agreed: object) -> PlanFields:
    options = resolve(parse([word.encode() for word in words]))
    found = Agreed(protocol)
    for name, value in agreed.items():
        setattr(found, name, value)
    job = None if options.server else locate(options)
    return plan.plan_fields(options, found, env=environment(tmp_path), job=job, local=local, rules=[])


def test_fields_match_the_core(tmp_path: Path) -> None:
    text = RUST.read_text()
    known = set(re.findall(r"^        (\w+): ", text[text.index("\nplan! {") :], re.MULTILINE))
    made = set(fields(tmp_path, "-a", "x", "y", local=True)) | set(fields(tmp_path, "h:x", "y"))
    assert made - known == set()
    assert known - made - FROM_OUTSIDE == set()


def test_whole_file(tmp_path: Path) -> None:
    assert fields(tmp_path, "x", "y", local=True)["whole_file"] is True
    assert fields(tmp_path, "x", "h:y")["whole_file"] is False
    assert fields(tmp_path, "x", "y", "--no-W", local=True)["whole_file"] is False
    assert fields(tmp_path, "x", "y", "--write-batch=b", local=True)["whole_file"] is False
    assert fields(tmp_path, "x", "h:y", xfer_sum="none")["whole_file"] is True


def test_delete_follows_the_protocol(tmp_path: Path) -> None:
    assert fields(tmp_path, "-r", "--delete", "h:x", "y")["delete"] == "during"
    assert fields(tmp_path, "-r", "--delete", "h:x", "y", protocol=29)["delete"] == "before"
    assert fields(tmp_path, "-r", "--delete-after", "h:x", "y", protocol=29)["delete"] == "after"
    assert fields(tmp_path, "--append", "h:x", "y", protocol=29)["append"] == 2


def test_requested_names(tmp_path: Path) -> None:
    assert fields(tmp_path, "h:a", ":b/c", "y")["requested"] == [b"a", b"b/c"]
    assert fields(tmp_path, "h::m/a", "::m", "y")["requested"] == [b"a", b""]
    assert fields(tmp_path, "--trust-sender", "h:a", "y")["requested"] == []
    assert fields(tmp_path, "--old-args", "h:a b", "y")["requested"] == []
    assert fields(tmp_path, "h:a", "y")["trust_sender"] is False
    assert fields(tmp_path, "a", "y", local=True)["trust_sender"] is True


def test_files_from(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"a\r\nb/c\n#d")
    made = fields(tmp_path, "--files-from=list", "h:a", "y")
    assert made["files_from"] == "forward"
    assert made["files_from_data"] == b"a\r\nb/c\n#d"
    assert made["requested"] == [b"a", b"b/c", b"#d"]
    assert fields(tmp_path, "--files-from=list", "a", "h:y")["files_from"] == "local"
    assert fields(tmp_path, "--files-from=:list", "a", "h:y")["files_from"] == "link"
    assert fields(tmp_path, "--files-from=:list", "h:a", "y")["files_from"] == "none"
    made = fields(tmp_path, "--server", "--sender", "-R", "--files-from=-", "--from0", ".", "a")
    assert (made["files_from"], made["sources"], made["from0"]) == ("link", [b"a"], True)
    made = fields(tmp_path, "--server", "-R", "--files-from", "list", ".", "a")
    assert (made["files_from"], made["destination"]) == ("forward", b"a")
    with pytest.raises(UsageError) as caught:
        fields(tmp_path, "--files-from=no", "a", "h:y")
    assert str(caught.value) == "rsync: failed to open files-from file no: No such file or directory"


def test_server_without_paths(tmp_path: Path) -> None:
    assert fields(tmp_path, "--server", "--sender", ".")["sources"] == [b"."]
    assert fields(tmp_path, "--server", ".")["destination"] == b"."


def test_logging(tmp_path: Path) -> None:
    made = fields(tmp_path, "--log-file=l", "x", "y", local=True)
    assert (made["logging"], made["log_format"]) == (True, b"%i %n%L")
    made = fields(tmp_path, "--log-file=l", "--log-file-format=", "x", "y", local=True)
    assert (made["logging"], made["log_format"]) == (True, None)
    assert fields(tmp_path, "x", "y", local=True)["log_format"] is None


def test_charset(tmp_path: Path) -> None:
    assert fields(tmp_path, "--iconv=latin1,utf8", "h:x", "y")["iconv"] == "iso8859-1"
    with pytest.raises(UnsupportedError) as caught:
        fields(tmp_path, "--iconv=foo", "h:x", "y")
    assert str(caught.value) == 'iconv_open("UTF-8", "foo") failed'


def test_rules_of_other_options() -> None:
    options = resolve(parse([b"-C", b"--exclude=a", b"--partial-dir=p", b"x", b"h:y"]))
    assert rules.rule_events(options) == [("exclude", b"a"), ("filter", b"-p p/"), ("cvs",)]
    assert rules.rule_events(options, protocol=29, am_sender=True)[1] == ("filter", b"- p/")


def test_super_user() -> None:
    assert plan.am_root(resolve(parse([b"--super", b"x", b"y"])))
    assert not plan.am_root(resolve(parse([b"--no-super", b"x", b"y"])))
