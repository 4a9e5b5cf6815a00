"""Reads corpus.txt: packets, and what a server has to make of them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).resolve().parent / "corpus.txt"


@dataclass(frozen=True)
class Case:
    """One packet, the settings of the server that gets it, and the verdict.

    verdict: "reply", "drop", "close" or "fails", as corpus.txt explains them. code, attributes: of the reply, in order;
    None stands for a Message-Authenticator that verifies. handlers: codes that have one.
    """

    name: str
    settings: dict[str, Any]
    handlers: frozenset[int]
    octets: bytes
    verdict: str
    code: int
    attributes: tuple[tuple[int, bytes | None], ...]


def _reply(words: list[str]) -> tuple[int, tuple[tuple[int, bytes | None], ...]]:
    attributes = []
    for word in words[1:]:
        kind, _, value = word.partition("=")
        attributes.append((int(kind), None if value == "*" else bytes.fromhex(value)))
    return int(words[0]), tuple(attributes)


def read_corpus(path: Path = CORPUS) -> list[Case]:
    """The cases in the order of the file. ValueError names the line that cannot be read."""
    cases: list[Case] = []
    fields: dict[str, str] = {}
    name = ""

    def finish() -> None:
        if not name:
            return
        settings = {
            key: ast.literal_eval(value) for key, _, value in (w.partition("=") for w in fields.get("with", "").split())
        }
        handlers = frozenset(map(int, fields.get("handlers", "1 4").split()))
        verdict, *words = fields["gives"].split()
        code, attributes = _reply(words) if verdict == "reply" else (0, ())
        octets = bytes.fromhex(fields["packet"])
        cases.append(Case(name, settings, handlers, octets, verdict, code, attributes))

    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.split("#", 1)[0].rstrip()
        if not text:
            continue
        try:
            if not text.startswith(" "):
                finish()
                name, fields = text, {}
            else:
                key, _, value = text.strip().partition(" ")
                if key == "packet":
                    value = fields.get("packet", "") + value  # may go over several lines
                fields[key] = value
        except (ValueError, KeyError, SyntaxError) as error:
            raise ValueError(f"{path.name}, line {number}: {error!r}") from error
    finish()
    return cases
