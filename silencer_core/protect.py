"""Protect a photo: the one call that command line, nodes and batch make."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from silencer_core import __version__
from silencer_core.audio import Speech
from silencer_core.checks import check_seed
from silencer_core.errors import SilencerError
from silencer_core.faces import FaceBackend
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.objectives.ensemble import BoundEnsemble
from silencer_core.objectives.objective import BoundObjective
from silencer_core.optimise.canvas import Canvas
from silencer_core.optimise.descent import Course, Progress, Watch
from silencer_core.optimise.pgd import pgd
from silencer_core.photo import Photo
from silencer_core.portrait import Portrait, find_portrait, find_portraits
from silencer_core.presets import DEFAULT, Preset, preset
from silencer_core.scores.image import Visibility, visibility
from silencer_core.threads import few_threads
from silencer_core.voices import default_voices

if TYPE_CHECKING:
    from silencer_core.optimise.inversion import InvertedLatent

Faces = Literal["largest", "all"] | int


@dataclass(frozen=True)
class FaceReport:
    """What was done to one face.

    Attributes:
        window: left, top, right, bottom of the crop that a generator sees, photo pixels.
        visibility: of the change within that window, as saved.
        before, after: the objective on the fixed validation draws; lower = less audio.
        steps, seconds: spent.
        stopped: "done", "flat" (nothing improved any more) or "cancelled".
    """

    window: tuple[int, int, int, int]
    visibility: Visibility
    before: float
    after: float
    steps: int
    seconds: float
    stopped: str


@dataclass(frozen=True)
class ProtectionReport:
    """How a photo was protected; `settings` is the preset as nested plain values."""

    preset: str
    seed: int
    voices: int
    settings: dict
    faces: tuple[FaceReport, ...]

    def to_json(self) -> str:
        """As one JSON object."""
        return json.dumps(dataclasses.asdict(self), indent=2)


@dataclass(frozen=True)
class Seen:
    """A face while it is being protected: `before` and `after`, `[3, h, w]` in 0..1, of the part
    of the photo that a generator sees. Large ones are shown smaller than they are."""

    before: Tensor
    after: Tensor


@dataclass(frozen=True)
class Protection:
    """The protected photo, 8-bit values, of the size, alpha and profile of the one given."""

    photo: Photo
    report: ProtectionReport


def protect(
    photo: Photo,
    generator: Hallo,
    audio: Sequence[Speech] | None = None,
    how: str | Preset = DEFAULT,
    *,
    also: Sequence[Hallo] = (),
    faces: Faces = "largest",
    face_mask: Tensor | None = None,
    lip_mask: Tensor | None = None,
    backend: FaceBackend | None = None,
    portraits: Sequence[Portrait] | None = None,
    inverted: InvertedLatent | None = None,
    seed: int = 0,
    progress: Callable[[Progress, Seen], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Protection:
    """Change a photo within a budget so that the generator no longer follows audio on it.

    Args:
        photo: of any size.
        generator: that the change is optimised against.
        audio: what it shall not follow; by default several voices that come with the package.
        how: a preset, or its name.
        also: further generators that the change is optimised against at the same time; a step
            takes each one's time. The inverted latent is the first one's.
        faces: "largest", "all", or a number counting from 0 for the largest.
        face_mask, lip_mask: `[H, W]` in 0..1, instead of finding them (one face).
        backend: finds faces; the generator's own if none.
        portraits: found in this photo already, for this generator; `faces`, masks and backend
            then count for nothing.
        inverted: the only portrait's latent, where the second stage shall not invert it anew.
        seed: of all draws; one seed gives one result on one machine.
        progress: called after every step with the figures and the face as it is.
        cancelled: asked before every step; the best so far is returned.

    Raises:
        SilencerError: no face and no mask, or settings that cannot be used.
    """
    check_seed(seed)
    chosen = preset(how) if isinstance(how, str) else how
    speeches = list(audio) if audio is not None else default_voices()
    if not speeches:
        raise SilencerError("protect: give at least one recording, or none for the built-in ones.")
    given = portraits is not None
    if portraits is None:
        portraits = _portraits(photo, generator, faces, face_mask, lip_mask, backend)
    if inverted is not None and len(portraits) != 1:
        raise SilencerError(
            f"protect: an inverted latent is of one portrait, but there are {len(portraits)}."
        )
    surrogates = [(generator, portraits)]
    for one in also:
        found = portraits
        if _view(one) != _view(generator):
            if given:
                raise SilencerError(
                    f"protect: the portrait was found for a generator of {generator.config.size} "
                    f"pixels, a further one takes {one.config.size}; let both find it."
                )
            eyes = backend or generator.faces()  # the same for all, or their windows differ
            found = _portraits(photo, one, faces, face_mask, lip_mask, eyes)
        surrogates.append((one, found))
    pixels = photo.pixels.detach().float().cpu().clone()
    reports = []
    with few_threads(generator):
        driving = [[one.drive(speech) for speech in speeches] for one, _ in surrogates]
        for number, portrait in enumerate(portraits):
            others = [*portraits[:number], *portraits[number + 1 :]]
            canvas = Canvas.of(photo.pixels, portrait, chosen.budget, pixels, others)

            def watch(state: Progress, after: Tensor, before: Tensor = canvas.pixels) -> None:
                if progress is not None:
                    progress(state, Seen(before, after))

            bounds = [
                chosen.objective.bind(one, views[number], heard, seed)
                for (one, views), heard in zip(surrogates, driving, strict=True)
            ]
            objective = bounds[0] if len(bounds) == 1 else BoundEnsemble(bounds)
            painted, course = _descend(
                canvas, portrait, generator, objective, chosen, inverted, seed, watch, cancelled
            )
            canvas.finish(painted, photo.pixels, portrait, pixels)
            reports.append(_face_report(photo.pixels, pixels, portrait, course))
            if course.cancelled:
                break
    report = ProtectionReport(
        chosen.name, seed, len(speeches), dataclasses.asdict(chosen), tuple(reports)
    )
    note = f"{chosen.name}, silencer {__version__}"
    return Protection(dataclasses.replace(photo, pixels=pixels, protection=note), report)


def _view(generator: Hallo) -> tuple[int, int, int]:
    """What a portrait depends on."""
    config = generator.config
    return config.size, config.vae_factor, config.levels


def _portraits(
    photo: Photo,
    generator: Hallo,
    faces: Faces,
    face_mask: Tensor | None,
    lip_mask: Tensor | None,
    backend: FaceBackend | None,
) -> list[Portrait]:
    config = generator.config
    options = {
        "backend": backend or generator.faces(),
        "vae_factor": config.vae_factor,
        "levels": config.levels,
    }
    if faces == "all" and face_mask is None:
        found = find_portraits(photo.pixels, config.size, **options)
        if found:
            return found
    which = "largest" if faces == "all" else faces
    masks = {"face_mask": face_mask, "lip_mask": lip_mask}
    return [find_portrait(photo.pixels, config.size, which=which, **masks, **options)]


def _descend(
    canvas: Canvas,
    portrait: Portrait,
    generator: Hallo,
    objective: BoundObjective,
    chosen: Preset,
    inverted: InvertedLatent | None,
    seed: int,
    watch: Watch,
    cancelled: Callable[[], bool] | None,
) -> tuple[Tensor, Course]:
    """The canvas after all stages."""
    common = {"seed": seed, "watch": watch, "cancelled": cancelled}
    painted, course = pgd(canvas, objective, chosen.descent, **common)
    stage = chosen.latent
    if not stage.steps or course.cancelled:
        return painted, course
    from silencer_core.optimise.inversion import invert
    from silencer_core.optimise.latent import descend_latent

    inverted = inverted or invert(
        generator, portrait, steps=stage.inversion_steps, depth=stage.depth, cancelled=cancelled
    )
    painted, second = descend_latent(
        canvas,
        portrait,
        inverted,
        objective,
        dataclasses.replace(chosen.descent, steps=stage.steps),
        learning_rate=stage.learning_rate,
        start=painted,
        **common,
    )
    course.losses += second.losses
    course.validation += second.validation
    course.seconds += second.seconds
    course.cancelled, course.flat = second.cancelled, second.flat
    return painted, course


def _face_report(
    untouched: Tensor, pixels: Tensor, portrait: Portrait, course: Course
) -> FaceReport:
    rows, columns = portrait.window.slices
    return FaceReport(
        window=tuple(portrait.window),
        visibility=visibility(untouched[:, rows, columns], pixels[:, rows, columns]),
        before=course.validation[0][1],
        after=min(value for _, value in course.validation),
        steps=len(course.losses),
        seconds=course.seconds,
        stopped="cancelled" if course.cancelled else "flat" if course.flat else "done",
    )
