"""A RADIUS/TLS server: checks passwords, keeps sessions, changes and ends them.

    python examples/server_radsec.py [--port 2083] [--verbose]

It trusts the development certificates in certs/ and the client 127.0.0.1. Ctrl-C ends it at once, SIGTERM lets what is
being answered finish first.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from pathlib import Path

from pyradsec.constants import ErrorCause, PacketType
from pyradsec.dictionary import Dictionary
from pyradsec.packet import AcctPacket, AuthPacket, CoAPacket
from pyradsec.radsec.server import RadSecServer
from pyradsec.server import RemoteHost

ROOT = Path(__file__).resolve().parent.parent
USERS = {"alice": "wonderland", "bob": "builder"}


class Server(RadSecServer):
    """Knows two users, and the sessions that accounting tells it about."""

    sessions: dict[str, str]

    async def handle_access_request(self, packet: AuthPacket) -> AuthPacket:
        name = packet["User-Name"][0]
        password = USERS.get(name)
        if "User-Password" in packet:
            is_good = password is not None and packet.pw_decrypt(packet["User-Password"][0]) == password
        else:
            is_good = password is not None and packet.verify_chap_passwd(password)
        if not is_good:
            reply = packet.create_reply(Reply_Message="Who are you?")
            reply.code = PacketType.AccessReject
            return reply
        return packet.create_reply(Reply_Message=f"Hello {name}", Session_Timeout=3600)

    async def handle_accounting(self, packet: AcctPacket) -> AcctPacket:
        session, status = packet["Acct-Session-Id"][0], packet["Acct-Status-Type"][0]
        if status == "Start":
            self.sessions[session] = packet["User-Name"][0]
        elif status == "Stop":
            self.sessions.pop(session, None)
        return packet.create_reply()

    async def handle_coa(self, packet: CoAPacket) -> CoAPacket:
        if packet["Acct-Session-Id"][0] in self.sessions:
            return packet.create_reply()
        return self.no_session(packet, PacketType.CoANAK)

    async def handle_disconnect(self, packet: CoAPacket) -> CoAPacket:
        if self.sessions.pop(packet["Acct-Session-Id"][0], None) is not None:
            return packet.create_reply()
        return self.no_session(packet, PacketType.DisconnectNAK)

    @staticmethod
    def no_session(packet: CoAPacket, code: PacketType) -> CoAPacket:
        reply = packet.create_reply(Error_Cause=int(ErrorCause.SessionContextNotFound))
        reply.code = code
        return reply


def make_server(address: str, port: int) -> Server:
    """The server with the development certificates and one client, 127.0.0.1."""
    server = Server(
        listen_address=address,
        listen_port=port,
        hosts={"127.0.0.1": RemoteHost("127.0.0.1", b"radsec", "this machine")},
        dictionary=Dictionary.default(),
        verify_packet=True,
        certfile=str(ROOT / "certs/server/server.cert.pem"),
        keyfile=str(ROOT / "certs/server/server.key.pem"),
        ca_certfile=str(ROOT / "certs/ca/ca.cert.pem"),
    )
    server.sessions = {}
    return server


async def serve(server: Server) -> None:
    """Serves until cancelled; SIGTERM drains."""
    stopping: set[asyncio.Task[None]] = set()

    def drain() -> None:
        stopping.add(asyncio.ensure_future(server.stop(grace=10)))

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, drain)
    await server.run()
    await asyncio.gather(*stopping)


def main() -> None:
    parser = argparse.ArgumentParser(description="A RADIUS/TLS example server.")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=2083, help="TCP port (default: %(default)s; 0: a free one)")
    parser.add_argument("--verbose", action="store_true", help="log connections too")
    options = parser.parse_args()
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        asyncio.run(serve(make_server(options.address, options.port)))
    except (OSError, ValueError) as error:  # a port in use or that is none, a certificate that is not there
        parser.exit(1, f"{(isinstance(error, OSError) and error.strerror) or error}\n")


if __name__ == "__main__":
    main()
