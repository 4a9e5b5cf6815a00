"""What an event loop can do with tasks that wait a little, and nothing else: no socket, no packet.

    bare_loop.py [--loop {asyncio,uvloop}] [--tasks N] [--await-ms MS] [--warm S] [--seconds S]

Keeps N tasks going, a new one for each that ends, and prints one line of JSON: tasks per second and their CPU time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import Any

from serve import loop_factory


class BareLoop:
    """So many tasks at a time, each of them a wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop, await_s: float) -> None:
        self._loop = loop
        self._await_s = await_s
        self.done = 0
        self.is_over = False

    def start_one(self) -> None:
        self._loop.create_task(self._wait()).add_done_callback(self._next)

    async def _wait(self) -> None:
        await asyncio.sleep(self._await_s)

    def _next(self, task: asyncio.Task[None]) -> None:
        self.done += 1
        if not self.is_over:
            self.start_one()


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    bare = BareLoop(loop, options.await_ms / 1000)
    for _ in range(options.tasks):
        bare.start_one()
    await asyncio.sleep(options.warm)
    done, cpu, begin = bare.done, time.process_time(), time.perf_counter()
    await asyncio.sleep(options.seconds)
    done, cpu, passed = bare.done - done, time.process_time() - cpu, time.perf_counter() - begin
    bare.is_over = True
    return {
        "rate": done / passed,
        "server_cpu_us": cpu / done * 1e6,
        "server_busy": cpu / passed,
        "python": sys.version.split()[0],
        "loop": type(loop).__module__.partition(".")[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    parser.add_argument("--tasks", type=int, default=256)
    parser.add_argument("--await-ms", type=float, default=5.0)
    parser.add_argument("--warm", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory(options.loop)) as runner:
        print(json.dumps(runner.run(measure(options))))


if __name__ == "__main__":
    main()
