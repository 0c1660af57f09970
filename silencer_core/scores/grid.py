"""A protection under every clean-up and every guidance that was tried."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from .image import Visibility
from .report import Report, Verdict, meanings, plain

_WORST_LAST: tuple[Verdict, ...] = (
    "protected",
    "weakened",
    "not protected",
    "cannot be judged",
)


@dataclasses.dataclass(frozen=True)
class Grid:
    """Reports, and how visible the protection is.

    Attributes:
        reports: one for each clean-up and guidance.
        default_guidance: the generator's own.
        photo: visibility over the whole photo.
        face: visibility over the unprotected photo's portrait.
        controls: visibility of each control over that portrait.
        settings: seeds, steps, frames and the number of speeches.
    """

    reports: tuple[Report, ...]
    default_guidance: float
    photo: Visibility
    face: Visibility
    controls: dict[str, Visibility] = dataclasses.field(default_factory=dict)
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)

    def report(self, purify: str, guidance: float) -> Report:
        """The one of this clean-up and guidance; KeyError if it was not tried."""
        for report in self.reports:
            if report.purify == purify and report.guidance == guidance:
                return report
        raise KeyError((purify, guidance))

    @property
    def judged(self) -> tuple[Report, ...]:
        """The reports at the default guidance; where it was not tried, at the highest."""
        tried = {report.guidance for report in self.reports}
        guidance = self.default_guidance if self.default_guidance in tried else max(tried)
        return tuple(report for report in self.reports if report.guidance == guidance)

    @property
    def verdict(self) -> Verdict:
        """The worst of `judged`."""
        return max((report.verdict for report in self.judged), key=_WORST_LAST.index)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of all reports, each said once, with the places where it holds."""
        places: dict[str, list[str]] = {}
        for report in self.reports:
            for note in report.notes:
                places.setdefault(note, []).append(f"{report.purify} at {report.guidance:g}")
        return tuple(f"{note} ({'; '.join(where)})" for note, where in places.items())

    def to_json(self) -> str:
        """Everything, and what each figure means."""
        return json.dumps(
            {
                "meaning": meanings(),
                "verdict": self.verdict,
                "default_guidance": self.default_guidance,
                "settings": plain(self.settings),
                "visibility": {
                    "photo": plain(dataclasses.asdict(self.photo)),
                    "face": plain(dataclasses.asdict(self.face)),
                    "controls": {
                        name: plain(dataclasses.asdict(seen))
                        for name, seen in self.controls.items()
                    },
                },
                "reports": [report.as_dict() for report in self.reports],
            },
            indent=2,
        )
