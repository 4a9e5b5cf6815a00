"""One library's side of the packet benchmark: a process that works when it is told to.

    packet_work.py {pyradsec,pyrad2}

Reads one JSON object a line from standard input, answers each with one, and ends with its input. Commands:

    {"do": "hello"}                              versions
    {"do": "select", "tree": DIR, "root": FILE}  writes FILE, a dictionary that includes what this library reads of DIR;
                                                 answers how many files, and which not
    {"do": "outcome", "work": NAME}              what the work gives for every input, as text, to be compared
    {"do": "measure", "work": NAME, "cpu_s": S}  does the work for S seconds of processor time; answers how often, and
                                                 how long each took

Work on dictionaries takes "file" beside it. Both libraries are given the very same functions below; only the module
that they come from differs.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SECRET = b"between nas and server"
INPUTS = 512  # no two alike
BATCH = 64  # between two looks at the clock

Work = Callable[[Any], tuple[Any, ...]]


# --- input: the same for both libraries, made by neither ---


def attribute(number: int, value: bytes) -> bytes:
    return struct.pack("!BB", number, 2 + len(value)) + value


def ip(number: int) -> bytes:
    return struct.pack("!I", number)


def request_octets(code: int, identifier: int, authenticator: bytes, attributes: bytes) -> bytes:
    header = struct.pack("!BBH", code, identifier, 20 + len(attributes))
    return header + authenticator + attributes


def hidden(password: bytes, authenticator: bytes) -> bytes:
    """User-Password of up to 16 octets (RFC 2865 section 5.2)."""
    key = hashlib.md5(SECRET + authenticator, usedforsecurity=False).digest()
    return bytes(a ^ b for a, b in zip(password.ljust(16, b"\0"), key, strict=True))


def access_requests() -> Iterator[bytes]:
    draw = random.Random(1)
    for i in range(INPUTS):
        authenticator = draw.randbytes(16)
        before = (
            attribute(1, b"user%04d@example.org" % i)
            + attribute(2, hidden(b"hunter%04d" % i, authenticator))
            + attribute(4, ip(0xC0000200 + i))
            + attribute(5, ip(draw.randrange(1, 4096)))
            + attribute(30, b"00-10-A4-23-19-C0:eduroam")
            + attribute(31, b"-".join(b"%02X" % octet for octet in draw.randbytes(6)))
            + attribute(61, ip(19))
        )
        unsigned = request_octets(1, i % 256, authenticator, before + attribute(80, bytes(16)))
        yield unsigned[:-16] + hmac.digest(SECRET, unsigned, "md5")


def accounting_requests() -> Iterator[bytes]:
    draw = random.Random(2)
    texts = {  # attribute -> value
        1: "user%04d@example.org",  # User-Name
        30: "00-10-A4-23-19-C0:eduroam%d",  # Called-Station-Id
        31: "02-00-00-00-00-%04d",  # Calling-Station-Id
        32: "nas%d.example.org",  # NAS-Identifier
        44: "%08d",  # Acct-Session-Id
        50: "%012d",  # Acct-Multi-Session-Id
        77: "CONNECT %d Mbps 802.11ax",  # Connect-Info
        87: "slot 1 port %d",  # NAS-Port-Id
    }
    choices = {6: 15, 7: 16, 40: 3, 45: 4, 49: 18, 61: 20}  # attribute -> numbers below this, most of them with names
    numbers = (5, 12, 41, 42, 43, 46, 47, 48, 51, 52, 53, 55)
    addresses = (4, 8, 9)
    for i in range(INPUTS):
        attributes = [attribute(number, (text % i).encode()) for number, text in texts.items()]
        attributes += [attribute(number, ip(draw.randrange(1, below))) for number, below in choices.items()]
        attributes += [attribute(number, draw.randbytes(4)) for number in (*numbers, *addresses)]
        attributes.append(attribute(25, draw.randbytes(24)))  # Class
        draw.shuffle(attributes)
        unsigned = request_octets(4, i % 256, bytes(16), b"".join(attributes))
        digest = hashlib.md5(unsigned + SECRET, usedforsecurity=False).digest()
        yield unsigned[:4] + digest + unsigned[20:]


def address_text(octets: bytes) -> str:
    return socket.inet_ntoa(octets)


def accept_values() -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """Identifier, Request Authenticator, and 20 attributes and 5 vendor-specific ones for an Access-Accept."""
    draw = random.Random(3)
    for i in range(INPUTS):
        seconds = draw.randrange(600, 86400)
        yield (
            i % 256,
            draw.randbytes(16),
            {
                "User-Name": f"user{i:04}@example.org",
                "Service-Type": "Framed-User",
                "Framed-Protocol": "PPP",
                "Framed-IP-Address": address_text(draw.randbytes(4)),
                "Framed-IP-Netmask": "255.255.255.255",
                "Framed-Routing": "None",
                "Filter-Id": f"filter-{i % 16}",
                "Framed-MTU": draw.randrange(576, 1500),
                "Framed-Compression": "Van-Jacobson-TCP-IP",
                "Reply-Message": f"Hello user {i}",
                "Framed-Route": f"{address_text(draw.randbytes(4))}/32 0.0.0.0 1",
                "State": draw.randbytes(16),
                "Class": draw.randbytes(24),
                "Session-Timeout": seconds,
                "Idle-Timeout": seconds // 10,
                "Termination-Action": "RADIUS-Request",
                "Port-Limit": 1 + i % 4,
                "Acct-Interim-Interval": 600,
                "Framed-Pool": f"pool-{i % 8}",
                "Framed-IPv6-Pool": f"pool6-{i % 8}",
                "Cisco-AVPair": f"ip:inacl#{i % 32}=permit ip any any",
                "MS-Primary-DNS-Server": address_text(draw.randbytes(4)),
                "MS-Secondary-DNS-Server": address_text(draw.randbytes(4)),
                "WISPr-Bandwidth-Max-Up": 1000 * draw.randrange(1, 1000),
                "WISPr-Bandwidth-Max-Down": 1000 * draw.randrange(1, 1000),
            },
        )


# --- work: what is done with one input; what it returns is compared ---


def works(library: str) -> dict[str, tuple[Work, Sequence[Any]]]:
    """Every work on packets by its name, with its input."""
    packet: Any = import_module(f"{library}.packet")
    parse, new_reply = packet.parse_packet, packet.AuthPacket
    dictionary = import_module(f"{library}.dictionary").Dictionary(
        str(HERE.parent / "dict" / "dictionary"), str(HERE / "dictionary")
    )

    def answer(octets: bytes) -> tuple[Any, ...]:
        request = parse(octets, SECRET, dictionary)
        if not (request.verify_auth_request() and request.verify_message_authenticator()):
            raise ValueError("a good request does not verify")
        user = request["User-Name"]
        password = request["User-Password"]
        nas = request["NAS-IP-Address"]
        reply = request.create_reply(Reply_Message="Hello " + user[0])
        reply.add_message_authenticator()
        return user, password, nas, reply.reply_packet()

    def read(octets: bytes) -> tuple[Any, ...]:
        request = parse(octets, SECRET, dictionary)
        known = request.keys()
        return known, [request[name] for name in known]

    def build(given: tuple[int, bytes, dict[str, Any]]) -> tuple[Any, ...]:
        identifier, authenticator, values = given
        reply = new_reply(code=2, id=identifier, secret=SECRET, authenticator=authenticator, dict=dictionary)
        for name, value in values.items():
            reply[name] = value
        return (reply.reply_packet(),)

    return {
        "answer": (answer, list(access_requests())),
        "read": (read, list(accounting_requests())),
        "build": (build, list(accept_values())),
    }


# --- dictionaries ---


def shape(dictionary: Any) -> list[str]:
    """What a Dictionary has learnt, one text for each attribute and vendor."""
    lines = []
    for name, entry in dictionary.attributes.items():
        flags = (entry.encrypt, bool(entry.has_tag), bool(entry.concat), bool(entry.virtual), bool(entry.array))
        values = sorted(entry.values.forward.items())
        key = dictionary.attrindex.get_forward(name)
        lines.append(repr((name, key, entry.code, entry.type, entry.vendor, flags, values)))
    return [
        *lines,
        *map(repr, dictionary.vendors.forward.items()),
        *map(repr, sorted(dictionary.vendor_formats.items())),
    ]


def includes(root: Path) -> list[str]:
    lines = (line.split() for line in root.read_text().splitlines())
    return [tokens[1] for tokens in lines if len(tokens) > 1 and tokens[0].upper() == "$INCLUDE"]


def select(load: Callable[[str], Any], tree: Path, root: Path) -> dict[str, Any]:
    names = includes(tree / "dictionary")
    left_out: list[str] = []
    while True:
        root.write_text("".join(f"$INCLUDE {name}\n" for name in names))
        try:
            load(str(root))
        except Exception as error:
            name = getattr(error, "file", "")
            if name not in names:
                raise
            names.remove(name)
            left_out.append(name)
        else:
            return {"files": len(names), "left_out": left_out}


# --- commands ---


class Side:
    def __init__(self, library: str) -> None:
        if library == "pyrad2":
            import_module("loguru").logger.remove()  # a handler would format a record for every packet
        self.library = library
        self.load = import_module(f"{library}.dictionary").Dictionary
        self.works = works(library)

    def hello(self, _: dict[str, Any]) -> dict[str, Any]:
        version = import_module(self.library).__version__
        return {"library": f"{self.library} {version}", "python": sys.version.split()[0]}

    def select(self, command: dict[str, Any]) -> dict[str, Any]:
        return select(self.load, Path(command["tree"]), Path(command["root"]))

    def outcome(self, command: dict[str, Any]) -> list[str]:
        if "file" in command:
            return shape(self.load(command["file"]))
        do, inputs = self.works[command["work"]]
        return [repr(do(given)) for given in inputs]

    def measure(self, command: dict[str, Any]) -> dict[str, Any]:
        if "file" in command:
            do: Callable[[Any], Any] = self.load
            batches: Sequence[Sequence[Any]] = [[command["file"]]]
        else:
            do, inputs = self.works[command["work"]]
            batches = [inputs[off : off + BATCH] for off in range(0, len(inputs), BATCH)]
        clock, num = time.process_time, 0
        begin = clock()
        end = begin + command["cpu_s"]
        while True:
            for batch in batches:
                for given in batch:
                    do(given)
                num += len(batch)
                now = clock()
                if now >= end:
                    return {"num": num, "cpu_us": 1e6 * (now - begin) / num}


def main() -> None:
    side = Side(sys.argv[1])
    commands = {"hello": side.hello, "select": side.select, "outcome": side.outcome, "measure": side.measure}
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(commands[command["do"]](command)), flush=True)


if __name__ == "__main__":
    main()
