"""A plan: the runs of one transfer, with all that another process needs to begin or to continue it."""

from __future__ import annotations

import os
import time

from tain.cluster import documents
from tain.cluster import region as regions
from tain.cluster import roots as identities
from tain.cluster.documents import DocumentError
from tain.cluster.messages import Work, plan_id
from tain.errors import FileError, UsageError
from tain.records import Record
from tain.release import VERSION
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tain.cluster.files import PlanFiles
    from tain.cluster.region import Region
    from tain.cluster.roots import Root

SCHEMA = "tain.plan/1"
NAME, SHARDS = "plan.json", "shards.jsonl"
_LONGEST = 1 << 30
#: The phases in their order, and their kinds of work.
PHASES = ("spine", "shard", "links", "deletions", "attributes")


class Shard(Record):
    """One run of a plan."""

    number: int
    kind: str
    """One of `tain.cluster.messages.KINDS`."""
    region: Region | None = None


class Plan(Record):
    """A plan. Its runs have numbers in the order of their phases."""

    id: str
    argv: tuple[bytes, ...]
    """The words of the command, without those that say where and by whom it is run."""
    cwd: bytes
    rules: str
    """The check sum of the filter rules and of the list of names as they were read: they may stand in files."""
    roots: tuple[Root, ...]
    """The directories of this machine, those that exist."""
    shards: tuple[Shard, ...]
    reason: str = ""
    """Why there is one stream only; empty: there are several."""
    exclusive: bool = False
    """Two attempts of one run must not overlap."""
    deletes: bool = False
    ignores_errors: bool = False
    """Deletions come after errors, too."""
    destination: bytes = b""
    """Absolute; empty for a destination elsewhere."""
    remote: bool = False
    """One end is on another machine that an ordinary connection reaches."""
    version: str = VERSION

    @property
    def spine(self) -> tuple[bytes, ...]:
        """The directories that regions share."""
        return tuple(regions.spine(shard.region for shard in self.shards if shard.region is not None))

    @property
    def fingerprint(self) -> str:
        """The check sum of all that the runs depend on."""
        from tain import _core

        facts = documents.dump([self._facts(), [root.to_json() for root in self.roots]])
        return "xxh128:" + _core.checksum(facts + self._rows()).hex()

    def difference(self, other: Plan) -> str:
        """What *other* does differently; empty: a run of one can go on with the other."""
        if self.version.split(".")[:2] != other.version.split(".")[:2]:
            return f"the version of tain: {self.version}, not {other.version}"
        mine, its = self._facts(), other._facts()
        for key, what in (("argv", "the arguments"), ("cwd", "the working directory")):
            if mine[key] != its[key]:
                return f"{what}: {_shown(mine[key])}, not {_shown(its[key])}"
        return "" if self.rules == other.rules else "the filter rules or names, which have changed since"

    def work(self, shard: Shard, attempt: int, directory: bytes, *, said: Sequence[str], roots: Sequence[Root]) -> Work:
        """The message for one attempt."""
        return Work(
            plan=self.id, directory=directory, shard=shard.number, attempt=attempt, kind=shard.kind, argv=self.argv,
            cwd=self.cwd, region=shard.region, spine=self.spine, roots=tuple(roots), exclusive=self.exclusive,
            said=tuple(said), version=self.version,
        )  # fmt: skip

    @property
    def order(self) -> tuple[str, ...]:
        """The kinds of its runs, in the order of their phases."""
        return tuple(dict.fromkeys(shard.kind for shard in self.shards))

    def write(self, files: PlanFiles) -> None:
        """Write the plan into its directory. It is there as a whole or not at all. Errors: `FileError`."""
        names = documents.name_to_json
        document = {
            "schema": SCHEMA, "id": self.id, **self._facts(), "roots": [root.to_json() for root in self.roots],
            "reason": self.reason, "exclusive": self.exclusive, "deletes": self.deletes,
            "ignores_errors": self.ignores_errors, "destination": names(self.destination), "remote": self.remote,
            "version": self.version, "shards": len(self.shards), "fingerprint": self.fingerprint,
        }  # fmt: skip
        try:
            files.replace(SHARDS, self._rows())
            files.replace(NAME, documents.dump(document) + b"\n")
        except OSError as error:
            raise FileError(f"tain: {os.fsdecode(files.directory)}: {system_text(error)}") from error

    @classmethod
    def read(cls, files: PlanFiles) -> Plan:
        """The plan of a directory. Errors: `UsageError` if there is none; `FileError` for one that was changed."""
        place = os.fsdecode(files.directory)
        try:
            document, rows = files.read(NAME, _LONGEST), files.read(SHARDS, _LONGEST)
        except FileNotFoundError as error:
            raise UsageError(f"tain: {place} has no plan") from error
        except OSError as error:
            raise FileError(f"tain: {place}: {system_text(error)}") from error
        try:
            return cls._parse(document, rows)
        except DocumentError as error:
            raise FileError(f"tain: {place}: the plan cannot be read: {error}") from error

    @classmethod
    def _parse(cls, document: bytes, rows: bytes) -> Plan:
        name, texts = documents.name, documents.tuple_of(documents.name)
        found = documents.read(
            documents.parse(document),
            {
                "schema": documents.text, "id": plan_id, "argv": texts, "cwd": name, "rules": documents.text,
                "roots": documents.tuple_of(identities.root), "reason": documents.text,
                "exclusive": documents.boolean, "deletes": documents.boolean, "ignores_errors": documents.boolean,
                "destination": name, "remote": documents.boolean, "version": documents.text,
                "shards": documents.integer, "fingerprint": documents.text,
            },
        )  # fmt: skip
        if found.pop("schema") != SCHEMA:
            raise DocumentError(f"schema {SCHEMA} is expected")
        count, fingerprint = found.pop("shards"), found.pop("fingerprint")
        plan = cls(shards=tuple(map(_shard, rows.splitlines())), **found)
        numbers = [shard.number for shard in plan.shards]
        if len(plan.shards) != count or numbers != list(range(count)):
            raise DocumentError("a shard is missing")
        if plan.fingerprint != fingerprint:
            raise DocumentError("its fingerprint is another one")
        return plan

    def _rows(self) -> bytes:
        rows = []
        for shard in self.shards:
            region = None if shard.region is None else documents.region_to_json(shard.region)
            rows.append(documents.dump({"id": shard.number, "kind": shard.kind, "region": region}) + b"\n")
        return b"".join(rows)

    def _facts(self) -> dict[str, Any]:
        names = documents.name_to_json
        return {
            "argv": [names(word) for word in self.argv],
            "cwd": names(self.cwd),
            "rules": self.rules,
        }


