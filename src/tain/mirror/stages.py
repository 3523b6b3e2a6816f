"""From a job to the options of its transfers. Pure: no clock, no file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tain.api import Options
from tain.errors import TainError
from tain.mirror.words import shown
from tain.options.hostspec import parse_host
from tain.options.parse import parse
from tain.options.resolve import Finished, resolve

if TYPE_CHECKING:
    from tain.mirror.model import Job, Stage, Upstream

#: Options that the tool sets itself, each with the place where a job chooses it.
OWNED = {
    "dry_run": "use run --dry-run", "delete": "set {job}.delete instead",
    "max_delete": "set {job}.guard.max_delete instead", "partial_dir": "partial files are kept in {partial}",
    "link_dest": "set {job}.publish instead", "copy_dest": "set {job}.publish instead",
    "compare_dest": "set {job}.publish instead", "log_file": "each run has a log of its own",
    "daemon": "a job is a transfer", "list_only": "a job is a transfer",
    "password_file": "set it in [[{job}.upstream]] instead", "bwlimit": "set {job}.resources.bandwidth instead",
    "timeout": "set {job}.timeout instead", "contimeout": "set {job}.connect_timeout instead",
    "filters": "set {job}.filters instead", "filter": "set {job}.filters instead",
    "include": "set {job}.include instead", "exclude": "set {job}.exclude instead",
    "exclude_from": "set {job}.exclude_from instead",
}  # fmt: skip
#: The directory of partial files; every mirror script excludes this name.
PARTIAL_DIR = ".~tmp~"
#: Options that were checked already, with what was wrong.
_JUDGED: dict[tuple[str, type, str], str | None] = {}


def transfer_findings(table: dict[str, Any], job: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a table of options: the key and a sentence. *job* is the dotted name of the job."""
    known: dict[str, Any] = {}
    for key, value in table.items():
        if key in OWNED:
            yield key, "belongs to tain mirror: " + OWNED[key].format(job=job, partial=PARTIAL_DIR)
        elif key not in Options._names:
            near = difflib.get_close_matches(key, Options._names, 1, 0.6)
            yield key, "unknown option" + (f'; did you mean "{near[0]}"?' if near else "")
        else:
            known[key] = value
    for key, value in known.items():
        # Most jobs of a site have the options of a profile.
        mark = (key, type(value), repr(value))
        if mark not in _JUDGED:
            _JUDGED[mark] = _finding(key, value)
        text = _JUDGED[mark]
        if text is not None:
            yield key, text


def _finding(key: str, value: Any) -> str | None:
    """What is wrong with one option."""
    try:
        words = Options(**{"archive": False, "recursive": True, key: value}).words()
        raw = parse([*words, b"a", b"b"])
        options = resolve(raw, environ={}, program="tain", point=b".")
    except (TainError, Finished) as error:
        return str(error).removeprefix("rsync: ") or "this option starts no transfer"
    except (TypeError, ValueError) as error:
        return f"{shown(value)}: {error}"
    if options.delete != "never" or options.dry_run or (options.max_delete is not None and key == "extra"):
        return "deletions and dry runs belong to tain mirror"
    return None


def is_local(url: str) -> bool:
    """Whether a source is a path of this machine."""
    return parse_host(url.encode("utf-8", "surrogateescape")) is None


def host_of(url: str) -> str:
    """The host of a source for lists and limits; ``local`` for a path."""
    scheme, mark, rest = url.partition("://")
    if mark and scheme.isalpha() and scheme != "rsync":
        # The upstream of a command: a tool of its own reads it.
        return rest.partition("/")[0].rpartition("@")[2].partition(":")[0] or "local"
    spec = parse_host(url.encode("utf-8", "surrogateescape"))
    return "local" if spec is None else spec.host.decode("utf-8", "replace") or "local"


def without_secrets(url: str) -> str:
    """A source as everybody may see it: without the name of a user."""
    scheme, mark, rest = url.partition("://")
    if mark:
        place, slash, path = rest.partition("/")
        return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"
    if is_local(url):
        return url
    host, colon, path = url.partition(":")
    return f"{host.rpartition('@')[2]}{colon}{path}"


def deletes(job: Job, number: int) -> bool:
    """Whether stage *number* of a job deletes: the last one, unless the job or the stage says no."""
    stage = job.stages[number]
    return job.delete and number == len(job.stages) - 1 and stage.delete is not False


def needs_quiet(job: Job, number: int) -> bool:
    """Whether stage *number* starts only while the upstream is not being updated."""
    stages = job.stages
    quiet = stages[number].quiet_upstream
    return quiet if quiet is not None else number == len(stages) - 1 and len(stages) > 1


def stage_options(
    job: Job,
    number: int,
    upstream: Upstream,
    *,
    limit: int | None = None,
    basis: Sequence[str] = (),
    partial: str | None = None,
    own: Sequence[str] = (),
) -> Options:
    """The options of stage *number* from one upstream. *limit*: bytes per second. *basis*: older trees whose unchanged
    files are taken, as `publish.method` says. *partial*: a directory for all partial files. *own*: filter rules of the
    files that the job writes into its tree."""
    stages = job.stages
    stage, last = stages[number], number == len(stages) - 1
    table: dict[str, Any] = {**job.transfer, **stage.transfer}
    delayed = stage.delay_updates if stage.delay_updates is not None else last and len(stages) > 1
    if job.publish.mode != "in-place":
        # All files become visible together.
        delayed = False
    remote = not is_local(upstream.url)
    spec = parse_host(upstream.url.encode("utf-8", "surrogateescape"))
    table.update(
        partial_dir=partial or PARTIAL_DIR,
        delay_updates=delayed,
        delete="delay" if deletes(job, number) else False,
        filters=[*own, *rules(job, stage)],
        exclude_from=job.exclude_from,
        # 1024 bytes are the smallest step.
        bwlimit=max(1, limit // 1024) if limit else None,
        timeout=round(job.timeout) if remote else None,
        itemize_changes=1 if job.log_items else 0,
        stats=False,
    )
    if spec is not None and spec.daemon:
        table.update(contimeout=round(job.connect_timeout), password_file=upstream.password_file)
    if basis:
        table["link_dest" if job.publish.method == "hardlink" else "copy_dest"] = list(basis)
    if upstream.family is not None:
        table["address_family"] = upstream.family
    if upstream.bind is not None:
        table["address"] = upstream.bind
    if upstream.rsh is not None:
        table["rsh"] = upstream.rsh
    known = {key: value for key, value in table.items() if value is not None}
    return Options(**known)


def rules(job: Job, stage: Stage) -> list[str]:
    """The filter rules of a stage: its own ones first, then those of the job."""
    found = [f"+ {pattern}" for pattern in stage.include]
    found += [f"- {pattern}" for pattern in stage.exclude]
    found += job.filters
    found += [f"+ {pattern}" for pattern in job.include]
    found += [f"- {pattern}" for pattern in job.exclude]
    # The upstream's own unfinished files are nothing to mirror.
    found.append(f"H {PARTIAL_DIR}/")
    return found
