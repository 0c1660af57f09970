"""Score Frames."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from . import scoring, values
from .host import work
from .types import CATEGORY, Report


class ScoreFrames(io.ComfyNode):
    """Videos that any other pack's generator made, scored by themselves."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerScoreFrames",
            display_name="Score Frames",
            category=CATEGORY,
            description="How far mouths follow the sound in videos that any generator made of the "
            "unprotected and the protected photo, such as one of another pack.",
            inputs=[
                io.Image.Input("before", tooltip="Frames made of the unprotected photo."),
                io.Image.Input("after", tooltip="Frames made of the protected photo."),
                io.Audio.Input("audio", tooltip="What both say, from the first frame on."),
                io.Float.Input(
                    "fps", default=25.0, min=1.0, max=120.0, step=1.0, tooltip="Frames per second."
                ),
                io.Image.Input(
                    "control", optional=True, tooltip="Frames made of the photo with random noise."
                ),
            ],
            outputs=[
                Report.Output(
                    "report", display_name="report", tooltip="Every figure, as plain values."
                ),
                io.Image.Output(
                    "plot",
                    display_name="plot",
                    tooltip="How far the mouths open over time, and how far speech asks them.",
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    @work
    def execute(
        cls, before: Tensor, after: Tensor, audio: dict, fps: float, control: Tensor | None = None
    ) -> io.NodeOutput:
        from silencer_core.scores.films import score_films

        videos = {
            "unprotected": values.video(before, "before"),
            "protected": values.video(after, "after"),
        }
        if control is not None:
            videos["control"] = values.video(control, "control")
        scores = score_films(videos, values.speech(audio), fps)
        return io.NodeOutput(
            scores.as_dict(),
            values.image([scoring.plot_films(scores, fps)]),
            ui={"silencer": [scoring.panel_of_films(scores, fps)]},
        )
