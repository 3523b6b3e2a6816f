"""What each end says when the other breaks a rule of the protocol: a table for the receiving side, one for the sender.

The code and the text are those of rsync, which meets the same peers here. A client's stand on its standard error; a
server's there or in messages.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import programs
from tests.protocol.client import Piped, read_lists, send_lists
from tests.protocol.conftest import sent
from tests.protocol.entries import HLINKED, Codec, Entry
from tests.protocol.ints import put_int32, put_shortint, put_varint, put_vstring
from tests.protocol.link import (
    DEL_STATS,
    DONE,
    FLIST_EOF,
    NEW,
    NO_SEND,
    OFFSET,
    SUCCESS,
    TRANSFER,
    TYPE,
    XATTR,
    XNAME,
    Job,
    Session,
    handshake,
)
from tests.protocol.server import ALL, daemon, linger
from tests.protocol.test_limits import ACLS, XATTRS, entry, raw_length, raw_link, raw_name


@dataclass
class Case:
    talk: Callable[[Session], object]
    code: int
    text: str
    options: str = "-rlt"
    """Of the client that receives; of a server that sends, its compact letters."""
    inc: bool = False


def ints(*values: int) -> bytes:
    return b"".join(map(put_int32, values))


def item(ndx: int, iflags: int, rest: bytes = b"") -> Callable[[Session], bytes]:
    return lambda s: s.ndx_out.put(ndx) + put_shortint(iflags) + rest


def number(ndx: int, rest: bytes = b"") -> Callable[[Session], bytes]:
    return lambda s: s.ndx_out.put(ndx) + rest


def listed(*parts: Callable[[Session], bytes], entries: list[Entry] | None = None) -> Callable[[Session], None]:
    """A sender: its lists, then these bytes."""

    def talk(s: Session) -> None:
        send_lists(s, sent(s.p) if entries is None else entries)
        s.wire.write(b"".join(part(s) for part in parts))

    return talk


TOP = [e for e in sent(32) if b"/" not in e.name]


def first(*parts: Callable[[Session], bytes], entries: list[Entry] = TOP) -> Callable[[Session], None]:
    """A sender with incremental recursion: the first list only, then these bytes. It has five entries, of which the
    directories are 0 (`.`), 1 (`sub`) and 2 (`x`)."""

    def talk(s: Session) -> None:
        s.wire.write(Codec(s.terms).put_list(entries, 1))
        s.wire.write(b"".join(part(s) for part in parts))

    return talk


def sub_list(directory: int, *inside: Entry, start: int = 8) -> Callable[[Session], bytes]:
    return lambda s: s.ndx_out.put(OFFSET - directory) + Codec(s.terms).put_list(list(inside), start)


def told(tag: int, payload: bytes) -> Callable[[Session], None]:
    def talk(s: Session) -> None:
        send_lists(s, sent(s.p))
        s.wire.message(tag, payload)

    return talk


def bare(data: bytes) -> Callable[[Session], None]:
    return lambda s: s.wire.write(data)


DOT = Entry(b".", 0o40755, 4096, 1, flags=1)
TWICE = [DOT, Entry(b"a", length=1, mtime=2), Entry(b"a", length=2, mtime=2)]
TWO_DIRECTORIES = [Entry(b"d", 0o40755, 4096, 1, flags=0), Entry(b"d", 0o40755, 4096, 1, flags=0), Entry(b"f")]
# A linked file whose first is entry 1, and the end of its list.
LINKED_TO_1 = (
    put_varint(HLINKED | 0x18 | 0x80) + b"\x05sub/h" + put_varint(1) + bytes(3) + put_int32(0o100644) + bytes(2)
)
FREED = "rsync: refusing sub-flist after final flist was freed"
HEADS: dict[str, tuple[bytes, str]] = {
    "count": (ints(-1, 700, 2, 0), "Invalid checksum count -1"),
    "zero-block": (ints(1, 0, 2, 0), "Invalid zero block length"),
    "negative-block": (ints(1, -1, 2, 0), "Invalid block length -1"),
    "large-block": (ints(1, 1 << 30, 2, 0), "Invalid block length 1073741824"),
    "strong": (ints(1, 700, 99, 0), "Invalid checksum length 99"),
    "negative-strong": (ints(1, 700, -1, 0), "Invalid checksum length -1"),
    "rest": (ints(1, 700, 2, 800), "Invalid remainder length 800"),
    "negative-rest": (ints(1, 700, 2, -5), "Invalid remainder length -5"),
}
KINDS = ["files", "dirs", "symlinks", "devices", "specials"]


def counts(bad: int) -> bytes:
    return b"".join(put_varint(-1 if n == bad else 0) for n in range(5))


def range_of(kind: str, role: str) -> str:
    return f"wire value deleted_{kind} out of range: -1 not in [0,268435456] [{role}]"


ACL_TEXTS = {
    "index": (12, "recv_acl_index: ACL_TYPE_ACCESS ACL index 1 > 0"),
    "index-negative": (12, "recv_acl_index: ACL_TYPE_ACCESS ACL index -1 > 0"),
    "perms": (12, "recv_acl_access: value out of range: 8"),
    "perms-max": (12, "recv_acl_access: value out of range: ffffffff"),
    "named-perms": (12, "recv_acl_access: value out of range: 8"),
    "names": (2, "wire value ACL count out of range: 65537 not in [0,65536] [Receiver]"),
    "names-negative": (2, "wire value ACL count out of range: -1 not in [0,65536] [Receiver]"),
}
XATTR_TEXTS = {
    "index": (12, "receive_xattr: xa index 1 out of range for x"),
    "index-negative": (12, "receive_xattr: xa index -1 out of range for x"),
    "count": (2, "wire value xattr count out of range: 65537 not in [0,65536] [Receiver]"),
    "count-negative": (2, "wire value xattr count out of range: -1 not in [0,65536] [Receiver]"),
    "name-0": (11, "Invalid xattr name received (missing trailing \\0)."),
    "name-open": (11, "Invalid xattr name received (missing trailing \\0)."),
    "name-long": (2, "wire size xattr name_len out of range: 4097 > 4096 [Receiver]"),
    "name-negative": (2, "wire size xattr name_len out of range: -1 > 4096 [Receiver]"),
    "value": (2, "xattr datum_len exceeds per-value limit [Receiver]"),
    "value-negative": (2, "wire size xattr datum_len out of range: -1 > 2147483647 [Receiver]"),
}

RECEIVING: dict[str, Case] = {
    "index-beyond": Case(listed(item(99, 0)), 2, "File-list index 99 not in -1 - 8 (read_ndx_and_attrs) [receiver]"),
    "index-beyond-inc": Case(
        first(item(50, 0)), 2, "File-list index 50 not in 0 - 6 (read_ndx_and_attrs) [receiver]", inc=True
    ),
    "index-of-a-finished-list": Case(
        first(number(DONE), item(2, TRANSFER, bytes(16))),
        2,
        "File-list index 2 not in 0 - -1 (read_ndx_and_attrs) [receiver]",
        inc=True,
    ),
    "index-special": Case(listed(number(-4)), 2, "Invalid file index: -4 (-1 - 8) [receiver]"),
    "index-special-100": Case(listed(number(-100)), 2, "Invalid file index: -100 (-1 - 8) [receiver]"),
    "index-special-inc": Case(first(number(-50)), 2, "Invalid dir index: -50 (-101 - -103) [receiver]", inc=True),
    "end-of-lists-without-inc": Case(listed(number(FLIST_EOF)), 2, "Invalid file index: -2 (-1 - 8) [receiver]"),
    "sub-list-without-inc": Case(listed(number(OFFSET)), 2, "Invalid file index: -101 (-1 - 8) [receiver]"),
    "dropped-index": Case(listed(item(2, 0), entries=TWICE), 2, "rsync: refusing transfer of cleared file index 2"),
    "dropped-index-new": Case(
        listed(item(2, NEW), entries=TWICE), 2, "rsync: refusing transfer of cleared file index 2"
    ),
    "dropped-index-data": Case(
        listed(item(2, TRANSFER), entries=TWICE),
        2,
        "received request to transfer non-regular file: 2 [receiver]",
    ),
    "data-of-a-directory": Case(
        listed(item(0, TRANSFER)), 2, "received request to transfer non-regular file: 0 [receiver]"
    ),
    "data-in-the-last-phase": Case(
        listed(number(DONE), number(DONE), item(1, TRANSFER, bytes(16))),
        2,
        "got transfer request in phase 2 [receiver]",
    ),
    "sub-list-for-a-dropped-directory": Case(
        first(sub_list(1, Entry(b"d/x"), start=5), entries=TWO_DIRECTORIES),
        2,
        "rsync: refusing flist for cleared dir_ndx 1",
        inc=True,
    ),
    "sub-list-twice": Case(
        first(sub_list(1), sub_list(1, Entry(b"sub/x"), start=9)),
        2,
        "rsync: refusing malicious duplicate flist for dir 1",
        inc=True,
    ),
    "sub-list-for-nothing": Case(
        first(sub_list(7, Entry(b"d/x"))), 2, "Invalid dir index: -108 (-101 - -103) [receiver]", inc=True
    ),
    "sub-list-after-done": Case(first(number(DONE), number(OFFSET - 1)), 2, FREED, inc=True),
    "sub-list-after-done-with-entries": Case(
        first(number(DONE), sub_list(1, Entry(b"sub/b")), sub_list(2)), 2, FREED, inc=True
    ),
    "sub-list-after-done-and-more": Case(
        first(number(DONE), sub_list(1, Entry(b"sub/b")), lambda s: bytes(4)), 2, FREED, inc=True
    ),
    "link-before-the-list": Case(
        first(
            lambda s: s.ndx_out.put(OFFSET - 1),
            lambda s: (
                put_varint(HLINKED | 0x18 | 0x80)
                + b"\x05sub/h"
                + put_varint(1)
                + bytes(3)
                + put_int32(0o100644)
                + bytes(2)
            ),
        ),
        2,
        "hard-link gnum 1 precedes flist start 8",
        options="-rltH",
        inc=True,
    ),
    "basis-directory": Case(listed(item(1, TRANSFER | TYPE, b"\x05" + bytes(16))), 2, "invalid basis_dir index: 5."),
    "basis-fuzzy": Case(
        listed(item(1, TRANSFER | TYPE | XNAME, b"\x83" + put_vstring(b"../../etc/passwd") + bytes(16))),
        2,
        "rsync: refusing malicious fuzzy operation for etc/passwd",
    ),
    "basis-fuzzy-directory": Case(
        listed(item(1, TRANSFER | TYPE | XNAME, b"\x90" + put_vstring(b"x") + bytes(16))),
        2,
        "invalid basis_dir index: 144.",
        options="-rlt --fuzzy",
    ),
    "block-beyond": Case(
        listed(item(1, TRANSFER, ints(1, 700, 2, 0) + put_int32(-5))), 2, "Invalid block index 4 (count=1) [receiver]"
    ),
    "xname": Case(listed(item(1, 0x5000, put_vstring(b"x" * 4096))), 2, "over-long vstring received (4096 > 4095)"),
    "no-send-beyond": Case(
        told(NO_SEND, put_int32(999)), 2, "File-list index 999 not in -1 - 8 (got_flist_entry_status) [generator]"
    ),
    "no-send-negative": Case(
        told(NO_SEND, put_int32(-5)), 2, "File-list index -5 not in -1 - 8 (got_flist_entry_status) [generator]"
    ),
    "nanoseconds": Case(
        bare(entry(32, nsec=10**9)),
        2,
        "wire value modtime_nsec out of range: 1000000000 not in [0,999999999] [Receiver]",
    ),
    "mode": Case(bare(entry(32, mode=0o170000)), 2, "invalid file mode 0170000 for x [Receiver]"),
    "file-length": Case(bare(raw_length(-1)(32)), 4, "Offset underflow: file-length is negative"),
    "name-length": Case(bare(raw_name(4096)(32)), 22, "overflow: xflags=0x58 l1=0 l2=4096 lastname= [Receiver]"),
    "name-negative": Case(bare(raw_name(-1)(32)), 22, "overflow: xflags=0x58 l1=0 l2=-1 lastname= [Receiver]"),
    "name-overflow": Case(bare(raw_name(4096)(32)), 22, "[Receiver] buffer overflow: recv_file_entry (file="),
    "link-length": Case(bare(raw_link(4096)(32)), 22, "overflow: linkname_len=4096"),
    "unsafe-name": Case(bare(entry(32, b"../x")), 4, "ABORTING due to unsafe pathname from sender: ../x"),
    **{
        f"sums-{what}": Case(listed(item(1, TRANSFER, head)), 2, f"{text} [receiver]")
        for what, (head, text) in HEADS.items()
    },
    **{
        f"deletions-{kind}": Case(listed(number(DEL_STATS, counts(n))), 2, range_of(kind, "receiver"))
        for n, kind in enumerate(KINDS)
    },
    **{
        f"acl-{what}": Case(bare(entry(32) + ACLS[what][0] + bytes(20)), code, text, options="-rltA")
        for what, (code, text) in ACL_TEXTS.items()
    },
    **{
        f"xattr-{what}": Case(bare(entry(32) + XATTRS[what][0] + bytes(40)), code, text, options="-rltX")
        for what, (code, text) in XATTR_TEXTS.items()
    },
}


def asked(*parts: Callable[[Session], bytes]) -> Callable[[Session], None]:
    """A generator: it reads the lists, then these bytes."""

    def talk(s: Session) -> None:
        read_lists(s)
        s.wire.write(b"".join(part(s) for part in parts))

    return talk


def succeeded(ndx: int) -> Callable[[Session], None]:
    def talk(s: Session) -> None:
        read_lists(s)
        s.wire.message(SUCCESS, put_int32(ndx))
        s.wire.write(b"\0\0")

    return talk


LETTERS = "lDtpr"
SENDING: dict[str, Case] = {
    "index-beyond": Case(
        asked(item(99, TRANSFER)), 2, "File-list index 99 not in -1 - 8 (read_ndx_and_attrs) [sender]", LETTERS
    ),
    "index-beyond-inc": Case(
        asked(item(500, 0)), 2, "File-list index 500 not in 0 - 12 (read_ndx_and_attrs) [sender]", LETTERS, inc=True
    ),
    "index-of-a-finished-list": Case(
        asked(number(DONE), item(1, TRANSFER, bytes(16))),
        2,
        "File-list index 1 not in 7 - 12 (read_ndx_and_attrs) [sender]",
        LETTERS,
        inc=True,
    ),
    "index-special": Case(asked(number(-4)), 2, "Invalid file index: -4 (-1 - 8) [sender]", LETTERS),
    "index-special-inc": Case(asked(number(-50)), 2, "Invalid file index: -50 (-1 - 12) [sender]", LETTERS, inc=True),
    "end-of-lists": Case(asked(number(FLIST_EOF)), 2, "Invalid file index: -2 (-1 - 8) [sender]", LETTERS),
    "end-of-lists-inc": Case(
        asked(number(FLIST_EOF)), 2, "Invalid file index: -2 (-1 - 12) [sender]", LETTERS, inc=True
    ),
    "sub-list": Case(asked(number(OFFSET)), 2, "Invalid file index: -101 (-1 - 8) [sender]", LETTERS),
    "sub-list-inc": Case(asked(number(OFFSET)), 2, "Invalid file index: -101 (-1 - 12) [sender]", LETTERS, inc=True),
    "data-of-a-directory": Case(
        asked(item(0, TRANSFER)), 2, "received request to transfer non-regular file: 0 [sender]", LETTERS
    ),
    "data-of-a-link": Case(
        asked(item(3, TRANSFER)), 2, "received request to transfer non-regular file: 3 [sender]", LETTERS
    ),
    "data-in-the-last-phase": Case(
        asked(number(DONE), number(DONE), item(1, TRANSFER, bytes(16))),
        2,
        "got transfer request in phase 2 [sender]",
        LETTERS,
    ),
    "attribute": Case(
        asked(item(1, XATTR | TRANSFER, put_varint(3))),
        2,
        "[sender] could not find xattr #3 for a",
        LETTERS + "X",
    ),
    "attribute-negative": Case(
        asked(item(1, XATTR | TRANSFER, put_varint(-1))),
        2,
        "[sender] could not find xattr #-1 for a",
        LETTERS + "X",
    ),
    "too-many-sums": Case(
        asked(item(1, TRANSFER, ints(0x7FFFFFFF, 700, 16, 0))),
        22,
        "[sender] exceeded --max-alloc=1073741824 setting (file=",
        LETTERS,
    ),
    "success-beyond": Case(succeeded(999), 2, "File-list index 999 not in -1 - 8 (successful_send) [sender]", LETTERS),
    "success-negative": Case(succeeded(-7), 2, "File-list index -7 not in -1 - 8 (successful_send) [sender]", LETTERS),
    **{
        f"sums-{what}": Case(asked(item(1, TRANSFER, head)), 2, f"{text} [sender]", LETTERS)
        for what, (head, text) in HEADS.items()
    },
    **{
        f"deletions-{kind}": Case(asked(number(DEL_STATS, counts(n))), 2, range_of(kind, "sender"), LETTERS)
        for n, kind in enumerate(KINDS)
    },
}


def has(text: str, said: str) -> bool:
    return any(line == text or (text.endswith("=") and line.startswith(text)) for line in said.splitlines())


@pytest.mark.parametrize("what", RECEIVING)
def test_the_receiving_side_refuses(what: str, program: str, tree: Path, env: dict[str, str]) -> None:
    case = RECEIVING[what]

    def speak(s: Session) -> None:
        case.talk(s)
        s.wire.flush()
        s.wire.sock.shutdown(socket.SHUT_WR)
        linger(s)

    with daemon(speak, compat=ALL | int(case.inc)) as (port, _):
        url = f"rsync://127.0.0.1:{port}/m/"
        outcome = programs.run([program, *case.options.split(), "--timeout=50", url, "dst/"], cwd=tree, env=env)
    assert outcome.code == case.code, outcome
    assert has(case.text, outcome.err.decode()), outcome


@pytest.mark.parametrize("what", SENDING)
def test_the_sender_refuses(what: str, program: str, tree: Path, env: dict[str, str]) -> None:
    case = SENDING[what]
    long = ["--remove-source-files"] if what.startswith("success") else []
    job = Job(compact=case.options, inc=case.inc, paths=["src/"], long=long)
    with Piped(program, job, tree, env) as s:
        handshake(s)
        s.wire.flush()
        case.talk(s)
        s.wire.flush()
    said = s.err.decode() + s.wire.texts()
    assert s.code == case.code, said
    assert has(case.text, said), said


@pytest.mark.parametrize("name", [b"evil\nline", b"\xd4evil", b"evil\x1b[2J"])
def test_names_in_refusals_are_escaped(name: bytes, program: str, tree: Path, env: dict[str, str]) -> None:
    """A server must not forge a line on the client's screen."""

    def speak(s: Session) -> None:
        s.wire.write(Codec(s.terms).put_list([Entry(name)], 0))
        s.wire.flush()
        s.wire.sock.shutdown(socket.SHUT_WR)
        linger(s)

    for options, url, word in (("-r", "m/wanted", "unrequested"), ("-r --exclude=*evil*", "m/", "excluded")):
        with daemon(speak) as (port, _):
            words = [program, *options.split(), f"rsync://127.0.0.1:{port}/{url}", "dst/"]
            outcome = programs.run(words, cwd=tree, env=env)
        shown = name.decode("latin-1").replace("\n", "\\#012").replace("\xd4", "\\#324").replace("\x1b", "\\#033")
        assert outcome.code == 4, outcome
        line = f"ERROR: rejecting {word} file-list name: {shown}"
        assert outcome.err.decode().splitlines()[0] == line, outcome


def test_data_after_the_end(program: str, tree: Path, env: dict[str, str]) -> None:
    """What follows the last DONE of a sender is reported, though all files are in place."""

    def speak(s: Session) -> None:
        # Three phases, five figures of statistics, the end of deletions, and one DONE too many.
        listed(lambda s: bytes(3 + 15 + 1 + 1))(s)
        s.wire.flush()
        s.wire.gone()

    with daemon(speak) as (port, _):
        outcome = programs.run([program, "-rlt", f"rsync://127.0.0.1:{port}/m/", "dst/"], cwd=tree, env=env)
    assert outcome.code == 12, outcome
    assert has("Invalid packet at end of run [receiver]", outcome.err.decode()), outcome
