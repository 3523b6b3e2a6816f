"""The last part of `make demo`: a mirror job with two upstreams, a failover, held deletions and their release, a page.

Everything happens in a temporary directory and on loopback ports; build/mirror-page.png stays.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import tain

ROOT = Path(__file__).resolve().parents[1]
TAIN = str(Path(sys.executable).parent / "tain")


def say(text: str = "") -> None:
    print(text, flush=True)


class Site:
    """One job, its server, and its two upstreams."""

    def __init__(self, base: Path, upstreams: list[str]) -> None:
        self.base = base
        self.config = base / "mirror.toml"
        tables = "".join(f'[[job.books.upstream]]\nurl = "{url}"\n' for url in upstreams)
        self.config.write_text(
            '[site]\nname = "Demo mirrors"\n[server]\nlisten = ["127.0.0.1:0"]\n'
            f'[job.books]\ndestination = "{base}/books"\nevery = "6h"\ndescription = "Forty books"\n'
            f'failover = {{ mode = "ordered" }}\nretry = {{ wait = 0 }}\n{tables}'
        )

    def words(self, *words: str) -> list[str]:
        return [TAIN, "mirror", *words, "--config", str(self.config), "--state", str(self.base / "state")]

    def run(self, *words: str) -> str:
        return subprocess.run(self.words(*words), capture_output=True, text=True, check=False, timeout=30).stdout

    def show(self, *words: str) -> None:
        """A command as one would type it, and what it prints."""
        say(f"$ tain mirror {' '.join(words)}")
        for line in self.run(*words).splitlines():
            say("  " + line[:150])

    def last(self) -> dict[str, Any]:
        runs = json.loads(self.run("history", "books", "--json"))["runs"]
        return dict(runs[0]) if runs else {}

    def wait(self, result: str, number: int) -> dict[str, Any]:
        """Wait until the run *number* has ended, which must be with *result*."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            runs = [row for row in json.loads(self.run("history", "books", "--json"))["runs"] if row["result"]]
            if len(runs) >= number:
                if runs[0]["result"] != result:
                    raise SystemExit(f"the run ended as {runs[0]['result']}: {runs[0]['why']}")
                return dict(runs[0])
            time.sleep(0.1)
        raise SystemExit(f"no run ended as {result}")


def daemon(path: Path) -> tain.Daemon:
    ids = {"uid": "root", "gid": "root"} if os.geteuid() == 0 else {}
    return tain.Daemon({"books": {"path": str(path), "use chroot": False, **ids}})


def picture(address: str) -> Path | None:
    """A picture of the page, if chromium is here."""
    sys.path.insert(0, str(ROOT))
    try:
        from tests.mirror.showcase import browser

        target = ROOT / "build/mirror-page.png"
        target.parent.mkdir(exist_ok=True)
        with browser(1100, 900) as driver:
            driver.get(address)
            driver.save_screenshot(str(target))
    except Exception as error:
        # No part of the demonstration: a machine without a browser has no picture.
        say(f"(no picture: {str(error).splitlines()[0][:80]})")
        return None
    return target


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="tain-demo-") as name:
        base = Path(name)
        source = base / "source"
        source.mkdir()
        for number in range(40):
            (source / f"book {number}").write_text(f"chapter {number}\n" * 100)
        say("a mirror job with two upstreams:")
        first, second = daemon(source), daemon(source)
        with first, second:
            site = Site(base, [first.url("books"), second.url("books")])
            server = subprocess.Popen(site.words("serve"), stdout=subprocess.PIPE, text=True)
            try:
                assert server.stdout is not None
                address = server.stdout.readline().rpartition(": ")[2].strip()
                site.wait("success", 1)
                site.show("status")
                say("the first upstream goes away, and the source has a new book:")
                first.stop()
                (source / "book 40").write_text("new\n")
                site.run("start", "books")
                used = site.wait("success", 2)["upstream"]
                say(f"  mirrored from {used}: the second one" if used == second.url("books") else f"  from {used}?")
                say("somebody deletes most of the source by mistake:")
                for path in sorted(source.iterdir())[:30]:
                    path.unlink()
                site.run("start", "books")
                held = site.wait("held", 3)
                site.show("status", "books")
                say(f"  the mirror still has {len(list((base / 'books').glob('book*')))} books. The page: {address}")
                drawn = picture(address)
                if drawn is not None:
                    say(f"  a picture of it: {drawn.relative_to(ROOT)}")
                say("it was no mistake:")
                site.show("release", "books", "--deletes", str(held["planned_deletes"]))
                site.run("start", "books")
                site.wait("success", 4)
                left = len(list((base / "books").glob("book*")))
                say(f"  the mirror has {left} books, like its source")
                return 0 if left == 11 and used == second.url("books") else 1
            finally:
                server.terminate()
                server.wait()


if __name__ == "__main__":
    sys.exit(main())
