"""What the tests of the task that stands by share."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

from wire import Peer, accounting_request

EAGER = sys.version_info >= (3, 12)


def task_here() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


def kind_of_task() -> str:
    """Without looking at it: this reads none of its attributes."""
    return type(task_here()).__name__


def make_ready(peer: Peer) -> None:
    """The task is made when there is a first request for it. Without eager tasks it begins in the loop's next turn, and
    that request has another."""
    peer.ask(accounting_request(id=250))
    peer.ask(accounting_request(id=251))


def handler_tasks() -> list[Any]:
    """Whatever of them the garbage collector knows."""
    return [one for one in gc.get_objects() if type(one).__name__ in ("HandlerTask", "Handler")]


class Stubborn(asyncio.Future[int]):
    """Does not let itself be cancelled, and is done by and by."""

    def __init__(self) -> None:
        super().__init__()
        self.get_loop().call_later(0.01, self.set_result, 5)

    def cancel(self, msg: Any | None = None) -> bool:
        return False
