"""pyradsec.packet against pyrad2 3.2: the same attributes make the same octets, and the same octets the same values.

What comes out otherwise stands in differences.toml: [[packet]] rows are proved here one by one, and the names in them
are left out of the comparison that they are about.
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peer import peer

from pyradsec import packet as ours
from pyradsec.dictionary import Dictionary

theirs = peer("packet")
TheirDictionary = peer("dictionary").Dictionary

HERE = Path(__file__)
VECTORS = HERE.parents[1] / "vectors"
ROWS = tomllib.loads(HERE.with_name("differences.toml").read_text(encoding="utf-8"))["packet"]
SECRET, AUTHENTICATOR = b"radsec", bytes(range(16))
DICTIONARIES = {
    name: (Dictionary(str(path)), TheirDictionary(str(path)))
    for name, path in ((name, VECTORS / f"dictionary.{name}") for name in ("types", "extended"))
}

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
U32 = st.integers(0, 2**32 - 1)
V4 = st.ip_addresses(v=4).map(str)
# Not the IPv4-mapped ones, of which differences.toml has a row.
V6 = st.ip_addresses(v=6).filter(lambda address: address.ipv4_mapped is None).map(str)
VALUES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "types": {
        "User-Name": TEXT,
        "Text": TEXT,
        "Octets": st.binary(max_size=253),
        "Address": V4,
        "Integer": U32,
        "Enumerated": st.one_of(st.sampled_from(["Login", "Framed"]), U32),
        "Signed": st.integers(-(2**31), 2**31 - 1),
        "Short": st.integers(0, 65535),
        "Byte": st.integers(0, 255),
        "Integer64": st.integers(0, 2**64 - 1),
        "Date": U32,
        "Address6": V6,
        "Prefix6": st.builds(lambda address, length: f"{address}/{length}", V6, st.integers(0, 128)),
        "Prefix4": st.builds(lambda address, length: f"{address}/{length}", V4, st.integers(0, 32)),
        "Combo": st.one_of(V4, V6),
        "Interface": st.binary(min_size=8, max_size=8),
        "Ether": st.binary(min_size=6, max_size=6),
        "Filter": st.sampled_from(
            ["delete", "family=ipv4 action=accept dst=10.0.0.0/8", "family=ipv6 proto=6 sport=80"]
        ),
        "Concat": st.binary(min_size=1, max_size=700),
        "Tagged-Number": st.integers(0, 2**24 - 1),
        "Tagged-Text": TEXT,
        "Hidden": TEXT.filter(bool),
        "Salted": st.binary(max_size=15),  # differences.toml: pyrad2 reads no more of them
        "Plain-Text": TEXT,
        "Plain-Number": U32,
        "Wide-Text": TEXT,
        "Pair-Number": U32,
        "Pair-Text": TEXT,
    },
}
# Attributes inside others, none of them empty: RFC 6929 section 2 makes an empty value a malformed one.
FULL = TEXT.filter(bool)
VALUES["types"].update(
    {
        "Array-Short": st.integers(0, 65535),
        "Array-Address": V4,
        "Never-Sent": TEXT,
        "Tlv-Number": U32,
        "Tlv-Text": FULL,
        "Tlv-Tlv-Byte": st.integers(0, 255),
        "Plain-Tlv-Text": FULL,
        "Chunks-Text": FULL,
        "Chunks-Octets": st.binary(min_size=1, max_size=600),
    }
)
VALUES["extended"] = {
    "User-Name": TEXT,
    "Text-1": FULL,
    "Group-1-A": st.binary(min_size=1, max_size=20),
    "Group-1-B": st.binary(min_size=1, max_size=20),
    "Group-1-C-A": st.binary(min_size=1, max_size=20),
    "One-1-Text": FULL,
    "One-1-Octets": st.binary(min_size=1, max_size=20),
    "Text-5": FULL,
    "Octets-5": st.binary(min_size=1, max_size=800),
    "Number-5": U32,
    "Group-5-A": st.binary(min_size=1, max_size=20),
    "One-5-Text": FULL,
    "One-5-Long": st.binary(min_size=1, max_size=700),
}
for _values in VALUES.values():
    for _name, _strategy in list(_values.items()):
        _values[_name] = _strategy.filter(lambda value: not (isinstance(value, bytes) and value.startswith(b"0x")))

Attributes = list[tuple[str, Any]]


def attributes(name: str) -> st.SearchStrategy[Attributes]:
    one = st.sampled_from(sorted(VALUES[name])).flatmap(lambda key: st.tuples(st.just(key), VALUES[name][key]))
    return st.lists(one, max_size=6)


def made(dictionaries: str, given_: Attributes) -> tuple[Any, Any]:
    """The same Access-Request of both libraries."""
    pair = []
    for module, dictionary in zip((ours, theirs), DICTIONARIES[dictionaries], strict=True):
        packet = module.AuthPacket(id=7, secret=SECRET, authenticator=AUTHENTICATOR, dict=dictionary)
        for name, value in given_:
            packet.add_attribute(name, value)
        pair.append(packet)
    return pair[0], pair[1]


def parsed(dictionaries: str, raw: bytes) -> tuple[Any, Any]:
    pair = [
        module.parse_packet(raw, SECRET, dictionary)
        for module, dictionary in zip((ours, theirs), DICTIONARIES[dictionaries], strict=True)
    ]
    return pair[0], pair[1]


def named(about: str) -> set[str]:
    """The names of which differences.toml says that they are written, or read, otherwise."""
    return {name for row in ROWS if row["about"] == about for name in row["names"]}


def outcome(function: Any) -> Any:
    try:
        return function()
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("row", [pytest.param(row, id=row["when"].replace(" ", "-")) for row in ROWS])
def test_documented_difference_is_one(row: dict[str, Any]) -> None:
    if row["about"] == "reading":
        raw = bytes.fromhex(row["octets"])
        head = b"\x01\x07" + (20 + len(raw)).to_bytes(2, "big") + AUTHENTICATOR
        found = [outcome(lambda p=packet: repr(p[row["read"]])) for packet in parsed(row["dictionary"], head + raw)]
    else:
        name, value = row["set"][0], ast.literal_eval(row["set"][1])
        first, second = (
            [outcome(lambda p=packet: p.request_packet()) for packet in made(row["dictionary"], [(name, value)])]
            for _ in range(2)
        )
        found = [a[20:].hex() if a == b else "random" for a, b in zip(first, second, strict=True)]
    assert found == [row["pyradsec"], row["pyrad2"]]


def check(dictionaries: str, given_: Attributes) -> None:
    pair = made(dictionaries, given_)
    written = [packet.request_packet() for packet in pair]
    otherwise = named("writing")
    if not any(name.partition(":")[0] in otherwise for name, _ in given_):
        assert written[0] == written[1]
    for raw in written:
        read = parsed(dictionaries, raw)
        names = list(read[1].keys())
        assert read[0].keys() == names
        assert [(key, value) for key, value in read[0].items()] == [(key, value) for key, value in read[1].items()]
        for name in names:
            if name not in named("reading"):
                assert outcome(lambda n=name, p=read[0]: p[n]) == outcome(lambda n=name, p=read[1]: p[n]), name
        again = [packet.request_packet() for packet in read]
        assert again[0] == again[1]
        if sum(name == "Concat" for name, _ in given_) < 2:  # which are one value to whoever reads them
            assert again[0] == raw
        assert read[0].verify_auth_request() == read[1].verify_auth_request()


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(given_=attributes("types"))
def test_every_type(given_: Attributes) -> None:
    check("types", given_)


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(given_=attributes("extended"))
def test_extended(given_: Attributes) -> None:
    check("extended", given_)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(asked=attributes("types"), answered=attributes("types"), code=st.sampled_from([2, 3, 11]))
def test_replies_verify_at_the_other(asked: Attributes, answered: Attributes, code: int) -> None:
    """Each library's reply, with a Message-Authenticator, at the other's request; and not when an octet has changed."""
    requests = made("types", [*asked, ("User-Name", "bob")])
    replies = []
    for request in requests:
        reply = request.create_reply()
        reply.code = code
        for name, value in answered:
            if name not in named("writing"):
                reply.add_attribute(name, value)
        reply.message_authenticator = None
        replies.append(reply.reply_packet())
    assert replies[0] == replies[1]
    for request, raw in zip(requests, reversed(replies), strict=True):
        assert request.verify_reply(request.create_reply(packet=raw), raw)
        changed = raw[:-1] + bytes((raw[-1] ^ 1,))
        assert outcome(lambda r=request, c=changed: r.verify_reply(r.create_reply(packet=c), c)) is not True


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(given_=attributes("types"))
def test_accounting_verifies_at_the_other(given_: Attributes) -> None:
    for one, other in ((0, 1), (1, 0)):
        modules = (ours, theirs)
        packet = modules[one].AcctPacket(id=7, secret=SECRET, dict=DICTIONARIES["types"][one])
        for name, value in given_:
            if name not in named("writing"):
                packet.add_attribute(name, value)
        raw = packet.request_packet()
        received = modules[other].parse_packet(raw, SECRET, DICTIONARIES["types"][other])
        assert received.verify_acct_request()
        changed = raw[:4] + bytes((raw[4] ^ 1,)) + raw[5:]
        assert not modules[other].parse_packet(changed, SECRET, DICTIONARIES["types"][other]).verify_acct_request()
