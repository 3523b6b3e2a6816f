"""``--jobs``: several streams in this process, or by a plan in the directory of ``--jobs-dir``."""

from __future__ import annotations

import os

from tain.cluster import divide
from tain.errors import UsageError
from tain.options.guard import DEFAULT_GUARD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.cluster.engines import Engine
    from tain.session.client.request import Request
    from tain.session.client.run import Run

#: Options that say how a run is divided, and not what it does; those without a value have none to follow.
_OWN, _FLAGS = ("--jobs", "--jobs-dir", "--jobs-limit", "--jobs-order"), ("--jobs-strict",)


def divided(request: Request, run: Run, start: Callable[[Request], int]) -> Run:
    """The run of *request* in several streams, if its options ask for them; see `tain.cluster.divide.divided`. Errors:
    `UsageError`; `FileError` for the directory of a plan."""
    directory = request.options.jobs_dir
    if directory is None:
        return divide.divided(request, run, start)
    from tain.cluster.planned import Planned
    from tain.cluster.words import Given
    from tain.cluster.work import options_of

    options, env = request.options, request.env
    if env.transport is not None or env.password is not None:
        raise UsageError("tain: --jobs-dir cannot be used with a transport or a password of this process")
    words = Given([os.fsdecode(word) for word in env.argv[1:]], valued=_OWN, flags=_FLAGS).rest
    if request.guard is not None and not options.guard:
        if request.guard is not DEFAULT_GUARD:
            raise UsageError("tain: --jobs-dir cannot be used with a guard of the caller's own: use --guard-rules")
        words.insert(0, "--guard")
    own = [os.fsencode(word) for word in words]
    # Aliases of this user do not reach a run of the plan.
    options_of(own, env)
    streams = max(options.jobs, 1)

    def local(_request: Request) -> Engine:
        from tain.cluster.engines.local import Local

        return Local(streams)

    place = os.path.join(env.cwd, directory)
    return Planned(place, local, words=own, streams=streams).divide(request, run, start)
