"""RADIUS packets: a mapping of attributes with a header, read from octets and written to them (RFC 2865).

By name a packet gives and takes values (`packet["User-Name"]` is `["bob"]`), by number or storage key the octets
(`packet[1]` is `[b"bob"]`). What is received is decoded when it is asked for, attribute by attribute.
"""

from __future__ import annotations

import copy
import hmac
import logging
import reprlib
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from pyradsec import _core, _packet_json, _packet_text, _packet_trace, tools
from pyradsec._core import AVP
from pyradsec._packet_signing import (
    MESSAGE_AUTHENTICATOR,
    SignedPacket,
    is_v11,
    prepare_reply_message_authenticator,
    prepare_request_message_authenticator,
    value_of,
)
from pyradsec.constants import PacketType
from pyradsec.dictionary import Dictionary
from pyradsec.exceptions import PacketError
from pyradsec.radsec.v11 import RadiusVersion

__all__ = [
    "AVP",
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
    "hmac_new",
    "parse_packet",
    "prepare_reply_message_authenticator",
    "prepare_request_message_authenticator",
    "random_generator",
    "tools",
]

logger = logging.getLogger("pyradsec")

_CHAP_PASSWORD = 3
_CHAP_CHALLENGE = 60
_MISSING = object()
_V1_0 = RadiusVersion.V1_0  # a look-up in an enumeration costs as much as the rest of a constructor
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
random_generator = secrets.SystemRandom()
CURRENT_ID = random_generator.randrange(1, 255)
_id_lock = threading.Lock()


def create_id() -> int:
    """The next identifier, 0 to 255, counting up from a random one. Any thread."""
    global CURRENT_ID
    _id_lock.acquire()  # `with` needs memory to let it go again
    try:
        CURRENT_ID = (CURRENT_ID + 1) % 256
        return CURRENT_ID
    finally:
        _id_lock.release()


def hmac_new(key: bytes, msg: bytes | None = None) -> hmac.HMAC:
    """An HMAC-MD5 keyed with `key` (RFC 2104), as Message-Authenticator takes it; `msg` is hashed at once."""
    return hmac.new(key, msg, digestmod="md5")


def _copied(stored: Any) -> Any:
    """The store's lists and dicts as new ones; the octets in them are shared."""
    if isinstance(stored, dict):
        return {key: _copied(value) for key, value in stored.items()}
    return list(stored) if isinstance(stored, list) else stored


def _pairs(other: Any) -> Iterable[tuple[Any, Any]]:
    """What update() takes, as dict.update() takes it. Nothing is shared with a packet."""
    if isinstance(other, Packet):
        return [(key, _copied(value)) for key, value in other.items()]
    if hasattr(other, "keys"):
        keys = other.keys()
        return [(key, other[key]) for key in keys]
    pairs: Iterable[tuple[Any, Any]] = other
    return pairs


