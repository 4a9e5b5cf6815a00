"""The benchmark's rig: what has to be built and installed, processes on cores of their own, one measurement.

Everything made goes below build/bench/ in the checkout: the C programs, a build of pyradsec with the flags it
ships with, and one virtual environment for each Python library, so that neither sees the other's packages.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "bench"
CERTS = ROOT / "certs"

SERVERS = {
    "limit_server": "epoll, OpenSSL and MD5 in C, nothing else: the limit of one core",
    "pyradsec": "pyradsec on asyncio",
    "pyradsec-uvloop": "pyradsec on uvloop",
    "pyrad2": "pyrad2 3.2 on asyncio, its logging off",
}

PROGRAMS = {
    "limit_server": ["limit_server.c", "support.c", "tls_link.c"],
    "radsec_load": ["radsec_load.c", "load_options.c", "request.c", "latency.c", "support.c", "tls_link.c"],
}

REQUIREMENTS = {"pyradsec": ["setuptools>=68"], "pyradsec-uvloop": ["uvloop>=0.19"], "pyrad2": ["pyrad2==3.2"]}

# What a process of the benchmark inherits: no PYTHON*, LD_PRELOAD, MALLOC_* or OPENSSL_CONF that would tune one.
KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")


class RigError(Exception):
    """Something that is needed is not there; the text says what, and what to do."""


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
        tail = "\n    ".join(done.stdout.strip().splitlines()[-8:])
        raise RigError(f"{what}: exit status {done.returncode}\n    {tail}")
    return done.stdout


def find_python(wanted: str | None) -> Path:
    """The interpreter for the Python servers: the one asked for, else a CPython 3.13, else this one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates: list[str | Path | None]
    if wanted is not None:
        candidates = [wanted]
    else:
        candidates = [shutil.which("python3.13"), *sorted(pyenv.glob("3.13.*/bin/python3.13"), reverse=True)]
        if sys.version_info[:2] == (3, 13):
            candidates.insert(0, sys.executable)
        candidates.append(sys.executable)
    for candidate in candidates:
        with contextlib.suppress(RigError):
            if candidate is not None:
                # The real path: a shim on PATH picks another interpreter in another environment.
                return Path(checked([candidate, "-c", "import sys; print(sys.executable)"], "python").strip())
    raise RigError(f"--python {wanted}: does not run")


def python_version(python: Path) -> tuple[int, int]:
    major, minor = checked([python, "-c", "import sys; print(*sys.version_info[:2])"], "python").split()
    return int(major), int(minor)


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
def pinned(cpu: int) -> Iterator[None]:
    """Children started inside inherit this one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


TICKS = os.sysconf("SC_CLK_TCK")


def cpu_busy_s(cpu: int) -> float:
    """Time the processor has spent on programs since the machine started: user, nice, system."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{cpu}":
            return sum(map(int, ticks[:3])) / TICKS
    return 0.0


@dataclass
class RunningServer:
    process: subprocess.Popen[str]
    hello: dict[str, Any]  # what it said about itself: port, versions

    def cpu_s(self) -> float:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICKS

    def resident_kb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])


