"""pyradsec.constants: numbers that are the protocol's, not ours."""

from __future__ import annotations

import subprocess
import sys

from pyradsec import constants
from pyradsec._core import Attribute
from pyradsec.constants import DATATYPES, EAPPacketType, EAPType, ErrorCause, PacketType


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
    assert {member.name: member.value for member in PacketType} == {
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
        "ProtocolError": 52,
    }


def test_error_causes() -> None:
    """COA-2."""
    expected = {201, 202, *range(401, 408), *range(501, 510), 601}
    assert {member.value for member in ErrorCause} == expected
    assert ErrorCause(406) is ErrorCause.UnsupportedExtension
    assert ErrorCause(503) is ErrorCause.SessionContextNotFound
    assert ErrorCause(506) is ErrorCause.ResourcesUnavailable
    assert f"{ErrorCause.UnsupportedExtension}" == "406"


def test_eap() -> None:
    assert (EAPPacketType.REQUEST, EAPPacketType.RESPONSE) == (1, 2)
    assert (EAPPacketType.SUCCESS, EAPPacketType.FAILURE) == (3, 4)
    assert (EAPType.IDENTITY, EAPType.MD5_CHALLENGE, EAPType.GTC) == (1, 4, 6)
    assert (EAPType.TLS, EAPType.TTLS, EAPType.PEAP, EAPType.MSCHAPV2, EAPType.TEAP) == (13, 21, 25, 26, 55)


def test_data_types_are_those_of_the_core() -> None:
    assert len(DATATYPES) == 21
    for name in DATATYPES:
        assert Attribute("Test", 1, name).type == name


def test_extended_attributes() -> None:
    assert frozenset({241, 242, 243, 244}) == constants.EXTENDED_ATTRIBUTE_TYPES
    assert frozenset({245, 246}) == constants.LONG_EXTENDED_ATTRIBUTE_TYPES
    assert constants.LONG_EXTENDED_MORE_FLAG == 0x80
    assert constants.EVS_EXTENDED_TYPE == 26
