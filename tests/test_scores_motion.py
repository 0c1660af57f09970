"""What the scores say about videos whose mouths are known."""

import math

import pytest
import torch

from silencer_core.scores import motion
from silencer_core.scores.mouth import Mouth

SIZE = 64
MOUTH = Mouth(32.0, 40.0, 16.0)


def asked(seed: int, frames: int = 48) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    steps = torch.rand(frames // 4, generator=random).repeat_interleave(4)
    return steps[:frames]


def video(opening: torch.Tensor, place: tuple[int, int] = (40, 32)) -> torch.Tensor:
    """A grey face whose mouth, 6 pixels high, darkens with the opening."""
    frames = torch.full((len(opening), 3, SIZE, SIZE), 0.6)
    row, column = place
    frames[:, :, row - 3 : row + 3, column - 5 : column + 5] -= 0.5 * opening.view(-1, 1, 1, 1)
    return frames


def test_gain_is_the_slope_whatever_the_mouth_at_rest():
    wanted = [asked(0), asked(1)]
    found = [0.7 * wanted[0] + 0.4, 0.7 * wanted[1] - 0.1]
    assert motion.gain(wanted, found) == pytest.approx(0.7, abs=1e-5)


def test_gain_of_a_mouth_that_moves_by_itself_is_small():
    assert abs(motion.gain([asked(0, 400)], [asked(1, 400)])) < 0.2


def test_nothing_asked_nothing_known():
    still = torch.zeros(20)
    assert math.isnan(motion.gain([still], [asked(0, 20)]))
    assert math.isnan(motion.sync([still], [asked(0, 20)]))


def test_response_counts_openings_and_closings():
    silent = torch.full((4,), 0.3)
    spoken = silent + torch.tensor([0.2, -0.2, 0.4, 0.0])
    assert motion.response([spoken], [silent]) == pytest.approx(0.2)


@pytest.mark.parametrize("lag", [-4, 0, 3])
def test_sync_finds_the_lag(lag):
    wanted = asked(0)
    assert motion.sync([wanted], [0.1 * wanted.roll(lag)]) > 0.95


def test_sync_does_not_reach_beyond_its_lags():
    wanted = asked(0)
    assert motion.sync([wanted], [wanted.roll(12)]) < 0.6


def test_sync_with_shuffled_speech_is_low():
    wanted = [asked(k, 200) for k in range(3)]
    assert motion.sync(motion.shuffled(wanted), wanted) < 0.4


def test_shuffled_speech_is_anothers_in_own_length():
    wanted = [asked(0, 20), asked(1, 48)]
    first, second = motion.shuffled(wanted)
    assert torch.equal(first, wanted[1][:20])
    assert len(second) == 48


def test_distance_of_two_voices_sees_the_lips_only_where_it_looks():
    one, other = video(asked(0)), video(asked(1))
    lips = motion.distance([one], [other], MOUTH.lips(SIZE))
    face = motion.distance([one], [other], MOUTH.face(SIZE))
    assert lips > face > 0
    eyes = (slice(10, 20), slice(10, 50))
    assert motion.distance([one], [other], eyes) == 0


def test_distance_is_a_root_mean_square():
    one, other = torch.full((2, 3, 8, 8), 0.2), torch.full((2, 3, 8, 8), 0.5)
    assert motion.distance([one], [other], (slice(0, 4), slice(0, 8))) == pytest.approx(0.3)


def test_wide_window_follows_the_opening_in_proportion():
    wanted = asked(0)
    silent = video(torch.zeros(48))
    whole = motion.gain([wanted], motion.wide_window([video(wanted)], [silent], MOUTH))
    half = motion.gain([wanted], motion.wide_window([video(wanted / 2)], [silent], MOUTH))
    assert half / whole == pytest.approx(0.5, abs=1e-3)


def test_wide_window_sees_a_displaced_mouth():
    wanted = asked(0)
    silent = video(torch.zeros(48))
    here = motion.gain([wanted], motion.wide_window([video(wanted)], [silent], MOUTH))
    moved = motion.gain([wanted], motion.wide_window([video(wanted, (34, 42))], [silent], MOUTH))
    assert moved == pytest.approx(here, rel=1e-3)


def test_wide_window_takes_no_notice_of_motion_without_speech():
    wanted, silent = asked(0), video(asked(5))
    differences = motion.wide_window([silent], [silent], MOUTH)
    assert motion.gain([wanted], differences) == pytest.approx(0, abs=1e-6)


def test_lip_motion_grows_with_the_square_of_the_movement():
    whole = motion.lip_motion([video(asked(0))], MOUTH)
    half = motion.lip_motion([video(asked(0) / 2)], MOUTH)
    assert half / whole == pytest.approx(0.25, abs=1e-3)
    assert motion.lip_motion([video(torch.full((9,), 0.5))], MOUTH) == 0


def test_identity_does_not_count_the_lips():
    clean = video(torch.zeros(1))[0]
    assert motion.identity([video(asked(0))], clean, MOUTH) == pytest.approx(100)
    spoilt = video(asked(0)) + 0.1
    assert motion.identity([spoilt], clean, MOUTH) == pytest.approx(20, abs=0.01)
