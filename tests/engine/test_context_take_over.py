"""`ssl_ctx`: what is set in it holds on the wire, and what the engine cannot take over is refused by name."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from authority import Authority, Identity
from serving import serving, settings_for_tests

from pyradsec.radsec.server import RadSecServer
from wire import CLIENT, CLIENT_KEY, Peer, PeerGone, check_response, status_server

OWN = Identity(CLIENT, CLIENT_KEY)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that the server was not told of."""
    return Authority(tmp_path_factory.mktemp("foreign") / "ca", "foreign CA")


@pytest.fixture
def server() -> RadSecServer:
    return RadSecServer(**settings_for_tests())


def client_context(identity: Identity | None = OWN, **settings: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity is not None:
        context.load_cert_chain(identity.certfile, identity.keyfile)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def visits(server: RadSecServer, *contexts: ssl.SSLContext) -> list[dict[str, Any] | None]:
    """What each of the clients sees of the server; None for one that is refused.

    A Status-Server is exchanged, since a client with TLS 1.3 does not hear of its refusal before it reads.
    """
    seen: list[dict[str, Any] | None] = []
    with serving(lambda **_: server) as running:
        for context in contexts:
            try:
                with Peer(running.address, context) as peer:
                    peer.probe()
                    tls = peer.tls
                    cipher = tls.cipher()
                    assert cipher is not None
                    seen.append({"version": tls.version(), "cipher": cipher[0], "certificate": tls.getpeercert(True)})
            except (ssl.SSLError, ConnectionError, PeerGone):
                seen.append(None)
    return seen


async def start(server: RadSecServer) -> None:
    """start(), and stop() where that was not refused after all."""
    async with server:
        pass


# --- what is taken over ---


def test_minimum_version(server: RadSecServer) -> None:
    """TLS-2."""
    old = client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    assert [seen and seen["version"] for seen in visits(server, old)] == ["TLSv1.2"]
    server.ssl_ctx.minimum_version = ssl.TLSVersion.TLSv1_3
    assert [seen and seen["version"] for seen in visits(server, old, client_context())] == [None, "TLSv1.3"]


def test_maximum_version(server: RadSecServer) -> None:
    server.ssl_ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    new = client_context(minimum_version=ssl.TLSVersion.TLSv1_3)
    assert [seen and seen["version"] for seen in visits(server, new, client_context())] == [None, "TLSv1.2"]


@pytest.mark.filterwarnings("ignore:ssl.OP_NO_:DeprecationWarning")
@pytest.mark.parametrize("option", [ssl.OP_NO_TLSv1_3, ssl.OP_NO_TLSv1_2])
def test_options(server: RadSecServer, option: ssl.Options) -> None:
    server.ssl_ctx.options |= option
    version = "TLSv1.2" if option == ssl.OP_NO_TLSv1_3 else "TLSv1.3"
    assert [seen and seen["version"] for seen in visits(server, client_context())] == [version]


def test_plaintext_is_wiped_when_asked_for(server: RadSecServer) -> None:
    """SSL_OP_CLEANSE_PLAINTEXT, which ssl has no name for."""
    server.ssl_ctx.options |= 0x2
    with serving(lambda **_: server) as running:
        peer = running.connect()
        for id in range(20):
            peer.probe(id)
        request = status_server(id=20)
        record = peer.seal(request)
        peer.send_raw(record[:5])
        peer.send_raw(record[5:])
        check_response(peer.receive(), request)


@pytest.mark.parametrize(
    ("mode", "without_certificate", "with_a_foreign_one"),
    [
        (ssl.CERT_REQUIRED, False, False),
        (ssl.CERT_OPTIONAL, True, False),
        (ssl.CERT_NONE, True, True),
    ],
)
def test_verify_mode(
    server: RadSecServer, foreign: Authority, mode: ssl.VerifyMode, without_certificate: bool, with_a_foreign_one: bool
) -> None:
    """TLS-3."""
    server.ssl_ctx.verify_mode = mode
    stranger = client_context(foreign.issue(f"stranger-{int(mode)}"))
    seen = visits(server, client_context(), client_context(None), stranger)
    assert [one is not None for one in seen] == [True, without_certificate, with_a_foreign_one]


def test_load_verify_locations(server: RadSecServer, foreign: Authority, tmp_path: Path) -> None:
    stranger = client_context(foreign.issue("stranger"))
    assert visits(server, stranger) == [None]
    server.ssl_ctx.load_verify_locations(foreign.certfile)
    assert None not in visits(server, stranger, client_context())


def test_load_verify_locations_with_data(server: RadSecServer, foreign: Authority) -> None:
    server.ssl_ctx.load_verify_locations(cadata=foreign.certfile.read_text())
    assert None not in visits(server, client_context(foreign.issue("stranger-data")))


def test_load_verify_locations_with_a_directory(server: RadSecServer, foreign: Authority, tmp_path: Path) -> None:
    server.ssl_ctx.load_verify_locations(capath=foreign.rehash(tmp_path / "trusted"))
    assert None not in visits(server, client_context(foreign.issue("stranger-directory")), client_context())


def test_load_cert_chain(server: RadSecServer, foreign: Authority) -> None:
    other = foreign.issue("other-server")
    server.ssl_ctx.load_cert_chain(other.certfile, other.keyfile)
    (seen,) = visits(server, client_context())
    assert seen is not None
    assert seen["certificate"] == ssl.PEM_cert_to_DER_cert(other.certfile.read_text())


def test_load_cert_chain_with_both_in_one_file(server: RadSecServer, foreign: Authority, tmp_path: Path) -> None:
    other = foreign.issue("combined")
    both = tmp_path / "both.pem"
    both.write_bytes(other.keyfile.read_bytes() + other.certfile.read_bytes())
    server.ssl_ctx.load_cert_chain(both)
    (seen,) = visits(server, client_context())
    assert seen is not None
    assert seen["certificate"] == ssl.PEM_cert_to_DER_cert(other.certfile.read_text())


def test_set_ciphers(server: RadSecServer) -> None:
    """The list is TLS 1.2's; the suites of TLS 1.3 stay."""
    server.ssl_ctx.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    old = client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    other = client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    other.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
    seen = visits(server, old, other, client_context())
    assert [one and one["cipher"] for one in seen[:2]] == ["ECDHE-ECDSA-AES128-GCM-SHA256", None]
    assert seen[2] is not None
    assert seen[2]["version"] == "TLSv1.3"


def test_ciphers_argument() -> None:
    server = RadSecServer(**settings_for_tests(ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"))
    old = client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    assert [one and one["cipher"] for one in visits(server, old)] == ["ECDHE-ECDSA-AES256-GCM-SHA384"]


def test_the_security_level_of_the_ciphers(server: RadSecServer) -> None:
    """The level comes along with the list: at level 4 P-256 is too weak, also for the server's own certificate."""
    server.ssl_ctx.set_ciphers("DEFAULT:@SECLEVEL=4")
    with pytest.raises(ssl.SSLError, match="server.cert.pem.*key too small"):
        asyncio.run(start(server))
    server.ssl_ctx.set_ciphers("DEFAULT:@SECLEVEL=3")
    assert None not in visits(server, client_context())


def test_verify_flags(server: RadSecServer) -> None:
    """X509_STRICT and PARTIAL_CHAIN are off on every Python; what is set holds: here, a list that nobody gave."""
    assert not server.ssl_ctx.verify_flags & ssl.VERIFY_X509_STRICT
    assert not server.ssl_ctx.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    server.ssl_ctx.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    assert visits(server, client_context()) == [None]


def test_verify_flags_partial_chain(server: RadSecServer, tmp_path: Path) -> None:
    """With PARTIAL_CHAIN an intermediate CA is trusted by itself; without it, its root has to be there."""
    root = Authority(tmp_path / "root", "root")
    middle = Authority(tmp_path / "middle", "middle", parent=root)
    context = client_context(middle.issue("leaf"))
    server.ssl_ctx.load_verify_locations(middle.certfile)
    assert visits(server, context) == [None]
    server.ssl_ctx.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    assert None not in visits(server, context)


def test_keylog_filename(server: RadSecServer, tmp_path: Path) -> None:
    log = tmp_path / "keys.log"
    server.ssl_ctx.keylog_filename = str(log)
    assert None not in visits(server, client_context())
    assert "CLIENT_TRAFFIC_SECRET_0" in log.read_text()


def test_sslkeylogfile_is_honoured_with_a_warning(
    server: RadSecServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    assert None not in visits(server, client_context())
    assert "CLIENT_TRAFFIC_SECRET_0" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    (record,) = [record for record in caplog.records if "SSLKEYLOGFILE" in record.getMessage()]
    assert record.levelname == "WARNING"
    assert str(log) in record.getMessage()


def test_changes_count_from_the_next_start_on(server: RadSecServer) -> None:
    old = client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    assert None not in visits(server, old)
    server.ssl_ctx.minimum_version = ssl.TLSVersion.TLSv1_3
    assert visits(server, old) == [None]
    server.ssl_ctx.minimum_version = ssl.TLSVersion.TLSv1_2
    assert None not in visits(server, old)


# --- what is refused ---


def _sni(server: RadSecServer) -> None:
    server.ssl_ctx.sni_callback = lambda *_: None


def _num_tickets(number: int) -> Callable[[RadSecServer], None]:
    def change(server: RadSecServer) -> None:
        server.ssl_ctx.num_tickets = number

    return change


def _replace(server: RadSecServer) -> None:
    server.ssl_ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def _default_context(server: RadSecServer) -> None:
    server.ssl_ctx = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)


def _nothing(server: RadSecServer) -> None:
    del server.ssl_ctx


def _assign_setup_ssl(server: RadSecServer) -> None:
    server.setup_ssl = lambda *args: None  # type: ignore[method-assign]


def _post_handshake(server: RadSecServer) -> None:
    server.ssl_ctx.post_handshake_auth = True  # TLS-3


def _socket_class(server: RadSecServer) -> None:
    server.ssl_ctx.sslsocket_class = type("Socket", (ssl.SSLSocket,), {})


def _object_class(server: RadSecServer) -> None:
    server.ssl_ctx.sslobject_class = type("Object", (ssl.SSLObject,), {})


REFUSED: dict[str, tuple[Callable[[RadSecServer], Any], str]] = {
    "ALPN": (lambda server: server.ssl_ctx.set_alpn_protocols(["radius/1.0"]), "set_alpn_protocols"),
    "sni_callback": (_sni, "sni_callback"),
    "servername callback": (
        lambda server: server.ssl_ctx.set_servername_callback(lambda *_: None),
        "set_servername_callback",
    ),
    "curve": (lambda server: server.ssl_ctx.set_ecdh_curve("secp384r1"), "set_ecdh_curve"),
    "default certificates": (lambda server: server.ssl_ctx.load_default_certs(), "load_default_certs"),
    "default paths": (lambda server: server.ssl_ctx.set_default_verify_paths(), "set_default_verify_paths"),
    "replaced": (_replace, "ssl_ctx was replaced"),
    "replaced by a default one": (_default_context, "ssl_ctx was replaced"),
    "post-handshake": (_post_handshake, "post_handshake_auth"),
    "one ticket": (_num_tickets(1), "num_tickets"),
    "two tickets": (_num_tickets(2), "num_tickets"),
    "five tickets": (_num_tickets(5), "num_tickets"),
    "socket class": (_socket_class, "sslsocket_class"),
    "object class": (_object_class, "sslobject_class"),
    "setup_ssl assigned": (_assign_setup_ssl, "setup_ssl"),
}


@pytest.mark.parametrize(("change", "name"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_taken_over_is_named(
    server: RadSecServer, change: Callable[[RadSecServer], Any], name: str
) -> None:
    change(server)
    with pytest.raises(ValueError, match=name):
        asyncio.run(start(server))
    assert server.addresses == []


@pytest.mark.skipif(not hasattr(ssl.SSLContext, "set_psk_server_callback"), reason="new in Python 3.13")
def test_psk_is_named(server: RadSecServer) -> None:
    """TLS-12."""
    server.ssl_ctx.set_psk_server_callback(lambda identity: b"0" * 16)  # type: ignore[attr-defined, unused-ignore]
    with pytest.raises(ValueError, match="set_psk_server_callback"):
        asyncio.run(start(server))


def test_dh_parameters_are_named(server: RadSecServer, tmp_path: Path) -> None:
    # RFC 7919's ffdhe2048, by name.
    parameters = tmp_path / "dh.pem"
    parameters.write_text(
        "-----BEGIN DH PARAMETERS-----\n"
        "MIIBDAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz\n"
        "+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a\n"
        "87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7\n"
        "YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi\n"
        "7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD\n"
        "ssbzSibBsu/6iGtCOGEoXJf//////////wIBAgICAOE=\n"
        "-----END DH PARAMETERS-----\n"
    )
    server.ssl_ctx.load_dh_params(str(parameters))
    with pytest.raises(ValueError, match="load_dh_params"):
        asyncio.run(start(server))


def test_a_revocation_list_is_named(server: RadSecServer, foreign: Authority) -> None:
    """TLS-9 is not met by a list that nobody looks at."""
    server.ssl_ctx.load_verify_locations(foreign.revocation_list([foreign.issue("revoked")]))
    with pytest.raises(ValueError, match="revocation lists"):
        asyncio.run(start(server))


def test_a_trusted_certificate_that_is_no_ca_is_named(server: RadSecServer) -> None:
    server.ssl_ctx.load_verify_locations(OWN.certfile)
    with pytest.raises(ValueError, match="no CA certificate"):
        asyncio.run(start(server))


def test_two_directories_are_named(server: RadSecServer, foreign: Authority, tmp_path: Path) -> None:
    folder = foreign.rehash(tmp_path / "trusted")
    server.ssl_ctx.load_verify_locations(capath=folder)
    server.ssl_ctx.load_verify_locations(capath=folder)
    with pytest.raises(ValueError, match="more than one directory"):
        asyncio.run(start(server))


def test_a_key_with_a_passphrase_is_named(server: RadSecServer, foreign: Authority) -> None:
    locked = foreign.issue("locked", passphrase="open sesame")
    server.ssl_ctx.load_cert_chain(locked.certfile, locked.keyfile, "open sesame")
    with pytest.raises(ValueError, match="passphrase"):
        asyncio.run(start(server))


def test_an_overridden_setup_ssl_is_named() -> None:
    class Own(RadSecServer):
        def setup_ssl(self, *args: Any) -> None:
            self.ssl_ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    server = Own("127.0.0.1", 0)  # without any of the files, as in pyrad2
    with pytest.raises(ValueError, match="setup_ssl"):
        asyncio.run(start(server))


def test_everything_refused_is_told_at_once(server: RadSecServer) -> None:
    server.ssl_ctx.set_alpn_protocols(["radius/1.0"])
    server.ssl_ctx.post_handshake_auth = True
    with pytest.raises(ValueError, match="set_alpn_protocols.*post_handshake_auth"):
        asyncio.run(start(server))


def test_setup_ssl_called_again_gives_a_fresh_context(server: RadSecServer) -> None:
    server.ssl_ctx.set_alpn_protocols(["radius/1.0"])
    server.setup_ssl(
        server.certfile,
        server.keyfile,
        server.ca_certfile,
        server.verify_mode,
        ssl.TLSVersion.TLSv1_3,
        server.ciphers,
    )
    old = client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    assert [one and one["version"] for one in visits(server, old, client_context())] == [None, "TLSv1.3"]


# --- tickets ---


@pytest.mark.parametrize("number", [0, 1, 3])
def test_session_tickets(server: RadSecServer, number: int) -> None:
    """TLS-8: with 0 there is no resumption at all; assigned before start(), any number counts."""
    server.session_tickets = number

    versions = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2)
    with serving(lambda **_: server) as running:
        tls_1_3, tls_1_2 = (_resumes(running.address, client_context(maximum_version=version)) for version in versions)
    assert tls_1_3 is (number > 0)
    if number == 0:
        assert not tls_1_2


def _resumes(address: tuple[str, int], context: ssl.SSLContext) -> bool:
    session = None
    is_reused = False
    for _ in range(2):
        with (
            socket.create_connection(address, timeout=10) as plain,
            context.wrap_socket(plain, session=session) as tls,
        ):
            request = status_server()
            tls.sendall(request)
            check_response(tls.recv(4096), request)
            session = tls.session
            is_reused = bool(tls.session_reused)
    return is_reused
