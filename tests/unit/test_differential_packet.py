"""Packets against pyrad2 3.2: the same octets out, the same verdicts in, where both can do it."""

from __future__ import annotations

import io
import typing
from typing import Any

import pytest
from packets import AUTHENTICATOR, SECRET, attribute, octets, octets_v11, vendor
from peer import peer

from pyradsec import packet as ours
from pyradsec.dictionary import Dictionary

theirs = peer("packet")
TheirDictionary = peer("dictionary").Dictionary

TEXT = """
ATTRIBUTE User-Name 1 string
ATTRIBUTE User-Password 2 string encrypt=1
ATTRIBUTE CHAP-Password 3 octets
ATTRIBUTE NAS-Port 5 integer
ATTRIBUTE Reply-Message 18 string
ATTRIBUTE Proxy-State 33 octets
ATTRIBUTE CHAP-Challenge 60 octets
ATTRIBUTE EAP-Message 79 octets concat
ATTRIBUTE Message-Authenticator 80 octets
VENDOR Acme 64999
BEGIN-VENDOR Acme
ATTRIBUTE Acme-Text 1 string
END-VENDOR Acme
"""
BOTH = [(ours, Dictionary(io.StringIO(TEXT))), (theirs, TheirDictionary(io.StringIO(TEXT)))]
REQUESTS = [("AuthPacket", 1), ("AcctPacket", 4), ("StatusPacket", 12), ("CoAPacket", 40), ("CoAPacket", 43)]
ATTRIBUTES: dict[str, Any] = {
    "User_Name": "bob",
    "NAS_Port": [1, 2],
    "Proxy_State": [b"one", b"two"],
    "Acme_Text": "x",
    "EAP_Message": b"e" * 300,
}


def both(work: Any) -> list[Any]:
    """What `work(module, dictionary)` gives, for pyradsec and for pyrad2."""
    return [work(module, dictionary) for module, dictionary in BOTH]


def make(module: Any, dictionary: Any, name: str, code: int, **more: Any) -> Any:
    version = more.pop("radius_version", 0)
    keywords = {"id": 7, "secret": SECRET, "authenticator": AUTHENTICATOR, "dict": dictionary, **ATTRIBUTES, **more}
    return getattr(module, name)(code=code, radius_version=module.RadiusVersion(version), **keywords)


@pytest.mark.parametrize("flag", [None, True])
@pytest.mark.parametrize(("name", "code"), REQUESTS)
def test_requests(name: str, code: int, flag: bool | None) -> None:
    mine, its = both(lambda *where: make(*where, name, code, message_authenticator=flag).request_packet())
    assert mine == its


@pytest.mark.parametrize("flag", [None, True])
@pytest.mark.parametrize(("name", "code"), [*REQUESTS, ("Packet", 99)])
def test_replies(name: str, code: int, flag: bool | None) -> None:
    def work(*where: Any) -> Any:
        reply = make(*where, name, code).create_reply(Reply_Message="hi", message_authenticator=flag)
        if code == 40:
            reply.code = 41  # pyrad2 answers with a CoA-ACK
        return reply.reply_packet(), reply.code, reply.id, reply.original_code, reply.authenticator

    mine, its = both(work)
    assert mine == its


@pytest.mark.parametrize(("name", "code"), REQUESTS)
def test_radius_1_1(name: str, code: int) -> None:
    def work(*where: Any) -> Any:
        made = make(*where, name, code, radius_version=1)
        made.token = b"abcd"
        reply = made.create_reply(Reply_Message="hi")
        if code == 40:
            reply.code = 41
        return made.request_packet(), reply.reply_packet(), made.pw_crypt("x") if code == 1 else None

    mine, its = both(work)
    assert mine == its
    parsed = both(
        lambda module, dictionary: module.parse_packet(mine[0], SECRET, dictionary, module.RadiusVersion.V1_1)
    )
    assert [(got.token, got.id, got.authenticator, got.keys()) for got in parsed] == [
        (b"abcd", 0, None, parsed[1].keys())
    ] * 2


def outcome(work: Any, *args: Any) -> Any:
    """The value, or "error" for whatever is raised."""
    try:
        return work(*args)
    except Exception:
        return "error"


