"""What is logged: enough to act upon, never a flood, never a secret, and nothing that a peer wants a terminal to do."""

from __future__ import annotations

import logging
import pickle
import re
import ssl
import threading
from typing import Any

import pytest
from authority import Authority
from conftest import Serve
from serving import Server, until

from pyradsec.server import RemoteHost
from wire import Peer, PeerGone, access_request, accounting_request, client_context, request, status_server

SECRET = b"a-secret-that-nobody-may-read"


def test_no_record_per_packet_at_info_or_above(serve: Serve) -> None:
    """Nor one per connection."""
    running = serve()
    for round in range(3):
        with Peer(running.address) as peer:
            requests = [access_request(f"user{id}", id=id) for id in range(100)]
            peer.send(*requests, *(accounting_request(id=id) for id in range(100)))
            peer.receive_many(200)
            peer.probe()
        running.wait_stats(closed=round + 1)
    (record,) = [record for record in running.log.records if record.levelno >= logging.INFO]
    assert "serving RADIUS/TLS" in record.getMessage()
    assert len(running.log.records) < 10


def test_everything_goes_to_the_one_logger(serve: Serve) -> None:
    running = serve()
    running.connect().probe()
    assert {record.name for record in running.log.records} == {"pyradsec"}


def test_at_most_ten_records_a_second_for_one_reason_and_peer(serve: Serve) -> None:
    """Then how many were held back; another reason and another peer are not held back by it."""
    running = serve(hosts={"10.0.0.1": RemoteHost("10.0.0.1", b"radsec", "elsewhere")})

    def refused(source: str = "127.0.0.1") -> None:
        peer = Peer(running.address, handshake=False, source=source)
        assert peer.sock.recv(1) == b""
        peer.sock.close()

    words = "no such client in hosts"
    for _ in range(40):
        refused()
    stats = running.wait_stats(refused_unknown_host=40)
    running.log.wait(words, num=10)
    # 40 in one second, or a few more records where they took longer.
    assert len(running.log.find(words)) == 40 - stats["events_held_back"] < 30
    refused("127.0.0.2")
    running.log.wait("127.0.0.2", words)
    assert not running.log.find("127.0.0.2", "held back")
    # The first of a later second says how many there were.

    def is_told() -> bool:
        refused()
        return bool(running.log.find("127.0.0.1", "more were held back"))

    until(is_told, "the rest")
    (record, *_) = running.log.find("more were held back")
    found = re.search(r"\((\d+) more were held back\)", record.getMessage())
    assert found
    assert int(found[1]) >= 10


def test_a_flood_from_many_peers_is_bounded(serve: Serve) -> None:
    """The queue between the threads is; what does not fit is counted."""
    running = serve(hosts={})
    stall = threading.Event()

    def hold() -> None:
        stall.wait(10)

    running.loop.call_soon_threadsafe(hold)
    peers = [Peer(running.address, handshake=False, source=f"127.0.{1 + i // 200}.{1 + i % 200}") for i in range(400)]
    stall.set()
    for peer in peers:
        assert peer.sock.recv(1) == b""
        peer.sock.close()
    stats = running.wait_stats(refused_unknown_host=400)
    until(lambda: len(running.log.find("no such client")) + stats["events_held_back"] >= 400)


HOSTILE = [
    "evil\nERROR pyradsec forged record",
    "evil\r\x1b[2J\x1b]0;title\x07",
    "evil\x00nul",
    "evil\u202egnihtyreve",
    "evil\x85\u2028\u2029",
    "evil \\x41 'quoted' \"twice\" %s %d {0}",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_user_name_is_escaped(serve: Serve, name: str) -> None:
    class Failing(Server):
        async def answer(self, packet: Any, **attributes: Any) -> Any:
            raise RuntimeError("no")

    running = serve(Failing)
    running.connect().send(access_request(name))
    (record,) = running.log.wait("the handler raised")
    message = record.getMessage()
    assert message.isprintable()
    assert "evil" in message
    assert "127.0.0.1:" in message


def test_a_user_name_that_is_no_text_is_escaped(serve: Serve) -> None:
    class Failing(Server):
        async def answer(self, packet: Any, **attributes: Any) -> Any:
            return None

    running = serve(Failing)
    running.connect().send(access_request(bytes(range(128, 256)) + b"\n"))
    (record,) = running.log.wait("returned None")
    assert record.getMessage().isprintable()


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("foreign") / "ca", "foreign CA")


