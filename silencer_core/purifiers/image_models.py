"""Diffusion models as purifiers need them: something that takes noise out of pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.denoiser import ReferenceFeatures
from silencer_core.generators.hallo.generator import Condition, Hallo

if TYPE_CHECKING:
    from silencer_core.portrait import Portrait

#: Noisy latents `[N, c, h, w]` and a timestep 0..999 to the prediction, float32, same shape.
Denoise = Callable[[Tensor, int], Tensor]


class ImageModel(Protocol):
    """A diffusion model of pictures.

    Attributes:
        side: of the pictures that it knows, pixels.
        multiple: what the sides of a picture must be multiples of.
        alphas: signal's share of the variance per timestep, `[1000]`.
        prediction: "epsilon", "v_prediction" or "sample".
        limit: the clean picture is known to lie in -limit..limit; None for latents.
    """

    side: int
    multiple: int
    alphas: Tensor
    prediction: str
    limit: float | None

    def encode(self, images: Tensor) -> Tensor:
        """`[N, 3, h, w]` in -1..1 to what noise is added to, float32."""

    def decode(self, latents: Tensor) -> Tensor:
        """And back, float32, about -1..1."""

    def denoiser(self, latents: Tensor) -> Denoise:
        """What takes noise from these pictures, given encoded; it may look at them."""


class GeneratorModel:
    """A talking-head generator's own denoiser, on single frames without audio.

    Args:
        generator: the networks; pictures are portraits, `[N, 3, S, S]`.
        look: let it look at the portraits that it cleans, as it does at the portrait that it
            animates. Otherwise it knows nothing but the noisy picture: nobody's face nowhere, as
            in the unconditional half of guidance, and no frames before this one.
        portrait: where the face is and whose, for `look`; without it, nobody nowhere.
    """

    prediction = "v_prediction"
    limit = None

    def __init__(self, generator: Hallo, look: bool = False, portrait: Portrait | None = None):
        self.generator, self.look = generator, look
        self.side = self.multiple = generator.config.size
        self.alphas = generator.sampling_schedule.alphas_cumprod
        self.condition = self._condition(portrait if look else None)

    def encode(self, images: Tensor) -> Tensor:
        """See `ImageModel`."""
        return self.generator.encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        """See `ImageModel`."""
        return self.generator.decode(latents)

    def denoiser(self, latents: Tensor) -> Denoise:
        """See `ImageModel`."""
        generator, config, condition = self.generator, self.generator.config, self.condition
        shape = (1, 1, config.audio_tokens, config.audio_dim)
        silence = torch.zeros(shape, device=generator.device, dtype=generator.dtype)
        reference = self._reference(latents)

        def denoise(noisy: Tensor, timestep: int) -> Tensor:
            return generator.predict(
                noisy[:, :, None],
                torch.tensor([timestep]),
                condition,
                silence,
                reference,
                blind=0 if self.look else len(noisy),
            )[:, :, 0]

        return denoise

    def _reference(self, latents: Tensor) -> ReferenceFeatures:
        network, tokens = self.generator.net.reference_unet, self.condition.face_tokens
        latents = latents.to(self.generator.device, self.generator.dtype)
        if not self.look:
            return self._nothing
        frames = 1 + self.generator.config.motion_frames
        rows = latents.repeat_interleave(frames, dim=0)  # the portrait, also as earlier frames
        return ReferenceFeatures.split(network(rows, tokens), samples=len(latents))

    @cached_property
    def _nothing(self) -> ReferenceFeatures:
        """The features of no portrait, `[0, tokens, C]` at each place."""
        config, network = self.generator.config, self.generator.net.reference_unet
        shape = (0, config.latent_channels, config.latent_size, config.latent_size)
        latents = torch.zeros(shape, device=self.generator.device, dtype=self.generator.dtype)
        with torch.no_grad():
            return ReferenceFeatures(network(latents, self.condition.face_tokens), {})

    def _condition(self, portrait: Portrait | None) -> Condition:
        generator, config = self.generator, self.generator.config
        if portrait is not None:
            return generator.condition(portrait)
        masks = []
        for level in range(config.levels):
            mask = torch.zeros(3, (config.latent_size >> level) ** 2)
            mask[0] = 1  # all of it is background
            masks.append(mask)
        nowhere = torch.zeros(3, config.size, config.size)
        found = generator.condition_on(torch.zeros(config.face_dim), nowhere, masks)
        return dataclasses.replace(found, face_feature=torch.zeros_like(found.face_feature))


class PixelModel:
    """An unconditional diffusers model of pixels, such as a DDPM.

    PDM-Pure found these the hardest to protect against: no encoder can be attacked in them.

    Args:
        unet: `UNet2DModel` or alike; of 6 output channels the first 3 are taken (the others are a
            learnt variance).
        scheduler: the one it was trained with; any of diffusers' with `alphas_cumprod`.

    Source: Xue & Chen, *Pixel is a Barrier*, arXiv 2404.13320; https://github.com/xavihart/PDM-Pure.
    """

    def __init__(self, unet: Any, scheduler: Any):
        self.unet = unet
        self.side = _side(unet)
        self.multiple = _halvings(unet)
        self.alphas, self.prediction = _schedule(scheduler)
        clipped = scheduler.config.get("clip_sample", True)
        self.limit = scheduler.config.get("clip_sample_range", 1.0) if clipped else None

    def encode(self, images: Tensor) -> Tensor:
        """See `ImageModel`."""
        return images.float().to(self.unet.device)

    def decode(self, latents: Tensor) -> Tensor:
        """See `ImageModel`."""
        return latents

    def denoiser(self, latents: Tensor) -> Denoise:
        """See `ImageModel`."""

        def denoise(noisy: Tensor, timestep: int) -> Tensor:
            predicted = self.unet(noisy.to(self.unet.dtype), timestep, return_dict=False)[0]
            return predicted[:, : noisy.shape[1]].float()

        return denoise


class LatentModel:
    """A diffusers latent model, such as Stable Diffusion with an empty prompt.

    Args:
        unet: `UNet2DConditionModel`, or `UNet2DModel` where there is no text.
        vae: `AutoencoderKL`.
        scheduler: the one it was trained with; any of diffusers' with `alphas_cumprod`.
        text: what the empty prompt became, `[1, tokens, width]`; None for a model without text.
    """

    limit = None

    def __init__(self, unet: Any, vae: Any, scheduler: Any, text: Tensor | None = None):
        self.unet, self.vae, self.text = unet, vae, text
        factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.side = _side(unet) * factor
        self.multiple = _halvings(unet) * factor
        self.alphas, self.prediction = _schedule(scheduler)

    def encode(self, images: Tensor) -> Tensor:
        """See `ImageModel`."""
        images = images.to(self.vae.device, self.vae.dtype)
        return self.vae.encode(images).latent_dist.mean.float() * self.vae.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        """See `ImageModel`."""
        latents = (latents / self.vae.config.scaling_factor).to(self.vae.dtype)
        return self.vae.decode(latents, return_dict=False)[0].float()

    def denoiser(self, latents: Tensor) -> Denoise:
        """See `ImageModel`."""

        def denoise(noisy: Tensor, timestep: int) -> Tensor:
            given = {}
            if self.text is not None:
                text = self.text.to(self.unet.device, self.unet.dtype)
                given["encoder_hidden_states"] = text.expand(len(noisy), -1, -1)
            noisy = noisy.to(self.unet.dtype)
            return self.unet(noisy, timestep, return_dict=False, **given)[0].float()

        return denoise


@torch.no_grad()
def model_of(pipeline: Any) -> PixelModel | LatentModel:
    """The model inside a diffusers pipeline: `DDPMPipeline`, `StableDiffusionPipeline`, alike.

    Raises:
        SilencerError: a pipeline whose parts are of another kind.
    """
    unet, scheduler = getattr(pipeline, "unet", None), getattr(pipeline, "scheduler", None)
    if unet is None or scheduler is None or hasattr(pipeline, "text_encoder_2"):
        raise SilencerError(
            f"purifier: {type(pipeline).__name__} cannot clean a picture by itself; give a "
            "pipeline with a unet and a scheduler and at most one text encoder, such as "
            "DDPMPipeline or StableDiffusionPipeline."
        )
    vae = getattr(pipeline, "vae", None) or getattr(pipeline, "vqvae", None)
    if vae is None:
        return PixelModel(unet, scheduler)
    encoder = getattr(pipeline, "text_encoder", None)
    if encoder is None:
        return LatentModel(unet, vae, scheduler)
    tokenizer = pipeline.tokenizer
    tokens = tokenizer(
        "", padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt"
    )
    return LatentModel(unet, vae, scheduler, encoder(tokens.input_ids.to(encoder.device))[0])


def _side(unet: Any) -> int:
    side = unet.config.sample_size
    return side if isinstance(side, int) else min(side)


def _halvings(unet: Any) -> int:
    return 2 ** (len(unet.config.block_out_channels) - 1)


def _schedule(scheduler: Any) -> tuple[Tensor, str]:
    alphas = getattr(scheduler, "alphas_cumprod", None)
    if alphas is None or len(alphas) != 1000:
        raise SilencerError(
            f"purifier: {type(scheduler).__name__} is no schedule of 1000 noise levels; give the "
            "DDPM or DDIM scheduler that the model was trained with."
        )
    return alphas.float(), scheduler.config.prediction_type
