"""The words of ``tain cluster``: its own options, and those of the transfer."""

from __future__ import annotations

import os
import sys

from tain.cluster.ceilings import Limits
from tain.errors import TainError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Options with a value, and those without one, of commands that run a plan.
VALUED = (
    "--plan-dir", "--local", "--streams-per-node", "--limit", "--pairs", "--retries", "--shards", "--scheduler",
    "--scheduler-file", "--slurm", "--pbs", "--tls-dir", "--tls-name", "--tls-ca-file", "--tls-cert", "--tls-key",
)  # fmt: skip
FLAGS = ("--insecure-cluster",)


class Given:
    """The words of one command line."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        valued: Sequence[str] = VALUED,
        flags: Sequence[str] = FLAGS,
        strict: bool = False,
    ) -> None:
        """*strict*: words that are no option of ours are names, and other options an error. Errors: `UsageError`."""
        self.values: dict[str, str] = {}
        self.limits: list[str] = []
        self.flags: set[str] = set()
        #: All other words, in their order.
        self.rest: list[str] = []
        waiting = list(words)
        while waiting:
            word = waiting.pop(0)
            name, mark, value = word.partition("=")
            if word == "--":
                self.rest += waiting if strict else [word, *waiting]
                break
            if name in valued:
                if not mark:
                    if not waiting:
                        raise UsageError(f"tain cluster: {name} needs a value")
                    value = waiting.pop(0)
                if name == "--limit":
                    self.limits += value.split(",")
                else:
                    self.values[name] = value
            elif word in flags:
                self.flags.add(word)
            elif strict and word.startswith("-"):
                raise UsageError(f"tain cluster: {word} is not understood")
            else:
                self.rest.append(word)

    def number(self, name: str, default: int, most: int = 100_000) -> int:
        """The number of an option. Errors: `UsageError`."""
        value = self.values.get(name)
        if value is None:
            return default
        if not value.isdecimal() or not 1 <= int(value) <= most:
            raise UsageError(f"tain cluster: {name}={value}: a number from 1 to {most} is expected")
        return int(value)

    def one_directory(self) -> str:
        """The one name. Errors: `UsageError`."""
        if len(self.rest) != 1:
            raise UsageError("tain cluster: the directory of one plan is expected")
        return self.rest[0]

    def read_limits(self) -> Limits:
        """The limits of ``--limit`` and ``--streams-per-node``. Errors: `UsageError`."""
        found = Limits.parse(self.limits)
        if "--streams-per-node" in self.values:
            found = found.replace(streams_per_node=self.number("--streams-per-node", 1))
        return found


def reported(command: Callable[[], int]) -> int:
    """Run *command*; a `TainError` is printed. Returns the exit code."""
    try:
        return command()
    except TainError as error:
        print(error, file=sys.stderr)
        return error.code


def encoded(words: Sequence[str]) -> list[bytes]:
    """The words as bytes."""
    return [os.fsencode(word) for word in words]


__all__ = ["FLAGS", "VALUED", "Given", "encoded", "reported"]
