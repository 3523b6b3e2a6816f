"""The option sets that the injected cases run with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Set:
    options: str
    sources: tuple[str, ...] = ("src/",)
    again: str = ""
    """The options of the run that repairs, where they are not the same."""

    def words(self, via: str, again: bool = False) -> list[str]:
        """`{up}` is the way to the other trees: a daemon does not let --temp-dir go up from the destination."""
        text = (self.again if again else "") or self.options
        return text.replace("{up}", "/" if via == "daemon-push" else "../").split()


SETS: dict[str, Set] = {
    "plain": Set("-a"),
    "delta": Set("-a --no-W"),
    "inplace": Set("-a --inplace --no-W"),
    "append": Set("-a --append", again="-a"),
    "append-verify": Set("-a --append-verify", again="-a"),
    "sparse": Set("-a -S"),
    "preallocate": Set("-a --preallocate"),
    "backup": Set("-a -b"),
    "backup-dir": Set("-a -b --backup-dir={up}bak --delete"),
    "partial-dir": Set("-a --no-W --partial-dir=.part"),
    "delay": Set("-a --delay-updates"),
    "delete-before": Set("-a --delete-before"),
    "delete-during": Set("-a --delete-during"),
    "delete-after": Set("-a --delete-after"),
    "delete-delay": Set("-a --delete-delay"),
    "delete-excluded": Set("-a --delete-excluded --exclude=*.skip"),
    "remove-source": Set("-a --remove-source-files"),
    "links": Set("-a -H"),
    "attributes": Set("-a -X -A"),
    "link-dest": Set("-a --link-dest=../alt"),
    "copy-dest": Set("-a --copy-dest=../alt"),
    "fuzzy": Set("-a -y --no-W"),
    "checksum": Set("-a -c"),
    "fsync": Set("-a --fsync"),
    "relative": Set(
        "-a -R", ("src/./d/sub", "src/./newdir/y", "src/./big", "src/./a_new", "src/./lnk", "src/./was_file")
    ),
    "temp-dir": Set("-a --temp-dir={up}tmp"),
    "compress": Set("-a -z"),
}
