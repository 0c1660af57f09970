"""Protections side by side, at one budget: python benchmarks/protection.py --help

Every figure is kept as it is found, one line of JSON per portrait, method, clean-up and guidance;
what a file holds already is not measured again, so a run that was cut short goes on. With --keep,
protected photos are kept too, and taken from there by other attacks.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import typer

from silencer_core.bench_protect import (
    Protected,
    Trial,
    Tried,
    cells,
    counts,
    duels,
    photos_with_a_face,
    rows,
    try_presets,
)
from silencer_core.errors import SilencerError
from silencer_core.files import write_text
from silencer_core.generators import load_generator
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.objectives.anti_purify import AntiPurify
from silencer_core.objectives.baselines import BASELINES
from silencer_core.objectives.rollout import NullifyRollout
from silencer_core.optimise.budget import Budget
from silencer_core.optimise.descent import Descent
from silencer_core.photo import Photo, read_photo, write_photo
from silencer_core.presets import PRESETS, Preset, with_steps
from silencer_core.scores.intervals import tail
from silencer_core.scores.report import plain
from silencer_core.voices import held_out_voices

#: The reference's: a start anywhere in the budget, signs, steps that fall to 1 %, the last kept.
AS_PUBLISHED = Descent(
    steps=100,
    rate=1 / 255,
    last_rate=0.01,
    momentum=0.0,
    random_start=1.0,
    validate_every=1000,
    validation=1,
    keep="last",
)

#: The presets that today's replaced, but for `fast`, which is what it was.
BEFORE = {
    one.name: one
    for one in (
        Preset(
            "balanced before",
            AntiPurify(NullifyRollout(), share=0.5),
            Budget(12 / 255, focus=0.8),
            Descent(steps=36, rate=2 / 255, validate_every=12),
        ),
        Preset(
            "strong before",
            AntiPurify(NullifyRollout(), share=0.6, diffusion=0.25),
            Budget(16 / 255, focus=0.75),
            Descent(steps=80, rate=2 / 255, validate_every=20),
        ),
    )
}

PURIFIERS = (
    "none",
    "jpeg:75",
    "resize:0.5",
    "jpeg:75,resize:0.5",
    "resize:0.5,jpeg:75",
    "blur:1",
    "median:3",
    "crop:0.9",
    "diffpure:0.1",
    "diffpure:0.2",
    "gridpure",
)

Cell = tuple[str, str, float | None]  # preset, clean-up, guidance
NAME = re.compile(r"(.+?)(?:%([\d.]+))?(?:@(\d+))?(?:\+(\d+)(?:\*([\d.]+))?)?(?:~([\d.]+))?")


def method(text: str, budget: Budget | None = None) -> Preset:
    """A preset, of today or `BEFORE`, or a baseline by name.

    Args:
        budget: for all methods; by default each preset's own, and the published 16/255.
        text: `name[%share][@steps][+latent[*rate]][~change]`: another share of steps that see the
            portrait after the diffusion purifier, other numbers of steps on the pixels and on the
            inverted latent, another learning rate there, another largest change in 255ths (and
            the whole change in proportion). `strong@0+80~24` is stage II alone.

    Raises:
        SilencerError: there is none of that name, or it sees no clean-ups.
    """
    parts = NAME.fullmatch(text)
    name = parts[1] if parts else text
    presets = PRESETS | BEFORE
    if name in presets:
        chosen = presets[name]
        budget = budget or chosen.budget
    elif name in BASELINES:
        budget = budget or Budget()
        chosen = Preset(text, BASELINES[name](), budget, AS_PUBLISHED)
    else:
        raise SilencerError(f"no method {text!r}: choose of {', '.join([*presets, *BASELINES])}.")
    share, steps, latent, rate, change = parts.groups()[1:]
    if share:
        if not isinstance(chosen.objective, AntiPurify):
            raise SilencerError(f"{text!r}: {name} sees no clean-ups; leave %{share} out.")
        chosen = replace(chosen, objective=replace(chosen.objective, diffusion=float(share)))
    if change:
        budget = budget.with_linf(float(change) / 255)
    if steps:
        chosen = with_steps(chosen, int(steps))
    if latent:
        chosen = replace(chosen, latent=replace(chosen.latent, steps=int(latent)))
    if rate:
        chosen = replace(chosen, latent=replace(chosen.latent, learning_rate=float(rate)))
    return replace(chosen, name=text, budget=budget)


@dataclass(frozen=True)
class KeepingTrial(Trial):
    """A trial that protects a photo only once.

    Attributes:
        folder: for protected photos, by portrait and by everything else that they depend on.
    """

    folder: Path = Path("protected")

    def protected(self, number: int, name: str, photo: Photo, chosen: Preset) -> Protected:
        """From the folder where it is there already."""
        networks = [self.generator, *self.also]
        told = [asdict(chosen), number, [str(one.config.to_json()) for one in networks]]
        told += [float(sum(p.double().sum() for p in one.net.parameters())) for one in networks]
        key = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
        picture = self.folder / f"{Path(name).stem}-{key}.png"
        figures = picture.with_suffix(".json")
        if figures.exists():
            return Protected(read_photo(picture).pixels, **json.loads(figures.read_text()))
        found = super().protected(number, name, photo, chosen)
        write_photo(replace(photo, pixels=found.pixels), picture)
        kept = {one.name: getattr(found, one.name) for one in fields(found)[1:]}
        write_text(figures, json.dumps(plain(kept)))
        return found


def keeping(settings: Sequence, folder: Path | None) -> Trial:
    """A trial of these settings; given a folder, one that keeps protected photos there."""
    if folder is None:
        return Trial(*settings)
    folder.mkdir(parents=True, exist_ok=True)
    return KeepingTrial(*settings, folder=folder)


@dataclass(frozen=True)
class Missing:
    """A trial of only what a store does not hold yet.

    Attributes:
        known: portrait, preset, clean-up and guidance of what it holds.
    """

    trial: Trial
    known: frozenset[tuple[str, str, str, float]]

    def __call__(self, number: int, name: str, photo: Photo) -> list[Tried]:
        """One portrait with the methods and clean-ups that are missing for it."""
        trial = self.trial

        def lacks(preset: str, purify: str) -> bool:
            keys = ((name, preset, purify, guidance) for guidance in trial.guidances)
            return not self.known.issuperset(keys)

        def left(purify: str) -> frozenset[str]:
            return frozenset(one.name for one in trial.presets if lacks(one.name, purify))

        found = []
        for names, purifiers in grouped(left, trial.purifiers).items():
            if names:
                chosen = [one for one in trial.presets if one.name in names]
                again = replace(trial, presets=chosen, purifiers=purifiers)
                found += again(number, name, photo)
        return [one for one in found if key_of(one) not in self.known]


def grouped(key: Callable[[str], frozenset[str]], items: Iterable[str]) -> dict:
    """Items by their keys, in order."""
    groups: dict[frozenset[str], list[str]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def key_of(one: Tried) -> tuple[str, str, str, float]:
    """What tells a figure apart."""
    return one.portrait, one.preset, one.purify, one.guidance


def stored(store: Path) -> list[Tried]:
    """What a file of lines holds; a last line that was cut short is left out."""
    lines = store.read_text().splitlines(keepends=True) if store.exists() else []
    return [Tried(**json.loads(line)) for line in lines if line.endswith("\n")]


def line(one: Tried) -> str:
    """Of a store; figures to four decimals, which is more than they are worth.

    A colour difference that an old store did not note is left out, as NaN is no JSON.
    """
    figures = {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(one).items()}
    if math.isnan(one.delta_e):
        del figures["delta_e"]
    return json.dumps(figures) + "\n"


def measured(
    trial: Trial, photos: Sequence[tuple[str, Photo]], store: Path, workers: int
) -> Iterator[int]:
    """Add to the store what is missing in it; after each portrait how many are done."""
    known = stored(store)
    missing = Missing(trial, frozenset(map(key_of, known)))
    return added(store, known, try_presets(missing, photos, workers))


def added(store: Path, known: Iterable[Tried], found: Iterable[Iterable[Tried]]) -> Iterator[int]:
    """Write what a store is known to hold, then add each portrait's; after each how many."""
    write_text(store, "".join(map(line, known)))
    for done, some in enumerate(found, start=1):
        with store.open("a") as file:
            file.write("".join(map(line, some)))
        yield done


