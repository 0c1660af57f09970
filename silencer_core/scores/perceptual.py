"""LPIPS, where it is installed."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_BACKBONE = "alexnet-*.pth"  # torchvision's file, in torch's cache


def lpips_distance(before: Tensor, after: Tensor) -> float | None:
    """Learned perceptual distance of two photos `[3, H, W]` in 0..1.

    AlexNet form of Zhang et al. 2018, arXiv:1801.03924, by the package `lpips`. Nothing is
    downloaded: None where the package is absent, or its backbone is not in torch's cache.
    """
    if importlib.util.find_spec("lpips") is None or not _has_backbone():
        return None
    with torch.no_grad():
        pictures = (x.float()[None] * 2 - 1 for x in (before, after))
        return float(_network()(*pictures))


def _has_backbone() -> bool:
    return any((Path(torch.hub.get_dir()) / "checkpoints").glob(_BACKBONE))


@lru_cache(maxsize=1)
def _network() -> Any:
    import lpips

    return lpips.LPIPS(net="alex", verbose=False).eval()
