"""What an error line means: the file, the action, the error number, the side (spec: output 3 and 14)."""

from __future__ import annotations

import errno
import os
import re

from tain.escape import restore
from tain.problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: (pattern of the message, action, role that writes it when the line names none). The role and the system's error are
#: cut off before. Group 1 is the path, if there is one.
_ACTIONS: tuple[tuple[str, str, str], ...] = (
    (r'link_stat "(.*)" failed', "reading", "sender"),
    (r'send_files failed to open "(.*)"', "reading", "sender"),
    (r'read errors mapping "(.*)"', "reading", "sender"),
    (r'skipped diminished file: "(.*)"', "reading", "sender"),
    (r'opendir "(.*)" failed', "listing", "sender"),
    (r'readdir\("(.*)"\)', "listing", "sender"),
    (r'readlink_stat\("(.*)"\) failed', "listing", "sender"),
    (r'change_dir(?:#\d+)? "(.*)" failed', "entering", "sender"),
    (r'symlink has no referent: "(.*)"', "reading", "sender"),
    (r'(?:file|directory) has vanished: "(.*)"', "vanished", "sender"),
    (r"skipping overly long name: (.*)", "listing", "sender"),
    (r'cannot convert filename: (.*) \(.*\)', "converting", "sender"),
    (r'cannot convert symlink data for: "(.*)" \(.*\)', "converting", "sender"),
    (r'(?:recv_generator: )?failed to stat "(.*)"', "reading", "generator"),
    (r'failed to open "(.*)", continuing', "reading", "generator"),
    (r'(?:recv_generator: )?mkdir "(.*)" failed', "creating", "generator"),
    (r'mkstemp "(.*)" failed', "creating", "receiver"),
    (r'open "(.*)" failed', "creating", "receiver"),
    (r'symlink "(.*)" -> ".*" failed', "creating", "generator"),
    (r'mknod "(.*)" failed', "creating", "generator"),
    (r'link "(.*)" => .* failed', "linking", "generator"),
    (r'write failed on "(.*)"', "writing", "receiver"),
    (r'(?:close|fsync|ftruncate) failed on "(.*)"', "writing", "receiver"),
    (r'(?:rename|copy) ".*" -> "(.*)"', "renaming", "receiver"),
    (r'rename failed for "(.*)" \(from .*\)', "renaming", "receiver"),
    (r'keep_backup failed: "(.*)" -> ".*"', "backing up", "generator"),
    (r"delete_file: make_backup\((.*)\)(?: failed)?", "backing up", "generator"),
    (r"delete_file: (?:unlink|rmdir)\((.*)\)(?: failed)?", "deleting", "generator"),
    (r"cannot delete (?:non-empty directory|mount point): (.*)", "deleting", "generator"),
    (r"could not make way for new .*?: (.*)", "deleting", "generator"),
    (r"Deletions stopped due to --max-delete limit.*", "deleting", "generator"),
    (r"sender failed to remove (.*)", "deleting", "sender"),
    (r"ERROR: Skipping sender remove (?:for changed|of destination) file: (.*)", "deleting", "sender"),
    (r'(?:chown|chgrp) "(.*)" failed', "setting the owner", "generator"),
    (r'failed to set times on "(.*)"', "setting times", "generator"),
    (r'failed to (?:set|modify) permissions on "(.*)"', "setting permissions", "generator"),
    (r'.*(?:set_acl|sys_acl_\w+).*?[("](.*?)[)"].*', "setting ACLs", "generator"),
    (r'.*(?:xattr|lsetxattr|lremovexattr)\w*.*?"(.*?)".*', "setting attributes", "generator"),
    (r"ERROR: (.*) failed verification -- .*", "verifying", "receiver"),
    (r'recv_files: "(.*)" is a directory', "writing", "receiver"),
    (r'ERROR: daemon refused to receive file "(.*)"', "refused", "receiver"),
    (r"ERROR: rejecting .*?: (.*)", "refused", "Receiver"),
    (r"ABORTING due to (?:unsafe|invalid) path(?:name)? from sender: (.*)", "refused", "Receiver"),
    (r'ERROR: cannot stat destination "(.*)"', "reading", "Receiver"),
    (r"ERROR: (?:destination|cannot overwrite) .*", "opening the destination", "Receiver"),
    (r"Failed to exec (.*)", "starting", "client"),
    (r"failed to connect to .*", "connecting", "client"),
    (r"getaddrinfo: .*", "connecting", "client"),
    (r".*Could not resolve hostname .*|.*Host key verification failed.*|ssh: connect to .*", "connecting", "client"),
    (r"kex_exchange_identification: .*|Connection (?:closed|reset) by \S+ port \d+.*", "connecting", "client"),
    (r".*Permission denied \((?:publickey|password|keyboard|gssapi|hostbased).*", "logging in", "client"),
    (r".*Too many authentication failures.*", "logging in", "client"),
    (r"@ERROR: auth failed on module .*", "logging in", "daemon"),
    (r"@ERROR: .*", "opening the module", "daemon"),
    (r"The server is configured to refuse .*|ERROR: module is (?:read|write) only", "refused", "daemon"),
    (r'did not see server greeting|server sent ".*" rather than greeting|didn\'t get server startup line',
     "connecting", "client"),
    (r"connection unexpectedly closed .*", "connection lost", "client"),
    (r"(?:read|write) error", "connection lost", "client"),
    (r"safe_(?:read|write) failed to .*", "connection lost", "client"),
    (r"io timeout after .*|timeout waiting for daemon connection.*", "timeout", "client"),
    (r"stopping at requested limit", "timeout", "client"),
    (r"(?:protocol version mismatch|unexpected tag|invalid multi-message|Invalid packet) .*", "protocol", "client"),
    (r"(?:.*: )?(?:command not found|not found)", "starting", "client"),
    (r'failed to (?:open|write) .*?(?:file )?"?(/.*?)"?', "opening", "client"),
)  # fmt: skip
_ROLE = r"(?:sender|[Rr]eceiver|generator|client|server|daemon)"
_HEAD = re.compile(rf"(?:rsync: )?(?:\[({_ROLE})\] )?(.*)", re.DOTALL)
_ERRNO = re.compile(r"(.*): [^:]* \((\d+)\)", re.DOTALL)
#: ``[sender]`` at the end of a line, where some lines have their role.
_TAIL = re.compile(rf"(.*) \[({_ROLE})(?:/inc)?(?:=[^\]]*)?\]", re.DOTALL)
_IN_MODULE = re.compile(r'(.*")(?: \(in [^)]*\))(.*)', re.DOTALL)
#: Lines about the line before, and closing lines.
_NOT_ERRORS = re.compile(r"rsync (?:error|warning): .*|\*\*\* Skipping any contents .*|\(see the rsync manpage .*")
#: The roles on this side, by the direction of the transfer. A daemon is always the other side.
_HERE = {
    "push": frozenset(("sender", "client")),
    "pull": frozenset(("receiver", "Receiver", "generator", "client")),
}
_LONGEST = 10_000
#: What failed when a run cannot go on, whoever reports it.
_FATAL = frozenset(
    ("connecting", "logging in", "opening the module", "opening the destination", "starting", "connection lost",
     "timeout", "protocol")
)  # fmt: skip
#: What ssh reports of a connection.
_NETWORK = (
    errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNRESET, errno.EACCES,
)  # fmt: skip


