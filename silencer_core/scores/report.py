"""What was measured, which way is better, and what it comes to.

Everything here is plain data; nothing knows how it was measured.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any, Literal, NamedTuple

from .landmarks import LandmarkDistance

# The verdict is taken on ratios protected / unprotected under the same clean-up and guidance.
PROTECTED_GAIN = 0.30  # a face whose mouth follows speech no more than this is protected ...
PROTECTED_WINDOW = 0.40  # ... if the wide window, too, follows it no more than this
WEAKENED_GAIN = 0.70  # up to here the mouth follows, but less
LEAST_GAIN = 0.10  # an unprotected photo that follows less is no attack to judge by
DAMAGED_DB = 1.5  # identity lost beside the unprotected attack from which a note is due

Verdict = Literal["protected", "weakened", "not protected", "cannot be judged"]


class Metric(NamedTuple):
    """A figure of `Scores`: its name there, its title and unit, and what its size means."""

    name: str
    title: str
    unit: str
    meaning: str


METRICS = (
    Metric("gain", "gain", "opening per opening", "lower = better protected"),
    Metric("response", "response", "opening", "lower = better protected"),
    Metric("window", "wide window", "RMS per opening", "lower = better protected"),
    Metric("control_lips", "audio control, lips", "RMS", "lower = better protected"),
    Metric("control_face", "audio control, face", "RMS", "lower = better protected"),
    Metric("lip_motion", "lip motion", "mean square", "lower = better protected"),
    Metric("silent_motion", "lip motion in silence", "mean square", "how still a silent mouth is"),
    Metric("sync", "sync proxy", "correlation", "lower = better protected, after the gain"),
    Metric("sync_shuffled", "sync proxy, other speech", "correlation", "what chance gives"),
    Metric("identity", "identity", "dB", "as the unprotected = the face is kept"),
)
RATIOS = ("gain", "response", "window", "control_lips", "control_face", "lip_motion")


@dataclasses.dataclass(frozen=True)
class Scores:
    """One attack in figures, means over noise seeds; NaN where a figure cannot be told.

    Attributes:
        gain: see `motion.gain`.
        response: see `motion.response`.
        window: wide-window response, see `motion.wide_window`.
        control_lips, control_face: audio control, see `motion.distance`.
        lip_motion, silent_motion: see `motion.lip_motion`, with speech and with silence.
        sync, sync_shuffled: see `motion.sync`, with its own and with other speech.
        identity: see `motion.identity`, dB.
    """

    gain: float
    response: float
    window: float
    control_lips: float
    control_face: float
    lip_motion: float
    silent_motion: float
    sync: float
    sync_shuffled: float
    identity: float

    @staticmethod
    def mean(several: list[Scores]) -> Scores:
        """Mean of each figure."""
        rows = [dataclasses.astuple(scores) for scores in several]
        return Scores(*(sum(column) / len(rows) for column in zip(*rows, strict=True)))


@dataclasses.dataclass(frozen=True)
class Attacked:
    """A photo that was attacked.

    Attributes:
        photo: "unprotected", "protected" or the control's name.
        scores: of the attack.
        openings: per speech the measured opening of each frame, with the first noise seed.
        notes: what a reader must know about it.
        landmarks: distance to the unprotected photo's videos; None where it is not measured.
    """

    photo: str
    scores: Scores
    openings: tuple[tuple[float, ...], ...] = ()
    notes: tuple[str, ...] = ()
    landmarks: LandmarkDistance | None = None


@dataclasses.dataclass(frozen=True)
class Report:
    """Unprotected, protected and controls, after the same clean-up, at the same guidance.

    Attributes:
        purify: the clean-up, as `purifiers.sequence` names it.
        guidance: the attacker's.
        unprotected, protected: the two photos.
        controls: random changes of the protection's size.
        asked: per speech the opening of each frame that it asks for.
        floor: audio control in lips and face between runs that differ in rounding only; None
            where it was not measured. Distances near it are none.
        syncnet: why LSE-C and LSE-D are missing.
    """

    purify: str
    guidance: float
    unprotected: Attacked
    protected: Attacked
    controls: tuple[Attacked, ...] = ()
    asked: tuple[tuple[float, ...], ...] = ()
    floor: tuple[float, float] | None = None
    syncnet: str = "not measured: SyncNet's weights are not part of this package"

    def ratio(self, name: str, of: Attacked | None = None) -> float:
        """A figure of the protected photo, or of a control, by the unprotected photo's."""
        base = getattr(self.unprotected.scores, name)
        value = getattr((of or self.protected).scores, name)
        return value / base if base else math.nan

    def identity_drop(self, of: Attacked | None = None) -> float:
        """Decibels of identity lost beside the unprotected attack; positive = damaged."""
        return self.unprotected.scores.identity - (of or self.protected).scores.identity

    @property
    def verdict(self) -> Verdict:
        """Judged by the gain and, for "protected", the wide window; see the constants above."""
        return verdict(self.ratio("gain"), self.ratio("window"), self.unprotected.scores.gain)

    @property
    def everyone(self) -> tuple[Attacked, ...]:
        """All photos, the unprotected one first, the protected one second."""
        return (self.unprotected, self.protected, *self.controls)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, about each photo and about the comparison."""
        notes = [f"{one.photo}: {note}" for one in self.everyone for note in one.notes]
        if self.identity_drop() > DAMAGED_DB:
            notes.append(
                f"protected: identity is {self.identity_drop():.1f} dB lower; the face is damaged"
            )
        if self.verdict == "cannot be judged":
            notes.append(
                f"unprotected: gain {self.unprotected.scores.gain:.2f}, where {LEAST_GAIN} is the "
                "least to judge by; choose a photo or speech with which the attack works"
            )
        return tuple(notes)

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON knows it; what cannot be told is None."""
        return plain(
            {
                "purify": self.purify,
                "guidance": self.guidance,
                "verdict": self.verdict,
                "photos": {one.photo: self._row(one) for one in self.everyone},
                "audio_control_floor": self.floor,
                "asked": self.asked,
                "syncnet": {"value": None, "reason": self.syncnet},
                "notes": self.notes,
            }
        )

    def _row(self, one: Attacked) -> dict[str, Any]:
        return {
            **dataclasses.asdict(one.scores),
            "ratio": {name: self.ratio(name, one) for name in RATIOS},
            "identity_drop_db": self.identity_drop(one),
            "landmarks": one.landmarks and dataclasses.asdict(one.landmarks),
            "openings": one.openings,
        }

    def to_json(self) -> str:
        """`as_dict` together with what each figure means."""
        return json.dumps({"meaning": meanings(), **self.as_dict()}, indent=2)


