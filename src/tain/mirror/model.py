"""The configuration as values. Each key that this version knows stands here, and nothing else.

A field's type (`tain.mirror.fields`) reads the text of the file. What depends on several keys is in
`tain.mirror.checks`.
"""

from __future__ import annotations

import contextlib
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from tain.mirror import fields, words
from tain.mirror.fields import (
    POINTS,
    TEXTS,
    Bandwidth,
    Between,
    Cap,
    Cron,
    Duration,
    Encoded,
    FilePath,
    HostName,
    IoNice,
    Jitter,
    Kind,
    Never,
    OneLine,
    Pattern,
    Rate,
    Relative,
    Share,
    Size,
    Table,
    Texts,
    Times,
    Umask,
    Zone,
)

JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


Compat = Literal["tunasync", "yuki", "mirrorz"]


def _compat() -> list[Compat]:
    return ["tunasync"]


def _kinds() -> list[Kind]:
    return ["failed", "held", "stale", "mismatch", "disk", "config", "recovered"]


class Site(Table):
    """Who runs these mirrors, as documents and lists show it."""

    name: str = ""
    url: str = ""
    admin: str = ""
    note: str = ""
    logo: str | None = None
    timezone: Zone | None = None
    lang: Literal["auto", "en", "ko"] = "auto"
    abbr: str = ""
    homepage: str = ""
    issue: str = ""
    disk: str = ""


class Server(Table):
    """What `serve` listens on, what it shows to whom, and where the state lives."""

    state_dir: str | None = None
    listen: Annotated[list[str], PlainValidator(fields.listen), WithJsonSchema(TEXTS)] = Field(
        default_factory=lambda: ["127.0.0.1:8730"]
    )
    control_socket: str | None = None
    control_group: str | None = None
    base_path: Annotated[str, AfterValidator(fields.base_path)] = "/"
    public: Literal["none", "summary", "status", "logs"] = "status"
    public_upstream: Literal["full", "host", "none"] = "full"
    tokens_file: str | None = None
    trusted_proxies: Texts = Field(default_factory=list)
    user_header: str | None = None
    allowed_hosts: Texts = Field(default_factory=list)
    compat: list[Compat] = Field(default_factory=_compat)
    cors: Texts = Field(default_factory=list)
    static_dir: str | None = None
    textfile: str | None = None
    metrics_public: bool = False


class Limits(Table):
    """How many runs go at once."""

    jobs: Annotated[int, Between(1, 1000)] = 4
    per_upstream: Annotated[int, Between(1, 1000)] = 1
    upstream: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    per_filesystem: Annotated[int, Between(1, 1000)] = 2
    start_gap: Duration = 2.0
    bandwidth: Rate = None


class Upstream(Table):
    """One place that a tree can come from."""

    url: str
    weight: Annotated[int, Between(1, 100)] = 50
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

    attempts: Annotated[int, Between(1, 100)] = 4
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
    busy_attempts: Annotated[int, Between(0, 100)] = 3
    busy_stale: Duration = 43200.0


class Failover(Table):
    """Which upstream is taken."""

    mode: Literal["best", "ordered"] = "best"
    slack: Duration = 1800.0
    max_lag: Duration = 86400.0
    cooldown: Duration = 3600.0
    sticky: Annotated[float, Between(1, whole=False)] = 1.3
    min_rate: Rate = None
    allow_older: bool = False


class Stage(Table):
    """One transfer of a run."""

    name: Annotated[str, AfterValidator(fields.stage_name)]
    include: Texts = Field(default_factory=list)
    exclude: Texts = Field(default_factory=list)
    delete: bool | None = None
    delay_updates: bool | None = None
    quiet_upstream: bool | None = None
    transfer: dict[str, Any] = Field(default_factory=dict)


class Guard(Table):
    """What a run may not do without a person."""

    max_delete: Cap = 40000
    max_delete_percent: Annotated[float, Between(0, 100, whole=False)] = 10
    delete_floor: Annotated[int, Between(0)] = 20
    max_shrink_percent: Annotated[float, Between(0, 100, whole=False)] = 20
    min_files: Annotated[int, Between(0)] = 1
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
    keep_previous: Annotated[int, Between(0)] = 1
    grace: Duration = 3600.0
    name: Annotated[str, AfterValidator(fields.snapshot_name)] = "%Y-%m-%dT%H%MZ"
    link: Annotated[str | None, BeforeValidator(fields.link_name)] = "latest"
    link_partial: bool = False
    keep_last: Annotated[int, Between(0)] = 0
    keep_hourly: Annotated[int, Between(0)] = 0
    keep_daily: Annotated[int, Between(0)] = 0
    keep_weekly: Annotated[int, Between(0)] = 0
    keep_monthly: Annotated[int, Between(0)] = 0
    keep_yearly: Annotated[int, Between(0)] = 0


