"""Protect Portrait."""

from __future__ import annotations

from comfy_api.latest import io

from . import protecting, values
from .host import temporary_picture, work
from .types import (
    CATEGORY,
    Latent,
    Objective,
    Report,
    generator_input,
    portrait_input,
    seed_input,
    voices_input,
)

PRESETS = ["fast", "balanced", "strong"]  # those of silencer_core.presets, known without loading


class ProtectPortrait(io.ComfyNode):
    """The photo, changed within a budget so that a generator ignores the audio."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerProtectPortrait",
            display_name="Protect Portrait",
            category=CATEGORY,
            description="Changes a photo a little, so that a talking-head generator fed with it "
            "ignores the audio. Save the result as PNG. Protect photos that you may use.",
            inputs=[
                portrait_input("Photos, or a portrait from Find Portrait."),
                io.Combo.Input(
                    "preset",
                    options=PRESETS,
                    default="balanced",
                    tooltip="How much may change, and for how long it is worked on. An objective, "
                    "steps or budget given below take the place of the preset's.",
                ),
                seed_input(),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=100_000,
                    tooltip="Steps of the optimisation; 0 takes the preset's.",
                ),
                io.Float.Input(
                    "budget",
                    default=0.0,
                    min=0.0,
                    max=64.0,
                    step=0.5,
                    tooltip="Largest change of any value, in levels of 255, and the whole change "
                    "in proportion; 0 takes the preset's.",
                ),
                io.Int.Input(
                    "latent_steps",
                    default=20,
                    min=1,
                    max=100_000,
                    tooltip="Steps of stage II, where a latent is connected.",
                ),
                generator_input(
                    optional=True,
                    tooltip="Whom to protect against. Without it, the objective's generator, or "
                    "else the built-in one.",
                ),
                Objective.Input(
                    "objective", optional=True, tooltip="What to bring down; else the preset's."
                ),
                Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="The same portrait from Invert Latent: adds stage II on it.",
                ),
                voices_input(),
            ],
            outputs=[
                io.Image.Output(
                    "photo",
                    display_name="photo",
                    tooltip="The protected photo, in its own size and alpha.",
                ),
                io.Image.Output(
                    "change",
                    display_name="change",
                    tooltip="What was changed, amplified, around grey.",
                ),
                Report.Output(
                    "report",
                    display_name="report",
                    tooltip="Settings and figures, as plain values.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    @work
    def execute(
        cls, portrait, seed: int, generator=None, objective=None, latent=None, voices=None, **asked
    ) -> io.NodeOutput:
        generator = protecting.chosen_generator(generator, objective, latent)
        how = protecting.settings(objective=objective, latent=latent, **asked)
        voices = voices or (objective and objective.voices)
        found = values.found_photos(portrait)
        done, live = protecting.protect_all(
            found, generator, how, seed, voices, latent, cls.hidden.unique_id
        )
        before, after = ([one.photo.pixels for one in photos] for photos in (found, done))
        changes = list(map(values.amplified, before, after))
        shown = {"before": before[0], "after": after[0], "change": changes[0]}
        files = {name: temporary_picture(pixels, name) for name, pixels in shown.items()}
        return io.NodeOutput(
            values.image([values.with_alpha(one.photo) for one in done]),
            values.image(changes),
            protecting.report(done),
            ui={"silencer": [live.summary(done[0]) | files]},
        )
