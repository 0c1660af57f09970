"""Score Protection."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from . import scoring, values
from .host import Bar, work
from .types import CATEGORY, Report, generator_input, seed_input


class ScoreProtection(io.ComfyNode):
    """Attacks a photo before and after protection, and says what the protection is worth."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerScoreProtection",
            display_name="Score Protection",
            category=CATEGORY,
            description="Attacks the unprotected photo, the protected one and random noise of the "
            "same size, after each clean-up and at each guidance, and compares.",
            inputs=[
                generator_input(),
                io.Image.Input("before", tooltip="The photo before it was protected."),
                io.Image.Input("after", tooltip="The protected photo, of the same size."),
                io.String.Input(
                    "purify",
                    multiline=True,
                    default="none\njpeg:75,resize:0.5",
                    tooltip="Clean-ups to try before the attack, one chain a line; none is the "
                    "photo as it is.",
                ),
                io.String.Input(
                    "guidance",
                    default="1, default",
                    tooltip="Of the attacker, separated by commas; default is the generator's own.",
                ),
                seed_input("Of the attack's noise."),
                io.Int.Input(
                    "frames",
                    default=32,
                    min=16,
                    max=10_000,
                    tooltip="Video frames of each recording, from where speech begins.",
                ),
                io.Boolean.Input(
                    "controls",
                    default=True,
                    tooltip="Also attack random noise as large as the protection.",
                ),
                io.Audio.Input(
                    "audio",
                    optional=True,
                    tooltip="What the attacks say: recordings that were not used to protect. "
                    "Without it, a voice that comes with the pack.",
                ),
            ],
            outputs=[
                Report.Output(
                    "report", display_name="report", tooltip="Every figure, as plain values."
                ),
                io.Image.Output(
                    "plot",
                    display_name="plot",
                    tooltip="How far the mouth opens over time, and how far speech asks it.",
                ),
                io.Image.Output(
                    "grid",
                    display_name="grid",
                    tooltip="What is left under each clean-up and guidance; 0 is best.",
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    @work
    def execute(
        cls,
        generator,
        before: Tensor,
        after: Tensor,
        purify: str,
        guidance: str,
        seed: int,
        frames: int,
        controls: bool,
        audio: dict | None = None,
    ) -> io.NodeOutput:
        from silencer_core.scores.verify import verify

        bar = Bar()
        grid = verify(
            generator.ready(),
            values.photo(before, "before").pixels,
            values.photo(after, "after").pixels,
            scoring.speeches(audio),
            scoring.clean_ups(purify),
            scoring.guidances(guidance),
            (seed,),
            controls,
            progress=lambda _, done, total: bar(done, total),
            frames=frames,
        )
        return io.NodeOutput(
            scoring.report(grid),
            values.image([scoring.plot(grid)]),
            values.image([scoring.heat(grid)]),
            ui={"silencer": [scoring.panel(grid)]},
        )
