"""The lines of a dictionary file, with `$INCLUDE` followed.

Includes stay inside one folder tree: a dictionary that comes from somewhere else cannot read other files of
the host. `$INCLUDE-` is an include of a file that need not be there.

pyradsec.dictionary has a reader of its own, with the same rules; this one is for programs that want the lines.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

from pyradsec.exceptions import ParseError


class LineSource(Protocol):
    """What a dictionary can be read from instead of a path: an open file, a StringIO."""

    def readlines(self) -> list[str]: ...


class _Frame:
    """One open file: the entry file, or one that is being included."""

    __slots__ = ("folder", "lines", "name", "number", "path")

    def __init__(self, name: str, path: str | None, folder: str, lines: list[str]) -> None:
        self.name = name  # base name, empty for a stream
        self.path = path  # resolved, None for a stream
        self.folder = folder  # what relative includes are relative to
        self.lines = iter(lines)
        self.number = 0


class DictFile:
    """Iterates over the raw lines of a dictionary and of what it includes.

    `fil` is a path or anything with `readlines()`. `include_base_dir` is the folder that includes may not
    leave; when it is not given, the folder of the entry file, or the working directory for a stream. The
    entry file itself may lie anywhere.
    """

    __slots__ = ("_base", "_frames")

    def __init__(
        self,
        fil: str | os.PathLike[str] | LineSource,
        *,
        include_base_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if isinstance(fil, (str, os.PathLike)):
            path = os.fspath(fil)
            frame = _open_frame(path, os.path.realpath(path))
        else:
            frame = _Frame("", None, os.getcwd(), fil.readlines())
        base = frame.folder if include_base_dir is None else include_base_dir
        self._base = os.path.realpath(base)
        self._frames = [frame]

    def __iter__(self) -> Iterator[str]:
        # All iterators share the frames, and so go on where another one stopped.
        frames = self._frames
        while frames:
            frame = frames[-1]
            for line in frame.lines:
                frame.number += 1
                if "$" in line and self._follow(line):
                    break
                yield line
            else:
                frames.pop()

    def __next__(self) -> str:
        return next(iter(self))

    def file(self) -> str:
        """The base name of the file that the last line came from; empty for a stream and at the end."""
        return self._frames[-1].name if self._frames else ""

    def line(self) -> int:
        """The number of the last line in its file, from 1; -1 at the end."""
        return self._frames[-1].number if self._frames else -1

    def _follow(self, line: str) -> bool:
        """Opens what an $INCLUDE line names; false for any other line."""
        words = line.partition("#")[0].split()
        if not words or words[0].upper() not in ("$INCLUDE", "$INCLUDE-"):
            return False
        name = " ".join(words[1:])
        if not name:
            raise self._error("$INCLUDE without a file name")
        path = self._place(name)
        target = os.path.realpath(path)
        if os.path.commonpath([self._base, target]) != self._base:
            raise self._error(f"$INCLUDE {name!r} escapes the dictionary base {self._base!r}")
        paths = [frame.path for frame in self._frames]
        if target in paths:
            chain = [frame.name for frame in self._frames[paths.index(target) :]]
            raise self._error(f"$INCLUDE is a cycle: {' -> '.join([*chain, os.path.basename(path)])}")
        try:
            self._frames.append(_open_frame(path, target))
        except OSError as error:
            if not (isinstance(error, FileNotFoundError) and words[0].endswith("-")):
                error.add_note(f"included from {self.file()}({self.line()})")
                raise
        return True

    def _place(self, name: str) -> str:
        """Where a file is that an $INCLUDE names. FreeRADIUS 4 calls the root of its dictionaries ${dictdir}."""
        if name.startswith("${dictdir}/"):
            return os.path.join(self._base, name.removeprefix("${dictdir}/"))
        return os.path.join(self._frames[-1].folder, name)

    def _error(self, msg: str) -> ParseError:
        return ParseError(msg, file=self.file(), line=self.line())


def _open_frame(path: str, target: str) -> _Frame:
    # Non-ASCII text stands in comments only, and old dictionaries have it in any encoding.
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        lines = file.readlines()
    return _Frame(os.path.basename(path), target, os.path.dirname(os.path.abspath(path)), lines)
