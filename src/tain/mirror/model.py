"""The configuration as values. Each key that this version knows stands here, and nothing else.

A field's type reads the text of the file; a `ValueError` of it is a sentence for the user. What depends on several keys
is in `tain.mirror.checks`.
"""

from __future__ import annotations

import itertools
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from annotated_types import GroupedMetadata
from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from tain.mirror import words

JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
STAGE_NAME = re.compile(r"[a-z0-9-]{1,32}")


@dataclass(frozen=True)
class _Between(GroupedMetadata):
    """A number from *low* to *high*; with *whole*, one without a fraction."""

    low: int
    high: int | None = None
    whole: bool = True

    def check(self, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            raise ValueError(f"{words.shown(value)} is not a {'whole ' if self.whole else ''}number")
        if self.high is not None and not self.low <= value <= self.high:
            raise ValueError(f"{value} is not between {self.low} and {self.high}")
        if value < self.low:
            raise ValueError(f"{value} is less than {self.low}")
        return value

    def __iter__(self) -> Iterator[object]:
        yield BeforeValidator(self.check)
        schema: dict[str, Any] = {"type": "integer" if self.whole else "number", "minimum": self.low}
        if self.high is not None:
            schema["maximum"] = self.high
        yield WithJsonSchema(schema)


_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER_OR_TEXT: dict[str, Any] = {"anyOf": [{"type": "number", "minimum": 0}, _TEXT]}
_TEXTS: dict[str, Any] = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}


def _texts(value: object) -> list[str]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise ValueError(f"{words.shown(value)} is not a text or a list of texts")
    return found


def _cron(value: object) -> list[str]:
    lines = _texts(value)
    for line in lines:
        try:
            CronSim(expand(line), _ANY_TIME)
        except CronSimError as error:
            raise ValueError(f"{words.shown(line)}: {str(error).lower()}") from None
    if not lines:
        raise ValueError("an empty list is no schedule")
    return lines


def _zone(value: object) -> str:
    try:
        zoneinfo.ZoneInfo(value if isinstance(value, str) else "")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{words.shown(value)} is not a known time zone") from None
    assert isinstance(value, str)
    return value


def _relative(value: str) -> str:
    if not value or value.startswith("/") or ".." in value.split("/"):
        raise ValueError(f"{words.shown(value)} is not a relative path without ..")
    return value


def _jitter(value: object) -> float | words.Share:
    if isinstance(value, words.Share) or (isinstance(value, str) and value.endswith("%")):
        return words.share(value)
    return words.duration(value)


def _umask(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-7]{1,4}", value):
        return int(value, 8)
    raise ValueError(f'{words.shown(value)} is not an octal number as text, such as "022"')


def _ionice(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"idle|none|best-effort(:[0-7])?", value):
        return value
    raise ValueError(f"{words.shown(value)} is not idle, none or best-effort:0 to best-effort:7")


def _at_most(value: object) -> int | None:
    if value == "none":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f'{words.shown(value)} is not a whole number or "none"')
    return value


def _stage_name(value: str) -> str:
    if STAGE_NAME.fullmatch(value):
        return value
    raise ValueError(f"{words.shown(value)} is no name of a stage: small letters, digits and -")


def _points(value: object) -> list[str]:
    found = _texts(value)
    for point in found:
        if point not in POINTS:
            raise ValueError(f"{words.shown(point)} is none of {', '.join(POINTS)}")
    if not found:
        raise ValueError("an empty list is no moment")
    return found


def _snapshot_name(value: str) -> str:
    if not value or "/" in value or value.startswith("."):
        raise ValueError(f"{words.shown(value)} is no name of a directory")
    # Names must tell snapshots apart, and sort as they were made.
    moments = [datetime(2026, 9, 8, 7, 6), datetime(2026, 9, 8, 22, 6), datetime(2026, 10, 7, 3), datetime(2027, 1, 1)]
    names = [moment.strftime(value) for moment in moments]
    if any(later <= earlier for earlier, later in itertools.pairwise(names)):
        raise ValueError(f"{words.shown(value)} does not grow with time")
    try:
        datetime.strptime(names[0], value)
    except ValueError:
        raise ValueError(f"{words.shown(value)} cannot be read back as a time") from None
    return value


