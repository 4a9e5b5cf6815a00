"""The server under test, in a process of its own, and the files it works with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from programs import Process

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Certificates:
    """Files of one CA, one server and one client, as they lie in `base`."""

    base: Path
    ca: Path
    ca_key: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


class Server(Process):
    """server.py: tells its port when it listens, each request that a handler saw, and stats() when asked."""

    def __init__(self, args: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        super().__init__(args, env=env, cwd=cwd)
        try:
            self.port = int(self.wait_until(lambda: self.said("listening"), "listening")[0]["port"])
        except BaseException:
            self.end()
            raise

    def said(self, event: str) -> list[dict[str, Any]]:
        """What it has told of one kind, oldest first."""
        with self._news:
            records = [json.loads(line) for line in self.stdout if line.startswith("{")]
        return [record for record in records if record["event"] == event]

    @property
    def seen(self) -> list[dict[str, Any]]:
        """The requests that reached a handler."""
        return self.said("request")

    def stats(self) -> dict[str, int]:
        """RadSecServer.stats(), now."""
        return self.wait_for_count("connections_accepted", 0)

    def wait_for_count(self, counter: str, least: int, timeout: float = 10.0) -> dict[str, int]:
        """stats() once a counter has come to `least`."""
        before = len(self.said("stats"))
        self.write_line(f"stats {counter} {least} {timeout:g}")
        stats: dict[str, int] = self.wait_until(lambda: self.said("stats")[before:], "stats()", timeout + 5)[0]["stats"]
        if stats[counter] < least:
            pytest.fail(
                f"{counter} is {stats[counter]}, expected {least} or more\n" + "\n".join(self.stderr[-50:]),
                pytrace=False,
            )
        return stats

    def wait_for_none(self, gauge: str, timeout: float = 10.0) -> None:
        """Until a gauge of stats() is 0."""
        deadline = time.monotonic() + timeout
        while (found := self.wait_for_count(gauge, 0)[gauge]) != 0:
            if time.monotonic() > deadline:
                pytest.fail(f"{gauge} is {found}, expected 0\n" + "\n".join(self.stderr[-50:]), pytrace=False)


# Starts a Server; see the fixtures new_server and start_server.
StartServer = Callable[..., Server]
