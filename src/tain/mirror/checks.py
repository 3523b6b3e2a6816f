"""What several keys, or several jobs, must fulfil together."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from tain.mirror import accounts, findings, trees
from tain.mirror.findings import Finding
from tain.mirror.merging import Merged, Origin
from tain.mirror.model import OF_COMMANDS, OF_TRANSFERS, Job, Notify, Server, Site
from tain.mirror.positions import Path
from tain.mirror.stages import host_of, is_local, transfer_findings
from tain.mirror.words import HOUR, duration_text, shown

#: Runs against one host closer together than this are impolite.
_POLITE = 2 * HOUR
#: From so many jobs on, one minute for all of them is a burst.
_MANY = 3
_KEEPS = ("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
_NFS_TYPES = frozenset(("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"))

#: Pictures that a site may have, by the ends of their names; bytes of the largest one.
PICTURES = (".svg", ".png", ".jpg", ".webp")
LARGEST_PICTURE = 256 << 10

Jobs = Mapping[str, tuple[Job, Merged, Origin]]


def check_all(jobs: Jobs) -> list[Finding]:
    """The findings about jobs whose tables are right."""
    found: list[Finding] = []
    for name, (job, merged, place) in jobs.items():
        for path, text, warning in (*check_job(name, job), *_check_kind(job, merged.top)):
            origin = merged.origin(path) or place
            found.append(Finding(origin, findings.dotted(("job", name, *path)), text, warning=warning))
    found += _places(jobs)
    found += _bursts(jobs)
    return found


def check_server(server: Server) -> Iterator[tuple[str, str, bool]]:
    """The key of the server, a sentence, and whether it is only a warning."""
    for text in server.listen:
        host = text.rpartition(":")[0].strip("[]")
        local = text == "systemd" or text.startswith("unix:") or host == "localhost" or host in ("::1", "")
        if local or host.startswith("127.") or server.tokens_file is not None or server.public == "none":
            continue
        yield "listen", f"{shown(text)}: everybody who reaches it sees the page; set tokens_file or public", True
    for key in ("control_socket", "tokens_file", "static_dir", "textfile"):
        value = getattr(server, key)
        if value is not None and not os.path.isabs(value):
            yield key, f"{shown(value)} is not an absolute path", False
    if server.tokens_file is not None:
        try:
            mode = os.stat(server.tokens_file).st_mode
        except FileNotFoundError:
            # `token add` makes it.
            return
        except OSError as error:
            yield "tokens_file", f"{shown(server.tokens_file)} cannot be read: {error.strerror}", False
            return
        if mode & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH):
            yield "tokens_file", f"{shown(server.tokens_file)} can be read by others: chmod 600", False


def check_site(site: Site) -> Iterator[tuple[str, str, bool]]:
    """The key of `[site]`, a sentence, and whether it is only a warning."""
    if site.logo is None:
        return
    if os.path.splitext(site.logo)[1].lower() not in PICTURES:
        yield "logo", f"{shown(site.logo)} is no picture of these kinds: {', '.join(PICTURES)}", False
    elif not site.logo.startswith("/"):
        yield "logo", f"{shown(site.logo)} is not an absolute path", False
    elif not os.path.isfile(site.logo) or not os.access(site.logo, os.R_OK):
        yield "logo", f"{shown(site.logo)} is missing, or cannot be read", False
    elif os.path.getsize(site.logo) > LARGEST_PICTURE:
        yield "logo", f"{shown(site.logo)} has more than {LARGEST_PICTURE >> 10} KiB, and each visitor loads it", False


def check_notify(notify: Notify) -> Iterator[tuple[str, str, bool]]:
    """The key of `[notify]`, a sentence, and whether it is only a warning."""
    if notify.apprise_file is not None:
        for text in secret_problems(notify.apprise_file):
            yield "apprise_file", text, False
    if notify.apprise:
        yield "apprise", "addresses of messages are often secrets; apprise_file keeps them in a file of their own", True
    if notify.hook and (not notify.hook[0].startswith("/") or not os.access(notify.hook[0], os.X_OK)):
        yield "hook", f"{shown(notify.hook[0])} is not the absolute path of a program", False


def check_job(name: str, job: Job) -> Iterator[tuple[Path, str, bool]]:
    """The path of a key in the job, a sentence, and whether it is only a warning."""
    label = findings.dotted(("job", name))
    if job.source and job.upstream:
        yield ("upstream",), 'has both "source" and "upstream"', False
    if not job.source and not job.upstream and job.kind == "rsync":
        yield (), 'needs "source" or an [[upstream]]', False
    chosen = [key for key, given in (("every", job.every), ("cron", job.cron), ("manual", job.manual)) if given]
    if len(chosen) > 1:
        yield (chosen[1],), f'has both "{chosen[0]}" and "{chosen[1]}"', False
    elif not chosen:
        yield (), 'needs one of "every", "cron" or "manual = true"', False
    if job.every is not None and job.every < 1:
        yield ("every",), "is less than a second", False
    yield from _check_places(job)
    yield from _check_secrets(job)
    yield from _check_stages(job, label)
    if job.retry.max_wait < job.retry.wait:
        yield ("retry", "max_wait"), f"is less than wait ({duration_text(job.retry.wait)})", False
    if 0 not in job.retry.accept:
        yield ("retry", "accept"), "must have 0", False
    for code in sorted({*job.retry.accept} & {*job.retry.codes}):
        yield ("retry", "codes"), f"{code} is in accept too", False
    if job.failover.slack > job.failover.max_lag:
        yield ("failover", "slack"), f"is more than max_lag ({duration_text(job.failover.max_lag)})", False
    yield from _check_http(job)
    yield from _check_publish(job)
    yield from _check_trace(job)
    yield from _check_account(job)
    yield from _check_programs(job)
    for key, text in transfer_findings(job.transfer, label):
        yield ("transfer", key), text, False
    if job.delete and job.guard.max_delete is None:
        yield ("guard", "max_delete"), "deletions have no limit", True


def _check_kind(job: Job, own: Mapping[str, Any]) -> Iterator[tuple[Path, str, bool]]:
    """Keys of the other kind. *own*: the table of the job itself; what `[defaults]` and profiles have is for all
    kinds of jobs."""
    for key in ("source", "destination"):
        if key in own and f"{key}_b64" in own:
            yield (f"{key}_b64",), f'has both "{key}" and "{key}_b64"', False
    if job.kind == "rsync":
        for key in OF_COMMANDS:
            if key in own:
                yield (key,), 'needs kind = "command"', False
        return
    for key in OF_TRANSFERS:
        table, _, inner = key.partition(".")
        value = own.get(table)
        if table in own and (not inner or (isinstance(value, dict) and inner in value)):
            yield tuple(key.split(".")), 'is nothing that a job of kind = "command" has', False
    if job.publish.mode != "in-place":
        yield ("publish", "mode"), f'{shown(job.publish.mode)} cannot be used with kind = "command"', False
    if not job.command:
        yield (), 'needs "command"', False
    elif job.shell:
        if len(job.command) != 1:
            yield ("command",), "with shell = true it is one text", False
    else:
        for text in _program_problems(job.command[0]):
            yield ("command",), text, False


def _check_places(job: Job) -> Iterator[tuple[Path, str, bool]]:
    destination = job.destination
    if "\0" in destination or any("\0" in upstream.url for upstream in job.upstreams):
        yield ("destination",), "a path cannot have a NUL", False
        return
    if not destination.startswith("/"):
        yield ("destination",), f"{shown(destination)} is not an absolute path", False
        return
    place = os.path.normpath(destination)
    if place == "/":
        yield ("destination",), "/ is the whole machine", False
        return
    # A command knows what its upstreams are.
    for number, upstream in enumerate(job.upstreams if job.kind == "rsync" else ()):
        path: Path = ("upstream", number, "url") if job.upstream else ("source",)
        if not upstream.url:
            yield path, "is empty", False
        elif upstream.url.startswith("rsyncs://"):
            yield path, "rsyncs:// is not supported by this version", False
        elif not upstream.url.endswith("/"):
            last = os.path.basename(upstream.url.rpartition(":")[2])
            yield path, f"no trailing slash: the tree would become {os.path.join(place, last)}/", True
        if upstream.url and is_local(upstream.url):
            if not upstream.url.startswith("/"):
                yield path, f"{shown(upstream.url)} is not an absolute path", False
            elif _inside(place, os.path.normpath(upstream.url)):
                yield ("destination",), f"{place} lies inside the source {upstream.url}", False
            elif _inside(os.path.normpath(upstream.url), place):
                yield path, f"the source {upstream.url} lies inside the destination", False
    if os.path.isdir(place) and os.stat(place).st_dev == os.stat("/").st_dev:
        yield ("destination",), f"{place} is on the root file system", True


def _check_secrets(job: Job) -> Iterator[tuple[Path, str, bool]]:
    for number, upstream in enumerate(job.upstream):
        if upstream.password_file is not None:
            for text in secret_problems(upstream.password_file):
                yield ("upstream", number, "password_file"), text, False
        if upstream.credential is not None and ("/" in upstream.credential or upstream.credential in ("", ".", "..")):
            yield ("upstream", number, "credential"), f"{shown(upstream.credential)} is no name of a credential", False
        if upstream.credential is not None and upstream.password_file is not None:
            yield ("upstream", number, "credential"), 'has both "credential" and "password_file"', False


def _check_http(job: Job) -> Iterator[tuple[Path, str, bool]]:
    for number, upstream in enumerate(job.upstream):
        if upstream.http is not None and not upstream.http.startswith(("http://", "https://")):
            yield ("upstream", number, "http"), f"{shown(upstream.http)} is no address of http or https", False
    if job.probe.via == "http" and not any(upstream.http for upstream in job.upstream):
        yield ("probe", "via"), 'no upstream has "http"', False


def _check_programs(job: Job) -> Iterator[tuple[Path, str, bool]]:
    for number, hook in enumerate(job.hook):
        path: Path = ("hook", number, "run")
        if hook.shell:
            if len(hook.run) != 1:
                yield path, "with shell = true it is one text", False
        elif not hook.run:
            yield path, "is empty", False
        else:
            for text in _program_problems(hook.run[0]):
                yield path, text, False
    for number, one in enumerate(job.downstream):
        inner: Path = ("downstream", number)
        kind = one.trigger.partition("://")[0]
        if kind not in ("https", "http", "ssh"):
            yield (*inner, "trigger"), f"{shown(one.trigger)} is no address of https or ssh", False
        if kind == "http" and not one.insecure:
            yield (*inner, "trigger"), "http shows the token to everybody on the way; set insecure = true", False
        for key, secret in (("token_file", one.token_file), ("key", one.key)):
            if secret is not None:
                for text in secret_problems(secret):
                    yield (*inner, key), text, False
        if kind in ("https", "http") and one.token_file is None:
            yield inner, 'needs "token_file"', False
    if job.healthchecks is not None and not job.healthchecks.startswith(("http://", "https://")):
        yield ("healthchecks",), "is no address of http or https", False


def _program_problems(path: str) -> Iterator[str]:
    if not path.startswith("/"):
        yield f"{shown(path)} is not an absolute path"
    elif not os.path.isfile(path) or not os.access(path, os.X_OK):
        yield f"{shown(path)} is missing, or cannot be run"


def secret_problems(path: str) -> Iterator[str]:
    """What is wrong with a file that holds a secret."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        yield f"{shown(path)} cannot be read: {error.strerror if isinstance(error, OSError) else 'has a NUL'}"
        return
    if not os.access(path, os.R_OK):
        yield f"{shown(path)} cannot be read: Permission denied"
    elif mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield f"{shown(path)} can be read by others: chmod 600"


