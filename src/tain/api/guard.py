"""Guards: refusals of transfers that would delete what nobody meant to delete."""

from __future__ import annotations

import os

from tain.errors import DeleteLimit
from tain.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.hostspec import Locations
    from tain.options.resolved import ResolvedOptions
    from tain.session.environment import Environment


class Guard(Record):
    """What a transfer refuses to begin. A refusal has code 25 (`DeleteLimit`), and nothing is changed.

    The rules look at the arguments and at local sources: a remote source is not looked at.
    """

    root: bool = True
    """Deletions whose destination is ``/`` or the home directory of the user."""
    same: bool = True
    """One directory as source and destination, with deletions or `remove_source_files`."""
    empty_source: bool = True
    """Deletions while a source directory has no entry, as when its disk is not mounted."""
    marker: str | bytes | None = None
    """Deletions while a source directory lacks an entry of this name, which a mounted disk has."""

    def judge(self, options: ResolvedOptions, env: Environment) -> None:
        """Errors: `DeleteLimit` for a transfer that a rule refuses."""
        from tain.options import hostspec

        deletes = options.delete != "never" or options.delete_missing_args
        if not (deletes or options.remove_source_files) or options.read_batch is not None or len(options.args) < 2:
            return
        job = hostspec.locate(options.copy())
        if self.same and job.host is None:
            _refuse_same(job, env)
        if not deletes:
            return
        if self.root:
            _refuse_root(job, env)
        if job.host is not None and not job.am_sender:
            return
        for source in job.sources:
            self._judge_source(source, options, env)

    def _judge_source(self, source: bytes, options: ResolvedOptions, env: Environment) -> None:
        path = os.path.join(env.cwd, source)
        if not options.recurse or not os.path.isdir(path):
            return
        if self.empty_source:
            try:
                with os.scandir(path) as entries:
                    empty = next(entries, None) is None
            except OSError:
                # The transfer reports it, and deletes nothing after an error.
                empty = False
            if empty:
                raise _refusal("empty-source", f"{_shown(source)} is empty")
        if self.marker is not None and not os.path.lexists(os.path.join(path, os.fsencode(self.marker))):
            raise _refusal("marker", f"{_shown(source)} has no {os.fsdecode(self.marker)}")


def _refuse_same(job: Locations, env: Environment) -> None:
    target = os.path.join(env.cwd, job.destination or b"")
    for source in job.sources:
        path = os.path.join(env.cwd, source)
        # Without a slash at its end, the source itself goes into the destination.
        place = target if source.endswith((b"/", b"/.")) else os.path.join(target, os.path.basename(source))
        try:
            same = os.path.samefile(path, place)
        except OSError:
            continue
        if same:
            raise _refusal("same", f"{_shown(source)} is both source and destination")


def _refuse_root(job: Locations, env: Environment) -> None:
    destination = job.destination or b""
    if job.host is not None and job.am_sender:
        if not job.daemon and destination and not destination.strip(b"/"):
            raise _refusal("root", "the destination is / of another machine")
        return
    path = os.path.realpath(os.path.join(env.cwd, destination))
    if path == b"/":
        raise _refusal("root", "the destination is /")
    home = env.get(b"HOME")
    if home and path == os.path.realpath(home):
        raise _refusal("root", f"the destination is the home directory {_shown(home)}")


def _shown(path: bytes) -> str:
    from tain.escape import printable

    return printable(path)


def _refusal(rule: str, text: str) -> DeleteLimit:
    return DeleteLimit(f'tain: refused by guard "{rule}": {text}')


#: The guard of a transfer that names none.
DEFAULT_GUARD = Guard()
