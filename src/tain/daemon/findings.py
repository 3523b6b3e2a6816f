"""What ``--check-config`` finds on this machine: missing directories, accounts, secrets and unreadable values.

These checks would otherwise fail at a client's login. A connection does not run them.
"""

from __future__ import annotations

import os
import stat

from tain.daemon import auth, filters, listings
from tain.daemon.charsets import is_charset
from tain.daemon.refusal import RefusalError
from tain.daemon.sections import ERROR, WARNING, Diagnostic
from tain.daemon.text import comma_list, has_wildcard
from tain.errors import TainError, UsageError
from tain.options.chmod import check_chmod
from tain.options.choices import DIGESTS
from tain.options.refuse import refusals
from tain.session import accounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tain.daemon.sections import Config, Section

    #: Level, parameter, text.
    Finding = tuple[str, str, str]

#: A shorter password can be found by trying, once a login has been recorded.
_SHORT = 12


def check(config: Config) -> list[Diagnostic]:
    """All findings with their places."""
    found = []
    for level, name, text in of_daemon(config.globals):
        found.append(Diagnostic(level, text, config.file, config.globals.lines.get(name, 0)))
    for section in config.modules:
        for level, name, text in of_module(section, config):
            # An inherited value is reported once, at its own place.
            line = section.lines.get(name) or config.globals.lines.get(name, section.line)
            own = name in section.lines or name not in config.globals.lines
            shown = f"module {os.fsdecode(section.name)}: {text}" if own else text
            found.append(Diagnostic(level, shown, config.file, line))
    return found


def of_module(section: Section, config: Config) -> Iterator[Finding]:
    """The findings of one module."""
    yield from _path(section)
    yield from _accounts(section)
    yield from _secrets(section, config)
    yield from _texts(section)
    yield from _watches(section)
    open_to_all = not section.raw("hosts allow") and not section.raw("hosts deny") and not section.raw("auth users")
    if open_to_all and not section.flag("read only") and section.number("max connections") >= 0:
        yield WARNING, "read only", "everybody may write here: there are neither hosts allow nor auth users"


def of_daemon(section: Section) -> Iterator[Finding]:
    """The findings of the global section."""
    for name, find in (("daemon uid", accounts.user_number), ("daemon gid", accounts.group_number)):
        value = _plain(section, name)
        if value and find(value) is None:
            yield ERROR, name, f"{name} = {os.fsdecode(value)}: there is no such account"


def _plain(section: Section, name: str) -> bytes:
    """A value that is the same for every client, else nothing."""
    raw = section.raw(name)
    return b"" if b"%RSYNC_" in raw else section.text(name)


def _path(section: Section) -> Iterator[Finding]:
    path = _plain(section, "path")
    if not path:
        return
    at = b"/"
    for part in os.path.join(os.getcwdb(), path).split(b"/"):
        if part in (b"", b"."):
            continue
        at = os.path.join(at, part)
        try:
            status = os.stat(at)
        except OSError as error:
            yield ERROR, "path", f'there is no "{os.fsdecode(at)}": {os.strerror(error.errno or 0)}'
            return
        if not stat.S_ISDIR(status.st_mode):
            yield ERROR, "path", f'"{os.fsdecode(at)}" is no directory'
            return


def _watches(section: Section) -> Iterator[Finding]:
    """Check that changes of the module's file system are reported."""
    path = _plain(section, "path").replace(b"/./", b"/")
    if not listings.are_watched(section) or not os.path.isdir(path):
        return
    from tain import _core

    try:
        any_kind = listings.mode(section) == b"watch!"
        _core.DirectoryCache(_core.Plan(), os.path.realpath(path), watch=True, any_file_system=any_kind)
    except TainError as error:
        yield ERROR, "tain cache", str(error)


def _accounts(section: Section) -> Iterator[Finding]:
    uid = _plain(section, "uid")
    if uid and accounts.user_number(uid) is None:
        yield ERROR, "uid", f"uid = {os.fsdecode(uid)}: there is no such account"
    for position, gid in enumerate(comma_list(_plain(section, "gid"))):
        if (gid == b"*" and position == 0) or accounts.group_number(gid) is not None:
            continue
        other = {b"nobody": b"nogroup", b"nogroup": b"nobody"}.get(gid, b"")
        known = other and accounts.group_number(other) is not None
        hint = f": this system calls it {os.fsdecode(other)}" if known else ""
        yield ERROR, "gid", f"gid = {os.fsdecode(gid)}: there is no such group{hint}"


def _texts(section: Section) -> Iterator[Finding]:
    """Check the values that only a connection reads."""
    try:
        filters.rules(section)
    except RefusalError as refusal:
        text = refusal.log if isinstance(refusal.log, str) else os.fsdecode(refusal.log)
        yield ERROR, "filter", text.replace("rsync: [Receiver] ", "").rpartition("\n")[2]
    for name in ("incoming chmod", "outgoing chmod"):
        value = _plain(section, name)
        if not value:
            continue
        try:
            check_chmod(value)
        except UsageError:
            yield ERROR, name, f"{name} = {os.fsdecode(value)} is not understood, and would be ignored"
    digest = os.fsdecode(_plain(section, "auth digest"))
    if digest and digest not in DIGESTS:
        yield ERROR, "auth digest", f"nobody can log in: there is no digest {digest}"
    charset = _plain(section, "charset")
    if charset and not is_charset(charset):
        yield ERROR, "charset", f"charset = {os.fsdecode(charset)}: there is no such character set"
    refused = os.fsdecode(_plain(section, "refuse options")).split()
    for term in refusals(refused, charset=bool(charset)).unmatched:
        yield WARNING, "refuse options", f'refuse options: no option is called "{term}"'


def _secrets(section: Section, config: Config) -> Iterator[Finding]:
    """Read the secrets file as a login would, and check that each user has a line."""
    users, path = _plain(section, "auth users"), _plain(section, "secrets file")
    if not users or not path:
        return
    try:
        rules = auth.rules(users, strict=config.strict)
    except auth.RuleError as error:
        yield ERROR, "auth users", f"nobody can log in: {error}"
        return
    try:
        secrets = auth.read_secrets(path, strict_modes=section.flag("strict modes"), strict=config.strict)
    except auth.SecretsError as error:
        yield ERROR, "secrets file", f"nobody can log in: {error}"
        return
    shown = os.fsdecode(path)
    for problem in secrets.problems:
        yield WARNING, "secrets file", f"{shown}: {problem}"
    known = {name for name, _ in secrets.pairs}
    for rule in rules:
        name = (b"@" if rule.group else b"") + rule.pattern
        if rule.access == "deny" or has_wildcard(rule.pattern) or name in known:
            continue
        if rule.group and any(not one.startswith(b"@") for one in known):
            # Members may have lines of their own.
            continue
        yield ERROR, "auth users", f"{os.fsdecode(name)} has no line in {shown} and can't log in"
    short = [os.fsdecode(name) for name, password in secrets.pairs if password is not None and len(password) < _SHORT]
    if short and config.strict:
        why = "short passwords can be guessed from one login that is overheard"
        yield WARNING, "secrets file", f"{shown}: {why}: {', '.join(short)}"
