"""pyrad2 3.2 as the other end: its client at our server, and one server program under both names."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import Process, free_port, run
from under_test import HERE, ROOT, Certificates, Server

VERSION = "3.2"
DICTIONARY = HERE / "dictionary"
# pyrad2 needs collections.abc.Buffer, which Python 3.11 has not; for talking to it, bytes will do.
# In a .pth file, since Debian has a sitecustomize of its own, which would hide another one.
AT_START = "import collections.abc; collections.abc.Buffer = bytes\n"
ACCEPT, REJECT, ACCOUNTING, COA_ACK, DISCONNECT_ACK = 2, 3, 5, 44, 41
# For whoever follows the rules, and to both servers: the code of each reply, and whether it is signed.
EXPECTED = {
    "auth": (ACCEPT, False),
    "auth, wrong password": (REJECT, False),
    "auth, signed": (ACCEPT, True),
    "acct": (ACCOUNTING, False),
    "acct, signed": (ACCOUNTING, True),
    "coa": (COA_ACK, False),
    "disconnect": (DISCONNECT_ACK, False),
    "status": (ACCEPT, True),
}


def newer_python() -> str:
    """A Python that pyrad2 is made for, or the one that runs the tests."""
    if sys.version_info >= (3, 12):
        return sys.executable
    for name in ("python3.13", "python3.12"):
        path = shutil.which(name)
        # pyenv's commands are there for versions that are not switched on as well.
        if path is not None and run([path, "-c", "import venv, ensurepip"]).returncode == 0:
            return path
    return sys.executable


@pytest.fixture(scope="session")
def pyrad2_python() -> str:
    """The Python of a virtual environment with pyrad2, made once and kept under build/."""
    base = newer_python()
    version = run([base, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).stdout.strip()
    directory = ROOT / "build" / f"pyrad2-{VERSION}-python{version}"
    python, finished = directory / "bin/python", directory / "finished"
    if not finished.exists():
        for args in (
            [base, "-m", "venv", "--clear", str(directory)],
            [str(python), "-m", "pip", "install", "--quiet", "--ignore-requires-python", f"pyrad2=={VERSION}"],
        ):
            done = run(args, timeout=300)
            if done.returncode != 0:
                pytest.fail(f"{' '.join(args)}:\n{done.stdout}{done.stderr}", pytrace=False)
        if version == "3.11":
            (directory / f"lib/python{version}/site-packages/pyrad2_on_3_11.pth").write_text(AT_START)
        finished.touch()
    return str(python)


def talk(python: str, port: int, certs: Certificates) -> dict[str, dict[str, Any]]:
    """What pyrad2's client got for each of its requests."""
    script = HERE / "pyrad2_client.py"
    done = run([python, str(script), str(port), str(certs.base), str(DICTIONARY)])
    assert done.returncode == 0, done.stderr
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    return {reply["request"]: reply for reply in replies}


def check(replies: dict[str, dict[str, Any]]) -> None:
    assert {name: (reply["code"], reply["signed"]) for name, reply in replies.items()} == EXPECTED, replies
    assert replies["auth"]["message"] == ["Hello alice"]


# The first test to run makes the virtual environment.
@pytest.mark.timeout(400)
def test_pyrad2s_client_is_served(pyrad2_python: str, server: Server, certs: Certificates) -> None:
    """Authentication, accounting, CoA, Disconnect and Status-Server; what is signed is answered signed (PKT-17)."""
    check(talk(pyrad2_python, server.port, certs))
    assert [request["how"] for request in server.seen] == [
        *("pap", "pap", "pap", "accounting", "accounting", "coa", "disconnect"),
    ]
    assert {request["tls"] for request in server.seen} == {"TLSv1.3"}
    stats = server.stats()
    assert stats["status_requests"] == stats["answered_here"] == 1
    assert stats["handshakes_completed"] == 1


@pytest.fixture(params=["pyradsec", "pyrad2"])
def drop_in(
    request: pytest.FixtureRequest,
    pyrad2_python: str,
    environment: dict[str, str],
    certs: Certificates,
    tmp_path: Path,
) -> Iterator[int]:
    """The port of drop_in_server.py, run with either package."""
    script = tmp_path / "server.py"
    script.write_text((HERE / "drop_in_server.py").read_text().replace("pyradsec", request.param))
    python = sys.executable if request.param == "pyradsec" else pyrad2_python
    port = free_port()
    args = [python, str(script), str(port), str(certs.base), str(DICTIONARY)]
    with Process(args, env=environment if request.param == "pyradsec" else None, cwd=tmp_path) as process:
        process.wait_for_port(port)
        yield port


@pytest.mark.timeout(400)
def test_a_server_needs_nothing_but_the_new_name(drop_in: int, pyrad2_python: str, certs: Certificates) -> None:
    """The same text, run with pyradsec and with pyrad2, answers the same."""
    check(talk(pyrad2_python, drop_in, certs))


@pytest.mark.timeout(400)
def test_the_shipped_dictionaries_are_the_same_to_pyrad2(
    pyrad2_python: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """Whoever moves can take them along in both directions: keys, types, flags, parents, values, vendors' formats."""
    seen = {}
    for package, python, env in (("pyradsec", sys.executable, environment), ("pyrad2", pyrad2_python, None)):
        script = tmp_path / f"{package}_dump.py"
        script.write_text((HERE / "dump_dictionary.py").read_text().replace("pyradsec", package))
        done = run([python, str(script), str(ROOT / "dict/dictionary")], env=env, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        seen[package] = json.loads(done.stdout)
    assert seen["pyradsec"] == seen["pyrad2"]
    assert len(seen["pyrad2"]["attributes"]) > 6000
