"""Numbers of the protocol: packet codes, Error-Cause, EAP, data types of dictionaries."""

from __future__ import annotations

from enum import IntEnum


class PacketType(IntEnum):
    """Packet codes (IANA "RADIUS Packet Type Codes")."""

    AccessRequest = 1
    AccessAccept = 2
    AccessReject = 3
    AccountingRequest = 4
    AccountingResponse = 5
    AccessChallenge = 11
    StatusServer = 12
    StatusClient = 13
    DisconnectRequest = 40
    DisconnectACK = 41
    DisconnectNAK = 42
    CoARequest = 43
    CoAACK = 44
    CoANAK = 45
    ProtocolError = 52


class ErrorCause(IntEnum):
    """Values of Error-Cause, attribute 101 (RFC 5176 §3.5, RFC 5580, RFC 7930)."""

    ResidualSessionContextRemoved = 201
    InvalidEAPPacket = 202
    UnsupportedAttribute = 401
    MissingAttribute = 402
    NASIdentificationMismatch = 403
    InvalidRequest = 404
    UnsupportedService = 405
    UnsupportedExtension = 406
    InvalidAttributeValue = 407
    AdministrativelyProhibited = 501
    RequestNotRoutable = 502
    SessionContextNotFound = 503
    SessionContextNotRemovable = 504
    OtherProxyProcessingError = 505
    ResourcesUnavailable = 506
    RequestInitiated = 507
    MultipleSessionSelectionUnsupported = 508
    LocationInfoRequired = 509
    ResponseTooBig = 601


class EAPPacketType(IntEnum):
    """The Code field of an EAP packet (RFC 3748 §4, RFC 6696)."""

    REQUEST = 1
    RESPONSE = 2
    SUCCESS = 3
    FAILURE = 4
    INITIATE = 5
    FINISH = 6


class EAPType(IntEnum):
    """The Type field of EAP requests and responses (IANA "EAP Method Types")."""

    IDENTITY = 1
    NOTIFICATION = 2
    NAK = 3
    MD5_CHALLENGE = 4
    OTP = 5
    GTC = 6
    TLS = 13
    LEAP = 17
    SIM = 18
    TTLS = 21
    AKA = 23
    PEAP = 25
    MSCHAPV2 = 26
    FAST = 43
    PAX = 46
    PSK = 47
    SAKE = 48
    IKEV2 = 49
    AKA_PRIME = 50
    GPSK = 51
    PWD = 52
    EKE = 53
    TEAP = 55
    NOOB = 56
    EXPANDED = 254
    EXPERIMENTAL = 255


# Data types that an ATTRIBUTE of a dictionary may have.
DATATYPES = frozenset(
    {
        "string",
        "octets",
        "integer",
        "signed",
        "short",
        "byte",
        "integer64",
        "date",
        "ipaddr",
        "ipv6addr",
        "ipv6prefix",
        "ipv4prefix",
        "combo-ip",
        "ifid",
        "ether",
        "abinary",
        "tlv",
        "extended",
        "long-extended",
        "evs",
        "vsa",
    }
)

# Attributes with an extended type, and those that can also be fragmented (RFC 6929).
EXTENDED_ATTRIBUTE_TYPES = frozenset({241, 242, 243, 244})
LONG_EXTENDED_ATTRIBUTE_TYPES = frozenset({245, 246})
LONG_EXTENDED_MORE_FLAG = 0x80
EVS_EXTENDED_TYPE = 26
