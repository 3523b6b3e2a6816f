"""The pages: from the state to what the templates show."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tain.mirror import queries
from tain.mirror.runs import RUN_ID, events_of, read_json
from tain.mirror.stages import host_of, is_local
from tain.mirror.states import STATES
from tain.mirror.texts import first_names
from tain.mirror.web import charts
from tain.mirror.web.auth import COOKIE, SESSION_SECONDS, Visitor
from tain.mirror.web.strings import choose_language
from tain.mirror.web.text import Words, seconds_of, shown
from tain.mirror.web.view import ATTENTION, SENTENCES, share_done

if TYPE_CHECKING:
    from tain.mirror.web.kit import Kit

#: Runs of a job on its page, and lines of a log on a page.
RUNS, CHART_RUNS = 20, 30
LOG_BYTES = 128 << 10
#: Names of held deletions on a page.
NAMES = 1000
#: States in the order of the bar and of the sorted list.
_ORDER = (*ATTENTION, "running", "queued", "paused", "new", "disabled", "fresh")
_SORTS = ("name", "state", "age", "good", "next", "size", "upstream")


class NotFound(Exception):
    """There is nothing for this visitor at this address."""


class Forbidden(Exception):
    """The visitor must log in, or may not do this."""


class Pages:
    """Handlers of pages. Each ends with a template."""

    def __init__(self, kit: Kit) -> None:
        self.kit, self.view, self.gate = kit, kit.view, kit.gate

    # ---- what every page has

    def words(self, request: Request) -> Words:
        site = self.view.service.config.site
        asked = request.query_params.get("lang")
        language = choose_language(asked, site.lang, request.headers.get("accept-language", ""))
        return Words(language, site.timezone, self.view.now())

    def render(self, request: Request, template: str, code: int = 200, **values: Any) -> HTMLResponse:
        visitor: Visitor = request.state.visitor
        words = self.words(request)
        site = self.view.service.config.site
        asked = request.query_params.get("lang")
        keep = f"?lang={asked}" if asked in ("en", "ko") else ""

        def url(path: str, **query: object) -> str:
            """An address of ours; the language that the visitor has chosen stays."""
            wanted = {**({"lang": asked} if keep else {}), **{k: v for k, v in query.items() if v not in (None, "")}}
            return self.kit.base + quote(path) + (f"?{urlencode(wanted)}" if wanted else "")

        others = {key: value for key, value in request.query_params.items() if key != "lang"}
        here = request.url.path
        context = {
            "w": words, "t": words.t, "url": url, "visitor": visitor, "base": self.kit.base, "asset": self.kit.asset,
            "logo": self.kit.logo,
            "site_name": site.name or os.uname().nodename, "site": site, "languages": [
                (code, label, f"{here}?{urlencode({**others, 'lang': code})}")
                for code, label in (("en", "English"), ("ko", "한국어"))
            ],
            "form_token": self.gate.form_token(visitor) if visitor.session else "", "shown": shown,
            "can_log_in": bool(self.gate.tokens), "compat": self.view.service.config.server.compat,
            "statement": self.statement(words, visitor) if self.view.sees_summary(visitor) else "", **values,
        }  # fmt: skip
        text = self.kit.templates.get_template(template).render(context)
        return HTMLResponse(text, code, headers={"Vary": "Accept-Language, Cookie", "Cache-Control": "no-store"})

    def statement(self, words: Words, visitor: Visitor) -> str:
        """How the site is, in one sentence."""
        good, count = self.view.current(visitor)
        if not count:
            return words.t("There are no mirrors yet")
        if count == 1:
            return words.t("The mirror is up to date" if good else "The mirror is not up to date")
        if good == count:
            return words.t("{count} mirrors are up to date", count=count)
        return words.t("{good} of {count} mirrors are up to date", good=good, count=count)

    def card(self, job: dict[str, Any], words: Words, visitor: Visitor) -> dict[str, Any]:
        """A job as the templates show it."""
        snapshot = self.view.snapshot()
        name = job["name"]
        content = seconds_of(job["content_time"])
        age = None if content is None else max(words.now - content, 0.0)
        limit = snapshot.stale[name]
        return {
            **job,
            "state_text": words.t(job["state"]),
            "sentence": words.t(SENTENCES[job["state"]]),
            "content_at": content,
            "age": age,
            "age_text": words.t("unknown") if age is None else words.length(age),
            "limit": limit,
            "host": None if job["upstream"] is None else short_upstream(job["upstream"]),
            "gauge": None if age is None else round(min(age / max(limit, 1.0), 1.0) * 100, 1),
            "good_at": seconds_of(job["last_good"]),
            "next_at": seconds_of(job["next"]),
            "strip": snapshot.strips[name],
            "note": self.note(job, words),
            "share": share_done(job),
            "commands": commands_of(job),
            "hold_at": None if job["hold"] is None else seconds_of(job["hold"]["since"]),
        }

    def note(self, job: Mapping[str, Any], words: Words) -> str:
        """What happens with a job now, or why it is as it is, in a few words."""
        run, paused, last = job["run"], job["paused"], job["last"]
        if run is not None:
            return running_note(run, words)
        if job["waiting"] is not None:
            return words.t("Waiting: {why}", why=shown(job["waiting"]))
        if paused is not None:
            text = words.t("Paused by {who}", who=shown(paused["by"])) if paused["by"] else words.t("paused")
            until = seconds_of(paused["until"])
            if until is not None:
                text += " " + words.t("until {time}", time=words.exact(until))
            return text + (f": {shown(paused['why'])}" if paused["why"] else "")
        if job["hold"] is not None:
            return shown(job["hold"]["why"] or "")
        if last is not None and last["result"] not in ("success", "unchanged"):
            return f"{words.t(last['result'])}: {shown(last['why'] or '')}"
        return ""

    # ---- pages

    def index(self, request: Request) -> Response:
        visitor: Visitor = request.state.visitor
        if not self.view.sees_summary(visitor):
            raise Forbidden
        words = self.words(request)
        document = self.view.document(visitor)
        cards = [self.card(job, words, visitor) for job in document["jobs"]]
        attention = sorted(
            (card for card in cards if card["state"] in ATTENTION), key=lambda card: ATTENTION.index(card["state"])
        )
        query = request.query_params
        wanted, state, sort = query.get("q", "")[:100], query.get("state", ""), query.get("sort", "")
        rows = [
            card
            for card in cards
            if (not wanted or wanted.lower() in f"{card['name']} {card['description']}".lower())
            and (not state or card["state"] == state)
        ]
        if sort in _SORTS:
            rows.sort(key=_sort_key(sort), reverse=query.get("dir") == "down")
        return self.render(
            request, "site.html", cards=rows, attention=attention, query=wanted,
            counts={name: document["counts"].get(name, 0) for name in STATES},
            state=state, sort=sort, down=query.get("dir") == "down", whole=len(cards),
            shows_jobs=self.view.sees_pages(visitor),
            parts=charts.parts(document["counts"], _ORDER), running=[card for card in cards if card["run"] is not None],
        )  # fmt: skip

    def job(self, request: Request) -> Response:
        visitor, name = request.state.visitor, request.path_params["name"]
        self.check_job(visitor, name)
        words, store = self.words(request), self.view.service.store
        document = next(job for job in self.view.document(visitor)["jobs"] if job["name"] == name)
        before = request.query_params.get("before")
        before = before if before and RUN_ID.fullmatch(before) else None
        recent = queries.runs_before(store, name, None, CHART_RUNS)
        ended = [run for run in recent if run["result"]]
        runs = queries.runs_before(store, name, before, RUNS) if before else recent[:RUNS]
        upstreams = [
            {**row, "shown": self.view.upstream(url, visitor), "used": url == document["upstream"]}
            for url, row in store.upstreams(name).items()
        ]
        return self.render(
            request, "job.html", job=self.card(document, words, visitor), runs=[self.run_row(run) for run in runs],
            seconds=charts.chart(ended, "seconds"), received=charts.chart(ended, _received_key(ended)),
            upstreams=[row for row in upstreams if row["shown"] is not None],
            errors=queries.errors_of(store, name, [run["id"] for run in recent]),
            older=runs[-1]["id"] if len(runs) == RUNS else None, sees_runs=self.view.sees_runs(visitor),
            strip=charts, can_control=visitor.operates, names=self.names(document, visitor),
        )  # fmt: skip

    def names(self, job: Mapping[str, Any], visitor: Visitor) -> list[str]:
        """The first names that wait for a release, for who may see them."""
        hold = job["hold"]
        if hold is None or not hold["run"] or not visitor.views or RUN_ID.fullmatch(hold["run"]) is None:
            return []
        directory = self.view.service.layout.run(job["name"], hold["run"])
        return first_names(os.path.join(directory, "deletes.nul"), NAMES)

    def run_row(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """A run as the tables show it."""
        return {**run, "kind": charts.KINDS.get(run["result"] or "", "same"), "state": run["result"] or "running"}

    def check_job(self, visitor: Visitor, name: str) -> None:
        """Errors: `NotFound`, `Forbidden`."""
        if not self.view.sees_pages(visitor):
            raise Forbidden
        if not self.view.sees_job(visitor, name):
            raise NotFound

    def run_of(self, request: Request) -> dict[str, Any]:
        """The row of the run that an address names. Errors: `NotFound`, `Forbidden`."""
        visitor, name, run = request.state.visitor, request.path_params["name"], request.path_params["run"]
        self.check_job(visitor, name)
        if not self.view.sees_runs(visitor):
            raise Forbidden
        row = self.view.service.store.run(run) if RUN_ID.fullmatch(run) else None
        if row is None or row["job"] != name:
            raise NotFound
        return row

    def run(self, request: Request) -> Response:
        row, visitor = self.run_of(request), request.state.visitor
        directory = self.view.service.layout.run(row["job"], row["id"])
        events = list(events_of(directory))
        document = read_json(os.path.join(directory, "run.json")) or {}
        attempts = [
            {**attempt, "upstream": self.view.upstream(attempt["upstream"], visitor)}
            for attempt in self.view.service.store.attempts(row["id"])
        ]
        return self.render(
            request, "run.html", run={**self.run_row(row), "upstream": self.view.upstream(row["upstream"], visitor)},
            spans=charts.timeline(events, row["ended"]), attempts=attempts, job_name=row["job"],
            hint=shown(document.get("hint_text") or ""),
            names=first_names(os.path.join(directory, "deletes.nul"), NAMES),
            reasons=[
                (self.view.upstream(url, visitor), shown(reason))
                for event in events if event["ev"] == "choice" for url, reason in event["reasons"].items()
            ][-20:],
        )  # fmt: skip

    def log(self, request: Request) -> Response:
        row = self.run_of(request)
        directory = self.view.service.layout.run(row["job"], row["id"])
        try:
            offset = max(int(request.query_params.get("offset", "0")), 0)
        except ValueError:
            offset = 0
        data, whole = read_part(directory, offset)
        return self.render(
            request, "log.html", job_name=row["job"], run=row, gone=whole is None,
            lines=[shown(line) for line in _lines(data)],
            later=offset + len(data) if whole is not None and offset + len(data) < whole else None,
            earlier=max(offset - LOG_BYTES, 0) if offset else None,
        )  # fmt: skip

    def admin(self, request: Request) -> Response:
        visitor: Visitor = request.state.visitor
        if not visitor.operates:
            raise Forbidden
        words, service = self.words(request), self.view.service
        cards = [self.card(job, words, visitor) for job in self.view.document(visitor)["jobs"]]
        return self.render(
            request, "admin.html", cards=cards, server=service.document(), waiting=service.scheduler.waiting,
            disks=self.kit.disks(),
        )  # fmt: skip

    def events(self, request: Request) -> Response:
        visitor: Visitor = request.state.visitor
        if not visitor.views:
            raise Forbidden
        return self.render(request, "events.html", events=self.view.service.store.events(limit=200))

    # ---- sessions

    def login(self, request: Request, message: str = "", code: int = 200) -> Response:
        return self.render(request, "login.html", code, message=message)

    def log_in(self, request: Request, form: Mapping[str, str]) -> Response:
        words = self.words(request)
        # Another site must not log a browser in as somebody else.
        if not self.gate.is_our_origin(request):
            return self.login(request, words.t("This is not allowed."), 403)
        if not self.gate.limiter.allows("login " + self.gate.address(request)):
            return self.login(request, words.t("There are too many attempts; wait a minute."), 429)
        found = self.gate.log_in(form.get("token", ""))
        if found is None:
            self.view.service.store.event("login", "refused", who=shown(self.gate.address(request)), severity="warning")
            return self.login(request, words.t("This token is not known."), 403)
        visitor, cookie = found
        self.view.service.store.event("login", visitor.role, who=visitor.name)
        answer = RedirectResponse(self.kit.base + ("admin" if visitor.operates else ""), 303)
        secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
        answer.set_cookie(
            COOKIE, cookie, max_age=SESSION_SECONDS, path=self.kit.base, httponly=True, samesite="strict", secure=secure
        )
        return answer

    def log_out(self, request: Request) -> Response:
        answer = RedirectResponse(self.kit.base, 303)
        answer.delete_cookie(COOKIE, path=self.kit.base)
        return answer

    def problem(self, request: Request, code: int, text: str) -> Response:
        words = self.words(request)
        return self.render(request, "problem.html", code, message=words.t(text))


def short_upstream(url: str) -> str:
    """The host of an upstream, or the path of a local one."""
    return url if is_local(url) or url == "local" else host_of(url)


def running_note(run: Mapping[str, Any], words: Words) -> str:
    """How far a run is."""
    progress = run["progress"]
    parts = [shown(run["stage"]) if run["stage"] else words.t(run["phase"])]
    if progress is None:
        return parts[0]
    if progress["fraction"] is not None:
        parts.append(f"{int(progress['fraction'] * 100)} %")
    elif progress["scanned"]:
        parts.append(words.t("{count} entries", count=words.number(progress["scanned"])))
    if progress["rate"]:
        parts.append(words.t("{rate}/s", rate=words.bytes(progress["rate"])))
    if progress["eta"] is not None:
        parts.append(words.t("{left} left", left=words.length(progress["eta"])))
    return ", ".join(parts)


def commands_of(job: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Commands that help a person with a job: what each is for, and its words."""
    name, hold = job["name"], job["hold"]
    if job["state"] == "held" and hold is not None:
        if hold["kind"] == "deletions":
            return [
                ("To look at what would be deleted:", f"tain mirror log {name} --deletes"),
                ("If the deletions are right:", f"tain mirror release {name} --deletes {hold['deletions'] or 0}"),
            ]
        if hold["kind"] in ("source_dev", "dest_dev"):
            return [("If that is right:", f"tain mirror release {name}")]
        return []
    if job["state"] == "paused":
        return [("To go on:", f"tain mirror release {name}")]
    if job["state"] in ("failing", "stale", "partial"):
        return [("To see what went wrong:", f"tain mirror log {name} --errors")]
    return []


