"""What keeps the built-in generator from trusting its masks alone: covers, misplaced regions."""

from __future__ import annotations

import pytest
import torch

from silencer_core.generators.mini.covers import cover_elsewhere, cover_mouth
from silencer_core.generators.mini.looks import random_look
from silencer_core.generators.mini.misplacing import misplaced
from silencer_core.generators.mini.naturals import Naturals
from silencer_core.generators.mini.portraits import draw


@pytest.fixture(scope="module")
def naturals():
    return Naturals(64)


@pytest.fixture(scope="module")
def shot():
    return draw(random_look(3), 64).shot(torch.tensor([0.0, 0.5, 1.0]))


def around_mouth(shot, reach):
    x, y = (round(value) for value in shot.mouth)
    size = round(reach * shot.unit)
    return (..., slice(y - size, y + size), slice(x - size, x + size))


@pytest.mark.parametrize("seed", range(12))
def test_a_covered_mouth_keeps_still_and_is_gone(shot, naturals, seed):
    covered = cover_mouth(shot, naturals, seed)
    assert torch.equal(covered.frames[0], covered.frames[2])
    inside = around_mouth(shot, 0.15)
    assert (covered.frames[0][inside] - shot.frames[0][inside]).abs().mean() > 0.01


@pytest.mark.parametrize("seed", range(12))
def test_a_cover_elsewhere_leaves_the_mouth_speaking(shot, naturals, seed):
    covered = cover_elsewhere(shot, naturals, seed)
    assert not torch.equal(covered.frames, shot.frames)
    inside = around_mouth(shot, 0.3)
    assert torch.equal(covered.frames[inside], shot.frames[inside])


def test_one_seed_gives_one_cover(shot, naturals):
    pictures = [cover_mouth(shot, naturals, seed).frames for seed in (5, 5, 6)]
    assert torch.equal(pictures[0], pictures[1])
    assert not torch.equal(pictures[0], pictures[2])


def test_regions_move_together_and_stay_regions():
    masks = tuple(torch.rand(40, 3, side * side) for side in (8, 4))
    region = torch.zeros(40, 3, 64, 64)
    region[..., 20:44, 20:44] = 1
    moved, face = misplaced(masks, region, torch.Generator().manual_seed(0))
    assert [m.shape for m in moved] == [m.shape for m in masks]
    assert all(m.min() >= 0 and m.max() <= 1 for m in (*moved, face))
    rows = face[:, 0].amax(2)
    middles = (rows * torch.arange(64)).sum(1) / rows.sum(1)
    assert middles[rows.sum(1) > 0].std() > 2  # pixels
    nowhere = rows.sum(1) == 0
    assert 0 < nowhere.sum() < 20
    assert all(((m == 0) | (m == 1)).all() for m in (level[nowhere] for level in moved))
