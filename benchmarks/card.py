"""Writes measured figures into the documents that show them: python benchmarks/card.py

Tables stand between `<!-- figures: FILE -->` and `<!-- end -->`; FILE holds the JSON that a
`silencer bench` command or benchmarks/protection.py wrote. `<!-- cost: FILE PHOTOS CORES -->` is
what as many photos cost on so many cores, `<!-- batch: FILE -->` what benchmarks/batch.py wrote,
`<!-- grid: FILE GUIDANCE -->` every method against every clean-up, `<!-- duels: FILE -->` every
method against ours, `<!-- ablations: FILE -->` every changed setting, `<!-- tails: FILE -->` the
worst tenth of portraits beside that of presets before, `<!-- least: FILE -->` what one who knows
the attack leaves of it, `<!-- silence: FILE -->` what benchmarks/silence.py wrote. `--check` only
says whether they match.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (
    "silencer_core/generators/mini/MODEL_CARD.md",
    "docs/evidence.md",
    "docs/batch.md",
)
CELL = ("preset", "clean-up", "guidance")
CELL_BESIDE = ("preset", "beside", "clean-up", "guidance")
MINI = (
    ("mouth meter against the truth, correlation", "meter_r"),
    ("drawn people: sync (correlation, best lag within 2 frames)", "rendered.sync"),
    ("drawn people: gain", "rendered.gain"),
    ("drawn people: identity outside the mouth, dB", "rendered.identity_psnr"),
    ("photographs: sync", "photos.sync"),
    ("photographs: gain", "photos.gain"),
    ("photographs: identity outside the mouth, dB", "photos.identity_psnr"),
    ("recordings of real speech on photographs: sync", "recordings.sync"),
    ("another voice's openings: correlation", "shuffled"),
    ("motion with silence / with speech", "silence_ratio"),
    ("motion of the lips with the mouth covered / seen", "covered_ratio"),
    ("change across clip borders / elsewhere, photographs", "photos.border_ratio"),
    ("autoencoder on photographs: PSNR, dB", "vae_psnr"),
    ("autoencoder on photographs: SSIM", "vae_ssim"),
    ("16 frames, seconds on 2 CPU cores", "seconds_16_frames"),
    ("one gradient of the nullifying loss, seconds", "seconds_step"),
)


def table(figures: dict) -> str:
    """Of whichever command wrote the figures."""
    return protections(figures["rows"]) if "rows" in figures else generator(figures)


def protections(rows: list[dict]) -> str:
    """A row per preset, clean-up and guidance: medians with 95 % intervals, and percentiles."""
    coloured = all(row.get("delta_e") is not None for row in rows)
    left = ["gain left", "90th percentile", "wide window left", "90th percentile", "noise keeps"]
    seen = ["identity lost, dB", "PSNR, dB", "SSIM", *["CIEDE2000"] * coloured]
    lines = []
    for row in rows:
        gain, window, noise = (row[f"{k}_ratio"] for k in ("gain", "window", "noise_gain"))
        cells = [*_cell(row), _portraits(row), _span(gain), _p90(gain), _span(window), _p90(window)]
        cells += [_span(noise), f"{row['identity_drop_db']:.2f}"]
        cells += [f"{row['psnr']:.1f}", f"{row['ssim']:.3f}"]
        cells += [f"{row['delta_e']:.2f}"] if coloured else []
        lines.append([*cells, f"{row['cpu_seconds']:.3g}"])
    return _markdown([*CELL, "portraits", *left, *seen, "CPU seconds"], lines)


def _cell(row: dict) -> list[str]:
    """What a figure was measured of; `CELL` are its titles."""
    return [row["preset"], row["purify"], f"{row['guidance']:g}"]


def _cell_beside(row: dict) -> list[str]:
    """The same of two presets; `CELL_BESIDE` are its titles."""
    preset, *place = _cell(row)
    return [preset, row["beside"], *place]


def _markdown(titles: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table."""
    rule = "|" + "---|" * len(titles)
    head, *rows = (f"| {' | '.join(cells)} |" for cells in (titles, *lines))
    return "\n".join([head, rule, *rows]) + "\n"


