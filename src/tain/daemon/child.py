"""The process of one connection: connection, then module, then request, then transfer (spec: daemon 4)."""

from __future__ import annotations

import os

from tain.daemon import arguments, filters, hooks, module, transfer
from tain.daemon.charsets import is_charset
from tain.daemon.connection import Connection, handshake_limit
from tain.daemon.conversation import ClosedError, DeadlineError, TooManyError
from tain.daemon.module_hooks import ModuleHooks
from tain.daemon.module_view import ModuleView
from tain.daemon.process import check_munge, chroot_problem
from tain.daemon.refusal import RefusalError
from tain.daemon.request import Request, expand_paths, module_chmod, paths_for_hooks
from tain.daemon.sections import ExpansionOverflowError, UnsafeExpansionError
from tain.errors import TainError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain._core import DirectoryCache
    from tain.daemon.admitted import Admitted
    from tain.daemon.conversation import Conversation
    from tain.daemon.log import Log
    from tain.daemon.names import Helper
    from tain.daemon.process import Process
    from tain.daemon.settings import Settings

#: The place in the closing line of a connection that ended before its transfer.
_WHERE = "connection.py(0)"


def run(
    settings: Settings,
    talk: Conversation,
    log: Log,
    address: str,
    *,
    over_shell: bool,
    process: Process,
    helper: Helper | None = None,
) -> int:
    """Serve one connection. Returns the exit code of the process; never raises for what a client does.

    *address* is that of the socket, *process* this process, *helper* the listener's process for name look-ups.
    """
    connection = Connection(settings, talk, log, address, over_shell=over_shell, process=process, helper=helper)

    def steps() -> int:
        admitted = connection.admit()
        return -1 if admitted is None else _serve(admitted, settings, talk, log, process)

    return attempt(steps, talk, log)


def resume(settings: Settings, talk: Conversation, log: Log, admitted: Admitted, *, process: Process) -> int:
    """Serve a connection that another process has admitted. Returns as `run`."""
    return attempt(lambda: _serve(admitted, settings, talk, log, process), talk, log)


def attempt(steps: Callable[[], int], talk: Conversation, log: Log) -> int:
    """Take steps of a connection, and report what ends it to the log and to the client. Returns the exit code."""
    try:
        return steps()
    except RefusalError as refusal:
        return _refuse(refusal, talk, log)
    except DeadlineError:
        log.error("[Receiver] daemon handshake timeout -- exiting")
        log.closing(30, _WHERE)
        return 30
    except ClosedError:
        return -1
    except TooManyError:
        log.error("too many daemon arguments")
        log.closing(2, _WHERE)
        return 2
    except UnsafeExpansionError as error:
        log.error(f"refusing the connection: {error}")
        _last_line("@ERROR: daemon security issue -- contact admin", talk)
        return 4
    except ExpansionOverflowError as error:
        log.error(str(error))
        log.closing(22, _WHERE)
        return 22
    except TainError as error:
        if str(error):
            log.error(str(error))
        log.closing(error.code, _WHERE)
        return error.code


def _refuse(refusal: RefusalError, talk: Conversation, log: Log) -> int:
    """Report a refusal to the log and to the client. Returns the exit code."""
    if refusal.log:
        for line in (refusal.log if isinstance(refusal.log, str) else os.fsdecode(refusal.log)).split("\n"):
            log.error(line)
    if refusal.client:
        _last_line(refusal.client, talk)
    if refusal.code > 0:
        log.closing(refusal.code, _WHERE)
    return refusal.code


def _last_line(text: str | bytes, talk: Conversation) -> None:
    """Send the reason, and let the client read it before the connection closes."""
    try:
        talk.arm(5)
        talk.line(text)
        talk.drain()
    except (ClosedError, DeadlineError):
        pass


def _serve(admitted: Admitted, settings: Settings, talk: Conversation, log: Log, process: Process) -> int:
    """Steps 13 to 24: set up the module, read the request, transfer. Returns the exit code."""
    section = admitted.section
    # Hooks have a time limit of their own, and slow disks are not the client's fault.
    talk.arm(None)
    who = module.identity(section, root=os.geteuid() == 0)
    where = module.roots(section, can_chroot=chroot_problem, warn=log.error)
    admitted.publish(b"RSYNC_MODULE_PATH", where.full_path)
    admitted.publish(b"RSYNC_PID", b"%d" % os.getpid())
    rules = filters.rules(section)
    # `--log-file` ends here: what follows goes to the module's file, or to syslog (observed).
    log.open(section)
    view = ModuleView(section, where, settings, access=admitted.access, rules=rules)
    view.check()
    module_hooks = ModuleHooks()
    try:
        if not hooks.disabled():
            code = module_hooks.fork_before_post(section, talk, log, process)
            if code is not None:
                return code
            module_hooks.start(section, admitted.early_input)
        enter(view, who, process)
        return answer(admitted, view, talk, log, process, module_hooks)
    finally:
        module_hooks.abandon()


def answer(
    admitted: Admitted,
    view: ModuleView,
    talk: Conversation,
    log: Log,
    process: Process,
    module_hooks: ModuleHooks,
    listings: DirectoryCache | None = None,
) -> int:
    """Steps 20 to 24, inside the module's root and with its identity. Returns the exit code. Errors: see `attempt`."""
    section = view.section
    talk.arm(handshake_limit(section))
    talk.line("@RSYNCD: OK")
    asked = arguments.read(talk, admitted.protocol, section.name, charset=view.charset)
    talk.arm(None)
    request = Request(asked, view, log)
    user = os.fsdecode(admitted.user) + "@" if admitted.user else ""
    verb = "on" if request.sender else "to"
    log.write(f"rsync {verb} {os.fsdecode(asked.request)} from {user}{admitted.peer.shown}")
    chmod = module_chmod(view, log, sender=request.sender)
    paths = expand_paths(asked, view, sender=request.sender)
    failure = module_hooks.run_pre_transfer(section, asked, paths_for_hooks(asked, view, paths))
    request.apply_module(view, paths, log, failure=failure)

    fields = transfer.plan_fields(admitted, view, chmod=chmod, converter=module_hooks.converter)
    return transfer.run(
        request, view, admitted=admitted, talk=talk, log=log, process=process, fields=fields, listings=listings
    )


def enter(view: ModuleView, who: module.Identity, process: Process) -> None:
    """Enter the module's root, then give up the daemon's identity. Errors: `RefusalError`."""
    if view.where.chroot is not None:
        process.load()
        if view.charset is not None:
            # Its codec is a file that the chroot hides.
            is_charset(view.charset)
    process.enter(view.where, insecure_links=view.insecure_links)
    view.root_fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if view.where.munge:
        check_munge()
    process.become(who)
