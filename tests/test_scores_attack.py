"""The runs that scores are taken from, on a tiny untrained generator."""

from dataclasses import replace

import pytest
import torch
from tiny import wake

from silencer_core.audio import Speech
from silencer_core.errors import Cancelled, SilencerError
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.hallo.sampling import animate
from silencer_core.generators.mini.mel import MelFeatures
from silencer_core.generators.mini.sizes import MINI
from silencer_core.portrait import find_portrait
from silencer_core.scores import attack as attacking
from silencer_core.scores.attack import attack, hushed, runs_of

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
    steps=2,
    clip_frames=8,
    size=64,
)


@pytest.fixture(scope="module")
def generator() -> Hallo:
    return untrained()


def untrained() -> Hallo:
    """That hears, with all layers awake."""
    torch.manual_seed(0)
    made = Hallo.untrained(TINY)
    wake(made.net)
    made.audio_encoder = MelFeatures(TINY.clip_frames)
    return made


@pytest.fixture(scope="module")
def portrait():
    from skimage.data import astronaut

    photo = torch.from_numpy(astronaut()).permute(2, 0, 1).float() / 255
    return find_portrait(photo, TINY.size, vae_factor=TINY.vae_factor, levels=TINY.levels)


def speech(hertz: float, seconds: float, quiet: float = 0.0) -> Speech:
    """Bursts of a tone, after so many seconds of silence."""
    time = torch.arange(round(16_000 * seconds)) / 16_000
    tone = torch.sin(6.283 * hertz * time) * ((time * 4) % 1 < 0.5) * (time >= quiet)
    return Speech(0.5 * tone, 16_000)


@pytest.fixture(scope="module")
def runs(generator, portrait):
    voices = [speech(500, 0.4), speech(800, 0.6)]
    return attack(generator, portrait, voices, seed=3, guidance=1.0, floor=True)


def test_every_video_has_its_speechs_length(runs):
    assert [len(video) for video in runs.spoken] == [10, 15]
    assert [len(asked) for asked in runs.asked] == [10, 15]
    assert [len(video) for video in runs.other] == [10, 10]
    assert len(runs.silent) == 15


def test_a_run_is_what_the_generator_animates(generator, portrait, runs):
    audio = generator.drive(speech(800, 0.6))
    frames = torch.stack(list(animate(generator, portrait, audio, seed=3, guidance=1.0)))
    assert torch.equal(frames, runs.spoken[1])


def test_the_other_voice_is_the_next_speech(runs):
    assert torch.equal(runs.other[0], runs.spoken[1][:10])
    assert torch.equal(runs.other[1], runs.spoken[0])


def test_silence_is_another_video_than_speech(runs):
    assert not torch.equal(runs.silent[:10], runs.spoken[0])


def test_silence_alone_is_what_an_attack_says_of_it(generator, portrait, runs):
    voices = [speech(500, 0.4), speech(800, 0.6)]
    asked, silent = hushed(generator, portrait, voices, seed=3, guidance=1.0)
    assert torch.equal(silent, runs.silent)
    assert all(map(torch.equal, asked, runs.asked))


def test_the_floor_is_far_below_what_speech_does(runs):
    floor = (runs.again - runs.spoken[0]).square().mean().sqrt()
    voices = (runs.other[0] - runs.spoken[0]).square().mean().sqrt()
    assert 0 < floor < 0.05 * voices


def test_one_seed_one_result(generator, portrait, runs):
    again = attack(generator, portrait, [speech(500, 0.4)], seed=3, guidance=1.0)
    assert torch.equal(again.spoken[0], runs.spoken[0])
    other = attack(generator, portrait, [speech(500, 0.4)], seed=4, guidance=1.0)
    assert not torch.equal(other.spoken[0], runs.spoken[0])


def test_a_single_speech_meets_itself_backwards(generator, portrait):
    alone = attack(generator, portrait, [speech(500, 0.6, quiet=0.3)], seed=3, guidance=1.0)
    assert len(alone.other) == 1
    assert not torch.equal(alone.other[0], alone.spoken[0])
    assert alone.again is None


def test_an_excerpt_begins_where_speech_does(generator, portrait):
    long = speech(500, 2.0, quiet=1.0)
    cut = attack(generator, portrait, [long], seed=3, guidance=1.0, frames=10)
    assert len(cut.spoken[0]) == len(cut.asked[0]) == 16
    assert cut.asked[0][:2].max() < 0.2 < cut.asked[0][2]
    assert cut.speeches[0].seconds == pytest.approx(16 / 25)


def test_an_excerpt_of_a_short_speech_is_the_speech(generator, portrait):
    cut = attack(generator, portrait, [speech(500, 0.4)], seed=3, guidance=1.0, frames=100)
    assert len(cut.spoken[0]) == 10


def test_guidance_is_the_generators_own_by_default(generator, portrait):
    own = attack(generator, portrait, [speech(500, 0.04)], seed=3, steps=1)
    assert own.guidance == TINY.guidance


def test_progress_reaches_the_number_of_runs(generator, portrait):
    seen = []
    voices = [speech(500, 0.1)]
    attack(
        generator,
        portrait,
        voices,
        seed=3,
        guidance=1.0,
        floor=True,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (4, 4)
    assert {total for _, total in seen} == {runs_of(voices, floor=True)}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_stops_when_asked(generator, portrait):
    with pytest.raises(Cancelled):
        attack(generator, portrait, [speech(500, 0.1)], seed=3, cancelled=lambda: True)


@pytest.mark.parametrize("voices, frames, words", [([], None, "none was given"), (1, 0, "frames")])
def test_refuses_nothing_to_do(generator, portrait, voices, frames, words):
    voices = [speech(500, 0.1)] * voices if voices else []
    with pytest.raises(SilencerError, match=words):
        attack(generator, portrait, voices, seed=3, frames=frames)


@pytest.mark.parametrize("voices", [1, 2])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_videos_made_at_once_are_the_same(generator, portrait, monkeypatch, voices, guidance):
    said = [speech(500, 0.4), speech(800, 0.6)][:voices]
    settings = {"seed": 3, "guidance": guidance, "frames": 8, "floor": True}
    one_by_one = attack(generator, portrait, said, **settings)
    monkeypatch.setattr(attacking, "_idles", lambda generator: True)
    told = []
    at_once = attack(
        generator, portrait, said, progress=lambda *done: told.append(done), **settings
    )
    assert told == [(runs_of(said, True),) * 2]  # said once: they are done together
    for name in ("spoken", "other"):
        pairs = zip(getattr(one_by_one, name), getattr(at_once, name), strict=True)
        for video, same in pairs:
            torch.testing.assert_close(same, video, atol=1e-4, rtol=0)
    for name in ("silent", "again"):
        torch.testing.assert_close(
            getattr(at_once, name), getattr(one_by_one, name), atol=1e-4, rtol=0
        )


def test_longer_videos_are_made_one_by_one(generator, portrait, monkeypatch):
    monkeypatch.setattr(attacking, "_idles", lambda generator: True)
    found = attack(generator, portrait, [speech(500, 0.4)], seed=3, guidance=1.0)
    assert len(found.spoken[0]) == 10
