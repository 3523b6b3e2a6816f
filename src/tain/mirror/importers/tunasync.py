"""The worker's configuration of tunasync."""

from __future__ import annotations

import glob
import os
import shlex
import shutil
import tomllib
from collections.abc import Collection, Iterator
from typing import Any

from tain.mirror.importers.rsyncline import read_line
from tain.mirror.importers.words import Imported, Unusable, job_name

#: Options that its rsync provider always uses, as far as a job does not have them anyway.
_OWN_OPTIONS = {"delay_updates": True}
_CONTAINER = ("docker_image", "docker_volumes", "docker_options")
_KNOWN = frozenset((
    "name", "provider", "upstream", "interval", "retry", "timeout", "mirror_dir", "mirror_subdir", "mirror_type",
    "log_dir", "exclude_file", "username", "password", "stage1_profile", "rsync_options", "rsync_override",
    "rsync_timeout", "rsync_no_timeout", "use_ipv6", "use_ipv4", "memory_limit", "exec_on_success", "exec_on_failure",
    "exec_on_success_extra", "exec_on_failure_extra", "command", "env", "role", "size_pattern", "fail_on_match",
    "success_exit_codes", "snapshot_path", "mirrors", *_CONTAINER,
))  # fmt: skip


def read_worker(path: str, secrets: str, taken: Collection[str] = ()) -> Imported:
    """The jobs of a worker's configuration. *secrets*: the directory for files of passwords; *taken*: names that are
    not free. Errors: `Unusable`."""
    found = Imported()
    whole = _read(path)
    common = whole.get("global") or {}
    for section in ("zfs", "btrfs_snapshot", "docker", "cgroup", "manager", "server"):
        if (whole.get(section) or {}).get("enable") or (section in whole and section in ("zfs", "btrfs_snapshot")):
            found.notes.append(f"[{section}] is not carried over")
    if isinstance(common.get("concurrent"), int):
        found.notes.append(f"concurrent = {common['concurrent']}: set limits.jobs = {common['concurrent']}")
    for mirror in _mirrors(path, whole):
        name = str(mirror.get("name", ""))
        try:
            if not name:
                raise Unusable("has no name")
            losses: list[str] = []
            job = _job(mirror, common, losses, found, secrets)
        except Unusable as error:
            found.losses.append(f"{name or 'a mirror'}: {error}")
            continue
        found.losses += [f"{name}: {loss}" for loss in losses]
        found.jobs[job_name(name, {*taken, *found.jobs})] = job
    return found


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unusable(f"{path}: {error}") from error


