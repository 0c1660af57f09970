"""Settings that cannot be meant are refused by name, wherever they come from."""

from __future__ import annotations

import pytest
import torch
from tiny import babble, drawn_photo, tiny_generator

from silencer_core.errors import SilencerError
from silencer_core.objectives.anti_purify import AntiPurify
from silencer_core.objectives.nullify import NullifyAudio
from silencer_core.objectives.rollout import NullifyRollout
from silencer_core.optimise.budget import Budget
from silencer_core.optimise.descent import Descent
from silencer_core.photo import Photo
from silencer_core.presets import LatentStage
from silencer_core.protect import protect
from silencer_core.purifiers.sequence import parse, purify

NAN, INF = float("nan"), float("inf")
NO_NUMBERS = (NAN, INF, -INF, -1, 1e30, "8", None, [], True)
NO_WHOLES = (NAN, INF, -1, 0, 1.5, 10**9, 2**70, "8", None, [], True)
NO_WORDS = (NAN, 1, "", "L2", "never", None, [], True)
NO_COUNTS = tuple(value for value in NO_WHOLES if value != 0)

ODD = [
    (settings, field, value)
    for settings, fields, values in (
        (NullifyAudio, ("static", "silence", "other_voice", "lip", "face"), NO_NUMBERS),
        (NullifyAudio, ("talking", "quiet", "loud"), NO_NUMBERS),
        (NullifyAudio, ("draws", "frames"), NO_WHOLES),
        (NullifyRollout, ("static", "silence", "lip", "loud"), NO_NUMBERS),
        (NullifyRollout, ("steps", "draws", "frames"), NO_WHOLES),
        (Budget, ("linf", "softness", "smooth_skin", "psnr"), NO_NUMBERS),
        (Budget, ("linf",), (0, 1.01, 255, 8)),
        (
            Descent,
            ("rate", "last_rate", "momentum", "smoothing", "colour", "random_start"),
            NO_NUMBERS,
        ),
        (Descent, ("validate_every", "validation"), NO_WHOLES),
        (Descent, ("steps", "patience"), NO_COUNTS),
        (Descent, ("norm", "keep"), NO_WORDS),
        (LatentStage, ("learning_rate",), NO_NUMBERS),
        (LatentStage, ("steps", "depth"), NO_COUNTS),
        (LatentStage, ("inversion_steps",), NO_WHOLES),
    )
    for field in fields
    for value in values
]


@pytest.mark.parametrize(("settings", "field", "value"), ODD)
def test_an_odd_setting_is_refused_by_name(settings, field, value):
    names = {"linf": "the largest change", "inversion_steps": "inversion_steps|depth"}
    with pytest.raises(SilencerError, match=names.get(field, field)):
        settings(**{field: value})


@pytest.mark.parametrize("field", ["share", "diffusion", "diffusion_time", "misplaced", "keep"])
@pytest.mark.parametrize("value", NO_NUMBERS)
def test_odd_shares_of_clean_ups_are_refused(field, value):
    with pytest.raises(SilencerError, match=field):
        AntiPurify(NullifyAudio(), **{field: value})


@pytest.mark.parametrize("value", NO_WORDS)
def test_an_odd_gradient_is_refused(value):
    with pytest.raises(SilencerError, match="gradient"):
        AntiPurify(NullifyAudio(), gradient=value)


@pytest.mark.parametrize("value", [NAN, INF, -1, 101, "2", None])
def test_odd_guidance_is_refused(value):
    with pytest.raises(SilencerError, match="guidance"):
        NullifyRollout(guidance=(1.0, value))


@pytest.mark.parametrize("interval", [(5, 5), (9, 3), (-1, 5), (0, 1001), (NAN, 5), ("a", 5)])
def test_odd_intervals_are_refused(interval):
    with pytest.raises(SilencerError, match="timestep"):
        NullifyAudio(intervals=(interval,))


@pytest.mark.parametrize("seed", [-1, 2**63 + 1, 2**64, 2**70, 1.5, NAN, "1", None, True])
def test_odd_seeds_are_refused(seed):
    photo = Photo(drawn_photo(96))
    with pytest.raises(SilencerError, match="seed"):
        protect(photo, tiny_generator(), [babble()], seed=seed)
    with pytest.raises(SilencerError, match="seed"):
        purify(torch.zeros(3, 64, 64), "noise", seed)


SEQUENCES = [
    *("", ",", ":", "jpeg:", "jpeg:0", "jpeg:101", "jpeg:-1", "jpeg:nan", "jpeg:1e3", "jpeg:75.5"),
    *("resize:0", "resize:-1", "resize:nan", "resize:inf", "resize:1e9", "resize:0.5:cubist"),
    *("crop:0", "crop:2", "crop:nan", "blur:-1", "blur:1e9", "median:2", "median:99", "noise:-1"),
    *("noise:nan", "noise:2", "webp:0", "webp:999", "jpeg:75:1", "jpeg:75,,jpeg:75", "none,jpeg"),
    *("JPEG", "jpeg 75", "jpeg;75", "../jpeg", "$(id)", "jpeg:75\0", "jpeg:٧٥x", "sdedit:0"),
    *(
        "sdedit:1",
        "sdedit:nan",
        "gridpure:0",
        "gridpure:1000",
        "upscale:2",
        "__import__",
        "a" * 999,
    ),
]


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_odd_sequences_are_refused(sequence):
    with pytest.raises(SilencerError, match="purifier"):
        parse(sequence)