def _check_publish(job: Job) -> Iterator[tuple[Path, str, bool]]:
    rules = job.publish
    if rules.mode == "in-place":
        return
    if rules.mode == "snapshots" and not any(getattr(rules, key) for key in _KEEPS):
        yield ("publish",), f"needs one of {', '.join(_KEEPS)}", False
    for key in ("inplace", "append", "append_verify"):
        if any(table.get(key) for table in (job.transfer, *(stage.transfer for stage in job.stages))):
            yield ("transfer", key), f"would change files of older trees with publish.mode = {shown(rules.mode)}", False
    if rules.method == "reflink" and job.destination.startswith("/"):
        place = os.path.dirname(os.path.normpath(job.destination))
        if os.path.isdir(place) and trees.can_clone(place) is False:
            yield ("publish", "method"), f"the file system of {place} cannot clone files", False


def _check_trace(job: Job) -> Iterator[tuple[Path, str, bool]]:
    rules = job.trace
    if job.publish.mode == "snapshots" and (rules.write != "none" or rules.busy_marker):
        yield ("trace",), 'cannot be used with publish.mode = "snapshots"', False
    for key in rules.fields:
        if not key or not key.replace("-", "").isalnum():
            yield ("trace", "fields", key), "is no name of a field: letters, digits and -", False


