"""Verdicts, ratios and how reports are written."""

import json
import math
from dataclasses import replace

import pytest

from silencer_core.scores.grid import Grid
from silencer_core.scores.image import Visibility
from silencer_core.scores.report import METRICS, Attacked, Report, Scores, verdict

OPEN = Scores(0.8, 0.3, 0.2, 0.1, 0.05, 0.01, 0.001, 0.9, 0.2, 24.0)
SEEN = Visibility(35.0, 0.95, 0.98, 10.0, 3.0, 1.0)


def attacked(photo: str, **changes) -> Attacked:
    return Attacked(photo, replace(OPEN, **changes), ((0.1, 0.2),))


def report(purify: str = "none", guidance: float = 3.5, **changes) -> Report:
    return Report(
        purify,
        guidance,
        attacked("unprotected"),
        attacked("protected", **changes),
        (attacked("noise", gain=0.76),),
        asked=((0.0, 1.0),),
        floor=(0.001, 0.0005),
    )


@pytest.mark.parametrize(
    "rel_gain, rel_window, unprotected, expected",
    [
        (0.30, 0.40, 0.8, "protected"),
        (0.31, 0.40, 0.8, "weakened"),
        (0.10, 0.41, 0.8, "weakened"),
        (0.70, 2.0, 0.8, "weakened"),
        (0.71, 0.1, 0.8, "not protected"),
        (-0.80, 0.1, 0.8, "not protected"),
        (0.10, 0.1, 0.05, "cannot be judged"),
        (math.nan, 0.1, 0.8, "cannot be judged"),
    ],
)
def test_verdict(rel_gain, rel_window, unprotected, expected):
    assert verdict(rel_gain, rel_window, unprotected) == expected


def test_ratios_are_relative_to_the_unprotected_photo():
    made = report(gain=0.2, window=0.05)
    assert made.ratio("gain") == pytest.approx(0.25)
    assert made.ratio("gain", made.controls[0]) == pytest.approx(0.95)
    assert made.verdict == "protected"


def test_a_destroyed_face_is_said():
    notes = report(gain=0.0, window=0.0, identity=20.0).notes
    assert any("4.0 dB" in note for note in notes)
    assert not report(gain=0.0, window=0.0, identity=23.5).notes


def test_json_holds_directions_and_no_nan():
    made = report(gain=math.nan)
    read = json.loads(made.to_json(), parse_constant=pytest.fail)
    assert read["photos"]["protected"]["gain"] is None
    assert read["photos"]["noise"]["ratio"]["gain"] == pytest.approx(0.95)
    assert {metric.name for metric in METRICS} <= set(read["meaning"])
    assert read["meaning"]["gain"]["meaning"] == "lower = better protected"
    assert read["syncnet"]["value"] is None


def test_every_score_has_a_meaning():
    assert [metric.name for metric in METRICS if not hasattr(OPEN, metric.name)] == []
    assert len(METRICS) == len(vars(OPEN))


def test_the_worst_at_the_default_guidance_counts():
    grid = Grid(
        (
            report(gain=0.1, window=0.01),
            report("jpeg:75", gain=0.4),
            report("none", 1.0, gain=0.8),
        ),
        3.5,
        SEEN,
        SEEN,
    )
    assert grid.verdict == "weakened"


def test_without_the_default_guidance_the_highest_counts():
    grid = Grid((report("none", 1.0, gain=0.0), report("none", 2.0, gain=0.8)), 3.5, SEEN, SEEN)
    assert grid.verdict == "not protected"


def test_grid_json_counts_every_report():
    endless = replace(SEEN, psnr=math.inf)
    grid = Grid((report(), report("jpeg:75")), 3.5, endless, SEEN, {"noise": SEEN}, {"seeds": [7]})
    read = json.loads(grid.to_json(), parse_constant=pytest.fail)
    assert [one["purify"] for one in read["reports"]] == ["none", "jpeg:75"]
    assert read["visibility"]["photo"]["psnr"] is None
    assert read["settings"] == {"seeds": [7]}


def test_a_note_is_said_once():
    damaged = {"gain": 0.1, "window": 0.0, "identity": 20.0}
    grid = Grid((report(**damaged), report("jpeg:75", **damaged)), 3.5, SEEN, SEEN)
    (note,) = grid.notes
    assert "none at 3.5; jpeg:75 at 3.5" in note


def test_mean_of_scores():
    other = replace(OPEN, gain=0.4)
    assert Scores.mean([OPEN, other]).gain == pytest.approx(0.6)
