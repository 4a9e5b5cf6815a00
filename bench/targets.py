"""What pyradsec is meant to reach, beside what was measured: met or not, as it came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from table import Lines, aligned

Summary = Mapping[str, Lines]

# The server judged, out of the figures of one run: (what was measured as text, is it met); None: not measured.
Judge = Callable[[Summary, str], tuple[str, bool] | None]


@dataclass(frozen=True)
class Target:
    wanted: str
    judge: Judge


def figure(summary: Summary, work: str, server: str, name: str) -> float | None:
    line = summary.get(work, {}).get(server)
    return None if line is None else line.get(name)


def at_most_more(work: str, name: str, than: str, margin: float, unit: str) -> Judge:
    """Not more than `margin` above the other server."""

    def judge(summary: Summary, server: str) -> tuple[str, bool] | None:
        own, other = figure(summary, work, server, name), figure(summary, work, than, name)
        if own is None or other is None:
            return None
        return f"{own - other:+.2f} {unit}", own <= other + margin

    return judge


def at_most_times(work: str, name: str, than: str, factor: float) -> Judge:
    """Not more than `factor` times the other server's."""

    def judge(summary: Summary, server: str) -> tuple[str, bool] | None:
        own, other = figure(summary, work, server, name), figure(summary, work, than, name)
        return None if own is None or not other else (f"{own / other:.2f} x", own <= factor * other)

    return judge


def times_less(work: str, name: str, than: str, factor: float) -> Judge:
    """The other server's is at least `factor` times as much."""

    def judge(summary: Summary, server: str) -> tuple[str, bool] | None:
        own, other = figure(summary, work, server, name), figure(summary, work, than, name)
        return None if not own or other is None else (f"{other / own:.1f} x less", other >= factor * own)

    return judge


def at_most(work: str, name: str, limit: float, unit: str) -> Judge:
    def judge(summary: Summary, server: str) -> tuple[str, bool] | None:
        own = figure(summary, work, server, name)
        return None if own is None else (f"{own:.2f} {unit}", own <= limit)

    return judge


def p99_in_storm(margin_us: float, least_per_s: float) -> Judge:
    """Not more than `margin_us` above the quiet p99, in a storm that deserves the name."""

    def judge(summary: Summary, server: str) -> tuple[str, bool] | None:
        own, quiet = figure(summary, "storm", server, "p99_us"), figure(summary, "storm", server, "quiet_p99_us")
        beside = figure(summary, "storm", server, "beside_per_s")
        if own is None or quiet is None or beside is None:
            return None
        text = f"{(own - quiet) / 1000:+.2f} ms"
        if beside < least_per_s:
            return f"{text} beside {beside:.0f} handshakes/s only", False
        return text, own <= quiet + margin_us

    return judge


def of_bare_loop(factor: float) -> Judge:
    """The rate as a share of what the same event loop does with the same tasks alone."""

    def judge(summary: Summary, server: str) -> tuple[str, bool] | None:
        bare = "bare-uvloop" if server.endswith("uvloop") else "bare-asyncio"
        own, other = figure(summary, "await-5ms", server, "rate"), figure(summary, "await-5ms", bare, "rate")
        return None if own is None or not other else (f"{own / other:.2f} x", own >= factor * other)

    return judge


def import_times(factor: float) -> Judge:
    def judge(summary: Summary, server: str) -> tuple[str, bool] | None:
        own, base = figure(summary, "start", server, "import_ms"), figure(summary, "start", server, "base_import_ms")
        return None if own is None or not base else (f"{own / base:.2f} x", own <= factor * base)

    return judge


CPU = "server_cpu_us"

TARGETS: Sequence[Target] = (
    Target("16x16: CPU at most limit_server's + 2.5 µs", at_most_more("auth-16x16", CPU, "limit_server", 2.5, "µs")),
    Target("16x16: CPU 20 times less than pyrad2's", times_less("auth-16x16", CPU, "pyrad2", 20)),
    Target("16x16: CPU 12 times less than FreeRADIUS's", times_less("auth-16x16", CPU, "freeradius", 12)),
    Target("packed: CPU at most limit_server's + 2.5 µs", at_most_more("auth-packed", CPU, "limit_server", 2.5, "µs")),
    Target("packed: CPU 30 times less than pyrad2's", times_less("auth-packed", CPU, "pyrad2", 30)),
    Target(
        "accounting: CPU at most limit_server's + 2.5 µs", at_most_more("acct-16x8", CPU, "limit_server", 2.5, "µs")
    ),
    Target("accounting: CPU 15 times less than pyrad2's", times_less("acct-16x8", CPU, "pyrad2", 15)),
    Target("1x32: CPU at most limit_server's + 3 µs", at_most_more("auth-1x32", CPU, "limit_server", 3, "µs")),
    Target("16x1: CPU at most limit_server's + 4 µs", at_most_more("auth-16x1", CPU, "limit_server", 4, "µs")),
    Target(
        "1x1: median latency at most 1.3 x limit_server's", at_most_times("auth-1x1", "p50_us", "limit_server", 1.3)
    ),
    Target("1x1: median latency below FreeRADIUS's", at_most_times("auth-1x1", "p50_us", "freeradius", 1)),
    Target(
        "Status-Server: CPU at most limit_server's + 0.3 µs",
        at_most_more("status-16x8", CPU, "limit_server", 0.3, "µs"),
    ),
    Target(
        "full handshakes: CPU at most 1.05 x limit_server's", at_most_times("handshakes", CPU, "limit_server", 1.05)
    ),
    Target("handshake storm: p99 at most quiet + 2 ms", p99_in_storm(2000, 180)),
    Target("idle: at most 32 kB for each connection", at_most("idle", "conn_kb", 32, "kB")),
    Target("idle: no CPU time", at_most("idle", "idle_cpu_percent", 0.05, "%")),
    Target("idle: no wake-ups", at_most("idle", "wake_ups", 0.0, "per second")),
    Target("5 ms handler: at least 0.85 x the bare loop", of_bare_loop(0.85)),
    Target("import: at most 1.5 x that of asyncio and ssl", import_times(1.5)),
)


def judged(summary: Summary, servers: Sequence[str]) -> list[dict[str, str | bool]]:
    """Every target of every server that could be judged."""
    found: list[dict[str, str | bool]] = []
    for target in TARGETS:
        for server in servers:
            verdict = target.judge(summary, server)
            if verdict is not None:
                found.append({"target": target.wanted, "server": server, "measured": verdict[0], "met": verdict[1]})
    return found


def targets_table(summary: Summary, servers: Sequence[str]) -> str:
    rows = [["target", *servers]]
    for target in TARGETS:
        cells = []
        for server in servers:
            verdict = target.judge(summary, server)
            cells.append("-" if verdict is None else f"{verdict[0]}, {'met' if verdict[1] else 'not met'}")
        if set(cells) != {"-"}:
            rows.append([target.wanted, *cells])
    return "\n".join(["### Targets", "", *(aligned(rows) if len(rows) > 1 else ["none of them was measured"])])
