"""Build the source archive and, from that archive alone, a wheel; check both; install the wheel and mirror with it.

Usage: check_packages.py [DIRECTORY]     (default: dist)

The wheel's parts that come from crates.io are taken from the target directory of this checkout if they are built there.
"""

from __future__ import annotations

import email
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent

#: What somebody needs who has the archive and nothing else: to build, to test, to read, to install as a service.
IN_ARCHIVE = (
    "Makefile", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "deny.toml", ".ci/run", "tools/setup",
    "packaging/data/scripts/tain", "packaging/rsyncd.conf", "packaging/systemd/tain.service", "docs/usage.md",
    "tests/programs.py", "tests/faults/test_scripts.py", "bench/run.py", "fuzz/Cargo.toml", "rustfmt.toml",
    "crates/core/src/lib.rs", "src/tain/_core.pyi", "src/tain/py.typed",
)  # fmt: skip
LARGEST_WHEEL = 4 * 1000 * 1000


def fail(text: str) -> None:
    sys.exit(f"error: {text}")


def run(*words: str | Path, **more: object) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,  # type: ignore[call-overload]
    )
    if done.returncode != 0:
        fail(f"{' '.join(str(word) for word in words)} ended with {done.returncode}:\n{done.stdout}")
    return str(done.stdout)


def check_archive(archive: Path) -> None:
    with tarfile.open(archive) as file:
        modes = {info.name.split("/", 1)[1]: info.mode for info in file.getmembers() if "/" in info.name}
    names = set(modes)
    missing = [name for name in IN_ARCHIVE if name not in names]
    stray = sorted(name for name in names if name.endswith((".pyc", ".so")) or name.startswith(("target/", ".venv/")))
    closed = [name for name in modes if os.access(ROOT / name, os.X_OK) and not modes[name] & 0o100]
    if missing or stray or closed:
        fail(f"{archive.name}: missing {missing}, stray {stray[:5]}, not executable {closed[:5]}")


def check_wheel(wheel: Path, scratch: Path) -> None:
    size = wheel.stat().st_size
    if size > LARGEST_WHEEL:
        fail(f"{wheel.name} has {size:,} bytes, more than {LARGEST_WHEEL:,}")
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        modules = [name for name in names if name.endswith(".so")]
        file.extract(modules[0], scratch)
    stray = [name for name in names if name.endswith(".pyc") or "__pycache__" in name]
    if stray or len(modules) != 1:
        fail(f"{wheel.name}: compiled Python {stray[:5]}, native modules {modules}")
    lost = [name for name in _data_files() if name not in names]
    if lost:
        fail(f"{wheel.name} lacks files that the program reads: {lost}")
    # A symbol table has a section of its own, named in the table of section names.
    if b"\0.symtab\0" in (scratch / modules[0]).read_bytes():
        fail(f"{wheel.name}: {modules[0]} is not stripped")


def _data_files() -> list[str]:
    """What the program reads beside its modules, as a wheel names it."""
    found = [
        path for path in (ROOT / "src/tain").rglob("*") if path.suffix in (".toml", ".html", ".svg", ".css", ".js")
    ]
    return [path.relative_to(ROOT / "src").as_posix() for path in found]


def check_dependencies(wheel: Path) -> None:
    """Every package that an ordinary installation brings is one that the tests of this checkout ran with."""
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(file.read(name))
    for line in metadata.get_all("Requires-Dist", []):
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            fail(f"{wheel.name} depends on {line}, which is not installed here: run tools/setup")
        if not requirement.specifier.contains(version, prereleases=True):
            fail(f"{wheel.name} depends on {line}, but the tests ran with {version}")


def check_installed(wheel: Path, scratch: Path) -> None:
    place = scratch / "installed"
    venv.create(place, with_pip=True)
    # Without the packages that it depends on: a run that draws nothing imports none of them, and nothing is downloaded.
    run(place / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", wheel)
    (scratch / "src").mkdir()
    (scratch / "src/file").write_text("text")
    run(place / "bin/tain", "-a", f"{scratch}/src/", f"{scratch}/dst/", cwd=scratch)
    if (scratch / "dst/file").read_text() != "text":
        fail("the installed program did not copy a file")
    code = "import tain, pathlib; print(pathlib.Path(tain.__file__).parent)"
    home = run(place / "bin/python", "-c", code, cwd=scratch).strip()
    if not home.startswith(str(place)):
        fail(f"the installed package is not the one that was tried: {home}")


def main() -> None:
    out = ROOT / (sys.argv[1] if len(sys.argv) > 1 else "dist")
    shutil.rmtree(out, ignore_errors=True)
    print("==> source archive", flush=True)
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", out, cwd=ROOT)
    (archive,) = out.glob("*.tar.gz")
    check_archive(archive)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        print("==> wheel, from the archive alone", flush=True)
        target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
        # Cargo would take our own crates, built from other sources, for the archive's: their files have older times.
        ours = [word for crate in ("tain-core", "tain-python") for word in ("--package", crate)]
        run("cargo", "clean", "--quiet", "--profile", "dist", "--target-dir", target, *ours, cwd=ROOT)
        run(
            sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--wheel-dir", out, archive, cwd=scratch, env={**os.environ, "CARGO_TARGET_DIR": target},
        )  # fmt: skip
        (wheel,) = out.glob("*.whl")
        check_wheel(wheel, scratch)
        check_dependencies(wheel)
        print("==> installed elsewhere, and tried", flush=True)
        check_installed(wheel, scratch)
    print(f"==> {archive.relative_to(ROOT)} {archive.stat().st_size:,} bytes", flush=True)
    print(f"==> {wheel.relative_to(ROOT)} {wheel.stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    main()