def _portraits(row: dict) -> str:
    """How many, and of how many the gain could be told."""
    told = row["gain_ratio"]["count"]
    return f"{row['portraits']}" if told == row["portraits"] else f"{row['portraits']} ({told})"


def cost(figures: dict, photos: float, cores: float) -> str:
    """What protecting takes, from the measured processor seconds of one photo."""
    titles = ["preset", "seconds of one core per photo", f"core-hours for {photos:,.0f}"]
    lines = []
    seconds = {row["preset"]: row["cpu_seconds"] for row in figures["rows"]}
    for preset, each in seconds.items():
        hours = photos * each / 3600
        lines.append([preset, f"{each:.1f}", f"{hours:,.0f}", f"{hours / cores / 24:.1f}"])
    return _markdown([*titles, f"days on {cores:.0f} cores"], lines)


def grid(figures: dict, guidance: float) -> str:
    """Methods down, clean-ups across: median gain left / median wide window left."""
    rows = [row for row in figures["rows"] if row["guidance"] == guidance]
    methods, clean_ups = _sides(rows)
    found = {
        (row["preset"], row["purify"]): (
            f"{row['gain_ratio']['median']:.2f} / {row['window_ratio']['median']:.2f}"
        )
        for row in rows
    }
    lines = [[method, *(found.get((method, one), "") for one in clean_ups)] for method in methods]
    return _markdown(["method", *clean_ups], lines)


def _sides(rows: list[dict]) -> tuple[list[str], list[str]]:
    """Methods, and clean-ups, each once and in order."""
    methods, clean_ups = (
        list(dict.fromkeys(row[name] for row in rows)) for name in ("preset", "purify")
    )
    return methods, clean_ups


def duels(figures: dict) -> str:
    """Per method: in how many cells (clean-up and guidance) ours leaves less, where it is closest.

    A cell counts where the median paired difference is above 0, and as sure where all of its 95 %
    interval is.
    """
    gain, window = ([f"{what}: ours less", "surely", "closest"] for what in ("gain", "wide window"))
    lines = []
    methods = dict.fromkeys(row["preset"] for row in figures["duels"])
    for method in methods:
        rows = [row for row in figures["duels"] if row["preset"] == method]
        cells = [method, str(len(rows))]
        for name in ("gain_ratio", "window_ratio"):
            closest = min(rows, key=lambda row: row[name]["median"])
            cells += [
                str(sum(row[name]["median"] > 0 for row in rows)),
                str(sum(row[name]["low"] > 0 for row in rows)),
                f"{closest[name]['median']:+.3f}: {closest['purify']}, {closest['guidance']:g}",
            ]
        lines.append(cells)
    return _markdown(["method", "cells", *gain, *window], lines)


def ablations(figures: dict) -> str:
    """A row per changed setting: what it leaves, and how much that is beyond what it was."""
    rows = figures["rows"]
    settings, clean_ups = _sides(rows)
    cells = {(row["preset"], row["purify"]): row for row in rows}
    beyond = {(row["preset"], row["purify"]): row for row in figures["duels"]}
    titles = [f"{what}, {clean_up}" for clean_up in clean_ups for what in ("gain", "window")]
    lines = []
    for setting in settings:
        left = [
            f"{cells[setting, clean_up][name]['median']:.3f}"
            + _beyond(beyond.get((setting, clean_up), {}).get(name))
            for clean_up in clean_ups
            for name in ("gain_ratio", "window_ratio")
        ]
        row = cells[setting, clean_ups[0]]
        lines.append([setting, *left, f"{row['psnr']:.1f}", f"{row['cpu_seconds']:.3g}"])
    return _markdown(["setting", *titles, "PSNR, dB", "CPU seconds"], lines)


