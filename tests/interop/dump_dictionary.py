"""Prints all that a Dictionary makes of a file, as JSON; run with pyradsec and, the name replaced, with pyrad2."""

from __future__ import annotations

import json
import sys

from pyradsec.dictionary import Dictionary

made = Dictionary(sys.argv[1])
attributes = {
    name: {
        "key": made.attrindex.get_forward(name),
        "type": attribute.type,
        "vendor": attribute.vendor,
        "encrypt": attribute.encrypt,
        "flags": [bool(attribute.has_tag), bool(attribute.concat), bool(attribute.array), bool(attribute.virtual)],
        "parent": attribute.parent.name if attribute.parent is not None else None,
        "values": {value: octets.hex() for value, octets in attribute.values.forward.items()},
    }
    for name, attribute in made.attributes.items()
}
formats = {name: list(made.vendor_format(number)) for name, number in made.vendors.forward.items()}
json.dump({"attributes": attributes, "vendors": made.vendors.forward, "formats": formats}, sys.stdout)
