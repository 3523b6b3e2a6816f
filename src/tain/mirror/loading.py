"""Reading a configuration: files, includes, layers, validation."""

from __future__ import annotations

import functools
import glob
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import platformdirs
from pydantic import ValidationError

from tain.mirror import positions
from tain.mirror.checks import check_all, check_notify, check_server, check_site
from tain.mirror.fields import Table
from tain.mirror.findings import ConfigError, Finding, dotted, explain
from tain.mirror.merging import Layer, Merged, Origin
from tain.mirror.model import JOB_NAME, LATER, Job, Limits, Notify, Server, Site
from tain.mirror.positions import Path
from tain.mirror.words import shown

_T = TypeVar("_T", bound=Table)

SYSTEM_FILE = "/etc/tain/mirror.toml"
_PROFILES = os.path.join(os.path.dirname(__file__), "profiles")
_TOP = ("include", "site", "server", "limits", "notify", "defaults", "profile", "job")


class _NotOwned(Exception):
    """A file that root reads, and that somebody else can change."""


@dataclass(frozen=True)
class LoadedJob:
    """A job with the values of all layers."""

    name: str
    job: Job
    merged: Merged
    place: Origin


@dataclass
class Config:
    """A whole configuration."""

    file: str
    site: Site = field(default_factory=Site)
    server: Server = field(default_factory=Server)
    limits: Limits = field(default_factory=Limits)
    notify: Notify = field(default_factory=Notify)
    jobs: dict[str, LoadedJob] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.warning]


def user_file() -> str:
    """The configuration of a user who is not root."""
    return os.path.join(platformdirs.user_config_dir("tain"), "mirror.toml")


def find_file(given: str | None, environ: Mapping[str, str]) -> str:
    """The configuration to read: *given*, ``$TAIN_MIRROR_CONFIG``, the user's, or the system's."""
    named = given or environ.get("TAIN_MIRROR_CONFIG")
    if named:
        return named
    own = user_file()
    return own if os.geteuid() != 0 and os.path.exists(own) else SYSTEM_FILE


@functools.cache
def builtin_profiles() -> tuple[str, ...]:
    """The names of the built-in profiles."""
    return tuple(sorted(name[:-5] for name in os.listdir(_PROFILES) if name.endswith(".toml") and name != "base.toml"))


def load_config(file: str) -> Config:
    """Read a configuration with everything that it includes. Errors: `ConfigError` with all findings."""
    config = read_config(file)
    if config.errors:
        raise ConfigError(config.findings)
    return config


def read_config(file: str) -> Config:
    """As `load_config`, but what is wrong is only noted in `Config.findings`; jobs with errors are left out."""
    return _Loading(file).load()


@dataclass
class _File:
    name: str
    values: dict[str, Any]
    lines: dict[Path, int]

    def origin(self, path: Path) -> Origin:
        return Origin(self.name, positions.line_of(self.lines, path))


