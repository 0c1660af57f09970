"""Contact sheets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

PLOT_HEIGHT = 96
COLOURS = ("#222222", "#d1495b", "#3a7ca5", "#edae49")


def save_sheet(pictures: Tensor, path: Path, columns: int) -> None:
    """Write pictures `[N, 3, H, W]` in 0..1 row by row as one image file."""
    from PIL import Image

    rows = [row for row in pictures.split(columns) if len(row) == columns]
    sheet = [row.permute(1, 2, 0, 3).flatten(2) for row in rows]
    values = (torch.cat(sheet, 1).clamp(0, 1) * 255).round().byte()
    Image.fromarray(values.permute(1, 2, 0).numpy()).save(path)


def save_talking(
    portrait: Tensor, frames: Tensor, curves: Mapping[str, Tensor], path: Path, columns: int = 12
) -> None:
    """Write a portrait, its frames and curves of mouth opening over time as one PNG.

    Args:
        portrait: `[3, S, S]`; frames: `[F, 3, S, S]`, both in 0..1; every few frames are shown.
        curves: name to `[F]`, 0 drawn at the bottom and 1 at the top.
    """
    from PIL import Image, ImageDraw

    chosen = torch.linspace(0, len(frames) - 1, columns - 1).round().long()
    row = torch.cat([portrait[None], frames[chosen]]).permute(1, 2, 0, 3).flatten(2)
    picture = Image.fromarray((row.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())
    sheet = Image.new("RGB", (picture.width, picture.height + PLOT_HEIGHT + 4), "white")
    sheet.paste(picture)
    pen = ImageDraw.Draw(sheet)
    left, bottom, tall = portrait.shape[-1] + 8, sheet.height - 6, PLOT_HEIGHT - 12
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        steps = torch.linspace(left, sheet.width - 8, len(curve)).tolist()
        heights = (bottom - tall * curve.clamp(-0.1, 1.1)).tolist()
        pen.line(list(zip(steps, heights, strict=True)), fill=colour, width=2)
        pen.text((6, picture.height + 8 + 14 * number), name, fill=colour)
    sheet.save(path)