def new_id() -> str:
    """The id of a new plan: the time, and two bytes of chance."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + os.urandom(4).hex()


def shards_of(parts: Sequence[Region], *, links: bool, deletes: bool, attributes: bool) -> tuple[Shard, ...]:
    """The runs for *parts*; without parts, one run of the whole."""
    if not parts:
        return (Shard(number=0, kind="whole"),)
    kinds: list[tuple[str, Region | None]] = [("spine", None), *(("shard", part) for part in parts)]
    kinds += [("links", None)] * links + [("deletions", None)] * deletes + [("attributes", None)] * attributes
    return tuple(Shard(number=number, kind=kind, region=part) for number, (kind, part) in enumerate(kinds))


def _shard(line: bytes) -> Shard:
    found = documents.read(
        documents.parse(line),
        {"id": documents.integer, "kind": documents.text, "region": documents.optional(documents.region)},
    )
    if (found["kind"] == "shard") != (found["region"] is not None) or found["kind"] not in (*PHASES, "whole"):
        raise DocumentError("a shard, and nothing else, has a region")
    return Shard(number=found["id"], kind=found["kind"], region=found["region"])


def _shown(value: object) -> str:
    text = documents.dump(value).decode("utf-8", "replace")
    return text if len(text) <= 200 else text[:200] + "..."
