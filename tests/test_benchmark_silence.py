"""benchmarks/silence.py: what a mouth that hears nothing scores."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from tiny import babble, drawn_photo, tiny_generator

from silencer_core.bench_protect import Trial, Tried
from silencer_core.errors import SilencerError
from silencer_core.photo import Photo
from silencer_core.presets import PRESETS, with_steps

PHOTO = drawn_photo(side=96, seed=96)  # whose face is found


@pytest.fixture(scope="module")
def silence(benchmark_script):
    return benchmark_script("silence")


def heard(silence, photo: str, speech: float, silent: float):
    return silence.Heard("0.png", photo, 2.0, speech, silent)


def test_the_size_of_silences_gain_is_divided_by_that_of_speech(silence):
    found = [heard(silence, "photo", 0.5, -0.1), heard(silence, "photo", 0.4, 0.02)]
    (row,) = silence.rows(found, "none")
    assert row["gain_ratio"]["median"] == pytest.approx((0.2 + 0.05) / 2)


def test_portraits_that_do_not_speak_are_counted_but_not_divided_by(silence):
    found = [heard(silence, "photo", 0.01, 0.1), heard(silence, "photo", 0.4, 0.02)]
    (row,) = silence.rows(found, "none")
    assert (row["portraits"], row["gain_ratio"]["count"]) == (2, 1)


def test_photos_are_told_apart(silence):
    found = [heard(silence, "one", 0.5, 0.1), heard(silence, "other", 0.5, 0.2)]
    told = {row["preset"]: row["gain_ratio"]["median"] for row in silence.rows(found, "none")}
    assert told == {"one": pytest.approx(0.2), "other": pytest.approx(0.4)}


def tried(preset: str, portrait: str = "0.png") -> Tried:
    names = {field.name: 0.5 for field in fields(Tried)}
    told = {"preset": preset, "portrait": portrait, "purify": "none", "guidance": 2.0}
    return Tried(**names | told | {"gain": 0.1})


def test_what_silence_gains_is_taken_from_speech_on_both_photos(silence):
    found = [heard(silence, "unprotected", 0.5, 0.1), heard(silence, "fast", 0.5, 0.06)]
    (one,) = silence.answers([tried("fast"), tried("strong"), tried("fast", "1.png")], found)
    assert (one.gain, one.gain_unprotected) == (pytest.approx(0.04), pytest.approx(0.4))
    assert one.gain_ratio == pytest.approx(0.1)


def test_gains_of_other_attacks_are_refused(silence):
    found = [heard(silence, "unprotected", 0.4, 0.1), heard(silence, "fast", 0.4, 0.06)]
    with pytest.raises(SilencerError, match=r"0\.png.*0\.4000 here and 0\.5000 there"):
        silence.answers([tried("fast")], found)


def test_every_draw_of_a_clean_up_is_another_and_none_is_the_photo(silence):
    generator = tiny_generator()
    (first,), (second,) = silence.targets(generator, {"unprotected": PHOTO}, "noise:0.1", 2)
    assert not torch.equal(first.portrait.image, second.portrait.image)
    ((untouched,),) = silence.targets(generator, {"unprotected": PHOTO}, "none", 1)
    assert torch.equal(untouched.clean, untouched.portrait.image / 2 + 0.5)


def test_protected_photos_are_given_silence_beside_the_untouched_one(silence):
    generator, preset = tiny_generator(), with_steps(PRESETS["fast"], 1)
    voices = [babble(seed, 0.3) for seed in range(2)]
    settings = (generator, voices, [preset], ["none"], [2.0], 4, generator)
    found = silence.Hushed(Trial(*settings))(0, "photo.png", Photo(PHOTO))
    assert [one.photo for one in found] == ["unprotected", "fast"]
    assert found[0].speech == found[1].speech
    assert found[0].silence != found[1].silence
