"""`Work` and `Report`: what an engine carries to a worker and back, as plain data."""

from __future__ import annotations

from tain.cluster import documents
from tain.cluster import roots as identities
from tain.cluster.documents import DocumentError
from tain.cluster.region import Region
from tain.cluster.roots import Root
from tain.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

WORK_SCHEMA, REPORT_SCHEMA = "tain.work/1", "tain.report/1"
#: The kinds of work in their order. ``whole``: a run that cannot be divided.
KINDS = ("spine", "shard", "links", "deletions", "attributes", "whole")
#: Figures of a summary that are added up, and those that are counted by type of entry.
NUMBERS = (
    "updated", "attributes", "unchanged", "transferred", "total_size", "transferred_size", "literal", "matched",
    "flist_size", "flist_build_ms", "flist_xfer_ms", "sent", "received", "matches", "hash_hits", "false_alarms",
    "deletions_skipped",
)  # fmt: skip
COUNTS = ("files", "created", "deleted")
TYPES = ("reg", "dir", "link", "dev", "special")


class Work(Record):
    """One run of a plan."""

    plan: str
    """Id of the plan."""
    directory: bytes
    """The directory of the plan, in which files with the lines of the run are made."""
    shard: int
    """Number of the run in the plan."""
    attempt: int
    kind: str
    """One of `KINDS`."""
    argv: tuple[bytes, ...]
    """The words of the command, without the name of the program."""
    cwd: bytes
    region: Region | None = None
    """The names of a shard; None for another kind."""
    spine: tuple[bytes, ...] = ()
    """The directories that shards share."""
    roots: tuple[Root, ...] = ()
    """The directories of this machine that must be the same at the start and at the end."""
    exclusive: bool = False
    """Class B: it may run again only when it is known that this attempt has ended."""
    lease: float = 0.0
    """Seconds without a renewal after which others may begin the run again; 0: no lease."""
    bwlimit: int = 0
    """KiB per second; 0: no limit."""
    said: tuple[str, ...] = ()
    """Lines that earlier runs have printed, and that this one does not repeat: files of the plan's directory."""
    version: str = ""
    """The version of this package that made the plan."""

    @property
    def key(self) -> str:
        """The name of the attempt, unique among all plans."""
        return f"tain-{self.plan}-{self.shard}-{self.attempt}"

    def to_bytes(self) -> bytes:
        """The JSON that `parse` reads."""
        names = documents.name_to_json
        return documents.dump(
            {
                "schema": WORK_SCHEMA, "plan": self.plan, "directory": names(self.directory), "shard": self.shard,
                "attempt": self.attempt, "kind": self.kind, "argv": [names(word) for word in self.argv],
                "cwd": names(self.cwd),
                "region": None if self.region is None else documents.region_to_json(self.region),
                "spine": [names(name) for name in self.spine], "roots": [root.to_json() for root in self.roots],
                "exclusive": self.exclusive, "lease": self.lease, "bwlimit": self.bwlimit, "said": list(self.said),
                "version": self.version,
            }
        )  # fmt: skip

    @classmethod
    def parse(cls, data: bytes) -> Work:
        """Errors: `DocumentError`."""
        found = documents.read(
            documents.parse(data),
            {
                "schema": documents.text, "plan": plan_id, "directory": documents.name, "shard": documents.integer,
                "attempt": documents.integer, "kind": _kind, "argv": documents.tuple_of(documents.name),
                "cwd": documents.name, "region": documents.optional(documents.region),
                "spine": documents.tuple_of(documents.path), "roots": documents.tuple_of(identities.root),
                "exclusive": documents.boolean, "lease": documents.seconds, "bwlimit": documents.integer,
                "said": documents.tuple_of(file_name), "version": documents.text,
            },
        )  # fmt: skip
        _check_schema(found, WORK_SCHEMA)
        if (found["kind"] == "shard") != (found["region"] is not None):
            raise DocumentError("a shard, and nothing else, has a region")
        if not found["directory"].startswith(b"/"):
            raise DocumentError("directory: an absolute path is expected")
        return cls(**found)