def _link_name(value: object) -> str | None:
    if value == "none":
        return None
    if not isinstance(value, str) or not value or "/" in value or value in (".", ".."):
        raise ValueError(f'{words.shown(value)} is no name of a link, and not "none"')
    return value


_ANY_TIME = datetime(2026, 1, 1)
_ALIASES = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip


def expand(line: str) -> str:
    """A cron line with ``@daily`` and the like as five fields."""
    return _ALIASES.get(line.strip(), line)


Duration = Annotated[float, PlainValidator(words.duration), WithJsonSchema(_NUMBER_OR_TEXT)]
Size = Annotated[int, PlainValidator(words.size), WithJsonSchema(_NUMBER_OR_TEXT)]
Rate = Annotated[int | None, PlainValidator(words.rate), WithJsonSchema(_NUMBER_OR_TEXT)]
Never = Annotated[float | None, PlainValidator(words.duration_or_never), WithJsonSchema(_NUMBER_OR_TEXT)]
Share = Annotated[words.Share, PlainValidator(words.share), WithJsonSchema(_NUMBER_OR_TEXT)]
Times = Annotated[words.Times, PlainValidator(words.times), WithJsonSchema(_TEXT)]
Texts = Annotated[list[str], PlainValidator(_texts), WithJsonSchema(_TEXTS)]
Cron = Annotated[list[str], PlainValidator(_cron), WithJsonSchema(_TEXTS)]
Bandwidth = Annotated[
    words.Timetable | None,
    PlainValidator(words.timetable),
    WithJsonSchema({"anyOf": [*_NUMBER_OR_TEXT["anyOf"], {"type": "array", "items": {"type": "object"}}]}),
]
Jitter = Annotated[float | words.Share, PlainValidator(_jitter), WithJsonSchema(_NUMBER_OR_TEXT)]
Umask = Annotated[int, PlainValidator(_umask), WithJsonSchema(_TEXT)]
IoNice = Annotated[str, PlainValidator(_ionice), WithJsonSchema(_TEXT)]
Cap = Annotated[
    int | None,
    PlainValidator(_at_most),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"const": "none"}]}),
]
Zone = Annotated[str, BeforeValidator(_zone)]
Relative = Annotated[str, AfterValidator(_relative)]


Kind = Literal[
    "failed", "held", "stale", "mismatch", "disk", "config", "recovered", "success", "partial", "deferred"
]  # fmt: skip


