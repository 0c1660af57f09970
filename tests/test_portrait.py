"""Portraits: where the crop lies, what it carries, and the way back to the photo."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from silencer_core.errors import SilencerError
from silencer_core.faces import Face
from silencer_core.portrait import Window, find_portrait, find_portraits

CIRCLE = np.stack([np.cos(np.arange(24) * np.pi / 12), np.sin(np.arange(24) * np.pi / 12)], -1)


def face_at(x, y, height, embedding=None):
    """An upright face with its middle at (x, y), four fifths as wide as high."""
    outline = np.array([x, y]) + CIRCLE * np.array([0.4, 0.5]) * height
    lips = np.array([x, y + 0.22 * height]) + CIRCLE * np.array([0.15, 0.06]) * height
    box = (x - height / 2, y - height / 2, x + height / 2, y + height / 2)
    return Face(box, lips, outline, score=1.0, backend="given", embedding=embedding)


@dataclasses.dataclass
class Given:
    """A backend that has found some faces."""

    faces: list[Face]

    def find(self, photo):
        return self.faces


@pytest.fixture
def photo():
    torch.manual_seed(0)
    return torch.rand(3, 300, 400)


@pytest.fixture
def one():
    return Given([face_at(200, 150, 100)])


@pytest.fixture(scope="module")
def astronaut():
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()).movedim(-1, 0).float() / 255


def smooth(channels, side, seed=0):
    """Slow waves between -0.1 and 0.1."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, channels, 5, 5, generator=generator) * 0.2 - 0.1
    return torch.nn.functional.interpolate(
        coarse, (side, side), mode="bicubic", align_corners=True
    )[0].clamp(-0.1, 0.1)


def test_astronaut_by_default(astronaut):
    portrait = find_portrait(astronaut, 128)
    assert portrait.image.shape == (3, 128, 128)
    assert portrait.image.min() >= -1
    assert portrait.image.max() <= 1
    share = portrait.face_height / portrait.window.height
    assert 0.5 < share < 0.7
    assert not portrait.embedding.any()


def test_tensors_have_the_generators_shapes(photo, one):
    portrait = find_portrait(photo, 128, backend=one, vae_factor=4, levels=3)
    assert portrait.face_region.shape == (3, 128, 128)
    assert [tuple(mask.shape) for mask in portrait.masks] == [(3, 1024), (3, 256), (3, 64)]
    assert portrait.embedding.shape == (512,)
    tensors = [portrait.image, portrait.face_region, portrait.embedding, *portrait.masks]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}


def test_masks_mark_face_and_lips(photo, one):
    portrait = find_portrait(photo, 256, backend=one)
    background, face, lip = portrait.masks[0].view(3, 32, 32)
    scale = portrait.window.height / 32
    x = int((200 - portrait.window.left) / scale)
    forehead = int((120 - portrait.window.top) / scale)
    mouth = int((172 - portrait.window.top) / scale)
    assert face[forehead, x] > 0.8
    assert lip[mouth, x] > 0.8
    assert background[0, 0] > 0.9


def test_face_region_is_the_grown_face(photo, one):
    portrait = find_portrait(photo, 256, backend=one, face_expansion=1.2)
    area = portrait.face_region[0].mean() * portrait.window.height**2
    assert area == pytest.approx(1.2**2 * 80 * 100, rel=0.05)


def test_identity_is_the_backends(photo):
    known = np.arange(512, dtype=np.float32)
    backend = Given([face_at(200, 150, 100, embedding=known)])
    portrait = find_portrait(photo, 64, backend=backend)
    assert torch.equal(portrait.embedding, torch.from_numpy(known))


def test_crop_is_square_around_the_face(photo, one):
    window = find_portrait(photo, 64, backend=one, padding=0.25).window
    assert window.height == window.width == 150
    assert window.left == 200 - 75
    assert window.top == 150 - 8 - 75


