"""The build backend: maturin's, with three things changed.

Files that are executable in the tree are executable in the source archive too: maturin (1.16) writes every file of it
with mode 0644, so a wheel built from it would install a command that cannot be run, and `make` would find no script
that it can start. The native module of a wheel has no symbols: with them it is ten times as large. And it is
built with the profile `dist` of Cargo.toml, not with the one of developers.

"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

import maturin
from maturin import (  # noqa: F401  (the hooks of PEP 517 and 660 that need no more than maturin does)
    build_editable,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)


def build_wheel(
    wheel_directory: str, config_settings: Mapping[str, object] | None = None, metadata_directory: str | None = None
) -> str:
    """Make a wheel in `wheel_directory` with the profile `dist`, stripped, unless the settings have `build-args`;
    return its name (PEP 517)."""
    settings = {"build-args": "--strip --profile dist"} | dict(config_settings or {})
    return str(maturin.build_wheel(wheel_directory, settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Mapping[str, object] | None = None) -> str:
    """Make the source archive in `sdist_directory`; gives the archive's name (PEP 517)."""
    name = maturin.build_sdist(sdist_directory, config_settings)
    archive = Path(sdist_directory) / name
    with tempfile.NamedTemporaryFile(dir=sdist_directory, suffix=".tar.gz", delete=False) as target:
        pass
    with tarfile.open(archive) as source, tarfile.open(target.name, "w:gz") as copy:
        for member in source.getmembers():
            here = Path(*Path(member.name).parts[1:])
            if member.isfile() and os.access(here, os.X_OK):
                member.mode |= 0o111
            copy.addfile(member, source.extractfile(member) if member.isfile() else None)
    shutil.copymode(archive, target.name)
    os.replace(target.name, archive)
    return str(name)
