"""Ours against every published protection: python benchmarks/comparison.py --help

All methods change the photo by at most 16/255, weighted by place in the same way. Some of them
spend less of it, so ours is also tried with 10/255, which shows less than any of them. Figures of
every clean-up have a store of their own, which can be measured on different days or machines.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from protection import (
    PURIFIERS,
    KeepingTrial,
    compiled,
    measured,
    method,
    stored,
    with_clips,
    write_table,
)

from silencer_core.bench_protect import Tried, duels, photos_with_a_face, rows
from silencer_core.generators import load_generator
from silencer_core.objectives.baselines import BASELINES
from silencer_core.optimise.budget import Budget
from silencer_core.voices import held_out_voices

RESULTS = Path(__file__).parent / "results"
STORES = RESULTS / "comparison"
EQUAL_LINF, LESS_VISIBLE = "strong", "strong~10"
METHODS = (EQUAL_LINF, LESS_VISIBLE, *BASELINES)
NOISE = "uniform noise"
BUDGET = Budget(16 / 255, focus=0.75)
GUIDANCES = (1.0, 2.0, 3.5, 5.0)
FRAMES = 8


def store_of(purify: str) -> Path:
    """Where the figures of a clean-up are kept."""
    return STORES / (purify.replace(":", "").replace(",", "+") + ".jsonl")


def write_tables(found: list[Tried]) -> None:
    """Medians of all methods and duels at equal L-inf; duels against our less visible one."""
    found = sorted(found, key=lambda one: METHODS.index(one.preset))
    tables = {"comparison": {"rows": rows(found)} | duels_of(found, EQUAL_LINF, LESS_VISIBLE)}
    tables["less_visible"] = duels_of(found, LESS_VISIBLE, EQUAL_LINF)
    for name, table in tables.items():
        write_table(RESULTS / f"{name}.json", table)


def duels_of(found: list[Tried], ours: str, other: str) -> dict[str, list[dict]]:
    """One of ours against all but our other, and against noise as large as its change."""
    noise = [
        replace(
            one,
            preset=NOISE,
            gain_ratio=one.noise_gain_ratio,
            window_ratio=one.noise_window_ratio,
        )
        for one in found
        if one.preset == ours
    ]
    return {"duels": duels([*(one for one in found if one.preset != other), *noise], ours)}


def main(
    portraits: Annotated[Path, typer.Option(help="Folder of photos of faces.")],
    keep: Annotated[Path, typer.Option(help="Folder for the protected photos.")],
    purify: Annotated[str, typer.Option(help="Clean-ups, separated by semicolons.")] = (
        ";".join(PURIFIERS)
    ),
    methods: Annotated[str, typer.Option(help="Separated by semicolons.")] = (";".join(METHODS)),
    count: Annotated[int, typer.Option(help="Portraits, at most.")] = 20,
) -> None:
    """Measure what the stores lack, one clean-up after the other, and write the tables."""
    torch.set_num_threads(1)
    generator = load_generator(None)
    attacker = with_clips(compiled(generator), FRAMES)
    photos = list(photos_with_a_face(portraits, count, generator))
    chosen = [method(name.strip(), BUDGET) for name in methods.split(";")]
    keep.mkdir(parents=True, exist_ok=True)
    STORES.mkdir(exist_ok=True)
    for clean_up in purify.split(";"):
        trial = KeepingTrial(
            generator,
            held_out_voices(),
            chosen,
            [clean_up],
            GUIDANCES,
            FRAMES,
            attacker,
            folder=keep,
        )
        for done in measured(trial, photos, store_of(clean_up), workers=1):
            print(f"{clean_up}: {done} of {len(photos)} portraits", flush=True)
        write_tables([one for known in PURIFIERS for one in stored(store_of(known))])


if __name__ == "__main__":
    typer.run(main)
