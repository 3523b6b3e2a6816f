"""The two ways to publish a whole tree: `Swap` and `Snapshots`."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import UTC, datetime

from tain.mirror import retention, runs, states, trees
from tain.mirror.context import Context
from tain.mirror.outcome import End
from tain.mirror.publish import OLD, Publication, WholeTree
from tain.mirror.retention import Snapshot

#: The version that a destination was before it became a link.
_FIRST = "00000000T000000Z-0000"
_TEMPORARY = re.compile(r"\.\d+\.tain")
_NUMBERED = re.compile(r"(.*?)(?:\+\d+)?")


def publication_of(run: Context) -> Publication:
    """How the tree of a run is published."""
    kinds = {"swap": Swap, "snapshots": Snapshots}
    kind = kinds.get(run.job.publish.mode)
    return Publication(run) if kind is None else kind(run)


class Swap(WholeTree):
    """`destination` is a link to the current version, and is replaced in one step."""

    publishes_held = True

    def find_current(self) -> str | None:
        place = self.job.destination
        return os.path.realpath(place) if os.path.isdir(place) else None

    def begin(self) -> None:
        super().begin()
        if not self.run.dry_run:
            self._finish_exchange()
            self._finish_interrupted()

    def _finish_interrupted(self) -> None:
        """Publish the version of a run that vanished between naming it and linking to it."""
        linked = "" if self.current is None else os.path.basename(self.current)
        names = [name for name in os.listdir(self.parts) if runs.RUN_ID.match(name) and not name.endswith(".part")]
        newest = max(names, default="")
        if newest <= linked:
            return
        found = runs.RUN_ID.match(newest)
        assert found is not None
        document = runs.read_json(os.path.join(self.run.layout.run(self.run.name, found[0]), "run.json")) or {}
        if document.get("phase") == "publishing" and document.get("version") == newest:
            self._link(os.path.join(self.parts, newest))
            self.current = self.find_current()

    def refused(self, names: str) -> None:
        # Deletions that are held do not stop updates.
        self._keep(names)

    def publish(self, *, good: bool) -> None:
        if not good or self.run.dry_run:
            return
        place = os.path.join(self.parts, self.version)
        self._rename(place)
        self._link(place)
        self.current = place

    def _link(self, place: str) -> None:
        destination = os.path.normpath(self.job.destination)
        parent = os.path.dirname(destination)
        # A relative link survives a move of the directory that holds both.
        target = os.path.relpath(place, parent) if os.path.commonpath((place, parent)) == parent else place
        replaced = os.path.realpath(destination)
        if os.path.islink(destination) or not os.path.lexists(destination):
            trees.point(destination, target)
        else:
            self._replace_directory(destination, target)
            replaced = self._first()
        self._note_replaced(os.path.basename(replaced), os.path.basename(place))

    def _replace_directory(self, destination: str, target: str) -> None:
        """The destination was a directory until now."""
        link = f"{destination}.{os.getpid()}.tain"
        os.symlink(target, link)
        try:
            trees.exchange(link, destination)
        except OSError as error:
            os.unlink(link)
            text = f"{destination} is a directory, and cannot be exchanged with a link here: {error.strerror}"
            raise End("failed", f"{text}; move it away once", states.EXIT_STATE) from error
        os.rename(link, self._first())
        trees.sync(os.path.dirname(destination))

    def _first(self) -> str:
        return os.path.join(self.parts, _FIRST)

    def _finish_exchange(self) -> None:
        """Tidy up after a run that vanished while it exchanged a directory and a link."""
        parent, name = os.path.split(os.path.normpath(self.job.destination))
        for entry in os.listdir(parent):
            if entry.startswith(f"{name}.") and _TEMPORARY.fullmatch(entry[len(name) :]):
                path = os.path.join(parent, entry)
                if os.path.islink(path):
                    os.unlink(path)
                elif os.path.islink(self.job.destination):
                    os.rename(path, self._first())

    @property
    def _replaced(self) -> str:
        return os.path.join(self.parts, "replaced.json")

    def _note_replaced(self, old: str, new: str) -> None:
        known = runs.read_json(self._replaced) or {}
        known[old] = self.run.clock.now()
        known.pop(new, None)
        runs.write_json(self._replaced, known)

    def clean_up(self) -> None:
        if self.run.dry_run:
            return
        known = runs.read_json(self._replaced) or {}
        now = self.run.clock.now()
        linked = None if self.current is None else os.path.basename(self.current)
        names = [name for name in os.listdir(self.parts) if runs.RUN_ID.match(name) and not name.endswith(".part")]
        # A version without a date was replaced before anybody wrote it down.
        replaced = {name: float(known.get(name, 0.0)) for name in names if name != linked}
        rules = self.job.publish
        for name in retention.old_versions(replaced, rules.keep_previous, rules.grace, now):
            self.run.check_stop()
            trees.remove(os.path.join(self.parts, name))
        runs.write_json(self._replaced, {name: at for name, at in known.items() if name in names})
        self._remove_parts()


class Snapshots(WholeTree):
    """Each good run adds a directory to `destination`."""

    def find_current(self) -> str | None:
        found = retention.last_good(self.snapshots())
        return None if found is None else os.path.join(self.job.destination, found.name)

    def snapshots(self) -> list[Snapshot]:
        """The snapshots of the job; other entries of the destination are not ours."""
        return snapshots_of(self.job.destination, self.job.publish.name, self.work)

    def refused(self, names: str) -> None:
        """A snapshot is a state of the source, or it is none: nothing is published, and the next run goes on."""

    def publish(self, *, good: bool) -> None:
        if self.run.dry_run or not (good or self.job.publish.link_partial):
            return
        rules, place = self.job.publish, self.job.destination
        wanted = datetime.fromtimestamp(self.run.record.document["started"], UTC).strftime(rules.name)
        name, number = wanted, 1
        while os.path.lexists(os.path.join(place, name)):
            number += 1
            name = f"{wanted}+{number}"
        note = os.path.join(self.work, "snapshots.json")
        known = runs.read_json(note) or {}
        known[name] = {"at": self.run.record.document["started"], "good": good, "run": self.run.config["run"]}
        # Written first: a snapshot that is in the list and does not exist is nothing.
        runs.write_json(note, known)
        self._rename(os.path.join(place, name))
        if rules.link is not None:
            trees.point(os.path.join(place, rules.link), name)
        if good:
            self.current = os.path.join(place, name)

    def clean_up(self) -> None:
        if self.run.dry_run:
            return
        zone = self.job.timezone or self.run.config.get("timezone")
        for name in retention.removed(self.snapshots(), self.job.publish, zone):
            self.run.check_stop()
            # Renamed first: a tree that is half removed is no snapshot.
            doomed = os.path.join(self.parts, name + OLD)
            with contextlib.suppress(OSError):
                os.rename(os.path.join(self.job.destination, name), doomed)
                trees.remove(doomed)
        note = os.path.join(self.work, "snapshots.json")
        known = runs.read_json(note) or {}
        left = {found.name for found in self.snapshots()}
        runs.write_json(note, {name: value for name, value in known.items() if name in left})
        self._remove_parts()


def snapshots_of(destination: str, form: str, work: str) -> list[Snapshot]:
    """The snapshots below *destination*, oldest first. *form*: their names as for `strftime`; *work*: the work
    directory, which says which of them are good."""
    known = runs.read_json(os.path.join(work, "snapshots.json")) or {}
    found = []
    try:
        names = [entry.name for entry in os.scandir(destination) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    for name in names:
        note = known.get(name)
        match = _NUMBERED.fullmatch(name)
        assert match is not None
        try:
            at = datetime.strptime(match[1], form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
        if isinstance(note, dict):
            at = float(note.get("at", at))
        found.append(Snapshot(name, at, not isinstance(note, dict) or bool(note.get("good", True))))
    return sorted(found, key=lambda snapshot: (snapshot.at, snapshot.name))
