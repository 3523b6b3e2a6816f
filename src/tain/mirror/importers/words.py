"""What importers share: a job as values, notes, names."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any


class Unusable(Exception):
    """Something cannot be carried over; the text says why."""


@dataclass
class Imported:
    """What a file has become."""

    #: Jobs by their names, as tables of the configuration.
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: What a person should know.
    notes: list[str] = field(default_factory=list)
    #: What could not be carried over.
    losses: list[str] = field(default_factory=list)
    #: Secrets, by the paths of the files in which the jobs expect them.
    secrets: dict[str, str] = field(default_factory=dict)


def job_name(wanted: str, taken: Collection[str]) -> str:
    """A name for a job from a path or another name; not one in *taken*."""
    base = re.sub(r"[^A-Za-z0-9._+-]+", "-", os.path.basename(wanted.rstrip("/"))).strip("-._+")[:60] or "job"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name
