"""What the Rust dependencies may be: the rules of deny.toml and of Cargo.toml, over `cargo metadata`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = tomllib.loads((ROOT / "deny.toml").read_text())


def read_metadata() -> dict[str, Any]:
    """What cargo knows about the crates of this platform."""
    cargo = shutil.which("cargo")
    assert cargo, "cargo is missing: the extension cannot be built without it"
    host = re.search(r"host: (\S+)", subprocess.check_output([cargo, "-vV"], text=True))
    assert host
    words = ["metadata", "--format-version=1", "--locked", "--offline", f"--filter-platform={host[1]}"]
    found: dict[str, Any] = json.loads(subprocess.check_output([cargo, *words], cwd=ROOT, text=True))
    return found


#: Read when the tests are collected: later the home directory, where cargo keeps its files, is out of sight.
METADATA = read_metadata()


def allowed(expression: str, licences: list[str]) -> bool:
    """Whether an SPDX expression can be met with *licences*; the old form `A/B` is `A OR B`."""
    words = re.findall(r"\(|\)|[^\s()]+", re.sub(r"\s*/\s*", " OR ", expression))

    def term() -> bool:
        word = words.pop(0)
        if word == "(":
            value = choice()
            words.pop(0)
            return value
        if words[:1] == ["WITH"]:
            word = f"{word} WITH {words[1]}"
            del words[:2]
        return word in licences

    def both() -> bool:
        value = term()
        while words[:1] == ["AND"]:
            words.pop(0)
            value &= term()
        return value

    def choice() -> bool:
        value = both()
        while words[:1] == ["OR"]:
            words.pop(0)
            value |= both()
        return value

    return choice()


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("MIT", True),
        ("GPL-3.0", False),
        ("GPL-3.0 OR MIT", True),
        ("GPL-3.0/MIT", True),
        ("(GPL-3.0 OR MIT) AND GPL-2.0", False),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("Apache-2.0 WITH GPL-exception", False),
    ],
)
def test_licence_expressions(expression: str, met: bool) -> None:
    assert allowed(expression, RULES["licenses"]["allow"]) is met


def test_licences() -> None:
    refused = {
        package["name"]: package["license"]
        for package in METADATA["packages"]
        if not allowed(package["license"] or "none", RULES["licenses"]["allow"])
    }
    assert not refused


def test_sources() -> None:
    """Everything comes from crates.io, or is part of the workspace."""
    registries = {f"registry+{url}" for url in RULES["sources"]["allow-registry"]}
    own = set(METADATA["workspace_members"])
    foreign = [p["id"] for p in METADATA["packages"] if p["id"] not in own and p["source"] not in registries]
    assert not foreign


def test_bans() -> None:
    banned = {rule["crate"] for rule in RULES["bans"]["deny"]}
    skipped = {rule["crate"] for rule in RULES["bans"]["skip"]}
    versions = defaultdict(list)
    for package in METADATA["packages"]:
        name, version = package["name"], package["version"]
        assert name not in banned
        if not any(f"{name}@{version}.".startswith(f"{rule}.") for rule in skipped):
            versions[name].append(version)
    twice = {name: found for name, found in versions.items() if len(found) > 1}
    assert not twice


def test_oldest_compiler() -> None:
    """No dependency of the program, tests left out, asks for a newer Rust than Cargo.toml does."""

    def number(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split(".")[:2])

    packages = {package["id"]: package for package in METADATA["packages"]}
    nodes = {node["id"]: node for node in METADATA["resolve"]["nodes"]}
    pending, reached = list(METADATA["workspace_members"]), set()
    while pending:
        node = pending.pop()
        if node not in reached:
            reached.add(node)
            pending += [
                dependency["pkg"]
                for dependency in nodes[node]["deps"]
                if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"])
            ]
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    own = manifest["workspace"]["package"]["rust-version"]
    newer = {
        packages[node]["name"]: packages[node]["rust_version"]
        for node in reached
        if packages[node]["rust_version"] and number(packages[node]["rust_version"]) > number(own)
    }
    assert not newer
