"""Measures pyradsec beside pyrad2, and beside what one core can do at all.

Each server runs on a processor of its own and the load generator on another. Every figure is the median of several
rounds; within a round the servers take turns, so that a slow minute of the machine meets all of them. What is needed is
built and installed below build/bench/ first (a C compiler, OpenSSL's headers, pip and its index).

    python bench/run.py                                      everything: some six minutes
    python bench/run.py --smoke                              does it all work? no timing is judged
    python bench/run.py --work auth-16x16,handshakes         two kinds of work
    python bench/run.py --servers pyradsec,limit_server --rounds 5 --seconds 4
    python bench/run.py --json figures.json                  every round, for a machine

servers
{servers}

work (requests are checked against the user's password, replies against the request; one packet to a TLS record
unless it says packed)
{works}

How to read the table, and what keeps it fair: bench/README.md.
Exit status: 0, or 1 when a server gave a wrong answer, lost requests or did not start, 2 when something is missing.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig import BUILD, SERVERS, Rig, RigError, RunningServer, SkippedError, cpu_pair, find_python
from table import summarise, table

WARM_S = 0.5
SMOKE_WARM_S, SMOKE_S = 0.05, 0.15


@dataclass(frozen=True)
class Work:
    title: str
    options: tuple[str, ...]


def work(title: str, options: str) -> Work:
    return Work(title, tuple(options.split()))


WORKS = {
    "auth-16x16": work("Access-Request, 16 connections x 16 in flight", "--kind auth --conns 16 --window 16"),
    "auth-1x1": work("Access-Request, one at a time", "--kind auth --conns 1 --window 1"),
    "auth-16x1": work("Access-Request, 16 connections x 1 in flight", "--kind auth --conns 16 --window 1"),
    "auth-1x32": work("Access-Request, 1 connection x 32 in flight", "--kind auth --conns 1 --window 32"),
    "auth-packed": work(
        "Access-Request, 16 connections x 16 in flight, packed into TLS records",
        "--kind auth --conns 16 --window 16 --coalesce 1",
    ),
    "acct-16x8": work("Accounting-Request, 16 connections x 8 in flight", "--kind acct --conns 16 --window 8"),
    "status-16x8": work("Status-Server, 16 connections x 8 in flight", "--kind status --conns 16 --window 8"),
    "handshakes": work(
        "Full handshakes, 8 at a time: connect, one Access-Request, close; latency from connect to reply",
        "--kind auth --conns 8 --handshakes 1",
    ),
    "steady": work(
        "Access-Request at a steady 2000 per second over 16 connections; latency from when each was due",
        "--kind auth --conns 16 --rate 2000",
    ),
}

# A short run with wrong passwords among the right ones, every reply checked in full, before anything is timed.
CHECK = ("--kind", "auth", "--conns", "2", "--window", "8", "--requests", "200", "--wrong", "4", "--full-check", "1")

# pyrad2 3.2 closes a connection over a Message-Authenticator that begins with the two octets "0x", one in 65536: it
# loses requests without anything being wrong with the measurement.
LOSES_REQUESTS = {"pyrad2"}


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def names(known: dict[str, Any], what: str) -> Any:
    def parse(text: str) -> list[str]:
        chosen = [name.strip() for name in text.split(",") if name.strip()]
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {what} {name!r}; there are {', '.join(known)}")
        return chosen or list(known)

    return parse


def parse_arguments() -> argparse.Namespace:
    listing = {
        "servers": "\n".join(f"  {name:16} {text}" for name, text in SERVERS.items()),
        "works": "\n".join(f"  {name:16} {entry.title}" for name, entry in WORKS.items()),
    }
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").format(**listing), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="a quick run that judges no timing, only that all works")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="measurements behind each figure (3)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="length of each measurement (2)")
    parser.add_argument("--servers", type=names(SERVERS, "server"), metavar="A,B", help="these servers only")
    parser.add_argument("--work", type=names(WORKS, "work"), metavar="A,B", help="this work only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round and the medians there")
    parser.add_argument(
        "--python", metavar="PATH", help="interpreter for the Python servers (python3.13 when found, else this one)"
    )
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be above zero")
    if options.smoke:
        options.rounds, options.seconds = 1, SMOKE_S
    options.is_choice = options.servers is not None
    options.servers = options.servers or list(SERVERS)
    options.work = options.work or list(WORKS)
    return options


def faults(server: str, run: dict[str, Any]) -> list[str]:
    """What is wrong with the answers of one run, apart from how fast they were."""
    wrong = {"bad": "bad replies", "unexpected": "wrong verdicts"}
    found = [f"{run[name]} {text}" for name, text in wrong.items() if run[name]]
    if run["ok"] == 0:
        found.append("no reply at all")
    if server not in LOSES_REQUESTS:
        found += [f"{run[name]} {name}" for name in ("lost", "unanswered", "errors") if run[name]]
    if found and run["first_error"]:
        found.append(f"first error: {run['first_error']}")
    return found


class Benchmark:
    def __init__(self, options: argparse.Namespace, rig: Rig) -> None:
        self.options = options
        self.rig = rig
        self.runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.hellos: dict[str, dict[str, Any]] = {}
        self.faults: list[str] = []
        self.done = 0
        self.total = len(options.work) * len(options.servers) * options.rounds

    def visits(self) -> Iterator[tuple[str, Sequence[str]]]:
        """(server, works) in the order of measuring; each visit is a new process."""
        if self.options.smoke:
            yield from ((server, self.options.work) for server in self.options.servers)
            return
        for name in self.options.work:
            for _ in range(self.options.rounds):
                yield from ((server, [name]) for server in self.options.servers)

    def check(self, server: str, running: RunningServer) -> None:
        run = self.rig.load(running, CHECK)
        found = faults(server, run)
        if not found and run["rejects"] == 0:
            found.append("wrong passwords were accepted")
        self.faults += [f"{server}, before measuring: {fault}" for fault in found]

    def measure(self, server: str, name: str, running: RunningServer) -> None:
        warm = SMOKE_WARM_S if self.options.smoke else WARM_S
        timing = ("--seconds", str(self.options.seconds), "--warm", str(warm))
        run = self.rig.load(running, [*WORKS[name].options, *timing])
        run["server_resident_kb"] = running.resident_kb()
        self.runs.setdefault((name, server), []).append(run)
        self.faults += [f"{server}, {name}: {fault}" for fault in faults(server, run)]
        self.done += 1
        cpu = run.get("server_cpu_us", 0.0)
        progress(f"[{self.done}/{self.total}] {name:12} {server:16} {run['rate']:>9.0f}/s  {cpu:>8.1f} us CPU each")

    def run(self) -> None:
        for server, works in self.visits():
            try:
                with self.rig.running(server) as running:
                    self.hellos[server] = running.hello
                    self.check(server, running)
                    for name in works:
                        self.measure(server, name, running)
            except RigError as error:
                progress(f"{server}: {error}")
                self.faults.append(f"{server}: {str(error).splitlines()[0]}")

    def summary(self) -> dict[str, dict[str, dict[str, Any]]]:
        return {
            name: {
                server: summarise(self.runs[name, server])
                for server in self.options.servers
                if (name, server) in self.runs
            }
            for name in self.options.work
        }


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def machine(rig: Rig) -> dict[str, Any]:
    return {
        "processor": processor(),
        "server_cpu": rig.server_cpu,
        "load_cpu": rig.load_cpu,
        "kernel": platform.release(),
        "time": time.strftime("%Y-%m-%d %H:%M:%S%z"),
    }


def print_report(benchmark: Benchmark, about: dict[str, Any]) -> None:
    options = benchmark.options
    print(f"{about['processor']}, Linux {about['kernel']}, {about['time']}")
    print(f"server on CPU {about['server_cpu']}, load on CPU {about['load_cpu']}", end="; ")
    print(f"median of {options.rounds} round{'s'[: options.rounds != 1]} of {options.seconds:g} s")
    if options.smoke:
        print("A smoke run: answers were checked, the figures mean nothing.")
    for server, hello in benchmark.hellos.items():
        print(f"  {server}: " + ", ".join(f"{key} {value}" for key, value in hello.items() if key != "port"))
    for name, lines in benchmark.summary().items():
        print(f"\n{table(WORKS[name].title, lines)}")


def prepare(options: argparse.Namespace) -> Rig:
    """Builds and installs for every server; those that cannot be had here leave the list, with a word about it."""
    server_cpu, load_cpu = cpu_pair()
    rig = Rig(find_python(options.python), server_cpu, load_cpu)
    progress(f"Preparing in {BUILD}, Python servers on {rig.python}")
    if server_cpu == load_cpu:
        progress("Only one processor: server and load generator share it, and the figures mean little")
    for server in list(options.servers):
        try:
            rig.prepare(server)
        except SkippedError as error:
            if options.is_choice:
                raise
            progress(f"Without {server}: {error}")
            options.servers.remove(server)
    return rig


def main() -> int:
    options = parse_arguments()
    try:
        rig = prepare(options)
    except RigError as error:
        progress(f"bench/run.py: {error}")
        return 2
    benchmark = Benchmark(options, rig)
    benchmark.run()
    about = machine(rig)
    print_report(benchmark, about)
    if options.json is not None:
        figures = {
            "machine": about,
            "servers": benchmark.hellos,
            "rounds": [
                {"work": name, "server": server, "runs": runs} for (name, server), runs in benchmark.runs.items()
            ],
            "medians": benchmark.summary(),
            "faults": benchmark.faults,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    for fault in benchmark.faults:
        progress(f"FAULT {fault}")
    return 1 if benchmark.faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # servers and load generator have been ended on the way
