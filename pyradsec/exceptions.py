"""The exceptions of the package. All but those of the RadSec modules derive from RadiusException."""

from __future__ import annotations


class RadiusException(Exception):
    """Base of what goes wrong with RADIUS itself: packets, dictionaries, servers, clients."""


class ServerPacketError(RadiusException):
    """A packet that a server has no use for: from an unknown host, of a wrong code, not to be answered."""


class Timeout(RadiusException):
    """No reply came, however often the request was sent."""


class PacketError(RadiusException):
    """Octets that are no valid packet, or a packet that does not make valid octets."""


class IdentifierExhausted(RadiusException):
    """All 256 identifiers towards a server are taken by requests that still wait for their replies."""


class ParseError(RadiusException):
    """A line of a dictionary that cannot be understood.

    `file` is the base name of the dictionary file (empty for a stream), `line` counts from 1.
    """

    def __init__(self, msg: str | None = None, *, file: str = "", line: int = -1) -> None:
        super().__init__(msg)
        self.msg = msg
        self.file = file
        self.line = line

    def __str__(self) -> str:
        text = "Parse error"
        if self.file != "" or self.line != -1:
            text = f"{self.file}({self.line}): {text}"
        return f"{text}: {self.msg}" if self.msg else text

    def __reduce__(self) -> tuple[object, ...]:
        # The place is keyword-only, so that Exception's own way of pickling would lose it.
        return (type(self), (self.msg,), {**self.__dict__})
