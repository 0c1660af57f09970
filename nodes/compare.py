"""Before and after, to be looked at: photos, and attacks with their sound."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from . import values
from .host import temporary, temporary_picture, work
from .types import CATEGORY

LABELS = ["unprotected", "protected"]


class ComparePhotos(io.ComfyNode):
    """A slider between two photos."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerComparePhotos",
            display_name="Compare Photos",
            category=CATEGORY,
            description="Shows two photos over each other, with a slider between them.",
            inputs=[
                io.Image.Input("before", tooltip="Shown on the left; the first of a batch."),
                io.Image.Input("after", tooltip="Shown on the right; the first of a batch."),
            ],
            is_output_node=True,
        )

    @classmethod
    @work
    def execute(cls, before: Tensor, after: Tensor) -> io.NodeOutput:
        pair = {"before": before[:1], "after": after[:1]}
        files = {
            name: temporary_picture(values.photo(image, name).pixels, name)
            for name, image in pair.items()
        }
        return io.NodeOutput(ui={"silencer": [{"kind": "photos"} | files]})


class CompareAttacks(io.ComfyNode):
    """Two videos that play together."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerCompareVideos",
            display_name="Compare Attacks",
            category=CATEGORY,
            description="Plays the attacks on the unprotected and the protected photo side by "
            "side, in step, with the sound.",
            inputs=[
                io.Image.Input("before", tooltip="Frames of the attack on the unprotected photo."),
                io.Image.Input("after", tooltip="Frames of the attack on the protected photo."),
                io.Audio.Input("audio", tooltip="What both say."),
                io.Float.Input(
                    "fps", default=25.0, min=1.0, max=120.0, step=1.0, tooltip="Frames per second."
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    @work
    def execute(cls, before: Tensor, after: Tensor, audio: dict, fps: float) -> io.NodeOutput:
        from silencer_core.video import write_video

        speech, shown = values.speech(audio), {}
        for name, frames in (("before", before), ("after", after)):
            path, shown[name] = temporary(name, ".mp4")
            write_video(
                path, values.video(frames, name), speech, fps=round(fps), visible_mark=False
            )
        shown |= {"kind": "videos", "fps": fps, "labels": LABELS}
        shown["frames"] = [len(before), len(after)]
        return io.NodeOutput(ui={"silencer": [shown]})
