"""From options as typed to options as meant (spec: options 3)."""

from __future__ import annotations

from tain.cli.options import Options

__all__ = ["Options"]
