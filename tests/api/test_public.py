"""What `import tain` offers."""

from __future__ import annotations

import inspect
import subprocess
import sys

import tain
from tain import errors


def test_everything_public_exists_and_is_documented() -> None:
    for module in (tain, tain.events, tain.transports):
        for name in module.__all__:
            value = getattr(module, name)
            # A union has no docstring of its own.
            assert inspect.getdoc(value) or name in ("Event", "Connection"), name
    assert set(tain.__all__) <= set(dir(tain))


def test_every_error_is_public() -> None:
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert classes <= set(tain.__all__)


def test_importing_costs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import tain; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["tain"]


def test_a_release_build() -> None:
    from tain import _core

    assert not _core.debug_build
