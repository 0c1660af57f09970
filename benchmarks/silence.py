"""What a generator that hears nothing would score: python benchmarks/silence.py --help

The gain of its mouth on the speech's openings when it is given silence instead, as a share of the
gain with speech. No protection can score less but by chance: it is the noise of the meter and of
a mouth that idles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from protection import compiled, with_clips, write_table
from torch import Tensor

from silencer_core.audio import Speech
from silencer_core.bench_protect import LEAST_GAIN, Trial, photos_with_a_face
from silencer_core.generators import load_generator
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.purifiers.sequence import NONE, purify
from silencer_core.scores.attack import attack
from silencer_core.scores.intervals import interval
from silencer_core.scores.motion import gain
from silencer_core.scores.mouth import built_in_meter, read_openings
from silencer_core.scores.targets import Finder, Target
from silencer_core.scores.verify import UNPROTECTED
from silencer_core.voices import held_out_voices


@dataclass(frozen=True)
class Heard:
    """Gains of one portrait at one guidance, with speech and with silence."""

    guidance: float
    speech: float
    silence: float


def targets(generator: Hallo, photo: Tensor, sequence: str, draws: int) -> list[Target]:
    """The photo after each draw of a clean-up, as `verify` meets it."""
    finder = Finder(generator.config, generator.faces())
    untouched = finder.find(photo)
    found = []
    for draw in range(draws):
        clean = partial(purify, seed=draw, generator=generator, place=untouched)
        found += finder.targets({UNPROTECTED: photo}, sequence, clean, lambda: untouched)
    return found


def heard(
    generator: Hallo,
    portraits: Sequence[Target],
    speeches: Sequence[Speech],
    seeds: Sequence[int],
    guidance: float,
    frames: int,
) -> Heard:
    """Means over the targets, each attacked with another seed."""
    meter, spoken, silent = built_in_meter(), 0.0, 0.0
    for target, seed in zip(portraits, seeds, strict=True):
        runs = attack(generator, target.portrait, speeches, seed, guidance, frames=frames)
        said = [read_openings(meter, video, target.mouth) for video in runs.spoken]
        hush = read_openings(meter, runs.silent, target.mouth)
        spoken += gain(runs.asked, said) / len(seeds)
        silent += gain(runs.asked, [hush[: len(one)] for one in runs.asked]) / len(seeds)
    return Heard(guidance, spoken, silent)


def rows(found: Sequence[Heard], purify: str) -> list[dict]:
    """Per guidance, the size of silence's gain over that of speech, where there is one."""
    out = []
    for guidance in dict.fromkeys(one.guidance for one in found):
        here = [one for one in found if one.guidance == guidance]
        told = [abs(one.silence) / one.speech for one in here if one.speech >= LEAST_GAIN]
        row = {"purify": purify, "guidance": guidance, "portraits": len(here)}
        out.append(row | {"gain_ratio": asdict(interval(told))})
    return out


def main(
    portraits: Annotated[Path, typer.Option(help="Folder of photos of faces.")],
    table: Annotated[Path, typer.Option(help="The .json for medians and percentiles.")],
    purify: Annotated[str, typer.Option(help="A clean-up.")] = NONE,
    guidance: Annotated[str, typer.Option(help="Separated by commas.")] = "1,2",
    count: Annotated[int, typer.Option(help="Portraits, at most.")] = 20,
    frames: Annotated[int, typer.Option(help="Video frames per attack.")] = 16,
    draws: Annotated[int, typer.Option(help="Attacks on each photo; see `Trial`.")] = 1,
    fast: Annotated[bool, typer.Option("--compile", help="Compile the attacker first.")] = False,
) -> None:
    """Give portraits speech and silence, and compare."""
    generator = load_generator()
    attacks = with_clips(compiled(generator) if fast else generator, frames)
    trial = Trial(attacks, held_out_voices(), [], [purify], [], frames, draws=draws)
    found: list[Heard] = []
    for number, (_, photo) in enumerate(photos_with_a_face(portraits, count, generator)):
        met = targets(attacks, photo.pixels, purify, draws)
        said, seeds = trial.said(number), trial.seeds(number)
        for strength in map(float, guidance.split(",")):
            found.append(heard(attacks, met, said, seeds, strength, frames))
        print(f"{number + 1} portraits", flush=True)
    write_table(table, {"rows": rows(found, purify)})


if __name__ == "__main__":
    typer.run(main)
