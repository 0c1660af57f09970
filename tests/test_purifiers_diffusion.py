"""Clean-ups with a diffusion model: what they work on, what they give, and their gradients."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from PIL import Image

from silencer_core.errors import SilencerError
from silencer_core.faces import default_backend
from silencer_core.portrait import Window, find_portrait
from silencer_core.purifiers.differentiable import apply
from silencer_core.purifiers.diffusion import sdedit
from silencer_core.purifiers.gridpure import GrIDPure
from silencer_core.purifiers.image_models import LatentModel, PixelModel, model_of
from silencer_core.purifiers.photo_purifiers import SDEdit
from silencer_core.purifiers.sequence import parse, purify
from silencer_core.purifiers.upscaling import NoisyUpscaling


class Knowing:
    """An image model that knows the one clean picture there is, and how much noise is on it."""

    prediction, limit, multiple = "epsilon", None, 4

    def __init__(self, side: int, clean: float = 0.2):
        self.side, self.clean = side, clean
        self.alphas = torch.linspace(0.9999, 0.01, 1000)
        self.seen: list[tuple[int, ...]] = []

    def encode(self, images):
        self.seen.append(tuple(images.shape))
        return images

    def decode(self, latents):
        return latents

    def denoiser(self, latents):
        def denoise(noisy, timestep):
            alpha = self.alphas[timestep]
            return (noisy - alpha.sqrt() * self.clean) / (1 - alpha).sqrt()

        return denoise


class Believing(Knowing):
    """It takes what it sees for clean: all that is left of the noise is what was added."""

    def denoiser(self, latents):
        return lambda noisy, timestep: torch.zeros_like(noisy)


class WhereItWas:
    """Finds the photo's face where it is known to be, in anything but a blank picture."""

    def __init__(self, photo):
        (self.face, *_) = default_backend().find(photo)

    def find(self, photo):
        return [self.face] if photo.std() > 0 else []


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()[:200, 120:330].copy()).permute(2, 0, 1).float() / 255


@pytest.fixture(scope="module")
def generator(published_config, photo):
    from silencer_core.generators.hallo.generator import Hallo

    torch.manual_seed(0)
    generator = Hallo.untrained(published_config)
    backend = WhereItWas(photo)
    generator.faces = lambda: backend
    return generator


@pytest.fixture(scope="module")
def portrait(generator, photo):
    config = generator.config
    sizes = {"vae_factor": config.vae_factor, "levels": config.levels}
    return find_portrait(photo, config.size, backend=generator.faces(), **sizes)


@pytest.fixture(scope="module")
def pixel_model():
    from diffusers import DDIMScheduler, UNet2DModel

    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
    )
    return PixelModel(unet.requires_grad_(False), DDIMScheduler())


# sdedit


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("steps", [1, 7])
def test_a_model_that_knows_the_picture_restores_it(prediction, steps):
    model = Knowing(8)
    model.prediction = prediction

    def denoiser(latents):
        def denoise(noisy, timestep):
            signal, spread = model.alphas[timestep].sqrt(), (1 - model.alphas[timestep]).sqrt()
            noise = (noisy - signal * model.clean) / spread
            velocity = signal * noise - spread * model.clean
            clean = torch.full_like(noisy, model.clean)
            return {"epsilon": noise, "v_prediction": velocity, "sample": clean}[prediction]

        return denoise

    model.denoiser = denoiser
    found = sdedit(model, None, torch.rand(3, 8, 8), 0.3, steps)
    assert torch.allclose(found, torch.full((3, 8, 8), model.clean), atol=1e-4)


def test_the_noise_is_that_of_the_time_asked_for():
    model = Believing(64)
    left = sdedit(model, None, torch.zeros(3, 64, 64), 0.2, 1)
    alpha = model.alphas[199]
    assert left.std().item() == pytest.approx(float(((1 - alpha) / alpha).sqrt()), rel=0.02)


def test_a_known_range_is_kept_to():
    model = Believing(8)
    model.limit = 0.5
    assert sdedit(model, None, torch.full((3, 8, 8), 0.9), 0.5, 3).abs().max() <= 0.5


