"""The exception that ends a connection before its transfer."""

from __future__ import annotations

from contextlib import contextmanager

from tain.session.operator_file import with_link_note
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


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


@contextmanager
def or_refuse(what: str, client: str = "", code: int = -1) -> Iterator[None]:
    """Turn an `OSError` into a refusal, whose line for the log is *what* and the reason."""
    try:
        yield
    except OSError as error:
        text = f"rsync: [Receiver] {what}: {system_text(error)}"
        raise RefusalError(client, with_link_note(error, text), code) from None
