"""What happens when memory runs out while a photo is protected."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import babble, drawn_photo, mask_of_face, tiny_generator

from silencer_core import memory
from silencer_core.errors import SilencerError
from silencer_core.memory import Frugal, is_out_of_memory, protect_within_memory, smaller
from silencer_core.objectives.anti_purify import AntiPurify
from silencer_core.objectives.nullify import NullifyAudio
from silencer_core.objectives.rollout import NullifyRollout
from silencer_core.optimise.budget import Budget
from silencer_core.optimise.descent import Descent
from silencer_core.photo import Photo
from silencer_core.presets import Preset
from silencer_core.protect import protect

QUICK = Preset(
    "quick",
    NullifyRollout(steps=2, frames=4),
    Budget(8 / 255),
    Descent(steps=2, validate_every=2, validation=1),
)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory"),
    ],
)
def test_running_out_is_recognised(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), ValueError("out of memory")])
def test_other_errors_are_not(error):
    assert not is_out_of_memory(error)


def test_recomputing_changes_no_result():
    photo, generator = Photo(drawn_photo(96)), tiny_generator()
    options = {"face_mask": mask_of_face(96)}
    plain = protect(photo, generator, [babble()], QUICK, **options)
    frugal = protect(photo, Frugal(generator), [babble()], QUICK, **options)
    assert torch.equal(plain.photo.pixels, frugal.photo.pixels)
    assert plain.report.faces[0].after == frugal.report.faces[0].after


def test_settings_shrink_to_the_smallest():
    preset, frames = dataclasses.replace(QUICK, objective=AntiPurify(NullifyRollout())), []
    while preset is not None:
        inner = preset.objective.objective
        frames.append((inner.frames, inner.steps))
        preset = smaller(preset)
    assert frames == [(4, 4), (2, 4), (1, 4), (1, 2), (1, 1)]


@pytest.mark.parametrize("failures", [0, 1, 2, 4])
def test_less_is_tried_until_it_fits(monkeypatch, failures):
    tried = []

    def runs_out(photo, generator, audio, how, **options):
        tried.append((type(generator).__name__, how.objective.frames))
        if len(tried) <= failures:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "done"

    monkeypatch.setattr(memory, "protect", runs_out)
    how = dataclasses.replace(QUICK, objective=NullifyAudio(frames=8))
    generator = tiny_generator()
    assert protect_within_memory(Photo(drawn_photo(96)), generator, [], how) == "done"
    rungs = [("Hallo", 8), ("Frugal", 8), ("Frugal", 4), ("Frugal", 2), ("Frugal", 1)]
    assert tried == rungs[: failures + 1]


def test_where_nothing_fits_the_remedy_is_named(monkeypatch):
    def runs_out(*_, **__):
        raise MemoryError

    monkeypatch.setattr(memory, "protect", runs_out)
    with pytest.raises(SilencerError, match="scale the photo down"):
        protect_within_memory(Photo(drawn_photo(96)), tiny_generator(), [], QUICK)


def test_other_errors_pass_through(monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(memory, "protect", fails)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        protect_within_memory(Photo(drawn_photo(96)), tiny_generator(), [], QUICK)