@pytest.mark.parametrize("look", [False, True])
def test_a_generator_cleans_a_portrait(generator, portrait, look):
    one, two = (sdedit(generator, portrait, seed=seed, look=look) for seed in (1, 2))
    assert one.shape == portrait.image.shape
    assert torch.equal(one, sdedit(generator, portrait, seed=1, look=look))
    assert not torch.equal(one, two)


def test_a_generator_that_does_not_look_sees_neither_face_nor_place(generator, portrait):
    alone = sdedit(generator, None, portrait.image)
    assert torch.equal(sdedit(generator, portrait), alone)
    assert not torch.equal(sdedit(generator, portrait, look=True), alone)


@pytest.mark.parametrize("look", [False, True])
def test_a_batch_is_cleaned_as_its_pictures_are(generator, look):
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images[1] = images[0]
    first, _ = sdedit(generator, None, images, look=look)
    again, _ = sdedit(generator, None, images[:1].repeat(2, 1, 1, 1), look=look)
    assert torch.allclose(first, again, atol=1e-5)


@pytest.mark.parametrize("look", [False, True])
def test_the_gradient_through_is_that_of_finite_differences(generator, look):
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5
    weights = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(1))

    def score(x):
        return (sdedit(generator, None, x, steps=2, look=look, gradient="through") * weights).sum()

    leaf = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(score(leaf), leaf)
    way = gradient / gradient.norm()
    with torch.no_grad():
        slope = (score(image + 0.02 * way) - score(image - 0.02 * way)) / 0.04
    assert slope.item() == pytest.approx(gradient.norm().item(), rel=0.05)


def test_the_straight_gradient_is_that_of_doing_nothing(generator):
    leaf = torch.zeros(3, 32, 32, requires_grad=True)
    cleaned = sdedit(generator, None, leaf, gradient="straight")
    weights = torch.randn(3, 32, 32)
    (gradient,) = torch.autograd.grad((cleaned * weights).sum(), leaf)
    assert torch.allclose(gradient, weights)
    assert torch.allclose(cleaned, sdedit(generator, None, leaf.detach(), gradient="through"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"image": None}, "neither a portrait nor an image"),
        ({"image": torch.zeros(3, 16, 16)}, "16 x 16; give it 32 x 32"),
        ({"t": 0.0}, "t is 0.0; choose 0.01 to 0.9"),
        ({"t": 0.02, "steps": 21}, "steps is 21; choose 1 to 20"),
    ],
)
def test_what_cannot_be_done_is_named(generator, given, words):
    with pytest.raises(SilencerError, match=words):
        sdedit(generator, **{"image": torch.zeros(3, 32, 32), **given})


# photos


def test_only_the_square_at_the_face_changes(generator, photo, portrait):
    rows, columns = portrait.window.slices
    change = SDEdit(generator)(photo, 0) - photo
    inside = torch.zeros_like(change, dtype=torch.bool)
    inside[:, rows, columns] = True
    assert change[~inside].abs().max() == 0
    assert change[inside].abs().mean() > 0.01


def test_cropping_again_gives_the_cleaned_portrait(generator, photo, portrait):
    """Up to what the resizing smooths away."""
    cleaned = sdedit(generator, portrait, seed=4).clamp(-1, 1)
    found = portrait.crop(SDEdit(generator)(photo, 4))
    assert (found - cleaned).abs().mean() < 0.5 * (portrait.image - cleaned).abs().mean()


def test_a_photo_without_a_face_is_refused(generator):
    with pytest.raises(SilencerError, match="no face was found"):
        SDEdit(generator)(torch.zeros(3, 80, 80), 0)


def test_a_photo_without_a_face_is_cleaned_where_it_is_said_to_be(generator, portrait, photo):
    blank = torch.full_like(photo, 0.5)
    rows, columns = portrait.window.slices
    change = SDEdit(generator, place=portrait)(blank, 0) - blank
    assert change[:, rows, columns].abs().mean() > 0.01
    change[:, rows, columns] = 0
    assert change.abs().max() == 0


