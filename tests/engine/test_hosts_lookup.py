"""Which client an address stands for, and when the server asks (PKT-5)."""

from __future__ import annotations

import collections
import contextlib
import time
import types
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from conftest import Serve
from serving import Running, until

from pyradsec.radsec.hosts import find_host
from pyradsec.server import RemoteHost
from wire import (
    SECRET,
    Peer,
    PeerGone,
    access_request,
    accounting_request,
    check_response,
    status_server,
)


def named(name: str, secret: Any = SECRET) -> RemoteHost:
    return RemoteHost("0.0.0.0", secret, name)


# --- find_host ---

HOSTS = {
    "0.0.0.0": "everybody-4",
    "::": "everybody-6",
    "10.0.0.0/8": "ten",
    "10.1.0.0/16": "ten-one",
    "10.1.2.3": "exact",
    "10.1.2.0/24": "ten-one-two",
    "192.0.2.7/24": "host bits",
    "2001:db8::/32": "doc",
    "2001:DB8:0:0:1::/80": "doc-one",
    "2001:0db8:0000:0000:0002:0000:0000:0009": "long spelling",
    "fe80::1%lo": "scoped",
    "a name": "no address",
    ("10.1.2.4",): "no text",
    None: "nothing",
}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.1.2.3", "exact"),
        ("10.1.2.4", "ten-one-two"),
        ("10.1.3.1", "ten-one"),
        ("10.255.255.255", "ten"),
        ("192.0.2.200", "host bits"),
        ("192.0.3.1", "everybody-4"),
        ("2001:db8::1", "doc"),
        ("2001:db8:0:0:1::5", "doc-one"),
        ("2001:db8::2:0:0:9", "long spelling"),
        ("2001:db9::1", "everybody-6"),
        ("fe80::1%lo", "scoped"),
        ("fe80::2%lo", "everybody-6"),
        ("::1", "everybody-6"),
    ],
)
def test_find_host(address: str, expected: str) -> None:
    """The exact text, the longest network, the wildcard of the peer's own family."""
    assert find_host(HOSTS, address) == expected


def test_the_other_familys_wildcard_stands_for_everybody_too() -> None:
    assert find_host({"0.0.0.0": "all"}, "2001:db8::1") == "all"
    assert find_host({"::": "all"}, "192.0.2.1") == "all"
    assert find_host({"10.0.0.0/8": "ten"}, "192.0.2.1") is None
    assert find_host({}, "192.0.2.1") is None


def test_a_wildcard_is_no_network_of_length_zero() -> None:
    """ "0.0.0.0" as an address would be a network of one."""
    assert find_host({"0.0.0.0": "all", "192.0.2.0/24": "net"}, "192.0.2.1") == "net"
    assert find_host({"0.0.0.0/0": "v4", "::": "all"}, "192.0.2.1") == "v4"


# --- over the wire ---


def knows(running: Running[Any], secret: bytes = SECRET, **kwargs: Any) -> bool:
    """Whether a peer is let in with `secret`."""
    try:
        with Peer(running.address, **kwargs) as peer:
            peer.probe(secret=secret)
    except (PeerGone, ConnectionError):
        return False
    return True


@pytest.mark.parametrize(
    "key", ["127.0.0.1", "127.0.0.0/8", "127.0.0.1/32", "127.0.0.1/8", "0.0.0.0", "0.0.0.0/0", "::"]
)
def test_keys_for_ipv4(serve: Serve, key: str) -> None:
    running = serve(hosts={"10.0.0.0/8": named("other", b"other"), key: named("here")})
    assert knows(running)


@pytest.mark.parametrize("key", ["::1", "0:0:0:0:0:0:0:1", "0000::0001", "::1/128", "::/64", "::", "0.0.0.0"])
def test_keys_for_ipv6(serve: Serve, key: str) -> None:
    running = serve(listen_address="::1", hosts={"2001:db8::/32": named("other", b"other"), key: named("here")})
    assert knows(running)


