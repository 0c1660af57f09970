"""What travels along the wires between Silencer's nodes, beside ComfyUI's own types."""

from __future__ import annotations

from comfy_api.latest import io

Generator = io.Custom("SILENCER_GENERATOR")  # models.LoadedGenerator
Portrait = io.Custom("SILENCER_PORTRAIT")  # a list of values.FoundPhoto
Voices = io.Custom("SILENCER_AUDIO")  # a list of silencer_core.audio.Speech
Objective = io.Custom("SILENCER_OBJECTIVE")  # values.Aim
Latent = io.Custom("SILENCER_LATENT")  # values.Inverted
Report = io.Custom("SILENCER_REPORT")  # a dict of plain values, as JSON has it

CATEGORY = "Silencer"


def portrait_input(tooltip: str) -> io.MultiType.Input:
    """A socket for a photo, or for a portrait that was found in one."""
    return io.MultiType.Input("portrait", [io.Image, Portrait], tooltip=tooltip)


def generator_input(optional: bool = False, tooltip: str = "") -> io.Input:
    """A socket for a generator."""
    tooltip = tooltip or "The talking-head generator, from Load Talking-Head Generator."
    return Generator.Input("generator", optional=optional, tooltip=tooltip)


def voices_input() -> io.Input:
    """A socket for the recordings that a protection shall not follow."""
    return Voices.Input(
        "voices",
        optional=True,
        tooltip="Recordings that the portrait shall not follow, from Driving Audio. "
        "Without them, several synthesised voices that come with the pack.",
    )


def seed_input(
    tooltip: str = "One seed, one result. Another seed runs the node again.",
) -> io.Input:
    """A whole number that draws are made from."""
    return io.Int.Input(
        "seed", default=0, min=0, max=2**32 - 1, control_after_generate=True, tooltip=tooltip
    )
