"""Protecting a photo, from end to end, with a tiny generator."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from tiny import babble, drawn_photo, mask_of_face, tiny_generator

from silencer_core.errors import SilencerError
from silencer_core.objectives.anti_purify import AntiPurify
from silencer_core.objectives.nullify import NullifyAudio
from silencer_core.optimise.budget import Budget
from silencer_core.optimise.descent import Descent
from silencer_core.photo import Photo, read_photo, write_photo
from silencer_core.presets import PRESETS, LatentStage, Preset, preset, with_steps
from silencer_core.protect import protect

QUICK = Preset(
    "quick",
    NullifyAudio(draws=1, frames=2, talking=0.0),
    Budget(8 / 255),
    Descent(steps=4, validate_every=2, validation=1),
)


@pytest.fixture(scope="module")
def generator():
    return tiny_generator()


def shielded(photo, generator, how=QUICK, **options):
    masks = {"face_mask": mask_of_face(photo.height), **options}
    return protect(photo, generator, [babble()], how, **masks)


@pytest.fixture(scope="module")
def portrait(generator):
    return generator.find_portrait(drawn_photo(), face_mask=mask_of_face())


def test_result_is_the_photo_within_the_budget(generator):
    photo = Photo(drawn_photo(), alpha=torch.rand(1, 160, 160), icc=b"profile")
    done = shielded(photo, generator)
    change = done.photo.pixels - photo.pixels
    assert done.photo.pixels.shape == photo.pixels.shape
    assert 0 < change.abs().max() <= 8 / 255 + 1e-6
    assert torch.equal(done.photo.pixels * 255, (done.photo.pixels * 255).round())
    assert done.photo.alpha is photo.alpha
    assert done.photo.icc == b"profile"


def test_nothing_changes_away_from_the_face(generator):
    photo = Photo(drawn_photo())
    change = (shielded(photo, generator).photo.pixels - photo.pixels).abs()
    assert change[:, :15].max() == 0
    assert change[:, :, -15:].max() == 0


def test_the_objective_falls(generator):
    face = shielded(Photo(drawn_photo()), generator).report.faces[0]
    assert face.after < face.before
    assert face.steps == 4
    assert face.stopped == "done"


def test_report_is_json(generator):
    report = json.loads(shielded(Photo(drawn_photo()), generator).report.to_json())
    assert report["preset"] == "quick"
    assert report["settings"]["budget"]["linf"] == pytest.approx(8 / 255)
    assert report["faces"][0]["visibility"]["psnr"] > 25


def test_one_seed_gives_one_photo(generator):
    photo = Photo(drawn_photo())
    first, again, other = (shielded(photo, generator, seed=s).photo.pixels for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_cancelling_still_gives_a_photo(generator):
    done = shielded(Photo(drawn_photo()), generator, cancelled=lambda: True)
    assert done.report.faces[0].stopped == "cancelled"


def test_seen_through_clean_ups(generator):
    objective = AntiPurify(QUICK.objective, share=1.0)
    done = shielded(
        Photo(drawn_photo()), generator, dataclasses.replace(QUICK, objective=objective)
    )
    assert done.report.faces[0].steps == 4


def test_second_stage_stays_within_the_budget(generator):
    stage = LatentStage(steps=2, inversion_steps=10, depth=1)
    photo = Photo(drawn_photo())
    done = shielded(photo, generator, dataclasses.replace(QUICK, latent=stage))
    assert len(done.report.faces) == 1
    assert (done.photo.pixels - photo.pixels).abs().max() <= 8 / 255 + 1e-6


def test_the_file_says_that_it_is_protected(generator, tmp_path):
    write_photo(shielded(Photo(drawn_photo()), generator).photo, tmp_path / "p.png")
    assert "quick" in read_photo(tmp_path / "p.png").protection


def test_a_photo_without_a_face_is_refused(generator):
    with pytest.raises(SilencerError, match="mask"):
        protect(Photo(torch.full((3, 120, 120), 0.5)), generator, [babble()], QUICK)


def test_no_voice_is_refused(generator):
    with pytest.raises(SilencerError, match="recording"):
        protect(Photo(drawn_photo()), generator, [], QUICK, face_mask=mask_of_face())


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(SilencerError, match="balanced"):
        preset("strongest")


def test_steps_replace_those_of_a_preset():
    assert with_steps(PRESETS["fast"], 7).descent.steps == 7


@pytest.mark.parametrize(
    "seen",
    [
        {"sequences": ("jpeg:75,resize:0.5",), "share": 1.0},
        {"sequences": ("resize:0.5,jpeg:75",), "share": 1.0},
        {"sequences": ("crop:0.9",), "share": 1.0},
        {"share": 0.0, "diffusion": 1.0, "gradient": "through"},
        {"share": 0.0, "diffusion": 1.0, "gradient": "through", "misplaced": 0.05},
    ],
    ids=["jpeg, resize", "resize, jpeg", "crop", "diffusion", "diffusion, misplaced"],
)
def test_gradient_through_clean_ups_points_downhill(generator, portrait, seen):
    rows, columns = portrait.window.slices
    pixels = drawn_photo()[:, rows, columns]
    objective = AntiPurify(QUICK.objective, **seen).bind(
        generator, portrait, [generator.drive(babble())]
    )
    draws = objective.draw(torch.Generator().manual_seed(1))
    found = objective.step(pixels, draws)
    downhill = pixels - 4 / 255 * found.gradient.sign()
    assert objective.value(downhill, draws) < objective.value(pixels, draws)


def test_misplaced_crops_differ_from_draw_to_draw(generator, portrait):
    settings = AntiPurify(QUICK.objective, share=0.0, misplaced=0.05)
    objective = settings.bind(generator, portrait, [generator.drive(babble())])
    rows, columns = portrait.window.slices
    pixels, random = drawn_photo()[:, rows, columns], torch.Generator().manual_seed(1)
    first, second = objective.draw(random), objective.draw(random)
    second = dataclasses.replace(second, inner=first.inner)
    assert objective.value(pixels, first) == objective.value(pixels, first)
    assert objective.value(pixels, first) != objective.value(pixels, second)
