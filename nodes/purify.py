"""What others do to a photo: clean-ups; and what chance does: noise."""

from __future__ import annotations

import dataclasses

from comfy_api.latest import io
from torch import Tensor

from . import values
from .host import Bar, work
from .types import CATEGORY, generator_input, seed_input


class PurifyImage(io.ComfyNode):
    """A photo after platforms and attackers had it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerPurifyImage",
            display_name="Purify Image",
            category=CATEGORY,
            description="Does to a photo what platforms and attackers do: real codecs, resizing, "
            "filters, and denoising by a diffusion model, in any order.",
            inputs=[
                io.Image.Input("image", tooltip="Photos, rounded to 8 bit first."),
                io.String.Input(
                    "sequence",
                    default="jpeg:75,resize:0.5",
                    tooltip="Steps in order, separated by commas, parameters after colons: none, "
                    "jpeg:75, webp:75, resize:0.5:lanczos, crop:0.9, blur:1, median:3, "
                    "bilateral:7:0.1, guided:7:0.01, grey, noise:0.03; with a generator "
                    "sdedit:0.15, diffpure:0.15, gridpure:20, upscale:0.05.",
                ),
                seed_input("Of the steps that draw noise."),
                generator_input(optional=True, tooltip="Whose denoiser the diffusion steps use."),
            ],
            outputs=[
                io.Image.Output(
                    "purified",
                    display_name="purified",
                    tooltip="What is left; resize and crop change its size.",
                )
            ],
        )

    @classmethod
    @work
    def execute(cls, image: Tensor, sequence: str, seed: int, generator=None) -> io.NodeOutput:
        from silencer_core.purifiers.sequence import purify

        photos, hallo = values.photos(image), generator and generator.ready()
        bar, done = Bar(), []
        for number, photo in enumerate(photos):
            bar(number, len(photos))
            pixels = purify(photo.pixels, sequence, seed, hallo)
            kept = photo.alpha if pixels.shape == photo.pixels.shape else None
            done.append(values.with_alpha(dataclasses.replace(photo, pixels=pixels, alpha=kept)))
        bar(len(photos), len(photos))
        return io.NodeOutput(values.image(done))


class NoiseControl(io.ComfyNode):
    """Random changes as large as a protection."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerNoiseControl",
            display_name="Random-Noise Control",
            category=CATEGORY,
            description="Random noise as large as a protection, where the protection is: what a "
            "change of its size does by itself.",
            inputs=[
                io.Image.Input("before", tooltip="The photo before it was protected."),
                io.Image.Input("after", tooltip="The protected photo."),
                seed_input("Of the noise."),
            ],
            outputs=[
                io.Image.Output(
                    "equal_linf",
                    display_name="equal_linf",
                    tooltip="Uniform noise, its largest change as large.",
                ),
                io.Image.Output(
                    "equal_l2",
                    display_name="equal_l2",
                    tooltip="Gaussian noise, its energy as large.",
                ),
            ],
        )

    @classmethod
    @work
    def execute(cls, before: Tensor, after: Tensor, seed: int) -> io.NodeOutput:
        from silencer_core.scores.controls import noise_controls

        pair = (values.photo(before, "before").pixels, values.photo(after, "after").pixels)
        return io.NodeOutput(*(values.image([one]) for one in noise_controls(*pair, seed).values()))
