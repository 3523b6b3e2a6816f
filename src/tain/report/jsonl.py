"""Events as lines of JSON (``--json``, ``--json-file``): every type with its fields, and the streams that carry them.

`TYPES` is the contract. ``tools/events_page.py`` makes ``docs/reference/events.md`` and the JSON Schema from it. The
core writes the lines of the types that come once per file.
"""

from __future__ import annotations

# The package `json` takes as long to load as a small run, most of it for the reader.
from _json import encode_basestring
from binascii import b2a_base64

from tain.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

#: The name of the contract. Within it, fields are added, and never removed or changed in meaning.
SCHEMA = "tain.events/1"
#: Bytes of the longest line, its newline included.
LONGEST = 1 << 16
#: What is left of the parts of a line that would be longer: characters of a text, bytes of all texts of a list.
_SHORT_TEXT, _SHORT_LIST = 3000, 4096
#: Types that every stream has.
ALWAYS = frozenset(("start", "end"))
#: Types that come only when they are asked for.
ON_REQUEST = frozenset(("skip",))
#: Characters at which a reader could break a line, and which a terminal would obey. `json` escapes those below 32.
_ESCAPED = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}


class Field:
    """One field of a type."""

    __slots__ = ("fields", "kind", "name", "optional", "text", "words")

    def __init__(
        self,
        name: str,
        kind: str,
        text: str,
        words: tuple[str, ...] = (),
        fields: tuple[Field, ...] = (),
        optional: bool = False,
    ) -> None:
        """*kind* is ``string``, ``word`` (one of *words*), ``name`` (a text, with NAME_b64 beside it if its bytes are
        no UTF-8), ``names``, ``words``, ``integer``, ``signed``, ``number``, ``boolean``, ``time``, ``object`` or
        ``objects`` (with *fields*); with ``?`` at its end: or null. *text* says what it means, with its unit.
        *optional*: it may be missing."""
        self.name, self.kind, self.text = name, kind, text
        self.words, self.fields, self.optional = words, fields, optional


class Type:
    """One type of event."""

    __slots__ = ("fields", "text")

    def __init__(self, text: str, fields: tuple[Field, ...]) -> None:
        self.text, self.fields = text, fields


_SIDES = ("here", "peer")
_KINDS = ("file", "dir", "link", "device", "special")
_REASONS = (
    "new", "size", "time", "content", "permissions", "owner", "group", "acl", "xattr", "access-time", "create-time",
    "target", "type", "forced", "append",
)  # fmt: skip
_COUNT = (
    Field("count", "integer", "Entries."),
    Field("bytes", "integer", "Size of the regular files among them."),
)
_COUNTS = tuple(
    Field(name, "integer", text)
    for name, text in (
        ("reg", "Regular files."),
        ("dir", "Directories."),
        ("link", "Symbolic links."),
        ("dev", "Devices."),
        ("special", "Sockets and FIFOs."),
    )
)

