"""radclient, eapol_test and RadSecClient through radsecproxy into the server: RADIUS/UDP or TLS in, RADIUS/TLS out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from freeradius import radclient, request_file, summary
from programs import Process, free_port, program, run
from under_test import Certificates, Server, StartServer

from pyradsec.constants import PacketType
from pyradsec.dictionary import Dictionary
from pyradsec.radsec.client import RadSecClient

SECRET = "between nas and proxy"

CONFIG = """
ListenUDP 127.0.0.1:{udp_port}
ListenTLS 127.0.0.1:{tls_port}
LogLevel 5
tls home {{
    CACertificateFile {certs.ca}
    CertificateFile {certs.client}
    CertificateKeyFile {certs.client_key}
}}
tls nas {{
    CACertificateFile {certs.ca}
    CertificateFile {certs.server}
    CertificateKeyFile {certs.server_key}
}}
client nas {{
    host 127.0.0.1
    type udp
    secret "{secret}"
}}
client tlsnas {{
    host 127.0.0.1
    type tls
    tls nas
    secret radsec
    CertificateNameCheck off
}}
server home {{
    host 127.0.0.1
    port {server_port}
    type tls
    tls home
    secret radsec
    StatusServer on
}}
realm * {{
    server home
    accountingServer home
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A running radsecproxy with the server behind it, and the ports where NASes reach it."""

    process: Process
    udp_port: int
    tls_port: int
    home: Server


@pytest.fixture(scope="module")
def proxy(new_server: StartServer, certs: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """One for all: its Status-Server watchdog is slow to bark."""
    directory = tmp_path_factory.mktemp("radsecproxy")
    udp_port, tls_port = free_port(socket.SOCK_DGRAM), free_port()
    with new_server(directory) as home:
        config = directory / "radsecproxy.conf"
        config.write_text(
            CONFIG.format(udp_port=udp_port, tls_port=tls_port, certs=certs, secret=SECRET, server_port=home.port)
        )
        with Process([program("radsecproxy"), "-f", "-c", str(config)]) as process:
            process.wait_for_line("listening for tls")
            process.wait_for_line("TLS connection to home")
            yield Proxy(process, udp_port, tls_port, home)


@pytest.mark.parametrize("how", ["pap", "chap"])
def test_passwords_are_checked(proxy: Proxy, tmp_path: Path, how: str) -> None:
    """The right password is accepted, the wrong one and the unknown user are rejected."""
    before = len(proxy.home.seen)
    attribute = {"pap": "User-Password", "chap": "CHAP-Password"}[how]
    requests = request_file(
        tmp_path / "requests",
        [
            f'User-Name = "alice", {attribute} = "correct horse"',
            f'User-Name = "alice", {attribute} = "battery staple"',
            f'User-Name = "mallory", {attribute} = "correct horse"',
        ],
    )
    done = radclient(proxy.udp_port, "auth", SECRET, requests, options=["-x"])
    counts = summary(done)
    assert (counts["Accepted"], counts["Rejected"], counts["Lost"]) == (1, 2, 0), done.stdout + done.stderr
    assert 'Reply-Message = "Hello alice"' in done.stdout
    seen = proxy.home.seen[before:]
    assert [(request["how"], request["user"]) for request in seen] == [(how, "alice"), (how, "alice"), (how, "mallory")]
    # Mutual TLS: the handler knows who the proxy is.
    assert {request["subject"] for request in seen} == {"CN=radsec-client,O=pyradsec development only"}


def test_accounting_is_answered(proxy: Proxy, tmp_path: Path) -> None:
    before = len(proxy.home.seen)
    requests = request_file(
        tmp_path / "requests",
        [
            'User-Name = "alice", Acct-Status-Type = Start, Acct-Session-Id = "through the proxy"',
            'User-Name = "alice", Acct-Status-Type = Stop, Acct-Session-Id = "through the proxy"',
        ],
    )
    done = radclient(proxy.udp_port, "acct", SECRET, requests, options=["-x"])
    assert summary(done)["Accepted"] == 2, done.stdout + done.stderr
    assert done.stdout.count("Received Accounting-Response") == 2
    seen = [(request["how"], request["session"], request["status"]) for request in proxy.home.seen[before:]]
    assert seen == [("accounting", "through the proxy", "Start"), ("accounting", "through the proxy", "Stop")]


@pytest.mark.parametrize(("password", "is_right"), [("battery staple", True), ("correct horse", False)])
def test_eap_md5_is_driven_by_the_handler(proxy: Proxy, tmp_path: Path, password: str, is_right: bool) -> None:
    """Two rounds: EAP-Message and State reach the handler, and what it answers convinces the supplicant (PKT-15)."""
    before = len(proxy.home.seen)
    config = tmp_path / "eapol_test.conf"
    config.write_text(
        f'network={{\n    key_mgmt=IEEE8021X\n    eap=MD5\n    identity="bob"\n    password="{password}"\n}}\n'
    )
    arguments = ["-c", str(config), "-a", "127.0.0.1", "-p", str(proxy.udp_port), "-s", SECRET, "-n", "-t", "15"]
    done = run([program("eapol_test"), *arguments])
    assert (done.returncode == 0) is is_right, done.stdout
    assert done.stdout.rstrip().endswith("SUCCESS" if is_right else "FAILURE")
    assert "Invalid Message-Authenticator" not in done.stdout

    identity, response = proxy.home.seen[before:]
    for request in (identity, response):
        assert request["how"] == "eap"
        assert {"EAP-Message", "Message-Authenticator"} <= set(request["attributes"])
    # EAP-Response/Identity, then EAP-Response/MD5-Challenge with the State of the Access-Challenge.
    assert bytes.fromhex(identity["eap"])[4:] == b"\x01bob"
    assert "State" not in identity["attributes"]
    assert bytes.fromhex(response["eap"])[4:6] == b"\x04\x10"
    assert len(bytes.fromhex(response["state"])) == 16


def test_our_client_is_served_through_radsecproxy(proxy: Proxy, certs: Certificates) -> None:
    """RADIUS/TLS into radsecproxy, RADIUS/TLS out of it: both ends are ours, the middle is not."""
    before = len(proxy.home.seen)

    async def talk() -> list[int]:
        async with RadSecClient(
            port=proxy.tls_port,
            dict=Dictionary.default(),
            certfile=certs.client,
            keyfile=certs.client_key,
            certfile_server=certs.ca,
        ) as client:
            good = client.create_auth_packet(User_Name="alice", message_authenticator=True)
            good["User-Password"] = "correct horse"
            bad = client.create_auth_packet(User_Name="alice", message_authenticator=True)
            bad["User-Password"] = "wrong"
            start = client.create_acct_packet(User_Name="alice", Acct_Status_Type="Start", Acct_Session_Id="tls")
            replies = []
            for packet in (good, bad, start):
                reply = await client.send_packet(packet)
                assert reply is not None, client.last_error
                replies.append(reply.code)
            return replies

    codes = asyncio.run(talk())
    assert codes == [PacketType.AccessAccept, PacketType.AccessReject, PacketType.AccountingResponse]
    assert [request["how"] for request in proxy.home.seen[before:]] == ["pap", "pap", "accounting"]


def test_the_watchdog_is_answered(proxy: Proxy) -> None:
    """radsecproxy asks with Status-Server when a connection has been quiet for 25 s, and takes our answer (PKT-14)."""
    before = proxy.home.stats()
    handled = len(proxy.home.seen)
    stats = proxy.home.wait_for_count("status_requests", before["status_requests"] + 1, timeout=45)
    assert stats["answered_here"] > before["answered_here"]
    assert stats["replies_sent"] > before["replies_sent"]
    proxy.process.wait_for_line("got status server response from home")
    assert len(proxy.home.seen) == handled  # no handler ran
    assert stats["connections_accepted"] == 1  # nor did the proxy see a reason to connect anew
