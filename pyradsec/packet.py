"""RADIUS packets: a mapping of attributes with a header, read from octets and written to them (RFC 2865).

By name a packet gives and takes values (`packet["User-Name"]` is `["bob"]`), by number or storage key the octets
(`packet[1]` is `[b"bob"]`). What is received is decoded when it is asked for, attribute by attribute.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pyradsec import _core, tools
from pyradsec.constants import PacketType
from pyradsec.dictionary import Dictionary
from pyradsec.exceptions import PacketError
from pyradsec.radsec.v11 import RadiusVersion

__all__ = [
    "AcctPacket",
    "AuthPacket",
    "CoAPacket",
    "Dictionary",
    "Packet",
    "PacketError",
    "PacketImplementation",
    "PacketType",
    "RadiusVersion",
    "ReplyPacketT",
    "StatusPacket",
    "create_id",
    "parse_packet",
    "tools",
]

logger = logging.getLogger("pyradsec")

_CHAP_PASSWORD = 3
_CHAP_CHALLENGE = 60
_EAP_MESSAGE = 79
_MESSAGE_AUTHENTICATOR = 80
_NO_AUTHENTICATOR = bytes(16)
_MISSING = object()
# What a packet has beside its attributes and the peer.
_HEADER = (
    "raw_packet",
    "code",
    "id",
    "secret",
    "authenticator",
    "radius_version",
    "token",
    "request_authenticator",
    "original_code",
    "message_authenticator",
    "dict",
)
# Attributes that hold a password or a key under another name than `encrypt` tells, masked in repr().
_MASKED = frozenset({"User-Password", "CHAP-Password", "Tunnel-Password", "MS-CHAP-MPPE-Keys"})

_CONTAINERS = frozenset({"tlv", "extended", "long-extended"})

CURRENT_ID = secrets.randbelow(254) + 1
_id_lock = threading.Lock()


def create_id() -> int:
    """The next identifier, 0 to 255, counting up from a random one. Any thread."""
    global CURRENT_ID
    with _id_lock:
        CURRENT_ID = (CURRENT_ID + 1) % 256
        return CURRENT_ID


def _copied(value: Any) -> Any:
    """Dicts and lists of its own, as containers nest them."""
    if isinstance(value, dict):
        return {key: _copied(inside) for key, inside in value.items()}
    return list(value) if isinstance(value, list) else value


def _is_secret(key: Any, attributes: Mapping[Any, Any]) -> bool:
    return key in _MASKED or (key in attributes and attributes[key].encrypt != 0)


def _shown_value(value: Any, attributes: Mapping[Any, Any]) -> str:
    """A value or a container's dict as people may see it."""
    if not isinstance(value, dict):
        return repr(value)
    inside = (
        f"{key!r}: {'<hidden>' if _is_secret(key, attributes) else _shown_value(one, attributes)}"
        for key, one in value.items()
    )
    return "{" + ", ".join(inside) + "}"


