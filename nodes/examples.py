"""A photo and voices that come with the pack, so that a workflow runs as it is shipped."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io

import silencer_core

from . import values
from .host import work
from .types import CATEGORY

VOICES = Path(silencer_core.__file__).parent / "voices"
PHOTOS = ["astronaut"]


class ExamplePortrait(io.ComfyNode):
    """A portrait in the public domain."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerExamplePortrait",
            display_name="Example Portrait",
            category=CATEGORY,
            description="A portrait to try with: astronaut Eileen Collins, NASA, public domain. "
            "Put Load Image in its place for your own.",
            inputs=[io.Combo.Input("portrait", options=PHOTOS, tooltip="Which portrait.")],
            outputs=[io.Image.Output("photo", display_name="photo", tooltip="512 x 512 pixels.")],
        )

    @classmethod
    @work
    def execute(cls, portrait: str) -> io.NodeOutput:
        from silencer_core.demo import demo_photo

        return io.NodeOutput(values.image([demo_photo().pixels]))


class ExampleSpeech(io.ComfyNode):
    """A synthesised sentence."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerExampleSpeech",
            display_name="Example Speech",
            category=CATEGORY,
            description="A synthesised sentence to try with. Put Load Audio in its place for your "
            "own.",
            inputs=[
                io.Combo.Input(
                    "voice",
                    options=sorted(path.stem for path in VOICES.glob("*.ogg")),
                    default="held_out_00",
                    tooltip="held_out: voices that no protection hears by itself, to measure "
                    "with. protect: those that it is made against.",
                ),
                io.Float.Input(
                    "seconds",
                    default=3.0,
                    min=0.0,
                    max=60.0,
                    step=0.1,
                    tooltip="Takes so much from the beginning; 0 takes all.",
                ),
            ],
            outputs=[io.Audio.Output("speech", display_name="speech", tooltip="The sentence.")],
        )

    @classmethod
    @work
    def execute(cls, voice: str, seconds: float) -> io.NodeOutput:
        from silencer_core.audio import read_speech

        return io.NodeOutput(values.sound(read_speech(VOICES / f"{voice}.ogg"), seconds or None))