def _sort_key(sort: str) -> Any:

    def key(card: Mapping[str, Any]) -> tuple[int, Any]:
        value: Any = {
            "name": card["name"].lower(),
            "state": _ORDER.index(card["state"]),
            "age": card["age"],
            "good": card["good_at"],
            "next": card["next_at"],
            "size": card["size"]["bytes"],
            "upstream": card["upstream"],
        }[sort]
        # What is not known stands last.
        return (1, 0) if value is None else (0, value)

    return key


def _received_key(runs: list[dict[str, Any]]) -> str:
    """What a run brought: over a wire what was received, in local copies the literal data."""
    received, literal = (sum(run[key] or 0 for run in runs) for key in ("received", "literal"))
    return "literal" if literal > received else "received"


def read_part(directory: str, offset: int, most: int = LOG_BYTES) -> tuple[bytes, int | None]:
    """Whole lines of a log from *offset* on, and its size; None: there is none any more."""
    plain = os.path.join(directory, "output.log")
    try:
        with open(plain, "rb") as file:
            whole = os.fstat(file.fileno()).st_size
            file.seek(offset)
            data = file.read(most)
    except OSError:
        try:
            with gzip.open(plain + ".gz", "rb") as packed:
                packed.seek(offset)
                data = packed.read(most)
                whole = offset + len(data) + len(packed.read(1))
        except OSError:
            return b"", None
    if offset + len(data) < whole and b"\n" in data:
        data = data[: data.rindex(b"\n") + 1]
    return data, whole


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "surrogateescape").rstrip("\n").split("\n") if data else []
