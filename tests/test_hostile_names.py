"""Odd names of files lead to no write outside their folder, no command, and no traceback."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
import torch
from batch_toys import ToyRecipe, toy_here, write_photos
from PIL import Image

from silencer_core import cli
from silencer_core.audio import read_speech
from silencer_core.batch.run import run_batch
from silencer_core.errors import SilencerError
from silencer_core.files import check_folder, write_text
from silencer_core.photo import Photo, read_photo, write_photo

NAMES = [
    *(" ", " a", "a ", "a.", "...", "-rf", "--help", "-", "~", "~root", "*", "?", "[a]", "{a,b}"),
    *("$(touch x)", "`touch x`", ";touch x", "|touch x", "&touch x", "$HOME", "%s%n", "%(x)s"),
    *("'", '"', "a'b", 'a"b', "\\", "a\\b", "a\tb", "a\nb", "a\rb", "\x1b[2J", "\x07", "\x7f"),
    *("CON", "nul", "COM1", "LPT9.txt", "aux.c", "a:b", "a<b>", "http:", "file:", "data:,x"),
    *(
        "é",
        "e\u0301",
        "ß",
        "İ",
        "日本語",
        "🙂",
        "\u202egnp",
        "\u200b",
        "\ufeff",
        "\u0000".join("a"),
    ),
    *("\udcff", "a\udc80b", "x" * 200, "é" * 100, "🙂" * 55, "..a", "a..", "a/../b", "./a", "a//b"),
]
IDS = [repr(name)[:30] for name in NAMES]
OUTSIDE = [
    "..",
    ".",
    "../a",
    "a/../../b",
    "/tmp/silencer-never",
    "a\0b",
    "",
    "x" * 300,
    "x/" * 3000,
]


@pytest.mark.parametrize("name", NAMES, ids=IDS)
def test_photos_with_odd_names_are_read_and_written(tmp_path, name):
    folder = tmp_path / "in"
    (folder / "a").mkdir(parents=True)
    path = folder / f"{name}.png"
    write_photo(Photo(torch.zeros(3, 64, 64)), path)
    assert read_photo(path).width == 64
    assert list(tmp_path.iterdir()) == [folder]
    assert len([found for found in folder.rglob("*") if found.is_file()]) == 1


@pytest.mark.parametrize("name", NAMES, ids=IDS)
def test_a_batch_of_odd_names_stays_in_its_folder(tmp_path, name):
    source = tmp_path / "in" / "folder" / f"{name}.png"
    (tmp_path / "in" / "folder" / "a").mkdir(parents=True)
    write_photos(tmp_path, ["plain.png"])
    (tmp_path / "plain.png").replace(source)
    (tmp_path / "notes").mkdir()
    recipe = ToyRecipe(str(tmp_path / "notes"))
    hidden = source.name.startswith(".")
    if hidden:
        write_photos(tmp_path / "in", ["other.png"])
    worker = toy_here(recipe)

    def quiet(tasks, most):  # toys note names, which these cannot be
        return ((task, _toy(worker, task)) for task in tasks)

    summary = run_batch(tmp_path / "in", tmp_path / "out", recipe, quiet)
    assert (summary.protected, summary.failures) == (1, [])
    again = run_batch(tmp_path / "in", tmp_path / "out", recipe, quiet)
    assert (again.skipped, again.failures) == (1, [])
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "notes"}
    written = [path for path in (tmp_path / "out").rglob("*.png")]
    assert len(written) == 1
    assert (written[0].parent.resolve() == (tmp_path / "out").resolve()) == hidden


def _toy(worker, task):
    from silencer_core.batch.worker import Task

    ((_, outcome),) = worker([Task("photo", task.content)], 1)
    return outcome


@pytest.mark.parametrize("name", OUTSIDE, ids=lambda name: repr(name)[:20])
def test_impossible_outputs_are_refused(tmp_path, name):
    for action in (
        lambda path: check_folder(path),
        lambda path: write_text(path, "x"),
        lambda path: write_photo(Photo(torch.zeros(3, 64, 64)), path),
    ):
        path = Path(f"{tmp_path}/{name}/x.png" if not name.startswith("/") else f"{name}/x/x.png")
        before = sorted(tmp_path.rglob("*"))
        if name in ("..", ".", ""):  # the folder above, or this one: there it may write
            path = Path(f"{tmp_path}/{name}") if name else Path(f"{tmp_path}/x.png/")
            if not name:
                path.mkdir(exist_ok=True)
                before = sorted(tmp_path.rglob("*"))
        with pytest.raises(SilencerError):
            action(path)
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", [*NAMES, *OUTSIDE], ids=lambda name: repr(name)[:20])
@pytest.mark.parametrize("read", [read_photo, read_speech])
def test_names_of_nothing_are_refused(tmp_path, name, read):
    with pytest.raises(SilencerError):
        read(f"{tmp_path}/{name}")


@pytest.mark.parametrize("name", ["\x1b[2Jboo.png", "a\nb.png", "\udcff.png", "\u202egnp.exe"])
def test_messages_about_odd_names_are_one_harmless_line(monkeypatch, tmp_path, name):
    err = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(sys, "argv", ["silencer", "protect", name, "-o", str(tmp_path / "a.png")])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    err.flush()
    said = err.buffer.getvalue()
    assert stop.value.code == 1
    assert said.count(b"\n") == 1
    assert b"\x1b" not in said
    assert b"Traceback" not in said


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop"])
@pytest.mark.parametrize("read", [read_photo, read_speech])
def test_what_never_ends_is_not_read(tmp_path, kind, read):
    path = tmp_path / "photo.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path.mkdir()
    with pytest.raises(SilencerError, match=r"photo\.png"):
        read(path)


def test_an_output_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "a.png").symlink_to(tmp_path / "victim")
    write_photo(Photo(torch.zeros(3, 64, 64)), tmp_path / "a.png")
    assert (tmp_path / "victim").read_text() == "mine"
    assert Image.open(tmp_path / "a.png").size == (64, 64)
