"""From a photo to the portrait that a generator sees, and back to the photo's own pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from torch import Tensor

from silencer_core.errors import SilencerError
from silencer_core.faces import Face, FaceBackend, default_backend
from silencer_core.masks import (
    FACE_EXPANSION,
    LIP_EXPANSION,
    attention_masks,
    face_region,
    rectangle,
    regions,
)
from silencer_core.photo import check_pixels

IDENTITY_SIZE = 512
_HEADROOM = 0.08  # how far above the face's middle the crop's middle lies, in heights of the face
_SHAPE_SIDE = 256  # pixels on which a face's soft shape is drawn

# Where lips lie in a face of which only the outline is known, from the outline's box: centre and
# half of the size, in widths and heights of the box. Proportions of MediaPipe's canonical face.
_LIPS_AT = (0.5, 0.72)
_LIPS_HALF = (0.2, 0.07)

_SAME_FACE = 0.6  # overlap from which two crops show one face


class Window(NamedTuple):
    """A rectangle of whole pixels of the photo; right and bottom lie beyond its last pixel."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """To index the last two axes of a photo."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def overlap(self, other: Window) -> float:
        """Shared area over the area of both, 0..1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        shared = max(width, 0) * max(height, 0)
        return shared / (self.width * self.height + other.width * other.height - shared)


@dataclass(frozen=True, eq=False)
class Portrait:
    """A face as a generator sees it, with its place in the photo.

    Attributes:
        image: what the generator takes, float32 `[3, S, S]` in -1..1.
        face_region: input of the face locator, float32 `[3, S, S]` in 0..1.
        masks: per level of the denoising network `[3, tokens]` in 0..1; rows are background
            ("full" in Hallo), face, lip.
        embedding: identity, float32 `[512]`, not normalised; zeros where the backend has none.
        window: the part of the photo that `image` shows.
        photo_size: height and width of the photo.
        face: what the backend found; None where masks were given and no face was found.
        face_height: from chin to hairline in photo pixels.
        shape: the face's area, float32 `[256, 256]` in 0..1, on the part of the photo that
            `shape_window` names.
        shape_window: this part: the face and as much around it as the photo has.
    """

    image: Tensor
    face_region: Tensor
    masks: tuple[Tensor, ...]
    embedding: Tensor
    window: Window
    photo_size: tuple[int, int]
    face: Face | None
    face_height: float
    shape: Tensor
    shape_window: Window

    @property
    def size(self) -> int:
        """Side of the portrait in pixels."""
        return self.image.shape[-1]

    def crop(self, photo: Tensor) -> Tensor:
        """Cut this portrait out of a photo of the same size.

        Bilinear and antialiased, as Pillow resizes. Differentiable with respect to the photo;
        apart from the photo's own gradient, memory grows with the crop and not with the photo.

        Args:
            photo: `[3, H, W]` in 0..1, any float type and device.

        Returns:
            `[3, S, S]` in -1..1, of the photo's type and device.

        Raises:
            SilencerError: a photo of another size.
        """
        if photo.shape[1:] != self.photo_size:
            height, width = self.photo_size
            raise SilencerError(
                f"photo: it is {photo.shape[2]} x {photo.shape[1]} pixels, but this portrait was "
                f"found in one of {width} x {height}"
            )
        rows, columns = self.window.slices
        return self.crop_window(photo[:, rows, columns])

    def in_photo(self, photo: Tensor) -> Portrait:
        """What another photo `[3, H, W]` of the same size shows where this portrait is."""
        return replace(self, image=self.crop(photo))

    def shows_face_of(self, other: Portrait) -> bool:
        """Whether both are of one face, by their places in photos of one size."""
        same_size = self.photo_size == other.photo_size
        return same_size and self.window.overlap(other.window) >= _SAME_FACE

    def again(self, find: Callable[[Tensor], Portrait], photo: Tensor) -> tuple[Portrait, str]:
        """This face in another photo of the same size: found there, or taken from the same place.

        Args:
            find: a portrait in a photo; SilencerError where there is none.
            photo: `[3, H, W]` in 0..1.

        Returns:
            the portrait, and what was found instead of this face; empty if it was found.
        """
        try:
            portrait = find(photo)
        except SilencerError:
            found = "no face"
        else:
            if portrait.shows_face_of(self):
                return portrait, ""
            found = "another face"
        return self.in_photo(photo), found

    def crop_window(self, pixels: Tensor) -> Tensor:
        """The same from the pixels of `window` alone, `[3, h, w]` in 0..1."""
        return _to_portrait(pixels, self.size)

    def paste(self, change: Tensor) -> Tensor:
        """Bring a change of the portrait back to the photo's pixels.

        Bilinear, so that no pixel changes by more than the largest change around it. Adding the
        result to the photo and cropping again gives the changed portrait, up to what the resizing
        smooths away. Differentiable with respect to the change.

        Args:
            change: what is added to the portrait, `[C, S, S]` on its scale of -1..1.

        Returns:
            `[C, H, W]` on the photo's scale of 0..1, zero outside the crop.

        Raises:
            SilencerError: a change of another size.
        """
        if change.shape[1:] != (self.size, self.size):
            raise SilencerError(
                f"change: it has shape {list(change.shape)}, but the portrait is "
                f"[3, {self.size}, {self.size}]"
            )
        pixels = _resized(change, (self.window.height, self.window.width)) / 2
        return _placed(pixels, self.window, self.photo_size)

    def face_mask(self, softness: float = 0.1) -> Tensor:
        """Where the face is in the photo.

        The area within the outline, grown as the generator's face mask is, or the mask that was
        given for the face.

        Args:
            softness: width of the fade from 1 to 0, as a share of the face's height; 0 to 0.5.

        Returns:
            float32 `[1, H, W]` in 0..1 on the CPU.

        Raises:
            SilencerError: a softness outside 0..0.5.
        """
        if not 0 <= softness <= 0.5:
            raise SilencerError(f"softness {softness}: it must lie between 0 and 0.5")
        window = self.shape_window
        deviation = softness * self.face_height / 4  # two of them on each side hold the fade
        deviations = [deviation * _SHAPE_SIDE / side for side in (window.height, window.width)]
        soft = gaussian_filter(self.shape.numpy(), deviations, mode="nearest")
        pixels = _resized(torch.from_numpy(soft)[None], (window.height, window.width)).clamp(0, 1)
        return _placed(pixels, window, self.photo_size)


def find_portrait(
    photo: Tensor,
    size: int,
    *,
    backend: FaceBackend | None = None,
    which: Literal["largest"] | int = "largest",
    padding: float = 0.35,
    face_mask: Tensor | None = None,
    lip_mask: Tensor | None = None,
    whole: bool = False,
    vae_factor: int = 8,
    levels: int = 4,
    face_expansion: float = FACE_EXPANSION,
    published_large_face_bug: bool = False,
) -> Portrait:
    """Find a face and prepare it for a generator.

    The crop is a square around the face, shifted and if need be shrunk to lie inside the photo.

    Args:
        photo: `[3, H, W]` in 0..1, any float type and device.
        size: side of the portrait in pixels, as the generator takes it.
        backend: finds the face; None for the built-in one.
        which: "largest", or a number counting from 0 for the largest.
        padding: space on each side of the face, in heights (or widths, if larger) of the face
            from chin to hairline. With 0.35 the face takes 59 % of the crop's height.
        face_mask: `[H, W]` or `[1, H, W]` in 0..1; replaces the detected face. A detected face
            is still used for lips and identity if its middle lies in the mask.
        lip_mask: likewise; replaces the rectangle around the lips.
        whole: take the whole photo instead of a crop, squeezed to a square, as the published
            preprocessing does.
        vae_factor, levels: of the generator, see `masks.attention_masks`.
        face_expansion: growth of the face's rectangle in the masks.
        published_large_face_bug: see `masks.rectangle`.

    Returns:
        The portrait; its `image` carries no gradient.

    Raises:
        SilencerError: no face and no mask for it, fewer faces than `which` asks for, or an
            argument that cannot be used.
    """
    check_pixels(photo)
    _check_size(size, vae_factor << (levels - 1))
    _check_padding(padding)
    photo = photo.detach()
    height, width = photo_size = (photo.shape[1], photo.shape[2])
    face_area = None if face_mask is None else _area(face_mask, photo_size, "face mask")
    lip_area = None if lip_mask is None else _area(lip_mask, photo_size, "lip mask")

    faces = (backend or default_backend()).find(photo)
    face = _chosen(faces, which) if face_area is None else _within(faces, face_area)
    outline = face.outline if face_area is None else _extent(face_area)
    lips = _usual_lips(outline) if face is None else face.lips

    window = Window(0, 0, width, height) if whole else _square(outline, photo_size, padding)
    rows, columns = window.slices
    face_rectangle, lip_rectangle = (
        rectangle(
            points - [window.left, window.top],
            window.height,
            window.width,
            expansion,
            published_large_face_bug=published_large_face_bug,
        )
        if area is None
        else area[rows, columns]
        for points, expansion, area in (
            (outline, face_expansion, face_area),
            (lips, LIP_EXPANSION, lip_area),
        )
    )
    parts = regions(
        face_rectangle, lip_rectangle, published_large_face_bug=published_large_face_bug
    )
    shape_window = _around(outline, photo_size)
    return Portrait(
        image=_to_portrait(photo[:, rows, columns], size),
        face_region=face_region(face_rectangle, size),
        masks=attention_masks(parts, size, factor=vae_factor, levels=levels),
        embedding=_identity(face),
        window=window,
        photo_size=photo_size,
        face=face,
        face_height=float(np.ptp(outline[:, 1])),
        shape=_shape(outline, face_area, shape_window),
        shape_window=shape_window,
    )


def find_portraits(
    photo: Tensor, size: int, *, backend: FaceBackend | None = None, **options: Any
) -> list[Portrait]:
    """All faces of a photo, the largest first.

    Args:
        photo, size, backend: as for `find_portrait`.
        options: what else `find_portrait` takes, except `which` and the masks.

    Returns:
        One portrait per face; empty where there is none.

    Raises:
        SilencerError: an argument that cannot be used.
    """
    check_pixels(photo)
    faces = (backend or default_backend()).find(photo.detach())
    found = _Found(faces)
    return [
        find_portrait(photo, size, backend=found, which=number, **options)
        for number in range(len(faces))
    ]


class _Found(NamedTuple):
    """Faces that are known already, as a backend."""

    faces: list[Face]

    def find(self, photo: Tensor) -> list[Face]:
        return self.faces


# which face


def _chosen(faces: Sequence[Face], which: Literal["largest"] | int) -> Face:
    if not faces:
        raise SilencerError(
            "photo: no face was found. Give a mask of the face (white where it is, of the photo's "
            "size), or a photo in which it is larger, upright and seen from the front"
        )
    number = 0 if which == "largest" else which
    if not isinstance(number, int) or not 0 <= number < len(faces):
        raise SilencerError(
            f"face {which!r} was asked for, but the photo has {len(faces)}; give "
            f'"largest" or a number from 0 to {len(faces) - 1}'
        )
    return faces[number]


def _within(faces: Sequence[Face], area: np.ndarray) -> Face | None:
    """The largest face whose middle lies in a mask."""
    for face in faces:
        x, y = (int(value) for value in _box(face.outline).mean(0))
        if 0 <= y < area.shape[0] and 0 <= x < area.shape[1] and area[y, x] >= 128:
            return face
    return None


def _identity(face: Face | None) -> Tensor:
    if face is None or face.embedding is None:
        return torch.zeros(IDENTITY_SIZE)
    return torch.from_numpy(np.asarray(face.embedding, dtype=np.float32).copy())


# where it is


def _box(points: np.ndarray) -> np.ndarray:
    """Lowest and highest (x, y), `[2, 2]`."""
    return np.stack([points.min(0), points.max(0)])


def _usual_lips(outline: np.ndarray) -> np.ndarray:
    low, high = _box(outline)
    centre = low + (high - low) * np.array(_LIPS_AT)
    half = (high - low) * np.array(_LIPS_HALF)
    return np.stack([centre - half, centre + half])


def _square(outline: np.ndarray, photo_size: tuple[int, int], padding: float) -> Window:
    low, high = _box(outline)
    height, width = photo_size
    side = max(round(max(high - low) * (1 + 2 * padding)), 1)
    side = min(side, height, width)
    x, y = (low + high) / 2 - [0, _HEADROOM * (high[1] - low[1])]
    left, top = _start(x, side, width), _start(y, side, height)
    return Window(left, top, left + side, top + side)


def _start(middle: float, side: int, limit: int) -> int:
    return min(max(round(middle - side / 2), 0), limit - side)


def _around(outline: np.ndarray, photo_size: tuple[int, int]) -> Window:
    """The face's box with half its size on each side, as far as the photo goes."""
    low, high = _box(outline)
    low, high = low - (high - low) / 2, high + (high - low) / 2
    height, width = photo_size
    left, top = (int(value) for value in np.floor(low).clip(0, [width - 1, height - 1]))
    right, bottom = np.ceil(high).astype(int).clip([left + 1, top + 1], [width, height]).tolist()
    return Window(left, top, right, bottom)


