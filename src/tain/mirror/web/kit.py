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

#: The name of the picture of a site.
_LOGO = "logo"
_HERE = os.path.dirname(__file__)


class Kit:
    """Made once for a server."""

    def __init__(self, service: Service) -> None:
        """Errors: `OSError`."""
        self.service = service
        self.base = service.config.server.base_path
        self.gate = Gate(service.config.server, service.layout.state)
        self.view = View(service)
        self._assets = _load_assets(service.config.site.logo)
        self.templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(os.path.join(_HERE, "templates")), autoescape=True, trim_blocks=True,
            lstrip_blocks=True, undefined=jinja2.StrictUndefined,
        )  # fmt: skip

    def asset(self, name: str) -> str:
        """The address of a file of ours; its content is part of it."""
        return self.base + "assets/" + self._assets[name][0]

    @property
    def logo(self) -> str | None:
        """The address of the picture of the site, as it was when the server started."""
        return self.asset(_LOGO) if _LOGO in self._assets else None

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


def _load_assets(logo: str | None) -> dict[str, tuple[str, bytes]]:
    """Our files, by their names: the name with a part of the hash of the content, and the content. *logo*: the picture
    of the site, which becomes ``logo``."""
    found = {}
    paths = {name: os.path.join(_HERE, "assets", name) for name in ("app.css", "live.js")}
    if logo is not None:
        paths[_LOGO] = logo
    for name, path in paths.items():
        with open(path, "rb") as file:
            content = file.read()
        stem, ending = os.path.splitext(path)
        stem = os.path.basename(stem) if name != _LOGO else _LOGO
        found[name] = (f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}{ending.lower()}", content)
    return found
