"""The start of a session: PRO-1 to PRO-14 (spec: protocol 1.8, 2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import programs
from tests.protocol.client import Piped, pull, push
from tests.protocol.conftest import CONTENT, NAMES, sent
from tests.protocol.entries import Codec
from tests.protocol.ints import int32, put_int32, put_vstring, varint, vstring
from tests.protocol.link import CAPS, Job, Session, frame, handshake
from tests.protocol.server import ALL, daemon, linger, shell


def run(program: str, tree: Path, env: dict[str, str], *words: str) -> programs.Outcome:
    return programs.run([program, "--timeout=50", *words], cwd=tree, env=env)


def url(port: int) -> str:
    return f"rsync://127.0.0.1:{port}/m/"


# ---- numbers


@pytest.mark.parametrize("sender", [True, False])
def test_pro_1_a_server_does_not_wait(sender: bool, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-1: the server's number comes before the client has sent anything."""
    with Piped(program, Job(sender=sender, paths=["dst/"]), tree, env) as s:
        assert s.wire.take(4) == b"\x20\0\0\0"


def test_pro_1_a_client_does_not_wait(program: str, tree: Path, env: dict[str, str], space: Path) -> None:
    """PRO-1: so does the client's."""
    received = []

    def talk(s: Session) -> None:
        received.append(s.wire.take(4))

    with shell(space, talk, numbers=False) as (rsh, _):
        run(program, tree, env, "-r", "-e", rsh, "--protocol=30", "src/", "h:dst/")
    assert received == [b"\x1e\0\0\0"]


@pytest.mark.parametrize("number", [19, 41, 0, -1, 0x7FFFFFFF, -0x80000000, 0x5348])
def test_pro_1_bad_numbers(number: int, program: str, tree: Path, env: dict[str, str], space: Path) -> None:
    """PRO-1: 19 and 41 are refused with status 2, at either end."""
    with Piped(program, Job(), tree, env) as s:
        s.wire.send(put_int32(number))
    assert s.code == 2 and b"protocol version mismatch" in s.err, s.err

    def talk(s: Session) -> None:
        s.wire.send(put_int32(number))
        linger(s)

    with shell(space, talk, numbers=False) as (rsh, _):
        outcome = run(program, tree, env, "-r", "-e", rsh, "h:src/", "dst/")
    assert outcome.code == 2, outcome
    assert b"protocol version mismatch -- is your shell clean?" in outcome.err


