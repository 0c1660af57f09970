"""What a face backend finds, and what it must offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Face:
    """One face in a photo. All coordinates are pixels of the photo, x to the right, y down.

    Attributes:
        box: left, top, right, bottom as the detector gives them; may reach beyond the photo.
        lips: points on the rim of the lips, float64 `[N, 2]` as (x, y).
        outline: points around the face from chin to hairline, float64 `[M, 2]`.
        score: how sure the backend is; comparable within one backend only.
        backend: the backend's name.
        embedding: identity, float32 `[512]`, not normalised; None where the backend has none.
    """

    box: tuple[float, float, float, float]
    lips: np.ndarray
    outline: np.ndarray
    score: float
    backend: str
    embedding: np.ndarray | None = None

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


class FaceBackend(Protocol):
    """Finds faces. Any object with this method can stand in for the ones given here."""

    def find(self, photo: Tensor) -> list[Face]:
        """Find all faces of a photo `[3, H, W]` in 0..1, the largest first."""
        ...