def masks() -> dict[str, tuple[torch.Tensor, str]]:
    """Face masks for a photo of 96 x 96, and words of the refusal; none where they are fine."""
    face = torch.zeros(96, 96)
    face[20:70, 30:60] = 1
    one = torch.zeros(96, 96)
    one[50, 50] = 1
    return {
        "fine": (face, ""),
        "with_channel": (face[None], ""),
        "with_batch": (face[None, None], ""),
        "booleans": (face > 0, ""),
        "bytes": (face.to(torch.uint8), ""),
        "double": (face.double(), ""),
        "half": (face.half(), ""),
        "full": (face * 0 + 1, ""),
        "above_one": (face * 255, ""),
        "below_zero": (face - 0.4, ""),
        "one_pixel": (one, ""),
        "one_row": (torch.zeros(96, 96).index_fill(0, torch.tensor([5]), 1), ""),
        "edge": (torch.zeros(96, 96).index_fill(1, torch.tensor([95]), 1), ""),
        "corner": (torch.zeros(96, 96).index_put((torch.tensor(0),) * 2, torch.tensor(1.0)), ""),
        "chequered": ((torch.arange(96)[:, None] + torch.arange(96)).remainder(2).float(), ""),
        "empty": (face * 0, "empty"),
        "nearly_empty": (face * 0.4, "empty"),
        "all_negative": (face * 0 - 1, "empty"),
        "nan": (face * torch.nan, "finite"),
        "one_nan": (torch.where(one > 0, torch.nan, face), "finite"),
        "infinite": (torch.where(one > 0, torch.inf, face), "finite"),
        "wider": (torch.ones(96, 97), "shape"),
        "smaller": (torch.ones(95, 96), "shape"),
        "three_channels": (torch.ones(3, 96, 96), "shape"),
        "flat": (torch.ones(96), "shape"),
        "scalar": (torch.tensor(1.0), "shape"),
        "nothing": (torch.ones(0, 0), "shape"),
        "channel_last": (face[..., None], ""),
        "complex": (torch.ones(96, 96, dtype=torch.complex64), "finite"),
    }


class Nobody:
    """Finds no face."""

    def find(self, photo):
        return []


@pytest.mark.parametrize("name", masks())
@pytest.mark.parametrize("which", ["face_mask", "lip_mask"])
def test_odd_masks(name, which):
    from silencer_core.portrait import find_portrait

    mask, refusal = masks()[name]
    given = {"face_mask": masks()["fine"][0], which: mask}
    if refusal:
        with pytest.raises(SilencerError, match=refusal):
            find_portrait(drawn_photo(96), 32, backend=Nobody(), levels=2, **given)
    else:
        portrait = find_portrait(drawn_photo(96), 32, backend=Nobody(), levels=2, **given)
        assert all(level.isfinite().all() for level in portrait.masks)
        assert 0 <= portrait.face_mask().min() <= portrait.face_mask().max() <= 1


@pytest.mark.parametrize("padding", [-1, -0.001, 11, NAN, INF, -INF])
def test_odd_padding_is_refused(padding):
    from silencer_core.portrait import find_portrait

    with pytest.raises(SilencerError, match="padding"):
        find_portrait(drawn_photo(96), 32, backend=Nobody(), levels=2, padding=padding)


@pytest.mark.parametrize("size", [0, -32, 1, 31, 33, 48 + 1])
def test_odd_sizes_are_refused(size):
    from silencer_core.portrait import find_portrait

    with pytest.raises(SilencerError, match="size"):
        find_portrait(drawn_photo(96), size, backend=Nobody(), levels=2)


OPTIONS = [
    *(("protect", "--steps", value) for value in ("0", "-1", "1.5", "nan", "1e9", "100001", "")),
    *(("protect", "--seed", value) for value in ("1.5", "nan", "abc", "")),
    *(("protect", "--face", value) for value in ("-1", "1.5", "everyone", "", "٣x")),
    *(("batch", "--jobs", value) for value in ("0", "-1", "1.5", "nan", "99999", "many")),
    *(("batch", "--steps", value) for value in ("0", "-1", "nan", "100001")),
    *(("batch", "--seed", value) for value in ("-1", "1.5", str(2**70), "x")),
    *(("batch", "--face", value) for value in ("-1", "everyone")),
    *(("attack", "--steps", value) for value in ("0", "-1", "nan", "1001")),
    *(("attack", "--guidance", value) for value in ("-1", "x")),
    *(("attack", "--motion-scale", value) for value in ("1", "1,1", "1,1,1,1", "a,b,c", ",,")),
    *(("attack", "--device", value) for value in ("toaster", "cuda:99", "meta:x", "cpu:x")),
]


@pytest.mark.parametrize("words", OPTIONS, ids=lambda words: "_".join(words))
def test_odd_options_are_usage_errors(silencer, tmp_path, words):
    command, option, value = words
    places = {"batch": [tmp_path, tmp_path / "out"], "attack": ["a.png", "b.wav", "-o", "c.mp4"]}
    given = places.get(command, ["a.png", "-o", "c.png"])
    code, _, err = silencer(command, *given, option, value)
    assert code == 2
    assert option in err
    assert "Traceback" not in err
