"""Landmark distances of videos whose landmarks are known."""

import numpy as np
import pytest
import torch

from silencer_core.faces import Face
from silencer_core.scores.landmarks import landmark_distance


class Marks:
    """Reads landmarks off a frame: its first row holds shift, opening and whether a face shows."""

    def __init__(self, name: str = "onnx") -> None:
        self.name = name

    def find(self, photo) -> list[Face]:
        shift, opening, shows = (float(value) for value in photo[0, 0, :3])
        if not shows:
            return []
        lips = np.array([[40.0, 70 - 10 * opening], [40.0, 70 + 10 * opening]]) + 100 * shift
        outline = np.array([[0.0, 0.0], [0.0, 100.0]]) + 100 * shift
        return [Face((0, 0, 80, 100), lips, outline, 1.0, self.name)]


def video(*rows: tuple[float, float, float]) -> torch.Tensor:
    frames = torch.zeros(len(rows), 3, 4, 4)
    frames[:, 0, 0, :3] = torch.tensor(rows)
    return frames


def test_equal_videos_are_at_no_distance():
    one = video((0, 0.5, 1), (0, 0.2, 1))
    found = landmark_distance(Marks(), [one], [one], every=1)
    assert (found.mouth, found.face) == (0, 0)


def test_a_mouth_that_stays_shut_is_far_in_the_mouth_only():
    shut, open_ = video((0, 0, 1)), video((0, 1, 1))
    found = landmark_distance(Marks(), [shut], [open_])
    assert found.mouth == pytest.approx(0.1)
    assert found.face == pytest.approx(0.05)


def test_a_face_that_moved_is_far_in_the_face_only():
    here, there = video((0, 0.5, 1)), video((0.1, 0.5, 1))
    found = landmark_distance(Marks(), [here], [there])
    assert found.mouth == pytest.approx(0)
    assert found.face == pytest.approx(0.1 * 2**0.5)


def test_frames_without_a_face_are_left_out():
    lost, whole = video((0, 1, 0), (0, 1, 1)), video((0, 0, 1), (0, 1, 1))
    assert landmark_distance(Marks(), [lost], [whole], every=1).mouth == 0
    assert landmark_distance(Marks(), [lost[:1]], [whole[:1]]) is None


def test_estimated_lips_are_no_landmarks():
    one = video((0, 0.5, 1))
    assert landmark_distance(Marks("cascade"), [one], [one]) is None