class _Loading:
    def __init__(self, file: str) -> None:
        self.config = Config(file)
        self.files: list[_File] = []
        self.profiles: dict[str, Layer] = {}
        #: The tables at the top of the files, by their names.
        self.tops: dict[str, Merged] = {}

    def load(self) -> Config:
        first = self.read(self.config.file)
        if first is not None:
            for pattern in self.included(first):
                for name in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(first.name)), pattern))):
                    self.read(name)
        for file in self.files:
            for key in file.values:
                if key not in _TOP:
                    later = f"this version does not have {LATER[key]} yet" if key in LATER else "unknown key"
                    self.wrong(file.origin((key,)), (key,), later)
        self.config.site = self.top(Site, "site")
        self.config.server = self.top(Server, "server")
        self.config.limits = self.top(Limits, "limits")
        self.config.notify = self.top(Notify, "notify")
        for file in self.files:
            for name, table in self.tables(file, "profile").items():
                self.profiles[name] = Layer(table, file.name, file.lines, ("profile", name))
        for file in self.files:
            for name, table in self.tables(file, "job").items():
                self.job(file, name, table)
        tops = {
            "site": check_site(self.config.site),
            "server": check_server(self.config.server),
            "notify": check_notify(self.config.notify),
        }
        for name, found in tops.items():
            for key, text, warning in found:
                place = self.tops[name].origin((key,)) or Origin(self.config.file)
                self.config.findings.append(Finding(place, f"{name}.{key}", text, warning=warning))
        self.config.findings += check_all(
            {name: (item.job, item.merged, item.place) for name, item in self.config.jobs.items()}
        )
        order = {file.name: number for number, file in enumerate(self.files)}
        self.config.findings.sort(key=lambda found: (order.get(found.origin.file, -1), found.origin.line))
        return self.config

    def wrong(self, origin: Origin, path: Path, text: str) -> None:
        self.config.findings.append(Finding(origin, dotted(path), text))

    def read(self, name: str) -> _File | None:
        try:
            with open(name, "rb") as file:
                _check_owner(os.fstat(file.fileno()))
                text = file.read().decode()
            values = tomllib.loads(text)
            found = _File(name, values, positions.lines_of(text.replace("\r\n", "\n")))
        except OSError as error:
            self.wrong(Origin(name), (), f"cannot be read: {error.strerror}")
        except _NotOwned as error:
            self.wrong(Origin(name), (), str(error))
        except UnicodeDecodeError as error:
            self.wrong(Origin(name), (), f"byte {error.start} is not UTF-8")
        except tomllib.TOMLDecodeError as error:
            message, line = str(error), 1
            at = message.find("(at line ")
            if at >= 0:
                line = int(message[at + 9 :].split(",")[0])
                message = message[:at].strip()
            elif "at end of document" in message:
                line = text.count("\n") + 1
            self.wrong(Origin(name, line), (), message[:1].lower() + message[1:])
        except RecursionError:
            self.wrong(Origin(name), (), "is nested too deeply")
        else:
            self.files.append(found)
            return found
        return None

    def included(self, file: _File) -> list[str]:
        patterns = file.values.get("include", [])
        if isinstance(patterns, list) and all(isinstance(item, str) and "\0" not in item for item in patterns):
            return patterns
        self.wrong(file.origin(("include",)), ("include",), f"{shown(patterns)} is not a list of texts")
        return []

    def table(self, file: _File, path: Path) -> dict[str, Any]:
        """The table at *path* of a file; empty if there is none."""
        value: Any = file.values
        for part in path:
            value = value.get(part, {}) if isinstance(value, dict) else {}
        if isinstance(value, dict):
            return value
        self.wrong(file.origin(path), path, f"{shown(value)} is not a table")
        return {}

    def tables(self, file: _File, kind: str) -> dict[str, dict[str, Any]]:
        """The tables below ``job`` or ``profile``."""
        return {
            name: self.table(file, (kind, name))
            for name, value in self.table(file, (kind,)).items()
            if isinstance(value, dict) or self.table(file, (kind, name))
        }

    def top(self, model: type[_T], name: str) -> _T:
        merged = Merged()
        for file in self.files:
            merged.add(Layer(self.table(file, (name,)), file.name, file.lines, (name,)))
        self.tops[name] = merged
        try:
            return model.model_validate(merged.values)
        except ValidationError as error:
            place = Origin(self.config.file)
            self.config.findings += explain(error, model, (name,), lambda path: merged.origin(path) or place)
            return model()

    def job(self, file: _File, name: str, table: dict[str, Any]) -> None:
        path: Path = ("job", name)
        place = file.origin(path)
        if JOB_NAME.fullmatch(name) is None:
            self.wrong(
                place, path, "a name is up to 64 letters, digits, and . _ + -, and begins with a letter or digit"
            )
            return
        known = self.config.jobs.get(name)
        if known is not None:
            self.wrong(place, path, f"there is a job of this name already ({known.place})")
            return
        merged = Merged()
        defaults = [Layer(self.table(f, ("defaults",)), f.name, f.lines, ("defaults",)) for f in self.files]
        chosen = next(
            (layer["profile"] for layer in [table, *(d.values for d in reversed(defaults))] if "profile" in layer),
            "plain",
        )
        own = Layer(table, file.name, file.lines, path)
        builtin, chain = self.chain(chosen, own)
        for layer in [_builtin("base"), builtin, *defaults, *chain, own]:
            merged.add(layer)
        merged.values.pop("extends", None)
        try:
            job = Job.model_validate(merged.values)
        except ValidationError as error:
            self.config.findings += explain(error, Job, path, lambda inner: merged.origin(inner) or place)
        else:
            self.config.jobs[name] = LoadedJob(name, job, merged, place)

    def chain(self, chosen: object, own: Layer) -> tuple[Layer, list[Layer]]:
        """The built-in profile at the bottom of a chain of profiles, and the layers of the file above it."""
        found: list[Layer] = []
        seen: list[object] = []
        name, layer, key = chosen, own, "profile"
        while isinstance(name, str) and name in self.profiles and name not in seen:
            seen.append(name)
            layer, key = self.profiles[name], "extends"
            found.insert(0, layer)
            # A profile that has the name of a built-in one builds on it.
            name = layer.values.get("extends", name if name in builtin_profiles() else "plain")
            if name == seen[-1]:
                break
        if isinstance(name, str) and name in seen and name != seen[-1]:
            self.wrong(layer.origin((key,)), (*layer.prefix, key), f"profile {shown(name)} extends itself")
        elif not isinstance(name, str) or (name not in builtin_profiles() and name not in seen):
            names = ", ".join(sorted({*builtin_profiles(), *self.profiles}))
            self.wrong(layer.origin((key,)), (*layer.prefix, key), f"{shown(name)} is no profile; there are: {names}")
        bottom = name if isinstance(name, str) and name in builtin_profiles() else "plain"
        return _builtin(bottom), found


def _check_owner(info: os.stat_result) -> None:
    if os.geteuid() != 0:
        return
    if info.st_uid != 0:
        raise _NotOwned("is read by root, so it must belong to root")
    if info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _NotOwned("is read by root, so nobody else may write it: chmod go-w")


@functools.cache
def _builtin(name: str) -> Layer:
    with open(os.path.join(_PROFILES, f"{name}.toml"), "rb") as file:
        return Layer(tomllib.load(file), f"built-in profile {name}")
