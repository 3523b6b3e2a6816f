"""How a finished tree becomes the one that people read: written in place, swapped, or as a snapshot."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable

from tain import api
from tain.mirror import guards, states, trees
from tain.mirror.context import Context
from tain.mirror.guards import Before, Refusal
from tain.mirror.outcome import End
from tain.mirror.place import work_directory
from tain.options.guard import DeletePlan

#: Unfinished trees of earlier attempts whose files are used.
_PARTS = 3
_PART = ".part"
#: The end of the name of a tree that is being removed.
OLD = ".old"


class Publication:
    """The tree of a run that is written in place. `target`: the directory that the stages write."""

    #: Stages judge their own deletions.
    judges_stages = True
    #: A tree whose deletions are held is published all the same: it has what would be deleted.
    publishes_held = False
    #: The directory of partial files of all attempts; None: beside each file.
    partial: str | None = None

    def __init__(self, run: Context) -> None:
        self.run, self.job = run, run.job
        self.target = run.job.destination
        #: Older trees whose unchanged files are linked or cloned.
        self.basis: tuple[str, ...] = ()

    def begin(self) -> None:
        """Before the first attempt of a run. Errors: `End`, `OSError`."""

    def begin_attempt(self) -> None:
        """Before each attempt."""

    def judge(self, before: Before, *, further: bool, look_again: Callable[[], Refusal | None]) -> Refusal | None:
        """Judge the finished tree against the one that people read; returns why its deletions are refused."""
        return None

    def publish(self, *, good: bool) -> None:
        """Let people read the tree. *good*: the run was a success. Errors: `End`, `OSError`."""

    def clean_up(self) -> None:
        """Remove old trees. A stop that somebody asks for ends it; the next run goes on."""


class WholeTree(Publication, ABC):
    """A tree that is filled beside the one that people read."""

    judges_stages = False

    def __init__(self, run: Context) -> None:
        super().__init__(run)
        self.work = work_directory(run.job)
        self.parts = os.path.join(self.work, "versions" if run.job.publish.mode == "swap" else "snapshots")
        self.partial = os.path.join(self.work, "partial")
        self.number = 0
        self.current = self.find_current()
        if run.dry_run:
            self.judges_stages, self.partial = True, None
            self.target = self.current or run.job.destination

    @abstractmethod
    def find_current(self) -> str | None:
        """The tree that the new one is compared with; None: there is none."""

    @property
    def version(self) -> str:
        """The name of the tree that is being filled."""
        run = str(self.run.config["run"])
        return run if self.number <= 1 else f"{run}-{self.number}"

    def begin(self) -> None:
        if self.run.flags.get("stage"):
            raise End("failed", "a tree that is published as a whole needs all stages", states.EXIT_USAGE)
        if not self.run.dry_run:
            os.makedirs(self.parts, mode=0o755, exist_ok=True)
            assert self.partial is not None
            os.makedirs(self.partial, mode=0o700, exist_ok=True)

    def begin_attempt(self) -> None:
        """Each attempt fills a directory of its own: its files are links to those of unfinished and finished trees, and
        a link that got other attributes would change the older tree too."""
        if self.run.dry_run:
            return
        parts = sorted((name for name in os.listdir(self.parts) if name.endswith(_PART)), reverse=True)
        for name in parts[_PARTS:]:
            trees.remove(os.path.join(self.parts, name))
        self.number += 1
        while os.path.exists(os.path.join(self.parts, self.version + _PART)):
            self.number += 1
        self.target = os.path.join(self.parts, self.version + _PART)
        os.mkdir(self.target, 0o755)
        places = [os.path.join(self.parts, name) for name in parts[:_PARTS]]
        if self.current is not None:
            places.append(self.current)
        self.basis = tuple(places)

    def judge(self, before: Before, *, further: bool, look_again: Callable[[], Refusal | None]) -> Refusal | None:
        run = self.run
        if self.current is None or run.dry_run:
            return None
        run.record.phase("judging")
        counted = self._count_deletions(before)
        if not counted.deletions:
            return None
        names = run.files.path("deletes.nul")
        found: list[DeletePlan] = []

        def note(plan: DeletePlan) -> str:
            found.append(plan)
            return "only counted"

        # Only what the new tree lacks is of interest: nothing is updated or created, and the judge refuses.
        options = api.Options(
            archive=False, recursive=True, links=True, existing=True, ignore_existing=True, delete="delay"
        )  # fmt: skip
        result = api.Transfer(
            self.target + "/", self.current, options=options,
            guard=api.Guard(percent=None, empty_source=False, judge=note, names=names), cwd="/",
        ).run()  # fmt: skip
        if not found and result.code not in (0, 23):
            raise End("failed", f"the new tree cannot be compared: {trees.reason(result)}", result.code)
        listed = found[0].deletions if found else 0
        if not self.job.delete or run.flags.get("no_delete"):
            # Nothing is ever deleted: what the new tree lacks stays.
            if listed:
                self._keep(names)
            return None
        # The listed deletions lack what is in directories that are files or links now. Such a directory cannot stay
        # beside the new entry, so the new tree waits as a whole while it is held.
        plan = counted if not found else found[0].replace(
            errors=0, deletions=max(counted.deletions, listed), entries=max(found[0].entries, counted.deletions)
        )  # fmt: skip
        if plan.deletions > listed:
            self.publishes_held = False
        ticket = None if run.ticket is None or further else int(run.ticket["max_deletes"])
        refusal = guards.judge_deletions(self.job.guard, plan, before, ticket)
        if refusal is None and ticket is None and guards.needs_release(self.job.guard, run.before.get("hold")):
            refusal = guards.NEEDS_RELEASE
        if refusal is None:
            refusal = look_again()
        run.record.planned(plan, refusal)
        if refusal is None:
            run.hooks.run("before-delete")
            run.record.document["deleted"] = (run.record.document["deleted"] or 0) + plan.deletions
        elif self.publishes_held:
            self.refused(names)
        return refusal

    def _count_deletions(self, before: Before) -> DeletePlan:
        """What people would miss in the new tree, with what is in directories that are files or links now. Errors:
        `End`."""
        assert self.current is not None
        options = api.Options(
            archive=False, recursive=True, links=True, existing=True, dry_run=True, delete="delay", force=True
        )  # fmt: skip
        result = api.Transfer(self.target + "/", self.current, options=options, guard=None, cwd="/").run()
        figures = result.statistics
        if figures is None or result.code not in (0, 23):
            raise End("failed", f"the new tree cannot be compared: {trees.reason(result)}", result.code)
        number = sum(figures.deleted.values())
        return DeletePlan(
            deletions=number, bytes=0, entries=max(before.files or 0, number),
            source_entries=sum(figures.files.values()), source_bytes=figures.total_size, errors=0,
        )  # fmt: skip

    @abstractmethod
    def refused(self, names: str) -> None:
        """Deletions are refused: *names* is a file of the entries that must stay."""

    def _keep(self, names: str) -> None:
        """Take the entries in *names* over from the current tree. Errors: `End`."""
        assert self.current is not None
        options = api.Options(
            hard_links=True, files_from=names, from0=True, implied_dirs=False, ignore_existing=True,
            link_dest=self.current,
        )  # fmt: skip
        result = api.Transfer(self.current + "/", self.target, options=options, cwd="/").run()
        if result.code:
            raise End("failed", f"what must stay cannot be taken over: {trees.reason(result)}", result.code)

    def _rename(self, place: str) -> None:
        """Give the finished tree its name. From here on it is whole."""
        self.run.record.phase("publishing", version=os.path.basename(place))
        os.rename(self.target, place)
        trees.sync(os.path.dirname(place))

    def _remove_parts(self) -> None:
        """Remove what unfinished runs have left; their files are in the finished tree."""
        for name in os.listdir(self.parts):
            if name.endswith((_PART, OLD)):
                self.run.check_stop()
                trees.remove(os.path.join(self.parts, name))
        assert self.partial is not None
        trees.remove(self.partial)
