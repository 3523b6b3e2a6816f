"""Workers as jobs of a batch system: what the words mean, and a run with a batch system that is a script."""

from __future__ import annotations

import pytest

from tain.cluster import connecting
from tain.errors import UsageError


@pytest.mark.parametrize(
    ("words", "count", "seconds", "rest"),
    [
        ("-p io -t 12:00:00 -N 64", 64, 43200, "-p io"),
        ("--nodes=2 --time=30 --constraint='a&b'", 2, 1800, "'--constraint=a&b'"),
        ("-N3 -t1-2", 3, 93600, ""),
        ("--nodes 3 --time 1-2:03:04", 3, 93784, ""),
        ("-t 10:30 -A acct", 1, 630, "-A acct"),
        ("", 1, 0, ""),
    ],
)
def test_words_for_slurm(words: str, count: int, seconds: int, rest: str) -> None:
    job = connecting.read_slurm(words)
    assert (job.count, job.words) == (count, rest)
    assert job.lifetime == ([f"--lifetime={seconds - 300}", "--lifetime-stagger=60"] if seconds else [])


@pytest.mark.parametrize(
    ("words", "count", "walltime", "rest"),
    [
        ("-q io -l select=64 -l walltime=12:00:00", 64, "12:00:00", "-q io"),
        ("-l nodes=2,walltime=1:00:00,mem=4gb -A x", 2, "1:00:00", "-l mem=4gb -A x"),
        ("-l select=1:ncpus=2", 1, "", "-l select=1:ncpus=2"),
    ],
)
def test_words_for_pbs(words: str, count: int, walltime: str, rest: str) -> None:
    job = connecting.read_pbs(words)
    assert (job.count, job.walltime, job.words) == (count, walltime, rest)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("-N x", "x is not a number of nodes"),
        ("-N 0", "0 is not a number of nodes"),
        ("-t later", "later is not a limit of time"),
        ("-t 1:2:3:4", "is not a limit of time"),
        ("-t 0:05:00", "jobs of 300 s are too short"),
        ("-p 'io", "No closing quotation"),
        ("-p io\nrm -rf x", "are one line"),
    ],
)
def test_words_that_are_not_understood(words: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        connecting.read_slurm(words)
