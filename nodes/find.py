"""What enters: Find Portrait and Driving Audio."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from . import values
from .host import work
from .types import CATEGORY, Portrait, Voices, generator_input


class FindPortrait(io.ComfyNode):
    """Where the face is, and which; or masks that say it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerFindPortrait",
            display_name="Find Portrait",
            category=CATEGORY,
            description="Finds the face in a photo, with its lips and the square around it that "
            "a generator sees. The photo itself stays as large as it is.",
            inputs=[
                io.Image.Input("image", tooltip="Photos with a face; alpha is kept."),
                io.Int.Input(
                    "face",
                    default=0,
                    min=-1,
                    max=99,
                    tooltip="Which face, by size: 0 is the largest, 1 the next. -1 takes all.",
                ),
                io.Float.Input(
                    "padding",
                    default=0.35,
                    min=0.0,
                    max=3.0,
                    step=0.05,
                    tooltip="Space on each side of the face, in face heights.",
                ),
                io.Mask.Input(
                    "face_mask",
                    optional=True,
                    tooltip="Paints the face instead of finding it. An empty mask is none.",
                ),
                io.Mask.Input(
                    "lip_mask",
                    optional=True,
                    tooltip="Paints the lips instead of finding them. An empty mask is none.",
                ),
                generator_input(
                    optional=True,
                    tooltip="Shows the crop at this generator's size and finds the face with "
                    "its own face models, where it has them.",
                ),
            ],
            outputs=[
                Portrait.Output(
                    "portrait",
                    display_name="portrait",
                    tooltip="The photo and where its face is, for the other nodes.",
                ),
                io.Mask.Output(
                    "face_area",
                    display_name="face",
                    tooltip="Where a protection may change the photo, with a soft edge.",
                ),
                io.Mask.Output(
                    "lip_area", display_name="lips", tooltip="Where the generator has the lips."
                ),
                io.Image.Output(
                    "crop",
                    display_name="crop",
                    tooltip="What the generator sees; one for each face.",
                ),
            ],
        )

    @classmethod
    @work
    def execute(
        cls,
        image: Tensor,
        face: int,
        padding: float,
        face_mask: Tensor | None = None,
        lip_mask: Tensor | None = None,
        generator=None,
    ) -> io.NodeOutput:
        photos = values.photos(image)
        masks = zip(
            values.masks(face_mask, photos, "face_mask"),
            values.masks(lip_mask, photos, "lip_mask"),
            strict=True,
        )
        found = [
            values.FoundPhoto(photo, face, padding, *given)
            for photo, given in zip(photos, masks, strict=True)
        ]
        portraits = [each.fit(*values.sizes(generator)) for each in found]
        return io.NodeOutput(
            found,
            values.areas(portraits, lambda one: one.face_mask()),
            values.areas(portraits, values.lip_area),
            values.image([one.image / 2 + 0.5 for each in portraits for one in each]),
        )


class DrivingAudio(io.ComfyNode):
    """Recordings put together."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        more = [
            io.Audio.Input(f"audio_{number}", optional=True, tooltip="One more recording.")
            for number in (2, 3, 4)
        ]
        return io.Schema(
            node_id="SilencerDrivingAudio",
            display_name="Driving Audio",
            category=CATEGORY,
            description="Puts together the recordings that a portrait shall not follow. "
            "Different voices protect better than more of one.",
            inputs=[
                io.Audio.Input(
                    "audio",
                    tooltip="Speech of any rate, mono or stereo; a batch counts as several.",
                ),
                *more,
            ],
            outputs=[
                Voices.Output(
                    "voices",
                    display_name="voices",
                    tooltip="All recordings, for losses and Protect Portrait.",
                )
            ],
        )

    @classmethod
    @work
    def execute(cls, **audios) -> io.NodeOutput:
        given = {name: audio for name, audio in sorted(audios.items()) if audio is not None}
        return io.NodeOutput(
            [one for name, audio in given.items() for one in values.speeches(audio, name)]
        )
