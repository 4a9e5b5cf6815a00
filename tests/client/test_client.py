"""RadSecClient against servers that behave, and against such that do not."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pyradsec.dictionary import Dictionary
from pyradsec.exceptions import PacketError
from pyradsec.packet import AcctPacket, AuthPacket, Packet
from pyradsec.radsec.client import RadiusVersion, RadSecClient
from pyradsec.radsec.server import RadSecServer
from pyradsec.server import RemoteHost

CERTS = Path(__file__).resolve().parents[2] / "certs"
FILES = {
    "certfile": CERTS / "client/client.cert.pem",
    "keyfile": CERTS / "client/client.key.pem",
    "certfile_server": CERTS / "ca/ca.cert.pem",
}
SERVER_FINGERPRINT = hashlib.sha256(
    ssl.PEM_cert_to_DER_cert((CERTS / "server/server.cert.pem").read_text().strip())
).hexdigest()
DICTIONARY = Dictionary.default()

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def make_client(port: int, **settings: Any) -> RadSecClient:
    defaults: dict[str, Any] = {
        "server": "127.0.0.1",
        "port": port,
        "dict": DICTIONARY,
        "timeout": 5,
        "retries": 1,
        "reconnect_backoff": 0.01,
    }
    return RadSecClient(**{**defaults, **FILES, **settings})


class Server(RadSecServer):
    """Greets, and counts what it is asked."""

    asked = 0

    async def handle_access_request(self, packet: AuthPacket) -> Packet | None:
        self.asked += 1
        return packet.create_reply(Reply_Message="Hello")

    async def handle_accounting(self, packet: AcctPacket) -> Packet | None:
        return packet.create_reply()


@contextlib.asynccontextmanager
async def serving(secret: bytes = b"radsec", **settings: Any) -> AsyncIterator[tuple[Server, int]]:
    server = Server(
        "127.0.0.1",
        0,
        {"127.0.0.1": RemoteHost("127.0.0.1", secret, "here")},
        DICTIONARY,
        certfile=CERTS / "server/server.cert.pem",
        keyfile=CERTS / "server/server.key.pem",
        ca_certfile=CERTS / "ca/ca.cert.pem",
        **settings,
    )
    await server.start()
    try:
        yield server, server.addresses[0][1]
    finally:
        await server.stop(grace=0)


@contextlib.asynccontextmanager
async def misbehaving(answer: Answer) -> AsyncIterator[int]:
    """A TLS server whose every connection is `answer`'s."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTS / "server/server.cert.pem", CERTS / "server/server.key.pem")
    running: set[asyncio.Task[Any]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await answer(reader, writer)
        except OSError:
            pass  # the client is expected to go
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def test_a_connection_is_kept_and_used_again() -> None:
    async def main() -> None:
        async with serving() as (server, port), make_client(port) as client:
            for _ in range(3):
                reply = await client.send_packet(client.create_auth_packet(User_Name="bob"))
                assert reply["Reply-Message"] == ["Hello"]
            assert server.stats()["connections_accepted"] == 1
            assert client._negotiated_version == RadiusVersion.V1_0
            await client.close()
            assert await client.send_packet(client.create_status_packet()) is not None
            assert server.stats()["connections_accepted"] == 2

    asyncio.run(main())


def test_without_reuse_every_request_has_its_own_connection() -> None:
    async def main() -> None:
        async with serving() as (server, port), make_client(port, reuse_connection=False) as client:
            for _ in range(2):
                assert await client.send_packet(client.create_status_packet()) is not None
            assert server.stats()["connections_accepted"] == 2

    asyncio.run(main())


def test_requests_wait_for_each_other() -> None:
    async def main() -> None:
        async with serving() as (server, port), make_client(port) as client:
            packets = [client.create_auth_packet(User_Name="bob") for _ in range(20)]
            replies = await asyncio.gather(*map(client.send_packet, packets))
            assert [reply.id for reply in replies] == [packet.id for packet in packets]
            assert server.asked == 20

    asyncio.run(main())


def test_a_server_that_has_gone_is_connected_to_again() -> None:
    async def main() -> None:
        async with serving(max_packets_per_connection=1) as (server, port), make_client(port, retries=3) as client:
            for _ in range(3):
                assert await client.send_packet(client.create_status_packet()) is not None
            assert server.stats()["connections_accepted"] == 3

    asyncio.run(main())


def test_nobody_listens() -> None:
    async def main() -> None:
        async with make_client(1, retries=2) as client:
            assert await client.send_packet(client.create_status_packet()) is None
            assert isinstance(client.last_error, ConnectionRefusedError)

    asyncio.run(main())


def test_last_error_is_of_the_last_call() -> None:
    async def main() -> None:
        async with serving() as (_, port), make_client(1) as client:
            assert await client.send_packet(client.create_status_packet()) is None
            assert client.last_error is not None
            client.port = port
            assert await client.send_packet(client.create_status_packet()) is not None
            assert client.last_error is None

    asyncio.run(main())


def test_a_silent_server_is_a_timeout_and_tried_again() -> None:
    connections = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read()

    async def main() -> None:
        async with misbehaving(silent) as port, make_client(port, retries=2, timeout=0.2) as client:
            assert await client.send_packet(client.create_status_packet()) is None
            assert isinstance(client.last_error, TimeoutError)
            assert connections == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    "octets",
    [bytes((2, 0, 0, 19)) + bytes(15), bytes((2, 0, 0xFF, 0xFF)) + bytes(100), b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    ids=["too short", "too long", "another protocol"],
)
def test_a_reply_that_is_no_packet_ends_the_connection(octets: bytes) -> None:
    """PKT-2: and the next request is sent on a new connection, in step with it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(octets)
        await reader.read()

    async def main() -> None:
        async with misbehaving(answer) as port, make_client(port, retries=3) as client:
            assert await client.send_packet(client.create_status_packet()) is None
            assert isinstance(client.last_error, PacketError)
            assert client._writer is None

    asyncio.run(main())


def test_a_reply_under_another_secret_does_not_verify() -> None:
    async def main() -> None:
        async with serving() as (_, port), make_client(port, secret=b"another") as client:
            assert await client.send_packet(client.create_auth_packet(User_Name="bob")) is None
            assert isinstance(client.last_error, PacketError)
            assert "verify" in str(client.last_error)
            assert "another" not in str(client.last_error).replace("another shared secret", "")

    asyncio.run(main())


def test_a_late_reply_to_another_request_is_passed_over() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = await reader.readexactly(20)
        raw += await reader.readexactly(int.from_bytes(raw[2:4], "big") - 20)
        request = AuthPacket(packet=raw, secret=b"radsec", dict=DICTIONARY)
        reply = request.create_reply(Reply_Message="late")
        reply.id = (raw[1] + 1) % 256
        writer.write(reply.reply_packet())
        writer.write(request.create_reply(Reply_Message="right").reply_packet())
        await reader.read()

    async def main() -> None:
        async with misbehaving(answer) as port, make_client(port) as client:
            reply = await client.send_packet(client.create_auth_packet(User_Name="bob"))
            assert reply["Reply-Message"] == ["right"]

    asyncio.run(main())


def test_cancelling_ends_the_connection_and_leaves_the_client_usable() -> None:
    async def main() -> None:
        async with serving() as (server, port), make_client(port) as client:
            never = asyncio.Event()

            async def waits(packet: AuthPacket) -> Packet | None:
                reached.set()
                await never.wait()
                return None

            reached = asyncio.Event()
            server.handle_access_request = waits  # type: ignore[method-assign]
            task = asyncio.ensure_future(client.send_packet(client.create_auth_packet(User_Name="bob")))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await client.send_packet(client.create_status_packet()) is not None
            assert server.stats()["connections_accepted"] == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    "spelling",
    [SERVER_FINGERPRINT, SERVER_FINGERPRINT.upper(), "sha256:" + SERVER_FINGERPRINT],
    ids=["lower", "upper", "prefix"],
)
def test_a_listed_fingerprint_is_accepted(spelling: str) -> None:
    """TLS-5"""

    async def main() -> None:
        async with serving() as (_, port), make_client(port, allowed_server_fingerprints=[spelling]) as client:
            assert await client.send_packet(client.create_status_packet()) is not None

    asyncio.run(main())


def test_a_fingerprint_that_is_not_listed_is_refused_before_anything_is_sent() -> None:
    """TLS-5"""

    async def main() -> None:
        async with serving() as (server, port), make_client(port, allowed_server_fingerprints=["ab" * 32]) as client:
            assert await client.send_packet(client.create_status_packet()) is None
            assert isinstance(client.last_error, PacketError)
            assert SERVER_FINGERPRINT in str(client.last_error)
            assert server.stats()["packets_received"] == 0

    asyncio.run(main())


def test_the_servers_name_is_checked_and_found() -> None:
    """TLS-4: the development certificate names localhost."""

    async def main() -> None:
        async with serving() as (_, port), make_client(port, server="localhost") as client:
            reply = await client.send_packet(client.create_status_packet())
            assert reply is not None, client.last_error

    asyncio.run(main())


def test_another_name_than_the_certificates_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS-4"""

    async def main() -> None:
        async with serving() as (server, port):
            loop = asyncio.get_running_loop()
            original = loop.getaddrinfo

            async def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
                return await original("127.0.0.1" if host == "radius.example.org" else host, *args, **kwargs)

            monkeypatch.setattr(loop, "getaddrinfo", resolve)
            async with make_client(port, server="radius.example.org") as client:
                assert await client.send_packet(client.create_status_packet()) is None
                assert isinstance(client.last_error, ssl.SSLCertVerificationError)
                assert "radius.example.org" in str(client.last_error)
            async with make_client(port, server="radius.example.org", check_hostname=False) as client:
                assert await client.send_packet(client.create_status_packet()) is not None
            assert server.stats()["status_requests"] == 1

    asyncio.run(main())


def test_dynamic_authorization_with_message_authenticator_is_answered() -> None:
    """The mirror rule (PKT-17), and a client that verifies what it gets."""

    async def main() -> None:
        async with serving(verify_packet=True) as (_, port), make_client(port) as client:
            for code, expected in ((43, 45), (40, 42)):
                request = client.create_coa_packet(code=code, User_Name="bob", message_authenticator=True)
                reply = await client.send_packet(request)
                assert reply is not None, client.last_error
                assert reply.code == expected
                assert reply.message_authenticator is True
            acct = client.create_acct_packet(User_Name="bob", message_authenticator=True)
            reply = await client.send_packet(acct)
            assert reply is not None, client.last_error
            assert reply.message_authenticator is True

    asyncio.run(main())


def test_settings_that_cannot_be() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-file"):
        make_client(1, certfile="no-such-file")
    with pytest.raises(ValueError, match="radius_versions"):
        make_client(1, radius_versions=())
    with pytest.raises(ValueError, match="RADIUS/1.1"):
        make_client(1, radius_versions=(RadiusVersion.V1_1,))
    with pytest.raises(ValueError, match="64 hexadecimal"):
        make_client(1, allowed_server_fingerprints=["xyz"])
    with pytest.raises(ssl.SSLError, match="client.cert.pem"):
        make_client(1, keyfile=CERTS / "server/server.key.pem")


def test_an_eap_request_is_refused_by_name() -> None:
    async def main() -> None:
        client = make_client(1)
        with pytest.raises(ValueError, match="eap-md5"):
            await client.send_packet(client.create_auth_packet(auth_type="eap-md5"))

    asyncio.run(main())
