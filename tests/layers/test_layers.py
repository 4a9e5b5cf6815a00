"""The rooms of the C side: py -> net -> crypto -> wire, one way, and Python.h in src/py alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"
# What each room may include of the others, and which libraries' headers it may not see.
BELOW = {
    "wire": {"wire"},
    "crypto": {"wire", "crypto"},
    "net": {"wire", "crypto", "net"},
    "py": {"wire", "crypto", "net", "py"},
}
FORBIDDEN = {
    "wire": re.compile(r"Python\.h|openssl/|sys/socket|pthread|time\.h|stdio\.h|stdlib\.h|unistd"),
    "crypto": re.compile(r"Python\.h|openssl/ssl|sys/socket|pthread|time\.h|stdio\.h|unistd"),
    "net": re.compile(r"Python\.h|structmember\.h"),
    "py": re.compile(r"pthread|sys/socket|sys/epoll"),
}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)

FILES = sorted(SRC.glob("*/*.[ch]"))


def test_every_room_is_known() -> None:
    assert {path.parent.name for path in FILES} == set(BELOW)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_includes_point_down(path: Path) -> None:
    room = path.parent.name
    for name in INCLUDE.findall(path.read_text()):
        assert not FORBIDDEN[room].search(name), f"{path.name} includes {name}"
        first = name.split("/")[0]
        if first in BELOW and name != "net/if.h":  # the system's
            assert first in BELOW[room], f"{path.name} of {room} includes {name}"
            assert (SRC / name).exists()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_a_file_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 700, f"{path.name}: which second noun hides in it?"
