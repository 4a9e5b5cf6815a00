"""The benchmark's rig: what has to be built and installed, and the runs of the load generator.

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

from processes import (
    RigError,
    RunningServer,
    SkippedError,
    checked,
    clean_environment,
    cpu_busy_s,
    end,
    pinned,
)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "bench"
CERTS = ROOT / "certs"
SERVER_FILES = {
    "--cert": CERTS / "server/server.cert.pem",
    "--key": CERTS / "server/server.key.pem",
    "--ca": CERTS / "ca/ca.cert.pem",
}
CLIENT_FILES = {
    "--cert": CERTS / "client/client.cert.pem",
    "--key": CERTS / "client/client.key.pem",
    "--ca": CERTS / "ca/ca.cert.pem",
}

# Sources, and libraries to link with.
PROGRAMS = {
    "limit_server": (["limit_server.c", "answer.c", "hmac.c", "support.c", "tls_link.c"], ["-lssl", "-lcrypto"]),
    "udp_server": (["udp_server.c", "answer.c", "hmac.c", "support.c"], ["-lcrypto"]),
    "radsec_load": (
        [
            *("radsec_load.c", "load_conn.c", "load_options.c", "load_report.c"),
            *("request.c", "hmac.c", "latency.c", "support.c", "tls_link.c"),
        ],
        ["-lssl", "-lcrypto"],
    ),
}

# How long a run of the load generator may take beyond what it is asked for.
LOAD_LIMIT_S = 120.0


def as_options(files: dict[str, Path]) -> list[str]:
    return [f"{option}={path}" for option, path in files.items()]


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


@dataclass
class Rig:
    python: Path
    server_cpu: int
    load_cpu: int
    descriptors: int = 1024  # that a process may have
    _library_path: Path | None = field(default=None, init=False)

    def server_cpus(self, is_on_both: bool) -> frozenset[int]:
        return frozenset({self.server_cpu, self.load_cpu} if is_on_both else {self.server_cpu})

    def _load_cpus(self, server: RunningServer) -> frozenset[int]:
        """The other processor; where the server has both, the load shares them."""
        return server.cpus if self.load_cpu in server.cpus else frozenset({self.load_cpu})

    # --- what has to be there ---

    def tag(self) -> str:
        """Names what is built for this interpreter; one without the lock (cp314t) has an ABI of its own."""
        return checked(
            [self.python, "-c", "import sys; print('cp%d%d%s' % (*sys.version_info[:2], sys.abiflags))"], "python"
        ).strip()

    def compile(self, program: str) -> Path:
        """The path of a C program of the benchmark, compiled anew when its sources are newer."""
        target = BUILD / program
        names, libraries = PROGRAMS[program]
        sources = [HERE / name for name in names]
        newest = max(path.stat().st_mtime for path in [*sources, *HERE.glob("*.h")])
        if target.exists() and target.stat().st_mtime > newest:
            return target
        BUILD.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [os.environ.get("CC", "cc"), "-std=c11", "-O2", "-Wall", "-Wextra", "-o", target]
        what = f"{program}: a C compiler and the headers of OpenSSL 3 (libssl-dev) are needed"
        checked([*command, *sources, *libraries], what)
        return target

    def environment(self, name: str, requirements: Sequence[str]) -> Path:
        """The Python of the virtual environment `name`, with `requirements` installed into it once."""
        home = BUILD / f"venv-{name}-{self.tag()}"
        python = home / "bin" / "python"
        if not python.exists():
            checked([self.python, "-m", "venv", home], f"virtual environment {home}")
        mark = home / "installed.txt"
        installed = mark.read_text().splitlines() if mark.exists() else []
        missing = [requirement for requirement in requirements if requirement not in installed]
        if missing:
            try:
                checked([python, "-m", "pip", "install", "--quiet", *missing], f"pip install {' '.join(missing)}")
            except RigError as error:
                raise SkippedError(str(error)) from error
            mark.write_text("\n".join([*installed, *missing]) + "\n")
        return python

    def library_path(self) -> Path:
        """Where pyradsec of this checkout is, built out of place with the flags it ships with."""
        if self._library_path is None:
            python = self.environment("pyradsec", ["setuptools>=68"])
            base = BUILD / f"pyradsec-{self.tag()}"
            command: list[str | Path] = [python, "setup.py", "--quiet", "build"]
            command += ["--build-base", base, "--build-lib", base / "lib"]
            checked(command, "building pyradsec", cwd=ROOT, env=clean_environment())
            self._library_path = base / "lib"
        return self._library_path

    # --- the load generator ---

    def _load_command(self, server: RunningServer, options: Sequence[str]) -> list[str | Path]:
        port = f"--port={server.hello['port']}"
        return [BUILD / "radsec_load", port, *as_options(CLIENT_FILES), *options]

    def load(self, server: RunningServer, options: Sequence[str], seconds: float = 0.0) -> dict[str, Any]:
        """One run of the load generator; what it measured."""
        command = self._load_command(server, [f"--server-pid={server.process.pid}", *options])
        before = time.monotonic(), self._busy_with_others_s(server)
        with pinned(*self._load_cpus(server)):
            try:
                done = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=seconds + LOAD_LIMIT_S,
                    env=clean_environment(),
                )
            except subprocess.TimeoutExpired as error:
                raise RigError(f"{server.name}: radsec_load did not come to an end") from error
        if server.process.poll() is not None:
            raise RigError(f"{server.name} ended, status {server.process.returncode}\n    {server.last_words()}")
        if not done.stdout:
            raise RigError(f"radsec_load: {done.stderr.strip() or f'exit status {done.returncode}'}")
        measured: dict[str, Any] = json.loads(done.stdout)
        after = time.monotonic(), self._busy_with_others_s(server)
        measured["disturbed"] = round(max(0.0, after[1] - before[1]) / (after[0] - before[0]), 3)
        measured["resident_kb"] = server.resident_kb()
        return measured

    @contextlib.contextmanager
    def company(
        self, server: RunningServer, options: Sequence[str], first: Sequence[str] = ()
    ) -> Iterator[subprocess.Popen[str]]:
        """A second load generator that runs beside; `first` goes before its command. Yields its process."""
        with pinned(*self._load_cpus(server)), (BUILD / "radsec_load.log").open("w") as errors:
            process = subprocess.Popen(
                [*first, *self._load_command(server, options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=clean_environment(),
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            end(process)

    def heard(self, server: RunningServer, process: subprocess.Popen[str]) -> dict[str, Any]:
        """The next line of JSON that a second load generator prints."""
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            why = (BUILD / "radsec_load.log").read_text().strip() or server.last_words()
            raise RigError(f"{server.name}: {why}")
        measured: dict[str, Any] = json.loads(line)
        return measured

    def _busy_with_others_s(self, server: RunningServer) -> float:
        """Time a processor, of the two, has spent on anything but this server and our own children."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = children.ru_utime + children.ru_stime
        with contextlib.suppress(OSError):  # it has ended
            ours += server.own_cpu_s()
        cpus = {self.server_cpu, self.load_cpu}
        return (sum(map(cpu_busy_s, cpus)) - ours) / len(cpus)