def test_another_face_than_the_one_that_is_meant_is_not_cleaned(generator, portrait, photo):
    elsewhere = dataclasses.replace(portrait, window=Window(0, 0, 40, 40))
    change = SDEdit(generator, place=elsewhere)(photo, 0) - photo
    assert change[:, :40, :40].abs().mean() > 0.01
    change[:, :40, :40] = 0
    assert change.abs().max() == 0


def test_a_place_in_a_photo_of_another_size_is_no_place(generator, portrait):
    with pytest.raises(SilencerError, match="no face was found"):
        SDEdit(generator, place=portrait)(torch.zeros(3, 80, 80), 0)


def test_a_whole_portrait_of_any_size_needs_no_face(generator):
    grey = torch.full((3, 50, 40), 0.5)
    assert SDEdit(generator, whole=True)(grey, 0).shape == (3, 50, 40)


@pytest.mark.parametrize(
    ("size", "seen"), [((30, 60), (16, 32)), ((16, 16), (16, 16)), ((9, 10), (16, 16))]
)
def test_an_image_model_sees_the_photo_at_its_own_size(size, seen):
    model = Knowing(16)
    result = SDEdit(model)(torch.full((3, *size), 0.3), 0)
    assert model.seen == [(1, 3, *seen)]
    assert torch.allclose(result, torch.full((3, *size), 0.6), atol=1e-3)


@pytest.mark.parametrize("gradient", ["straight", "through"])
def test_gradients_reach_the_photo(generator, photo, gradient):
    leaf = photo.clone().requires_grad_()
    SDEdit(generator, steps=1, gradient=gradient)(leaf, 0).square().sum().backward()
    straight = torch.allclose(leaf.grad, 2 * SDEdit(generator, steps=1)(photo, 0), atol=1e-4)
    assert leaf.grad.isfinite().all()
    assert straight == (gradient == "straight")


# GrIDPure


@pytest.mark.parametrize("size", [(40, 52), (16, 16), (10, 33), (16, 17)])
def test_tiles_cover_every_pixel(size):
    photo = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    model = Knowing(16, clean=0.2)
    result = GrIDPure(model, iterations=1, keep=0)(photo, 0)
    assert result.shape == photo.shape
    assert torch.allclose(result, torch.full_like(result, 0.6), atol=2 / 255)


def test_each_iteration_keeps_a_tenth():
    photo = torch.zeros(3, 24, 24)
    results = [
        GrIDPure(Knowing(16, clean=1.0), iterations=count)(photo, 0)[0, 0, 0].item()
        for count in (1, 2, 3)
    ]
    assert results == pytest.approx([0.9, 0.99, 0.999], abs=1 / 255)


def test_tiles_overlap_by_half_and_the_corners_make_one_more():
    model = Knowing(16)
    GrIDPure(model, iterations=1)(torch.zeros(3, 24, 40), 0)
    assert sum(batch for batch, *_ in model.seen) == 2 * 4 + 1


def test_gridpure_has_a_gradient(pixel_model):
    leaf = torch.rand(3, 20, 20, requires_grad=True)
    GrIDPure(pixel_model, iterations=2, gradient="through")(leaf, 0).square().sum().backward()
    assert leaf.grad.ne(0).all()


# noisy upscaling


class Upscaler:
    """Called as diffusers' upscaling pipelines are."""

    def __init__(self):
        self.given = None

    def __call__(self, prompt, image, generator):
        self.given = image
        return type("Output", (), {"images": [image.resize([4 * side for side in image.size])]})


def test_a_pipeline_gets_a_small_noisy_picture(photo):
    upscaler = Upscaler()
    grey = torch.full_like(photo, 0.5)
    result = NoisyUpscaling(upscaler, deviation=0.2)(grey, 0)
    assert upscaler.given.size == (52, 50)
    assert isinstance(upscaler.given, Image.Image)
    assert result.shape == photo.shape
    assert 0.01 < result.std() < 0.1


