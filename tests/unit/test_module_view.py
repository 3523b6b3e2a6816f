"""What a module's parameters mean for one transfer, without a connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from tain.daemon import module
from tain.daemon.module_view import ModuleView
from tain.daemon.request import adapt, forbidden
from tain.daemon.sections import UnsafeExpansionError
from tain.daemon.settings import Settings
from tain.options.resolved import ResolvedOptions

CHROOT = module.Roots(b"/srv", b"/srv", b"/", sanitize=False, munge=False)
NO_CHROOT = module.Roots(b"/srv", None, b"/srv", sanitize=True, munge=True)


def view(
    tmp_path: Path, lines: str, *, access: str = "", where: module.Roots = CHROOT, strict: bool = False
) -> ModuleView:
    file = tmp_path / "conf"
    file.write_text(f"tain strict = {'yes' if strict else 'no'}\n[m]\npath = /srv\n{lines}\n")
    settings = Settings(bytes(file))
    return ModuleView(settings.load().modules[0], where, settings, access=access, rules=[])


@pytest.mark.parametrize(
    ("lines", "access", "read_only"),
    [
        ("", "", True),
        ("", "rw", False),
        ("", "ro", True),
        ("read only = no", "", False),
        ("read only = no", "ro", True),
        ("read only = no", "rw", False),
    ],
)
def test_read_only(tmp_path: Path, lines: str, access: str, read_only: bool) -> None:
    assert view(tmp_path, lines, access=access).read_only is read_only


@pytest.mark.parametrize(
    ("lines", "where", "numeric"),
    [
        ("", CHROOT, True),
        ("", NO_CHROOT, False),
        ("name converter = /bin/names", CHROOT, False),
        ("numeric ids = no", CHROOT, False),
        ("numeric ids = yes", NO_CHROOT, True),
    ],
)
def test_numeric_ids(tmp_path: Path, lines: str, where: module.Roots, numeric: bool) -> None:
    assert view(tmp_path, lines, where=where).numeric_ids is numeric


@pytest.mark.parametrize(
    ("lines", "where", "asked"),
    [("", NO_CHROOT, True), ("", CHROOT, False), ("[global]\ndaemon chroot = /x\n", NO_CHROOT, False)],
)
def test_no_library_is_loaded_from_a_chroot(tmp_path: Path, lines: str, where: module.Roots, asked: bool) -> None:
    assert view(tmp_path, lines, where=where).system_accounts is asked


@pytest.mark.parametrize(("lines", "strict", "seconds"), [("", False, 0), ("", True, 600), ("timeout = 9", True, 9)])
def test_timeout(tmp_path: Path, lines: str, strict: bool, seconds: int) -> None:
    assert view(tmp_path, lines, strict=strict).timeout == seconds


@pytest.mark.parametrize(
    ("lines", "option", "found"),
    [
        ("", None, None),
        ("transfer logging = yes\nlog format = %o", None, b"%o"),
        ("transfer logging = yes", b"", None),
        ("", b"%n", b"%n"),
    ],
)
def test_log_format(tmp_path: Path, lines: str, option: bytes | None, found: bytes | None) -> None:
    seen = view(tmp_path, lines)
    seen.settings.log_format = option
    assert seen.log_format == found


def test_an_unsafe_value_is_found_before_the_client_is_accepted(tmp_path: Path) -> None:
    seen = view(tmp_path, "temp dir = /tmp/%RSYNC_USER_NAME%")
    seen.check()
    seen.section.variables.connection[b"RSYNC_USER_NAME"] = b"../up"
    with pytest.raises(UnsafeExpansionError):
        seen.check()


@pytest.mark.parametrize(
    ("lines", "options", "text"),
    [
        ("", {"sender": True}, ""),
        ("", {"sender": False}, "module is read only"),
        ("write only = yes", {"sender": True}, "module is write only"),
        ("", {"sender": True, "remove_source_files": True}, "read-only module"),
        ("read only = no", {"sender": False}, ""),
    ],
)
def test_directions(tmp_path: Path, lines: str, options: dict[str, object], text: str) -> None:
    asked = ResolvedOptions()
    for name, value in options.items():
        setattr(asked, name, value)
    error = forbidden(asked, view(tmp_path, lines))
    assert (text in str(error)) if text else error is None


@pytest.mark.parametrize(
    ("lines", "name", "asked", "granted"),
    [
        ("timeout = 60", "timeout", 0, 60),
        ("timeout = 60", "timeout", 30, 30),
        ("timeout = 60", "timeout", 90, 60),
        ("max verbosity = 2", "verbose", 5, 2),
        ("fake super = yes", "super_user", 0, 2),
        ("ignore errors = yes", "ignore_errors", False, True),
        ("open noatime = no", "open_noatime", True, False),
        ("", "open_noatime", True, True),
        ("insecure links = yes", "insecure_links", False, True),
        ("charset = utf-8", "iconv", b"latin1", b"utf-8"),
        ("", "compress_threads", 64, 8),
    ],
)
def test_limits(tmp_path: Path, lines: str, name: str, asked: object, granted: object) -> None:
    options = ResolvedOptions()
    setattr(options, name, asked)
    adapt(options, view(tmp_path, lines))
    assert getattr(options, name) == granted
