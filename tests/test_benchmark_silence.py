"""benchmarks/silence.py: what a mouth that hears nothing scores."""

from __future__ import annotations

import pytest
import torch
from tiny import drawn_photo, tiny_generator

PHOTO = drawn_photo(side=96, seed=96)  # whose face is found


@pytest.fixture(scope="module")
def silence(benchmark_script):
    return benchmark_script("silence")


def test_the_size_of_silences_gain_is_divided_by_that_of_speech(silence):
    found = [silence.Heard(2.0, 0.5, -0.1), silence.Heard(2.0, 0.4, 0.02)]
    (row,) = silence.rows(found, "none")
    assert row["gain_ratio"]["median"] == pytest.approx((0.2 + 0.05) / 2)


def test_portraits_that_do_not_speak_are_counted_but_not_divided_by(silence):
    found = [silence.Heard(1.0, 0.01, 0.1), silence.Heard(1.0, 0.4, 0.02)]
    (row,) = silence.rows(found, "none")
    assert (row["portraits"], row["gain_ratio"]["count"]) == (2, 1)


def test_every_draw_of_a_clean_up_is_another_and_none_is_the_photo(silence):
    generator = tiny_generator()
    first, second = silence.targets(generator, PHOTO, "noise:0.1", 2)
    assert not torch.equal(first.portrait.image, second.portrait.image)
    (untouched,) = silence.targets(generator, PHOTO, "none", 1)
    assert torch.equal(untouched.clean, untouched.portrait.image / 2 + 0.5)
