"""The page as files, for a web server that needs no more: written so that a reader sees the old file or the new one."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from tain.mirror import compat
from tain.mirror.web.auth import Visitor

if TYPE_CHECKING:
    from tain.mirror.web.kit import Kit
    from tain.mirror.web.pages import Pages


def _request(path: str) -> Request:
    """A request of a visitor, as a page wants it."""
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "scheme": "http", "server": ("localhost", 80), "client": None, "root_path": "", "path_params": {}, "state": {},
    }  # fmt: skip
    request = Request(scope)
    request.state.visitor = Visitor()
    return request


def write(kit: Kit, pages: Pages, directory: str) -> None:
    """Write what visitors see into *directory*. Errors: `OSError`, `sqlite3.Error`."""
    visitor = Visitor()
    if not kit.view.sees_pages(visitor):
        return
    document = kit.view.document(visitor)
    files: dict[str, bytes] = {"index.html": bytes(pages.index(_request(kit.base)).body)}
    for job in document["jobs"]:
        request = _request(f"{kit.base}job/{job['name']}")
        request.scope["path_params"] = {"name": job["name"]}
        files[f"job/{job['name']}/index.html"] = bytes(pages.job(request).body)
    files["api/v1/status"] = json.dumps(document).encode()
    config = kit.service.config
    if "tunasync" in config.server.compat:
        files["static/tunasync.json"] = json.dumps(compat.tunasync(document, config.site.timezone)).encode()
    if "mirrorz" in config.server.compat:
        files["static/mirrorz.json"] = json.dumps(compat.mirrorz(document, config.site)).encode()
    for name, content in kit.assets().items():
        files[f"assets/{name}"] = content
    for name, content in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{os.getpid()}.tmp"
        with open(temporary, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
