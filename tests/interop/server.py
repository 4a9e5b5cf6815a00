"""The server that the peers of these tests talk to: PAP, CHAP, EAP-MD5, accounting, CoA and Disconnect.

    server.py '{"allowed_client_fingerprints": [...], ...}'

The argument is JSON: keywords of RadSecServer. Standard output gets one JSON object a line: the port when it listens,
what each handler saw, and stats() for every line "stats COUNTER LEAST SECONDS" on standard input, as soon as that
counter has come to LEAST or the time is up. Log records go to standard error. The end of standard input, or SIGTERM,
stops it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import signal
import sys
from typing import Any

from pyradsec.constants import PacketType
from pyradsec.dictionary import Dictionary
from pyradsec.packet import AcctPacket, AuthPacket, CoAPacket, Packet
from pyradsec.radsec.server import RadSecServer
from pyradsec.server import RemoteHost

PASSWORDS = {"alice": "correct horse", "bob": "battery staple"}
# RFC 3748 §4, §5.
EAP_REQUEST, EAP_RESPONSE, EAP_SUCCESS, EAP_FAILURE = 1, 2, 3, 4
EAP_IDENTITY, EAP_MD5 = 1, 4


def tell(event: str, **details: Any) -> None:
    print(json.dumps({"event": event, **details}), flush=True)


def tell_request(packet: Packet, how: str, **details: Any) -> None:
    peer = packet.peer
    assert peer is not None
    tell(
        "request",
        how=how,
        code=packet.code,
        id=packet.id,
        user=(packet.get("User-Name") or [None])[0],
        attributes=sorted(packet.keys()),
        peer=peer.address,
        connection=peer.port,
        tls=peer.tls_version,
        subject=peer.subject,
        fingerprint=peer.fingerprint,
        **details,
    )


def answer(packet: Packet, code: int, **attributes: Any) -> Packet:
    reply = packet.create_reply(**attributes)
    reply.code = code
    return reply


class Server(RadSecServer):
    """Password checks in three ways, and a word for everything else."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # State -> the EAP identifier and the challenge that were sent with it.
        self.challenges: dict[bytes, tuple[int, bytes]] = {}

    async def handle_access_request(self, packet: AuthPacket) -> Packet:
        if "EAP-Message" in packet:
            return self.eap(packet)
        user = packet["User-Name"][0]
        password = PASSWORDS.get(user)
        if "CHAP-Password" in packet:
            tell_request(packet, "chap")
            is_right = password is not None and packet.verify_chap_passwd(password)
        else:
            tell_request(packet, "pap")
            is_right = password is not None and packet.pw_decrypt(packet["User-Password"][0]) == password
        if not is_right:
            return answer(packet, PacketType.AccessReject)
        return answer(packet, PacketType.AccessAccept, Reply_Message=f"Hello {user}")

    def eap(self, packet: AuthPacket) -> Packet:
        """One round of EAP-MD5 (RFC 3748 §5.4) over EAP-Message and State (RFC 3579 §2)."""
        message = b"".join(packet["EAP-Message"])
        state = packet["State"][0] if "State" in packet else b""
        tell_request(packet, "eap", eap=message.hex(), state=state.hex())
        code, eap_id, kind = message[0], message[1], message[4]
        if code == EAP_RESPONSE and kind == EAP_MD5 and state in self.challenges:
            asked_id, challenge = self.challenges.pop(state)
            password = PASSWORDS.get(packet["User-Name"][0], "").encode()
            expected = hashlib.md5(bytes([asked_id]) + password + challenge).digest()
            is_right = eap_id == asked_id and hmac.compare_digest(message[5:22], b"\x10" + expected)
            reply = answer(packet, PacketType.AccessAccept if is_right else PacketType.AccessReject)
            reply["EAP-Message"] = [bytes([EAP_SUCCESS if is_right else EAP_FAILURE, eap_id, 0, 4])]
            return reply
        state, challenge, asked_id = secrets.token_bytes(16), secrets.token_bytes(16), (eap_id + 1) % 256
        self.challenges[state] = asked_id, challenge
        body = bytes([EAP_MD5, len(challenge)]) + challenge + b"interop"
        reply = answer(packet, PacketType.AccessChallenge)
        reply["EAP-Message"] = [bytes([EAP_REQUEST, asked_id]) + (4 + len(body)).to_bytes(2, "big") + body]
        reply["State"] = [state]
        return reply

    async def handle_accounting(self, packet: AcctPacket) -> Packet:
        tell_request(packet, "accounting", session=packet["Acct-Session-Id"][0], status=packet["Acct-Status-Type"][0])
        return answer(packet, PacketType.AccountingResponse)

    async def handle_coa(self, packet: CoAPacket) -> Packet:
        tell_request(packet, "coa")
        return answer(packet, PacketType.CoAACK)

    async def handle_disconnect(self, packet: CoAPacket) -> Packet:
        tell_request(packet, "disconnect")
        return answer(packet, PacketType.DisconnectACK)


async def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    server = Server(
        listen_address="127.0.0.1",
        listen_port=0,
        hosts={"127.0.0.1": RemoteHost("127.0.0.1", b"radsec", "the peer")},
        dictionary=Dictionary.default(),
        **{"verify_packet": True, **json.loads(sys.argv[1])},
    )
    await server.start()
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    commands = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)

    async def obey() -> None:
        while line := await commands.readline():
            _, counter, least, seconds = line.decode().split()
            deadline = loop.time() + float(seconds)
            while server.stats()[counter] < int(least) and loop.time() < deadline:
                await asyncio.sleep(0.01)
            tell("stats", stats=server.stats())
        stopping.set()

    obeying = asyncio.create_task(obey())
    tell("listening", port=server.addresses[0][1])
    await stopping.wait()
    obeying.cancel()
    transport.close()
    await server.stop(grace=1)


if __name__ == "__main__":
    asyncio.run(main())
