"""Pictures of what was measured, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from silencer_core.errors import SilencerError
from silencer_core.files import whole

from .grid import Grid
from .report import PROTECTED_GAIN, PROTECTED_WINDOW, Report

Colour = tuple[int, int, int]

_INK, _FAINT, _PAPER = (34, 40, 49), (203, 208, 214), (255, 255, 255)
_HELD, _MIDDLE, _FREE = (58, 124, 165), (243, 241, 232), (208, 98, 54)  # 0, half, 1 and beyond
# Told apart by people who see colours differently (Okabe and Ito 2008).
_LINES = ((213, 94, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167))
_SCALE = 2  # pixels per unit of the drawings below

_CELL = (74, 26)
_TOP = 78
_KEY = (
    "columns: guidance (* the generator's own)   0 = ignores speech, 1 = as unprotected   "
    "framed: within the threshold"
)


def heat_map(grid: Grid) -> Image.Image:
    """Relative gain and relative wide window of every clean-up, guidance and changed photo.

    One row for each clean-up and photo, one column for each guidance; blue (0) has lost its
    voice, orange (1 and more) follows speech as an unprotected photo does. A frame marks what
    stays within the verdict's thresholds.
    """
    sequences = list(dict.fromkeys(report.purify for report in grid.reports))
    guidances = list(dict.fromkeys(report.guidance for report in grid.reports))
    names = [one.photo for one in grid.reports[0].everyone[1:]]
    wide, high = _CELL
    gap = 30
    labels = [
        [f"{sequence}: {photo}" if photo == names[0] else photo for photo in names]
        for sequence in sequences
    ]
    margin = max(_length(label, 12) for block in labels for label in block) + 28
    panel = wide * len(guidances)
    width = max(margin + 2 * panel + gap + 20, _length(_KEY, 11) + 32)
    height = _TOP + len(sequences) * (len(names) * high + 10) + 44
    sheet = _Sheet(width, height)
    sheet.text((16, 14), f"Verdict: {grid.verdict}", 18)
    panels = (
        ("gain", "gain, relative", PROTECTED_GAIN),
        ("window", "wide window, relative", PROTECTED_WINDOW),
    )
    for number, (name, title, limit) in enumerate(panels):
        left = margin + number * (panel + gap)
        sheet.text((left, 38), title, 13)
        for column, guidance in enumerate(guidances):
            mark = " *" if guidance == grid.default_guidance else ""
            sheet.text((left + column * wide + wide / 2, 58), f"{guidance:g}{mark}", 12, "ma")
        for block, sequence in enumerate(sequences):
            top = _TOP + block * (len(names) * high + 10)
            for row, label in enumerate(labels[block]):
                y = top + row * high
                if number == 0:
                    sheet.text((margin - 12, y + high / 2), label, 12, "rm")
                for column, guidance in enumerate(guidances):
                    value = _ratio(grid.report(sequence, guidance), name, row)
                    sheet.cell(left + column * wide, y, value, abs(value) <= limit)
    sheet.text((16, height - 26), _KEY, 11)
    return sheet.picture


def _ratio(report: Report, name: str, row: int) -> float:
    return report.ratio(name, report.everyone[1 + row])


def plot_openings(
    asked: Sequence[float],
    found: Mapping[str, Sequence[float]],
    fps: int = 25,
    size: tuple[int, int] = (900, 300),
) -> Image.Image:
    """The opening that speech asks for, as an area, and the measured ones, as lines over time.

    Args:
        asked: one value per frame, 0..1.
        found: measured openings by the name of the photo, at most four, as long as `asked`.
        fps: frames per second.
        size: width and height; the picture has twice as many pixels.

    Raises:
        SilencerError: fewer than two frames, more than four lines, or lines of other lengths.
    """
    _check_lines(asked, found)
    width, height = size
    sheet = _Sheet(width, height)
    left, top, right, bottom = 48, 40, width - 16, height - 34
    values = [*asked, *(value for line in found.values() for value in line)]
    low, high = min(0.0, *values), max(1.0, *values)

    def place(frame: float, value: float) -> tuple[float, float]:
        x = left + (right - left) * frame / (len(asked) - 1)
        return x, bottom - (bottom - top) * (value - low) / (high - low)

    area = [place(frame, value) for frame, value in enumerate(asked)]
    sheet.area([place(0, 0), *area, place(len(asked) - 1, 0)], _FAINT)
    for value in (0.0, 0.5, 1.0):
        sheet.line([place(0, value), place(len(asked) - 1, value)], _FAINT, 1)
        sheet.text((left - 8, place(0, value)[1]), f"{value:g}", 11, "rm")
    seconds = (len(asked) - 1) / fps
    step = next(s for s in (0.2, 0.5, 1, 2, 5, 10, 30, 60) if seconds / s <= 10 or s == 60)
    for tick in range(int(seconds / step) + 1):
        x = place(tick * step * fps, 0)[0]
        sheet.text((x, bottom + 8), f"{tick * step:g} s", 11, "ma")
    x = left
    x = sheet.legend(x, "asked for by speech", _FAINT)
    for (name, line), colour in zip(found.items(), _LINES, strict=False):
        sheet.line([place(frame, value) for frame, value in enumerate(line)], colour, 2)
        x = sheet.legend(x, name, colour)
    return sheet.picture


def film_strip(films: Mapping[str, Sequence[Tensor]], seconds: Sequence[float]) -> Image.Image:
    """Some frames of several videos of one length, a titled row for each.

    Args:
        films: frames `[3, h, w]` in 0..1 by title.
        seconds: of each frame, from the video's start.
    """
    side, top = 120, 24
    sheet = _Sheet(16 + len(seconds) * (side + 4) + 12, len(films) * (side + top) + 38)
    for row, (title, frames) in enumerate(films.items()):
        y = 14 + row * (side + top)
        sheet.text((16, y), title, 12)
        for column, frame in enumerate(frames):
            sheet.show((16 + column * (side + 4), y + top - 4), frame, side)
    y = 14 + len(films) * (side + top)
    for column, second in enumerate(seconds):
        sheet.text((16 + column * (side + 4) + side / 2, y), f"{second:.2f} s", 11, "mt")
    return sheet.picture


def _check_lines(asked: Sequence[float], found: Mapping[str, Sequence[float]]) -> None:
    if len(asked) < 2 or len(found) > len(_LINES):
        raise SilencerError(
            f"openings: {len(asked)} frames and {len(found)} lines; give at least two frames and "
            f"at most {len(_LINES)} lines"
        )
    for name, line in found.items():
        if len(line) != len(asked):
            raise SilencerError(
                f"openings of {name!r}: {len(line)} frames, but speech has {len(asked)}"
            )


def save_png(picture: Image.Image, path: Path) -> None:
    """Write a PNG that appears only when it is whole."""
    with whole(path) as beside:
        picture.save(beside, format="PNG")


class _Sheet:
    """A white page, measured in units of `_SCALE` pixels."""

    def __init__(self, width: float, height: float) -> None:
        self.picture = Image.new("RGB", (round(width * _SCALE), round(height * _SCALE)), _PAPER)
        self._draw = ImageDraw.Draw(self.picture)

    def text(self, at: tuple[float, float], text: str, size: int, anchor: str = "la") -> float:
        """Write, and return where the text ends."""
        font = ImageFont.load_default(size * _SCALE)
        self._draw.text(_pixels(at), text, _INK, font, anchor=anchor)
        return at[0] + _length(text, size)

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: int) -> None:
        """Connect points."""
        pixels = [_pixels(point) for point in points]
        self._draw.line(pixels, colour, width * _SCALE, joint="curve")

    def area(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon."""
        self._draw.polygon([_pixels(point) for point in points], colour)

    def show(self, at: tuple[float, float], frame: Tensor, width: float) -> None:
        """A frame `[3, h, w]` in 0..1, so many units wide."""
        values = frame.detach().cpu().float().clamp(0, 1).mul(255).round().byte()
        picture = Image.fromarray(values.permute(1, 2, 0).numpy())
        height = width * picture.height / picture.width
        size = round(width * _SCALE), round(height * _SCALE)
        place = tuple(round(value) for value in _pixels(at))
        self.picture.paste(picture.resize(size, Image.Resampling.BICUBIC), place)

    def legend(self, x: float, text: str, colour: Colour) -> float:
        """A patch of colour and its meaning at the top; where the next one begins."""
        self.area([(x, 14), (x + 16, 14), (x + 16, 24), (x, 24)], colour)
        return self.text((x + 22, 12), text, 12) + 22

    def cell(self, x: float, y: float, value: float, good: bool) -> None:
        """A ratio on its colour, framed where it is good."""
        wide, high = _CELL
        corners = [_pixels((x + 1, y + 1)), _pixels((x + wide - 1, y + high - 1))]
        frame = _INK if good else None
        self._draw.rectangle(corners, _tone(value), frame, width=_SCALE)
        known = value == value
        self.text((x + wide / 2, y + high / 2), f"{value:.2f}" if known else "–", 12, "mm")


def _length(text: str, size: int) -> float:
    return ImageFont.load_default(size * _SCALE).getlength(text) / _SCALE


def _tone(value: float) -> Colour:
    if value != value:
        return _PAPER
    share = min(abs(value), 1.0) * 2
    low, high = (_HELD, _MIDDLE) if share <= 1 else (_MIDDLE, _FREE)
    share -= share > 1
    return tuple(round(a + (b - a) * share) for a, b in zip(low, high, strict=True))


def _pixels(point: tuple[float, float]) -> tuple[float, float]:
    return point[0] * _SCALE, point[1] * _SCALE
