"""Every limit of spec: protocol 12 at the limit, one over, at the largest value and below zero; PRO-41, 44, 47, 51.

A hostile server meets a client of each program, a hostile client meets a server of tain. What rsync does is asked only
where it has the same answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.protocol import entries as f
from tests.protocol.entries import Codec, Entry
from tests.protocol.ints import (
    put_int32,
    put_longint,
    put_varint,
    put_varlong,
    put_x30int,
)
from tests.protocol.link import Session
from tests.protocol.meets import BIG31, client_meets, server_meets

# ---- fields of an entry


@dataclass
class Field:
    data: Callable[[int], bytes]
    """The bytes of a list at a protocol."""
    codes: set[int]
    ours: set[int] | None = None
    """Where tain is stricter, or rsync's answer depends on what follows."""
    options: str = "-rlt"


def entry(p: int, name: bytes = b"x", flags: int = f.SAME_UID | f.SAME_GID, **values: Any) -> bytes:
    terms = f.Terms(p=p, varint_flags=p >= 30)
    e = Entry(name, prefix=0, **values)
    e.flags = flags | (f.LONG_NAME if len(name) > 255 else 0) | (0x2000 if e.nsec else 0)
    if not terms.varint_flags and e.flags & 0xFF00:
        e.flags |= f.EXTENDED
    return Codec(terms).put_entry(e, 0, 0, [e])


def raw_name(size: int) -> Callable[[int], bytes]:
    """An entry whose name is announced with that length."""

    def data(p: int) -> bytes:
        return (put_varint(0x58) if p >= 30 else b"\x58") + put_x30int(size, p) + b"n" * max(0, min(size, 5000))

    return data


def raw_link(size: int) -> Callable[[int], bytes]:
    def data(p: int) -> bytes:
        whole = entry(p, mode=0o120777, link=b"")
        return whole[: -len(put_x30int(0, p))] + put_x30int(size, p) + b"t" * max(0, min(size, 5000))

    return data


def raw_length(value: int) -> Callable[[int], bytes]:
    def data(p: int) -> bytes:
        head = put_varint(0x98) if p >= 30 else b"\x98"
        size = put_varlong(value, 3) if p >= 30 else put_longint(value)
        return head + b"\x01x" + size + put_int32(0o100644)

    return data


def bad_prefix(p: int) -> bytes:
    return (put_varint(0x38) if p >= 30 else b"\x38") + b"\xff\x01x"


FIELDS: dict[str, Field] = {
    "name-4096": Field(raw_name(4096), {22}),
    "name-max": Field(raw_name(BIG31), {22}),
    "name-negative": Field(raw_name(-1), {22}),
    "prefix-of-nothing": Field(bad_prefix, {22, 12, 2, 4, 30}, {22}),
    "link-4096": Field(raw_link(4096), {22}),
    "link-max": Field(raw_link(BIG31), {22}),
    "link-negative": Field(raw_link(-1), {22}),
    "length-negative": Field(raw_length(-1), {4}),
    "length-least": Field(raw_length(-(1 << 63)), {4}),
    "PRO-47-climbing": Field(lambda p: entry(p, b"../up"), {4}),
    "PRO-47-inner": Field(lambda p: entry(p, b"d/../../up"), {4}),
    "PRO-47-absolute": Field(lambda p: entry(p, b"/tain-escaped"), {4}),
    "PRO-47-mode": Field(lambda p: entry(p, mode=0o170000), {2}),
    "PRO-47-mode-0": Field(lambda p: entry(p, mode=0), {2}),
    "PRO-47-root-file": Field(lambda p: entry(p, b"."), {2}),
}


@pytest.mark.parametrize("p", [29, 30, 32])
@pytest.mark.parametrize("what", FIELDS)
def test_pro_47_hostile_entries(what: str, p: int, program: str, tree: Path, env: dict[str, str], tain: str) -> None:
    """PRO-47 and the caps of names, targets, lengths and modes."""
    field = FIELDS[what]
    codes = field.ours if field.ours and program == tain else field.codes

    def talk(s: Session) -> None:
        s.wire.write(field.data(p) + (b"\0\0" if p >= 30 else b"\0") + bytes(12))

    client_meets(program, tree, env, talk, codes, p=p, options=field.options)
    server_meets(program, tree, env, talk, codes, p=p)


