"""``tain cluster doctor``: whether all workers of a cluster can do the same transfer."""

from __future__ import annotations

import json
import os
import sys
import time

from tain.cluster import secure
from tain.cluster.certs import end_of
from tain.errors import UsageError, for_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

HELP = f"""\
tain cluster doctor --scheduler=tls://HOST:PORT [options] [DIRECTORY...]   look for what would go wrong

Each DIRECTORY, such as the source and the destination, must be the same one on all workers.

  --scheduler-file=FILE   where the scheduler has written its address
  --plan-dir=DIR          each worker must be able to write in it
  --json                  as one JSON document
{secure.HELP}"""

#: Seconds by which the clock of a worker may differ.
CLOCK = 2.0
#: A stream has directories and files open; fewer than these are soon used up.
FILES = 1024
#: Days before its end at which a certificate is reported.
DAYS = 7
#: A destination with less free space, in bytes, is reported.
ROOM = 1 << 30


class Finding:
    """One line of the report."""

    def __init__(self, ok: bool, subject: str, text: str) -> None:
        self.ok, self.subject, self.text = ok, subject, text


def main(words: Sequence[str]) -> int:
    """Run the command; *words* follow ``tain cluster doctor``. Returns 0 if all is well, 1 if not.

    Errors: `TainError`.
    """
    if "-h" in words or "--help" in words:
        print(HELP, end="")
        return 0
    from tain.cluster.connecting import silence, target
    from tain.cluster.engines.dask import connect
    from tain.cluster.words import Given

    valued = ("--scheduler", "--scheduler-file", "--plan-dir", *sorted(secure.OPTIONS))
    given = Given(words, valued=valued, flags=("--insecure-cluster", "--json"), strict=True)
    if not {"--scheduler", "--scheduler-file"} & set(given.values):
        raise UsageError("tain cluster doctor: --scheduler or --scheduler-file is needed")
    address, security = target(given)
    silence()
    client = connect(address, security)
    try:
        asked = examine(client, given.rest, given.values.get("--plan-dir"))
    except (OSError, TimeoutError) as error:
        raise for_code(10, f"tain cluster: {address}: {error}") from error
    finally:
        client.close()
    certificate = getattr(security, "tls_client_cert", None)
    findings = [*of_cluster(asked), *of_certificate("this host", end_of(certificate), time.time())]
    if "--json" in given.flags:
        rows = [{"ok": each.ok, "subject": each.subject, "text": each.text} for each in findings]
        print(json.dumps({"schema": "tain.doctor/1", "findings": rows}))
    else:
        for each in findings:
            print(f"{'ok ' if each.ok else 'BAD'}  {each.subject}: {each.text}")
    sys.stdout.flush()
    return 0 if all(each.ok for each in findings) else 1


def examine(client: Any, paths: Sequence[str], directory: str | None) -> dict[str, Any]:
    """What scheduler and workers answer, and when they were asked. Errors: `OSError`."""
    from tain.cluster.documents import dump, name_to_json
    from tain.cluster.engines import dask_worker
    from tain.cluster.starters import SETTINGS

    def name(path: str) -> Any:
        return name_to_json(os.fsencode(os.path.abspath(path)))

    request = dump(
        {"paths": [name(path) for path in paths], "directory": None if directory is None else name(directory)}
    )
    settings = [each for each in SETTINGS if each.startswith("distributed.scheduler.") and "http" not in each]
    try:
        scheduler: Any = client.run_on_scheduler(dask_worker.settings, settings)
    except Exception as error:
        # Whatever a scheduler without this package answers.
        scheduler = f"{type(error).__name__}: {error}"
    began = time.time()
    answers = client.run(dask_worker.examine, request, on_error="return")
    return {
        "began": began,
        "ended": time.time(),
        "scheduler": scheduler,
        "wanted": {each: SETTINGS[each] for each in settings},
        "workers": {
            address: {"error": f"{type(answer).__name__}: {answer}"} if isinstance(answer, BaseException)
            else json.loads(answer)
            for address, answer in answers.items()
        },
    }  # fmt: skip


