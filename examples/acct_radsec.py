"""Tells a RADIUS/TLS server about a session: its start and its stop (Accounting-Request).

python examples/acct_radsec.py [--server localhost] [--port 2083] [--user alice] [--session 5f3e2d1c]
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

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
        for status in ("Start", "Stop"):
            request = client.create_acct_packet(
                User_Name=options.user,
                Acct_Session_Id=options.session,
                Acct_Status_Type=status,
                NAS_Identifier="example-nas",
            )
            reply = await client.send_packet(request)
            if reply is None:
                print(f"{status}: no reply: {client.last_error}")
                return 2
            print(f"{status}: acknowledged")
        return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Tells a RADIUS/TLS server about a session: its start and its stop (Accounting-Request)."
    )
    parser.add_argument("--server", default="localhost", help="name or address of the server (default: %(default)s)")
    parser.add_argument("--port", type=int, default=2083, help="TCP port (default: %(default)s)")
    parser.add_argument("--user", default="alice", help="User-Name (default: %(default)s)")
    parser.add_argument("--session", default="5f3e2d1c", help="Acct-Session-Id (default: %(default)s)")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
