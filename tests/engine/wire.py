"""A RADIUS/TLS peer for tests: packets built from the RFCs alone, and a connection that decides over every octet.

Nothing here comes from the package under test: digests are hashlib's and hmac's, TLS is Python's over memory BIOs, so
that the records which the server sent can be told apart.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import socket
import ssl
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

ROOT = Path(__file__).resolve().parents[2]
CA = ROOT / "certs/ca/ca.cert.pem"
CLIENT = ROOT / "certs/client/client.cert.pem"
CLIENT_KEY = ROOT / "certs/client/client.key.pem"
SERVER = ROOT / "certs/server/server.cert.pem"
SERVER_KEY = ROOT / "certs/server/server.key.pem"

SECRET = b"radsec"
TIMEOUT = 10.0

# Codes (RFC 2865 §3, 2866, 5176, 5997, 7930).
ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE = 1, 2, 3, 11
ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 4, 5
STATUS_SERVER = 12
DISCONNECT_REQUEST, DISCONNECT_ACK, DISCONNECT_NAK = 40, 41, 42
COA_REQUEST, COA_ACK, COA_NAK = 43, 44, 45
PROTOCOL_ERROR = 52
# Attributes.
USER_NAME, USER_PASSWORD, REPLY_MESSAGE, STATE = 1, 2, 18, 24
VENDOR_SPECIFIC, PROXY_STATE = 26, 33
ACCT_STATUS_TYPE, ACCT_SESSION_ID = 40, 44
EAP_MESSAGE, MESSAGE_AUTHENTICATOR, ERROR_CAUSE = 79, 80, 101
EXTENDED_1 = 241

Attributes = Sequence[tuple[int, bytes]]
MaPlace = bool | Literal["first", "last"]

# --- packets ---


def attributes_octets(attributes: Attributes) -> bytes:
    """Type, Length and Value of each (RFC 2865 §5)."""
    return b"".join(bytes((kind, len(value) + 2)) + value for kind, value in attributes)


def raw_packet(code: int, id: int, authenticator: bytes, body: bytes, length: int | None = None) -> bytes:
    """A header before `body`; `length` lies about the octets."""
    return struct.pack("!BBH", code, id, 20 + len(body) if length is None else length) + authenticator + body


def message_authenticator_off(packet: bytes) -> int:
    """Where the value of the first Message-Authenticator begins; 0 when there is none."""
    off = 20
    while off < len(packet):
        if packet[off] == MESSAGE_AUTHENTICATOR:
            return off + 2
        off += packet[off + 1]
    return 0


def sign_message_authenticator(packet: bytes, authenticator: bytes, secret: bytes) -> bytes:
    """HMAC-MD5 over the packet with `authenticator` in its header and zeros for the value (RFC 3579 §3.2)."""
    off = message_authenticator_off(packet)
    if off == 0:
        return packet
    zeroed = packet[:off] + bytes(16) + packet[off + 16 :]
    digest = hmac.new(secret, zeroed[:4] + authenticator + zeroed[20:], "md5").digest()
    return packet[:off] + digest + packet[off + 16 :]


def request(
    code: int,
    attributes: Attributes = (),
    *,
    id: int = 0,
    ma: MaPlace = False,
    secret: bytes = SECRET,
    authenticator: bytes | None = None,
) -> bytes:
    """A request of any code, signed as its code asks for. `authenticator` replaces a random Request Authenticator, or
    the digest in one (which then is wrong)."""
    own = [(MESSAGE_AUTHENTICATOR, bytes(16))] if ma else []
    body = attributes_octets([*attributes, *own] if ma == "last" else [*own, *attributes])
    if code in (ACCOUNTING_REQUEST, COA_REQUEST, DISCONNECT_REQUEST):
        packet = sign_message_authenticator(raw_packet(code, id, bytes(16), body), bytes(16), secret)
        digest = hashlib.md5(packet + secret).digest() if authenticator is None else authenticator
        return packet[:4] + digest + packet[20:]
    chosen = os.urandom(16) if authenticator is None else authenticator
    return sign_message_authenticator(raw_packet(code, id, chosen, body), chosen, secret)


def hide_password(password: bytes, authenticator: bytes, secret: bytes) -> bytes:
    """User-Password (RFC 2865 §5.2)."""
    padded = password + bytes(-len(password) % 16 if password else 16)
    hidden, last = b"", authenticator
    for start in range(0, len(padded), 16):
        key = hashlib.md5(secret + last).digest()
        last = bytes(a ^ b for a, b in zip(padded[start : start + 16], key, strict=True))
        hidden += last
    return hidden


def access_request(
    user: str | bytes = "alice",
    password: str | bytes | None = "wonderland",
    *,
    id: int = 0,
    ma: MaPlace = True,
    attributes: Attributes = (),
    secret: bytes = SECRET,
    authenticator: bytes | None = None,
) -> bytes:
    """An Access-Request with User-Name and, unless it is None, User-Password."""
    chosen = os.urandom(16) if authenticator is None else authenticator
    name = user.encode() if isinstance(user, str) else user
    own = [(USER_NAME, name)]
    if password is not None:
        clear = password.encode() if isinstance(password, str) else password
        own.append((USER_PASSWORD, hide_password(clear, chosen, secret)))
    return request(ACCESS_REQUEST, [*own, *attributes], id=id, ma=ma, secret=secret, authenticator=chosen)


def accounting_request(
    session: str = "s1",
    *,
    id: int = 0,
    ma: MaPlace = False,
    attributes: Attributes = (),
    secret: bytes = SECRET,
    authenticator: bytes | None = None,
) -> bytes:
    """An Accounting-Request Start."""
    own = [(ACCT_STATUS_TYPE, (1).to_bytes(4, "big")), (ACCT_SESSION_ID, session.encode())]
    return request(ACCOUNTING_REQUEST, [*own, *attributes], id=id, ma=ma, secret=secret, authenticator=authenticator)


def coa_request(
    session: str = "s1",
    *,
    id: int = 0,
    ma: MaPlace = False,
    attributes: Attributes = (),
    secret: bytes = SECRET,
    authenticator: bytes | None = None,
) -> bytes:
    """A CoA-Request."""
    own = [(ACCT_SESSION_ID, session.encode())]
    return request(COA_REQUEST, [*own, *attributes], id=id, ma=ma, secret=secret, authenticator=authenticator)


def disconnect_request(
    session: str = "s1",
    *,
    id: int = 0,
    ma: MaPlace = False,
    attributes: Attributes = (),
    secret: bytes = SECRET,
    authenticator: bytes | None = None,
) -> bytes:
    """A Disconnect-Request."""
    own = [(ACCT_SESSION_ID, session.encode())]
    return request(DISCONNECT_REQUEST, [*own, *attributes], id=id, ma=ma, secret=secret, authenticator=authenticator)


def status_server(*, id: int = 0, ma: MaPlace = True, attributes: Attributes = (), secret: bytes = SECRET) -> bytes:
    """A Status-Server request (RFC 5997 §3)."""
    return request(STATUS_SERVER, attributes, id=id, ma=ma, secret=secret)


@dataclass(frozen=True)
class Response:
    """A reply whose digests were checked."""

    code: int
    id: int
    attributes: tuple[tuple[int, bytes], ...]

    def values(self, kind: int) -> list[bytes]:
        """All values of attribute `kind`, in order."""
        return [value for number, value in self.attributes if number == kind]

    @property
    def is_signed(self) -> bool:
        """Whether it carries a Message-Authenticator (a valid one, check_response() has seen to that)."""
        return bool(self.values(MESSAGE_AUTHENTICATOR))

    @property
    def message(self) -> str:
        """The first Reply-Message."""
        return self.values(REPLY_MESSAGE)[0].decode()


def parse_attributes(packet: bytes) -> tuple[tuple[int, bytes], ...]:
    """Types and values in order; AssertionError when they do not fill the packet."""
    attributes, off = [], 20
    while off < len(packet):
        assert off + 2 <= len(packet), f"half an attribute at octet {off}"
        length = packet[off + 1]
        assert length >= 2, f"attribute of length {length} at octet {off}"
        assert off + length <= len(packet), f"attribute runs past the end at octet {off}"
        attributes.append((packet[off], packet[off + 2 : off + length]))
        off += length
    return tuple(attributes)


def check_response(reply: bytes, request: bytes, secret: bytes = SECRET) -> Response:
    """The reply to `request`, after all its digests were checked with other means than the server's."""
    code, id, length = struct.unpack("!BBH", reply[:4])
    assert length == len(reply), f"Length {length}, {len(reply)} octets"
    assert id == request[1], f"identifier {id} in the reply to {request[1]}"
    unsigned = reply[:4] + request[4:20] + reply[20:]
    assert hashlib.md5(unsigned + secret).digest() == reply[4:20], "Response Authenticator does not verify"
    attributes = parse_attributes(reply)
    signatures = [value for kind, value in attributes if kind == MESSAGE_AUTHENTICATOR]
    assert len(signatures) <= 1, "more than one Message-Authenticator"
    if signatures:
        # An Accounting-Response is signed over zeros there, as FreeRADIUS and pyrad2 do; no RFC says.
        header = bytes(16) if code == 5 else request[4:20]
        signed = sign_message_authenticator(reply, header, secret)
        assert signed == reply, "Message-Authenticator does not verify"
    return Response(code, id, attributes)


