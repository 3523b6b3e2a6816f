"""Who may log in: challenges, rules for users, and the secrets file (spec: daemon 6, security SEC-24 to SEC-28)."""

from __future__ import annotations

import os
import stat

from tain.daemon.text import comma_list
from tain.options.choices import DIGESTS
from tain.session import digests, operator_file
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_LINE = 1023
_MAX_FILE = 4 << 20
_DENY, _READ_ONLY, _READ_WRITE, _NO_CHANGE = "deny", "ro", "rw", ""


class RuleError(Exception):
    """``auth users`` cannot be parsed: the module is refused (SEC-28)."""


class Rule:
    """One item of ``auth users``."""

    __slots__ = ("access", "group", "pattern")

    def __init__(self, pattern: bytes, group: bool, access: str) -> None:
        self.pattern = pattern
        self.group = group
        self.access = access


class Outcome:
    """The outcome of a login. `reason` is for the log; empty after a success."""

    __slots__ = ("access", "reason", "user")

    def __init__(self, user: bytes, access: str, reason: str = "") -> None:
        self.user = user
        self.access = access
        self.reason = reason


def too_weak(digest: str, floor: str) -> str:
    """The reason why ``auth digest = floor`` forbids *digest*, or nothing."""
    if floor not in DIGESTS:
        return f"the configured 'auth digest = {floor}' is not a supported digest on this build"
    got = digest.partition("-")[0]
    if DIGESTS.index(got) > DIGESTS.index(floor):
        return f"negotiated auth digest {got} is weaker than the required 'auth digest = {floor}'"
    return ""


def challenge(digest: str, address: str) -> bytes:
    """A new challenge of the digest's length. Errors: `OSError` when the system has no random bytes."""
    seed = os.urandom(32) + address.encode() + b"%d" % os.getpid()
    return digests.encode(digest, seed)


def rules(value: bytes, *, strict: bool = False) -> list[Rule]:
    """The items of ``auth users`` in order. Errors: `RuleError`.

    An unknown suffix, and an item without a name, are ignored as in rsync, unless *strict*.
    """
    found = []
    for item in comma_list(value):
        pattern, colon, suffix = item.partition(b":")
        access = _NO_CHANGE
        if colon:
            word = suffix.lower()
            for letters, meaning in ((b"d", _DENY), (b"ro", _READ_ONLY), (b"rw", _READ_WRITE)):
                if word.startswith(letters):
                    access = meaning
                    break
            if strict and not word.startswith((b"d", b"ro", b"rw")):
                raise RuleError(f'unknown suffix in auth users: "{os.fsdecode(item)}"')
        group = pattern.startswith(b"@")
        pattern = pattern[group:]
        if not pattern:
            if strict:
                raise RuleError(f'empty name in auth users: "{os.fsdecode(item)}"')
            continue
        found.append(Rule(pattern, group, access))
    return found


def groups_of(user: bytes) -> list[bytes]:
    """Names of all groups of a system user; empty for an unknown user."""
    import grp
    import pwd

    name = os.fsdecode(user)
    try:
        primary = pwd.getpwnam(name).pw_gid
    except (KeyError, ValueError):
        return []
    names = []
    for number in os.getgrouplist(name, primary):
        try:
            names.append(os.fsencode(grp.getgrgid(number).gr_name))
        except KeyError:
            continue
    return names


class SecretsError(Exception):
    """The secrets file cannot be used; `reason` is for the log line of the login."""

    def __init__(self, text: str, reason: str = "ignoring secrets file") -> None:
        super().__init__(text)
        self.reason = reason


def read_secrets(path: bytes, *, strict_modes: bool, strict: bool) -> Secrets:
    """Read a secrets file. Errors: `SecretsError` with the line for the log."""
    if not path:
        raise SecretsError("", "no secrets file")
    shown = os.fsdecode(path)
    try:
        fd = operator_file.open_walk(path)
    except OSError as error:
        text = f"rsync: [Receiver] unable to open secrets file {shown}: {system_text(error)}"
        if isinstance(error, operator_file.UntrustedLink):
            text = operator_file.UNTRUSTED_LINK
        raise SecretsError(text, "no secrets file") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise SecretsError(f"secrets file {shown} is not a regular file")
        if strict_modes:
            if status.st_mode & 0o006:
                raise SecretsError("secrets file must not be other-accessible (see strict modes option)")
            if os.geteuid() == 0 and status.st_uid != 0:
                raise SecretsError("secrets file must be owned by root when running as root (see strict modes)")
        try:
            data = operator_file.read_all(fd, _MAX_FILE)
        except OSError as error:
            raise SecretsError(f"failed to read secrets file {shown}: {system_text(error)}") from None
    finally:
        os.close(fd)
    return parse_secrets(data, strict=strict)


