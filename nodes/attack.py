"""Talking-Head Attack."""

from __future__ import annotations

from fractions import Fraction

from comfy_api.latest import InputImpl, Types, io

from . import values
from .host import Bar, work
from .types import CATEGORY, generator_input, portrait_input, seed_input


class Attack(io.ComfyNode):
    """A photo made to say a recording, to see whether a protection holds."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerAttack",
            display_name="Talking-Head Attack",
            category=CATEGORY,
            description="Makes a photo say a recording, to verify its protection. Use it on "
            "portraits that you may use.",
            inputs=[
                generator_input(),
                portrait_input("One photo, or one portrait from Find Portrait."),
                io.Audio.Input("audio", tooltip="What it shall say."),
                seed_input("Of the noise. Compare photos with one and the same seed."),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=1000,
                    tooltip="Denoising steps per clip; 0 takes the generator's own.",
                ),
                io.Float.Input(
                    "guidance",
                    default=0.0,
                    min=0.0,
                    max=20.0,
                    step=0.1,
                    tooltip="How much the audio is exaggerated; 1 not at all, 0 takes the "
                    "generator's own.",
                ),
                io.Boolean.Input(
                    "visible_mark",
                    default=True,
                    tooltip="Writes SYNTHETIC into a corner of every frame. Leave it out for "
                    "frames that are scored.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "frames",
                    display_name="frames",
                    tooltip="The video's frames, at the generator's size.",
                ),
                io.Audio.Output(
                    "sound", display_name="sound", tooltip="The recording, as long as the frames."
                ),
                io.Float.Output(
                    "fps", display_name="fps", tooltip="Frames per second, for Create Video."
                ),
                io.Video.Output(
                    "video",
                    display_name="video",
                    tooltip="Frames and sound together, for Save Video.",
                ),
            ],
        )

    @classmethod
    @work
    def execute(
        cls,
        generator,
        portrait,
        audio: dict,
        seed: int,
        steps: int,
        guidance: float,
        visible_mark: bool,
    ) -> io.NodeOutput:
        from silencer_core.generators.hallo.sampling import animate

        hallo, bar = generator.ready(), Bar()
        driving = hallo.drive(values.speech(audio))
        frames = []
        for frame in animate(
            hallo,
            values.only_portrait(portrait, hallo),
            driving,
            steps=steps or None,
            guidance=guidance or None,
            seed=seed,
            progress=bar,
        ):
            frames.append(values.marked(frame) if visible_mark else frame)
            bar.show(frames[-1])
        images, fps = values.image(frames), hallo.config.fps
        sound = values.sound(driving.speech, len(frames) / fps)
        parts = Types.VideoComponents(images=images, audio=sound, frame_rate=Fraction(fps))
        return io.NodeOutput(images, sound, float(fps), InputImpl.VideoFromComponents(parts))
