"""Closing a server at once while its handlers are suspended and its peers go on sending."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from serving import Server, nothing_left, settings_for_tests

from wire import Peer, PeerGone, access_request

REQUESTS = [access_request(id=id) for id in range(32)]
ROUNDS = 3


class Waiting(Server):
    async def handle_access_request(self, packet: Any) -> Any:
        await asyncio.Event().wait()


def flood(address: tuple[str, int], is_over: threading.Event) -> None:
    """Sends the same requests again and again until the connection ends."""
    try:
        with Peer(address) as peer:
            while not is_over.is_set():
                peer.send_packed(*REQUESTS)
    except (OSError, PeerGone):
        pass  # the server was closed, as is wanted


@pytest.mark.parametrize("how", ["close", "cancelled twice"])
def test_closing_while_duplicates_arrive(how: str) -> None:
    """PKT-12: the I/O thread looks at suspended handlers' requests for every duplicate, up to its end."""

    async def main() -> None:
        for _ in range(ROUNDS):
            server = Waiting(**settings_for_tests())
            running = asyncio.ensure_future(server.run())
            while not server.addresses:
                await asyncio.sleep(0)
            is_over = threading.Event()
            threads = [threading.Thread(target=flood, args=(server.addresses[0], is_over)) for _ in range(2)]
            for thread in threads:
                thread.start()
            while server.stats()["duplicates"] < 1000:
                await asyncio.sleep(0)
            if how == "close":
                server._close_engine()
            else:
                running.cancel()
                await asyncio.sleep(0)
                running.cancel()
            is_over.set()
            await asyncio.gather(running, return_exceptions=True)
            for thread in threads:
                await asyncio.to_thread(thread.join)
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    with nothing_left():
        asyncio.run(main())
