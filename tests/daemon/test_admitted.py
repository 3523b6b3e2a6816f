"""CCH-2: an admitted client is data, and a connection that continues from its text makes the same plan."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tain.daemon import filters, module, transfer
from tain.daemon.access import Peer
from tain.daemon.admitted import Admitted
from tain.daemon.config import load
from tain.daemon.module_view import ModuleView
from tain.daemon.parameters import PARAMETERS
from tain.daemon.sections import Section, Variables, defaults
from tain.daemon.settings import Settings

#: Values that differ from the defaults, for each parameter of a module that a plan depends on.
LINES = [
    "use chroot = no",
    "read only = no",
    "write only = yes",
    "filter = - *.o",
    "exclude = /secret *.tmp",
    "include = keep",
    "incoming chmod = Dg+s",
    "outgoing chmod = a-w",
    "dont compress = *.gz",
    "charset = utf-8",
    "temp dir = tmp",
    "munge symlinks = yes",
    "munge symlinks = no",
    "insecure links = yes",
    "numeric ids = no",
    "fake super = yes",
    "open noatime = yes",
    "ignore errors = yes",
    "ignore nonreadable = yes",
    "transfer logging = yes",
    "transfer logging = yes\nlog format = %o %p %RSYNC_USER_NAME% %f",
    "timeout = 33",
    "max verbosity = 3",
    "refuse options = delete",
    "log file = /nowhere",
    "syslog tag = other",
    "auth users = bob:ro",
    "name = other",
]


def admitted_of(section: Section) -> Admitted:
    found = Admitted(
        section,
        Peer("192.0.2.7", b"host.example"),
        protocol=31,
        announced=32,
        number=4_194_305,
        user=b"b\xf6b",
        access="ro",
        early_input=bytes(range(256)),
    )
    found.publish(b"RSYNC_USER_NAME", found.user)
    return found


def plan(admitted: Admitted) -> dict[str, object]:
    section = admitted.section
    where = module.roots(section, can_chroot=lambda: "", warn=print)
    view = ModuleView(section, where, Settings(b"conf"), access=admitted.access, rules=filters.rules(section))
    fields: dict[str, object] = dict(transfer.plan_fields(admitted, view, chmod=b"", converter=None))
    return fields | {"timeout": view.timeout, "read_only": view.read_only, "charset": view.charset}


@pytest.mark.parametrize("place", ["module", "global"])
@pytest.mark.parametrize("line", LINES)
def test_the_plan_is_the_same(tmp_path: Path, line: str, place: str) -> None:
    path = f"path = {tmp_path}/%RSYNC_USER_NAME%\n"
    file = tmp_path / "conf"
    file.write_text(f"[m]\n{path}{line}\n" if place == "module" else f"{line}\n[m]\n{path}")
    section = load(os.fsencode(file)).modules[0]
    admitted = admitted_of(section)
    again = Admitted.decode(admitted.encode())
    assert plan(again) == plan(admitted)
    for name in PARAMETERS.values():
        # A text that the module leaves to the global section has the same value in both.
        assert again.section.raw(name.name) == section.raw(name.name)
        if not isinstance(name.default, bytes | None):
            assert again.section.values[name.name] == section.values[name.name]
    for slot in Admitted.__slots__:
        if slot not in ("section", "peer"):
            assert getattr(again, slot) == getattr(admitted, slot)
    assert again.peer.shown == admitted.peer.shown
    assert again.section.variables.connection == section.variables.connection


def test_usual_facts_are_small(tmp_path: Path) -> None:
    admitted = admitted_of(Section(b"m", defaults() | {"path": os.fsencode(tmp_path)}, Variables()))
    admitted.early_input = b""
    assert len(admitted.encode()) < 600


@given(st.binary())
def test_any_other_text_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        Admitted.decode(data)


@pytest.mark.parametrize(
    "data", [b"{}", b"[]", b"1", b'{"variables":1}', b'{"strict":true,"variables":[],"values":{}}', b"[" * 100_000]
)
def test_another_shape_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        Admitted.decode(data)
