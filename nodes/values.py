"""ComfyUI's pictures, masks and sounds as the library takes them, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.audio import Speech
from silencer_core.errors import SilencerError
from silencer_core.photo import Photo

if TYPE_CHECKING:
    from silencer_core.faces import Face, FaceBackend
    from silencer_core.generators.hallo.config import HalloConfig
    from silencer_core.generators.hallo.generator import Hallo
    from silencer_core.objectives.objective import Objective
    from silencer_core.optimise.inversion import InvertedLatent
    from silencer_core.portrait import Portrait

    from .models import LoadedGenerator


@dataclass(frozen=True, eq=False)
class FoundPhoto:
    """A photo, and how its face is found; the portrait itself is of a generator's size.

    Attributes:
        photo: at its own size.
        face: counted by size from 0 for the largest; -1 for all of them.
        padding, face_mask, lip_mask: see `find_portrait`.
        seen: the faces found so far, by the backend that found them.
    """

    photo: Photo
    face: int = 0
    padding: float = 0.35
    face_mask: Tensor | None = None
    lip_mask: Tensor | None = None
    seen: dict[type, list[Face]] = field(default_factory=dict, repr=False)

    def fit(self, config: HalloConfig, backend: FaceBackend) -> list[Portrait]:
        """What a generator of these sizes sees: one portrait, or that of every face."""
        from silencer_core.portrait import find_portrait, find_portraits

        options = {
            "backend": _Once(backend, self.seen),
            "padding": self.padding,
            "vae_factor": config.vae_factor,
            "levels": config.levels,
        }
        pixels, size = self.photo.pixels, config.size
        if self.face < 0 and self.face_mask is None:
            found = find_portraits(pixels, size, **options)
            if found:
                return found
        masks = {"face_mask": self.face_mask, "lip_mask": self.lip_mask}
        return [find_portrait(pixels, size, which=max(self.face, 0), **masks, **options)]


class _Once(NamedTuple):
    """A backend that looks for faces where none of its kind did before; it takes a second."""

    backend: FaceBackend
    seen: dict[type, list[Face]]

    def find(self, photo: Tensor) -> list[Face]:
        kind = type(self.backend)
        if kind not in self.seen:
            self.seen[kind] = self.backend.find(photo)
        return self.seen[kind]


@dataclass(frozen=True, eq=False)
class Aim:
    """An objective, and whom it is aimed at; `voices` None stands for those of the package."""

    objective: Objective
    generator: LoadedGenerator
    voices: list[Speech] | None

    @classmethod
    def sum(cls, terms: Sequence[tuple[float, Aim]]) -> Aim:
        """The weighted sum of several; all hear the recordings of all."""
        from silencer_core.objectives.combined import Combined

        if not terms:
            raise SilencerError("weights: all of them are 0; give one objective a weight above 0.")
        aims = [aim for _, aim in terms]
        if len({id(aim.generator) for aim in aims}) > 1:
            raise SilencerError(
                "objectives: they are for different generators; connect all of them to one "
                "Load Talking-Head Generator."
            )
        voices = {id(one): one for aim in aims for one in aim.voices or ()}
        objective = Combined(tuple((weight, aim.objective) for weight, aim in terms))
        return cls(objective, aims[0].generator, list(voices.values()) or None)


@dataclass(frozen=True, eq=False)
class Inverted:
    """An inverted latent, and the generator that it is of."""

    latent: InvertedLatent
    generator: LoadedGenerator


# in


def photos(image: Tensor, name: str = "image") -> list[Photo]:
    """The photos of an IMAGE `[B, H, W, C]`, C being 1 (grey), 3 or 4 (with alpha).

    Any type and device; whole numbers count to their type's largest. Copied, since what ComfyUI
    gives was made in inference mode.
    """
    if image.ndim != 4 or image.shape[3] not in (1, 3, 4) or not image.numel():
        raise SilencerError(
            f"{name}: it has shape {list(image.shape)}; give an IMAGE [batch, height, width, 3]."
        )
    pixels = _finite(image, name).div_(_largest(image.dtype)).clamp_(0, 1).movedim(3, 1)
    try:
        return [
            Photo(
                one[:3].expand(3, -1, -1).contiguous(), one[3:].clone() if len(one) == 4 else None
            )
            for one in pixels
        ]
    except SilencerError as error:
        raise SilencerError(f"{name}: {error}") from None


def _finite(tensor: Tensor, name: str) -> Tensor:
    """A float32 copy on the CPU; refused if a value is no finite real number."""
    if tensor.is_complex():
        raise SilencerError(f"{name}: its values are complex numbers; give real ones.")
    copy = tensor.to("cpu", torch.float32, copy=True)
    if not copy.isfinite().all():
        raise SilencerError(
            f"{name}: some values are not finite numbers (NaN or infinity); look at the node that "
            "made it."
        )
    return copy


def _largest(dtype: torch.dtype) -> int:
    """What stands for 1."""
    return 1 if dtype.is_floating_point or dtype == torch.bool else torch.iinfo(dtype).max


def photo(image: Tensor, name: str = "image") -> Photo:
    """The only photo of an IMAGE."""
    found = photos(image, name)
    if len(found) > 1:
        raise SilencerError(
            f"{name}: it holds {len(found)} pictures, and one is needed; choose it with "
            '"Image From Batch".'
        )
    return found[0]


def found_photos(portrait: Tensor | list[FoundPhoto], name: str = "portrait") -> list[FoundPhoto]:
    """What a socket for an IMAGE or a PORTRAIT was given; in an IMAGE the largest face counts."""
    if isinstance(portrait, Tensor):
        return [FoundPhoto(one) for one in photos(portrait, name)]
    return portrait


def only_portrait(portrait: Tensor | list[FoundPhoto], generator: Hallo) -> Portrait:
    """The one portrait of one photo, as the generator sees it."""
    given = found_photos(portrait)
    found = [one for each in given for one in each.fit(generator.config, generator.faces())]
    if len(found) > 1:
        raise SilencerError(
            f"portrait: it holds {len(found)} faces, and one is needed; choose the photo with "
            '"Image From Batch" and the face with Find Portrait.'
        )
    return found[0]


def masks(mask: Tensor | None, like: Sequence[Photo], name: str = "mask") -> list[Tensor | None]:
    """A MASK `[B, h, w]` or `[h, w]` for each photo, `[H, W]` in 0..1 at its size.

    None where it is empty, as the 64 x 64 zeros are that Load Image gives for a picture without
    alpha. The last one serves for the photos that follow.
    """
    if mask is None:
        return [None] * len(like)
    if mask.ndim not in (2, 3, 4) or not mask.numel():
        raise SilencerError(
            f"{name}: it has shape {list(mask.shape)}; give a MASK [batch, height, width]."
        )
    given = _finite(mask, name).clamp_(0, 1).reshape(-1, *mask.shape[-2:])
    return [_fitted(given[min(i, len(given) - 1)], one) for i, one in enumerate(like)]


def _fitted(mask: Tensor, photo: Photo) -> Tensor | None:
    if not (mask >= 0.5).any():
        return None
    if mask.shape == photo.pixels.shape[1:]:
        return mask
    size = photo.pixels.shape[1:]
    return F.interpolate(mask[None, None], size, mode="bilinear", align_corners=False)[0, 0]


def speeches(audio: dict[str, Any], name: str = "audio") -> list[Speech]:
    """The recordings of an AUDIO `[B, C, T]`, channels averaged."""
    try:
        waveform, rate = audio["waveform"], audio["sample_rate"]
        shape = list(waveform.shape)
    except (TypeError, KeyError, AttributeError):
        raise SilencerError(
            f"{name}: it is no AUDIO with a waveform and a sample_rate; connect a sound."
        ) from None
    if len(shape) != 3 or 0 in shape:
        raise SilencerError(
            f"{name}: its waveform has shape {shape}; give an AUDIO [batch, channels, samples]."
        )
    try:
        whole = int(rate)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or whole != rate:
        raise SilencerError(f"{name}: its sample_rate is {rate!r}; give a whole number of Hz.")
    try:
        return [Speech(one.mean(0), whole) for one in _finite(waveform, name)]
    except SilencerError as error:
        if str(error).startswith(f"{name}: "):
            raise
        raise SilencerError(f"{name}: {error}") from None


def speech(audio: dict[str, Any], name: str = "audio") -> Speech:
    """The first recording of an AUDIO."""
    return speeches(audio, name)[0]


def video(image: Tensor, name: str = "frames") -> Tensor:
    """The frames of an IMAGE of any size, `[F, 3, H, W]`; grey ones get three channels."""
    if image.ndim != 4 or image.shape[3] not in (1, 3, 4) or not image.numel():
        raise SilencerError(
            f"{name}: the shape is {list(image.shape)}; give an IMAGE [frames, height, width, 3]."
        )
    return _finite(image, name).movedim(3, 1)[:, :3].expand(-1, 3, -1, -1)


# out


def image(pixels: Sequence[Tensor]) -> Tensor:
    """Pictures `[C, H, W]` of one size as an IMAGE `[B, H, W, C]`."""
    return torch.stack([one.detach().cpu().float() for one in pixels]).movedim(1, 3).contiguous()


def with_alpha(photo: Photo) -> Tensor:
    """`[3, H, W]`, or `[4, H, W]` where the photo has alpha."""
    return photo.pixels if photo.alpha is None else torch.cat([photo.pixels, photo.alpha])


def sound(speech: Speech, seconds: float | None = None) -> dict[str, Any]:
    """A recording as AUDIO, or its first seconds."""
    rate, waveform = speech.sample_rate, speech.waveform
    if seconds is not None:
        waveform = waveform[: round(seconds * rate)]
    return {"waveform": waveform[None, None].clone(), "sample_rate": rate}


def marked(frame: Tensor) -> Tensor:
    """A frame `[3, H, W]` in 0..1, as 8 bit hold it, with SYNTHETIC in a corner."""
    from silencer_core.video import marked

    levels = frame.clamp(0, 1).mul(255).round().to(torch.uint8).movedim(0, 2).contiguous()
    return torch.from_numpy(marked(levels.numpy()).copy()).movedim(2, 0).float() / 255


def amplified(before: Tensor, after: Tensor) -> Tensor:
    """A change `[3, H, W]` around grey, the largest one in it at full strength."""
    change = after - before
    return 0.5 + change * (0.5 / change.abs().max().clamp(min=1 / 255))


def sizes(generator: LoadedGenerator | None) -> tuple[HalloConfig, FaceBackend]:
    """What `FoundPhoto.fit` takes: of the generator, or Hallo's sizes without one."""
    if generator is not None:
        return generator.hallo.config, generator.hallo.faces()
    from silencer_core.faces import default_backend
    from silencer_core.generators.hallo.config import HalloConfig

    return HalloConfig(), default_backend()


def areas(portraits: list[list[Portrait]], area: Callable[[Portrait], Tensor]) -> Tensor:
    """A MASK with, for each photo, the areas `[1, H, W]` of all its faces."""
    return torch.cat([torch.stack([area(one) for one in each]).amax(0) for each in portraits])


def lip_area(portrait: Portrait) -> Tensor:
    """The lip mask of the attention, brought to the photo: `[1, H, W]` in 0..1."""
    lips = portrait.masks[0][2]
    side = round(len(lips) ** 0.5)
    wide = F.interpolate(lips.view(1, 1, side, side), (portrait.size,) * 2, mode="bilinear")[0]
    return portrait.paste(wide * 2).clamp(0, 1)  # paste brings -1..1 to 0..1
