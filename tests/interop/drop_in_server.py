"""A RadSec server as users of pyrad2 write it: run as it is, and with the name of the package changed to pyrad2.

drop_in_server.py PORT CERTS DICTIONARY
"""

import asyncio
import logging
import sys

from pyradsec.constants import PacketType
from pyradsec.dictionary import Dictionary
from pyradsec.packet import AcctPacket, AuthPacket, CoAPacket, Packet
from pyradsec.radsec.server import RadSecServer
from pyradsec.server import RemoteHost

PORT, CERTS, DICTIONARY = sys.argv[1:]


class Server(RadSecServer):
    async def handle_access_request(self, packet: AuthPacket) -> Packet:
        reply = packet.create_reply()
        if packet.pw_decrypt(packet["User-Password"][0]) == "correct horse":
            reply.code = PacketType.AccessAccept
            reply["Reply-Message"] = "Hello " + packet["User-Name"][0]
        else:
            reply.code = PacketType.AccessReject
        return reply

    async def handle_accounting(self, packet: AcctPacket) -> Packet:
        reply = packet.create_reply()
        reply.code = PacketType.AccountingResponse
        return reply

    async def handle_coa(self, packet: CoAPacket) -> Packet:
        reply = packet.create_reply()
        reply.code = PacketType.CoAACK
        return reply

    async def handle_disconnect(self, packet: CoAPacket) -> Packet:
        reply = packet.create_reply()
        reply.code = PacketType.DisconnectACK
        return reply


async def main() -> None:
    server = Server(
        listen_address="127.0.0.1",
        listen_port=int(PORT),
        hosts={"127.0.0.1": RemoteHost("127.0.0.1", b"radsec", "localhost")},
        dictionary=Dictionary(DICTIONARY),
        certfile=CERTS + "/server/server.cert.pem",
        keyfile=CERTS + "/server/server.key.pem",
        ca_certfile=CERTS + "/ca/ca.cert.pem",
    )
    await server.run()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main())
