"""Compare what a plan has made: its command again, as a dry run that compares contents."""

from __future__ import annotations

import math
import os
import random
import re
import sys
import tempfile

from tain.cluster.files import PlanFiles
from tain.cluster.plan import Shard
from tain.cluster.planned import merged
from tain.cluster.work import perform
from tain.report.output import WHOLE_RUN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.cluster.plan import Plan

#: Options that make a comparison of the command; they overrule those before them.
_COMPARED = (
    b"--dry-run",
    b"--checksum",
    b"--no-verbose",
    b"--info=none",
    b"--info=name1,del1",
    b"--out-format=%i %n%L",
)
_ITEM = re.compile(rb"(?m)^(?:[<>ch.][fdLDS]|\*deleting ).*$")
#: The exit code of a difference.
DIFFERENT = 23


def compare(plan: Plan, share: float) -> int:
    """Compare a *share* (up to 1) of the regions of *plan*; with 1, also what it would delete. Differences are printed.
    Returns the exit code."""
    end = plan.argv.index(b"--") if b"--" in plan.argv else len(plan.argv)
    plan = plan.replace(argv=(*plan.argv[:end], *_COMPARED, *plan.argv[end:]), exclusive=False)
    shards = [shard for shard in plan.shards if shard.kind == "shard"]
    if share < 1 and shards:
        shards = random.sample(shards, math.ceil(share * len(shards)))
    else:
        shards = [Shard(number=0, kind="whole")]
    different, code = False, 0
    with tempfile.TemporaryDirectory() as place, PlanFiles(os.fsencode(place), create=True) as files:
        for shard in shards:
            report = perform(plan.work(shard, 1, files.directory, said=(), roots=plan.roots))
            sys.stderr.write(report.errors)
            if report.void:
                print(f"tain: {report.void}", file=sys.stderr)
            code = code or (report.code if report.code not in WHOLE_RUN or report.code else 0)
            row = {"shard": shard.number, "files": report.files}
            for text in merged(files, plan, [row]):
                for line in _ITEM.findall(text):
                    different = True
                    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.flush()
    return code or (DIFFERENT if different else 0)