def verdict(rel_gain: float, rel_window: float, unprotected_gain: float) -> Verdict:
    """Protected, weakened or not protected.

    protected: |relative gain| <= PROTECTED_GAIN and relative wide window <= PROTECTED_WINDOW;
    weakened: |relative gain| <= WEAKENED_GAIN; else not protected. An attack that does not work
    on the unprotected photo, or figures that cannot be told, cannot be judged.

    Args:
        rel_gain, rel_window: protected / unprotected.
        unprotected_gain: itself.
    """
    known = math.isfinite(rel_gain) and math.isfinite(rel_window)
    if not known or not unprotected_gain >= LEAST_GAIN:
        return "cannot be judged"
    if abs(rel_gain) <= PROTECTED_GAIN and rel_window <= PROTECTED_WINDOW:
        return "protected"
    return "weakened" if abs(rel_gain) <= WEAKENED_GAIN else "not protected"


def meanings() -> dict[str, dict[str, str]]:
    """Title, unit and direction of every figure, and what its ratio is."""
    return {
        metric.name: {"title": metric.title, "unit": metric.unit, "meaning": metric.meaning}
        for metric in METRICS
    } | {
        "ratio": {
            "title": "relative to the unprotected photo",
            "unit": "1",
            "meaning": "0 = speech has lost its hold, 1 = no protection",
        }
    }


def plain(value: Any) -> Any:
    """Containers of numbers as JSON allows them: no NaN, no infinity."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
