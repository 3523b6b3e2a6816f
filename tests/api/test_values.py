"""API-13: values can be compared, copied, pickled and shown; imports cost little. Results, with and without capture."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import resource
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tain
from tain import events, problems, results
from tain.records import Record
from tests.programs import ROOT

VALUES: list[type[Record]] = [
    *(value for module in (events, problems, results) for value in vars(module).values()
      if isinstance(value, type) and issubclass(value, Record) and value is not Record),
    tain.Entry, tain.Module, tain.Options,
]  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / os.fsdecode(b"a\xff")).write_text("hello")
    return tmp_path / "src"


@pytest.mark.parametrize("kind", dict.fromkeys(VALUES), ids=lambda kind: kind.__name__)
def test_values(kind: type[Record]) -> None:
    """API-13: `==`, hash, pickle, copy, repr, replace, for every value of the API."""
    needed = {field.name: b"x" for field in fields(kind) if field.name not in kind._defaults}
    one, same = kind(**needed), kind(**needed)
    assert one == same and hash(one) == hash(same)
    assert one != object()
    assert pickle.loads(pickle.dumps(one)) == one == copy.copy(one) == copy.deepcopy(one)
    assert one.replace() == one == replace(one) and one is not one.replace()
    assert repr(one).startswith(f"{kind.__name__}(") and repr(one).endswith(")")
    name = fields(kind)[0].name
    assert one.replace(**{name: "other"}) != one
    with pytest.raises(AttributeError, match="cannot be changed"):
        setattr(one, name, 1)
    with pytest.raises(AttributeError, match="cannot be changed"):
        delattr(one, name)
    with pytest.raises(TypeError):
        kind(nonsense=1)  # type: ignore[call-arg]


def test_a_result_as_a_value(source: Path, tmp_path: Path) -> None:
    """API-13: a real one, with names that are no text."""
    result = tain.sync([f"{source}/", tmp_path / os.fsdecode(b"none\xfe")], tmp_path / "dst", items=True, verbose=2)
    again = pickle.loads(pickle.dumps(result))
    assert again == result and again.problems == result.problems and again.statistics == result.statistics
    assert result.problems[0].path == os.fsencode(tmp_path) + b"/none\xfe"
    assert result.problems[0].where == tmp_path / os.fsdecode(b"none\xfe")
    assert b"a\xff" in [*result.changed]
    assert [*result.changed] == [*again.changed]
    with pytest.raises(tain.PartialTransfer) as caught:
        again.check()
    error = pickle.loads(pickle.dumps(caught.value))
    assert (str(error), error.code, error.result) == (str(caught.value), 23, result)


@given(st.integers(0, 255), st.text(max_size=300), st.integers(0, 40), st.floats(0, 1e9))
def test_a_short_repr(code: int, text: str, number: int, seconds: float) -> None:
    """C3: at most 200 characters, and one line."""
    problem = tain.Problem(action="reading", role="sender", side="here", text=text)
    result = tain.Result(code=code, problems=(problem,) * number, seconds=seconds, output=b"x" * 1000)
    assert len(repr(result)) <= 200 and repr(result).startswith(f"Result(code={code}, ") and repr(result).endswith(")")
    assert "\n" not in repr(result)


def test_without_capture(source: Path, tmp_path: Path) -> None:
    """C3: nothing is kept, and problems, causes, hints and the exception are the same."""
    seen = [
        tain.sync([source, tmp_path / "nothing"], tmp_path / f"dst{capture}", verbose=2, capture=capture)
        for capture in (1 << 20, 0)
    ]
    full, none = seen
    assert full.output and full.errors and not full.output_truncated
    assert (none.output, none.errors, none.messages, none.output_truncated) == (b"", b"", [], True)
    assert none.problems == full.problems != () and none.causes == full.causes and none.hints == full.hints != ()
    texts = []
    for result in seen:
        with pytest.raises(tain.PartialTransfer) as caught:
            result.check()
        texts.append(str(caught.value))
    assert texts[0] == texts[1] and len(texts[0].splitlines()) == 2
    assert none.check(allow=errno.ENOENT) is none


def test_capture_keeps_the_end(source: Path, tmp_path: Path) -> None:
    whole = tain.sync([source, "/nothing"], tmp_path / "one", verbose=2)
    end = tain.sync([source, "/nothing"], tmp_path / "two", verbose=2, capture=20)
    assert len(end.output) == len(end.errors) == 20 and end.output_truncated
    assert whole.errors.endswith(end.errors)


def cpu(code: str) -> float:
    """Seconds of CPU time of a program, that of a bare interpreter included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", code], check=True, env=env, stdin=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize(("code", "limit"), [("import tain", 0.002), ("import tain; tain.sync", 0.020)])
def test_what_imports_cost(code: str, limit: float) -> None:
    """API-13: above a bare interpreter. The least of some runs, because a machine with much to do makes each slower."""
    bare = found = float("inf")
    for _ in range(60):
        bare, found = min(bare, cpu("pass")), min(found, cpu(code))
        if found - bare <= limit:
            break
    assert found - bare <= limit
