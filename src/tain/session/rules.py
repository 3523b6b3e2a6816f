"""The filter rules of a session: from the options, and over the connection (spec: filters 7, protocol 2.8)."""

from __future__ import annotations

import errno

from tain.errors import MemoryLimitError
from tain.release import PROTOCOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from tain.options.resolved import ResolvedOptions
    from tain.session.environment import Environment

    class RuleLink(Protocol):
        """The part of `tain._core.Link` that carries rules."""

        def read(self, n: int) -> bytes: ...
        def write(self, data: bytes) -> None: ...
        def flush(self) -> None: ...
        def read_int(self) -> int: ...
        def write_int(self, value: int) -> None: ...


#: The marks in front of a rule of the global CVS list (`RuleSet::plan_texts` in crates/core/src/rules/set.rs).
_GLOBAL_CVS = (b"\0g", b"\0h")
#: spec: protocol 12, filter rule length.
_RULE_LIMIT = 5119


def rule_events(
    options: ResolvedOptions, *, protocol: int = PROTOCOL, am_sender: bool = False
) -> list[tuple[str, bytes] | tuple[str, int] | tuple[str]]:
    """The filter options in order, then the rules that other options imply.

    These are the rule for a relative partial directory and, last of all, the rules of ``-C`` (spec: filters 7, transfer
    6.1). A server receives them from its client, or adds them itself behind the client's.
    """
    events = [event for event in options.filter_events if event[0] != "cvs"]
    directory = options.partial_dir
    if directory is not None and directory[:1] != b"/" and not options.server:
        # A server of protocol 29 or older does not know perishable rules.
        kind = b"- " if am_sender and protocol < 30 else b"-p "
        events.append(("filter", kind + directory + b"/"))
    if options.cvs_exclude and not options.server:
        events.append(("cvs",))
    return events if any(event[0] != "from0" for event in events) else []


def user_rules(
    options: ResolvedOptions,
    env: Environment,
    *,
    protocol: int = PROTOCOL,
    am_sender: bool = False,
    role: str = "client",
    notes: list[tuple[int, str]] | None = None,
    module: bytes | None = None,
) -> list[bytes]:
    """New-style rule texts of all filter options and of the files they name; *notes* and *module* as in `_core`.

    Errors: `UsageError`, `FileError`.
    """
    events = rule_events(options, protocol=protocol, am_sender=am_sender)
    if not events:
        return []
    from tain import _core

    home = env.environ.get(b"HOME")
    return _core.build_rules(
        events,
        protocol=protocol,
        role=role,
        cwd=env.cwd,
        cvs_file=home + b"/.cvsignore" if home else None,
        cvs_words=env.environ.get(b"CVSIGNORE"),
        notes=notes,
        read_stdin=lambda: _read_stdin(env),
        module=module,
        insecure=module is not None and bool(options.insecure_links),
    )


def _read_stdin(env: Environment) -> bytes:
    """Rules from standard input. Errors: `OSError`."""
    try:
        return env.read_stdin()
    except OSError as error:
        if error.errno == errno.EBADF:
            # A closed standard input has no rules, as in rsync.
            return b""
        raise


def rules_for_peer(
    rules: Sequence[bytes], options: ResolvedOptions, *, protocol: int, server_sends: bool
) -> list[bytes]:
    """The rules that a client sends, still with their marks (spec: protocol 2.8, filters 11).

    A sending server adds the rules of ``-C`` itself. A peer of a protocol before 29 has no per-directory rules.
    """
    kept = list(rules)
    if not options.cvs_exclude:
        return kept
    if server_sends:
        kept = [rule for rule in kept if rule[:2] not in _GLOBAL_CVS]
    if server_sends or protocol < 29:
        last = max((at for at, rule in enumerate(kept) if rule.startswith(b":C")), default=len(kept))
        del kept[last : last + 1]
    return kept


def filters_travel(options: ResolvedOptions, protocol: int, *, server_sends: bool) -> bool:
    """Whether the client sends its filter list, even an empty one (spec: protocol 2.8)."""
    if server_sends or options.prune_empty_dirs:
        return True
    return options.delete != "never" and (not options.delete_excluded or protocol >= 29)


def send_filters(link: RuleLink, texts: Sequence[bytes]) -> None:
    """Write rule texts and the zero that ends the list (spec: protocol 2.8)."""
    for text in texts:
        link.write_int(len(text))
        link.write(text)
    link.write_int(0)
    link.flush()


def receive_filters(link: RuleLink, *, role: str = "sender") -> list[bytes]:
    """Read rule texts up to the zero. Errors: `MemoryLimitError` for a length that no rule has."""
    texts: list[bytes] = []
    while True:
        length = link.read_int()
        if length == 0:
            return texts
        if not 0 < length <= _RULE_LIMIT:
            raise MemoryLimitError(f"[{role}] buffer overflow: recv_rules")
        texts.append(link.read(length))