@pytest.mark.parametrize("number", [33, 40])
def test_pro_1_the_smaller_number_counts(number: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-1: a newer peer is spoken to at 32."""
    with Piped(program, Job(p=number, paths=["src/"]), tree, env) as s:
        handshake(s)
        assert s.p == 32
        pull(s)
    assert s.code == 0 and s.files == CONTENT


# ---- compat flags


def open_server(program: str, tree: Path, env: dict[str, str], caps: str, *more: str, p: int = 32) -> tuple[bytes, int]:
    """All that a server sends before it has received more than the number, and the flags in it."""
    job = Job(caps=caps, long=["--checksum-seed=7", *more], p=p)
    with Piped(program, job, tree, env) as s:
        s.wire.send(put_int32(p))
        assert int32(s.wire) == 32
        flags = varint(s.wire)
    return bytes(s.wire.received[4:]), flags


def test_pro_2_flags_of_a_modern_pair(program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-2: 81 ff with incremental recursion, 81 fe without."""
    assert open_server(program, tree, env, ".iLsfxCIvu")[0].startswith(b"\x81\xff")
    assert open_server(program, tree, env, ".LsfxCIvu")[0].startswith(b"\x81\xfe")


@pytest.mark.parametrize(
    ("letter", "bit"), [("f", 8), ("x", 0x10), ("C", 0x20), ("I", 0x40), ("v", 0x80), ("u", 0x100)]
)
def test_pro_3_letters(letter: str, bit: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-3: bits 3 to 8 mirror the letters; 1 and 2 are the server's own."""
    assert open_server(program, tree, env, "." + letter)[1] == 6 | bit
    assert open_server(program, tree, env, "." + CAPS.replace(letter, ""))[1] == ALL & ~bit
    assert open_server(program, tree, env, ".q" + letter + "Z")[1] == 6 | bit


def test_pro_3_the_old_letter(program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-3: V gives one raw byte and no strings."""
    with Piped(program, Job(caps=".iLsfxCIV", long=["--checksum-seed=7"]), tree, env) as s:
        s.wire.send(put_int32(32))
        assert s.wire.take(9) == b"\x20\0\0\0\xff\x07\0\0\0"


def test_pro_4_no_flags_before_30(program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-4: at 29 the seed follows the numbers."""
    with Piped(program, Job(p=29, long=["--checksum-seed=7"], paths=["src/"]), tree, env) as s:
        s.wire.send(put_int32(29))
        assert s.wire.take(8) == b"\x20\0\0\0\x07\0\0\0"


# ---- negotiation


@pytest.mark.parametrize(
    ("compress", "force_sum", "force_compress", "strings"),
    [
        ("", "", "", 1),
        ("", "md5", "", 0),
        ("zlib", "", "", 2),
        ("zlib", "md5", "", 1),
        ("zlibx", "", "zlibx", 1),
        ("zlib", "sha1", "zlib", 0),
    ],
)
def test_pro_5_6_strings(
    compress: str, force_sum: str, force_compress: str, strings: int, program: str, tree: Path, env: dict[str, str]
) -> None:
    """PRO-5, PRO-6: what is forced is not negotiated; checksums come first."""
    job = Job(paths=["src/"], compress=compress, force_sum=force_sum, force_compress=force_compress)
    with Piped(program, job, tree, env) as s:
        handshake(s)
        pull(s)
    assert s.code == 0 and s.files == CONTENT
    sums, codecs = b"xxh128 xxh3 xxh64 md5 md4 sha1 none", b"zstd lz4 zlibx zlib none"
    want = ([] if force_sum else [sums]) + ([codecs] if compress and not force_compress else [])
    assert s.lists_offered == want and len(want) == strings


@pytest.mark.parametrize("caps", ["LsfxCIu", ""])
def test_pro_5_no_strings_without_the_bit(caps: str, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-5: without v nothing is negotiated: MD5 and zlib."""
    with Piped(program, Job(caps="." + caps, compress="zlib", paths=["src/"]), tree, env) as s:
        handshake(s)
        pull(s)
    assert s.code == 0 and s.files == CONTENT and s.lists_offered == []


@pytest.mark.parametrize(
    ("offer", "chosen"),
    [("md5", "md5"), ("bogus xxh64 md4", "xxh64"), ("MD5 sha1", "md5"), ("md4 nope sha1", "md4"), ("sha1", "sha1")],
)
def test_pro_7_the_server_takes_the_first_known(
    offer: str, chosen: str, program: str, tree: Path, env: dict[str, str]
) -> None:
    """PRO-7: shown by the sums of the data, which must be those of the choice."""
    with Piped(program, Job(sums=offer, paths=["src/"]), tree, env) as s:
        handshake(s)
        s.sum = chosen
        pull(s)
    assert s.code == 0 and s.files == CONTENT


@pytest.mark.parametrize("offer", ["sha1 md5", "none sha1 md4 md5", "md5 xyz"])
def test_pro_7_the_client_takes_its_own_first(offer: str, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-7: of what the server has, its own order: md5 stands before sha1."""

    def talk(s: Session) -> None:
        push(s, sent(32))

    with daemon(talk, offers={"sums": offer}) as (port, report):
        outcome = run(program, tree, env, "-rltp", url(port), "dst/")
    assert outcome.code == 0, (outcome, report.error)
    assert report.session.lists_offered == [b"xxh128 xxh3 xxh64 md5 md4 sha1"]


def test_pro_8_nothing_in_common(program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-8: status 4 at both ends."""
    with Piped(program, Job(paths=["src/"]), tree, env) as s:
        s.wire.write(put_int32(32) + put_vstring(b"whirlpool"))
        s.wire.flush()
    assert s.code == 4, s.err
    with daemon(linger, offers={"sums": "whirlpool"}) as (port, _):
        outcome = run(program, tree, env, "-r", url(port), "dst/")
    assert outcome.code == 4 and b"Failed to negotiate a checksum choice." in outcome.err, outcome


def test_pro_9_incremental_without_an_offer(program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-9: status 1."""
    with daemon(linger, compat=ALL | 1) as (port, _):
        outcome = run(program, tree, env, "-r", "--no-inc-recursive", url(port), "dst/")
    assert outcome.code == 1, outcome


@pytest.mark.parametrize("seed", [1, 7, 0x7FFFFFFF, -5])
def test_pro_10_the_seed(seed: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-10: after the strings, exactly as given."""
    job = Job(long=[f"--checksum-seed={seed}"], paths=["src/"])
    with Piped(program, job, tree, env) as s:
        w = s.wire
        w.write(put_int32(32) + put_vstring(b"md5"))
        w.flush()
        int32(w), varint(w), vstring(w)
        assert int32(w) == seed


def test_pro_10_a_seed_of_its_own(program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-10: without the option it is not always the same."""
    seeds = set()
    for _ in range(3):
        with Piped(program, Job(p=29), tree, env) as s:
            s.wire.send(put_int32(29))
            seeds.add(s.wire.take(8)[4:])
    assert len(seeds) > 1


# ---- the first bytes after it


@pytest.mark.parametrize("p", [27, 28, 29, 30, 31, 32])
def test_pro_11_12_the_first_bytes_of_a_pull(
    p: int, program: str, tree: Path, env: dict[str, str], space: Path
) -> None:
    """PRO-11, PRO-12: a frame from 30 on, raw before; an empty filter list is int 0."""
    received: list[bytes] = []

    def talk(s: Session) -> None:
        # The filter list has been read; what stood before it is what `received` ends with.
        received.append(bytes(s.wire.received))
        push(s, sent(p))

    with shell(space, talk, p=p) as (rsh, report):
        outcome = run(program, tree, env, "-rltp", "--cc=md5", "-e", rsh, "h:src/", "dst/")
    assert outcome.code == 0 and report.error is None, (outcome, report.error)
    # Only the number was said before (the sum is forced: no strings).
    assert received == [put_int32(32) + (frame(bytes(4)) if p >= 30 else bytes(4))]


@pytest.mark.parametrize("p", [27, 29])
def test_pro_11_frames_of_an_old_client_that_removes(
    p: int, program: str, tree: Path, env: dict[str, str], space: Path
) -> None:
    """PRO-11: below 30 a pull is framed with --remove-source-files."""
    received: list[bytes] = []

    def talk(s: Session) -> None:
        received.append(bytes(s.wire.received[4:]))
        push(s, sent(p))

    with shell(space, talk, p=p) as (rsh, report):
        outcome = run(program, tree, env, "-rltp", "--remove-source-files", "-e", rsh, "h:src/", "dst/")
    assert outcome.code == 0 and report.error is None, (outcome, report.error)
    assert received == [frame(bytes(4))]
    assert sum(tag == 100 for tag, _ in report.session.wire.messages) == 5


@pytest.mark.parametrize("p", [28, 29, 32])
@pytest.mark.parametrize(
    ("options", "rules"),
    [
        (["--exclude=*.o", "--delete"], True),
        (["--exclude=*.o"], False),
        (["--delete", "--delete-excluded"], None),
        (["--exclude=*.o", "-m"], True),
    ],
)
def test_pro_12_filters_of_a_push(
    p: int, options: list[str], rules: bool | None, program: str, tree: Path, env: dict[str, str]
) -> None:
    """PRO-12: only a receiver that deletes or prunes gets them; with --delete-excluded one of 29 or more."""
    if p < 29 and "-m" in options:
        return
    if rules is None:
        rules = p >= 29
    found: list[bytes] = []

    def talk(s: Session) -> None:
        if rules:
            while n := int32(s.wire):
                found.append(s.wire.read(n))
        pull(s)

    with daemon(talk, p=p, filters=False) as (port, report):
        outcome = run(program, tree, env, "-rltp", *options, "src/", url(port))
    assert outcome.code == 0 and report.error is None, (outcome, report.error)
    assert sorted(report.session.names()) == sorted(NAMES)
    text = b"- *.o" if p >= 29 else b"*.o"
    assert found == ([text] if rules and "--exclude=*.o" in options else [])


def test_pro_13_secluded_args(program: str, tree: Path, env: dict[str, str], space: Path) -> None:
    """PRO-13: before the number; first the word rsync, last an empty one."""
    said = []

    def talk(s: Session) -> None:
        text = b""
        while not text.endswith(b"\0\0"):
            text += s.wire.take(1)
        said.append(text)
        said.append(s.wire.take(4))

    with shell(space, talk, numbers=False) as (rsh, report):
        run(program, tree, env, "-rs", "--delay-updates", "-e", rsh, "src/a", "h:d x*")
    assert said == [b"rsync\0--timeout=50\0--delay-updates\0.\0d x*\0\0", b"\x20\0\0\0"]
    assert [word.split("e.")[0] for word in report.words] == ["--server", "-sr"]


def test_pro_13_secluded_args_are_read(program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-13: a server takes them."""

    class Secluded(Job):
        @property
        def words(self) -> list[str]:
            return ["--server", "--sender", self.word]

    with Piped(program, Secluded(compact="slogDtpr"), tree, env) as s:
        s.wire.send(b"rsync\0.\0src/\0\0")
        handshake(s)
        pull(s)
    assert s.code == 0 and s.files == CONTENT


@pytest.mark.parametrize("p", [29, 30, 31, 32])
@pytest.mark.parametrize("text", [b"a\nsub/b", b"a\nsub/b\n", b"\n\na\n\r\nsub/b\n", b""])
def test_pro_14_names_from_the_client(
    p: int, text: bytes, program: str, tree: Path, env: dict[str, str], space: Path
) -> None:
    """PRO-14: framed from 31 on, raw before; an empty name ends them."""
    (tree / "L").write_bytes(text)
    found: list[bytes] = []

    def talk(s: Session) -> None:
        w = s.wire
        while not found or not (found[-1].endswith(b"\0\0") or found[-1] == b"\0"):
            found.append((found[-1] if found else b"") + (w.take(1) if p < 31 else w.read(1)))
        push(s, [e for e in sent(p) if e.name in (b"a", b"sub", b"sub/b", b".")])

    with shell(space, talk, p=p) as (rsh, report):
        outcome = run(program, tree, env, "-rltp", "--files-from=L", "-e", rsh, "h:src", "dst/")
    assert report.error is None and outcome.code == 0, (outcome, report.error)
    assert report.words[-5:-2] == ["--files-from=-", "--from0", "."] or "--from0" in report.words
    assert found[-1] == (b"a\0sub/b\0\0" if text else b"\0")


@pytest.mark.parametrize("p", [28, 29, 30, 31, 32])
@pytest.mark.parametrize("names", [b"a\0sub/b\0\0", b"a\0sub/b\0missing\0\0", b"\0"])
def test_pro_14_names_to_a_server(p: int, names: bytes, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-14: as the server reads them."""
    job = Job(p=p, compact="logDtprR", long=["--files-from=-", "--from0", "--no-relative"], paths=["src/"])
    with Piped(program, job, tree, env) as s:
        handshake(s)
        s.wire.flush()
        if p < 31:
            s.wire.send(names)
        else:
            s.wire.write(names)
        if names == b"\0":
            s.wire.flush()
            s.codec = Codec(s.terms)
            s.wire.gone()
        else:
            pull(s)
    wanted = {b"a": b"hello", b"b": b"w"} if names != b"\0" else {}
    assert s.files == wanted, s.err
    assert s.code == (23 if b"missing" in names else 0), s.err


@pytest.mark.parametrize("p", [29, 30, 31, 32])
def test_pro_14_names_from_the_server(p: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-14: a list that the server has travels to a client that sends."""
    (tree / "L").write_bytes(b"a\nsub/b\n")
    text = b""
    job = Job(p=p, sender=False, compact="lDtprR", long=["--files-from=L", "--no-relative"], paths=["dst/"])
    with Piped(program, job, tree, env) as s:
        handshake(s)
        s.wire.framed_in = p >= 31
        while not text.endswith(b"\0\0"):
            text += s.wire.read(1)
        s.wire.framed_in = True
        push(s, [e for e in sent(p) if e.name == b"a"])
    assert s.code == 0, s.err
    assert text == b"a\0sub/b\0\0"
