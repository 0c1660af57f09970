"""Medians with intervals."""

import math

import numpy as np
import pytest

from silencer_core.scores.intervals import interval, tail


def test_median_lies_within_its_interval():
    found = interval(np.random.default_rng(0).normal(2, 1, 80).tolist())
    assert found.low < found.median < found.high
    assert found.p90 > found.high
    assert found.count == 80


def test_more_values_narrow_it():
    values = np.random.default_rng(0).normal(0, 1, 1000).tolist()
    few, many = interval(values[:20]), interval(values)
    assert many.high - many.low < 0.4 * (few.high - few.low)


def test_interval_holds_the_true_median_most_of_the_time():
    random = np.random.default_rng(3)
    held = 0
    for _ in range(60):
        found = interval(random.normal(0, 1, 30).tolist())
        held += found.low <= 0 <= found.high
    assert 50 <= held <= 60


def test_values_that_are_no_numbers_do_not_count():
    assert interval([1.0, math.nan, 1.0]).count == 2


def test_nothing_gives_nothing():
    assert math.isnan(interval([math.nan]).median)


def test_one_value_is_its_own_interval():
    found = interval([0.3])
    assert (found.median, found.low, found.high) == pytest.approx((0.3, 0.3, 0.3))


def test_a_tail_that_is_halved_everywhere_is_halved_surely():
    before = np.random.default_rng(0).uniform(0.1, 1, 20)
    found = tail(before.tolist(), (before / 2).tolist())
    assert (found.ratio, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    assert found.now == pytest.approx(np.percentile(before, 90) / 2)


def test_a_tail_that_hangs_on_three_portraits_is_not_sure():
    found = tail([0.1] * 17 + [0.9] * 3, [0.1] * 20)
    assert found.ratio == pytest.approx(1 / 9)
    assert found.high > 0.9


def test_tails_need_the_same_portraits():
    with pytest.raises(ValueError, match="shorter"):
        tail([0.1, 0.2], [0.1])
