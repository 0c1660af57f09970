"""benchmarks/floor.py: a protection that knows the attack, within a preset's bound."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from tiny import drawn_photo, tiny_generator

from silencer_core.bench_protect import Tried
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


def test_it_may_keep_to_the_face(floor):
    found = floor.knowing(PRESETS["strong"], [2.0], frames=8, steps=100, face_only=True)
    assert found.budget.face_only
    assert found.name == "strong, all-knowing in the face"


def test_it_may_look_at_the_lips_first(floor):
    found = floor.knowing(PRESETS["strong"], [2.0], frames=8, steps=100, lip=12.0)
    assert found.objective.lip == 12
    assert found.name == "strong, all-knowing, lips first"
    assert floor.knowing(PRESETS["strong"], [2.0], frames=8, steps=100).objective.lip == 0


def test_it_knows_the_clean_up(floor):
    found = floor.knowing(PRESETS["strong"], [2.0], frames=8, steps=100, diffusion=0.15).objective
    assert (found.share, found.diffusion, found.diffusion_time) == (0, 1, 0.15)
    assert (found.objective.guidance, found.objective.frames) == ((2.0,), 8)


def test_it_hears_what_the_attack_says(trial):
    assert trial.heard(1) == trial.said(1) == trial.voices[2:4]


def test_it_may_know_all_but_the_voices(floor, trial):
    assert replace(trial, knows_voices=False).heard(1) is None
    found = floor.knowing(PRESETS["strong"], [1.0], frames=8, steps=100, voices=False)
    assert found.name == "strong, knowing all but the voices"


def test_portraits_that_were_not_asked_for_are_passed_over(trial):
    photo = Photo(drawn_photo(side=96, seed=96))  # whose face is found
    assert trial(0, "a.png", photo) == []
    assert {one.portrait for one in trial(1, "b.png", photo)} == {"b.png"}


@pytest.mark.parametrize("preset", ["strong", "strong before"])
def test_the_least_tenth_is_that_of_all_others_left_nothing(floor, preset):
    names = {field.name: 0.0 for field in fields(Tried)}
    told = {"preset": "strong, all-knowing", "purify": "none", "guidance": 2.0}
    found = [Tried(**names | told | {"window_ratio": left}) for left in (0.4, 0.2, 0.3)]
    before = {"preset": preset, "purify": "none", "guidance": 2.0, "window_ratio": {"p90": 0.42}}
    (row,) = floor.least(found, [before], count=20)
    assert row["least"] == pytest.approx(0.21)  # a tenth of the way from the third to the second
    assert (row["before"], row["ratio"]) == (0.42, pytest.approx(0.5))


def test_what_the_preset_leaves_now_is_not_taken_for_before(floor):
    names = {field.name: 0.0 for field in fields(Tried)}
    told = {"preset": "strong, all-knowing", "purify": "none", "guidance": 2.0}
    left = [
        {"preset": preset, "purify": "none", "guidance": 2.0, "window_ratio": {"p90": p90}}
        for preset, p90 in (("strong before", 0.42), ("strong", 0.3))
    ]
    (row,) = floor.least([Tried(**names | told)], left, count=20)
    assert row["before"] == 0.42


@pytest.mark.parametrize("preset", ["strong", "strong before"])
def test_a_larger_change_stands_beside_the_same_before(floor, preset):
    names = {field.name: 0.0 for field in fields(Tried)}
    told = {"preset": "strong~30, all-knowing", "purify": "none", "guidance": 2.0}
    left = told | {"preset": preset, "window_ratio": {"p90": 0.42}}
    (row,) = floor.least([Tried(**names | told)], [left], count=20)
    assert row["before"] == 0.42


def test_the_least_tenth_stands_beside_every_change_before(floor):
    names = {field.name: 0.0 for field in fields(Tried)}
    told = {"preset": "strong, all-knowing", "purify": "none", "guidance": 2.0}
    left = [
        {"preset": preset, "purify": "none", "guidance": 2.0, "window_ratio": {"p90": p90}}
        for preset, p90 in (("strong before", 0.42), ("strong before~13", 0.5), ("strong", 0.3))
    ]
    found = floor.least([Tried(**names | told)], left, count=20)
    assert [(row["beside"], row["before"]) for row in found] == [
        ("strong before", 0.42),
        ("strong before~13", 0.5),
    ]
