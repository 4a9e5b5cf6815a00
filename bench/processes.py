"""Processes of the benchmark: on a processor of their own, read in /proc, ended by their process id."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What a process of the benchmark inherits: no PYTHON*, LD_PRELOAD, MALLOC_* or OPENSSL_CONF that would tune one.
KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")

TICKS = os.sysconf("SC_CLK_TCK")
START_LIMIT_S = 30.0


class RigError(Exception):
    """Something that is needed is not there, or does not work; the text says what, and what to do."""


class SkippedError(RigError):
    """One server cannot be measured here; the others can."""


def clean_environment(**more: str) -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ} | more


def checked(
    command: Sequence[str | Path], what: str, cwd: Path | None = None, env: dict[str, str] | None = None
) -> str:
    """Runs a command and returns its output; RigError with the last lines of it when it fails."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=cwd, env=env
        )
    except OSError as error:
        raise RigError(f"{what}: {error}") from error
    if done.returncode != 0:
        raise RigError(f"{what}: exit status {done.returncode}\n    {last_lines(done.stdout)}")
    return done.stdout


def last_lines(text: str) -> str:
    return "\n    ".join(text.strip().splitlines()[-8:])


def cpu_pair() -> tuple[int, int]:
    """(server, load generator): two allowed processors that are not two threads of one core, where there are such."""
    allowed = sorted(os.sched_getaffinity(0))
    server = allowed[-1]
    siblings = Path(f"/sys/devices/system/cpu/cpu{server}/topology/thread_siblings_list")
    shared = set()
    with contextlib.suppress(OSError):
        for part in siblings.read_text().strip().split(","):
            first, _, last = part.partition("-")
            shared |= set(range(int(first), int(last or first) + 1))
    others = [cpu for cpu in allowed if cpu not in shared] or [cpu for cpu in allowed if cpu != server] or allowed
    return server, others[0]


@contextlib.contextmanager
def pinned(*cpus: int) -> Iterator[None]:
    """Children started inside inherit these processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_descriptor_limit() -> int:
    """As many descriptors as the machine allows, for us and for the processes we start. How many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20


def cpu_busy_s(cpu: int) -> float:
    """Time the processor has spent on programs since the machine started: user, nice, system."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{cpu}":
            return sum(map(int, ticks[:3])) / TICKS
    return 0.0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses at the moment; for programs that cannot say which one they took."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def cpu_s(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / TICKS


@dataclass
class RunningServer:
    name: str
    process: subprocess.Popen[str]
    log: Path
    hello: dict[str, Any]  # what it said, or is known, about itself: port, versions
    start_ms: float = 0.0  # from the start of the process until it listened
    cpus: frozenset[int] = frozenset()  # that it may run on
    helpers: list[subprocess.Popen[str]] = field(default_factory=list)  # processes behind it, on the other processor

    def cpu_s(self) -> float:
        """CPU time, user and system, of all its threads, in steps of the kernel's tick."""
        return cpu_s(self.process.pid)

    def own_cpu_s(self) -> float:
        """The same with the processes behind it, and those that serve beside it."""
        behind = (process.pid for process in (self.process, *self.helpers))
        return sum(map(cpu_s, (*behind, *self.hello.get("beside", []))))

    def scheduled(self) -> tuple[float, int]:
        """(CPU seconds to the nanosecond, times that a thread went to sleep) of the threads there are."""
        run_ns = sleeps = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                run_ns += int((task / "schedstat").read_text().split()[0])
                status = (task / "status").read_text()
                sleeps += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        return run_ns / 1e9, sleeps

    def resident_kb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def last_words(self) -> str:
        return last_lines(self.log.read_text(errors="replace"))


def end(process: subprocess.Popen[str], is_told_by_input: bool = True) -> None:
    """Ends a process that we started: by the end of its standard input, else by a signal."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    if not is_told_by_input:
        process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextlib.contextmanager
def started(
    name: str,
    command: Sequence[str | Path],
    log: Path,
    cpus: frozenset[int],
    await_hello: Callable[[subprocess.Popen[str]], dict[str, Any] | None],
    is_told_by_input: bool = True,
    variables: Mapping[str, str] | None = None,
) -> Iterator[RunningServer]:
    """A server on its processors, from the moment it listens until the end of the block.

    `await_hello` returns what is known about it once it listens, None when it ended before that.
    """
    with log.open("w") as errors:
        begin = time.perf_counter()
        with pinned(*cpus):
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if is_told_by_input else errors,
                stderr=errors,
                text=True,
                env=clean_environment(**(variables or {})),
            )
        try:
            hello = await_hello(process)
            if hello is None:
                raise RigError(f"{name} did not start\n    {last_lines(log.read_text(errors='replace'))}")
            yield RunningServer(name, process, log, hello, (time.perf_counter() - begin) * 1000, cpus)
        finally:
            end(process, is_told_by_input)


def knock(process: subprocess.Popen[str], port: int) -> bool:
    """Waits until 127.0.0.1 listens on the port. False: the process has ended, or takes too long."""
    deadline = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.005)
    return False