TYPES: dict[str, Type] = {
    "start": Type(
        "The run begins: the first line.",
        (
            Field("schema", "string", f"The contract of these lines: `{SCHEMA}`."),
            Field("version", "string", "The version of tain."),
            Field("argv", "names", "The command line. Passwords are `***`."),
            Field("argv_left_out", "integer", "How many words `argv` lacks, if there are too many.", optional=True),
            Field("sources", "names", "As given."),
            Field("sources_left_out", "integer", "How many `sources` lacks, if there are too many.", optional=True),
            Field("destination", "name?", "As given; null for a listing."),
            Field("direction", "word", "Where the files go.", ("local", "push", "pull", "list")),
            Field("host", "string?", "The host at the other end; null for a local run."),
            Field("dry_run", "boolean", "Nothing will be changed (`-n`)."),
            Field("pid", "integer", "The process."),
            Field("time", "time", "The clock at the start."),
        ),
    ),
    "connected": Type(
        "The handshake with the other end is through. Local copies have none.",
        (
            Field("host", "string?", "The host at the other end; null if it is this one."),
            Field("address", "string?", "Its numeric address, where this program has connected to it."),
            Field("port", "integer?", "Its port, where this program has connected to it."),
            Field(
                "transport", "word", "`shell`: a remote shell. `pipe`: a connection that the caller has made, or a "
                "second process of this program.", ("shell", "tcp", "tls", "pipe"),
            ),
            Field("protocol", "integer", "The protocol that both ends speak."),
            Field("checksum", "string", "The checksum of transferred files."),
            Field("compress", "string?", "The compression of file data; null without."),
            Field("peer", "string?", "The program at the other end, if it tells its name."),
            Field(
                "tls", "object?", "The encryption of the connection; null without.",
                fields=(
                    Field("version", "string", "The protocol: `TLSv1.3`."),
                    Field("cipher", "string", "The cipher."),
                    Field("subject", "string?", "The name in the certificate of the other end."),
                ),
            ),
        ),
    ),
    "scan": Type(
        "The file list so far: once per second while it grows, and at its end.",
        (
            Field("entries", "integer", "Entries in the list."),
            Field("bytes", "integer", "Size of its regular files."),
            Field("complete", "boolean", "No more entries will come."),
        ),
    ),
    "plan": Type(
        "The whole plan of a run that is held for a decision (`--preflight`), before anything is changed.",
        (
            Field("new", "object", "Entries that the destination does not have.", fields=_COUNT),
            Field("update", "object", "Entries whose data, target or type changes.", fields=_COUNT),
            Field("attributes", "object", "Entries of which only attributes change.", fields=_COUNT),
            Field("delete", "object", "Entries that are deleted.", fields=_COUNT),
            Field("keep", "object", "Entries that stay as they are.", fields=_COUNT),
            Field("need_bytes", "integer", "Room for new data at the moment when most of it is needed."),
            Field("free_bytes", "integer?", "Room on the file system of the destination; null where nobody knows it."),
            Field("need_inodes", "integer", "Inodes at that moment."),
            Field("free_inodes", "integer?", "Null where nobody knows it, or where there is no fixed number."),
        ),
    ),
    "item": Type(
        "What is decided about an entry: the line of `-i`, with what it means. A listing has one for each entry.",
        (
            Field("op", "word", "`list`: the entry is only listed.", ("send", "recv", "local", "list")),
            Field("path", "name", "Relative to the transfer's root; a directory ends with `/`."),
            Field("kind", "word", "The type of the entry.", _KINDS),
            Field(
                "change", "word", "`update`: its data or its target changes. `link`: it becomes a hard link. `none`: a "
                "listing.", ("new", "update", "attributes", "link", "none"),
            ),
            Field("reasons", "words", "What differs.", _REASONS),
            Field("itemized", "string", "The 11 characters of `-i`; empty in a listing."),
            Field("size", "integer", "Bytes."),
            Field("mtime", "signed", "Modification time, in seconds since 1970."),
            Field("mode", "integer", "Type and permissions, as `stat` has them."),
            Field("target", "name?", "Where a symbolic link points, or the name whose data a hard link shares."),
        ),
    ),
    "done": Type(
        "A file is whole under its name.",
        (
            Field("path", "name", "Relative to the transfer's root."),
            Field("size", "integer", "Bytes."),
            Field("literal", "integer", "Bytes that were sent or copied."),
            Field("matched", "integer", "Bytes that the destination had."),
            Field("seconds", "number", "Time between the request and the end; 0 where it is not measured."),
            Field("verified", "boolean", "This side has compared the checksum of the whole file."),
        ),
    ),
    "delete": Type(
        "An entry of the destination is deleted (in a dry run: would be).",
        (
            Field("path", "name", "Relative to the destination; a directory ends with `/`."),
            Field("kind", "word", "The type of the entry; of a push only `dir` and `file` are known.", _KINDS),
            Field("size", "integer?", "Bytes; null where nobody has looked."),
        ),
    ),
    "skip": Type(
        "An entry is left as it is.",
        (
            Field("path", "name", "Relative to the transfer's root; a directory ends with `/`."),
            Field(
                "why", "word", "`exists`: `--ignore-existing`. `missing`: `--existing`. `size`: `--max-size`, "
                "`--min-size`. `not-empty`: a directory that would be deleted.",
                ("uptodate", "newer", "exists", "missing", "size", "excluded", "unsafe-link", "nonregular",
                 "not-empty"),
            ),
            Field(
                "rule", "object?", "The rule that excludes it; null for any other reason.",
                fields=(
                    Field("text", "name", "The rule as it was given."),
                    Field("file", "name?", "The file that it stands in; null for the command line."),
                    Field("line", "integer?", "The line of that file."),
                ),
            ),
        ),
    ),
    "message": Type(
        "A line that rsync would print and that no other event describes.",
        (
            Field("level", "word", "`info` for standard output.", ("info", "warning", "error")),
            Field("text", "name", "The line, without its end."),
            Field("role", "string?", "Who speaks, if the line says it: `sender`, `receiver`, `generator`, ..."),
            Field("side", "word?", "Where that role works.", _SIDES),
        ),
    ),
    "error": Type(
        "A failure.",
        (
            Field("text", "name", "The line, without its end."),
            Field("errno", "integer?", "The system's error number on the side that failed."),
            Field("name", "string?", "Its name: `EACCES`."),
            Field("action", "string", "What failed: `reading`, `writing`, `deleting`, `connecting`, ..."),
            Field("path", "name?", "The file, as the line names it: absolute where rsync prints it so."),
            Field("role", "string", "Who failed: `sender`, `receiver`, `generator`, `client`, `server`, `daemon`."),
            Field("side", "word", "Where.", _SIDES),
            Field("fatal", "boolean", "The run ends because of it. False where only the other end knows it."),
        ),
    ),
    "hint": Type(
        "A likely cause of what failed, and what to do about it.",
        (
            Field("id", "string", "The fixed name of the hint: `D2`."),
            Field("title", "string", "What is wrong, in a few words."),
            Field("cause", "string", "What is probably wrong."),
            Field("check", "string", "A command, or a place to look at."),
            Field("fix", "string", "What to do."),
            Field("lang", "string", "The language of these texts: `en`."),
        ),
    ),
    "progress": Type(
        "How far the run is: once per second (`--json-seconds`), and never with the figures of the line before.",
        (
            Field("phase", "word", "What the run does.", ("connect", "scan", "copy", "delete", "end")),
            Field("entries", "integer", "Entries in the list so far."),
            Field("decided", "integer", "Entries of which it is known whether their data is needed."),
            Field("bytes_done", "integer", "Bytes of files that are dealt with: sent, or found at the destination."),
            Field("bytes_total", "integer", "Bytes of files whose data is needed, or may be: see `total_is`."),
            Field(
                "total_is", "word", "`unknown` while the list grows, `at-most` while some files are not decided.",
                ("unknown", "at-most", "exact"),
            ),
            Field("wire", "integer", "Bytes sent and received; 0 for a local copy."),
            Field("rate", "number?", "Bytes per second; null at the beginning."),
            Field("left", "number?", "Seconds that are left; null while nobody can know it."),
            Field("path", "name?", "The file or directory at hand."),
        ),
    ),
    "held": Type(
        "A guard has refused the run, or its deletions.",
        (
            Field("guard", "string", "The rule: `half`, `empty-source`, ..."),
            Field("count", "integer?", "The deletions that the run would make; null if nobody has counted them."),
            Field("of", "integer?", "The entries of the destination; null if nobody has counted them."),
            Field("text", "string", "The reason in words."),
        ),
    ),
    "summary": Type(
        "The figures of a run that transferred: those of `--stats`, what changed, and why files failed.",
        (
            Field("files", "object", "Entries of the file list.", fields=_COUNTS),
            Field("created", "object", "Entries that the destination did not have.", fields=_COUNTS),
            Field("removed", "object", "Entries that were deleted there.", fields=_COUNTS),
            Field("transferred", "integer", "Regular files whose data was transferred."),
            Field("total_size", "integer", "Size of all files of the list, in bytes."),
            Field("transferred_size", "integer", "Size of the transferred files, in bytes."),
            Field("literal", "integer", "Bytes of file data that were sent."),
            Field("matched", "integer", "Bytes of file data that the destination had."),
            Field("flist_size", "integer", "Bytes of the file list on the wire."),
            Field("flist_build_seconds", "number", "Time to make the file list."),
            Field("flist_transfer_seconds", "number", "Time to transfer it."),
            Field("sent", "integer", "Bytes sent by this side."),
            Field("received", "integer", "Bytes received by this side."),
            Field("speedup", "number", "Size of all files, divided by the bytes sent and received; 0 without any."),
            Field("seconds", "number", "Duration of the transfer."),
            Field("new", "integer", "Entries that were created."),
            Field("updated", "integer", "Entries that existed, and whose data, target or type changed."),
            Field("attributes", "integer", "Entries of which only attributes changed."),
            Field("deleted", "integer", "Entries that were deleted."),
            Field("unchanged", "integer", "Entries that were as they should be."),
            Field("failed", "integer", "The `error` events of the run."),
            Field(
                "causes", "objects", "Why files failed, the most frequent cause first.",
                fields=(
                    Field("errno", "integer?", "The system's error number."),
                    Field("action", "string", "As in `error`."),
                    Field("side", "word", "Where.", _SIDES),
                    Field("count", "integer", "How many failed for this cause."),
                    Field("paths", "names", "The first 5 of them."),
                ),
            ),
        ),
    ),
    "end": Type(
        "The run is over: the last line. A stream without it was cut off: the process was killed.",
        (
            Field("code", "integer", "The exit code of rsync."),
            Field("text", "string", "What the code means; empty for 0."),
            Field("complete", "boolean", "Everything was done: the code is 0."),
            Field(
                "stopped_by", "word?", "What has stopped the run before its end, or has kept it from deleting; null if "
                "nothing has.", ("signal", "limit", "guard", "peer", "error"),
            ),
            Field("deletions_skipped", "integer", "Deletions that were left out (`--max-delete`, guards)."),
            Field("seconds", "number", "Duration of the run."),
            Field("time", "time", "The clock at the end."),
        ),
    ),
}  # fmt: skip
#: What every type has in front.
COMMON = (
    Field("type", "string", "The type of the event."),
    Field("t", "number", "Seconds since the start of the run, with milliseconds."),
)


