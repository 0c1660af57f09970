"""The runs of a generator that the scores need: speech, another voice and silence, one noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.audio import DrivingAudio, Speech
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.hallo.sampling import animate
from silencer_core.generators.hallo.together import Pair, animate_together, single_clips
from silencer_core.generators.mini.mel import RATE, mouth_opening
from silencer_core.portrait import Portrait
from silencer_core.threads import SMALL

_SPEAKS = 0.2  # an opening from which somebody speaks
_LEAD = 2  # frames kept before that


@dataclass(frozen=True, eq=False)
class AttackRuns:
    """Videos of one portrait, all from the same noise. Frames are float32 in 0..1 on the CPU.

    Attributes:
        speeches: what is said, cut to what the frames show.
        asked: the mouth opening that each asks for, `[F_i]` in 0..1, see `mel.mouth_opening`.
        spoken: one video for each, `[F_i, 3, S, S]`.
        other: one video each by another voice: the next speech, or where there is only one, the
            same backwards. As long as the shorter of the two.
        silent: a video to silence, as long as the longest speech.
        again: the first speech once more, from a portrait that differs by rounding errors only;
            None where that was not asked for.
        guidance, seed: of these runs.
    """

    speeches: tuple[Speech, ...]
    asked: tuple[Tensor, ...]
    spoken: tuple[Tensor, ...]
    other: tuple[Tensor, ...]
    silent: Tensor
    again: Tensor | None
    guidance: float
    seed: int


def attack(
    generator: Hallo,
    portrait: Portrait,
    speeches: Sequence[Speech],
    seed: int,
    guidance: float | None = None,
    steps: int | None = None,
    frames: int | None = None,
    *,
    floor: bool = False,
    progress: Callable[[float, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> AttackRuns:
    """Make a portrait say each speech, say it in another voice, and be silent.

    Args:
        generator: with an audio encoder.
        portrait: as `find_portrait` gives it for the generator's size.
        speeches: at least one.
        seed: of the noise.
        guidance, steps: as for `animate`; the generator's own by default.
        frames: video frames of each speech, rounded up to whole clips, from where it begins to
            be heard; the whole speech by default.
        floor: also run the first speech `again`.
        progress: called with (runs done, with a fraction; runs in all).
        cancelled: asked before every step and frame.

    Raises:
        SilencerError: no speech, or what `animate` refuses.
        Cancelled: when `cancelled()` says so.
    """
    heard = _all_heard(generator, speeches, frames)
    guidance = generator.config.guidance if guidance is None else guidance
    pairs = [(portrait, one.audio) for one in heard]
    if len(heard) == 1:
        pairs.append((portrait, _heard(generator, _backwards(speeches[0]), frames).audio))
    pairs.append((portrait, _hush(generator, _longest(heard))))
    if floor:
        pairs.append((_nudged(portrait, generator.dtype), heard[0].audio))
    films = _films(generator, pairs, steps, guidance, seed, progress, cancelled)
    spoken = films[: len(heard)]
    others = [*spoken[1:], spoken[0]] if len(heard) > 1 else [films[1]]
    return AttackRuns(
        speeches=tuple(one.audio.speech for one in heard),
        asked=tuple(one.asked for one in heard),
        spoken=tuple(spoken),
        other=tuple(voice[: len(video)] for voice, video in zip(others, spoken, strict=True)),
        silent=films[-1 - floor],
        again=films[-1] if floor else None,
        guidance=guidance,
        seed=seed,
    )


def hushed(
    generator: Hallo,
    portrait: Portrait,
    speeches: Sequence[Speech],
    seed: int,
    guidance: float,
    frames: int | None = None,
) -> tuple[list[Tensor], Tensor]:
    """What `attack` says of silence, with nothing else made; arguments and errors are its own.

    Returns:
        the mouth opening that each speech would have asked for, `[F_i]`, and the silent video.
    """
    heard = _all_heard(generator, speeches, frames)
    hush = _hush(generator, _longest(heard))
    (film,) = _films(generator, [(portrait, hush)], None, guidance, seed, None, None)
    return [one.asked for one in heard], film


def _films(
    generator: Hallo,
    pairs: Sequence[Pair],
    steps: int | None,
    guidance: float,
    seed: int,
    progress: Callable[[float, int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> list[Tensor]:
    """One video of each pair; single clips of a small generator at once, where that is faster."""
    total = len(pairs)
    settings = {"steps": steps, "guidance": guidance, "seed": seed, "cancelled": cancelled}
    if _idles(generator) and single_clips(generator, pairs):
        films = animate_together(generator, pairs, **settings)
        if progress is not None:
            progress(total, total)
        return films

    def film(done: int, portrait: Portrait, audio: DrivingAudio) -> Tensor:
        say = progress and (lambda step, steps: progress(done + step / steps, total))
        return torch.stack(list(animate(generator, portrait, audio, progress=say, **settings)))

    return [film(done, *pair) for done, pair in enumerate(pairs)]


def _idles(generator: Hallo) -> bool:
    """Whether one clip leaves the device idle: a small generator's on anything but the CPU."""
    return generator.device.type != "cpu" and generator.config.size <= SMALL


