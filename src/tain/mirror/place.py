"""The destination of a job: created on the first run, owned by one job."""

from __future__ import annotations

import errno
import os

from tain.mirror import accounts
from tain.mirror.guards import Refusal
from tain.mirror.locks import Holder, Lock, holder_of
from tain.mirror.model import Job
from tain.mirror.runs import read_json, write_json

#: The work directory inside of a destination, where its parent cannot be used.
INNER = ".tain-mirror"


class PlaceError(Exception):
    """The destination or its work directory cannot be made."""


def prepare(job: Job) -> None:
    """Create the destination if its parent exists. Errors: `PlaceError`."""
    destination = job.destination
    if job.publish.mode == "swap":
        # It becomes a link when the first tree is complete.
        if os.path.lexists(destination) and not os.path.isdir(destination):
            raise PlaceError(f"{destination} is no directory, and no link to one")
        if not os.path.isdir(os.path.dirname(os.path.normpath(destination))):
            raise PlaceError(f"{destination} cannot be created: {os.strerror(errno.ENOENT)}")
        return
    try:
        os.mkdir(destination, 0o755)
        accounts.own(destination, job.resources)
    except FileExistsError:
        if not os.path.isdir(destination):
            raise PlaceError(f"{destination} is no directory") from None
    except OSError as error:
        raise PlaceError(f"{destination} cannot be created: {error.strerror}") from error


def work_directory(job: Job) -> str:
    """Where the tool keeps what is its own, on the file system of the destination."""
    if job.work_dir is not None:
        return job.work_dir
    place = os.path.normpath(job.destination)
    parent, name = os.path.split(place)
    beside = os.path.join(parent, f".tain-{name}")
    if job.publish.mode == "swap":
        # The destination is a link into it.
        return beside
    if os.path.isdir(beside) or (os.access(parent, os.W_OK) and os.stat(parent).st_dev == os.stat(place).st_dev):
        return beside
    return os.path.join(place, INNER)


class Place:
    """The destination, held by one run."""

    def __init__(self, job: Job, name: str, state: str) -> None:
        self._job, self._name, self._state = job, name, state
        self._lock: Lock | None = None

    def take(self, holder: Holder) -> Refusal | Holder | None:
        """Hold the destination. Returns who holds it, or why it is another job's. Errors: `PlaceError`, `OSError`."""
        directory = work_directory(self._job)
        swapped = self._job.publish.mode == "swap"
        try:
            # Those who read a swapped tree pass through here.
            os.mkdir(directory, 0o711 if swapped else 0o700)
        except FileExistsError:
            # A link could lead somebody else's destination here.
            if os.path.islink(directory) or not os.path.isdir(directory):
                raise PlaceError(f"{directory} is no directory") from None
        except OSError as error:
            raise PlaceError(f"{directory} cannot be created: {error.strerror}") from error
        place = os.path.normpath(self._job.destination)
        if os.stat(directory).st_dev != os.stat(os.path.dirname(place) if swapped else place).st_dev:
            raise PlaceError(f"{directory} is not on the file system of {self._job.destination}")
        lock = Lock(os.path.join(directory, "lock"))
        if not lock.take(holder):
            return holder_of(lock.path) or Holder(0, 0, "")
        self._lock = lock
        owner = os.path.join(directory, "owner")
        known = read_json(owner)
        if known is not None and (known.get("job"), known.get("state")) != (self._name, self._state):
            return Refusal(
                "owner",
                f"the destination belongs to job {known.get('job')} of {known.get('state')} (says {owner})",
            )
        if known is None:
            write_json(owner, {"job": self._name, "state": self._state})
        return None

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