# --- connections ---


def client_context(
    *,
    certfile: Path | None = CLIENT,
    keyfile: Path | None = CLIENT_KEY,
    version: ssl.TLSVersion | None = None,
    ca: Path | None = CA,
) -> ssl.SSLContext:
    """A client's context; `version` is the only one it speaks. Without `ca` it trusts nobody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if ca is not None:
        context.load_verify_locations(ca)
    if certfile is not None:
        context.load_cert_chain(certfile, keyfile)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


class PeerGone(AssertionError):
    """The server ended the connection where the test expected octets."""


class Peer:
    """One TLS connection to a server; blocking, every wait ends after `timeout` seconds with TimeoutError.

    records: the plaintext of each application data record the server sent, in order.
    empty_records: how many records after the handshake held no such data (with TLS 1.3: session tickets).
    end: None while the connection lives; then "close_notify", "eof" (FIN without close_notify), "reset", or "alert".
    """

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext | None = None,
        *,
        handshake: bool = True,
        timeout: float = TIMEOUT,
        source: str | None = None,
        source_port: int = 0,
        receive_buffer: int | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.timeout = timeout
        self.sock.settimeout(timeout)
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            if source is not None or source_port != 0:
                self.sock.bind((source or "", source_port))
            self.sock.connect(address)
        except BaseException:
            self.sock.close()
            raise
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or client_context()).wrap_bio(self._in, self._out, server_side=False, session=session)
        self.records: list[bytes] = []
        self.empty_records = 0
        self.end: str | None = None
        self.error: Exception | None = None
        self._cipher = b""
        self._plain = b""
        self._received = 0
        self.octets_received = 0  # ciphertext
        if handshake:
            try:
                self.handshake()
            except BaseException:
                self.sock.close()
                raise

    @property
    def local_port(self) -> int:
        """The port that the server knows this peer by."""
        port: int = self.sock.getsockname()[1]
        return port

    # --- handshake ---

    def handshake(self) -> None:
        """ssl.SSLError, PeerGone. With TLS 1.3 a server that refuses is heard of only by the next read."""
        while not self.handshake_step():
            self._feed_handshake()

    def handshake_step(self) -> bool:
        """Goes on as far as the octets at hand allow, and sends what comes of it. True: done."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self.flush()
            return False
        except ssl.SSLError:
            self.flush()  # the alert
            raise
        self.flush()
        return True

    def handshake_without_last_flight(self) -> None:
        """All of it but for the client's last octets, which leave with what is sent next."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
                self._feed_handshake()
            else:
                return

    def _feed_handshake(self) -> None:
        """Hands one more record to TLS: what comes behind the handshake is none of its business."""
        while (record := self._next_record()) is None:
            octets = self.sock.recv(65536)
            if not octets:
                raise PeerGone("the server closed the connection during the handshake")
            self.octets_received += len(octets)
            self._cipher += octets
        self._in.write(record)

    def pending_octets(self) -> bytes:
        """What TLS wants to send, taken away from it."""
        return self._out.read()

    def flush(self) -> None:
        """Sends what TLS wants to send."""
        octets = self._out.read()
        if octets:
            self.sock.sendall(octets)

    # --- sending ---

    def seal(self, *parts: bytes) -> bytes:
        """Ciphertext of one record for each part (at most 16384 octets each)."""
        for part in parts:
            written = self.tls.write(part)
            assert written == len(part)
        return self._out.read()

    def send(self, *packets: bytes) -> None:
        """One record for each packet, all with one send(2)."""
        self.sock.sendall(self.seal(*packets))

    def send_packed(self, *packets: bytes) -> None:
        """All packets in one record."""
        self.send(b"".join(packets))

    def send_pieces(self, octets: bytes, size: int = 1) -> None:
        """Records of `size` octets each, all with one send(2)."""
        self.send(*(octets[start : start + size] for start in range(0, len(octets), size)))

    def send_raw(self, octets: bytes) -> None:
        """Octets as they are, whatever TLS would say."""
        self.sock.sendall(octets)

    # --- receiving ---

    def _next_record(self) -> bytes | None:
        length = 5 + int.from_bytes(self._cipher[3:5], "big")
        if len(self._cipher) < max(5, length):
            return None
        record, self._cipher = self._cipher[:length], self._cipher[length:]
        return record

    def _take_records(self) -> bool:
        """Hands whole records to TLS, one at a time, and notes what each one held. Whether there were any."""
        has_taken = False
        while self.end is None and (record := self._next_record()) is not None:
            has_taken = True
            self._in.write(record)
            plain = b""
            try:
                while octets := self.tls.read(16384):
                    plain += octets
                self.end = "close_notify"
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLZeroReturnError:
                self.end = "close_notify"
            except ssl.SSLError as error:
                self.end, self.error = "alert", error
            if plain:
                assert record[0] == 23, f"application data in a record of type {record[0]}"
                self.records.append(plain)
                self._plain += plain
            self.empty_records += not plain and self.end is None
        return has_taken

    def _receive(self) -> bool:
        """One recv(2). False: the connection has ended."""
        if self.end is not None:
            return False
        if self._take_records():  # what came with the end of the handshake
            return True
        try:
            octets = self.sock.recv(1 << 18)
        except ConnectionResetError:
            self.end = "reset"
            return False
        if not octets:
            self.end = "eof"
            return False
        self.octets_received += len(octets)
        self._cipher += octets
        self._take_records()
        return True

    def _take_packet(self) -> bytes | None:
        if len(self._plain) < 4:
            return None
        length = int.from_bytes(self._plain[2:4], "big")
        if len(self._plain) < length:
            return None
        packet, self._plain = self._plain[:length], self._plain[length:]
        self._received += 1
        return packet

    def receive(self) -> bytes:
        """The next packet; PeerGone when the connection ends instead, TimeoutError when nothing comes."""
        while (packet := self._take_packet()) is None:
            if not self._receive():
                raise PeerGone(f"the server ended the connection ({self.end}) after {self._received} packets")
        return packet

    def receive_many(self, num: int) -> list[bytes]:
        """The next `num` packets."""
        return [self.receive() for _ in range(num)]

    def receive_rest(self) -> list[bytes]:
        """All packets until the connection ends; `end` then says how."""
        packets = []
        while True:
            packet = self._take_packet()
            if packet is not None:
                packets.append(packet)
            elif not self._receive():
                assert self._plain == b"", f"the server ended in the middle of a packet: {self._plain.hex()}"
                return packets

    def wait_fin(self) -> None:
        """Reads until the server's FIN, after `end` was found."""
        with contextlib.suppress(ConnectionResetError):
            while self.sock.recv(65536):
                pass

    def ask(self, packet: bytes, secret: bytes = SECRET) -> Response:
        """Sends one request in one record and checks its reply, the next packet that comes."""
        self.send(packet)
        return check_response(self.receive(), packet, secret)

    def probe(self, id: int = 255, secret: bytes = SECRET) -> None:
        """Asserts that the connection lives, and that nothing was sent on it which the test has not read: the answer to
        a Status-Server comes next."""
        reply = self.ask(status_server(id=id, secret=secret), secret)
        assert (reply.code, reply.id) == (ACCESS_ACCEPT, id)

    def collect(self, requests: Iterable[bytes], secret: bytes = SECRET) -> dict[int, Response]:
        """The replies to `requests`, in whatever order they come, by identifier."""
        waiting = {packet[1]: packet for packet in requests}
        replies: dict[int, Response] = {}
        while waiting:
            reply = self.receive()
            replies[reply[1]] = check_response(reply, waiting.pop(reply[1]), secret)
        return replies

    # --- ending ---

    def close_notify(self) -> None:
        """Sends close_notify; the socket stays open, to be read."""
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLSyscallError):
            self.tls.unwrap()
        self.flush()

    def half_close(self) -> None:
        """FIN, without a close_notify before it."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """RST instead of FIN, at once."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self, *, notify: bool = True) -> None:
        """Ends the connection, in good order unless `notify` is False. May be called twice."""
        if self.sock.fileno() < 0:
            return
        with contextlib.suppress(OSError, ssl.SSLError, ValueError):
            if notify and self.end is None:
                self.close_notify()
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
