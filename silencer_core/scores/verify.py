"""Attack a protected photo as it would be attacked, and say what is left of the protection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Literal

from torch import Tensor

from silencer_core.audio import Speech
from silencer_core.errors import Cancelled, SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.purifiers.sequence import draws_noise, parse, purify

from .attack import AttackRuns, attack, runs_of
from .controls import check_pair, check_size, eight_bits, noise_controls
from .grid import Grid
from .image import visibility
from .landmarks import landmark_distance
from .measure import Measurement, control_floor, measure
from .mouth import Meter, built_in_meter
from .report import Attacked, Report, Scores
from .targets import CleanUp, Finder, Target

UNPROTECTED, PROTECTED = "unprotected", "protected"
PURIFIERS = ("none", "jpeg:75,resize:0.5")
GUIDANCES = (1.0, 2.0, None)

Progress = Callable[[str, float, int], None]


def verify(
    generator: Hallo,
    before: Tensor,
    after: Tensor,
    speeches: Sequence[Speech],
    purifiers: Sequence[str] = PURIFIERS,
    guidances: Sequence[float | None] = GUIDANCES,
    seeds: Sequence[int] = (7,),
    controls: bool = True,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    *,
    steps: int | None = None,
    frames: int | None = None,
    meter: Meter | None = None,
    which: Literal["largest"] | int = "largest",
    clean_up: CleanUp | None = None,
    others: Mapping[str, Tensor] | None = None,
) -> Grid:
    """Attack the unprotected photo, the protected one and random controls; score all.

    Every photo is rounded to 8 bit, cleaned up, and searched for its face anew. Where none is
    found, or another one, the unprotected photo's place is taken (or, where the clean-up left no
    face in that, its place before), and the report says so. All ratios are between photos after
    the same clean-up, at the same guidance, from the same noise.

    Args:
        generator: what the attacker has.
        before, after: the photo without and with protection, `[3, H, W]` in 0..1.
        speeches: voices that were not used to protect.
        purifiers: clean-ups by name; "none" is the file as it was saved.
        guidances: of the attacker; None is the generator's own. Doubles are left out.
        seeds: of the noise; not those used to protect. A clean-up that draws noise draws it anew
            for each. Scores are means over them.
        controls: also attack random noise of equal L-inf and of equal L2.
        progress: called with (what is done, runs done with a fraction, runs in all).
        cancelled: asked before every clean-up, step and frame.
        steps, frames: as for `attack`.
        meter: reads mouth openings; the built-in one by default.
        which: the face, as for `find_portrait`.
        clean_up: does to a photo `[3, H, W]` what a name in `purifiers` says; by default `purify`,
            which denoises with this generator where a clean-up needs one, where the unprotected
            photo has the face if it finds none.
        others: further photos by name, other protections say, to attack beside; they follow the
            controls.

    Raises:
        SilencerError: photos of different sizes, or without a difference that controls could
            have, no face in the unprotected photo, no speech, an unknown clean-up, or nothing to
            try.
        Cancelled: when `cancelled()` says so.
    """
    if not (purifiers and guidances and seeds):
        raise SilencerError(
            f"purifiers {list(purifiers)}, guidances {list(guidances)}, seeds {list(seeds)}: give "
            "at least one of each"
        )
    (check_pair if controls else check_size)(before, after)
    own = generator.config.guidance
    tried = list(dict.fromkeys(own if value is None else float(value) for value in guidances))
    show = progress or (lambda doing, done, total: None)

    photos = {UNPROTECTED: eight_bits(before), PROTECTED: eight_bits(after)}
    photos |= noise_controls(*photos.values()) if controls else {}
    for name, other in (others or {}).items():
        check_size(before, other)
        photos[name] = eight_bits(other)
    finder = Finder(generator.config, generator.faces(), which)
    untouched = cache(partial(finder.find, photos[UNPROTECTED]))

    def clean(photo: Tensor, sequence: str, draw: int) -> Tensor:
        show("cleaning up and finding faces", 0, 1)
        if cancelled and cancelled():
            raise Cancelled("scoring cancelled")
        if clean_up:
            return clean_up(photo, sequence)
        return purify(photo, sequence, draw, generator, place=untouched())

    @cache
    def cleaned(sequence: str, draw: int) -> list[Target]:
        return list(finder.targets(photos, sequence, partial(clean, draw=draw), untouched))

    def met(sequence: str) -> list[tuple[Target, ...]]:
        """Every photo as each seed meets it."""
        noisy = clean_up is None and draws_noise(parse(sequence))
        draws = [cleaned(sequence, draw if noisy else 0) for draw in range(len(seeds))]
        return list(zip(*draws, strict=True))

    targets = {sequence: met(sequence) for sequence in dict.fromkeys(purifiers)}
    attacker = _Attacker(
        generator,
        finder,
        meter or built_in_meter(),
        tuple(speeches),
        tuple(seeds),
        steps,
        frames,
        runs=len(targets)
        * len(tried)
        * (len(photos) * len(seeds) * runs_of(speeches) + 1),  # one more for the floor
        show=show,
        cancelled=cancelled,
    )
    reports = tuple(
        attacker.report(sequence, guidance, found)
        for sequence, found in targets.items()
        for guidance in tried
    )
    rows, columns = untouched().window.slices
    unprotected = photos.pop(UNPROTECTED)
    in_face = {
        name: visibility(unprotected[:, rows, columns], photo[:, rows, columns])
        for name, photo in photos.items()
    }
    return Grid(
        reports,
        own,
        photo=visibility(unprotected, photos[PROTECTED]),
        face=in_face.pop(PROTECTED),
        controls=in_face,
        settings={
            "seeds": list(seeds),
            "steps": steps or generator.config.steps,
            "frames": frames,
            "speeches": len(speeches),
        },
    )


@dataclass
class _Attacker:
    """One generator, one set of voices and seeds; counts its runs."""

    generator: Hallo
    finder: Finder
    meter: Meter
    speeches: tuple[Speech, ...]
    seeds: tuple[int, ...]
    steps: int | None
    frames: int | None
    runs: int
    show: Progress
    cancelled: Callable[[], bool] | None
    done: int = field(default=0, init=False)

    def report(self, sequence: str, guidance: float, photos: Sequence[Sequence[Target]]) -> Report:
        """Attack all photos, each as every seed's clean-up left it, at one guidance."""
        rows, first = [], None
        for targets in photos:
            doing = f"{sequence}, guidance {guidance:g}, {targets[0].photo}"
            measurements, runs = self._attack(targets, guidance, doing)
            first = first or runs
            landmarks = None
            if runs is not first:
                landmarks = landmark_distance(self.finder.backend, runs.spoken, first.spoken)
            rows.append(
                Attacked(
                    targets[0].photo,
                    Scores.mean([one.scores for one in measurements]),
                    _numbers(measurements[0].openings),
                    tuple(dict.fromkeys(note for one in targets for note in one.notes)),
                    landmarks,
                )
            )
        unprotected, protected, *controls = rows
        return Report(
            sequence,
            guidance,
            unprotected,
            protected,
            tuple(controls),
            asked=_numbers(first.asked),
            floor=control_floor(first, photos[0][0].mouth),
        )

    def _attack(
        self, targets: Sequence[Target], guidance: float, doing: str
    ) -> tuple[list[Measurement], AttackRuns]:
        """What each noise seed gives, and the runs of the first."""
        measurements, first = [], None
        for seed, target in zip(self.seeds, targets, strict=True):
            floor = target.photo == UNPROTECTED and first is None
            runs = attack(
                self.generator,
                target.portrait,
                self.speeches,
                seed,
                guidance,
                self.steps,
                self.frames,
                floor=floor,
                progress=lambda done, _: self.show(doing, self.done + done, self.runs),
                cancelled=self.cancelled,
            )
            self.done += runs_of(self.speeches, floor)
            measurements.append(measure(runs, self.meter, target.mouth, target.clean))
            first = first or runs
        return measurements, first


def _numbers(openings: Sequence[Tensor]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(float(value), 4) for value in one) for one in openings)
