"""Frames out: a video file with its sound, marked as synthetic."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.errors import SilencerError
from silencer_core.files import whole

if TYPE_CHECKING:
    from av import AudioFrame, VideoFrame
    from PIL import Image

    from silencer_core.audio import Speech

METADATA = {
    "title": "Synthetic talking head",
    "comment": "AI-generated, synthetic: made with Silencer to verify the protection of a photo",
}
SOUND_RATE = 48_000
# x264's macroblock tree makes its output for pictures of 32 px vary from run to run.
_H264 = {"crf": "17", "mbtree": "0"}
_BT709, _STUDIO_RANGE = 1, 1  # as numbered by ITU-T H.273


def write_video(
    path: str | Path,
    frames: Iterable[Tensor],
    speech: Speech | None,
    *,
    fps: int = 25,
    visible_mark: bool = True,
) -> int:
    """Write an mp4 (H.264, AAC) as the frames come; at most one of them is held.

    The container's title and comment say that the video is synthetic. The file is written beside
    `path` and renamed when complete: after an error or an interruption there is nothing new.

    Args:
        path: the video; replaced if it exists.
        frames: `[3, H, W]` in 0..1, all of one size, any float type and device; rounded to 8 bit.
            Odd sizes grow by a repeated row or column, as the format needs even ones.
        speech: the sound track, cut to the video's length; None for a silent video.
        fps: frames per second.
        visible_mark: draw "SYNTHETIC" into the lower right corner.

    Returns:
        The number of frames written.

    Raises:
        SilencerError: if the file cannot be written or there are no frames. What `frames` raises
            passes through.
    """
    import av

    path = Path(path)
    with whole(path) as beside:
        try:
            return _encode(beside, iter(frames), speech, fps, visible_mark)
        except av.error.FFmpegError as error:
            raise SilencerError(f"{path}: cannot be written ({error.strerror})") from error


def _encode(
    file: Path, frames: Iterator[Tensor], speech: Speech | None, fps: int, visible_mark: bool
) -> int:
    import av

    first = next(frames, None)
    if first is None:
        raise SilencerError(f"{file.stem}: there are no frames to write.")
    number = 0
    with av.open(str(file), "w", format="mp4", options={"movflags": "faststart"}) as container:
        container.metadata.update(METADATA)
        video = container.add_stream("h264", rate=fps, options=_H264)
        video.height, video.width = (side + side % 2 for side in first.shape[1:])
        video.pix_fmt = "yuv420p"
        video.codec_context.colorspace = video.codec_context.color_primaries = _BT709
        video.codec_context.color_trc = _BT709
        video.codec_context.color_range = _STUDIO_RANGE
        sound = None
        if speech is not None:
            sound = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
            waveform = speech.resampled(SOUND_RATE)
        for number, frame in enumerate(itertools.chain([first], frames), start=1):
            container.mux(video.encode(_picture(frame, visible_mark)))
            if sound is not None:
                start, end = ((number + shift) * SOUND_RATE // fps for shift in (-1, 0))
                if len(waveform) > start:
                    container.mux(sound.encode(_sound(waveform[start:end], start)))
        for stream in container.streams:
            container.mux(stream.encode(None))
    return number


def _picture(frame: Tensor, visible_mark: bool) -> VideoFrame:
    """A frame `[3, H, W]` in 0..1 as the codec takes it."""
    from av import VideoFrame

    height, width = frame.shape[1:]
    pixels = frame.detach().float().clamp(0, 1).mul(255).round().cpu()
    pixels = F.pad(pixels[None], (0, width % 2, 0, height % 2), mode="replicate")[0]
    image = pixels.to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    if visible_mark:
        image = marked(image)
    return VideoFrame.from_ndarray(image, format="rgb24").reformat(
        format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
    )


def marked(image: np.ndarray) -> np.ndarray:
    """uint8 `[H, W, 3]` with "SYNTHETIC" in the lower right corner, on a dark ground."""
    from PIL import Image

    height, width = image.shape[:2]
    stamp = _stamp(width)
    gap = width // 64
    picture = Image.fromarray(image)
    picture.paste(stamp, (width - stamp.width - gap, height - stamp.height - gap), stamp)
    return np.asarray(picture)


@functools.lru_cache(maxsize=4)
def _stamp(width: int) -> Image.Image:
    """The mark: about a quarter of the picture's width, but not smaller than it can be read."""
    from PIL import Image, ImageDraw, ImageFont

    text, size = "SYNTHETIC", 9
    while ImageFont.load_default(size + 1).getlength(text) < 0.28 * width:
        size += 1
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    margin = round(0.3 * size)
    extent = (right - left + 2 * margin, bottom - top + 2 * margin)
    stamp = Image.new("RGBA", extent, (0, 0, 0, 170))
    ImageDraw.Draw(stamp).text((margin - left, margin - top), text, font=font, fill="white")
    if stamp.width > width:
        stamp = stamp.resize((width, max(1, stamp.height * width // stamp.width)))
    return stamp


def _sound(waveform: Tensor, start: int) -> AudioFrame:
    """Samples `[T]` that begin at sample `start` of the sound track."""
    from av import AudioFrame

    frame = AudioFrame.from_ndarray(waveform[None].numpy(), format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
    return frame
