"""Medians over the rounds of the benchmark, and the tables people read: Markdown that is aligned as plain text too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

# Both at once mean that more load would have brought a higher rate.
LOAD_BUSY, SERVER_IDLE = 0.95, 0.90

# Share of the two processors that other programs took, above which a figure is not worth much.
DISTURBED = 0.10


@dataclass(frozen=True)
class Figure:
    """One quantity over all rounds."""

    median: float
    min: float
    max: float


class Line:
    """What was measured of one server at one work."""

    def __init__(self, runs: Sequence[Mapping[str, Any]]) -> None:
        self.rounds = len(runs)
        self.figures: dict[str, Figure] = {}
        self.totals: dict[str, float] = {}
        names = {name for run in runs for name, value in run.items() if isinstance(value, int | float)}
        for name in sorted(names):
            values = [float(run[name]) for run in runs if name in run]
            self.figures[name] = Figure(median(values), min(values), max(values))
            self.totals[name] = sum(values)
        self.remarks = sorted({run["remark"] for run in runs if "remark" in run})

    def get(self, name: str) -> float | None:
        figure = self.figures.get(name)
        return None if figure is None else figure.median


Lines = Mapping[str, Line]
Cell = Callable[[Line, Lines], str]


def count(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")


def short(number: float) -> str:
    if number >= 100:
        return count(number)
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def value(name: str, scale: float = 1.0) -> Cell:
    def cell(line: Line, lines: Lines) -> str:
        number = line.get(name)
        return "-" if number is None else short(number * scale)

    return cell


def whole(name: str) -> Cell:
    def cell(line: Line, lines: Lines) -> str:
        number = line.get(name)
        return "-" if number is None else count(number)

    return cell


def spread(name: str) -> Cell:
    def cell(line: Line, lines: Lines) -> str:
        figure = line.figures.get(name)
        return "-" if figure is None else f"{short(figure.min)} - {short(figure.max)}"

    return cell


def times(name: str, other: str, other_name: str = "") -> Cell:
    """The quantity as a multiple of another server's, or of another quantity of the same server."""

    def cell(line: Line, lines: Lines) -> str:
        reference = lines[other].get(name) if other in lines else None
        if other_name:
            reference = line.get(other_name)
        number = line.get(name)
        return f"{number / reference:.2f}" if number is not None and reference else "-"

    return cell


def times_bare_loop(line: Line, lines: Lines) -> str:
    """The rate as a multiple of what the same event loop does with the tasks alone."""
    server = next(name for name, other in lines.items() if other is line)
    return times("rate", "bare-uvloop" if server.endswith("uvloop") else "bare-asyncio")(line, lines)


_RATE: tuple[tuple[str, Cell], ...] = (("per second", value("rate")), ("min - max", spread("rate")))
_CPU: tuple[tuple[str, Cell], ...] = (
    ("CPU µs each", value("server_cpu_us")),
    ("min - max", spread("server_cpu_us")),
)
_LATENCY: tuple[tuple[str, Cell], ...] = (("p50 µs", value("p50_us")), ("p99 µs", value("p99_us")))

COLUMNS: dict[str, tuple[tuple[str, Cell], ...]] = {
    "load": (
        *_RATE,
        ("x pyrad2", times("rate", "pyrad2")),
        ("x limit", times("rate", "limit_server")),
        *_CPU,
        *_LATENCY,
    ),
    "both": (
        *_RATE,
        ("x pyrad2", times("rate", "pyrad2")),
        ("x FreeRADIUS", times("rate", "freeradius")),
        *_LATENCY,
    ),
    "waiting": (*_RATE, ("x its bare loop", times_bare_loop), *_CPU, *_LATENCY),
    "disturbed": (
        ("per second", value("rate")),
        ("quiet p50 µs", value("quiet_p50_us")),
        ("quiet p99 µs", value("quiet_p99_us")),
        *_LATENCY,
        ("p99 min - max", spread("p99_us")),
        ("beside, per second", value("beside_per_s")),
        ("unanswered", whole("unanswered")),
    ),
    "idle": (
        ("connections", whole("conns")),
        ("kB each", value("conn_kb")),
        ("resident MB", value("resident_kb", 1 / 1024)),
        ("CPU %", value("idle_cpu_percent")),
        ("wake-ups per second", value("wake_ups")),
    ),
    "start": (
        ("listens after ms", value("start_ms")),
        ("min - max", spread("start_ms")),
        ("import ms", value("import_ms")),
        ("asyncio, ssl ms", value("base_import_ms")),
        ("x asyncio, ssl", times("import_ms", "", "base_import_ms")),
        ("resident MB", value("resident_kb", 1 / 1024)),
    ),
}


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, the first row its head, the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]

    def text(row: Sequence[str]) -> str:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        return "| " + " | ".join([row[0].ljust(widths[0]), *cells[1:]]) + " |"

    rule = ["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]
    return [text(rows[0]), "|" + "|".join(rule) + "|", *(text(row) for row in rows[1:])]


def notes(lines: Lines) -> list[str]:
    """Doubts about the figures."""
    found = []
    for server, line in lines.items():
        if (line.get("load_busy") or 0) > LOAD_BUSY and (line.get("server_busy") or 1) < SERVER_IDLE:
            found.append(f"{server}: the load generator was at its limit, the server was not")
        disturbed = line.get("disturbed") or 0
        if disturbed > DISTURBED:
            found.append(f"{server}: other programs took {100 * disturbed:.0f} % of the two processors")
        lost, unanswered = line.totals.get("lost", 0), line.totals.get("unanswered", 0)
        if lost or unanswered:
            found.append(f"{server}: {count(lost)} requests lost, {count(unanswered)} unanswered in all rounds")
        found += [f"{server}: {remark}" for remark in line.remarks]
    return found


def table(title: str, columns: str, lines: Lines, remarks: Sequence[str] = ()) -> str:
    """The table of one work; `lines` maps servers to what was measured, `remarks` says why others are not in it."""
    chosen = COLUMNS[columns]
    rows = [["", *(head for head, _ in chosen)]]
    rows += [[server, *(cell(line, lines) for _, cell in chosen)] for server, line in lines.items()]
    doubts = [f"- {note}" for note in [*notes(lines), *remarks]]
    return "\n".join([f"### {title}", "", *aligned(rows), *([""] if doubts else []), *doubts])
