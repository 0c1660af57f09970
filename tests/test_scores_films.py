"""Videos scored without their generator."""

from __future__ import annotations

import pytest
import torch.nn.functional as F
from tiny import babble

from silencer_core.demo import demo_photo
from silencer_core.errors import SilencerError
from silencer_core.generators.mini.mel import mouth_opening
from silencer_core.scores.films import score_films

ROWS, COLUMNS = slice(72, 78), slice(108, 116)  # the astronaut's mouth, 256 pixels wide


class Darkness:
    """Stands in for the meter: how dark the mouth is."""

    def read(self, frames, mouth, unit):
        x, y = round(mouth[0]), round(mouth[1] - 0.083 * unit)
        return 1 - frames[:, :, y - 1 : y + 2, x - 1 : x + 2].mean((1, 2, 3))


@pytest.fixture(scope="module")
def still():
    return F.interpolate(demo_photo().pixels[None], size=256, mode="area")[0]


def talking(still, opening):
    frames = still.repeat(len(opening), 1, 1, 1)
    frames[:, :, ROWS, COLUMNS] = 1 - opening.view(-1, 1, 1, 1)
    return frames


def test_half_the_movement_is_half_the_gain(still):
    speech = babble(seconds=1.0)
    asked = mouth_opening(speech.waveform)
    videos = {"unprotected": talking(still, asked), "protected": talking(still, asked / 2)}
    scores = score_films(videos, speech, meter=Darkness())
    assert scores.asked == pytest.approx(asked[: len(scores.asked)].tolist())
    assert scores.films["unprotected"].gain > 0.5
    assert scores.films["protected"].relative == pytest.approx(0.5, abs=0.05)
    assert scores.films["unprotected"].sync > 0.95


def test_frames_of_another_rate_are_compared_in_time(still):
    speech = babble(seconds=1.0)
    twice = mouth_opening(speech.waveform).repeat_interleave(2)
    scores = score_films({"a": talking(still, twice)}, speech, fps=50, meter=Darkness())
    assert scores.films["a"].sync > 0.9
    assert len(scores.asked) == len(twice)


def test_what_does_not_move_gains_nothing(still):
    scores = score_films({"a": still.repeat(20, 1, 1, 1)}, babble(), meter=Darkness())
    assert scores.films["a"].gain == pytest.approx(0, abs=1e-6)
    assert scores.as_dict()["films"]["a"]["relative"] is None


def test_one_frame_is_no_video(still):
    with pytest.raises(SilencerError, match="two frames"):
        score_films({"a": still[None]}, babble())
