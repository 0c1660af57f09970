"""Pictures of the stored results, for the documents: python benchmarks/figures.py

Each is a PNG in docs/images that carries the digest of the results it was drawn from; `--check`
only says whether these are still the same. Drawing needs `pip install matplotlib`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
RESULTS, IMAGES = ROOT / "benchmarks" / "results", ROOT / "docs" / "images"
DIGEST = "Results"  # key of the PNG's text
GAIN, WINDOW = "gain_ratio", "window_ratio"
TITLES = {GAIN: "gain left", WINDOW: "wide window left"}


class Figure(NamedTuple):
    """A picture: its file, the table or the store it shows, what draws it with pyplot, and of what
    part of the table."""

    name: str
    results: str
    draw: Callable[[list[dict]], None]
    part: str = "rows"

    @property
    def source(self) -> Path:
        return RESULTS / self.results

    @property
    def target(self) -> Path:
        return IMAGES / self.name


def robustness(rows: list[dict]) -> None:
    """Methods against clean-ups; each cell the mean over guidances of the medians."""
    import matplotlib.pyplot as plt

    methods, clean_ups = (
        list(dict.fromkeys(row[name] for row in rows)) for name in ("preset", "purify")
    )
    _, panels = plt.subplots(
        1, 2, figsize=(4 + 1.1 * len(clean_ups), 1.6 + 0.34 * len(methods)), sharey=True
    )
    for axes, (name, title) in zip(panels, TITLES.items(), strict=True):
        found: dict[tuple[str, str], list[float]] = {}
        for row in rows:
            found.setdefault((row["preset"], row["purify"]), []).append(row[name]["median"])
        grid = [[_mean(found.get((m, c), [])) for c in clean_ups] for m in methods]
        axes.imshow(grid, cmap="RdYlBu_r", vmin=0, vmax=1, aspect="auto")
        for i, line in enumerate(grid):
            for j, value in enumerate(line):
                dark = value < 0.15 or value > 0.85
                axes.text(
                    j, i, f"{value:.2f}", ha="center", va="center", size=7,
                    color="white" if dark else "black",
                )  # fmt: skip
        axes.set_title(f"{title},\nmean over guidances")
        axes.set_xticks(range(len(clean_ups)), clean_ups, rotation=40, ha="right")
        axes.set_yticks(range(len(methods)), methods)


def guidances(rows: list[dict]) -> None:
    """One line per method over the attacker's guidance, on the photo as it was saved."""
    lines = _by_method([row for row in rows if row["purify"] == "none"])
    _curves(lines, "guidance", "guidance of the attacker")


def visibility(rows: list[dict]) -> None:
    """One line per method and guidance over the PSNR of its change."""
    lines = _by_method(rows, "~", ", guidance {guidance:g}")
    _curves(lines, "psnr", "PSNR of the change, dB (right: less visible)")


def steps(rows: list[dict]) -> None:
    """One line per method and clean-up over the processor's seconds."""
    lines = _by_method(rows, "@", ", {purify}")
    _curves(lines, "cpu_seconds", "seconds of one core", log=True)


def portraits(rows: list[dict]) -> None:
    """Each portrait's wide window after a change of 16/255 and after one without a bound, over how
    well it spoke unprotected."""
    import matplotlib.pyplot as plt

    strengths = sorted({row["guidance"] for row in rows})
    _, panels = plt.subplots(1, len(strengths), figsize=(10, 4.2), sharey=True, squeeze=False)
    for axes, guidance in zip(panels[0], strengths, strict=True):
        ends = []
        for preset, change in (("fast~16", "16/255 at most"), ("fast~255", "no bound")):
            marks = sorted(
                (row["portrait"], row["gain_unprotected"], row[WINDOW])
                for row in rows
                if (row["preset"], row["guidance"]) == (preset, guidance)
            )
            _, across, left = zip(*marks, strict=True)
            axes.scatter(across, left, s=18, label=f"change: {change}")
            ends.append(left)
        axes.vlines(across, *ends, color="grey", linewidth=0.8, zorder=0)
        axes.set(title=f"guidance {guidance:g}", xlabel="gain of the unprotected portrait")
        axes.set_ylim(0, None)
    panels[0][0].set_ylabel(TITLES[WINDOW])
    panels[0][-1].legend(fontsize=8, frameon=False)


