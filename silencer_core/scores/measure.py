"""From the runs of an attack to its scores."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from . import motion
from .attack import AttackRuns
from .mouth import Meter, Mouth, read_openings
from .report import Scores


class Measurement(NamedTuple):
    """Scores, and the openings `[F_i]` per speech that they were taken from."""

    scores: Scores
    openings: list[Tensor]


def measure(runs: AttackRuns, meter: Meter, mouth: Mouth, clean: Tensor) -> Measurement:
    """Everything that the runs of one portrait, at one noise seed, tell.

    Args:
        runs: of `attack`.
        meter: reads openings.
        mouth: its true place in the frames, which is the unprotected photo's.
        clean: the unprotected portrait, `[3, S, S]` in 0..1, cut as the attacked one was.
    """
    size = clean.shape[-1]
    silent = [runs.silent[: len(video)] for video in runs.spoken]
    spoken_openings = [read_openings(meter, video, mouth) for video in runs.spoken]
    silent_openings = [read_openings(meter, video, mouth) for video in silent]
    window = motion.wide_window(runs.spoken, silent, mouth)
    scores = Scores(
        gain=motion.gain(runs.asked, spoken_openings),
        response=motion.response(spoken_openings, silent_openings),
        window=motion.gain(runs.asked, window),
        control_lips=motion.distance(runs.spoken, runs.other, mouth.lips(size)),
        control_face=motion.distance(runs.spoken, runs.other, mouth.face(size)),
        lip_motion=motion.lip_motion(runs.spoken, mouth),
        silent_motion=motion.lip_motion([runs.silent], mouth),
        sync=motion.sync(runs.asked, spoken_openings),
        sync_shuffled=motion.sync(motion.shuffled(runs.asked), spoken_openings),
        identity=motion.identity(runs.spoken, clean, mouth),
    )
    return Measurement(scores, spoken_openings)


def control_floor(runs: AttackRuns, mouth: Mouth) -> tuple[float, float] | None:
    """Audio control in lips and face that rounding alone makes; None without `again`."""
    if runs.again is None:
        return None
    size = runs.again.shape[-1]
    boxes = mouth.lips(size), mouth.face(size)
    lips, face = (motion.distance(runs.spoken[:1], [runs.again], box) for box in boxes)
    return lips, face
