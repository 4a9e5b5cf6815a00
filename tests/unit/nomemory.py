"""Allocations that fail, one after the other, for the tests of what happens without memory.

The interpreter's hook (_testcapi.set_nomemory) makes the allocations from one number up to another fail. Windows are
finite: CPython itself (3.11 to 3.13) tries for ever to unwind an exception in a function of more than 256 instructions
when no allocation succeeds any more.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

try:
    import _testcapi
except ImportError:
    _testcapi = None

LENGTHS = (1, 1000)  # of windows: one allocation by itself, and what an operation asks for from there on
MOST = 20000  # allocations of one operation: it is far below
# What CPython says of any function when it has no memory for the frame or the traceback of an exception.
_LOST = "error return without exception set"

has_hook = hasattr(_testcapi, "set_nomemory")
needs_hook = pytest.mark.skipif(not has_hook, reason="this Python cannot make allocations fail")


def _taken(number: int) -> list[Any]:
    """`number` of what the interpreter keeps in free lists, so that the next one has to be allocated.

    Not tuples of two: CPython crashes when it has none for the iterator of dict.items().
    """
    tuples = [[(at,) * size for at in range(number)] for size in (1, 3, 4, 5)]
    return [tuples, [{} for _ in range(number)], [[] for _ in range(number)]]


_HELD = _taken(2000)


def attempt(operate: Callable[[], Any], first: int, length: int) -> tuple[Any, BaseException | None]:
    """What operate() gives, or raises, when `length` allocations from number `first` on fail."""
    result: Any = None
    outcome: BaseException | None = None
    held = _taken(100)
    spare = [(at, at) for at in range(100)]
    del spare
    gc.disable()  # a collection would call others' gc.callbacks, and the allocation that fails might be theirs
    _testcapi.set_nomemory(first, first + length)
    try:
        result = operate()
    except BaseException as error:
        outcome = error
    finally:
        _testcapi.remove_mem_hooks()
        gc.enable()
    del held
    if is_no_memory(outcome):
        # The interpreter has some errors made for when there is no memory, and goes on with one of them for ever when
        # those are used up: none is kept in a circle of frames.
        outcome = MemoryError()
    return result, outcome


def is_no_memory(outcome: BaseException | None) -> bool:
    """Whether it is what comes of a failed allocation."""
    return isinstance(outcome, MemoryError) or (isinstance(outcome, SystemError) and _LOST in str(outcome))


def sweep(
    name: str,
    operate: Callable[[], Any],
    met: Callable[[int, Any, BaseException | None], None],
    lengths: tuple[int, ...] = LENGTHS,
) -> int:
    """operate() with a window of failing allocations at every place in turn; how many places there are.

    `met` is called with the number of the first failing allocation, the result and the MemoryError, or None: what came
    out of it. Any other exception fails.
    """
    number = 0
    while True:
        for length in lengths:
            result, outcome = attempt(operate, number, length)
            if outcome is not None and not is_no_memory(outcome):
                raise AssertionError(f"{name}, {length} allocations from {number}: {outcome!r}") from outcome
            met(number, result, outcome)
        if outcome is None:
            return number
        number += 1
        assert number < MOST, name


def settles(operate: Callable[[], Any]) -> bool:
    """Whether operate() stops to cost memory, once the interpreter's free lists are full (some 200 blocks)."""
    for _ in range(200):
        blocks, objects = sys.getallocatedblocks(), len(gc.get_objects())
        operate()
        gc.collect()
        if sys.getallocatedblocks() - blocks < 3 and len(gc.get_objects()) - objects < 3:
            return True
    return False


def in_child(file: str, family: str, seconds: float = 120) -> str:
    """What the program `file` prints for `family`: a crash, or a hang, would take the test run with it."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", file, family],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
