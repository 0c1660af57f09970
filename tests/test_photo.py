"""Reading and writing photos of every kind that people have."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from silencer_core.errors import SilencerError
from silencer_core.photo import Photo, check_pixels, read_photo, write_photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def levels():
    """Every grey level, `[80, 96]`."""
    return (np.arange(80 * 96) % 256).astype(np.uint8).reshape(80, 96)


@pytest.fixture
def colours(levels):
    """`[80, 96, 3]`."""
    return np.stack([levels, levels[::-1], np.full_like(levels, 40)], axis=-1)


@pytest.fixture
def saved(tmp_path):
    """Saves a picture and reads it as a photo."""

    def save_and_read(picture, name="photo.png", **options):
        picture.save(tmp_path / name, **options)
        return read_photo(tmp_path / name)

    return save_and_read


def eight_bits(pixels):
    return (pixels * 255).round().to(torch.uint8).movedim(0, -1).numpy()


def deep_png(width, height, rows):
    """A 16-bit colour PNG, which Pillow cannot write."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def test_rgb_is_exact(saved, colours):
    photo = saved(Image.fromarray(colours))
    assert photo.pixels.dtype == torch.float32
    assert (photo.height, photo.width) == (80, 96)
    assert np.array_equal(eight_bits(photo.pixels), colours)
    assert photo.alpha is None
    assert photo.icc is None


def test_grey_becomes_three_equal_channels(saved, levels):
    pixels = eight_bits(saved(Image.fromarray(levels)).pixels)
    assert (pixels == levels[..., None]).all()


def test_alpha_is_kept_aside(saved, colours, levels):
    photo = saved(Image.fromarray(np.dstack([colours, levels])))
    assert np.array_equal(eight_bits(photo.pixels), colours)
    assert np.array_equal(eight_bits(photo.alpha)[..., 0], levels)


def test_grey_with_alpha(saved, levels):
    photo = saved(Image.fromarray(np.dstack([levels, 255 - levels]), mode="LA"))
    assert np.array_equal(eight_bits(photo.alpha)[..., 0], 255 - levels)


def test_palette_becomes_rgb(saved, colours):
    picture = Image.fromarray(colours).quantize(32)
    photo = saved(picture)
    assert np.array_equal(eight_bits(photo.pixels), np.asarray(picture.convert("RGB")))