# masks


def _area(mask: Tensor, photo_size: tuple[int, int], name: str) -> np.ndarray:
    """A given mask as 8-bit picture."""
    if tuple(mask.squeeze().shape) != photo_size:
        height, width = photo_size
        raise SilencerError(
            f"{name}: it has shape {list(mask.shape)}, but the photo is [{height}, {width}]; "
            "give a mask of the photo's size"
        )
    if mask.is_complex() or not mask.isfinite().all():
        raise SilencerError(f"{name}: some values are not finite real numbers; draw it again")
    area = mask.detach().cpu().float().reshape(photo_size).mul(255).round().clamp(0, 255)
    area = area.to(torch.uint8).numpy()
    if not (area >= 128).any():
        raise SilencerError(f"{name}: it is empty; it must be white (1) where the area is")
    return area


def _extent(area: np.ndarray) -> np.ndarray:
    """The corners of a mask's box, `[2, 2]`."""
    inside = area >= 128
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]], dtype=float)


def _shape(outline: np.ndarray, area: np.ndarray | None, window: Window) -> Tensor:
    canvas = (_SHAPE_SIDE, _SHAPE_SIDE)
    if area is not None:
        given = Image.fromarray(area[window.slices])
        picture = given.resize(canvas, Image.Resampling.BILINEAR)
    else:
        centre = _box(outline).mean(0)
        rim = (outline - centre) * FACE_EXPANSION
        rim = rim[np.argsort(np.arctan2(rim[:, 1], rim[:, 0]), kind="stable")] + centre
        scale = np.array([_SHAPE_SIDE / window.width, _SHAPE_SIDE / window.height])
        picture = Image.new("L", canvas)
        corners = ((rim - [window.left, window.top]) * scale - 0.5).ravel().tolist()
        ImageDraw.Draw(picture).polygon(corners, fill=255)
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255.0)


# pixels


def _to_portrait(pixels: Tensor, size: int) -> Tensor:
    return _resized(pixels, (size, size)) * 2 - 1


def _resized(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    exact = pixels.float() if pixels.dtype in (torch.float16, torch.bfloat16) else pixels
    resized = F.interpolate(exact[None], size, mode="bilinear", antialias=True, align_corners=False)
    return resized[0].to(pixels.dtype)


def _placed(pixels: Tensor, window: Window, photo_size: tuple[int, int]) -> Tensor:
    height, width = photo_size
    return F.pad(pixels, (window.left, width - window.right, window.top, height - window.bottom))


# arguments


def _check_size(size: int, multiple: int) -> None:
    if size < multiple or size % multiple:
        raise SilencerError(
            f"portrait size {size}: this generator takes multiples of {multiple} pixels"
        )


def _check_padding(padding: float) -> None:
    if not 0 <= padding <= 10:
        raise SilencerError(
            f"padding {padding}: it must lie between 0 (only the face) and 10 (ten face heights)"
        )