class Packet(_core.PacketBase):
    """A RADIUS packet.

    code: packet code, 0 to 255 (RFC 2865 §4). id: Identifier, 0 to 255; None draws one from create_id().
    secret: the shared secret, bytes. authenticator: 16 octets or None; on a reply, its request's.
    radius_version: what it is serialised for.

    Further keywords: `dict`, the Dictionary that names are looked up in; `packet`, the octets of a received packet,
    from which code, id, authenticator and attributes are taken (PacketError when they are none);
    `message_authenticator`, True to sign; every other one is an attribute, `_` standing for `-`: `User_Name="bob"`.
    KeyError for a name that the dictionary does not know.

    A packet without attributes is false in a condition. It is not thread safe: one thread at a time.
    """

    def __init__(
        self,
        code: int = 0,
        id: int | None = None,
        secret: bytes = b"radsec",
        authenticator: bytes | None = None,
        radius_version: int = RadiusVersion.V1_0,
        **attributes: Any,
    ) -> None:
        self._setup(code, create_id() if id is None else id, secret, authenticator, radius_version, attributes)

    __hash__ = None  # type: ignore[assignment]  # mutable, as any mapping

    @staticmethod
    def create_authenticator() -> bytes:
        """16 random octets."""
        return secrets.token_bytes(16)

    @staticmethod
    def create_id() -> int:
        """A random identifier, 0 to 255."""
        return secrets.randbelow(256)

    if TYPE_CHECKING:

        def create_reply(self, **attributes: Any) -> Packet: ...

    # --- mapping ---

    def setdefault(self, key: Any, failobj: Any = None) -> Any:
        """packet[key], after packet[key] = failobj when there is none."""
        if key not in self:
            self[key] = failobj
        return self[key]

    def update(self, other: Mapping[Any, Any] | Iterable[tuple[Any, Any]] = (), /, **attributes: Any) -> None:
        """Assigns each key and value of a mapping or of pairs, then each keyword."""
        pairs = ((key, other[key]) for key in other) if isinstance(other, Mapping) else other
        for key, value in pairs:
            self[key] = value
        for key, value in attributes.items():
            self[key] = value

    def pop(self, key: Any, default: Any = _MISSING) -> Any:
        """Removes a key and gives what packet[key] gave. KeyError when it is missing and there is no default."""
        if key not in self:
            if default is _MISSING:
                raise KeyError(key)
            return default
        value = self[key]
        del self[key]
        return value

    def popitem(self, last: bool = True) -> tuple[Any, Any]:
        """Removes the last (or first) storage key and gives it with its octets. KeyError when there is none."""
        store = self._store()
        if not store:
            raise KeyError("the packet has no attributes")
        key = next(reversed(store)) if last else next(iter(store))
        return key, store.pop(key)

    def move_to_end(self, key: Any, last: bool = True) -> None:
        """Moves a storage key to the end, or to the front. KeyError when it is missing."""
        store = self._store()
        moved = {key: store.pop(key)}
        rest = {} if last else dict(store)
        if not last:
            store.clear()
        store.update(moved)
        store.update(rest)

    def copy(self) -> Any:
        """A packet of the same class with the same header and lists of its own."""
        made = type(self).__new__(type(self))
        made.__setstate__(self.__getstate__())
        made.peer = self.peer
        return made

    def __copy__(self) -> Any:
        return self.copy()

    def __getstate__(self) -> dict[str, Any]:
        """Header, attributes and what was added to the instance; not the peer, which is a connection's."""
        state = {name: getattr(self, name) for name in _HEADER if hasattr(self, name)}
        state["_obfuscated"] = _copied(self._obfuscated)
        return {"header": state, "store": _copied(self._store()), "more": dict(self.__dict__)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state["header"].items():
            setattr(self, name, value)
        self._store().clear()
        self._store().update(state["store"])
        self.__dict__.update(state["more"])

    def __repr__(self) -> str:
        attributes = ", ".join(f"{key!r}: {self._shown(key)}" for key in self._shown_keys())
        return f"<{type(self).__name__} {_core.code_name(self.code)} id={self.id} {{{attributes}}}>"

    def _shown_keys(self) -> list[Any]:
        return self.keys() if getattr(self, "dict", None) is not None else list(self)

    def _shown(self, key: Any) -> str:
        """The value of an attribute as people may see it: secrets masked, what does not decode in hex."""
        dictionary = getattr(self, "dict", None)
        attributes = dictionary.attributes if isinstance(dictionary, Dictionary) else {}
        if _is_secret(key, attributes) or (key not in attributes and key in (2, _CHAP_PASSWORD)):
            return "<hidden>"
        try:
            return _shown_value(self[key], attributes)
        except (KeyError, ValueError, PacketError):
            octets = dict(zip(self.keys(), self.values(), strict=True)).get(key, [])
            if key in attributes and attributes[key].type in _CONTAINERS:
                return "<malformed>"  # there may be a secret in there
            return "[" + ", ".join(f"0x{value.hex()}" for value in octets) + "]"

    # --- Message-Authenticator ---

    def has_message_authenticator(self) -> bool:
        """Whether the packet carries a Message-Authenticator or is to be signed with one."""
        return bool(self.message_authenticator) or _MESSAGE_AUTHENTICATOR in self

    def has_eap_message(self) -> bool:
        """Whether the packet carries EAP-Message (RFC 3579 §3.1)."""
        return _EAP_MESSAGE in self

    def add_message_authenticator(self) -> None:
        """Gives the packet a Message-Authenticator, behind the attributes it has; signed when it is serialised (RFC
        3579 §3.2). RADIUS/1.1 has none: nothing happens there (V11-3)."""
        if self.radius_version == RadiusVersion.V1_1:
            return
        self.message_authenticator = True
        self[_MESSAGE_AUTHENTICATOR] = [bytes(16)]

    def ensure_message_authenticator(self) -> None:
        """add_message_authenticator() unless there is one."""
        if self.radius_version != RadiusVersion.V1_1 and not self.has_message_authenticator():
            self.add_message_authenticator()

    def verify_message_authenticator(
        self,
        secret: bytes | None = None,
        original_authenticator: bytes | None = None,
        original_code: int | None = None,
    ) -> bool:
        """Whether the Message-Authenticator verifies over the octets received, or over those the packet would be
        sent as.

        `original_authenticator` and `original_code` belong to the request, when this is a reply; left out, the
        packet's own are taken. PacketError when there is none, more than one, or one that has not 16 octets.
        """
        raw = self.raw_packet
        if raw is None:
            is_request = self.code in (1, 4, 12, 40, 43)
            raw = self._encode_request() if is_request else self.reply_packet()
        return self._check_message_authenticator(
            raw,
            self.secret if secret is None else secret,
            self.authenticator if original_authenticator is None else original_authenticator,
            self.original_code if original_code is None else original_code,
        )

    def _check_message_authenticator(
        self, raw: bytes, secret: bytes, authenticator: bytes | None, original_code: int | None
    ) -> bool:
        if self.code in (4, 40, 43):
            authenticator = None
        if self.code == 5 and original_code != PacketType.StatusServer:
            # Nothing says which authenticator an Accounting-Response is signed with: implementations differ.
            return _core.check_message_authenticator(raw, None, secret) or (
                authenticator is not None and _core.check_message_authenticator(raw, authenticator, secret)
            )
        return _core.check_message_authenticator(raw, authenticator, secret)

    def require_valid_message_authenticator(
        self,
        secret: bytes | None = None,
        original_authenticator: bytes | None = None,
        original_code: int | None = None,
    ) -> None:
        """PacketError unless verify_message_authenticator() says yes."""
        if not self.verify_message_authenticator(secret, original_authenticator, original_code):
            raise PacketError(f"{_core.code_name(self.code)} id {self.id}: Message-Authenticator is invalid")

    # --- verification ---

    def verify_packet(self) -> bool:
        """Whether the Request Authenticator is the digest over the octets received (RFC 2866 §3, RFC 5176 §2.3).

        PacketError when nothing was received.
        """
        if self.radius_version == RadiusVersion.V1_1:
            return True
        return _core.check_request_authenticator(self._received(), self.secret)

    def verify_reply(self, reply: Packet, rawreply: bytes | None = None, enforce_ma: bool = False) -> bool:
        """Whether `reply` answers this request: same Identifier, Response Authenticator (RFC 2865 §3), and a valid
        Message-Authenticator where it has one. `rawreply`: its octets as received, its own `raw_packet` when left out.
        `enforce_ma`: a reply to an Access-Request has to have one.
        """
        if reply.id != self.id:
            return False
        raw = rawreply if rawreply is not None else reply.raw_packet
        if raw is None:
            raw = reply.reply_packet()
        authenticator = self.authenticator
        if authenticator is None or len(authenticator) != 16:
            return False
        try:
            if not _core.check_response_authenticator(raw, authenticator, self.secret):
                return False
            if reply.has_message_authenticator():
                return reply._check_message_authenticator(raw, self.secret, authenticator, self.code)
        except PacketError:
            return False
        return not (enforce_ma and self.code == PacketType.AccessRequest)

    def _received(self) -> bytes:
        if self.raw_packet is None:
            raise PacketError(f"{_core.code_name(self.code)} id {self.id}: nothing was received that could be verified")
        return self.raw_packet

    def _not_utf8(self, clear: bytes) -> str:
        logger.warning(
            "%s id %s: a password decodes to non-UTF-8 octets, most often a shared-secret mismatch",
            _core.code_name(self.code),
            self.id,
        )
        return clear.decode("utf-8", "ignore")


class AuthPacket(Packet):
    """An Access-Request, or a reply to one (RFC 2865 §4.1). `auth_type` says how a client authenticates: "pap"."""

    auth_type: str = "pap"

    def __init__(
        self,
        code: int = PacketType.AccessRequest,
        id: int | None = None,
        secret: bytes = b"",
        authenticator: bytes | None = None,
        auth_type: str = "pap",
        **attributes: Any,
    ) -> None:
        self.auth_type = auth_type
        version = attributes.pop("radius_version", RadiusVersion.V1_0)
        super().__init__(code, id, secret, authenticator, version, **attributes)

    def request_packet(self) -> bytes:
        """The octets to send, with a random Request Authenticator when there is none yet."""
        return self._encode_request()

    if TYPE_CHECKING:

        def create_reply(self, **attributes: Any) -> AuthPacket: ...

    pw_crypt = _core.PacketBase._pw_crypt
    pw_decrypt = _core.PacketBase._pw_decrypt

    def verify_auth_request(self) -> bool:
        """Whether what was received is an Access-Request with an authenticator that is not all zeros."""
        raw = self._received()
        return raw[0] == PacketType.AccessRequest and raw[4:20] != _NO_AUTHENTICATOR

    def verify_chap_passwd(self, userpwd: str | bytes) -> bool:
        """Whether `userpwd` is the password behind CHAP-Password (RFC 2865 §5.3, RFC 1994 §4.1).

        A str loses blanks at its ends. The challenge is CHAP-Challenge, else the Request Authenticator. False without a
        CHAP-Password of 17 octets.
        """
        values = self.get(_CHAP_PASSWORD)
        if not values or len(values[0]) != 17:
            return False
        password = userpwd.strip().encode() if isinstance(userpwd, str) else userpwd
        chap_id, digest = values[0][:1], values[0][1:]
        challenges = self.get(_CHAP_CHALLENGE)
        challenge = challenges[0] if challenges else self.authenticator
        if not challenges and self.radius_version == RadiusVersion.V1_1:
            raise PacketError("CHAP-Password without CHAP-Challenge in RADIUS/1.1")  # V11-4
        return _core.equal_octets(_core.md5(chap_id + password + (challenge or b"")), digest)


class AcctPacket(Packet):
    """An Accounting-Request or Accounting-Response (RFC 2866)."""

    def __init__(
        self,
        code: int = PacketType.AccountingRequest,
        id: int | None = None,
        secret: bytes = b"",
        authenticator: bytes | None = None,
        **attributes: Any,
    ) -> None:
        version = attributes.pop("radius_version", RadiusVersion.V1_0)
        super().__init__(code, id, secret, authenticator, version, **attributes)

    def request_packet(self) -> bytes:
        """The octets to send; the Request Authenticator is a digest over them, and set on the packet."""
        return self._encode_request()

    if TYPE_CHECKING:

        def create_reply(self, **attributes: Any) -> AcctPacket: ...

    def verify_acct_request(self) -> bool:
        """verify_packet()."""
        return self.verify_packet()


class CoAPacket(Packet):
    """A CoA-Request or Disconnect-Request, or a reply to one (RFC 5176)."""

    def __init__(
        self,
        code: int = PacketType.CoARequest,
        id: int | None = None,
        secret: bytes = b"",
        authenticator: bytes | None = None,
        **attributes: Any,
    ) -> None:
        version = attributes.pop("radius_version", RadiusVersion.V1_0)
        super().__init__(code, id, secret, authenticator, version, **attributes)

    def request_packet(self) -> bytes:
        """The octets to send; the Request Authenticator is a digest over them, and set on the packet."""
        return self._encode_request()

    if TYPE_CHECKING:

        def create_reply(self, **attributes: Any) -> CoAPacket: ...

    def verify_coa_request(self) -> bool:
        """verify_packet()."""
        return self.verify_packet()


class StatusPacket(Packet):
    """A Status-Server request (RFC 5997)."""

    def __init__(
        self,
        code: int = PacketType.StatusServer,
        id: int | None = None,
        secret: bytes = b"",
        authenticator: bytes | None = None,
        **attributes: Any,
    ) -> None:
        version = attributes.pop("radius_version", RadiusVersion.V1_0)
        super().__init__(code, id, secret, authenticator, version, **attributes)

    def request_packet(self) -> bytes:
        """The octets to send; they always carry a Message-Authenticator (PKT-14)."""
        self.ensure_message_authenticator()
        return self._encode_request()

    def verify_status_request(self) -> bool:
        """Whether what was received carries a valid Message-Authenticator."""
        if self.radius_version == RadiusVersion.V1_1:
            return True
        try:
            return self.verify_message_authenticator()
        except PacketError:
            return False


MutableMapping.register(_core.PacketBase)
_core.register_packet_types(Packet, AuthPacket, AcctPacket, CoAPacket, StatusPacket)

PacketImplementation: TypeAlias = AuthPacket | AcctPacket | CoAPacket | StatusPacket
ReplyPacketT = TypeVar("ReplyPacketT", bound=Packet)

_BY_CODE: dict[int, type[Packet]] = {
    1: AuthPacket,
    4: AcctPacket,
    5: AcctPacket,
    12: StatusPacket,
    40: CoAPacket,
    43: CoAPacket,
}


def parse_packet(
    data: bytes, secret: bytes, dictionary: Any, radius_version: int = RadiusVersion.V1_0
) -> PacketImplementation | Packet:
    """The packet in `data`, of the class for its code. PacketError when it is none."""
    if not data:
        raise PacketError("Packet header is corrupt: expected 20 octets or more, found none")
    cls = _BY_CODE.get(data[0], Packet)
    return cls(packet=bytes(data), secret=secret, dict=dictionary, radius_version=radius_version)
