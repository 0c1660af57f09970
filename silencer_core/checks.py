"""Numbers within limits, words of a few: what settings and configurations have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from silencer_core.errors import SilencerError

LARGEST_SEED = 2**63  # torch takes twice as many, which leaves room to derive others

MOST_WEIGHT = 1e6  # of one term of a loss


def check_whole(name: str, value: Any, low: int, high: int) -> None:
    """Raise a SilencerError unless `value` is a whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SilencerError(f"{name} is {_shown(value)}; choose a whole number, {low} to {high}.")


def check_number(name: str, value: Any, low: float, high: float = math.inf) -> None:
    """Raise a SilencerError unless `value` is a finite number from `low` to `high`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (abs(value) < math.inf and low <= value <= high):
        limits = f"{low:g} or more" if high == math.inf else f"{low:g} to {high:g}"
        raise SilencerError(f"{name} is {_shown(value)}; choose a number, {limits}.")


def check_wholes(name: str, values: Any, low: int, high: int, longest: int) -> None:
    """Raise a SilencerError unless `values` are 1 to `longest` whole numbers within limits."""
    listed = isinstance(values, Sequence) and not isinstance(values, str)
    if not listed or not 1 <= len(values) <= longest:
        raise SilencerError(
            f"{name} is {_shown(values)}; choose 1 to {longest} whole numbers, {low} to {high}."
        )
    for value in values:
        check_whole(name, value, low, high)


def check_choice(name: str, value: Any, words: Sequence[str]) -> None:
    """Raise a SilencerError unless `value` is one of the words."""
    if value not in words:
        raise SilencerError(f"{name} is {_shown(value)}; choose {' or '.join(words)}.")


def check_seed(seed: Any) -> None:
    """Raise a SilencerError unless `seed` is one that torch takes."""
    check_whole("the seed", seed, 0, LARGEST_SEED)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:60]}..."
