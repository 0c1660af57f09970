"""Picture files of every odd kind, made here: name, content, and what reading them must give."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

WIDTH, HEIGHT = 96, 80
READS = "reads"  # a photo of 96 x 80, or turned
SAME = "same"  # and with the very pixels of `picture()`
DAMAGED = "damaged or cut short"
NO_PICTURE = "not a picture"
TOO_LARGE = "scale the picture down"
TOO_SMALL = "at least 64"
UNKNOWN_WHITE = "what counts as white is not known"
REFUSED = ""  # any message


@dataclass(frozen=True)
class Case:
    """A file, and `READS`, `SAME`, or words of the refusal."""

    name: str
    content: bytes
    expected: str

    @property
    def id(self) -> str:
        return self.name


def picture() -> Image.Image:
    """Smooth, with a corner that shows which way is up."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    channels = [rows * 3, columns * 2, (rows + columns) % 256]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes, checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(width=WIDTH, height=HEIGHT, depth=8, colour=2, interlace=0, rows=None, extra=b"", end=True):
    """A PNG from its parts."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    if rows is None:
        pixels = np.asarray(picture())
        rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    parts = [SIGNATURE, chunk(b"IHDR", header), extra, chunk(b"IDAT", zlib.compress(rows))]
    return b"".join(parts) + (chunk(b"IEND", b"") if end else b"")


LOSSLESS = {
    "png": {},
    "tiff": {},
    "bmp": {},
    "ppm": {},
    "tga": {},
    "webp": {"lossless": True},
    "qoi": {},
    "jpeg2000": {},
}
LOSSY = {"jpeg": {"quality": 95}, "gif": {}, "avif": {}}
SUFFIX = {"jpeg": "jpg", "jpeg2000": "jp2"}


def whole_files() -> dict[str, bytes]:
    """One file per format that this Pillow writes."""
    Image.init()
    kinds = {**LOSSLESS, **LOSSY}
    return {
        kind: saved(picture(), kind.upper(), **options)
        for kind, options in kinds.items()
        if kind.upper() in Image.SAVE
    }


def formats() -> Iterator[Case]:
    for kind, content in whole_files().items():
        expected = SAME if kind in LOSSLESS else READS
        yield Case(f"whole.{SUFFIX.get(kind, kind)}", content, expected)
        for suffix in ("jpg", "png", "txt", "exe"):
            yield Case(f"{kind}_named.{suffix}", content, expected)
        yield Case(f"{kind}_followed_by_a_script.php", content + b"<?php system($_GET[0]);", READS)


def truncated() -> Iterator[Case]:
    for kind, content in whole_files().items():
        for share in (0.003, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8):
            cut = content[: max(1, int(len(content) * share))]
            yield Case(f"cut_at_{share}.{kind}", cut, REFUSED)


def not_pictures() -> Iterator[Case]:
    contents = {
        "empty": b"",
        "zeros": bytes(5000),
        "ones": b"\xff" * 5000,
        "text": b"hello " * 500,
        "html": b"<!DOCTYPE html><html><img src=x onerror=alert(1)></html>",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='96' height='80'><script/></svg>",
        "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF",
        "zip": b"PK\x03\x04" + bytes(100),
        "elf": b"\x7fELF" + bytes(200),
        "mz": b"MZ" + bytes(200),
        "gzip": b"\x1f\x8b\x08" + bytes(100),
        "mp4": b"\0\0\0\x18ftypisom" + bytes(300),
        "wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
        "pickle": b"\x80\x04\x95\x1f\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "json": b'{"width": 96, "height": 80}',
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 96 80\n%%EndComments\nshowpage\n",
        "eps_with_code": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 96 80\n"
        b"(%pipe%touch /tmp/hostile) (w) file\nshowpage\n",
        "xbm": b"#define x_width 96\n#define x_height 80\nstatic char x_bits[] = {0x00};\n",
        "wmf": b"\xd7\xcd\xc6\x9a\0\0" + bytes(100),
        "fits": b"SIMPLE  =                    T" + b" " * 2850,
        "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "mpeg": b"\0\0\x01\xb3\x06\0\x50\x13" + bytes(100),
        "only_a_png_signature": SIGNATURE,
        "only_a_jpeg_start": b"\xff\xd8\xff\xe0",
        "only_a_gif_head": b"GIF89a",
        "only_a_webp_head": b"RIFF\x10\0\0\0WEBPVP8 ",
        "only_a_tiff_head": b"II*\0\x08\0\0\0",
        "only_a_bmp_head": b"BM",
        "only_a_qoi_head": b"qoif",
    }
    for name, content in contents.items():
        yield Case(f"{name}.png", content, REFUSED)
    for seed in range(12):
        yield Case(f"random_{seed}.jpg", random.Random(seed).randbytes(3000), REFUSED)
    for kind, content in whole_files().items():  # a right head, then noise
        noise = random.Random(kind).randbytes(len(content))
        expected = READS if kind in ("ppm", "qoi") else REFUSED  # any bytes are pixels there
        yield Case(f"head_then_noise.{kind}", content[:16] + noise[16:], expected)


def sizes() -> Iterator[Case]:
    for width, height in ((1, 1), (63, 64), (64, 63), (1, 5000), (5000, 1), (16, 16), (63, 63)):
        for kind in ("png", "jpeg", "bmp"):
            content = saved(Image.new("RGB", (width, height)), kind.upper())
            yield Case(f"{width}x{height}.{kind}", content, TOO_SMALL)
    for width, height in ((0, 80), (96, 0), (0, 0)):
        yield Case(f"{width}x{height}_claimed.png", png(width, height), REFUSED)
    for side in (13_000, 60_000, 2**20, 2**31 - 1, 2**31, 2**32 - 1):
        expected = TOO_LARGE if side < 2**31 else REFUSED
        yield Case(f"bomb_{side}.png", png(side, side, rows=bytes(1000)), expected)
    yield Case("bomb_long.png", png(2**31 - 1, 96, rows=bytes(1000)), TOO_LARGE)
    gif, bmp = bytearray(saved(picture(), "GIF")), bytearray(saved(picture(), "BMP"))
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    yield Case("bomb.gif", bytes(gif), TOO_LARGE)
    for side in (40_000, 2**31 - 1, -(2**31), -80, 0):
        claimed = bmp.copy()
        claimed[18:26] = struct.pack("<ii", side, side)
        yield Case(f"bomb_{side}.bmp", bytes(claimed), REFUSED)
    jpeg = saved(picture(), "JPEG")
    start = jpeg.index(b"\xff\xc0")
    for side in (0, 1, 65_535):
        claimed = jpeg[: start + 5] + struct.pack(">HH", side, side) + jpeg[start + 9 :]
        yield Case(f"claims_{side}.jpg", claimed, REFUSED)
    ppm = b"P6 %d %d 255\n"
    for side in (0, 1, 99_999, 2**31, 2**63):
        yield Case(f"claims_{side}.ppm", ppm % (side, side) + bytes(500), REFUSED)
    yield Case("negative.ppm", b"P6 -96 -80 255\n" + bytes(500), REFUSED)
    yield Case("overlong_number.ppm", b"P6 " + b"9" * 5000 + b" 80 255\n", REFUSED)
    more = zlib.compress(bytes(50_000_000))
    body = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0))
    yield Case("more_rows_than_claimed.png", body + chunk(b"IDAT", more), READS)
    yield Case("text_bomb.png", png(extra=chunk(b"zTXt", b"a\0\0" + more)), REFUSED)
    yield Case("profile_bomb.png", png(extra=chunk(b"iCCP", b"a\0\0" + more)), REFUSED)
    yield Case("itxt_bomb.png", png(extra=chunk(b"iTXt", b"a\0\1\0\0\0" + more)), REFUSED)


def modes() -> Iterator[Case]:
    for mode, kind, expected in (
        ("1", "PNG", READS),
        ("1", "TIFF", READS),
        ("L", "PNG", READS),
        ("L", "JPEG", READS),
        ("LA", "PNG", READS),
        ("P", "PNG", READS),
        ("P", "GIF", READS),
        ("P", "BMP", READS),
        ("RGBA", "PNG", SAME),
        ("RGBA", "TIFF", SAME),
        ("RGBA", "WEBP", READS),
        ("CMYK", "JPEG", READS),
        ("CMYK", "TIFF", SAME),
        ("YCbCr", "JPEG", READS),
        ("YCbCr", "TIFF", READS),
        ("LAB", "TIFF", READS),
        ("I;16", "PNG", READS),
        ("I;16", "TIFF", READS),
    ):
        source = picture().convert("L" if mode == "I;16" else "RGB")
        image = (
            Image.fromarray(np.asarray(source).astype(np.uint16) * 257)
            if mode == "I;16"
            else Image.merge("LAB", source.split())
            if mode == "LAB"
            else source.convert(mode)
        )
        name = mode.replace(";", "_").lower()
        yield Case(f"mode_{name}.{kind.lower()}", saved(image, kind), expected)
    rows = np.linspace(0, 1, WIDTH * HEIGHT, dtype=np.float32).reshape(HEIGHT, WIDTH)
    yield Case("float.tiff", saved(Image.fromarray(rows), "TIFF"), READS)
    for name, value in (("nan", np.nan), ("inf", np.inf), ("minus_inf", -np.inf), ("two", 2.0)):
        spoilt = rows.copy()
        spoilt[3, 4] = value
        yield Case(f"float_{name}.tiff", saved(Image.fromarray(spoilt), "TIFF"), UNKNOWN_WHITE)
    yield Case("float_all_nan.tiff", saved(Image.fromarray(rows * np.nan), "TIFF"), UNKNOWN_WHITE)
    for value, expected in ((-1, UNKNOWN_WHITE), (65_535, READS), (2**30, UNKNOWN_WHITE)):
        image = Image.fromarray(np.full((HEIGHT, WIDTH), value, np.int32))
        yield Case(f"int32_{value}.tiff", saved(image, "TIFF"), expected)


def animated() -> Iterator[Case]:
    frames = [picture(), *(Image.new("RGB", (WIDTH, HEIGHT), (9 * k, 0, 0)) for k in range(1, 4))]
    for kind, expected, options in (
        ("GIF", READS, {"duration": 1, "loop": 0}),
        ("PNG", SAME, {}),
        ("WEBP", SAME, {"lossless": True}),
        ("TIFF", SAME, {}),
    ):
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        yield Case(f"animated.{kind.lower()}", content, expected)
        yield Case(f"animated_cut.{kind.lower()}", content[: int(len(content) * 0.2)], REFUSED)


def profiles() -> Iterator[Case]:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    bad = {
        "srgb": srgb,
        "one_byte": b"x",
        "header_only": srgb[:128],
        "cut": srgb[: len(srgb) // 2],
        "noise": random.Random(1).randbytes(2000),
        "megabyte": srgb + bytes(10**6),
        "lies_about_its_size": struct.pack(">I", 2**31) + srgb[4:],
        "many_tags": srgb[:128] + struct.pack(">I", 2**31 - 1) + srgb[132:],
        **{
            f"says_{space.strip(bytes(1)).decode()}": srgb[:16] + space + srgb[20:]
            for space in (b"GRAY", b"CMYK", b"Lab ", b"XYZ ", b"2CLR", b"\0\0\0\0", b"HSV ")
        },
    }
    for name, profile in bad.items():
        for kind in ("PNG", "JPEG", "TIFF"):
            expected = READS if kind == "JPEG" or name.startswith("says") else SAME
            content = saved(picture(), kind, icc_profile=profile)
            yield Case(f"profile_{name}.{kind.lower()}", content, expected)


def orientations() -> Iterator[Case]:
    for value in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 65_535):
        exif = Image.Exif()
        exif[0x0112] = value
        for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
            content = saved(picture(), kind, exif=exif)
            yield Case(f"orientation_{value}.{kind.lower()}", content, READS)
    for name, exif in {
        "empty": b"",
        "no_tiff": b"Exif\0\0garbage",
        "noise": b"Exif\0\0" + random.Random(2).randbytes(500),
        "loop": b"Exif\0\0II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "far_away": b"Exif\0\0II*\0\xff\xff\xff\x7f",
        "many_entries": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(50),
        "text": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x09\0\0\0\x1a\0\0\0upside-dn",
    }.items():
        for kind in ("JPEG", "WEBP"):
            yield Case(f"exif_{name}.{kind.lower()}", saved(picture(), kind, exif=exif), READS)


def chunks() -> Iterator[Case]:
    """PNGs that break the rules one at a time."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in np.asarray(picture())))
    idat, end = chunk(b"IDAT", rows), chunk(b"IEND", b"")
    start = SIGNATURE + chunk(b"IHDR", header)
    half = len(rows) // 2
    yield Case("no_end.png", start + idat, SAME)
    yield Case(
        "two_parts.png", start + chunk(b"IDAT", rows[:half]) + chunk(b"IDAT", rows[half:]), SAME
    )
    yield Case("no_pixels.png", start + end, REFUSED)
    yield Case("no_header.png", SIGNATURE + idat + end, REFUSED)
    yield Case("wrong_header_sum.png", SIGNATURE + chunk(b"IHDR", header, 1) + idat + end, REFUSED)
    yield Case("wrong_pixel_sum.png", start + chunk(b"IDAT", rows, 1) + end, SAME)
    yield Case("palette_missing.png", png(colour=3), REFUSED)
    yield Case("not_compressed.png", start + chunk(b"IDAT", b"raw" * 999) + end, REFUSED)
    # As in every viewer, rows that are not there are black.
    yield Case("half_the_rows.png", png(rows=bytes((WIDTH * 3 + 1) * HEIGHT // 2)), READS)
    for depth, colour in ((3, 2), (0, 0), (255, 6), (8, 1), (8, 5), (8, 255), (1, 2), (16, 3)):
        yield Case(f"depth_{depth}_colour_{colour}.png", png(depth=depth, colour=colour), REFUSED)
    for name, extra in {
        "unknown": chunk(b"xyZz", b"data"),
        "text": chunk(b"tEXt", b"Comment\0" + b"a" * 1000),
        "text_without_key": chunk(b"tEXt", b"\0"),
        "gamma_zero": chunk(b"gAMA", bytes(4)),
        "time": chunk(b"tIME", bytes(7)),
        "exif": chunk(b"eXIf", b"garbage"),
        "density": chunk(b"pHYs", bytes(9)),
        "background": chunk(b"bKGD", bytes(6)),
        "palette_in_rgb": chunk(b"PLTE", bytes(30)),
    }.items():
        yield Case(f"extra_{name}.png", png(extra=extra), SAME)
    yield Case(
        "claims_more_than_there_is.png", start + struct.pack(">I", 2**31 - 1) + b"tEXt", REFUSED
    )


def cases() -> list[Case]:
    groups = (
        formats,
        truncated,
        not_pictures,
        sizes,
        modes,
        animated,
        profiles,
        orientations,
        chunks,
    )
    return [case for group in groups for case in group()]