def tabulate(
    trial: Trial,
    photos: Sequence[tuple[str, Photo]],
    store: Path,
    table: Path,
    workers: int,
    more: Callable[[list[Tried]], dict] = lambda found: {},
) -> None:
    """Measure what is missing; after each portrait, write the table of all that the store holds.

    Args:
        more: of what the store holds, what the table shall tell beside rows and tails.
    """
    for done in measured(trial, photos, store, workers):
        print(f"{done} of {len(photos)} portraits", flush=True)
        found = stored(store)
        write_table(table, {"rows": rows(found)} | more(found) | {"tails": tails(found)})


def against(ours: str) -> Callable[[list[Tried]], dict]:
    """What a table tells of every method against ours; nothing without a name."""
    return lambda found: {"duels": duels(found, ours)} if ours else {}


def base_of(preset: str) -> str:
    """The preset's name without a share of its change (`NAME~change`)."""
    return preset.partition("~")[0]


def earlier(cell: Cell, known: Iterable[Cell]) -> list[Cell]:
    """Of the known cells, those of `BEFORE` at the same place as one.

    Beside a preset as it is they also stand with another largest change (`~`), which may be such
    that both show as little.
    """
    preset, *place = cell
    base, _, change = preset.partition("~")
    there = [other for other in known if list(other[1:]) == place]
    others = [other for other in there if base_of(other[0]) == f"{base} before"]
    return [other for other in others if not (change and "~" in other[0])]


