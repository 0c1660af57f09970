"""The pictures that the autoencoder learns from: photographs, rendered faces, natural crops."""

from __future__ import annotations

import torch
from torch import Tensor

from .drawings import Drawings
from .naturals import Naturals
from .photographs import Photographs


class Mixture:
    """Endless pictures `[3, S, S]` in 0..1, one per seed, mouths open more often than not."""

    def __init__(
        self,
        photographs: Photographs,
        drawings: Drawings,
        naturals: Naturals,
        rendered: float = 0.25,
    ) -> None:
        self.drawings = drawings
        self.photographs = photographs
        self.naturals = naturals
        self.rendered = rendered

    def picture(self, seed: int) -> Tensor:
        """The picture that a seed stands for."""
        random = torch.Generator().manual_seed(seed)
        kind, opening, behind, grey = torch.rand(4, generator=random).tolist()
        opening = torch.tensor([max(0.0, opening * 1.4 - 0.4)])
        if kind < 0.12:
            return self.naturals.crop(seed)
        if kind < 0.12 + self.rendered:
            crowd = self.drawings
            one = int(torch.randint(len(crowd), (), generator=random))
            picture = crowd.person(one).shot(opening).frames[0]
            return picture.flip(-1) if behind < 0.5 else picture
        people = self.photographs.train
        person = people[int(torch.randint(len(people), (), generator=random))]
        backdrop = self.naturals.crop(seed, soft=True) if behind < 0.3 else None
        picture = self.photographs.shot(person, opening, seed, backdrop).frames[0]
        if grey < 0.1:
            picture = picture.mean(0, keepdim=True).expand(3, -1, -1)
        return picture

    def batch(self, first_seed: int, size: int) -> Tensor:
        """`[size, 3, S, S]` of consecutive seeds."""
        return torch.stack([self.picture(first_seed + k) for k in range(size)])

    def held_out(self, count: int) -> Tensor:
        """`[2 * count, 3, S, S]`: held-out photographs with closed and with open mouths."""
        people = self.photographs.held_out[:count]
        opening = torch.tensor([0.0, 0.7])
        shots = [self.photographs.shot(one, opening, one, plain=True).frames for one in people]
        return torch.cat(shots)
