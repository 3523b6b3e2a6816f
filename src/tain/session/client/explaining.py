"""``--explain``: the plan of a dry run, the room that it needs, and notes about what may surprise."""

from __future__ import annotations

import os

from tain.report.explain import Explanation
from tain.report.quantities import count, shown_name, size
from tain.session.environment import charset
from tain.session.mounts import existing, mount_of
from tain.session.room import free_room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tain import _core
    from tain.options.hostspec import Locations
    from tain.options.resolved import ResolvedOptions
    from tain.report.output import Output
    from tain.session.environment import Environment

#: Deletions are worth a note from this number on, or when they are this part of the destination.
_MANY, _HALF = 1000, 0.5
#: Whole directories that are named.
_DIRECTORIES = 3


class Explain:
    """Reads the items of one dry run."""

    def __init__(self, options: ResolvedOptions, env: Environment) -> None:
        self._options, self._env = options, env
        self._plan = Explanation()

    def on_events(self, events: list[_core._Event]) -> None:
        """Count the items among *events*."""
        for event in events:
            if event[0] == "item":
                self._plan.add(event[1])

    def show(self, summary: _core.Summary, job: Locations, out: Output) -> None:
        """Print the plan."""
        options, env = self._options, self._env
        binary = options.human_readable > 2
        utf8 = charset(env.environ) == "utf-8"
        text = self._plan.text(
            summary,
            sources=[self._with_host(source, job, remote=not job.am_sender) for source in job.sources],
            destination=self._with_host(job.destination or b"", job, remote=job.am_sender),
            command=self._command(),
            notes=list(self._notes(summary, job)),
            room=self._room(job, binary=binary),
            verbose=options.verbose > 0,
            encoding="utf-8" if utf8 else "ascii",
            binary=binary,
        )
        out.plain(text.encode("utf-8" if utf8 else "ascii", "replace"))

    def _with_host(self, path: bytes, job: Locations, *, remote: bool) -> bytes:
        if job.host is None or not remote:
            return path
        return job.host + (b"::" if job.daemon else b":") + path

    def _command(self) -> str:
        import shlex

        words = [word for word in self._env.argv[1:] if word != b"--explain"]
        return shlex.join(os.fsdecode(word) for word in (self._env.program, *words))

    def _room(self, job: Locations, *, binary: bool) -> str:
        """What the run needs, and what is free where it would write; empty if that is another machine."""
        if job.host is not None and job.am_sender:
            return ""
        place = existing(os.path.join(self._env.cwd, job.destination or b"."))
        room = free_room(place)
        if room.bytes is None:
            return ""
        plan = self._plan
        needs = plan.new.bytes + plan.update.bytes
        text = f"needs {size(needs, binary=binary)}, {room.bytes_of} {size(room.bytes, binary=binary)}"
        text += f" on {shown_name(mount_of(place))}"
        if room.inodes is not None:
            text += f"; inodes {count(plan.new.files + plan.new.directories)} of {count(room.inodes)}"
        return text

    def _notes(self, summary: _core.Summary, job: Locations) -> Iterator[tuple[str, str]]:
        """Sentences about what may surprise, each with the id of its rule."""
        options, plan = self._options, self._plan
        deleted = plan.delete.files
        before = max(sum(summary.files.values()) - summary.files.get("dir", 0) - plan.new.files, 0) + deleted
        # Whole directories go.
        whole = sorted(name for name in plan.delete.whole if name[: name[:-1].rfind(b"/") + 1] not in plan.delete.whole)
        for name in whole[:_DIRECTORIES]:
            yield "E1", f"{shown_name(name)}: everything in it would be deleted."
        if len(whole) > _DIRECTORIES:
            yield "E1", f"{count(len(whole) - _DIRECTORIES)} more directories would be deleted with all they hold."
        # Much goes.
        if before and (deleted > _MANY or deleted > before * _HALF):
            yield "E2", f"{count(deleted)} of {count(before)} files at the destination would be deleted."
        if len(job.sources) == 1:
            yield from self._slash(job)
        # Compression costs, and there is no line to save.
        if options.compress and job.host is None:
            yield "E4", "-z does nothing in a local copy."
        # Only with a list of directories and without recursion.
        if options.delete != "never" and not options.recurse:
            yield "E5", "--delete without -r deletes only in the directories that are named."
        # The kernel lets only root give files away.
        if options.owner and os.geteuid() != 0 and (job.host is None or not job.am_sender):
            yield "E6", "Owners are not kept, because this is not root."
        yield from self._local_sources(job)
        # An unmounted disk looks like this.
        if sum(summary.files.values()) <= len(job.sources) and options.recurse:
            yield "E9", "The source is empty."

    def _slash(self, job: Locations) -> Iterator[tuple[str, str]]:
        """What a slash at the end of a source means."""
        source = job.sources[0]
        name = os.path.basename(source.rstrip(b"/"))
        made = shown_name((job.destination or b"").rstrip(b"/") + b"/" + name + b"/")
        if not name or name in (b".", b"..") or not self._options.recurse or self._options.relative:
            return
        if source.endswith(b"/"):
            yield "E3", f"{shown_name(source)} has a slash, so its contents are copied. Without it, {made} is made."
        elif job.host is not None or os.path.isdir(os.path.join(self._env.cwd, source)):
            yield "E3", f"{shown_name(source)} has no slash, so {made} is made. With it, its contents are copied."

    def _local_sources(self, job: Locations) -> Iterator[tuple[str, str]]:
        if job.host is not None and not job.am_sender:
            return
        for source in job.sources:
            path = os.path.join(self._env.cwd, source)
            # Quotes keep the shell from expanding it.
            if b"*" in source and not os.path.lexists(path):
                yield "E7", f"No file is named {shown_name(source)}: a shell expands * only without quotes."
        # The next run would copy the copy.
        if job.host is None and job.destination is not None:
            inner = os.path.realpath(os.path.join(self._env.cwd, job.destination))
            for source in job.sources:
                outer = os.path.realpath(os.path.join(self._env.cwd, source))
                if inner.startswith(outer.rstrip(b"/") + b"/"):
                    yield "E8", f"The destination is below {shown_name(source)}, so a later run copies the copy."
