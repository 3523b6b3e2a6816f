"""MIR-59 to MIR-66, MIR-73 to MIR-75: who may see and do what over HTTP, and what hostile names do there (nothing)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tain.mirror import compat, metrics
from tain.mirror.loading import load_config, read_config
from tain.mirror.locks import myself, send
from tain.mirror.runs import Layout, RunFiles, new_id
from tain.mirror.service import Service
from tain.mirror.web.app import Web
from tain.mirror.web.auth import COOKIE, Limiter, Visitor
from tain.mirror.web.stream import MOST_OF_ADDRESS, Subscriber
from tain.mirror.web.strings import choose_language, translate, translated
from tain.mirror.web.text import Words, shown

TOKENS = {"viewer": "v" * 43, "operator": "o" * 43, "push:one": "p" * 43, "push:two": "q" * 43}
BASE = "http://127.0.0.1"


class Page:
    """A server in this process, and what a visitor sends to it. Nothing listens, and no run starts."""

    def __init__(self, root: Path, server: str = "", site: str = "") -> None:
        self.root = root
        tokens = "".join(
            f'[token."{role}"]\nrole = "{role}"\nsha256 = "{hashlib.sha256(word.encode()).hexdigest()}"\n'
            for role, word in TOKENS.items()
        )
        (root / "tokens.toml").write_text(tokens)
        (root / "tokens.toml").chmod(0o600)
        text = f'[site]\nname = "Site"\n{site}\n[server]\ntokens_file = "{root}/tokens.toml"\n{server}\n'
        for name, more in (("one", ""), ("two", "public = false"), ("gone", "enabled = false")):
            text += f'[job.{name}]\nsource = "rsync://user:word@host.example/{name}/"\nevery = "6h"\n'
            text += f'destination = "{root}/{name}"\n{more}\n'
        (root / "mirror.toml").write_text(text)
        self.layout = Layout(str(root / "state"))
        self.service = Service(load_config(str(root / "mirror.toml")), self.layout)
        self.web = Web(self.service)
        self.store = self.service.store
        self.client = TestClient(self.web.app, base_url=BASE, client=("127.0.0.1", 5), follow_redirects=False)

    def close(self) -> None:
        # A turn of the scheduler has started runners.
        for holder in self.service.scheduler.own().values():
            send(holder, signal.SIGKILL)
        self.store.close()
        self.service._lock.release()

    def get(self, path: str, role: str = "", **headers: str) -> Any:
        return self.client.get(path, headers={**self.bearer(role), **headers})

    def post(self, path: str, role: str = "", **more: Any) -> Any:
        headers = {**self.bearer(role), **more.pop("headers", {})}
        return self.client.post(path, headers=headers, **(more or {"json": {}}))

    @staticmethod
    def bearer(role: str) -> dict[str, str]:
        return {"authorization": f"Bearer {TOKENS[role]}"} if role else {}

    def add_run(self, name: str = "one", **more: Any) -> str:
        """A run that has ended, with a log."""
        run = new_id(self.service.clock.now())
        now = self.service.clock.now()
        row = {
            "id": run, "job": name, "trigger": "schedule", "queued": now - 10, "started": now - 9, "ended": now - 1,
            "seconds": 8.0, "phase": "ended", "result": "success", "exit_code": 0, "why": "", "received": 1000,
            "upstream": f"rsync://host.example/{name}/", "requested_by": "su", "new": 1, "changed": 2, "deleted": 3,
        }  # fmt: skip
        self.store.put_run({**row, **more})
        self.store.update_job(
            name, last_run=run, last_good=now, content_time=now - 60, files=7, bytes=7000,
            upstream=f"rsync://host.example/{name}/",
        )  # fmt: skip
        directory = Path(self.layout.run(name, run))
        directory.mkdir(parents=True)
        (directory / "output.log").write_bytes(b">f+++++++++ a\n")
        return run

    def log_in(self, role: str = "operator") -> str:
        """A session of a browser; returns the token of its forms."""
        self.client.cookies.clear()
        answer = self.client.post("/login", data={"token": TOKENS[role]}, headers={"origin": BASE})
        assert answer.status_code == 303, answer.text
        found = re.search(r'name="form" value="([^"]+)"', self.client.get("/").text)
        assert found is not None
        return found[1]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page(tmp_path)
    yield made
    made.close()


def test_a_logo(tmp_path: Path) -> None:
    """The picture of a site; a name that is only an end, and what else a site may not have."""
    (tmp_path / "My.Logo.SVG").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    page = Page(tmp_path, site=f'logo = "{tmp_path}/My.Logo.SVG"')
    try:
        found = re.search(
            r'<img class="logo" src="(/assets/logo\.[0-9a-f]{12}\.svg)" alt=""', page.client.get("/").text
        )
        assert found is not None
        answer = page.client.get(found[1])
        assert answer.headers["content-type"] == "image/svg+xml" and answer.text.startswith("<svg")
    finally:
        page.close()
    for name, text in (("x.gif", "is no picture of these kinds"), ("x.png", "is not an absolute path"),
                       (f"{tmp_path}/x.png", "is missing, or cannot be read")):  # fmt: skip
        (tmp_path / "bad.toml").write_text(f'[site]\nlogo = "{name}"\n')
        (finding,) = read_config(str(tmp_path / "bad.toml")).errors
        assert finding.key == "site.logo" and text in finding.text


def test_the_bar_of_all_mirrors_can_be_read_without_colour(page: Page) -> None:
    """Each part of the bar has the sign of its state, and the same signs stand below it with their words."""
    text = page.client.get("/").text
    bar = text[text.index('<svg class="parts"') : text.index('<ul class="chips">')]
    signs = re.findall(r'href="#i-(\w+)"', bar)
    assert signs and signs == re.findall(r'<rect class="(\w+)"', bar)
    assert (
        re.findall(r'class="pill" data-state="(\w+)"', text[text.index('<ul class="chips">') :])[: len(signs)] == signs
    )
    assert "Each part of the bar is a state" in text


# ---- who may what

ROUTES = (
    # path, what a visitor gets with public = none, summary, status and logs; then a viewer and an operator
    ("/", "401 200 200 200 200 200"),
    ("/job/one", "401 401 200 200 200 200"),
    ("/job/two", "401 401 404 404 200 200"),
    ("/job/nothing", "401 401 404 404 404 404"),
    ("/job/one/run/{run}", "401 401 401 200 200 200"),
    ("/job/two/run/{run}", "401 401 404 404 404 404"),
    ("/job/one/run/{run}/log", "401 401 401 200 200 200"),
    ("/admin", "401 401 401 401 403 200"),
    ("/events", "401 401 401 401 200 200"),
    ("/login", "200 200 200 200 200 200"),
    ("/api/v1/status", "401 200 200 200 200 200"),
    ("/api/v1/jobs/one", "401 401 200 200 200 200"),
    ("/api/v1/jobs/two", "401 401 404 404 200 200"),
    ("/api/v1/jobs/one/runs", "401 401 200 200 200 200"),
    ("/api/v1/runs/{run}", "401 401 401 200 200 200"),
    ("/api/v1/runs/{run}/log", "401 401 401 200 200 200"),
    ("/api/v1/upstreams/one", "401 401 200 200 200 200"),
    ("/jobs", "401 401 200 200 200 200"),
    ("/static/tunasync.json", "401 401 200 200 200 200"),
    ("/api/v1/metas", "404 404 404 404 404 404"),
    ("/badge/one.svg", "401 401 200 200 200 200"),
    ("/badge/two.svg", "401 401 404 404 200 200"),
)


@pytest.mark.parametrize("public", ["none", "summary", "status", "logs"])
def test_mir_59_reading_by_role(tmp_path: Path, public: str) -> None:
    page = Page(tmp_path, f'public = "{public}"')
    run = page.add_run()
    column = ["none", "summary", "status", "logs"].index(public)
    for path, codes in ROUTES:
        wanted = codes.split()
        for role, code in (("", wanted[column]), ("viewer", wanted[4]), ("operator", wanted[5])):
            answer = page.get(path.format(run=run), role)
            assert answer.status_code == int(code), (path, role, answer.text[:200])
    # A token for a push shows no more than none.
    assert page.get("/job/one", "push:one").status_code == (200 if public in ("status", "logs") else 403)
    page.close()


def test_mir_59_what_a_visitor_does_not_see(page: Page) -> None:
    page.add_run()
    page.add_run("two")
    page.store.update_job("one", paused_by="su", paused_at=1.0, paused_why="disks")
    document = page.get("/api/v1/status").json()
    assert [job["name"] for job in document["jobs"]] == ["gone", "one"]
    assert "pid" not in document["server"] and document["jobs"][1]["paused"]["by"] is None
    for path in ("/", "/job/one", "/api/v1/status", "/api/v1/jobs/one/runs", "/jobs"):
        text = page.get(path).text
        assert "user:word" not in text and "two" not in text and '"su"' not in text, path
    document = page.get("/api/v1/status", "viewer").json()
    assert len(document["jobs"]) == 3 and document["jobs"][1]["paused"]["by"] == "su"


@pytest.mark.parametrize(
    ("kind", "wanted"), [("full", "rsync://host.example/one/"), ("host", "host.example"), ("none", None)]
)
def test_mir_59_upstreams_for_visitors(tmp_path: Path, kind: str, wanted: str | None) -> None:
    page = Page(tmp_path, f'public_upstream = "{kind}"')
    page.add_run()
    page.store.put_upstream("one", "rsync://host.example/one/", reachable=1)
    (job,) = [job for job in page.get("/api/v1/status").json()["jobs"] if job["name"] == "one"]
    assert job["upstream"] == wanted
    for path in ("/", "/job/one", "/api/v1/upstreams/one", "/jobs", "/api/v1/jobs/one/runs"):
        text = page.get(path).text
        assert ("rsync://host.example" in text) == (kind == "full" or False), path
    assert page.get("/api/v1/jobs/one", "viewer").json()["upstream"] == "rsync://host.example/one/"
    page.close()


def test_mir_60_asking_by_role(page: Page) -> None:
    page.add_run()
    for verb in ("start", "stop", "hold", "release"):
        for role, code in (("", 401), ("viewer", 403), ("push:one", 403)):
            assert page.post(f"/api/v1/jobs/one/{verb}", role).status_code == code, (verb, role)
    for role, code in (("", 401), ("viewer", 403), ("push:one", 403)):
        assert page.post("/api/v1/reload", role).status_code == code
    assert page.store.requests() == {} and page.store.events() == []
    answer = page.post("/api/v1/jobs/one/start", "operator")
    assert answer.status_code == 202 and answer.json()["queued"] is True
    assert page.store.requests()["one"]["by"] == "operator"
    assert page.post("/api/v1/jobs/one/hold", "operator", json={"why": "x"}).status_code == 202
    assert page.store.job("one")["paused_why"] == "x"
    assert page.post("/api/v1/jobs/one/hold", "operator", json={"why": 5}).status_code == 400
    assert page.post("/api/v1/jobs/one/release", "operator").status_code == 202
    answer = page.post("/api/v1/jobs/one/release", "operator")
    assert answer.status_code == 409 and "nothing is held" in answer.text
    assert page.post("/api/v1/jobs/one/stop", "operator").status_code == 409
    assert page.post("/api/v1/jobs/gone/start", "operator").status_code == 409
    assert page.post("/api/v1/jobs/nothing/start", "operator").status_code == 404
    assert page.post("/api/v1/jobs/one/explode", "operator").status_code == 404
    assert page.get("/api/v1/jobs/one/start", "operator").status_code in (404, 405)
    assert {row["who"] for row in page.store.events()} == {"operator"}


def test_mir_60_pushes(page: Page) -> None:
    page.service.scheduler.turn()
    page.store.answer("one", 1 << 40)
    assert page.post("/push/one", "push:two").status_code == 403
    assert page.post("/push/one").status_code == 401
    answer = page.post("/push/one", "push:one", content=b"")
    assert answer.status_code == 202 and set(answer.json()) == {"queued", "again"}
    assert page.store.requests()["one"]["trigger"] == "push"
    assert [page.post("/push/one", "push:one").status_code for _ in range(4)] == [202, 202, 429, 429]


def test_mir_60_without_tokens_nobody_controls(tmp_path: Path) -> None:
    page = Page(tmp_path)
    (tmp_path / "tokens.toml").unlink()
    assert page.post("/api/v1/jobs/one/start", "operator").status_code == 401
    assert "nobody can log in" in page.get("/login").text
    # A file that says nonsense gives nobody a right.
    (tmp_path / "tokens.toml").write_text("token = 5\n")
    assert page.post("/api/v1/jobs/one/start", "operator").status_code == 401
    page.close()


def test_mir_60_the_reload(page: Page) -> None:
    path = page.root / "mirror.toml"
    good = path.read_text()
    path.write_text(good + "[job.bad]\nx = 1\n")
    answer = page.post("/api/v1/reload", "operator")
    assert answer.status_code == 409 and answer.json()["code"] == 78
    assert page.get("/api/v1/status").json()["server"]["config_ok"] is False
    assert "unknown key" in page.get("/admin", "operator").text
    path.write_text(good)
    assert page.post("/api/v1/reload", "operator").status_code == 202


# ---- forms, hosts, bodies


def test_mir_61_forms_of_other_places(page: Page) -> None:
    form = page.log_in()
    target = "/api/v1/jobs/one/start"
    for data, headers in (
        ({}, {"origin": BASE}),
        ({"form": "x"}, {"origin": BASE}),
        ({"form": form}, {}),
        ({"form": form}, {"origin": "http://evil.example"}),
        ({"form": form}, {"origin": BASE, "sec-fetch-site": "cross-site"}),
        ({"form": form}, {"sec-fetch-site": "same-site"}),
    ):
        assert page.client.post(target, data=data, headers=headers).status_code == 400
    assert page.client.post(target, json={}, headers={"origin": BASE}).status_code == 400
    assert page.store.requests() == {}
    answer = page.client.post(target, data={"form": form}, headers={"origin": BASE})
    assert answer.status_code == 303 and answer.headers["location"] == "/job/one"
    back = page.client.post(
        target, data={"form": form, "back": "//evil.example"}, headers={"sec-fetch-site": "same-origin"}
    )
    assert back.headers["location"] == "/job/one"
    # The session of somebody else does not take this form.
    page.client.cookies.clear()
    page.log_in("operator")
    assert page.client.post(target, data={"form": form}, headers={"origin": BASE}).status_code == 400
    assert (
        page.client.post("/login", data={"token": TOKENS["operator"]}, headers={"origin": "http://x"}).status_code
        == 403
    )


def test_mir_61_sessions(page: Page) -> None:
    answer = page.client.post("/login", data={"token": TOKENS["operator"]}, headers={"origin": BASE})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Max-Age=43200" in cookie
    assert TOKENS["operator"] not in cookie
    assert page.client.get("/admin").status_code == 200
    good = answer.cookies[COOKIE]
    page.client.cookies.clear()
    page.client.cookies.set(COOKIE, ("x" if good[0] != "x" else "y") + good[1:])
    assert page.client.get("/admin").status_code == 401
    # A session ends with its token.
    page.client.cookies.clear()
    page.client.cookies.set(COOKIE, good)
    assert page.client.get("/admin").status_code == 200
    text = (page.root / "tokens.toml").read_text().replace("operator", "nobody")
    (page.root / "tokens.toml").write_text(text)
    assert page.client.get("/admin").status_code == 401
    page.client.cookies.clear()
    codes = [page.client.post("/login", data={"token": "x"}, headers={"origin": BASE}).status_code for _ in range(6)]
    assert codes == [403, 403, 403, 403, 429, 429]


def test_mir_61_the_number_of_a_release_is_typed(page: Page) -> None:
    form = page.log_in()
    page.store.update_job("one", hold="deletions", hold_why="too many", hold_deletes=1234)
    target = "/api/v1/jobs/one/release"
    for typed in ("", "1", "12345", "1234x"):
        answer = page.client.post(target, data={"form": form, "deletes": typed}, headers={"origin": BASE})
        assert answer.status_code == 409 and "does not match" in answer.text
    assert page.store.ticket("one", 0) is None
    assert (
        page.client.post(target, data={"form": form, "deletes": "1,234"}, headers={"origin": BASE}).status_code == 303
    )
    ticket = page.store.ticket("one", 0)
    assert ticket is not None and ticket["max_deletes"] == 1295 and ticket["by"] == "operator"


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:8730", 200), ("localhost", 200), ("[::1]:80", 200), ("192.0.2.7", 200),
        ("mirrors.example.org", 200),
        ("MIRRORS.example.org:443", 200), ("evil.example", 400), ("mirrors.example.org.evil.example", 400),
        ("", 400), ("a@localhost", 400), ("localhost/x", 400),
    ],
)  # fmt: skip
def test_mir_62_hosts(tmp_path: Path, host: str, code: int) -> None:
    page = Page(tmp_path, site='url = "https://mirrors.example.org/status"')
    assert page.get("/", host=host).status_code == code
    page.close()


def test_mir_62_headers_of_security(page: Page) -> None:
    for path in ("/", "/nothing", "/api/v1/status", "/login", page.web.kit.asset("app.css")):
        headers = page.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; script-src 'self'")
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in page.get("/").headers
    for template in (Path(__file__).parents[2] / "src/tain/mirror/web/templates").iterdir():
        text = template.read_text()
        assert "|safe" not in text and "style=" not in text and "onclick" not in text and "autoescape" not in text


def test_mir_63_bodies_and_paths(page: Page) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(50):
            yield b"x" * 65536

    assert page.post("/api/v1/jobs/one/start", "operator", content=b"x" * 70000).status_code == 413
    assert page.post("/api/v1/jobs/one/start", "operator", content=b"{" * 60000).status_code == 400
    headers = {"content-type": "application/json", **page.bearer("operator")}
    for body in (b"[]", b"nonsense", b'{"a"', b"[" * 30000):
        assert page.client.post("/api/v1/jobs/one/start", content=body, headers=headers).status_code == 400
    assert page.client.post("/login", content=pieces(), headers={"origin": BASE}).status_code == 413
    big = {**headers, "content-length": str(2 << 30)}
    assert page.client.post("/api/v1/jobs/one/start", content=b"", headers=big).status_code == 413
    page.add_run()
    for path in (
        "/job/..%2f..%2fetc/run/20261129T061703Z-7f3a", "/job/one/run/..%2f..%2f..%2fstate.db/log",
        "/assets/..%2fauth.py",
        "/assets/app.css", "/badge/%00.svg", "/job/one/run/20261129T061703Z-7f3a/log", "/api/v1/runs/%2e%2e/log",
    ):  # fmt: skip
        assert page.get(path, "operator").status_code == 404, path
    assert page.get("/api/v1/jobs/one/runs?limit=x").status_code == 400
    assert page.get("/api/v1/jobs/one/runs?limit=100000").status_code == 200
    assert page.get("/?sort=%27&dir=%22&state=%3Cscript%3E&q=%3Cscript%3E&lang=xx").status_code == 200
    assert page.client.put("/").status_code == 405


def test_mir_63_proxies(tmp_path: Path) -> None:
    """Only a trusted proxy names a visitor; figures are for this machine, not for what a proxy hands on."""
    page = Page(tmp_path, 'trusted_proxies = ["192.0.2.0/24"]\nuser_header = "X-Remote-User"')
    assert page.get("/metrics").status_code == 200
    assert page.get("/metrics", **{"x-forwarded-for": "127.0.0.1"}).status_code == 401
    assert page.get("/admin", **{"x-remote-user": "su"}).status_code == 401
    proxy = TestClient(page.web.app, base_url=BASE, client=("192.0.2.9", 5), follow_redirects=False)
    assert proxy.get("/admin", headers={"x-remote-user": "su"}).status_code == 200
    assert proxy.get("/metrics").status_code == 401
    other = TestClient(page.web.app, base_url=BASE, client=("198.51.100.1", 5))
    assert other.get("/metrics").status_code == 401 and other.get("/healthz").status_code == 401
    page.close()


def test_limits_of_tries() -> None:
    limiter = Limiter()
    assert [limiter.allows("a") for _ in range(6)] == [True] * 5 + [False]
    assert limiter.allows("b")


def test_healthz(page: Page) -> None:
    page.service.turned = page.service.clock.monotonic()
    assert page.get("/healthz").text == "ok\n"
    page.service.turned -= 100
    assert page.get("/healthz").status_code == 503


# ---- streams


def test_mir_64_streams(page: Page) -> None:
    """Each sees what it may see; a slow reader is let go; there is an end to their number."""

    async def run() -> None:
        page.add_run()
        hub = page.web.hub
        words = Words("en", None, page.service.clock.now())
        visitor = Subscriber("a", Visitor(), words, None)
        viewer = Subscriber("b", Visitor("v", "viewer"), words, None)
        assert hub.subscribe(visitor, None) and hub.subscribe(viewer, None)
        more = [Subscriber("a", Visitor(), words, None) for _ in range(MOST_OF_ADDRESS)]
        assert [hub.subscribe(item, None) for item in more] == [True] * (MOST_OF_ADDRESS - 1) + [False]
        page.store.update_job("two", next_due=5.0)
        page.store.update_job("one", hold="deletions", hold_why="<b>", hold_deletes=5)
        page.store.event("hold", "x", job="two", who="su")
        hub._look()
        kinds = [viewer.queue.get_nowait() for _ in range(viewer.queue.qsize())]
        data = [hub.data(viewer, item[1], item[2]) for item in kinds if item is not None]
        assert {item[1] for item in kinds if item} == {"state", "event"} and None not in data
        kinds = [visitor.queue.get_nowait() for _ in range(visitor.queue.qsize())]
        seen = [hub.data(visitor, item[1], item[2]) for item in kinds if item is not None]
        assert [item["name"] for item in seen if item is not None] == ["one"]
        late = Subscriber("c", Visitor(), words, "one")
        assert hub.subscribe(late, 0)
        assert late.queue.qsize() >= 1
        for number in range(300):
            hub._publish("progress", "one")
            if number % 2:
                viewer.queue.get_nowait()
                viewer.queue.get_nowait()
        assert viewer in hub._subscribers and visitor not in hub._subscribers
        sent = [item async for item in hub.events(visitor)]
        assert sent and all(item["event"] == "progress" for item in sent)
        hub.close()

    asyncio.run(run())


# ---- hostile names

NASTY = st.text(
    st.sampled_from([*"<>&\"'`{}%\\\n\r\t\x00\x1b\x07[31m/;= ab", "\u202e", "\u2028", "\ud800", "\udcff", "한"]),
    min_size=1,
    max_size=30,
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    made = Page(tmp_path_factory.mktemp("hostile"), 'public = "logs"\ncompat = ["tunasync", "yuki", "mirrorz"]')
    yield made
    made.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NASTY)
def test_mir_65_hostile_names(hostile: Page, name: str) -> None:
    """Names of files, error texts and reasons with markup, control bytes and bytes that are no text."""
    page = hostile
    bad = f"<script>alert(1)</script>{name}"
    run = page.add_run(result="failed", why=bad, upstream=f"rsync://h/{name}")
    page.store.put_attempt({"run": run, "n": 1, "error": bad, "upstream": f"rsync://h/{name}", "ended": 1.0})
    page.store.update_job("one", hold="deletions", hold_why=bad, hold_run=run, hold_deletes=3, upstream=f"rsync://h/{name}",
                          paused_why=None)  # fmt: skip
    page.store.put_upstream("one", f"rsync://h/{name}", reachable=0, error=bad)
    directory = Path(page.layout.run("one", run))
    (directory / "deletes.nul").write_bytes(bad.replace("\0", "").encode("utf-8", "surrogatepass") + b"\0")
    (directory / "output.log").write_bytes(bad.encode("utf-8", "surrogatepass") + b"\n")
    page.store.event("start", bad, job="one", who=bad)
    for path in ("/", "/?lang=ko", "/job/one", f"/job/one/run/{run}", f"/job/one/run/{run}/log", "/events", "/admin"):
        answer = page.get(path, "operator")
        assert answer.status_code == 200, path
        text = answer.text
        assert "<script>alert" not in text and "\x1b" not in text and "\u202e" not in text and "\0" not in text, path
    for path in ("/api/v1/status", "/api/v1/jobs/one", "/api/v1/jobs/one/runs", "/jobs", "/static/mirrorz.json",
                 "/api/v1/metas", "/api/v1/upstreams/one", f"/api/v1/runs/{run}"):  # fmt: skip
        answer = page.get(path, "viewer")
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
        json.loads(answer.content)
    log = page.get(f"/api/v1/runs/{run}/log", "viewer")
    assert log.headers["content-type"].startswith("text/plain") and b"\x1b" not in log.content
    families = {family.name for family in text_string_to_metric_families(page.get("/metrics").text)}
    assert "tain_mirror_state" in families
    assert hub_data(page) is not None


def hub_data(page: Page) -> dict[str, Any] | None:
    subscriber = Subscriber("a", Visitor("v", "viewer"), Words("en", None, 0.0), None)
    found = page.web.hub.data(subscriber, "state", "one")
    json.dumps(found)
    return found


@given(NASTY)
def test_mir_65_what_is_shown(name: str) -> None:
    text = shown(name)
    assert text.isprintable() and "\u202e" not in text
    assert shown("a\x1b[31mred\x1b[0m") == "ared"


# ---- other programs


def test_mir_73_tunasync(page: Page) -> None:
    page.add_run()
    run = new_id(1_796_000_000.0)
    holder = myself()
    page.store.put_run(
        {"id": run, "job": "two", "queued": 1e9, "started": 1e9, "phase": "staging", "pid": holder.pid,
         "pid_ticks": holder.ticks, "boot_id": holder.boot}
    )  # fmt: skip
    entries = {entry["name"]: entry for entry in page.get("/jobs").json()}
    assert set(entries) == {"one", "gone"}
    assert list(entries["one"]) == [
        "name", "is_master", "status", "last_update", "last_update_ts", "last_started", "last_started_ts", "last_ended",
        "last_ended_ts", "next_schedule", "next_schedule_ts", "upstream", "size",
    ]  # fmt: skip
    assert entries["one"]["status"] == "success" and entries["one"]["size"] == "7.00K"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}", entries["one"]["last_update"])
    gone = entries["gone"]
    assert gone["status"] == "disabled" and gone["last_update_ts"] == -62135596800 and gone["size"] == "unknown"
    assert gone["last_update"] == "0001-01-01 00:00:00 +0000"
    documents = compat.tunasync(page.web.view.document(Visitor("", "viewer")), "Asia/Seoul")
    assert next(entry for entry in documents if entry["name"] == "two")["status"] == "syncing"
    assert page.get("/static/mirrorz.json").status_code == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"result": "failed", "exit_code": 10}, "failed"), ({"result": "partial"}, "success"),
        ({"result": "held", "exit_code": 25}, "success"), ({"result": "unchanged"}, "success"),
        ({"result": "cancelled", "exit_code": 20}, "failed"),
    ],
)  # fmt: skip
def test_mir_73_results_for_tunasync(page: Page, change: dict[str, Any], status: str) -> None:
    page.add_run(**change)
    assert [entry["status"] for entry in page.get("/jobs").json() if entry["name"] == "one"] == [status]


def test_mir_74_figures(page: Page, tmp_path: Path) -> None:
    page.add_run()
    page.add_run(result="failed", exit_code=10, received=5)
    page.store.trim_runs("one", 1)
    text = page.get("/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    runs = {sample.labels["result"]: sample.value for sample in families["tain_mirror_runs"].samples
            if sample.labels["job"] == "one"}  # fmt: skip
    # Runs that are gone from the history still count.
    assert runs == {"success": 1.0, "failed": 1.0}
    received = families["tain_mirror_received_bytes"].samples
    assert [sample.value for sample in received if sample.labels["job"] == "one"] == [1005.0]
    assert {sample.labels["state"] for sample in families["tain_mirror_state"].samples} >= {"fresh", "held"}
    path = tmp_path / "x.prom"
    metrics.write_textfile(str(path), text)
    assert path.read_text() == text and not list(tmp_path.glob("x.prom.*"))


def test_mir_75_mirrorz_and_yuki(tmp_path: Path) -> None:
    page = Page(tmp_path, 'compat = ["mirrorz", "yuki"]', site='url = "https://m.example"\nabbr = "M"')
    page.add_run()
    document = page.get("/static/mirrorz.json").json()
    assert document["version"] == 1.4 and document["site"]["abbr"] == "M"
    (one,) = [item for item in document["mirrors"] if item["cname"] == "one"]
    assert re.fullmatch(r"S\d+(X\d+)?", one["status"])
    page.add_run(result="failed")
    page.store.update_job("one", failures=2, next_due=2e9)
    (one,) = [item for item in page.get("/static/mirrorz.json").json()["mirrors"] if item["cname"] == "one"]
    assert re.fullmatch(r"F\d+X\d+O\d+", one["status"])
    (meta,) = [item for item in page.get("/api/v1/metas").json() if item["name"] == "one"]
    assert set(meta) == {
        "name", "upstream", "syncing", "size", "exitCode", "lastSuccess", "updatedAt", "prevRun", "nextRun",
    }  # fmt: skip
    page.close()


def test_the_static_site(tmp_path: Path) -> None:
    page = Page(tmp_path, f'static_dir = "{tmp_path}/out"\ntextfile = "{tmp_path}/x.prom"')
    page.add_run()
    page.add_run("two")
    asyncio.run(page.web.changed())
    index = (tmp_path / "out/index.html").read_text()
    assert "/job/one" in index and (tmp_path / "out/job/one/index.html").exists()
    assert not (tmp_path / "out/job/two").exists() and "two" not in index
    assert (tmp_path / "out" / page.web.kit.asset("app.css").lstrip("/")).exists()
    assert json.loads((tmp_path / "out/api/v1/status").read_text())["schema"] == "tain.mirror.status/1"
    assert "tain_mirror_state" in (tmp_path / "x.prom").read_text()
    assert not list((tmp_path / "out").rglob("*.tmp"))
    page.close()


def test_a_part_of_another_site(tmp_path: Path) -> None:
    page = Page(tmp_path, 'base_path = "/mirrors"')
    assert page.get("/").status_code == 404
    text = page.get("/mirrors/").text
    assert 'href="/mirrors/job/one"' in text and 'href="/mirrors/assets/app.' in text
    assert page.get("/mirrors/job/one").status_code == 200
    assert page.get("/mirrors/api/v1/runs/x").status_code in (401, 404)
    page.close()


# ---- words


def test_the_language() -> None:
    assert choose_language(None, "auto", "ko-KR,ko;q=0.9,en;q=0.5") == "ko"
    assert choose_language(None, "auto", "de,en;q=0.5,ko;q=0.1") == "en"
    assert choose_language("ko", "en", "") == "ko" and choose_language(None, "ko", "en") == "ko"
    assert choose_language("xx", "auto", "*;q=x,,;q=") == "en"


def test_every_text_of_the_page_is_translated() -> None:
    """Each text in the templates and the code has a Korean form with the same fields."""
    place = Path(__file__).parents[2] / "src/tain/mirror/web"
    used: set[str] = set()
    for path in [*place.glob("templates/*"), *place.glob("*.py")]:
        for call in re.findall(r"""(?<![\w"'])t\(([^()]+)[,)]""", path.read_text()):
            used |= {
                text
                for text in re.findall(r"(?<!\[)\"([^\"']+)\"|(?<!\[)'([^\"']+)'", call.split(", ")[0])
                for text in text
                if text
            }
    assert len(used) > 60
    assert used <= translated() | {"{n} "}, used - translated()
    for text in translated():
        korean = translate("ko", text)
        assert set(re.findall(r"{\w+}", korean)) == set(re.findall(r"{\w+}", text)), text
        assert not text.isascii() or not korean.isascii() or not text.isalpha(), text


def test_the_page_in_korean(page: Page) -> None:
    page.add_run()
    text = page.get("/", **{"accept-language": "ko"}).text
    assert '<html lang="ko"' in text and "최신" in text and "Mirrors" not in text
    assert "lang=ko" in page.get("/job/one?lang=ko").text


def test_progress_on_the_page(page: Page) -> None:
    holder = myself()
    run = new_id(1_796_000_000.0)
    page.store.put_run(
        {"id": run, "job": "one", "queued": 1e9, "started": 1e9, "phase": "staging", "stage": "mirror",
         "pid": holder.pid, "pid_ticks": holder.ticks, "boot_id": holder.boot}
    )  # fmt: skip
    directory = Path(page.layout.run("one", run))
    directory.mkdir(parents=True)
    files = RunFiles(str(directory))
    for share in (0.25, 0.5):
        files.event("progress", phase="transfer", fraction=share, bytes=[5, 10], rate=2e6, left=65, entries=3, files=2,
                    deleted=0)  # fmt: skip
    files.close()
    text = page.get("/").text
    assert "mirror, 50 %, 2 MB/s, 65 s left" in text and 'value="0.5"' in text
    assert page.get("/api/v1/status").json()["jobs"][1]["run"]["progress"]["fraction"] == 0.5


def test_a_unix_socket_is_for_a_proxy(tmp_path: Path) -> None:
    """It is made again after a kill, other files are left alone, and figures are not for what comes through it."""
    path = tmp_path / "page.sock"
    page = Page(tmp_path, f'listen = ["unix:{path}"]')

    async def ask() -> bytes:
        assert await page.web.start() == [f"unix:{path}"]
        try:
            answers = b""
            for target in ("/", "/metrics"):
                reader, writer = await asyncio.open_unix_connection(str(path))
                writer.write(f"GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
                answers += (await reader.read(20)).split(b"\r\n")[0] + b";"
                writer.close()
            return answers
        finally:
            await page.web.stop()

    assert asyncio.run(ask()) == b"HTTP/1.1 200 OK;HTTP/1.1 401 Unautho;"
    assert not path.exists()
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        asyncio.run(ask())
    assert path.read_text() == "precious"
    page.close()
