"""``--read-batch``: a receiver whose stream is a file (spec: protocol 11)."""

from __future__ import annotations

import os

from tain.errors import UsageError
from tain.session import agreement, batch, negotiation
from tain.session.client.run import Run


class ReplayRun(Run):
    """The stream comes from a batch file."""

    def run(self) -> int:
        from tain import _core

        request, options = self.request, self.options
        assert options.read_batch is not None
        fd = batch.open_batch(options.read_batch, self.env, options, role=request.role)
        request.locate()
        sink = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            link = _core.Link(fd, sink, role=request.role)
        finally:
            os.close(fd)
            os.close(sink)
        flags, agreed = batch.read_header(link, options)
        if options.info["MISC"]:
            for text in batch.flag_messages(options, flags, agreed.protocol):
                self.trace.write(text)
        if agreed.inc_recurse and not agreement.inc_recurse_allowed(options, am_receiver=True):
            raise UsageError("Incompatible options specified for inc-recursive batch file.")
        request.options = batch.apply_flags(options, flags, agreed.protocol)
        negotiation.choose_unnegotiated(agreed, request.options)
        return self.finish(agreed, _core.receive(link, self.plan(agreed)))
