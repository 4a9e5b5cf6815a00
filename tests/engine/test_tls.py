"""TLS as the standards want it (TLS-2, TLS-3, TLS-5, TLS-10, TLS-11), and what is said about those who are refused."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from authority import Authority
from serving import LoopFactory, Running, Server, until

from pyradsec import _core
from wire import (
    CA,
    CLIENT,
    CLIENT_KEY,
    TIMEOUT,
    Peer,
    PeerGone,
    access_request,
    check_response,
    client_context,
    status_server,
)

Serve = Callable[..., Running[Any]]

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [V12, V13], ids=["TLS 1.2", "TLS 1.3"])


def der_of(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def openssl(*args: str | Path) -> str:
    return subprocess.run(["openssl", *args], check=True, capture_output=True, text=True, timeout=30).stdout.strip()


@VERSIONS
def test_tls2_both_versions(serve: Serve, loop_factory: LoopFactory, version: ssl.TLSVersion) -> None:
    running = serve(loop_factory=loop_factory)
    peer = running.connect(client_context(version=version))
    assert peer.tls.version() == version.name.replace("_", ".")
    assert peer.ask(access_request("bob")).message == "Hello bob"
    assert peer.tls.compression() is None
    cipher = peer.tls.cipher()
    assert cipher is not None
    assert "NULL" not in cipher[0]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["TLS 1.0", "TLS 1.1"])
def test_tls2_older_versions_are_refused(running: Running[Server], version: ssl.TLSVersion) -> None:
    """With the version that was offered and the one that is asked for in the log."""
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, PeerGone)):
        running.connect(context)
    (record,) = running.log.wait("TLS handshake failed")
    assert record.levelno == logging.WARNING
    offered = {ssl.TLSVersion.TLSv1: "TLS 1.0", ssl.TLSVersion.TLSv1_1: "TLS 1.1"}[version]
    assert offered in record.getMessage()
    assert "TLS 1.2" in record.getMessage()
    assert running.stats()["refused_handshake"] == 1


def test_tls2_a_minimum_of_tls_1_3(serve: Serve) -> None:
    running = serve(minimum_tls_version=V13)
    with pytest.raises((ssl.SSLError, PeerGone)):
        running.connect(client_context(version=V12))
    (record,) = running.log.wait("TLS handshake failed")
    assert "TLS 1.2" in record.getMessage()
    assert "TLS 1.3" in record.getMessage()
    running.connect(client_context(version=V13)).probe()


def test_tls2_null_ciphers_are_refused(running: Running[Server]) -> None:
    context = client_context(version=V12)
    context.set_ciphers("eNULL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, PeerGone)):
        running.connect(context)
    running.log.wait("TLS handshake failed")


@contextlib.contextmanager
def s_client(running: Running[Server], *args: str) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """openssl s_client, and the lines it prints."""
    host, port = running.address
    with subprocess.Popen(
        [
            *("openssl", "s_client", "-connect", f"{host}:{port}", *args),
            *("-cert", str(CLIENT), "-key", str(CLIENT_KEY), "-CAfile", str(CA)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            yield child, iter(child.stdout)
        finally:
            if child.poll() is None:
                child.kill()


def test_tls2_renegotiation_is_refused(running: Running[Server], peer: Peer) -> None:
    """A client that asks for it is told no_renegotiation (RFC 5246 §7.2.2); OpenSSL's then gives up."""
    with s_client(running, "-tls1_2") as (child, lines):
        report = list(itertools.takewhile(lambda line: "Extended master secret" not in line, lines))
        assert any("Secure Renegotiation IS supported" in line for line in report)
        rest, _ = child.communicate("R\n", timeout=TIMEOUT)
    assert "RENEGOTIATING" in rest
    assert "no renegotiation" in rest
    assert running.stats()["handshakes_completed"] == 2
    peer.probe()


@pytest.mark.parametrize("tickets", [0, 1, 3])
def test_tls8_as_many_session_tickets_as_were_set(serve: Serve, tickets: int) -> None:
    peer = serve(session_tickets=tickets).connect(client_context(version=V13))
    peer.probe()
    assert peer.empty_records == tickets


