"""Packet: mapping semantics, values, passwords, replies, verification."""

from __future__ import annotations

import copy
import hashlib
import hmac
import pickle
from collections.abc import MutableMapping

import pytest

from pyradsec import packet as packet_module
from pyradsec.constants import PacketType
from pyradsec.dictionary import Dictionary
from pyradsec.packet import (
    AcctPacket,
    AuthPacket,
    CoAPacket,
    Packet,
    PacketError,
    StatusPacket,
    create_id,
    parse_packet,
)

SECRET = b"xyzzy5461"
AUTHENTICATOR = bytes(range(16))


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    return Dictionary.default()


def sent(attributes: bytes, code: int = 1, identifier: int = 7, authenticator: bytes = AUTHENTICATOR) -> bytes:
    return bytes((code, identifier)) + (20 + len(attributes)).to_bytes(2, "big") + authenticator + attributes


def attribute(number: int, value: bytes) -> bytes:
    return bytes((number, len(value) + 2)) + value


# --- construction ---


@pytest.mark.parametrize(
    ("cls", "code", "secret"),
    [
        (Packet, 0, b"radsec"),
        (AuthPacket, 1, b""),
        (AcctPacket, 4, b""),
        (CoAPacket, 43, b""),
        (StatusPacket, 12, b""),
    ],
)
def test_defaults(cls: type[Packet], code: int, secret: bytes) -> None:
    made = cls()
    assert (made.code, made.secret, made.authenticator, made.radius_version) == (code, secret, None, 0)
    assert made.id is not None
    assert 0 <= made.id <= 255
    assert (made.token, made.request_authenticator, made.original_code) == (None, None, None)
    assert (made.message_authenticator, made.raw_packet, made.peer) == (None, None, None)
    assert not hasattr(made, "dict")
    assert not made
    assert len(made) == 0


