"""The built-in face detector on a real photo and on what people do to photos."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from silencer_core.faces import CascadeBackend

PORTRAITS = Path(__file__).resolve().parents[1] / "../shared/data/portraits"

# Boxes of lips and face in the picture of the astronaut, by MediaPipe's face mesh.
MOUTH = np.array([[202, 139], [245, 155]])
FACE = np.array([[179, 70], [271, 177]])


@pytest.fixture(scope="module")
def backend():
    return CascadeBackend()


@pytest.fixture(scope="module")
def astronaut():
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()).movedim(-1, 0).float() / 255


def scaled(photo, size):
    return F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def extent(points):
    return np.stack([points.min(0), points.max(0)])


def covers(points, expected):
    low, high = extent(points)
    return (low <= expected.min(0)).all() and (high >= expected.max(0)).all()


def grown(points, ratio):
    middle = extent(points).mean(0)
    return middle + (points - middle) * ratio


def test_one_face_is_found(backend, astronaut):
    (face,) = backend.find(astronaut)
    assert face.backend == "cascade"
    assert face.embedding is None
    assert np.abs(extent(face.outline) - FACE).max() < 12


def test_lip_rectangle_covers_the_mouth(backend, astronaut):
    (face,) = backend.find(astronaut)
    assert covers(grown(face.lips, 2), MOUTH)
    assert np.linalg.norm(extent(face.lips).mean(0) - MOUTH.mean(0)) < 4


@pytest.mark.parametrize("degrees", [-20, 20])
def test_tilted_head(backend, astronaut, degrees):
    crop = astronaut[:, :320, 60:380]
    turned = np.stack([
        np.asarray(Image.fromarray(c).rotate(-degrees, Image.Resampling.BILINEAR))
        for c in crop.numpy()
    ])  # fmt: skip
    (face,) = backend.find(torch.from_numpy(turned))
    mouth = (MOUTH.mean(0) - [60, 0] - 160) @ [1, 1j] * np.exp(1j * np.deg2rad(degrees))
    expected = np.array([mouth.real, mouth.imag]) + 160
    assert np.linalg.norm(extent(face.lips).mean(0) - expected) < 10


@pytest.mark.parametrize(("size", "scale"), [((64, 64), 0.4), ((3000, 3000), 18.75)])
def test_any_size_of_photo(backend, astronaut, size, scale):
    crop = astronaut[:, 40:200, 140:300]
    (face,) = backend.find(scaled(crop, size))
    mouth = (MOUTH - [140, 40]) * scale
    assert covers(grown(face.lips, 2), mouth)


def test_small_face_in_a_large_photo(backend, astronaut):
    photo = torch.full((3, 1200, 1600), 0.4)
    photo[:, 600:780, 1000:1180] = scaled(astronaut[:, 20:220, 120:320], (180, 180))
    (face,) = backend.find(photo)
    mouth = (MOUTH - [120, 20]) * 0.9 + [1000, 600]
    assert covers(grown(face.lips, 2), mouth)


def test_two_faces_largest_first(backend, astronaut):
    photo = torch.full((3, 300, 520), 0.5)
    photo[:, 20:180, 20:180] = scaled(astronaut[:, 20:220, 120:320], (160, 160))
    photo[:, 40:280, 260:500] = scaled(astronaut[:, 20:220, 120:320].flip(-1), (240, 240))
    first, second = backend.find(photo)
    assert first.area > second.area
    assert first.box[0] > 260 > 180 > second.box[0]


@pytest.mark.parametrize("name", ["grey", "dark", "flat"])
def test_poor_pictures(backend, astronaut, name):
    grey = astronaut.mean(0, keepdim=True).expand(3, -1, -1)
    photo = {"grey": grey, "dark": astronaut * 0.15, "flat": 0.45 + 0.1 * astronaut}[name]
    (face,) = backend.find(photo)
    assert covers(grown(face.lips, 2), MOUTH)


def test_no_face_where_there_is_none(backend):
    from skimage.data import brick

    assert backend.find(torch.from_numpy(brick()).float().expand(3, -1, -1) / 255) == []


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_face_in_an_even_picture(backend, value):
    assert backend.find(torch.full((3, 200, 200), value)) == []


def test_same_photo_same_faces(astronaut):
    (one,), (other,) = CascadeBackend().find(astronaut), CascadeBackend().find(astronaut)
    assert one.box == other.box
    assert np.array_equal(one.lips, other.lips)


def test_photo_may_carry_gradients(backend, astronaut):
    assert len(backend.find(astronaut.clone().requires_grad_())) == 1


def test_half_precision_photo(backend, astronaut):
    assert len(backend.find(astronaut.to(torch.bfloat16))) == 1


def test_importing_the_module_brings_no_detector():
    code = (
        "import sys, silencer_core.faces; "
        "print([m for m in ('skimage', 'onnxruntime', 'onnx') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.skipif(not PORTRAITS.is_dir(), reason="no portraits at ../shared/data/portraits")
def test_official_portraits_are_found(backend):
    missed = 0
    for path in sorted(PORTRAITS.glob("*.jpg"))[::100]:
        pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255
        missed += len(backend.find(torch.from_numpy(pixels).movedim(-1, 0))) != 1
    assert missed == 0
