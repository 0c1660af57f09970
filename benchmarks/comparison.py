"""Ours against every published protection: python benchmarks/comparison.py --help

All methods change the photo by at most 16/255. `strong` keeps as many dB as those that spend most
of that; `balanced` keeps more than any. Figures of every clean-up have a store of their own, to
be measured on different days or machines. On a GPU twenty workers are as many as there are
portraits; see recorded.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated

import torch
import torch.multiprocessing as processes
import typer
from protection import (
    PURIFIERS,
    KeepingTrial,
    Missing,
    added,
    compiled,
    key_of,
    method,
    stored,
    with_clips,
    write_table,
)
from recorded import RecordedHallo

from silencer_core.bench_protect import Tried, duels, photos_with_a_face, rows
from silencer_core.generators import load_generator
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.objectives.baselines import BASELINES
from silencer_core.optimise.budget import Budget
from silencer_core.photo import Photo
from silencer_core.presets import PRESETS
from silencer_core.voices import held_out_voices

RESULTS = Path(__file__).parent / "results"
LINF = 16 / 255
EQUAL_LINF, LESS_VISIBLE = "strong", "balanced"
OURS = {
    EQUAL_LINF: replace(PRESETS[EQUAL_LINF].budget, linf=LINF),
    LESS_VISIBLE: PRESETS[LESS_VISIBLE].budget.with_linf(LINF),
}
METHODS = (*OURS, *BASELINES)
NOISE = "uniform noise"
BUDGET = Budget(LINF, focus=0.75)
FRAMES = 8


def store_of(purify: str, stores: Path) -> Path:
    """Where the figures of a clean-up are kept."""
    return stores / (purify.replace(":", "").replace(",", "+") + ".jsonl")


def write_tables(found: list[Tried], results: Path) -> None:
    """Medians of all methods and duels at equal L-inf; duels against our less visible one.

    Clean-ups that some methods or portraits are still missing after are left out.
    """
    found = sorted(finished(found), key=lambda one: METHODS.index(one.preset))
    tables = {"comparison": {"rows": rows(found)} | duels_of(found, EQUAL_LINF, LESS_VISIBLE)}
    tables["less_visible"] = duels_of(found, LESS_VISIBLE, EQUAL_LINF)
    for name, table in tables.items():
        write_table(results / f"{name}.json", table)


def finished(found: list[Tried]) -> list[Tried]:
    """Figures of the clean-ups that have as many as the one that has most."""
    count = Counter(one.purify for one in found)
    most = max(count.values(), default=0)
    return [one for one in found if count[one.purify] == most]


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


@dataclass(frozen=True)
class Bench:
    """What a process measures with.

    Attributes:
        portraits: folder of photos, of which the first `count` with a face are taken.
        keep: folder for the protected photos.
        methods: by name.
        guidances: of the attacker.
        draws: attacks on each photo, see `Trial`.
        other: the file of another generator, which attacks.
    """

    portraits: Path
    keep: Path
    methods: tuple[str, ...]
    count: int
    guidances: tuple[float, ...]
    draws: int
    other: Path | None = None

    @cached_property
    def generator(self) -> Hallo:
        torch.set_num_threads(1)
        return loaded(None)

    @cached_property
    def attacker(self) -> Hallo:
        attacks = loaded(self.other) if self.other else self.generator
        on_cpu = attacks.device.type == "cpu"
        return with_clips(compiled(attacks) if on_cpu else attacks, FRAMES)

    @cached_property
    def photos(self) -> list[tuple[str, Photo]]:
        return list(photos_with_a_face(self.portraits, self.count, self.generator))

    @cached_property
    def trial(self) -> KeepingTrial:
        """Of all methods, as yet without a clean-up."""
        return KeepingTrial(
            self.generator,
            held_out_voices(),
            [method(name, OURS.get(name, BUDGET)) for name in self.methods],
            [],
            self.guidances,
            FRAMES,
            self.attacker,
            draws=self.draws,
            folder=self.keep,
        )

    def attack(self, number: int, clean_up: str, known: frozenset) -> list[Tried]:
        """One portrait after one clean-up, by the methods that are not known; see `Missing`."""
        trial = replace(self.trial, purifiers=[clean_up])
        return Missing(trial, known)(number, *self.photos[number])


def loaded(file: Path | None) -> Hallo:
    """The generator of a file, or the built-in one; on a GPU its work is recorded."""
    generator = load_generator(file)
    return generator if generator.device.type == "cpu" else RecordedHallo(generator)


Job = tuple  # the arguments of `Bench.attack`
_bench: Bench | None = None


@contextmanager
def crew(bench: Bench, workers: int) -> Iterator[Callable[[Sequence[Job]], Iterator]]:
    """So many processes, or this one alone, that attack; results come in the jobs' order."""
    if workers == 1:
        _hire(bench)
        yield lambda jobs: map(_work, jobs)
        return
    with processes.get_context("spawn").Pool(workers, _hire, (bench,)) as pool:
        yield lambda jobs: pool.imap(_work, jobs)


def _hire(bench: Bench) -> None:
    global _bench
    _bench = bench


def _work(job: Job) -> list[Tried]:
    return _bench.attack(*job)


def main(
    portraits: Annotated[Path, typer.Option(help="Folder of photos of faces.")],
    keep: Annotated[Path, typer.Option(help="Folder for the protected photos.")],
    purify: Annotated[str, typer.Option(help="Clean-ups, separated by semicolons.")] = (
        ";".join(PURIFIERS)
    ),
    methods: Annotated[str, typer.Option(help="Separated by semicolons.")] = (";".join(METHODS)),
    guidance: Annotated[str, typer.Option(help="Separated by commas.")] = "1,2,3.5,5",
    draws: Annotated[int, typer.Option(help="Attacks on each photo; see `Trial`.")] = 1,
    count: Annotated[int, typer.Option(help="Portraits, at most.")] = 20,
    attacker: Annotated[Path | None, typer.Option(help="Another generator that attacks.")] = None,
    results: Annotated[Path, typer.Option(help="Folder for stores and tables.")] = RESULTS,
    workers: Annotated[int, typer.Option(help="Processes; on a GPU, one for each core.")] = 1,
) -> None:
    """Measure what the stores lack, protecting what is not kept yet, and write the tables."""
    names = tuple(name.strip() for name in methods.split(";"))
    guidances = tuple(float(value) for value in guidance.split(","))
    bench = Bench(portraits, keep, names, count, guidances, draws, attacker)
    stores = results / "comparison"
    for folder in (keep, stores):
        folder.mkdir(parents=True, exist_ok=True)
    with crew(bench, workers) as work:
        for clean_up in purify.split(";"):
            store = store_of(clean_up, stores)
            known = stored(store)
            keys = frozenset(map(key_of, known))
            jobs = [(number, clean_up, keys) for number in range(len(bench.photos))]
            for done in added(store, known, work(jobs)):
                print(f"{clean_up}: {done} of {len(jobs)} portraits", flush=True)
            found = [one for purifier in PURIFIERS for one in stored(store_of(purifier, stores))]
            write_tables(found, results)


if __name__ == "__main__":
    typer.run(main)
