"""``status``, ``history`` and ``log``: what was, and what is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from tain.mirror import limits, states, words
from tain.mirror.commands.common import (
    App,
    Ended,
    Fail,
    complete_names,
    global_options,
    is_terminal,
    listed,
    pass_app,
    select,
)
from tain.mirror.documents import status_document
from tain.mirror.runs import RUN_ID, Layout, events_of, read_json, read_log
from tain.mirror.stages import host_of, is_local
from tain.mirror.states import LOUD, RESULTS

_HEAD = ("JOB", "STATE", "CONTENT", "LAST GOOD", "NEXT", "SIZE", "UPSTREAM", "NOTE")
_UPSTREAMS_HEAD = ("UPSTREAM", "STATE", "ANSWER", "CONTENT", "SPEED", "ASKED", "ERROR")
_RUNS_HEAD = ("RUN", "STARTED", "TOOK", "RESULT", "FROM", "NEW/CHG/DEL", "RECEIVED", "WHY")
_COLOURS = {
    "fresh": "green",
    "running": "cyan",
    "held": "bold red",
    "failing": "bold red",
    "stale": "yellow",
    "partial": "yellow",
}
#: Exit codes of a Nagios plug-in.
_OK, _WARNING, _CRITICAL = 0, 1, 2
_WATCH_STEP = 2.0
#: More runs than a job has in 90 days.
_MOST_RUNS = 100_000


@click.command()
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option("--watch", is_flag=True, help="Print again every two seconds.")
@click.option("--check", "plugin", is_flag=True, help="Behave as a Nagios plug-in.")
@click.option("--suggest-limits", "suggests", is_flag=True, help="Propose limits of deletions from 90 days of runs.")
@global_options
@pass_app
def status(app: App, names: tuple[str, ...], watch: bool, plugin: bool, suggests: bool) -> None:
    """How the jobs are."""
    config = app.config()
    chosen = select(config, names) if names else listed(config)
    layout, store = app.open(config)
    try:
        if suggests:
            since = app.clock.now() - limits.SPAN
            found = [limits.suggest(name, store.runs(name, since=since, limit=_MOST_RUNS)) for name in chosen]
            if app.json:
                app.print_json({"schema": "tain.mirror.limits/1", "jobs": [one.document() for one in found]})
            for one in () if app.json else found:
                click.echo(one.line(config.jobs[one.name].job.guard))
            return
        while True:
            server = app.server(config, layout)
            document = status_document(config, store, layout, app.clock.now(), chosen, server)
            if plugin:
                text, code = check_line(document)
                click.echo(text)
                raise Ended(code)
            if watch and is_terminal(app):
                click.clear()
            if app.json:
                app.print_json(document)
            elif names and len(chosen) == 1:
                for line in detail_lines(document["jobs"][0]):
                    click.echo(line)
            else:
                print_table(_HEAD, [_row(job, app.clock.now()) for job in document["jobs"]], app, states_at=1)
                click.echo(summary_line(document))
            if not watch:
                return
            app.clock.sleep(_WATCH_STEP)
    finally:
        store.close()


def _seconds(stamp: str | None) -> float | None:
    return None if stamp is None else datetime.fromisoformat(stamp).timestamp()


def clock_text(moment: float | None, now: float) -> str:
    """A time as a person says it: ``06:21``, ``yesterday``, ``27 Nov``."""
    if moment is None:
        return "-"
    then, today = datetime.fromtimestamp(moment), datetime.fromtimestamp(now)
    days = (then.date() - today.date()).days
    if days == 0:
        return then.strftime("%H:%M")
    if days == 1:
        return then.strftime("%H:%M (+1)")
    return "yesterday" if days == -1 else then.strftime("%-d %b")


def _row(job: dict[str, Any], now: float) -> list[str]:
    state = job["state"]
    size = job["size"]["bytes"]
    upstream = job["upstream"]
    return [
        job["name"],
        state.upper() if state in LOUD else state,
        "-" if job["content_age"] is None else words.age(job["content_age"]),
        clock_text(_seconds(job["last_good"]), now),
        "-" if job["run"] is not None else clock_text(_seconds(job["next"]), now),
        "-" if size is None else words.bytes_text(size),
        "-" if upstream is None else words.visible(upstream if is_local(upstream) else host_of(upstream)),
        note(job),
    ]


def note(job: dict[str, Any]) -> str:
    """What a person should know about a job, in a few words."""
    run, hold, paused, last = job["run"], job["hold"], job["paused"], job["last"]
    if run is not None:
        progress = run["progress"]
        parts = [run["stage"] or run["phase"]]
        if progress is not None and progress["fraction"] is not None:
            parts[0] += f" {int(progress['fraction'] * 100)} %"
        if progress is not None and progress["rate"]:
            parts.append(f"{words.bytes_text(progress['rate'])}/s")
        if progress is not None and progress["eta"] is not None:
            parts.append(f"{words.took(progress['eta'])} left")
        return ", ".join(parts)
    if job["waiting"] is not None:
        return words.visible(f"waiting: {job['waiting']}")
    if paused is not None:
        return words.visible(f"paused by {paused['by']}" + (f": {paused['why']}" if paused["why"] else ""))
    if hold is not None:
        if hold["kind"] == "deletions" and hold["deletions"]:
            return f"{hold['deletions']:,} deletions held"
        return words.visible(hold["why"] or hold["kind"])
    if last is not None and RESULTS[last["result"]] is not True:
        hint = f"; hint {last['hint']}" if last["hint"] else ""
        return words.visible(f"{last['result']}: {last['why']}{hint}")
    return ""


def summary_line(document: dict[str, Any]) -> str:
    """``5 jobs: 2 fresh, 1 held``."""
    jobs = document["jobs"]
    counts = ", ".join(f"{number} {state}" for state, number in document["counts"].items())
    text = f"{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}" + (f": {counts}" if counts else "")
    server = document["server"]
    if server["pid"] is None:
        return text
    places = "".join(f", {address}" for address in server["addresses"])
    wrong = "" if server["config_ok"] else "; its configuration has errors (tain mirror check)"
    return f"{text}. server: {'draining' if server['draining'] else 'running'} (pid {server['pid']}){places}{wrong}"


def detail_lines(job: dict[str, Any]) -> Iterator[str]:
    """Everything about one job, a line each."""
    fields = [
        ("state", job["state"]), ("note", note(job)), ("description", words.visible(job["description"])),
        ("content", job["content_time"]), ("last good", job["last_good"]), ("last check", job["last_check"]),
        ("next", job["next"]), ("files", job["size"]["files"]), ("bytes", job["size"]["bytes"]),
        ("upstream", None if job["upstream"] is None else words.visible(job["upstream"])),
        ("failures", job["failures"] or None),
    ]  # fmt: skip
    yield job["name"]
    for name, value in fields:
        if value not in (None, ""):
            yield f"  {name:<12} {value:,}" if isinstance(value, int) else f"  {name:<12} {value}"
    if job["hold"] is not None:
        yield f"  {'held':<12} {words.visible(job['hold']['why'] or '')}"
        most = f" --deletes {job['hold']['deletions']}" if job["hold"]["deletions"] else ""
        yield f"  {'':<12} tain mirror release {job['name']}{most}"


def check_line(document: dict[str, Any]) -> tuple[str, int]:
    """The line and the exit code of a Nagios plug-in."""
    jobs = document["jobs"]
    critical = [job for job in jobs if job["state"] in ("failing", "held")]
    warning = [job for job in jobs if job["state"] in ("stale", "partial")]
    counts = " ".join(
        f"{state}={sum(job['state'] == state for job in jobs)}"
        for state in ("fresh", "running", "held", "failing", "stale")
    )
    bad = [f"{job['name']} {job['state']}" + (f" ({note(job)})" if note(job) else "") for job in critical + warning]
    word, code = ("CRITICAL", _CRITICAL) if critical else ("WARNING", _WARNING) if warning else ("OK", _OK)
    text = ", ".join(bad) or f"{len(jobs)} jobs"
    return f"{word} - {text.replace('|', '/')} | {counts}", code


def print_table(head: tuple[str, ...], rows: list[list[str]], app: App, *, states_at: int) -> None:
    """A table for a terminal, and plain columns for anything else."""
    if is_terminal(app):
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for title in head:
            table.add_column(title, no_wrap=title != "NOTE")
        for row in rows:
            cells = [Text(cell) for cell in row]
            cells[states_at].stylize(_COLOURS.get(row[states_at].lower(), ""))
            table.add_row(*cells)
        Console().print(table)
        return
    widths = [max(len(line[column]) for line in [list(head), *rows]) for column in range(len(head))]
    for line in [list(head), *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@click.command()
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option("--since", metavar="DURATION", help="Only runs of this time.")
@click.option("--result", type=click.Choice(sorted(RESULTS)), help="Only runs that ended so.")
@click.option("-n", "limit", type=click.IntRange(1, 100000), default=30, help="So many runs of each job.")
@global_options
@pass_app
def history(app: App, names: tuple[str, ...], since: str | None, result: str | None, limit: int) -> None:
    """The runs of jobs, newest first."""
    config = app.config()
    try:
        after = 0.0 if since is None else app.clock.now() - words.duration(since)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    _layout, store = app.open(config)
    try:
        rows = [
            row
            for name in (select(config, names) if names else [None])
            for row in store.runs(name, since=after, result=result, limit=limit)
        ]
    finally:
        store.close()
    if app.json:
        app.print_json({"schema": "tain.mirror.history/1", "runs": rows})
        return
    table = [_run_row(row, with_job=len(names) != 1) for row in rows]
    print_table(_RUNS_HEAD, table, app, states_at=3)


def _run_row(row: dict[str, Any], *, with_job: bool) -> list[str]:
    started = row["started"] or row["queued"]
    changes = "-"
    if row["new"] is not None:
        changes = f"{row['new'] or 0:,}/{row['changed'] or 0:,}/{row['deleted'] or 0:,}"
    upstream = row["upstream"]
    why = row["why"] or row["trigger"] or ""
    return [
        (f"{row['job']} " if with_job else "") + row["id"],
        datetime.fromtimestamp(started).strftime("%d %b %H:%M"),
        "-" if row["seconds"] is None else words.took(row["seconds"]),
        row["result"] or row["phase"],
        "-" if upstream is None else words.visible(upstream if is_local(upstream) else host_of(upstream)),
        changes,
        "-" if row["received"] is None else words.bytes_text(row["received"]),
        words.visible(why),
    ]


@click.command()
@click.argument("name", shell_complete=complete_names)
@global_options
@pass_app
def upstreams(app: App, name: str) -> None:
    """What the last probes found at the upstreams of a job."""
    config = app.config()
    if name not in config.jobs:
        raise click.UsageError(f"there is no job {name}")
    _layout, store = app.open(config)
    try:
        rows = list(store.upstreams(name).values())
    finally:
        store.close()
    if app.json:
        app.print_json({"schema": "tain.mirror.upstreams/1", "upstreams": rows})
        return
    now = app.clock.now()
    print_table(_UPSTREAMS_HEAD, [_upstream_row(row, now) for row in rows], app, states_at=1)


def _upstream_row(row: dict[str, Any], now: float) -> list[str]:
    cooling = row["cooldown_until"] is not None and row["cooldown_until"] > now
    return [
        words.visible(row["url"]),
        "resting" if cooling else "reachable" if row["reachable"] else "gone",
        "-" if row["latency_ms"] is None else f"{row['latency_ms']:.0f} ms",
        "-" if row["content_time"] is None else words.age(now - row["content_time"]),
        "-" if row["rate"] is None else f"{words.bytes_text(row['rate'])}/s",
        "-" if row["probed"] is None else clock_text(row["probed"], now),
        words.visible(row["error"] or ""),
    ]


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.argument("run", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option("--errors", is_flag=True, help="Only lines about failures.")
@click.option("--deletes", is_flag=True, help="The names that the run wanted to delete.")
@click.option("--dirs", is_flag=True, help="The directories that it has changed.")
@global_options
@pass_app
def log(app: App, name: str, run: str | None, follow: bool, errors: bool, deletes: bool, dirs: bool) -> None:
    """The output of a run, the last one if none is named."""
    config = app.config()
    if name not in config.jobs:
        raise click.UsageError(f"there is no job {name}")
    layout, store = app.open(config)
    store.close()
    directory = _directory(layout, name, run)
    if deletes or dirs:
        _print_names(os.path.join(directory, "deletes.nul" if deletes else "dirs.nul"))
        return
    if app.json:
        for event in events_of(directory):
            app.print_json(event)
        return
    shown = 0
    while True:
        lines = list(read_log(directory))
        for line in lines[shown:]:
            text = line.decode("utf-8", "surrogateescape").rstrip("\n")
            if not errors or text.startswith(("rsync", "tain", "@ERROR", "ssh")):
                click.echo(words.visible(text))
        shown = len(lines)
        document = read_json(os.path.join(directory, "run.json"))
        if not follow or (document is not None and document.get("result")):
            return
        time.sleep(0.5)


def _directory(layout: Layout, name: str, run: str | None) -> str:
    if run is not None and RUN_ID.fullmatch(run) is None:
        raise click.UsageError(f"{words.visible(run)!r} is no name of a run")
    wanted = run or layout.newest(name)
    if wanted is None or wanted not in layout.runs(name):
        raise Fail(f"{name}: there is no run{'' if run is None else f' {run}'} here", states.EXIT_UNAVAILABLE)
    return layout.run(name, wanted)


def _print_names(path: str) -> None:
    """The names, a line each; the file may be large."""
    try:
        with open(path, "rb") as file:
            rest = b""
            while data := file.read(1 << 16):
                *names, rest = (rest + data).split(b"\0")
                for name in names:
                    click.echo(words.visible(os.fsdecode(name)))
    except FileNotFoundError:
        raise Fail("this run wanted to delete nothing", states.EXIT_UNAVAILABLE) from None
