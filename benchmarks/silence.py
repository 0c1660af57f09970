"""What a generator that hears nothing would score: python benchmarks/silence.py --help

The gain of its mouth on the speech's openings when it is given silence instead, as a share of the
gain with speech. No protection can score less but by chance: it is the noise of the meter and of
a mouth that idles. Given protected photos, too, it idles in other ways; with --tried, this is taken
from the gains that protection.py found in the same attacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from protection import compiled, keeping, method, stored, tails, with_clips, write_table
from torch import Tensor

from silencer_core.audio import Speech
from silencer_core.bench_protect import (
    LEAST_GAIN,
    Trial,
    Tried,
    photos_with_a_face,
    try_presets,
)
from silencer_core.errors import SilencerError
from silencer_core.generators import load_generator
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.photo import Photo
from silencer_core.purifiers.sequence import NONE, purify
from silencer_core.scores.attack import attack, hushed
from silencer_core.scores.intervals import interval
from silencer_core.scores.motion import gain
from silencer_core.scores.mouth import built_in_meter, read_openings
from silencer_core.scores.targets import Finder, Target
from silencer_core.scores.verify import UNPROTECTED
from silencer_core.voices import held_out_voices

SAME = 0.002  # of gains: what four decimals and another order of sums change


@dataclass(frozen=True)
class Heard:
    """Gains of one portrait at one guidance: its own with speech, a photo of it with silence."""

    portrait: str
    photo: str
    guidance: float
    speech: float
    silence: float


@dataclass(frozen=True)
class Hushed:
    """Silence for the untouched photo and for what every preset of a trial makes of it."""

    trial: Trial

    def __call__(self, number: int, name: str, photo: Photo) -> list[Heard]:
        """One portrait."""
        trial, photos = self.trial, {UNPROTECTED: photo.pixels}
        for preset in trial.presets:
            photos[preset.name] = trial.protected(number, name, photo, preset).pixels
        (sequence,) = trial.purifiers
        met = targets(trial.attacker, photos, sequence, trial.draws)
        said, seeds = trial.said(number), trial.seeds(number)
        found = []
        for guidance in trial.guidances:
            speech, silence = gains(trial.attacker, met, said, seeds, guidance, trial.frames)
            found += [Heard(name, kind, guidance, speech, one) for kind, one in silence.items()]
        return found


def targets(
    generator: Hallo, photos: Mapping[str, Tensor], sequence: str, draws: int
) -> list[list[Target]]:
    """All photos after each draw of a clean-up, as `verify` meets them."""
    finder = Finder(generator.config, generator.faces())
    untouched = finder.find(photos[UNPROTECTED])
    found = []
    for draw in range(draws):
        clean = partial(purify, seed=draw, generator=generator, place=untouched)
        found.append(list(finder.targets(photos, sequence, clean, lambda: untouched)))
    return found


def gains(
    generator: Hallo,
    met: Sequence[Sequence[Target]],
    speeches: Sequence[Speech],
    seeds: Sequence[int],
    guidance: float,
    frames: int,
) -> tuple[float, dict[str, float]]:
    """The untouched photo's with speech and every photo's with silence.

    Means over the draws of the clean-up, each attacked with another seed.
    """
    meter, speech = built_in_meter(), 0.0
    silence = {one.photo: 0.0 for one in met[0]}
    for photos, seed in zip(met, seeds, strict=True):
        for target in photos:
            settings = (generator, target.portrait, speeches, seed, guidance)
            if target.photo == UNPROTECTED:
                runs = attack(*settings, frames=frames)
                asked, silent = runs.asked, runs.silent
                said = [read_openings(meter, video, target.mouth) for video in runs.spoken]
                speech += gain(asked, said) / len(seeds)
            else:
                asked, silent = hushed(*settings, frames=frames)
            hush = read_openings(meter, silent, target.mouth)
            silence[target.photo] += gain(asked, [hush[: len(one)] for one in asked]) / len(seeds)
    return speech, silence


def answers(tried: Iterable[Tried], found: Sequence[Heard]) -> list[Tried]:
    """Figures with the gain of silence taken from every gain: what is left answers the speech.

    A mouth that idles does so with either from the same noise, and with speech that it does not
    hear it moves by chance alone. What nobody gave silence to is left out.

    Raises:
        SilencerError: these were not the same attacks.
    """
    idle = {(one.portrait, one.photo, one.guidance): one for one in found}
    out = []
    for one in tried:
        own = idle.get((one.portrait, one.preset, one.guidance))
        if own is None:
            continue
        if abs(own.speech - one.gain_unprotected) > SAME:
            raise SilencerError(
                f"{one.portrait}: unprotected, speech gained {own.speech:.4f} here and "
                f"{one.gain_unprotected:.4f} there: give the store of the same attacks."
            )
        untouched = idle[one.portrait, UNPROTECTED, one.guidance]
        left, whole = one.gain - own.silence, one.gain_unprotected - untouched.silence
        out.append(replace(one, gain=left, gain_unprotected=whole, gain_ratio=left / whole))
    return out


def rows(found: Sequence[Heard], purify: str) -> list[dict]:
    """Per photo and guidance the size of silence's gain over that of speech, where there is one."""
    out = []
    for photo, guidance in dict.fromkeys((one.photo, one.guidance) for one in found):
        here = [one for one in found if (one.photo, one.guidance) == (photo, guidance)]
        told = [abs(one.silence) / one.speech for one in here if one.speech >= LEAST_GAIN]
        row = {"preset": photo, "purify": purify, "guidance": guidance, "portraits": len(here)}
        out.append(row | {"gain_ratio": asdict(interval(told))})
    return out


def main(
    portraits: Annotated[Path, typer.Option(help="Folder of photos of faces.")],
    table: Annotated[Path, typer.Option(help="The .json for medians and percentiles.")],
    methods: Annotated[
        str, typer.Option(help="Also protected by these; as for protection.py.")
    ] = "",
    purify: Annotated[str, typer.Option(help="A clean-up.")] = NONE,
    guidance: Annotated[str, typer.Option(help="Separated by commas.")] = "1,2",
    count: Annotated[int, typer.Option(help="Portraits, at most.")] = 20,
    frames: Annotated[int, typer.Option(help="Video frames per attack.")] = 16,
    draws: Annotated[int, typer.Option(help="Attacks on each photo; see `Trial`.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes of one thread.")] = 1,
    keep: Annotated[Path | None, typer.Option(help="Folder for the protected photos.")] = None,
    tried: Annotated[
        Path | None, typer.Option(exists=True, help="Store of protection.py, of the same attacks.")
    ] = None,
    fast: Annotated[bool, typer.Option("--compile", help="Compile the attacker first.")] = False,
) -> None:
    """Give portraits speech and silence, and compare."""
    generator = load_generator()
    settings = (
        generator,
        held_out_voices(),
        [method(name.strip()) for name in methods.split(";") if name],
        [purify],
        [float(value) for value in guidance.split(",")],
        frames,
        with_clips(compiled(generator) if fast else generator, frames),
        [],
        draws,
    )
    trial = keeping(settings, keep)
    found: list[Heard] = []
    photos = list(photos_with_a_face(portraits, count, generator))
    for number, some in enumerate(try_presets(Hushed(trial), photos, workers), start=1):
        found += some
        print(f"{number} of {len(photos)} portraits", flush=True)
    told = {"rows": rows(found, purify)}
    write_table(table, told)  # before figures of other attacks may be refused
    if tried:
        write_table(table, told | {"tails": tails(answers(stored(tried), found))})


if __name__ == "__main__":
    typer.run(main)
