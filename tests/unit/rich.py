"""A dictionary with an attribute of every kind that containers come in, for the tests of packets."""

from __future__ import annotations

import io

from pyradsec.dictionary import Dictionary

TEXT = """
ATTRIBUTE User-Name 1 string
ATTRIBUTE User-Password 2 string encrypt=1
ATTRIBUTE NAS-Port 5 integer
ATTRIBUTE Reply-Message 18 string
ATTRIBUTE Vendor-Specific 26 vsa
ATTRIBUTE Tunnel-Type 64 integer has_tag
ATTRIBUTE Tunnel-Password 69 string has_tag,encrypt=2
ATTRIBUTE EAP-Message 79 octets concat
ATTRIBUTE Message-Authenticator 80 octets
ATTRIBUTE Ports 90 integer array
ATTRIBUTE Names 91 string array
ATTRIBUTE Inner 92 string virtual
ATTRIBUTE Long-Text 93 octets concat
ATTRIBUTE Lone-Tlv 94 tlv
ATTRIBUTE Lone-Int 94.1 integer
ATTRIBUTE Tlv 101 tlv
ATTRIBUTE Tlv-Int 101.1 integer
VALUE Tlv-Int Seven 7
ATTRIBUTE Tlv-Str 101.2 string
ATTRIBUTE Tlv-Sub 101.3 tlv
ATTRIBUTE Tlv-Sub-Oct 101.3.1 octets
ATTRIBUTE Tlv-Sub-Int 101.3.2 integer
ATTRIBUTE Tlv-Sub-Sub 101.3.3 tlv
ATTRIBUTE Tlv-Sub-Sub-Oct 101.3.3.1 octets
ATTRIBUTE Tlv-Pass 101.4 string encrypt=1
ATTRIBUTE Tlv-Key 101.5 octets encrypt=2
ATTRIBUTE Tlv-Tagged 101.6 integer has_tag
ATTRIBUTE Ext 241 extended
ATTRIBUTE Ext-Str 241.1 string
ATTRIBUTE Ext-Tlv 241.5 tlv
ATTRIBUTE Ext-Tlv-Oct 241.5.1 octets
ATTRIBUTE Ext-Tlv-Int 241.5.2 integer
ATTRIBUTE Ext-EVS 241.26 evs
ATTRIBUTE Long 245 long-extended
ATTRIBUTE Long-Oct 245.1 octets
ATTRIBUTE Long-Tlv 245.2 tlv
ATTRIBUTE Long-Tlv-Oct 245.2.1 octets
ATTRIBUTE Long-EVS 245.26 evs
VENDOR Plain 101
VENDOR Wide 102 format=4,0
VENDOR Pieces 103 format=1,1,c
VENDOR Broad 104 format=2,2
BEGIN-VENDOR Plain
ATTRIBUTE Plain-Str 1 string
ATTRIBUTE Plain-Tlv 2 tlv
ATTRIBUTE Plain-Tlv-Int 2.1 integer
ATTRIBUTE Plain-Tlv-Oct 2.2 octets
ATTRIBUTE Plain-Pass 3 string encrypt=1
ATTRIBUTE Plain-Key 4 octets encrypt=2
ATTRIBUTE Plain-Ports 5 short array
ATTRIBUTE Plain-Text 6 octets concat
END-VENDOR Plain
BEGIN-VENDOR Wide
ATTRIBUTE Wide-Str 70000 string
END-VENDOR Wide
BEGIN-VENDOR Pieces
ATTRIBUTE Pieces-Oct 1 octets
ATTRIBUTE Pieces-Tlv 2 tlv
ATTRIBUTE Pieces-Tlv-Oct 2.1 octets
END-VENDOR Pieces
BEGIN-VENDOR Broad
ATTRIBUTE Broad-Oct 300 octets
END-VENDOR Broad
BEGIN-VENDOR Plain parent=Ext-EVS
ATTRIBUTE Evs-Int 7 integer
END-VENDOR Plain
BEGIN-VENDOR Plain parent=Long-EVS
ATTRIBUTE Evs-Long 8 octets
END-VENDOR Plain
"""


def rich_dictionary() -> Dictionary:
    return Dictionary(io.StringIO(TEXT))