def tails(figures: dict) -> str:
    """90th percentiles beside those of the presets before, bold where at least a quarter less."""
    gain, window = (
        [f"{what} left, before", "now", "now / before"] for what in ("gain", "wide window")
    )
    lines = []
    for row in figures["tails"]:
        cells = _cell_beside(row)
        for name in ("gain_ratio", "window_ratio"):
            found = row[name]
            bold = "**" if found["ratio"] <= 0.75 else ""
            cells += [f"{found['before']:.3f}", f"{found['now']:.3f}"]
            cells.append(f"{bold}{found['ratio']:.2f}{bold} ({_range(found, 2)})")
        lines.append(cells)
    return _markdown([*CELL_BESIDE, *gain, *window], lines)


def least(figures: dict) -> str:
    """What one who knows the attack leaves of the wide window, beside what was left before."""
    titles = ["wide window left before, 90th percentile", "at least", "at least / before"]
    lines = [
        [*_cell_beside(row), f"{row['before']:.3f}", f"{row['least']:.3f}", f"{row['ratio']:.2f}"]
        for row in figures["least"]
    ]
    return _markdown([*CELL_BESIDE, *titles], lines)


def silence(figures: dict) -> str:
    """What a mouth that hears nothing scores."""
    lines = []
    for row in figures["rows"]:
        gain = row["gain_ratio"]
        lines.append([*_cell(row), _portraits(row), _span(gain), _p90(gain)])
    titles = ["portraits", "gain of silence / of speech", "90th percentile"]
    return _markdown([*CELL, *titles], lines)


def _beyond(paired: dict | None) -> str:
    """The paired difference, bold where its interval does not hold 0; none for ours itself."""
    if paired is None:
        return ""
    sure = "**" if paired["low"] > 0 or paired["high"] < 0 else ""
    return f" ({sure}{paired['median']:+.3f}{sure})"


def batches(figures: dict) -> str:
    """Every measurement in one row, its figures by name."""
    lines = ["| | measured |", "|---|---|"]
    for name, found in figures.items():
        lines.append(f"| {name} | {'; '.join(f'{key}: {value}' for key, value in found.items())} |")
    return "\n".join(lines) + "\n"


def _span(figure: dict) -> str:
    """Median and interval; – where there was nothing to tell."""
    return f"{figure['median']:.3f} ({_range(figure)})" if figure["count"] else "–"


def _p90(figure: dict) -> str:
    return f"{figure['p90']:.2f}" if figure["count"] else "–"


def _range(figure: dict, decimals: int = 3) -> str:
    return f"{figure['low']:.{decimals}f} to {figure['high']:.{decimals}f}"


def generator(figures: dict) -> str:
    """Rows of name, median, interval and count."""
    lines = ["| | median | 95 % interval | n |", "|---|---|---|---|"]
    for title, place in MINI:
        value = figures
        for name in place.split("."):
            value = value[name]
        if isinstance(value, dict):
            span = f"{value['low']:.3f} to {value['high']:.3f}"
            lines.append(f"| {title} | {value['median']:.3f} | {span} | {value['count']} |")
        else:
            lines.append(f"| {title} | {value:.2f} | | |")
    return "\n".join(lines) + "\n"


TABLES = {
    "figures": table,
    "cost": cost,
    "batch": batches,
    "grid": grid,
    "duels": duels,
    "ablations": ablations,
    "tails": tails,
    "least": least,
    "silence": silence,
}
TABLE = re.compile(
    rf"(<!-- ({'|'.join(TABLES)}): (\S+)((?: [\d.]+)*) -->\n).*?(<!-- end -->)", re.DOTALL
)


def filled(text: str) -> str:
    """The document with every table made anew from its file."""

    def fill(found: re.Match) -> str:
        head, kind, place, numbers, end = found.groups()
        figures = json.loads((ROOT / place).read_text())
        return head + TABLES[kind](figures, *map(float, numbers.split())) + end

    return TABLE.sub(fill, text)


def main() -> int:
    """Write, or with `--check` compare; 1 if a document is not what its figures say."""
    stale = 0
    for name in DOCUMENTS:
        path = ROOT / name
        text = path.read_text()
        if filled(text) != text:
            stale = 1
            if "--check" not in sys.argv:
                path.write_text(filled(text))
    return stale if "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
