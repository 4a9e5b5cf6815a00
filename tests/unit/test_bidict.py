"""pyradsec.bidict: pairs that are found by either side."""

from __future__ import annotations

import pickle

import pytest

from pyradsec.bidict import BiDict


@pytest.fixture
def pairs() -> BiDict:
    made = BiDict()
    made.add("one", 1)
    made.add("two", 2)
    return made


def test_new_one_is_empty() -> None:
    assert len(BiDict()) == 0
    assert BiDict().forward == {}
    assert BiDict().backward == {}


def test_both_sides_are_found(pairs: BiDict) -> None:
    assert len(pairs) == 2
    assert pairs["one"] == pairs.get_forward("one") == 1
    assert pairs.get_backward(2) == "two"
    assert pairs.has_forward("one") is True
    assert pairs.has_forward(1) is False
    assert pairs.has_backward(1) is True
    assert pairs.has_backward("one") is False


def test_sides_are_plain_dicts(pairs: BiDict) -> None:
    assert pairs.forward == {"one": 1, "two": 2}
    assert pairs.backward == {1: "one", 2: "two"}


@pytest.mark.parametrize("look_up", [BiDict.__getitem__, BiDict.get_forward, BiDict.get_backward])
def test_absent_is_key_error(pairs: BiDict, look_up: object) -> None:
    with pytest.raises(KeyError):
        look_up(pairs, "three")  # type: ignore[operator]


def test_adding_again_removes_nothing(pairs: BiDict) -> None:
    pairs.add("one", 11)
    assert pairs["one"] == 11
    assert pairs.get_backward(1) == "one"
    assert pairs.get_backward(11) == "one"
    pairs.add("uno", 11)
    assert pairs["one"] == pairs["uno"] == 11
    assert pairs.get_backward(11) == "uno"


def test_delete_by_first_side(pairs: BiDict) -> None:
    del pairs["one"]
    assert pairs.forward == {"two": 2}
    assert pairs.backward == {2: "two"}


def test_delete_by_second_side(pairs: BiDict) -> None:
    del pairs[2]
    assert pairs.forward == {"one": 1}
    assert pairs.backward == {1: "one"}


def test_first_side_goes_before_the_second() -> None:
    made = BiDict()
    made.add(1, 2)
    made.add(2, 3)
    del made[2]
    assert made.forward == {1: 2}
    assert made.backward == {2: 1}


def test_delete_leaves_a_pair_that_took_the_value_over() -> None:
    made = BiDict()
    made.add("old", 1)
    made.add("new", 1)
    del made["old"]
    assert made.forward == {"new": 1}
    assert made.backward == {1: "new"}


def test_delete_absent_is_key_error(pairs: BiDict) -> None:
    with pytest.raises(KeyError):
        del pairs["three"]


def test_pickle(pairs: BiDict) -> None:
    copy = pickle.loads(pickle.dumps(pairs))
    assert copy.forward == pairs.forward
    assert copy.backward == pairs.backward
