"""Invert Latent."""

from __future__ import annotations

from comfy_api.latest import io

from . import values
from .host import Bar, work
from .types import CATEGORY, Latent, generator_input, portrait_input


class InvertLatent(io.ComfyNode):
    """The noisy latent from which the generator draws the portrait again."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerInvertLatent",
            display_name="Invert Latent",
            category=CATEGORY,
            description="Takes a portrait a few steps up the noise schedule, so that denoising "
            "brings it back: where stage II of a protection works.",
            inputs=[
                generator_input(),
                portrait_input("One photo, or one portrait from Find Portrait."),
                io.Int.Input(
                    "steps",
                    default=20,
                    min=1,
                    max=1000,
                    tooltip="Steps of the schedule that the depth counts in.",
                ),
                io.Int.Input(
                    "depth",
                    default=2,
                    min=0,
                    max=1000,
                    tooltip="Steps up, no more than there are; 0 is the latent without noise.",
                ),
            ],
            outputs=[
                Latent.Output(
                    "latent",
                    display_name="latent",
                    tooltip="The inverted latent, for Protect Portrait.",
                ),
                io.Image.Output(
                    "reconstruction",
                    display_name="reconstruction",
                    tooltip="What the generator makes of it, to be looked at.",
                ),
            ],
        )

    @classmethod
    @work
    def execute(cls, generator, portrait, steps: int, depth: int) -> io.NodeOutput:
        from silencer_core.optimise.inversion import invert

        hallo = generator.ready()
        found = values.only_portrait(portrait, hallo)
        latent = invert(hallo, found, steps=steps, depth=depth, progress=Bar())
        rebuilt = (latent.rebuilt / 2 + 0.5).clamp(0, 1)
        return io.NodeOutput(values.Inverted(latent, generator), values.image([rebuilt]))
