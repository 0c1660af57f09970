"""GrIDPure: many small purifications on overlapping tiles."""

from __future__ import annotations

import dataclasses
from types import EllipsisType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.generators.hallo.generator import Hallo

from .diffusion import Gradient, sdedit
from .image_models import GeneratorModel, ImageModel
from .straight import rounded

_AT_ONCE = 8  # tiles


@dataclasses.dataclass(frozen=True)
class GrIDPure:
    """Many small purifications on overlapping tiles, each a little less than the whole way.

    Attributes:
        model: its `side` is that of the tiles; neighbours overlap by half. A smaller photo is
            continued beyond its edges.
        iterations: purifications of every tile.
        t: noise of one: 10 of 1000 timesteps.
        steps: DDIM steps of one. The published code takes ten ancestral ones.
        keep: share of the picture before a purification in the picture after it.
        gradient: see `sdedit`; "through" takes memory for all tiles of all iterations.

    Every iteration ends in 8 bit. The four corners, which only one tile covers, make a tile of
    their own.

    Source: Zhao et al., *Can Protective Perturbation Safeguard Personal Data from Being Exploited
    by Stable Diffusion?*, CVPR 2024, arXiv 2312.00084; https://github.com/ZhengyueZhao/GrIDPure,
    whose settings these are. It uses a model of pixels; a latent model also loses what its
    autoencoder loses, every time.
    """

    model: Hallo | ImageModel
    iterations: int = 20
    t: float = 0.01
    steps: int = 1
    keep: float = 0.1
    gradient: Gradient = "straight"

    def __call__(self, pixels: Tensor, seed: int) -> Tensor:
        """See `photo_purifiers.Purifier`."""
        model = GeneratorModel(self.model) if isinstance(self.model, Hallo) else self.model
        height, width = pixels.shape[1:]
        missing = (0, max(0, model.side - width), 0, max(0, model.side - height))
        picture = F.pad(pixels.float()[None], missing, mode="replicate")[0]
        random = torch.Generator().manual_seed(seed)
        for _ in range(self.iterations):
            cleaned = self._once(model, picture, random)
            picture = rounded((1 - self.keep) * cleaned + self.keep * picture)
        return picture[:, :height, :width]

    def _once(self, model: ImageModel, picture: Tensor, random: torch.Generator) -> Tensor:
        total, count = torch.zeros_like(picture), torch.zeros_like(picture[:1])
        tiles = _tiles(picture.shape[1], picture.shape[2], model.side)
        for start in range(0, len(tiles), _AT_ONCE):
            some = tiles[start : start + _AT_ONCE]
            images = torch.stack([_cut(picture, tile, model.side) for tile in some]) * 2 - 1
            seed = int(torch.randint(2**31, (), generator=random))
            images = sdedit(
                model, None, images, self.t, self.steps, seed=seed, gradient=self.gradient
            )
            for tile, image in zip(some, images / 2 + 0.5, strict=True):
                for piece in tile:
                    total[piece.there] += image[piece.here]
                    count[piece.there] += 1
        return total / count


class _Piece(NamedTuple):
    """A square in the picture, and where it lies in a tile: to index the last two axes."""

    there: tuple[EllipsisType, slice, slice]
    here: tuple[EllipsisType, slice, slice]


def _piece(top: int, left: int, side: int, here: tuple[int, int] = (0, 0)) -> _Piece:
    down, across = here
    return _Piece(
        (..., slice(top, top + side), slice(left, left + side)),
        (..., slice(down, down + side), slice(across, across + side)),
    )


def _tiles(height: int, width: int, side: int) -> list[list[_Piece]]:
    """Overlapping tiles of one piece, and one of the picture's four corners."""
    tops, lefts = (_starts(length, side) for length in (height, width))
    tiles = [[_piece(top, left, side)] for top in tops for left in lefts]
    if len(tiles) > 1:
        half = side // 2
        tiles.append(
            [
                _piece(top, left, half, (down, across))
                for top, down in ((0, 0), (height - half, side - half))
                for left, across in ((0, 0), (width - half, side - half))
            ]
        )
    return tiles


def _starts(length: int, side: int) -> list[int]:
    return sorted({*range(0, length - side + 1, side // 2), length - side})


def _cut(picture: Tensor, tile: list[_Piece], side: int) -> Tensor:
    image = picture.new_zeros(len(picture), side, side)
    for piece in tile:
        image[piece.here] = picture[piece.there]
    return image