def choose(words: str | None) -> frozenset[str]:
    """The types that ``--json-events=LIST`` chooses; None: the usual ones. Errors: `UsageError` for an unknown type.

    Names choose only these types; ``-NAME`` and ``+NAME`` change the usual choice, or the one before them.
    """
    chosen = set(TYPES) - ON_REQUEST
    parts = [part for part in (words or "").split(",") if part]
    if any(part[0] not in "+-" for part in parts):
        chosen = set()
    for part in parts:
        name = part.lstrip("+-")
        if name not in TYPES:
            raise UsageError(f"rsync: --json-events: there is no event {name!r}; there are {', '.join(TYPES)}")
        if part[0] == "-":
            chosen.discard(name)
        else:
            chosen.add(name)
    return frozenset(chosen | ALWAYS)


def put_name(fields: dict[str, Any], key: str, value: bytes | None) -> None:
    """Add a name as text, and its bytes in base 64 if they are no UTF-8."""
    if value is None:
        fields[key] = None
        return
    text = fields[key] = value.decode("utf-8", "replace")
    if text.encode() != value:
        fields[f"{key}_b64"] = b2a_base64(value, newline=False).decode()


def put_names(fields: dict[str, Any], key: str, values: Iterable[bytes]) -> None:
    """Add a list of names, and their bytes in base 64 if one of them is no UTF-8."""
    names = list(values)
    texts = fields[key] = [name.decode("utf-8", "replace") for name in names]
    if any(text.encode() != name for text, name in zip(texts, names, strict=True)):
        fields[f"{key}_b64"] = [b2a_base64(name, newline=False).decode() for name in names]


