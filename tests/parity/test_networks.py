"""Networks, autoencoder and projections against the reference's numbers."""

from __future__ import annotations

import re

import pytest
import torch
from parity_model import distance, tolerance
from torch.testing import assert_close

NETWORK = {"atol": 1e-5, "rtol": 1e-5}


def test_every_weight_has_its_place(generator, load):
    own = {name: tuple(x.shape) for name, x in generator.net.state_dict().items()}
    assert own == {name: tuple(x.shape) for name, x in load("net").items()}


@pytest.mark.parametrize("who", ["cond", "uncond"])
def test_image_projection(case, outputs, who):
    tokens = {"cond": case.condition.face_tokens, "uncond": case.condition.blank_tokens}
    assert_close(tokens[who], outputs[f"imageproj.{who}"], **NETWORK)


def test_audio_projection(case, outputs):
    expected = outputs["audioproj.tokens"]
    tokens = case.generator.audio_tokens(case.heard[2 : 2 + expected.shape[1]])
    assert_close(tokens, expected, **NETWORK)


def test_face_locator(case, outputs):
    assert_close(case.condition.face_feature[:, :, None], outputs["face_locator.out"], **NETWORK)


@pytest.mark.parametrize("moment", ["mean", "logvar"])
def test_autoencoder_moments(case, outputs, moment):
    with torch.no_grad():
        posterior = case.generator.posterior(case.image[None])
    assert_close(getattr(posterior, moment), outputs[f"vae.{moment}"], **NETWORK)


def test_autoencoder_decodes(case, outputs):
    latents = outputs["vae.mean"] * case.generator.config.latent_scale
    with torch.no_grad():
        image = case.generator.decode(latents)
    assert_close(image, outputs["vae.decode_of_mean"], **NETWORK)


def test_reference_latents(case, outputs):
    with torch.no_grad():
        latents = case.reference_latents()
    assert_close(latents, outputs["ref.latents"], **NETWORK)


@pytest.fixture(scope="module")
def features(case):
    return reference_features(case, case.reference_latents())


@torch.no_grad()
def reference_features(case, latents):
    return case.generator.net.reference_unet(latents, case.condition.face_tokens)


def test_reference_features(case, features, outputs, output_name):
    place = output_name.removeprefix("ref.bank.").removesuffix(".transformer_blocks.0")

    def feature(latents):
        return reference_features(case, latents)[place]

    allowed = tolerance(1e-5, feature, case.reference_latents())
    assert distance(features[place], outputs[output_name]) <= allowed


test_reference_features.pattern = re.compile(r"ref\.bank\..*")


def test_reference_features_are_read_where_they_are_written(features, meta):
    pairs = meta.get("bank_pairs_writer_to_reader")
    if not pairs:
        pytest.skip("the folder does not say which block reads which")
    assert all(writer == reader for writer, reader in pairs)
    assert {f"{place}.transformer_blocks.0" for place in features} == {w for w, _ in pairs}


def test_stopping_early_changes_nothing_before(case, features):
    with torch.no_grad():
        latents = case.reference_latents()
        short = case.generator.net.reference_unet(
            latents, case.condition.face_tokens, "mid_block.attentions.0"
        )
    assert list(short)[-1] == "mid_block.attentions.0"
    for place, feature in short.items():
        assert_close(feature, features[place], atol=0, rtol=0)


def test_denoiser(case, inputs, outputs, output_name):
    _, path, frames, *variants = output_name.split(".")
    frames = int(frames.removeprefix("f"))
    tokens = case.generator.audio_tokens(case.heard[2 : 2 + frames])
    if "uncond_audio" in variants:
        tokens = torch.zeros_like(tokens)

    @torch.no_grad()
    def predict(latents, reference_latents):
        reference = case.generator.reference_features(reference_latents, case.condition.face_tokens)
        if "fp16_banks_as_coded" in variants:
            reference = reference.rounded_to(torch.float16)
        return case.generator.predict(
            latents,
            torch.tensor([250]),
            case.condition,
            tokens,
            None if "uncond_img" in variants else reference,
            forward={"eval": "silencer", "trainpath": "animate"}[path],
        )

    with torch.no_grad():
        given = inputs["latent_rand"][:, :, :frames], case.reference_latents()
    found = predict(*given)
    assert distance(found, outputs[output_name]) <= tolerance(1e-5, predict, *given)


test_denoiser.pattern = re.compile(r"net\..*")