class Hook(Table):
    """A program that runs at some moments of a run."""

    on: Annotated[
        list[str], PlainValidator(fields.points), WithJsonSchema({"type": "array", "items": {"enum": list(POINTS)}})
    ]
    run: Annotated[list[str], PlainValidator(fields.texts), WithJsonSchema(TEXTS)]
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
    on: list[Kind] = Field(default_factory=_kinds)
    after: Annotated[int, Between(1, 1000)] = 2
    repeat: Duration = 86400.0
    hook: Texts = Field(default_factory=list)
    group: Duration = 300.0

    @property
    def sends(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self.apprise or self.apprise_file or self.hook)


class Trace(Table):
    """The files in which a mirror says how new it is."""

    write: Literal["none", "debian", "epoch", "json"] = "none"
    path: Relative | None = None
    host: HostName | None = None
    busy_marker: bool = False
    fields: dict[str, OneLine] = Field(default_factory=dict)


class Verify(Table):
    """How a finished tree is checked."""

    sample: Annotated[int, Between(0, 100_000)] = 0
    changed: bool = False
    index: list[Literal["debian", "rpm"]] = Field(default_factory=list)
    every: Duration = 86400.0
    on_mismatch: Literal["fail", "repair"] = "repair"


class Resources(Table):
    """What a run may use."""

    nice: Annotated[int, Between(-20, 19)] = 10
    ionice: IoNice = "best-effort:7"
    bandwidth: Bandwidth = None
    max_memory: Size | None = None
    #: The account that a command runs as, and its group if it is not that of the account.
    user: str | None = None
    group: str | None = None
    umask: Umask = 0o022


class Job(Table):
    """One tree that is kept like an upstream's."""

    source: Texts = Field(default_factory=list)
    #: Instead of `source` and `destination`, for paths that are no UTF-8.
    source_b64: Encoded = Field(default_factory=list)
    destination_b64: Encoded = Field(default_factory=list)
    upstream: list[Upstream] = Field(default_factory=list)
    destination: FilePath
    #: ``command``: a program is run instead of a transfer.
    kind: Literal["rsync", "command"] = "rsync"
    command: Texts = Field(default_factory=list)
    shell: bool = False
    env: dict[str, str] = Field(default_factory=dict)
    size_pattern: Pattern | None = None
    fail_on_match: Pattern | None = None
    success_codes: list[int] = Field(default_factory=lambda: [0])
    #: ``tunasync``: the program has the variables that tunasync sets.
    compat: Literal["none", "tunasync"] = "none"
    profile: str = "plain"
    enabled: bool = True
    public: bool = True
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
    weight: Annotated[int, Between(1, 1000)] = 1
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
    keep_runs: Annotated[int, Between(1)] = 400
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
    trace: Trace = Field(default_factory=Trace)
    verify: Verify = Field(default_factory=Verify)
    resources: Resources = Field(default_factory=Resources)

    @model_validator(mode="before")
    @classmethod
    def _decode(cls, values: Any) -> Any:
        """Paths in Base64 become those that everything else reads. What is no Base64 is reported at its own key."""
        if not isinstance(values, dict) or not {"source_b64", "destination_b64"}.intersection(values):
            return values
        values = dict(values)
        for key in ("source", "destination"):
            given = values.get(f"{key}_b64")
            if given is None or key in values:
                continue
            found = [""]
            with contextlib.suppress(ValueError):
                found = [fields.decoded(text) for text in fields.texts(given)]
            values[key] = found if key == "source" else (found or [""])[0]
        return values

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
    "trace": Trace,
    "verify": Verify,
    "resources": Resources,
}
#: Keys of a job that runs a command, and of nothing else.
OF_COMMANDS = (
    "command", "shell", "env", "size_pattern", "fail_on_match", "success_codes", "compat",
)  # fmt: skip
#: Keys of a job that transfers; ``table.key`` for those of a table of which a command has other keys.
OF_TRANSFERS = (
    "stage", "probe", "failover", "transfer", "include", "exclude", "filters", "exclude_from", "delete", "timeout",
    "connect_timeout", "stall_timeout", "log_items", "verify", "retry.codes", "retry.accept", "guard.max_delete",
    "guard.max_delete_percent", "guard.delete_floor", "guard.max_shrink_percent", "guard.min_files", "guard.marker",
    "guard.same_source", "guard.auto_release", "resources.bandwidth",
)  # fmt: skip
#: The tables at the top of a file.
TOP: dict[str, type[Table]] = {"site": Site, "server": Server, "limits": Limits, "notify": Notify}

#: Keys of the specification that this version does not have yet: what each would do. A configuration that asks for one
#: is refused, because a run would otherwise leave out what its administrator counts on.
LATER = {"window_end": "cancelling at the end of a window"}  # fmt: skip
