"""Voices that come with the package: synthesised sentences, so that no recording is needed.

`protect_*.ogg` are what a protection is made against when no recording is given;
`held_out_*.ogg` are other voices and sentences, which neither training nor protection hears, for
measuring. All were made by `silencer_core.generators.mini.train voices` with espeak-ng and flite.
"""

from __future__ import annotations

from pathlib import Path

from silencer_core.audio import Speech, read_speech

FOLDER = Path(__file__).parent


def default_voices() -> list[Speech]:
    """What a protection is made against."""
    return _read("protect_*.ogg")


def held_out_voices() -> list[Speech]:
    """What a protection, or the built-in generator, is measured with."""
    return _read("held_out_*.ogg")


def _read(pattern: str) -> list[Speech]:
    return [read_speech(path) for path in sorted(FOLDER.glob(pattern))]