class FileSum(Record):
    """A file in the directory of the plan."""

    name: str
    size: int
    checksum: str
    """XXH128 in hexadecimal digits."""

    def to_json(self) -> dict[str, object]:
        """The document that `file_sum` reads."""
        return {"name": self.name, "size": self.size, "sum": self.checksum}


class Report(Record):
    """How an attempt ended."""

    plan: str
    shard: int
    attempt: int
    worker: str
    """Host and process that ran it."""
    code: int
    """Exit code; 20 if it was cancelled."""
    void: str = ""
    """Why nothing that the run found counts, for example another root; empty: it counts."""
    io_error: bool = False
    """Something could not be read, so nothing may be deleted."""
    had_entries: bool = False
    stats: Mapping[str, Any] = {}
    """Figures by the names of `NUMBERS` and `COUNTS`; empty if the run did not begin."""
    role: str = ""
    """The role that the closing line names."""
    protocol: int = 0
    seconds: float = 0.0
    errors: str = ""
    """Lines of standard error; bytes that are no text are escaped."""
    files: tuple[FileSum, ...] = ()
    """Files of the plan's directory with what the run has reported."""

    def to_bytes(self) -> bytes:
        """The JSON that `parse` reads."""
        fields = {**self.__dict__, "schema": REPORT_SCHEMA, "files": [file.to_json() for file in self.files]}
        return documents.dump(fields)

    @classmethod
    def parse(cls, data: bytes) -> Report:
        """Errors: `DocumentError`."""
        found = documents.read(
            documents.parse(data),
            {
                "schema": documents.text, "plan": plan_id, "shard": documents.integer, "attempt": documents.integer,
                "worker": documents.text, "code": documents.integer, "void": documents.text,
                "io_error": documents.boolean, "had_entries": documents.boolean, "stats": stats, "role": documents.text,
                "protocol": documents.integer, "seconds": documents.seconds, "errors": documents.text,
                "files": documents.tuple_of(file_sum),
            },
        )  # fmt: skip
        _check_schema(found, REPORT_SCHEMA)
        if found["code"] > 255:
            raise DocumentError("code: an exit code is expected")
        return cls(**found)

    def answers(self, work: Work) -> bool:
        """Whether this is the report of *work*."""
        return (self.plan, self.shard, self.attempt) == (work.plan, work.shard, work.attempt)


def stats_of(summary: object) -> dict[str, Any]:
    """The figures of a summary of the core."""
    found: dict[str, Any] = {name: getattr(summary, name) for name in NUMBERS}
    for name in COUNTS:
        counts = getattr(summary, name)
        found[name] = {kind: counts.get(kind, 0) for kind in TYPES}
    return found


def stats(value: object) -> dict[str, Any]:
    """The figures of a document. Errors: `DocumentError`."""
    if value == {}:
        return {}

    def counts(inner: object) -> dict[str, int]:
        return documents.read(inner, dict.fromkeys(TYPES, documents.integer))

    return documents.read(value, {**dict.fromkeys(NUMBERS, documents.integer), **dict.fromkeys(COUNTS, counts)})


def file_sum(value: object) -> FileSum:
    """Errors: `DocumentError`."""
    found = documents.read(value, {"name": file_name, "size": documents.integer, "sum": documents.text})
    return FileSum(name=found["name"], size=found["size"], checksum=found["sum"])


def file_name(value: object) -> str:
    """The name of a file of a plan: a directory of the plan and a name of digits. Errors: `DocumentError`."""
    name = documents.text(value)
    kind, _, rest = name.partition("/")
    if kind != "out" or not rest.replace(".", "").isalnum() or not rest.isascii() or len(rest) > 40:
        raise DocumentError("no name of a file of a plan")
    return name


def plan_id(value: object) -> str:
    """The id of a plan. Errors: `DocumentError`."""
    name = documents.text(value)
    if not name.replace("-", "").isalnum() or not name.isascii() or len(name) > 40:
        raise DocumentError("no id of a plan")
    return name


def _kind(value: object) -> str:
    if value not in KINDS:
        raise DocumentError("no kind of work")
    return str(value)


def _check_schema(found: dict[str, Any], schema: str) -> None:
    if found.pop("schema") != schema:
        raise DocumentError(f"schema {schema} is expected")
