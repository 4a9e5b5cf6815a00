"""Counts the instructions of one Access-Request, and fails when they became more: a guard that noise does not trip.

pyradsec serves under callgrind (valgrind) while this script asks it, some hundred requests at a time in batches of 16,
twice: the difference of both runs, divided by the requests between them, has no start and no handshake in it. Time does
not matter, nor what else the machine does; the same build gives the same count within a percent.

    python bench/instructions.py             compares with the bounds in bench/instructions.json
    python bench/instructions.py --update    writes what was counted there as the new bounds

A count more than 5 % above its bound fails (exit status 1). Bounds belong to an interpreter, a compiler and an OpenSSL;
with others, counts are printed and not judged. Exit status 2: something is missing.

Each request is sent in a TLS record of its own, as NASes and proxies do, and then all 16 of a batch in one.

  core      pyradsec's own C code: framing, checks, packets, attributes, replies, queues
  openssl   libssl and libcrypto: what the packet path asks of TLS and of MD5
  python    everything else, in any thread: the interpreter with task and handler, the C library
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import hmac
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from processes import RigError, checked, clean_environment, end
from rig import BUILD, CERTS, HERE, Rig
from servers import announced

BOUNDS = HERE / "instructions.json"
TOLERANCE = 0.05
BATCH = 16
FEW, MANY = 20, 60  # batches in the two runs
REPLY_LIMIT_S = 120.0  # under callgrind everything takes fifty times as long
SECRET = b"radsec"
PACKED = "16 to a record"
SENDINGS = ("a record each", PACKED)
Counts = Mapping[str, Mapping[str, int]]  # by how the requests are sent, then by part


def attribute(kind: int, value: bytes) -> bytes:
    return bytes((kind, len(value) + 2)) + value


def access_request(number: int) -> bytes:
    """A request of user0000 to user0999 with the right password, as the load generator sends it."""
    authenticator = hashlib.sha256(b"%d" % number).digest()[:16]
    user = number % 1000
    key = hashlib.md5(SECRET + authenticator).digest()
    password = bytes(a ^ b for a, b in zip((b"hunter%04d" % user).ljust(16, b"\0"), key, strict=True))
    attributes = attribute(1, b"user%04d@example.org" % user)
    attributes += attribute(4, bytes((10, 0, 0, 1))) + attribute(5, (number % 256).to_bytes(4, "big"))
    attributes += attribute(30, b"02-00-00-00-00-01:eduroam") + attribute(
        31, b"02-11-22-%02x-%02x-55" % (user % 256, 7)
    )
    attributes += attribute(61, (19).to_bytes(4, "big")) + attribute(2, password)
    length = 20 + len(attributes) + 18
    head = bytes((1, number % 256)) + length.to_bytes(2, "big") + authenticator
    digest = hmac.digest(SECRET, head + attributes + attribute(80, bytes(16)), "md5")
    return head + attributes + attribute(80, digest)


class Client:
    """A TLS connection that leaves it to its user how records are put on the wire."""

    def __init__(self, port: int) -> None:
        context = ssl.create_default_context(cafile=str(CERTS / "ca/ca.cert.pem"))
        context.load_cert_chain(CERTS / "client/client.cert.pem", CERTS / "client/client.key.pem")
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=REPLY_LIMIT_S)
        self.received, self.to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.received, self.to_send, server_hostname="localhost")
        self._wait_for(self.tls.do_handshake)

    def _wait_for(self, step: Callable[[], Any]) -> Any:
        """What `step` returns, once the server has sent all that it asks for."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.flush()
                octets = self.socket.recv(65536)
                if not octets:
                    raise RigError("the server closed the connection") from None
                self.received.write(octets)

    def write(self, octets: bytes) -> None:
        """One record, which goes out with the next flush()."""
        self.tls.write(octets)

    def flush(self) -> None:
        self.socket.sendall(self.to_send.read())

    def read(self) -> bytes:
        octets: bytes = self._wait_for(lambda: self.tls.read(65536))
        return octets

    def close(self) -> None:
        self.socket.close()


def ask(port: int, batches: int, is_packed: bool) -> None:
    """So many batches over one connection, each sent at once, in one TLS record or in one for each request; the replies
    of each are awaited."""
    with contextlib.closing(Client(port)) as client:
        for batch in range(batches):
            requests = [access_request(batch * BATCH + i) for i in range(BATCH)]
            for record in [b"".join(requests)] if is_packed else requests:
                client.write(record)
            client.flush()
            received = b""
            for _ in range(BATCH):
                while len(received) < 20 or len(received) < int.from_bytes(received[2:4], "big"):
                    received += client.read()
                if received[0] != 2:
                    raise RigError(f"a reply with code {received[0]}, not Access-Accept")
                received = received[int.from_bytes(received[2:4], "big") :]


