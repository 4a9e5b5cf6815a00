"""Every allocation fails in turn while packets are parsed, read, changed and written: MemoryError, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from nomemory import needs_hook, sweep
from rich import rich_dictionary

from pyradsec.packet import AuthPacket, Packet

SECRET = b"xyzzy5461"
AUTHENTICATOR = bytes(range(16))
DICTIONARY = rich_dictionary()

FILLED: dict[str, Any] = {
    "User-Name": ["bob"],
    "User-Password": ["hunter2"],
    "Tlv-Int": [9, 8],
    "Tlv-Sub-Sub-Oct": [b"deep"],
    "Tlv-Pass": ["pass"],
    "Ext-Tlv-Oct": [b"x"],
    "Evs-Int": [3],
    "Evs-Long": [b"v" * 300],
    "Long-Oct": [b"l" * 300],
    "Plain-Tlv-Int": [4],
    "Plain-Key": [b"key"],
    "Pieces-Oct": [b"p" * 300],
    "EAP-Message": [b"e" * 300],
    "Ports": [1, 2, 3],
}


def filled() -> AuthPacket:
    made = AuthPacket(dict=DICTIONARY, secret=SECRET, authenticator=AUTHENTICATOR, id=1)
    for name, value in FILLED.items():
        made[name] = value
    return made


RAW = filled().reply_packet()


def parsed() -> Packet:
    return Packet(packet=RAW, secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY)


def reparsed() -> Packet:
    got = parsed()
    got.request_authenticator = got.authenticator
    return got


def obfuscated() -> AuthPacket:
    made = filled()
    made.set_obfuscated("Tlv-Str", "clear")
    made.set_obfuscated("User-Password", "other")
    return made


def read_all(got: Packet) -> list[Any]:
    return [
        got[name] for name in ("Tlv-Int", "Tlv", "Ext", "Long-Oct", "Evs-Long", "Pieces-Oct", "EAP-Message", "Ports")
    ]


def change(made: Packet) -> None:
    made["Tlv"] = {"Tlv-Int": [1, 2], 99: [b"x"], "Tlv-Sub": {"Tlv-Sub-Oct": b"y"}}
    made.add_attribute("Tlv", {"Tlv-Int": 3, 99: b"z"})
    made["Ext-Tlv-Oct"] = [b"a", b"b"]
    made.add_attribute("Evs-Int", 4)
    del made["Tlv-Sub-Oct"]
    del made["Long-Oct"]


def raw_containers() -> Packet:
    made = filled()
    made[101] = [b"\1\6\0\0\0\1", b"\2\3a"]
    made[245] = [b"\1\x80ab", b"\1\0cd"]
    return made


def malformed() -> Packet:
    made = filled()
    made[101] = [b"\1\6\0\0\0\1", b"\2\1a"]
    return made


def fails(got: Packet) -> None:
    try:
        got["Tlv"]
    except MemoryError:
        raise
    except Exception as error:
        if "Tlv: value 1" not in str(error):
            raise


OPERATIONS: list[tuple[str, Callable[[], Any], Callable[[Any], Any]]] = [
    ("parse", lambda: None, lambda _: len(parsed())),
    ("read", reparsed, read_all),
    ("keys", reparsed, lambda got: got.keys()),
    ("contains", reparsed, lambda got: ("Tlv-Sub-Sub-Oct" in got, "Plain-Tlv-Int" in got, "Ext-Str" in got)),
    ("change", filled, change),
    ("change what was received", reparsed, change),
    ("write", filled, lambda made: made.reply_packet()),
    ("write what was received", reparsed, lambda got: got.reply_packet()),
    ("obfuscated", obfuscated, lambda made: made.reply_packet()),
    ("set_obfuscated", filled, lambda made: made.set_obfuscated("Tlv-Str", "x")),
    ("containers as octets", raw_containers, lambda made: (made["Tlv"], made["Long-Oct"])),
    ("malformed", malformed, fails),
    ("copy", obfuscated, lambda made: made.copy()),
]


@needs_hook
@pytest.mark.parametrize(("prepare", "operate"), [one[1:] for one in OPERATIONS], ids=[one[0] for one in OPERATIONS])
def test_every_allocation_may_fail(prepare: Callable[[], Any], operate: Callable[[Any], Any]) -> None:
    target = [prepare()]

    def met(_number: int, _result: Any, _outcome: BaseException | None) -> None:
        target[0] = prepare()

    assert sweep("operation", lambda: operate(target[0]), met) > 0
    operate(prepare())
    assert dict(parsed().items()) == {**dict(filled().items()), **secrets_of(parsed())}


def secrets_of(got: Packet) -> dict[Any, Any]:
    """What is not stored as it is sent, or salted."""
    return {key: got[key] for key in (2, 101, (101, 4))}
