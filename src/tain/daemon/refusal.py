"""How a connection ends before its transfer: the one exception of the daemon's steps."""

from __future__ import annotations

from tain.session import operator_file


class RefusalError(Exception):
    """Nothing is served. What the client is told and what the log says are apart (spec: daemon 4)."""

    def __init__(self, client: str | bytes = "", log: str | bytes = "", code: int = -1) -> None:
        super().__init__(client, log, code)
        #: A whole line without its end; empty = the connection closes without a word.
        self.client = client
        #: Empty = nothing more to log.
        self.log = log
        #: Exit code of this process; -1 (255) is rsync's for a refusal.
        self.code = code


def with_refusal(error: OSError, text: str) -> str:
    """*text* about *error*, behind a line of its own about a link of another owner if that was the reason."""
    return f"{operator_file.REFUSAL}\n{text}" if isinstance(error, operator_file.RefusedLink) else text
