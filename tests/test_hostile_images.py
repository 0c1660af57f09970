"""Pictures of every odd kind are read as they are shown, or refused in one clear line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fuzz import fuzz
from hostile_images import HEIGHT, READS, SAME, WIDTH, Case, cases, picture, whole_files
from hypothesis import given
from hypothesis import strategies as st

from silencer_core.errors import SilencerError
from silencer_core.photo import Photo, photo_from_bytes, png_of, read_photo

CASES = cases()
WHOLE = list(whole_files().values())


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_odd_picture(case: Case, tmp_path):
    path = tmp_path / case.name
    path.write_bytes(case.content)
    if case.expected in (READS, SAME):
        photo = read_photo(path)
        assert sorted((photo.width, photo.height)) == [HEIGHT, WIDTH]
        assert 0 <= photo.pixels.min() <= photo.pixels.max() <= 1
        if case.expected == SAME:
            assert torch.equal(photo.pixels, expected_pixels())
    else:
        with pytest.raises(SilencerError) as refusal:
            read_photo(path)
        assert case.expected in str(refusal.value)
        assert str(refusal.value).startswith(str(path))
        assert "\n" not in str(refusal.value)


def expected_pixels() -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture()).copy()).movedim(-1, 0) / 255


def test_there_are_many():
    assert len({case.content for case in CASES}) > 250


@pytest.mark.parametrize("value", [1, 2, 3, 4, 5, 6, 7, 8])
def test_every_orientation_shows_the_same_side_up(value):
    (case,) = (case for case in CASES if case.name == f"orientation_{value}.png")
    photo = photo_from_bytes(case.content, case.name)
    turned = {
        1: lambda x: x,
        2: lambda x: x.flip(2),
        3: lambda x: x.flip(1, 2),
        4: lambda x: x.flip(1),
        5: lambda x: x.transpose(1, 2),
        6: lambda x: x.rot90(-1, (1, 2)),
        7: lambda x: x.transpose(1, 2).flip(1, 2),
        8: lambda x: x.rot90(1, (1, 2)),
    }[value]
    assert torch.equal(photo.pixels, turned(expected_pixels()))


def reads_or_refuses(content: bytes) -> None:
    try:
        photo = photo_from_bytes(content, "photo")
    except SilencerError as error:
        assert str(error).startswith("photo: ")
    else:
        assert torch.equal(photo_from_bytes(png_of(photo), "again").pixels, _rounded(photo))


def _rounded(photo: Photo) -> torch.Tensor:
    return (photo.pixels * 255).round() / 255


@fuzz(150)
@given(st.data())
def test_any_change_of_a_picture_file(data):
    content = bytearray(data.draw(st.sampled_from(WHOLE)))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)
    ):
        content[place] = value
    end = data.draw(st.integers(0, len(content)))
    reads_or_refuses(bytes(content[:end] if data.draw(st.booleans()) else content))


@fuzz(100)
@given(st.sampled_from([content[:12] for content in WHOLE]), st.binary(max_size=400))
def test_any_bytes_after_a_head(head, rest):
    reads_or_refuses(head + rest)


PIXELS = {
    "nan": torch.full((3, 64, 64), float("nan")),
    "one_nan": torch.zeros(3, 64, 64).index_put((torch.tensor(0),) * 3, torch.tensor(torch.nan)),
    "inf": torch.full((3, 64, 64), float("inf")),
    "minus_inf": torch.full((3, 64, 64), float("-inf")),
    "bytes": torch.zeros(3, 64, 64, dtype=torch.uint8),
    "integers": torch.zeros(3, 64, 64, dtype=torch.int64),
    "booleans": torch.zeros(3, 64, 64, dtype=torch.bool),
    "complex": torch.zeros(3, 64, 64, dtype=torch.complex64),
    "channels_last": torch.zeros(64, 64, 3),
    "grey": torch.zeros(1, 64, 64),
    "with_alpha": torch.zeros(4, 64, 64),
    "batch": torch.zeros(1, 3, 64, 64),
    "flat": torch.zeros(64, 64),
    "scalar": torch.tensor(0.0),
    "nothing": torch.zeros(3, 0, 0),
    "no_rows": torch.zeros(3, 0, 64),
    "small": torch.zeros(3, 63, 64),
    "narrow": torch.zeros(3, 64, 1),
    "huge": torch.zeros(1).expand(3, 20_000, 20_000),
}


@pytest.mark.parametrize("name", PIXELS)
def test_odd_pixels_are_refused(name):
    with pytest.raises(SilencerError, match="photo"):
        Photo(PIXELS[name])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_precision_is_a_photo(dtype):
    assert Photo(torch.zeros(3, 64, 64, dtype=dtype)).width == 64