class Table(BaseModel):
    """Base of the tables: an unknown key is an error, and values do not change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Site(Table):
    """Who runs these mirrors, as documents and lists show it."""

    name: str = ""
    url: str = ""
    admin: str = ""
    note: str = ""
    timezone: Zone | None = None


class Server(Table):
    """Where the state lives. The keys of the server itself come with `serve`."""

    state_dir: str | None = None


class Limits(Table):
    """How many runs go at once."""

    jobs: Annotated[int, _Between(1, 1000)] = 4
    per_upstream: Annotated[int, _Between(1, 1000)] = 1
    upstream: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    per_filesystem: Annotated[int, _Between(1, 1000)] = 2
    start_gap: Duration = 2.0
    bandwidth: Rate = None


class Upstream(Table):
    """One place that a tree can come from."""

    url: str
    weight: Annotated[int, _Between(1, 100)] = 50
    password_file: str | None = None
    credential: str | None = None
    family: Literal[4, 6] | None = None
    bind: str | None = None
    proxy: str | None = None
    rsh: str | None = None
    bandwidth: Rate = None
    #: Where the same tree is reached by HTTP, for stamp files.
    http: str | None = None


class Retry(Table):
    """Which attempts are made again."""

    attempts: Annotated[int, _Between(1, 100)] = 4
    wait: Duration = 60.0
    max_wait: Duration = 1800.0
    codes: list[int] = Field(default_factory=lambda: [5, 10, 12, 23, 30, 35, 124, 255])
    accept: list[int] = Field(default_factory=lambda: [0, 24])


class Probe(Table):
    """The stamp file of an upstream: how new its content is."""

    file: Relative | None = None
    format: Literal["auto", "epoch", "date", "serial", "digest", "mtime"] = "auto"
    via: Literal["rsync", "http"] = "rsync"
    skip_unchanged: bool = True
    force_after: Never = 86400.0
    busy: Texts = Field(default_factory=list)
    busy_wait: Duration = 1200.0
    busy_attempts: Annotated[int, _Between(0, 100)] = 3
    busy_stale: Duration = 43200.0


class Failover(Table):
    """Which upstream is taken."""

    mode: Literal["best", "ordered"] = "best"
    slack: Duration = 1800.0
    max_lag: Duration = 86400.0
    cooldown: Duration = 3600.0
    sticky: Annotated[float, _Between(1, whole=False)] = 1.3
    min_rate: Rate = None
    allow_older: bool = False


class Stage(Table):
    """One transfer of a run."""

    name: Annotated[str, AfterValidator(_stage_name)]
    include: Texts = Field(default_factory=list)
    exclude: Texts = Field(default_factory=list)
    delete: bool | None = None
    delay_updates: bool | None = None
    quiet_upstream: bool | None = None
    transfer: dict[str, Any] = Field(default_factory=dict)


class Guard(Table):
    """What a run may not do without a person."""

    max_delete: Cap = 40000
    max_delete_percent: Annotated[float, _Between(0, 100, whole=False)] = 10
    delete_floor: Annotated[int, _Between(0)] = 20
    max_shrink_percent: Annotated[float, _Between(0, 100, whole=False)] = 20
    min_files: Annotated[int, _Between(0)] = 1
    marker: Relative | None = None
    same_source: bool = True
    same_destination: bool = True
    min_free: Share = words.Share(percent=2.0, amount=20 << 30)
    min_free_inodes: Share = words.Share(percent=2.0, amount=100_000)
    auto_release: bool = True


class Publish(Table):
    """How a finished tree becomes the one that people read."""

    mode: Literal["in-place", "swap", "snapshots"] = "in-place"
    method: Literal["hardlink", "reflink"] = "hardlink"
    keep_previous: Annotated[int, _Between(0)] = 1
    grace: Duration = 3600.0
    name: Annotated[str, AfterValidator(_snapshot_name)] = "%Y-%m-%dT%H%MZ"
    link: Annotated[str | None, BeforeValidator(_link_name)] = "latest"
    link_partial: bool = False
    keep_last: Annotated[int, _Between(0)] = 0
    keep_hourly: Annotated[int, _Between(0)] = 0
    keep_daily: Annotated[int, _Between(0)] = 0
    keep_weekly: Annotated[int, _Between(0)] = 0
    keep_monthly: Annotated[int, _Between(0)] = 0
    keep_yearly: Annotated[int, _Between(0)] = 0


#: The moments at which a hook can run.
POINTS = (
    "before-run", "before-stage", "after-stage", "before-delete", "before-publish", "success", "partial", "failed",
    "held", "deferred", "recovered", "stale", "finally",
)  # fmt: skip


class Hook(Table):
    """A program that runs at some moments of a run."""

    on: Annotated[
        list[str], PlainValidator(_points), WithJsonSchema({"type": "array", "items": {"enum": list(POINTS)}})
    ]
    run: Annotated[list[str], PlainValidator(_texts), WithJsonSchema(_TEXTS)]
    shell: bool = False
    timeout: Duration = 300.0
    required: bool | None = None
    env: dict[str, str] = Field(default_factory=dict)

    def is_required(self, point: str) -> bool:
        """Whether the run fails with the program: by default before something happens."""
        return self.required if self.required is not None else point.startswith("before-")


class Downstream(Table):
    """A mirror that is told when there is something new."""

    name: str
    on: Literal["success", "payload"] = "success"
    trigger: str
    token_file: str | None = None
    key: str | None = None
    insecure: bool = False


class Notify(Table):
    """Who is told of what."""

    apprise: Texts = Field(default_factory=list)
    apprise_file: str | None = None
    on: list[Kind] = ["failed", "held", "stale", "mismatch", "disk", "config", "recovered"]
    after: Annotated[int, _Between(1, 1000)] = 2
    repeat: Duration = 86400.0
    hook: Texts = Field(default_factory=list)
    group: Duration = 300.0

    @property
    def sends(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self.apprise or self.apprise_file or self.hook)


class Resources(Table):
    """What a run may use."""

    nice: Annotated[int, _Between(-20, 19)] = 10
    ionice: IoNice = "best-effort:7"
    bandwidth: Bandwidth = None
    max_memory: Size | None = None
    umask: Umask = 0o022


class Job(Table):
    """One tree that is kept like an upstream's."""

    source: Texts = Field(default_factory=list)
    upstream: list[Upstream] = Field(default_factory=list)
    destination: str
    profile: str = "plain"
    enabled: bool = True
    description: str = ""
    url: str = ""
    help: str = ""
    tags: list[str] = Field(default_factory=list)
    order: int = 0
    every: Duration | None = None
    cron: Cron | None = None
    manual: bool = False
    timezone: Zone | None = None
    jitter: Jitter = words.Share(percent=10.0, amount=900)
    window: Times | None = None
    on_missed: Literal["once", "skip"] = "once"
    priority: int = 0
    weight: Annotated[int, _Between(1, 1000)] = 1
    stale_after: Duration | None = None
    timeout: Duration = 300.0
    connect_timeout: Duration = 60.0
    stall_timeout: Duration = 1800.0
    max_runtime: Duration = 604800.0
    delete: bool = True
    include: Texts = Field(default_factory=list)
    exclude: Texts = Field(default_factory=list)
    filters: Texts = Field(default_factory=list)
    exclude_from: Texts = Field(default_factory=list)
    work_dir: str | None = None
    keep_runs: Annotated[int, _Between(1)] = 400
    keep_logs: Duration = 60.0 * words.DAY
    keep_failed_logs: Duration = 180.0 * words.DAY
    log_items: bool = True
    transfer: dict[str, Any] = Field(default_factory=dict)
    retry: Retry = Field(default_factory=Retry)
    stage: list[Stage] = Field(default_factory=list)
    probe: Probe = Field(default_factory=Probe)
    failover: Failover = Field(default_factory=Failover)
    guard: Guard = Field(default_factory=Guard)
    publish: Publish = Field(default_factory=Publish)
    hook: list[Hook] = Field(default_factory=list)
    inherit_hooks: bool = True
    healthchecks: str | None = None
    downstream: list[Downstream] = Field(default_factory=list)
    resources: Resources = Field(default_factory=Resources)

    @property
    def upstreams(self) -> list[Upstream]:
        """The alternatives in order of preference, whichever of the two keys has them."""
        return self.upstream or [Upstream(url=url) for url in self.source]

    @property
    def stages(self) -> list[Stage]:
        """The transfers of a run; a job without stages has one."""
        return self.stage or [Stage(name="mirror")]

    @property
    def interval(self) -> float | None:
        """Seconds between two due times, if they are regular."""
        return self.every


