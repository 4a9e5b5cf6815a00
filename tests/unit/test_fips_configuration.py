"""A host whose OpenSSL takes FIPS algorithms only: MD5 is none of them, RADIUS is spoken all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFIGURATION = """
openssl_conf = openssl_init
[openssl_init]
alg_section = algorithms
[algorithms]
default_properties = fips=yes
"""

PROGRAM = """
import _hashlib
from pyradsec.dictionary import Dictionary
from pyradsec.packet import AuthPacket, Packet

try:
    _hashlib.new("md5")
except ValueError:
    print("no MD5")
request = AuthPacket(authenticator=bytes(range(16)), secret=b"radsec", dict=Dictionary("dict/dictionary"))
request["User-Name"] = "bob"
request["User-Password"] = request.pw_crypt("hunter2")
request.add_message_authenticator()
received = AuthPacket(packet=request.request_packet(), secret=b"radsec", dict=request.dict)
print(received.verify_message_authenticator(), received.pw_decrypt(received["User-Password"][0]))
"""


def test_radius_where_openssl_takes_fips_algorithms_only(tmp_path: Path) -> None:
    configuration = tmp_path / "openssl.cnf"
    configuration.write_text(CONFIGURATION)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=dict(os.environ, OPENSSL_CONF=str(configuration)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["no MD5", "True hunter2"]