def _check_account(job: Job) -> Iterator[tuple[Path, str, bool]]:
    rules = job.resources
    given = {"user": rules.user, "group": rules.group}
    for key, name in given.items():
        path: Path = ("resources", key)
        if name is None:
            continue
        if job.kind != "command":
            yield path, 'needs kind = "command"; a transfer runs as the user of tain mirror', False
        elif os.geteuid() != 0:
            yield path, "needs root", False
        elif key == "group" and rules.user is None:
            yield path, 'needs "user"', False
        elif not accounts.exists(key, name):
            yield path, f"{shown(name)} is no {key} of this machine", False


def _check_stages(job: Job, label: str) -> Iterator[tuple[Path, str, bool]]:
    names: set[str] = set()
    for number, stage in enumerate(job.stage):
        last = number == len(job.stage) - 1
        if stage.name in names:
            yield ("stage", number, "name"), f"{shown(stage.name)} is the name of an earlier stage", False
        names.add(stage.name)
        if stage.delete and not last:
            yield ("stage", number, "delete"), "only the last stage can delete", False
        for pattern in stage.exclude if last else ():
            text = f"files matching {shown(pattern)} would never be mirrored; exclude them for the whole job"
            yield ("stage", number, "exclude"), text, False
        for key, text in transfer_findings(stage.transfer, label):
            yield ("stage", number, "transfer", key), text, False


