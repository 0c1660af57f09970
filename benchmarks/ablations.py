"""What each part of a protection is worth: python benchmarks/ablations.py --help

One setting at a time is changed in `BASE`, single predictions in ten signed steps within 8/255:
with more, nearly everything silences the mouth and no difference shows.
Kept and gone on with like what benchmarks/protection.py measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from protection import against, compiled, tabulate, with_clips

from silencer_core.audio import DrivingAudio
from silencer_core.bench_protect import Trial, photos_with_a_face
from silencer_core.generators import load_generator
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.objectives.anti_purify import AntiPurify
from silencer_core.objectives.combined import Combined
from silencer_core.objectives.nullify import NullifyAudio
from silencer_core.objectives.objective import BoundObjective, Objective
from silencer_core.objectives.rollout import NullifyRollout
from silencer_core.optimise.budget import Budget
from silencer_core.optimise.descent import Descent
from silencer_core.portrait import Portrait
from silencer_core.presets import LatentStage, Preset
from silencer_core.voices import held_out_voices


@dataclass(frozen=True)
class FewVoices:
    """An objective that hears only the first `count` recordings; see `Objective`."""

    objective: Objective
    count: int

    def bind(
        self, generator: Hallo, portrait: Portrait, audio: Sequence[DrivingAudio], seed: int = 0
    ) -> BoundObjective:
        return self.objective.bind(generator, portrait, audio[: self.count], seed)


BASE = Preset(
    "as it is",
    AntiPurify(NullifyAudio(intervals=((700, 1000),), draws=1), share=0.4, diffusion=0.8),
    Budget(8 / 255, focus=0.8),
    Descent(steps=10, rate=2 / 255, validate_every=5),
)
LOSS = BASE.objective.objective


def loss(**changed) -> Preset:
    """Other settings of the nullifying loss."""
    return seen(objective=replace(LOSS, **changed))


def seen(**changed) -> Preset:
    """Other clean-ups on the way, or another loss behind them."""
    return replace(BASE, objective=replace(BASE.objective, **changed))


def descent(**changed) -> Preset:
    """Another descent."""
    return replace(BASE, descent=replace(BASE.descent, **changed))


def budget(**changed) -> Preset:
    """Another budget."""
    return replace(BASE, budget=replace(BASE.budget, **changed))


def latent(depth: int) -> Preset:
    """All steps on the inverted latent."""
    stage = LatentStage(steps=BASE.descent.steps, depth=depth, learning_rate=0.06)
    return replace(descent(steps=0), budget=replace(BASE.budget, linf=16 / 255), latent=stage)


def instead(objective: Objective) -> Preset:
    """Another loss behind the same clean-ups."""
    return seen(objective=objective)


#: What is changed -> the whole preset.
VARIANTS: dict[str, Preset] = {
    "as it is": BASE,
    "timesteps 0 to 400": loss(intervals=((0, 400),)),
    "timesteps 200 to 300 (Silencer's)": loss(intervals=((200, 300),)),
    "timesteps 400 to 700": loss(intervals=((400, 700),)),
    "timesteps 400 to 1000": loss(intervals=((400, 1000),)),
    "timesteps 0 to 1000": loss(intervals=((0, 1000),)),
    "min-SNR weights": loss(min_snr=True),
    "2 draws a step": loss(draws=2),
    "1 frame": loss(frames=1),
    "8 frames": loss(frames=8),
    "16 frames": loss(frames=16),
    "1 voice": instead(FewVoices(LOSS, 1)),
    "2 voices": instead(FewVoices(LOSS, 2)),
    "static term alone (Silencer's)": loss(static=1.0, silence=0.0),
    "static term too": loss(static=1.0),
    "another voice instead of silence": loss(silence=0.0, other_voice=1.0),
    "another voice too": loss(other_voice=1.0),
    "talking latents, half": loss(talking=0.5),
    "lips count once": loss(lip=0.0),
    "lips count 49 times": loss(lip=48.0),
    "face counts 7 times": loss(face=6.0),
    "channels count as they show": loss(visible=True),
    "lips count once, channels as they show": loss(lip=0.0, visible=True),
    "whole sampling instead of one prediction": instead(NullifyRollout()),
    "both": instead(Combined(((1.0, LOSS), (1.0, NullifyRollout())))),
    "no momentum": descent(momentum=0.0),
    "gradients blurred by 1/50 of the side": descent(smoothing=0.02),
    "a third of the gradients' colour": descent(colour=0.33),
    "brightness alone": descent(colour=0.0),
    "random start": descent(random_start=1.0),
    "rate 1/255": descent(rate=1 / 255),
    "rate 4/255": descent(rate=4 / 255),
    "last kept, not best": descent(keep="last"),
    "along the gradient, 41.6 dB": replace(
        descent(norm="l2", rate=1 / 255), budget=Budget(16 / 255, focus=0.5, psnr=41.6)
    ),
    "no clean-ups on the way": seen(share=0.0),
    "clean-ups in 4 of 5 steps": seen(share=0.8),
    "no diffusion on the way": seen(diffusion=0.0),
    "diffusion in half of the steps": seen(diffusion=0.5),
    "diffusion in all steps": seen(diffusion=1.0),
    "diffusion of a quarter of the noise": seen(diffusion_time=0.25),
    "gradient of the diffusion purifier": seen(gradient="through"),
    "crop misplaced by up to 1/50": seen(misplaced=0.02),
    "crop misplaced by up to 1/25": seen(misplaced=0.04),
    "what diffusion makes of it stays": seen(keep=10.0),
    "4/255": budget(linf=4 / 255),
    "12/255": budget(linf=12 / 255),
    "16/255": budget(linf=16 / 255),
    "whole face alike": budget(focus=0.0),
    "whole crop alike": budget(focus=0.0, face_only=False),
    "less on smooth skin": budget(smooth_skin=0.5),
    "latent alone, depth 1, 16/255": latent(1),
    "latent alone, depth 2, 16/255": latent(2),
    "latent alone, depth 4, 16/255": latent(4),
}


def main(
    portraits: Annotated[Path, typer.Option(help="Folder of photos of faces.")],
    store: Annotated[Path, typer.Option(help="The .jsonl to add figures to.")],
    table: Annotated[Path, typer.Option(help="The .json for medians and intervals.")],
    purify: Annotated[str, typer.Option(help="Clean-ups, separated by semicolons.")] = (
        "none;diffpure:0.15"
    ),
    guidance: Annotated[str, typer.Option(help="Separated by commas.")] = "2",
    count: Annotated[int, typer.Option(help="Portraits, at most.")] = 10,
    clip: Annotated[int, typer.Option(help="Frames per attack, made at once.")] = 8,
    workers: Annotated[int, typer.Option(help="Processes of one thread.")] = 1,
    fast: Annotated[bool, typer.Option("--compile", help="Compile the attacker first.")] = False,
) -> None:
    """Protect portraits with one setting changed at a time, attack them, and compare."""
    generator = load_generator(None)
    trial = Trial(
        generator,
        held_out_voices(),
        [replace(preset, name=name) for name, preset in VARIANTS.items()],
        [name.strip() for name in purify.split(";")],
        [float(value) for value in guidance.split(",")],
        clip,
        with_clips(compiled(generator) if fast else generator, clip),
    )
    photos = list(photos_with_a_face(portraits, count, generator))
    tabulate(trial, photos, store, table, workers, against(BASE.name))


if __name__ == "__main__":
    typer.run(main)
