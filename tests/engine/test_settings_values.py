"""The ranges of a server's settings: what is the least, what is refused, and that the refusal names the setting."""

from __future__ import annotations

import asyncio
import math
import resource
import socket
from typing import Any

import pytest
from serving import settings_for_tests

from pyradsec.radsec.server import RadSecServer
from pyradsec.radsec.v11 import RadiusVersion

SECONDS = ("connection_read_timeout", "handshake_timeout", "packet_timeout", "write_timeout")
COUNTS = {
    "max_packets_per_connection": 1,
    "max_handshakes": 1,
    "max_connections": 1,
    "max_connections_per_peer": 1,
    "max_in_flight": 1,
    "max_in_flight_total": 1,
    "max_output": 32768,
}
# Those without None; the greatest value that is taken.
INTEGERS = {"backlog": 2**31 - 1, "session_tickets": 255}


def make(**settings: Any) -> RadSecServer:
    return RadSecServer(**settings_for_tests(**settings))


def test_the_defaults_are_the_documented_ones() -> None:
    server = make()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert {name: getattr(server, name) for name in (*SECONDS, *COUNTS, *INTEGERS)} == {
        "connection_read_timeout": None,  # LIM-2: no default below a minute
        "handshake_timeout": 10.0,
        "packet_timeout": 30.0,
        "write_timeout": 30.0,
        "max_packets_per_connection": None,
        "max_handshakes": 1024,
        "max_connections": min(10000, soft - 256),
        "max_connections_per_peer": None,
        "max_in_flight": 256,
        "max_in_flight_total": 16384,
        "max_output": 1 << 20,
        "backlog": 1024,
        "session_tickets": 0,
    }
    assert server.max_new_connections_per_s is None
    assert server.unknown_code == "ignore"
    assert server.reuse_port is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, value) for name in SECONDS for value in (None, 1e-9, 1, 0.2, 1e9)],
        *[(name, value) for name, least in COUNTS.items() for value in (None, least, 2**53 - 1)],
        *[("max_new_connections_per_s", value) for value in (None, 0.001, 1, 1e6)],
        *[(name, value) for name, most in INTEGERS.items() for value in (0, 1, most)],
        ("reuse_port", True),
        ("unknown_code", "ignore"),
        ("unknown_code", "protocol-error"),
        ("require_message_authenticator", "access"),
    ],
)
def test_the_edges_of_the_ranges_are_taken(name: str, value: Any) -> None:
    assert getattr(make(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *[(name, value, ValueError) for name in SECONDS for value in (0, 0.0, -1, 1e9 + 1)],
        *[(name, value, TypeError) for name in SECONDS for value in ("1", True, math.inf, math.nan, b"1", [1])],
        *[(name, value, ValueError) for name, least in COUNTS.items() for value in (least - 1, -1, 2**53)],
        *[(name, value, TypeError) for name in COUNTS for value in (1.5, "1", True, math.inf)],
        *[("max_new_connections_per_s", value, ValueError) for value in (0, -0.5)],
        *[("max_new_connections_per_s", value, TypeError) for value in ("1", False, math.nan, math.inf)],
        *[(name, value, ValueError) for name, most in INTEGERS.items() for value in (-1, most + 1)],
        *[(name, value, TypeError) for name in INTEGERS for value in (None, 1.0, "1", True)],
        *[("reuse_port", value, TypeError) for value in (None, 1, 0, "yes")],
        *[("unknown_code", value, ValueError) for value in ("", "IGNORE", None, 52)],
        ("require_message_authenticator", "always", ValueError),
        ("radius_versions", (), ValueError),
        ("radius_versions", (RadiusVersion.V1_0, RadiusVersion.V1_1), ValueError),
        ("radius_versions", (RadiusVersion.V1_1,), ValueError),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(name: str, value: Any, expected: type[Exception]) -> None:
    with pytest.raises(expected, match=name):
        make(**{name: value})


@pytest.mark.parametrize("name", [*SECONDS, *COUNTS, "max_new_connections_per_s", *INTEGERS])
def test_a_value_assigned_later_is_checked_by_start(name: str) -> None:
    server = make()
    setattr(server, name, -1)
    with pytest.raises(ValueError, match=name):
        asyncio.run(server.start())
    assert server.addresses == []


def test_reuse_port_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    make(reuse_port=False)
    with pytest.raises(ValueError, match="reuse_port: .* no SO_REUSEPORT"):
        make(reuse_port=True)


def test_default_max_connections_leaves_descriptors_to_the_process() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
        assert make().max_connections == 1000 - 256
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        assert make().max_connections == 1
        assert make(max_connections=None).max_connections is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("backlog", [0, 2**31 - 1])
def test_every_backlog_listens(backlog: int) -> None:
    async def main() -> None:
        async with make(backlog=backlog) as server:
            _, writer = await asyncio.open_connection(*server.addresses[0])
            writer.close()
            await writer.wait_closed()

    asyncio.run(main())


def test_a_bad_fingerprint_is_refused_at_construction() -> None:
    """TLS-5: a pin with a slip of the pen must not become a pin that nobody matches."""
    for text in ("", "sha256:", "ab" * 31, "ab" * 33, "zz" * 32, "sha1:" + "ab" * 20):
        with pytest.raises(ValueError, match="fingerprint"):
            make(allowed_client_fingerprints=[text])


def test_fingerprints_are_kept_in_one_spelling() -> None:
    """TLS-5."""
    plain = "0123456789abcdef" * 4
    colons = ":".join(plain[i : i + 2] for i in range(0, 64, 2)).upper()
    spellings = [plain, f"sha256:{plain}", f"SHA256:{colons}", f"  {plain[:32]} {plain[32:]} "]
    assert make(allowed_client_fingerprints=spellings).allowed_client_fingerprints == {plain}
    assert make(allowed_client_fingerprints=[]).allowed_client_fingerprints == set()
    assert make().allowed_client_fingerprints is None
