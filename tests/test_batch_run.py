"""A batch as a whole, with workers that take no time: what is skipped, redone, refused, listed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from batch_toys import ToyRecipe, toy_here, write_photos

from silencer_core.batch.output import OutputFolder
from silencer_core.batch.run import run_batch
from silencer_core.errors import SilencerError

NAMES = ["anna.png", "class/noah.jpg", "class/deep/mia.webp"]
RESULTS = {"anna.png", "class/noah.png", "class/deep/mia.png"}


@pytest.fixture
def photos(tmp_path) -> Path:
    write_photos(tmp_path / "in", NAMES)
    (tmp_path / "notes").mkdir()
    return tmp_path / "in"


@pytest.fixture
def run(tmp_path, photos):
    """Runs the batch: the summary, and which photos a worker saw."""

    def once(output="out", seed=0, **options):
        for note in (tmp_path / "notes").iterdir():
            note.unlink()
        recipe = ToyRecipe(str(tmp_path / "notes"), seed=seed)
        summary = run_batch(photos, tmp_path / output, recipe, toy_here(recipe), **options)
        seen = {note.name.split(".")[0] for note in (tmp_path / "notes").iterdir()}
        return summary, seen

    return once


def results(folder: Path) -> dict[str, bytes]:
    """Everything in an output folder except what the batch keeps for itself."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("manifest.jsonl", "lock")
    }


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_folders_are_kept(run, tmp_path):
    summary, _ = run()
    assert summary.protected == 3
    assert results(tmp_path / "out").keys() == RESULTS


def test_manifest_holds_a_report_per_photo(run, tmp_path):
    run()
    first, *rest = lines(tmp_path / "out")
    assert first["kind"] == "run"
    assert first["settings"] == {"seed": 0}
    assert [line["photo"] for line in rest] == sorted(NAMES)
    assert all(line["report"] == {"toy": True} for line in rest)


def test_what_is_done_is_skipped(run):
    run()
    summary, seen = run()
    assert (summary.protected, summary.skipped, seen) == (0, 3, set())


def test_a_changed_photo_is_done_anew(run, photos):
    run()
    write_photos(photos, ["x.png", "anna.png"])
    (photos / "x.png").unlink()
    assert run()[1] == {"anna"}


def test_the_time_of_a_photo_does_not_count(run, photos):
    run()
    os.utime(photos / "anna.png", (10**9, 10**9))
    assert run()[1] == set()


def test_changed_settings_do_all_anew(run, tmp_path):
    run(seed=1)
    before = results(tmp_path / "out")
    assert run(seed=2)[1] == {"anna", "noah", "mia"}
    assert all(before[name] != content for name, content in results(tmp_path / "out").items())


@pytest.mark.parametrize("damage", ["removed", "cut", "other"])
def test_a_damaged_result_is_done_anew(run, tmp_path, damage):
    run()
    result = tmp_path / "out" / "anna.png"
    whole = result.read_bytes()
    if damage == "removed":
        result.unlink()
    else:
        result.write_bytes(whole[:50] if damage == "cut" else b"other")
    assert run()[1] == {"anna"}
    assert result.read_bytes() == whole


def test_failures_are_listed_and_the_rest_finished(run, photos, tmp_path):
    write_photos(photos, ["bad.png", "class/bad.jpg"])
    summary, _ = run()
    assert summary.protected == 3
    assert sorted(summary.failures) == ["bad.png: is bad", "class/bad.jpg: is bad"]
    assert [line["photo"] for line in lines(tmp_path / "out") if line["kind"] == "failure"]
    assert results(tmp_path / "out").keys() == RESULTS


def test_failures_are_tried_again(run, photos):
    write_photos(photos, ["bad.png"])
    run()
    assert run()[1] == {"bad"}


@pytest.mark.parametrize("keep", [0, 1, 30, -1])
def test_a_line_that_was_cut_off_is_mended(run, tmp_path, keep):
    run()
    manifest = tmp_path / "out" / "manifest.jsonl"
    *whole, last = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join(whole) + last[:keep])
    _, seen = run()
    assert seen == {"noah"}  # the last in order
    assert len(lines(tmp_path / "out")) == 5  # every line is JSON


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b'{"kind": "photo"}\n', b"\xff\xfe\n"])
def test_lines_that_cannot_be_read_are_passed_over(run, tmp_path, line):
    run()
    manifest = tmp_path / "out" / "manifest.jsonl"
    manifest.write_bytes(line + manifest.read_bytes())
    assert run()[1] == set()


def test_a_file_that_no_batch_wrote_is_left(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "anna.png").write_bytes(b"mine")
    summary, _ = run()
    assert summary.protected == 2
    assert "move it away" in summary.failures[0]
    assert (tmp_path / "out" / "anna.png").read_bytes() == b"mine"


def test_nothing_is_written_behind_a_link(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "class").symlink_to(tmp_path / "elsewhere")
    summary, _ = run()
    assert summary.protected == 1
    assert all("leads out" in message for message in summary.failures)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("output", ["in", "", "in/../in"])
def test_results_cannot_replace_photos(run, photos, output):
    before = results(photos)
    with pytest.raises(SilencerError, match="choose"):
        run(output)
    assert results(photos) == before


def test_results_below_the_photos(run, photos):
    run("in/protected")
    summary, _ = run("in/protected")
    assert (summary.protected, summary.skipped) == (0, 3)


def test_two_batches_at_once_are_refused(run, tmp_path):
    with OutputFolder(tmp_path / "out"), pytest.raises(SilencerError, match="another batch"):
        run()


def test_no_photos_are_refused(tmp_path, run, photos):
    shutil.rmtree(photos)
    photos.mkdir()
    with pytest.raises(SilencerError, match="no photos"):
        run()


def test_a_full_disk_is_told_before_any_work(run, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(SilencerError, match="make room"):
        run()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", [1, 2, 3, 4, 5, 6])
def test_a_disk_that_fails_ends_the_batch_and_is_no_loss(run, tmp_path, monkeypatch, code, call):
    with monkeypatch.context() as patch:
        calls = []

        def fails(descriptor):
            calls.append(descriptor)
            if len(calls) >= call:
                raise OSError(code, os.strerror(code))

        patch.setattr(os, "fsync", fails)
        with pytest.raises(SilencerError, match=os.strerror(code)):
            run()
    complete = results(tmp_path / "out")
    assert complete.keys() <= RESULTS
    _, seen = run()
    assert len(seen) == 3 - len(complete)
    assert results(tmp_path / "out").items() >= complete.items()
    assert results(tmp_path / "out").keys() == RESULTS


def test_an_output_folder_that_vanishes_ends_the_batch(run, tmp_path):
    def vanish(_):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)

    with pytest.raises(SilencerError, match="cannot be written"):
        run(progress=vanish)


def test_a_photo_that_vanishes_is_listed(run, photos, monkeypatch):
    def vanish(_):
        (photos / "class" / "noah.jpg").unlink(missing_ok=True)

    summary, _ = run(progress=vanish)
    assert summary.protected == 2
    assert "no such file" in summary.failures[0]


def test_the_clock_does_not_matter(run, tmp_path, monkeypatch):
    run("first")
    monkeypatch.setattr(time, "time", lambda: -1e9)
    run("second")
    assert results(tmp_path / "first") == results(tmp_path / "second")


def test_progress_counts_up_to_the_end(run, photos):
    write_photos(photos, ["bad.png"])
    states = []
    run(progress=states.append)
    assert [one.protected + one.failed for one in states] == [1, 2, 3, 4]
    assert states[-1].total == 4
    assert states[-1].seconds_left == 0
