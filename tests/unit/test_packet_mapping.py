"""A packet as programs use a mapping: dict's operations, and the arguments by the names that they have in pyrad2."""

from __future__ import annotations

import io
from typing import Any

import pytest

from pyradsec.dictionary import Dictionary
from pyradsec.packet import AuthPacket, Packet, StatusPacket

TEXT = """
ATTRIBUTE User-Name 1 string
ATTRIBUTE Reply-Message 18 string
ATTRIBUTE Tunnel-Type 64 integer has_tag
"""


def made(**attributes: Any) -> AuthPacket:
    return AuthPacket(
        id=7, secret=b"xyzzy", authenticator=bytes(range(16)), dict=Dictionary(io.StringIO(TEXT)), **attributes
    )


def test_arguments_by_their_names() -> None:
    packet = made()
    packet.add_attribute(key="User-Name", value="bob")
    assert packet.get(key="User-Name", failobj=None) == ["bob"]
    assert packet.get("Reply-Message", failobj=3) == 3
    assert packet.has_key(key="User-Name")
    assert packet.salt_decrypt(value=packet.salt_crypt(value=b"clear")) == b"clear"
    copy = made()
    copy.decode_packet(packet=packet.request_packet())
    assert copy == packet


@pytest.mark.parametrize(
    "call",
    [
        lambda packet: packet.get(),
        lambda packet: packet.get("User-Name", key="User-Name"),
        lambda packet: packet.get("User-Name", default=3),
        lambda packet: packet.add_attribute("User-Name"),
        lambda packet: packet.has_key(),
        lambda packet: packet.decode_packet(),
        lambda packet: packet.salt_crypt(b"x", b"y"),
        lambda packet: packet.create_reply(2),
    ],
)
def test_wrong_arguments(call: Any) -> None:
    with pytest.raises(TypeError):
        call(made())


def test_a_status_packet_takes_the_code_of_its_reply_first() -> None:
    status = StatusPacket(id=7, secret=b"xyzzy", authenticator=bytes(range(16)), dict=Dictionary(io.StringIO(TEXT)))
    reply = status.create_reply(5, User_Name="bob")
    assert (reply.code, reply["User-Name"]) == (5, ["bob"])
    with pytest.raises(TypeError, match="code twice"):
        status.create_reply(5, code=5)
    with pytest.raises(TypeError):
        status.create_reply(5, 5)


def test_a_list_without_values_is_there() -> None:
    packet = made()
    packet["User-Name"] = []
    assert "User-Name" in packet
    assert packet["User-Name"] == packet.get("User-Name") == packet.pop("User-Name") == []
    packet["Tunnel-Type"] = []
    assert "Tunnel-Type:1" not in packet
    assert packet.get("Tunnel-Type:1") is None


def test_update_copies_what_another_packet_holds() -> None:
    other, packet = made(User_Name="bob", **{"Tunnel-Type:1": 13}), made()
    packet.update(other)
    packet.add_attribute("User-Name", "eve")
    assert other["User-Name"] == ["bob"]
    assert packet["User-Name"] == ["bob", "eve"]
    assert packet["Tunnel-Type:1"] == [13]


def test_update_takes_what_dict_takes() -> None:
    class Keyed:
        def keys(self) -> list[str]:
            return ["User-Name"]

        def __getitem__(self, key: str) -> str:
            return f"value of {key}"

    packet = made()
    packet.update(Keyed())  # type: ignore[arg-type]
    packet |= {"Reply-Message": "hello"}
    assert dict(packet) == {"User-Name": ["value of User-Name"], "Reply-Message": ["hello"]}
    assert list(reversed(packet)) == [18, 1]


def test_a_packet_in_itself_has_a_repr() -> None:
    packet = Packet()
    packet[5] = packet
    assert "..." in repr(packet)
