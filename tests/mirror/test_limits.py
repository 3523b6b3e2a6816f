"""What runs out: room at a destination (MIR-46), connections of an upstream (MIR-23), streams of a server (MIR-64)."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
from collections import Counter

from tests import programs
from tests.mirror.site import Site, daemon, names
from tests.mirror.test_runs import wait_for


def events(site: Site) -> str:
    path = site.state / "jobs/one/latest/events.jsonl"
    return path.read_text() if path.exists() else ""


def test_mir_46_the_destination_is_full(site: Site) -> None:
    """A run that finds no room is held, deletes nothing, and goes on by itself when there is room again."""
    programs.need_root()
    place = site.root / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "disk", place], check=True)
    try:
        site.job(more="guard = { min_free = 0, min_free_inodes = 0 }\n")
        site.write(site.file.read_text().replace(f"{site.root}/dst", f"{place}/dst"))
        site.run("run", "one")
        before = {name: (place / "dst" / name).read_bytes() for name in names(place / "dst") if "/" in name}
        (site.root / "src/d0/f0").unlink()
        (site.root / "src/big").write_bytes(os.urandom(2 << 20))
        text = site.run("run", "one", code=77)
        assert "one: held: the destination is full" in text and "free some space" in text
        # Files that are there are whole, and nothing was deleted.
        for name, content in before.items():
            assert (place / "dst" / name).read_bytes() == content
        assert site.status()["hold"]["kind"] == "disk"
        subprocess.run(["mount", "-o", "remount,size=8m", place], check=True)
        site.run("run", "one")
        assert names(place / "dst") == names(site.root / "src")
        assert site.status()["hold"] is None
    finally:
        subprocess.run(["umount", place], check=True)


def test_mir_23_an_upstream_without_a_free_connection_is_waited_for(site: Site) -> None:
    """Its refusal is a wait of at least five minutes, in which the slot is free; it is no failure of the job."""
    lock = site.root / "connections"
    with daemon(site.root / "src", **{"max connections": 1, "lock file": str(lock)}) as server:
        found = re.fullmatch(r"rsync://([^/]*):(\d+)/pub/", server.url("pub"))
        assert found is not None
        with socket.create_connection((found[1], int(found[2])), timeout=60) as taken:
            taken.sendall(b"@RSYNCD: 31.0\npub\n")
            answer = b""
            while b"@RSYNCD: OK" not in answer:
                data = taken.recv(4096)
                assert data, answer
                answer += data
            site.job(source=server.url("pub"))
            site.write(site.file.read_text().replace("attempts = 1", "attempts = 3, wait = 0"))
            process = site.start("run", "one")
            wait_for(lambda: '"phase": "queued"' in events(site), 60)
            (line,) = [json.loads(text) for text in events(site).splitlines() if "the next one in" in text]
            assert "max connections (1) reached" in line["text"]
            assert re.search(r"the next one in [56]m\d\ds$", line["text"])
            site.run("stop", "one")
            process.communicate(timeout=60)
            assert process.returncode == 20
        assert [run["result"] for run in site.runs()] == ["cancelled"]
        site.run("run", "one")
    assert names(site.root / "dst") == names(site.root / "src")
    assert site.status()["state"] == "fresh"


async def _open(port: int, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, int]:
    """A stream of changes from one of many addresses of this machine."""
    source = (f"127.0.{1 + number // 200}.{1 + number % 200}", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source)
    writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
    status = (await reader.readline()).split()
    return reader, writer, int(status[1])


async def _many(port: int, site: Site) -> Counter[int]:
    opened = await asyncio.gather(*(_open(port, number) for number in range(500)))
    codes = Counter(code for _, _, code in opened)
    # Everybody who was let in hears of a change, while nobody reads the other half.
    await asyncio.to_thread(site.run, "hold", "one", "--why", "moving disks")
    good = [reader for reader, _, code in opened if code == 200]
    await asyncio.gather(*(reader.readuntil(b"paused") for reader in good[::2]))
    assert "paused" in await asyncio.to_thread(site.run, "status")
    for _, writer, _ in opened:
        writer.close()
    # The places are free again.
    for _ in range(600):
        _, writer, code = await _open(port, 900)
        writer.close()
        if code == 200:
            break
        await asyncio.sleep(0.1)
    assert code == 200
    return codes


def test_mir_64_five_hundred_streams(site: Site) -> None:
    """Two hundred are served, the others are refused, and the server goes on."""
    site.job(more="public = true\n")
    site.write(f'[server]\nlisten = ["127.0.0.1:0"]\n{site.file.read_text()}'.replace('every = "6h"', "manual = true"))
    server = site.start("serve")
    try:
        state = site.state / "server.json"
        wait_for(lambda: state.exists() and json.loads(state.read_text() or "{}").get("pid") == server.pid, 60)
        address = json.loads(state.read_text())["addresses"][0]
        codes = asyncio.run(asyncio.wait_for(_many(int(re.findall(r":(\d+)", address)[-1]), site), 120))
        assert codes == Counter({200: 200, 503: 300})
    finally:
        server.send_signal(signal.SIGTERM)
        output = server.communicate(timeout=60)[0].decode()
    assert server.returncode == 0 and "Traceback" not in output, output
