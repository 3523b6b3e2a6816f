"""The web server of `tain mirror serve`: routes, the checks that every request passes, and the process around them."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import sqlite3
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tain.mirror import metrics
from tain.mirror.web import static_site
from tain.mirror.web.api import VERBS, Api, BadRequest, TooLarge, form_of, problem
from tain.mirror.web.auth import Visitor
from tain.mirror.web.kit import Kit
from tain.mirror.web.pages import Forbidden, NotFound, Pages
from tain.mirror.web.stream import Hub
from tain.supervisor import inherited

if TYPE_CHECKING:
    from tain.mirror.service import Service

_TYPES = {
    ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
    ".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp",
}  # fmt: skip
#: What every answer says: no script, style, picture or frame of another place.
_SECURITY = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        b"form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
#: Files for other programs are written at most so often.
_WRITE_SECONDS = 5.0
#: How long a stop waits for requests; streams are ended before.
_GRACE = 2

Handler = Callable[[Request], Response] | Callable[[Request], Awaitable[Response]]


class _Guard:
    """Checks the host and who asks, and adds the headers of security."""

    def __init__(self, app: ASGIApp, web: Web) -> None:
        self._app, self._web = app, web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_SECURITY]
            await send(message)

        request = Request(scope)
        if not self._web.is_our_host(request.headers.get("host", "")):
            refused = JSONResponse(problem(400, "this host name is not served here (server.allowed_hosts)"), 400)
            await refused(scope, receive, secured)
            return
        request.state.visitor = self._web.gate.visitor(request)
        await self._app(scope, receive, secured)


class _Server(uvicorn.Server):
    """Signals belong to the service, and nothing has to be done ten times in a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._over = asyncio.Event()

    async def main_loop(self) -> None:
        await self._over.wait()

    def end(self) -> None:
        """Take no more requests, and let `serve` return."""
        self.should_exit = True
        self._over.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Web:
    """The page of one service. It is a front of the service: see `tain.mirror.service.Front`."""

    def __init__(self, service: Service) -> None:
        """Errors: `OSError`."""
        self.service = service
        self.kit = Kit(service)
        self.gate, self.view, self.base = self.kit.gate, self.kit.view, self.kit.base
        self.pages = Pages(self.kit)
        self.hub = Hub(self.pages)
        self.api = Api(self.kit, self.pages, self.hub)
        self.app = self._application()
        self._hosts = self._known_hosts()
        self._servers: list[tuple[_Server, asyncio.Task[None]]] = []
        self._written = -_WRITE_SECONDS
        self._unix: list[str] = []

    # ---- hosts

    def _known_hosts(self) -> frozenset[str]:
        config = self.service.config
        found = {"localhost", os.uname().nodename.lower(), *(host.lower() for host in config.server.allowed_hosts)}
        found |= {text.rpartition(":")[0].strip("[]").lower() for text in config.server.listen if ":" in text}
        host = urlsplit(config.site.url).hostname
        return frozenset(found | ({host.lower()} if host else set()))

    def is_our_host(self, given: str) -> bool:
        """Whether a request names a host of ours. An address needs no name server, so nobody can point it here."""
        host = urlsplit("//" + given).hostname if "@" not in given and "/" not in given else None
        if host is None:
            return False
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host.lower() in self._hosts
        return True

    # ---- routes

    def _application(self) -> Starlette:
        pages, api = self.pages, self.api
        compat = self.service.config.server.compat
        reads: list[tuple[str, Handler]] = [
            ("/", pages.index), ("/job/{name}", pages.job), ("/job/{name}/run/{run}", pages.run),
            ("/job/{name}/run/{run}/log", pages.log), ("/admin", pages.admin), ("/events", pages.events),
            ("/api/v1/runs/{run}/log", api.log),
            ("/login", pages.login), ("/api/v1/status", api.status), ("/api/v1/jobs/{name}", api.job),
            ("/api/v1/jobs/{name}/runs", api.runs), ("/api/v1/runs/{run}", api.run),
            ("/api/v1/upstreams/{name}", api.upstreams), ("/api/v1/stream", api.stream), ("/metrics", api.metrics),
            ("/healthz", api.healthz), ("/badge/{name}.svg", api.badge), ("/assets/{file}", self._asset),
        ]  # fmt: skip
        if "tunasync" in compat:
            reads += [("/jobs", api.tunasync), ("/static/tunasync.json", api.tunasync)]
        if "yuki" in compat:
            reads.append(("/api/v1/metas", api.yuki))
        if "mirrorz" in compat:
            reads.append(("/static/mirrorz.json", api.mirrorz))
        writes: list[tuple[str, Handler]] = [
            ("/login", self._log_in), ("/logout", self._log_out), ("/api/v1/reload", api.reload),
            ("/push/{name}", api.push),
        ]  # fmt: skip
        routes: list[BaseRoute] = [Route(path, self._page(handler), methods=["GET"]) for path, handler in reads]
        routes += [Route(path, self._page(handler), methods=["POST"]) for path, handler in writes]
        routes.append(Route("/api/v1/jobs/{name}/{verb}", self._page(self._verb), methods=["POST"]))
        if self.base != "/":
            routes = [Mount(self.base.rstrip("/"), routes=routes)]
        return Starlette(
            routes=routes,
            middleware=[Middleware(_Guard, web=self)],
            exception_handlers={404: self._not_found, 405: self._not_found, 500: self._broken},
        )

    def _page(self, handler: Any) -> Callable[[Request], Awaitable[Response]]:
        """A handler that runs in the loop; what it raises becomes an answer."""

        async def answer(request: Request) -> Response:
            try:
                found = handler(request)
                answered: Response = await found if asyncio.iscoroutine(found) else found
                return answered
            except NotFound:
                return self._problem(request, 404, "This page does not exist.")
            except Forbidden:
                known = bool(request.state.visitor.role)
                text = "This is not allowed." if known else "You need to log in to see this."
                return self._problem(request, 403 if known else 401, text)
            except TooLarge:
                return self._problem(request, 413, "the body is too large")
            except BadRequest as error:
                return self._problem(request, 400, str(error))
            except sqlite3.Error as error:
                return self._problem(request, 503, f"the state cannot be read or written: {error}")

        return answer

    def _problem(self, request: Request, code: int, text: str) -> Response:
        path = request.url.path[len(self.base) - 1 :]
        for_programs = path.startswith(("/api/", "/push/", "/metrics", "/healthz", "/static/", "/jobs"))
        if for_programs and not (request.state.visitor.session and request.method == "POST"):
            return JSONResponse(problem(code, text), code)
        return self.pages.problem(request, code, text)

    async def _not_found(self, request: Request, error: Exception) -> Response:
        code = getattr(error, "status_code", 404)
        return self._problem(request, code, "This page does not exist." if code == 404 else "This is not allowed.")

    async def _broken(self, request: Request, _error: Exception) -> Response:
        return JSONResponse(problem(500, "internal error"), 500)

    async def _verb(self, request: Request) -> Response:
        if request.path_params["verb"] not in VERBS:
            raise NotFound
        return await self.api.verb(request)

    async def _log_in(self, request: Request) -> Response:
        return self.pages.log_in(request, await form_of(request))

    async def _log_out(self, request: Request) -> Response:
        visitor: Visitor = request.state.visitor
        fields = await form_of(request)
        if visitor.session and not self.gate.is_our_form(request, visitor, fields.get("form", "")):
            raise BadRequest("The form is too old. Load the page again.")
        return self.pages.log_out(request)

    def _asset(self, request: Request) -> Response:
        wanted = request.path_params["file"]
        for name, content in self.kit.assets().items():
            if name == wanted:
                kind = _TYPES[os.path.splitext(name)[1]]
                return Response(content, headers={"Content-Type": kind, "Cache-Control": "max-age=31536000, immutable"})
        raise NotFound

    # ---- the process

    async def start(self) -> list[str]:
        """Listen. Errors: `OSError`."""
        addresses: list[str] = []
        sockets: list[socket.socket] = []
        for text in self.service.config.server.listen:
            for sock, address in self._listen(text):
                sockets.append(sock)
                addresses.append(address)
        config = uvicorn.Config(
            self.app, log_config=None, access_log=False, lifespan="off", server_header=False, date_header=False,
            proxy_headers=False, timeout_graceful_shutdown=_GRACE, limit_concurrency=1000, ws="none",
        )  # fmt: skip
        server = _Server(config)
        self._servers.append((server, asyncio.ensure_future(server.serve(sockets))))
        return addresses

    def _listen(self, text: str) -> Iterator[tuple[socket.socket, str]]:
        if text == "systemd":
            for sock in inherited():
                yield sock, _address_of(sock, self.base)
            return
        if text.startswith("unix:"):
            path = text[len("unix:") :]
            with contextlib.suppress(FileNotFoundError):
                # What a killed server has left; anything else is not ours.
                if stat.S_ISSOCK(os.lstat(path).st_mode):
                    os.unlink(path)
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.bind(path)
            # The web server in front of it runs as another user.
            os.chmod(path, 0o666)
            sock.listen(128)
            self._unix.append(path)
            yield sock, text
            return
        host, _, port = text.rpartition(":")
        host = host.strip("[]")
        try:
            found = socket.getaddrinfo(host, int(port), 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
            family, kind, proto, _name, place = found[0]
            sock = socket.socket(family, kind, proto)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(place)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror} (server.listen)", text) from error
        sock.listen(128)
        yield sock, _address_of(sock, self.base)

    async def changed(self) -> None:
        """Write the files for other programs."""
        server = self.service.config.server
        moment = self.service.clock.monotonic()
        if moment - self._written < _WRITE_SECONDS or (server.textfile is None and server.static_dir is None):
            return
        self._written = moment
        try:
            if server.textfile is not None:
                document = self.view.document(Visitor("", "viewer"))
                metrics.write_textfile(server.textfile, metrics.text(document, self.service.store, self.kit.disks()))
            if server.static_dir is not None:
                static_site.write(self.kit, self.pages, server.static_dir)
        except (OSError, sqlite3.Error) as error:
            sys.stderr.write(f"tain mirror: {error}\n")

    async def stop(self) -> None:
        self.hub.close()
        for server, task in self._servers:
            server.end()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await task
        for path in self._unix:
            with contextlib.suppress(OSError):
                os.unlink(path)


def _address_of(sock: socket.socket, base: str) -> str:
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}{base}" if ":" in host else f"http://{host}:{port}{base}"
