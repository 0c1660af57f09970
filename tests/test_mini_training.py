"""The training of the small generator, on next to nothing."""

from dataclasses import replace

import pytest
import torch
from tiny import wake

from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.network import HalloNet
from silencer_core.generators.hallo.vae import build_vae
from silencer_core.generators.mini.cast import OPENINGS, Cast, encode_cast
from silencer_core.generators.mini.linear_encoder import set_linear_encoder, start_decoder
from silencer_core.generators.mini.looks import random_look
from silencer_core.generators.mini.net_training import Stage, train_net, velocity_loss
from silencer_core.generators.mini.portraits import draw
from silencer_core.generators.mini.script import Script, write_script
from silencer_core.generators.mini.sizes import MINI
from silencer_core.generators.mini.vae_training import learn_encoder
from silencer_core.generators.mini.voices import Utterance

TINY = replace(
    MINI,
    channels=(16, 16),
    groups=4,
    motion_groups=4,
    motion_heads=2,
    heads=2,
    vae_channels=(8, 8, 16, 16, 32),
    vae_groups=4,
    latent_channels=8,
)


@pytest.fixture(scope="module")
def cast() -> Cast:
    torch.manual_seed(0)
    vae = build_vae(TINY).eval()
    return encode_cast(
        vae, [draw(random_look(k)).shot(torch.tensor(OPENINGS)) for k in range(3)], TINY
    )


@pytest.fixture(scope="module")
def script() -> Script:
    time = torch.arange(32_000) / 16_000
    tone = torch.sin(3770 * time) * ((time * 3) % 1 < 0.5)
    return write_script([Utterance(tone, "tone"), Utterance(torch.zeros(16_000), "silence")])


def test_cast_returns_what_was_encoded(cast):
    latents = cast.at(torch.tensor([1]), torch.tensor([OPENINGS]))
    assert torch.allclose(latents[0], cast.latents[1].float(), atol=1e-4)


def test_cast_blends_between_openings(cast):
    middle = (OPENINGS[2] + OPENINGS[3]) / 2
    latent = cast.at(torch.tensor([0]), torch.tensor([[middle]]))[0, 0]
    assert torch.allclose(latent, cast.latents[0, 2:4].float().mean(0), atol=1e-3)


def test_cast_survives_a_file(cast, tmp_path):
    cast.save(tmp_path / "cast.npz")
    again = Cast.load(tmp_path / "cast.npz")
    assert torch.equal(again.latents, cast.latents)
    assert torch.equal(again.face, cast.face)


def test_masks_split_into_levels(cast):
    masks = cast.masks_by_level(torch.tensor([0, 2]), TINY)
    assert [tuple(mask.shape) for mask in masks] == [(2, 3, 64), (2, 3, 16)]


def test_clips_stay_within_an_utterance(script):
    random = torch.Generator().manual_seed(0)
    heard, opening, before, first = script.clips(40, 8, random)
    assert heard.shape == (40, 8, 5, 2, 40)
    assert opening.shape == (40, 8)
    silent = heard.eq(-1).flatten(1).all(1)
    assert silent.any()
    assert opening[silent].eq(0).all()
    assert torch.equal(before[first][:, 0], opening[first][:, 0])


def test_loss_weighs_the_mouth_most(cast, script):
    stage = Stage(cast, script, TINY, torch.Generator().manual_seed(0))
    for weight, (x, y, _) in zip(stage.weight, cast.mouth.tolist(), strict=True):
        row, column = divmod(int(weight.argmax()), TINY.latent_size)
        assert abs((column + 0.5) * 16 - x) <= 16
        assert abs((row + 0.5) * 16 - y) <= 16
        assert weight.mean() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_covered_mouths_come_as_often_as_asked(cast, script, share):
    latents = cast.latents.clone()
    latents[1] = latents[1, :1]
    some = replace(cast, latents=latents)
    stage = Stage(some, script, TINY, torch.Generator().manual_seed(0), covered=share)
    target = stage.batch(400, 8, False).target
    still = (target == target[:, :, :1]).flatten(1).all(1)
    covered = (target[:, :, :1] == latents[1, 0][None, :, None].float()).flatten(1).all(1)
    assert covered.float().mean().item() == pytest.approx(share, abs=0.07)
    assert still[covered].all()


