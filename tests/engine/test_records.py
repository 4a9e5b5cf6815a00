"""How replies are put into TLS records, and how few system calls that takes."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import LoopFactory, Running, Server, handled_by

from wire import (
    ROOT,
    TIMEOUT,
    Peer,
    access_request,
    accounting_request,
    check_response,
    coa_request,
    parse_attributes,
    status_server,
)

Serve = Callable[..., Running[Any]]
HERE = Path(__file__).resolve().parent


def packets_in(record: bytes) -> int:
    """How many whole packets a record holds; AssertionError when it holds anything else."""
    num = 0
    while record:
        length = int.from_bytes(record[2:4], "big")
        assert 20 <= length <= len(record), f"a record that does not end with a packet: {record.hex()}"
        parse_attributes(record[:length])
        record = record[length:]
        num += 1
    return num


def mixed_requests(num: int) -> list[bytes]:
    """Requests that are answered in Python and in C, by turns."""
    makers = (access_request, status_server, accounting_request, coa_request)
    return [makers[id % 4](id=id) for id in range(num)]


def test_one_reply_per_record_for_a_peer_that_does_not_pack(serve: Serve, loop_factory: LoopFactory) -> None:
    """However close together requests come and replies leave: there are peers that take one packet out of a record."""
    peer = serve(loop_factory=loop_factory).connect()
    requests = mixed_requests(200)
    peer.send(*requests)
    peer.collect(requests)
    assert [packets_in(record) for record in peer.records] == [1] * 200


def test_a_packet_over_several_records_is_not_packing(running: Running[Server], peer: Peer) -> None:
    requests = mixed_requests(40)
    peer.send_pieces(b"".join(requests), 30)
    peer.collect(requests)
    assert [packets_in(record) for record in peer.records] == [1] * 40


def test_replies_from_c_are_packed_for_a_peer_that_packs(running: Running[Server], peer: Peer) -> None:
    requests = [status_server(id=id) for id in range(100)]
    peer.send_packed(*requests)
    peer.collect(requests)
    numbers = [packets_in(record) for record in peer.records]
    assert sum(numbers) == 100
    # That the peer packs shows with its second packet: the first reply may have been written already.
    assert len(numbers) <= 2, numbers


def test_replies_from_python_are_packed_for_a_peer_that_packs(serve: Serve, loop_factory: LoopFactory) -> None:
    """What is ready together leaves together."""
    running = serve(loop_factory=loop_factory)
    peer = running.connect()
    slow = [access_request("slow", id=id) for id in range(64)]
    peer.send_packed(*slow)
    running.server.wait_seen(64)
    running.open_gate()
    peer.collect(slow)
    numbers = [packets_in(record) for record in peer.records]
    assert sum(numbers) == 64
    assert len(numbers) <= 2, numbers


def test_two_packets_in_one_record_are_packing_from_then_on(running: Running[Server], peer: Peer) -> None:
    first = [status_server(id=id) for id in range(4)]
    peer.send(*first)
    peer.collect(first)
    assert [packets_in(record) for record in peer.records] == [1, 1, 1, 1]
    peer.send_packed(*first[:2])
    peer.collect(first[:2])
    peer.records.clear()
    peer.send(*first)  # a record each again, and answered in one
    peer.collect(first)
    assert [packets_in(record) for record in peer.records] == [4]


def test_packing_is_an_affair_of_one_connection(running: Running[Server], peer: Peer) -> None:
    other = running.connect()
    requests = [status_server(id=id) for id in range(8)]
    peer.send_packed(*requests)
    peer.collect(requests)
    other.send(*requests)
    other.collect(requests)
    assert len(peer.records) <= 2
    assert [packets_in(record) for record in other.records] == [1] * 8


def test_packed_replies_fill_records_and_no_more(running: Running[Server], peer: Peer) -> None:
    """16384 octets are the most that a record holds (RFC 8446 §5.1); packets are not torn."""
    requests = [status_server(id=id, attributes=[(33, bytes([id]) * 250)] * 4) for id in range(60)]
    peer.send(*(b"".join(requests[start : start + 15]) for start in range(0, 60, 15)))
    peer.collect(requests)
    assert sum(packets_in(record) for record in peer.records) == 60
    assert all(len(record) <= 16384 for record in peer.records)
    assert max(packets_in(record) for record in peer.records) == 16384 // (20 + 18 + 4 * 252)


# --- system calls ---


@pytest.mark.parametrize("make", [access_request, status_server], ids=["handlers", "answered in C"])
@pytest.mark.parametrize("is_packed", [False, True], ids=["records", "one record"])
def test_16_packets_cost_one_recv_and_one_send(
    serve: Serve, loop_factory: LoopFactory, make: Any, is_packed: bool
) -> None:
    """Counted by the server itself; the next test asks the kernel."""
    running = serve(loop_factory=loop_factory)
    peer = running.connect()
    peer.probe()
    requests = [make(id=id) for id in range(16)]
    # A system call is counted after it, and octets after that: what the peer has may be a moment ahead.
    before = running.wait_stats(octets_sent=peer.octets_received)
    if is_packed:
        peer.send_packed(*requests)
    else:
        peer.send(*requests)
    peer.collect(requests)
    after = running.wait_stats(octets_sent=peer.octets_received)
    assert after["receive_calls"] - before["receive_calls"] == 1
    assert after["send_calls"] - before["send_calls"] == 1
    assert after["replies_sent"] - before["replies_sent"] == 16


def test_handlers_that_end_together_cost_one_send(serve: Serve, loop_factory: LoopFactory) -> None:
    running = serve(loop_factory=loop_factory)
    peer = running.connect()
    requests = [access_request("slow", id=id) for id in range(32)]
    peer.send(*requests)
    running.server.wait_seen(32)
    before = running.wait_stats(handlers_suspended=32)
    running.open_gate()
    peer.collect(requests)
    after = running.wait_stats(octets_sent=peer.octets_received)
    assert after["send_calls"] - before["send_calls"] == 1


def test_of_many_handlers_that_end_together_the_first_replies_leave_early(
    serve: Serve, loop_factory: LoopFactory
) -> None:
    """Those of 64 are on their way before the turn of the loop, in which 128 have ended, is over."""
    have_come = threading.Event()
    is_early: list[bool] = []

    async def handler(self: Server, packet: Any) -> Any:
        reply = await self.answer(packet)
        if packet.id == 127:
            # Runs when all have ended, and before anything that they have had called "soon".
            asyncio.get_running_loop().call_soon(lambda: is_early.append(have_come.wait(TIMEOUT)))
        return reply

    running = serve(handled_by(handler), loop_factory=loop_factory)
    peer = running.connect()
    requests = [access_request("slow", id=id) for id in range(128)]
    peer.send(*requests)
    running.wait_stats(handlers_suspended=128)
    running.loop.call_soon_threadsafe(running.server.gate.set)
    first = peer.receive_many(64)
    have_come.set()
    rest = peer.receive_many(64)
    for request, reply in zip(requests, first + rest, strict=True):
        check_response(reply, request)
    running.call(lambda: None)
    assert is_early == [True]


@pytest.fixture(params=["asyncio", "uvloop"])
def traced(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[tuple[str, int], Path, Any]]:
    """The address of a server under strace, the trace, and a function that ends the server."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    strace = shutil.which("strace")
    if strace is None:
        if os.environ.get("CI"):
            pytest.fail("strace is not installed, and this has to run here")
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    calls = "recvfrom,recvmsg,recvmmsg,sendto,sendmsg,sendmmsg,readv,writev"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT), os.environ.get("PYTHONPATH", "")])}
    env.pop("SSLKEYLOGFILE", None)
    child = subprocess.Popen(
        [
            *(strace, "-f", "-qq", "-e", f"trace={calls}", "-e", "signal=none", "-o", str(trace)),
            *(sys.executable, str(HERE / "traced_server.py"), request.param),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    stdin, stdout = child.stdin, child.stdout
    assert stdin is not None
    assert stdout is not None

    def end() -> None:
        stdin.close()
        assert child.wait(TIMEOUT) == 0

    try:
        yield ("127.0.0.1", int(stdout.readline())), trace, end
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        stdout.close()
        stdin.close()


LINE = re.compile(r"^\d+ +(?P<call>\w+)\((?P<fd>\d+), .* = (?P<result>-?\d+)")


def traced_calls(trace: str) -> list[tuple[int, str, int]]:
    """Descriptor, name and result of system calls, in order. Calls that overlap are put together again."""
    unfinished: dict[str, str] = {}
    found = []
    for line in trace.splitlines():
        pid = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            unfinished[pid] = line.removesuffix("<unfinished ...>")
            continue
        resumed = re.match(r"^\d+ +<\.\.\. \w+ resumed>", line)
        if resumed is not None:
            line = unfinished.pop(pid) + line[resumed.end() :]
        match = LINE.match(line)
        if match is not None:
            found.append((int(match["fd"]), match["call"], int(match["result"])))
    return found


@pytest.mark.parametrize("make", [access_request, status_server], ids=["handlers", "answered in C"])
def test_16_packets_cost_one_recv_and_one_send_of_the_kernel(traced: Any, make: Any) -> None:
    """Records that arrive together are read with one recv(2), their replies leave with one send(2)."""
    address, trace, end = traced
    with Peer(address) as peer:
        peer.probe()
        requests = [make(id=id) for id in range(16)]
        sealed = peer.seal(*requests)
        octets_before = peer.octets_received
        peer.send_raw(sealed)
        peer.collect(requests)
        answered = peer.octets_received - octets_before
        assert [packets_in(record) for record in peer.records] == [1] * 17
        peer.close_notify()
        assert peer.receive_rest() == []
        assert peer.end == "close_notify"
    end()
    everything = [call for call in traced_calls(trace.read_text()) if call[2] > 0]
    (fd,) = [fd for fd, call, result in everything if (call, result) == ("recvfrom", len(sealed))]
    calls = [(call, result) for of, call, result in everything if of == fd]
    at = calls.index(("recvfrom", len(sealed)))
    assert calls[at + 1] == ("sendto", answered)
    # Before it the probe, behind it the close_notify, which is answered: nothing else was read or written.
    assert [call for call, _ in calls[at - 2 : at]] == ["recvfrom", "sendto"]
    assert [call for call, _ in calls[at + 2 :]] == ["recvfrom", "sendto"]