def encode(kind: str, seconds: float, fields: Mapping[str, object]) -> bytes:
    """The line of one event, with its newline and at most `LONGEST` bytes long."""
    line = _dumped({"type": kind, "t": round(seconds, 3), **fields})
    if len(line) <= LONGEST:
        return line
    return _dumped(_shortened({"type": kind, "t": round(seconds, 3), **fields}))


def _dumped(event: Mapping[str, object]) -> bytes:
    return _value(event).translate(_ESCAPED).encode("utf-8", "replace") + b"\n"


def _value(value: object) -> str:
    """The JSON of what an event can hold."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text: str = encode_basestring(value)
        return text
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_value(key)}:{_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_value, value)) + "]"
    raise TypeError(f"an event cannot hold {value!r}")


def _shortened(event: dict[str, object]) -> dict[str, object]:
    """*event* with the beginnings of long texts and lists. What is left out of a list is counted."""
    out: dict[str, object] = {}
    for key, value in event.items():
        if isinstance(value, str) and len(value) > _SHORT_TEXT:
            if not key.endswith("_b64"):
                out[key] = value[:_SHORT_TEXT] + "…"
        elif isinstance(value, list) and value and isinstance(value[0], str) and not key.endswith("_b64"):
            kept = _fitting(value)
            out[key] = kept
            if len(kept) < len(value):
                out[f"{key}_left_out"] = len(value) - len(kept)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            out[key] = [_shortened(part) for part in value[:5]]
        elif not key.endswith("_b64") or f"{key[:-4]}_left_out" not in out:
            out[key] = value
    return out


def _fitting(texts: Sequence[str]) -> list[str]:
    kept: list[str] = []
    room = _SHORT_LIST
    for text in texts:
        room -= len(text)
        if room < 0:
            break
        kept.append(text)
    return kept


class Stream:
    """Lines for several sinks. Each gets the same lines in the same order, and a slow one holds up the writer."""

    def __init__(self) -> None:
        #: Each writes whole lines, and gives up silently when nobody reads them any more.
        self.sinks: list[Callable[[bytes], None]] = []

    def write(self, lines: bytes) -> None:
        """Write whole lines."""
        for sink in self.sinks.copy():
            # If a signal interrupts it, the sink gets no more: a line behind a broken one cannot be read.
            self.sinks.remove(sink)
            sink(lines)
            self.sinks.append(sink)
