"""Running other people's programs: found or failed, read line by line, always ended by their process id."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import pytest

# Program -> the Debian package that has it; packages.txt lists the packages for apt-get.
PACKAGES = {
    "eapol_test": "eapoltest",
    "freeradius": "freeradius",
    "openssl": "openssl",
    "radclient": "freeradius-utils",
    "radsecproxy": "radsecproxy",
    "text2pcap": "tshark",
    "tshark": "tshark",
}
_END_WAIT_S = 5.0


def program(name: str) -> str:
    """The path of a program. A missing one fails the test: what is not run is not proven."""
    # Daemons live where a plain user's PATH does not look.
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
    if path is None:
        pytest.fail(f"{name} is not installed; on Debian: apt-get install {PACKAGES[name]}", pytrace=False)
    return path


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody uses at the moment; for programs that cannot say which one they took."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def run(
    args: Sequence[str],
    *,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 45.0,
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end; its exit status is the caller's to judge."""
    return subprocess.run(
        list(args), input=stdin, env=env, cwd=cwd, timeout=timeout, capture_output=True, text=True, check=False
    )


class Process:
    """A program that keeps running. Its lines are collected as they come, and waited for instead of slept for."""

    def __init__(self, args: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        self.name = Path(args[0]).name
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._news = threading.Condition()
        self._popen = subprocess.Popen(
            list(args),
            env=env,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            bufsize=1,
        )
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._open = 2
        self._readers = [
            threading.Thread(target=self._read, args=(self._popen.stdout, self.stdout), daemon=True),
            threading.Thread(target=self._read, args=(self._popen.stderr, self.stderr), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        for line in stream:
            with self._news:
                lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._open -= 1
            self._news.notify_all()

    def wait_until(self, is_so: Callable[[], Any], what: str, timeout: float = 10.0) -> Any:
        """The first true value of `is_so`, which is asked again with every line that comes.

        Fails after `timeout` seconds, or when the program has ended without.
        """
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                result = is_so()
                if result:
                    return result
                left = deadline - time.monotonic()
                if left <= 0 or self._open == 0:
                    why = f"not within {timeout:g} s" if self._open else "the program has ended"
                    pytest.fail(f"{self.name}: {what}: {why}\n{self.everything()}", pytrace=False)
                self._news.wait(left)

    def wait_for_line(self, text: str, timeout: float = 10.0) -> str:
        """The first line, of either stream, with `text` in it."""
        found = self.wait_until(
            lambda: next((line for line in [*self.stdout, *self.stderr] if text in line), None), f"{text!r}", timeout
        )
        return str(found)

    def wait_for_port(self, port: int, timeout: float = 10.0) -> None:
        """Waits until it listens on a TCP port of 127.0.0.1; for programs that do not say when they do."""
        deadline = time.monotonic() + timeout
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self._popen.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{self.name} does not listen on port {port}\n{self.everything()}", pytrace=False)
            time.sleep(0.02)

    def write_line(self, text: str) -> None:
        """A line on its standard input."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(text + "\n")
        self._popen.stdin.flush()

    def wait(self, timeout: float = 10.0) -> int:
        """The exit status of a program that ends by itself, with all of its output read."""
        status = self._popen.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return status

    def everything(self) -> str:
        """All it has said so far, for failure messages."""
        return "\n".join(["--- stdout", *self.stdout[-200:], "--- stderr", *self.stderr[-200:]])

    def end(self) -> None:
        """Ends it, by its process id, and waits until it is gone."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(_END_WAIT_S)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait(_END_WAIT_S)
        for reader in self._readers:
            reader.join(_END_WAIT_S)
        for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # a line that it did not live to read
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()