def parse(text: str, *, direction: str = "local", fatal: bool = False) -> Problem | None:
    """The failure that a line of standard error reports, or None for a line that reports none.

    *text* has no end of line; bytes that are no text are surrogates (``surrogateescape``). *direction* is ``push``,
    ``pull`` or ``local``: it says on which side a role works. *fatal*: the line is the reason of the end of the run.
    """
    if len(text) > _LONGEST or _NOT_ERRORS.fullmatch(text):
        return None
    head = _HEAD.fullmatch(text)
    if head is None:
        return None
    role, message = head[1], head[2]
    number: int | None = None
    if (tail := _TAIL.fullmatch(message)) is not None:
        message, role = tail[1], role or tail[2]
    if (error := _ERRNO.fullmatch(message)) is not None:
        message, number = error[1], int(error[2][:9])
    if (module := _IN_MODULE.fullmatch(message)) is not None:
        message = module[1] + module[2]
    meaning = _meaning(message)
    if meaning is None:
        if role is None and number is None and not text.startswith("rsync: "):
            return None
        meaning = None, "other", "client"
    path, action, usual = meaning
    if number is None and action == "connecting":
        number = _number_of(message)
    role = role or usual
    return Problem(
        path=path,
        errno=number,
        action=action,
        role=role,
        side=_side(role, direction),
        text=text,
        fatal=fatal or action in _FATAL,
    )


def speaker(text: str, *, direction: str = "local") -> tuple[str, str] | tuple[None, None]:
    """The role that a line names as its own, and the side on which that works; *text* and *direction* as in `parse`."""
    if len(text) > _LONGEST:
        return None, None
    found = _HEAD.match(text), _TAIL.fullmatch(text)
    role = next((name for name in (found[0] and found[0][1], found[1] and found[1][2]) if name), None)
    return (None, None) if role is None else (role, _side(role, direction))


def _side(role: str, direction: str) -> str:
    here = _HERE.get(direction)
    return "peer" if role in ("daemon", "server") or (here is not None and role not in here) else "here"


def _number_of(message: str) -> int | None:
    """The error number of a line of ssh, which ends with the system's text for it and no number."""
    text = message.rpartition(": ")[2]
    return next((number for number in _NETWORK if os.strerror(number) == text), None)


def _meaning(message: str) -> tuple[bytes | None, str, str] | None:
    """Path, action and usual role of a message of the table."""
    for pattern, action, role in _compiled():
        match = pattern.fullmatch(message)
        if match is not None:
            name = match[1] if pattern.groups else None
            return None if name is None else restore(name.encode("utf-8", "surrogateescape")), action, role
    return None


def problems(errors: bytes, *, direction: str = "local") -> tuple[Problem, ...]:
    """The failures in *errors*, the text of standard error, in their order."""
    lines: Iterable[str] = errors.decode("utf-8", "surrogateescape").split("\n")
    found = (parse(line.rstrip("\r"), direction=direction) for line in lines if line)
    return tuple(problem for problem in found if problem is not None)


_patterns: list[tuple[re.Pattern[str], str, str]] = []


def _compiled() -> list[tuple[re.Pattern[str], str, str]]:
    """The table with its patterns compiled, once per process and only if there is an error."""
    if not _patterns:
        _patterns.extend((re.compile(pattern, re.DOTALL), action, role) for pattern, action, role in _ACTIONS)
    return _patterns
