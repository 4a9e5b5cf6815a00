"""The example server, and a client that shows what a RADIUS server is asked and answers. See quickstart.sh."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from typing import Any

from server_radsec import ROOT, Server, make_server

from pyradsec import _core
from pyradsec.constants import PacketType
from pyradsec.radsec.client import RadSecClient

# What is sent, why, in words, and what is told of the reply.
Exchange = tuple[str, Any]


def requests(client: RadSecClient) -> list[Exchange]:
    """One request of each kind that a network access server sends."""
    session = {"Acct_Session_Id": "5f3e2d1c"}
    return [
        (
            "May alice log in, with the password wonderland?",
            client.create_auth_packet(User_Name="alice", User_Password="wonderland", message_authenticator=True),
        ),
        (
            "May alice log in, with the password looking-glass?",
            client.create_auth_packet(User_Name="alice", User_Password="looking-glass", message_authenticator=True),
        ),
        (
            "alice's session 5f3e2d1c has started.",
            client.create_acct_packet(User_Name="alice", Acct_Status_Type="Start", **session),
        ),
        ("Change session 5f3e2d1c: end it after 60 seconds.", client.create_coa_packet(Session_Timeout=60, **session)),
        ("End session 5f3e2d1c now.", client.create_coa_packet(code=PacketType.DisconnectRequest, **session)),
        ("Are you alive?", client.create_status_packet()),
    ]


ANSWERS = {
    PacketType.AccessAccept: "Yes.",
    PacketType.AccessReject: "No.",
    PacketType.AccountingResponse: "Noted.",
    PacketType.CoAACK: "Changed.",
    PacketType.DisconnectACK: "Ended.",
}


async def show(client: RadSecClient) -> bool:
    """Sends the requests and tells what comes back. Whether all were answered."""
    for question, request in requests(client):
        print(f"  client -> {_core.code_name(request.code):<20} {question}")
        before = time.perf_counter()
        reply = await client.send_packet(request)
        took_ms = (time.perf_counter() - before) * 1000
        if reply is None:
            print(f"  no reply: {client.last_error}")
            return False
        words = " ".join([ANSWERS.get(reply.code, ""), *(f'"{text}"' for text in reply.get("Reply-Message", []))])
        print(f"  client <- {_core.code_name(reply.code):<20} {words} ({took_ms:.1f} ms)\n")
    return True


async def serve_and_show(server: Server, once: bool) -> int:
    stop_wanted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop_wanted.set)
    async with server:
        address, port = server.addresses[0]
        print(f"\nserving RADIUS/TLS on {address} port {port}, with certificates for development only\n")
        client = RadSecClient(
            server=address,
            port=port,
            dict=server.dict,
            certfile=ROOT / "certs/client/client.cert.pem",
            keyfile=ROOT / "certs/client/client.key.pem",
            certfile_server=ROOT / "certs/ca/ca.cert.pem",
        )
        async with client:
            is_answered = await show(client)
        if is_answered and not once:
            print("serving until Ctrl-C; try, in another terminal:  .venv/bin/python examples/auth_radsec.py --help")
            await stop_wanted.wait()
            print("\nstopping")
    return 0 if is_answered else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="sh examples/quickstart.sh",
        description="Starts the example server and shows what RADIUS clients get from it.",
    )
    parser.add_argument("--port", type=int, default=2083, help="TCP port (default: %(default)s; 0: a free one)")
    parser.add_argument(
        "--once",
        action="store_true",
        default=os.environ.get("PYRADSEC_ONCE", "") not in ("", "0"),
        help="end after the exchanges instead of serving on (also: PYRADSEC_ONCE=1)",
    )
    options = parser.parse_args()
    try:
        return asyncio.run(serve_and_show(make_server("127.0.0.1", options.port), options.once))
    except OSError as error:
        print(f"{error.strerror or error}; --port 0 takes a free port", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
