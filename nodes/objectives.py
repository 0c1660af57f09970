"""What a protection aims at: the losses, seen through clean-ups, and put together."""

from __future__ import annotations

import dataclasses

from comfy_api.latest import io

from silencer_core.objectives.baselines import BASELINES

from .host import work
from .types import CATEGORY, Objective, generator_input, voices_input
from .values import Aim

ROLLOUT, SINGLE = "whole attack", "single predictions"


def objective_output() -> io.Output:
    """The objective that every node here gives."""
    return Objective.Output(
        "aim",
        display_name="objective",
        tooltip="What Protect Portrait shall bring down, with the generator and voices it is for.",
    )


class NullifyAudioLoss(io.ComfyNode):
    """What the audio changes in what the generator makes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerNullifyAudioLoss",
            display_name="Nullify Audio Loss",
            category=CATEGORY,
            description="Asks that the generator makes the same of a portrait whether it hears "
            "speech or silence, or that it leaves the portrait still.",
            inputs=[
                generator_input(),
                io.Combo.Input(
                    "look_at",
                    options=[ROLLOUT, SINGLE],
                    default=ROLLOUT,
                    tooltip="whole attack: a short sampling with guidance, differentiated from end "
                    "to end; stronger and slower. single predictions: denoising steps drawn at "
                    "random, as the paper has it.",
                ),
                io.Int.Input(
                    "samples",
                    default=1,
                    min=1,
                    max=16,
                    tooltip="Draws of noise and audio that each step averages over.",
                ),
                io.Int.Input(
                    "frames", default=4, min=1, max=16, tooltip="Video frames in each draw."
                ),
                io.Float.Input(
                    "silence",
                    default=1.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="Weight of the difference between speech and silence.",
                ),
                io.Float.Input(
                    "still",
                    default=0.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="Weight of the distance to the portrait that does not move.",
                ),
                io.Float.Input(
                    "lips",
                    default=12.0,
                    min=0.0,
                    max=100.0,
                    step=1.0,
                    tooltip="How much more the lips count than the rest of the picture.",
                ),
                io.Int.Input(
                    "denoising_steps",
                    default=4,
                    min=1,
                    max=20,
                    tooltip="Of the whole attack; memory grows with them.",
                ),
                io.Int.Input(
                    "from_timestep",
                    default=400,
                    min=0,
                    max=999,
                    tooltip="Single predictions: the lowest noise level.",
                ),
                io.Int.Input(
                    "to_timestep",
                    default=1000,
                    min=1,
                    max=1000,
                    tooltip="Single predictions: the highest noise level, not included.",
                ),
                voices_input(),
            ],
            outputs=[objective_output()],
        )

    @classmethod
    @work
    def execute(
        cls,
        generator,
        look_at: str,
        samples: int,
        frames: int,
        silence: float,
        still: float,
        lips: float,
        denoising_steps: int,
        from_timestep: int,
        to_timestep: int,
        voices=None,
    ) -> io.NodeOutput:
        from silencer_core.objectives.nullify import NullifyAudio
        from silencer_core.objectives.rollout import NullifyRollout

        common = {"draws": samples, "frames": frames, "lip": lips}
        common |= {"silence": silence, "static": still}
        if look_at == ROLLOUT:
            loss = NullifyRollout(steps=denoising_steps, **common)
        else:
            loss = NullifyAudio(intervals=((from_timestep, to_timestep),), **common)
        return io.NodeOutput(Aim(loss, generator, voices))


class AntiPurify(io.ComfyNode):
    """An objective seen through clean-ups."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerAntiPurify",
            display_name="Anti-Purify",
            category=CATEGORY,
            description="Lets an objective see the photo as it is after compression, resizing, "
            "filters or denoising, so that the protection holds there too.",
            inputs=[
                Objective.Input("objective", tooltip="What shall hold after the clean-ups."),
                io.String.Input(
                    "sequences",
                    multiline=True,
                    default="random",
                    tooltip="One chain of clean-ups a line, such as jpeg:75,resize:0.5; each step "
                    "draws one of the lines. random: a new chain each time.",
                ),
                io.Float.Input(
                    "share",
                    default=0.3,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Of the steps that see the photo cleaned; the others see it as it is.",
                ),
                io.Float.Input(
                    "diffusion",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of the steps that also see it denoised by the generator.",
                ),
                io.Float.Input(
                    "diffusion_time",
                    default=0.15,
                    min=0.01,
                    max=0.9,
                    step=0.01,
                    tooltip="How much noise that denoising starts from.",
                ),
                io.Float.Input(
                    "keep",
                    default=0.0,
                    min=0.0,
                    max=1000.0,
                    step=0.1,
                    tooltip="Weight of what denoising changes: above 0, it shall not change much.",
                ),
                io.Combo.Input(
                    "gradient",
                    options=["straight", "through"],
                    default="straight",
                    optional=True,
                    tooltip="Of that denoising. through, its own, takes twice the time; the change "
                    "is smoother and survives it better.",
                ),
                io.Float.Input(
                    "misplaced",
                    default=0.0,
                    min=0.0,
                    max=0.2,
                    step=0.01,
                    optional=True,
                    tooltip="By how much of its side a generator's crop may lie elsewhere than "
                    "here: face finders see cleaned photos differently.",
                ),
            ],
            outputs=[objective_output()],
        )

    @classmethod
    @work
    def execute(cls, objective: Aim, sequences: str, **settings) -> io.NodeOutput:
        from silencer_core.objectives.anti_purify import AntiPurify

        lines = tuple(line.strip() for line in sequences.splitlines() if line.strip())
        cleaned = AntiPurify(objective.objective, lines, **settings)
        return io.NodeOutput(dataclasses.replace(objective, objective=cleaned))


class CombineObjectives(io.ComfyNode):
    """A weighted sum of objectives."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        def pair(number: int) -> list[io.Input]:
            optional = number > 2
            return [
                Objective.Input(
                    f"objective_{number}", optional=optional, tooltip="A term of the sum."
                ),
                io.Float.Input(
                    f"weight_{number}",
                    default=1.0,
                    min=0.0,
                    max=1000.0,
                    step=0.1,
                    optional=optional,
                    tooltip="Its weight; 0 leaves the term out.",
                ),
            ]

        return io.Schema(
            node_id="SilencerCombineObjectives",
            display_name="Combine Objectives",
            category=CATEGORY,
            description="Adds objectives, each with a weight. They share one generator; all hear "
            "all recordings.",
            inputs=[one for number in (1, 2, 3, 4) for one in pair(number)],
            outputs=[objective_output()],
        )

    @classmethod
    @work
    def execute(cls, **inputs) -> io.NodeOutput:
        pairs = [(inputs.get(f"weight_{n}", 1), inputs.get(f"objective_{n}")) for n in (1, 2, 3, 4)]
        return io.NodeOutput(Aim.sum([(weight, aim) for weight, aim in pairs if aim and weight]))


class BaselineLoss(io.ComfyNode):
    """Other people's protections, to compare with."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerBaselineLoss",
            display_name="Baseline Loss",
            category=CATEGORY,
            description="A published protection's loss, to be compared within the same budget.",
            inputs=[
                generator_input(),
                io.Combo.Input(
                    "method",
                    options=list(BASELINES),
                    tooltip="Which; the help page names the papers.",
                ),
                voices_input(),
            ],
            outputs=[objective_output()],
        )

    @classmethod
    @work
    def execute(cls, generator, method: str, voices=None) -> io.NodeOutput:
        return io.NodeOutput(Aim(BASELINES[method](), generator, voices))