def test_tls2_no_0rtt(serve: Serve, tmp_path: Path) -> None:
    """A ticket that would allow early data says how much (RFC 8446 §4.6.1)."""
    running = serve(session_tickets=1)
    ticket = tmp_path / "ticket"
    with s_client(running, "-tls1_3", "-sess_out", str(ticket)) as (child, _):
        until(lambda: ticket.exists() and "-----END" in ticket.read_text(), "the session ticket")
        child.communicate("Q\n", timeout=TIMEOUT)
    assert "Max Early Data: 0\n" in openssl("sess_id", "-in", ticket, "-noout", "-text") + "\n"


@VERSIONS
def test_tls7_nothing_is_resumed_without_tickets(running: Running[Server], version: ssl.TLSVersion) -> None:
    context = client_context(version=version)
    peer = running.connect(context)
    peer.probe()
    again = running.connect(context, session=peer.tls.session)
    again.probe()
    assert not again.tls.session_reused
    assert running.stats()["handshakes_completed"] == 2


# --- certificates ---


def refused(running: Running[Server], context: ssl.SSLContext) -> None:
    """A connection that ends with an alert: in the handshake, or with TLS 1.3 in the first read after it."""
    try:
        peer = running.connect(context)
    except ssl.SSLError:
        return  # PeerGone would be an end without an alert
    peer.send(status_server())
    assert peer.receive_rest() == []
    assert peer.end == "alert"


@VERSIONS
def test_tls3_a_client_certificate_is_required(running: Running[Server], version: ssl.TLSVersion) -> None:
    refused(running, client_context(certfile=None, version=version))
    (record,) = running.log.wait("TLS handshake failed")
    assert record.levelno == logging.WARNING
    assert "certificate" in record.getMessage()
    stats = running.stats()
    assert (stats["refused_handshake"], stats["connections_open"], stats["packets_received"]) == (1, 0, 0)


@VERSIONS
def test_tls3_a_certificate_of_an_unknown_ca(
    running: Running[Server], stranger: Authority, version: ssl.TLSVersion
) -> None:
    made = stranger.issue(f"nas-{version.name}", "nas of a stranger")
    refused(running, client_context(certfile=made.certfile, keyfile=made.keyfile, version=version))
    (record,) = running.log.wait("TLS handshake failed")
    assert "unknown CA" in record.getMessage()
    assert "nas of a stranger" in record.getMessage()
    assert running.stats()["refused_handshake"] == 1


@VERSIONS
def test_a_client_that_refuses_our_certificate(
    running: Running[Server], stranger: Authority, version: ssl.TLSVersion
) -> None:
    """The log says who refused whom."""
    with pytest.raises(ssl.SSLCertVerificationError):
        running.connect(client_context(ca=stranger.certfile, version=version))
    (record,) = running.log.wait("TLS handshake failed")
    assert "the peer refused our certificate" in record.getMessage()


@pytest.mark.parametrize("mode", [ssl.CERT_NONE, ssl.CERT_OPTIONAL])
@VERSIONS
def test_a_server_that_asks_for_no_certificate(serve: Serve, mode: ssl.VerifyMode, version: ssl.TLSVersion) -> None:
    peers: list[tuple[Any, ...]] = []

    class Looking(Server):
        async def handle_access_request(self, packet: Any) -> Any:
            peer = packet.peer
            peers.append((peer.certificate, peer.fingerprint, peer.subject, peer.issuer, peer.serial_number))
            assert (peer.not_after, peer.subject_alt_names, peer.extended_key_usage) == (None, (), ())
            return packet.create_reply()

    running = serve(Looking, verify_mode=mode)
    running.connect(client_context(certfile=None, version=version)).ask(access_request())
    assert peers == [(None,) * 5]


def test_certificates_of_strangers_are_refused_when_they_are_optional(serve: Serve, stranger: Authority) -> None:
    made = stranger.issue("optional")
    running = serve(verify_mode=ssl.CERT_OPTIONAL)
    refused(running, client_context(certfile=made.certfile, keyfile=made.keyfile))