def instructions_by_object(lines: Iterable[str]) -> Counter[str]:
    """Instructions of each shared object by themselves, out of a file of callgrind's.

    "ob=(1) /path" begins an object, "ob=(1)" is it again; "calls=" announces a line with the cost of what was called,
    which is counted where it is spent.
    """
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    current = ""
    is_callee = False
    for line in lines:
        if match := re.match(r"(c?)ob=\((\d+)\)(?: (.*))?", line):
            if match[3] is not None:
                names[match[2]] = match[3].strip()
            if not match[1]:
                current = names[match[2]]
        elif line.startswith("calls="):
            is_callee = True
        elif line[:1] in "0123456789+-*" and line.strip():
            if not is_callee:
                counts[current] += int(line.split()[1])
            is_callee = False
    return counts


def part_of(name: str) -> str:
    """What a shared object of that name is counted as."""
    if name.startswith("_core."):
        return "core"
    return "openssl" if name.startswith(("libssl", "libcrypto")) else "python"


def compile_modules(rig: Rig) -> None:
    """Has the modules compiled once, so that neither run that counts does it."""
    modules = "serve, pyradsec.radsec.server"
    variables = clean_environment(PYTHONPATH=f"{rig.library_path()}:{HERE}")
    checked([rig.python, "-c", f"import {modules}"], f"import {modules}", BUILD, variables)


def run_once(rig: Rig, batches: int, is_packed: bool = True) -> dict[str, int]:
    """Instructions of a whole run with so many batches."""
    directory = BUILD / "callgrind"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    command: list[str | Path] = ["valgrind", "--tool=callgrind", "--separate-threads=yes"]
    command += [f"--callgrind-out-file={directory}/out", rig.python, HERE / "serve.py", "pyradsec", "--certs", CERTS]
    # The same order in every dictionary of names, run by run.
    variables = clean_environment(PYTHONPATH=str(rig.library_path()), PYTHONHASHSEED="0")
    with (directory / "valgrind.log").open("w") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=variables,
        )
        try:
            hello = announced(process)
            if hello is None:
                raise RigError(f"the server did not start under valgrind, see {directory}/valgrind.log")
            ask(hello["port"], batches, is_packed)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(timeout=REPLY_LIMIT_S)
            finally:
                end(process)
    counts = {"core": 0, "openssl": 0, "python": 0}
    for path in sorted(directory.glob("out*-*")):
        with path.open() as lines:
            for name, number in instructions_by_object(lines).items():
                counts[part_of(Path(name).name)] += number
    if min(counts.values()) == 0:
        raise RigError(f"callgrind's files in {directory} are not as expected: {counts}")
    return counts


def build_name(rig: Rig) -> str:
    """What bounds depend on: interpreter, compiler, OpenSSL."""
    compiler = checked([os.environ.get("CC", "cc"), "-dumpversion"], "cc").strip().partition(".")[0]
    version = ".".join(map(str, sys.version_info[:3])) + sys.abiflags
    openssl = ".".join(map(str, ssl.OPENSSL_VERSION_INFO[:2]))
    return f"CPython {version}, cc {compiler}, OpenSSL {openssl}"


def count(rig: Rig, sending: str) -> dict[str, int]:
    """Instructions of one request, by part."""
    few, many = (run_once(rig, batches, sending == PACKED) for batches in (FEW, MANY))
    counted = {part: round((many[part] - few[part]) / ((MANY - FEW) * BATCH)) for part in many}
    if min(counted.values()) <= 0:
        raise RigError(f"more batches took fewer instructions: {counted}")
    return counted


def judge(counted: Counts, bounds: Counts | None) -> list[tuple[str, str]]:
    """What takes more instructions than it may: how the requests are sent, and the part."""
    if bounds is None:
        return []
    return [
        (sending, part)
        for sending, parts in counted.items()
        for part, number in parts.items()
        if number > bounds[sending][part] * (1 + TOLERANCE)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the counts as the new bounds")
    options = parser.parse_args()
    rig = Rig(Path(sys.executable), 0, 0)
    try:
        if shutil.which("valgrind") is None:
            raise RigError("valgrind is not installed; on Debian: apt-get install valgrind")
        compile_modules(rig)
        name = build_name(rig)
        counted = {sending: count(rig, sending) for sending in SENDINGS}
    except (OSError, RigError) as error:
        print(f"bench/instructions.py: {error}", file=sys.stderr)
        return 2
    bounds: dict[str, Counts] = json.loads(BOUNDS.read_text()) if BOUNDS.exists() else {}
    if options.update:
        bounds[name] = counted
        BOUNDS.write_text(json.dumps(bounds, indent=2, sort_keys=True) + "\n")
    kept = bounds.get(name)
    grown = judge(counted, kept)
    print(f"{name}: instructions for each Access-Request")
    for sending, parts in counted.items():
        print(f"  {sending}")
        for part, number in parts.items():
            bound = (
                ""
                if kept is None
                else f"  bound {kept[sending][part]:>7}  {100 * (number / kept[sending][part] - 1):+.1f} %"
            )
            print(f"    {part:12} {number:>7}{bound}{'  OVER' if (sending, part) in grown else ''}")
        print(f"    {'all':12} {sum(parts.values()):>7}")
    if kept is None:
        print("no bounds are kept for this build: counted, not judged (--update keeps them)")
    else:
        outcome = "more than {:.0f} % above a bound" if grown else "within {:.0f} % of the bounds"
        print(outcome.format(100 * TOLERANCE))
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