def runs_of(speeches: Sequence[Speech], floor: bool = False) -> int:
    """How many videos `attack` makes: one a speech, silence, a second voice where one is missing,
    and the floor."""
    return len(speeches) + 1 + (len(speeches) == 1) + floor


class _Heard(NamedTuple):
    """What drives the generator, and the opening it asks for, `[audio.frames]`."""

    audio: DrivingAudio
    asked: Tensor


def _all_heard(generator: Hallo, speeches: Sequence[Speech], frames: int | None) -> list[_Heard]:
    if not speeches:
        raise SilencerError("speech: none was given; an attack needs at least one recording")
    return [_heard(generator, speech, frames) for speech in speeches]


def _longest(heard: Sequence[_Heard]) -> DrivingAudio:
    return max((one.audio for one in heard), key=lambda audio: audio.frames)


def _heard(generator: Hallo, speech: Speech, frames: int | None) -> _Heard:
    audio = generator.drive(speech)
    asked = mouth_opening(speech.resampled(RATE))[: audio.frames]
    asked = F.pad(asked, (0, audio.frames - len(asked)))
    return _Heard(audio, asked) if frames is None else _excerpt(audio, asked, frames, generator)


def _excerpt(audio: DrivingAudio, asked: Tensor, frames: int, generator: Hallo) -> _Heard:
    """Whole clips of a recording, from a little before the first speech in it."""
    if frames < 1:
        raise SilencerError(f"frames is {frames}: choose 1 or more")
    clip, fps = generator.config.clip_frames, generator.config.fps
    length = min(math.ceil(frames / clip) * clip, len(audio.features))
    speaks = (asked > _SPEAKS).nonzero()
    first = int(speaks[0]) - _LEAD if len(speaks) else 0
    start = max(min(first, audio.frames - length), 0)
    count = min(length, audio.frames - start)
    rate = audio.speech.sample_rate
    begin, end = (round(frame * rate / fps) for frame in (start, start + count))
    sound = Speech(audio.speech.waveform[begin:end], rate)
    features = audio.features[start : start + length]
    return _Heard(DrivingAudio(features, count, sound), asked[start : start + count])


def _backwards(speech: Speech) -> Speech:
    return Speech(speech.waveform.flip(0), speech.sample_rate)


def _hush(generator: Hallo, audio: DrivingAudio) -> DrivingAudio:
    """Silence in place of a recording."""
    rate = audio.speech.sample_rate
    samples = math.ceil(len(audio.features) * rate / generator.config.fps)
    silence = generator.drive(Speech(torch.zeros(samples), rate))
    return DrivingAudio(silence.features[: len(audio.features)], audio.frames, silence.speech)


def _nudged(portrait: Portrait, dtype: torch.dtype) -> Portrait:
    """The portrait with every value moved by the least that the networks' precision resolves."""
    up = torch.rand(portrait.image.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    eps = torch.finfo(dtype).eps
    return replace(portrait, image=portrait.image * torch.where(up, 1 + eps, 1 - eps))