def test_a_generator_refines_what_was_enlarged(generator, photo):
    clean = NoisyUpscaling(generator, deviation=0.0)(photo, 0)
    noisy = NoisyUpscaling(generator, deviation=0.3)(photo, 0)
    assert clean.shape == photo.shape
    assert not torch.equal(clean, noisy)


# diffusers


def test_a_pixel_model_follows_diffusers_own_ddim(pixel_model):
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(timestep_spacing="trailing")
    scheduler.set_timesteps(20)
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    noise = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    times = scheduler.timesteps[-4:]  # 199, 149, 99, 49
    latents = scheduler.add_noise(image[None], noise, times[:1])
    for time in times:
        predicted = pixel_model.unet(latents, time).sample
        latents = scheduler.step(predicted, time, latents).prev_sample
    found = sdedit(pixel_model, None, image, 0.2, 4, seed=3)
    assert torch.allclose(found, latents[0], atol=1e-4)


def test_pipelines_are_taken_apart(pixel_model):
    from diffusers import DDIMScheduler, DDPMPipeline

    model = model_of(DDPMPipeline(pixel_model.unet, DDIMScheduler()))
    assert isinstance(model, PixelModel)
    assert (model.side, model.multiple, model.limit) == (16, 2, 1.0)


def test_a_latent_model_takes_the_empty_prompt(published_config):
    from diffusers import DDIMScheduler, UNet2DConditionModel

    from silencer_core.generators.hallo.vae import build_vae

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=6,
        norm_num_groups=4,
        attention_head_dim=2,
    )
    vae = build_vae(published_config)
    model = LatentModel(unet, vae, DDIMScheduler(), torch.randn(1, 5, 6))
    photo = torch.rand(3, 30, 20)
    assert (model.side, model.multiple) == (16, 4)
    assert SDEdit(model, steps=1)(photo, 0).shape == photo.shape


def test_other_pipelines_are_refused():
    pipeline = type("FluxPipeline", (), {"transformer": None})()
    with pytest.raises(SilencerError, match="FluxPipeline cannot clean a picture"):
        model_of(pipeline)


def test_flow_matching_is_refused(pixel_model):
    from diffusers import FlowMatchEulerDiscreteScheduler

    with pytest.raises(SilencerError, match="FlowMatchEulerDiscreteScheduler is no schedule"):
        PixelModel(pixel_model.unet, FlowMatchEulerDiscreteScheduler())


# by name


@pytest.mark.parametrize("name", ["sdedit:0.1", "diffpure:0.1", "upscale:0.1", "resize:0.8,sdedit"])
def test_names_give_the_same_with_and_without_a_gradient(generator, photo, name):
    leaf = photo.clone().requires_grad_()
    found = apply(leaf, parse(name), torch.Generator().manual_seed(2), generator)
    assert torch.equal(found.detach(), purify(photo, name, 2, generator))
    assert torch.equal((found * 255).round() / 255, found)
    (gradient,) = torch.autograd.grad(found.sum(), leaf)
    assert gradient.ne(0).float().mean() > 0.9


def test_gridpure_by_name():
    model, photo = Knowing(16), torch.rand(3, 24, 20)
    purify(photo, "gridpure:3", 0, model)
    assert len(model.seen) == 3


def test_diffpure_is_sdedit(generator, photo):
    one, two = (purify(photo, name, 1, generator) for name in ("sdedit:0.2", "diffpure:0.2"))
    assert torch.equal(one, two)


def test_diffusion_names_print_as_they_read():
    steps = parse("sdedit:0.15,gridpure,upscale:0.05")
    assert ",".join(map(str, steps)) == "sdedit:0.15,gridpure:20,upscale:0.05"


@pytest.mark.parametrize("name", ["sdedit:0.15", "diffpure", "gridpure", "upscale:0.05"])
def test_a_name_that_denoises_needs_a_generator(photo, name):
    with pytest.raises(SilencerError, match=r"none was given: give a generator, or .*jpeg"):
        purify(photo, name)