def _inside(path: str, other: str) -> bool:
    """Whether *path* is *other* or lies below it."""
    return path == other or path.startswith(other.rstrip("/") + "/")


def _places(jobs: Jobs) -> Iterator[Finding]:
    """No destination may lie in another job's."""
    places = {os.path.normpath(job.destination): name for name, (job, _, _) in reversed(list(jobs.items()))}
    for name, (job, merged, place) in jobs.items():
        own = os.path.normpath(job.destination)
        parts = own.split("/")
        for end in range(2, len(parts) + 1):
            above = "/".join(parts[:end])
            other = places.get(above)
            if other is not None and other != name:
                where = jobs[other][1].origin(("destination",))
                how = "is" if above == own else "lies inside"
                yield Finding(
                    merged.origin(("destination",)) or place,
                    findings.dotted(("job", name, "destination")),
                    f"{own} {how} the destination of {findings.dotted(('job', other))} ({where})",
                )
                break


def _bursts(jobs: Jobs) -> Iterator[Finding]:
    """Warnings about many runs at one moment, and about many runs against one host."""
    minutes: dict[str, list[str]] = {}
    hosts: dict[str, list[str]] = {}
    for name, (job, _, _) in jobs.items():
        for line in job.cron or ():
            minutes.setdefault(line, []).append(name)
        if job.every is not None and job.every < _POLITE:
            for upstream in job.upstreams:
                if not is_local(upstream.url):
                    hosts.setdefault(host_of(upstream.url), []).append(name)
    for line, names in minutes.items():
        if len(names) >= _MANY and len(names) == len(jobs):
            merged, place = jobs[names[0]][1:]
            origin = merged.origin(("cron",)) or place
            key = findings.dotted(("job", names[0], "cron"))
            yield Finding(origin, key, f"all {len(names)} jobs start at {shown(line)}", warning=True)
    for host, names in hosts.items():
        merged, place = jobs[names[0]][1:]
        origin = merged.origin(("every",)) or place
        text = f"{host} would be asked more often than every {duration_text(_POLITE)}"
        yield Finding(origin, findings.dotted(("job", names[0], "every")), text, warning=True)


def network_file_system(path: str) -> str | None:
    """The type of the file system of *path* if it lies on another machine, where SQLite's log does not work."""
    import psutil

    real = os.path.realpath(path)
    best = ("", "")
    for part in psutil.disk_partitions(all=True):
        if _inside(real, part.mountpoint) and len(part.mountpoint) >= len(best[0]):
            best = (part.mountpoint, part.fstype)
    return best[1] if best[1] in _NFS_TYPES else None
