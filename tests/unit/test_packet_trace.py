"""The wire trace: PYRADSEC_TRACE and PYRADSEC_TRACE_UNSAFE, and what a record shows."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from packets import AUTHENTICATOR, DICTIONARY, SECRET, attribute, octets, octets_v11

from pyradsec import _core, _packet_trace
from pyradsec.packet import AcctPacket, AuthPacket, Packet, PacketError, parse_packet

PROGRAM = """
import logging, sys
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
from pyradsec.packet import AuthPacket
AuthPacket(secret=b"s", id=1).request_packet()
"""


@pytest.fixture
def traced(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.INFO, "pyradsec")
    _core.set_trace(_packet_trace.show)
    yield caplog
    _core.set_trace(None)


def run(**environment: str) -> list[str]:
    base = {key: value for key, value in os.environ.items() if not key.startswith("PYRADSEC_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=base | environment, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("word", ["1", "true", "YES", "On"])
def test_both_words_together_trace(word: str) -> None:
    lines = run(PYRADSEC_TRACE=word, PYRADSEC_TRACE_UNSAFE=word)
    assert lines[0].startswith("WARNING pyradsec PYRADSEC_TRACE: every packet goes to the log")
    assert lines[1] == "INFO pyradsec -> Access-Request id=1, 20 octets"


def test_one_word_alone_warns_and_traces_nothing() -> None:
    lines = run(PYRADSEC_TRACE="1")
    assert len(lines) == 1
    assert lines[0].startswith("WARNING pyradsec PYRADSEC_TRACE is set without PYRADSEC_TRACE_UNSAFE")
    assert run(PYRADSEC_TRACE="1", PYRADSEC_TRACE_UNSAFE="no") == lines


@pytest.mark.parametrize("environment", [{}, {"PYRADSEC_TRACE_UNSAFE": "1"}, {"PYRADSEC_TRACE": "0"}])
def test_nobody_asked(environment: dict[str, str]) -> None:
    assert run(**environment) == []


def test_a_record(traced: pytest.LogCaptureFixture) -> None:
    raw = octets(1, attribute(1, b"bob") + attribute(5, b"short") + attribute(200, b"\0\xff~"))
    parse_packet(raw, SECRET, DICTIONARY)
    assert [(record.levelname, record.name) for record in traced.records] == [("INFO", "pyradsec")]
    assert traced.messages[0].splitlines() == [
        "<- Access-Request id=7, 37 octets",
        "    Authenticator 000102030405060708090a0b0c0d0e0f",
        "    User-Name = 'bob'",
        "    NAS-Port = 0x73686f7274 (attribute NAS-Port: integer: expected 4 octets, found 5)",
        "    Attr-200 = 0x00ff7e",
        "    0000  01 07 00 25 00 01 02 03 04 05 06 07 08 09 0a 0b  ...%............",
        "    0010  0c 0d 0e 0f 01 05 62 6f 62 05 07 73 68 6f 72 74  ......bob..short",
        "    0020  c8 05 00 ff 7e                                   ....~",
    ]


def test_secrets_are_in_it(traced: pytest.LogCaptureFixture) -> None:
    """That is what UNSAFE says."""
    made = AuthPacket(secret=SECRET, dict=DICTIONARY, User_Password="hunter2")
    made["MS-MPPE-Send-Key"] = b"\1\2"
    raw = made.request_packet()
    parse_packet(raw, SECRET, DICTIONARY)
    assert len(traced.messages) == 2
    for message, arrow in zip(traced.messages, ("->", "<-"), strict=True):
        assert message.startswith(f"{arrow} Access-Request id={made.id}, {len(raw)} octets\n")
        assert "User-Password = 'hunter2'" in message
        assert "Microsoft: MS-MPPE-Send-Key = 0x0102" in message
        assert SECRET.decode() not in message
    parse_packet(raw, b"another", DICTIONARY)
    assert f"User-Password = 0x{raw[22:38].hex()}" in traced.messages[2]


def test_everything_that_is_encoded_or_decoded(traced: pytest.LogCaptureFixture) -> None:
    request = AcctPacket(secret=SECRET, dict=DICTIONARY, id=3)
    got = parse_packet(request.request_packet(), SECRET, DICTIONARY)
    reply = got.create_reply()
    request.create_reply(packet=reply.reply_packet())
    Packet().decode_packet(octets(2))
    newer = Packet(packet=octets_v11(1), radius_version=1)
    newer.reply_packet()
    assert [message.splitlines()[0] for message in traced.messages] == [
        "-> Accounting-Request id=3, 20 octets",
        "<- Accounting-Request id=3, 20 octets",
        "-> Accounting-Response id=3, 20 octets",
        "<- Accounting-Response id=3, 20 octets",
        "<- Access-Accept id=7, 20 octets",
        "<- Access-Request token=01020304, 20 octets",
        "-> Access-Request token=01020304, 20 octets",
    ]
    assert "    Token 01020304" in traced.messages[-1]
    # The authenticator is that on the wire, though the reply keeps its request's.
    assert reply.reply_packet()[4:20].hex() in traced.messages[2]


def test_tracing_leaves_the_packet_alone(traced: pytest.LogCaptureFixture) -> None:
    made = AuthPacket(secret=SECRET, authenticator=AUTHENTICATOR, dict=DICTIONARY, User_Name="bob", id=1)
    before = made.__getstate__()
    assert made.request_packet() == made.request_packet()
    assert made.__getstate__() == before
    made.attributes()
    str(made)
    assert len(traced.messages) == 2


def test_packets_that_are_none_are_not_traced(traced: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PacketError):
        parse_packet(octets(1, b"\1\1"), SECRET, DICTIONARY)
    assert traced.messages == []


def test_a_trace_that_fails_fails_no_packet(traced: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_packet_trace, "_record", lambda *args: 1 / 0)
    assert parse_packet(octets(1), SECRET, DICTIONARY).id == 7
    assert traced.messages == ["A packet of 20 octets could not be traced"]
    assert traced.records[0].exc_info is not None


def test_nobody_listens(traced: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_packet_trace, "_record", lambda *args: pytest.fail("a record was made for nobody"))
    traced.set_level(logging.WARNING, "pyradsec")
    parse_packet(octets(1), SECRET, DICTIONARY)


def test_what_the_function_of_set_trace_is_given() -> None:
    seen: list[Any] = []
    _core.set_trace(lambda *args: seen.append(args))
    try:
        made = AuthPacket(secret=SECRET)
        raw = made.request_packet()
        got = parse_packet(raw, SECRET, None)
    finally:
        _core.set_trace(None)
    assert [(way, octets) for way, _, octets in seen] == [("out", raw), ("in", raw)]
    assert seen[0][1] is made
    assert seen[1][1] is got
    made.request_packet()
    assert len(seen) == 2
    with pytest.raises(TypeError, match="callable"):
        _core.set_trace(5)  # type: ignore[arg-type]


def test_what_it_raises_comes_out() -> None:
    def stop(*args: Any) -> None:
        raise KeyboardInterrupt

    _core.set_trace(stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            AuthPacket(secret=SECRET).request_packet()
        with pytest.raises(KeyboardInterrupt):
            AuthPacket(secret=SECRET, authenticator=AUTHENTICATOR).reply_packet()
        with pytest.raises(KeyboardInterrupt):
            Packet(packet=octets(1))
    finally:
        _core.set_trace(None)
