"""Asks a RADIUS/TLS server whether a user may log in (Access-Request).

python examples/auth_radsec.py [--server localhost] [--port 2083] [--user alice] [--password wonderland]
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from pyradsec.constants import PacketType
from pyradsec.dictionary import Dictionary
from pyradsec.radsec.client import RadSecClient

ROOT = Path(__file__).resolve().parent.parent


async def run(options: argparse.Namespace) -> int:
    async with RadSecClient(
        server=options.server,
        port=options.port,
        secret=b"radsec",
        dict=Dictionary.default(),
        certfile=ROOT / "certs/client/client.cert.pem",
        keyfile=ROOT / "certs/client/client.key.pem",
        certfile_server=ROOT / "certs/ca/ca.cert.pem",
    ) as client:
        request = client.create_auth_packet(
            User_Name=options.user,
            User_Password=options.password,
            NAS_Identifier="example-nas",
            message_authenticator=True,
        )
        reply = await client.send_packet(request)
        if reply is None:
            print(f"no reply: {client.last_error}")
            return 2
        is_accepted = reply.code == PacketType.AccessAccept
        print("accepted" if is_accepted else "rejected", *reply.get("Reply-Message", []))
        return 0 if is_accepted else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Asks a RADIUS/TLS server whether a user may log in (Access-Request).")
    parser.add_argument("--server", default="localhost", help="name or address of the server (default: %(default)s)")
    parser.add_argument("--port", type=int, default=2083, help="TCP port (default: %(default)s)")
    parser.add_argument("--user", default="alice", help="User-Name (default: %(default)s)")
    parser.add_argument("--password", default="wonderland", help="User-Password (default: %(default)s)")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
