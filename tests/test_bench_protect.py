"""`silencer bench protect`: its keys are a contract, its workers change nothing."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
import skimage.data
import torch
from PIL import Image
from tiny import babble, tiny_generator
from typer.testing import CliRunner

from silencer_core.bench_protect import LEAST_GAIN, Trial, Tried, duels, rows, try_presets
from silencer_core.cli import app
from silencer_core.objectives.nullify import NullifyAudio
from silencer_core.optimise.budget import Budget
from silencer_core.optimise.descent import Descent
from silencer_core.photo import Photo
from silencer_core.presets import Preset

QUICK = Preset(
    "quick",
    NullifyAudio(draws=1, frames=2, talking=0.0),
    Budget(16 / 255),
    Descent(steps=1, validation=1),
)


def astronaut() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut()[:256, 96:352]).resize((160, 160))


@pytest.fixture(scope="module")
def photos():
    pixels = torch.tensor(list(astronaut().tobytes()), dtype=torch.float32)
    pixels = pixels.view(160, 160, 3).permute(2, 0, 1) / 255
    return [("one", Photo(pixels)), ("other", Photo(pixels.flip(-1)))]


@pytest.fixture(scope="module")
def trial():
    voices = [babble(seed, 0.3) for seed in range(3)]
    return Trial(tiny_generator(), voices, [QUICK], ["none"], [1.0, None], frames=4)


def test_a_row_for_every_preset_clean_up_and_guidance(trial, photos):
    tried = [one for found in try_presets(trial, photos) for one in found]
    table = rows(tried)
    assert [(row["preset"], row["purify"], row["guidance"]) for row in table] == [
        ("quick", "none", 1.0),
        ("quick", "none", 2.0),
    ]
    for row in table:
        assert row["portraits"] == 2
        for name in ("gain_ratio", "window_ratio", "noise_gain_ratio"):
            assert {"median", "low", "high", "p90"} <= set(row[name])
        assert {"identity_drop_db", "psnr", "ssim", "seconds"} <= set(row)
        assert 20 < row["psnr"] < 60
        assert 0 < row["delta_e"] < 10


def test_a_photo_that_was_left_as_it_is_counts_as_unprotected(trial, photos):
    idle = replace(QUICK, descent=Descent(steps=0, validation=1))
    (row,) = rows(replace(trial, presets=[idle], guidances=[1.0])(0, *photos[0]))
    assert row["window_ratio"]["median"] == row["noise_window_ratio"]["median"] == 1.0


def test_workers_find_the_same(trial, photos):
    alone, together = (
        rows([one for found in try_presets(trial, photos, workers) for one in found])
        for workers in (1, 2)
    )
    for row in (*alone, *together):
        del row["seconds"], row["cpu_seconds"]
    assert json.dumps(alone) == json.dumps(together)


def test_the_command_writes_what_it_measured(tmp_path, monkeypatch):
    import silencer_core.generators
    import silencer_core.presets

    (tmp_path / "photos").mkdir()
    astronaut().save(tmp_path / "photos" / "a.png")
    monkeypatch.setattr(silencer_core.generators, "load_generator", lambda path: tiny_generator())
    monkeypatch.setitem(silencer_core.presets.PRESETS, "quick", QUICK)
    options = ["--presets", "quick", "--guidance", "1", "--frames", "4", "--purify", "none"]
    out = tmp_path / "figures.json"
    done = CliRunner().invoke(
        app,
        ["bench", "protect", "--portraits", str(tmp_path / "photos"), "--json", str(out), *options],
    )
    assert done.exit_code == 0, done.output
    assert "quick" in done.output
    assert len(json.loads(out.read_text())["rows"]) == 1


def tried(
    preset: str, portrait: str, gain: float, window: float, unprotected: float = 0.5
) -> Tried:
    told = {"preset": preset, "portrait": portrait, "purify": "none", "guidance": 2.0}
    told |= {"gain_ratio": gain, "window_ratio": window, "gain_unprotected": unprotected}
    return Tried(**{field.name: 0.5 for field in fields(Tried)} | told)


def test_a_duel_is_fought_portrait_by_portrait():
    ours = [tried("ours", name, 0.1, 0.2) for name in "abc"]
    other = [tried("other", "a", 0.3, 0.1), tried("other", "b", -0.5, 0.1)]
    (row,) = duels([*ours, *other], "ours")
    assert (row["preset"], row["purify"], row["guidance"]) == ("other", "none", 2.0)
    assert row["gain_ratio"]["median"] == pytest.approx(0.3)
    assert row["window_ratio"]["median"] == pytest.approx(-0.1)
    assert row["gain_ratio"]["count"] == 2


def test_a_duel_of_gains_needs_a_mouth_that_talked():
    mute = 0.9 * LEAST_GAIN
    found = [tried("ours", "a", 0.1, 0.2, mute), tried("other", "a", 0.3, 0.4, mute)]
    (row,) = duels(found, "ours")
    assert row["gain_ratio"]["count"] == 0
    assert row["window_ratio"]["count"] == 1
