"""Load Talking-Head Generator."""

from __future__ import annotations

from comfy_api.latest import io

from . import models
from .host import work
from .types import CATEGORY, Generator


class LoadGenerator(io.ComfyNode):
    """A generator from disk, in ComfyUI's care."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SilencerLoadGenerator",
            display_name="Load Talking-Head Generator",
            category=CATEGORY,
            description="The generator that portraits are protected against and attacked with. "
            "The built-in one is small and needs no download; Hallo's weights go to "
            "models/silencer.",
            inputs=[
                io.Combo.Input(
                    "generator",
                    options=models.names(),
                    default=models.BUILT_IN,
                    tooltip="The built-in generator, or what lies in models/silencer: a folder "
                    "in Hallo's layout, or a file that `silencer models convert` wrote.",
                ),
                io.String.Input(
                    "path",
                    default="",
                    tooltip="A folder or converted file anywhere else; takes precedence where "
                    "it is not empty.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=list(models.DTYPES),
                    default="auto",
                    tooltip="Of the networks. auto: float32 for the built-in generator, else "
                    "what ComfyUI holds best for the device.",
                ),
                io.Combo.Input(
                    "device",
                    options=list(models.DEVICES),
                    default="auto",
                    tooltip="Where it runs. auto: ComfyUI's own device.",
                ),
            ],
            outputs=[
                Generator.Output(
                    "loaded",
                    display_name="generator",
                    tooltip="The generator. ComfyUI unloads it when it needs the memory.",
                )
            ],
        )

    @classmethod
    @work
    def execute(cls, generator: str, path: str, dtype: str, device: str) -> io.NodeOutput:
        return io.NodeOutput(models.LoadedGenerator(generator, path, dtype, device))
