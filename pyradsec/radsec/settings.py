"""The ranges of a server's settings."""

from __future__ import annotations

import math
import resource
import socket
from typing import Any

__all__ = ["check_settings", "default_max_connections"]

_MAX_CONNECTIONS = 10000
# Descriptors that are left for the rest of the process.
_SPARE_DESCRIPTORS = 256

# Settings in seconds; None is none.
_SECONDS = ("connection_read_timeout", "handshake_timeout", "packet_timeout", "write_timeout")
# Counts of at least so many; None is no limit.
_COUNTS = {
    "max_packets_per_connection": 1,
    "max_handshakes": 1,
    "max_connections": 1,
    "max_connections_per_peer": 1,
    "max_in_flight": 1,
    "max_in_flight_total": 1,
    "max_output": 32768,
}
_UNKNOWN_CODE = ("ignore", "protocol-error")


def default_max_connections() -> int:
    """10000, or less when the process may not have as many descriptors and 256 to spare."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return max(1, min(_MAX_CONNECTIONS, soft - _SPARE_DESCRIPTORS))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_seconds(name: str, value: Any) -> None:
    if value is None:
        return
    if not _is_number(value):
        raise TypeError(f"{name}: expected seconds or None, found {value!r}")
    if not 0 < value <= 1e9:
        raise ValueError(f"{name}: expected more than 0 s and at most 1e9 s, found {value!r}")


def _check_count(name: str, value: Any, least: int) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}: expected an int or None, found {value!r}")
    if not least <= value < 2**53:
        raise ValueError(f"{name}: expected {least} or more, found {value!r}")


def check_settings(server: Any) -> None:
    """TypeError or ValueError with the first setting of `server` that is out of range, what was expected and found."""
    for name in _SECONDS:
        _check_seconds(name, getattr(server, name))
    for name, least in _COUNTS.items():
        _check_count(name, getattr(server, name), least)
    rate = server.max_new_connections_per_s
    if rate is not None and not _is_number(rate):
        raise TypeError(f"max_new_connections_per_s: expected a number or None, found {rate!r}")
    if rate is not None and rate <= 0:
        raise ValueError(f"max_new_connections_per_s: expected more than 0, found {rate!r}")
    for name, most in (("listen_port", 65535), ("backlog", 2**31 - 1), ("session_tickets", 255)):
        value = getattr(server, name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{name}: expected an int, found {value!r}")
        if not 0 <= value <= most:
            raise ValueError(f"{name}: expected 0 to {most}, found {value!r}")
    if not isinstance(server.reuse_port, bool):
        raise TypeError(f"reuse_port: expected True or False, found {server.reuse_port!r}")
    if server.reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("reuse_port: expected False, this system has no SO_REUSEPORT; found True")
    if server.unknown_code not in _UNKNOWN_CODE:
        raise ValueError(f"unknown_code: expected 'ignore' or 'protocol-error', found {server.unknown_code!r}")
    require = server.require_message_authenticator
    if isinstance(require, str) and require != "access":
        raise ValueError(f"require_message_authenticator: expected True, False or 'access', found {require!r}")
