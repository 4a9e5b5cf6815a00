"""What the tests of packets share: octets written by hand, and the digests of the RFCs over them."""

from __future__ import annotations

import hashlib
import hmac

from pyradsec.dictionary import Dictionary

SECRET = b"xyzzy5461"
AUTHENTICATOR = bytes(range(16))
DICTIONARY = Dictionary.default()


def attribute(number: int, value: bytes) -> bytes:
    return bytes((number, len(value) + 2)) + value


def vendor(number: int, *attributes: bytes) -> bytes:
    return attribute(26, number.to_bytes(4, "big") + b"".join(attributes))


def octets(code: int, attributes: bytes = b"", authenticator: bytes = AUTHENTICATOR, identifier: int = 7) -> bytes:
    """A packet as it stands on the wire."""
    return bytes((code, identifier)) + (20 + len(attributes)).to_bytes(2, "big") + authenticator + attributes


def octets_v11(code: int, attributes: bytes = b"", token: bytes = b"\x01\x02\x03\x04") -> bytes:
    """RFC 9765 §4.1: Code, Reserved, Length, Token, Reserved."""
    return octets(code, attributes, token + bytes(12), 0)


def signed(raw: bytes, authenticator: bytes | None = None, secret: bytes = SECRET) -> bytes:
    """RFC 3579 §3.2: a Message-Authenticator at the end, over `authenticator` in the header, or the packet's own."""
    raw += attribute(80, bytes(16))
    raw = raw[:2] + len(raw).to_bytes(2, "big") + raw[4:]
    over = raw[:4] + (raw[4:20] if authenticator is None else authenticator) + raw[20:]
    return raw[:-16] + hmac.new(secret, over, "md5").digest()


def request_signed(raw: bytes, secret: bytes = SECRET) -> bytes:
    """RFC 2866 §3: with the Request Authenticator over the packet."""
    return raw[:4] + hashlib.md5(raw[:4] + bytes(16) + raw[20:] + secret).digest() + raw[20:]


def response_signed(raw: bytes, authenticator: bytes = AUTHENTICATOR, secret: bytes = SECRET) -> bytes:
    """RFC 2865 §3: with the Response Authenticator for a request's."""
    return raw[:4] + hashlib.md5(raw[:4] + authenticator + raw[20:] + secret).digest() + raw[20:]