def of_cluster(asked: Mapping[str, Any]) -> Iterator[Finding]:
    """The findings about all workers, of what `examine` returns."""
    from tain.release import VERSION

    workers: Mapping[str, Mapping[str, Any]] = asked["workers"]
    yield Finding(bool(workers), "workers", f"{len(workers)}")
    yield from _of_scheduler(asked)
    good = {}
    for address, found in workers.items():
        if "error" in found:
            yield Finding(False, address, f"{found['error']}; is tain {VERSION} installed there, with the same Dask?")
        else:
            good[str(found["name"])] = found
    import distributed

    yield from _of_versions("tain", {name: found["version"] for name, found in good.items()}, VERSION)
    dask = {name: found["distributed"] for name, found in good.items()}
    yield from _of_versions("distributed", dask, distributed.__version__)
    minor = {name: found["python"].rpartition(".")[0] for name, found in good.items()}
    yield from _of_versions("Python", minor, ".".join(map(str, sys.version_info[:2])))
    yield from _of_paths(good)
    middle, round_trip = (asked["began"] + asked["ended"]) / 2, asked["ended"] - asked["began"]
    for name, found in good.items():
        if found["writable"]:
            yield Finding(False, name, found["writable"])
        off = found["clock"] - middle
        if abs(off) > CLOCK + round_trip / 2:
            yield Finding(False, name, f"its clock differs from the one here by {off:+.1f} s")
        if found["files"] < FILES:
            yield Finding(False, name, f"{found['files']} files may be open, fewer than {FILES} (ulimit -n)")
        yield from of_certificate(name, found["certificate"], asked["ended"], quiet=True)
    yield Finding(True, "clocks", f"within {CLOCK + round_trip / 2:.1f} s, but for workers that are named")


def of_certificate(subject: str, end: float | None, now: float, *, quiet: bool = False) -> Iterator[Finding]:
    """The finding about a certificate that is valid until *end*; *quiet*: only if it ends soon."""
    if end is None:
        if not quiet:
            yield Finding(True, subject, "no certificate that can be read")
        return
    days = (end - now) / 86400
    if days < DAYS or not quiet:
        text = f"its certificate is valid for {days:.0f} more days" if days >= 0 else "its certificate is not valid"
        yield Finding(days >= DAYS, subject, text)


def _of_scheduler(asked: Mapping[str, Any]) -> Iterator[Finding]:
    found = asked["scheduler"]
    if isinstance(found, str):
        yield Finding(True, "scheduler", f"its settings are not known ({found})")
        return
    others = [name for name, value in asked["wanted"].items() if str(found.get(name)) != str(value)]
    for name in others:
        yield Finding(
            True, "scheduler", f"{name} is {found.get(name)}; tain's own starter sets {asked['wanted'][name]}"
        )
    if not others:
        yield Finding(True, "scheduler", "has the settings of `tain cluster scheduler`")


def _of_versions(what: str, found: Mapping[str, str], here: str) -> Iterator[Finding]:
    others = {name: version for name, version in found.items() if version != here}
    for name, version in others.items():
        yield Finding(False, name, f"{what} {version}, and {here} here")
    if not others:
        yield Finding(True, what, here)


def _of_paths(workers: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Each path must be the same directory everywhere; on one machine on the same device as well."""
    paths = dict.fromkeys(path for found in workers.values() for path in found["paths"])
    for path in paths:
        kinds: dict[tuple[Any, ...], list[str]] = {}
        free = []
        for name, found in workers.items():
            row = found["paths"].get(path, {"error": "not looked at"})
            if "error" in row:
                yield Finding(False, name, f"{path}: {row['error']}; not mounted?")
                continue
            kinds.setdefault((row["ino"], row["fs"]), []).append(name)
            free.append(row["free"])
        if len(kinds) > 1:
            texts = [f"inode {inode} of {fs} on {', '.join(names)}" for (inode, fs), names in kinds.items()]
            yield Finding(False, path, f"not the same directory everywhere: {'; '.join(texts)}")
        elif kinds:
            ((inode, fs),) = kinds
            least = min(free)
            yield Finding(least >= ROOM, path, f"inode {inode} of {fs} everywhere, {least / 1e9:.1f} GB free")
