"""Fixtures: the server under test in a process of its own, and its certificates."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from under_test import HERE, ROOT, Certificates, Server, StartServer


@pytest.fixture(scope="session")
def certs() -> Certificates:
    """The development certificates."""
    base = ROOT / "certs"
    return Certificates(
        base=base,
        ca=base / "ca/ca.cert.pem",
        ca_key=base / "ca/ca.key.pem",
        server=base / "server/server.cert.pem",
        server_key=base / "server/server.key.pem",
        client=base / "client/client.cert.pem",
        client_key=base / "client/client.key.pem",
    )


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """For Python subprocesses: they import the pyradsec that the tests import, and write no keys unless told to."""
    spec = importlib.util.find_spec("pyradsec")
    assert spec is not None
    assert spec.origin is not None
    env = {name: value for name, value in os.environ.items() if name != "SSLKEYLOGFILE"}
    return {**env, "PYTHONPATH": str(Path(spec.origin).parents[1]), "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="session")
def new_server(certs: Certificates, environment: dict[str, str]) -> StartServer:
    """Starts server.py in a directory, with keywords of RadSecServer; `env` adds to its environment. To be ended."""

    def start(directory: Path, *, env: dict[str, str] | None = None, **settings: Any) -> Server:
        files = {"certfile": str(certs.server), "keyfile": str(certs.server_key), "ca_certfile": str(certs.ca)}
        args = [sys.executable, str(HERE / "server.py"), json.dumps({**files, **settings})]
        return Server(args, env={**environment, **(env or {})}, cwd=directory)

    return start


@pytest.fixture
def start_server(new_server: StartServer, tmp_path: Path) -> Iterator[StartServer]:
    """new_server() for one test, which ends every server that it started."""
    servers: list[Server] = []

    def start(**settings: Any) -> Server:
        servers.append(new_server(tmp_path, **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """A server with the development certificates and the defaults."""
    return start_server()
