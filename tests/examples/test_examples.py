"""The examples run as a reader would run them, against each other, with hostname validation on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def check_end(process: subprocess.Popen[str], status: int = 0) -> None:
    """It ends by itself, with this exit status and no traceback on its standard error."""
    _, rest = process.communicate(timeout=20)
    assert process.returncode == status, rest
    assert "Traceback" not in rest


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a running server_radsec.py."""
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "server_radsec.py"), "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"serving RADIUS/TLS on 127\.0\.0\.1 port (\d+)", line)
    assert found, line
    yield int(found[1])
    process.send_signal(signal.SIGTERM)
    check_end(process)


def run(name: str, port: int, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), "--server", "127.0.0.1", "--port", str(port), *options],
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_auth(port: int) -> None:
    done = run("auth_radsec.py", port)
    assert (done.returncode, done.stdout) == (0, "accepted Hello alice\n"), done.stderr


def test_auth_by_name_checks_the_name_in_the_certificate(port: int) -> None:
    done = run("auth_radsec.py", port, "--server", "localhost", "--user", "bob", "--password", "builder")
    assert (done.returncode, done.stdout) == (0, "accepted Hello bob\n"), done.stderr


def test_auth_with_a_wrong_password_is_rejected(port: int) -> None:
    done = run("auth_radsec.py", port, "--password", "looking-glass")
    assert (done.returncode, done.stdout) == (1, "rejected Who are you?\n"), done.stderr


def test_acct(port: int) -> None:
    done = run("acct_radsec.py", port)
    assert (done.returncode, done.stdout) == (0, "Start: acknowledged\nStop: acknowledged\n"), done.stderr


def test_coa(port: int) -> None:
    done = run("coa_radsec.py", port, "--session", "c0a")
    assert (done.returncode, done.stdout) == (0, "change: done\nend: done\n"), done.stderr


def test_status(port: int) -> None:
    done = run("status_radsec.py", port)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_packets() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "packets.py")], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "Access-Request id=7, 195 octets"
    assert "    User-Password = <hidden>" in lines
    assert "signed: True" in lines
    assert "password: wonderland" in lines
    assert "pairs: {'shell:priv-lvl': '15', 'ip:addr-pool': 'guests', 'ssid': 'lobby'}" in lines
    assert "VLAN: ['42'] None" in lines
    assert "limits: {'Acme-Rate': [100], 'Acme-Burst': [5, 10, 20]} [5, 10, 20]" in lines
    assert lines[-4:-2] == ["answers the request: True", "tunnel password: ['s3cret']"]
    logged = json.loads(lines[-2])
    assert logged["attributes"]["User-Password"] == [None]
    assert logged["attributes"]["Acme-Burst"] == [5, 10, 20]
    assert lines[-1] == "the same again: True"


@contextlib.contextmanager
def two_workers() -> Iterator[tuple[subprocess.Popen[str], list[int], int]]:
    """workers_radsec.py, once its two processes serve; their ids, and the port. The test ends it."""
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "workers_radsec.py"), "--port", "0", "--workers", "2"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(2)]
        found = [re.match(r"(\d+) INFO serving RADIUS/TLS on 127\.0\.0\.1 port (\d+)", line) for line in lines]
        assert all(found), lines
        pids, ports = ([int(one[group]) for one in found if one] for group in (1, 2))
        assert len(set(pids)) == 2
        assert len(set(ports)) == 1
        yield process, pids, ports[0]
    finally:
        if process.poll() is None:
            process.kill()  # its processes end with it
            process.communicate()


@pytest.mark.parametrize(
    ("number", "is_to_all"),
    [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGHUP, False), (signal.SIGINT, True)],
    ids=["SIGTERM", "SIGINT", "SIGHUP", "Ctrl-C"],
)
def test_workers(number: signal.Signals, is_to_all: bool) -> None:
    with two_workers() as (process, _, port):
        for _ in range(4):
            done = run("auth_radsec.py", port)
            assert (done.returncode, done.stdout) == (0, "accepted Hello alice\n"), done.stderr
        if is_to_all:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        check_end(process)


def test_workers_that_are_told_twice() -> None:
    with two_workers() as (process, _, _):
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            process.send_signal(number)
        check_end(process)


def test_workers_end_together_when_one_is_lost() -> None:
    with two_workers() as (process, pids, port):
        os.kill(pids[0], signal.SIGKILL)
        check_end(process, 1)
        assert run("status_radsec.py", port).returncode == 2


def test_workers_end_when_their_parent_is_lost() -> None:
    with two_workers() as (process, _, port):
        process.kill()
        process.communicate(timeout=20)  # the end of their output, too
        assert run("status_radsec.py", port).returncode == 2


def test_workers_started_twice() -> None:
    with two_workers() as (process, _, port):
        again = [sys.executable, str(EXAMPLES / "workers_radsec.py"), "--port", str(port)]
        done = subprocess.run(again, capture_output=True, text=True, timeout=30)
        assert (done.returncode, done.stderr) == (1, f"127.0.0.1 port {port}: Address already in use\n")
        assert run("status_radsec.py", port).returncode == 0
        process.terminate()
        check_end(process)


@pytest.mark.parametrize("name", ["server_radsec.py", "workers_radsec.py"])
def test_a_port_that_is_none_is_told_in_words(name: str) -> None:
    command = [sys.executable, str(EXAMPLES / name), "--port", "70000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "0" in done.stderr
    assert "65535" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_is_not_there_is_told_in_words() -> None:
    done = run("status_radsec.py", 1)
    assert done.returncode == 2
    assert "no reply" in done.stdout
    assert done.stderr == ""


def test_quickstart_shows_every_kind_of_exchange_and_ends() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "quickstart.py"), "--port", "0"],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYRADSEC_ONCE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("Access-Request", "Accounting-Request", "CoA-Request", "Disconnect-Request", "Status-Server"):
        assert f"client -> {name}" in done.stdout
    answers = ("Access-Accept", "Access-Reject", "Accounting-Response", "CoA-ACK", "Disconnect-ACK")
    for name in answers:
        assert f"client <- {name}" in done.stdout
    assert done.stderr == ""


def test_quickstart_serves_until_interrupted() -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", str(EXAMPLES / "quickstart.py"), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYRADSEC_ONCE"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "until Ctrl-C" in line:
            break
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0, rest
    assert "Traceback" not in rest
