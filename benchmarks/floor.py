"""How little one who knows the attack leaves: python benchmarks/floor.py --help

A protection that knows what none can: the very recordings that the attacker will play, the length
of his clips, his guidances, and whether he cleans anything. It may change all that the generator
sees, or the face alone as presets do, keeps the preset's PSNR and takes its time. What it leaves of
the wide window, or with --lip of the mouth's movement, tells how much there is still to take. It
bounds no other: with --other-voices it knows all but the recordings, and what it learns from eight
others holds as well as what it learns from two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from protection import base_of, compiled, earlier, method, tabulate, with_clips

from silencer_core.audio import Speech
from silencer_core.bench_protect import Trial, Tried, cells, photos_with_a_face
from silencer_core.generators import load_generator
from silencer_core.objectives.rollout import NullifyRollout
from silencer_core.optimise.budget import Budget
from silencer_core.optimise.descent import Descent
from silencer_core.photo import Photo
from silencer_core.presets import SAMPLINGS, Preset
from silencer_core.purifiers.sequence import NONE
from silencer_core.voices import held_out_voices

_RATE = 0.4  # of the first steps, as a share of the whole change


def knowing(
    chosen: Preset,
    guidances: Sequence[float],
    frames: int,
    steps: int,
    diffusion: float = 0.0,
    face_only: bool = False,
    lip: float = 0.0,
    voices: bool = True,
) -> Preset:
    """A preset's PSNR, spent by one who knows the attack, if not its voices."""
    objective = NullifyRollout(guidance=tuple(guidances), frames=frames, lip=lip)
    if diffusion:
        objective = replace(
            SAMPLINGS, objective=objective, share=0.0, diffusion=1.0, diffusion_time=diffusion
        )
    budget = Budget(1.0, face_only=face_only, psnr=chosen.budget.psnr)
    descent = Descent(steps, norm="l2", rate=_RATE * budget.rms)
    aim = " in the face" * face_only + ", lips first" * bool(lip)
    known = "all-knowing" if voices else "knowing all but the voices"
    return Preset(f"{chosen.name}, {known}{aim}", objective, budget, descent)


@dataclass(frozen=True)
class KnowingTrial(Trial):
    """A trial of some portraits, each protected against what the attack on it will say.

    Attributes:
        only: names of these portraits; the others are passed over.
        knows_voices: or else protections hear the package's own.
    """

    only: frozenset[str] = frozenset()
    knows_voices: bool = True

    def __call__(self, number: int, name: str, photo: Photo) -> list[Tried]:
        """One portrait with every preset; nothing of one that is passed over."""
        return super().__call__(number, name, photo) if name in self.only else []

    def heard(self, number: int) -> Sequence[Speech] | None:
        """What the attack says, if that is known."""
        return self.said(number) if self.knows_voices else super().heard(number)


def least(found: Iterable[Tried], before: Iterable[dict], count: int) -> list[dict]:
    """The wide window's 90th percentile over `count` portraits, were all others left nothing.

    Beside it stands what `earlier` presets left, or where there is none, the preset of that name,
    whatever share of its change (`NAME~change`) may be made.
    """
    tenths = {
        (row["preset"], row["purify"], row["guidance"]): row["window_ratio"]["p90"]
        for row in before
    }
    out = []
    for (preset, purify, guidance), group in cells(found).items():
        known = [one.window_ratio for one in group]
        tenth = float(np.percentile([*known, *[0.0] * (count - len(known))], 90))
        name = preset.partition(",")[0]
        same = (base_of(name), purify, guidance)
        for other in earlier((name, purify, guidance), tenths) or [same]:
            was = tenths[other]
            row = {"preset": preset, "beside": other[0], "purify": purify, "guidance": guidance}
            out.append(row | {"before": was, "least": tenth, "ratio": tenth / was})
    return out


def main(
    portraits: Annotated[Path, typer.Option(help="Folder of photos of faces.")],
    only: Annotated[str, typer.Option(help="Names of those to measure, separated by commas.")],
    store: Annotated[Path, typer.Option(help="The .jsonl to add figures to.")],
    table: Annotated[Path, typer.Option(help="The .json for medians and intervals.")],
    before: Annotated[Path, typer.Option(help="The .json of what presets left before.")],
    presets: Annotated[
        str, typer.Option(help="Methods whose PSNR may be spent, separated by semicolons.")
    ] = "strong",
    guidance: Annotated[str, typer.Option(help="Separated by commas.")] = "1,2",
    steps: Annotated[int, typer.Option(help="Of each protection.")] = 100,
    count: Annotated[int, typer.Option(help="Portraits, at most, with those passed over.")] = 20,
    frames: Annotated[int, typer.Option(help="Video frames per attack.")] = 16,
    diffusion: Annotated[float, typer.Option(help="Cleans before attacks; 0 never.")] = 0.0,
    draws: Annotated[int, typer.Option(help="Attacks on each photo; see `Trial`.")] = 1,
    face_only: Annotated[bool, typer.Option("--face-only", help="Change the face alone.")] = False,
    lip: Annotated[float, typer.Option(help="Weight of the lips in its loss beside 1.")] = 0.0,
    voices: Annotated[
        bool,
        typer.Option(
            "--known-voices/--other-voices", help="What it hears: the attack's, or the package's."
        ),
    ] = True,
    workers: Annotated[int, typer.Option(help="Processes of one thread.")] = 1,
    fast: Annotated[bool, typer.Option("--compile", help="Compile the attacker first.")] = False,
) -> None:
    """Protect portraits knowing the attack, and attack them."""
    left_before = json.loads(before.read_text())["rows"]
    generator = load_generator()
    guidances = [float(value) for value in guidance.split(",")]
    chosen = [
        knowing(method(name), guidances, frames, steps, diffusion, face_only, lip, voices)
        for name in presets.split(";")
    ]
    trial = KnowingTrial(
        generator,
        held_out_voices(),
        chosen,
        [f"diffpure:{diffusion:g}" if diffusion else NONE],
        guidances,
        frames,
        with_clips(compiled(generator) if fast else generator, frames),
        draws=draws,
        only=frozenset(only.split(",")),
        knows_voices=voices,
    )
    photos = list(photos_with_a_face(portraits, count, generator))

    def more(found: list[Tried]) -> dict:
        return {"least": least(found, left_before, len(photos))}

    tabulate(trial, photos, store, table, workers, more)


if __name__ == "__main__":
    typer.run(main)
