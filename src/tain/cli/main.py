"""The command: `entry` for the console script, `main` for other callers."""

from __future__ import annotations

import os
import sys

from tain.errors import TainError, for_code
from tain.options.parse import parse
from tain.options.resolve import Finished, resolve
from tain.session.environment import Environment, decimal_point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

#: Exit codes of the signals that end a run; the numbers are those of Linux, where SIGUSR1 is 10.
_SIGNALS = {"SIGINT": 20, "SIGTERM": 20, "SIGHUP": 20, "SIGUSR1": 19}


#: From this many words on, raise the limit of open files: each source directory keeps handles open until the end of the
#: run, and the usual limit is 1024.
_MANY_WORDS = 100


def entry() -> None:
    """The console script. Ends the process itself."""
    argv = [os.fsencode(word) for word in sys.argv]
    if not argv or argv[0].endswith(b"__main__.py"):
        argv[:1] = [b"tain"]
    if argv[1:2] == [b"mirror"] and is_mirror(argv):
        from tain.mirror.cli import main as mirror

        mirror([os.fsdecode(word) for word in argv[2:]])
    if is_cache(argv):
        from tain.cli.cache import main as cache

        sys.exit(cache([os.fsdecode(word) for word in argv[2:]]))
    if is_cluster(argv):
        from tain.cluster.commands import main as cluster

        sys.exit(cluster([os.fsdecode(word) for word in argv[2:]]))
    _open_standard_streams()
    if len(argv) > _MANY_WORDS:
        _raise_file_limit()
    env = Environment(argv=argv)
    env.own_process = True
    _install_signals(env)
    code = main(argv, env)
    # No exit handler is left to run, and finalizing the interpreter costs more than a small transfer.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass
    os._exit(code & 0xFF)


def is_mirror(argv: list[bytes]) -> bool:
    """Whether a command line whose first word is ``mirror`` is for `tain.mirror`. For ``rsync``, and before any other
    second word, ``mirror`` is a path; ``./mirror`` always is one."""
    if argv[0].rpartition(b"/")[2] != b"tain":
        return False
    return len(argv) == 2 or argv[2] in (
        b"-h", b"--help", b"init", b"add", b"check", b"run", b"serve", b"start", b"stop", b"status", b"log", b"history",
        b"hold", b"release", b"import", b"export", b"token", b"reload", b"push", b"snapshots", b"forget", b"upstreams",
    )  # fmt: skip


def is_cache(argv: list[bytes]) -> bool:
    """Whether a command line is for `tain.cli.cache`; the rule is that of `is_mirror`."""
    if argv[1:2] != [b"cache"] or argv[0].rpartition(b"/")[2] != b"tain" or len(argv) < 3:
        return False
    return argv[2] in (
        b"-h", b"--help", b"status", b"connections", b"stop", b"metrics", b"refresh", b"drop", b"check",
    )  # fmt: skip


def is_cluster(argv: list[bytes]) -> bool:
    """Whether a command line is for `tain.cluster`; the rule is that of `is_mirror`."""
    if argv[1:2] != [b"cluster"] or argv[0].rpartition(b"/")[2] != b"tain":
        return False
    return len(argv) == 2 or argv[2] in (
        b"-h", b"--help", b"sync", b"plan", b"resume", b"cancel", b"status", b"log", b"verify", b"work", b"worker",
        b"scheduler", b"certs", b"doctor",
    )  # fmt: skip


def main(argv: list[bytes], env: Environment | None = None) -> int:
    """Run a command line; returns the exit code. *argv* begins with the program's name."""
    env = env or Environment(argv=argv)
    words = argv[1:]
    started_by_peer = any(word[:8] == b"--server" and word[8:9] in (b"", b"=") for word in words)
    program = os.fsdecode(env.program)
    raw = None
    try:
        aliases = None if started_by_peer else _aliases(env)
        raw = parse(words, aliases, posix=b"POSIXLY_CORRECT" in env.environ)
        options = resolve(
            raw,
            environ=env.environ,
            program=program,
            point=decimal_point(env.environ),
            knows_parameter=_knows_parameter,
        )
    except Finished as finished:
        _print(env.stdout if finished.stream == 1 else env.stderr, finished.text)
        return 0
    except TainError as error:
        if started_by_peer:
            from tain.session.server import fail_early

            return fail_early(error, env, raw)
        _fail(env, error, started_by_peer)
        if any(word.startswith(b"--json") for word in words):
            from tain.report.output import failure_text
            from tain.session.client.jsonevents import report_usage

            report_usage(words, failure_text(error, "client"), error.code, env)
        _hint(env, error, words)
        return error.code
    try:
        if options.daemon:
            from tain.daemon.main import run as be_daemon

            return be_daemon(options)
        if options.server:
            from tain.session import server

            return server.run(options, words, env)
        from tain.session import client

        if options.jobs > 1 or options.jobs_dir is not None:
            from tain.cluster.jobs import divided

            return client.run(options, env, divided)
        return client.run(options, env)
    except TainError as error:
        # Raised outside of a session: a signal before it began or after it ended.
        _fail(env, error, options.server)
        return error.code


def _aliases(env: Environment) -> dict[bytes, list[bytes]]:
    from tain.cli.aliases import load

    return load(env.environ)


def _knows_parameter(name: bytes) -> bool:
    """Whether a daemon's configuration has a parameter of that name."""
    from tain.daemon.parameters import PARAMETERS, key

    return key(name) in PARAMETERS


def _fail(env: Environment, error: TainError, server: bool) -> None:
    from tain.report.output import Output, failure_text

    Output(env.stdout, env.stderr).error(failure_text(error, "server" if server else "client"))


def _hint(env: Environment, error: TainError, words: list[bytes]) -> None:
    """Print hints for a mistyped option, if wanted. There are no resolved options yet, so the words decide."""
    asked = b"--hints" in words or os.isatty(env.stderr)
    if asked and not {b"--no-hints", b"-q", b"--quiet"}.intersection(words):
        from tain.diagnosis import hints

        text = str(error).encode("utf-8", "surrogateescape")
        hints.write(hints.in_errors(text, host=None, port=0), lambda line: _print(env.stderr, line))


def _print(fd: int, text: str | bytes) -> None:
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        pass


def _open_standard_streams() -> None:
    """Open closed standard streams on /dev/null, so that no other file gets number 0, 1 or 2."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            if os.open(os.devnull, os.O_RDWR) != fd:
                return


def _raise_file_limit() -> None:
    """As many open files as the system lets this process have."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # A short list of sources works with the old limit too; a long one fails when it is opened.
            return


def _install_signals(env: Environment) -> None:
    # The module `signal` would import `enum`, which a server does not need.
    import _signal  # type: ignore[import-not-found]

    seen = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal seen
        code = codes[number]
        if env.transfer is not None and not seen:
            # The first signal lets the core clean up; the second one ends the process at once.
            seen = True
            env.transfer.cancel(code)
            return
        raise for_code(code)

    codes: dict[int, int] = {}
    for name, code in _SIGNALS.items():
        number = getattr(_signal, name)
        codes[number] = code
        # A caller such as nohup has set these to be ignored.
        if name == "SIGINT" or _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, handle)
    _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)
