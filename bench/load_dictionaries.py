"""How long dictionaries take to load, pyradsec against pyrad2, in turns.

    python bench/load_dictionaries.py [--rounds N] [--tree FOLDER] [--smoke]

Two dictionaries: FreeRADIUS's (Debian package freeradius-common), less the files that pyrad2 does not get through,
copied to a temporary folder; and the one that ships with pyradsec. Each round loads each of them once with each
library. Medians over the rounds, the least and the most. `--smoke`: two rounds, and nothing is asked of the figures.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from pyrad2.dictionary import Dictionary as Pyrad2Dictionary

from pyradsec.dictionary import Dictionary

Load = Callable[[str], Any]


def includes(root: Path) -> list[str]:
    """The files that a root dictionary names, in their order."""
    lines = (line.partition("#")[0].split() for line in root.read_text(encoding="utf-8").splitlines())
    return [words[1] for words in lines if len(words) == 2 and words[0].upper() == "$INCLUDE"]


def copy_loadable(tree: Path, folder: Path) -> list[str]:
    """Copies what pyrad2 reads of a tree, with a root file of its own. The names of what it does not read."""
    known = Pyrad2Dictionary()
    taken, refused = [], []
    for name in includes(tree / "dictionary"):
        try:
            known.read_dictionary(str(tree / name))
        except Exception:  # whatever stops it
            refused.append(name)
        else:
            taken.append(name)
            shutil.copyfile(tree / name, folder / name)
    (folder / "dictionary").write_text("".join(f"$INCLUDE {name}\n" for name in taken), encoding="utf-8")
    return refused


def seconds(load: Load, path: str) -> float:
    started = time.perf_counter()
    made = load(path)  # freed when the time has been taken
    taken = time.perf_counter() - started
    if not len(made):
        raise SystemExit(f"{path}: nothing was loaded")
    return taken


def measure(paths: dict[str, str], loads: dict[str, Load], rounds: int) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = {(what, who): [] for what in paths for who in loads}
    for turn in range(rounds + 1):
        for what, path in paths.items():
            for who in loads if turn % 2 else reversed(loads):
                taken = seconds(loads[who], path)
                if turn > 0:  # the first one warms up
                    found[what, who].append(1000 * taken)
    return found


def print_table(found: dict[tuple[str, str], list[float]], sizes: dict[str, int]) -> None:
    print(f"{'dictionary':<12}{'attributes':>11}  {'library':<10}{'median ms':>10}{'min - max':>18}{'x pyrad2':>10}")
    for (what, who), times in found.items():
        spread = f"{min(times):.2f} - {max(times):.2f}"
        ratio = median(found[what, "pyrad2"]) / median(times)
        print(f"{what:<12}{sizes[what]:>11}  {who:<10}{median(times):>10.2f}{spread:>18}{ratio:>10.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="default: 30")
    parser.add_argument("--tree", type=Path, default=Path("/usr/share/freeradius"), help="FreeRADIUS's dictionaries")
    parser.add_argument("--smoke", action="store_true", help="two rounds")
    options = parser.parse_args()
    loads: dict[str, Load] = {"pyrad2": Pyrad2Dictionary, "pyradsec": Dictionary}
    with tempfile.TemporaryDirectory() as name:
        paths = {"shipped": str(Path(__file__).resolve().parents[1] / "dict" / "dictionary")}
        if (options.tree / "dictionary").exists():
            refused = copy_loadable(options.tree, Path(name))
            print(f"not among FreeRADIUS's, as pyrad2 stops there: {', '.join(refused) or 'none'}")
            paths = {"FreeRADIUS": str(Path(name) / "dictionary"), **paths}
        else:
            print(f"{options.tree}: no dictionary there")
        sizes = {what: len(Dictionary(path)) for what, path in paths.items()}
        found = measure(paths, loads, 2 if options.smoke else options.rounds)
    print(f"CPython {sys.version.split()[0]}, pyrad2 {version('pyrad2')}")
    print_table(found, sizes)


if __name__ == "__main__":
    main()