def test_secret_and_authenticator_have_to_be_bytes() -> None:
    with pytest.raises(TypeError, match="secret"):
        Packet(secret="text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="authenticator"):
        Packet(authenticator="text")  # type: ignore[arg-type]


def test_keywords_are_attributes(dictionary: Dictionary) -> None:
    made = AuthPacket(dict=dictionary, User_Name="bob", NAS_Port=17, **{"Reply-Message": ["a", "b"]})
    assert made["User-Name"] == ["bob"]
    assert made["NAS-Port"] == [17]
    assert made["Reply-Message"] == ["a", "b"]
    with pytest.raises(KeyError, match="No-Such"):
        AuthPacket(dict=dictionary, No_Such=1)


def test_any_dictionary_and_further_attributes_are_taken() -> None:
    made = Packet(dict="fakedict", fd=3)
    assert made.dict == "fakedict"
    made.source = ("192.0.2.1", 1812)
    assert made.source == ("192.0.2.1", 1812)


def test_identifiers_count_up_and_wrap() -> None:
    packet_module.CURRENT_ID = 254
    assert [create_id(), create_id(), create_id()] == [255, 0, 1]


# --- mapping ---


def test_by_name_values_by_number_octets(dictionary: Dictionary) -> None:
    made = Packet(dict=dictionary)
    made["User-Name"] = "bob"
    assert made[1] == [b"bob"]
    assert made[1] is made[1]
    made["NAS-Port"] = (1, 2)
    assert made["NAS-Port"] == [1, 2]
    made[200] = stored = [b"x"]
    assert made[200] is stored
    assert "User-Name" in made
    assert made.has_key(1)
    assert "No-Such" not in made
    assert made.get("No-Such") is None
    assert made.get("Reply-Message", 5) == 5
    assert made.keys() == ["User-Name", "NAS-Port", 200]
    assert list(made) == [1, 5, 200]
    assert next(iter(made.items())) == (1, [b"bob"])
    assert dict(made) == {"User-Name": ["bob"], "NAS-Port": [1, 2], 200: [b"x"]}
    del made["User-Name"]
    assert 1 not in made
    with pytest.raises(KeyError):
        del made[1]
    assert isinstance(made, MutableMapping)
    with pytest.raises(TypeError):
        hash(made)


def test_missing_and_unknown_names(dictionary: Dictionary) -> None:
    made = Packet(dict=dictionary)
    with pytest.raises(KeyError) as absent:
        made["User-Name"]
    assert absent.value.args == (1,)
    with pytest.raises(KeyError) as unknown:
        made["No-Such"]
    assert unknown.value.args == ("No-Such",)
    with pytest.raises(KeyError):
        made["No-Such"] = 1


def test_without_a_dictionary_names_are_an_attribute_error() -> None:
    made = Packet()
    made[1] = [b"bob"]
    for use in (lambda: made["User-Name"], lambda: made.keys(), lambda: made.get("User-Name")):
        with pytest.raises(AttributeError):
            use()
    assert made[1] == [b"bob"]


def test_mutable_mapping_methods(dictionary: Dictionary) -> None:
    made = Packet(dict=dictionary, User_Name="bob")
    assert made.setdefault("User-Name", "x") == ["bob"]
    assert made.setdefault("NAS-Port", 3) == [3]
    made.update({"Reply-Message": "hi"}, **{"Class": b"c"})
    assert made.pop("Reply-Message") == ["hi"]
    assert made.pop("Reply-Message", 9) == 9
    with pytest.raises(KeyError):
        made.pop("Reply-Message")
    made.move_to_end(1)
    assert list(made) == [5, 25, 1]
    made.move_to_end(25, last=False)
    assert list(made) == [25, 5, 1]
    assert made.popitem() == (1, [b"bob"])
    assert made.popitem(last=False) == (25, [b"c"])
    made.clear()
    assert not made
    with pytest.raises(KeyError):
        made.popitem()


def test_equality_is_over_attributes(dictionary: Dictionary) -> None:
    one, other = Packet(dict=dictionary, User_Name="bob", id=1), Packet(dict=dictionary, User_Name="bob", id=2)
    assert one == other
    assert one == {1: [b"bob"]}
    other["User-Name"] = "alice"
    assert one != other
    assert one != 5


def test_copies_are_independent(dictionary: Dictionary) -> None:
    made = AuthPacket(dict=dictionary, User_Name="bob", secret=SECRET, id=9, authenticator=AUTHENTICATOR)
    made.source = "somewhere"
    for twin in (made.copy(), copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert type(twin) is AuthPacket
        assert twin == made
        assert twin.reply_packet() == made.reply_packet()
        assert (twin.id, twin.secret, twin["User-Name"], twin.source) == (9, SECRET, ["bob"], "somewhere")
        twin.add_attribute("User-Name", "eve")
        assert made["User-Name"] == ["bob"]


def test_add_attribute_appends(dictionary: Dictionary) -> None:
    made = Packet(dict=dictionary)
    made.add_attribute("Reply-Message", "a")
    made.add_attribute("Reply-Message", ["b", "c"])
    assert made["Reply-Message"] == ["a", "b", "c"]
    with pytest.raises(AttributeError):
        made.add_attribute(18, "d")  # type: ignore[arg-type]


def test_value_names(dictionary: Dictionary) -> None:
    made = Packet(dict=dictionary, Service_Type="Framed-User", NAS_Port_Type=19)
    assert made[6] == [(2).to_bytes(4, "big")]
    assert made["Service-Type"] == ["Framed-User"]
    assert made["NAS-Port-Type"] == ["Wireless-802.11"]


def test_repr_shows_attributes_and_masks_secrets(dictionary: Dictionary) -> None:
    made = AuthPacket(dict=dictionary, User_Name="bob", User_Password="hunter2", secret=b"s3cr3t", id=3)
    text = repr(made)
    assert "Access-Request" in text
    assert "bob" in text
    assert "hunter2" not in text
    assert "s3cr3t" not in text
    raw = AuthPacket(packet=sent(attribute(5, b"xx") + attribute(1, b"bob")), dict=dictionary)
    assert "0x7878" in repr(raw)
    without = Packet()
    without[2] = [b"hunter2"]
    assert "hunter2" not in repr(without)


# --- received ---


def test_a_received_packet_is_decoded_as_it_is_asked_for(dictionary: Dictionary) -> None:
    raw = sent(
        attribute(1, b"bob") + attribute(33, b"one") + attribute(4, bytes((192, 0, 2, 9))) + attribute(33, b"two")
    )
    got = parse_packet(raw, SECRET, dictionary)
    assert type(got) is AuthPacket
    assert (got.code, got.id, got.authenticator, got.raw_packet) == (1, 7, AUTHENTICATOR, raw)
    assert got["User-Name"] == ["bob"]
    assert got["NAS-IP-Address"] == ["192.0.2.9"]
    assert got["Proxy-State"] == [b"one", b"two"]  # PKT-11
    assert got.keys() == ["User-Name", "Proxy-State", "NAS-IP-Address"]


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (1, AuthPacket),
        (2, Packet),
        (4, AcctPacket),
        (5, AcctPacket),
        (12, StatusPacket),
        (40, CoAPacket),
        (43, CoAPacket),
        (99, Packet),
    ],
)
def test_the_class_follows_the_code(code: int, cls: type[Packet], dictionary: Dictionary) -> None:
    assert type(parse_packet(sent(b"", code), secret=SECRET, dictionary=dictionary)) is cls


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "header is corrupt"),
        (b"\x01\x02\x00", "header is corrupt: expected 20 octets or more, found 3"),
        (sent(b"")[:19], "header is corrupt: expected 20 octets or more, found 19"),
        (bytes((1, 1, 0, 19)) + bytes(16), "length 19 is too small"),
        (bytes((1, 1, 0x10, 1)) + bytes(4093), "length 4097 is too long"),
        (sent(b"") + b"x", "invalid length: the Length field says 20, found 21"),
        (sent(b"\x01"), "Attribute header is corrupt: a lone octet at 20 of 21"),
        (sent(b"\x01\x01"), "Attribute 1 at octet 20 has invalid length 1"),
        (sent(b"\x01\x00"), "Attribute 1 at octet 20 has invalid length 0"),
        (sent(b"\x02\x05ab"), "Attribute 2 at octet 20 has invalid length 5: it runs past the end"),
    ],
)
def test_what_is_no_packet_is_a_packet_error(raw: bytes, words: str, dictionary: Dictionary) -> None:
    """PKT-2, PKT-3"""
    with pytest.raises(PacketError, match=words):
        parse_packet(raw, SECRET, dictionary)


