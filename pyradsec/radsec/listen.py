"""Listening sockets: from addresses as people write them to descriptors that the engine takes over."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["open_listeners"]

# With port 0 and several addresses, a port that one address got may be taken on another.
_COMMON_PORT_TRIES = 32

# A family and what bind() takes for it.
_Address = tuple[int, Any]


def _resolve(listen_address: str | Sequence[str] | None, port: int) -> list[_Address]:
    """Families and socket addresses, without duplicates. OSError names an address that does not resolve."""
    texts: Iterable[str | None]
    if listen_address is None or isinstance(listen_address, str):
        texts = [listen_address or None]
    else:
        texts = [text or None for text in listen_address]
    found: dict[_Address, None] = {}
    for text in texts:
        try:
            infos = socket.getaddrinfo(text, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except socket.gaierror as error:
            raise OSError(error.errno, f"listen_address {text!r}: {error.strerror}") from None
        for family, _, _, _, address in infos:
            if family in (socket.AF_INET, socket.AF_INET6):
                found[(family, address)] = None
    if not found:
        raise ValueError("listen_address: expected one address or more, found none")
    return list(found)


def _listen(family: int, address: Any, backlog: int, reuse_port: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # "::" is IPv6 only, as in asyncio, so that "0.0.0.0" can stand beside it.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise type(error)(error.errno, f"cannot listen on {address[0]} port {address[1]}: {error.strerror}") from None
    return sock


def _listen_all(addresses: list[_Address], backlog: int, reuse_port: bool) -> list[socket.socket]:
    """One socket an address. The first one's port serves all that ask for port 0."""
    with contextlib.ExitStack() as on_failure:
        sockets: list[socket.socket] = []
        port = 0
        for family, address in addresses:
            wanted = (address[0], address[1] or port, *address[2:])
            sock = _listen(family, wanted, backlog, reuse_port)
            on_failure.callback(sock.close)
            sockets.append(sock)
            port = port or sock.getsockname()[1]
        on_failure.pop_all()
        return sockets


def open_listeners(
    listen_address: str | Sequence[str] | None, port: int, backlog: int, reuse_port: bool
) -> list[socket.socket]:
    """Listening, non-blocking sockets on `port` of every address that `listen_address` stands for: text, a name,
    None or "" for all, or a list of these. Port 0 takes a free one, the same for all. With `reuse_port` other sockets
    that have it too, of the same user, may listen there, and the kernel gives each new connection to one of them
    (SO_REUSEPORT). OSError with the address."""
    addresses = _resolve(listen_address, port)
    # Without an IPv6 stack a wildcard still names "::": then the others are what there is.
    if not listen_address and len(addresses) > 1:
        addresses = [(family, address) for family, address in addresses if _has_family(family)]
    for _ in range(_COMMON_PORT_TRIES if port == 0 and len(addresses) > 1 else 1):
        try:
            return _listen_all(addresses, backlog, reuse_port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            in_use = error
    raise in_use


def _has_family(family: int) -> bool:
    try:
        socket.socket(family, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True
