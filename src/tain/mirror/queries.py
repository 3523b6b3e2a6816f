"""Questions about many runs at once, for pages and figures. Each reads an index, never a whole table."""

from __future__ import annotations

from collections.abc import Iterable

from tain.mirror.store import Row, Store


def last_results(store: Store, name: str, most: int) -> list[str]:
    """The results of the last runs of a job, the newest first. Errors: `sqlite3.Error`."""
    text = "SELECT result FROM run WHERE job = ? AND result IS NOT NULL ORDER BY id DESC LIMIT ?"
    return [row["result"] for row in store.rows(text, name, most)]


def runs_before(store: Store, name: str, before: str | None, most: int) -> list[Row]:
    """Runs of a job that are older than the run *before*, the newest first. Errors: `sqlite3.Error`."""
    text = "SELECT * FROM run WHERE job = ? AND id < ? ORDER BY id DESC LIMIT ?"
    # "~" stands behind every character that the name of a run has.
    return store.rows(text, name, before or "~", most)


def errors_of(store: Store, name: str, runs: Iterable[str]) -> list[Row]:
    """The errors of attempts, grouped: error, count, last time, upstream. Errors: `sqlite3.Error`."""
    wanted = list(runs)
    marks = ", ".join("?" * len(wanted))
    text = (
        "SELECT error, upstream, count(*) AS count, max(ended) AS last, exit_code FROM attempt "
        f"WHERE run IN ({marks}) AND error IS NOT NULL GROUP BY error, upstream ORDER BY last DESC LIMIT 20"
    )
    return store.rows(text, *wanted) if wanted else []


def totals(store: Store) -> list[Row]:
    """For each job and result: how many runs, received bytes, deleted entries, since the job was added. Old runs that
    are no longer in the history count too. Errors: `sqlite3.Error`."""
    return store.rows("SELECT * FROM total ORDER BY job, result")


def lost_jobs(store: Store) -> set[str]:
    """The jobs whose last run was lost. Errors: `sqlite3.Error`."""
    text = "SELECT job.name FROM job JOIN run ON run.id = job.last_run WHERE run.result = 'lost'"
    return {row["name"] for row in store.rows(text)}
