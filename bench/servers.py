"""The servers that are measured, one class each: what they need, how they are started, what they cannot do."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import RigError, RunningServer, SkippedError, checked, clean_environment, pinned, started
from rig import BUILD, CERTS, HERE, SERVER_FILES, Rig, as_options, python_version


@dataclass(frozen=True)
class Settings:
    """What a kind of work asks of a server beyond its defaults. Everything else is as shipped."""

    tickets: int | None = None  # TLS session tickets, so that sessions can be resumed; None: the server's default
    is_packed: bool = False  # several replies to a TLS record, for clients that pack too
    await_ms: float = 0.0  # the handler waits so long before it answers
    is_on_both: bool = False  # it has both processors, and shares them with the load


AS_SHIPPED = Settings()


@dataclass(frozen=True)
class Timing:
    warm_s: float
    seconds: float
    is_smoke: bool = False

    def options(self) -> tuple[str, ...]:
        return "--seconds", str(self.seconds), "--warm", str(self.warm_s)


def announced(process: subprocess.Popen[str]) -> dict[str, Any] | None:
    """The line of JSON that our own servers print when they listen."""
    assert process.stdout is not None
    line = process.stdout.readline()
    return json.loads(line) if line else None


class Server:
    """A server of the benchmark, before it runs."""

    name = ""
    title = ""
    # Somebody else's: what it loses or cannot stand is noted with the figures, and no fault of the measurement.
    is_peer = False
    is_python = False
    # Not a server at all, but something to compare one with in one kind of work.
    is_yardstick = False
    # Most connections that it is given at once; None: no such limit.
    max_conns: int | None = None
    # Most requests in flight at once over all connections; None: no such limit.
    max_in_flight: int | None = None
    # Takes every packet out of a TLS record before it waits for the socket again.
    takes_packed = True
    # Its replies to Status-Server have a Message-Authenticator.
    signs_status = True
    # Several processes or event loops, which are nothing to measure on one processor.
    needs_both = False

    def prepare(self, rig: Rig) -> None:
        """Builds and installs. SkippedError: it cannot be measured here."""
        rig.compile("radsec_load")

    def refusal(self, settings: Settings) -> str | None:
        """Why it cannot work with these settings; None: it can."""
        if settings.is_packed and not self.takes_packed:
            return "takes one packet out of a TLS record and waits for the next"
        return None if settings.await_ms == 0 else "its handler does not wait"

    def running(self, rig: Rig, settings: Settings) -> AbstractContextManager[RunningServer]:
        """A new process on the server's processor, or both, until the end of the block."""
        raise NotImplementedError

    def log(self) -> Path:
        return BUILD / f"{self.name}.log"


class LimitServer(Server):
    name = "limit_server"
    title = "epoll, OpenSSL and MD5 in C, nothing else: the limit of one core"
    takes_md5_init = False

    def prepare(self, rig: Rig) -> None:
        super().prepare(rig)
        rig.compile("limit_server")

    def running(self, rig: Rig, settings: Settings) -> AbstractContextManager[RunningServer]:
        command: list[str | Path] = [BUILD / "limit_server", *as_options(SERVER_FILES)]
        command.append(f"--coalesce={int(settings.is_packed)}")
        command.append(f"--md5-init={int(self.takes_md5_init)}")
        if settings.tickets is not None:
            command.append(f"--tickets={settings.tickets}")
        return started(self.name, command, self.log(), rig.server_cpus(settings.is_on_both), announced)


class LimitServerMd5(LimitServer):
    """Its digests are OpenSSL's all the same, by the functions that pyradsec takes them from."""

    name = "limit_server-md5"
    title = "the same with MD5_Init() instead of EVP"
    takes_md5_init = True


