"""A mapping that can be read in both directions."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from pyradsec import _core


class BiDict(_core.BiDictBase):
    """Pairs that are found by either side; `forward` and `backward` are the two plain dicts.

    Adding removes nothing: of two keys with the same value, both stay readable, and the value leads to the
    later one.
    """

    __slots__ = ("__weakref__",)

    def __init__(self) -> None:
        self.forward = {}
        self.backward = {}

    def __getstate__(self) -> tuple[dict[Any, Any], dict[Any, Any]]:
        return self.forward, self.backward

    def __setstate__(self, state: tuple[dict[Any, Any], dict[Any, Any]]) -> None:
        self.forward, self.backward = state

    def add(self, one: Hashable, two: Hashable) -> None:
        """Adds a pair."""
        self.forward[one] = two
        self.backward[two] = one

    def __len__(self) -> int:
        return len(self.forward)

    def __getitem__(self, key: Hashable) -> Any:
        return self.forward[key]

    def __delitem__(self, key: Hashable) -> None:
        """Removes a pair by its first side, or else by its second."""
        if key in self.forward:
            pair, reverse = self.forward, self.backward
        else:
            pair, reverse = self.backward, self.forward
        other = pair.pop(key)
        # A pair added later may have taken the other side over.
        if reverse.get(other) == key:
            del reverse[other]

    def __repr__(self) -> str:
        return f"BiDict({self.forward!r})"

    def get_forward(self, key: Hashable) -> Any:
        """The second side of the pair with that first side; KeyError."""
        return self.forward[key]

    def get_backward(self, key: Hashable) -> Any:
        """The first side of the pair with that second side; KeyError."""
        return self.backward[key]

    def has_forward(self, key: Hashable) -> bool:
        return key in self.forward

    def has_backward(self, key: Hashable) -> bool:
        return key in self.backward
