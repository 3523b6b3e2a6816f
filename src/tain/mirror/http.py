"""Small requests by HTTP: stamp files, pings, pushes to downstreams. The library is imported by the first request."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    import httpx2

_TIMEOUT = 10.0
_REDIRECTS = 5


class FetchError(Exception):
    """No answer, or one that is of no use."""


@dataclass(frozen=True)
class Answer:
    """A file of a web server; *mtime* in seconds since 1970, 0 if the server does not say it."""

    data: bytes
    mtime: float


def fetch(url: str, most: int, *, timeout: float = _TIMEOUT) -> Answer | None:
    """The first *most* bytes of a file; None if there is none. Errors: `FetchError`."""
    import httpx2

    end = time.monotonic() + timeout
    try:
        with httpx2.Client(timeout=timeout) as client:
            for _ in range(_REDIRECTS + 1):
                with client.stream("GET", url) as response:
                    if response.is_redirect:
                        url = _next(url, response.headers.get("location", ""))
                        continue
                    if response.status_code in (404, 410):
                        return None
                    if response.status_code != 200:
                        raise FetchError(f"{_shown(url)}: status {response.status_code}")
                    data = b"".join(_limited(response.iter_bytes(), most, end))
                    return Answer(data, _time(response.headers.get("last-modified", "")))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise FetchError(f"{_shown(url)}: {str(error) or type(error).__name__}") from error
    raise FetchError(f"{_shown(url)}: more than {_REDIRECTS} redirections")


def post(url: str, data: bytes = b"", headers: Mapping[str, str] | None = None, *, timeout: float = _TIMEOUT) -> int:
    """Send *data*; returns the status. A redirection is no success. Errors: `FetchError`."""
    import httpx2

    try:
        response: httpx2.Response = httpx2.post(url, content=data, headers=dict(headers or {}), timeout=timeout)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise FetchError(f"{_shown(url)}: {str(error) or type(error).__name__}") from error
    return response.status_code


def _limited(chunks: Iterator[bytes], most: int, end: float) -> Iterator[bytes]:
    left = most
    for chunk in chunks:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return
        # The timeout of the library begins again with each packet.
        if time.monotonic() > end:
            raise FetchError("the answer takes too long")


def _next(url: str, location: str) -> str:
    """Where a redirection leads; the scheme stays. Errors: `FetchError`."""
    target = urljoin(url, location)
    if not location or urlsplit(target).scheme != urlsplit(url).scheme:
        raise FetchError(f"{_shown(url)}: redirected to another scheme")
    return target


def _shown(url: str) -> str:
    """An address for a log: only the host, because the path of a ping is a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _time(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
