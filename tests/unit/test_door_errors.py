"""Errors of the core as Python sees them: class, code, text, attributes."""

from __future__ import annotations

import pytest

from tain import _core, errors

#: Kind in the core, class, code.
TABLE = [
    ("Usage", errors.UsageError, 1),
    ("Protocol", errors.ProtocolError, 2),
    ("Selection", errors.SelectionError, 3),
    ("Unsupported", errors.UnsupportedError, 4),
    ("Startup", errors.StartupError, 5),
    ("Socket", errors.SocketError, 10),
    ("FileIo", errors.FileError, 11),
    ("Stream", errors.StreamError, 12),
    ("Diagnostics", errors.DiagnosticsError, 13),
    ("Ipc", errors.IpcError, 14),
    ("Interrupted", errors.Interrupted, 20),
    ("Memory", errors.MemoryLimitError, 22),
    ("Timeout", errors.TransferTimeout, 30),
]


@pytest.mark.parametrize("text", ["", "what happened: a name, e\u0301"])
@pytest.mark.parametrize(("kind", "cls", "code"), TABLE, ids=[row[0] for row in TABLE])
def test_an_error_kind_with_its_own_code(kind: str, cls: type[errors.TainError], code: int, text: str) -> None:
    with pytest.raises(errors.TainError) as caught:
        _core.raise_error(kind, 99, text)
    error = caught.value
    assert type(error) is cls
    assert (error.code, str(error), error.args) == (code, text, (text,))
    assert "code" not in vars(error)


@pytest.mark.parametrize("code", [1, 5, 12, 19, 255])
def test_the_peer_has_reported_the_cause(code: int) -> None:
    with pytest.raises(errors.TainError) as caught:
        _core.raise_error("PeerExit", code, "not for the user")
    assert type(caught.value) is errors.PeerExit
    assert (caught.value.code, str(caught.value)) == (code, "")


@pytest.mark.parametrize("code", [3, 19, 25])
def test_other_codes(code: int) -> None:
    with pytest.raises(errors.TainError) as caught:
        _core.raise_error("Other", code, "the reason")
    assert type(caught.value) is errors.PeerExit
    assert (caught.value.code, str(caught.value)) == (code, "the reason")


def test_every_code_has_its_class() -> None:
    for code in errors.EXIT_TEXTS:
        error = errors.for_code(code, "text")
        assert (error.code, str(error)) == (code, "text")
