"""Every allocation fails in turn while packets are shown, checked, answered, sent and changed as mappings.

What fails leaves the packet as it was, or changed in whole, and goes through afterwards; what comes through is right.
One child process for each family of operations: this file is its program too.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple

import pytest
from nomemory import in_child, needs_hook, settles, sweep
from rich import rich_dictionary

from pyradsec import _core, _packet_trace
from pyradsec import packet as packets
from pyradsec.packet import AcctPacket, AuthPacket, CoAPacket, Packet, parse_packet
from pyradsec.radsec.client import RadSecClient
from pyradsec.radsec.v11 import RadiusVersion

SECRET = b"xyzzy5461"
AUTHENTICATOR = bytes(range(16))
DICTIONARY = rich_dictionary()
ATTRIBUTES: dict[Any, Any] = {
    "User-Name": ["bob"],
    "Reply-Message": ["caf\u00e9 au lait, of some length", "0xab"],
    "NAS-Port": [7],
    "Tunnel-Type:1": [13],
    "Tlv-Int": ["Seven", 8],
    "Tlv-Sub-Sub-Oct": [b"deep"],
    "Ext-Tlv-Oct": [b"x"],
    "Evs-Int": [3],
    "Evs-Long": [b"v" * 300],
    "Long-Oct": [b"l" * 300],
    "Plain-Tlv-Int": [4],
    "Pieces-Oct": [b"p" * 300],
    "EAP-Message": [b"e" * 300],
    "Ports": [1, 2, 3],
    200: [b"\x00nameless"],
    (9, 1): [b"vendor"],
}
HEADER = (
    "code",
    "id",
    "secret",
    "authenticator",
    "radius_version",
    "token",
    "request_authenticator",
    "original_code",
    "message_authenticator",
    "raw_packet",
)


def request() -> AuthPacket:
    made = AuthPacket(id=7, secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY)
    for key, value in ATTRIBUTES.items():
        made[key] = value
    made["User-Password"] = made.pw_crypt("hunter2")
    made["Tlv-Pass"] = ["pass"]
    made.add_message_authenticator()
    return made


RAW = request().request_packet()
ACCOUNTING = AcctPacket(id=7, secret=SECRET, dict=DICTIONARY, User_Name="bob", NAS_Port=7).request_packet()
CHANGE = CoAPacket(id=7, secret=SECRET, dict=DICTIONARY, User_Name="bob", message_authenticator=True).request_packet()


def received() -> Any:
    return parse_packet(RAW, SECRET, DICTIONARY)


def accounting() -> Any:
    return parse_packet(ACCOUNTING, SECRET, DICTIONARY)


def change() -> Any:
    return parse_packet(CHANGE, SECRET, DICTIONARY)


def small() -> AuthPacket:
    made = AuthPacket(id=7, secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY, User_Name="bob", NAS_Port=7)
    made["Tlv-Int"] = [1, 2]
    made["Tunnel-Type:1"] = 13
    return made


def malformed() -> AuthPacket:
    made = small()
    made[101] = [b"\1\6\0\0\0\1", b"\2\1a"]
    made["NAS-Port"] = 7
    made[5] = [b"short"]
    return made


def octets_for_containers() -> AuthPacket:
    """Containers as they stand in a packet, not taken apart yet."""
    made = small()
    made[101] = [b"\1\6\0\0\0\1\1\6\0\0\0\2", b"\2\3a\3\6\1\4ab"]
    made[241] = [b"\1ab", b"\5\1\4cd"]
    made[245] = [b"\1\x80ab", b"\1\0cd"]
    return made


def signing() -> AuthPacket:
    return AuthPacket(id=7, secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY, User_Name="bob")


def with_chap() -> AuthPacket:
    made = signing()
    made[3] = [b"\1" + _core.md5(b"\1" + b"hunter2" + AUTHENTICATOR)]
    return made


def version_1_1() -> Packet:
    made = small()
    made.radius_version = RadiusVersion.V1_1
    made.token = b"\1\2\3\4"
    made.add_attribute("User-Password", "clear")
    return made


RAW_1_1 = version_1_1()._encode_request()


def received_1_1() -> Any:
    return parse_packet(RAW_1_1, SECRET, DICTIONARY, RadiusVersion.V1_1)


def both() -> tuple[Any, Any]:
    asked = signing()
    asked.add_message_authenticator()
    asked.request_packet()
    reply = asked.create_reply(User_Name="bob")
    reply.add_message_authenticator()
    return asked, parse_packet(reply.reply_packet(), SECRET, DICTIONARY)


def copied(stored: Any) -> Any:
    if isinstance(stored, dict):
        return [(key, copied(value)) for key, value in stored.items()]
    return list(stored) if isinstance(stored, list) else stored


def plain(result: Any) -> Any:
    """A result as what can be compared with another one of the same operation."""
    if isinstance(result, Packet):
        fields = [type(result)] + [getattr(result, name) for name in HEADER]
        return [*fields, copied(result._store()), copied(result._obfuscated), dict(result.__dict__)]
    if isinstance(result, _core.AVP):
        return (result.name, result.key, result.octets, result.tag, result.vendor, result.offset, result.is_secret)
    if isinstance(result, (list, tuple)):
        return [plain(one) for one in result]
    return result


class Operation(NamedTuple):
    """What is done with what was prepared. What a change gives is in the packet, so that may be lost."""

    name: str
    prepare: Callable[[], Any]
    operate: Callable[[Any], Any]


def views() -> Iterator[Operation]:
    for name, prepare in (("built", request), ("received", received), ("malformed", malformed), ("1.1", received_1_1)):
        yield Operation(f"repr {name}", prepare, repr)
        yield Operation(f"str {name}", prepare, str)
    yield Operation("attributes received", received, lambda got: got.attributes())
    yield Operation("attributes built", request, lambda made: made.attributes())
    yield Operation("obfuscated", obfuscated, lambda made: made.attributes())


def obfuscated() -> AuthPacket:
    made = small()
    made.set_obfuscated("Tlv-Str", "clear")
    made.set_obfuscated("Reply-Message", "other")
    return made


def items() -> Iterator[Operation]:
    for number, avp in enumerate(received().attributes()):
        yield Operation(f"repr {avp!r}", lambda n=number: received().attributes()[n], repr)
        yield Operation(f"value {avp!r}", lambda n=number: received().attributes()[n], lambda one: one.value)


def dicts() -> Iterator[Operation]:
    yield Operation("to_dict built", request, lambda made: made.to_dict(secrets=True))
    yield Operation("to_dict received", received, lambda got: got.to_dict())
    yield Operation("to_dict 1.1", received_1_1, lambda got: got.to_dict(secrets=True))
    data = request().to_dict(secrets=True)
    yield Operation("from_dict", lambda: data, lambda given: Packet.from_dict(given, dict=DICTIONARY, secret=SECRET))
    lone = received_1_1().to_dict(secrets=True)
    yield Operation(
        "from_dict 1.1", lambda: lone, lambda given: AuthPacket.from_dict({**given, "id": 1}, dict=DICTIONARY)
    )


def pickles() -> Iterator[Operation]:
    for name, prepare in (("built", request), ("received", received), ("obfuscated", obfuscated)):
        yield Operation(f"pickle {name}", plain_dict(prepare), pickled)
        written = pickle.dumps(plain_dict(prepare)())
        yield Operation(f"unpickle {name}", lambda w=written: w, pickle.loads)
        yield Operation(f"copy {name}", prepare, lambda made: made.copy())
    yield Operation("deepcopy", noted, lambda made: made.__deepcopy__({}))


def pickled(packet: Packet) -> bytes:
    try:
        return pickle.dumps(packet)
    except pickle.PicklingError as error:
        if "import of module" not in str(error):
            raise
        raise MemoryError from None  # pickle's own words for it


def noted() -> AuthPacket:
    made = small()
    made.note = ["mine"]  # type: ignore[attr-defined]
    return made


def plain_dict(prepare: Callable[[], Any]) -> Callable[[], Any]:
    """Without the dictionary, which is large."""

    def made() -> Any:
        packet = prepare()
        packet.dict = None
        return packet

    return made


def checks() -> Iterator[Operation]:
    yield Operation("verify_reply", both, lambda two: two[0].verify_reply(two[1]))
    yield Operation("verify_reply of octets", both, lambda two: two[0].verify_reply(two[1], two[1].raw_packet, True))
    yield Operation("verify_reply 1.1", received_1_1, lambda got: got.verify_reply(got))
    yield Operation("verify_message_authenticator", received, lambda got: got.verify_message_authenticator())
    yield Operation("verify_message_authenticator built", signed, lambda made: made.verify_message_authenticator())
    yield Operation("require_valid", received, lambda got: got.require_valid_message_authenticator())
    yield Operation("policy", received, lambda got: got.validate_message_authenticator_policy())
    yield Operation("verify_auth_request", received, lambda got: got.verify_auth_request())
    yield Operation("verify_acct_request", accounting, lambda got: got.verify_acct_request())
    yield Operation("verify_coa_request", change, lambda got: got.verify_coa_request())
    yield Operation("verify_packet", change, lambda got: got.verify_packet())
    yield Operation("pw_decrypt", received, lambda got: got.pw_decrypt(got[2][0]))
    yield Operation("verify_chap_passwd", with_chap, lambda made: made.verify_chap_passwd("hunter2"))
    salted = small().salt_crypt("x")
    yield Operation("salt_decrypt", small, lambda made: made.salt_decrypt(salted))


def signed() -> AuthPacket:
    made = signing()
    made.get_message_authenticator()
    return made


def signatures() -> Iterator[Operation]:
    yield Operation("add_message_authenticator", signing, lambda made: made.add_message_authenticator())
    yield Operation("ensure_message_authenticator", signed, lambda made: made.ensure_message_authenticator())
    yield Operation("get_message_authenticator", signing, lambda made: made.get_message_authenticator())
    yield Operation("get_message_authenticator twice", signed, lambda made: made.get_message_authenticator())
    yield Operation("prepare", signing, lambda made: packets.prepare_request_message_authenticator(made))
    yield Operation("request_packet", small, lambda made: made.request_packet())
    yield Operation("request_packet of accounting", fresh_accounting, lambda made: made.request_packet())
    yield Operation("request_packet of status", status, lambda made: made.request_packet())
    yield Operation("request_packet 1.1", version_1_1, lambda made: made._encode_request())
    yield Operation("reply_packet 1.1", received_1_1, lambda got: got.create_reply(User_Name="bob").reply_packet())


def fresh_accounting() -> AcctPacket:
    return AcctPacket(id=7, secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY, User_Name="bob")


def status() -> packets.StatusPacket:
    return packets.StatusPacket(id=7, secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY)


def replies() -> Iterator[Operation]:
    yield Operation("create_reply", received, lambda got: got.create_reply(User_Name="bob", NAS_Port=7))
    yield Operation("create_reply to accounting", accounting, lambda got: got.create_reply())
    yield Operation("create_reply to change", change, lambda got: got.create_reply(Reply_Message="done"))
    yield Operation("create_reply 1.1", received_1_1, lambda got: got.create_reply(User_Name="bob"))
    two = both()
    raw = two[1].raw_packet
    yield Operation("create_reply of octets", lambda: two[0], lambda asked: asked.create_reply(packet=raw))
    yield Operation("parse_packet", lambda: RAW, lambda given: parse_packet(given, SECRET, DICTIONARY))
    yield Operation("parse_packet 1.1", lambda: RAW_1_1, lambda _: received_1_1())
    yield Operation("decode_packet", small, lambda made: made.decode_packet(RAW))
    yield Operation("decode_packet 1.1", version_1_1, lambda made: made.decode_packet(RAW))
    yield Operation("create_id", lambda: None, lambda _: 0 <= packets.create_id() <= 255)
    yield Operation("a packet without an id", lambda: None, lambda _: len(AuthPacket(dict=DICTIONARY, User_Name="b")))


def mapping() -> Iterator[Operation]:
    for name, prepare in (("built", small), ("received", received)):
        yield Operation(f"move_to_end {name}", prepare, lambda made: made.move_to_end(1))
        yield Operation(f"move to the front {name}", prepare, lambda made: made.move_to_end(5, last=False))
        yield Operation(f"update {name}", prepare, lambda made: made.update({"User-Name": "x"}))
        yield Operation(f"update with keywords {name}", prepare, lambda made: made.update(**{"NAS-Port": 9}))
        yield Operation(f"pop {name}", prepare, lambda made: made.pop("User-Name"))
        yield Operation(f"pop a default {name}", prepare, lambda made: made.pop("Names", 7))
        yield Operation(f"popitem {name}", prepare, lambda made: made.popitem())
        yield Operation(f"popitem first {name}", prepare, lambda made: made.popitem(last=False))
        yield Operation(f"setdefault {name}", prepare, lambda made: made.setdefault("Names", ["one"]))
        yield Operation(f"set by number {name}", prepare, lambda made: made.__setitem__(201, [b"x"]))
        yield Operation(f"delete by number {name}", prepare, lambda made: made.__delitem__(1))
        yield Operation(f"reversed {name}", prepare, lambda made: list(reversed(made)))
        yield Operation(f"clear {name}", prepare, lambda made: made.clear())
    yield Operation("update from a packet", small, lambda made: made.update(RESERVE))
    yield Operation("|=", small, lambda made: made.__ior__({"User-Name": "x"}) is made)


RESERVE = AuthPacket(secret=SECRET, id=1, dict=DICTIONARY, Reply_Message=["one", "two"])


def writes() -> Iterator[Operation]:
    container = {"Tlv-Int": [3, 4], 99: [b"x"], "Tlv-Sub": {"Tlv-Sub-Oct": b"y"}}
    for name, prepare in (("built", request), ("small", small), ("octets", octets_for_containers), ("none", signing)):
        yield Operation(f"set a container {name}", prepare, lambda made: made.__setitem__("Tlv", container))
        yield Operation(f"add a container {name}", prepare, lambda made: made.add_attribute("Tlv", container))
        yield Operation(f"set inside {name}", prepare, lambda made: made.__setitem__("Tlv-Str", ["x", "y"]))
        yield Operation(f"set deep {name}", prepare, lambda made: made.__setitem__("Tlv-Sub-Sub-Oct", b"new"))
        yield Operation(f"add inside {name}", prepare, lambda made: made.add_attribute("Tlv-Int", [5, 6]))
        yield Operation(f"add deep {name}", prepare, lambda made: made.add_attribute("Tlv-Sub-Sub-Oct", b"new"))
        yield Operation(f"add extended {name}", prepare, lambda made: made.add_attribute("Ext-Tlv-Oct", b"new"))
        yield Operation(f"set extended {name}", prepare, lambda made: made.__setitem__("Long-Oct", b"z" * 300))
        yield Operation(f"add vendor's {name}", prepare, lambda made: made.add_attribute("Plain-Tlv-Oct", b"new"))
        yield Operation(f"add a tag inside {name}", prepare, lambda made: made.add_attribute("Tlv-Tagged:2", 3))
        yield Operation(f"set a tag inside {name}", prepare, lambda made: made.__setitem__("Tlv-Tagged:2", 3))
        yield Operation(f"add {name}", prepare, lambda made: made.add_attribute("Reply-Message", ["one", "two"]))
        yield Operation(f"set a tag {name}", prepare, lambda made: made.__setitem__("Tunnel-Type:2", 3))
        yield Operation(f"set_obfuscated {name}", prepare, lambda made: made.set_obfuscated("Tlv-Str", "x"))
    yield Operation("set_obfuscated again", obfuscated, lambda made: made.set_obfuscated("Tlv-Str", "x"))
    yield Operation("delete inside", octets_for_containers, lambda made: made.__delitem__("Tlv-Int"))
    yield Operation("delete deep", octets_for_containers, lambda made: made.__delitem__("Tlv-Sub-Oct"))
    yield Operation("delete what empties", octets_for_containers, lambda made: made.__delitem__("Ext-Tlv-Oct"))
    yield Operation("delete extended", octets_for_containers, lambda made: made.__delitem__("Long-Oct"))
    yield Operation("delete built", request, lambda made: made.__delitem__("Tlv-Sub-Sub-Oct"))
    yield Operation("delete a tag", small, lambda made: made.__delitem__("Tunnel-Type:1"))
    yield Operation("raw_packet", received, lambda got: setattr(got, "raw_packet", None))


class Silent(logging.Handler):
    """Makes the words of records, with no lock that a failed allocation could leave taken."""

    def createLock(self) -> None:
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        return bool(record.getMessage())


def trace() -> Iterator[Operation]:
    logger = logging.getLogger("pyradsec")
    logger.handlers, logger.propagate = [Silent()], False
    logger.setLevel(logging.INFO)
    _core.set_trace(_packet_trace.show)
    yield Operation("traced request", small, lambda made: made.request_packet())
    yield Operation("traced request 1.1", version_1_1, lambda made: made._encode_request())
    yield Operation("traced parsing", lambda: RAW, lambda given: parse_packet(given, SECRET, DICTIONARY))
    yield Operation("traced reply", received, lambda got: got.create_reply(User_Name="bob").reply_packet())


FAMILIES: dict[str, Callable[[], Iterator[Operation]]] = {
    "views": views,
    "items": items,
    "dicts": dicts,
    "pickles": pickles,
    "checks": checks,
    "signatures": signatures,
    "replies": replies,
    "mapping": mapping,
    "writes": writes,
    "trace": trace,
}


def run(operation: Operation) -> int:
    """The operation with allocations failing from every place; how many places there are."""
    name, prepare, operate = operation
    for _ in range(3):  # caches
        target = prepare()
        before = plain(target)
        expected = plain(operate(target))
        after = plain(target)
    holder = [prepare()]

    def met(number: int, result: Any, outcome: BaseException | None) -> None:
        target = holder[0]
        left = plain(target)
        where = f"{name}, allocation {number}"
        if outcome is None:
            assert plain(result) == expected, f"{where}: {result!r}, not {expected!r}"
            assert left == after, f"{where}: {left!r}, not {after!r}"
        else:
            assert left in (before, after), f"{where}: half-made {left!r}, not {before!r}"
            if left == before:
                assert plain(operate(target)) == expected, where
                assert plain(target) == after, where
        holder[0] = prepare()

    def again(_number: int, _result: Any, _outcome: BaseException | None) -> None:
        holder[0] = prepare()

    found = sweep(name, lambda: operate(holder[0]), met)
    # CPython 3.11 leaks the arguments of a method that it has no memory to begin, and 3.12 in comprehensions. What is C
    # is looked at there by test_nomemory_values.py.
    if sys.version_info >= (3, 13):
        assert settles(lambda: sweep(name, lambda: operate(holder[0]), again)), f"{name} leaks"
    return found


def drawn() -> int:
    """Authenticators that the packet makes: each is random octets of its own, or there is none."""
    seen: list[bytes] = []
    total = 0
    for operate in (
        lambda made: made.pw_crypt("hunter2"),
        lambda made: made.salt_crypt("hunter2"),
        lambda made: made.add_message_authenticator(),
        lambda made: made.request_packet(),
    ):
        holder = [AuthPacket(id=7, secret=SECRET)]

        def met(_number: int, _result: Any, _outcome: BaseException | None, holder: Any = holder) -> None:
            if holder[0].authenticator is not None:
                seen.append(holder[0].authenticator)
            holder[0] = AuthPacket(id=7, secret=SECRET)

        total += sweep("drawn", lambda o=operate, h=holder: o(h[0]), met)
    assert len(set(seen)) == len(seen) > 4
    return total


def several() -> int:
    """update() with more than one key: each of them is written in whole or not at all, one after the other."""
    new = {"User-Name": "x", "Tlv-Int": [7, 8], "Names": ["one", "two"]}
    step = small()
    steps = [plain(step)]
    for name, value in new.items():
        step[name] = value
        steps.append(plain(step))
    holder = [small()]

    def met(number: int, _result: Any, outcome: BaseException | None) -> None:
        left = plain(holder[0])
        assert left in steps if outcome is not None else left == steps[-1], f"allocation {number}: {left!r}"
        holder[0] = small()

    return sweep("update", lambda: holder[0].update(new), met)


class Answered(RadSecClient):
    """A client whose requests are answered at once: what is left is who may send the next one."""

    def __init__(self) -> None:
        self.server, self.port, self.retries, self.reuse_connection = "192.0.2.1", 2083, 1, True
        self._lock = asyncio.Lock()
        self._reader = self._writer = None

    async def _exchange(self, packet: Any) -> Any:
        return packet


def step(waiting: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that waits for nothing gives."""
    try:
        waiting.send(None)
    except StopIteration as done:
        return done.value
    finally:
        waiting.close()
    raise AssertionError("it waits")


