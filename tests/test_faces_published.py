"""The published networks' inputs and outputs, on small graphs of the same layout.

Each graph answers with what it sees, so that a wrong crop, channel order, anchor order or value
range shows in the result.
"""

from __future__ import annotations

import builtins

import numpy as np
import onnx
import pytest
import torch

from silencer_core.errors import SilencerError
from silencer_core.faces import CascadeBackend, OnnxBackend, default_backend

HEADER = '<ir_version: 8, opset_import: ["" : 13]>'
STRIDES = (8, 16, 32)

# A detection's box and its five points, in strides from the anchor.
REACH = np.float32([2, 1, 6, 4])  # left, up, right, down
POINTS = np.float32([[1, 1], [3, 1], [2, 2], [1, 3], [3, 3]])

# Where eyes, nose and corners of the mouth belong in the 112 pixels that ArcFace sees, and the
# colours put there.
ARCFACE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655],
     [70.7299, 92.2041]]
)  # fmt: skip
COLOURS = np.float32([[255, 0, 51], [0, 255, 102], [51, 51, 255], [204, 153, 0], [102, 0, 204]])


def save(path, text, **constants):
    model = onnx.parser.parse_model(f"{HEADER}\n{text}")
    for name, value in constants.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    onnx.save(model, path)


def write_detector(folder, *, sure_stride=8, points=POINTS):
    """Scores the mean red of each cell at one stride, for the second of its two anchors."""
    lines, constants = ["red = Gather <axis = 1> (image, first)"], {"first": np.int64([0])}
    for stride in STRIDES:
        cells = (640 // stride) ** 2
        lines.append(f"""
            c{stride} = AveragePool <kernel_shape = [{stride}, {stride}],
                                     strides = [{stride}, {stride}]> (red)
            l{stride} = Reshape (c{stride}, column)
            p{stride} = Mul (l{stride}, sure{stride})
            score{stride} = Reshape (p{stride}, column)
            b{stride} = Expand (reach, one{stride})
            box{stride} = Reshape (b{stride}, four)
            point{stride} = Expand (points, two{stride})
        """)
        constants[f"sure{stride}"] = np.float32([[0, stride == sure_stride]])
        constants[f"one{stride}"] = np.int64([cells, 2, 4])
        constants[f"two{stride}"] = np.int64([2 * cells, 10])
    kinds = {"score": 1, "box": 4, "point": 10}
    outputs = [f"float[A, {n}] {kind}{stride}" for kind, n in kinds.items() for stride in STRIDES]
    save(
        folder / "scrfd_10g_bnkps.onnx",
        f"detector (float[1, 3, H, W] image) => ({', '.join(outputs)}) {{ {' '.join(lines)} }}",
        column=np.int64([-1, 1]),
        four=np.int64([-1, 4]),
        reach=np.stack([np.ones(4, np.float32), REACH])[None],
        points=points.reshape(1, 10),
        **constants,
    )


def write_landmarks(folder, name="1k3d68.onnx", count=1103, dimensions=3, offsets=None):
    """Puts its last points around the greenest pixel, `offsets` pixels of its crop away."""
    table = np.zeros((count, dimensions), np.float32)
    if offsets is not None:
        table[-len(offsets) :, :2] = offsets / 96
    save(
        folder / name,
        """landmarks (float[N, 3, 192, 192] data) => (float[1, K] fc1) {
            green = Gather <axis = 1> (data, second)
            flat = Reshape (green, row)
            at = ArgMax <axis = 1> (flat)
            y = Div (at, side)
            x = Mod (at, side)
            place = Concat <axis = 1> (x, y, rest)
            pixel = Cast <to = 1> (place)
            half = Div (pixel, ninetysix)
            centred = Sub (half, ones)
            all = Add (centred, table)
            fc1 = Reshape (all, row)
        }""",
        second=np.int64([1]),
        row=np.int64([1, -1]),
        side=np.int64([192]),
        rest=np.zeros((1, dimensions - 2), np.int64),
        ninetysix=np.float32([96]),
        ones=np.float32([1, 1] + [0] * (dimensions - 2)),
        table=table,
    )


def write_identity(folder):
    """Begins with what it sees at the five points: red, green, blue of each."""
    x, y = ARCFACE.round().astype(np.int64).T
    save(
        folder / "glintr100.onnx",
        """identity (float[N, 3, 112, 112] data) => (float[1, 512] embedding) {
            channels = Reshape (data, three)
            seen = Gather <axis = 1> (channels, places)
            colours = Transpose <perm = [1, 0]> (seen)
            known = Reshape (colours, row)
            embedding = Concat <axis = 1> (known, zeros)
        }""",
        three=np.int64([3, -1]),
        places=y * 112 + x,
        row=np.int64([1, -1]),
        zeros=np.zeros((1, 497), np.float32),
    )


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "face_analysis" / "models"
    folder.mkdir(parents=True)
    write_detector(folder)
    write_landmarks(folder)
    write_identity(folder)
    return folder


def picture(height=640, width=640):
    return torch.zeros(3, height, width)


def redden(photo, left, top, side=8):
    photo[0, top : top + side, left : left + side] = 1


def test_box_lies_around_its_anchor(models):
    photo = picture()
    redden(photo, left=160, top=240)
    (face,) = OnnxBackend(models).find(photo)
    assert face.box == pytest.approx((160 - 16, 240 - 8, 160 + 48, 240 + 32))
    assert face.score == pytest.approx(127.5 / 128)


@pytest.mark.parametrize("stride", [16, 32])
def test_coarser_strides_reach_further(models, stride):
    write_detector(models, sure_stride=stride)
    photo = picture()
    redden(photo, left=160, top=320, side=stride)
    (face,) = OnnxBackend(models).find(photo)
    left, up, right, down = REACH * stride
    assert face.box == pytest.approx((160 - left, 320 - up, 160 + right, 320 + down))


@pytest.mark.parametrize(("height", "width"), [(1280, 1000), (500, 1280), (320, 200)])
def test_box_is_in_photo_pixels(models, height, width):
    scale = max(height, width) / 640
    photo = picture(height, width)
    redden(photo, left=int(80 * scale), top=int(120 * scale), side=int(8 * scale))
    (face,) = OnnxBackend(models).find(photo)
    expected = np.array([80 - 16, 120 - 8, 80 + 48, 120 + 32]) * scale
    assert face.box == pytest.approx(expected, abs=1e-2 * scale)


def test_no_face_in_a_black_picture(models):
    assert OnnxBackend(models).find(picture()) == []


def test_grey_below_the_threshold_is_no_face(models):
    photo = picture()
    photo[0, 240:248, 160:168] = 0.74  # scored (0.74 * 255 - 127.5) / 128 = 0.48
    assert OnnxBackend(models).find(photo) == []
    assert len(OnnxBackend(models, threshold=0.45).find(photo)) == 1


def test_overlapping_boxes_are_one_face(models):
    photo = picture()
    redden(photo, 160, 240)
    redden(photo, 168, 240)
    assert len(OnnxBackend(models).find(photo)) == 1


def test_boxes_apart_are_two_faces(models):
    photo = picture()
    redden(photo, 160, 240)
    redden(photo, 320, 400)
    assert len(OnnxBackend(models).find(photo)) == 2


def test_stronger_of_two_overlapping_boxes_is_kept(models):
    photo = picture()
    photo[0, 240:248, 160:168] = 0.9
    redden(photo, 168, 240)
    (face,) = OnnxBackend(models).find(photo)
    assert face.box[0] == pytest.approx(168 - 16)


def test_landmarks_return_to_the_photo(models):
    photo = picture()
    redden(photo, 160, 240)
    photo[1, 250, 190] = 1  # inside the crop: 1.5 boxes around (176, 252)
    (face,) = OnnxBackend(models).find(photo)
    crop_pixel = 64 * 1.5 / 192
    assert np.abs(face.lips - [190, 250]).max() <= crop_pixel


@pytest.mark.parametrize(
    ("name", "count", "dimensions", "points", "lips"),
    [("1k3d68.onnx", 1103, 3, 68, slice(48, 60)), ("2d106det.onnx", 106, 2, 106, slice(52, 72))],
)
def test_lips_are_the_networks_mouth_points(models, name, count, dimensions, points, lips):
    (models / "1k3d68.onnx").unlink()
    offsets = np.zeros((points, 2), np.float32)
    offsets[lips] = np.arange(2 * (lips.stop - lips.start)).reshape(-1, 2)
    write_landmarks(models, name, count, dimensions, offsets)
    photo = picture()
    redden(photo, 160, 240)
    photo[1, 230, 150] = 1
    (face,) = OnnxBackend(models).find(photo)
    shape = (face.lips - face.lips[0]) * 2  # a crop pixel is half a photo pixel
    assert shape == pytest.approx(offsets[lips] - offsets[lips][0], abs=1e-3)


def test_outline_goes_from_chin_to_hairline(models):
    offsets = np.zeros((68, 2), np.float32)
    offsets[8] = [0, 100]  # the chin, 100 below the brows
    write_landmarks(models, offsets=offsets)
    photo = picture()
    redden(photo, 160, 240)
    photo[1, 230, 150] = 1
    (face,) = OnnxBackend(models).find(photo)
    top, bottom = face.outline[:, 1].min(), face.outline[:, 1].max()
    assert bottom - top == pytest.approx(50 * 1.24, abs=0.5)


@pytest.mark.parametrize("degrees", [0, 30, -75])
def test_identity_sees_the_upright_face(models, degrees):
    turned = 1.5 * np.exp(1j * np.deg2rad(degrees)) * ((ARCFACE - ARCFACE[2]) @ [1, 1j])
    places = 300 + np.stack([turned.real, turned.imag], axis=-1)
    write_detector(models, points=((places - [160, 240]) / 8).astype(np.float32))
    photo = picture()
    redden(photo, 160, 240)
    for (x, y), colour in zip(places.round().astype(int), COLOURS, strict=True):
        photo[:, y - 4 : y + 5, x - 4 : x + 5] = torch.from_numpy(colour / 255)[:, None, None]
    face = OnnxBackend(models, threshold=0.9).find(photo)[0]
    assert face.embedding.shape == (512,)
    assert face.embedding[:15] == pytest.approx((COLOURS.ravel() - 127.5) / 127.5, abs=1e-5)


def test_largest_face_comes_first(models):
    class Two(OnnxBackend):
        def _detect(self, photo):
            boxes = np.array([[0.0, 0, 50, 50], [100, 100, 300, 300], [20, 20, 90, 90]])
            return boxes, np.array([0.9, 0.6, 0.8]), np.stack([ARCFACE] * 3)

    faces = Two(models).find(picture())
    assert [face.box[2] for face in faces] == [300, 90, 50]


def test_folder_above_the_models_will_do(models):
    assert OnnxBackend(models.parent).name == "onnx"


@pytest.mark.parametrize("name", ["scrfd_10g_bnkps.onnx", "1k3d68.onnx", "glintr100.onnx"])
def test_missing_file_is_named(models, name):
    (models / name).unlink()
    with pytest.raises(SilencerError, match=f"{name}: the file is missing"):
        OnnxBackend(models)


def test_damaged_file_is_named(models):
    (models / "glintr100.onnx").write_bytes(b"not a network")
    with pytest.raises(SilencerError, match=r"glintr100\.onnx: not a network"):
        OnnxBackend(models)


def test_network_under_another_name_is_refused(models):
    (models / "1k3d68.onnx").replace(models / "scrfd_10g_bnkps.onnx")
    write_landmarks(models)
    with pytest.raises(SilencerError, match="1 outputs, expected 9"):
        OnnxBackend(models)


def test_too_few_landmarks_are_refused(models):
    write_landmarks(models, count=50)
    photo = picture()
    redden(photo, 160, 240)
    with pytest.raises(SilencerError, match=r"1k3d68\.onnx.*150 values"):
        OnnxBackend(models).find(photo)


def test_missing_onnxruntime_is_explained(models, monkeypatch):
    real = builtins.__import__

    def without_onnxruntime(name, *rest, **options):
        if name.startswith("onnxruntime"):
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without_onnxruntime)
    with pytest.raises(SilencerError, match=r'pip install "silencer\[faces\]"'):
        OnnxBackend(models)


def test_published_networks_are_preferred(models):
    assert isinstance(default_backend(models.parent), OnnxBackend)


@pytest.mark.parametrize("folder", [None, "nowhere", "."])
def test_cascade_without_networks(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(default_backend(folder), CascadeBackend)


def test_incomplete_networks_are_refused_not_replaced(models):
    (models / "scrfd_10g_bnkps.onnx").unlink()
    with pytest.raises(SilencerError, match="scrfd_10g_bnkps"):
        default_backend(models)
