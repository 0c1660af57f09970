"""Contact sheets."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor


def save_sheet(pictures: Tensor, path: Path, columns: int) -> None:
    """Write pictures `[N, 3, H, W]` in 0..1 row by row as one image file."""
    from PIL import Image

    rows = [row for row in pictures.split(columns) if len(row) == columns]
    sheet = [row.permute(1, 2, 0, 3).flatten(2) for row in rows]
    values = (torch.cat(sheet, 1).clamp(0, 1) * 255).round().byte()
    Image.fromarray(values.permute(1, 2, 0).numpy()).save(path)