FINGERPRINT = hashlib.sha256(ssl.PEM_cert_to_DER_cert(CLIENT.read_text())).hexdigest()
PAIRS = [FINGERPRINT[start : start + 2] for start in range(0, 64, 2)]


@pytest.mark.parametrize(
    "spelling",
    [
        FINGERPRINT,
        FINGERPRINT.upper(),
        ":".join(PAIRS),
        ":".join(PAIRS).upper(),
        " ".join(PAIRS),
        "sha256:" + FINGERPRINT,
        "SHA256:" + ":".join(PAIRS).upper(),
        "  sha256: " + " ".join(PAIRS) + " ",
    ],
    ids=["plain", "upper", "colons", "COLONS", "blanks", "sha256", "SHA256-colons", "spread-out"],
)
def test_tls5_fingerprints_in_every_spelling(serve: Serve, spelling: str) -> None:
    running = serve(allowed_client_fingerprints=["00" * 32, spelling])
    assert running.server.allowed_client_fingerprints == {"00" * 32, FINGERPRINT}
    running.connect().probe()


@VERSIONS
@pytest.mark.parametrize("pins", [[], ["00" * 32, FINGERPRINT[:-1] + ("0" if FINGERPRINT[-1] != "0" else "1")]])
def test_tls5_a_fingerprint_that_is_not_listed(serve: Serve, pins: list[str], version: ssl.TLSVersion) -> None:
    """Refused after the handshake, with the fingerprint in the log for whoever wants to list it; no packet is read."""
    running = serve(allowed_client_fingerprints=pins)
    peer = running.connect(client_context(version=version), handshake=False)
    peer.handshake_without_last_flight()
    peer.send(access_request("bob"), status_server())
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"
    (record,) = running.log.wait("certificate fingerprint not listed")
    assert record.levelno == logging.WARNING
    assert f"fingerprint seen: sha256:{FINGERPRINT}" in record.getMessage()
    stats = running.stats()
    assert (stats["refused_fingerprint"], stats["packets_received"]) == (1, 0)
    assert running.server.seen == []


def test_tls5_a_pin_replaces_no_trust(serve: Serve, stranger: Authority) -> None:
    """A listed certificate of an unknown CA is as unknown as before."""
    made = stranger.issue("pinned")
    running = serve(allowed_client_fingerprints=[hashlib.sha256(der_of(made.certfile)).hexdigest()])
    refused(running, client_context(certfile=made.certfile, keyfile=made.keyfile))
    assert "unknown CA" in running.log.wait("TLS handshake failed")[0].getMessage()


def test_tls5_pins_without_a_certificate(serve: Serve) -> None:
    running = serve(allowed_client_fingerprints=[FINGERPRINT], verify_mode=ssl.CERT_NONE)
    peer = running.connect(client_context(certfile=None))
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"
    running.log.wait("certificate fingerprint not listed", "the peer sent no certificate")


# --- what a policy may see ---


@VERSIONS
def test_tls10_packet_peer(serve: Serve, loop_factory: LoopFactory, version: ssl.TLSVersion) -> None:
    found: list[dict[str, Any]] = []
    names = [name for name in dir(_core.Peer) if not name.startswith("_")]

    class Looking(Server):
        async def handle_access_request(self, packet: Any) -> Any:
            found.append({name: getattr(packet.peer, name) for name in names})
            return packet.create_reply()

    running = serve(Looking, loop_factory=loop_factory)
    peer = running.connect(client_context(version=version))
    peer.ask(access_request())
    cipher = peer.tls.cipher()
    assert cipher is not None
    expires = openssl("x509", "-in", CLIENT, "-noout", "-enddate").removeprefix("notAfter=")

    def name_of(which: str) -> str:
        return openssl("x509", "-in", CLIENT, "-noout", f"-{which}", "-nameopt", "RFC2253").removeprefix(f"{which}=")

    assert found == [
        {
            "address": "127.0.0.1",
            "port": peer.local_port,
            "local_address": "127.0.0.1",
            "local_port": running.address[1],
            "tls_version": version.name.replace("_", "."),
            "cipher": cipher[0],
            "alpn": None,
            "certificate": der_of(CLIENT),
            "fingerprint": FINGERPRINT,
            "subject": name_of("subject").strip(),
            "issuer": name_of("issuer").strip(),
            "serial_number": openssl("x509", "-in", CLIENT, "-noout", "-serial").removeprefix("serial="),
            "not_after": int(ssl.cert_time_to_seconds(expires)),
            "subject_alt_names": (("DNS", "radsec-client"),),
            "extended_key_usage": ("1.3.6.1.5.5.7.3.2",),
            "policies": (),
        }
    ]


