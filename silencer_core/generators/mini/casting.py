"""Whom the networks are trained on: rendered people and photographs, shot by several processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.multiprocessing as processes

from .cast import OPENINGS
from .covers import cover_elsewhere, cover_mouth
from .looks import random_look
from .naturals import Naturals
from .photographs import Photographs, Shot
from .portraits import draw
from .recipes import Recipe

COVERED, ELSEWHERE = (3, 7, 9, 1), 5  # of eleven

_casting: Casting | None = None


class Casting:
    """Person number k of a recipe, always the same: drawn, or a photograph.

    Photographs are framed, tinted and relit anew each time, every third before another backdrop.
    Some have their mouth covered and keep still, one of eleven has something before another part.
    """

    def __init__(self, portraits: Path, alignment: Path, recipe: Recipe) -> None:
        self.recipe = recipe
        self.side = recipe.config.size
        self.photographs = Photographs(portraits, alignment, self.side)
        self.naturals = Naturals(self.side)

    def __call__(self, number: int) -> Shot:
        """The person at all `OPENINGS`."""
        number += self.recipe.first
        shot = self._uncovered(number)
        if number % 11 in COVERED[: self.recipe.covered]:
            return cover_mouth(shot, self.naturals, number)
        if number % 11 == ELSEWHERE:
            return cover_elsewhere(shot, self.naturals, number)
        return shot

    def _uncovered(self, number: int) -> Shot:
        openings = torch.tensor(OPENINGS)
        if number % 5 < self.recipe.drawn:
            return draw(random_look(number), self.side).shot(openings)
        people = self.photographs.train
        backdrop = self.naturals.crop(number, soft=True) if number % 3 == 0 else None
        one = people[number * 7 % len(people)]
        return self.photographs.shot(one, openings, number, backdrop)


def shoot(casting: Casting, people: int, workers: int) -> Iterator[Shot]:
    """The first `people` of a casting, in order."""
    if workers == 1:
        yield from map(casting, range(people))
        return
    global _casting
    _casting = casting  # inherited by the forked processes
    with processes.get_context("fork").Pool(workers, torch.set_num_threads, (1,)) as pool:
        yield from pool.imap(_shoot, range(people), chunksize=4)


def _shoot(number: int) -> Shot:
    return _casting(number)
