"""The exception that ends a connection before its transfer."""

from __future__ import annotations


class RefusalError(Exception):
    """Nothing is served. The client and the log get different texts (spec: daemon 4)."""

    def __init__(self, client: str | bytes = "", log: str | bytes = "", code: int = -1) -> None:
        super().__init__(client, log, code)
        #: A line without its end; empty: the connection closes without an answer.
        self.client = client
        #: Empty: nothing is logged.
        self.log = log
        #: Exit code of this process; -1 (255) is rsync's for a refusal.
        self.code = code