def _mirrors(path: str, whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The mirrors of a file and of those that it includes; a nested one has what the outer ones set."""
    yield from _nested(whole.get("mirrors") or [], {})
    pattern = (whole.get("include") or {}).get("include_mirrors")
    if isinstance(pattern, str):
        for name in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(path)), pattern))):
            yield from _nested(_read(name).get("mirrors") or [], {})


def _nested(mirrors: list[dict[str, Any]], outer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for mirror in mirrors:
        merged = {**outer, **mirror}
        inner = merged.pop("mirrors", None)
        if inner:
            yield from _nested(inner, merged)
        else:
            yield merged


def _job(
    mirror: dict[str, Any], common: dict[str, Any], losses: list[str], found: Imported, secrets: str
) -> dict[str, Any]:
    name, provider = mirror["name"], mirror.get("provider", "rsync")
    if provider not in ("rsync", "two-stage-rsync", "command"):
        raise Unusable(f"provider {provider} is not known")
    upstream = mirror.get("upstream") or ""
    if not isinstance(upstream, str) or (not upstream and provider != "command"):
        raise Unusable("has no upstream")
    job = _command(mirror, found) if provider == "command" else _base(mirror, losses, found)
    place = mirror.get("mirror_dir") or os.path.join(
        str(common.get("mirror_dir") or "/"), str(mirror.get("mirror_subdir") or ""), name
    )
    job["destination"] = os.path.normpath(place)
    own: dict[str, Any] = {"url": upstream}
    if mirror.get("username"):
        own["url"] = upstream.replace("://", f"://{mirror['username']}@", 1)
    if mirror.get("password"):
        own["password_file"] = os.path.join(secrets, f"{name}.password")
        found.secrets[own["password_file"]] = str(mirror["password"])
        found.notes.append(f"{name}: its password goes to {own['password_file']}")
    if mirror.get("use_ipv6") or mirror.get("use_ipv4"):
        own["family"] = 6 if mirror.get("use_ipv6") else 4
    if len(own) > 1:
        job["upstream"] = [own]
    elif upstream:
        job["source"] = own["url"]
    every = mirror.get("interval", common.get("interval", 120))
    job["every"] = f"{every}m"
    retry = mirror.get("retry", common.get("retry"))
    if isinstance(retry, int) and retry > 0:
        job["retry"] = {"attempts": min(retry, 100)}
    longest = mirror.get("timeout", common.get("timeout"))
    if isinstance(longest, int) and longest > 0:
        job["max_runtime"] = longest
    if provider != "command" and isinstance(mirror.get("rsync_timeout"), int):
        job["timeout"] = mirror["rsync_timeout"]
    if provider != "command" and mirror.get("exclude_file"):
        job["exclude_from"] = [mirror["exclude_file"]]
    if mirror.get("memory_limit"):
        job["resources"] = {"max_memory": str(mirror["memory_limit"]).upper().removesuffix("B")}
    hooks = list(_hooks(mirror, common))
    if hooks:
        job["hook"] = hooks
    losses += [f"{key} is not known" for key in mirror if key not in _KNOWN]
    left = ["role", "snapshot_path"]
    if provider != "command":
        left += ["env", *_CONTAINER]
    elif job["destination"] and mirror.get("docker_image"):
        job["command"] = _in_container(mirror, job["destination"], job["command"])
        found.notes.append(f"{name}: runs docker itself; check the user and the volumes of its command")
    losses += [f"{key} is not carried over" for key in left if mirror.get(key)]
    return job


def _command(mirror: dict[str, Any], found: Imported) -> dict[str, Any]:
    """A job that runs the program of a command provider."""
    words = shlex.split(str(mirror.get("command") or ""))
    if not words:
        raise Unusable("has no command")
    if not mirror.get("docker_image") and not words[0].startswith("/"):
        path = shutil.which(words[0])
        if path is None:
            found.notes.append(f"{mirror['name']}: write the absolute path of {words[0]}")
        words[0] = path or words[0]
    job: dict[str, Any] = {"kind": "command", "command": words, "compat": "tunasync"}
    if isinstance(mirror.get("env"), dict) and mirror["env"]:
        job["env"] = {str(key): str(value) for key, value in mirror["env"].items()}
    for key in ("size_pattern", "fail_on_match"):
        if mirror.get(key):
            job[key] = str(mirror[key])
    codes = mirror.get("success_exit_codes")
    if isinstance(codes, list) and codes:
        job["success_codes"] = sorted({0, *(int(code) for code in codes)})
    return job


def _in_container(mirror: dict[str, Any], place: str, words: list[str]) -> list[str]:
    """The call of docker around a command: tunasync mounts the tree, and hands its variables on."""
    line = [shutil.which("docker") or "/usr/bin/docker", "run", "--rm", "-w", place, "-v", f"{place}:{place}"]
    for volume in mirror.get("docker_volumes") or ():
        line += ["-v", str(volume)]
    for key in ("MIRROR_NAME", "WORKING_DIR", "UPSTREAM_URL", "LOG_DIR", "LOG_FILE"):
        line += ["-e", f"TUNASYNC_{key}"]
    for key in mirror.get("env") or ():
        line += ["-e", str(key)]
    if mirror.get("memory_limit"):
        line += ["--memory", str(mirror["memory_limit"]).lower()]
    return [*line, *(str(word) for word in mirror.get("docker_options") or ()), str(mirror["docker_image"]), *words]


def _base(mirror: dict[str, Any], losses: list[str], found: Imported) -> dict[str, Any]:
    """The options of the transfer: profile, own options, or those that replace all of them."""
    if mirror.get("rsync_override"):
        words = _words(mirror["rsync_override"])
        job = read_line([*words, "/source/", "/destination"], losses, found.notes)
        del job["destination"]
        upstream = job.pop("upstream", None)
        job.pop("source", None)
        if upstream:
            losses.append("rsync_override: options of the connection are left out")
        return job
    job = {}
    if mirror.get("provider") == "two-stage-rsync":
        stages = str(mirror.get("stage1_profile") or "debian")
        if not stages.startswith("debian"):
            raise Unusable(f"stage1_profile {stages} is not known")
        job["profile"] = "debian"
    else:
        job["stage"] = [{"name": "mirror", **_OWN_OPTIONS}]
    if mirror.get("rsync_options"):
        words = ["-rlptH", "--safe-links", "--delete", *_words(mirror["rsync_options"])]
        extra = read_line([*words, "/source/", "/destination"], losses, found.notes)
        for key in ("source", "destination", "stage"):
            extra.pop(key, None)
        job.update(extra)
    return job


def _words(value: Any) -> list[str]:
    words = shlex.split(value) if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Unusable("its options are no list of texts")
    return words


def _hooks(mirror: dict[str, Any], common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for point, key in (("success", "exec_on_success"), ("failed", "exec_on_failure")):
        lines = mirror.get(key) or common.get(key) or []
        for line in [*_lines(lines), *_lines(mirror.get(f"{key}_extra") or [])]:
            yield {"on": point, "run": line, "shell": True}


def _lines(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(line) for line in value]
