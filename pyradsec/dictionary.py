"""RADIUS dictionaries: names, codes and data types of attributes, read from files in FreeRADIUS's format.

One directive stands on a line, `#` starts a comment:

    ATTRIBUTE name code type [options or vendor]    has_tag,encrypt=2,concat,array,virtual
    VALUE attribute name value
    VENDOR name id [format=T,L[,c]]
    BEGIN-VENDOR name [parent=attribute]
    END-VENDOR name
    $INCLUDE file

A code is a number, 0x1a too, or a path of numbers through the attributes around it: 241.5.1.
"""

from __future__ import annotations

import copyreg
import importlib.util
import os
from collections.abc import Callable
from typing import Any, Self

from pyradsec import _core
from pyradsec._core import Attribute, encode_attr
from pyradsec.bidict import BiDict
from pyradsec.constants import DATATYPES
from pyradsec.dictfile import DictFile, LineSource
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

_TYPE_ALIASES = {
    "uint8": "byte",
    "uint16": "short",
    "uint32": "integer",
    "uint64": "integer64",
    "int32": "signed",
}
_NUMBER_TYPES = frozenset({"integer", "signed", "short", "byte", "integer64", "date"})
_CONTAINER_TYPES = frozenset({"tlv", "extended", "long-extended"})
_OPTIONS = frozenset({"has_tag", "encrypt", "concat", "virtual", "array", "secret"})


# What the C type keeps.
_TABLES = ("attributes", "attrindex", "vendors", "vendor_formats")


