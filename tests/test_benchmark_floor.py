"""benchmarks/floor.py: a protection that knows the attack, within a preset's bound."""

from __future__ import annotations

import pytest
from tiny import drawn_photo, tiny_generator

from silencer_core.photo import Photo
from silencer_core.presets import PRESETS
from silencer_core.voices import held_out_voices


@pytest.fixture(scope="module")
def floor(benchmark_script):
    return benchmark_script("floor")


@pytest.fixture
def trial(floor):
    presets = [floor.knowing(PRESETS["strong"], [1.0, 2.0], frames=4, steps=1)]
    settings = (tiny_generator(), held_out_voices()[:6], presets, ["none"], [1.0, 2.0], 4)
    return floor.KnowingTrial(*settings, only=frozenset(["b.png"]))


def test_it_spends_the_presets_psnr_anywhere(floor):
    found = floor.knowing(PRESETS["strong"], [1.0, 2.0], frames=16, steps=100)
    assert found.budget.psnr == PRESETS["strong"].budget.psnr
    assert (found.budget.linf, found.budget.face_only, found.budget.focus) == (1, False, 0)
    assert (found.objective.guidance, found.objective.frames) == ((1.0, 2.0), 16)
    assert found.descent.steps == 100


def test_it_hears_what_the_attack_says(trial):
    assert trial.heard(1) == trial.said(1) == trial.voices[2:4]


def test_portraits_that_were_not_asked_for_are_passed_over(trial):
    photo = Photo(drawn_photo(side=96, seed=96))  # whose face is found
    assert trial(0, "a.png", photo) == []
    assert {one.portrait for one in trial(1, "b.png", photo)} == {"b.png"}
