"""Clean-ups by name, one after the other: `jpeg:75,resize:0.5,sdedit:0.15`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from silencer_core.checks import check_seed
from silencer_core.errors import SilencerError

from . import filters

if TYPE_CHECKING:
    from silencer_core.generators.hallo.generator import Hallo
    from silencer_core.portrait import Portrait

    from .image_models import ImageModel


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
class Signature:
    """The parameters of a clean-up in order, and what they are when left out."""

    parameters: tuple[Number | Choice, ...]
    defaults: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Kind(Signature):
    """A clean-up that needs nothing but the picture: what it does to it."""

    work: Callable[..., Image.Image]
    random: bool = False


_SIZE = Number("size", 3, 31, whole=True, odd=True)
#: What needs nothing but the picture.
KINDS = {
    "jpeg": Kind((Number("quality", 1, 100, whole=True),), (75,), filters.jpeg),
    "webp": Kind((Number("quality", 1, 100, whole=True),), (75,), filters.webp),
    "resize": Kind(
        (Number("factor", 0.05, 4), Choice("kernel", tuple(filters.KERNELS))),
        (0.5, "lanczos"),
        filters.resize,
    ),
    "crop": Kind((Number("share kept", 0.1, 1),), (0.9,), filters.crop),
    "blur": Kind((Number("sigma", 0.1, 20),), (1.0,), filters.blur),
    "median": Kind((_SIZE,), (3,), filters.median),
    "bilateral": Kind((_SIZE, Number("colour", 0.001, 1)), (7, 0.1), filters.bilateral),
    "guided": Kind((_SIZE, Number("smooth", 1e-6, 1)), (7, 0.01), filters.guided),
    "grey": Kind((), (), filters.grey),
    "noise": Kind((Number("deviation", 0, 1),), (0.03,), filters.noise, random=True),
}
_T = Number("t", 0.01, 0.9)
#: What needs a diffusion model as well; `photo_purifiers.purifier` does it.
DIFFUSION = {
    "sdedit": Signature((_T,), (0.15,)),
    "diffpure": Signature((_T,), (0.15,)),
    "gridpure": Signature((Number("iterations", 1, 100, whole=True),), (20,)),
    "upscale": Signature((Number("deviation", 0, 1),), (0.05,)),
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
    kind = KINDS.get(name) or DIFFUSION.get(name)
    if kind is None:
        known = ", ".join([NONE, *KINDS, *DIFFUSION])
        raise SilencerError(f"there is no purifier {name!r}: choose from {known}.")
    if len(given) > len(kind.parameters):
        wanted = ":".join([name, *(p.name.upper() for p in kind.parameters)])
        raise SilencerError(f"purifier {text!r} has too many parameters: write {wanted}.")
    try:
        values = [p.read(t) for p, t in zip(kind.parameters, given, strict=False)]
    except ValueError as error:
        raise SilencerError(f"purifier {text!r}: {error}.") from error
    return Step(name, (*values, *kind.defaults[len(values) :]))


def needs_generator(steps: tuple[Step, ...]) -> bool:
    """Whether one of the steps denoises with a diffusion model."""
    return any(step.name in DIFFUSION for step in steps)


def draws_noise(steps: tuple[Step, ...]) -> bool:
    """Whether another seed makes something else of a photo."""
    return any(step.name in DIFFUSION or KINDS[step.name].random for step in steps)


def purify(
    pixels: Tensor,
    sequence: str | tuple[Step, ...],
    seed: int = 0,
    generator: Hallo | ImageModel | None = None,
    *,
    whole: bool = False,
    place: Portrait | None = None,
) -> Tensor:
    """What is left of a photo after a sequence of clean-ups, each rounded to 8 bit.

    Args:
        pixels: `[3, H, W]` in 0..1, any float dtype and device; rounded to 8 bit first, as the
            file is that the attacker gets.
        sequence: as `parse` reads it, or what it gave.
        seed: of the steps that draw noise.
        generator: what `sdedit`, `diffpure`, `gridpure` and `upscale` denoise with: a talking-head
            generator, or one of `image_models`.
        whole: the photo is a portrait already; a generator that sees faces takes all of it
            instead of finding one.
        place: where such a generator takes the face from, if it finds none, or another, in a photo
            of this portrait's size.

    Returns:
        `[3, h, w]` float32 in 0..1 on the CPU; steps that resize or crop change the size.

    Raises:
        SilencerError: a sequence that cannot be read, a step that needs a generator where none
            is given, or no face for a generator to work on.
    """
    check_seed(seed)
    steps = parse(sequence) if isinstance(sequence, str) else sequence
    check_generator(steps, generator)
    picture = filters.to_picture(pixels)
    source = torch.Generator().manual_seed(seed)
    for step in steps:
        if step.name in KINDS:
            picture = work_on(picture, step, source)
        else:
            from .photo_purifiers import purifier

            denoise = purifier(step, generator, whole=whole, place=place)
            picture = filters.to_picture(denoise(filters.to_tensor(picture), draw_seed(source)))
    return filters.to_tensor(picture)


def work_on(picture: Image.Image, step: Step, source: torch.Generator) -> Image.Image:
    """One step of `KINDS` on an 8-bit picture; `source` is a CPU generator, used by noise."""
    kind = KINDS[step.name]
    extra = (source,) if kind.random else ()
    return kind.work(picture, *step.values, *extra)


def check_generator(steps: tuple[Step, ...], generator: Hallo | ImageModel | None) -> None:
    """Raises a SilencerError where a step needs a generator and there is none."""
    if generator is None and needs_generator(steps):
        step = next(step for step in steps if step.name in DIFFUSION)
        raise SilencerError(
            f"purifier {str(step)!r} denoises with a diffusion model, and none was given: give "
            f"a generator, or choose from {', '.join(KINDS)}."
        )


def draw_seed(source: torch.Generator) -> int:
    """The seed of one diffusion step."""
    return int(torch.randint(2**31, (), generator=source))
