"""A cached crowd of rendered people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from silencer_core.files import whole

from .looks import random_look
from .portraits import Person, draw


class Drawings:
    """Rendered people of the seeds `first` .. `first + count - 1`, drawn once.

    Args:
        cache: .npy file of `[count, 3, S, S]` uint8; written when absent.
    """

    def __init__(self, cache: Path, count: int, first: int = 0, side: int = 128) -> None:
        self.first = first
        if not cache.exists():
            pictures = np.empty((count, 3, side, side), np.uint8)
            for k in range(count):
                picture = draw(random_look(first + k), side).picture
                pictures[k] = (picture * 255).round().byte().numpy()
            with whole(cache) as part:
                np.save(part, pictures)
        self.pictures = np.load(cache, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.pictures)

    def person(self, index: int) -> Person:
        """One of the crowd."""
        picture = torch.from_numpy(np.array(self.pictures[index])).float() / 255
        return Person(picture, random_look(self.first + index))
