"""What all handlers share: the state, who asks, the templates, the files of ours."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import jinja2
import psutil

from tain.mirror.web.auth import Gate
from tain.mirror.web.view import View

if TYPE_CHECKING:
    from tain.mirror.service import Service

_HERE = os.path.dirname(__file__)


class Kit:
    """Made once for a server."""

    def __init__(self, service: Service) -> None:
        """Errors: `OSError`."""
        self.service = service
        self.base = service.config.server.base_path
        self.gate = Gate(service.config.server, service.layout.state)
        self.view = View(service)
        self._assets = _load_assets()
        self.templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(os.path.join(_HERE, "templates")), autoescape=True, trim_blocks=True,
            lstrip_blocks=True, undefined=jinja2.StrictUndefined,
        )  # fmt: skip

    def asset(self, name: str) -> str:
        """The address of a file of ours; its content is part of it."""
        return self.base + "assets/" + self._assets[name][0]

    def assets(self) -> dict[str, bytes]:
        """Names and contents of the files of ours."""
        return dict(self._assets.values())

    def disks(self) -> list[dict[str, Any]]:
        """The file systems of the destinations."""
        return disks([item.job.destination for item in self.service.config.jobs.values()])


def disks(places: list[str]) -> list[dict[str, Any]]:
    """The file systems of the destinations."""
    found: dict[str, dict[str, Any]] = {}
    try:
        mounts = sorted((part.mountpoint for part in psutil.disk_partitions(all=True)), key=len, reverse=True)
    except OSError:
        return []
    for place in places:
        real = os.path.realpath(place)
        mount = next((m for m in mounts if real == m or real.startswith(m.rstrip("/") + "/")), "/")
        if mount in found:
            continue
        try:
            usage = psutil.disk_usage(mount)
        except OSError:
            continue
        found[mount] = {"mount": mount, "free": usage.free, "total": usage.total, "percent": usage.percent}
    return list(found.values())


def _load_assets() -> dict[str, tuple[str, bytes]]:
    """Our files, by their names: the name with a part of the hash of the content, and the content."""
    found = {}
    for name in ("app.css", "live.js"):
        with open(os.path.join(_HERE, "assets", name), "rb") as file:
            content = file.read()
        stem, ending = os.path.splitext(name)
        found[name] = (f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}{ending}", content)
    return found
