"""Sampling with guidance against the reference's latents after each step, and its frames."""

from __future__ import annotations

import pytest
import torch

from silencer_core.generators.hallo.sampling import denoise_clip


@pytest.fixture
def trajectory(case, outputs, meta, run_name):
    about = meta["runs"][run_name]
    with torch.no_grad():
        latents = case.reference_latents()
    return list(
        denoise_clip(
            case.generator,
            case.condition,
            latents[:1],
            latents[1:],
            case.generator.audio_tokens(case.heard[: about["video_length"]]),
            outputs[f"{run_name}.noise"],
            steps=about["steps"],
            guidance=about["guidance"],
            motion_scale=about["motion_scale"],
            forward="animate" if about["train_path"] else "silencer",
        )
    )


def test_latents(trajectory, outputs, run_name):
    compared = 0
    for i, latents in enumerate(trajectory):
        name = f"{run_name}.latents_after_step{i}"
        if name in outputs:
            assert (latents - outputs[name]).abs().max() <= 1e-4, name
            compared += 1
    if not compared:
        pytest.skip(f"no latents of {run_name} in this folder")


def test_frames(case, trajectory, outputs, run_name):
    expected = outputs[f"{run_name}.video"]  # [1, 3, F, S, S], perhaps only the first frames
    frames = trajectory[-1][0].transpose(0, 1)[: expected.shape[2]]
    with torch.no_grad():
        decoded = (case.generator.decode(frames) / 2 + 0.5).clamp(0, 1)
    assert (decoded.transpose(0, 1)[None] - expected).abs().max() <= 1e-4


for test in (test_latents, test_frames):
    test.prefix = "pipe."
