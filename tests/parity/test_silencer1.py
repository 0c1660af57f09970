"""Silencer-I's loss, its image gradient and its descent against the reference's numbers."""

from __future__ import annotations

import pytest
import torch
from parity_model import distance, tolerance
from torch.testing import assert_close

from silencer_core.objectives.silencer1 import Draws, Silencer1, silencer1_pgd, silencer1_step

NETWORK = {"atol": 1e-5, "rtol": 1e-5}


def draws_of(case, outputs, prefix: str, start: int, frames: int, hears: bool) -> Draws:
    base = outputs[f"{prefix}.draw.noise_base"]
    return Draws(
        timestep=int(outputs[f"{prefix}.draw.timestep"]),
        noise=base + 0.05 * outputs[f"{prefix}.draw.noise_offset"],
        target_noise=outputs[f"{prefix}.draw.target_latent_eps"],
        reference_noise=outputs[f"{prefix}.draw.ref_latent_eps"],
        windows=case.heard[start : start + frames] if hears else None,
    )


@pytest.fixture
def run(case, outputs, meta, run_name):
    about = meta["runs"][run_name]
    draws = draws_of(
        case,
        outputs,
        run_name,
        about["audio_start_idx"],
        about["clip_length"],
        not about["uncond_audio"],
    )
    objective = Silencer1(
        case.generator,
        case.condition,
        forward="animate" if about["train_path"] else "silencer",
        bank_dtype=torch.float16 if "float16" in about["bank_dtype"] else None,
    )
    return objective, draws


def test_loss(run, outputs, run_name):
    objective, draws = run
    loss = objective.step(outputs["loss.in.image"], draws).loss
    assert loss == pytest.approx(outputs[f"{run_name}.value"].item(), rel=1e-5, abs=1e-5)


def test_gradient(run, outputs, run_name):
    objective, draws = run

    def gradient(image):
        return objective.step(image, draws).gradient

    image, expected = outputs["loss.in.image"], outputs[f"{run_name}.grad_image"]
    allowed = tolerance(1e-5, gradient, image, relative=True)
    assert distance(gradient(image), expected, relative=True) <= allowed


def test_middle(run, outputs, run_name):
    objective, draws = run

    @torch.no_grad()
    def predict(image):
        posterior = objective.generator.posterior(image[None])
        noisy, _ = objective.target(posterior, draws)
        prediction = objective.generator.predict(
            noisy,
            torch.tensor([draws.timestep]),
            objective.condition,
            objective.audio(draws),
            objective.reference(posterior, draws),
            forward=objective.forward,
        )
        return torch.cat([noisy, prediction])

    image = outputs["loss.in.image"]
    middle = ("mid.noisy_latents", "mid.model_pred")
    expected = torch.cat([outputs[f"{run_name}.{name}"] for name in middle])
    assert distance(predict(image), expected) <= tolerance(1e-5, predict, image)


test_loss.prefix = test_gradient.prefix = test_middle.prefix = "loss."


def test_reference_image_latents(run, outputs, run_name):
    objective, draws = run
    noise, scale = draws.reference_noise, objective.generator.config.latent_scale
    with torch.no_grad():
        portrait = objective.generator.posterior(outputs["loss.in.image"][None])
        latents = torch.cat(
            [
                (portrait.mean + portrait.std * noise[:1]) * scale,
                (objective.grey.mean + objective.grey.std * noise[1:]) * scale,
            ]
        )
    assert_close(latents, outputs[f"{run_name}.mid.ref_image_latents"], **NETWORK)


test_reference_image_latents.prefix = "loss."


def test_public_step_is_the_same_step(case, outputs, meta):
    about = meta["runs"].get("loss.silencer1")
    if about is None:
        pytest.skip("loss.silencer1 is not in this folder")
    draws = draws_of(case, outputs, "loss.silencer1", about["audio_start_idx"], 1, True)
    image = outputs["loss.in.image"]
    kept = Silencer1(case.generator, case.condition).step(image, draws)
    public = silencer1_step(case.generator, case.condition, image, draws)
    assert public.loss == kept.loss
    assert torch.equal(public.gradient, kept.gradient)


@pytest.fixture(scope="module")
def descent(case, outputs, meta):
    about = meta["runs"].get("pgd")
    if about is None:
        pytest.skip("pgd is not in this folder")
    steps = about["steps"]
    draws = [
        draws_of(case, outputs, f"pgd.step{i}", about["audio_start_idx"], 1, True)
        for i in range(steps)
    ]
    objective = Silencer1(case.generator, case.condition)
    return list(
        silencer1_pgd(
            objective,
            case.image,
            outputs["pgd.draw.start_uniform"],
            draws,
            steps=steps,
            budget=about["eps"],
            rate=about["alpha"],
        )
    )


def share_equal(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> float:
    return ((found - expected).abs() <= tolerance).float().mean().item()


def test_descent_losses(descent, meta):
    assert [loss for _, loss in descent] == pytest.approx(meta["runs"]["pgd"]["losses"], rel=1e-5)


def test_descent_passes_the_same_images(descent, outputs, meta):
    for i in range(1, meta["runs"]["pgd"]["steps"]):
        expected = outputs[f"pgd.step{i}.x_in"]
        assert share_equal(descent[i - 1][0], expected, 1e-6) >= 0.999


def test_descent_starts_over_the_whole_budget(case, outputs, meta):
    if "pgd" not in meta["runs"]:
        pytest.skip("pgd is not in this folder")
    budget = meta["runs"]["pgd"]["eps"]
    start = outputs["pgd.draw.start_uniform"] * 2 * budget - budget
    assert_close(case.image + start, outputs["pgd.step0.x_in"], atol=1e-6, rtol=0)


def test_descent_ends_at_the_same_image(descent, outputs):
    assert share_equal(descent[-1][0], outputs["pgd.final"], 1e-6) >= 0.999


def test_descent_as_saved(descent, outputs):
    expected = outputs["pgd.final_u8_as_coded"]
    saved = (255 * ((descent[-1][0] + 1) / 2).clamp(0, 1)).byte().permute(1, 2, 0)
    assert share_equal(saved.int(), expected.int(), 0) >= 0.999