def changes(duels: list[dict]) -> None:
    """What each changed setting leaves beyond the unchanged ones, portrait by portrait."""
    import matplotlib.pyplot as plt

    settings, clean_ups = (
        list(dict.fromkeys(row[name] for row in duels)) for name in ("preset", "purify")
    )
    size = (11, 1.4 + 0.24 * len(settings))
    _, panels = plt.subplots(1, 2, figsize=size, sharey=True, sharex=True)
    for axes, (name, title) in zip(panels, TITLES.items(), strict=True):
        for number, clean_up in enumerate(clean_ups):
            rows = [row for row in duels if row["purify"] == clean_up]
            middle, spread = _intervals(rows, name)
            down = [settings.index(row["preset"]) + 0.3 * number for row in rows]
            axes.errorbar(
                middle, down, xerr=spread, fmt="o", markersize=3, elinewidth=0.8, label=clean_up
            )
        axes.axvline(0, color="grey", linewidth=0.6, linestyle=":")
        axes.set(title=title, xlabel="beyond what the preset leaves (right: worse)")
        axes.set_yticks(range(len(settings)), settings)
    panels[0].invert_yaxis()
    panels[1].legend(fontsize=8, frameon=False)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _intervals(rows: list[dict], name: str) -> tuple[list[float], list[list[float]]]:
    """Medians, and how far their intervals reach below and above them, as pyplot's error bars."""
    figures = [row[name] for row in rows]
    below = [figure["median"] - figure["low"] for figure in figures]
    above = [figure["high"] - figure["median"] for figure in figures]
    return [figure["median"] for figure in figures], [below, above]


def _by_method(rows: list[dict], mark: str = "\n", also: str = "") -> dict[str, list[dict]]:
    """Rows by the name of their method, up to a mark, and by what else of them is told."""
    lines: dict[str, list[dict]] = {}
    for row in rows:
        name = row["preset"].partition(mark)[0] + also.format(**row)
        lines.setdefault(name, []).append(row)
    return lines


def _curves(lines: dict[str, list[dict]], across: str, label: str, log: bool = False) -> None:
    """Medians with their intervals; gain on the left, wide window on the right."""
    import matplotlib.pyplot as plt

    _, panels = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
    for axes, (name, title) in zip(panels, TITLES.items(), strict=True):
        axes.set_prop_cycle(color=plt.get_cmap("tab20").colors)
        for method, rows in lines.items():
            rows = sorted(rows, key=lambda row: row[across])
            middle, spread = _intervals(rows, name)
            axes.errorbar(
                [row[across] for row in rows], middle, yerr=spread, marker="o", markersize=3,
                linewidth=1.2, elinewidth=0.6, capsize=2, label=method,
            )  # fmt: skip
        axes.axhline(1, color="grey", linewidth=0.6, linestyle=":")
        axes.set(title=title, xlabel=label, ylim=(-0.1, None))
        if log:
            axes.set_xscale("log")
            for scale in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
                scale("{x:g}")
    panels[0].set_ylabel("protected / unprotected")
    panels[1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


FIGURES = (
    Figure("robustness.png", "comparison.json", robustness),
    Figure("guidance.png", "comparison.json", guidances),
    Figure("visibility.png", "visibility.json", visibility),
    Figure("portraits.png", "visibility.jsonl", portraits),
    Figure("steps.png", "steps.json", steps),
    Figure("ablations.png", "ablations.json", changes, "duels"),
)


def read(path: Path) -> dict:
    """A table, or the lines of a store as its rows."""
    text = path.read_text()
    if path.suffix == ".jsonl":
        return {"rows": [json.loads(line) for line in text.splitlines()]}
    return json.loads(text)


def digest(path: Path) -> str:
    """Of the figures in a file, however they are laid out."""
    return hashlib.sha256(json.dumps(read(path)).encode()).hexdigest()


def is_current(figure: Figure) -> bool:
    """Whether the picture shows what is stored."""
    if not figure.target.exists():
        return False
    with Image.open(figure.target) as picture:
        return picture.info.get(DIGEST) == digest(figure.source)


def draw(figure: Figure) -> None:
    """Write the picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure.draw(read(figure.source)[figure.part])
    told = {DIGEST: digest(figure.source), "Software": None}
    plt.savefig(figure.target, dpi=110, bbox_inches="tight", metadata=told)
    plt.close("all")


def main() -> int:
    """Draw what is not current, or with `--check` say whether there is any; 1 if so.

    What was not measured yet is left out.
    """
    known = [figure for figure in FIGURES if figure.source.exists()]
    stale = [figure for figure in known if not is_current(figure)]
    if "--check" not in sys.argv:
        for figure in stale:
            draw(figure)
        return 0
    for figure in stale:
        print(f"{figure.name} does not show {figure.results}: run python benchmarks/figures.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