def test_transparent_palette_colour_becomes_alpha(saved, levels):
    picture = Image.fromarray(levels // 128, mode="P")
    picture.putpalette([10, 20, 30, 200, 210, 220])
    photo = saved(picture, transparency=0)
    assert torch.equal(photo.alpha[0], torch.from_numpy(levels // 128).float())


def test_black_and_white(saved, levels):
    photo = saved(Image.fromarray(levels > 127))
    assert torch.equal(photo.pixels[2], torch.from_numpy(levels > 127).float())


def test_cmyk_becomes_rgb(saved, colours):
    picture = Image.fromarray(colours).convert("CMYK")
    photo = saved(picture, "photo.tif")
    assert np.array_equal(eight_bits(photo.pixels), np.asarray(picture.convert("RGB")))


def test_sixteen_bit_grey_spans_0_to_1(saved):
    values = np.linspace(0, 65535, 80 * 96).round().astype(np.uint16).reshape(80, 96)
    photo = saved(Image.fromarray(values))
    expected = torch.from_numpy(values.astype(np.float32) / 65535)
    torch.testing.assert_close(photo.pixels, expected.expand(3, -1, -1))
    assert photo.pixels.max() == 1.0


def test_sixteen_bit_colour_keeps_its_upper_8_bits(tmp_path, colours):
    deep = (colours.astype(np.uint16) * 256 + 200).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    (tmp_path / "deep.png").write_bytes(deep_png(96, 80, rows))
    assert np.array_equal(eight_bits(read_photo(tmp_path / "deep.png").pixels), colours)


def test_32_bit_grey_of_unknown_white_is_refused(saved):
    with pytest.raises(SilencerError, match="what counts as white is not known"):
        saved(Image.fromarray(np.full((80, 96), 1_000_000, np.int32)), "photo.tif")


def test_exif_orientation_is_applied(saved, colours):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter to the right
    photo = saved(Image.fromarray(colours), exif=exif)
    assert np.array_equal(eight_bits(photo.pixels), np.rot90(colours, -1))


def test_first_frame_of_an_animation(saved, levels):
    frames = [Image.fromarray(levels), Image.fromarray(255 - levels)]
    photo = saved(frames[0], "photo.gif", save_all=True, append_images=frames[1:])
    assert np.array_equal(eight_bits(photo.pixels)[..., 0], levels)


def test_rgb_profile_is_kept(saved, colours):
    assert saved(Image.fromarray(colours), icc_profile=SRGB).icc == SRGB


def test_profile_of_another_colour_space_is_not_put_on_rgb(saved, levels):
    grey_profile = SRGB[:16] + b"GRAY" + SRGB[20:]
    photo = saved(Image.fromarray(levels), "photo.tif", icc_profile=grey_profile)
    assert photo.icc is None
    assert np.array_equal(eight_bits(photo.pixels)[..., 0], levels)


def test_colours_under_another_profile_become_srgb(saved):
    lab_profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    half_grey = Image.merge("LAB", [Image.new("L", (80, 80), v) for v in (128, 128, 128)])
    photo = saved(half_grey, "photo.tif", icc_profile=lab_profile)
    assert photo.icc is None
    # L* = 50 is 119 of 255 in sRGB (IEC 61966-2-1)
    assert np.abs(eight_bits(photo.pixels).astype(int) - 119).max() <= 1


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(SilencerError, match=r"none\.jpg: there is no such file"):
        read_photo(tmp_path / "none.jpg")


def test_text_is_refused(tmp_path):
    (tmp_path / "photo.png").write_text("not a picture")
    with pytest.raises(SilencerError, match="not a picture"):
        read_photo(tmp_path / "photo.png")


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.webp"])
def test_truncated_file_is_refused(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SilencerError, match="damaged or cut short"):
        read_photo(tmp_path / name)


def test_folder_is_refused(tmp_path):
    with pytest.raises(SilencerError, match=str(tmp_path)):
        read_photo(tmp_path)


def test_thumbnail_is_refused(saved):
    with pytest.raises(SilencerError, match=r"200 x 40 pixels.*at least 64"):
        saved(Image.new("RGB", (200, 40)))


def test_64_pixels_are_enough(saved):
    assert saved(Image.new("RGB", (64, 64))).pixels.shape == (3, 64, 64)


@pytest.mark.parametrize("side", [13_000, 60_000])
def test_more_pixels_than_memory_should_hold_are_refused(tmp_path, side):
    (tmp_path / "huge.png").write_bytes(deep_png(side, side, b""))
    with pytest.raises(SilencerError, match="scale the picture down"):
        read_photo(tmp_path / "huge.png")


def test_values_that_are_not_numbers_are_refused():
    pixels = torch.zeros(3, 64, 64)
    pixels[1, 5, 5] = float("nan")
    with pytest.raises(SilencerError, match="not finite"):
        check_pixels(pixels)


def test_wrong_shape_is_refused():
    with pytest.raises(SilencerError, match=r"\[3, height, width\]"):
        check_pixels(torch.zeros(64, 64, 3))


def test_alpha_of_another_size_is_refused():
    with pytest.raises(SilencerError, match="alpha"):
        Photo(torch.zeros(3, 64, 64), alpha=torch.zeros(1, 64, 65))


def test_written_photo_reads_the_same(tmp_path, colours, levels):
    photo = Photo(
        torch.from_numpy(colours).movedim(-1, 0) / 255, torch.from_numpy(levels)[None] / 255, SRGB
    )
    write_photo(photo, tmp_path / "photo.png")
    again = read_photo(tmp_path / "photo.png")
    assert torch.equal(again.pixels, photo.pixels)
    assert torch.equal(again.alpha, photo.alpha)
    assert again.icc == SRGB


def test_values_are_rounded_and_clamped(tmp_path):
    row = torch.tensor([-0.3, 0.49 / 255, 0.51 / 255, 99.6 / 255, 1.2])
    pixels = row.repeat(13)[:64].expand(3, 64, 64)
    write_photo(Photo(pixels), tmp_path / "photo.png")
    written = np.asarray(Image.open(tmp_path / "photo.png"))
    assert written[7, :5, 1].tolist() == [0, 0, 1, 100, 255]


def test_gradients_do_not_hinder_writing(tmp_path):
    write_photo(Photo(torch.rand(3, 64, 64, requires_grad=True)), tmp_path / "photo.png")
    assert (tmp_path / "photo.png").exists()


def test_only_png_is_written(tmp_path):
    with pytest.raises(SilencerError, match=r"ends in \.png"):
        write_photo(Photo(torch.zeros(3, 64, 64)), tmp_path / "photo.jpg")


def test_failed_writing_leaves_nothing(tmp_path):
    (tmp_path / "photo.png").mkdir()
    with pytest.raises(SilencerError, match="cannot be written"):
        write_photo(Photo(torch.zeros(3, 64, 64)), tmp_path / "photo.png")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
