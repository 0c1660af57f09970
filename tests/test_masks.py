"""Masks: geometry and refusals. The exact numbers are in tests/parity/test_masks.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from silencer_core.errors import SilencerError
from silencer_core.masks import (
    FACE_BLUR,
    FACE_EXPANSION,
    LIP_EXPANSION,
    attention_masks,
    face_region,
    rectangle,
    regions,
    softened,
)


def box(left, top, right, bottom):
    return np.array([[left, top], [right, bottom]], dtype=float)


def extent(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


@pytest.fixture
def parts():
    face = rectangle(box(80, 60, 160, 180), 256, 256, FACE_EXPANSION)
    lip = rectangle(box(100, 140, 140, 160), 256, 256, LIP_EXPANSION)
    return regions(face, lip)


def test_rectangle_grows_about_its_centre():
    mask = rectangle(box(100, 100, 140, 120), 256, 256, 2.0)
    assert extent(mask) == (80, 90, 160, 130)


def test_rectangle_at_the_edge_is_shifted_inside():
    mask = rectangle(box(0, 200, 40, 250), 256, 256, 1.5)
    assert extent(mask) == (0, 182, 60, 256)


def test_rectangle_of_points_outside_stays_inside():
    mask = rectangle(box(-30, -30, 50, 50), 256, 256, 1.0)
    assert extent(mask) == (0, 0, 80, 80)


def test_large_face_is_clipped():
    mask = rectangle(box(20, 20, 250, 250), 256, 256, 1.2)
    assert mask.all()


def test_large_face_as_published_keeps_a_strip():
    mask = rectangle(box(100, 20, 150, 250), 256, 256, 1.2, published_large_face_bug=True)
    assert extent(mask) == (95, 236, 155, 256)


def test_flag_changes_nothing_for_a_usual_face():
    points = box(80, 60, 160, 180)
    usual = rectangle(points, 256, 256, 1.2)
    assert np.array_equal(usual, rectangle(points, 256, 256, 1.2, published_large_face_bug=True))


def test_face_that_fills_the_picture_stays_face():
    assert (softened(np.full((100, 80), 255, np.uint8), FACE_BLUR) == 255).all()


def test_face_that_fills_the_picture_is_empty_as_published():
    full = np.full((100, 80), 255, np.uint8)
    assert not softened(full, FACE_BLUR, empty_if_full=True).any()


def test_no_lips_give_an_empty_lip_mask():
    face = rectangle(box(80, 60, 160, 180), 256, 256, FACE_EXPANSION)
    assert not regions(face, np.zeros_like(face)).lip.any()


def test_background_is_the_face_inverted(parts):
    face = rectangle(box(80, 60, 160, 180), 256, 256, FACE_EXPANSION)
    inverted = 255 - softened(face, FACE_BLUR).astype(int)
    assert np.abs(parts.background - inverted).max() <= 1


def test_lips_are_taken_out_of_the_face(parts):
    peak = np.unravel_index(parts.lip.argmax(), parts.lip.shape)
    assert parts.lip[peak] == 255
    assert parts.face[peak] == 0


@pytest.mark.parametrize(("size", "factor", "levels"), [(512, 8, 4), (256, 4, 3), (1024, 8, 4)])
def test_levels_have_one_value_per_token(parts, size, factor, levels):
    masks = attention_masks(parts, size, factor=factor, levels=levels)
    tokens = [(size // factor >> level) ** 2 for level in range(levels)]
    assert [tuple(mask.shape) for mask in masks] == [(3, n) for n in tokens]


def test_levels_are_between_0_and_1(parts):
    values = torch.cat([mask.flatten() for mask in attention_masks(parts, 256)])
    assert 0 <= values.min() < values.max() <= 1


def test_tokens_are_in_rows(parts):
    lip = attention_masks(parts, 512)[0][2].view(64, 64)
    assert np.array_equal((lip * 255).round().numpy(), parts.lip)


def test_region_of_the_photos_own_size_is_the_mask_itself():
    face = rectangle(box(20, 20, 40, 44), 64, 64, 1.2)
    region = face_region(face, 64)
    assert region.shape == (3, 64, 64)
    assert np.array_equal(region[1].numpy() * 255, face)


def test_size_without_tokens_is_refused(parts):
    with pytest.raises(SilencerError, match="at least 64"):
        attention_masks(parts, 48)


def test_no_landmarks_are_refused():
    with pytest.raises(SilencerError, match="landmarks"):
        rectangle(np.empty((0, 2)), 10, 10, 1.0)


def test_landmarks_that_are_not_numbers_are_refused():
    with pytest.raises(SilencerError, match="not finite"):
        rectangle(np.array([[1.0, float("nan")]]), 10, 10, 1.0)
