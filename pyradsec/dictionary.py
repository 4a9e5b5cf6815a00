"""RADIUS dictionaries: names, codes and data types of attributes, read from files in FreeRADIUS's format.

One directive stands on a line, `#` starts a comment, the text is UTF-8:

    ATTRIBUTE name code type [options or vendor]    has_tag,encrypt=2,concat,array,virtual
    VALUE attribute name value
    VENDOR name id [format=T,L[,c]]
    BEGIN-VENDOR name [parent=attribute]            END-VENDOR name
    BEGIN-TLV attribute                             END-TLV attribute
    $INCLUDE file                                   $INCLUDE- file: which need not be there

A code is a number, 0x1a too, or a path of numbers through the attributes around it: 241.5.1. One that begins with
a dot, .1, goes on from the last tlv.

FreeRADIUS 4's dictionaries are read as far as they mean something in RADIUS:

- its data types and options: ipv4addr, uint32, `tlv extended`, `encrypt=Tunnel-Password`, `date subtype=uint64`,
  `clone=`, `enum=`; what has no data type here (struct, union, float32, int64, …) is octets;
- ALIAS: one more name for an attribute, given by name or as 26.311.11;
- what is the server's own (DEFINE, ENUM, `internal`, FLAGS internal) and `group` is virtual: it has a name, and is
  never sent. MEMBERs, and what stands between BEGIN-PROTOCOL and END-PROTOCOL of another protocol, is left out;
- between BEGIN-PROTOCOL RADIUS and END-PROTOCOL every vendor and every tlv has names of its own: of two attributes
  of one name, the one that is not the IETF's is filed as Vendor.Name, or Tlv.Name.

Everything else is ignored, or a mistake for `Dictionary(…, strict=True)`.
"""

from __future__ import annotations

import copyreg
import functools
import importlib.util
import os
from collections.abc import Callable
from typing import Any, Self

from pyradsec import _core
from pyradsec._core import Attribute
from pyradsec.bidict import BiDict
from pyradsec.constants import DATATYPES
from pyradsec.dictfile import LineSource
from pyradsec.exceptions import ParseError

__all__ = [
    "DATATYPES",
    "VENDOR_FORMAT_DEFAULT",
    "Attribute",
    "Dictionary",
    "ParseError",
    "RadiusAttributeValue",
]

RadiusAttributeValue = int | str | bytes

# Octets of a vendor's type field, octets of its length field, whether a continuation octet follows.
VENDOR_FORMAT_DEFAULT = (1, 1, False)

Source = str | os.PathLike[str] | LineSource

# What the C type keeps.
_TABLES = ("attributes", "attrindex", "vendors", "vendor_formats")


class Dictionary(_core.DictionaryBase):
    """What attributes there are. Every argument is a path or a stream to read; more can be read later.

    `attributes` maps names to Attribute, `attrindex` names to the keys that packets store values under,
    `vendors` names to enterprise numbers, `vendor_formats` those numbers to the widths of a vendor's own
    header. Packets look things up in these tables, so that what is changed there is seen at once.

    Includes may not leave `include_base_dir`; when it is not given, the folder of the file that is read. With
    `strict` a directive or an option that is unknown is a ParseError too.
    """

    vendors: BiDict
    attrindex: BiDict
    attributes: dict[str, Attribute]
    vendor_formats: dict[int, tuple[int, int, bool]]
    # Always empty: what has to wait for the end of a file is the reader's own.
    defer_parse: list[tuple[str, int, list[str]]]

    def __init__(
        self,
        dict: Source | None = None,
        *dicts: Source,
        include_base_dir: str | os.PathLike[str] | None = None,
        strict: bool = False,
    ) -> None:
        self.vendors = BiDict()
        self.vendors.add("", 0)
        self.attrindex = BiDict()
        self.attributes = {}
        self.vendor_formats = {}
        self.defer_parse = []
        self._include_base_dir = include_base_dir
        self._strict = strict
        if dict:
            self.read_dictionary(dict)
        for source in dicts:
            self.read_dictionary(source)

    def __getstate__(self) -> dict[str, Any]:
        # The tables are fields of the C type, which nothing else would copy or pickle.
        return {**self.__dict__, **{name: getattr(self, name) for name in _TABLES}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    @classmethod
    def default(cls) -> Self:
        """A new Dictionary of what ships with the package: the RFCs' attributes and some vendors'."""
        return cls(os.path.join(_shipped_folder(), "dictionary"))

    def __len__(self) -> int:
        return len(self.attributes)

    def __getitem__(self, key: str) -> Attribute:
        return self.attributes[key]

    def __contains__(self, key: object) -> bool:
        return key in self.attributes

    has_key = __contains__

    def vendor_format(self, vendor_id: int) -> tuple[int, int, bool]:
        """Widths of that vendor's type and length fields, and whether a continuation octet follows them."""
        return self.vendor_formats.get(vendor_id, VENDOR_FORMAT_DEFAULT)

    def read_dictionary(self, file: Source) -> None:
        """Adds the contents of one more dictionary. ParseError, which says where; OSError for a file."""
        source: str | bytes
        if isinstance(file, (str, os.PathLike)):
            source = os.fspath(file)
            folder = os.path.dirname(os.path.abspath(source))
            is_text = False
        else:
            source, folder, is_text = _text_of(file), os.getcwd(), True
        base = folder if self._include_base_dir is None else self._include_base_dir
        _core.read_dictionary(self, source, is_text, folder, os.path.realpath(base), self._strict)


class NumberError(ParseError, ValueError):
    """A number that is none or does not fit: also a ValueError, which is what int() makes of it."""


def _text_of(stream: LineSource) -> str:
    """The lines that a stream gives, each of them one line here too, whatever is in it or ends it."""
    return "\n".join(line.rstrip("\r\n").replace("\n", " ").replace("\r", " ") for line in stream.readlines())


@functools.cache
def _shipped_folder() -> str:
    """Where the dictionaries are that ship with the package: pyradsec._dict, or dict/ in a source tree."""
    spec = importlib.util.find_spec("pyradsec._dict")
    if spec is not None and spec.submodule_search_locations:
        return spec.submodule_search_locations[0]
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "dict")


# Packets hold their Dictionary, and copy.deepcopy and pickle go through it. Attribute keeps its fields in C,
# where neither would find them.


def _reduce_attribute(attribute: Attribute) -> tuple[Callable[..., Attribute], tuple[Any, ...]]:
    options = {key: getattr(attribute, key) for key in ("encrypt", "has_tag", "concat", "virtual", "array")}
    first = (attribute.name, attribute.code, attribute.type, attribute.is_sub_attribute, attribute.vendor)
    return _restore_attribute, (first, options, attribute.values, attribute.sub_attributes, attribute.parent)


def _restore_attribute(
    first: tuple[Any, ...],
    options: dict[str, Any],
    values: BiDict,
    sub_attributes: dict[int, str],
    parent: Attribute | None,
) -> Attribute:
    attribute = Attribute(*first, **options)
    attribute.values = values
    attribute.sub_attributes = sub_attributes
    attribute.parent = parent
    return attribute


copyreg.pickle(Attribute, _reduce_attribute)
