"""From the inputs of Protect Portrait to the one call of the library, and back."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import torch

from silencer_core.errors import SilencerError

from .live import Live
from .models import LoadedGenerator
from .values import Aim, FoundPhoto, Inverted

if TYPE_CHECKING:
    from silencer_core.audio import Speech
    from silencer_core.portrait import Portrait
    from silencer_core.presets import Preset
    from silencer_core.protect import Protection


def chosen_generator(
    given: LoadedGenerator | None, objective: Aim | None = None, latent: Inverted | None = None
) -> LoadedGenerator:
    """The one generator that everything is for; the built-in one where nothing says otherwise."""
    named = {"generator": given}
    named["objective"] = objective and objective.generator
    named["latent"] = latent and latent.generator
    found = {name: one for name, one in named.items() if one is not None}
    if len({id(one) for one in found.values()}) > 1:
        raise SilencerError(
            f"{' and '.join(found)}: they are for different generators; connect all of them to "
            "one Load Talking-Head Generator."
        )
    return next(iter(found.values()), None) or LoadedGenerator()


def settings(
    preset: str,
    steps: int = 0,
    budget: float = 0.0,
    latent_steps: int = 0,
    objective: Aim | None = None,
    latent: Inverted | None = None,
) -> Preset:
    """The preset, with what was asked for in its place."""
    from silencer_core import presets

    how = presets.preset(preset)
    if steps:
        how = presets.with_steps(how, steps)
    if budget:
        how = dataclasses.replace(how, budget=how.budget.with_linf(budget / 255))
    if objective is not None:
        how = dataclasses.replace(how, objective=objective.objective)
    if latent is not None:
        stage = dataclasses.replace(how.latent, steps=latent_steps)
        how = dataclasses.replace(how, latent=stage)
    return how


def protect_all(
    found: list[FoundPhoto],
    generator: LoadedGenerator,
    how: Preset,
    seed: int,
    voices: list[Speech] | None,
    latent: Inverted | None,
    node: str,
) -> tuple[list[Protection], Live]:
    """Every photo, one after the other."""
    from silencer_core.protect import protect

    hallo = generator.ready()
    faces = [one.fit(hallo.config, hallo.faces()) for one in found]
    if latent is not None:
        _check_same(latent, [face for each in faces for face in each])
    live = Live(node, how, sum(map(len, faces)))
    common = {"inverted": latent and latent.latent, "seed": seed, "progress": live}
    return [
        protect(one.photo, hallo, voices, how, portraits=portraits, **common)
        for one, portraits in zip(found, faces, strict=True)
    ], live


def _check_same(latent: Inverted, portraits: list[Portrait]) -> None:
    image = latent.latent.portrait.cpu()
    if len(portraits) != 1 or not torch.equal(image, portraits[0].image):
        raise SilencerError(
            "latent: it is of another portrait; connect one and the same Find Portrait, with one "
            "photo and one face, to Invert Latent and here."
        )


def report(done: list[Protection]) -> dict[str, Any]:
    """Plain values: those of the one photo, or of several under `photos`."""
    reports = [json.loads(one.report.to_json()) for one in done]
    return reports[0] if len(reports) == 1 else {"photos": reports}
