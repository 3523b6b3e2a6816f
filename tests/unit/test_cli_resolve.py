"""The resolved value of single options and of their combinations."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tain.cli import aliases
from tain.errors import TainError, UsageError, for_code
from tain.options import chmod, choices, paths, resolved, sizes, table
from tain.options.hostspec import HostSpec, locate, parse_host, split_shell
from tain.options.parse import integer, parse
from tain.options.refuse import refusals
from tain.options.resolve import Finished, resolve
from tain.options.resolved import ResolvedOptions
from tain.options.stoptime import stop_after, stop_at
from tain.session.arguments import encode_secluded, quote_path, quote_value, server_command, unescape


def options(*words: str, **env: str) -> ResolvedOptions:
    environ = {name.encode(): value.encode() for name, value in env.items()}
    return resolve(parse([word.encode() for word in words]), environ=environ)


def failure(*words: str, **env: str) -> TainError:
    with pytest.raises(TainError) as caught:
        options(*words, **env)
    return caught.value


def test_rows_set_declared_options() -> None:
    declared = {**resolved.PlanOptions.__annotations__, **ResolvedOptions.__annotations__}
    assert set(vars(ResolvedOptions())) <= set(declared)
    kinds = {"set": None, "inc": "int", "int": "int", "text": "bytes"}
    for row in (*table.ROWS, *table.DAEMON_ROWS):
        if row.action == "call":
            continue
        # The value of a "set" row says its kind itself.
        kind = kinds[row.action] or ("bytes" if row.value is None else type(row.value).__name__)
        assert kind in declared[row.dest].split(" | "), row.key
        assert hasattr(ResolvedOptions(), row.dest), row.key


def test_a_copy_is_independent() -> None:
    copied = options("-a", "x", "y").copy()
    assert copied.args == [b"x", b"y"]


def test_archive_then_no_owner() -> None:
    assert not options("-a", "--no-o", "x", "y").owner
    assert options("--no-o", "-a", "x", "y").owner


@pytest.mark.parametrize("words", [["-vB700"], ["-vB", "700"], ["-B=700"], ["--block-size", "700"]])
def test_block_size(words: list[str]) -> None:
    assert options(*words, "x", "y").block_size == 700


def test_empty_integer_is_zero() -> None:
    assert options("--timeout=", "x", "y").timeout == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"0", 0), (b"0x10", 16), (b"010", 8), (b" -5", -5), (b"+7", 7), (b"", 0), (b"2147483647", 2147483647)],
)
def test_integer(text: bytes, value: int) -> None:
    assert integer(text) == value


@pytest.mark.parametrize("text", [b"x", b"5x", b"1_0", b"08", b"0x", b"-", b" ", b"5 ", b"2147483648"])
def test_bad_integer(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"number|numeric"):
        integer(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"1.5K+1", 1537), (b"1kb", 1000), (b"1.5mb-1", 1499999), (b"2g+1", 2147483649), (b"0+1", 1), (b"1KiB", 1024)],
)
def test_sizes(text: bytes, value: int) -> None:
    assert sizes.parse_size(text, "max-size") == value


def test_size_with_a_decimal_comma() -> None:
    assert sizes.parse_size(b"1,5K", "max-size", point=b",") == 1536


@given(st.binary(max_size=12))
def test_sizes_never_crash(text: bytes) -> None:
    try:
        assert 0 <= sizes.parse_size(text, "max-size") < 1 << 63
    except UsageError as error:
        assert str(error).startswith("rsync: --max-size=")


@given(st.lists(st.binary(max_size=8), max_size=5))
def test_parse_never_crashes(words: list[bytes]) -> None:
    try:
        resolve(parse(words))
    except (TainError, Finished):
        pass


def test_backup_rule() -> None:
    assert ("filter", b"P *~") in options("-b", "--delete", "-r", "x", "y").filter_events
    assert options("-b", "--delete", "-r", "--delete-excluded", "x", "y").filter_events == [("delete-excluded",)]


def test_filter_events_keep_order() -> None:
    found = options("--exclude=a", "-f", "+ b", "-FFF", "--include-from=c", "-C", "x", "y").filter_events
    merges = [("filter", b": /.rsync-filter"), ("filter", b"- .rsync-filter")]
    assert found == [("exclude", b"a"), ("filter", b"+ b"), *merges, ("include-from", b"c"), ("cvs",)]


def test_levels_of_progress() -> None:
    found = options("--progress", "x", "y")
    assert (found.info["FLIST"], found.info["PROGRESS"], found.info["NAME"]) == (2, 1, 1)
    found = options("--progress", "--info=name0", "x", "y")
    assert found.info["NAME"] == 0
    assert found.out_format is None
    assert options("--stats", "-vv", "x", "y").info["STATS"] == 3


def test_explicit_level_beats_verbosity_in_any_order() -> None:
    assert options("--info=name0", "-vv", "x", "y").info["NAME"] == 0
    assert options("-vv", "--info=name0", "x", "y").info["NAME"] == 0


def test_server_ignores_unknown_levels_and_counts_append() -> None:
    found = options("--server", "-re.iLsfxCIvu", "--append", "--append", "--info=NOSUCH,NAME2", ".", "d")
    assert (found.append, found.inplace, found.capabilities, found.info["NAME"]) == (2, True, b".iLsfxCIvu", 2)


def test_server_marker_gives_the_item_level() -> None:
    assert options("--server", "--log-format=%i%I", ".", "d").itemize_level == 2
    assert options("--server", "--log-format=%i", ".", "d").itemize_level == 1
    assert options("--server", "--log-format=X", ".", "d").itemize_level == 0


def test_max_alloc_of_zero_is_refused() -> None:
    for words, env in ((["--max-alloc=0"], {}), ([], {"RSYNC_MAX_ALLOC": "0"})):
        error = failure(*words, "x", "y", **env)
        assert (str(error), error.code) == ("rsync: max-alloc must be greater than zero", 1)


def test_unknown_names_exit_4() -> None:
    assert failure("--zc=foo", "x", "y").code == 4
    assert failure("--cc=foo", "x", "y").code == 4


def test_levels_of_compression() -> None:
    def levels(name: str, *asked: int | None) -> list[int | None]:
        found = [choices.CODECS[name].in_force(level) for level in asked]
        return [level if codec == name else None for codec, level in found]

    assert levels("zlib", None, -1, 0, 99, -5) == [6, 6, None, 9, 1]
    assert levels("zstd", None, 0, 99, -5) == [3, 3, 22, -5]
    assert levels("lz4", None, 9) == [0, 0]


def test_codecs_are_those_of_the_core() -> None:
    texts = [path.read_text() for path in (Path(__file__).parents[2] / "crates/core/src").rglob("*.rs")]
    (found,) = [text for text in texts if "    CompressKind {" in text]
    names = found[found.index("    CompressKind {") :].partition("}")[0]
    assert set(re.findall(r'"(\w+)"', names)) == set(choices.CODECS)


def test_daemon_table() -> None:
    found = options("--daemon", "--port=8", "-M", "Port=9", "--no-detach", "-4", "--bwlimit=5", "-vv")
    assert (found.daemon, found.port, found.dparams, found.detach) == (True, 8, [b"Port=9"], False)
    assert (found.address_family, found.bwlimit, found.verbose) == (4, 5, 2)
    assert str(failure("--no-detach")).startswith("Daemon option(s) used without --daemon.")


def test_aliases() -> None:
    found: dict[bytes, list[bytes]] = {}
    text = (
        b"# no\nrsync alias --mirror -a --delete \\\n --exclude='a b'\nother alias --x -v\nrsync alias -Z --compress\n"
    )
    aliases.read(text, found)
    assert found == {b"--mirror": [b"-a", b"--delete", b"--exclude=a b"], b"-Z": [b"--compress"]}
    made = resolve(parse([b"--mirror", b"-vZi", b"x", b"y"], found))
    assert (made.delete, made.recurse, made.verbose, made.compress, made.itemize_level) == ("default", 1, 1, True, 1)
    assert made.filter_events == [("exclude", b"a b")]
    with pytest.raises(UsageError, match="unknown option"):
        resolve(parse([b"--server", b"--mirror", b".", b"x"], found))
    # An alias may use the option it stands for.
    again = resolve(parse([b"-v", b"x", b"y"], {b"-v": [b"-v", b"-v"]}))
    assert again.verbose == 2


@pytest.mark.parametrize(
    ("word", "spec"),
    [
        (b"a", None),
        (b"./a:b", None),
        (b"h:p", HostSpec(b"h", b"p")),
        (b"u@v@h:p", HostSpec(b"h", b"p", user=b"u@v")),
        (b"[::1]:p", HostSpec(b"::1", b"p")),
        (b"u@[::1]::m", HostSpec(b"::1", b"m", user=b"u", daemon=True)),
        (b":p", HostSpec(b"", b"p")),
        (b"h::m/x", HostSpec(b"h", b"m/x", daemon=True)),
        (b"[::1]x:p", None),
    ],
)
def test_host_forms(word: bytes, spec: HostSpec | None) -> None:
    assert parse_host(word) == spec


def test_url() -> None:
    spec = parse_host(b"RSYNC://u@[::1]:99/m/p")
    assert spec is not None
    assert (spec.host, spec.user, spec.port, spec.path, spec.daemon) == (b"::1", b"u", 99, b"m/p", True)
    odd = parse_host(b"rsync://h:12x/a")
    assert odd is not None
    assert (odd.host, odd.path) == (b"rsync", b"//h:12x/a")


def test_locate_keeps_sides_apart() -> None:
    where = locate(options("h:a", ":b", "d"))
    assert (where.am_sender, where.sources, where.destination) == (False, [b"a", b"b"], b"d")
    where = locate(options("a", "b", "u@h:"))
    assert (where.am_sender, where.sources, where.destination, where.user) == (True, [b"a", b"b"], b".", b"u")


def test_shell_words() -> None:
    assert split_shell(b'ssh -o \'A b\' "c""d"  e') == [b"ssh", b"-o", b"A b", b'c"d', b"e"]


def test_quoting() -> None:
    assert quote_path(b"d $t*[x]~") == b"d\\ \\$t*[x]~"
    assert quote_value(b"*:a") == b"\\*:a"
    assert unescape(quote_value(bytes(range(1, 256)))) == bytes(range(1, 256))


def test_quoted_paths_survive_a_shell() -> None:
    word = bytes(byte for byte in range(1, 256) if byte not in b"*?[]~")
    script = b"printf %s " + quote_path(b"a" + word + b"\\")
    assert subprocess.run([b"/bin/sh", b"-c", script], capture_output=True, check=True).stdout == b"a" + word + b"\\"


def test_a_daemon_ends_with_4() -> None:
    for word in (b"--max-alloc=0", b"--cc=foo", b"--max-size=x", b"--bogus", b"--stderr=x"):
        with pytest.raises(TainError) as caught:
            resolve(parse([b"--server", word, b".", b"x"]), refusals=refusals([]))
        assert caught.value.code == 4
    made = resolve(parse([b"--server", b"--compress-threads=99", b"."]), refusals=refusals([]))
    assert made.compress_threads == 8


def test_secluded() -> None:
    made = server_command(options("-rs", "a", "h:d x"), [b"d x"], am_sender=True)
    assert made.visible == [b"--server", b"-sre.iLsfxCIvu"]
    assert made.secluded is not None
    assert encode_secluded(made.secluded) == b"rsync\0.\0d x\0\0"


@pytest.mark.parametrize("text", ["", "x", "u", "DF+x", "8", "77777", "u+rq", "u=ug", "a+x,", "u+r,g"])
def test_bad_chmod(text: str) -> None:
    with pytest.raises(UsageError, match="Invalid argument passed to --chmod"):
        chmod.check_chmod(text.encode())


def test_stop_times() -> None:
    now = time.mktime((2026, 11, 22, 14, 42, 30, 0, 0, -1))

    def at(text: bytes) -> tuple[int, ...]:
        return tuple(time.localtime(stop_at(text, now)))[:5]

    assert at(b"15:00") == (2026, 11, 22, 15, 0)
    assert at(b"14:42") == (2026, 11, 23, 14, 42)
    assert at(b":50") == (2026, 11, 22, 14, 50)
    assert at(b":10") == (2026, 11, 22, 15, 10)
    assert at(b"31") == (2026, 12, 31, 0, 0)
    assert at(b"11-22") == (2027, 11, 22, 0, 0)
    assert at(b"2-29") == (2028, 2, 29, 0, 0)
    assert at(b"27/1/2T3:04") == (2027, 1, 2, 3, 4)
    assert stop_after(b"2", now) == int(now) + 120


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [(b"./a//b/", b"a/b"), (b"a/../b", b"b"), (b"../a", b"../a"), (b"/../a", b"/a"), (b"a/..", b"."), (b"/", b"/")],
)
def test_clean(path: bytes, cleaned: bytes) -> None:
    assert paths.clean(path) == cleaned


def test_errors_by_code() -> None:
    assert for_code(23).code == 23
    assert for_code(127).code == 127
    assert for_code(99).code == 99
