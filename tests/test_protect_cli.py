"""What `silencer protect` says of a photo for which nothing was found."""

from __future__ import annotations

import pytest
from tiny import drawn_photo, mask_of_face

from silencer_core.optimise.descent import Course
from silencer_core.photo import Photo, read_photo, write_photo


@pytest.mark.parametrize(("after", "said"), [(1.0, True), (0.5, False)])
def test_a_photo_that_nothing_helps_is_told(
    silencer, published, tmp_path, monkeypatch, after, said
):
    def found(canvas, *_, **__):
        return canvas.pixels, Course(losses=[1.0], validation=[(0, 1.0), (1, after)])

    monkeypatch.setattr("silencer_core.protect.pgd", found)
    photo, mask, out = (tmp_path / name for name in ("photo.png", "mask.png", "out.png"))
    write_photo(Photo(drawn_photo(96)), photo)
    write_photo(Photo(mask_of_face(96).expand(3, -1, -1)), mask)
    code, _, err = silencer(
        "protect", photo, "-o", out, "-g", published, "--face-mask", mask, "--steps", 1
    )
    assert code == 0, err
    assert ("nothing was found that helps" in err) == said
    assert read_photo(out).pixels.shape == (3, 96, 96)