def test_covered_mouths_cannot_come_where_there_are_none(cast, script):
    with pytest.raises(SilencerError, match=r"0\.5.*none"):
        Stage(cast, script, TINY, torch.Generator().manual_seed(0), covered=0.5)


@pytest.mark.parametrize("frames, motion", [(1, True), (4, False), (6, True)])
def test_gradient_reaches_every_room(cast, script, frames, motion):
    torch.manual_seed(1)
    net = HalloNet(TINY)
    random = torch.Generator().manual_seed(0)
    wake(net.denoising_unet, std=0.05)
    batch = Stage(cast, script, TINY, random).batch(3, frames, motion)
    velocity_loss(net, batch, random).backward()
    for room in (net.audioproj, net.face_locator, net.reference_unet, net.denoising_unet):
        assert sum(p.grad.abs().sum() for p in room.parameters() if p.grad is not None) > 0


def test_training_goes_on_where_it_stopped(cast, script, tmp_path):
    lines = []
    train_net(TINY, cast, script, tmp_path, 2, frames_per_step=8, save_every=1, log=lines.append)
    train_net(TINY, cast, script, tmp_path, 3, frames_per_step=8, save_every=1, log=lines.append)
    assert [line.split(",")[0] for line in lines] == [
        "net: step 1",
        "net: step 2",
        "net: goes on from step 2",
        "net: step 3",
    ]


def test_encoder_computes_components_that_keep_the_picture():
    torch.manual_seed(0)
    vae = build_vae(TINY).eval().requires_grad_(False)
    pictures = torch.stack([draw(random_look(k)).picture for k in range(12)]) * 2 - 1
    set_linear_encoder(vae, pictures)
    posterior = vae.encode(pictures).latent_dist
    latents = posterior.mode()
    assert latents.mean((0, 2, 3)).abs().max() < 0.05
    assert latents.var((0, 2, 3)).mean() == pytest.approx(1, abs=0.1)
    assert posterior.std.mean() < 0.1
    # A straight line leads back to the pictures: what the first 8 of 768 components keep.
    patches = pictures.unfold(2, 16, 16).unfold(3, 16, 16).permute(0, 2, 3, 1, 4, 5).flatten(3)
    patches = patches.flatten(0, 2)
    rows = latents.permute(0, 2, 3, 1).flatten(0, 2)
    rows = torch.cat([rows, torch.ones(len(rows), 1)], 1)
    rest = patches - rows @ torch.linalg.lstsq(rows, patches).solution
    best = torch.linalg.svdvals(patches - patches.mean(0))[8:].square().sum()
    assert rest.square().sum() < 1.1 * best


def test_encoder_learns_on_and_keeps_its_scale(tmp_path):
    torch.manual_seed(0)
    vae = build_vae(TINY).eval()
    pictures = torch.stack([draw(random_look(k)).picture for k in range(12)])
    set_linear_encoder(vae, pictures * 2 - 1)
    start_decoder(vae)

    class Same:
        def batch(self, seed, size):
            return pictures[:size]

        def held_out(self, count):
            return pictures[:2]

    straight = vae.encode(pictures * 2 - 1).latent_dist.mode().detach()
    learnt = learn_encoder(vae, Same(), tmp_path, 12, log=lambda line: None)
    bent = learnt.encode(pictures * 2 - 1).latent_dist.mode()
    assert (bent - straight).abs().max() > 1e-3
    assert bent.square().mean() == pytest.approx(1, abs=0.3)
