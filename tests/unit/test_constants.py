"""pyradsec.constants: numbers that are the protocol's, not ours."""

from __future__ import annotations

import subprocess
import sys
from enum import IntEnum

import pytest

from pyradsec import constants
from pyradsec._core import Attribute
from pyradsec.constants import (
    DATATYPES,
    AcctAuthentic,
    AcctStatusType,
    AcctTerminateCause,
    EAPPacketType,
    EAPType,
    ErrorCause,
    NASPortType,
    PacketType,
    ServiceType,
)
from pyradsec.dictionary import Dictionary
from pyradsec.packet import Packet


def test_package_names() -> None:
    import pyradsec

    assert pyradsec.__version__ == "0.1.0"
    assert pyradsec.__author__
    assert pyradsec.__url__.startswith("https://")


def test_package_imports_nothing_of_its_own() -> None:
    code = "import sys, pyradsec; print([name for name in sys.modules if name.startswith('pyradsec.')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout.strip() == "[]"


def test_packet_types() -> None:
    """RFC 3575 §2.1: the whole table, under the names that users write."""
    codes = {member.name: member.value for member in PacketType}
    assert sorted(codes.values()) == [*range(1, 14), *range(21, 35), *range(40, 46), 50, 51, 52, *range(250, 256)]
    assert {
        "AccessRequest": 1,
        "AccessAccept": 2,
        "AccessReject": 3,
        "AccountingRequest": 4,
        "AccountingResponse": 5,
        "AccessChallenge": 11,
        "StatusServer": 12,
        "StatusClient": 13,
        "DisconnectRequest": 40,
        "DisconnectACK": 41,
        "DisconnectNAK": 42,
        "CoARequest": 43,
        "CoAACK": 44,
        "CoANAK": 45,
        "IPAddressAllocate": 50,
        "IPAddressRelease": 51,
        "ProtocolError": 52,
    }.items() <= codes.items()


def test_error_causes() -> None:
    """COA-2: what is registered, and 510."""
    expected = {201, 202, *range(401, 408), *range(501, 511), 601}
    assert {member.value for member in ErrorCause} == expected
    assert ErrorCause(406) is ErrorCause.UnsupportedExtension
    assert ErrorCause(503) is ErrorCause.SessionContextNotFound
    assert ErrorCause(506) is ErrorCause.ResourcesUnavailable
    assert f"{ErrorCause.UnsupportedExtension}" == "406"


def test_eap() -> None:
    """RFC 3748 §4, §5, and the methods that IANA has registered since."""
    assert [member.value for member in EAPPacketType] == [1, 2, 3, 4, 5, 6]
    assert (EAPPacketType.REQUEST, EAPPacketType.RESPONSE) == (1, 2)
    assert (EAPPacketType.SUCCESS, EAPPacketType.FAILURE) == (3, 4)
    # 7 and 8 are allocated to nothing that has a name, 20 to nothing at all.
    assert {member.value for member in EAPType} == {*range(1, 57), 254, 255} - {7, 8, 20}
    assert {
        "IDENTITY": 1,
        "NAK": 3,
        "MD5_CHALLENGE": 4,
        "GTC": 6,
        "TLS": 13,
        "LEAP": 17,
        "SIM": 18,
        "TTLS": 21,
        "AKA": 23,
        "PEAP": 25,
        "MSCHAPV2": 26,
        "FAST": 43,
        "AKA_PRIME": 50,
        "PWD": 52,
        "TEAP": 55,
        "NOOB": 56,
        "EXPANDED": 254,
    }.items() <= {member.name: member.value for member in EAPType}.items()


# Where a dictionary shortens or lengthens the RFC's words.
ALIASES = {
    "ResidualContextRemoved": "ResidualSessionContextRemoved",
    "ProxyRequestNotRoutable": "RequestNotRoutable",
    "ProxyProcessingError": "OtherProxyProcessingError",
    "PortReinit": "PortReinitialized",
    "PortDisabled": "PortAdministrativelyDisabled",
    "LoginUser": "Login",
    "FramedUser": "Framed",
    "CallbackLoginUser": "CallbackLogin",
    "CallbackFramedUser": "CallbackFramed",
    "OutboundUser": "Outbound",
    "AdministrativeUser": "Administrative",
    "NASPromptUser": "NASPrompt",
}


@pytest.mark.parametrize(
    ("name", "enum", "registered"),
    [
        ("Acct-Status-Type", AcctStatusType, {1, 2, 3, *range(7, 16), 18, 19}),
        ("Acct-Authentic", AcctAuthentic, set(range(1, 5))),
        ("Acct-Terminate-Cause", AcctTerminateCause, set(range(1, 23))),
        ("Service-Type", ServiceType, set(range(1, 20))),
        ("NAS-Port-Type", NASPortType, set(range(37))),
        ("Error-Cause", ErrorCause, {201, 202, *range(401, 408), *range(501, 511), 601}),
    ],
)
def test_values_are_those_of_the_dictionary(name: str, enum: type[IntEnum], registered: set[int]) -> None:
    """RFC 2865 §5, RFC 2866 §5, RFC 5176 §3.5: all that is registered, under the shipped dictionary's names."""
    names: dict[int, set[str]] = {}
    for text, octets in Dictionary.default()[name].values.forward.items():
        word = text.replace("-", "").replace(".", "")
        names.setdefault(int.from_bytes(octets, "big"), set()).add(ALIASES.get(word, word))
    assert {member.value for member in enum} == registered
    for member in enum:
        assert member.name in names[member.value]


def test_a_member_is_its_number_in_a_packet() -> None:
    made = Packet(dict=Dictionary.default(), Acct_Status_Type=AcctStatusType.InterimUpdate)
    made["Service-Type"] = ServiceType.AuthorizeOnly
    assert made[40] == [bytes((0, 0, 0, 3))]
    assert made["Service-Type"] == ["Authorize-Only"]


def test_data_types_are_those_of_the_core() -> None:
    assert len(DATATYPES) == 21
    for name in DATATYPES:
        assert Attribute("Test", 1, name).type == name


def test_extended_attributes() -> None:
    assert frozenset({241, 242, 243, 244}) == constants.EXTENDED_ATTRIBUTE_TYPES
    assert frozenset({245, 246}) == constants.LONG_EXTENDED_ATTRIBUTE_TYPES
    assert constants.LONG_EXTENDED_MORE_FLAG == 0x80
    assert constants.EVS_EXTENDED_TYPE == 26
