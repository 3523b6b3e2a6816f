"""From a client's arguments to a running transfer (spec: daemon 4, steps 20 to 24)."""

from __future__ import annotations

import os
import signal

from tain.daemon import arguments, optionpaths
from tain.errors import TainError, UnsupportedError, UsageError
from tain.options import levels
from tain.options.chmod import parse_chmod
from tain.options.parse import parse
from tain.options.refuse import refusals
from tain.options.resolve import Finished, Options, resolve
from tain.session.wildcards import expand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.daemon.connection import Connection
    from tain.daemon.facts import ModuleFacts
    from tain.daemon.sections import Section
    from tain.options.refuse import Refusals

#: More threads for one client than this are not given (spec: daemon 9).
_MAX_THREADS = 8


def run(connection: Connection, section: Section, facts: ModuleFacts, asked: arguments.Arguments) -> int:
    """The exit code of the transfer."""
    refused = refusals(os.fsdecode(section.text("refuse options")).split(), charset=facts.charset is not None)
    for term in refused.unmatched:
        connection.log.error(f'No match for refuse-options string "{term}"')
    options, refusal = understand(asked.options, refused)
    for name in ("read_batch", "write_batch"):
        if getattr(options, name) is not None:
            connection.log.error(f"ignoring --{name.replace('_', '-')} option sent to server")
    user = os.fsdecode(connection.user) + "@" if connection.user else ""
    verb = "on" if options.sender else "to"
    connection.log.write(f"rsync {verb} {os.fsdecode(asked.request)} from {user}{connection.who}")
    _vet_chmod(connection, facts, sender=options.sender)
    found = paths(asked, facts, sender=options.sender)
    failure = connection.run_pre_transfer(asked, shown_paths(asked, facts, found))
    if failure:
        refusal = UnsupportedError(failure)
    if refusal is None:
        refusal = forbidden(options, facts)
    if refusal is None:
        try:
            # First the paths: directories of options are relative to the destination.
            options.args = [b".", *found]
            adapt(options, facts)
        except TainError as error:
            refusal = error
    return _serve(connection, facts, options, refusal)


def _vet_chmod(connection: Connection, facts: ModuleFacts, *, sender: bool) -> None:
    """A chmod of the module that cannot be read is left out, and said so, as rsync does."""
    name = "outgoing" if sender else "incoming"
    value = facts.outgoing_chmod if sender else facts.incoming_chmod
    if not value:
        return
    try:
        parse_chmod(value)
    except UsageError:
        connection.log.error(f'Invalid "{name} chmod" directive: {os.fsdecode(value)}')
        facts.outgoing_chmod = facts.incoming_chmod = b""


def understand(words: list[bytes], refused: Refusals) -> tuple[Options, TainError | None]:
    """The options, and what is wrong with them. The client is told only after the handshake, which needs them all."""
    environ: dict[bytes, bytes] = {}
    try:
        options = resolve(parse(words), environ=environ, refusals=refused)
        if options.max_alloc_arg is not None and options.max_alloc <= 0:
            return options, UnsupportedError("rsync: max-alloc must be greater than zero")
        if options.iconv is None and "no-iconv" in refused:
            return options, UnsupportedError("rsync: The server is configured to refuse --no-iconv")
        return options, None
    except Finished:
        refusal: TainError = UnsupportedError(
            "rsync: Error parsing options: option may be supported on client but not on server?"
        )
    except TainError as error:
        refusal = error if error.code == 4 else UnsupportedError(str(error))
    raw = parse(words)
    raw.error, raw.daemon = None, None
    # Nothing behind a refused word is read: what is agreed upon does not depend on it.
    for at, (row, _, _, _) in enumerate(raw.items):
        if refused.refuses(row):
            # These are noted before they are refused, and decide how the list travels.
            del raw.items[at + (row.key in ("delete-after", "delay-updates")) :]
            break
    try:
        options = resolve(raw, environ=environ)
    except (TainError, Finished):
        options = Options()
        options.sender = b"--sender" in words
        for word in words:
            if word[:1] == b"-" and word[1:2] != b"-" and b"e" in word:
                options.capabilities = word.partition(b"e")[2]
    options.server = True
    return options, refusal


def forbidden(options: Options, facts: ModuleFacts) -> TainError | None:
    """What the module's direction does not allow (spec: daemon 13.2)."""
    if options.sender:
        if facts.write_only:
            return UsageError("ERROR: module is write only")
        if facts.read_only and options.remove_source_files:
            return UsageError("ERROR: --remove-source-files cannot be used with a read-only module")
    elif facts.read_only:
        return UsageError("ERROR: module is read only")
    return None


