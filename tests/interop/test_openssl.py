"""openssl s_client: who may not come in, how it is told, and what the operator of the server reads about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from programs import Process, program, run
from under_test import Certificates, Server, StartServer

EXTENSIONS = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n"
WHO = r"WARNING pyradsec 127\.0\.0\.1:\d+ "


def openssl(*args: str | Path) -> str:
    done = run([program("openssl"), *map(str, args)])
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_key(path: Path) -> Path:
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    return path


def make_client(directory: Path, ca: Path, ca_key: Path, days: int) -> tuple[Path, Path]:
    """Certificate and key of a client, good from now for so many days; with a negative number it is no longer."""
    key, request, certificate = make_key(directory / "key.pem"), directory / "request.pem", directory / "cert.pem"
    openssl("req", "-new", "-key", key, "-subj", "/O=interop/CN=a certain client", "-out", request)
    (directory / "extensions").write_text(EXTENSIONS)
    openssl(
        *("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-set_serial", "7", "-days", str(days)),
        *("-extfile", directory / "extensions", "-out", certificate),
    )
    return certificate, key


@pytest.fixture
def foreign_client(tmp_path: Path) -> tuple[Path, Path]:
    """A client of a CA that the server has never heard of."""
    ca_key, ca = make_key(tmp_path / "foreign-ca-key.pem"), tmp_path / "foreign-ca.pem"
    openssl("req", "-x509", "-new", "-key", ca_key, "-days", "2", "-subj", "/O=interop/CN=foreign CA", "-out", ca)
    return make_client(tmp_path, ca, ca_key, days=1)


@pytest.fixture
def expired_client(certs: Certificates, tmp_path: Path) -> tuple[Path, Path]:
    """A client of the right CA whose time is over."""
    return make_client(tmp_path, certs.ca, certs.ca_key, days=-1)


def connect(server: Server, certs: Certificates, *options: str | Path) -> Process:
    """s_client at the server. It goes on until the server ends the connection: its standard input stays open."""
    args = ["s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", str(certs.ca), "-verify_return_error"]
    return Process([program("openssl"), *args, *map(str, options)])


def with_certificate(client: tuple[Path, Path]) -> Sequence[str | Path]:
    return "-cert", client[0], "-key", client[1]


def check_refused(server: Server, certs: Certificates, options: Sequence[str | Path], alert: int, reason: str) -> None:
    """The handshake fails with an alert, is counted, and the log has the peer's address and the reason."""
    with connect(server, certs, *options) as client:
        client.wait()
        assert any(f"SSL alert number {alert}" in line for line in client.stderr), client.everything()
    stats = server.wait_for_count("refused_handshake", 1)
    assert stats["refused_handshake"] == 1
    assert stats["handshakes_completed"] == 0
    assert stats["connections_open"] == 0
    record = server.wait_for_line("TLS handshake failed")
    assert re.fullmatch(f"{WHO}TLS handshake failed: {reason}", record), record


versions = pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])


@versions
def test_a_listed_client_of_our_ca_is_let_in(start_server: StartServer, certs: Certificates, version: str) -> None:
    """What the refused ones of this file lack, this one has; it stays connected until it leaves (TLS-3)."""
    output = openssl("x509", "-in", certs.client, "-noout", "-fingerprint", "-sha256")
    server = start_server(allowed_client_fingerprints=[output.partition("=")[2].strip()])
    with connect(server, certs, version, *with_certificate((certs.client, certs.client_key))) as client:
        stats = server.wait_for_count("handshakes_completed", 1)
        assert stats["connections_open"] == 1
        assert stats["refused_handshake"] == stats["refused_fingerprint"] == 0
        client.wait_for_line("Verify return code: 0 (ok)")
        client.write_line("Q")
        assert client.wait() == 0
    server.wait_for_count("closed", 1)
    assert not [line for line in server.stderr if "WARNING" in line or "ERROR" in line]


@versions
def test_no_certificate(server: Server, certs: Certificates, version: str) -> None:
    """TLS 1.2 knows handshake_failure (40) for it, TLS 1.3 certificate_required (116)."""
    alert = {"-tls1_2": 40, "-tls1_3": 116}[version]
    check_refused(server, certs, [version], alert, "no certificate: the client sent none, and one is required")


@versions
def test_foreign_ca(server: Server, certs: Certificates, foreign_client: tuple[Path, Path], version: str) -> None:
    """unknown_ca (48)."""
    reason = r"unknown CA: .*\(client certificate, subject CN=a certain client,O=interop\)"
    check_refused(server, certs, [version, *with_certificate(foreign_client)], 48, reason)


@versions
def test_expired_certificate(
    server: Server, certs: Certificates, expired_client: tuple[Path, Path], version: str
) -> None:
    """certificate_expired (45)."""
    reason = r"certificate has expired \(client certificate, subject CN=a certain client,O=interop\)"
    check_refused(server, certs, [version, *with_certificate(expired_client)], 45, reason)


def test_tls_1_1(server: Server, certs: Certificates) -> None:
    """protocol_version (70): TLS 1.2 is the floor (TLS-2). OpenSSL itself offers TLS 1.1 at security level 0 only."""
    options = ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", *with_certificate((certs.client, certs.client_key))]
    reason = r"no common TLS version: the client offered TLS 1\.1, our minimum is TLS 1\.2"
    check_refused(server, certs, options, 70, reason)


def test_tls_1_2_where_1_3_is_asked_for(start_server: StartServer, certs: Certificates) -> None:
    server = start_server(minimum_tls_version=0x0304)
    options = ["-tls1_2", *with_certificate((certs.client, certs.client_key))]
    reason = r"no common TLS version: the client offered TLS 1\.2, our minimum is TLS 1\.3"
    check_refused(server, certs, options, 70, reason)


@versions
def test_wrong_fingerprint(start_server: StartServer, certs: Certificates, version: str) -> None:
    """A certificate of the right CA that is not on the list: closed after the handshake, before any packet (TLS-5)."""
    output = openssl("x509", "-in", certs.client, "-noout", "-fingerprint", "-sha256")
    seen = output.partition("=")[2].strip().replace(":", "").lower()
    server = start_server(allowed_client_fingerprints=["00" * 32])
    with connect(server, certs, version, *with_certificate((certs.client, certs.client_key))) as client:
        client.wait()
        assert "closed" in client.stdout, client.everything()  # by the server: s_client itself has nothing to end for
    stats = server.wait_for_count("refused_fingerprint", 1)
    assert stats["refused_fingerprint"] == 1
    assert stats["refused_handshake"] == 0
    server.wait_for_none("connections_open")  # it is counted before the connection has lingered to its end
    record = server.wait_for_line("fingerprint not listed")
    assert re.match(f"{WHO}certificate fingerprint not listed", record), record
    assert seen in record.lower().replace(":", ""), record