def tails(found: Iterable[Tried]) -> list[dict]:
    """The worst tenth of every preset beside that of `BEFORE`, on the portraits that both have.

    Of the gain it is the size that counts: below 0 the mouth moves against the speech.
    """
    groups, out = cells(found), []
    for cell, group in groups.items():
        preset, purify, guidance = cell
        for other in earlier(cell, groups):
            row = {"preset": preset, "beside": other[0], "purify": purify, "guidance": guidance}
            row |= tails_beside(group, groups[other])
            if "window_ratio" in row:
                out.append(row)
    return out


def tails_beside(now: Iterable[Tried], then: Iterable[Tried]) -> dict:
    """Worst tenths of one preset and one before, by figure; without a figure that none has."""
    before, out = {one.portrait: one for one in then}, {}
    for figure in ("gain_ratio", "window_ratio"):
        both = [
            (abs(getattr(before[one.portrait], figure)), abs(getattr(one, figure)))
            for one in now
            if one.portrait in before and counts(one, figure)
        ]
        if both:
            out[figure] = asdict(tail(*zip(*both, strict=True)))
    return out


def write_table(table: Path, told: dict) -> None:
    """As JSON."""
    write_text(table, json.dumps(plain(told), indent=1))


def with_clips(generator: Hallo, frames: int) -> Hallo:
    """The same networks, making so many frames at once."""
    generator = copy.copy(generator)
    generator.config = replace(generator.config, clip_frames=frames)
    return generator


def compiled(generator: Hallo) -> Hallo:
    """The same networks, compiled: half as fast again, after two minutes. A C++ compiler is needed.

    What is protected against stays as it was: a gradient would have to be compiled anew.
    """
    generator = copy.deepcopy(generator)
    generator.net.denoising_unet.compile(dynamic=False)
    generator.vae.decoder.compile(dynamic=False)
    return generator


def main(
    portraits: Annotated[Path, typer.Option(help="Folder of photos of faces.")],
    store: Annotated[Path, typer.Option(help="The .jsonl to add figures to.")],
    table: Annotated[Path, typer.Option(help="The .json for medians and intervals.")],
    methods: Annotated[str, typer.Option(help="Separated by semicolons; see `method`.")] = (
        "strong;" + ";".join(BASELINES)
    ),
    purify: Annotated[str, typer.Option(help="Clean-ups, separated by semicolons.")] = (
        ";".join(PURIFIERS)
    ),
    guidance: Annotated[str, typer.Option(help="Separated by commas.")] = "1,2,3.5,5",
    linf: Annotated[
        float | None, typer.Option(help="Largest change, in 255ths; each preset's own if none.")
    ] = None,
    focus: Annotated[float, typer.Option(help="With --linf, see `Budget`.")] = 0.0,
    psnr: Annotated[float, typer.Option(help="With --linf, of the whole change, likewise.")] = 0.0,
    count: Annotated[int, typer.Option(help="Portraits, at most.")] = 20,
    frames: Annotated[int, typer.Option(help="Video frames per attack.")] = 16,
    clip: Annotated[int, typer.Option(help="Of these, how many are made at once.")] = 16,
    draws: Annotated[int, typer.Option(help="Attacks on each photo; see `Trial`.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes of one thread.")] = 1,
    generator: Annotated[Path | None, typer.Option(help="Whom to protect against.")] = None,
    also: Annotated[Path | None, typer.Option(help="Whom to protect against at once.")] = None,
    attacker: Annotated[Path | None, typer.Option(help="Another generator that attacks.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Folder for the protected photos.")] = None,
    ours: Annotated[str, typer.Option(help="Of the methods, the one to measure others by.")] = "",
    fast: Annotated[bool, typer.Option("--compile", help="Compile the attacker first.")] = False,
) -> None:
    """Protect portraits by several methods within one budget, attack them, and compare."""
    budget = Budget(linf / 255, focus=focus, psnr=psnr) if linf else None
    protected_against = load_generator(generator)
    attacks = load_generator(attacker) if attacker else protected_against
    settings = (
        protected_against,
        held_out_voices(),
        [method(name.strip(), budget) for name in methods.split(";")],
        [name.strip() for name in purify.split(";")],
        [float(value) for value in guidance.split(",")],
        frames,
        with_clips(compiled(attacks) if fast else attacks, clip),
        [load_generator(also)] if also else [],
        draws,
    )
    trial = keeping(settings, keep)
    photos = list(photos_with_a_face(portraits, count, trial.generator))
    tabulate(trial, photos, store, table, workers, against(ours))


if __name__ == "__main__":
    typer.run(main)
