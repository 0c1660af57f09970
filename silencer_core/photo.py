"""Photos in and out: any picture file to RGB between 0 and 1, and back to an 8-bit PNG."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, PngImagePlugin
from torch import Tensor

from silencer_core.errors import SilencerError
from silencer_core.files import opened, whole

SHORTEST_SIDE = 64
MOST_PIXELS = 150_000_000
PROTECTION = "Silencer"  # name of the PNG text that says how a photo was protected
# What photos come in. Not among them: EPS, for which Pillow runs Ghostscript on the file, and
# formats that only point elsewhere or that nobody keeps photos in.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "GIF", "BMP", "DIB", "JPEG2000", "PPM"),
    *("TGA", "QOI", "PSD", "ICO"),
)
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True)
class Photo:
    """A picture as it is shown: turned upright, in RGB.

    Attributes:
        pixels: float32 `[3, H, W]` in 0..1, in the colour space of `icc`.
        alpha: opacity, float32 `[1, H, W]` in 0..1, or None where the file has none.
        icc: the RGB colour profile that the pixels are in; None means sRGB.
        protection: what `protect` wrote about itself into the file, None if it did not.

    Raises:
        SilencerError: pixels of another shape, not finite, or too few of them.
    """

    pixels: Tensor
    alpha: Tensor | None = None
    icc: bytes | None = None
    protection: str | None = None

    def __post_init__(self) -> None:
        check_pixels(self.pixels)
        if self.alpha is not None and self.alpha.shape != (1, *self.pixels.shape[1:]):
            raise SilencerError(
                f"photo: its alpha has shape {list(self.alpha.shape)}, its pixels have "
                f"{list(self.pixels.shape)}; the sides must agree"
            )

    @property
    def height(self) -> int:
        """Rows."""
        return self.pixels.shape[1]

    @property
    def width(self) -> int:
        """Columns."""
        return self.pixels.shape[2]


def check_pixels(pixels: Tensor) -> None:
    """Refuse what is not a photo that can be used.

    Args:
        pixels: should be floating point `[3, H, W]`, H and W at least 64.

    Raises:
        SilencerError: another shape or type, fewer pixels, or values that are not finite.
    """
    if pixels.ndim != 3 or pixels.shape[0] != 3 or not pixels.is_floating_point():
        raise SilencerError(
            f"photo: expected floating-point pixels of shape [3, height, width], found "
            f"{pixels.dtype} {list(pixels.shape)}"
        )
    _check_size(*pixels.shape[1:], name="photo")
    if not torch.stack(pixels.detach().aminmax()).isfinite().all():
        raise SilencerError("photo: some values are not finite numbers; load the picture again")


def read_photo(path: str | os.PathLike[str]) -> Photo:
    """Read a picture file.

    Every picture format that Pillow opens by itself and that photos come in is accepted; what
    is in the file tells the format, not its name. EXIF orientation is applied; of an animated
    file the first frame is taken. Grey, palette and CMYK become RGB. A profile for RGB is kept;
    colours under any other profile are converted to sRGB. 16-bit grey keeps its precision; 16-bit
    colour is cut to its upper 8 bits, which is what Pillow reads. Other metadata than the profile
    is not kept.

    Args:
        path: the file.

    Returns:
        The photo, at its own size.

    Raises:
        SilencerError: no such file, not a picture, damaged, a value range that cannot be known
            (32 bits or floating point), shorter than 64 pixels on a side, or more than 150
            million pixels.
    """
    with opened(path, "picture") as file:
        return _read(file, str(path))


def photo_from_bytes(content: bytes, name: str) -> Photo:
    """`read_photo` for the content of a picture file; `name` is what errors call it."""
    return _read(io.BytesIO(content), name)


def size_in_file(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Width and height that a picture file claims, before any turning; no pixel is read.

    Raises:
        SilencerError: as `read_photo`, as far as the file's head tells.
    """
    with opened(path, "picture") as file:
        return _opened_picture(file, str(path), lambda picture: picture.size)


def protection_in_file(path: str | os.PathLike[str]) -> str | None:
    """What `protect` wrote about itself into a picture file; None if it did not.

    Raises:
        SilencerError: as `read_photo`, as far as the file's head tells.
    """
    with opened(path, "picture") as file:
        return _opened_picture(file, str(path), lambda picture: picture.info.get(PROTECTION))


