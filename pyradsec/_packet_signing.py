"""Message-Authenticator: packets that carry one, and the rules about who has to (RFC 3579 §3.2, RFC 5997 §3,
PKT-17)."""

from __future__ import annotations

from typing import Any

from pyradsec import _core
from pyradsec.constants import PacketType
from pyradsec.exceptions import PacketError
from pyradsec.radsec.v11 import RadiusVersion

MESSAGE_AUTHENTICATOR = 80
# Codes whose octets are those of a request; every other packet is serialised as a reply.
_REQUESTS = frozenset({1, 4, 12, 40, 43})
_EAP_MESSAGE = 79


def is_v11(packet: Any) -> bool:
    return bool(getattr(packet, "radius_version", RadiusVersion.V1_0) == RadiusVersion.V1_1)


def value_of(raw: bytes, number: int) -> int:
    """Where the value of the first attribute `number` starts in a packet's octets; 0 when there is none."""
    at = 20
    while at < len(raw):
        if raw[at] == number:
            return at + 2
        at += raw[at + 1]
    return 0


class SignedPacket(_core.PacketBase):
    """What the packet classes know about Message-Authenticator."""

    def has_message_authenticator(self) -> bool:
        """Whether the packet carries a Message-Authenticator or is to be signed with one (RFC 3579 §3.2)."""
        return bool(self.message_authenticator) or MESSAGE_AUTHENTICATOR in self

    def has_eap_message(self) -> bool:
        """Whether the packet carries EAP-Message (RFC 3579 §3.1)."""
        return _EAP_MESSAGE in self

    def ensure_message_authenticator(self) -> None:
        """add_message_authenticator() unless there is one, which is signed anew when the packet is serialised."""
        if is_v11(self):
            return
        if MESSAGE_AUTHENTICATOR in self:
            self.message_authenticator = True
        else:
            self.add_message_authenticator()

    def get_message_authenticator(self) -> bool | None:
        """Signs the packet as it is now: packet[80] is the digest from here on, and is computed anew when the packet is
        serialised. True; in RADIUS/1.1 nothing happens (V11-3). ValueError for a reply without authenticator,
        PacketError for what does not fit a packet, which is left unsigned then."""
        if is_v11(self):
            return self.message_authenticator
        before, flag = self.get(MESSAGE_AUTHENTICATOR), self.message_authenticator
        try:
            self.ensure_message_authenticator()
            raw = self._encode()
            at = value_of(raw, MESSAGE_AUTHENTICATOR)
            self[MESSAGE_AUTHENTICATOR] = [raw[at : at + 16]]
        except BaseException:
            if before is None:
                self._store().pop(MESSAGE_AUTHENTICATOR, None)
            self.message_authenticator = flag
            raise
        return self.message_authenticator

    def _encode(self) -> bytes:
        return self._encode_request() if self.code in _REQUESTS else self.reply_packet()

    def _encode_as_signed(self) -> bytes:
        """The octets to send, with the Message-Authenticator that is stored unless that is still to be computed."""
        raw = self._encode()
        stored = self.get(MESSAGE_AUTHENTICATOR)
        at = value_of(raw, MESSAGE_AUTHENTICATOR)
        if stored and len(stored[0]) == 16 and stored[0] != bytes(16):
            raw = raw[:at] + stored[0] + raw[at + 16 :]
        return raw

    def require_valid_message_authenticator(
        self,
        secret: bytes | None = None,
        original_authenticator: bytes | None = None,
        original_code: int | None = None,
    ) -> None:
        """PacketError unless verify_message_authenticator() says yes; the arguments are its."""
        try:
            is_valid = self.verify_message_authenticator(secret, original_authenticator, original_code)
        except (PacketError, ValueError, TypeError) as error:
            raise PacketError(f"{self._what()}: Message-Authenticator is invalid: {error}") from error
        if not is_valid:
            raise PacketError(f"{self._what()}: Message-Authenticator is invalid")

    def validate_message_authenticator_policy(
        self,
        *,
        require_message_authenticator: bool = False,
        require_eap_message_authenticator: bool = True,
    ) -> None:
        """PacketError for a request without the Message-Authenticator it has to have, or with one that is invalid.

        It has to be there on Status-Server (RFC 5997 §3), with `require_message_authenticator` on Access-Request, and
        with `require_eap_message_authenticator` on every packet with EAP-Message (RFC 3579 §3.2). In RADIUS/1.1 there
        is nothing to check (RFC 9765 §5.2).
        """
        if is_v11(self):
            return
        if self.has_message_authenticator():
            self.require_valid_message_authenticator()
        elif self.code == PacketType.StatusServer:
            raise PacketError(f"{self._what()}: Status-Server requires a Message-Authenticator, found none")
        elif require_message_authenticator and self.code == PacketType.AccessRequest:
            raise PacketError(f"{self._what()}: Message-Authenticator attribute is required, found none")
        elif require_eap_message_authenticator and self.has_eap_message():
            raise PacketError(f"{self._what()}: EAP-Message requires a Message-Authenticator, found none")

    def _what(self) -> str:
        """For messages: which packet it is."""
        return f"{_core.code_name(self.code)} id {self.id}"


def prepare_request_message_authenticator(pkt: Any, *, require_message_authenticator: bool = False) -> None:
    """Gives an Access-Request or a Status-Server the Message-Authenticator that it has to have: Status-Server always
    (RFC 5997 §3), Access-Request with EAP-Message (RFC 3579 §3.2) or when it is required.

    Other codes, RADIUS/1.1 and what is no packet are left alone.
    """
    code = getattr(pkt, "code", None)
    if is_v11(pkt) or code not in (PacketType.AccessRequest, PacketType.StatusServer):
        return
    if code == PacketType.StatusServer or require_message_authenticator or _says(pkt, "has_eap_message"):
        _says(pkt, "ensure_message_authenticator")


def prepare_reply_message_authenticator(
    request: Any,
    reply: Any,
    *,
    require_message_authenticator: bool = False,
    require_eap_message_authenticator: bool = True,
) -> None:
    """Gives a reply the Message-Authenticator that it has to have: when its request had one (PKT-17), when EAP-Message
    is in either and `require_eap_message_authenticator`, and on replies to an Access-Request when it is required.

    In RADIUS/1.1 there is none. A reply of None, or one that is no packet, is left alone.
    """
    if is_v11(request) or is_v11(reply):
        return
    if (
        (require_message_authenticator and getattr(request, "code", None) == PacketType.AccessRequest)
        or _says(request, "has_message_authenticator")
        or (
            require_eap_message_authenticator and (_says(request, "has_eap_message") or _says(reply, "has_eap_message"))
        )
    ):
        _says(reply, "ensure_message_authenticator")


def _says(pkt: Any, method: str) -> Any:
    """pkt.method(), None where there is no such method: servers are given objects that only look like packets."""
    asked = getattr(pkt, method, None)
    return asked() if asked is not None else None
