"""Asks for a change of a session, then for its end (CoA-Request, Disconnect-Request).

python examples/coa_radsec.py [--server localhost] [--port 2083] [--session 5f3e2d1c]
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
        start = client.create_acct_packet(
            User_Name="alice", Acct_Session_Id=options.session, Acct_Status_Type="Start", NAS_Identifier="example-nas"
        )
        if await client.send_packet(start) is None:
            print(f"no reply: {client.last_error}")
            return 2
        failures = 0
        for what, code in (("change", PacketType.CoARequest), ("end", PacketType.DisconnectRequest)):
            request = client.create_coa_packet(code=code, Acct_Session_Id=options.session)
            reply = await client.send_packet(request)
            if reply is None:
                print(f"{what}: no reply: {client.last_error}")
                return 2
            is_done = reply.code in (PacketType.CoAACK, PacketType.DisconnectACK)
            failures += not is_done
            print(f"{what}: done" if is_done else f"{what}: refused, {reply.get('Error-Cause', ['no reason'])[0]}")
        return 1 if failures else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Asks for a change of a session, then for its end (CoA-Request, Disconnect-Request)."
    )
    parser.add_argument("--server", default="localhost", help="name or address of the server (default: %(default)s)")
    parser.add_argument("--port", type=int, default=2083, help="TCP port (default: %(default)s)")
    parser.add_argument("--session", default="5f3e2d1c", help="Acct-Session-Id (default: %(default)s)")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
