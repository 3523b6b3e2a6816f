"""Judgements with their words. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tain.mirror.model import Guard
from tain.mirror.states import EXIT_HELD, EXIT_HELD_DELETIONS
from tain.mirror.words import bytes_text, visible
from tain.options.guard import DeletePlan


@dataclass(frozen=True)
class Refusal:
    """Why a run, or its deletions, must wait for a person. *kind* is a word for programs."""

    kind: str
    text: str
    code: int = EXIT_HELD
    #: The condition ends by itself when it is gone; otherwise `release` accepts what is there now.
    transient: bool = True


@dataclass(frozen=True)
class Before:
    """What the last good run found; None: there was none."""

    files: int | None = None
    bytes: int | None = None
    source_dev: str | None = None
    dest_dev: str | None = None


def judge_deletions(limits: Guard, plan: DeletePlan, before: Before, ticket: int | None) -> Refusal | None:
    """Whether the deletions of a run are refused. *ticket*: a person allows so many."""
    number, entries = plan.deletions, max(plan.entries, plan.deletions)
    if plan.errors:
        return Refusal("errors", "some files could not be transferred, so nothing was deleted")
    if ticket is not None and number <= ticket:
        return None
    if not number:
        return None
    of = f"{number:,} of {entries:,} entries ({share(number, entries)}) would be deleted"
    if limits.max_delete is not None and number > limits.max_delete:
        return _held("max_delete", f"{of}; the limit is {limits.max_delete:,}")
    if number > limits.delete_floor and 100 * number > limits.max_delete_percent * entries:
        return _held("max_delete_percent", f"{of}; the limit is {limits.max_delete_percent:g} %")
    if number == entries:
        return _held("everything", f"all {entries:,} entries would be deleted")
    found = plan.source_entries - 1
    if found < limits.min_files:
        return _held("min_files", f"the source has {found:,} entries, less than {limits.min_files:,}; {of}")
    for what, now, then in (("entries", found, before.files), ("bytes", plan.source_bytes, before.bytes)):
        if then and 100 * (then - now) > limits.max_shrink_percent * then:
            was, is_ = (bytes_text(then), bytes_text(now)) if what == "bytes" else (f"{then:,}", f"{now:,}")
            text = f"the source had {was} {'' if what == 'bytes' else what + ' '}in the last good run and has {is_} now"
            return _held("shrunk", f"{text}; {of}")
    return None


#: Deletions within the limits that wait for a person all the same.
NEEDS_RELEASE = Refusal("release", "deletions are held until somebody releases them", EXIT_HELD_DELETIONS)


def needs_release(limits: Guard, hold: str | None) -> bool:
    """Whether a hold of deletions ends only by a person."""
    return hold == "deletions" and not limits.auto_release


def judge_again(limits: Guard, busy: str, marker_found: bool | None, reachable: bool) -> Refusal | None:
    """Whether deletions are refused because of what the source is like after the transfer. *busy*: the entry that says
    that it is being updated. A source that does not answer now is judged by what it was like before."""
    if not reachable:
        return None
    if busy:
        return _held("busy", f"the source is being updated ({busy})")
    if limits.marker is not None and marker_found is False:
        return _held("marker", f"the source has lost {visible(limits.marker)}")
    return None


def _held(kind: str, text: str) -> Refusal:
    return Refusal(kind, text, EXIT_HELD_DELETIONS)


def share(part: int, whole: int) -> str:
    """``79.0 %``, ``0.02 %``: with as many decimals as a small share needs."""
    percent = 100 * part / max(whole, 1)
    return f"{percent:.1f} %" if percent >= 1 or not part else f"{percent:.2f} %"


@dataclass(frozen=True)
class Start:
    """What is known before the first transfer. None: it could not be found out, or does not apply."""

    #: Names at the root of the source.
    root_entries: frozenset[bytes] | None = None
    #: Whether `guard.marker` exists at the source.
    marker_found: bool | None = None
    source_dev: str | None = None
    dest_dev: str | None = None
    free: int | None = None
    total: int | None = None
    free_inodes: int | None = None
    total_inodes: int | None = None


def judge_start(limits: Guard, facts: Start, before: Before) -> Refusal | None:
    """Whether a run may begin."""
    if limits.marker is not None and facts.marker_found is False:
        return Refusal("marker", f"the source has no {visible(limits.marker)}")
    if facts.root_entries is not None and not facts.root_entries and limits.min_files > 0:
        return Refusal("empty", "the source is empty")
    if limits.same_source and _differs(facts.source_dev, before.source_dev):
        return Refusal("source_dev", "the source is on another file system than in the last good run", transient=False)
    if limits.same_destination and _differs(facts.dest_dev, before.dest_dev):
        return Refusal(
            "dest_dev", "the destination is on another file system than in the last good run", transient=False
        )
    return judge_space(limits, facts)


def judge_space(limits: Guard, facts: Start) -> Refusal | None:
    """Whether the destination has its reserve of bytes and inodes."""
    if facts.free is not None and facts.total is not None:
        reserve = limits.min_free.of(facts.total)
        if facts.free < reserve:
            text = f"the destination has {bytes_text(facts.free)} free; {bytes_text(reserve)} must stay free"
            return Refusal("disk", text)
    # A file system without a fixed number of inodes says 0.
    if facts.free_inodes is not None and facts.total_inodes:
        reserve = limits.min_free_inodes.of(facts.total_inodes)
        if facts.free_inodes < reserve:
            text = f"the destination has {facts.free_inodes:,} free inodes; {int(reserve):,} must stay free"
            return Refusal("disk", text)
    return None


def judge_end(limits: Guard, source_entries: int) -> Refusal | None:
    """A transfer that found nothing is no success, also if it had nothing to delete."""
    if source_entries - 1 < limits.min_files:
        return Refusal("min_files", f"the source has {source_entries - 1:,} entries, less than {limits.min_files:,}")
    return None


def _differs(now: str | None, then: str | None) -> bool:
    return now is not None and then is not None and now != then


#: What a person does about a hold; ``{job}`` and ``{n}`` are replaced.
ADVICE: Mapping[str, str] = {
    "deletions": "if that is right: tain mirror release {job} --deletes {n}",
    "source_dev": "if that is right: tain mirror release {job}",
    "dest_dev": "if that is right: tain mirror release {job}",
    "marker": "mount the disk, or change guard.marker",
    "disk": "free some space; the run then goes on by itself",
    "empty": "it is tried again when it is due",
    "min_files": "it is tried again when it is due",
    "owner": "give each job a destination of its own",
}
