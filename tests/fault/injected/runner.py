"""Runs one case, from the same trees each time, and judges it."""

from __future__ import annotations

import os

from tests.fault.injected.cases import Case
from tests.fault.injected.control import SHORT
from tests.fault.injected.judge import Judge
from tests.fault.injected.sets import SETS
from tests.fault.injected.world import ERRNOS, Picture, Run, World


class Runner:
    def __init__(self, world: World, program: str, peer: str) -> None:
        self.world = world
        self.programs = {"tain": program, "rsync": peer}
        self.known: dict[tuple[str, str, bool, str], tuple[dict[str, Picture], Run, dict[str, Picture]]] = {}

    def go(self, case: Case, again: bool = False) -> Run:
        set_ = SETS[case.set]
        return self.world.run(
            set_.words(case.via, again),
            list(set_.sources),
            case.via,
            program=self.programs["tain"],
            far=self.programs[case.far],
            user=case.user,
        )

    def clean(self, case: Case) -> tuple[dict[str, Picture], Run, dict[str, Picture]]:
        """The trees before, a run in which nothing fails with all its calls, and the trees after a second such run."""
        key = (case.set, case.via, case.user, case.far)
        if key not in self.known:
            world = self.world
            world.begin(case.user)
            before = world.look(9e9)
            world.control.arm(world.work, every=True)
            first = self.go(case)
            assert first.outcome.code == 0, f"a clean run fails: {first.outcome} {first.log}"
            second = self.go(case, again=True)
            assert second.outcome.code == 0, f"a clean second run fails: {second.outcome} {second.log}"
            self.known[key] = before, first, second.trees
        return self.known[key]

    def calls(self, case: Case) -> int:
        """How often a clean run makes the call of this case."""
        top = f"{self.world.work}/{case.side}"
        return sum(
            1 for _, kind, path in self.clean(case)[1].calls if kind == case.call and (path + "/").startswith(top + "/")
        )

    def made(self, case: Case) -> set[str]:
        """`tree:call` of all calls in a clean run."""
        found = set()
        for _, kind, path in self.clean(case)[1].calls:
            top = os.path.relpath(path, self.world.work).split("/")[0]
            if top in ("src", "dst", "alt", "tmp", "bak"):
                found.add(f"{top}:{kind}")
        return found

    def inject(self, case: Case) -> Run:
        """The run of a case with its fault, over fresh trees."""
        count = self.calls(case)
        run = self.armed(case, count)
        # Threads and caches make some calls more often in one run than in the next: the last of the clean run may
        # not come. An earlier one does.
        while not run.hits and count > 1:
            count //= 2
            run = self.armed(case, count)
        return run

    def armed(self, case: Case, count: int) -> Run:
        world = self.world
        first, last = {
            "first": (1, 1),
            "middle": ((count + 1) // 2, (count + 1) // 2),
            "last": (count, count),
            "every": (1, 1 << 31),
        }[case.when]
        world.begin(case.user)
        world.control.arm(
            world.work,
            kind=case.call,
            below=world.work / case.side,
            error=SHORT if case.error == "short" else ERRNOS[case.error],
            first=first,
            last=last,
        )
        return self.go(case)

    def judge(self, case: Case) -> tuple[list[str], Run]:
        before, clean, clean_then = self.clean(case)
        run = self.inject(case)
        then = self.go(case, again=True)
        judge = Judge(case, self.world.work, before, clean, run, then, clean_then)
        return judge.judge(), run
