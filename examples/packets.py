"""Packets and dictionaries without a network: builds a request, reads it as its server would, answers, keeps it as
JSON.

python examples/packets.py
"""

from __future__ import annotations

import io
import json

from pyradsec.dictionary import Dictionary
from pyradsec.packet import AuthPacket, Packet, parse_packet

SECRET = b"radsec"

# A dictionary of one's own; read_dictionary() takes the path of a file as well.
ACME = """
VENDOR Acme 64999
BEGIN-VENDOR Acme
ATTRIBUTE Acme-Role   1   string
ATTRIBUTE Acme-Link   2   integer
VALUE     Acme-Link   Up  1
ATTRIBUTE Acme-Limits 3   tlv
ATTRIBUTE Acme-Rate   3.1 integer
ATTRIBUTE Acme-Burst  3.2 integer
END-VENDOR Acme
"""


def load() -> Dictionary:
    """What ships, and Acme's attributes; strict=True would refuse what it does not know."""
    dictionary = Dictionary.default()
    dictionary.read_dictionary(io.StringIO(ACME))
    return dictionary


def make_request(dictionary: Dictionary) -> AuthPacket:
    request = AuthPacket(id=7, secret=SECRET, dict=dictionary, User_Name="alice", User_Password="wonderland")
    request["NAS-IP-Address"] = "192.0.2.1"
    request["Service-Type"] = "Framed-User"  # the name of a value, or its number
    request["Cisco-AVPair"] = ["shell:priv-lvl=15", "ip:addr-pool=guests"]  # a vendor's attribute, two of them
    request.add_attribute("Cisco-AVPair", "ssid=lobby")  # appends, where assigning replaces
    request["Tunnel-Type:1"] = "VLAN"  # with a tag: the attributes of one tunnel
    request["Tunnel-Private-Group-Id:1"] = "42"
    request["Acme-Limits"] = {"Acme-Rate": 100, "Acme-Burst": [5, 10]}  # a container at once, or from inside:
    request.add_attribute("Acme-Burst", 20)
    request["Frag-Status"] = "Fragmentation-Supported"  # in Extended-Attribute-1 (RFC 7499)
    request.add_message_authenticator()
    return request


def show(request: AuthPacket) -> None:
    """What a server reads."""
    print("signed:", request.verify_message_authenticator())
    print("password:", request.pw_decrypt(request["User-Password"][0]))
    print("pairs:", dict(pair.split("=", 1) for pair in request["Cisco-AVPair"]))
    print("VLAN:", request["Tunnel-Private-Group-Id:1"], request.get("Tunnel-Private-Group-Id:2"))
    print("limits:", request["Acme-Limits"], request["Acme-Burst"])
    print("octets:", request[(64999, 3)], request[4])
    for avp in request.attributes():
        if not avp.is_secret:
            print(f"    {avp.offset:3} {avp.name} {avp.key} {avp.value!r}")


def make_reply(request: AuthPacket) -> Packet:
    reply = request.create_reply(Reply_Message="Hello alice", Framed_IP_Address="198.51.100.7")
    reply["Tunnel-Password:1"] = "s3cret"  # hidden with a salt
    reply["MS-MPPE-Send-Key"] = bytes(range(32))
    reply.add_message_authenticator()
    return reply


def main() -> None:
    dictionary = load()
    request = make_request(dictionary)
    received = parse_packet(request.request_packet(), SECRET, dictionary)
    assert isinstance(received, AuthPacket)  # of code 1
    print(received)  # passwords and keys are masked
    show(received)

    octets = make_reply(received).reply_packet()
    reply = request.create_reply(packet=octets)
    print("answers the request:", request.verify_reply(reply, octets))
    print("tunnel password:", reply["Tunnel-Password:1"])

    print(json.dumps(received.to_dict()))  # a line of a log, without secrets
    kept = json.dumps(received.to_dict(secrets=True))
    again = Packet.from_dict(json.loads(kept), dict=dictionary, secret=SECRET)
    print("the same again:", again.attributes()[1].octets == received.attributes()[1].octets)


if __name__ == "__main__":
    main()
