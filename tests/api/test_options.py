"""`tain.Options`: each option is a keyword, and each keyword is an option."""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import runpy
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tain
from tain.keyword_fields import OptionFields
from tain.keywords import NOT_KEYWORDS, Options
from tain.options.parse import parse
from tain.options.resolve import resolve
from tain.options.table import ROWS
from tests.programs import ROOT

#: What each field is given, where `True` is not the point of it.
VALUES: dict[str, object] = {
    "chmod": "u+r", "chown": "a:b", "usermap": "0:1", "groupmap": "0:1", "filters": ["- a", "+ b"],
    "include": "a", "exclude": ["b", "c"], "include_from": "f", "exclude_from": ["f"], "files_from": "f",
    "checksum_choice": "md5", "modify_window": 2, "max_size": "1m", "min_size": 10, "max_delete": 5,
    "block_size": 700, "partial_dir": ".p", "temp_dir": "/t", "backup_dir": "b", "suffix": ".old",
    "compare_dest": "/c", "copy_dest": ["/c"], "link_dest": ["/c", "/d"], "verbose": 2, "out_format": "%n",
    "human_readable": 2, "info": "name2", "debug": "none", "log_file": "l", "log_file_format": "%n",
    "jobs": 3, "jobs_limit": "connections=2",
    "compress": "zstd", "compress_level": 3, "bwlimit": 100, "timeout": 9, "contimeout": 8, "protocol": 31,
    "max_alloc": "1g", "rsh": "ssh -x", "rsync_path": "r", "remote_option": "--fake-super", "password_file": "p",
    "port": 8730, "address": "127.0.0.1", "address_family": 4, "iconv": "utf-8", "delete": "after",
    "append": "verify", "extra": ["--qsort"], "filter": "- c", "checksum_seed": 5, "write_batch": "b",
    "only_write_batch": "b", "read_batch": "b", "stop_after": 3, "stop_at": "2099-01-01T00:00", "copy_as": "nobody",
    "stderr": "all", "outbuf": "N", "compress_choice": "zlib", "compress_threads": 2, "skip_compress": "gz/zip",
    "sockopts": "SO_KEEPALIVE", "early_input": "f", "confine_root": "/r", "quiet": True, "old_args": True,
}  # fmt: skip

#: Here they are on already, or off for want of another option.
NO_CHANGE = {"munge_links", "debug", "dirs", "implied_dirs"}
#: Off unless the word turns them on.
ON_BY_WORD = {
    "dirs", "relative", "super", "secluded_args", "write_devices", "drop_D", "insecure_links", "old_args",
    "blocking_io",
}  # fmt: skip
DEFAULT_VALUES = {field.name: field.default for field in fields(Options)}
DEFAULTS = resolve(parse([b"-a", b"x", b"h::y"]))


@pytest.mark.parametrize("name", [name for name in DEFAULT_VALUES if name != "crtimes"])
def test_every_field_is_an_option(name: str) -> None:
    value = VALUES.get(name, name != "archive")
    if DEFAULT_VALUES[name] is None and value is True:
        # What may be switched off too is tested by that: much of it is on already.
        value = name in ON_BY_WORD
    options = resolve(parse([*Options(**{name: value}).words(), b"x", b"h::y"]))  # type: ignore[arg-type]
    assert vars(options) != vars(DEFAULTS) or name in NO_CHANGE


def test_creation_times_are_refused() -> None:
    """Nothing on this platform can set them."""
    with pytest.raises(tain.UsageError, match="does not support --crtimes"):
        tain.sync("x", "y", crtimes=True)


def test_each_option_is_a_keyword_or_has_a_reason() -> None:
    """API-1."""
    longs = {row.longs[0] for row in ROWS if row.longs}
    bare = {name for name in longs if not (name.startswith("no-") and name[3:] in longs | {"msgs2stderr"})}
    names = {name.removeprefix("no-").replace("-", "_") for name in bare if name not in NOT_KEYWORDS}
    own = {"filters", "eight_bit_output", "address_family", "extra"}
    assert names == set(DEFAULT_VALUES) - own
    assert set(NOT_KEYWORDS) <= longs


def test_keywords_are_the_fields() -> None:
    assert list(OptionFields.__annotations__) == list(DEFAULT_VALUES)
    for path, page in runpy.run_path(str(ROOT / "tools/options_stub.py"))["pages"]().items():
        assert path.read_text() == page, "run tools/options_stub.py"


def test_each_field_is_explained() -> None:
    text = inspect.getdoc(Options) or ""
    for name in DEFAULT_VALUES:
        assert f"\n    {name}: " in text, name


