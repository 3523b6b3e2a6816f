"""Guards: refusals of transfers that would delete what nobody meant to delete."""

from __future__ import annotations

import os

from tain.errors import DeleteLimit
from tain.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain._core import Deletions
    from tain.options.hostspec import Locations
    from tain.options.resolved import ResolvedOptions
    from tain.session.environment import Environment


#: So many deletions are not many, whatever part they are.
_FEW = 100


class Guard(Record):
    """What a transfer refuses. A refusal has code 25 (`DeleteLimit`), and nothing is deleted.

    The first four rules look at the arguments and at local sources before the transfer begins, and nothing is changed;
    a remote source is not looked at. `percent` and `most` are judged when all deletions are known, before the first
    one: what was copied stays. They make ``delete=True`` delete at the end. They do not work for a push, whose
    deletions only the other end knows.
    """

    root: bool = True
    """Deletions whose destination is ``/`` or the home directory of the user."""
    same: bool = True
    """One directory as source and destination, with deletions or `remove_source_files`."""
    empty_source: bool = True
    """Deletions while a source directory has no entry, as when its disk is not mounted."""
    marker: str | bytes | None = None
    """Deletions while a source directory lacks an entry of this name, which a mounted disk has."""

    percent: int | None = 50
    """More than 100 deletions that are more than this part of what the destination has."""
    most: int | None = None
    """More deletions than this; unlike `max_delete` it then makes none."""

    def watches(self, options: ResolvedOptions) -> bool:
        """The deletions of this transfer can be judged, and a rule is about them."""
        if (self.percent is None and self.most is None) or options.delete == "never" or len(options.args) < 2:
            return False
        from tain.options import hostspec

        job = hostspec.locate(options)
        return job.host is None or not job.am_sender

    def refusal(self, deletions: Deletions, destination: bytes) -> str | None:
        """The line of a refusal, or None when all may be made."""
        number, entries = deletions.number, deletions.entries
        place = _shown(destination)
        if self.most is not None and number > self.most:
            return f'tain: refused by guard "most": {number:,} entries of {place} would be deleted'
        if self.percent is not None and number > _FEW and 100 * number > self.percent * entries:
            part = f"{number:,} of {entries:,} entries of {place}"
            return f'tain: refused by guard "percent": {part} would be deleted ({100 * number / entries:.1f}%)'
        return None

    def judge(self, options: ResolvedOptions, env: Environment) -> None:
        """Errors: `DeleteLimit` for a transfer that a rule refuses."""
        from tain.options import hostspec

        deletes = options.delete != "never" or options.delete_missing_args
        if not (deletes or options.remove_source_files) or options.read_batch is not None or len(options.args) < 2:
            return
        job = hostspec.locate(options)
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