def test_vendor_attributes(dictionary: Dictionary) -> None:
    made = Packet(dict=dictionary)
    made["Cisco-AVPair"] = ["shell:priv-lvl=15", "x=y"]
    made["MS-CHAP-Challenge"] = bytes(16)
    assert made[(9, 1)] == [b"shell:priv-lvl=15", b"x=y"]
    made.authenticator = AUTHENTICATOR
    raw = made.reply_packet()
    got = Packet(packet=raw, dict=dictionary)
    assert got["Cisco-AVPair"] == ["shell:priv-lvl=15", "x=y"]
    assert got["MS-CHAP-Challenge"] == [bytes(16)]
    assert raw[20:27] == bytes((26, 25, 0, 0, 0, 9, 1))


def test_an_unknown_vendor_and_a_broken_one_are_carried(dictionary: Dictionary) -> None:
    """PKT-6"""
    unknown, broken = attribute(26, bytes((0, 1, 0, 0, 5, 3, 9))), attribute(26, bytes((0, 0, 0, 9, 1, 9, 65)))
    got = Packet(packet=sent(unknown + broken), dict=dictionary, secret=b"")
    assert got[(65536, 5)] == [b"\x09"]
    assert got[26] == [broken[2:]]
    assert got.reply_packet()[20:] == unknown + broken


