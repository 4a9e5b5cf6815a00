"""How far a long run is: a bar where a person looks on, a line for each step elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO


class Progress:
    """Counts steps. `note` prints a line of its own; `step` says what was done, `begin` what is at hand."""

    def __init__(self, total: int, stream: TextIO = sys.stderr) -> None:
        self.total = total
        self.done = 0
        self._stream = stream
        self._is_bar = stream.isatty()
        self._begin = time.monotonic()

    def begin(self, text: str) -> None:
        if self._is_bar:
            self._draw(text)

    def step(self, text: str) -> None:
        self.done += 1
        if self._is_bar:
            self._draw(text)
        else:
            self._line(f"[{self.done}/{self.total}] {text}")

    def note(self, text: str) -> None:
        self._clear()
        self._line(text)

    def close(self) -> None:
        self._clear()

    def _left(self) -> str:
        if self.done == 0:
            return "--:--"
        seconds = round((time.monotonic() - self._begin) / self.done * (self.total - self.done))
        return f"{seconds // 60}:{seconds % 60:02}"

    def _draw(self, text: str) -> None:
        columns = shutil.get_terminal_size().columns
        full = 24 * self.done // max(1, self.total)
        line = f"[{'#' * full}{'.' * (24 - full)}] {self.done}/{self.total}  {self._left()} left  {text}"
        self._stream.write("\r\x1b[K" + line[: columns - 1])
        self._stream.flush()

    def _clear(self) -> None:
        if self._is_bar:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _line(self, text: str) -> None:
        print(text, file=self._stream, flush=True)
