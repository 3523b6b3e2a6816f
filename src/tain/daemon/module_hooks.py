"""When the commands of a module run (spec: daemon 4 steps 16 and 22, daemon 10, daemon 11)."""

from __future__ import annotations

import errno
import os

from tain.daemon.hooks import Converter, Hook, command, environment, run_now
from tain.daemon.refusal import RefusalError, or_refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tain.daemon.arguments import Arguments
    from tain.daemon.conversation import Conversation
    from tain.daemon.log import Log
    from tain.daemon.process import Process
    from tain.daemon.sections import Section


class ModuleHooks:
    """The commands of one connection.

    They are forked while the process still has the daemon's identity, and run when the request is known.
    """

    def __init__(self) -> None:
        self.converter: Converter | None = None
        self._pre_transfer: Hook | None = None

    def fork_before_post(self, section: Section, talk: Conversation, log: Log, process: Process) -> int | None:
        """Fork the process that serves; the present one stays outside for ``post-xfer exec``, with the daemon's
        identity and with the slot. Returns the exit code in the process that stayed, None in the one that serves."""
        if not section.raw("post-xfer exec"):
            return None
        # Vet the command now: at its time the client is gone and nobody sees the refusal.
        command(section, "post-xfer exec")
        with or_refuse("fork failed", "@ERROR: fork failed"):
            child = process.fork()
        return _wait_and_run_post(section, child, talk, log) if child else None

    def start(self, section: Section, early_input: bytes) -> None:
        """Run ``early exec``; fork the other commands, which wait for the request. Errors: `RefusalError`."""
        if section.raw("early exec"):
            values = {**section.variables.connection, b"RSYNC_REQUEST": b"(NONE)"}
            with _preparing("early exec"):
                status = run_now(section, "early exec", values, early_input)
            if status:
                # rsync prints this errno: it has reaped the command by then.
                text = f"rsync: [Receiver] early exec failed: {os.strerror(errno.ECHILD)} ({errno.ECHILD})"
                raise RefusalError("@ERROR: early exec failed", text)
        if section.raw("pre-xfer exec"):
            self._pre_transfer = Hook(section, "pre-xfer exec")
            with _preparing("pre-xfer exec"):
                self._pre_transfer.prepare(capture=True)
        if section.raw("name converter"):
            self.converter = Converter(section)
            with _preparing("name-converter exec"):
                self.converter.start()

    def run_pre_transfer(self, section: Section, asked: Arguments, paths: list[bytes]) -> str:
        """Start the converter and run ``pre-xfer exec``. Returns the text for the client when that failed, or nothing.

        *paths* are the requested paths as the transfer takes them.
        """
        if self._pre_transfer is None and self.converter is None:
            return ""
        values = dict(section.variables.connection)
        values[b"RSYNC_REQUEST"] = asked.request
        words = [b"rsyncd", *asked.raw[: len(asked.raw) - len(asked.paths)], *paths]
        for number, word in enumerate(words):
            values[b"RSYNC_ARG%d" % number] = word
        block = environment(values, strict=section.variables.strict)
        if self.converter is not None:
            self.converter.begin(block)
        hook, self._pre_transfer = self._pre_transfer, None
        if hook is None:
            return ""
        status, output = hook.release(block)
        if not status:
            return ""
        text = os.fsdecode(output).rstrip("\n")
        failure = f"pre-xfer exec returned failure ({status})"
        return f"{failure}:\n{text}" if text else failure

    def abandon(self) -> None:
        """End the commands that still wait: the connection has ended before its transfer."""
        # The last one first: it holds the pipes of those that were started before it.
        for hook in (self.converter, self._pre_transfer):
            if hook is not None:
                hook.abandon()


def _preparing(name: str) -> AbstractContextManager[None]:
    return or_refuse(f"{name} preparation failed", f"@ERROR: {name} preparation failed")


def _wait_and_run_post(section: Section, child: int, talk: Conversation, log: Log) -> int:
    """Wait for the process that serves, then run ``post-xfer exec``. Returns the exit code of this process."""
    null = os.open(b"/dev/null", os.O_RDWR)
    for fd in {talk.read_fd, talk.write_fd}:
        os.dup2(null, fd)
    status = os.waitpid(child, 0)[1]
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
    values = {
        **section.variables.connection,
        b"RSYNC_RAW_STATUS": b"%d" % status,
        b"RSYNC_EXIT_STATUS": b"%d" % code,
    }
    try:
        run_now(section, "post-xfer exec", values)
    except (OSError, RefusalError) as error:
        log.error(f"post-xfer exec failed: {error}")
        return -1
    return code if code >= 0 else 128 + os.WTERMSIG(status)
