"""A server in a process of its own, for strace: prints its port, ends with its standard input. Argument: the loop."""

from __future__ import annotations

import asyncio
import sys

from serving import Server, settings_for_tests


async def main() -> None:
    async with Server(**settings_for_tests()) as server:
        print(server.addresses[0][1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    if sys.argv[1] == "uvloop":
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    else:
        runner = asyncio.Runner()
    with runner:
        runner.run(main())
