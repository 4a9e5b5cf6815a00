"""Asks a RADIUS/TLS server whether it is alive (Status-Server).

python examples/status_radsec.py [--server localhost] [--port 2083]
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
        reply = await client.send_packet(client.create_status_packet())
        if reply is None:
            print(f"no reply: {client.last_error}")
            return 2
        print("alive")
        return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Asks a RADIUS/TLS server whether it is alive (Status-Server).")
    parser.add_argument("--server", default="localhost", help="name or address of the server (default: %(default)s)")
    parser.add_argument("--port", type=int, default=2083, help="TCP port (default: %(default)s)")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
