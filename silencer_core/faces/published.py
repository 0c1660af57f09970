"""The published face models through onnxruntime: box, landmarks and identity.

Hallo prepares its portraits with insightface's model pack: SCRFD finds the boxes and five points
(Guo et al. 2021, arXiv:2105.04714), a regression network the landmarks, and an ArcFace network
(Deng et al. 2019, arXiv:1801.07698) the identity. What is fed to each and how its output is read
follows deepinsight/insightface, `python-package/insightface/model_zoo`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.errors import SilencerError
from silencer_core.faces.face import Face
from silencer_core.faces.warp import eight_bits, inverse, mapped, scaling, similarity, warped

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

DETECTOR = "scrfd_10g_bnkps.onnx"
IDENTITY = "glintr100.onnx"

_DETECTION_SIDE = 640
_STRIDES = (8, 16, 32)
_ANCHORS = 2  # per cell
_SAME_FACE = 0.4  # overlap (intersection over union) beyond which the weaker box is dropped

# Where eyes, nose tip and corners of the mouth lie in the 112 pixels that ArcFace sees.
_ARCFACE_SIDE = 112
_ARCFACE_POINTS = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)

# The landmark networks end at the brows; MediaPipe's canonical face has its hairline this much
# above them, as a share of the distance from brows to chin.
_FOREHEAD = 0.24


class _Landmarks(NamedTuple):
    """How a landmark network numbers its points."""

    count: int
    dimensions: int
    jaw: slice
    brows: tuple[slice, slice]
    lips: slice


_LANDMARKS = {  # in order of preference
    "1k3d68.onnx": _Landmarks(68, 3, slice(0, 17), (slice(17, 22), slice(22, 27)), slice(48, 60)),
    "2d106det.onnx": _Landmarks(
        106, 2, slice(0, 33), (slice(43, 52), slice(97, 106)), slice(52, 72)
    ),
}


class OnnxBackend:
    """Faces by the published networks: `scrfd_10g_bnkps`, `1k3d68` (or `2d106det`), `glintr100`.

    Args:
        folder: the published `face_analysis` folder, or the `models` folder in it.
        threshold: boxes scored lower are not faces.

    Raises:
        SilencerError: onnxruntime is not installed, a file is missing, or a file is not the
            network that its name promises.
    """

    name = "onnx"

    def __init__(self, folder: str | os.PathLike[str], *, threshold: float = 0.5) -> None:
        models = models_folder(folder)
        self.threshold = threshold
        self._detector = _open(_present(models, DETECTOR), outputs=3 * len(_STRIDES))
        landmarks = _present(models, *_LANDMARKS)
        self._landmark_network = _open(landmarks, outputs=1)
        self._landmark_file = landmarks.name
        self._identity = _open(_present(models, IDENTITY), outputs=1)

    def find(self, photo: Tensor) -> list[Face]:
        """Find faces.

        Args:
            photo: `[3, H, W]` in 0..1, any float type and device.

        Returns:
            All faces, largest box first, each with its embedding.

        Raises:
            SilencerError: a network's output has not the published shape.
        """
        photo = photo.detach().to("cpu", torch.float32)
        boxes, scores, points = self._detect(photo)
        faces = [self._face(photo, *found) for found in zip(boxes, scores, points, strict=True)]
        return sorted(faces, key=lambda face: -face.area)

    def _detect(self, photo: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes `[N, 4]`, scores `[N]` and five points each `[N, 5, 2]`, in photo pixels."""
        picture, scale = _fitted(photo, *_sides(self._detector, default=_DETECTION_SIDE))
        outputs = _run(self._detector, (picture - 127.5) / 128.0)
        levels = len(_STRIDES)
        boxes, scores, points = [], [], []
        for level, stride in enumerate(_STRIDES):
            centres = _anchor_centres(picture.shape[1:], stride)
            score = _shaped(outputs[level], (len(centres), 1), DETECTOR)[:, 0]
            distance = _shaped(outputs[level + levels], (len(centres), 2, 2), DETECTOR)
            offset = _shaped(outputs[level + 2 * levels], (len(centres), 5, 2), DETECTOR)
            sure = score >= self.threshold
            centres, distance, offset = centres[sure], distance[sure], offset[sure]
            corners = centres[:, None] + distance * stride * np.array([[-1.0], [1.0]])
            boxes.append(corners.reshape(-1, 4))
            scores.append(score[sure])
            points.append(centres[:, None] + offset * stride)
        boxes, points = np.concatenate(boxes) / scale, np.concatenate(points) / scale
        scores = np.concatenate(scores)
        kept = _without_duplicates(boxes, scores)
        return boxes[kept], scores[kept], points[kept]

    def _face(self, photo: Tensor, box: np.ndarray, score: float, points: np.ndarray) -> Face:
        lips, outline = self._lips_and_outline(photo, box)
        return Face(
            box=tuple(float(edge) for edge in box),
            lips=lips,
            outline=outline,
            score=float(score),
            backend=self.name,
            embedding=self._embedding(photo, points),
        )

    def _lips_and_outline(self, photo: Tensor, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        numbering = _LANDMARKS[self._landmark_file]
        side, _ = _sides(self._landmark_network, default=192)
        centre = (box[:2] + box[2:]) / 2
        scale = side / (max(box[2:] - box[:2]) * 1.5)
        to_crop = scaling(scale, side / 2 - centre * scale)
        found = _run(self._landmark_network, warped(photo, to_crop, side))[0]
        if found.size % numbering.dimensions or found.size < numbering.count * numbering.dimensions:
            raise SilencerError(
                _unexpected(self._landmark_file, f"{found.size} values in its output")
            )
        crop_points = found.reshape(-1, numbering.dimensions)[-numbering.count :, :2]
        crop_points = (crop_points.astype(np.float64) + 1) * (side // 2)
        points = mapped(crop_points, inverse(to_crop))
        return points[numbering.lips], _outline(points, numbering)

    def _embedding(self, photo: Tensor, points: np.ndarray) -> np.ndarray:
        side, _ = _sides(self._identity, default=_ARCFACE_SIDE)
        to_crop = similarity(points, _ARCFACE_POINTS * (side / _ARCFACE_SIDE))
        crop = (warped(photo, to_crop, side) - 127.5) / 127.5
        return _run(self._identity, crop)[0].ravel()


def models_folder(folder: str | os.PathLike[str]) -> Path:
    """Where the networks lie: `folder/models` if there is one, else `folder`."""
    folder = Path(folder)
    return folder / "models" if (folder / "models").is_dir() else folder


def _present(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise SilencerError(
        f"{folder / names[0]}: the file is missing. It belongs to the published face models "
        "(face_analysis/models, see `silencer models check`); leave the folder out to use the "
        "built-in face detector"
    )


def _open(path: Path, *, outputs: int) -> InferenceSession:
    try:
        import onnxruntime
    except ImportError:
        raise SilencerError(
            f"{path}: onnxruntime is needed to run this network; install it with "
            'pip install "silencer[faces]"'
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has no common base class
        raise SilencerError(
            f"{path}: not a network that onnxruntime can read ({str(error).splitlines()[0]}); "
            "get the file again"
        ) from None
    found = len(session.get_outputs())
    if found != outputs:
        raise SilencerError(_unexpected(path.name, f"{found} outputs, expected {outputs}"))
    return session


def _unexpected(file: str, found: str) -> str:
    return f"{file}: not the published network of this name: it has {found}"


def _sides(session: InferenceSession, *, default: int) -> tuple[int, int]:
    """Height and width of a network's input; `default` where it takes any."""
    height, width = (
        side if isinstance(side, int) else default for side in session.get_inputs()[0].shape[2:]
    )
    return height, width


def _run(session: InferenceSession, picture: np.ndarray) -> list[Any]:
    name = session.get_inputs()[0].name
    return session.run(None, {name: picture[None].astype(np.float32)})


def _shaped(output: np.ndarray, shape: tuple[int, ...], file: str) -> np.ndarray:
    if output.size != np.prod(shape):
        raise SilencerError(
            _unexpected(file, f"an output of shape {list(output.shape)}, expected {list(shape)}")
        )
    return output.reshape(shape).astype(np.float64)


def _fitted(photo: Tensor, height: int, width: int) -> tuple[np.ndarray, float]:
    """The photo in the upper left of an 8-bit picture `[3, height, width]`, and its scale."""
    rows, columns = photo.shape[1:]
    if rows / columns > height / width:
        inner = height, max(int(height * columns / rows), 1)
    else:
        inner = max(int(width * rows / columns), 1), width
    resized = F.interpolate(photo[None], inner, mode="bilinear")[0]
    picture = np.zeros((3, height, width), dtype=np.float32)
    picture[:, : inner[0], : inner[1]] = eight_bits(resized.numpy())
    return picture, inner[0] / rows


def _anchor_centres(sides: tuple[int, int], stride: int) -> np.ndarray:
    """`[cells * anchors, 2]` as (x, y), row by row, a cell's anchors one after the other."""
    rows, columns = (side // stride for side in sides)
    y, x = np.mgrid[:rows, :columns] * float(stride)
    return np.stack([x, y], axis=-1).reshape(-1, 2).repeat(_ANCHORS, axis=0)


def _without_duplicates(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Non-maximum suppression: indices of the kept boxes, best first. Edges count as pixels."""
    left, top, right, bottom = boxes.T
    areas = (right - left + 1) * (bottom - top + 1)
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest]) + 1
        height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest]) + 1
        shared = width.clip(0) * height.clip(0)
        order = rest[shared / (areas[best] + areas[rest] - shared) <= _SAME_FACE]
    return kept


def _outline(points: np.ndarray, numbering: _Landmarks) -> np.ndarray:
    jaw = points[numbering.jaw]
    brows = np.concatenate([points[part] for part in numbering.brows])
    from_brows = jaw - brows.mean(0)
    chin = from_brows[np.linalg.norm(from_brows, axis=1).argmax()]
    return np.concatenate([jaw, brows - _FOREHEAD * chin])
