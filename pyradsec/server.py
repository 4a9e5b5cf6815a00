"""What a server knows of its clients."""

from __future__ import annotations

from dataclasses import dataclass

from pyradsec.exceptions import ServerPacketError

__all__ = ["RemoteHost", "ServerPacketError"]


@dataclass
class RemoteHost:
    """A client of the server. Nothing is checked here; the server checks when the client connects.

    address: where it comes from, for people; the key in `hosts` is what counts.
    secret: the shared secret, bytes. For RADIUS/TLS it is b"radsec" unless another one was agreed (RFC 6614 §2.3).
    name: for people.
    authport, acctport, coaport: UDP ports, not used by RADIUS/TLS.
    """

    address: str
    secret: bytes
    name: str
    authport: int = 1812
    acctport: int = 1813
    coaport: int = 3799

    def __repr__(self) -> str:
        # The secret stays out of logs and tracebacks, whatever it is.
        size = f"{len(self.secret)} octets" if isinstance(self.secret, bytes) else type(self.secret).__name__
        return (
            f"RemoteHost(address={self.address!r}, secret=<{size}>, name={self.name!r}, "
            f"authport={self.authport!r}, acctport={self.acctport!r}, coaport={self.coaport!r})"
        )