#: The tables of a job, by the key that holds them.
TABLES: dict[str, type[Table]] = {
    "upstream": Upstream,
    "retry": Retry,
    "stage": Stage,
    "probe": Probe,
    "failover": Failover,
    "guard": Guard,
    "publish": Publish,
    "hook": Hook,
    "downstream": Downstream,
    "resources": Resources,
}
#: The tables at the top of a file.
TOP: dict[str, type[Table]] = {"site": Site, "server": Server, "limits": Limits, "notify": Notify}

#: Keys of the specification that this version does not have yet: what each would do. A configuration that asks for one
#: is refused, because a run would otherwise leave out what its administrator counts on.
LATER = {
    "kind": "jobs that run a command", "command": "jobs that run a command", "public": "a status page",
    "window_end": "cancelling at the end of a window",
    "trace": "trace files", "verify": "checks of a finished tree",
    "user": "another user", "group": "another group",
    "listen": "a server", "control_socket": "a server", "control_group": "a server", "base_path": "a server",
    "public_upstream": "a server", "tokens_file": "a server", "trusted_proxies": "a server",
    "user_header": "a server", "allowed_hosts": "a server", "compat": "a server", "cors": "a server",
    "static_dir": "a server", "textfile": "a server", "metrics_public": "a server", "logo": "a status page",
    "lang": "a status page", "abbr": "a status page", "homepage": "a status page", "issue": "a status page",
    "disk": "a status page",
}  # fmt: skip
