"""Host: ports, a dictionary, and packets made with it."""

from __future__ import annotations

import socket
from typing import Any

from pyradsec.packet import AcctPacket, AuthPacket, CoAPacket, Packet, StatusPacket
from pyradsec.server import RemoteHost

__all__ = ["Host", "RemoteHost"]


class Host:
    """What clients and servers of UDP share: the three ports and the dictionary. Nothing is checked."""

    def __init__(self, authport: int = 1812, acctport: int = 1813, coaport: int = 3799, dict: Any = None) -> None:
        self.dict = dict
        self.authport = authport
        self.acctport = acctport
        self.coaport = coaport

    def create_packet(self, **args: Any) -> Packet:
        """A Packet with this host's dictionary; the arguments are Packet's."""
        return Packet(dict=self.dict, **args)

    def create_auth_packet(self, **args: Any) -> AuthPacket:
        """An Access-Request with this host's dictionary; the arguments are AuthPacket's."""
        return AuthPacket(dict=self.dict, **args)

    def create_acct_packet(self, **args: Any) -> AcctPacket:
        """An Accounting-Request with this host's dictionary; the arguments are AcctPacket's."""
        return AcctPacket(dict=self.dict, **args)

    def create_coa_packet(self, **args: Any) -> CoAPacket:
        """A CoA-Request with this host's dictionary; the arguments are CoAPacket's."""
        return CoAPacket(dict=self.dict, **args)

    def create_status_packet(self, **args: Any) -> StatusPacket:
        """A Status-Server request with this host's dictionary; the arguments are StatusPacket's."""
        return StatusPacket(dict=self.dict, **args)

    def send_packet(self, fd: socket.socket, pkt: Any) -> None:
        """Sends a request to `pkt.source`. OSError."""
        fd.sendto(pkt.request_packet(), pkt.source)

    def send_reply_packet(self, fd: socket.socket, pkt: Any) -> None:
        """Sends a reply to `pkt.source`. OSError."""
        fd.sendto(pkt.reply_packet(), pkt.source)
