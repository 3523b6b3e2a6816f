"""How a stage of a run ended."""

from __future__ import annotations

from dataclasses import dataclass

from tain.mirror.guards import Refusal
from tain.results import Result


class End(Exception):
    """The run ends with this result. *code*: what `run` exits with, where the result does not decide it."""

    def __init__(self, result: str, why: str = "", code: int = 0, refusal: Refusal | None = None) -> None:
        super().__init__(why)
        self.result, self.why, self.code, self.refusal = result, why, code, refusal


@dataclass(frozen=True)
class Stop:
    """Why a transfer was stopped: ``stop``, ``stall``, ``runtime``, ``disk`` or ``memory``; and in words."""

    kind: str
    text: str


@dataclass(frozen=True)
class Outcome:
    """How a stage ended."""

    code: int
    good: bool
    #: The transfer went to its end, even if some files failed.
    ended: bool
    error: str
    result: Result
    #: Why no deletion was made.
    refusal: Refusal | None = None
    #: Why the transfer was stopped.
    stop: Stop | None = None
