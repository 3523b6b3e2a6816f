"""Local copies: in this process, or with a fork of it as the server (spec: options 5.7)."""

from __future__ import annotations

from tain.session import negotiation, oldpeer
from tain.session.client.run import Run, StreamRun
from tain.session.environment import charset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.session.client.request import Request

#: Debug words, and their least levels, whose lines only separate roles write.
_ROLE_WORDS = (
    ("DELTASUM", 2), ("EXIT", 2), ("FLIST", 2), ("NSTR", 1), ("OWN", 2), ("PROTO", 1), ("RECV", 1), ("SEND", 1),
)  # fmt: skip


def needs_twin(request: Request) -> bool:
    """Whether a local copy needs two processes and a stream between them.

    That is so for a batch, for options of one side alone, for names that change their character set, and for debug
    lines of separate roles; the last not where another program is the caller, which cannot be forked.
    """
    options = request.options
    # A listing stays in the character set of its names.
    converts = options.iconv is not None and request.job.destination is not None
    if options.write_batch is not None or options.remote_options or converts:
        return True
    return request.env.own_process and any(request.trace.level(word) >= level for word, level in _ROLE_WORDS)


class LocalRun(Run):
    """Both ends are this process."""

    local = True

    def run(self) -> int:
        from tain import _core

        options = self.options
        self.out.charset = charset(self.env.environ)
        self.become()
        self.show_command([b".", self.job.destination or b"."])
        self.trace.charset(charset(self.env.environ))
        agreed = negotiation.agree_alone(options, self.env.environ)
        self.trace.local_protocol(agreed.protocol)
        self.show_age(agreed.protocol)
        start = _core.list_sources if options.list_only else _core.copy_local
        return self.finish(agreed, start(self.plan(agreed)))

    def show_age(self, protocol: int) -> None:
        """Both ends of a local copy find the other one very old (observed)."""
        note = oldpeer.very_old(protocol, server=True)
        if note and not self.options.quiet:
            self.out.error(note.encode() + b"\n")
            self.trace.write(oldpeer.very_old(protocol, server=False))


class TwinRun(StreamRun):
    """The server is a fork of this process, at the other end of two pipes."""

    twin = True
    transport = "pipe"

    def run(self) -> int:
        # The twin writes, or for a listing it reads.
        self.job.am_sender = self.job.destination is not None
        self.request.take_role()
        words = self.command(local=True).visible
        return self.over(lambda: self.connected(words))

    def connected(self, words: list[bytes]) -> int:
        from tain.session import server
        from tain.transport.local import fork_server

        def serve(read_fd: int, write_fd: int) -> int:
            if self.request.batch is not None:
                self.request.batch.close()
            return server.run_twin(words, self.options, self.env, read_fd=read_fd, write_fd=write_fd)

        self.become()
        self.show_command([b".", self.job.destination or b"."])
        self.trace.charset(charset(self.env.environ))
        self.child = fork_server(serve)
        return self.transfer(self.child_link(), greeted=None)