def test_changing_a_received_packet(dictionary: Dictionary) -> None:
    got = parse_packet(sent(attribute(1, b"bob") + attribute(33, b"one")), SECRET, dictionary)
    got["User-Name"] = "eve"
    got.add_attribute("Proxy-State", b"two")
    assert got["User-Name"] == ["eve"]
    assert got["Proxy-State"] == [b"one", b"two"]
    assert got.raw_packet is not None
    assert got.raw_packet[22:25] == b"bob"


# --- passwords (PKT-16) ---


def hidden(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """RFC 2865 §5.2, written out."""
    padded = password + bytes(-len(password) % 16)
    out, chain = b"", authenticator
    for start in range(0, len(padded), 16):
        key = hashlib.md5(secret + chain).digest()
        chain = bytes(a ^ b for a, b in zip(padded[start : start + 16], key, strict=True))
        out += chain
    return out


@pytest.mark.parametrize("password", ["", "a", "hunter2", "sixteen-octets!!", "seventeen octets!", "ü" * 60])
def test_a_password_given_as_text_is_hidden_on_the_wire(password: str, dictionary: Dictionary) -> None:
    made = AuthPacket(dict=dictionary, secret=SECRET, authenticator=AUTHENTICATOR, User_Password=password)
    raw = made.request_packet()
    expected = hidden(password.encode(), SECRET, AUTHENTICATOR)
    assert raw[20:] == bytes((2, len(expected) + 2)) + expected
    got = parse_packet(raw, SECRET, dictionary)
    assert isinstance(got, AuthPacket)
    assert got.pw_decrypt(got["User-Password"][0]) == password
    assert made.pw_decrypt(made["User-Password"][0]) == password
    assert made.pw_crypt(password) == expected


def test_a_password_given_as_octets_is_hidden_already(dictionary: Dictionary) -> None:
    made = AuthPacket(dict=dictionary, secret=SECRET, authenticator=AUTHENTICATOR)
    made["User-Password"] = made.pw_crypt("hunter2")
    assert made.request_packet()[22:] == hidden(b"hunter2", SECRET, AUTHENTICATOR)


def test_another_secret_is_told_and_decodes_to_something(
    dictionary: Dictionary, caplog: pytest.LogCaptureFixture
) -> None:
    made = AuthPacket(dict=dictionary, secret=SECRET, authenticator=AUTHENTICATOR, User_Password="hunter2")
    got = parse_packet(made.request_packet(), b"another", dictionary)
    assert isinstance(got, AuthPacket)
    assert got.pw_decrypt(got["User-Password"][0]) != "hunter2"
    assert "non-UTF-8" in caplog.text
    assert "shared-secret mismatch" in caplog.text
    assert "another" not in caplog.text.replace("another shared", "")


def test_chap(dictionary: Dictionary) -> None:
    digest = hashlib.md5(b"\x16" + b"arctangent" + AUTHENTICATOR).digest()
    made = AuthPacket(dict=dictionary, authenticator=AUTHENTICATOR)
    made["CHAP-Password"] = b"\x16" + digest
    assert made.verify_chap_passwd("arctangent")
    assert made.verify_chap_passwd(b"arctangent")
    assert made.verify_chap_passwd("  arctangent ")
    assert not made.verify_chap_passwd("tangent")
    made["CHAP-Challenge"] = b"challenge"
    assert not made.verify_chap_passwd("arctangent")
    made["CHAP-Password"] = b"\x16" + hashlib.md5(b"\x16arctangentchallenge").digest()
    assert made.verify_chap_passwd("arctangent")
    made["CHAP-Password"] = b"short"
    assert not made.verify_chap_passwd("arctangent")
    assert not AuthPacket(dict=dictionary).verify_chap_passwd("arctangent")


def test_salted_attributes(dictionary: Dictionary) -> None:
    made = Packet(dict=dictionary, secret=SECRET, authenticator=AUTHENTICATOR)
    made["MS-MPPE-Send-Key"] = bytes(range(32))
    stored = made[(311, 16)][0]
    assert len(stored) == 2 + 48
    assert stored[0] & 0x80
    assert made["MS-MPPE-Send-Key"] == [bytes(range(32))]
    made["Tunnel-Password:3"] = "s3cret"
    assert made[69][0][0] == 3
    assert made["Tunnel-Password:3"] == ["s3cret"]
    assert made["Tunnel-Password"] == ["s3cret"]


def test_tags(dictionary: Dictionary) -> None:
    made = Packet(dict=dictionary, **{"Tunnel-Type:1": "VLAN", "Tunnel-Private-Group-Id:1": "42"})
    assert made[64] == [bytes((1, 0, 0, 13))]
    assert made[81] == [b"\x0142"]
    assert made["Tunnel-Type"] == ["VLAN"]
    assert made["Tunnel-Type:1"] == ["VLAN"]
    assert made["Tunnel-Private-Group-Id:1"] == ["42"]
    assert "Tunnel-Type:1" in made
    assert "Tunnel-Type:2" not in made


@pytest.mark.parametrize("name", ["User-Name", "Cisco-AVPair", "Message-Authenticator", "Tunnel-Type"])
def test_an_empty_list_is_one(dictionary: Dictionary, name: str) -> None:
    """What keys() has can be read: dict() of a packet depends on it."""
    made = Packet(dict=dictionary, authenticator=bytes(16))
    made[name] = []
    assert name in made
    assert made[name] == made.get(name) == []
    assert dict(made) == {name: []}
    assert f"{name}:1" not in made
    assert made.pop(name) == []
    assert name not in made
    made[name] = []
    assert made.attributes() == []


def test_a_tag_is_written_and_deleted_without_the_others(dictionary: Dictionary) -> None:
    """RFC 2868 §3.1: the tag groups the attributes of one tunnel; another tunnel's are not its business."""
    made = Packet(dict=dictionary, **{"Tunnel-Type:1": "VLAN"})
    made["Tunnel-Type:2"] = ["GRE", "L2TP"]
    made.add_attribute("Tunnel-Type:1", "PPTP")
    assert made[64] == [bytes((1, 0, 0, 13)), bytes((2, 0, 0, 10)), bytes((2, 0, 0, 3)), bytes((1, 0, 0, 1))]
    made["Tunnel-Type:1"] = "ESP"
    assert made["Tunnel-Type"] == ["ESP", "GRE", "L2TP"]
    assert made.setdefault("Tunnel-Type:3", "AH") == ["AH"]
    assert made.pop("Tunnel-Type:2") == ["GRE", "L2TP"]
    assert made["Tunnel-Type"] == ["ESP", "AH"]
    with pytest.raises(KeyError):
        del made["Tunnel-Type:2"]
    assert made["Tunnel-Type"] == ["ESP", "AH"]
    del made["Tunnel-Type:1"], made["Tunnel-Type:3"]
    assert list(made) == []
    with pytest.raises(KeyError):
        del made["Tunnel-Type:3"]
    made["Tunnel-Type:1"] = "VLAN"
    made["Tunnel-Type"] = "GRE"
    assert made[64] == [bytes((0, 0, 0, 10))]


def test_a_tag_of_a_received_packet_is_changed_without_the_others(dictionary: Dictionary) -> None:
    sent = AuthPacket(dict=dictionary, secret=SECRET, **{"Tunnel-Password:1": "one", "Tunnel-Type:1": "VLAN"})
    sent["Tunnel-Password:2"] = "two"
    got = parse_packet(sent.request_packet(), SECRET, dictionary)
    got["Tunnel-Password:1"] = "eins"
    assert got["Tunnel-Password"] == ["eins", "two"]
    del got["Tunnel-Password:2"]
    assert got["Tunnel-Password"] == got["Tunnel-Password:1"] == ["eins"]
    assert got["Tunnel-Type:1"] == ["VLAN"]


# --- requests, replies, verification ---


def test_accounting_requests_carry_a_digest(dictionary: Dictionary) -> None:
    made = AcctPacket(dict=dictionary, secret=SECRET, User_Name="bob", id=4)
    raw = made.request_packet()
    assert raw[4:20] == hashlib.md5(raw[:4] + bytes(16) + raw[20:] + SECRET).digest()
    assert made.authenticator == raw[4:20]
    got = parse_packet(raw, SECRET, dictionary)
    assert isinstance(got, AcctPacket)
    assert got.verify_packet()
    assert got.verify_acct_request()
    other = parse_packet(raw, b"another", dictionary)
    assert not other.verify_packet()


def test_verification_is_of_the_octets_received(dictionary: Dictionary) -> None:
    """PKT-9"""
    raw = AcctPacket(dict=dictionary, secret=SECRET, User_Name="bob").request_packet()
    got = parse_packet(raw, SECRET, dictionary)
    got["User-Name"] = "eve"
    assert got.verify_packet()


def test_replies(dictionary: Dictionary) -> None:
    for cls, code, expected in (
        (AuthPacket, 1, 2),
        (AcctPacket, 4, 5),
        (CoAPacket, 43, 44),
        (CoAPacket, 40, 41),
        (StatusPacket, 12, 2),
        (Packet, 0, 0),
    ):
        request = cls(code=code, dict=dictionary, secret=SECRET, authenticator=AUTHENTICATOR, id=5)
        reply = request.create_reply(Reply_Message="hi")
        assert (reply.code, reply.id, reply.secret, reply.authenticator) == (expected, 5, SECRET, AUTHENTICATOR)
        assert reply.original_code == code
        assert reply["Reply-Message"] == ["hi"]
        raw = reply.reply_packet()
        assert raw[4:20] == hashlib.md5(raw[:4] + AUTHENTICATOR + raw[20:] + SECRET).digest()
        parsed = request.create_reply(packet=raw)
        assert request.verify_reply(parsed, raw)
        assert request.verify_reply(parsed)
        forged = raw[:-1] + bytes((raw[-1] ^ 1,))
        assert not request.verify_reply(request.create_reply(packet=forged), forged)


def test_a_reply_of_another_identifier_does_not_verify(dictionary: Dictionary) -> None:
    request = AuthPacket(dict=dictionary, secret=SECRET, authenticator=AUTHENTICATOR, id=5)
    reply = request.create_reply()
    reply.id = 6
    assert not request.verify_reply(reply)


def test_a_reply_needs_an_authenticator() -> None:
    with pytest.raises(ValueError, match="authenticator"):
        Packet().reply_packet()


@pytest.mark.parametrize("reply_code", [2, 3, 11])
def test_message_authenticator_of_replies(reply_code: int, dictionary: Dictionary) -> None:
    request = AuthPacket(dict=dictionary, secret=SECRET, authenticator=AUTHENTICATOR, id=5)
    reply = request.create_reply(Reply_Message="hi")
    reply.code = reply_code
    reply.add_message_authenticator()
    raw = reply.reply_packet()
    position = raw.index(b"\x50\x12") + 2
    signed = raw[:4] + AUTHENTICATOR + raw[20:position] + bytes(16) + raw[position + 16 :]
    assert raw[position : position + 16] == hmac.new(SECRET, signed, "md5").digest()
    parsed = request.create_reply(packet=raw)
    assert parsed.message_authenticator is True
    assert request.verify_reply(parsed, raw, enforce_ma=True)
    bare = request.create_reply().reply_packet()
    assert request.verify_reply(request.create_reply(packet=bare), bare)
    assert not request.verify_reply(request.create_reply(packet=bare), bare, enforce_ma=True)


@pytest.mark.parametrize("code", [41, 42, 44, 45])
def test_dynamic_authorization_replies_with_message_authenticator_verify(code: int, dictionary: Dictionary) -> None:
    request = CoAPacket(dict=dictionary, secret=SECRET, id=5, message_authenticator=True)
    request.request_packet()
    reply = request.create_reply()
    reply.code = code
    reply.ensure_message_authenticator()
    raw = reply.reply_packet()
    assert request.verify_reply(request.create_reply(packet=raw), raw)


def test_message_authenticator_of_requests(dictionary: Dictionary) -> None:
    made = AuthPacket(dict=dictionary, secret=SECRET, User_Name="bob", message_authenticator=True)
    raw = made.request_packet()
    assert hmac.new(SECRET, raw[:-16] + bytes(16), "md5").digest() == raw[-16:]
    got = parse_packet(raw, SECRET, dictionary)
    assert got.verify_message_authenticator()
    got.require_valid_message_authenticator()
    with pytest.raises(PacketError, match="Message-Authenticator is invalid"):
        got.require_valid_message_authenticator(secret=b"another")
    acct = AcctPacket(dict=dictionary, secret=SECRET, User_Name="bob", message_authenticator=True)
    assert parse_packet(acct.request_packet(), SECRET, dictionary).verify_message_authenticator()
    bare = parse_packet(sent(attribute(1, b"bob")), SECRET, dictionary)
    with pytest.raises(PacketError):
        bare.verify_message_authenticator()


def test_octets_that_look_like_text_stay_octets(dictionary: Dictionary) -> None:
    """PKT-8: a Message-Authenticator that begins with "0x" verifies like any other."""
    for number in range(400_000):
        made = sent(attribute(1, b"bob") + attribute(80, bytes(16)), authenticator=number.to_bytes(16, "big"))
        if hmac.new(SECRET, made, "md5").digest().startswith(b"0x"):
            break
    raw = made[:-16] + hmac.new(SECRET, made, "md5").digest()
    got = parse_packet(raw, SECRET, dictionary)
    assert got.verify_message_authenticator()
    assert got["Message-Authenticator"] == [raw[-16:]]
    got["State"] = b"0xzz"
    assert got[24] == [b"0xzz"]


def test_status_server(dictionary: Dictionary) -> None:
    """PKT-14"""
    made = StatusPacket(dict=dictionary, secret=SECRET)
    got = parse_packet(made.request_packet(), SECRET, dictionary)
    assert isinstance(got, StatusPacket)
    assert got.verify_status_request()
    assert not StatusPacket(packet=sent(b"", 12), secret=SECRET, dict=dictionary).verify_status_request()


def test_auth_request_with_a_zero_authenticator_is_refused(dictionary: Dictionary) -> None:
    good = parse_packet(sent(attribute(1, b"bob")), SECRET, dictionary)
    bad = parse_packet(sent(attribute(1, b"bob"), authenticator=bytes(16)), SECRET, dictionary)
    assert isinstance(good, AuthPacket)
    assert isinstance(bad, AuthPacket)
    assert good.verify_auth_request()
    assert not bad.verify_auth_request()


def test_values_that_do_not_fit_say_so(dictionary: Dictionary) -> None:
    made = Packet(dict=dictionary, authenticator=AUTHENTICATOR)
    for name, value, error in (
        ("NAS-Port", "many", TypeError),
        ("NAS-Port", 2**32, ValueError),
        ("User-Name", "x" * 254, ValueError),
        ("NAS-IP-Address", "192.0.2.256", ValueError),
        ("Framed-IPv6-Prefix", "2001:db8::/129", ValueError),
    ):
        with pytest.raises(error):
            made[name] = value
    for index in range(20):
        made.add_attribute("Reply-Message", f"{index:0250}")
    with pytest.raises(PacketError, match="attribute 18"):
        made.reply_packet()
    made.clear()
    made[18] = "not a list"
    with pytest.raises(TypeError, match="18"):
        made.reply_packet()
    made.clear()
    made.code = PacketType.AccessAccept
    made.id = 300
    with pytest.raises(ValueError, match="id"):
        made.reply_packet()
