"""The benchmark of the built-in generator, on generators whose behaviour is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY, babble, tiny_generator
from typer.testing import CliRunner

from silencer_core.audio import Speech
from silencer_core.cli import app
from silencer_core.errors import SilencerError
from silencer_core.generators.mini.bench import Material as Group
from silencer_core.generators.mini.bench import Take, best, excerpt, follows, measure, summary, take
from silencer_core.generators.mini.mel import RATE
from silencer_core.generators.mini.meter import MouthMeter
from silencer_core.generators.mini.subjects import (
    drawn_subjects,
    outside_the_mouth,
    photographed_subjects,
)
from silencer_core.generators.mini.weights import pack


def wave(phase: float, frames: int = 48) -> torch.Tensor:
    return 0.5 + 0.4 * torch.sin(torch.arange(frames) * 0.7 + phase)


@pytest.fixture(scope="module")
def subject():
    return next(drawn_subjects(1, TINY))


def taken(subject, asked, measured, still=None, frames=None) -> Take:
    still = torch.zeros(len(asked)) if still is None else still
    frames = torch.rand(len(asked), 3, 8, 8) if frames is None else frames
    return Take(subject, asked, measured, still, frames, 30.0)


def test_slope_and_correlation_are_those_of_a_line():
    asked = wave(0)
    correlation, slope = follows(0.3 * asked + 0.1, asked, 0)
    assert correlation == pytest.approx(1, abs=1e-5)
    assert slope == pytest.approx(0.3, abs=1e-5)


@pytest.mark.parametrize("lag", [-2, 0, 1, 2])
def test_a_late_mouth_is_found_at_its_lag(lag):
    asked = torch.rand(60, generator=torch.Generator().manual_seed(0))
    correlation, _, found = best(asked.roll(lag), asked)
    assert found == lag
    assert correlation == pytest.approx(1, abs=1e-4)


def test_a_mouth_later_than_two_frames_does_not_count():
    asked = torch.rand(60, generator=torch.Generator().manual_seed(0))
    assert best(asked.roll(5), asked)[0] < 0.5


def test_shuffled_voices_do_not_match(subject):
    random = torch.Generator().manual_seed(0)
    spoken = [torch.rand(60, generator=random) for _ in range(30)]
    found = summary([taken(subject, asked, asked) for asked in spoken], 16)
    assert found.sync.median == pytest.approx(1, abs=1e-4)
    assert abs(found.shuffled.median) < 0.15


def test_a_mouth_that_never_closes_its_lips_to_silence_shows(subject):
    asked = wave(0)
    found = summary([taken(subject, asked, asked, still=0.5 * asked)] * 2, 16)
    assert found.silence_ratio.median == pytest.approx(0.5, abs=1e-3)


def test_a_jump_at_the_border_shows(subject):
    frames = torch.zeros(32, 3, 8, 8)
    frames += torch.arange(32)[:, None, None, None] * 0.001
    frames[16:] += 0.02
    found = summary([taken(subject, wave(0, 32), wave(0, 32), frames=frames)] * 2, 16)
    assert found.border_ratio.median == pytest.approx(21, rel=0.01)


def test_excerpt_lasts_as_asked_whatever_the_recording():
    for seconds in (0.3, 1.0, 9.0):
        piece, asked = excerpt(babble(0, seconds), 48)
        assert len(piece.waveform) == 48 * RATE // 25
        assert len(asked) == 48


def test_outside_leaves_out_the_mouth(subject):
    outside = outside_the_mouth(subject.mouth, TINY.size)
    assert outside[int(subject.mouth.y), int(subject.mouth.x)] == 0
    assert outside[0].eq(1).all()


def test_a_take_measures_what_was_animated(subject):
    found = take(tiny_generator(), MouthMeter(), subject, babble(), frames=8)
    assert found.frames.shape == (8, 3, TINY.size, TINY.size)
    assert len(found.asked) == len(found.measured) == len(found.still) == 8
    assert not torch.equal(found.measured, found.still)
    assert 0 < found.identity < 40


def test_measuring_without_voices_is_refused(subject):
    with pytest.raises(SilencerError, match="voice"):
        measure(tiny_generator(), MouthMeter(), Group([subject], [], [], []))


def test_a_folder_without_faces_is_refused(tmp_path):
    Image.new("RGB", (100, 100)).save(tmp_path / "empty.png")
    with pytest.raises(SilencerError, match="no picture of a face"):
        list(photographed_subjects(tmp_path, 3, TINY))


def test_command_writes_every_figure(tmp_path, monkeypatch):
    import soundfile
    from skimage.data import astronaut

    photos, sounds = tmp_path / "photos", tmp_path / "sounds"
    photos.mkdir()
    sounds.mkdir()
    Image.fromarray(astronaut()).save(photos / "a.png")
    speech: Speech = babble()
    soundfile.write(sounds / "a.wav", speech.waveform.numpy(), RATE)
    monkeypatch.setattr("silencer_core.generators.mini.bench.FRAMES", 8)
    generator = tiny_generator()
    pack(generator.net, generator.vae, tmp_path / "tiny.safetensors", {})
    words = ["bench", "mini", "--portraits", photos, "--voices", sounds, "--count", 2]
    words += ["--json", tmp_path / "f.json", "--sheets", tmp_path / "sheets"]
    words += ["--weights", tmp_path / "tiny.safetensors"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "f.json").read_text())
    for group in ("rendered", "photos", "recordings"):
        for name in ("sync", "gain", "identity_psnr"):
            assert figures[group][name]["low"] <= figures[group][name]["high"]
    for name in ("meter_r", "shuffled", "silence_ratio", "covered_ratio", "vae_psnr", "vae_ssim"):
        assert np.isfinite(figures[name]["median"])
    assert figures["seconds_16_frames"] > 0
    assert figures["seconds_step"] > 0
    assert figures["photos"]["count"] == 1
    assert len(list((tmp_path / "sheets").glob("*.png"))) == 4
