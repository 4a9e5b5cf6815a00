"""Fixtures for tests of a running server; serving.py and wire.py have what they are made of."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from authority import Authority
from serving import LoopFactory, Running, serving

from wire import Peer


def _loops() -> list[Any]:
    try:
        import uvloop
    except ImportError:
        missing = pytest.mark.skip(reason="uvloop is not installed")
        return [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(None, id="uvloop", marks=missing)]
    uvloop.new_event_loop().close()  # libuv keeps a pipe for the process from its first loop on
    return [
        pytest.param(asyncio.new_event_loop, id="asyncio"),
        pytest.param(uvloop.new_event_loop, id="uvloop"),
    ]


@pytest.fixture(scope="session", autouse=True)
def _look_at_new_objects_only() -> None:
    """Every test here looks for garbage several times: what is there before the first one, of other tests too, need not
    be looked at again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=_loops())
def loop_factory(request: pytest.FixtureRequest) -> LoopFactory:
    """asyncio's event loop, then uvloop's."""
    factory: LoopFactory = request.param
    return factory


Serve = Callable[..., Running[Any]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serving() as a function: the server runs until the test ends, and is then looked at for what it left behind."""
    with ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(serving(*args, **kwargs))


@pytest.fixture
def running(serve: Serve) -> Running[Any]:
    """A Server with the defaults, on asyncio's loop."""
    return serve()


@pytest.fixture
def peer(running: Running[Any]) -> Peer:
    """A connection to `running`."""
    return running.connect()


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that no server here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger") / "ca", "a stranger")