def client() -> int:
    """A request that failed does not keep the next one from being sent."""
    total = 0
    for operate in (lambda made: step(made.send_packet("packet")), lambda made: step(made.close())):
        holder = [Answered()]

        def met(number: int, _result: Any, _outcome: BaseException | None, holder: Any = holder) -> None:
            assert step(holder[0].send_packet("packet")) == "packet", f"allocation {number}"
            holder[0] = Answered()

        step(holder[0].send_packet("packet"))
        total += sweep("client", lambda o=operate, h=holder: o(h[0]), met)
    return total


MORE: dict[str, Callable[[], int]] = {"drawn": drawn, "several": several, "client": client}


def child(family: str) -> None:
    total = MORE[family]() if family in MORE else sum([run(operation) for operation in FAMILIES[family]()])
    print(f"{total} allocations failed")


@needs_hook
@pytest.mark.parametrize("family", [*FAMILIES, *MORE])
def test_every_allocation_fails(family: str) -> None:
    assert int(in_child(__file__, family).split()[0]) > 0


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ came with Python 3.12")
def test_octets_that_need_memory() -> None:
    class Octets:
        def __buffer__(self, flags: int) -> memoryview:
            raise MemoryError

    with pytest.raises(MemoryError):
        received().verify_message_authenticator(Octets())
    with pytest.raises(MemoryError):
        received().verify_message_authenticator(SECRET, Octets())
    assert received().verify_message_authenticator(SECRET)


if __name__ == "__main__":
    child(sys.argv[1])
