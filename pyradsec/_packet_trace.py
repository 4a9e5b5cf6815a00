"""The wire trace: every packet that is decoded or encoded as one record of the log.

It is there for PYRADSEC_TRACE=1 together with PYRADSEC_TRACE_UNSAFE=1, both read once, when pyradsec.packet is
imported; "1", "true", "yes" and "on" are yes, in any case. Its records hold passwords: where they go has to be as well
guarded as the shared secrets. What the engine answers by itself (Status-Server, refused codes) never becomes a packet
and is not shown.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from pyradsec import _packet_text

if TYPE_CHECKING:
    from pyradsec.packet import Packet

logger = logging.getLogger("pyradsec")

_YES = frozenset({"1", "true", "yes", "on"})
_ARROWS = {"in": "<-", "out": "->"}
_WIDTH = 16


def is_wanted() -> bool:
    """Whether the environment asks for the trace; warns when it does, and when it does so by half."""
    if os.environ.get("PYRADSEC_TRACE", "").lower() not in _YES:
        return False
    if os.environ.get("PYRADSEC_TRACE_UNSAFE", "").lower() not in _YES:
        logger.warning(
            "PYRADSEC_TRACE is set without PYRADSEC_TRACE_UNSAFE: no packet is traced. Traced packets show passwords; "
            "set both where the log is as well guarded as the shared secrets"
        )
        return False
    logger.warning("PYRADSEC_TRACE: every packet goes to the log, with the passwords and keys in it")
    return True


def show(direction: str, packet: Packet, octets: bytes) -> None:
    """Logs a packet, `octets` being what was received ("in") or is to be sent ("out"). Whatever does not decode is
    shown as octets: tracing never fails a packet."""
    if not logger.isEnabledFor(logging.INFO):
        return
    try:
        logger.info("%s", "\n".join(_record(direction, packet, octets)))
    except Exception:
        logger.exception("A packet of %d octets could not be traced", len(octets))


def _record(direction: str, packet: Packet, octets: bytes) -> list[str]:
    seen = packet._over(octets)  # what is shown is what the octets say, and looking changes nothing about the packet
    lines = [f"{_ARROWS[direction]} {_packet_text.title(packet, octets)}"]
    lines += _packet_text.header(octets, packet.radius_version)
    lines += [f"    {line}" for line in _packet_text.attributes(seen, secrets=True)]
    lines += [f"    {line}" for line in _dump(octets)]
    return lines


def _dump(octets: bytes) -> list[str]:
    """The octets, 16 a line: place, hexadecimal digits, and what of them is ASCII."""
    lines = []
    for start in range(0, len(octets), _WIDTH):
        part = octets[start : start + _WIDTH]
        text = "".join([chr(octet) if 0x20 <= octet < 0x7F else "." for octet in part])
        lines.append(f"{start:04x}  {part.hex(' '):<{3 * _WIDTH - 1}}  {text}")
    return lines
