"""From the inputs of Score Protection to what is verified, and from there to what is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from silencer_core.errors import SilencerError

from . import values

if TYPE_CHECKING:
    from PIL import Image

    from silencer_core.audio import Speech
    from silencer_core.scores.films import Films
    from silencer_core.scores.grid import Grid
    from silencer_core.scores.report import Report

FPS = 25


def speeches(audio: dict[str, Any] | None) -> list[Speech]:
    """Those that were given, or one that no protection hears by itself."""
    if audio is not None:
        return values.speeches(audio)
    from silencer_core.voices import held_out_voices

    return held_out_voices()[:1]


def clean_ups(text: str) -> list[str]:
    """One chain a line."""
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        raise SilencerError("purify: it is empty; write none to attack the photo as it is.")
    return found


def guidances(text: str) -> list[float | None]:
    """Numbers separated by commas; default is None, the generator's own."""
    try:
        return [None if one.strip() == "default" else float(one) for one in text.split(",")]
    except ValueError:
        raise SilencerError(
            f"guidance: {text!r} is not numbers separated by commas, such as 1, 2, default."
        ) from None


def report(grid: Grid) -> dict[str, Any]:
    """Everything that was measured, as plain values."""
    return json.loads(grid.to_json())


def plot(grid: Grid) -> Tensor:
    """Mouth openings over time, `[3, H, W]`."""
    from silencer_core.scores.pictures import plot_openings

    shown = grid.judged[0]
    lines = {one.photo: one.openings[0] for one in shown.everyone}
    return _pixels(plot_openings(shown.asked[0], lines, FPS))


def heat(grid: Grid) -> Tensor:
    """What is left of the audio's hold under everything that was tried, `[3, H, W]`."""
    from silencer_core.scores.pictures import heat_map

    return _pixels(heat_map(grid))


def _pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture.convert("RGB"))).movedim(2, 0).float() / 255


def panel(grid: Grid) -> dict[str, Any]:
    """What the node shows on the page; every number is finite or null."""
    from silencer_core.scores.report import plain

    shown = grid.judged[0]
    lines = {
        "asked": shown.asked[0],
        "unprotected": shown.unprotected.openings[0],
        "protected": shown.protected.openings[0],
        "control": shown.controls[0].openings[0] if shown.controls else None,
    }
    rows = list(dict.fromkeys(one.purify for one in grid.reports))
    columns = list(dict.fromkeys(one.guidance for one in grid.reports))
    return plain(
        {
            "kind": "scores",
            "verdict": grid.verdict,
            "plot": {"times": [i / FPS for i in range(len(lines["asked"]))]} | lines,
            "grid": {
                "rows": rows,
                "columns": [f"guidance {value:g}" for value in columns],
                "cells": [[_cell(grid.report(r, c)) for c in columns] for r in rows],
            },
            "figures": _figures(grid, shown),
            "notes": list(grid.notes),
        }
    )


def plot_films(scores: Films, fps: float) -> Tensor:
    """Mouth openings over time, `[3, H, W]`."""
    from silencer_core.scores.pictures import plot_openings

    lines = {name: film.openings for name, film in scores.films.items()}
    return _pixels(plot_openings(scores.asked, lines, round(fps)))


def panel_of_films(scores: Films, fps: float) -> dict[str, Any]:
    """The same panel for videos alone: nothing was tried, so that the grid is empty."""
    told = scores.as_dict()
    relative = told["films"]["protected"]["relative"]
    lines = {name: film["openings"] for name, film in told["films"].items()}
    times = [i / fps for i in range(len(told["asked"]))]
    left = "cannot be told" if relative is None else f"is {relative:.0%} of the unprotected"
    return {
        "kind": "scores",
        "verdict": f"mouth gain {left}",
        "plot": {"times": times, "asked": told["asked"], "control": None} | lines,
        "grid": {"rows": [], "columns": [], "cells": []},
        "figures": [
            {
                "name": "mouth gain, relative",
                "value": relative,
                "direction": "lower",
                "meaning": "how far the mouth still follows speech; 1 as unprotected, 0 not at all",
            }
        ],
        "notes": [],
    }


def _cell(report: Report) -> dict[str, Any]:
    return {"value": report.ratio("gain"), "verdict": report.verdict}


def _figures(grid: Grid, shown: Report) -> list[dict[str, Any]]:
    """What is judged by, and how visible the change is."""

    def figure(name: str, value: float, direction: str, meaning: str) -> dict[str, Any]:
        return {"name": name, "value": value, "direction": direction, "meaning": meaning}

    return [
        figure(
            "mouth gain, relative",
            shown.ratio("gain"),
            "lower",
            "how far the mouth still follows speech; 1 as unprotected, 0 not at all",
        ),
        figure(
            "wide window, relative",
            shown.ratio("window"),
            "lower",
            "the same of everything around the mouth",
        ),
        figure("identity lost", shown.identity_drop(), "lower", "dB; 0 keeps the face"),
        figure("PSNR", grid.face.psnr, "higher", "dB over the face; higher is less visible"),
        figure("SSIM", grid.face.ssim, "higher", "over the face; 1 is no change"),
    ]
