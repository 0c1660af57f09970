"""benchmarks/recorded.py: recorded calls give what the calls themselves give.

Graphs need a GPU; here a recording is a stand-in that, like a graph, runs what was recorded on its
own inputs, and hands out its own results.
"""

from __future__ import annotations

import pytest
import torch
from test_scores_attack import TINY, speech, untrained

from silencer_core.generators.hallo.generator import Hallo
from silencer_core.objectives.anti_purify import AntiPurify
from silencer_core.objectives.nullify import NullifyAudio
from silencer_core.objectives.rollout import NullifyRollout
from silencer_core.portrait import find_portrait
from silencer_core.scores import attack as attacking


@pytest.fixture(scope="module")
def generator() -> Hallo:
    return untrained()


class Recording:
    """Counts what is recorded, and refuses a second forward pass before the backward pass."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, call, tensors):
        self.count += 1
        busy = []

        def replay(*given):
            assert [x.shape for x in given] == [x.shape for x in tensors]
            results = call(*given)
            if any(one.requires_grad for one in results):
                assert not busy, "its activations are still needed"
                busy.append(True)
                next(x for x in given if x.requires_grad).register_hook(lambda _: busy.clear())
            return results

        return replay


@pytest.fixture
def recorded(generator, benchmark_script):
    return benchmark_script("recorded").RecordedHallo(generator, Recording(), Recording())


@pytest.fixture(scope="module")
def photo():
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()).permute(2, 0, 1).float() / 255


@pytest.fixture(scope="module")
def portrait(photo):
    return find_portrait(photo, TINY.size, vae_factor=TINY.vae_factor, levels=TINY.levels)


@pytest.mark.parametrize(
    "objective",
    [
        NullifyAudio(draws=2, silence=1.0, other_voice=1.0),
        NullifyRollout(steps=2),
        AntiPurify(NullifyAudio(draws=1), share=0.0, diffusion=1.0),
    ],
    ids=["single predictions", "rollout", "after diffusion"],
)
def test_steps_are_the_same(generator, recorded, photo, portrait, objective):
    voices = [generator.drive(speech(500, 0.4))]
    rows, columns = portrait.window.slices
    pixels = photo[:, rows, columns]
    plain, replayed = (objective.bind(one, portrait, voices) for one in (generator, recorded))
    for seed in range(3):
        draws = [one.draw(torch.Generator().manual_seed(seed)) for one in (plain, replayed)]
        step, same = plain.step(pixels, draws[0]), replayed.step(pixels, draws[1])
        assert same.loss == pytest.approx(step.loss)
        torch.testing.assert_close(same.gradient, step.gradient)
        assert replayed.value(pixels, draws[1]) == pytest.approx(plain.value(pixels, draws[0]))


def test_a_step_is_recorded_once(generator, recorded, photo, portrait):
    bound = NullifyAudio(draws=1).bind(recorded, portrait, [generator.drive(speech(500, 0.4))])
    rows, columns = portrait.window.slices
    for seed in range(3):
        bound.step(photo[:, rows, columns], bound.draw(torch.Generator().manual_seed(seed)))
    assert recorded.with_gradient.count == 3  # encoder, reference network, denoising network


def test_attacks_are_the_same(generator, recorded, portrait):
    said = [speech(500, 0.4), speech(800, 0.6)]
    for guidance in (1.0, 2.0):
        settings = {"seed": 3, "guidance": guidance, "frames": 8}
        plain = attacking.attack(generator, portrait, said, **settings)
        same = attacking.attack(recorded, portrait, said, **settings)
        for one, other in zip(plain.spoken, same.spoken, strict=True):
            torch.testing.assert_close(other, one)
