"""Python programs that run beside the tests, in processes of their own: for signals, forks, limits and exits."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyradsec

__all__ = ["read_until", "run_program", "running_program"]

# What every program below begins with: the server that the tests use, made without a word.
PREAMBLE = f"""
import asyncio, gc, os, signal, socket, ssl, sys, threading, time, warnings
from pyradsec import _core
from pyradsec.radsec.server import RadSecServer, RemoteHost

CERTS = {str(Path(__file__).resolve().parents[2] / "certs")!r}
FILES = {{
    "certfile": CERTS + "/server/server.cert.pem",
    "keyfile": CERTS + "/server/server.key.pem",
    "ca_certfile": CERTS + "/ca/ca.cert.pem",
}}
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
HOSTS = {{"127.0.0.1": RemoteHost("127.0.0.1", b"radsec", "localhost")}}


class Server(RadSecServer):
    async def handle_access_request(self, packet):
        return packet.create_reply()

    async def handle_accounting(self, packet):
        return packet.create_reply()

    async def start(self):
        await super().start()
        print("port", self.addresses[0][1], flush=True)


def make(cls=Server, **settings):
    return cls("127.0.0.1", 0, hosts=HOSTS, **FILES, **settings)

"""


def _command(source: str, options: Sequence[str]) -> list[str]:
    return [sys.executable, "-P", *options, "-c", PREAMBLE + textwrap.dedent(source)]


def _environment() -> dict[str, str]:
    # The package under test, wherever it was imported from.
    assert pyradsec.__file__ is not None
    environment = {**os.environ, "PYTHONPATH": str(Path(pyradsec.__file__).parents[1])}
    environment.pop("PYTHONDEVMODE", None)
    return environment


def run_program(source: str, *options: str, timeout: float = 40) -> subprocess.CompletedProcess[str]:
    """Runs `source`, after the preamble, to its end; `options` are the interpreter's."""
    return subprocess.run(
        _command(source, options),
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@contextmanager
def running_program(source: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`source` while it runs, with its output in pipes. It is killed at the end if it still runs then."""
    process = subprocess.Popen(
        _command(source, options),
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def read_until(process: subprocess.Popen[str], word: str) -> str:
    """The rest of the next line of output that begins with `word`; AssertionError at the end of output."""
    assert process.stdout is not None
    for line in process.stdout:
        first, _, rest = line.rstrip("\n").partition(" ")
        if first == word:
            return rest
    raise AssertionError(f"{word!r} was not printed: {process.stderr.read() if process.stderr else ''}")