class PythonServer(Server):
    """serve.py on one of the libraries, in a virtual environment of its own."""

    is_python = True
    environment = ""
    loop = "asyncio"
    requirements: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()  # of serve.py, whatever the settings

    def prepare(self, rig: Rig) -> None:
        super().prepare(rig)
        self.python = rig.environment(self.environment, self.requirements)

    def refusal(self, settings: Settings) -> str | None:
        return None

    def variables(self, rig: Rig) -> dict[str, str]:
        return {}

    def options(self, settings: Settings) -> list[str]:
        return [*self.flags, *([f"--await-ms={settings.await_ms:g}"] if settings.await_ms > 0 else [])]

    def running(self, rig: Rig, settings: Settings) -> AbstractContextManager[RunningServer]:
        command: list[str | Path] = [self.python, HERE / "serve.py", self.environment, "--loop", self.loop]
        command += ["--certs", CERTS, *self.options(settings)]
        cpus = rig.server_cpus(settings.is_on_both)
        return started(self.name, command, self.log(), cpus, announced, variables=self.variables(rig))

    def import_ms(self, rig: Rig, modules: str) -> float:
        """How long an interpreter of this server takes to import, start of the interpreter not counted."""
        program = f"import time; begin = time.perf_counter(); import {modules}; print(time.perf_counter() - begin)"
        with pinned(rig.server_cpu):
            # Away from the checkout, whose package would be found first.
            printed = checked(
                [self.python, "-c", program], f"import {modules}", BUILD, clean_environment(**self.variables(rig))
            )
        return float(printed) * 1000


class Pyradsec(PythonServer):
    name = "pyradsec"
    title = "this checkout, on asyncio"
    environment = "pyradsec"

    def prepare(self, rig: Rig) -> None:
        super().prepare(rig)
        rig.library_path()

    def variables(self, rig: Rig) -> dict[str, str]:
        return {"PYTHONPATH": str(rig.library_path())}

    def options(self, settings: Settings) -> list[str]:
        tickets = [f"--tickets={settings.tickets}"] if settings.tickets is not None else []
        return [*super().options(settings), *tickets]


class PyradsecUvloop(Pyradsec):
    name = "pyradsec-uvloop"
    title = "this checkout, on uvloop"
    loop = "uvloop"
    requirements = ("uvloop>=0.19",)


class PyradsecThreads(Pyradsec):
    name = "pyradsec-2-loops"
    title = "this checkout, two event loops in two threads that share a port"
    needs_both = True
    flags = ("--threads=2",)


class PyradsecProcesses(Pyradsec):
    name = "pyradsec-2-processes"
    title = "this checkout, two processes that share a port"
    needs_both = True
    flags = ("--processes=2",)


class Pyrad2(PythonServer):
    """Sends two tickets after each full handshake, as Python's ssl does."""

    name = "pyrad2"
    title = "pyrad2 3.2 on asyncio, its logging off"
    environment = "pyrad2"
    is_peer = True
    requirements = ("pyrad2==3.2",)

    def prepare(self, rig: Rig) -> None:
        if python_version(rig.python) < (3, 12):
            raise SkippedError(f"pyrad2 3.2 needs Python 3.12 or newer, and {rig.python} is older")
        super().prepare(rig)


class Pyrad2Logging(Pyrad2):
    name = "pyrad2-logging"
    title = "pyrad2 3.2 on asyncio, its logging as it comes"
    flags = ("--logging",)


class BareLoop(Server):
    """Tasks that wait as the handler does, on an event loop without a socket."""

    name = "bare-asyncio"
    title = "the same tasks on asyncio without a socket"
    loop = "asyncio"
    requirements: tuple[str, ...] = ()
    is_yardstick = True

    def prepare(self, rig: Rig) -> None:
        self.python = rig.environment("pyradsec", self.requirements)

    def refusal(self, settings: Settings) -> str | None:
        return None

    def measure(self, rig: Rig, settings: Settings, tasks: int, timing: Timing) -> dict[str, Any]:
        command: list[str | Path] = [self.python, HERE / "bare_loop.py", "--loop", self.loop, *timing.options()]
        command += [f"--tasks={tasks}", f"--await-ms={settings.await_ms:g}"]
        with pinned(rig.server_cpu):
            printed = checked(command, self.name, env=clean_environment())
        measured: dict[str, Any] = json.loads(printed)
        return measured

    @contextlib.contextmanager
    def running(self, rig: Rig, settings: Settings) -> Iterator[RunningServer]:
        raise RigError(f"{self.name} is no server")
        yield  # what makes it a context manager


class BareUvloop(BareLoop):
    name = "bare-uvloop"
    title = "the same tasks on uvloop without a socket"
    loop = "uvloop"
    requirements = ("uvloop>=0.19",)
