"""How many threads a generator is given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from silencer_core.generators.hallo.generator import Hallo

SMALL = 256  # pixels along a side


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def few_threads(generator: Hallo) -> Iterator[None]:
    """One thread while a small generator works on the CPU; else, and afterwards, as it was.

    Its operations are so short that waking a second thread takes longer than it saves: 36 steps of
    `NullifyRollout` took 63 s on one thread and 105 s on two. A number that the user has set
    in OMP_NUM_THREADS stays.
    """
    small = generator.device.type == "cpu" and generator.config.size <= SMALL
    before = torch.get_num_threads()
    if not small or "OMP_NUM_THREADS" in os.environ:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