@dataclass
class Rig:
    python: Path
    server_cpu: int
    load_cpu: int
    library_path: Path | None = None
    environments: dict[str, Path] = field(default_factory=dict)

    def prepare(self, server: str) -> None:
        """Builds and installs what this server needs. SkippedError: it cannot be measured here."""
        self._compile("radsec_load")
        if server == "limit_server":
            self._compile("limit_server")
        else:
            self.prepare_library(server)

    def prepare_library(self, server: str) -> None:
        """Installs one of the Python servers only, without the load generator. SkippedError as above."""
        if server == "pyrad2" and python_version(self.python) < (3, 12):
            raise SkippedError(f"pyrad2 3.2 needs Python 3.12 or newer, and {self.python} is older")
        environment = "pyrad2" if server == "pyrad2" else "pyradsec"
        self.environments[server] = self._environment(environment, server)
        if environment == "pyradsec" and self.library_path is None:
            self.library_path = self._build_pyradsec(self._environment("pyradsec", "pyradsec"))

    def _tag(self) -> str:
        return "cp{}{}".format(*python_version(self.python))

    def _compile(self, program: str) -> None:
        target = BUILD / program
        sources = [HERE / name for name in PROGRAMS[program]]
        newest = max(path.stat().st_mtime for path in [*sources, *HERE.glob("*.h")])
        if target.exists() and target.stat().st_mtime > newest:
            return
        BUILD.mkdir(parents=True, exist_ok=True)
        compiler = os.environ.get("CC", "cc")
        command: list[str | Path] = [compiler, "-std=c11", "-O2", "-Wall", "-Wextra", "-o", target]
        command += [*sources, "-lssl", "-lcrypto"]
        checked(command, f"{program}: a C compiler and the headers of OpenSSL 3 (libssl-dev) are needed")

    def _environment(self, name: str, server: str) -> Path:
        """The Python of the virtual environment `name`, with what `server` needs installed into it once."""
        home = BUILD / f"venv-{name}-{self._tag()}"
        python = home / "bin" / "python"
        if not python.exists():
            checked([self.python, "-m", "venv", home], f"virtual environment {home}")
        mark = home / f".has-{server}"
        wanted = "\n".join(REQUIREMENTS[server])
        if not mark.exists() or mark.read_text() != wanted:
            try:
                checked([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[server]], f"pip install {wanted}")
            except RigError as error:
                raise SkippedError(str(error)) from error
            mark.write_text(wanted)
        return python

    def _build_pyradsec(self, python: Path) -> Path:
        """Builds the checkout out of place, with the flags it ships with; compiles what has changed only."""
        base = BUILD / f"pyradsec-{self._tag()}"
        command: list[str | Path] = [python, "setup.py", "--quiet", "build"]
        command += ["--build-base", base, "--build-lib", base / "lib"]
        checked(command, "building pyradsec", cwd=ROOT, env=clean_environment())
        return base / "lib"

    def _server_command(self, server: str) -> tuple[list[str | Path], dict[str, str]]:
        if server == "limit_server":
            files = {"--cert": "server/server.cert.pem", "--key": "server/server.key.pem", "--ca": "ca/ca.cert.pem"}
            options = [part for option, name in files.items() for part in (option, CERTS / name)]
            return [BUILD / "limit_server", *options], {}
        python, environment = self.library(server)
        library = "pyrad2" if server == "pyrad2" else "pyradsec"
        loop = "uvloop" if server == "pyradsec-uvloop" else "asyncio"
        return [python, HERE / "serve.py", library, "--loop", loop, "--certs", CERTS], environment

    def library(self, server: str) -> tuple[Path, dict[str, str]]:
        """The interpreter that has a Python server's library, and what its environment needs for that."""
        environment = {} if server == "pyrad2" else {"PYTHONPATH": str(self.library_path)}
        return self.environments[server], environment

    @contextlib.contextmanager
    def running(self, server: str) -> Iterator[RunningServer]:
        """Starts a server on its processor, and ends it by closing its standard input."""
        command, more = self._server_command(server)
        log = BUILD / f"{server}.log"
        with log.open("w") as errors:
            with pinned(self.server_cpu):
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    env=clean_environment(**more),
                )
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                line = process.stdout.readline()
                if not line:
                    tail = "\n    ".join(log.read_text().strip().splitlines()[-8:])
                    raise RigError(f"{server} did not start\n    {tail}")
                yield RunningServer(process, json.loads(line))
            finally:
                process.stdin.close()
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                process.stdout.close()

    def load(self, server: RunningServer, options: Sequence[str]) -> dict[str, Any]:
        """One run of the load generator on the other processor; what it measured."""
        command: list[str | Path] = [
            BUILD / "radsec_load",
            f"--port={server.hello['port']}",
            f"--server-pid={server.process.pid}",
            f"--cert={CERTS / 'client/client.cert.pem'}",
            f"--key={CERTS / 'client/client.key.pem'}",
            f"--ca={CERTS / 'ca/ca.cert.pem'}",
            *options,
        ]
        before = time.monotonic(), self._busy_with_others_s(server)
        with pinned(self.load_cpu):
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=3600, env=clean_environment()
            )
        if not done.stdout:
            raise RigError(f"radsec_load: {done.stderr.strip() or f'exit status {done.returncode}'}")
        measured: dict[str, Any] = json.loads(done.stdout)
        after = time.monotonic(), self._busy_with_others_s(server)
        measured["disturbed"] = round(max(0.0, after[1] - before[1]) / (after[0] - before[0]), 3)
        return measured

    def _busy_with_others_s(self, server: RunningServer) -> float:
        """Time a processor, of the two, has spent on anything but this server and our own children."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = server.cpu_s() + children.ru_utime + children.ru_stime
        cpus = {self.server_cpu, self.load_cpu}
        return (sum(map(cpu_busy_s, cpus)) - ours) / len(cpus)
