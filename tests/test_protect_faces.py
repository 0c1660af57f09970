"""Several faces in one photo, and what a step needs whatever it draws."""

from __future__ import annotations

import dataclasses

import pytest
import skimage.data
import torch
from test_protect import QUICK
from tiny import babble, drawn_photo, mask_of_face, tiny_generator

from silencer_core.errors import SilencerError
from silencer_core.objectives.nullify import NullifyAudio
from silencer_core.photo import Photo
from silencer_core.portrait import find_portrait
from silencer_core.protect import protect

WIDTH = 256
QUICKER = dataclasses.replace(QUICK, descent=dataclasses.replace(QUICK.descent, steps=1))


@pytest.fixture(scope="module")
def generator():
    return tiny_generator()


@pytest.fixture(scope="module")
def two():
    """A face, and to its right the same mirrored and smaller."""
    face = torch.from_numpy(skimage.data.astronaut()[:256, 96:352].copy()).permute(2, 0, 1) / 255
    other = torch.full_like(face, 0.5)
    other[:, 40:232, 32:224] = torch.nn.functional.interpolate(
        face.flip(-1)[None], size=192, mode="area"
    )[0]
    return Photo((torch.cat([face, other], 2) * 255).round() / 255)


def changed(photo: Photo, generator, faces) -> tuple[bool, bool]:
    """Whether the left face was changed, and the right one."""
    done = protect(photo, generator, [babble(seconds=0.3)], QUICKER, faces=faces)
    change = (done.photo.pixels - photo.pixels).abs()
    assert 0 < change.max() <= QUICKER.budget.linf + 1e-6
    assert len(done.report.faces) == (2 if faces == "all" else 1)
    return tuple(bool(half.any()) for half in change.split(WIDTH, 2))


@pytest.mark.parametrize(
    ("faces", "which"),
    [("largest", (True, False)), (1, (False, True)), ("all", (True, True))],
)
def test_the_faces_that_were_asked_for(two, generator, faces, which):
    assert changed(two, generator, faces) == which


def test_a_face_that_is_not_there(two, generator):
    with pytest.raises(SilencerError, match="face"):
        protect(two, generator, [babble(seconds=0.3)], QUICKER, faces=7)


def kept_for_backward(generator, draws: int) -> int:
    """Bytes that autograd holds at most at a time in one step."""
    photo = drawn_photo(96)
    portrait = find_portrait(
        photo,
        generator.config.size,
        face_mask=mask_of_face(96),
        backend=generator.faces(),
        vae_factor=generator.config.vae_factor,
        levels=generator.config.levels,
    )
    aim = NullifyAudio(draws=draws, frames=2, talking=0.0)
    bound = aim.bind(generator, portrait, [generator.drive(babble(seconds=0.3))])
    held, most = 0, 0

    class Held:
        def __init__(self, tensor):
            nonlocal held, most
            self.tensor, self.size = tensor, tensor.nbytes
            held += self.size
            most = max(most, held)

        def __del__(self):
            nonlocal held
            held -= self.size

    drawn = bound.draw(torch.Generator().manual_seed(0))
    with torch.autograd.graph.saved_tensors_hooks(Held, lambda kept: kept.tensor):
        bound.step(photo, drawn)
    return most


def test_a_steps_memory_does_not_grow_with_the_draws(generator):
    assert kept_for_backward(generator, 6) < 1.05 * kept_for_backward(generator, 1)
