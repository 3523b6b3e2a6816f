"""Who asks: tokens with roles, sessions of browsers, forms of our own pages, and how often one may try."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
import time
import tomllib
from dataclasses import dataclass
from urllib.parse import urlsplit

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import Request

from tain.mirror.model import Server

COOKIE = "tain_mirror"
#: A session lasts so long; a form may be so old.
SESSION_SECONDS, FORM_SECONDS = 12 * 3600, 12 * 3600
#: Tries of a login or a push, a minute and address.
_TRIES = 5
_MOST_ADDRESSES = 10_000
ROLES = ("viewer", "operator")


@dataclass(frozen=True)
class Visitor:
    """Who sends a request. *role*: ``viewer``, ``operator``, ``push:NAME``, or empty."""

    name: str = ""
    role: str = ""
    #: The session of a browser; empty for a program.
    session: str = ""

    @property
    def views(self) -> bool:
        return self.role in ("viewer", "operator")

    @property
    def operates(self) -> bool:
        return self.role == "operator"

    def pushes(self, job: str) -> bool:
        return self.role == f"push:{job}" or self.operates


class Tokens:
    """The file of tokens: for each name a role and the SHA-256 of its token. It is read again when it changes."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._known: dict[str, Visitor] = {}

    def find(self, token: str) -> Visitor | None:
        """Whose token this is."""
        self._read()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        found = None
        for known, visitor in self._known.items():
            # All of them are compared, so that the time says nothing.
            if hmac.compare_digest(known, digest):
                found = visitor
        return found

    def __bool__(self) -> bool:
        self._read()
        return bool(self._known)

    def role_of(self, name: str) -> str:
        """The role of a name now: a session ends with its token."""
        self._read()
        return next((visitor.role for visitor in self._known.values() if visitor.name == name), "")

    def _read(self) -> None:
        if self.path is None:
            return
        try:
            info = os.stat(self.path)
            seen = (info.st_mtime_ns, info.st_ino)
            if seen == self._seen:
                return
            with open(self.path, "rb") as file:
                table = tomllib.load(file).get("token", {})
            self._known = {
                str(item["sha256"]): Visitor(name, str(item["role"]))
                for name, item in table.items()
                if "sha256" in item
            }
            self._seen = seen
        except (OSError, ValueError, AttributeError, TypeError, KeyError):
            self._known, self._seen = {}, None


class Limiter:
    """At most so many tries of an address in a minute."""

    def __init__(self) -> None:
        self._tries: dict[str, list[float]] = {}

    def allows(self, address: str) -> bool:
        now = time.monotonic()
        if len(self._tries) > _MOST_ADDRESSES:
            self._tries = {key: times for key, times in self._tries.items() if now - times[-1] < 60}
        recent = [moment for moment in self._tries.get(address, []) if now - moment < 60]
        if len(recent) >= _TRIES:
            return False
        self._tries[address] = [*recent, now]
        return True


class Gate:
    """Decides who sent a request, and whether a form is ours."""

    def __init__(self, server: Server, state: str) -> None:
        """*state*: the state directory, which keeps the key of sessions. Errors: `OSError`."""
        self.server = server
        self.tokens = Tokens(server.tokens_file)
        self.limiter = Limiter()
        key = _key(os.path.join(state, "session.key"))
        self._sessions = URLSafeTimedSerializer(key, salt="session")
        self._forms = URLSafeTimedSerializer(key, salt="form")
        self._proxies = [ipaddress.ip_network(text, strict=False) for text in server.trusted_proxies if _is_net(text)]

    def address(self, request: Request) -> str:
        """The address of the visitor, as a trusted proxy says it."""
        peer = request.client.host if request.client else ""
        forwarded = request.headers.get("x-forwarded-for", "")
        if forwarded and self._is_proxy(peer):
            return forwarded.split(",")[-1].strip()[:64]
        return peer or "local"

    def is_local(self, request: Request) -> bool:
        """Whether a program of this machine asks, without a proxy before it. A Unix socket is for a proxy."""
        if any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via")):
            return False
        return request.client is not None and _is_loopback(request.client.host)

    def _is_proxy(self, peer: str) -> bool:
        try:
            place = ipaddress.ip_address(peer)
        except ValueError:
            # A Unix socket has no address; it is opened by who may.
            return not peer and "unix" in self.server.trusted_proxies
        return any(place in net for net in self._proxies)

    def visitor(self, request: Request) -> Visitor:
        """Who sends *request*."""
        given = request.headers.get("authorization", "")
        if given[:7].lower() == "bearer ":
            return self.tokens.find(given[7:].strip()) or Visitor()
        cookie = request.cookies.get(COOKIE)
        if cookie:
            try:
                session, name = self._sessions.loads(cookie, max_age=SESSION_SECONDS)
            except (BadSignature, ValueError, TypeError):
                return Visitor()
            role = self.tokens.role_of(str(name))
            return Visitor(str(name), role, str(session)) if role in ROLES else Visitor()
        header = self.server.user_header
        if header is not None and self._is_proxy(request.client.host if request.client else ""):
            name = request.headers.get(header, "")
            if name:
                # The session of a proxy's user is the name: its forms are bound to it.
                return Visitor(name[:64], "operator", f"proxy:{name[:64]}")
        return Visitor()

    def log_in(self, token: str) -> tuple[Visitor, str] | None:
        """The visitor of a token and the cookie of a new session."""
        found = self.tokens.find(token.strip())
        if found is None or found.role not in ROLES:
            return None
        return found, self._sessions.dumps([secrets.token_urlsafe(16), found.name])

    def form_token(self, visitor: Visitor) -> str:
        """What a form of a page for this visitor must send back."""
        return self._forms.dumps(visitor.session)

    def is_our_form(self, request: Request, visitor: Visitor, token: str) -> bool:
        """Whether a form was sent by a page of ours, in the session of this visitor."""
        return self.is_our_origin(request) and self._has_form_token(visitor, token)

    def _has_form_token(self, visitor: Visitor, token: str) -> bool:
        try:
            session = self._forms.loads(token, max_age=FORM_SECONDS)
        except BadSignature:
            return False
        return bool(visitor.session) and hmac.compare_digest(str(session), visitor.session)

    def is_our_origin(self, request: Request) -> bool:
        """Whether the page that sends a request is ours."""
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        origin = request.headers.get("origin")
        return origin is not None and urlsplit(origin).netloc == request.headers.get("host", "")


def _is_net(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _key(path: str) -> str:
    """The key of signatures, made on the first start."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        pass
    else:
        with open(fd, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
    with open(path, encoding="ascii") as file:
        text = file.read()
    if len(text) < 64:
        os.unlink(path)
        return _key(path)
    return text