@pytest.mark.parametrize(
    ("x", "y", "edges"),
    [(10, 10, ("left", "top")), (395, 290, ("right", "bottom")), (200, 299, ("bottom",))],
)
def test_crop_is_shifted_inside(photo, x, y, edges):
    window = find_portrait(photo, 64, backend=Given([face_at(x, y, 100)])).window
    limits = {"left": 0, "top": 0, "right": 400, "bottom": 300}
    assert all(getattr(window, edge) == limits[edge] for edge in edges)
    assert (window.height, window.width) == (170, 170)


def test_crop_of_a_large_face_is_shrunk(photo):
    window = find_portrait(photo, 64, backend=Given([face_at(200, 150, 290)])).window
    assert window == Window(50, 0, 350, 300)


def test_face_larger_than_the_photo(photo):
    portrait = find_portrait(photo, 64, backend=Given([face_at(200, 150, 600)]))
    assert portrait.window.height == 300
    assert portrait.face_region.all()


def test_tiny_face(photo):
    portrait = find_portrait(photo, 64, backend=Given([face_at(200, 150, 6)]))
    assert portrait.window.height == 10
    assert portrait.masks[0][2].max() > 0.5


def test_image_is_as_pillow_resizes(photo, one):
    portrait = find_portrait((photo * 255).round() / 255, 64, backend=one)
    pixels = (photo * 255).round().to(torch.uint8).movedim(0, -1).numpy()
    crop = Image.fromarray(pixels).crop(tuple(portrait.window))
    expected = np.asarray(crop.resize((64, 64), Image.Resampling.BILINEAR)) / 127.5 - 1
    found = portrait.image.movedim(0, -1).numpy()
    assert np.abs(found - expected).max() <= 1.01 / 127.5


def test_whole_photo_is_squeezed(photo, one):
    portrait = find_portrait(photo, 64, backend=one, whole=True)
    assert portrait.window == Window(0, 0, 400, 300)
    pixels = (photo * 255).round().to(torch.uint8).movedim(0, -1).numpy()
    resized = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BILINEAR)
    found = portrait.image.movedim(0, -1).numpy()
    assert np.abs(found - (np.asarray(resized) / 127.5 - 1)).max() <= 2 / 127.5
    width = portrait.face_region[0].any(0).sum() * 400 / 64
    height = portrait.face_region[0].any(1).sum() * 300 / 64
    assert float(height / width) == pytest.approx(100 / 80, rel=0.15)


def test_large_face_bug_by_flag(photo):
    backend = Given([face_at(200, 150, 290)])
    published = find_portrait(photo, 64, backend=backend, whole=True, published_large_face_bug=True)
    assert find_portrait(photo, 64, backend=backend, whole=True).face_region.mean() > 0.5
    assert published.face_region.mean() < 0.2


def test_cropping_again_gives_the_image(photo, one):
    portrait = find_portrait(photo, 64, backend=one)
    assert torch.equal(portrait.crop(photo), portrait.image)


