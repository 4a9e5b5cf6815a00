"""Certificates: what cannot be used is refused at construction, in words that name the file."""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
from authority import Authority, Identity
from children import run_program
from serving import serving

from pyradsec.radsec.server import RadSecServer, RemoteHost
from wire import client_context

EVERYBODY = {"0.0.0.0": RemoteHost("0.0.0.0", b"radsec", "anybody")}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def identity(authority: Authority) -> Identity:
    return authority.issue("server")


def make(identity: Identity, authority: Authority, **settings: Any) -> RadSecServer:
    files: dict[str, Any] = {
        "certfile": identity.certfile,
        "keyfile": identity.keyfile,
        "ca_certfile": authority.certfile,
    }
    return RadSecServer("127.0.0.1", 0, **{**files, **settings})


@pytest.mark.parametrize("missing", ["certfile", "keyfile", "ca_certfile"])
def test_a_missing_file_is_told_with_all_three_paths(
    missing: str, authority: Authority, identity: Identity, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    absent = tmp_path / "absent.pem"
    files: dict[str, Any] = {
        "certfile": identity.certfile,
        "keyfile": identity.keyfile,
        "ca_certfile": authority.certfile,
    }
    files[missing] = absent
    with pytest.raises(FileNotFoundError) as caught:
        RadSecServer("127.0.0.1", 0, **files)
    for path in files.values():
        assert str(path) in str(caught.value)
    assert caught.value.filename == str(absent)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("pyradsec", logging.ERROR)
    assert str(absent) in record.getMessage()


@pytest.mark.parametrize("which", ["certfile", "keyfile", "ca_certfile"])
def test_a_file_that_cannot_be_read_is_named(
    which: str, authority: Authority, identity: Identity, tmp_path: Path
) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        make(identity, authority, **{which: tmp_path})
    assert caught.value.filename == str(tmp_path)
    assert "cannot be read" in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities(7) are Linux's")
def test_a_file_without_permission_is_named(authority: Authority, identity: Identity, tmp_path: Path) -> None:
    """In a process of its own without capabilities: with them root may read every file."""
    locked = tmp_path / "locked.key"
    locked.write_bytes(identity.keyfile.read_bytes())
    locked.chmod(0)
    program = f"""
        import ctypes
        header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None).capset(header, nothing) == 0
        try:
            RadSecServer("127.0.0.1", 0, certfile={str(identity.certfile)!r}, keyfile={str(locked)!r},
                         ca_certfile={str(authority.certfile)!r})
        except PermissionError as error:
            print(error.filename, "|", error)
    """
    done = run_program(program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{locked} | ")
    assert "private key cannot be read" in done.stdout


def test_a_key_that_does_not_belong_to_the_certificate_names_both(
    authority: Authority, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    other = authority.issue("other")
    with pytest.raises(ssl.SSLError) as caught:
        make(identity, authority, keyfile=other.keyfile)
    assert str(identity.certfile) in str(caught.value)
    assert str(other.keyfile) in str(caught.value)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_key_of_another_kind_names_both(authority: Authority, identity: Identity) -> None:
    other = authority.issue("p384", curve="P-384")
    with pytest.raises(ssl.SSLError) as caught:
        make(identity, authority, keyfile=other.keyfile)
    assert str(identity.certfile) in str(caught.value)
    assert str(other.keyfile) in str(caught.value)


GARBAGE = {
    "empty": b"",
    "text": b"this is no certificate\n",
    "binary": bytes(range(256)),
    "unfinished": b"-----BEGIN CERTIFICATE-----\nMIIB\n",
    "armour only": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("which", ["certfile", "keyfile", "ca_certfile"])
@pytest.mark.parametrize("octets", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_named(which: str, octets: bytes, authority: Authority, identity: Identity, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(octets)
    with pytest.raises(ssl.SSLError) as caught:
        make(identity, authority, **{which: garbage})
    assert str(garbage) in str(caught.value)


@pytest.mark.timeout(20)
def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_passphrase(
    authority: Authority, tmp_path: Path
) -> None:
    """With a terminal: OpenSSL's own callback would wait there for an answer."""
    locked = authority.issue("locked", passphrase="open sesame")
    program = f"""
        import pty

        def main():
            try:
                RadSecServer("127.0.0.1", 0, certfile={str(locked.certfile)!r}, keyfile={str(locked.keyfile)!r},
                             ca_certfile={str(authority.certfile)!r})
            except ssl.SSLError as error:
                print("refused:", error, flush=True)

        pid, terminal = pty.fork()
        if pid == 0:
            main()
            os._exit(0)
        with open(terminal, errors="replace") as screen:
            try:
                for line in screen:
                    print(line, end="")
            except OSError:
                pass  # the terminal's other end is closed
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    done = run_program(program, timeout=15)
    assert done.returncode == 0, done.stdout
    assert "refused:" in done.stdout
    assert locked.keyfile.name in done.stdout
    assert "PEM pass phrase" not in done.stdout


@pytest.mark.parametrize(
    ("start", "end", "words", "is_expired"),
    [
        ("20200101000000Z", "20200102000000Z", "has expired", True),
        ("20480101000000Z", "20490101000000Z", "is not valid yet", False),
    ],
)
def test_a_certificate_out_of_its_time_is_told_and_the_server_starts(
    start: str, end: str, words: str, is_expired: bool, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """A server with a wrong clock still serves those that do not look."""
    odd = authority.issue("expired" if is_expired else "early", start=start, end=end)
    server = make(odd, authority, verify_mode=ssl.CERT_NONE, hosts=EVERYBODY)
    context = client_context(certfile=None, ca=None)
    context.verify_mode = ssl.CERT_NONE
    with serving(lambda **_: server) as running:
        running.connect(context).probe()
        stats = running.stats()
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert words in errors[0]
    assert str(odd.certfile) in errors[0]
    assert (stats["certificate_days_left"] < 0) is is_expired
    assert stats["certificate_not_yet_valid"] == (not is_expired)


def test_days_left_of_a_good_certificate(authority: Authority, identity: Identity) -> None:
    server = make(identity, authority)

    async def main() -> dict[str, int]:
        async with server:
            return server.stats()

    assert server.stats()["certificate_days_left"] == 0  # known from start() on
    stats = asyncio.run(main())
    assert stats["certificate_days_left"] > 365 * 10
    assert stats["certificate_not_yet_valid"] == 0


def test_paths_may_be_bytes_text_or_path_objects(authority: Authority, identity: Identity) -> None:
    for kind in (str, Path, lambda path: str(path).encode()):
        files = (kind(identity.certfile), kind(identity.keyfile), kind(authority.certfile))
        server = RadSecServer("127.0.0.1", 0, certfile=files[0], keyfile=files[1], ca_certfile=files[2])
        assert (server.certfile, server.keyfile, server.ca_certfile) == files


def test_the_default_paths_are_relative_and_told_when_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        RadSecServer()
    for path in ("certs/server/server.cert.pem", "certs/server/server.key.pem", "certs/ca/ca.cert.pem"):
        assert path in str(caught.value)


def test_unusable_ciphers_are_named(authority: Authority, identity: Identity) -> None:
    with pytest.raises(ssl.SSLError, match="NO-SUCH-CIPHER"):
        make(identity, authority, ciphers="NO-SUCH-CIPHER")
