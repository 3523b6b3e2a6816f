"""Who may connect to a cluster: certificates, and which addresses of schedulers are refused.

A Dask cluster runs any code that a client sends. Whoever may connect to it has the rights of every worker's user.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket

from tain.errors import FileError, UsageError
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What the options about certificates mean, for the help of commands.
HELP = """\
  --tls-dir=DIR        has ca.pem and this host's certificate and key, of `tain cluster certs`
  --tls-name=NAME      the name of this host's files in DIR (the host name)
  --tls-ca-file=FILE --tls-cert=FILE --tls-key=FILE   the three files, instead of a directory
  --insecure-cluster   accept connections without certificates from other hosts: whoever reaches the port runs code as
                       the user of every worker
"""
#: Options that `Certificates.take` reads.
OPTIONS = frozenset(("--tls-dir", "--tls-name", "--tls-ca-file", "--tls-cert", "--tls-key"))


class Certificates:
    """Paths of the files for mutual TLS, as options name them. Nothing is read before `complete`."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        #: Paths of the authority, of the certificate and of its key; empty without them.
        self.authority = self.certificate = self.key = ""

    def take(self, name: str, value: str) -> bool:
        """Take in the option *name*; returns whether it is one about certificates."""
        if name not in OPTIONS:
            return False
        self._given[name] = value
        return True

    def complete(self) -> None:
        """Find the files, and check that they are usable.

        Errors: `UsageError` if some of the three files are named, `FileError` for one that cannot be used.
        """
        given = self._given
        directory = given.get("--tls-dir", "")
        pair = ("", "")
        if directory and "--tls-cert" not in given:
            pair = _pair(directory, given.get("--tls-name", ""))
        self.authority = given.get("--tls-ca-file") or (os.path.join(directory, "ca.pem") if directory else "")
        self.certificate = given.get("--tls-cert") or pair[0]
        self.key = given.get("--tls-key") or pair[1]
        if not given:
            self._take_configured()
        paths = (self.authority, self.certificate, self.key)
        if any(paths) and not all(paths):
            raise UsageError("tain cluster: a certificate needs all of --tls-ca-file, --tls-cert and --tls-key")
        for path in filter(None, paths):
            _check_readable(path, secret=path == self.key)

    def _take_configured(self) -> None:
        """Take the files that Dask's own configuration names, if it names all."""
        import dask.config

        names = ("ca-file", "client.cert", "client.key")
        found = [dask.config.get(f"distributed.comm.tls.{name}", None) or "" for name in names]
        if all(found):
            self.authority, self.certificate, self.key = (os.path.expanduser(path) for path in found)

    def __bool__(self) -> bool:
        return bool(self.authority)

    def security(self) -> Any:
        """A `distributed.Security` for all roles; without certificates one that does not encrypt."""
        from distributed.security import Security

        if not self:
            return Security(require_encryption=False)
        pairs = {
            f"tls_{role}_{what}": path
            for role in ("scheduler", "worker", "client")
            for what, path in (("cert", self.certificate), ("key", self.key))
        }
        return Security(require_encryption=True, tls_ca_file=self.authority, **pairs)

    def words(self) -> list[str]:
        """The options that name these files."""
        if not self:
            return []
        return [f"--tls-ca-file={self.authority}", f"--tls-cert={self.certificate}", f"--tls-key={self.key}"]


def check_address(address: str, *, certificates: bool, insecure: bool) -> None:
    """Refuse a scheduler that anybody on the network could use, or pretend to be.

    *address*: ``tls://HOST:PORT`` or ``tcp://HOST:PORT``. *certificates*: there are an authority, a certificate and a
    key. *insecure*: ``--insecure-cluster`` is given. Errors: `UsageError`.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "tcp", address
    host = rest.rpartition(":")[0].strip("[]")
    if scheme not in ("tls", "tcp") or not host or not rest.rpartition(":")[2].isdecimal():
        raise UsageError(f"tain cluster: {address} is not the address of a scheduler, such as tls://n01:8786")
    if scheme == "tls":
        if not certificates:
            raise UsageError(
                f"tain cluster: {address} needs --tls-dir, or --tls-ca-file, --tls-cert and --tls-key"
                " (`tain cluster certs` makes them)"
            )
    elif not is_loopback(host) and not insecure:
        raise UsageError(
            f"tain cluster: {address} is not encrypted: whoever reaches it runs code as the user of every worker. "
            "Use tls:// with certificates (`tain cluster certs`), or --insecure-cluster if you accept that"
        )


def is_loopback(host: str) -> bool:
    """Whether *host*, a name or an address, is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_scheduler_file(path: str) -> str:
    """The address in a file that a scheduler has written. Errors: `FileError`."""
    try:
        with open(path, "rb") as file:
            found = json.load(file)
        address = found["address"]
    except OSError as error:
        raise FileError(f"tain cluster: {path}: {system_text(error)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(f"tain cluster: {path} is not the file of a scheduler") from error
    if not isinstance(address, str):
        raise FileError(f"tain cluster: {path} is not the file of a scheduler")
    return address


def _pair(directory: str, name: str) -> tuple[str, str]:
    """The certificate and the key of this host in *directory*. Errors: `FileError`."""
    names = [name] if name else [socket.gethostname(), socket.getfqdn(), socket.gethostname().partition(".")[0]]
    for each in names:
        if "/" in each:
            break
        base = os.path.join(directory, each)
        if os.path.exists(f"{base}.pem"):
            return f"{base}.pem", f"{base}.key"
    raise FileError(
        f"tain cluster: {directory} has no certificate of {names[0]}: make one with `tain cluster certs`,"
        " or name another with --tls-name"
    )


def _check_readable(path: str, *, secret: bool) -> None:
    """Errors: `FileError`."""
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
    except OSError as error:
        raise FileError(f"tain cluster: {path}: {system_text(error)}") from error
    if secret and mode & 0o007:
        raise FileError(f"tain cluster: {path}: other users may read the key: chmod 600")