def test_the_most_specific_key_gives_the_secret(serve: Serve) -> None:
    hosts = {
        "0.0.0.0": named("all", b"of all"),
        "127.0.0.0/8": named("net", b"of the net"),
        "127.1.0.0/16": named("subnet", b"of the subnet"),
        "127.1.0.9": named("exact", b"of one"),
    }
    running = serve(hosts=hosts)
    for source, secret in [
        ("127.1.0.9", b"of one"),
        ("127.1.0.8", b"of the subnet"),
        ("127.2.0.1", b"of the net"),
    ]:
        assert knows(running, secret, source=source)
    running.call(hosts.__delitem__, "127.0.0.0/8")
    assert knows(running, b"of all", source="127.2.0.1")


def test_an_unknown_peer_costs_no_handshake(serve: Serve) -> None:
    """PKT-5: refused before TLS, and told to the log."""
    running = serve(hosts={"10.0.0.0/8": named("other")})
    peer = Peer(running.address, handshake=False)
    running.peers.append(peer)
    assert not peer.handshake_step()  # the ClientHello is on its way
    with contextlib.suppress(ConnectionResetError):  # our octets were not read before the end
        assert peer.sock.recv(65536) == b""
    stats = running.wait_stats(refused_unknown_host=1)
    assert stats["handshakes_completed"] == stats["octets_received"] == stats["octets_sent"] == 0
    (record,) = running.log.wait("no such client in hosts")
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(f"127.0.0.1:{peer.local_port} ")


