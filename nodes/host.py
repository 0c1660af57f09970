"""What ComfyUI asks of a node while it works: gradients, Cancel, progress, messages, files."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import comfy.model_management as memory
import folder_paths
import torch
from comfy.utils import ProgressBar
from PIL import Image
from torch import Tensor, nn

from silencer_core.errors import Cancelled, SilencerError

PREVIEW_SIDE = 512  # pixels, at most


def work(execute: Callable[..., Any]) -> Callable[..., Any]:
    """For the `execute` of every node: outside inference mode, stoppable, with plain messages."""

    @functools.wraps(execute)
    def run(cls: type, **inputs: Any) -> Any:
        try:
            with torch.inference_mode(False), stoppable():
                return execute(cls, **inputs)
        except SilencerError as error:
            raise SilencerError(f"{cls.SCHEMA.display_name}: {error}") from None
        except Cancelled:
            memory.interrupt_current_processing(False)  # it was heard
            raise memory.InterruptProcessingException from None

    return run


@contextmanager
def stoppable() -> Iterator[None]:
    """Let Cancel act at every layer of every network, on the way forward and backward.

    One step of an optimisation is dozens of network calls and takes seconds on a processor. Raises
    the library's own `Cancelled`, which nothing there takes for an error.
    """

    def stop() -> None:
        if memory.processing_interrupted():
            raise Cancelled("cancelled in ComfyUI")

    def look(_module: nn.Module, _inputs: Any, output: Any) -> None:
        stop()
        if isinstance(output, Tensor) and output.requires_grad:
            output.register_hook(lambda _gradient: stop())

    stop()
    with nn.modules.module.register_module_forward_hook(look):
        yield


class Bar:
    """The progress bar of the running node. Raises where Cancel was pressed."""

    def __init__(self) -> None:
        self._bar = ProgressBar(1)

    def __call__(self, done: float, total: float) -> None:
        self._bar.update_absolute(done, total)

    def show(self, pixels: Tensor) -> None:
        """A preview `[3, H, W]` in 0..1, the bar where it is."""
        self._bar.update_absolute(self._bar.current, None, ("JPEG", picture(pixels), PREVIEW_SIDE))


def picture(pixels: Tensor) -> Image.Image:
    """`[3, H, W]` or, with alpha, `[4, H, W]` in 0..1 as an 8-bit picture."""
    levels = pixels.detach().float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


def temporary(name: str, suffix: str) -> tuple[Path, dict[str, str]]:
    """A new file in ComfyUI's folder of temporary files, and how its page asks for it."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"silencer_{name}_{secrets.token_hex(5)}{suffix}"
    return path, {"filename": path.name, "subfolder": "", "type": "temp"}


def temporary_picture(pixels: Tensor, name: str) -> dict[str, str]:
    """A photo `[3, H, W]` in 0..1 written there, and how the page asks for it."""
    path, asked = temporary(name, ".png")
    picture(pixels).save(path, compress_level=1)
    return asked
