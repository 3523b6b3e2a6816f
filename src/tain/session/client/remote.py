"""Runs over a remote shell, over TCP to a daemon, and to a daemon started by a remote shell."""

from __future__ import annotations

import os

from tain.errors import IpcError, StartupError
from tain.report import output
from tain.session import oldpeer
from tain.session.client.run import StreamRun
from tain.session.environment import charset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain import _core
    from tain.session.arguments import ServerCommand


def spawn(run: StreamRun, words: list[bytes], *, daemon: bool = False) -> None:
    """Start the remote shell, with the *words* of a server or of a *daemon*, as the child of *run*."""
    from tain.options.hostspec import split_shell
    from tain.session import arguments
    from tain.transport import shell

    options, job, environ = run.options, run.job, run.env.environ
    assert job.host is not None
    if run.env.transport is not None:
        run.trace.charset(charset(environ))
        server = split_shell(options.rsync_path)
        run.child = run.env.transport.start([*server, *words], environ, run.on_stderr())
        return
    argv = arguments.shell_command(options, job.host, job.user, words, daemon=daemon)
    run.show_command(argv)
    run.trace.words(b"opening connection using: ", argv)
    run.trace.charset(charset(environ))
    port = (job.port or options.port) if daemon else None
    run.child = shell.spawn(
        argv, shell.child_environment(environ, port=port), role=run.request.role, on_stderr=run.on_stderr()
    )


class ShellRun(StreamRun):
    """A server at the other end of a remote shell."""

    def run(self) -> int:
        return self.over(self.connected)

    def connected(self) -> int:
        from tain.session import arguments

        command = self.command()
        spawn(self, command.visible)
        link = self.child_link()
        self.become()
        if command.secluded is not None:
            link.write(arguments.encode_secluded(self.secluded(command.secluded)))
        return self.transfer(link, greeted=None)


class DaemonRun(StreamRun):
    """A module of a daemon, over TCP."""

    #: The connection goes through a remote shell.
    shell = False
    transport = "tcp"

    def run(self) -> int:
        return self.over(self.connected)

    def connected(self) -> int:
        from tain.transport import tcp

        options, job = self.options, self.job
        assert job.host is not None
        name = self.module()
        port = tcp.parse_port(job.port or options.port)
        self.trace.connecting(job.host, port)
        connector = tcp.Connector(
            environ=self.env.environ,
            role=self.request.role,
            warn=self.out.error,
            trace=self.trace.write if self.trace.level("CONNECT") > 1 else None,
            contimeout=options.contimeout,
            address=options.address,
            family=options.address_family,
            sockopts=options.sockopts,
        )
        fd = connector.connect(job.host, port)
        if self.request.reporter is not None:
            self.request.reporter.address = tcp.address_of(fd)
        try:
            link = self.new_link(fd, fd)
        finally:
            os.close(fd)
        return self.converse(link, name)

    def path(self) -> bytes:
        """The path that begins with the module's name."""
        return (self.job.destination or b"") if self.job.am_sender else self.job.sources[0]

    def module(self) -> bytes:
        """The module's name. Errors: `StartupError`."""
        from tain.session.greeting import module_name

        return module_name(self.path(), shell=self.shell)

    def converse(self, link: _core.Link, name: bytes) -> int:
        """The daemon protocol up to the arguments, then the transfer (spec: protocol 10)."""
        from tain.session.greeting import Conversation

        self.out.charset = charset(self.env.environ)
        talk = Conversation(link, self.options, self.env, self.out, role=self.request.role, wait=link.wait)
        # Without a greeting the run ends with 5 however the shell ended; after it the daemon itself reports what is
        # wrong, and its exit status (255 for a mere list) means nothing.
        self.child_counts = False
        talk.greet()
        self.echo = talk.protocols[1] == self.options.protocol
        if oldpeer.is_old(talk.protocols[0]):
            self.request.speak_old(talk.protocols[0])
        command = self.daemon_command(name)
        self.trace.words(b"sending daemon args: ", command.visible)
        if not talk.open_module(name, self.job.user):
            return 0
        self.child_counts = True
        hidden = [] if command.secluded is None else self.secluded(command.secluded)
        talk.send_arguments(command.visible, hidden)
        self.become()
        return self.transfer(link, greeted=talk.protocols)

    def daemon_command(self, module: bytes) -> ServerCommand:
        """The argument words for a daemon: paths begin with the module and are not quoted (spec: protocol 10.6)."""
        from tain.session.arguments import server_command

        job = self.job
        command = server_command(self.options, [], am_sender=job.am_sender)
        paths = [job.destination or b""] if job.am_sender else job.sources
        words = command.visible if command.secluded is None else command.secluded
        for path in paths:
            word = path + b"/" if path == module else path
            if not self.options.old_args:
                # An old daemon splits a word where another path of the module seems to begin.
                word = word.replace(b" " + module + b"/", b"[ ]" + module + b"/")
            words.append(b"./" + word if word.startswith(b"-") else word)
        return command


class ShellDaemonRun(DaemonRun):
    """A daemon that a remote shell starts for this connection."""

    shell = True
    transport = "shell"

    def connected(self) -> int:
        from tain.session import arguments

        name = self.module()
        try:
            spawn(self, arguments.daemon_shell_command(), daemon=True)
        except IpcError as error:
            # rsync waits for a greeting here, and reports that none came (observed).
            self.out.error(output.failure_text(error, self.request.role))
            raise StartupError("rsync: did not see server greeting") from error
        return self.converse(self.child_link(), name)
