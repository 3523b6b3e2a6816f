"""The JSON interface: documents to read, and what an operator or another server may ask for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from tain.mirror import compat, metrics, pushes, queries, verbs
from tain.mirror.findings import ConfigError
from tain.mirror.web.auth import Visitor
from tain.mirror.web.pages import Forbidden, NotFound, read_part
from tain.mirror.web.stream import Hub, Subscriber
from tain.mirror.web.text import shown

if TYPE_CHECKING:
    from tain.mirror.web.kit import Kit
    from tain.mirror.web.pages import Pages

#: Bytes of a body, runs of one answer.
BODY = 64 << 10
_RUNS = 200
#: The loop of the server has turned in this time, or it is not well.
_HEALTHY = 90.0
VERBS = ("start", "stop", "hold", "release")


class TooLarge(Exception):
    """A body is longer than `BODY`."""


class BadRequest(Exception):
    """A body that is not what was asked for."""


async def body_of(request: Request) -> bytes:
    """The body, which is read no further than allowed. Errors: `TooLarge`."""
    try:
        if int(request.headers.get("content-length", "0")) > BODY:
            raise TooLarge
    except ValueError:
        raise TooLarge from None
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > BODY:
            raise TooLarge
    return data


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form. Errors: `TooLarge`, `BadRequest`."""
    try:
        text = (await body_of(request)).decode()
        return {key: values[0] for key, values in parse_qs(text, max_num_fields=20, keep_blank_values=True).items()}
    except ValueError as error:
        raise BadRequest("this is not a form") from error


