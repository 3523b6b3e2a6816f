"""`tain cluster scheduler` and `tain cluster worker`, on real ports (SCL-71, SCL-72)."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from pathlib import Path

import pytest
from distributed import Client
from distributed.security import Security

from tain.cluster import certs, secure, starters
from tain.errors import FileError, TainError, UsageError
from tests.cluster.servers import Site, site, wait_for

#: Seconds after which a client without a certificate gives up.
CONNECT = "5s"


def security(place: str, name: str, authority: str = "") -> Security:
    return Security(
        require_encryption=True,
        tls_ca_file=f"{authority or place}/ca.pem",
        tls_client_cert=f"{place}/{name}.pem",
        tls_client_key=f"{place}/{name}.key",
    )


def listening(pids: set[int]) -> set[str]:
    """The addresses on which these processes listen, as /proc/net/tcp has them."""
    sockets = set()
    for pid in pids:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                sockets.add(os.readlink(f"/proc/{pid}/fd/{name}"))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[1].partition(":")[0])
    return found


def family(pid: int) -> set[int]:
    """A process and its descendants."""
    found = {pid}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found |= family(int(child))
    return found


def test_a_scheduler_and_a_worker(tmp_path: Path) -> None:
    with site(tmp_path / "site") as cluster:
        worker = cluster.start_worker("--streams=2", "--label=new", "--name=n07")
        assert worker.line.startswith("tain cluster worker: tls://127.0.0.1:")
        with Client(cluster.address, security=security(cluster.tls, "client")) as client:
            ((_, info),) = client.scheduler_info()["workers"].items()
            assert (info["nthreads"], info["resources"], info["name"]) == (2, {"tain": 2, "tain-new": 2}, "n07")
            assert info["memory_limit"] == 0
            settings = client.run_on_scheduler(_settings)
            assert settings == {name: starters.SETTINGS[name] for name in settings}
            assert list(client.run(_settings).values()) == [settings]
        # Every port is on loopback: one address of the cluster, and Dask's pages.
        for server in (cluster.scheduler, worker):
            assert listening(family(server.pid)) == {"0100007F"}
        assert refused(cluster, tmp_path) == ["no certificate", "foreign certificate", "plain tcp", "plain tls"]
        # A scheduler that ends takes its workers with it.
        assert cluster.scheduler.stop() == 0
        wait_for(lambda: worker.process.poll() is not None, "the worker ends")
        assert worker.process.returncode == 0


def _settings() -> dict[str, object]:
    """Runs on the servers."""
    import dask.config

    names = ("scheduler.allowed-failures", "scheduler.worker-ttl", "scheduler.work-stealing", "worker.profile.enabled")
    return {f"distributed.{name}": dask.config.get(f"distributed.{name}") for name in names}


def refused(cluster: Site, tmp_path: Path) -> list[str]:
    """Which kinds of clients the scheduler refuses."""
    host, port = cluster.address.removeprefix("tls://").rsplit(":", 1)
    found = []
    # Without a certificate, TLS 1.3 ends with an alert at the first read.
    context = ssl.create_default_context(cafile=f"{cluster.tls}/ca.pem")
    context.check_hostname = False
    try:
        with socket.create_connection((host, int(port))) as sock, context.wrap_socket(sock) as wrapped:
            if not wrapped.recv(1):
                found.append("no certificate")
    except (ssl.SSLError, ConnectionResetError):
        found.append("no certificate")
    foreign = str(tmp_path / "foreign")
    certs.make(foreign, ["client"])
    for name, address, chosen in (
        ("foreign certificate", cluster.address, security(foreign, "client", authority=cluster.tls)),
        ("plain tcp", f"tcp://{host}:{port}", Security(require_encryption=False)),
    ):
        with pytest.raises(OSError):
            Client(address, security=chosen, timeout=CONNECT)
        found.append(name)
    # Dask itself refuses tls:// without files.
    with pytest.raises((TypeError, OSError)):
        Client(cluster.address, timeout=CONNECT)
    found.append("plain tls")
    return found


def test_a_worker_of_a_foreign_authority_is_refused(tmp_path: Path) -> None:
    with site(tmp_path / "site") as cluster:
        foreign = str(tmp_path / "foreign")
        certs.make(foreign, ["worker"])
        words = [f"--tls-dir={foreign}", "--tls-name=worker", "--death-timeout=5"]
        worker = cluster.start(["worker", cluster.address, *words], "worker")
        assert worker.line == ""
        assert worker.process.wait(60) == 10
        last = worker.log.read_text().splitlines()[-1]
        assert last.startswith(f"tain cluster: {cluster.address}: ")


def test_a_signal_ends_a_worker(tmp_path: Path) -> None:
    with site(tmp_path / "site") as cluster:
        worker = cluster.start_worker()
        worker.process.send_signal(signal.SIGINT)
        assert worker.process.wait(60) == 0


@pytest.mark.parametrize(
    ("address", "certificates", "insecure", "text"),
    [
        ("tls://n01:8786", True, False, ""),
        ("tls://n01:8786", False, False, "needs --tls-dir"),
        ("tls://n01:8786", False, True, "needs --tls-dir"),
        ("tls://127.0.0.1:1", False, False, "needs --tls-dir"),
        ("tcp://127.0.0.1:8786", False, False, ""),
        ("tcp://[::1]:8786", False, False, ""),
        ("localhost:8786", False, False, ""),
        ("tcp://n01:8786", True, False, "is not encrypted: whoever reaches it runs code"),
        ("n01:8786", False, False, "is not encrypted"),
        ("tcp://127.0.0.1.example.org:8786", False, False, "is not encrypted"),
        ("tcp://n01:8786", False, True, ""),
        ("ws://127.0.0.1:8786", True, True, "is not the address of a scheduler"),
        ("inproc://127.0.0.1:1", True, True, "is not the address of a scheduler"),
        ("tls://n01", True, False, "is not the address of a scheduler"),
        ("tls://:8786", True, False, "is not the address of a scheduler"),
        ("", True, False, "is not the address of a scheduler"),
    ],
)
def test_which_schedulers_are_refused(address: str, certificates: bool, insecure: bool, text: str) -> None:
    """SCL-72."""
    if not text:
        secure.check_address(address, certificates=certificates, insecure=insecure)
        return
    with pytest.raises(UsageError, match=text):
        secure.check_address(address, certificates=certificates, insecure=insecure)


REFUSED = [
    (starters.scheduler, ["--host=0.0.0.0"], "stands for all addresses"),
    (starters.scheduler, ["--host=::"], "stands for all addresses"),
    (starters.scheduler, [], "certificates are needed"),
    (starters.scheduler, ["--insecure-cluster", "word"], "one word too many"),
    (starters.scheduler, ["--port=x", "--insecure-cluster"], "--port=x is not a number"),
    (starters.scheduler, ["--streams=2", "--insecure-cluster"], "is not understood"),
    (starters.worker, [], "the address of a scheduler"),
    (starters.worker, ["tcp://192.0.2.1:8786"], "is not encrypted"),
    (starters.worker, ["tcp://127.0.0.1:8786", "--streams=0"], "is not a number from 1"),
    (starters.worker, ["tcp://127.0.0.1:8786", "--host=0.0.0.0"], "stands for all addresses"),
    (starters.worker, ["tcp://127.0.0.1:8786", "--tls-key=/x"], "needs all of"),
]


@pytest.mark.parametrize(("command", "words", "text"), REFUSED, ids=[f"{c.__name__} {w}" for c, w, _ in REFUSED])
def test_words_of_the_starters_that_are_refused(command: object, words: list[str], text: str) -> None:
    assert callable(command)
    with pytest.raises(UsageError, match=text):
        command(words)


def test_the_dashboard_stays_on_loopback(tmp_path: Path) -> None:
    certs.make(str(tmp_path / "tls"), ["n"])
    words = [f"--tls-dir={tmp_path}/tls", "--tls-name=n", "--dashboard=192.0.2.1:8787"]
    with pytest.raises(UsageError, match="must be on loopback"):
        starters.scheduler(words)


def test_certificates_that_cannot_be_used(tmp_path: Path) -> None:
    certs.make(str(tmp_path), ["n"])
    (tmp_path / "n.key").chmod(0o604)
    for words, text in (
        (["--tls-name=n"], "other users may read the key"),
        (["--tls-name=other"], "has no certificate of other"),
        ([f"--tls-ca-file={tmp_path}/none", "--tls-name=n"], "none: No such file"),
    ):
        with pytest.raises(TainError, match=text):
            starters.scheduler([f"--tls-dir={tmp_path}", *words])


def test_the_file_of_a_scheduler(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for text in ("", "[]", '{"address": 1}', "{}"):
        path.write_text(text)
        with pytest.raises(FileError, match="is not the file of a scheduler"):
            secure.read_scheduler_file(str(path))
    path.write_text('{"address": "tls://n01:8786", "id": "x"}')
    assert secure.read_scheduler_file(str(path)) == "tls://n01:8786"
    with pytest.raises(FileError, match="No such file"):
        secure.read_scheduler_file(str(path) + "x")
