"""pyradsec.exceptions: the hierarchy and what a ParseError says."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from pyradsec import exceptions
from pyradsec.exceptions import ParseError, RadiusException


@pytest.mark.parametrize("name", ["ServerPacketError", "Timeout", "PacketError", "IdentifierExhausted", "ParseError"])
def test_base(name: str) -> None:
    kind = getattr(exceptions, name)
    assert issubclass(kind, RadiusException)
    assert issubclass(kind, Exception)
    assert not issubclass(kind, (ValueError, OSError))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "Parse error"),
        ({"msg": "oops"}, "Parse error: oops"),
        ({"msg": "oops", "file": "dictionary"}, "dictionary(-1): Parse error: oops"),
        ({"msg": "oops", "line": 3}, "(3): Parse error: oops"),
        ({"msg": "oops", "file": "dictionary", "line": 3}, "dictionary(3): Parse error: oops"),
        ({"msg": "", "file": "dictionary", "line": 3}, "dictionary(3): Parse error"),
    ],
)
def test_text(arguments: dict[str, Any], text: str) -> None:
    assert str(ParseError(**arguments)) == text


def test_attributes() -> None:
    error = ParseError("oops", file="dictionary", line=3)
    assert (error.msg, error.file, error.line) == ("oops", "dictionary", 3)
    bare = ParseError()
    assert (bare.msg, bare.file, bare.line) == (None, "", -1)


def test_other_keywords_are_refused() -> None:
    with pytest.raises(TypeError):
        ParseError("oops", column=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        ParseError("oops", "dictionary", 3)  # type: ignore[call-arg]


def test_pickle_keeps_the_place() -> None:
    copy = pickle.loads(pickle.dumps(ParseError("oops", file="dictionary", line=3)))
    assert type(copy) is ParseError
    assert str(copy) == "dictionary(3): Parse error: oops"
