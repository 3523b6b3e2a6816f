"""Whether a tree is what its source says: files that indices name, and a sample of all files."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import hashlib
import os
import random
import tempfile
from collections.abc import Sequence

from tain import api
from tain.errors import TainError
from tain.mirror import facts, indices, runs, states
from tain.mirror.context import Context
from tain.mirror.indices import Fault, UnreadableIndex
from tain.mirror.model import Job, Upstream
from tain.mirror.outcome import End
from tain.mirror.stages import stage_options
from tain.mirror.trees import reason
from tain.mirror.words import visible
from tain.report import quantities
from tain.results import Result

#: Entries of one directory among which a file is picked, and directories on the way to it.
_MOST, _DEEP = 10_000, 64
#: Directories of an upstream that are listed to find out whether a missing file is there.
_LISTS = 50
#: Files that a run changed, if no number is given.
_CHANGED = 1000
#: The index of a repository, and the key of the moment at which all of them were looked for.
_REPOMD, _ALL = "repomd.xml", "*"
_OF_INDEX = ("file differs from what its index says", "files differ from what their index says")
_OF_SAMPLE = ("file differs from that of the upstream", "files differ from those of the upstream")
#: Names in a message.
_SHOWN = 3


class Verification:
    """The checks of one pass. *place*: the tree, which is not published yet if the job swaps trees."""

    def __init__(self, run: Context, upstream: Upstream, place: str, own: Sequence[str]) -> None:
        self.run, self.job, self.upstream, self.own = run, run.job, upstream, tuple(own)
        # Without a slash at its end a source becomes a directory in the destination.
        last = "" if upstream.url.endswith("/") else os.path.basename(upstream.url.rpartition(":")[2])
        self.root = os.path.join(place, last) if last else place
        self.source = upstream.url if upstream.url.endswith("/") else upstream.url + "/"
        self._lists: dict[str, frozenset[bytes]] = {}
        self.known_path = os.path.join(run.layout.job(run.name), "verified.json")

    def work(self) -> None:
        """Check, and repair what differs if the job says so. Errors: `End`, if something differs in the end."""
        rules, run = self.job.verify, self.run
        if not (rules.index or rules.sample or rules.changed):
            return
        run.record.phase("verifying")
        known = runs.read_json(self.known_path) or {}
        faults = self._indices(known)
        if faults and rules.on_mismatch == "repair":
            self._repair(sorted({fault.path for fault in faults}))
            known = runs.read_json(self.known_path) or {}
            faults = self._indices(known)
        names = [] if faults else self._sample()
        self.run.record.event("verify", faults=len(faults), sample=len(names))
        if not faults:
            with contextlib.suppress(OSError):
                runs.write_json(self.known_path, known)
        if faults or names:
            run.record.document["mismatch"] = True
            texts = [f"{visible(fault.path)} ({fault.what})" for fault in faults] or [visible(name) for name in names]
            more = f" and {len(texts) - _SHOWN:,} more" if len(texts) > _SHOWN else ""
            one, many = _OF_INDEX if faults else _OF_SAMPLE
            what = quantities.counted(len(texts), one, many)
            raise End("failed", f"{what}: {', '.join(texts[:_SHOWN])}{more}", states.EXIT_DATA)

    # ---- indices

    def _indices(self, known: dict[str, list[float | str]]) -> list[Fault]:
        """The faults of all indices. *known* has the indices that were checked, and receives those that are right."""
        faults: list[Fault] = []
        for path in self._found(known):
            data = indices.read_index(self.root, path)
            if data is None:
                continue
            digest, now = hashlib.sha256(data).hexdigest(), self.run.clock.now()
            before = known.get(path)
            if before is not None and before[0] == digest and now - float(before[1]) < self.job.verify.every:
                continue
            self.run.check_stop()
            own = self._check(path, data)
            faults += own
            if own:
                known.pop(path, None)
            else:
                known[path] = [digest, now]
        return faults

    def _found(self, known: dict[str, list[float | str]]) -> list[str]:
        """The indices of the tree."""
        found: list[str] = []
        if "debian" in self.job.verify.index:
            for name in ("InRelease", "Release"):
                for pattern in (f"dists/*/{name}", f"dists/*/*/{name}"):
                    found += glob.glob(pattern, root_dir=self.root)
        if "rpm" in self.job.verify.index:
            found += self._repositories(known)
        return sorted(found)

    def _repositories(self, known: dict[str, list[float | str]]) -> list[str]:
        """The indices of repositories of packages: all of them from time to time, else those that the run changed."""
        now, before = self.run.clock.now(), known.get(_ALL)
        if before is not None and now - float(before[1]) < self.job.verify.every:
            changed = {os.path.normpath(name) for name in self._changed_directories()}
            paths = [os.path.join(name, _REPOMD) for name in changed if os.path.basename(name) == "repodata"]
            return [path for path in paths if os.path.isfile(os.path.join(self.root, path))]
        with contextlib.suppress(TainError, OSError):
            rules = ["+ */", f"+ repodata/{_REPOMD}", "- *"]
            names = [os.fsdecode(entry.path) for entry in api.list(self.root + "/", recursive=True, filters=rules)]
            known[_ALL] = ["", now]
            return [name for name in names if os.path.basename(name) == _REPOMD]
        return []

    def _check(self, path: str, data: bytes) -> list[Fault]:
        directory = os.path.dirname(path)
        try:
            if path.endswith("Release"):
                entries = indices.debian_entries(data, directory)
            else:
                entries = indices.rpm_entries(data, os.path.dirname(directory))
        except UnreadableIndex as error:
            self.run.log.note(f"{path}: {error}")
            return [Fault(path, "unreadable")]
        found: list[Fault] = []
        for group in indices.groups(entries):
            faults = indices.check_group(self.root, group)
            if faults and faults[0].what == "missing":
                faults = self._missing([fault.path for fault in faults])
            found += faults
        return found

    def _missing(self, paths: Sequence[str]) -> list[Fault]:
        """A missing file counts if the job mirrors it, and the upstream has it: archives name files that they lack."""
        if self.job.exclude_from or any(is_excluded(self.job, path) for path in paths):
            return []
        names = self._listed(os.path.dirname(paths[0]))
        there = [path for path in paths if os.fsencode(os.path.basename(path)) in names]
        return [Fault(there[0], "missing")] if there else []

    def _listed(self, directory: str) -> frozenset[bytes]:
        """The names in a directory of the upstream; empty if it does not answer."""
        if directory not in self._lists and len(self._lists) < _LISTS:
            self._lists[directory] = facts.names_in(self.job, self.upstream, directory)
        return self._lists.get(directory, frozenset())

    # ---- comparing with the upstream

    def _sample(self) -> list[str]:
        """The names of files that differ from those of the upstream after a repair."""
        rules = self.job.verify
        picked = set(pick(self.root, rules.sample))
        if rules.changed:
            picked |= set(self._changed(rules.sample or _CHANGED))
        # Our own files are nobody else's.
        traces = self.run.traces.names
        names = sorted(picked - {traces.trace, traces.payload, traces.busy, *traces.shared})
        differ = self._compare(names) if names else []
        if differ and rules.on_mismatch == "repair":
            text = f"{quantities.counted(len(differ), *_OF_SAMPLE)}: repairing"
            self.run.record.event("message", text=text)
            self._repair(names)
            differ = self._compare(names)
        return differ

    def _changed(self, most: int) -> list[str]:
        """Files of directories that the run has changed."""
        directories, found = self._changed_directories(), list[str]()
        for name in random.sample(directories, min(len(directories), most)):
            path = os.path.normpath(name)
            found += _entries(self.root, "" if path == "." else path)[0][: most - len(found)]
        return found

    def _changed_directories(self) -> list[str]:
        """The directories that the run has changed, below the root of the tree."""
        with contextlib.suppress(OSError), open(self.run.files.path("dirs.nul"), "rb") as file:
            return [os.fsdecode(name) for name in file.read().split(b"\0") if name]
        return []

    def _compare(self, names: Sequence[str]) -> list[str]:
        """The files that differ, by a dry run that reads them at both ends."""
        lines: list[bytes] = []
        result = self._transfer(names, dry_run=True, lines=lines)
        if result.code not in (0, 23, 24):
            # The transfers were complete: an upstream that does not answer now makes nothing worse.
            self.run.log.note(f"the sample was not compared: {reason(result)}")
            return []
        return [os.fsdecode(line) for line in b"".join(lines).split(b"\n") if line]

    def _repair(self, names: Sequence[str]) -> None:
        self._transfer(names, dry_run=False, lines=[])

    def _transfer(self, names: Sequence[str], *, dry_run: bool, lines: list[bytes]) -> Result:
        """Transfer files whose contents differ, whatever their times are."""
        options = stage_options(self.job, len(self.job.stages) - 1, self.upstream, own=self.own)
        with tempfile.NamedTemporaryFile(dir=self.run.directory, prefix="verify-") as file:
            file.write(b"".join(os.fsencode(name) + b"\0" for name in names))
            file.flush()
            options = options.replace(
                files_from=file.name, from0=True, checksum=True, delete=False, recursive=False, delay_updates=False,
                filters=[], exclude_from=[], dry_run=dry_run, itemize_changes=0, out_format="%n" if dry_run else None,
            )  # fmt: skip
            return api.Transfer(
                self.source, self.root, options=options, guard=None, cwd="/",
                on_output=lambda stream, data: lines.append(data) if stream == 1 else self.run.log.write(stream, data),
                password=facts.password_of(self.upstream), environ=facts.environ_of(self.upstream),
            ).run()  # fmt: skip


def is_excluded(job: Job, path: str) -> bool:
    """Whether a pattern of a job may exclude a path. A pattern that another rule overrides counts: a file that is
    perhaps not mirrored is not missed."""
    patterns = [*job.exclude, *(rule[1:].lstrip("! ") for rule in job.filters if rule.startswith("-"))]
    parts = path.split("/")
    for given in patterns:
        pattern = given.rstrip("/")
        anchored = pattern.startswith("/")
        pattern = pattern.lstrip("/").replace("/***", "").replace("/**", "/*")
        if not anchored and "/" not in pattern and any(fnmatch.fnmatchcase(part, pattern) for part in parts):
            return True
        for start in range(1 if anchored else len(parts)):
            for end in range(start + 1, len(parts) + 1):
                if fnmatch.fnmatchcase("/".join(parts[start:end]), pattern):
                    return True
    return False


def pick(root: str, number: int) -> list[str]:
    """Up to *number* files of a tree, by random ways down from its root: the whole tree is never listed."""
    found: set[str] = set()
    for _ in range(3 * number):
        if len(found) >= number:
            break
        path = ""
        for _ in range(_DEEP):
            files, directories = _entries(root, path)
            if not files and not directories:
                break
            chosen = random.randrange(len(files) + len(directories))
            if chosen < len(files):
                found.add(files[chosen])
                break
            path = directories[chosen - len(files)]
    return sorted(found)


def _entries(root: str, path: str) -> tuple[list[str], list[str]]:
    """The files and the directories in a directory of a tree; links are neither."""
    files, directories = [], []
    with contextlib.suppress(OSError), os.scandir(os.path.join(root, path)) as entries:
        for number, entry in enumerate(entries):
            if number >= _MOST:
                break
            inner = os.path.join(path, entry.name)
            if entry.is_file(follow_symlinks=False):
                files.append(inner)
            elif entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".~tmp~"):
                directories.append(inner)
    return files, directories
