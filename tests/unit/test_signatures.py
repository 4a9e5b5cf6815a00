"""The constructors' arguments: names, order and defaults, which users pass by position and by name."""

from __future__ import annotations

import inspect
import ssl
from typing import Any

from pyradsec.radsec.client import RadSecClient
from pyradsec.radsec.server import RadSecServer
from pyradsec.radsec.v11 import RadiusVersion


def arguments(cls: Any, kind: Any) -> dict[str, Any]:
    signature = inspect.signature(cls.__init__)
    return {
        name: value.default for name, value in signature.parameters.items() if value.kind == kind and name != "self"
    }


def test_server() -> None:
    """TLS-1: TCP 2083."""
    assert list(arguments(RadSecServer, inspect.Parameter.POSITIONAL_OR_KEYWORD).items()) == [
        ("listen_address", "0.0.0.0"),
        ("listen_port", 2083),
        ("hosts", None),
        ("dictionary", None),
        ("verify_packet", False),
        ("certfile", "certs/server/server.cert.pem"),
        ("keyfile", "certs/server/server.key.pem"),
        ("ca_certfile", "certs/ca/ca.cert.pem"),
        ("verify_mode", ssl.CERT_REQUIRED),
        ("minimum_tls_version", ssl.TLSVersion.TLSv1_2),
        ("ciphers", None),
        ("allowed_client_fingerprints", None),
        ("connection_read_timeout", None),
        ("max_packets_per_connection", None),
        ("require_message_authenticator", False),
        ("require_eap_message_authenticator", True),
        ("enable_coa", True),
        ("enable_disconnect", True),
        ("radius_versions", (RadiusVersion.V1_0,)),
    ]
    assert arguments(RadSecServer, inspect.Parameter.KEYWORD_ONLY) == {
        "handshake_timeout": 10.0,
        "max_handshakes": 1024,
        "max_new_connections_per_s": None,
        "max_connections": ...,
        "max_connections_per_peer": None,
        "packet_timeout": 30.0,
        "max_in_flight": 256,
        "max_in_flight_total": 16384,
        "max_output": 1048576,
        "write_timeout": 30.0,
        "backlog": 1024,
        "reuse_port": False,
        "session_tickets": 0,
        "unknown_code": "ignore",
    }


def test_client() -> None:
    """TLS-1: TCP 2083, and the secret "radsec"."""
    assert list(arguments(RadSecClient, inspect.Parameter.POSITIONAL_OR_KEYWORD).items()) == [
        ("server", "127.0.0.1"),
        ("port", 2083),
        ("secret", b"radsec"),
        ("dict", None),
        ("retries", 3),
        ("timeout", 5),
        ("certfile", "certs/client/client.cert.pem"),
        ("keyfile", "certs/client/client.key.pem"),
        ("certfile_server", "certs/ca/ca.cert.pem"),
        ("check_hostname", True),
        ("minimum_tls_version", ssl.TLSVersion.TLSv1_2),
        ("ciphers", None),
        ("allowed_server_fingerprints", None),
        ("reuse_connection", True),
        ("reconnect_backoff", 0.25),
        ("radius_versions", (RadiusVersion.V1_0,)),
    ]