PACKETS = [
    octets(1, attribute(1, b"bob")),
    octets(1, authenticator=bytes(16)),
    octets(2, attribute(18, b"hi")),
    octets(4),
    octets(12),
    octets(12, attribute(80, bytes(16))),
    octets(1, attribute(80, bytes(16))),
    octets(1, attribute(80, bytes(15))),
    octets(1, attribute(80, bytes(16)) * 2),
    octets(43, vendor(64999, b"\x01\x03a")),
    octets(99, attribute(33, b"a") + attribute(1, b"b") + attribute(33, b"c")),
    octets(1)[:19],
    octets(1) + b"x",
    octets(1, b"\x01\x01"),
    octets(1, b"\x01"),
]


@pytest.mark.parametrize("raw", PACKETS)
def test_what_is_received(raw: bytes) -> None:
    def work(module: Any, dictionary: Any) -> Any:
        got = module.parse_packet(raw, SECRET, dictionary)
        return (
            type(got).__name__,
            got.code,
            got.id,
            got.authenticator,
            got.keys(),
            [list(value) for value in got.values()],
            got.message_authenticator,
            got.has_message_authenticator(),
            got.has_eap_message(),
            outcome(got.verify_message_authenticator),
            outcome(got.verify_packet),
            *(
                outcome(getattr(got, name))
                for name in (
                    "verify_auth_request",
                    "verify_acct_request",
                    "verify_coa_request",
                    "verify_status_request",
                )
                if hasattr(got, name)
            ),
            *(
                outcome(
                    lambda access, eap: got.validate_message_authenticator_policy(
                        require_message_authenticator=access, require_eap_message_authenticator=eap
                    ),
                    access,
                    eap,
                )
                for access in (False, True)
                for eap in (False, True)
            ),
        )

    mine, its = both(lambda *where: outcome(work, *where))
    assert mine == its


@pytest.mark.parametrize("enforce", [False, True])
@pytest.mark.parametrize("flag", [None, True])
@pytest.mark.parametrize("spoil", [None, 0, 1, 5, -1])
@pytest.mark.parametrize(("name", "code"), REQUESTS[:3])
def test_verdicts_on_replies(name: str, code: int, spoil: int | None, flag: bool | None, enforce: bool) -> None:
    raw = make(*BOTH[0], name, code).create_reply(Reply_Message="hi", message_authenticator=flag).reply_packet()
    if spoil is not None:
        raw = bytes(octet ^ (at == spoil % len(raw)) for at, octet in enumerate(raw))

    def work(*where: Any) -> Any:
        request = make(*where, name, code)
        return request.verify_reply(request.create_reply(packet=raw), raw, enforce_ma=enforce)

    mine, its = both(work)
    assert mine == its
    assert mine is (spoil is None and not (enforce and flag is None and code == 1))


@pytest.mark.parametrize("password", ["", "a", "sixteen octets!!", "ü" * 30])
def test_passwords(password: str) -> None:
    mine, its = both(lambda *where: make(*where, "AuthPacket", 1).pw_crypt(password))
    assert mine == its
    texts = both(lambda *where: make(*where, "AuthPacket", 1).pw_decrypt(mine))
    assert texts == [password, password]


def test_each_reads_what_the_other_has_salted() -> None:
    made = both(lambda *where: make(*where, "AuthPacket", 1))
    for writer, reader in (made, reversed(made)):
        assert reader.salt_decrypt(writer.salt_crypt("s3cret")) == b"s3cret"


def test_names_of_the_module() -> None:
    borrowed = {*vars(typing), "OrderedDict", "Attribute", "RadiusAttributeValue"}
    borrowed |= {"EVS_EXTENDED_TYPE", "EXTENDED_ATTRIBUTE_TYPES"}
    borrowed |= {"LONG_EXTENDED_ATTRIBUTE_TYPES", "LONG_EXTENDED_MORE_FLAG"}
    names = {name for name in vars(theirs) if name[0].isupper()} - borrowed
    functions = {"create_id", "hmac_new", "parse_packet", "random_generator", "tools"} | {
        name for name in vars(theirs) if name.startswith("prepare_")
    }
    assert names | functions <= set(vars(ours))
    methods = {name for name in vars(theirs.Packet) if not name.startswith("_")}
    assert {name for name in methods if not hasattr(ours.Packet, name)} == set()


def test_octets_of_radius_1_1_by_hand() -> None:
    for got in both(
        lambda module, dictionary: module.Packet(packet=octets_v11(2), radius_version=module.RadiusVersion.V1_1)
    ):
        assert (got.token, got.authenticator) == (b"\1\2\3\4", None)
