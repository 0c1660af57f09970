"""The second generator, which protections are tested by: another one, and it talks."""

from __future__ import annotations

from pathlib import Path

import pytest

from silencer_core.generators import load_generator
from silencer_core.generators.mini.bench import best, take
from silencer_core.generators.mini.meter import load_meter
from silencer_core.generators.mini.sizes import MINI, SECOND
from silencer_core.generators.mini.subjects import drawn_subjects
from silencer_core.generators.mini.weights import METER
from silencer_core.voices import held_out_voices

WEIGHTS = Path(__file__).parent / "assets" / "second.safetensors"


@pytest.fixture(scope="module")
def generator():
    return load_generator(WEIGHTS, device="cpu")


@pytest.fixture(scope="module")
def taken(generator):
    subject = list(drawn_subjects(2, generator.config))[1]
    return take(generator, load_meter(METER), subject, held_out_voices()[0], frames=32)


def test_it_has_other_sizes_than_the_shipped_one(generator):
    assert generator.config == SECOND
    assert SECOND.channels != MINI.channels
    assert SECOND.latent_channels != MINI.latent_channels


def test_its_mouth_follows_the_voice(taken):
    correlation, gain, _ = best(taken.measured, taken.asked)
    assert correlation > 0.6
    assert gain > 0.5


def test_its_mouth_rests_in_silence(taken):
    assert taken.still.std() < 0.3 * taken.measured.std()


def test_its_person_stays(taken):
    assert taken.identity > 21
