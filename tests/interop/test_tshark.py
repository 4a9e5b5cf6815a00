"""Wireshark reads what went over the wire, with the keys that SSLKEYLOGFILE makes the server write.

Nothing is captured from an interface, for which not every machine has the rights: a relay between client and server
writes down the octets of both directions, and text2pcap makes packets of them. Debian's Wireshark knows RADIUS over UDP
only, so that it reads in two steps: what is in the TLS records, then what of RADIUS is in that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from programs import program, run
from under_test import Certificates, Server, StartServer

from pyradsec.dictionary import Dictionary
from pyradsec.radsec.client import RadSecClient

SECRET = "radsec"
# Of the connection that text2pcap invents, and of the datagrams.
CLIENT_PORT, TLS_PORT, UDP_PORT = 40000, 2083, 1812

# Whether it came from the client, and what it was.
Chunk = tuple[bool, bytes]


def save(chunks: Iterable[Chunk], path: Path, *layer: str) -> Path:
    """A capture file with a packet for each chunk, in a layer of text2pcap's."""
    text = path.with_suffix(".txt")
    # text2pcap's directions are those of whoever captures, here the server: the client's octets come in.
    text.write_text(
        "".join(f"{'I' if is_request else 'O'}\n000000 {octets.hex(' ')}\n" for is_request, octets in chunks)
    )
    done = run([program("text2pcap"), "-q", "-D", "-4", "127.0.0.2,127.0.0.1", *layer, str(text), str(path)])
    assert done.returncode == 0, done.stderr
    return path


def tshark(capture: Path, *options: str) -> list[str]:
    """The lines that tshark has to say about a capture."""
    done = run([program("tshark"), "-n", "-r", str(capture), *options])
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def inside_of_tls(capture: Path, keys: Path) -> list[Chunk]:
    """The application data of each TLS record that tshark can decrypt."""
    ports = ["-d", f"tcp.port=={TLS_PORT},tls", "-d", f"tls.port=={TLS_PORT},data"]
    fields = ["-T", "fields", "-e", "tcp.dstport", "-e", "data.data"]
    chunks = []
    for line in tshark(capture, "-o", f"tls.keylog_file:{keys}", *ports, "-Y", "data", *fields):
        port, data = line.split("\t")
        chunks += [(int(port) == TLS_PORT, bytes.fromhex(record)) for record in data.split(",")]
    return chunks


class Tape:
    """A TCP relay that remembers what it carried, in order."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []

    @asynccontextmanager
    async def record(self, server_port: int) -> AsyncIterator[int]:
        """Relays connections to a port of 127.0.0.1; gives the port to connect to instead."""
        done = asyncio.Event()

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", server_port)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, server_writer, from_client=True))
                group.create_task(self._pump(server_reader, writer, from_client=False))
            for each in (writer, server_writer):
                each.close()
                await each.wait_closed()
            done.set()

        listener = await asyncio.start_server(relay, "127.0.0.1", 0)
        async with listener:
            yield listener.sockets[0].getsockname()[1]
            async with asyncio.timeout(10):
                await done.wait()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, from_client: bool) -> None:
        while octets := await reader.read(16384):
            self.chunks.append((from_client, octets))
            writer.write(octets)
            await writer.drain()
        writer.write_eof()


async def exchange(tape: Tape, server_port: int, certs: Certificates, version: str) -> None:
    """One request of each kind, each with its reply, through the relay."""
    async with tape.record(server_port) as port:
        client = RadSecClient(
            port=port,
            dict=Dictionary.default(),
            certfile=certs.client,
            keyfile=certs.client_key,
            certfile_server=certs.ca,
        )
        if version == "TLSv1.2":
            client.ssl_ctx.maximum_version = client.ssl_ctx.minimum_version
        async with client:
            auth = client.create_auth_packet(User_Name="alice", message_authenticator=True)
            auth["User-Password"] = "correct horse"
            wrong = client.create_auth_packet(User_Name="alice")
            wrong["User-Password"] = "battery staple"
            for packet in (
                auth,
                wrong,
                client.create_acct_packet(User_Name="alice", Acct_Status_Type="Start", Acct_Session_Id="1"),
                client.create_coa_packet(User_Name="alice", message_authenticator=True),
                client.create_coa_packet(User_Name="alice", code=40),
                client.create_status_packet(),
            ):
                assert await client.send_packet(packet) is not None, client.last_error


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_wireshark_decodes_every_packet(
    start_server: StartServer, certs: Certificates, tmp_path: Path, version: str
) -> None:
    keys = tmp_path / "keys.log"
    server = start_server(env={"SSLKEYLOGFILE": str(keys)})
    server.wait_for_line(f"WARNING pyradsec SSLKEYLOGFILE is set: the keys of every connection are written to {keys}")
    tape = Tape()
    asyncio.run(exchange(tape, server.port, certs, version))
    assert {request["tls"] for request in server.seen} == {version}
    capture = save(tape.chunks, tmp_path / "tls.pcap", "-T", f"{CLIENT_PORT},{TLS_PORT}")
    assert tshark(capture, "-d", f"tcp.port=={TLS_PORT},tls", "-Y", "_ws.malformed") == []

    chunks = inside_of_tls(capture, keys)
    assert [is_request for is_request, _ in chunks] == [True, False] * 6  # one packet in each record
    datagrams = save(chunks, tmp_path / "radius.pcap", "-u", f"{CLIENT_PORT},{UDP_PORT}")
    radius = ["-o", f"radius.shared_secret:{SECRET}", "-o", "radius.validate_authenticator:TRUE"]
    codes = tshark(datagrams, *radius, "-T", "fields", "-e", "radius.code")
    assert [int(code) for code in codes] == [1, 2, 1, 3, 4, 5, 43, 44, 40, 41, 12, 2]
    for complaint in ("_ws.malformed", "_ws.expert", "radius.authenticator.invalid == 1"):
        assert tshark(datagrams, *radius, "-Y", complaint) == [], complaint
    # Wireshark computes the Response Authenticators itself. It does not know Status-Server as a request.
    valid = tshark(datagrams, *radius, "-Y", "radius.authenticator.valid == 1", "-T", "fields", "-e", "radius.code")
    assert [int(code) for code in valid] == [2, 3, 5, 44, 41]
    passwords = tshark(datagrams, *radius, "-Y", "radius.code == 1", "-T", "fields", "-e", "radius.User_Password")
    assert passwords == ["correct horse", "battery staple"]


def test_without_its_keys_a_capture_is_closed(server: Server, certs: Certificates, tmp_path: Path) -> None:
    """The counter-check: what the test above reads, it reads by means of the keys."""
    tape = Tape()
    asyncio.run(exchange(tape, server.port, certs, "TLSv1.3"))
    capture = save(tape.chunks, tmp_path / "tls.pcap", "-T", f"{CLIENT_PORT},{TLS_PORT}")
    nothing = tmp_path / "nothing.log"
    nothing.touch()
    assert inside_of_tls(capture, nothing) == []
    assert len(tshark(capture, "-Y", "tls.app_data")) > 0
