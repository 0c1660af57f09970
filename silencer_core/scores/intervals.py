"""Medians and worst tenths with 95 % intervals over portraits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A median, the 95 % bootstrap interval around it, and the 90th percentile of the values."""

    median: float
    low: float
    high: float
    p90: float
    count: int


def interval(values: Sequence[float], seed: int = 0) -> Interval:
    """Median of finite values with its percentile bootstrap interval (Efron 1979).

    Values that are not finite (a correlation with a mouth that never moved, say) are left out and
    not counted; with none left all figures are NaN.
    """
    finite = np.array([value for value in values if np.isfinite(value)], dtype=np.float64)
    if not len(finite):
        return Interval(*[float("nan")] * 4, 0)
    drawn = np.random.default_rng(seed).integers(0, len(finite), (RESAMPLES, len(finite)))
    low, high = np.percentile(np.median(finite[drawn], axis=1), (2.5, 97.5))
    return Interval(
        float(np.median(finite)),
        float(low),
        float(high),
        float(np.percentile(finite, 90)),
        len(finite),
    )


@dataclass(frozen=True)
class Tail:
    """90th percentiles before and now, and their ratio with its 95 % bootstrap interval."""

    before: float
    now: float
    ratio: float
    low: float
    high: float
    count: int


def tail(before: Sequence[float], now: Sequence[float], seed: int = 0) -> Tail:
    """Worst tenths of two methods on the same portraits, in the same order, drawn together.

    Raises:
        ValueError: not as many of one as of the other.
    """
    pairs = np.array(list(zip(before, now, strict=True)), dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(pairs), (RESAMPLES, len(pairs)))
    tenths = np.percentile(pairs[drawn], 90, axis=1)
    low, high = np.percentile(tenths[:, 1] / tenths[:, 0], (2.5, 97.5))
    was, found = np.percentile(pairs, 90, axis=0).tolist()
    return Tail(was, found, found / was, float(low), float(high), len(pairs))
