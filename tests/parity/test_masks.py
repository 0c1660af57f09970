"""Face, lip and background masks against the reference's pictures, to one grey level."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from silencer_core import masks

GREY_LEVEL = 1 / 255


@pytest.fixture(scope="module")
def expected(load):
    return load("masks")


@pytest.fixture(scope="module")
def size(meta):
    return meta.get("pre", {}).get("mask_image_size", meta["config"]["size"])


@pytest.fixture(scope="module")
def face(expected, meta):
    expansion = meta.get("pre", {}).get("face_expand_ratio", masks.FACE_EXPANSION)
    return rectangle(expected, masks.MESH_OUTLINE, expansion)


@pytest.fixture(scope="module")
def lip(expected):
    return rectangle(expected, masks.MESH_LIPS, masks.LIP_EXPANSION)


@pytest.fixture(scope="module")
def parts(face, lip):
    return masks.regions(face, lip, published_large_face_bug=True)


def rectangle(expected, ids, expansion):
    points = expected["landmarks"].numpy()[list(ids)]
    width, height = expected["size_wh"].tolist()
    return masks.rectangle(points, height, width, expansion, published_large_face_bug=True)


def assert_same_picture(found: np.ndarray, expected: torch.Tensor):
    assert found.shape == tuple(expected.shape)
    assert np.abs(found.astype(int) - expected.numpy().astype(int)).max() <= 1


def test_face_rectangle(face, expected):
    assert_same_picture(face, expected["png.face_mask"])


def test_lip_rectangle(lip, expected):
    assert_same_picture(lip, expected["png.lip_mask"])


def test_blurred_face(face, expected):
    blurred = masks.softened(face, masks.FACE_BLUR, empty_if_full=True)
    assert_same_picture(blurred, expected["png.face_mask_blur"])


@pytest.mark.parametrize("part", masks.Regions._fields)
def test_separated_region(parts, expected, part):
    assert_same_picture(getattr(parts, part), expected[f"png.sep_{part}"])


def test_face_region(face, expected, size):
    region = masks.face_region(face, size)
    for channel in region:
        assert_same_picture((channel * 255).round().numpy(), expected["face_region_u8"])


@pytest.mark.parametrize(("row", "kind"), enumerate(("full", "face", "lip")))
def test_attention_masks(parts, expected, size, row, kind):
    tokens = expected[f"{kind}_mask_0"].numel()
    levels = [i for i in range(16) if f"{kind}_mask_{i}" in expected]
    found = masks.attention_masks(
        parts, size, factor=size // math.isqrt(tokens), levels=levels[-1] + 1
    )
    for level in levels:
        values = expected[f"{kind}_mask_{level}"][0]
        torch.testing.assert_close(found[level][row], values, rtol=0, atol=1.001 * GREY_LEVEL)
