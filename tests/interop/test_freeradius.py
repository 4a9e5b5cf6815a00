"""FreeRADIUS 3.2: as a proxy in front of the server, and as a server behind the client."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import freeradius
import pytest
from freeradius import SECRET, radclient, request_file, summary
from programs import Process, free_port
from under_test import Certificates, Server, StartServer

from pyradsec.constants import PacketType
from pyradsec.dictionary import Dictionary
from pyradsec.radsec.client import RadSecClient

REQUESTS = 2000


@dataclass(frozen=True)
class Proxy:
    """A running FreeRADIUS with the server behind it, and the UDP ports where NASes reach it."""

    process: Process
    auth_port: int
    acct_port: int
    home: Server
    tls: str


# TLS 1.2 is all that FreeRADIUS offers as a client until it is told more.
@pytest.fixture(scope="module", params=["TLSv1.2", "TLSv1.3"])
def proxy(
    request: pytest.FixtureRequest,
    new_server: StartServer,
    certs: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    """FreeRADIUS with one TLS connection to the server."""
    directory = tmp_path_factory.mktemp("freeradius")
    auth_port, acct_port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    with new_server(directory) as home:
        config = freeradius.PROXY.format(
            secret=SECRET,
            server_port=home.port,
            certs=certs,
            auth_port=auth_port,
            acct_port=acct_port,
            tls='tls_max_version = "1.3"' if request.param == "TLSv1.3" else "",
        )
        with freeradius.start(directory / "raddb", config) as process:
            yield Proxy(process, auth_port, acct_port, home, request.param)


@pytest.mark.parametrize("parallel", [1, 8, 64, 200])
def test_every_request_of_a_proxy_is_accepted(proxy: Proxy, tmp_path: Path, parallel: int) -> None:
    """2,000 requests, up to 200 of them in flight on one connection (PKT-12): none is lost, none is handled twice."""
    before, seen_before = proxy.home.stats(), len(proxy.home.seen)
    requests = request_file(tmp_path / "requests", ['User-Name = "alice", User-Password = "correct horse"'] * REQUESTS)
    done = radclient(proxy.auth_port, "auth", SECRET, requests, parallel=parallel, options=["-q"])
    counts = summary(done)
    said = done.stdout + done.stderr + proxy.process.everything()
    assert (counts["Accepted"], counts["Rejected"], counts["Lost"]) == (REQUESTS, 0, 0), said
    seen = proxy.home.seen[seen_before:]
    assert len(seen) == REQUESTS
    assert {request["connection"] for request in seen} == {proxy.home.seen[0]["connection"]}
    assert {request["tls"] for request in seen} == {proxy.tls}
    stats = proxy.home.stats()
    assert stats["connections_accepted"] == 1
    assert stats["replies_sent"] - before["replies_sent"] == REQUESTS
    assert stats["duplicates"] == stats["superseded"] == stats["replies_discarded"] == 0


@pytest.mark.parametrize("signed", ["", ", Message-Authenticator = 0x00"], ids=["plain", "signed"])
def test_accounting_through_a_proxy_is_answered(proxy: Proxy, tmp_path: Path, signed: str) -> None:
    """Signed or not. FreeRADIUS drops an Accounting-Response whose Message-Authenticator it does not agree with."""
    before = len(proxy.home.seen)
    requests = request_file(
        tmp_path / "requests", [f'User-Name = "alice", Acct-Status-Type = Start, Acct-Session-Id = "signed?"{signed}']
    )
    done = radclient(proxy.acct_port, "acct", SECRET, requests, options=["-x", "-t", "5"])
    assert summary(done)["Accepted"] == 1, done.stdout + done.stderr
    (request,) = proxy.home.seen[before:]
    assert request["how"] == "accounting"
    assert ("Message-Authenticator" in request["attributes"]) is bool(signed)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_our_client_is_served_by_freeradius(certs: Certificates, tmp_path: Path, version: str) -> None:
    """Access-Accept, Access-Reject and Accounting-Response, each signed by FreeRADIUS, verify at our client."""
    port = free_port()

    async def talk() -> None:
        async with RadSecClient(
            port=port,
            dict=Dictionary.default(),
            certfile=certs.client,
            keyfile=certs.client_key,
            certfile_server=certs.ca,
        ) as client:
            good = client.create_auth_packet(User_Name="alice", message_authenticator=True)
            good["User-Password"] = "correct horse"
            bad = client.create_auth_packet(User_Name="alice", message_authenticator=True)
            bad["User-Password"] = "battery staple"
            plain = client.create_acct_packet(User_Name="alice", Acct_Status_Type="Start", Acct_Session_Id="1")
            signed = client.create_acct_packet(User_Name="alice", Acct_Status_Type="Stop", Acct_Session_Id="1")
            signed.add_message_authenticator()
            for packet, code in (
                (good, PacketType.AccessAccept),
                (bad, PacketType.AccessReject),
                (plain, PacketType.AccountingResponse),
                (signed, PacketType.AccountingResponse),
            ):
                reply = await client.send_packet(packet)
                assert reply is not None, client.last_error
                assert reply.code == code
                assert reply.has_message_authenticator()

    config = freeradius.SERVER.format(certs=certs, port=port, version=version)
    with freeradius.start(tmp_path / "raddb", config):
        asyncio.run(talk())