def test_tls10_packet_peer_outlives_its_connection(serve: Serve) -> None:
    kept: list[Any] = []

    class Keeping(Server):
        async def handle_access_request(self, packet: Any) -> Any:
            kept.append(packet.peer)
            return packet.create_reply()

    running = serve(Keeping)
    with running.connect() as peer:
        peer.ask(access_request(id=1))
        peer.ask(access_request(id=2))
        port = peer.local_port
    running.wait_stats(closed=1)
    assert kept[0] is kept[1]
    assert (kept[0].port, kept[0].fingerprint) == (port, FINGERPRINT)
    with pytest.raises(AttributeError):
        kept[0].port = 1
    kept.clear()


# --- the end of a connection ---


def test_tls11_close_notify_is_answered(running: Running[Server], peer: Peer) -> None:
    peer.probe()
    peer.close_notify()
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"
    peer.wait_fin()
    peer.close()
    until(lambda: running.stats()["connections_open"] == 0, "the end of the connection")
    assert running.stats()["closed"] == 1
    assert running.log.texts(logging.INFO)[1:] == []


def test_tls11_a_peer_that_goes_without_close_notify(running: Running[Server], peer: Peer) -> None:
    """Logged, not an error: replies that are due still go out, then our close_notify and FIN."""
    slow = access_request("slow", id=1)
    peer.send(slow)
    running.server.wait_seen(1)
    peer.half_close()
    (record,) = running.log.wait("peer went without close_notify")
    assert record.levelno == logging.INFO
    assert "in the middle of a packet" not in record.getMessage()
    running.open_gate()
    (reply,) = peer.receive_rest()
    assert check_response(reply, slow).message == "Hello slow"
    assert peer.end == "close_notify"
    peer.wait_fin()
    assert running.stats()["truncated"] == 1


def test_tls11_a_peer_that_goes_in_the_middle_of_a_packet(running: Running[Server], peer: Peer) -> None:
    peer.send(access_request()[:30])
    peer.half_close()
    running.log.wait("peer went without close_notify", "in the middle of a packet")
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"


def test_tls11_stop_says_close_notify_to_everybody(serve: Serve) -> None:
    running = serve()
    peers = [running.connect(client_context(version=version)) for version in (V12, V13) * 4]
    for peer in peers:
        peer.probe()
    running.run(running.server.stop())
    for peer in peers:
        assert peer.receive_rest() == []
        assert peer.end == "close_notify"


@VERSIONS
def test_a_record_that_does_not_decrypt(running: Running[Server], version: ssl.TLSVersion) -> None:
    """Ends its connection with an alert, and nobody else's."""
    peer, other = running.connect(client_context(version=version)), running.connect()
    sealed = peer.seal(access_request("bob"))
    peer.send_raw(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert peer.receive_rest() == []
    assert peer.end == "alert"
    (record,) = running.log.wait("TLS error, connection ends")
    assert record.levelno == logging.WARNING
    assert running.stats()["tls_error"] == 1
    assert running.server.seen == []
    other.probe()


@pytest.mark.parametrize(
    "octets",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(200), b"\xff" * 200, access_request(id=1), b"\x16\x03\x01\xff\xff"],
    ids=["HTTP", "zeros", "ones", "RADIUS without TLS", "a huge record"],
)
def test_something_else_than_tls(running: Running[Server], octets: bytes) -> None:
    other = running.connect()
    peer = running.connect(handshake=False)
    peer.send_raw(octets)
    peer.half_close()
    peer.wait_fin()
    (record,) = running.log.wait("TLS handshake failed")
    assert f"127.0.0.1:{peer.local_port} " in record.getMessage()
    assert running.stats()["connections_half_open"] == 0
    other.probe()