class Packet(SignedPacket):
    """A RADIUS packet: a mapping of its attributes with a header (RFC 2865 §3).

        packet["User-Name"]         values by name: ["bob"]. KeyError when there is none
        packet["User-Name"] = "x"   replaces all values; add_attribute() appends
        packet["Tunnel-Type:1"]     with the tag 1 (RFC 2868 §3.1); written or deleted, other tags stay
        packet[1], packet[(9, 1)]   octets by number, or by vendor and number
        packet.attributes()         everything, one by one, in the order of the wire

    code: packet code, 0 to 255 (RFC 2865 §4). id: Identifier, 0 to 255; None draws one from create_id().
    secret: the shared secret, bytes. authenticator: 16 octets or None; on a reply, its request's.
    radius_version: what it is serialised for; V1_1 has a `token` of 4 octets, and no digests (RFC 9765).

    Further keywords: `dict`, the Dictionary that names are looked up in; `packet`, the octets of a received packet,
    from which code, id, authenticator and attributes are taken (PacketError when they are none);
    `message_authenticator`, True to sign; every other one is an attribute, `_` standing for `-`: `User_Name="bob"`.
    KeyError for a name that the dictionary does not know, TypeError for a secret or an authenticator that is not bytes.

    repr() is one line, str() an operator's view of many; both mask passwords and keys. Packets can be copied and
    pickled: a pickle holds the shared secret. A packet without attributes is false in a condition. It is not thread
    safe: one thread at a time.
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
        """Assigns each key and value of a mapping or of pairs, then each keyword. What another packet holds is copied
        octet by octet, tags and all."""
        for key, value in _pairs(other):
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
        item = key, store[key]
        del store[key]
        return item

    def __reversed__(self) -> Iterator[Any]:
        keys: Iterator[Any] = reversed(self._store())
        return keys

    def __ior__(self, other: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> Self:
        """packet |= other: update(other)."""
        self.update(other)
        return self

    def move_to_end(self, key: Any, last: bool = True) -> None:
        """Moves a storage key to the end, or to the front. KeyError when it is missing."""
        rest = dict(self._store())
        moved = {key: rest.pop(key)}
        self._take_store({**rest, **moved} if last else {**moved, **rest})

    def copy(self) -> Self:
        """A packet of the same class with the same header, peer and dictionary, and attributes of its own."""
        made = type(self).__new__(type(self))
        made.__setstate__(self.__getstate__())
        made.peer = self.peer
        return made

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """As copy(), and what was added to the instance is copied too. The dictionary is shared: it belongs to many."""
        made = self.copy()
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def __getstate__(self) -> dict[str, Any]:
        """Header, attributes and what was added to the instance; not the peer, which is a connection's."""
        state = {name: getattr(self, name) for name in _HEADER if hasattr(self, name)}
        state["_obfuscated"] = _copied(self._obfuscated)
        return {"header": state, "store": _copied(self._store()), "more": dict(self.__dict__)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state["header"].items():
            setattr(self, name, value)
        self._take_store(dict(state["store"]))
        self.__dict__.update(state["more"])

    # --- views ---

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        return _packet_text.line(self)

    def __str__(self) -> str:
        return _packet_text.lines(self)

    def to_dict(self, *, secrets: bool = False) -> dict[str, Any]:
        """The packet as dicts, lists, text and numbers that json.dumps() takes and from_dict() takes back.

        `{"code": 1, "code_name": "Access-Request", "id": 7, "authenticator": "0f…", "radius_version": "1.0", "token":
        null, "attributes": {"User-Name": ["bob"], "Tunnel-Type:1": ["VLAN"], "Class": ["0x01ff"], …}}`

        - A name has the tag behind it where there is one. An attribute without a name stands under its numbers:
          "Attr-200", "Attr-26.9.99" (vendor 9), "Attr-241.5.1" (the path in a container).
        - Text that begins with "0x" is octets in hexadecimal digits, always; text of that look is written so too.
        - What does not fit its data type stands under its numbers, octet by octet: nothing is lost.
        - Passwords, keys and answers to challenges are null. With `secrets` they are there, those that the shared
          secret uncovers in clear. The shared secret itself never is. EAP-Message is shown as it is.

        Raises what attributes() raises.
        """
        return _packet_json.to_dict(self, secrets)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, dict: Any = None, secret: bytes | None = None) -> Self:
        """The packet that to_dict() made `data` of, or that was written by hand: only `code` (or `code_name`) is
        needed.

        `dict` is the Dictionary that names are looked up in. `secret` is the shared secret, the class's own default
        when left out: passwords are hidden with it. Called on Packet it makes the class for the code, as parse_packet()
        does. What is null is left out. ValueError naming the field for data of another form; what a value's data type
        raises.
        """
        made: Self = _packet_json.from_dict(cls, data, dict, secret)
        return made

    # --- verification ---

    def verify_packet(self) -> bool:
        """Whether the Request Authenticator is the digest over the octets received (RFC 2866 §3, RFC 5176 §2.3).

        RADIUS/1.1 has none: True. PacketError when nothing was received.
        """
        if is_v11(self):
            return True
        if self.raw_packet is None:
            raise PacketError(f"{self._what()}: nothing was received that could be verified")
        return _core.check_request_authenticator(self.raw_packet, self.secret)

    def verify_reply(self, reply: Packet, rawreply: bytes | None = None, enforce_ma: bool = False) -> bool:
        """Whether `reply` answers this request: same Identifier, Response Authenticator (RFC 2865 §3), and a valid
        Message-Authenticator where it has one. In RADIUS/1.1: the same token (RFC 9765 §4.1).

        `rawreply`: its octets as received, its own `raw_packet` when left out. `enforce_ma`: a reply to an
        Access-Request has to have a Message-Authenticator.
        """
        if is_v11(self):
            return self.token is not None and reply.token == self.token
        if reply.id != self.id or self.authenticator is None:
            return False
        raw = rawreply if rawreply is not None else reply.raw_packet
        if raw is None:
            raw = reply.reply_packet()
        try:
            _core.check_packet(raw)
            digest = _core.md5(raw[:4] + self.authenticator + raw[20:] + self.secret)
            if not _core.equal_octets(digest, raw[4:20]):
                return False
            if value_of(raw, MESSAGE_AUTHENTICATOR):
                return reply._check_message_authenticator(raw, self.secret, self.authenticator, self.code)
        except PacketError:
            return False
        return not (enforce_ma and self.code == PacketType.AccessRequest)

    def _not_utf8(self, clear: bytes) -> str:
        logger.warning(
            "%s: a password decodes to non-UTF-8 octets, most often a shared-secret mismatch",
            self._what(),
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
        if auth_type != self.auth_type:
            self.auth_type = auth_type
        self._setup(code, create_id() if id is None else id, secret, authenticator, _V1_0, attributes)

    def request_packet(self) -> bytes:
        """The octets to send, 20 to 4096, with a random Request Authenticator when there is none yet (RFC 2865 §3).

        In RADIUS/1.1 with the token, and PacketError without one. PacketError for what does not fit a packet,
        ValueError for a code or id out of 0 to 255.
        """
        return self._encode_request()

    if TYPE_CHECKING:

        def create_reply(self, **attributes: Any) -> AuthPacket: ...

    def pw_crypt(self, password: str | bytes) -> bytes:
        """The octets of a User-Password: padded to a multiple of 16 octets and hidden with the secret and the
        authenticator (RFC 2865 §5.2), which is made when there is none. In RADIUS/1.1 nothing is hidden (RFC 9765
        §5.1.1)."""
        return self._pw_crypt(password)

    def pw_decrypt(self, password: bytes) -> str:
        """The clear text of a User-Password's octets (RFC 2865 §5.2), without trailing NULs.

        Octets that are not UTF-8, most often because the shared secrets differ, are logged as a warning and decoded
        with what is valid. In RADIUS/1.1 the octets are the clear text.
        """
        return self._pw_decrypt(password)

    verify_auth_request = _core.PacketBase._verify_auth_request

    def verify_chap_passwd(self, userpwd: str | bytes) -> bool:
        """Whether `userpwd` is the password behind CHAP-Password (RFC 2865 §5.3, RFC 1994 §4.1).

        A str loses blanks at its ends. The challenge is CHAP-Challenge, else the Request Authenticator, which
        RADIUS/1.1 has not: PacketError there (RFC 9765 §5.1.2). False without a CHAP-Password of 17 octets or a
        challenge.
        """
        values = self.get(_CHAP_PASSWORD)
        if not values or len(values[0]) != 17:
            return False
        password = userpwd.strip().encode() if isinstance(userpwd, str) else userpwd
        chap_id, digest = values[0][:1], values[0][1:]
        challenges = self.get(_CHAP_CHALLENGE)
        challenge = challenges[0] if challenges else self.authenticator
        if not challenges and is_v11(self):
            raise PacketError(f"{self._what()}: CHAP-Password without CHAP-Challenge in RADIUS/1.1")  # V11-4
        if challenge is None:
            return False
        return _core.equal_octets(_core.md5(chap_id + password + challenge), digest)


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
        self._setup(code, create_id() if id is None else id, secret, authenticator, _V1_0, attributes)

    def request_packet(self) -> bytes:
        """The octets to send, 20 to 4096; the Request Authenticator is a digest over them, and set on the packet (RFC
        2866 §3, RFC 5176 §2.3). In RADIUS/1.1 with the token instead. Raises what AuthPacket.request_packet() does."""
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
        self._setup(code, create_id() if id is None else id, secret, authenticator, _V1_0, attributes)

    def request_packet(self) -> bytes:
        """The octets to send, 20 to 4096; the Request Authenticator is a digest over them, and set on the packet (RFC
        2866 §3, RFC 5176 §2.3). In RADIUS/1.1 with the token instead. Raises what AuthPacket.request_packet() does."""
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
        self._setup(code, create_id() if id is None else id, secret, authenticator, _V1_0, attributes)

    def request_packet(self) -> bytes:
        """The octets to send, 20 to 4096; they always carry a Message-Authenticator (RFC 5997 §3), but in RADIUS/1.1.
        Raises what AuthPacket.request_packet() does."""
        self.ensure_message_authenticator()
        return self._encode_request()

    def verify_status_request(self) -> bool:
        """Whether what was received carries a valid Message-Authenticator (RFC 5997 §3); in RADIUS/1.1 True."""
        try:
            return self.verify_message_authenticator()
        except PacketError:
            return False


MutableMapping.register(_core.PacketBase)
_core.register_packet_types(Packet, AuthPacket, AcctPacket, CoAPacket, StatusPacket)
if _packet_trace.is_wanted():
    _core.set_trace(_packet_trace.show)

PacketImplementation: TypeAlias = AuthPacket | AcctPacket | CoAPacket | StatusPacket
ReplyPacketT = TypeVar("ReplyPacketT", bound=Packet)

if TYPE_CHECKING:

    def parse_packet(
        data: tools.Octets, secret: bytes, dictionary: Any, radius_version: int = RadiusVersion.V1_0
    ) -> PacketImplementation | Packet: ...

else:
    parse_packet = _core.parse_packet
