"""Finding faces: backends that say where a face, its lips and its outline are, and who it is."""

from __future__ import annotations

import os

from silencer_core.faces.cascade import CascadeBackend
from silencer_core.faces.face import Face, FaceBackend
from silencer_core.faces.published import OnnxBackend, models_folder

__all__ = ["CascadeBackend", "Face", "FaceBackend", "OnnxBackend", "default_backend"]


def default_backend(face_analysis_folder: str | os.PathLike[str] | None = None) -> FaceBackend:
    """The published networks where they are present, else the built-in cascade.

    Args:
        face_analysis_folder: the published `face_analysis` folder or the `models` folder in it;
            it may be absent or hold no networks.

    Raises:
        SilencerError: networks are present but cannot be used: one is missing or damaged, or
            onnxruntime is not installed.
    """
    if face_analysis_folder is not None and any(models_folder(face_analysis_folder).glob("*.onnx")):
        return OnnxBackend(face_analysis_folder)
    return CascadeBackend()
