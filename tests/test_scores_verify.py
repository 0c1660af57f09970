"""Attacks on photos before and after protection, on a tiny untrained generator."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from tiny import wake
from typer.testing import CliRunner

from silencer_core.audio import Speech
from silencer_core.errors import Cancelled, SilencerError
from silencer_core.faces import Face
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.mini.mel import MelFeatures
from silencer_core.generators.mini.sizes import MINI
from silencer_core.scores.controls import EQUAL_L2, EQUAL_LINF, eight_bits, noise_controls
from silencer_core.scores.grid import Grid
from silencer_core.scores.image import Visibility
from silencer_core.scores.pictures import heat_map, plot_openings
from silencer_core.scores.report import Attacked, Report, Scores
from silencer_core.scores.targets import Finder
from silencer_core.scores.verify import verify
from silencer_core.verify_cli import score as score_command
from silencer_core.verify_cli import verify as verify_command

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
    clip_frames=8,
    size=64,
    steps=1,
    guidance=1.5,
)
CIRCLE = np.stack([np.cos(np.arange(24) * np.pi / 12), np.sin(np.arange(24) * np.pi / 12)], -1)


class Staring:
    """Finds a face in the middle; a red corner blinds it, a green one turns its head."""

    def find(self, photo) -> list[Face]:
        red, green, _ = (round(float(value)) for value in photo[:, 2, 2])
        if red:
            return []
        height, width = photo.shape[1:]
        middle = np.array([width / 2, height / 2]) - (green * 0.3 * width, green * 0.3 * height)
        reach = 0.2 * height * (0.5 if green else 1.0)
        return [
            Face(
                (*(middle - reach), *(middle + reach)),
                middle + [0, 0.6 * reach] + CIRCLE * [0.35 * reach, 0.15 * reach],
                middle + CIRCLE * [0.8 * reach, reach],
                1.0,
                "staring",
            )
        ]


class Darkness:
    """Stands in for the meter: how dark the mouth is."""

    def read(self, frames, mouth, unit):
        reach = max(round(0.3 * unit), 1)
        columns, rows = (slice(round(at) - reach, round(at) + reach + 1) for at in mouth)
        return 1 - frames[:, :, rows, columns].mean((1, 2, 3))


@pytest.fixture(scope="module")
def generator() -> Hallo:
    torch.manual_seed(0)
    made = Hallo.untrained(TINY)
    wake(made.net)
    made.audio_encoder = MelFeatures(TINY.clip_frames)
    made.faces = Staring
    return made


@pytest.fixture
def photo() -> torch.Tensor:
    pixels = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(5))
    pixels = torch.nn.functional.interpolate(pixels[None], (160, 160), mode="bicubic")[0]
    pixels = pixels.clamp(0.1, 0.9)
    pixels[:, :12, :12] = 0
    return eight_bits(pixels)


@pytest.fixture
def protected(photo) -> torch.Tensor:
    noise = torch.randint(-6, 7, (3, 50, 60), generator=torch.Generator().manual_seed(6)) / 255
    changed = photo.clone()
    changed[:, 50:100, 50:110] += noise
    return eight_bits(changed)


@pytest.fixture(scope="module")
def voice() -> Speech:
    time = torch.arange(5120) / 16_000
    return Speech(0.5 * torch.sin(3770 * time) * ((time * 6) % 1 < 0.5), 16_000)


@pytest.fixture
def check(generator, voice):
    def run(before, after, **options):
        given = {"purifiers": ("none",), "guidances": (1.0,), "meter": Darkness()} | options
        return verify(generator, before, after, [voice], **given)

    return run


# controls


def test_noise_has_the_protections_size_and_place(photo, protected):
    change = protected - photo
    made = noise_controls(photo, protected)
    noisy, grainy = made[EQUAL_LINF] - photo, made[EQUAL_L2] - photo
    assert noisy.abs().max() == pytest.approx(float(change.abs().max()), abs=1e-6)
    assert grainy.norm() == pytest.approx(float(change.norm()), rel=0.01)
    untouched = (change == 0).all(0)
    assert (noisy[:, untouched] == 0).all()
    assert (grainy[:, untouched] == 0).all()


def test_noise_is_what_8_bits_hold(photo, protected):
    for made in noise_controls(photo, protected).values():
        assert torch.equal(made, eight_bits(made))


@pytest.mark.parametrize("other, words", [(None, "does not differ"), (100, "has the size")])
def test_a_pair_must_be_one(photo, other, words):
    other = photo + 0.001 if other is None else torch.zeros(3, other, other)
    with pytest.raises(SilencerError, match=words):
        noise_controls(photo, other)


# what the attacker finds


def targets(before, after, sequence="none", clean_up=lambda photo, sequence: photo):
    finder = Finder(TINY, Staring())
    return list(finder.targets({"before": before, "after": after}, sequence, clean_up))


def test_a_face_that_is_not_found_is_taken_from_the_unprotected_photo(photo, protected):
    protected[0, :12, :12] = 1
    first, second = targets(photo, protected)
    assert second.portrait.window == first.portrait.window
    assert torch.equal(second.portrait.image, first.portrait.crop(protected))
    assert "no face was found" in second.notes[0]


def test_another_face_is_no_face(photo, protected):
    protected[1, :12, :12] = 1
    first, second = targets(photo, protected)
    assert second.portrait.window == first.portrait.window
    assert "another face" in second.notes[0]


def test_clean_portraits_are_cut_from_the_cleaned_up_photo(photo, protected):
    def halved(picture, sequence):
        return torch.nn.functional.avg_pool2d(picture, 2)

    first, second = targets(photo, protected, "half", halved)
    assert first.portrait.photo_size == (80, 80)
    assert torch.equal(second.clean, second.portrait.crop(halved(photo, "")) / 2 + 0.5)


def test_no_face_in_the_unprotected_photo_is_an_error_that_names_the_clean_up(photo, protected):
    photo[0, :12, :12] = 1
    with pytest.raises(SilencerError, match="'none'"):
        targets(photo, protected)


def wiped(side):
    """A clean-up that leaves no face, and this size."""

    def clean_up(picture, sequence):
        picture = picture[:, :side, :side].clone()
        picture[0, :12, :12] = 1
        return picture

    return clean_up


def test_a_clean_up_that_leaves_no_face_does_not_stop_an_attacker(photo, protected):
    clean_up = wiped(photo.shape[-1])
    found, _ = targets(photo, protected)
    first, _ = targets(photo, protected, "wiped", clean_up)
    assert first.portrait.window == found.portrait.window
    assert torch.equal(first.portrait.image, found.portrait.crop(clean_up(photo, "")))
    assert "before the clean-up" in first.notes[0]


def test_what_a_clean_up_makes_look_like_a_face_does_not_mislead_an_attacker(photo, protected):
    def decoyed(picture, sequence):
        picture = picture.clone()
        picture[1, :12, :12] = 1
        return picture

    found, _ = targets(photo, protected)
    first, second = targets(photo, protected, "decoy", decoyed)
    assert first.portrait.window == second.portrait.window == found.portrait.window
    assert "another face" in first.notes[0]
    assert "before the clean-up" in first.notes[0]


def test_a_place_in_a_photo_of_another_size_is_no_place(photo, protected):
    with pytest.raises(SilencerError, match="'cut'"):
        targets(photo, protected, "cut", wiped(100))


# the whole


def test_every_clean_up_meets_every_guidance_once(check, photo, protected):
    grid = check(photo, protected, purifiers=("none", "blur:1"), guidances=(1, 1.5, None))
    cells = [(report.purify, report.guidance) for report in grid.reports]
    assert cells == [("none", 1.0), ("none", 1.5), ("blur:1", 1.0), ("blur:1", 1.5)]
    names = [one.photo for one in grid.reports[0].everyone]
    assert names == ["unprotected", "protected", EQUAL_LINF, EQUAL_L2]


def test_a_change_that_no_attack_sees_protects_nothing(check, photo):
    outside = photo.clone()
    outside[:, 150:, 150:] = 0
    (report,) = check(photo, outside, controls=False).reports
    assert report.ratio("gain") == report.ratio("window") == report.ratio("response") == 1
    assert report.identity_drop() == 0


def test_a_change_in_the_face_is_felt(check, photo, protected):
    (report,) = check(photo, protected, controls=False).reports
    assert report.ratio("gain") != 1
    assert report.ratio("control_face") != 1
    assert report.floor[1] < 0.05 * report.unprotected.scores.control_face


def test_a_purifier_that_finds_no_face_cleans_where_it_was(check, photo, protected):
    protected[0, :12, :12] = 1
    (report,) = check(photo, protected, purifiers=("diffpure:0.15",), controls=False).reports
    assert "no face was found" in report.protected.notes[0]


def test_scores_are_means_over_seeds(check, photo, protected):
    one, two, both = (
        check(photo, protected, controls=False, seeds=seeds).reports[0].protected.scores
        for seeds in ((1,), (2,), (1, 2))
    )
    assert both.response == pytest.approx((one.response + two.response) / 2)
    assert both.identity == pytest.approx((one.identity + two.identity) / 2)


def test_every_seed_meets_another_noise_of_the_clean_up(check, photo, protected):
    def lips(purify, seeds):
        (report,) = check(
            photo, protected, controls=False, purifiers=(purify,), seeds=seeds
        ).reports
        return report.protected.scores.control_lips

    assert lips("none", (1, 1)) == lips("none", (1,))
    assert lips("noise:0.1", (1, 1)) != lips("noise:0.1", (1,))


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_clean_ups_get_every_photo_once(check, photo, protected, seeds):
    seen = []

    def spy(picture, sequence):
        seen.append((sequence, picture.clone()))
        return picture

    check(photo, protected, purifiers=("wash",), clean_up=spy, seeds=seeds)
    assert [sequence for sequence, _ in seen] == ["wash"] * 4
    assert torch.equal(seen[1][1], protected)


def test_progress_ends_where_it_said(check, photo, protected):
    seen = []
    check(
        photo,
        protected,
        controls=False,
        guidances=(1.0, None),
        seeds=(1, 2),
        progress=lambda doing, done, total: seen.append((done, total)),
    )
    assert seen[-1][0] == pytest.approx(seen[-1][1])
    assert all(done <= total for done, total in seen)


def test_stops_when_asked(check, photo, protected):
    with pytest.raises(Cancelled):
        check(photo, protected, cancelled=lambda: True)


def test_stops_between_two_clean_ups(check, photo, protected):
    seen = []

    def spy(picture, sequence):
        seen.append(sequence)
        return picture

    with pytest.raises(Cancelled):
        check(photo, protected, clean_up=spy, cancelled=lambda: len(seen) == 2)
    assert len(seen) == 2


def test_nothing_to_try_is_an_error(check, photo, protected):
    with pytest.raises(SilencerError, match="at least one"):
        check(photo, protected, purifiers=())


# pictures


def attacked(name: str, gain: float) -> Attacked:
    return Attacked(name, Scores(gain, 1, 1, 1, 1, 1, 1, 1, 1, 1))


def test_heat_map_shows_what_holds_and_what_does_not():
    reports = tuple(
        Report(sequence, 1.0, attacked("unprotected", 1.0), attacked("protected", gain))
        for sequence, gain in (("none", 0.0), ("blur:1", 1.0))
    )
    seen = Visibility(30.0, 0.9, 0.9, 4.0, 1.0, 1.0)
    picture = np.asarray(heat_map(Grid(reports, 1.0, seen, seen)))
    held, free = ((picture == colour).all(-1) for colour in ((58, 124, 165), (208, 98, 54)))
    assert held.sum() > 2000
    assert np.flatnonzero(held.any(1)).max() < np.flatnonzero(free.any(1)).max()


def test_plot_shows_lines_where_they_are():
    asked = torch.linspace(0, 1, 50).tolist()
    picture = np.asarray(plot_openings(asked, {"flat": [0.5] * 50}))
    orange = (picture == (213, 94, 0)).all(-1)
    rows = np.flatnonzero(orange[60:].any(1)) + 60
    assert len(rows) < 10
    assert orange[rows[0]].sum() > 1000


def test_plot_refuses_lines_of_other_lengths():
    with pytest.raises(SilencerError, match="49 frames"):
        plot_openings([0.0] * 50, {"short": [0.0] * 49})


# command line


@pytest.fixture
def silencer(generator, voice, monkeypatch, tmp_path, photo, protected):
    """Runs a command in a folder that holds before.png, after.png and voice.wav."""
    import soundfile

    for name, pixels in (("before", photo), ("after", protected)):
        picture = (pixels * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    soundfile.write(tmp_path / "voice.wav", voice.waveform.numpy(), 16_000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("silencer_core.generators.load_generator", lambda *_: generator)
    monkeypatch.setattr("silencer_core.scores.verify.built_in_meter", Darkness)
    monkeypatch.setattr("silencer_core.portrait.default_backend", Staring)
    app = typer.Typer()
    app.command("score")(score_command)
    app.command("verify")(verify_command)
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


def test_score_of_two_photos(silencer, tmp_path):
    result = silencer("score", "before.png", "after.png", "--json", "out.json")
    assert result.exit_code == 0, result.output
    seen = json.loads((tmp_path / "out.json").read_text())["visibility"]
    assert seen["photo"]["linf"] == pytest.approx(6, abs=1e-3)
    assert seen["face"]["psnr"] < seen["photo"]["psnr"] < math.inf
    assert "SSIM" in result.output


def test_score_with_speech(silencer, tmp_path):
    result = silencer(
        *("score", "before.png", "after.png", "--speech", "voice.wav"),
        *("--json", "out.json", "--png", "out.png"),
    )
    assert result.exit_code == 0, result.output
    (report,) = json.loads((tmp_path / "out.json").read_text())["reports"]
    assert report["guidance"] == TINY.guidance
    assert len(report["asked"][0]) == 8
    assert Image.open(tmp_path / "out.png").width == 1800
    assert "lower = better protected" in result.output


def test_verify_writes_grid_and_map(silencer, tmp_path):
    result = silencer(
        *("verify", "before.png", "after.png", "--speech", "voice.wav", "--guidance", "1,default"),
        *("--purify", "none; blur:1", "--no-controls", "--json", "out.json", "--png", "out.png"),
    )
    assert result.exit_code == 0, result.output
    read = json.loads((tmp_path / "out.json").read_text())
    assert len(read["reports"]) == 4
    assert list(read["reports"][0]["photos"]) == ["unprotected", "protected"]
    Image.open(tmp_path / "out.png").verify()


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "before.png", "after.png", "--guidance", "one"],
        ["verify", "before.png", "after.png", "--purify", ";"],
        ["verify", "before.png", "after.png", "--png", "out.jpg"],
        ["score", "before.png", "after.png", "--png", "out.png"],
        ["score", "before.png", "after.png", "--face", "big"],
    ],
)
def test_usage_is_checked_before_any_work(silencer, arguments):
    assert silencer(*arguments).exit_code == 2


def test_unknown_clean_ups_are_refused(silencer):
    result = silencer("verify", "before.png", "after.png", "--purify", "none;bleach")
    assert isinstance(result.exception, SilencerError)
