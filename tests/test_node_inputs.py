"""Whatever arrives at a node's sockets: pictures, masks and sounds, or a clear error.

The module that takes them knows nothing of ComfyUI, so these run without it.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st

from silencer_core.errors import SilencerError
from silencer_core.photo import Photo

PATH = Path(__file__).parents[1] / "nodes" / "values.py"
DTYPES = (
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.uint8,
    torch.int16,
    torch.int64,
    torch.bool,
    torch.complex64,
)
SHAPES = st.lists(st.integers(0, 5), max_size=5).map(tuple)
FILLS = (0.0, 0.5, 1.0, -3.0, 255.0, float("nan"), float("inf"), float("-inf"))


@pytest.fixture(scope="module")
def values():
    spec = importlib.util.spec_from_file_location("silencer_node_values", PATH)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@st.composite
def tensors(draw, shapes=SHAPES):
    """Of any type, number of dimensions and content, some with one odd value in a sane rest."""
    shape = draw(shapes)
    dtype, fill = draw(st.sampled_from(DTYPES)), draw(st.sampled_from(FILLS))
    whole = torch.full(shape, 0.25, dtype=torch.float64)
    if draw(st.booleans()):
        whole.fill_(fill)
    elif whole.numel():
        whole.view(-1)[draw(st.integers(0, whole.numel() - 1))] = fill
    if not dtype.is_floating_point:
        whole = whole.nan_to_num(0, 9, -9)
    return whole.to(dtype)


def pictures(channels):
    side = st.sampled_from([0, 1, 63, 64, 70])
    return st.tuples(st.integers(0, 3), side, side, channels)


@given(tensors() | tensors(pictures(st.sampled_from([1, 3, 4]))))
@fuzz(400)
def test_any_image_is_photos_or_refused(values, image):
    try:
        found = values.photos(image)
    except SilencerError as error:
        assert str(error).startswith("image: ")
        return
    assert len(found) == len(image) > 0
    for one in found:
        assert one.pixels.shape == (3, *image.shape[1:3])
        assert one.pixels.min() >= 0
        assert one.pixels.max() <= 1


@given(tensors() | tensors(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9))))
@fuzz(400)
def test_any_mask_is_fitted_or_refused(values, mask):
    photos = [Photo(torch.zeros(3, 66, 68)), Photo(torch.zeros(3, 67, 65))]
    try:
        found = values.masks(mask, photos, "face_mask")
    except SilencerError as error:
        assert str(error).startswith("face_mask: ")
        return
    for one, photo in zip(found, photos, strict=True):
        if one is not None:
            assert one.shape == photo.pixels.shape[1:]
            assert one.min() >= 0
            assert one.max() <= 1


RATES = st.sampled_from([16_000, 44_100, 0, -1, 2**40, 1.5, float("nan"), float("inf"), None, "x"])


@given(tensors() | tensors(st.tuples(*[st.integers(0, 5)] * 3)), RATES)
@fuzz(400)
def test_any_audio_is_recordings_or_refused(values, waveform, rate):
    try:
        found = values.speeches({"waveform": waveform, "sample_rate": rate}, "audio_2")
    except SilencerError as error:
        assert str(error).startswith("audio_2: ")
        return
    assert len(found) == len(waveform) > 0
    for one in found:
        assert one.waveform.shape == (waveform.shape[2],)
        assert one.waveform.isfinite().all()
        assert one.sample_rate == rate


@pytest.mark.parametrize(
    "audio",
    [{}, {"waveform": torch.zeros(1, 1, 9)}, {"sample_rate": 9}, None, 3, {"waveform": None}],
    ids=["empty", "no rate", "no waveform", "none", "number", "waveform none"],
)
def test_what_is_no_audio_is_refused(values, audio):
    with pytest.raises(SilencerError, match=r"^audio: .*AUDIO"):
        values.speeches(audio)


@given(tensors() | tensors(pictures(st.sampled_from([1, 3, 4]))))
@fuzz(200)
def test_any_frames_are_a_video_or_refused(values, frames):
    try:
        found = values.video(frames)
    except SilencerError as error:
        assert str(error).startswith("frames: ")
        return
    assert found.shape == (len(frames), 3, *frames.shape[1:3])
    assert found.isfinite().all()