class Secrets:
    """The lines of a secrets file."""

    __slots__ = ("pairs", "problems")

    def __init__(self) -> None:
        #: Names and passwords in order; a password of None matches nothing.
        self.pairs: list[tuple[bytes, bytes | None]] = []
        #: The faults of single lines.
        self.problems: list[str] = []


def parse_secrets(data: bytes, *, strict: bool = False) -> Secrets:
    """Parse a secrets file. A line that is not `name:password` is left out, as in rsync.

    With *strict* it makes the whole file unusable (SEC-26). Errors: `SecretsError`.
    """
    secrets = Secrets()
    for number, line in enumerate(data.split(b"\n"), 1):
        line = line.rstrip(b"\r")
        if not line or line.startswith(b"#"):
            continue
        name, colon, password = line.partition(b":")
        problem = ""
        if len(line) > _MAX_LINE:
            problem = "is too long"
        elif b"\0" in line:
            problem = "holds a NUL byte"
        elif not colon:
            problem = "has no colon"
        elif not name or name == b"@":
            problem = "has no name"
        elif not password:
            problem = "has no password"
        if problem:
            problem = f"line {number} of the secrets file {problem}"
            if strict:
                raise SecretsError(problem)
            secrets.problems.append(f"{problem}: it is ignored")
        # The first line of a name counts, so a line without a password shuts out its user.
        if colon and name and name != b"@" and b"\0" not in name:
            secrets.pairs.append((name, None if problem else password))
    return secrets


def check(
    line: bytes,
    *,
    digest: str,
    text: bytes,
    users: Sequence[Rule],
    secrets_file: bytes,
    strict_modes: bool,
    strict: bool = False,
) -> tuple[Outcome, list[str]]:
    """Check the client's answer to the challenge *text*: the outcome, and lines about the secrets file for the log."""
    user, space, answer = line.partition(b" ")
    if not space:
        return Outcome(b"", _NO_CHANGE, "invalid challenge response"), []
    rule, groups = _match(user, users)
    if rule is None:
        return Outcome(user, _NO_CHANGE, "no matching rule"), []
    if rule.access == _DENY:
        return Outcome(user, _NO_CHANGE, "denied by rule"), []
    if user.startswith((b"#", b"@")):
        # Such a name would match a comment or the line of a group.
        return Outcome(user, _NO_CHANGE, "invalid username"), []
    try:
        secrets = read_secrets(secrets_file, strict_modes=strict_modes, strict=strict)
    except SecretsError as error:
        return Outcome(user, _NO_CHANGE, error.reason), [str(error)] if str(error) else []
    candidates: list[bytes | None] = []
    wanted = [user] + [b"@" + group for group in groups]
    seen: set[bytes] = set()
    for name, password in secrets.pairs:
        if name in wanted and name not in seen:
            seen.add(name)
            candidates.append(password)
    import hmac

    good = False
    # A name without a secret takes as long as a wrong password (SEC-25).
    for candidate in candidates or [None]:
        matches = hmac.compare_digest(digests.response(digest, b"\0" if candidate is None else candidate, text), answer)
        good |= matches and candidate is not None
    if good:
        return Outcome(user, rule.access), secrets.problems
    return Outcome(user, _NO_CHANGE, "password mismatch" if candidates else "secret not found"), secrets.problems


def _match(user: bytes, users: Sequence[Rule]) -> tuple[Rule | None, list[bytes]]:
    """The first rule that matches this user, and the groups by which it matches."""
    from tain import _core

    groups: list[bytes] | None = None
    for rule in users:
        if not rule.group:
            if _core.wildmatch(rule.pattern, user):
                return rule, []
            continue
        if groups is None:
            groups = groups_of(user)
        hits = [group for group in groups if _core.wildmatch(rule.pattern, group)]
        if hits:
            return rule, hits
    return None, []
