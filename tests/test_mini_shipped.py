"""The generator that ships: it loads, it talks, it keeps quiet, it keeps the person."""

from __future__ import annotations

import pytest
import torch

from silencer_core.generators import load_generator
from silencer_core.generators.mini.bench import best, meter_agreement, take
from silencer_core.generators.mini.meter import load_meter
from silencer_core.generators.mini.sizes import MINI
from silencer_core.generators.mini.subjects import drawn_subjects
from silencer_core.generators.mini.weights import METER, WEIGHTS
from silencer_core.voices import default_voices, held_out_voices


@pytest.fixture(scope="module")
def taken():
    generator, meter = load_generator(device="cpu"), load_meter(METER)
    subject = list(drawn_subjects(2, generator.config))[1]
    return take(generator, meter, subject, held_out_voices()[0], frames=32)


def test_it_is_what_load_generator_gives_without_a_path():
    generator = load_generator(device="cpu")
    assert generator.config == MINI
    assert generator.dtype == torch.float32
    assert all(not p.requires_grad for p in generator.net.parameters())


def test_files_are_small():
    assert WEIGHTS.stat().st_size <= 40 * 10**6
    assert METER.stat().st_size <= 10**6


def test_mouth_follows_the_voice(taken):
    correlation, gain, _ = best(taken.measured, taken.asked)
    assert correlation > 0.7
    assert gain > 0.5


def test_mouth_rests_in_silence(taken):
    assert taken.still.std() < 0.25 * taken.measured.std()


def test_the_person_stays(taken):
    assert taken.identity > 22


def test_meter_reads_people_it_never_saw():
    assert meter_agreement(load_meter(METER), MINI.size, 8).median > 0.95


def test_voices_to_measure_with_are_others():
    ours, theirs = default_voices(), held_out_voices()
    assert len(ours) == 8
    assert len(theirs) == 20
    for one in ours:
        for other in theirs:
            assert not torch.equal(one.waveform[:8000], other.waveform[:8000])
