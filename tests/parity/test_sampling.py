"""Sampling with guidance against the reference's latents after each step, and its frames."""

from __future__ import annotations

import pytest
import torch
from parity_model import distance, tolerance

from silencer_core.generators.hallo.sampling import denoise_clip


@pytest.fixture
def sample(case, outputs, meta, run_name):
    """Runs a clip from reference latents and noise; latents after each step, `[steps, ...]`."""
    about = meta["runs"][run_name]
    tokens = case.generator.audio_tokens(case.heard[: about["video_length"]])

    def run(latents, noise):
        states = denoise_clip(
            case.generator,
            case.condition,
            latents[:1],
            latents[1:],
            tokens,
            noise,
            steps=about["steps"],
            guidance=about["guidance"],
            motion_scale=about["motion_scale"],
            forward="animate" if about["train_path"] else "silencer",
        )
        return torch.cat(list(states))

    with torch.no_grad():
        return run, case.reference_latents(), outputs[f"{run_name}.noise"]


def test_latents(sample, outputs, run_name):
    run, *given = sample
    states = run(*given)
    named = {i: f"{run_name}.latents_after_step{i}" for i in range(len(states))}
    kept = [i for i, name in named.items() if name in outputs]
    if not kept:
        pytest.skip(f"no latents of {run_name} in this folder")
    expected = torch.cat([outputs[named[i]] for i in kept])
    assert distance(states[kept], expected) <= tolerance(1e-4, run, *given)


def test_frames(case, sample, outputs, run_name):
    expected = outputs[f"{run_name}.video"]  # [1, 3, F, S, S], perhaps only the first frames
    run, *given = sample

    @torch.no_grad()
    def frames(*given):
        latents = run(*given)[-1].transpose(0, 1)[: expected.shape[2]]
        return (case.generator.decode(latents) / 2 + 0.5).clamp(0, 1).transpose(0, 1)[None]

    assert distance(frames(*given), expected) <= tolerance(1e-4, frames, *given)


test_latents.prefix = test_frames.prefix = "pipe."
