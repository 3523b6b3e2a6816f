"""``tain cluster certs``: an authority and a certificate for each host, for the connections of a cluster.

Whoever has a certificate of the authority may run code as the user of every worker: Dask's scheduler and workers ask
each other for one, and ask nothing else. Files of ``DIR``: ``ca.pem``, ``ca.key``, and ``HOST.pem`` and ``HOST.key`` of
each host. Keys have mode 0600. A host needs ``ca.pem`` and its own two files; ``ca.key`` stays where it was made.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import stat

from tain.errors import FileError, UsageError, for_code
from tain.system import system_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from tain.errors import TainError

#: Days that a certificate of a host is valid.
DAYS = 30
#: Days that the authority is valid: certificates can be renewed for a year.
CA_DAYS = 366
#: A clock that is slow by less than this accepts a new certificate.
_BACKDATED = datetime.timedelta(minutes=10)
#: A host's name or address, which is also the name of its files.
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?")
#: Names of the authority's files.
_RESERVED = frozenset(("ca",))

HELP = f"""\
tain cluster certs DIR HOST...   make certificates for hosts

DIR/ca.pem and DIR/ca.key are the authority: they are made once and never overwritten.
DIR/HOST.pem and DIR/HOST.key are replaced by new ones, valid for {DAYS} days.
HOST is the name or the address by which other hosts reach it. Each host needs ca.pem and its own two files.
Whoever has a certificate of the authority may run code as the user of every worker.

  --days=N   days that the certificates of hosts are valid, 1 to {CA_DAYS} ({DAYS})
"""


def main(words: Sequence[str]) -> int:
    """Run the command; *words* follow ``tain cluster certs``. Returns the exit code. Errors: `TainError`."""
    if "-h" in words or "--help" in words:
        print(HELP, end="")
        return 0
    days, names = DAYS, list[str]()
    for word in words:
        if word.startswith("--days="):
            value = word.partition("=")[2]
            if not value.isascii() or not value.isdecimal() or not 1 <= int(value) <= CA_DAYS:
                raise UsageError(f"tain cluster certs: {word} is not a number from 1 to {CA_DAYS}")
            days = int(value)
        elif word.startswith("-"):
            raise UsageError(f"tain cluster certs: {word} is not understood")
        else:
            names.append(word)
    if len(names) < 2:
        raise UsageError("tain cluster certs: a directory and at least one host are needed")
    directory, *hosts = names
    for path in make(directory, hosts, days=days):
        print(path)
    return 0


def make(directory: str, hosts: Sequence[str], *, days: int = DAYS) -> list[str]:
    """Make certificates for *hosts*, valid for *days* days, and the authority if there is none.

    Returns the paths of the certificates that were written. Errors: `UsageError` for a host's name that cannot be one,
    `FileError` for what cannot be read or written, `TainError` (code 4) without the package ``cryptography``.
    """
    for host in hosts:
        if not _HOST.fullmatch(host) or host in _RESERVED:
            raise UsageError(f"tain cluster certs: {host!r} is not the name or the address of a host")
    try:
        from cryptography import x509  # noqa: F401
    except ImportError as error:
        raise missing("cryptography") from error
    written = []
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        _check_private(directory)
        if not _authority_exists(directory):
            _make_authority(directory)
            written.append(os.path.join(directory, "ca.pem"))
        authority, key = _read_authority(directory)
        for host in dict.fromkeys(hosts):
            _make_host(directory, host, authority, key, days)
            written.append(os.path.join(directory, f"{host}.pem"))
    except OSError as error:
        name = os.fsdecode(error.filename or directory)
        raise FileError(f"tain cluster certs: {name}: {system_text(error)}") from error
    return written


def missing(package: str) -> TainError:
    """The error for a *package* of the extra ``cluster`` that is not installed."""
    return for_code(4, f"tain cluster: the package {package} is not installed: pip install 'tain[cluster]'")


def need_dask() -> None:
    """Errors: `TainError` (code 4) without the package ``distributed``."""
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise missing("distributed") from error


def not_valid_after(path: str) -> datetime.datetime:
    """The end of the validity of the certificate *path*, in UTC. Errors: `OSError`, `ValueError`."""
    from cryptography import x509

    with open(path, "rb") as file:
        return x509.load_pem_x509_certificate(file.read()).not_valid_after_utc


def end_of(path: str | None) -> float | None:
    """When the certificate *path* ends, in seconds of the system's clock; None without one, or if it cannot be read."""
    # In place of a path, Dask takes the certificate itself, too.
    if not path or "\n" in path:
        return None
    try:
        return not_valid_after(path).timestamp()
    except (OSError, ValueError, ImportError):
        return None


# ---- the authority


def _check_private(directory: str) -> None:
    """Refuse a directory in which others could replace the authority. Errors: `FileError`."""
    info = os.stat(directory)
    if info.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or info.st_uid not in (0, os.geteuid()):
        raise FileError(f"tain cluster certs: {directory}: other users may write in it: chmod go-w, or use another one")


def _authority_exists(directory: str) -> bool:
    """Whether both files exist. Errors: `FileError` if one of them does."""
    found = [name for name in ("ca.pem", "ca.key") if os.path.lexists(os.path.join(directory, name))]
    if len(found) == 1:
        lost = "ca.key" if found == ["ca.pem"] else "ca.pem"
        raise FileError(
            f"tain cluster certs: {directory} has {found[0]} but no {lost}: bring it back, or use a new directory"
        )
    return bool(found)


def _make_authority(directory: str) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("tain cluster authority")
    now = _now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    # O_EXCL: of two that begin at once, one fails, and no key is without its certificate for long.
    _write_new(os.path.join(directory, "ca.key"), _key_text(key), 0o600)
    _write_new(os.path.join(directory, "ca.pem"), _pem(certificate), 0o644)


def _read_authority(directory: str) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    """The certificate and the key of the authority. Errors: `FileError`, `OSError`."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = os.path.join(directory, "ca.key")
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise FileError(f"tain cluster certs: {path}: other users may read it: chmod 600, or use a new directory")
        key_text = file.read()
    with open(os.path.join(directory, "ca.pem"), "rb") as file:
        text = file.read()
    try:
        certificate = x509.load_pem_x509_certificate(text)
        key = load_pem_private_key(key_text, None)
    except (ValueError, TypeError) as error:
        raise FileError(f"tain cluster certs: {directory}: ca.pem and ca.key cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise FileError(f"tain cluster certs: {directory}: ca.key is not the key of ca.pem")
    if certificate.not_valid_after_utc <= _now():
        raise FileError(f"tain cluster certs: {directory}/ca.pem is no longer valid: use a new directory")
    return certificate, key


def _make_host(
    directory: str, host: str, authority: x509.Certificate, authority_key: EllipticCurvePrivateKey, days: int
) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    now = _now()
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    # Scheduler, worker and client are servers and clients at once.
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(host[:64]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(min(now + datetime.timedelta(days=days), authority.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _replace(os.path.join(directory, f"{host}.key"), _key_text(key), 0o600)
    _replace(os.path.join(directory, f"{host}.pem"), _pem(certificate), 0o644)


# ---- pieces


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _name(text: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _key_text(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_new(path: str, text: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with open(handle, "wb") as file:
        os.fchmod(handle, mode)
        file.write(text)


def _replace(path: str, text: bytes, mode: int) -> None:
    """Give *path* new content, under a temporary name first: a worker that starts reads the old file or the new one."""
    temporary = f"{path}.{os.getpid()}.new"
    _write_new(temporary, text, mode)
    os.rename(temporary, path)
