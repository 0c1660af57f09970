"""Ways to protect, by purpose; `silencer bench protect` measures how far each holds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from silencer_core.checks import check_number, check_whole
from silencer_core.errors import SilencerError
from silencer_core.objectives.anti_purify import AntiPurify
from silencer_core.objectives.nullify import NullifyAudio
from silencer_core.objectives.objective import Objective
from silencer_core.objectives.rollout import NullifyRollout
from silencer_core.optimise.budget import Budget
from silencer_core.optimise.descent import Descent


@dataclass(frozen=True)
class LatentStage:
    """Stage II after the pixels: AdamW on the inverted latent.

    Attributes:
        steps: of AdamW; 0 leaves the stage out.
        inversion_steps, depth: of DDIM, see `invert`.
        learning_rate: of AdamW.
    """

    steps: int = 0
    inversion_steps: int = 20
    depth: int = 2
    learning_rate: float = 0.02

    def __post_init__(self) -> None:
        check_whole("latent stage: steps", self.steps, 0, 1_000_000)
        check_whole("latent stage: inversion_steps", self.inversion_steps, 1, 1000)
        check_whole("latent stage: depth", self.depth, 0, self.inversion_steps)
        check_number("latent stage: learning_rate", self.learning_rate, 0, 10)


@dataclass(frozen=True)
class Preset:
    """All settings of a protection."""

    name: str
    objective: Objective
    budget: Budget
    descent: Descent
    latent: LatentStage = LatentStage()


#: Whole samplings, four of five steps after the diffusion purifier.
SAMPLINGS = AntiPurify(
    NullifyRollout(), share=0.4, diffusion=0.8, gradient="through", misplaced=0.01
)

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "fast",
            AntiPurify(NullifyAudio(draws=1), share=0.4),
            Budget(12 / 255, focus=0.8),
            Descent(steps=40, rate=2 / 255, validate_every=20),
        ),
        Preset(
            "balanced",
            SAMPLINGS,
            Budget(18 / 255, focus=0.5, psnr=37.5),
            Descent(steps=20, norm="l2", rate=1 / 255),
        ),
        Preset(
            "strong",
            SAMPLINGS,
            Budget(24 / 255, focus=0.5, psnr=34.4),
            Descent(steps=20, norm="l2", rate=1.5 / 255),
        ),
    )
}
DEFAULT = "balanced"


def preset(name: str) -> Preset:
    """The preset of a name; raises SilencerError naming those there are."""
    if name not in PRESETS:
        raise SilencerError(f"there is no preset {name!r}: choose {', '.join(PRESETS)}.")
    return PRESETS[name]


def with_steps(chosen: Preset, steps: int) -> Preset:
    """The same with another number of steps."""
    return dataclasses.replace(chosen, descent=dataclasses.replace(chosen.descent, steps=steps))