async def json_of(request: Request) -> dict[str, Any]:
    """The object in a body; an empty body is an empty object. Errors: `TooLarge`, `BadRequest`."""
    data = await body_of(request)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise BadRequest("the body must be JSON (Content-Type: application/json)")
    try:
        value = json.loads(data or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(value, dict):
        raise BadRequest("the body is not an object")
    return value


class Api:
    """Handlers of JSON."""

    def __init__(self, kit: Kit, pages: Pages, hub: Hub) -> None:
        self.kit, self.view, self.gate, self.pages, self.hub = kit, kit.view, kit.gate, pages, hub

    def answer(self, request: Request, value: object, code: int = 200) -> Response:
        headers = {"Cache-Control": "no-store"}
        origin = request.headers.get("origin")
        cors = self.view.service.config.server.cors
        if request.method == "GET" and origin is not None and ("*" in cors or origin in cors):
            headers |= {"Access-Control-Allow-Origin": "*" if "*" in cors else origin, "Vary": "Origin"}
        return JSONResponse(value, code, headers=headers)

    # ---- reading

    def status(self, request: Request) -> Response:
        if not self.view.sees_summary(request.state.visitor):
            raise Forbidden
        return self.answer(request, self.view.document(request.state.visitor))

    def job(self, request: Request) -> Response:
        visitor, name = request.state.visitor, request.path_params["name"]
        self.pages.check_job(visitor, name)
        job = next(job for job in self.view.document(visitor)["jobs"] if job["name"] == name)
        return self.answer(request, {"schema": "tain.mirror.job/1", **job})

    def runs(self, request: Request) -> Response:
        visitor, name = request.state.visitor, request.path_params["name"]
        self.pages.check_job(visitor, name)
        try:
            most = min(max(int(request.query_params.get("limit", "50")), 1), _RUNS)
        except ValueError:
            raise BadRequest("limit is not a number") from None
        rows = queries.runs_before(self.view.service.store, name, request.query_params.get("before"), most)
        return self.answer(
            request, {"schema": "tain.mirror.history/1", "runs": [self._run(row, visitor) for row in rows]}
        )

    def _run(self, row: Mapping[str, Any], visitor: Visitor) -> dict[str, Any]:
        hidden = () if visitor.views else ("pid", "pid_ticks", "boot_id", "requested_by")
        shows = {key: value for key, value in row.items() if key not in hidden}
        return {**shows, "upstream": self.view.upstream(row["upstream"], visitor)}

    def run(self, request: Request) -> Response:
        run = request.path_params["run"]
        row = self.view.service.store.run(run)
        if row is None:
            raise NotFound
        request.path_params["name"] = row["job"]
        row = self.pages.run_of(request)
        visitor = request.state.visitor
        attempts = [
            {**attempt, "upstream": self.view.upstream(attempt["upstream"], visitor)}
            for attempt in self.view.service.store.attempts(row["id"])
        ]
        return self.answer(
            request, {"schema": "tain.mirror.run/1", **self._run(row, visitor), "attempt_list": attempts}
        )

    def log(self, request: Request) -> Response:
        row = self.view.service.store.run(request.path_params["run"])
        if row is None:
            raise NotFound
        request.path_params["name"] = row["job"]
        row = self.pages.run_of(request)
        try:
            offset = max(int(request.query_params.get("offset", "0")), 0)
        except ValueError:
            raise BadRequest("offset is not a number") from None
        data, whole = read_part(self.view.service.layout.run(row["job"], row["id"]), offset)
        if whole is None:
            raise NotFound
        lines = data.decode("utf-8", "surrogateescape").split("\n")
        headers = {"X-Next-Offset": str(offset + len(data)), "X-Log-Size": str(whole), "Cache-Control": "no-store"}
        return PlainTextResponse("\n".join(shown(line) for line in lines), headers=headers)

    def upstreams(self, request: Request) -> Response:
        visitor, name = request.state.visitor, request.path_params["name"]
        self.pages.check_job(visitor, name)
        rows = self.view.service.store.upstreams(name).values()
        found = [{**row, "url": self.view.upstream(row["url"], visitor)} for row in rows]
        return self.answer(
            request,
            {"schema": "tain.mirror.upstreams/1", "upstreams": [row for row in found if row["url"] is not None]},
        )

    def stream(self, request: Request) -> Response:
        visitor = request.state.visitor
        if not self.view.sees_pages(visitor):
            raise Forbidden
        job = request.query_params.get("job")
        if job is not None and not self.view.sees_job(visitor, job):
            raise NotFound
        given = request.headers.get("last-event-id", "")
        last = int(given) if given.isascii() and given.isdigit() and len(given) < 18 else None
        subscriber = Subscriber(self.gate.address(request), visitor, self.pages.words(request), job)
        if not self.hub.subscribe(subscriber, last):
            return self.answer(request, problem(503, "there are too many streams"), 503)
        return EventSourceResponse(self.hub.events(subscriber), ping=15, headers={"Cache-Control": "no-store"})

    # ---- other programs

    def tunasync(self, request: Request) -> Response:
        return self._compat(request, compat.tunasync)

    def yuki(self, request: Request) -> Response:
        return self._compat(request, compat.yuki)

    def mirrorz(self, request: Request) -> Response:
        site = self.view.service.config.site
        return self._compat(request, lambda document, zone: compat.mirrorz(document, site))

    def _compat(self, request: Request, make: Any) -> Response:
        if not self.view.sees_pages(request.state.visitor):
            raise Forbidden
        # Documents for everybody have what everybody sees, whoever asks.
        document = self.view.document(Visitor())
        return self.answer(request, make(document, self.view.service.config.site.timezone))

    def metrics(self, request: Request) -> Response:
        self._check_machine(request)
        return PlainTextResponse(
            metrics.text(self.view.document(Visitor("", "viewer")), self.view.service.store, self.kit.disks()),
            media_type="text/plain; version=1.0.0; charset=utf-8",
        )

    def healthz(self, request: Request) -> Response:
        self._check_machine(request)
        age = self.view.service.clock.monotonic() - self.view.service.turned
        return PlainTextResponse("ok\n" if age < _HEALTHY else "the loop has stopped\n", 200 if age < _HEALTHY else 503)

    def _check_machine(self, request: Request) -> None:
        public = self.view.service.config.server.metrics_public
        if not (public or request.state.visitor.views or self.gate.is_local(request)):
            raise Forbidden

    def badge(self, request: Request) -> Response:
        visitor, name = request.state.visitor, request.path_params["name"]
        self.pages.check_job(visitor, name)
        job = next(job for job in self.view.document(visitor)["jobs"] if job["name"] == name)
        card = self.pages.card(job, self.pages.words(request), visitor)
        text = self.kit.templates.get_template("badge.svg").render(job=card, wide=lambda text: 7 * len(str(text)) + 14)
        return Response(text, media_type="image/svg+xml", headers={"Cache-Control": "max-age=60"})

    # ---- asking

    async def verb(self, request: Request) -> Response:
        """``start``, ``stop``, ``hold``, ``release`` of a job: a program sends JSON, a form of ours its fields."""
        name, verb = request.path_params["name"], request.path_params["verb"]
        visitor, fields, is_form = await self.checked(request)
        if name not in self.view.service.config.jobs:
            raise NotFound
        try:
            document = self._act(verb, name, visitor, fields, is_form=is_form)
        except verbs.Refused as error:
            if is_form:
                return self.pages.problem(request, 409, str(error))
            return self.answer(request, problem(409, str(error)), 409)
        except ValueError as error:
            raise BadRequest(str(error)) from None
        self.view.service.wake()
        if is_form:
            back = "admin" if fields.get("back") == "admin" else f"job/{name}"
            return RedirectResponse(self.kit.base + back, 303)
        return self.answer(request, document, 202)

    def _act(
        self, verb: str, name: str, visitor: Visitor, fields: Mapping[str, Any], *, is_form: bool
    ) -> dict[str, Any]:
        service = self.view.service
        now, who = service.clock.now(), shown(visitor.name)
        document: dict[str, Any] = {"schema": "tain.mirror.answer/1", "job": name}
        if verb == "start":
            if not service.config.jobs[name].job.enabled:
                raise verbs.Refused(f"{name}: is disabled", 64)
            again = service.scheduler.runs(name)
            verbs.start(service.store, name, who, now, at_once=bool(fields.get("now")))
            return {**document, "queued": True, "again": again}
        if verb == "stop":
            return {**document, "run": verbs.stop(service.layout, service.store, name, who).run}
        if verb == "hold":
            why = fields.get("why", "")
            if not isinstance(why, str):
                raise ValueError("why is not a text")
            return {**document, "text": verbs.hold(service.layout, service.store, name, who, why[:500], now, None)}
        deletes = fields.get("deletes")
        if is_form and deletes is not None:
            text = str(deletes).replace(",", "").strip()
            planned = service.store.job(name)["hold_deletes"]
            # Typed by hand, so that nobody releases what they have not read.
            if not text.isdigit() or int(text) != planned:
                raise verbs.Refused("The number does not match; nothing was released.", 65)
            deletes = int(text)
        if deletes is not None and (isinstance(deletes, bool) or not isinstance(deletes, int) or deletes < 0):
            raise ValueError("deletes is not a whole number")
        return {**document, "text": verbs.release(service.layout, service.store, name, who, now, deletes)}

    async def checked(self, request: Request) -> tuple[Visitor, dict[str, Any], bool]:
        """The operator who sends a request, its fields, and whether it is a form. Errors: `Forbidden`, `BadRequest`."""
        visitor: Visitor = request.state.visitor
        if not visitor.operates:
            raise Forbidden
        if not visitor.session:
            return visitor, await json_of(request), False
        fields: dict[str, Any] = dict(await form_of(request))
        if not self.gate.is_our_form(request, visitor, str(fields.get("form", ""))):
            raise BadRequest("The form is too old. Load the page again.")
        return visitor, fields, True

    async def reload(self, request: Request) -> Response:
        visitor, _fields, is_form = await self.checked(request)
        service = self.view.service
        service.store.event("reload", "asked for", who=shown(visitor.name))
        try:
            service.reload()
        except ConfigError as error:
            if is_form:
                return RedirectResponse(self.kit.base + "admin", 303)
            findings = [finding.document() for finding in error.findings]
            return self.answer(request, {"schema": "tain.mirror.error/1", "code": 78, "errors": findings}, 409)
        if is_form:
            return RedirectResponse(self.kit.base + "admin", 303)
        return self.answer(request, {"schema": "tain.mirror.answer/1", "jobs": len(service.config.jobs)}, 202)

    async def push(self, request: Request) -> Response:
        """An upstream has something new."""
        name, visitor = request.path_params["name"], request.state.visitor
        if not self.gate.limiter.allows("push " + self.gate.address(request)):
            return self.answer(request, problem(429, "too many pushes; wait a minute"), 429)
        if visitor.session or not visitor.pushes(name):
            raise Forbidden
        data = await body_of(request)
        service = self.view.service
        loaded = service.config.jobs.get(name)
        if loaded is None:
            raise NotFound
        payload = pushes.is_for_payload(data)
        now = service.clock.now()
        pushed = pushes.push(service.layout, service.store, loaded, shown(visitor.name), now, payload=payload)
        if not pushed.queued:
            return self.answer(request, problem(409, pushed.ignored), 409)
        service.wake()
        return self.answer(request, pushed.document(), 202)


def problem(code: int, text: str) -> dict[str, Any]:
    """The document of an error."""
    error = {"file": "", "line": 0, "key": "", "text": text, "suggestion": "", "severity": "error"}
    return {"schema": "tain.mirror.error/1", "code": code, "errors": [error]}
