"""Measures packets and dictionaries of pyradsec beside pyrad2: no server, no network.

Each library runs in a process of its own, both on the same processor, and they take turns: a round measures each once.
Every figure is a median over the rounds, of processor time; the ratio is that of the ratios within a round. Before
anything is timed, what both libraries make of every input is compared, decoded values and octets.

    python bench/packets.py                          everything: half a minute, once pyrad2 is installed
    python bench/packets.py --smoke                  does it all work? no timing is judged
    python bench/packets.py --work answer,load-all   two kinds of work
    python bench/packets.py --rounds 99              more of it
    python bench/packets.py --json figures.json      every round, for a machine

work
{works}

How to read the table, and what keeps it fair: bench/README.md.
Exit status: 0, or 1 when the libraries disagree, 2 when something is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from processes import RigError, SkippedError, clean_environment, cpu_pair, pinned
from rig import BUILD, HERE, ROOT, Rig, find_python
from run import machine, names, say
from servers import Pyrad2, Pyradsec, PythonServer
from table import aligned

LIBRARIES = ("pyradsec", "pyrad2")
ENVIRONMENTS: dict[str, PythonServer] = {"pyradsec": Pyradsec(), "pyrad2": Pyrad2()}
WORKS = {
    "answer": "Access-Request of 8 attributes: parse, verify, read three by name, reply with Reply-Message, sign",
    "read": "Accounting-Request of 30 attributes: parse, keys(), read each by name",
    "build": "Access-Accept: 20 attributes and 5 vendor-specific ones assigned by name, serialised",
    "load": "dict/dictionary, which ships with the package: Dictionary(path)",
    "load-all": "FreeRADIUS's dictionaries (Debian: freeradius-common), less what pyrad2 stops at: Dictionary(path)",
}
FREERADIUS = Path("/usr/share/freeradius")
COLUMNS = ("", "CPU us each", "quartiles", "per second", "x pyrad2")
WARM_S, SMOKE_S = 0.1, 0.005


def parse_arguments() -> argparse.Namespace:
    listing = "\n".join(f"  {name:16} {text}" for name, text in WORKS.items())
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").format(works=listing), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="a quick run that judges no timing, only that all works")
    parser.add_argument("--rounds", type=int, default=25, metavar="N", help="measurements behind each figure (25)")
    parser.add_argument("--cpu", type=float, default=0.1, metavar="S", help="processor time of each measurement (0.1)")
    parser.add_argument("--work", type=names(WORKS, "work"), metavar="A,B", help="this work only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round and the medians there")
    parser.add_argument("--python", metavar="PATH", help="interpreter (python3.13 when found, else this one)")
    options = parser.parse_args()
    if options.rounds < 1 or options.cpu <= 0:
        parser.error("--rounds and --cpu must be above zero")
    if options.smoke:
        options.rounds, options.cpu = 1, SMOKE_S
    options.work = options.work or list(WORKS)
    return options


class Worker:
    """The process of one library, packet_work.py."""

    def __init__(self, rig: Rig, library: str) -> None:
        environment = ENVIRONMENTS[library]
        self.library = library
        self.log = BUILD / f"packets-{library}.log"
        with self.log.open("w") as errors, pinned(rig.server_cpu):
            self.process = subprocess.Popen(
                [environment.python, HERE / "packet_work.py", library],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=clean_environment(**environment.variables(rig)),
            )

    def ask(self, do: str, **command: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"do": do, **command}) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            tail = "\n    ".join(self.log.read_text().strip().splitlines()[-8:])
            raise RigError(f"{self.library}: {do} failed\n    {tail}")
        return json.loads(line)

    def close(self) -> None:
        self.process.kill()  # it holds nothing that would have to be put in order
        self.process.communicate()


def first_difference(outcomes: dict[str, list[str]]) -> str | None:
    ours, theirs = (outcomes[library] for library in LIBRARIES)
    if len(ours) != len(theirs):
        return f"{len(ours)} results and {len(theirs)}"
    for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one != other:
            return "\n".join([f"result {i} differs", f"  {LIBRARIES[0]}: {one}", f"  {LIBRARIES[1]}: {other}"])
    return None


class Benchmark:
    def __init__(self, options: argparse.Namespace, workers: dict[str, Worker], folder: Path) -> None:
        self.options = options
        self.workers = workers
        self.folder = folder
        self.hellos = {library: worker.ask("hello") for library, worker in workers.items()}
        self.inputs: dict[str, dict[str, str]] = {}  # work -> what its commands carry
        self.titles: dict[str, str] = {}
        self.runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.faults: list[str] = []

    def prepare(self, name: str) -> bool:
        """Whether the work can be done here, and both libraries come to the same."""
        self.titles[name] = WORKS[name]
        command = {"work": name}
        if name == "load":
            command["file"] = str(ROOT / "dict" / "dictionary")
        elif name == "load-all":
            if not (FREERADIUS / "dictionary").exists():
                say(f"Without load-all: {FREERADIUS} has no dictionary")
                return False
            tree = self.folder / "freeradius"
            shutil.copytree(FREERADIUS, tree)
            command["file"] = str(tree / "dictionary.selected")
            selected = self.workers["pyrad2"].ask("select", tree=str(tree), root=command["file"])
            left_out = ", ".join(selected["left_out"]) or "none"
            self.titles[name] += f"\n{selected['files']} files, left out: {left_out}"
        self.inputs[name] = command
        found = first_difference(
            {library: worker.ask("outcome", **command) for library, worker in self.workers.items()}
        )
        if found is not None:
            self.faults.append(f"{name}: {found}")
        return found is None

    def measure(self, name: str) -> None:
        for turn in range(-1, self.options.rounds):
            for library, worker in self.workers.items():
                cpu_s = self.options.cpu if turn >= 0 else min(WARM_S, self.options.cpu)
                run = worker.ask("measure", cpu_s=cpu_s, **self.inputs[name])
                if turn >= 0:
                    self.runs.setdefault((name, library), []).append(run)
        medians = ", ".join(f"{library} {self.summary(name)[library]['cpu_us']:.2f}" for library in self.workers)
        say(f"[{self.options.work.index(name) + 1}/{len(self.options.work)}] {name:10} us CPU each: {medians}")

    def run(self) -> None:
        for name in self.options.work:
            if self.prepare(name):
                self.measure(name)

    def summary(self, name: str) -> dict[str, dict[str, float]]:
        figures = {
            library: [run["cpu_us"] for run in self.runs[name, library]]
            for library in self.workers
            if (name, library) in self.runs
        }
        lines = {}
        for library, ours in figures.items():
            low, middle, high = quantiles(ours, n=4, method="inclusive") if len(ours) > 1 else ours * 3
            # Within a round both meet the same machine: a slow minute does not enter the ratio.
            ratio = median(peer / own for own, peer in zip(ours, figures["pyrad2"], strict=True))
            lines[library] = {"cpu_us": middle, "low_us": low, "high_us": high, "ratio": ratio}
        return lines


def figure(us: float) -> str:
    return f"{us:,.0f}".replace(",", " ") if us >= 1000 else f"{us:.2f}"


def table(title: str, lines: dict[str, dict[str, float]]) -> str:
    rows: list[tuple[str, ...]] = [COLUMNS]
    for library, line in lines.items():
        quartiles = f"{figure(line['low_us'])} - {figure(line['high_us'])}"
        rate = f"{1e6 / line['cpu_us']:,.0f}".replace(",", " ")
        rows.append((library, figure(line["cpu_us"]), quartiles, rate, f"{line['ratio']:.1f}"))
    return "\n".join([title, "", *aligned(rows)])


def print_report(benchmark: Benchmark, about: dict[str, Any]) -> None:
    options = benchmark.options
    print(f"{about['processor']}, Linux {about['kernel']}, {about['time']}")
    print(f"both on CPU {about['server_cpu']}; median of {options.rounds} round{'s'[: options.rounds != 1]}", end=" ")
    print(f"of {options.cpu:g} s of processor time")
    if options.smoke:
        print("A smoke run: results were compared, the figures mean nothing.")
    for library, hello in benchmark.hellos.items():
        print(f"  {library}: " + ", ".join(f"{key} {value}" for key, value in hello.items()))
    for name, title in benchmark.titles.items():
        if lines := benchmark.summary(name):
            print(f"\n{table(title, lines)}")


@contextlib.contextmanager
def running(rig: Rig) -> Iterator[dict[str, Worker]]:
    with contextlib.ExitStack() as stack:
        workers = {}
        for library in LIBRARIES:
            workers[library] = Worker(rig, library)
            stack.callback(workers[library].close)
        yield workers


def main() -> int:
    options = parse_arguments()
    cpu, _ = cpu_pair()
    try:
        rig = Rig(find_python(options.python), cpu, cpu)
        say(f"Preparing in {BUILD}, on {rig.python}")
        for library in LIBRARIES:
            ENVIRONMENTS[library].prepare(rig)
        with tempfile.TemporaryDirectory() as folder, running(rig) as workers:
            benchmark = Benchmark(options, workers, Path(folder))
            benchmark.run()
    except SkippedError as error:
        say(f"bench/packets.py: there is nothing to compare with: {error}")
        return 2
    except RigError as error:
        say(f"bench/packets.py: {error}")
        return 2
    about = machine(rig)
    print_report(benchmark, about)
    if options.json is not None:
        figures = {
            "machine": about,
            "libraries": benchmark.hellos,
            "rounds": [
                {"work": name, "library": library, "runs": runs} for (name, library), runs in benchmark.runs.items()
            ],
            "medians": {name: benchmark.summary(name) for name in benchmark.titles},
            "faults": benchmark.faults,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    for fault in benchmark.faults:
        say(f"FAULT {fault}")
    return 1 if benchmark.faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # the workers have been ended on the way
