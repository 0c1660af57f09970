"""`silencer batch` from end to end, with a small generator on disk."""

from __future__ import annotations

import json

import pytest
from tiny import drawn_photo

from silencer_core.batch.worker import Done, Failed, Task, Worker
from silencer_core.errors import Cancelled
from silencer_core.photo import Photo, png_of, read_photo, write_photo


@pytest.fixture
def speech(tmp_path):
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "speech.wav", np.sin(np.arange(8000) * 0.3) / 2, 16_000)
    return tmp_path / "speech.wav"


def test_a_folder_is_protected_as_each_photo_would_be(silencer, tmp_path, published, speech):
    photos, output = tmp_path / "in", tmp_path / "out"
    (photos / "class").mkdir(parents=True)
    write_photo(Photo(drawn_photo(96, seed=3)), photos / "class" / "anna.png")
    (photos / "notes.jpg").write_text("no picture")
    how = ["--preset", "fast", "--steps", 1, "-g", published, "--speech", speech, "--seed", 5]

    code, out, err = silencer("batch", photos, output, *how, "--jobs", 1)
    assert code == 1
    assert "1 protected, 0 were done already, 1 failed" in out
    assert "notes.jpg: this is not a picture" in err

    code, _, err = silencer(
        "protect", photos / "class" / "anna.png", "-o", tmp_path / "one.png", *how
    )
    assert code == 0, err
    assert (output / "class" / "anna.png").read_bytes() == (tmp_path / "one.png").read_bytes()
    assert "fast" in read_photo(output / "class" / "anna.png").protection
    lines = [json.loads(line) for line in (output / "manifest.jsonl").read_text().splitlines()]
    (report,) = [line["report"] for line in lines if line["kind"] == "photo"]
    assert report["seed"] == 5
    assert report["faces"][0]["steps"] == 1

    (photos / "notes.jpg").unlink()
    code, out, err = silencer("batch", photos, output, *how, "--jobs", 1)
    assert (code, err.count("Traceback")) == (0, 0)
    assert "0 protected, 1 were done already, 0 failed" in out


def test_a_generator_that_vanished_is_named(silencer, tmp_path):
    (tmp_path / "in").mkdir()
    write_photo(Photo(drawn_photo(96, seed=3)), tmp_path / "in" / "anna.png")
    gone = tmp_path / "gone"
    code, _, err = silencer("batch", tmp_path / "in", tmp_path / "out", "-g", gone)
    assert code == 1
    assert str(gone) in err


class Faces:
    """The face is in the middle."""

    def find(self, photo):
        import numpy as np

        from silencer_core.faces import Face

        side = min(photo.shape[1:])
        box = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]) * side
        lips = np.array([[0.4, 0.6], [0.6, 0.65]]) * side
        edges = tuple(float(x) for x in (*box[0], *box[2]))
        return [Face(edges, lips, box, 1.0, "middle")]


@pytest.fixture(scope="module")
def worker():
    """One that finds faces at once, with the smallest generator there is."""
    from tiny import babble, tiny_generator

    from silencer_core.batch.recipe import Recipe
    from silencer_core.presets import PRESETS, with_steps

    recipe = Recipe(with_steps(PRESETS["fast"], 1), voices=(babble(seconds=0.3),))
    made = Worker(recipe, generator=tiny_generator())
    made.faces = Faces()
    return made


def photo_bytes(seed: int = 3) -> bytes:
    return png_of(Photo(drawn_photo(96, seed)))


def test_cancelling_within_a_photo_gives_no_outcome(worker):
    with pytest.raises(Cancelled):
        worker.protect(Task("a", photo_bytes()), lambda: True)


@pytest.mark.parametrize("asked", [1, 2])
def test_cancelling_at_any_question_gives_no_outcome_or_a_whole_one(worker, asked):
    questions = []

    def cancelled():
        questions.append(1)
        return len(questions) == asked

    try:
        outcome = worker.protect(Task("a", photo_bytes()), cancelled)
    except Cancelled:
        return
    assert isinstance(outcome, Done)


def test_a_bug_in_one_photo_is_its_failure_only(worker, monkeypatch):
    monkeypatch.setattr(worker, "faces", None)
    monkeypatch.setattr(worker.generator, "faces", lambda: 1 / 0)
    outcome = worker.protect(Task("a.png", photo_bytes()))
    assert isinstance(outcome, Failed)
    assert outcome.message.startswith("a.png: an error in Silencer itself (ZeroDivisionError")
    assert "Traceback" in outcome.trace


def resident() -> int:
    import gc

    import psutil

    gc.collect()
    return psutil.Process().memory_info().rss


def growth(worker, early: int, late: int) -> float:
    """Resident memory after `late` photos over that after `early` ones."""
    contents = [photo_bytes(seed) for seed in range(3)]
    for done in range(1, late + 1):
        assert isinstance(worker.protect(Task("a", contents[done % 3])), Done)
        if done == early:
            before = resident()
    return resident() / before


def test_memory_does_not_grow_over_a_few_photos(worker):
    assert growth(worker, early=4, late=12) < 1.05


@pytest.mark.slow
def test_memory_does_not_grow_over_200_photos(worker):
    assert growth(worker, early=20, late=200) < 1.05
