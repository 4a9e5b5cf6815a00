"""Copies and pickles of packets: attributes, header and what was added, also of those that nobody has decoded yet."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from packets import AUTHENTICATOR, DICTIONARY, SECRET, attribute, octets, octets_v11, vendor

from pyradsec.dictionary import Dictionary
from pyradsec.packet import AcctPacket, AuthPacket, Packet, parse_packet

WAYS: list[Any] = [
    pytest.param(lambda made: made.copy(), id="copy()"),
    pytest.param(copy.copy, id="copy.copy"),
    pytest.param(copy.deepcopy, id="copy.deepcopy"),
    *(
        pytest.param(
            lambda made, protocol=protocol: pickle.loads(pickle.dumps(made, protocol)), id=f"pickle-{protocol}"
        )
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    ),
]
Way = Callable[[Any], Any]


class Mine(AuthPacket):
    """A class of a user's."""


@pytest.mark.parametrize("way", WAYS)
def test_a_packet_that_was_received(way: Way) -> None:
    raw = octets(1, attribute(1, b"bob") + vendor(9, b"\x01\x03a") + attribute(200, b"?"))
    got = parse_packet(raw, SECRET, DICTIONARY)
    twin = way(got)
    assert type(twin) is AuthPacket
    assert (twin.raw_packet, twin.authenticator, twin.id, twin.secret) == (raw, AUTHENTICATOR, 7, SECRET)
    assert twin["User-Name"] == ["bob"]
    assert twin["Cisco-AVPair"] == ["a"]
    assert twin[200] == [b"?"]
    assert twin == got
    assert [avp.offset for avp in twin.attributes()] == [avp.offset for avp in got.attributes()]
    assert twin.request_packet() == raw


@pytest.mark.parametrize("way", WAYS)
def test_a_packet_that_was_built(way: Way) -> None:
    made = Mine(dict=DICTIONARY, secret=SECRET, authenticator=AUTHENTICATOR, id=3, auth_type="chap", User_Name="bob")
    made["User-Password"] = "hunter2"
    made["Tunnel-Type:1"] = "VLAN"
    made.add_message_authenticator()
    made.source = ("192.0.2.1", 1812)
    twin = way(made)
    assert type(twin) is Mine
    assert (twin.auth_type, twin.source, twin.message_authenticator) == ("chap", ("192.0.2.1", 1812), True)
    assert twin.request_packet() == made.request_packet()
    assert twin.keys() == made.keys()


@pytest.mark.parametrize("way", WAYS)
def test_a_reply(way: Way) -> None:
    request = AcctPacket(secret=SECRET, dict=DICTIONARY, id=3)
    request.request_packet()
    answer = request.create_reply(MS_MPPE_Send_Key=b"key")
    twin = way(request.create_reply(packet=answer.reply_packet()))
    assert twin["MS-MPPE-Send-Key"] == [b"key"]
    assert (twin.request_authenticator, twin.original_code) == (request.authenticator, 4)
    assert request.verify_reply(twin)


@pytest.mark.parametrize("way", WAYS)
def test_a_packet_of_radius_1_1(way: Way) -> None:
    got = parse_packet(octets_v11(1, attribute(1, b"bob")), b"", DICTIONARY, 1)
    assert way(got).reply_packet() == octets_v11(1, attribute(1, b"bob"))


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_shared_but_octets(way: Way) -> None:
    dictionary = Dictionary(io.StringIO("ATTRIBUTE Box 241 extended\nATTRIBUTE Text 241.1 string\n"))
    made = Packet(packet=octets(2, attribute(241, b"\1a")), dict=dictionary)
    made.set_obfuscated("Text", "b")
    twin = way(made)
    twin[241][1].append(b"c")
    twin.set_obfuscated("Text", "d")
    assert made[241] == {1: [b"a"]}
    assert made._obfuscated == {"Text": ["b"]}


@pytest.mark.parametrize("way", WAYS)
def test_a_packet_without_dictionary(way: Way) -> None:
    twin = way(Packet(packet=octets(2, attribute(1, b"bob"))))
    assert not hasattr(twin, "dict")
    assert twin[1] == [b"bob"]
    assert way(AuthPacket()) == AuthPacket()


def test_the_dictionary_belongs_to_many() -> None:
    got = parse_packet(octets(1), SECRET, DICTIONARY)
    assert got.copy().dict is DICTIONARY
    assert copy.deepcopy(got).dict is DICTIONARY
    thawed = pickle.loads(pickle.dumps([got, got.copy()]))
    assert thawed[0].dict is thawed[1].dict


def test_what_was_added_is_copied_as_deep_as_was_asked() -> None:
    made = AuthPacket()
    made.notes = [1]  # type: ignore[attr-defined]
    made.me = made  # type: ignore[attr-defined]
    shallow, deep = copy.copy(made), copy.deepcopy(made)
    assert shallow.notes is made.notes  # type: ignore[attr-defined]
    assert deep.notes == [1]  # type: ignore[attr-defined]
    assert deep.notes is not made.notes  # type: ignore[attr-defined]
    assert deep.me is deep  # type: ignore[attr-defined]


def test_the_peer_is_a_connections() -> None:
    made = AuthPacket()
    made.peer = peer = object()  # type: ignore[assignment]
    assert made.copy().peer is peer
    assert copy.deepcopy(made).peer is peer
    assert pickle.loads(pickle.dumps(made)).peer is None