def test_a_wrong_keyword_says_the_nearest() -> None:
    with pytest.raises(TypeError, match="no option 'delte'; did you mean 'delete'"):
        tain.sync("x", "y", delte=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no option 'delete_after': delete='after'"):
        Options(delete_after=True)  # type: ignore[call-arg]


def test_options_are_values() -> None:
    options = Options(delete=True, exclude=("a",))
    assert options == Options(delete=True, exclude=("a",)) != Options()
    assert hash(options) == hash(Options(delete=True, exclude=("a",)))
    assert pickle.loads(pickle.dumps(options)) == options == copy.copy(options)
    assert (
        replace(options, delete="after") == options.replace(delete="after") == Options(delete="after", exclude=("a",))
    )
    assert repr(options) == "Options(exclude=('a',), delete=True)"
    with pytest.raises(AttributeError, match="replace"):
        options.delete = False  # type: ignore[misc]
    with pytest.raises(TypeError, match="no option 'x'"):
        options.replace(x=1)  # type: ignore[call-arg]


def test_from_a_command_line() -> None:
    options = Options.from_argv(["-az", "--delete", "--exclude", "x"])
    words = [*options.words(), b"a", b"h::b"]
    assert vars(resolve(parse(words))) == vars(resolve(parse([b"-az", b"--delete", b"--exclude", b"x", b"a", b"h::b"])))
    for wrong in (["--nothing"], ["-a", "source"], ["--server"], ["--daemon"]):
        with pytest.raises(tain.UsageError):
            Options.from_argv(wrong)


#: No word of a command line can hold a NUL.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
BYTES = st.binary(max_size=8).filter(lambda value: b"\0" not in value)
SIZES = st.integers(0, 2**40) | st.sampled_from(["1k", "1.5m", "2G", "10kb"])
#: Values of fields by their types.
OF_TYPE: dict[str, st.SearchStrategy[object]] = {
    "bool": st.booleans(),
    "bool | None": st.booleans() | st.none(),
    "bool | int": st.booleans() | st.integers(0, 5),
    "int": st.integers(0, 5),
    "int | None": st.integers(0, 10**6) | st.none(),
    "Size | None": SIZES | st.none(),
    "str | None": TEXT | st.none(),
    "str | bytes | None": TEXT | BYTES | st.none(),
    "StrOrBytesPath | None": TEXT | BYTES | TEXT.map(Path) | st.none(),
    "Texts": TEXT | BYTES | st.lists(TEXT | BYTES, max_size=3),
    "Paths": TEXT | BYTES | TEXT.map(Path) | st.lists(TEXT | BYTES | TEXT.map(Path), max_size=3),
    "bool | str": st.booleans() | st.sampled_from(["zstd", "lz4", "zlib"]),
    "bool | DeleteWhen": st.booleans() | st.sampled_from(["before", "during", "delay", "after"]),
    "bool | Literal['verify']": st.booleans() | st.just("verify"),
    "Literal['errors', 'all', 'client'] | None": st.sampled_from(["errors", "all", "client", None]),
    "Literal['N', 'L', 'B'] | None": st.sampled_from(["N", "L", "B", None]),
    "Literal[4, 6] | None": st.sampled_from([4, 6, None]),
    "Sequence[str | bytes]": st.just(()),
}
TYPES = {name: str(kind).replace('"', "'") for name, kind in Options._types.items()}
#: Fields whose values go through unchanged.
TEXTUAL = {"str | None", "str | bytes | None", "StrOrBytesPath | None", "Texts", "Paths"}


def items(values: dict[str, object]) -> list[tuple[str, object]]:
    """The options that the parser finds in the words of these values: each one's first spelling, and its argument."""
    raw = parse(Options(**values).words())  # type: ignore[arg-type]
    assert raw.error is None and not raw.args and not raw.server and raw.daemon is None, values
    return [(spelling, argument) for _row, _word, spelling, argument in raw.items]


@pytest.mark.parametrize("name", DEFAULT_VALUES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_words_are_what_the_parser_takes(name: str, data: st.DataObject) -> None:
    """API-1: for every field and any value of its type, the parser takes the words, and finds the values unchanged."""
    value = data.draw(OF_TYPE[TYPES[name]])
    found = items({"archive": False, name: value} if name != "archive" else {name: value})
    default = DEFAULT_VALUES[name]
    if value is None or (value is False and default is not None) or value == ():
        assert found == []
    elif TYPES[name] in TEXTUAL:
        several: list[Any] = value if isinstance(value, list) else [value]
        assert [argument for _, argument in found] == [os.fsencode(one) for one in several]
    elif value is True or value is False:
        (spelling, _) = found[0]
        assert len(found) == 1 and spelling.startswith("no-") == (value is False)


@given(data=st.data(), names=st.lists(st.sampled_from(sorted(DEFAULT_VALUES)), unique=True, max_size=12))
@settings(max_examples=300, deadline=None)
def test_fields_do_not_disturb_each_other(data: st.DataObject, names: list[str]) -> None:
    """API-1: the words of many fields are those of each, in the order of the fields."""
    values = {name: data.draw(OF_TYPE[TYPES[name]], label=name) for name in names}
    values.setdefault("archive", False)
    singly: list[tuple[str, object]] = []
    for name in DEFAULT_VALUES:
        if name in values:
            singly += items({"archive": False, name: values[name]} if name != "archive" else {name: values[name]})
    assert items(values) == singly
    words = Options(**values).words()  # type: ignore[arg-type]
    again = Options.from_argv(words)
    assert again.words() == words and pickle.loads(pickle.dumps(again)) == again


@pytest.mark.parametrize("name", ["hard_links", "xattrs", "fuzzy", "one_file_system", "itemize_changes"])
def test_counts(name: str) -> None:
    assert Options(archive=False, **{name: 2}).words() == [b"--" + name.replace("_", "-").encode()] * 2  # type: ignore[arg-type]


def test_words() -> None:
    assert Options().words() == [b"--archive"]
    assert Options(archive=False, links=False, recursive=True).words() == [b"--recursive", b"--no-links"]
    assert Options(delete=True, exclude=["*.o", "a b"], extra=["-H"]).words() == [
        b"--archive", b"--exclude=*.o", b"--exclude=a b", b"--delete", b"-H",
    ]  # fmt: skip
