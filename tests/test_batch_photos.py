"""Which photos a batch takes, and what it calls their results."""

from __future__ import annotations

import pytest
from fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st

from silencer_core.batch.photos import find_photos, output_names
from silencer_core.errors import SilencerError


def fill(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_photos_of_all_folders_in_one_order(tmp_path):
    fill(tmp_path, "b.JPG", "a/z.png", "a/b/c.webp", "notes.txt", "a/film.mp4")
    found = find_photos(tmp_path, leave_out=tmp_path / "out")
    assert found.photos == ("a/b/c.webp", "a/z.png", "b.JPG")
    assert found.others == 2


def test_hidden_files_are_not_looked_at(tmp_path):
    fill(tmp_path, "._a.jpg", ".git/a.jpg", "a.jpg")
    assert find_photos(tmp_path, leave_out=tmp_path / "out").photos == ("a.jpg",)


def test_results_below_the_photos_are_not_photos(tmp_path):
    fill(tmp_path, "a.jpg", "out/a.png", "sub/out/b.png")
    found = find_photos(tmp_path, leave_out=tmp_path / "out")
    assert found.photos == ("a.jpg", "sub/out/b.png")


def test_linked_folders_are_named_and_not_entered(tmp_path):
    fill(tmp_path, "a/a.jpg")
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    found = find_photos(tmp_path, leave_out=tmp_path / "out")
    assert found.photos == ("a/a.jpg",)
    assert found.links == ("a/round",)


@pytest.mark.parametrize("name", ["none", "file"])
def test_what_is_no_folder_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(SilencerError, match="no such folder"):
        find_photos(tmp_path / name, leave_out=tmp_path)


def test_results_are_called_like_their_photos():
    names = output_names(["a/anna.jpg", "b/anna.png", "noah.webp"])
    assert names == {
        "a/anna.jpg": "a/anna.png",
        "b/anna.png": "b/anna.png",
        "noah.webp": "noah.png",
    }


@pytest.mark.parametrize(
    ("photos", "results"),
    [
        (["a.jpg", "a.png"], ["a.jpg.png", "a.png.png"]),
        (["a.jpg", "A.png"], ["a.jpg.png", "A.png.png"]),
        (["é.jpg", "é.png"], ["é.jpg.png", "é.png.png"]),
        (["a.jpg", "a.webp", "b.png"], ["a.jpg.png", "a.webp.png", "b.png"]),
    ],
)
def test_photos_that_would_meet_keep_their_whole_name(photos, results):
    assert list(output_names(photos).values()) == results


def test_photos_that_meet_in_every_way_are_told_apart():
    names = output_names(["a.jpg", "A.jpg", "a.jpg.png"])
    assert len({name.casefold() for name in names.values()}) == 3


NAMES = st.text(st.sampled_from("aAß.é /"), min_size=1, max_size=5)
PATHS = st.lists(
    st.builds(
        lambda name, end: f"{name.strip('/. ') or 'x'}{end}",
        NAMES,
        st.sampled_from([".jpg", ".png", ".png.png"]),
    ),
    unique=True,
    max_size=8,
)


@fuzz(40)
@given(PATHS)
def test_no_two_results_meet_on_any_disk(photos):
    names = output_names(photos)
    assert len({name.casefold() for name in names.values()}) == len(photos)


@fuzz(40)
@given(PATHS)
def test_results_stay_in_the_folder_of_their_photo(photos):
    for photo, name in output_names(photos).items():
        assert name.rpartition("/")[0] == photo.rpartition("/")[0]
        assert name.endswith(".png")
