"""Whether a generator on disk is complete and whether its weights fit its configuration."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from silencer_core.errors import SilencerError
from silencer_core.weight_files import open_weights

from .folder import PARTS, Part, PublishedFolder, look, read_json
from .stored import MODULES, StoredHallo, open_folder, open_stored

_ONNX = b"\x08"  # field 1 of a ModelProto, its format version


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was found of one part.

    Attributes:
        part: which.
        state: "found", "missing" or "wrong".
        detail: where it was found, or what is missing or wrong.
        bytes: size on disk.
    """

    part: Part
    state: str
    detail: str
    bytes: int

    @property
    def stops(self) -> bool:
        """Whether the generator cannot be used because of this."""
        return self.state == "wrong" or (self.state == "missing" and not self.part.without)


@dataclasses.dataclass(frozen=True)
class Report:
    """What was found of a generator: part by part, and what is wrong with them together."""

    findings: list[Finding]
    contradiction: str = ""

    @property
    def stops(self) -> list[str]:
        """Why the generator cannot be used; empty if it can."""
        parts = [finding.part.name for finding in self.findings if finding.stops]
        return parts + (["the configuration"] if self.contradiction and not parts else [])


def check(path: str | Path) -> Report:
    """What is there, missing or wrong of the generator at `path`, folder or converted file.

    Reads headers and configurations, not values: keys, shapes and completeness are checked.

    Raises:
        SilencerError: if there is nothing at `path`, or a file that is no generator.
    """
    path = Path(path)
    if path.is_file():
        return Report(_check_file(path))
    found = look(path)
    stored, contradiction = None, ""
    if not any(found.missing(part) for part in PARTS if not part.without):
        try:
            stored = open_folder(found)
        except SilencerError as error:
            contradiction = str(error)
    return Report([_check_part(part, found, stored) for part in PARTS], contradiction)


def _check_part(part: Part, found: PublishedFolder, stored: StoredHallo | None) -> Finding:
    files = found.files(part)
    size = sum(file.stat().st_size for file in files)
    if part.name == "faces":
        return _check_faces(part, found.missing(part), files)
    if missing := found.missing(part):
        return Finding(part, "missing", f"{', '.join(missing)} missing", size)
    place = str(files[0].relative_to(found.root))
    try:
        for file in files:
            _ = read_json(file) if file.suffix == ".json" else open_weights(file)
        if stored is None and part.name in MODULES:
            return Finding(part, "found", f"{place}, not compared: the sizes are unknown", size)
        if problem := _problem(part.name, stored):
            return Finding(part, "wrong", problem, size)
    except SilencerError as error:
        return Finding(part, "wrong", str(error), size)
    return Finding(part, "found", place, size)


def _check_faces(part: Part, missing: list[str], files: list[Path]) -> Finding:
    size = sum(file.stat().st_size for file in files)
    if not files:
        return Finding(part, "missing", f"without them {part.without}", 0)
    if missing:  # the face finder takes all or none
        present = ", ".join(file.name for file in files)
        return Finding(part, "wrong", f"{', '.join(missing)} missing beside {present}", size)
    for file in files:
        with file.open("rb") as opened:
            start = opened.read(1)
        if start != _ONNX:
            return Finding(part, "wrong", f"{file.name} is not an ONNX model", size)
    return Finding(part, "found", ", ".join(file.name for file in files), size)


def _check_file(path: Path) -> list[Finding]:
    stored, beside = open_stored(path), look(path.parent)
    findings = []
    for part in PARTS:
        if part.name == "faces":
            findings.append(_check_faces(part, beside.missing(part), beside.files(part)))
        elif problem := _problem(part.name, stored):
            findings.append(Finding(part, "wrong", problem, 0))
        else:
            findings.append(Finding(part, "found", path.name, _bytes_inside(part.name, stored)))
    return findings


def _problem(name: str, stored: StoredHallo | None) -> str:
    if stored is None or name not in MODULES:
        return ""
    different = stored.weights[name].difference(stored.build(name))
    return str(different) if different else ""


def _bytes_inside(name: str, stored: StoredHallo) -> int:
    if name not in MODULES:
        return 0
    weights = stored.weights[name]
    keys = stored.build(name).state_dict()
    headers = open_weights(weights.path).headers
    return sum(headers[weights.prefix + key].nbytes for key in keys)
