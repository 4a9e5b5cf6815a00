"""Every allocation of Python's fails in turn: MemoryError comes out, or nothing; no crash, no leak, nothing half-made.

One child process for each family of operations: this file is its program too.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from nomemory import in_child, needs_hook, settles, sweep

TYPES = """
ATTRIBUTE User-Name 1 string
ATTRIBUTE User-Password 2 string encrypt=1
ATTRIBUTE NAS-IP-Address 4 ipaddr
ATTRIBUTE NAS-Port 5 integer
ATTRIBUTE Service-Type 6 integer
ATTRIBUTE Class 25 octets
ATTRIBUTE Tunnel-Password 69 string has_tag,encrypt=2
ATTRIBUTE Tunnel-Type 64 integer has_tag
ATTRIBUTE Proxy-State 33 octets
ATTRIBUTE EAP-Message 79 octets concat
ATTRIBUTE Message-Authenticator 80 octets
ATTRIBUTE T-Signed 100 signed
ATTRIBUTE T-Short 101 short
ATTRIBUTE T-Byte 102 byte
ATTRIBUTE T-Integer64 103 integer64
ATTRIBUTE T-Date 104 date
ATTRIBUTE T-Ipv6 105 ipv6addr
ATTRIBUTE T-Prefix6 106 ipv6prefix
ATTRIBUTE T-Prefix4 107 ipv4prefix
ATTRIBUTE T-Combo 108 combo-ip
ATTRIBUTE T-Ifid 109 ifid
ATTRIBUTE T-Ether 110 ether
ATTRIBUTE T-Filter 111 abinary
VALUE Service-Type Login-User 1
VENDOR Some 9
BEGIN-VENDOR Some
ATTRIBUTE Some-Text 1 string
END-VENDOR Some
"""
VALUES: dict[str, tuple[str, Any, Any]] = {  # data type, a value, and another one
    "User-Name": ("string", "caf\u00e9 au lait, a name of some length", "x"),
    "NAS-IP-Address": ("ipaddr", "192.0.2.1", "192.0.2.2"),
    "NAS-Port": ("integer", 4294967295, "7"),
    "Service-Type": ("integer", "Login-User", 7),
    "Class": ("octets", b"\x00\x01", "0x0203"),
    "T-Signed": ("signed", -5, 6),
    "T-Short": ("short", 258, 3),
    "T-Byte": ("byte", 7, 8),
    "T-Integer64": ("integer64", 2**64 - 1, 1),
    "T-Date": ("date", 1700000000, 1),
    "T-Ipv6": ("ipv6addr", "2001:db8::1", "::"),
    "T-Prefix6": ("ipv6prefix", "2001:db8::/32", "::/0"),
    "T-Prefix4": ("ipv4prefix", "192.0.2.0/24", "10.0.0.0/255.0.0.0"),
    "T-Combo": ("combo-ip", "192.0.2.1", "::1"),
    "T-Ifid": ("ifid", "0011:2233:4455:6677", bytes(8)),
    "T-Ether": ("ether", "00:11:22:33:44:55", bytes(6)),
    "T-Filter": ("abinary", "action=accept dst=10.0.0.0/8", "delete"),
    "Some-Text": ("string", "vendor", "y"),
    "EAP-Message": ("octets", bytes(300), b"short"),
}
FAMILIES = ("codec", "parse", "read", "write", "map", "serialise", "reply", "verify", "hide")


# --- the child's side ---

Operation = tuple[str, Callable[[], object], Callable[[], object]]  # name, what is done, what must hold afterwards


def operations(family: str) -> Iterator[Operation]:
    from pyradsec import _core, tools
    from pyradsec.dictionary import Dictionary
    from pyradsec.packet import AcctPacket, AuthPacket, parse_packet

    dictionary = Dictionary(io.StringIO(TYPES))

    def request() -> AuthPacket:
        packet = AuthPacket(id=7, secret=b"radsec", authenticator=bytes(range(16)), dict=dictionary)
        for name, (_, value, _) in VALUES.items():
            packet[name] = value
        packet["User-Password"] = packet.pw_crypt("password")
        packet["Proxy-State"] = [b"one", b"two"]
        packet["Tunnel-Type:1"] = 13
        packet.add_message_authenticator()
        return packet

    packet = request()
    raw = packet.request_packet()
    received = parse_packet(raw, b"radsec", dictionary)

    def same() -> None:
        assert packet.request_packet() == raw

    if family == "codec":
        for name, (datatype, value, other) in VALUES.items():
            for given in (value, other):
                if given not in ("Login-User", bytes(300)):
                    octets = tools.encode_attr(datatype, given)
                    yield f"encode {name}", lambda t=datatype, v=given: tools.encode_attr(t, v), same
                    yield f"decode {name}", lambda t=datatype, v=octets: tools.decode_attr(t, v), same
    elif family == "parse":
        yield "parse", lambda: parse_packet(raw, b"radsec", dictionary), same
        yield "parse without a dictionary", lambda: parse_packet(raw, b"radsec", None), same
        yield "parse what is none", refused(lambda: parse_packet(raw[:-1], b"radsec", dictionary)), same
    elif family == "read":
        for name in [*VALUES, "User-Password", "Proxy-State", "Tunnel-Type", "Tunnel-Type:1"]:
            yield f"read {name}", lambda n=name: received[n], same
            yield f"first reading of {name}", lambda n=name: parse_packet(raw, b"radsec", dictionary)[n], same
    elif family == "write":
        for name, (_, value, other) in VALUES.items():
            written = AuthPacket(id=7, secret=b"radsec", authenticator=bytes(16), dict=dictionary, **{name: value})
            before = written.request_packet()
            written[name] = other
            after = written.request_packet()
            written[name] = value

            def whole(p: Any = written, b: bytes = before, a: bytes = after, n: str = name, v: Any = value) -> None:
                found = p.request_packet()
                assert found in (b, a), f"half-written: {found.hex()}"
                p[n] = v

            yield f"write {name}", lambda p=written, n=name, v=other: p.__setitem__(n, v), whole
            yield f"keyword {name}", lambda n=name, v=value: AuthPacket(dict=dictionary, **{n: v}), same
            added = AuthPacket(id=7, secret=b"radsec", authenticator=bytes(16), dict=dictionary)

            def few(p: Any = added, n: str = name) -> None:
                assert len(p.get(n, [])) <= 1
                if n in p:
                    del p[n]

            yield f"add {name}", lambda p=added, n=name, v=value: p.add_attribute(n, v), few
        tagged = AuthPacket(dict=dictionary, **{"Tunnel-Type:1": 13, "T-Byte": 1})
        tagged.add_attribute("Tunnel-Type:2", 3)

        def both() -> None:
            assert tagged["Tunnel-Type:1"] == [13]
            assert tagged["Tunnel-Type:2"] in ([3], [4])
            tagged["Tunnel-Type:2"] = 3

        yield "write a tag", lambda: tagged.__setitem__("Tunnel-Type:2", 4), both

        def first() -> None:
            assert tagged["Tunnel-Type:1"] == [13]
            tagged["Tunnel-Type:2"] = 3

        yield "delete a tag", lambda: tagged.__delitem__("Tunnel-Type:2"), first
        yield "write nonsense", refused(lambda: packet.__setitem__("NAS-Port", "nonsense")), same
        yield "write an unknown name", refused(lambda: packet.__setitem__("No-Such", 1)), same
    elif family == "map":
        yield "keys", lambda: received.keys(), same
        yield "items", lambda: received.items(), same
        yield "values", lambda: received.values(), same
        yield "iter", lambda: list(received), same
        yield "equal", lambda: received == packet, same
        yield "in", lambda: "User-Name" in received, same
        yield "dict", lambda: dict(received), same
        yield "delete", lambda: delete(parse_packet(raw, b"radsec", dictionary)), same
    elif family == "serialise":
        yield "request_packet", lambda: packet.request_packet(), same
        account = AcctPacket(id=7, secret=b"radsec", dict=dictionary, User_Name="bob")
        yield "request_packet of accounting", lambda: account.request_packet(), same
        yield "a whole request", request, same
        plain = AuthPacket(id=7, secret=b"radsec", authenticator=bytes(16), dict=dictionary, User_Password="clear")
        yield "request_packet that hides", lambda: plain.request_packet(), same
    elif family == "reply":
        yield "create_reply", lambda: received.create_reply(User_Name="bob", NAS_Port=7), same
        reply = received.create_reply(User_Name="bob", Tunnel_Password="word")
        yield "reply_packet", lambda: reply.reply_packet(), same
        yield "create and write", lambda: received.create_reply(User_Name="bob").reply_packet(), same
    elif family == "verify":
        yield "check_request", lambda: _core.check_request(raw, b"radsec", True, False, False, True), same
        yield "verify_message_authenticator", lambda: received.verify_message_authenticator(), same
        yield "verify_auth_request", lambda: received.verify_auth_request(), same
    elif family == "hide":
        hidden = packet.salt_crypt("word")
        yield "pw_crypt", lambda: packet.pw_crypt("password"), same
        yield "pw_decrypt", lambda: packet.pw_decrypt(packet[2][0]), same
        yield "salt_crypt", lambda: packet.salt_crypt("word"), same
        yield "salt_decrypt", lambda: packet.salt_decrypt(hidden), same


def refused(function: Callable[[], object]) -> Callable[[], None]:
    """What fails with or without memory."""
    from pyradsec.exceptions import PacketError

    def run() -> None:
        try:
            function()
        except (KeyError, TypeError, ValueError, PacketError):
            return
        raise AssertionError("was not refused")

    return run


def delete(packet: Any) -> None:
    del packet["User-Name"]


def fail(operation: Operation) -> int:
    """The operation with every allocation failing in turn; how many there are."""
    name, function, check = operation
    return sweep(name, function, lambda _number, _result, _outcome: check())


def child(family: str) -> None:
    total = 0
    for operation in operations(family):
        total += fail(operation)
        assert settles(lambda o=operation: fail(o)), f"{operation[0]} leaks"
    print(f"{total} allocations failed")


# --- the test's side ---


@needs_hook
@pytest.mark.parametrize("family", FAMILIES)
def test_every_allocation_fails(family: str) -> None:
    assert int(in_child(__file__, family).split()[0]) > 0


if __name__ == "__main__":
    child(sys.argv[1])