@pytest.mark.parametrize("size", [255, 256, 4095])
def test_longest_names_are_read(size: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """At the limit: a name of 4095 bytes is taken. What becomes of it is another matter: no directory of it is listed,
    for which the generator has status 2, unless the end of the stream comes first."""
    name = ((b"n" * 199 + b"/") * 21)[: size - 1] + b"e"

    def talk(s: Session) -> None:
        s.wire.write(entry(32, name) + b"\0\0" + put_varint(0) * 4)

    client_meets(program, tree, env, talk, {2, 12}, options="-rlt -n")


def test_long_component(tain: str, tree: Path, env: dict[str, str]) -> None:
    """No file system has a component of 256 bytes (spec: security 2, SEC-11)."""

    def talk(s: Session) -> None:
        s.wire.write(entry(32, b"d/" + b"n" * 256) + b"\0\0")

    client_meets(tain, tree, env, talk, {2})
    server_meets(tain, tree, env, talk, {2})


@pytest.mark.parametrize("nsec", [10**9, BIG31, -1])
def test_pro_33_too_many_nanoseconds(nsec: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-33: 10^9 is refused with status 2."""

    def talk(s: Session) -> None:
        s.wire.write(entry(32, nsec=nsec) + b"\0\0")

    client_meets(program, tree, env, talk, {2})
    server_meets(program, tree, env, talk, {2})


@pytest.mark.parametrize("reference", [0, 1, 5, BIG31, -1])
def test_hard_link_references(reference: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """A reference to an entry that has not come, or is no first."""

    def talk(s: Session) -> None:
        flags = put_varint(f.HLINKED | 0x18 | 0x80)
        s.wire.write(flags + b"\x01x" + put_varint(reference) + bytes(40))

    client_meets(program, tree, env, talk, {2}, options="-rltH")


@pytest.mark.parametrize("first", [0xF8, 0xFC, 0xFF])
def test_pro_23_long_varints(first: int, program: str, tree: Path, env: dict[str, str]) -> None:
    """PRO-23: a first byte of f8 or more ends with status 12."""
    client_meets(program, tree, env, lambda s: s.wire.write(bytes([first]) * 9), {12})
    server_meets(program, tree, env, lambda s: s.wire.write(bytes([first]) * 9), {12})


# ---- ACLs and attributes

ACLS: dict[str, tuple[bytes, set[int]]] = {
    "index": (put_varint(1), {12}),
    "index-max": (put_varint(BIG31), {12}),
    "index-negative": (put_varint(-1), {12, 2}),
    "perms": (b"\0\x01" + put_varint(8), {12}),
    "perms-max": (b"\0\x01" + put_varint(-1), {12}),
    "names": (b"\0\x10" + put_varint(65537), {2}),
    "names-max": (b"\0\x10" + put_varint(BIG31), {2}),
    "names-negative": (b"\0\x10" + put_varint(-1), {2}),
    "named-perms": (b"\0\x10\x01\x05" + put_varint(8 << 2), {12}),
}
XATTRS: dict[str, tuple[bytes, set[int]]] = {
    "index": (put_varint(1), {12}),
    "index-max": (put_varint(BIG31), {12}),
    "index-negative": (put_varint(-1), {12, 2}),
    "count": (b"\0" + put_varint(65537), {2}),
    "count-max": (b"\0" + put_varint(BIG31), {2}),
    "count-negative": (b"\0" + put_varint(-1), {2}),
    "name-0": (b"\0\x01\0\x01", {2, 11}),
    "name-long": (b"\0\x01" + put_varint(4097) + b"\x01", {2}),
    "name-max": (b"\0\x01" + put_varint(BIG31) + b"\x01", {2}),
    "name-negative": (b"\0\x01" + put_varint(-1) + b"\x01", {2}),
    "name-open": (b"\0\x01\x06\x01user.xv", {11}),
    "value": (b"\0\x01\x07" + put_varint(128 * 1024 * 1024 + 1) + b"user.x\0", {2}),
    "value-max": (b"\0\x01\x07" + put_varint(BIG31) + b"user.x\0", {2}),
    "value-negative": (b"\0\x01\x07" + put_varint(-1) + b"user.x\0", {2}),
}


@pytest.mark.parametrize("what", ACLS)
def test_hostile_acls(what: str, program: str, tree: Path, env: dict[str, str]) -> None:
    data, codes = ACLS[what]
    client_meets(program, tree, env, lambda s: s.wire.write(entry(32) + data + bytes(20)), codes, options="-rltA")


@pytest.mark.parametrize("what", XATTRS)
def test_hostile_attributes(what: str, program: str, tree: Path, env: dict[str, str]) -> None:
    data, codes = XATTRS[what]
    client_meets(program, tree, env, lambda s: s.wire.write(entry(32) + data + bytes(40)), codes, options="-rltX")
