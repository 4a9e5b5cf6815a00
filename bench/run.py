"""Measures pyradsec beside other RADIUS/TLS servers, and beside what one core can do at all.

Each server runs on a processor of its own and the load generator on another. Every figure is the median of several
rounds; within a round the servers take turns, so that a slow minute of the machine meets all of them. What is needed is
built and installed below build/bench/ first (a C compiler, OpenSSL's headers, pip and its index); FreeRADIUS and
radsecproxy take part where their Debian packages are installed.

    python3 bench/run.py                                     everything: about half an hour
    python3 bench/run.py --smoke                             does it all work? no timing is judged
    python3 bench/run.py --work auth-16x16,handshakes        two kinds of work
    python3 bench/run.py --servers pyradsec,limit_server --rounds 5 --seconds 4
    python3 bench/run.py --plots docs --json figures.json    plots for the documentation, every round for a machine

servers
{servers}

work (passwords are checked by the servers, replies by the generator; one packet to a TLS record unless it says packed)
{works}

The report goes to standard output. It is also kept below build/bench/results/, with the figures and the plots, unless
--table, --json and --plots say where. How to read it, and what keeps it fair: bench/README.md.
Exit status: 0, or 1 when a server gave a wrong answer, lost requests or did not start, 2 when something is missing.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from freeradius_peer import FreeRadius
from processes import RigError, RunningServer, SkippedError, checked, cpu_pair, raise_descriptor_limit
from progress import Progress
from radsecproxy_peer import RadsecProxy
from rig import BUILD, HERE, Rig, find_python
from servers import (
    BareLoop,
    BareUvloop,
    LimitServer,
    LimitServerMd5,
    Pyrad2,
    Pyrad2Logging,
    Pyradsec,
    PyradsecProcesses,
    PyradsecThreads,
    PyradsecUvloop,
    Server,
    Settings,
    Timing,
)
from table import Line, table
from targets import judged, targets_table
from works import WORKS, WaitingWork, Work

WARM_S = 0.5
SMOKE_WARM_S, SMOKE_S = 0.05, 0.15
RESULTS = BUILD / "results"
NOT_SAID = ("port", "beside")  # of what servers say about themselves
PLOT_REQUIREMENTS = ("matplotlib>=3.8",)

SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        *(
            LimitServer(),
            LimitServerMd5(),
            Pyradsec(),
            PyradsecUvloop(),
            PyradsecThreads(),
            PyradsecProcesses(),
            Pyrad2(),
            Pyrad2Logging(),
            FreeRadius(),
            RadsecProxy(),
        ),
        *(BareLoop(), BareUvloop()),
    )
}

# A short run with wrong passwords among the right ones, every reply checked in full, before anything is timed.
CHECK = ("--kind", "auth", "--conns", "2", "--window", "8", "--requests", "200", "--wrong", "4", "--full-check", "1")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def names(known: Mapping[str, Any], what: str) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        chosen = [name.strip() for name in text.split(",") if name.strip()]
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {what} {name!r}; there are {', '.join(known)}")
        return chosen or list(known)

    return parse


def parse_arguments() -> argparse.Namespace:
    listing = {
        "servers": "\n".join(f"  {server.name:20} {server.title}" for server in SERVERS.values()),
        "works": "\n".join(f"  {work.name:16} {work.title}" for work in WORKS.values()),
    }
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").format(**listing), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="a quick run that judges no timing, only that all works")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="measurements behind each figure (3)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="length of each measurement (2)")
    parser.add_argument("--servers", type=names(SERVERS, "server"), metavar="A,B", help="these servers only")
    parser.add_argument("--work", type=names(WORKS, "work"), metavar="A,B", help="this work only")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the report there, in Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round and the medians there")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write bench-*.svg and .png there")
    parser.add_argument(
        "--python", metavar="PATH", help="interpreter for the Python servers (python3.13 when found, else this one)"
    )
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be above zero")
    if options.smoke:
        options.rounds, options.seconds = 1, SMOKE_S
    options.is_choice = options.servers is not None
    options.servers = [SERVERS[name] for name in options.servers or SERVERS]
    options.work = [WORKS[name] for name in options.work or WORKS]
    return options


def faults(server: Server, run: Mapping[str, Any]) -> list[str]:
    """What is wrong with the answers of one run, apart from how fast they were."""
    wrong = {"bad": "bad replies", "unexpected": "wrong verdicts"}
    found = [f"{run[name]} {text}" for name, text in wrong.items() if run.get(name)]
    if not server.is_peer:
        if run.get("ok") == 0:
            found.append("no reply at all")
        found += [f"{run[name]} {name}" for name in ("lost", "unanswered", "errors") if run.get(name)]
    if found and run.get("first_error"):
        found.append(f"first error: {run['first_error']}")
    return found


class Benchmark:
    def __init__(self, options: argparse.Namespace, rig: Rig) -> None:
        self.options = options
        self.rig = rig
        self.timing = Timing(SMOKE_WARM_S if options.smoke else WARM_S, options.seconds, options.smoke)
        self.runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.remarks: dict[str, dict[str, str]] = {work.name: {} for work in options.work}
        self.hellos: dict[str, dict[str, Any]] = {}
        self.faults: list[str] = []
        self.progress = Progress(sum(len(works) for _, _, works in self.visits()))

    def visits(self) -> Iterator[tuple[Server, Settings, Sequence[Work]]]:
        """(server, settings, works) in the order of measuring; each visit is a new process."""
        possible: list[tuple[Work, list[Server]]] = []
        for work in self.options.work:
            wanted = [server for server in self.options.servers if work.wants(server)]
            possible.append((work, [server for server in wanted if work.refusal(server) is None]))
            self.remarks[work.name].update({s.name: w for s in wanted if (w := work.refusal(s)) is not None})
        if self.options.smoke:
            # One process for all work with the same settings.
            for server in self.options.servers:
                for settings in dict.fromkeys(work.settings for work, _ in possible):
                    works = [w for w, able in possible if server in able and w.settings == settings]
                    if works:
                        yield server, settings, works
            return
        for work, servers in possible:
            for _ in range(min(self.options.rounds, work.most_rounds or self.options.rounds)):
                yield from ((server, work.settings, [work]) for server in servers)

    def check(self, server: Server, running: RunningServer) -> None:
        run = self.rig.load(running, CHECK)
        found = faults(server, run)
        if not found and run["rejects"] == 0:
            found.append("no reply at all" if run["ok"] == 0 else "wrong passwords were accepted")
        self.faults += [f"{server.name}, before measuring: {fault}" for fault in found]

    def note(self, server: Server, work: Work, run: dict[str, Any]) -> None:
        if run.get("ok") == 0:
            run.setdefault("remark", "no reply in one measurement or more")
        self.runs.setdefault((work.name, server.name), []).append(run)
        self.faults += [f"{server.name}, {work.name}: {fault}" for fault in faults(server, run)]
        rate = f"{run['rate']:>9.0f}/s" if "rate" in run else " " * 11
        cpu = f"{run['server_cpu_us']:>9.1f} us CPU each" if run.get("server_cpu_us") else ""
        self.progress.step(f"{work.name:12} {server.name:20} {rate} {cpu}")

    def visit(self, server: Server, settings: Settings, works: Sequence[Work]) -> None:
        """Measures all of it; where the server does not live through one kind of work, a new process does the next."""
        pending = list(works)
        while pending:
            try:
                if isinstance(server, BareLoop):
                    self.measure_alone(server, pending)
                    return
                with server.running(self.rig, settings) as running:
                    self.hellos[server.name] = running.hello
                    self.check(server, running)
                    while pending:
                        run = pending[0].measure(self.rig, server, running, self.timing)
                        self.note(server, pending.pop(0), run)
            except RigError as error:
                work, first = pending.pop(0), str(error).splitlines()[0]
                self.progress.note(f"{work.name}: {error}")
                self.progress.step(f"{work.name:12} {server.name:20} not measured")
                self.remarks[work.name][server.name] = first
                # A peer that ends in the middle is a finding; one that does not even start is a fault.
                if not server.is_peer or server.name not in self.hellos:
                    self.faults.append(f"{server.name}, {work.name}: {first}")

    def measure_alone(self, server: BareLoop, pending: list[Work]) -> None:
        while pending:
            work = pending[0]
            assert isinstance(work, WaitingWork)
            self.note(server, pending.pop(0), work.measure_alone(self.rig, server, self.timing))

    def run(self) -> None:
        try:
            for server, settings, works in self.visits():
                self.progress.begin(f"{works[0].name} {server.name}")
                self.visit(server, settings, works)
        finally:
            self.progress.close()

    def summary(self) -> dict[str, dict[str, Line]]:
        return {
            work.name: {
                server.name: Line(self.runs[work.name, server.name])
                for server in self.options.servers
                if (work.name, server.name) in self.runs
            }
            for work in self.options.work
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
        "descriptors": rig.descriptors,
        "kernel": platform.release(),
        "time": time.strftime("%Y-%m-%d %H:%M:%S%z"),
    }


def judged_servers(options: argparse.Namespace) -> list[str]:
    return [server.name for server in options.servers if isinstance(server, Pyradsec) and not server.needs_both]


def report(benchmark: Benchmark, about: dict[str, Any]) -> str:
    options = benchmark.options
    rounds = f"median of {options.rounds} round{'s'[: options.rounds != 1]} of {options.seconds:g} s"
    text = [
        f"{about['processor']}, Linux {about['kernel']}, {about['time']}",
        f"server on CPU {about['server_cpu']}, load on CPU {about['load_cpu']}; {rounds}",
    ]
    if options.smoke:
        text.append("A smoke run: answers were checked, the figures mean nothing.")
    text.append("")
    for server, hello in benchmark.hellos.items():
        text.append(
            f"- {server}: " + ", ".join(f"{key} {value}" for key, value in hello.items() if key not in NOT_SAID)
        )
    summary = benchmark.summary()
    for work in options.work:
        remarks = [f"{server}: {why}" for server, why in benchmark.remarks[work.name].items()]
        text += ["", table(work.title, work.columns, summary[work.name], remarks)]
    if judged_servers(options) and not options.smoke:
        text += ["", targets_table(summary, judged_servers(options))]
    return "\n".join(text) + "\n"


def as_json(benchmark: Benchmark, about: dict[str, Any]) -> str:
    summary = benchmark.summary()
    medians = {
        work: {
            server: {name: asdict(figure) for name, figure in line.figures.items()} for server, line in lines.items()
        }
        for work, lines in summary.items()
    }
    figures = {
        "machine": about,
        "is_smoke": benchmark.options.smoke,
        "seconds": benchmark.options.seconds,
        "servers": benchmark.hellos,
        "works": {work.name: work.title for work in benchmark.options.work},
        "rounds": [{"work": work, "server": server, "runs": runs} for (work, server), runs in benchmark.runs.items()],
        "medians": medians,
        "targets": [] if benchmark.options.smoke else judged(summary, judged_servers(benchmark.options)),
        "remarks": benchmark.remarks,
        "faults": benchmark.faults,
    }
    return json.dumps(figures, indent=1) + "\n"


def prepare(options: argparse.Namespace) -> Rig:
    """Builds and installs for every server; those that cannot be had here leave the list, with a word about it."""
    server_cpu, load_cpu = cpu_pair()
    rig = Rig(find_python(options.python), server_cpu, load_cpu, raise_descriptor_limit())
    say(f"Preparing in {BUILD}, Python servers on {rig.python}")
    if server_cpu == load_cpu:
        say("Only one processor: server and load generator share it, and the figures mean little")
    for server in list(options.servers):
        try:
            server.prepare(rig)
        except SkippedError as error:
            if options.is_choice:
                raise
            say(f"Without {server.name}: {error}")
            options.servers.remove(server)
    return rig


def draw(rig: Rig, figures: Path, directory: Path) -> list[str]:
    """The plots, by a Python that has matplotlib; without them when it cannot be had. What was written."""
    try:
        python = rig.environment("plots", PLOT_REQUIREMENTS)
    except SkippedError as error:
        say(f"Without plots: {error}")
        return []
    return checked([python, HERE / "plots.py", figures, directory], "plots").split()


def main() -> int:
    options = parse_arguments()
    try:
        rig = prepare(options)
    except RigError as error:
        say(f"bench/run.py: {error}")
        return 2
    benchmark = Benchmark(options, rig)
    benchmark.run()
    about = machine(rig)
    text = report(benchmark, about)
    print(text, end="")
    files = {
        options.table or RESULTS / "report.md": text,
        options.json or RESULTS / "figures.json": as_json(benchmark, about),
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    plots = draw(rig, options.json or RESULTS / "figures.json", options.plots or RESULTS)
    say(f"Written: {', '.join([*map(str, files), *plots])}")
    for fault in benchmark.faults:
        say(f"FAULT {fault}")
    return 1 if benchmark.faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # servers and load generator have been ended on the way
