"""Medians over the rounds of the benchmark, and the table people read."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

COLUMNS = ("", "per second", "min - max", "x pyrad2", "of limit", "CPU us each", "p50 us", "p99 us")
WIDTHS = (17, 11, 19, 9, 9, 12, 10, 10)

# Both at once mean that more load would have brought a higher rate.
LOAD_BUSY, SERVER_IDLE = 0.95, 0.90

# Share of the two processors that other programs took, above which a figure is not worth much.
DISTURBED = 0.10


def summarise(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One line of the table out of the rounds of one server at one work."""
    rates = [run["rate"] for run in runs]
    return {
        "rate": median(rates),
        "rate_min": min(rates),
        "rate_max": max(rates),
        "server_cpu_us": median(run.get("server_cpu_us", 0.0) for run in runs),
        "server_busy": median(run.get("server_busy", 0.0) for run in runs),
        "load_busy": median(run["load_busy"] for run in runs),
        "disturbed": median(run["disturbed"] for run in runs),
        "p50_us": median(run["p50_us"] for run in runs),
        "p99_us": median(run["p99_us"] for run in runs),
        "lost": sum(run["lost"] for run in runs),
        "unanswered": sum(run["unanswered"] for run in runs),
        "offered_rate": runs[0]["offered_rate"],
    }


def count(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")


def short(number: float) -> str:
    return count(number) if number >= 100 else f"{number:.1f}"


def row(cells: Sequence[str], widths: Sequence[int] = WIDTHS) -> str:
    first, *others = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return (first.strip().ljust(widths[0]) + "".join(others)).rstrip()


def notes(lines: dict[str, dict[str, Any]]) -> list[str]:
    found = []
    for server, line in lines.items():
        if line["load_busy"] > LOAD_BUSY and line["server_busy"] < SERVER_IDLE:
            found.append(f"{server}: the load generator was at its limit, the server was not")
        if line["disturbed"] > DISTURBED:
            found.append(f"{server}: other programs took {100 * line['disturbed']:.0f} % of the two processors")
        if line["lost"] or line["unanswered"]:
            found.append(f"{server}: {line['lost']} requests lost, {line['unanswered']} unanswered in all rounds")
    return found


def table(title: str, lines: dict[str, dict[str, Any]]) -> str:
    """The table of one work; `lines` maps servers to their summaries."""
    peer = lines.get("pyrad2", {}).get("rate")
    limit = lines.get("limit_server", {}).get("rate")
    text = [title, row(COLUMNS)]
    for server, line in lines.items():
        is_offered = line["offered_rate"] > 0  # the rate is a given: comparing it says nothing
        text.append(
            row(
                (
                    server,
                    count(line["rate"]),
                    f"{count(line['rate_min'])} - {count(line['rate_max'])}",
                    f"{line['rate'] / peer:.2f}" if peer and not is_offered else "-",
                    f"{100 * line['rate'] / limit:.0f} %" if limit and not is_offered else "-",
                    short(line["server_cpu_us"]),
                    short(line["p50_us"]),
                    short(line["p99_us"]),
                )
            )
        )
    return "\n".join([*text, *(f"  ! {note}" for note in notes(lines))])
