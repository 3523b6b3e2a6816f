"""`tain cluster certs`: an authority and a certificate for each host (SCL-70)."""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tain.cluster import certs
from tain.errors import FileError, UsageError


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_an_authority_and_a_certificate_for_each_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "tls"
    assert certs.main([str(place), "n07.example.org", "127.0.0.1"]) == 0
    assert capsys.readouterr().out.split() == [str(place / f"{n}.pem") for n in ("ca", "n07.example.org", "127.0.0.1")]
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    authority = read(place / "ca.pem")
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    for name in ("n07.example.org", "127.0.0.1"):
        certificate = read(place / f"{name}.pem")
        certificate.verify_directly_issued_by(authority)
        key = load_pem_private_key((place / f"{name}.key").read_bytes(), None)
        assert key.public_key() == certificate.public_key()
        assert certificate.not_valid_after_utc - certificate.not_valid_before_utc < datetime.timedelta(days=30, hours=1)
        assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert certs.not_valid_after(str(place / f"{name}.pem")) == certificate.not_valid_after_utc
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.glob("*.key")} == {0o600}
    assert not list(place.glob("*.new"))


def test_the_authority_is_never_overwritten_and_hosts_are_renewed(tmp_path: Path) -> None:
    certs.make(str(tmp_path), ["a"])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert certs.make(str(tmp_path), ["a", "a", "b"], days=1) == [str(tmp_path / "a.pem"), str(tmp_path / "b.pem")]
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert [name for name in before if before[name] == after[name]] == [n for n in before if n.startswith("ca.")]
    read(tmp_path / "a.pem").verify_directly_issued_by(read(tmp_path / "ca.pem"))


#: What is done to a directory with an authority, and the text of the error.
DAMAGES: list[tuple[Callable[[Path], object], str]] = [
    (lambda p: (p / "ca.key").unlink(), "has ca.pem but no ca.key"),
    (lambda p: (p / "ca.pem").unlink(), "has ca.key but no ca.pem"),
    (lambda p: (p / "ca.key").chmod(0o640), "other users may read it"),
    (lambda p: (p / "ca.pem").write_text("no certificate"), "cannot be read"),
    (lambda p: p.chmod(0o777), "other users may write in it"),
    (lambda p: os.replace(p / "a.key", p / "ca.key"), "is not the key of ca.pem"),
]


@pytest.mark.parametrize(("damage", "text"), DAMAGES, ids=[text for _, text in DAMAGES])
def test_what_cannot_be_an_authority_is_refused(damage: Callable[[Path], object], text: str, tmp_path: Path) -> None:
    place = tmp_path / "tls"
    certs.make(str(place), ["a"])
    damage(place)
    kept = {path.name: path.read_bytes() for path in place.iterdir()}
    with pytest.raises(FileError, match=text):
        certs.make(str(place), ["b"])
    assert kept == {path.name: path.read_bytes() for path in place.iterdir()}


@pytest.mark.parametrize("words", [["a"], [], ["--days=0", "x", "a"], ["--days=x", "x", "a"], ["--key", "x", "a"]])
def test_words_that_are_not_understood(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"^tain cluster certs: "):
        certs.main(words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("host", ["", "ca", ".", "..", "a/b", "../a", "a b", "-a", "a\n", "ä"])
def test_a_host_is_a_name_or_an_address(host: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not the name or the address of a host"):
        certs.make(str(tmp_path / "tls"), [host])
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="Not a directory"):
        certs.make(str(tmp_path / "file/tls"), ["a"])
