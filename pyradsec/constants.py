"""Numbers of the protocol, as IANA has registered them: packet codes, EAP, values of attributes; and the data types of
dictionaries.

An IntEnum's member is its number: `reply["Error-Cause"] = ErrorCause.SessionContextNotFound` does.
"""

from __future__ import annotations

from enum import IntEnum


class PacketType(IntEnum):
    """Packet codes (IANA "RADIUS Packet Type Codes", RFC 3575 §2.1)."""

    AccessRequest = 1
    AccessAccept = 2
    AccessReject = 3
    AccountingRequest = 4
    AccountingResponse = 5
    AccountingStatus = 6
    PasswordRequest = 7
    PasswordAck = 8
    PasswordReject = 9
    AccountingMessage = 10
    AccessChallenge = 11
    StatusServer = 12
    StatusClient = 13
    ResourceFreeRequest = 21
    ResourceFreeResponse = 22
    ResourceQueryRequest = 23
    ResourceQueryResponse = 24
    AlternateResourceReclaimRequest = 25
    NASRebootRequest = 26
    NASRebootResponse = 27
    Reserved28 = 28
    NextPasscode = 29
    NewPin = 30
    TerminateSession = 31
    PasswordExpired = 32
    EventRequest = 33
    EventResponse = 34
    DisconnectRequest = 40
    DisconnectACK = 41
    DisconnectNAK = 42
    CoARequest = 43
    CoAACK = 44
    CoANAK = 45
    IPAddressAllocate = 50
    IPAddressRelease = 51
    ProtocolError = 52
    Experimental250 = 250
    Experimental251 = 251
    Experimental252 = 252
    Experimental253 = 253
    Reserved254 = 254
    Reserved255 = 255


class ErrorCause(IntEnum):
    """Values of Error-Cause, attribute 101 (RFC 5176 §3.5, RFC 5580, RFC 7930).

    2xx says that something was done and goes into an ACK; 4xx, 5xx and 601 say why nothing was, in a NAK or a
    Protocol-Error. All that the registry assigns, and 510, which draft-ietf-radext-deprecating-radius asks for; a
    number without a name here is sent and read as an int.
    """

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
    MissingMessageAuthenticator = 510
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
    """The Type field of EAP requests and responses (IANA "EAP Method Types").

    MSCHAPV2 is the method that everybody means, 26 (Microsoft); the other one under that name is 29 (Cisco).
    """

    IDENTITY = 1
    NOTIFICATION = 2
    NAK = 3
    MD5_CHALLENGE = 4
    OTP = 5
    GTC = 6
    RSA_PUBLIC_KEY = 9
    DSS_UNILATERAL = 10
    KEA = 11
    KEA_VALIDATE = 12
    TLS = 13
    DEFENDER_TOKEN = 14
    RSA_SECURID = 15
    ARCOT = 16
    LEAP = 17
    SIM = 18
    SRP_SHA1 = 19
    TTLS = 21
    REMOTE_ACCESS_SERVICE = 22
    AKA = 23
    THREECOM_WIRELESS = 24
    PEAP = 25
    MSCHAPV2 = 26
    MAKE = 27
    CRYPTOCARD = 28
    CISCO_MSCHAPV2 = 29
    DYNAMID = 30
    ROB = 31
    POTP = 32
    MS_AUTHENTICATION_TLV = 33
    SENTRINET = 34
    ACTIONTEC_WIRELESS = 35
    COGENT_BIOMETRICS = 36
    AIRFORTRESS = 37
    HTTP_DIGEST = 38
    SECURESUITE = 39
    DEVICECONNECT = 40
    SPEKE = 41
    MOBAC = 42
    FAST = 43
    ZLXEAP = 44
    LINK = 45
    PAX = 46
    PSK = 47
    SAKE = 48
    IKEV2 = 49
    AKA_PRIME = 50
    GPSK = 51
    PWD = 52
    EKE = 53
    PT_EAP = 54
    TEAP = 55
    NOOB = 56
    EXPANDED = 254
    EXPERIMENTAL = 255


class AcctStatusType(IntEnum):
    """Values of Acct-Status-Type, attribute 40 (RFC 2866 §5.1, RFC 2867)."""

    Start = 1
    Stop = 2
    InterimUpdate = 3
    AccountingOn = 7
    AccountingOff = 8
    TunnelStart = 9
    TunnelStop = 10
    TunnelReject = 11
    TunnelLinkStart = 12
    TunnelLinkStop = 13
    TunnelLinkReject = 14
    Failed = 15
    SubsystemOn = 18
    SubsystemOff = 19


class AcctAuthentic(IntEnum):
    """Values of Acct-Authentic, attribute 45: who authenticated the user (RFC 2866 §5.6)."""

    RADIUS = 1
    Local = 2
    Remote = 3
    Diameter = 4


class AcctTerminateCause(IntEnum):
    """Values of Acct-Terminate-Cause, attribute 49 (RFC 2866 §5.10, RFC 3580 §2.3)."""

    UserRequest = 1
    LostCarrier = 2
    LostService = 3
    IdleTimeout = 4
    SessionTimeout = 5
    AdminReset = 6
    AdminReboot = 7
    PortError = 8
    NASError = 9
    NASRequest = 10
    NASReboot = 11
    PortUnneeded = 12
    PortPreempted = 13
    PortSuspended = 14
    ServiceUnavailable = 15
    Callback = 16
    UserError = 17
    HostRequest = 18
    SupplicantRestart = 19
    ReauthenticationFailure = 20
    PortReinitialized = 21
    PortAdministrativelyDisabled = 22


class ServiceType(IntEnum):
    """Values of Service-Type, attribute 6 (RFC 2865 §5.6, RFC 5176 §3.2, RFC 5607, RFC 7499)."""

    Login = 1
    Framed = 2
    CallbackLogin = 3
    CallbackFramed = 4
    Outbound = 5
    Administrative = 6
    NASPrompt = 7
    AuthenticateOnly = 8
    CallbackNASPrompt = 9
    CallCheck = 10
    CallbackAdministrative = 11
    Voice = 12
    Fax = 13
    ModemRelay = 14
    IAPPRegister = 15
    IAPPAPCheck = 16
    AuthorizeOnly = 17
    FramedManagement = 18
    AdditionalAuthorization = 19


class NASPortType(IntEnum):
    """Values of NAS-Port-Type, attribute 61 (RFC 2865 §5.41, RFC 4603)."""

    Async = 0
    Sync = 1
    ISDN = 2
    ISDNV120 = 3
    ISDNV110 = 4
    Virtual = 5
    PIAFS = 6
    HDLCClearChannel = 7
    X25 = 8
    X75 = 9
    G3Fax = 10
    SDSL = 11
    ADSLCAP = 12
    ADSLDMT = 13
    IDSL = 14
    Ethernet = 15
    xDSL = 16
    Cable = 17
    WirelessOther = 18
    Wireless80211 = 19
    TokenRing = 20
    FDDI = 21
    WirelessCDMA2000 = 22
    WirelessUMTS = 23
    Wireless1XEV = 24
    IAPP = 25
    FTTP = 26
    Wireless80216 = 27
    Wireless80220 = 28
    Wireless80222 = 29
    PPPoA = 30
    PPPoEoA = 31
    PPPoEoE = 32
    PPPoEoVLAN = 33
    PPPoEoQinQ = 34
    xPON = 35
    WirelessXGP = 36


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
