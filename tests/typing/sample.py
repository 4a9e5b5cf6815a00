"""What users write, to be checked with mypy --strict: types flow through the package without casts."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl

from pyradsec.constants import AcctStatusType, ErrorCause, PacketType
from pyradsec.dictionary import Dictionary
from pyradsec.packet import (
    AVP,
    AcctPacket,
    AuthPacket,
    CoAPacket,
    Packet,
    RadiusVersion,
    StatusPacket,
    parse_packet,
    prepare_reply_message_authenticator,
)
from pyradsec.radsec.client import RadSecClient
from pyradsec.radsec.server import RadSecServer
from pyradsec.server import RemoteHost


class Server(RadSecServer):
    async def handle_access_request(self, packet: AuthPacket) -> AuthPacket | None:
        if packet.peer is not None and packet.peer.fingerprint is None:
            return None
        if packet.has_eap_message() and not packet.verify_message_authenticator():
            return None
        name: str = packet["User-Name"][0]
        if packet.pw_decrypt(packet["User-Password"][0]) != "wonderland":
            reply = packet.create_reply(Reply_Message="no")
            reply.code = PacketType.AccessReject
            return reply
        return packet.create_reply(Reply_Message=f"Hello {name}")

    async def handle_accounting(self, packet: AcctPacket) -> Packet:
        logging.getLogger("acct").info("%s", json.dumps(packet.to_dict()))
        if packet.get("Acct-Status-Type") == [AcctStatusType.Stop.name]:
            logging.getLogger("acct").info("%s", packet)
        return packet.create_reply()

    async def handle_coa(self, packet: CoAPacket) -> CoAPacket:
        reply = packet.create_reply(Error_Cause=int(ErrorCause.SessionContextNotFound))
        reply.code = PacketType.CoANAK
        return reply


def seen(packet: Packet) -> dict[str, bytes]:
    avps: list[AVP] = packet.attributes()
    found: dict[str, bytes] = {}
    for avp in avps:
        vendor: int | None = avp.vendor
        tag: int | None = avp.tag
        if not avp.is_secret and avp.name is not None and (vendor, tag) == (None, None):
            found[avp.name] = avp.octets[: avp.offset]
    return found


def forms(dictionary: Dictionary) -> AuthPacket:
    request: AuthPacket = AuthPacket.from_dict({"code": 1}, dict=dictionary, secret=b"radsec")
    twin: AuthPacket = request.copy()
    twin.radius_version = RadiusVersion.V1_1
    twin.token = b"\0\0\0\1"
    octets: bytes = twin.request_packet()
    reply = twin.create_reply(packet=octets)
    verified: bool = twin.verify_reply(reply, octets, enforce_ma=True)
    prepare_reply_message_authenticator(twin, reply, require_message_authenticator=verified)
    StatusPacket(secret=b"radsec").validate_message_authenticator_policy(require_message_authenticator=True)
    return reply


async def main() -> None:
    dictionary = Dictionary.default()
    server = Server(
        listen_address=["127.0.0.1", "::1"],
        listen_port=0,
        hosts={"10.0.0.0/8": RemoteHost("10.0.0.0/8", b"radsec", "access points")},
        dictionary=dictionary,
        minimum_tls_version=ssl.TLSVersion.TLSv1_3,
        allowed_client_fingerprints={"ab" * 32},
        require_message_authenticator="access",
        max_connections=100,
    )
    async with server:
        address, port = server.addresses[0]
        accepted: int = server.stats()["access_requests"]
        async with RadSecClient(address, port, dict=dictionary) as client:
            request = client.create_auth_packet(User_Name="bob", User_Password="wonderland")
            reply = await client.send_packet(request)
            if reply is not None and reply.code == PacketType.AccessAccept:
                print(reply["Reply-Message"], accepted)
    packet = parse_packet(memoryview(b""), b"radsec", dictionary)
    print(packet.code, dict(packet), seen(packet), forms(dictionary))


asyncio.run(main())
