"""The transfer of a request that a module allows (spec: daemon 4, step 24)."""

from __future__ import annotations

from tain.errors import TainError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain._core import DirectoryCache, PlanFields
    from tain.daemon.admitted import Admitted
    from tain.daemon.conversation import Conversation
    from tain.daemon.hooks import Converter
    from tain.daemon.log import Log
    from tain.daemon.module_view import ModuleView
    from tain.daemon.process import Process
    from tain.daemon.request import Request


def plan_fields(admitted: Admitted, view: ModuleView, *, chmod: bytes, converter: Converter | None) -> PlanFields:
    """The fields of the plan that the module decides, and those that name the client."""
    section, where = view.section, view.where
    fields: PlanFields = {
        "process": "daemon",
        "module": view.name,
        "module_path": where.full_path,
        "module_root": view.root,
        "module_root_handle": view.root_fd if view.root_fd >= 0 else None,
        "module_chroot": view.is_chroot,
        "sanitize_paths": where.sanitize,
        "munge_links": where.munge,
        "insecure_links": view.insecure_links,
        "daemon_rules": view.rules,
        "daemon_parents": view.strict,
        "daemon_chmod": chmod,
        "own_numeric_ids": view.numeric_ids,
        "ignore_nonreadable": section.flag("ignore nonreadable"),
        "peer_host": admitted.peer.name,
        "peer_addr": admitted.peer.address.encode(),
        "auth_user": admitted.user,
        "pid": admitted.number,
        "log_format": view.log_format,
        "logging": True,
        "converter_answers_handle": None if converter is None else converter.answers,
        "converter_questions_handle": None if converter is None else converter.questions,
    }
    if not view.system_accounts:
        fields["accounts"] = None
    return fields


def run(
    request: Request,
    view: ModuleView,
    *,
    admitted: Admitted,
    talk: Conversation,
    log: Log,
    process: Process,
    fields: PlanFields,
    listings: DirectoryCache | None = None,
) -> int:
    """Serve the request, or send its error; a sender takes directories from *listings*. Returns the exit code."""
    from tain import _core
    from tain.daemon.modulelog import ModuleLog
    from tain.report.output import Output
    from tain.session.environment import Environment
    from tain.session.rules import user_rules
    from tain.session.server import DaemonSide, serve

    options, refusal = request.options, request.refusal
    role = "sender" if options.sender else "Receiver"
    env = Environment(cwd=view.root, stdin=talk.read_fd, stdout=talk.write_fd, stderr=-1, umask=process.umask)
    env.own_process = process.own
    link = _core.Link(talk.read_fd, talk.write_fd, timeout=options.timeout, bwlimit=options.bwlimit * 1024, role=role)

    process.end_by_signals(env)
    rules: list[bytes] = []
    if refusal is None and options.filter_events:
        try:
            # A client's -M options: rules of this end alone.
            rules = user_rules(options, env, am_sender=options.sender, role=role, module=view.root)
        except TainError as error:
            refusal = error
    side = DaemonSide(
        greeted=(admitted.protocol, admitted.announced),
        fields=fields,
        refusal=refusal,
        timeout=view.timeout,
        log=log.write_escaped,
    )
    out = Output(-1, -1, log=ModuleLog(log))
    return serve(options, link, env, out=out, daemon=side, rules=rules, listings=listings)