def write_photo(photo: Photo, path: str | os.PathLike[str]) -> None:
    """Write an 8-bit PNG with the photo's alpha, colour profile and note of its protection.

    Values are rounded to the nearest of 256 levels. The file appears under its name only when
    it is whole.

    Args:
        photo: values outside 0..1 are clamped.
        path: must end in `.png`; an existing file is replaced.

    Raises:
        SilencerError: another suffix, or a folder that cannot be written to.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise SilencerError(
            f"{path}: photos are written as PNG, without loss; choose a name that ends in .png"
        )
    content = png_of(photo)
    with whole(path) as beside:
        beside.write_bytes(content)


def png_of(photo: Photo) -> bytes:
    """The content of the file that `write_photo` writes."""
    channels = [*photo.pixels, *([] if photo.alpha is None else photo.alpha)]
    picture = Image.fromarray(np.stack([_eight_bits(channel) for channel in channels], axis=-1))
    text = PngImagePlugin.PngInfo()
    if photo.protection is not None:
        text.add_text(PROTECTION, photo.protection)
    png = io.BytesIO()
    picture.save(png, format="PNG", icc_profile=photo.icc, pnginfo=text)
    return png.getvalue()


def _read(file: BinaryIO, name: str) -> Photo:
    return _opened_picture(file, name, lambda picture: _photo_from(picture, name))


def _opened_picture(file: BinaryIO, name: str, use: Callable[[Image.Image], Any]) -> Any:
    """What `use` makes of the picture in a file; whatever Pillow raises becomes a SilencerError."""
    try:
        with warnings.catch_warnings():
            # Pillow's own limit is far below what cameras make; ours is checked below. What else
            # it warns of (odd EXIF, truncated tables) either raises below or does no harm.
            warnings.simplefilter("ignore")
            with Image.open(file, formats=_formats()) as picture:
                _check_size(picture.height, picture.width, name=name)
                return use(picture)
    except (SilencerError, MemoryError):
        raise
    except Image.UnidentifiedImageError:
        raise SilencerError(
            f"{name}: this is not a picture that can be read; save it as PNG or JPEG"
        ) from None
    except Image.DecompressionBombError:
        raise SilencerError(_too_large(name)) from None
    except Exception as error:  # each of Pillow's decoders has its own ways to fail
        reason = str(error) or type(error).__name__
        raise SilencerError(
            f"{name}: the picture is damaged or cut short ({reason}); get a whole copy of the file"
        ) from None


def _formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _check_size(height: int, width: int, *, name: str) -> None:
    if min(height, width) < SHORTEST_SIDE:
        raise SilencerError(
            f"{name}: {width} x {height} pixels hold too little of a face; the shorter side must "
            f"be at least {SHORTEST_SIDE} pixels. Use the original picture, not a thumbnail"
        )
    if height * width > MOST_PIXELS:
        raise SilencerError(_too_large(f"{name}: {width} x {height} pixels"))


def _too_large(name: str) -> str:
    return f"{name}: more than {MOST_PIXELS // 1_000_000} million pixels; scale the picture down"


def _photo_from(picture: Image.Image, name: str) -> Photo:
    icc, protection = picture.info.get("icc_profile"), picture.info.get(PROTECTION)
    picture.load()  # first, since what is cut short must not be suppressed below
    with suppress(Exception):  # metadata that cannot be read does not turn the picture
        ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode in (*_SIXTEEN_BITS, "I", "F"):
        return Photo(_deep_grey(picture, name).expand(3, -1, -1).contiguous())
    alpha = None
    if "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        picture = picture.convert("RGBA")
        alpha = _unit(np.asarray(picture.getchannel("A")))[None]
    if icc and not _is_rgb(icc):
        picture, icc = _to_srgb(picture, icc), None
    channels = np.asarray(picture.convert("RGB"))
    pixels = torch.empty(3, *channels.shape[:2])
    for channel in range(3):  # one at a time, for the sake of memory
        pixels[channel] = _unit(channels[..., channel])
    return Photo(pixels, alpha, icc or None, protection)


def _deep_grey(picture: Image.Image, name: str) -> Tensor:
    values = np.asarray(picture).astype(np.float32)
    largest = 1.0 if picture.mode == "F" else 65535.0
    if not (values.min() >= 0 and values.max() <= largest):
        raise SilencerError(
            f"{name}: its values run from {values.min():g} to {values.max():g}, and what counts "
            "as white is not known; save the picture with 8 or 16 bits"
        )
    return torch.from_numpy(values).div_(largest)[None]


def _is_rgb(icc: bytes) -> bool:
    return icc[16:20] == b"RGB "  # the colour space field of the profile's header


def _to_srgb(picture: Image.Image, icc: bytes) -> Image.Image:
    """The picture in sRGB; where the profile does not fit it, without colour management."""
    with suppress(ImageCms.PyCMSError, OSError):
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        srgb = ImageCms.createProfile("sRGB")
        source = picture.convert("L") if icc[16:20] == b"GRAY" else picture
        converted = ImageCms.profileToProfile(source, profile, srgb, outputMode="RGB")
        if converted is not None:
            return converted
    return picture


def _unit(channel: np.ndarray) -> Tensor:
    return torch.from_numpy(channel.astype(np.float32)).div_(255.0)


def _eight_bits(channel: Tensor) -> np.ndarray:
    levels = channel.detach().cpu().float().mul(255.0).round_().clamp_(0, 255)
    return levels.to(torch.uint8).numpy()
