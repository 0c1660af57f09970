"""Protecting with less memory: what is tried, in order, when it runs out.

First everything between the photo and the clip is computed again in the backward pass instead of
being kept, which costs time and changes nothing. Then clips become shorter and rollouts take fewer
steps, which weakens the protection, and the report says so by its settings.
"""

from __future__ import annotations

import dataclasses
import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.photo import Photo
from silencer_core.presets import Preset
from silencer_core.protect import Protection, protect

_SAYING_SO = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate")
_SHORTENED = ("frames", "steps")  # of an objective; memory grows with each


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that no memory is left, on the processor or on a GPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        word in str(error).lower() for word in _SAYING_SO
    )


class Frugal(Hallo):
    """The same generator on the same weights; gradients recompute instead of remembering."""

    def __init__(self, generator: Hallo) -> None:
        super().__init__(
            generator.net, generator.vae, generator.audio_encoder, generator.face_analysis
        )

    def posterior(self, images: Tensor) -> Any:
        """See `Hallo.posterior`."""
        return _again(super().posterior, images)

    def reference_features(self, *arguments: Any, **options: Any) -> Any:
        """See `Hallo.reference_features`."""
        return _again(super().reference_features, *arguments, **options)

    def predict(self, *arguments: Any, **options: Any) -> Tensor:
        """See `Hallo.predict`."""
        return _again(super().predict, *arguments, **options)


def _again(function: Callable, *arguments: Any, **options: Any) -> Any:
    if not torch.is_grad_enabled():
        return function(*arguments, **options)
    return checkpoint(
        function, *arguments, use_reentrant=False, preserve_rng_state=False, **options
    )


def smaller(preset: Preset) -> Preset | None:
    """The preset with one objective setting halved, or None if nothing is left to halve."""
    objective = _smaller(preset.objective)
    return None if objective is None else dataclasses.replace(preset, objective=objective)


def _smaller(objective: Any) -> Any:
    inner = getattr(objective, "objective", None)
    if inner is not None:
        less = _smaller(inner)
        return None if less is None else dataclasses.replace(objective, objective=less)
    for name in _SHORTENED:
        value = getattr(objective, name, 1)
        if isinstance(value, int) and value > 1:
            return dataclasses.replace(objective, **{name: value // 2})
    return None


def protect_within_memory(
    photo: Photo, generator: Hallo, audio: Any, how: Preset, **options: Any
) -> Protection:
    """`protect`, and where memory runs out, once more with less of it.

    Arguments are those of `protect`.

    Raises:
        SilencerError: as `protect`; or not even the smallest settings fit into the memory.
    """
    for frugal, settings in _ladder(how):
        try:
            return protect(
                photo, Frugal(generator) if frugal else generator, audio, settings, **options
            )
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        _give_back()  # outside the handler, where the failed attempt is not referred to any more
        print("silencer: memory ran out; once more with less.", file=sys.stderr)
    raise SilencerError(
        f"photo: {photo.width} x {photo.height} pixels do not fit into the memory even with the "
        "smallest settings; scale the photo down, use fewer workers (--jobs), or close programs."
    )


def _ladder(preset: Preset) -> Iterator[tuple[bool, Preset]]:
    yield False, preset
    settings: Preset | None = preset
    while settings is not None:
        yield True, settings
        settings = smaller(settings)


def _give_back() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