@pytest.mark.parametrize("subject", ["evil \u202egnihtyreve", "evil \x1b[31mred", "evil {0} %s \u00e9"])
def test_a_certificates_subject_is_escaped(serve: Serve, foreign: Authority, subject: str) -> None:
    """And names the check that failed."""
    identity = foreign.issue(f"evil{abs(hash(subject))}", subject)
    running = serve()
    context = client_context(certfile=identity.certfile, keyfile=identity.keyfile)
    with pytest.raises((PeerGone, ConnectionError, ssl.SSLError)), Peer(running.address, context) as peer:
        peer.probe()
    (record,) = running.log.wait("unknown CA")
    message = record.getMessage()
    assert message.isprintable()
    assert message.isascii()
    assert "evil" in message


def test_secrets_and_passwords_are_never_logged(serve: Serve) -> None:
    """At DEBUG neither, in failures neither, nor in what records hold besides their message."""

    class Failing(Server):
        async def answer(self, packet: Any, **attributes: Any) -> Any:
            if packet.id == 0:
                raise RuntimeError("no")
            if packet.id == 1:
                return None
            if packet.id == 2:
                return "no packet"
            reply = packet.create_reply()
            if packet.id == 3:
                reply.code = 99
            return reply

    running = serve(Failing, hosts={"127.0.0.1": RemoteHost("127.0.0.1", SECRET, "the test")}, verify_packet=True)
    peer = running.connect()
    for id in range(5):
        peer.send(access_request("alice", "open sesame", id=id, secret=SECRET))
    peer.receive_many(2)
    peer.send(accounting_request(secret=b"another"))
    peer.receive_rest()
    running.call(setattr, running.server, "hosts", {"127.0.0.1": RemoteHost("127.0.0.1", SECRET.decode(), "x")})  # type: ignore[arg-type]
    with pytest.raises((PeerGone, ConnectionError)), Peer(running.address) as late:
        late.probe()
    running.log.wait("no secret of bytes")
    formatter = logging.Formatter("%(message)s %(exc_text)s")
    for record in running.log.records:
        text = formatter.format(record) + repr(record.args) + repr(record.__dict__)
        for word in (SECRET.decode(), "open sesame"):
            assert word not in text, record.getMessage()
    assert len(running.log.records) > 5


def test_secrets_are_not_in_reprs(serve: Serve) -> None:
    seen: list[str] = []

    class Looking(Server):
        async def answer(self, packet: Any, **attributes: Any) -> Any:
            reply = packet.create_reply()
            seen.extend(map(repr, (packet, packet.peer, reply, self, self.hosts, vars(self))))
            return reply

    running = serve(Looking, hosts={"127.0.0.1": RemoteHost("127.0.0.1", SECRET, "the test")})
    peer = running.connect()
    peer.ask(access_request("alice", "open sesame", secret=SECRET), SECRET)
    assert len(seen) == 6
    for text in seen:
        assert SECRET.decode() not in text
        assert "open sesame" not in text


def test_remote_host_still_pickles_with_its_secret() -> None:
    """A repr without the secret is no loss of it."""
    host = RemoteHost("127.0.0.1", SECRET, "the test")
    assert pickle.loads(pickle.dumps(host)) == host
    assert SECRET.decode() not in repr(host)


def test_a_handlers_failure_names_peer_packet_and_user_with_a_traceback(serve: Serve) -> None:
    class Failing(Server):
        async def answer(self, packet: Any, **attributes: Any) -> Any:
            raise ZeroDivisionError("in the handler")

    running = serve(Failing)
    peer = running.connect()
    peer.send(access_request("alice", id=77))
    (record,) = running.log.wait("the handler raised")
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)
    for part in ("Access-Request", "id 77", "alice", f"127.0.0.1:{peer.local_port}"):
        assert part in record.getMessage()
    peer.probe()  # one bad request is that request's problem


def test_a_logging_handler_that_raises_harms_nobody(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """logging swallows what its handlers raise; a logger that raises itself is reported and survived."""
    running = serve()

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no room on the disk")

    caught: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", caught.append)
    with monkeypatch.context() as patch:
        patch.setattr(logging.getLogger("pyradsec"), "log", fail)
        with Peer(running.address) as peer:
            peer.send(request(13, id=1))
            peer.probe()
            assert peer.ask(access_request()).code == 2
            until(lambda: len(caught) >= 2, "the reports")
    with Peer(running.address) as peer:
        peer.probe()
    assert all(isinstance(one.exc_value, RuntimeError) for one in caught)
    caught.clear()


def test_the_log_speaks_of_ipv6_peers_with_brackets(serve: Serve) -> None:
    running = serve(listen_address="::1", hosts={"::1": RemoteHost("::1", b"radsec", "six")})
    peer = running.connect()
    peer.ask(status_server())
    running.log.wait(f"[::1]:{peer.local_port} connected: TLSv1.3")
