"""Draws the figures of a run: plots.py FIGURES.json DIRECTORY. Needs matplotlib; run.py gives it one.

bench-cpu, bench-rate, bench-latency and bench-idle, each as .svg and .png; prints the names of the former. Bars are
medians, whiskers the slowest and the fastest round; axes are logarithmic, since the servers are that far apart.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

# One colour for a server in every plot, told apart by those who do not see all colours (Okabe and Ito).
COLOURS = {
    "limit_server": "#999999",
    "limit_server-md5": "#cccccc",
    "pyradsec": "#0072b2",
    "pyradsec-uvloop": "#56b4e9",
    "pyrad2": "#d55e00",
    "pyrad2-logging": "#cc79a7",
    "freeradius": "#009e73",
    "radsecproxy": "#e69f00",
}

LOADS = {
    "auth-1x1": "one at a time",
    "auth-16x1": "16 x 1 in flight",
    "auth-1x32": "1 x 32 in flight",
    "auth-16x16": "16 x 16 in flight",
    "auth-256x4": "256 x 4 in flight",
    "auth-packed": "16 x 16, packed",
    "acct-16x8": "accounting, 16 x 8",
    "status-16x8": "Status-Server, 16 x 8",
    "mix-16x16": "mixed, 16 x 16",
}
HANDSHAKES = {"handshakes": "full handshakes", "resumed": "resumed handshakes"}

Bar = tuple[str, str, str]  # (label of the group, work, name of the figure)

PLOTS: dict[str, tuple[str, str, Sequence[Bar]]] = {
    "bench-cpu": (
        "CPU time of the server for each request (less is better)",
        "µs",
        [(label, work, "server_cpu_us") for work, label in LOADS.items()],
    ),
    "bench-rate": (
        "Requests per second on one core (more is better)",
        "per second",
        [(label, work, "rate") for work, label in (LOADS | HANDSHAKES).items()],
    ),
    "bench-latency": (
        "Latency (less is better)",
        "µs",
        [
            ("one at a time, median", "auth-1x1", "p50_us"),
            ("one at a time, p99", "auth-1x1", "p99_us"),
            ("a fifth of the load, p99", "storm", "quiet_p99_us"),
            ("... in a handshake storm, p99", "storm", "p99_us"),
            ("... in a flood of bad packets, p99", "flood", "p99_us"),
        ],
    ),
    "bench-idle": ("Memory for each idle connection (less is better)", "kB", [("idle", "idle", "conn_kb")]),
}


def draw(pyplot: Any, figures: dict[str, Any], title: str, unit: str, bars: Sequence[Bar]) -> Any:
    """One plot, or None when nothing for it was measured."""
    medians = figures["medians"]
    groups = [bar for bar in bars if any(bar[2] in line for line in medians.get(bar[1], {}).values())]
    servers = [server for server in COLOURS if any(server in medians[work] for _, work, _ in groups)]
    if not groups:
        return None
    thickness = 0.82 / len(servers)
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.17 * len(groups) * (len(servers) + 1.5)), layout="constrained")
    for index, server in enumerate(servers):
        places, heights, below, above = [], [], [], []
        for place, (_, work, name) in enumerate(groups):
            number = medians[work].get(server, {}).get(name)
            if number is not None and number["median"] > 0:
                places.append(place + (index - (len(servers) - 1) / 2) * thickness)
                heights.append(number["median"])
                below.append(number["median"] - number["min"])
                above.append(number["max"] - number["median"])
        if not places:
            continue
        whiskers = {"linewidth": 0.8, "ecolor": "#333333"}
        drawn = axes.barh(
            places, heights, thickness, label=server, color=COLOURS[server], xerr=[below, above], error_kw=whiskers
        )
        axes.bar_label(
            drawn,
            [f"{height:,.4g}" if height < 1000 else f"{height:,.0f}" for height in heights],
            padding=3,
            fontsize=7,
        )
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.02)
    axes.set_yticks(range(len(groups)), [label for label, _, _ in groups])
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(title, fontsize=11)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    about = figures["machine"]
    note = f"{about['processor']}, Linux {about['kernel']}, {about['time'][:10]}"
    figure.supxlabel("a smoke run: figures mean nothing" if figures["is_smoke"] else note, fontsize=7, color="#666666")
    return figure


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    # Text stays text, and the same figures give the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.family": "sans-serif"})
    pyplot: Any = import_module("matplotlib.pyplot")
    figures = json.loads(Path(sys.argv[1]).read_text())
    directory = Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    for name, (title, unit, bars) in PLOTS.items():
        figure = draw(pyplot, figures, title, unit, bars)
        if figure is not None:
            figure.savefig(directory / f"{name}.svg", metadata={"Date": None})
            figure.savefig(directory / f"{name}.png", dpi=110)
            pyplot.close(figure)
            print(directory / f"{name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
