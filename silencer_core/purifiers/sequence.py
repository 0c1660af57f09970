"""Clean-ups by name, one after the other: `jpeg:75,resize:0.5`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from silencer_core.errors import SilencerError

from . import filters


@dataclasses.dataclass(frozen=True)
class Number:
    """A number within limits; `whole` takes no fraction, `odd` only odd ones."""

    name: str
    low: float
    high: float
    whole: bool = False
    odd: bool = False

    def read(self, text: str) -> float:
        """The number that `text` holds; raises ValueError with the reason."""
        try:
            value = int(text) if self.whole else float(text)
        except ValueError:
            kind = "a whole number" if self.whole else "a number"
            raise ValueError(f"{self.name} is {text!r}, not {kind}") from None
        if not self.low <= value <= self.high or (self.odd and value % 2 == 0):
            odd = "an odd number " if self.odd else ""
            raise ValueError(f"{self.name} is {text}; choose {odd}{self.low:g} to {self.high:g}")
        return value


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of some words."""

    name: str
    words: tuple[str, ...]

    def read(self, text: str) -> str:
        """The word; raises ValueError with the reason."""
        if text not in self.words:
            raise ValueError(f"{self.name} is {text!r}; choose {', '.join(self.words)}")
        return text


@dataclasses.dataclass(frozen=True)
class Kind:
    """A clean-up: what it does, its parameters in order, and what they are when left out."""

    work: Callable[..., Any]
    parameters: tuple[Number | Choice, ...]
    defaults: tuple[Any, ...]
    random: bool = False


_SIZE = Number("size", 3, 31, whole=True, odd=True)
KINDS = {
    "jpeg": Kind(filters.jpeg, (Number("quality", 1, 100, whole=True),), (75,)),
    "webp": Kind(filters.webp, (Number("quality", 1, 100, whole=True),), (75,)),
    "resize": Kind(
        filters.resize,
        (Number("factor", 0.05, 4), Choice("kernel", tuple(filters.KERNELS))),
        (0.5, "lanczos"),
    ),
    "crop": Kind(filters.crop, (Number("share kept", 0.1, 1),), (0.9,)),
    "blur": Kind(filters.blur, (Number("sigma", 0.1, 20),), (1.0,)),
    "median": Kind(filters.median, (_SIZE,), (3,)),
    "bilateral": Kind(filters.bilateral, (_SIZE, Number("colour", 0.001, 1)), (7, 0.1)),
    "guided": Kind(filters.guided, (_SIZE, Number("smooth", 1e-6, 1)), (7, 0.01)),
    "noise": Kind(filters.noise, (Number("deviation", 0, 1),), (0.03,), random=True),
}
NONE = "none"


@dataclasses.dataclass(frozen=True)
class Step:
    """One clean-up with its strength; `str` gives its name as `parse` reads it."""

    name: str
    values: tuple[Any, ...]

    def __str__(self) -> str:
        return ":".join([self.name, *(f"{v:g}" if v != str(v) else v for v in self.values)])


def parse(sequence: str) -> tuple[Step, ...]:
    """Read a sequence: names separated by commas, each with its parameters after colons.

    Parameters left out at the end take their defaults. "none" is the empty sequence.

    Raises:
        SilencerError: for an unknown name, too many parameters or a value out of range; the
            message names the step and what there is to choose from.
    """
    if sequence.strip() == NONE:
        return ()
    return tuple(_parse_step(text.strip()) for text in sequence.split(","))


def _parse_step(text: str) -> Step:
    name, *given = text.split(":")
    kind = KINDS.get(name)
    if kind is None:
        known = ", ".join([NONE, *KINDS])
        raise SilencerError(f"there is no purifier {name!r}: choose from {known}.")
    if len(given) > len(kind.parameters):
        wanted = ":".join([name, *(p.name.upper() for p in kind.parameters)])
        raise SilencerError(f"purifier {text!r} has too many parameters: write {wanted}.")
    try:
        values = [p.read(t) for p, t in zip(kind.parameters, given, strict=False)]
    except ValueError as error:
        raise SilencerError(f"purifier {text!r}: {error}.") from error
    return Step(name, (*values, *kind.defaults[len(values) :]))


def purify(pixels: Tensor, sequence: str | tuple[Step, ...], seed: int = 0) -> Tensor:
    """What is left of a photo after a sequence of clean-ups, each rounded to 8 bit.

    Args:
        pixels: `[3, H, W]` in 0..1, any float dtype and device; rounded to 8 bit first, as the
            file is that the attacker gets.
        sequence: as `parse` reads it, or what it gave.
        seed: of the steps that draw noise.

    Returns:
        `[3, h, w]` float32 in 0..1 on the CPU; steps that resize or crop change the size.
    """
    steps = parse(sequence) if isinstance(sequence, str) else sequence
    picture = filters.to_picture(pixels)
    source = torch.Generator().manual_seed(seed)
    for step in steps:
        kind = KINDS[step.name]
        extra = (source,) if kind.random else ()
        picture = kind.work(picture, *step.values, *extra)
    return filters.to_tensor(picture)