class Registry(Mapping[str, RemoteHost]):
    """A mapping as one might be written over a database."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failure: Exception | None = None

    def __getitem__(self, key: str) -> RemoteHost:
        self.asked.append(key)
        if self.failure is not None:
            raise self.failure
        if key == "127.0.0.1":
            return named("from the registry", b"registered")
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(["127.0.0.1"])

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize(
    "make",
    [
        lambda hosts: types.MappingProxyType(hosts),
        lambda hosts: collections.ChainMap({}, hosts),
        lambda hosts: collections.OrderedDict(hosts),
        lambda hosts: collections.defaultdict(lambda: None, hosts),
        lambda hosts: type("Own", (dict,), {})(hosts),
    ],
    ids=["proxy", "chain", "ordered", "default", "subclass"],
)
def test_any_mapping_will_do(serve: Serve, make: Any) -> None:
    assert knows(serve(hosts=make({"127.0.0.1": named("here")})))


def test_a_mapping_of_ones_own_is_asked(serve: Serve) -> None:
    registry = Registry()
    running = serve(hosts=registry)
    assert knows(running, b"registered")
    assert set(registry.asked) == {"127.0.0.1"}
    assert not knows(running, b"registered", source="127.0.0.2")


def test_dict_subclass_with_missing_is_asked_as_python_does(serve: Serve) -> None:
    """`in` says what a mapping holds; __missing__ is not asked behind its back."""

    class Generous(dict[str, RemoteHost]):
        def __missing__(self, key: str) -> RemoteHost:
            return named("made up")

    assert not knows(serve(hosts=Generous()))


@pytest.mark.parametrize("failure", [RuntimeError("the database is down"), LookupError("gone"), TypeError()])
def test_a_mapping_that_raises_refuses_the_peer(serve: Serve, failure: Exception) -> None:
    """And is told with its traceback; the server goes on."""
    registry = Registry()
    registry.failure = failure
    running = serve(hosts=registry)
    assert not knows(running)
    (record,) = running.log.wait("127.0.0.1", "raised")
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert record.exc_info[1] is failure
    registry.failure = None
    assert knows(running, b"registered")


@pytest.mark.parametrize("hosts", [None, 42, "127.0.0.1", [named("in a list")], object()])
def test_what_is_no_mapping_refuses_the_peer(serve: Serve, hosts: Any) -> None:
    running = serve()
    running.call(setattr, running.server, "hosts", hosts)
    assert not knows(running)
    running.call(setattr, running.server, "hosts", {"127.0.0.1": named("here")})
    assert knows(running)


@pytest.mark.parametrize(
    "entry", [named("text", "radsec"), named("none", None), named("array", bytearray(b"radsec")), "radsec", 7]
)
def test_an_entry_without_a_secret_of_bytes_refuses_the_peer(serve: Serve, entry: Any) -> None:
    running = serve(hosts={"127.0.0.1": entry})
    assert not knows(running)
    (record,) = running.log.wait("127.0.0.1", "no secret of bytes")
    assert record.levelname == "ERROR"
    assert "radsec" not in record.getMessage()


def test_an_entry_of_none_refuses_the_peer(serve: Serve) -> None:
    running = serve(hosts={"127.0.0.1": None})
    assert not knows(running)
    running.wait_stats(refused_unknown_host=1)


def test_the_longest_and_the_shortest_secret(serve: Serve) -> None:
    for secret in (b"x", bytes(range(256)) * 64):
        assert knows(serve(hosts={"127.0.0.1": named("here", secret)}), secret)


# --- changed under traffic ---


def test_hosts_assigned_under_traffic(serve: Serve) -> None:
    running = serve(hosts={})
    assert not knows(running)
    running.call(setattr, running.server, "hosts", {"127.0.0.1": named("here")})
    assert knows(running)
    running.call(setattr, running.server, "hosts", {"127.0.0.1": named("here", b"another")})
    assert knows(running, b"another")
    assert not knows(running)


def test_a_host_that_is_gone_is_answered_what_was_accepted_and_closed(serve: Serve) -> None:
    """PKT-5, TLS-11."""
    running = serve()
    peer = running.connect()
    requests = [access_request("slow", id=id) for id in range(5)]
    peer.send(*requests)
    running.server.wait_seen(5)
    running.call(running.server.hosts.clear)
    last = access_request("slow", id=5)
    peer.send(last)  # this one's batch finds the host gone; it was accepted all the same
    running.wait_stats(host_gone=1)
    running.open_gate()
    replies = peer.receive_rest()
    assert peer.end == "close_notify"
    waiting = {packet[1]: packet for packet in [*requests, last]}
    for reply in replies:
        check_response(reply, waiting.pop(reply[1]))
    assert waiting in ({}, {5: last})
    (record,) = running.log.wait("no longer in hosts")
    assert record.levelname == "WARNING"


def test_a_host_that_is_gone_is_found_out_within_a_second_of_status_servers(serve: Serve) -> None:
    """What is answered without Python does not keep a connection whose host has gone."""
    running = serve()
    peer = running.connect()
    peer.probe()
    running.call(running.server.hosts.clear)
    end = time.monotonic() + 5
    with contextlib.suppress(PeerGone, ConnectionError):
        while time.monotonic() < end:
            peer.probe()
    assert running.stats()["host_gone"] == 1


def test_other_hosts_stay(serve: Serve) -> None:
    hosts = {"127.0.0.1": named("one"), "127.0.0.2": named("two")}
    running = serve(hosts=hosts)
    one, two = running.connect(source="127.0.0.1"), running.connect(source="127.0.0.2")
    one.probe()
    running.call(hosts.__delitem__, "127.0.0.2")
    two.send(access_request())
    two.receive_rest()
    assert two.end == "close_notify"
    assert one.ask(access_request()).code == 2


def test_a_request_keeps_the_secret_it_was_verified_with(serve: Serve) -> None:
    running = serve(verify_packet=True)
    peer = running.connect()
    old = access_request("slow", id=1)
    peer.send(old)
    running.server.wait_seen(1)
    running.call(setattr, running.server, "hosts", {"127.0.0.1": named("here", b"new")})
    # The new secret holds at once, also on a connection that began with the old one: it is asked for before a
    # packet that fails costs the client its connection.
    fresh = accounting_request(id=2, secret=b"new")
    peer.send(fresh)
    check_response(peer.receive(), fresh, b"new")
    running.open_gate()
    check_response(peer.receive(), old, SECRET)
    assert running.stats()["bad_authenticator"] == 0


def test_what_follows_a_packet_in_doubt_is_not_lost(serve: Serve) -> None:
    """The rest of the stream waits for the answer, in order."""
    running = serve(verify_packet=True)
    peer = running.connect()
    peer.probe()
    running.call(setattr, running.server, "hosts", {"127.0.0.1": named("here", b"new")})
    requests = [accounting_request(id=id, secret=b"new") for id in range(50)]
    peer.send(*requests)
    peer.collect(requests, b"new")
    assert [id for _, id, _ in running.server.seen] == list(range(50))


def test_a_wrong_secret_is_asked_for_once_and_costs_the_connection(serve: Serve) -> None:
    """PKT-4."""
    running = serve(hosts=Registry(), verify_packet=True)
    peer = running.connect()
    peer.probe(secret=b"registered")
    asked = len(running.server.hosts.asked)
    peer.send(accounting_request(secret=b"wrong"))
    assert peer.receive_rest() == []
    assert peer.end == "close_notify"
    assert running.stats()["bad_authenticator"] == 1
    assert len(running.server.hosts.asked) > asked


def test_the_old_secret_ends_when_the_new_one_is_in_use(serve: Serve) -> None:
    """PKT-4."""
    running = serve(verify_packet=True)
    peer = running.connect()
    running.call(setattr, running.server, "hosts", {"127.0.0.1": named("here", b"new")})
    request = accounting_request(secret=b"new")
    peer.send(request)
    check_response(peer.receive(), request, b"new")
    peer.send(accounting_request(id=1))
    assert peer.receive_rest() == []
    assert running.stats()["bad_authenticator"] == 1


def test_the_secret_changes_for_unverified_requests_with_the_next_packet(serve: Serve) -> None:
    """An Access-Request without Message-Authenticator verifies with any secret: its own batch still has the old one."""
    running = serve()
    peer = running.connect()
    peer.probe()
    running.call(setattr, running.server, "hosts", {"127.0.0.1": named("here", b"new")})
    first = access_request(id=1, ma=False)
    peer.send(first)
    check_response(peer.receive(), first, SECRET)
    second = access_request(id=2, ma=False, secret=b"new")
    peer.send(second)
    check_response(peer.receive(), second, b"new")


def test_an_entry_that_is_changed_in_place_counts(serve: Serve) -> None:
    entry = named("here")
    running = serve(hosts={"127.0.0.1": entry})
    peer = running.connect()
    peer.probe()
    running.call(setattr, entry, "secret", b"in place")
    peer.probe(secret=b"in place")


def test_an_equal_secret_is_no_change(serve: Serve) -> None:
    running = serve()
    peer = running.connect()
    for id in range(3):
        running.call(setattr, running.server, "hosts", {"127.0.0.1": named("here", bytes(bytearray(SECRET)))})
        assert peer.ask(access_request(id=id)).code == 2


def test_hosts_are_asked_with_every_batch_not_with_every_packet(serve: Serve) -> None:
    registry = Registry()
    running = serve(hosts=registry)
    peer = running.connect()
    requests = [access_request(id=id, secret=b"registered") for id in range(256)]
    peer.send(*requests)
    peer.collect(requests, b"registered")
    assert len(registry.asked) < 128


# --- IPv6 and wildcards of listening ---


def test_ipv4_peers_do_not_come_in_over_ipv6(serve: Serve) -> None:
    """None come over IPv6: "::" is IPv6 only."""
    running = serve(listen_address="::", hosts={"::": named("six")})
    port = running.address[1]
    with pytest.raises(ConnectionRefusedError):
        Peer(("127.0.0.1", port))
    with Peer(("::1", port)) as peer:
        peer.probe()


def test_status_server_with_a_changed_secret(serve: Serve) -> None:
    """PKT-14: also what never reaches Python meets the new secret at once."""
    running = serve()
    peer = running.connect()
    peer.probe()
    running.call(setattr, running.server, "hosts", {"127.0.0.1": named("here", b"new")})
    request = status_server(secret=b"new")
    peer.send(request)
    check_response(peer.receive(), request, b"new")


def test_a_batch_that_finds_its_host_changed_for_another_peer(serve: Serve) -> None:
    """Each connection has its own look-up: one whose host has gone does not take the others of its batch along."""
    hosts = {"127.0.0.1": named("one"), "127.0.0.2": named("two")}
    running = serve(hosts=hosts)
    peers = [running.connect(source=f"127.0.0.{1 + i % 2}") for i in range(8)]
    for peer in peers:
        peer.probe()
    running.call(hosts.__delitem__, "127.0.0.2")
    for peer in peers:
        peer.send(access_request())
    for i, peer in enumerate(peers):
        if i % 2:
            peer.receive_rest()
            assert peer.end == "close_notify"
        else:
            assert peer.receive()[0] == 2
            peer.probe()
    until(lambda: running.stats()["host_gone"] == 4)
