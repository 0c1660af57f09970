"""Frames to an mp4: pixels, sound, marks, and nothing half-written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from silencer_core.audio import Speech, read_speech
from silencer_core.errors import SilencerError
from silencer_core.video import marked, write_video


def plain(colour: tuple[float, float, float], height: int = 32, width: int = 32) -> torch.Tensor:
    return torch.tensor(colour)[:, None, None].expand(3, height, width)


def greys(count: int) -> Iterator[torch.Tensor]:
    return (plain((i / 50, i / 50, i / 50)) for i in range(count))


def hum(seconds: float, rate: int = 16_000) -> Speech:
    return Speech(0.5 * torch.sin(2 * torch.pi * 220 * torch.arange(seconds * rate) / rate), rate)


def pictures(file: Path) -> np.ndarray:
    with av.open(str(file)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_frames_come_back_in_order_and_number(tmp_path):
    assert write_video(tmp_path / "a.mp4", greys(30), None, visible_mark=False) == 30
    levels = pictures(tmp_path / "a.mp4")[:, 16, 16, 1]
    np.testing.assert_allclose(levels, np.arange(30) / 50 * 255, atol=2)


@pytest.mark.parametrize(
    "colour", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 0, 0), (0.8, 0.5, 0.35)]
)
def test_colours_survive(tmp_path, colour):
    write_video(tmp_path / "a.mp4", [plain(colour)], None, visible_mark=False)
    expected = np.array(colour) * 255
    np.testing.assert_allclose(pictures(tmp_path / "a.mp4")[0, 16, 16], expected, atol=3)


def test_values_are_rounded_not_cut(tmp_path):
    """254.6 is 255, not 254."""
    write_video(tmp_path / "a.mp4", [plain((254.6 / 255,) * 3)], None, visible_mark=False)
    assert (pictures(tmp_path / "a.mp4") == 255).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_takes_any_float_type_with_gradient(tmp_path, dtype):
    frame = plain((0.5, 0.5, 0.5)).to(dtype).clone().requires_grad_()
    write_video(tmp_path / "a.mp4", [frame], None)
    assert abs(int(pictures(tmp_path / "a.mp4")[0, 2, 2, 0]) - 128) <= 2


@pytest.mark.parametrize(("height", "width"), [(33, 32), (32, 33), (65, 65)])
def test_odd_sizes_grow_by_a_repeated_line(tmp_path, height, width):
    write_video(tmp_path / "a.mp4", [plain((0.2, 0.9, 0.4), height, width)], None)
    video = pictures(tmp_path / "a.mp4")[0]
    assert video.shape[:2] == (height + height % 2, width + width % 2)


def test_sound_is_cut_to_the_frames(tmp_path):
    write_video(tmp_path / "a.mp4", greys(25), hum(2.0))
    assert read_speech(tmp_path / "a.mp4").seconds == pytest.approx(1.0, abs=0.04)


def test_sound_may_end_before_the_frames(tmp_path):
    write_video(tmp_path / "a.mp4", greys(50), hum(1.0))
    assert read_speech(tmp_path / "a.mp4").seconds == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
def test_sound_keeps_its_place_and_pitch(tmp_path, rate):
    """A click at half a second is there to 2 ms."""
    waveform = torch.zeros(rate)
    waveform[rate // 2 : rate // 2 + rate // 400] = 0.9
    write_video(tmp_path / "a.mp4", greys(25), Speech(waveform, rate))
    speech = read_speech(tmp_path / "a.mp4")
    click = float(speech.waveform.abs().argmax()) / speech.sample_rate
    assert click == pytest.approx(0.501, abs=0.002)


def test_pictures_and_sound_start_together(tmp_path):
    write_video(tmp_path / "a.mp4", greys(10), hum(1.0))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].start_time == container.streams.audio[0].start_time == 0


def test_rate_and_codecs(tmp_path):
    write_video(tmp_path / "a.mp4", greys(10), hum(1.0), fps=30)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == 30
        assert [stream.codec.name for stream in container.streams] == ["h264", "aac"]


def test_metadata_says_synthetic_without_the_visible_mark(tmp_path):
    write_video(tmp_path / "a.mp4", greys(1), None, visible_mark=False)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert "Synthetic" in container.metadata["title"]
        assert "AI-generated" in container.metadata["comment"]


@pytest.mark.parametrize("size", [64, 128, 512])
@pytest.mark.parametrize("grey", [0, 255])
def test_mark_stands_out_on_any_ground(size, grey):
    """Light letters and a dark ground in the lower right corner, nothing elsewhere."""
    image = np.full((size, size, 3), grey, np.uint8)
    result = marked(image)
    corner = result[3 * size // 4 :, size // 8 :]
    assert np.ptp(corner.astype(int)) > 150
    assert (result[: 3 * size // 4] == grey).all()


@pytest.mark.parametrize("size", [8, 16, 40])
def test_mark_fits_tiny_pictures(size):
    assert marked(np.zeros((size, size, 3), np.uint8)).shape == (size, size, 3)


def test_mark_is_on_by_default(tmp_path):
    write_video(tmp_path / "a.mp4", [plain((0, 0, 0), 64, 64)], None)
    assert pictures(tmp_path / "a.mp4").max() > 150


def test_frames_are_taken_one_by_one(tmp_path):
    """Frames are encoded as they come: none is kept."""
    import weakref

    seen: list[weakref.ref] = []

    def stream():
        for frame in greys(20):
            seen.append(weakref.ref(frame))
            yield frame
            del frame
            assert sum(reference() is not None for reference in seen) <= 2

    assert write_video(tmp_path / "a.mp4", stream(), None) == 20


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, GeneratorExit])
@pytest.mark.parametrize("after", [0, 3])
def test_nothing_is_left_after_an_interruption(tmp_path, error, after):
    def stream():
        yield from greys(after)
        raise error

    with pytest.raises(error):
        write_video(tmp_path / "a.mp4", stream(), hum(1.0))
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_video_survives_an_interruption(tmp_path):
    write_video(tmp_path / "a.mp4", greys(2), None)
    before = (tmp_path / "a.mp4").read_bytes()

    def stream():
        yield from greys(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "a.mp4", stream(), None)
    assert (tmp_path / "a.mp4").read_bytes() == before


def test_no_frames_are_refused(tmp_path):
    with pytest.raises(SilencerError, match="no frames"):
        write_video(tmp_path / "a.mp4", [], None)
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(SilencerError, match="nowhere"):
        write_video(tmp_path / "nowhere" / "a.mp4", greys(1), None)


def test_same_frames_same_file(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, greys(10), hum(0.4))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