@pytest.mark.parametrize("size", [64, 192, 256])
def test_gradient_of_the_crop(one, size):
    """Of small and enlarged crops: the analytic gradient is the numerical one."""
    portrait = find_portrait(torch.rand(3, 300, 400), size, backend=one)
    generator = torch.Generator().manual_seed(1)
    photo = torch.rand(3, 300, 400, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(3, size, size, generator=generator, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((portrait.crop(photo) * weights).sum(), photo)
    direction = torch.randn(3, 300, 400, generator=generator, dtype=torch.float64)
    difference = (portrait.crop(photo + direction) - portrait.crop(photo - direction)) / 2
    numerical = (difference * weights).sum()
    torch.testing.assert_close((gradient * direction).sum(), numerical)


def test_gradient_is_zero_outside_the_crop(photo, one):
    portrait = find_portrait(photo, 64, backend=one)
    photo = photo.requires_grad_()
    portrait.crop(photo).sum().backward()
    rows, columns = portrait.window.slices
    assert (photo.grad[:, rows, columns] > 0).all()
    photo.grad[:, rows, columns] = 0
    assert not photo.grad.any()


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("size", [64, 128, 320])
def test_pasting_undoes_cropping(photo, one, size, whole):
    portrait = find_portrait(photo, size, backend=one, whole=whole)
    change = smooth(3, size)
    cropped = portrait.crop(photo + portrait.paste(change))
    assert (cropped - portrait.image - change).abs().max() < 0.03 * change.abs().max()


def test_pasting_stays_within_the_crop(photo, one):
    portrait = find_portrait(photo, 64, backend=one)
    pasted = portrait.paste(torch.ones(3, 64, 64))
    rows, columns = portrait.window.slices
    assert torch.allclose(pasted[:, rows, columns], torch.tensor(0.5))
    assert pasted.sum() == pytest.approx(0.5 * 3 * portrait.window.height**2)


def test_pasting_never_exceeds_the_change(photo, one):
    portrait = find_portrait(photo, 64, backend=one)
    change = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(2)).sign() * 0.1
    assert portrait.paste(change).abs().max() <= 0.05 + 1e-6


def test_pasting_is_differentiable(photo, one):
    portrait = find_portrait(photo, 64, backend=one)
    change = torch.zeros(3, 64, 64, requires_grad=True)
    portrait.paste(change).sum().backward()
    assert (change.grad > 0).all()


def test_half_precision(photo, one):
    portrait = find_portrait(photo.to(torch.bfloat16), 64, backend=one)
    assert portrait.image.dtype == torch.bfloat16
    assert portrait.paste(portrait.image).dtype == torch.bfloat16


def test_cropping_takes_memory_for_the_crop_only(photo, one):
    """A photo of a million by a million pixels, of which none is stored, fits no memory."""
    side = 1_000_000
    portrait = find_portrait(photo, 64, backend=one)
    portrait = dataclasses.replace(portrait, photo_size=(side, side))
    cropped = portrait.crop(torch.ones(3, 1, 1).expand(3, side, side))
    torch.testing.assert_close(cropped, torch.ones(3, 64, 64))


def test_face_mask_is_soft_and_on_the_face(photo, one):
    mask = find_portrait(photo, 64, backend=one).face_mask(softness=0.2)
    assert mask.shape == (1, 300, 400)
    assert mask[0, 150, 200] == pytest.approx(1, abs=1e-3)
    assert mask[0, 150, 200 + 48] == pytest.approx(0.5, abs=0.1)  # the outline, grown by 1.2
    assert mask[0, 150, 200 + 75] < 0.01
    steps = mask[0, 150].diff().abs().max()
    assert steps < 0.12


def test_face_mask_without_softness_is_hard(photo, one):
    mask = find_portrait(photo, 64, backend=one).face_mask(softness=0)
    between = ((mask > 0.01) & (mask < 0.99)).float().mean()
    assert between < 0.01


def test_face_mask_at_the_edge_does_not_fade_there(photo):
    portrait = find_portrait(photo, 64, backend=Given([face_at(200, 290, 100)]))
    assert portrait.face_mask(0.2)[0, 299, 200] == pytest.approx(1, abs=0.02)


def test_largest_of_several(photo):
    backend = Given([face_at(100, 150, 120), face_at(300, 150, 80)])
    assert find_portrait(photo, 64, backend=backend).face is backend.faces[0]


def test_another_of_several(photo):
    backend = Given([face_at(100, 150, 120), face_at(300, 150, 80)])
    assert find_portrait(photo, 64, backend=backend, which=1).face is backend.faces[1]


def test_all_of_several(photo):
    backend = Given([face_at(100, 150, 120), face_at(300, 150, 80)])
    portraits = find_portraits(photo, 64, backend=backend, padding=0.1)
    assert [portrait.face for portrait in portraits] == backend.faces
    assert portraits[1].window.height == 96


def test_no_portraits_without_faces(photo):
    assert find_portraits(photo, 64, backend=Given([])) == []


def test_no_face_says_how_to_go_on(photo):
    with pytest.raises(SilencerError, match=r"no face was found\. Give a mask"):
        find_portrait(photo, 64, backend=Given([]))


@pytest.mark.parametrize("which", [1, -1, "left"])
def test_face_that_is_not_there_is_refused(photo, one, which):
    with pytest.raises(SilencerError, match="the photo has 1"):
        find_portrait(photo, 64, backend=one, which=which)


@pytest.fixture
def face_mask():
    mask = torch.zeros(300, 400)
    mask[60:160, 240:320] = 1
    return mask


def test_face_mask_replaces_detection(photo, face_mask):
    portrait = find_portrait(photo, 128, backend=Given([]), face_mask=face_mask, padding=0.5)
    assert portrait.window == Window(180, 2, 380, 202)
    assert portrait.face is None
    rows, columns = portrait.window.slices
    region = torch.nn.functional.interpolate(
        face_mask[None, None, rows, columns], (128, 128), mode="bilinear", antialias=True
    )[0, 0]
    torch.testing.assert_close(portrait.face_region[0], region, rtol=0, atol=1.5 / 255)


def test_lips_are_guessed_within_a_face_mask(photo, face_mask):
    portrait = find_portrait(photo, 256, backend=Given([]), face_mask=face_mask)
    lip = portrait.masks[0][2].view(32, 32)
    row, column = divmod(int(lip.argmax()), 32)
    scale = portrait.window.height / 32
    assert portrait.window.left + column * scale == pytest.approx(280, abs=2 * scale)
    assert portrait.window.top + row * scale == pytest.approx(60 + 72, abs=2 * scale)


def test_detected_face_within_a_mask_gives_lips_and_identity(photo, face_mask):
    known = np.ones(512, dtype=np.float32)
    inside = face_at(280, 110, 90, embedding=known)
    backend = Given([face_at(100, 150, 150), inside])
    portrait = find_portrait(photo, 64, backend=backend, face_mask=face_mask)
    assert portrait.face is inside
    assert portrait.embedding.all()


def test_lip_mask_replaces_the_lips(photo, one):
    lips = torch.zeros(1, 300, 400)
    lips[:, 110:125, 190:210] = 1
    portrait = find_portrait(photo, 256, backend=one, lip_mask=lips)
    lip = portrait.masks[0][2].view(32, 32)
    row = int(lip.argmax()) // 32
    middle = portrait.window.top + (row + 0.5) * portrait.window.height / 32
    assert middle == pytest.approx(117, abs=6)


def test_given_face_mask_is_the_photos_face_mask(photo, face_mask):
    portrait = find_portrait(photo, 64, backend=Given([]), face_mask=face_mask)
    difference = (portrait.face_mask(softness=0)[0] - face_mask).abs()
    assert difference.mean() < 0.005


def test_mask_of_another_size_is_refused(photo, one):
    with pytest.raises(SilencerError, match=r"face mask.*\[300, 400\]"):
        find_portrait(photo, 64, backend=one, face_mask=torch.ones(400, 300))


def test_empty_mask_is_refused(photo, one):
    with pytest.raises(SilencerError, match="lip mask: it is empty"):
        find_portrait(photo, 64, backend=one, lip_mask=torch.zeros(300, 400))


def test_size_that_the_generator_cannot_take_is_refused(photo, one):
    with pytest.raises(SilencerError, match=r"portrait size 100.*multiples of 64"):
        find_portrait(photo, 100, backend=one)


def test_photo_of_another_size_is_refused(photo, one):
    portrait = find_portrait(photo, 64, backend=one)
    with pytest.raises(SilencerError, match="400 x 300"):
        portrait.crop(photo[:, :200])


def test_change_of_another_size_is_refused(photo, one):
    portrait = find_portrait(photo, 64, backend=one)
    with pytest.raises(SilencerError, match="64, 64"):
        portrait.paste(torch.zeros(3, 32, 32))


def test_wrong_padding_is_refused(photo, one):
    with pytest.raises(SilencerError, match="padding -1"):
        find_portrait(photo, 64, backend=one, padding=-1)


def test_wrong_softness_is_refused(photo, one):
    with pytest.raises(SilencerError, match="softness 2"):
        find_portrait(photo, 64, backend=one).face_mask(2)