class Dictionary(_core.DictionaryBase):
    """What attributes there are. Every argument is a path or a stream to read; more can be read later.

    `attributes` maps names to Attribute, `attrindex` names to the keys that packets store values under,
    `vendors` names to enterprise numbers, `vendor_formats` those numbers to the widths of a vendor's own
    header.
    """

    vendors: BiDict
    attrindex: BiDict
    attributes: dict[str, Attribute]
    vendor_formats: dict[int, tuple[int, int, bool]]
    # VALUEs of attributes that are not known yet: (file, line, tokens). Empty when nothing is being read.
    defer_parse: list[tuple[str, int, list[str]]]

    def __init__(
        self,
        dict: Source | None = None,
        *dicts: Source,
        include_base_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.vendors = BiDict()
        self.vendors.add("", 0)
        self.attrindex = BiDict()
        self.attributes = {}
        self.vendor_formats = {}
        self.defer_parse = []
        self._include_base_dir = include_base_dir
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
        _Reader(self, DictFile(file, include_base_dir=self._include_base_dir)).run()


class NumberError(ParseError, ValueError):
    """A number that is none or does not fit: also a ValueError, which is what int() makes of it."""


class _Reader:
    """Reads one dictionary file, with what it includes, into a Dictionary."""

    __slots__ = ("_attributes", "_evs", "_file", "_target", "_vendor")

    def __init__(self, target: Dictionary, file: DictFile) -> None:
        self._target = target
        self._file = file
        self._attributes = target.attributes
        self._vendor = ""  # of the block that is open
        self._evs: Attribute | None = None  # its parent=

    def run(self) -> None:
        target = self._target
        directives = {
            "ATTRIBUTE": self._read_attribute,
            "VALUE": self._read_value,
            "VENDOR": self._read_vendor,
            "BEGIN-VENDOR": self._read_begin_vendor,
            "END-VENDOR": self._read_end_vendor,
        }
        directive: Callable[[list[str]], None] | None
        try:
            for line in self._file:
                tokens = (line.partition("#")[0] if "#" in line else line).split()
                if not tokens:
                    continue
                directive = directives.get(tokens[0]) or directives.get(tokens[0].upper())
                if directive is not None:
                    directive(tokens)
            for file, number, tokens in target.defer_parse:
                attribute = self._attributes.get(tokens[1])
                if attribute is None:
                    raise ParseError(f"VALUE for unknown attribute {tokens[1]!r}", file=file, line=number)
                self._add_value(attribute, tokens[2], tokens[3], file, number)
        finally:
            target.defer_parse.clear()

    # --- directives ---

    def _read_attribute(self, tokens: list[str]) -> None:
        if len(tokens) == 4:
            name, code_text, type_name = tokens[1:]
            vendor, options = self._vendor, None
        elif len(tokens) == 5:
            name, code_text, type_name, last = tokens[1:]
            options = self._options(last)
            vendor = self._vendor if options is not None else last
            if options is None and not self._target.vendors.has_forward(vendor):
                raise self._error(f"{name}: {last!r} is neither an option nor a known vendor")
        else:
            raise self._token_error("attribute definition", tokens, "4 or 5")

        if type_name not in DATATYPES:
            type_name = self._data_type(name, type_name)

        prefix: tuple[int, ...] = (self._target.vendors[vendor],) if vendor else ()
        evs = self._evs if vendor == self._vendor else None
        if evs is not None:
            wrapper = evs.parent
            if wrapper is None:
                raise self._error(f"{evs.name} is of type evs without an attribute around it")
            prefix = (wrapper.code, evs.code, *prefix)

        parent: Attribute | None
        if "." in code_text:
            codes = [self._number(part, f"code of attribute {name}") for part in code_text.split(".")]
            parent = self._container(name, vendor, prefix, codes)
        else:
            codes = [self._number(code_text, f"code of attribute {name}")]
            parent = evs
        code = codes[-1]

        attribute = Attribute(name, code, type_name, parent is not None, vendor, **(options or {}))
        if parent is not None:
            attribute.parent = parent
            if parent is not evs:
                parent.sub_attributes[code] = name
        self._attributes[name] = attribute
        if len(codes) > 1:
            self._add_nested_key(name, (*prefix, *codes))
        else:
            self._target.attrindex.add(name, (*prefix, code) if prefix else code)

    def _data_type(self, name: str, text: str) -> str:
        """The data type that is meant by another spelling: string[16], uint32, String."""
        type_name = text.partition("[")[0].lower()
        type_name = _TYPE_ALIASES.get(type_name, type_name)
        if type_name not in DATATYPES:
            raise self._error(f"{name}: unknown data type {text!r}")
        return type_name

    def _options(self, text: str) -> dict[str, Any] | None:
        """Keywords for Attribute, or None when `text` holds no option at all, and so is a vendor's name."""
        options: dict[str, Any] = {}
        found = False
        for option in text.split(","):
            key, _, value = option.partition("=")
            if key not in _OPTIONS:
                continue
            found = True
            if key == "encrypt":
                if value not in ("1", "2", "3"):
                    raise self._error(f"Illegal attribute encryption {option!r}: encrypt is 1, 2 or 3")
                options["encrypt"] = int(value)
            elif key != "secret":  # a hint for FreeRADIUS's own output
                options[key] = True
        return options if found else None

    def _container(self, name: str, vendor: str, prefix: tuple[int, ...], codes: list[int]) -> Attribute:
        """The attribute around one with a dotted code: walks down from the outermost one."""

        def checked(found: str | None, depth: int) -> Attribute:
            attribute = self._attributes.get(found) if found is not None else None
            if attribute is None or attribute.vendor != vendor or attribute.type not in _CONTAINER_TYPES:
                path = ".".join(map(str, codes[:depth]))
                raise self._error(f"{name}: {path} is no attribute of type tlv, extended or long-extended")
            return attribute

        index = self._target.attrindex.backward
        parent = checked(index.get((*prefix, codes[0]) if prefix else codes[0]), 1)
        for depth in range(1, len(codes) - 1):
            parent = checked(parent.sub_attributes.get(codes[depth]), depth + 1)
        return parent

    def _add_nested_key(self, name: str, key: tuple[int, ...]) -> None:
        # Packets nest these, so that nobody looks their names up by this key. It may be the key of a
        # vendor's attribute, though, which packets do store under it: 90.1 is (90, 1), and so is attribute 1
        # of vendor 90.
        index = self._target.attrindex
        owner = self._attributes.get(index.backward.get(key, name))
        if owner is None or owner.is_sub_attribute or owner.vendor == "":
            index.add(name, key)
        else:
            index.forward[name] = key

    def _read_value(self, tokens: list[str]) -> None:
        if len(tokens) != 4:
            raise self._token_error("value definition", tokens, "4")
        attribute = self._attributes.get(tokens[1])
        if attribute is None:
            self._target.defer_parse.append((self._file.file(), self._file.line(), tokens))
        else:
            self._add_value(attribute, tokens[2], tokens[3], None, 0)

    def _add_value(self, attribute: Attribute, name: str, text: str, file: str | None, line: int) -> None:
        value: int | str = text
        try:
            if attribute.type in _NUMBER_TYPES:
                try:
                    value = int(text, 0)
                except ValueError:
                    value = int(text)  # leading zeros
            attribute.values.add(name, encode_attr(attribute.type, value))
        except (ValueError, TypeError) as error:
            raise NumberError(
                f"VALUE {name} of attribute {attribute.name}: {text!r} is no {attribute.type} ({error})",
                file=self._file.file() if file is None else file,
                line=self._file.line() if file is None else line,
            ) from error

    def _read_vendor(self, tokens: list[str]) -> None:
        if len(tokens) not in (3, 4):
            raise self._token_error("vendor definition", tokens, "3 or 4")
        name, id_text = tokens[1:3]
        try:
            number = int(id_text, 0)
        except ValueError as error:
            raise self._error(f"Invalid vendor id {id_text!r} of {name}") from error
        if not 0 <= number <= 0xFFFFFF:
            raise self._error(f"Vendor id {number} of {name} is out of range: 0 to {0xFFFFFF}")
        widths = self._vendor_format(name, tokens[3]) if len(tokens) == 4 else None
        self._target.vendors.add(name, number)
        if widths is not None:
            self._target.vendor_formats[number] = widths

    def _vendor_format(self, name: str, text: str) -> tuple[int, int, bool]:
        key, equals, value = text.partition("=")
        if key != "format":
            raise self._error(f"Unknown option {text!r} for vendor {name}")
        parts = value.split(",")
        try:
            if not equals or len(parts) not in (2, 3) or parts[2:] not in ([], ["c"]):
                raise ValueError(text)
            type_len, len_len = int(parts[0]), int(parts[1])
        except ValueError as error:
            raise self._error(f"Syntax error in vendor {name}: {text!r} is not format=T,L[,c]") from error
        if type_len not in (1, 2, 4) or len_len not in (0, 1, 2):
            raise self._error(f"Unknown vendor format {value!r} of {name}: T is 1, 2 or 4, L is 0, 1 or 2")
        return type_len, len_len, len(parts) == 3

    def _read_begin_vendor(self, tokens: list[str]) -> None:
        if len(tokens) not in (2, 3):
            raise self._token_error("begin-vendor statement", tokens, "2 or 3")
        name = tokens[1]
        if not self._target.vendors.has_forward(name):
            raise self._error(f"Unknown vendor {name!r} in begin-vendor statement")
        evs = None
        if len(tokens) == 3:
            # FreeRADIUS 3 says format= for the same thing.
            key, _, parent = tokens[2].partition("=")
            if key not in ("parent", "format"):
                raise self._error(f"Unknown option {tokens[2]!r} for begin-vendor, not parent=")
            evs = self._attributes.get(parent)
            if evs is None or evs.type != "evs":
                what = "an unknown attribute" if evs is None else f"of type {evs.type}"
                raise self._error(f"begin-vendor {name}: {tokens[2]!r} is {what}, not one of type evs")
        self._vendor = name
        self._evs = evs

    def _read_end_vendor(self, tokens: list[str]) -> None:
        if len(tokens) != 2:
            raise self._token_error("end-vendor statement", tokens, "2")
        if tokens[1] != self._vendor:
            raise self._error(f"end-vendor {tokens[1]!r} does not match the open vendor {self._vendor!r}")
        self._vendor = ""
        self._evs = None

    # --- helpers ---

    def _number(self, text: str, what: str) -> int:
        try:
            return int(text, 0)
        except ValueError:
            try:
                return int(text)  # leading zeros
            except ValueError as error:
                file, line = self._file.file(), self._file.line()
                raise NumberError(f"{what}: {text!r} is no number", file=file, line=line) from error

    def _token_error(self, what: str, tokens: list[str], expected: str) -> ParseError:
        return self._error(f"Incorrect number of tokens for {what}: {len(tokens)}, not {expected}")

    def _error(self, msg: str) -> ParseError:
        return ParseError(msg, file=self._file.file(), line=self._file.line())


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