def adapt(options: Options, facts: ModuleFacts) -> None:
    """Lay the module's settings over the client's options. Raises what the client is to be told."""
    options.verbose = min(options.verbose, max(facts.max_verbosity, 0))
    levels.limit(facts.max_verbosity, options.info, options.info_priority, options.debug, options.debug_priority)
    if facts.timeout and (not options.timeout or options.timeout > facts.timeout):
        options.timeout = facts.timeout
    if facts.bwlimit and (not options.bwlimit or options.bwlimit > facts.bwlimit):
        options.bwlimit = facts.bwlimit
    options.compress_threads = min(options.compress_threads, _MAX_THREADS)
    options.confine_root = None
    options.insecure_links = facts.insecure_links
    if options.iconv is not None:
        options.iconv = facts.charset
    if facts.fake_super:
        options.super_user = 2
    elif options.fake_super:
        options.super_user = 1
    if facts.ignore_errors:
        options.ignore_errors = True
    if facts.open_noatime is not None:
        options.open_noatime = facts.open_noatime
    if facts.no_compress and options.sender and options.compress:
        options.compress_level = 1
    if facts.trust_sender:
        options.trust_sender = True
    optionpaths.confine(options, facts)


def paths(asked: arguments.Arguments, facts: ModuleFacts, *, sender: bool) -> list[bytes]:
    """The paths beneath the module, cleaned, and with wildcards expanded."""
    hidden = _hidden(facts, sends=sender)
    found: list[bytes] = []
    for path in asked.paths:
        cleaned = arguments.clean_source(path) if sender else arguments.clean(path)
        matches = expand(cleaned, facts.root_fd, hidden, locked=facts.module_chroot)
        # A destination is one place: a pattern that means several is left as it is.
        found += matches if sender or len(matches) == 1 else [cleaned]
    return found or [b"."]


def shown_paths(asked: arguments.Arguments, facts: ModuleFacts, found: list[bytes]) -> list[bytes]:
    """The paths as hooks see them: in a chroot of the module they begin at its root."""
    if not facts.module_chroot:
        return found
    plain = b"." in asked.paths
    return [b"/" if path == b"." and not plain else b"/" + path for path in found]


def _hidden(facts: ModuleFacts, *, sends: bool) -> Callable[[bytes, bool], bool] | None:
    """Whether the daemon's filter hides a name, for wildcards; None when there is nothing to hide."""
    if not facts.daemon_rules:
        return None
    from tain import _core

    def hidden(name: bytes, is_dir: bool) -> bool:
        parts = [part for part in name.split(b"/") if part not in (b"", b".")]
        return bool(parts) and _core.excluded(facts.daemon_rules, b"/".join(parts), is_dir, sends=sends)

    return hidden


def plan_fields(facts: ModuleFacts, *, sender: bool) -> dict[str, object]:
    """Fields of the plan that the module decides."""
    return {
        "daemon": True,
        "module": facts.module,
        "module_path": facts.module_path,
        "module_root": facts.module_root,
        "module_root_handle": facts.root_fd if facts.root_fd >= 0 else None,
        "module_chroot": facts.module_chroot,
        "sanitize_paths": facts.sanitize_paths,
        "munge_links": facts.munge_links,
        "insecure_links": facts.insecure_links,
        "daemon_rules": facts.daemon_rules,
        "daemon_parents": facts.strict,
        "daemon_chmod": facts.outgoing_chmod if sender else facts.incoming_chmod,
        "own_numeric_ids": facts.numeric_ids,
        "ignore_nonreadable": facts.ignore_nonreadable,
        "peer_host": facts.peer_host,
        "peer_addr": facts.peer_addr,
        "auth_user": facts.auth_user,
        "pid": facts.pid,
        "log_format": facts.log_format,
        "logging": True,
    }


def _serve(connection: Connection, facts: ModuleFacts, options: Options, refusal: TainError | None) -> int:
    from tain import _core
    from tain.daemon.modulelog import ModuleLog
    from tain.report.output import Output
    from tain.session.environment import Environment
    from tain.session.rules import user_rules
    from tain.session.server import DaemonSide, serve

    talk = connection.talk
    env = Environment(cwd=facts.module_root, stdin=talk.read_fd, stdout=talk.write_fd, stderr=-1)
    env.own_process = True
    link = _core.Link(
        talk.read_fd,
        talk.write_fd,
        timeout=options.timeout,
        bwlimit=options.bwlimit * 1024,
        role="sender" if options.sender else "Receiver",
    )

    def stop(_number: int, _frame: object) -> None:
        if env.transfer is not None:
            env.transfer.cancel(20)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    fields = plan_fields(facts, sender=options.sender)
    if connection.converter is not None:
        fields["converter_answers_handle"] = connection.converter.answers
        fields["converter_questions_handle"] = connection.converter.questions
    rules: list[bytes] = []
    if refusal is None and options.filter_events:
        try:
            # What a client says with -M: rules of this end alone.
            role = "sender" if options.sender else "Receiver"
            rules = user_rules(options, env, am_sender=options.sender, role=role, module=facts.module_root)
        except TainError as error:
            refusal = error
    side = DaemonSide(
        greeted=(connection.protocol, connection.announced),
        fields=fields,
        refusal=refusal,
        timeout=facts.timeout,
        log=facts.log,
    )
    return serve(options, link, env, out=Output(-1, -1, log=ModuleLog(connection.log)), daemon=side, rules=rules)
