"""Reports as tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from .image import Visibility
from .report import METRICS, Report

if TYPE_CHECKING:
    from rich.table import Table

_STYLES = {
    "protected": "green",
    "weakened": "yellow",
    "not protected": "red",
    "cannot be judged": "dim",
}
_RELATIVE = ("gain", "window", "control_lips")


def robustness_table(reports: Iterable[Report]) -> Table:
    """A block per clean-up and guidance, a row per photo; fits 80 columns."""
    heads = ("gain", "rel.\ngain", "rel.\nwindow", "rel.\ncontrol", "sync", "ID\nlost")
    table = _table("photo", *heads, width=28)
    table.caption = (
        "rel.: by the unprotected photo's; gain, window, control, sync: lower = better protected; "
        "ID lost, dB: 0 = the face is kept"
    )
    for report in reports:
        style = _STYLES[report.verdict]
        table.add_row(
            f"[bold]{report.purify}[/]\nguidance {report.guidance:g}: [{style}]{report.verdict}[/]"
        )
        for one in report.everyone:
            relative = [_number(report.ratio(name, one)) for name in _RELATIVE]
            relative.append(_number(one.scores.sync))
            relative.append(f"{round(report.identity_drop(one), 1) + 0.0:+.1f}")
            table.add_row(one.photo, _number(one.scores.gain), *relative)
        table.add_section()
    return table


def score_table(report: Report) -> Table:
    """Every figure of one report, with what it means."""
    names = [one.photo.replace("noise of equal ", "noise\n") for one in report.everyone]
    table = _table("figure", *names, "rel.", width=25)
    for metric in METRICS:
        relative = "" if metric.name == "identity" else _number(report.ratio(metric.name))
        table.add_row(
            f"{metric.title}\n[dim]{metric.meaning}[/]",
            *(_number(getattr(one.scores, metric.name)) for one in report.everyone),
            relative,
        )
    return table


def visibility_table(seen: Mapping[str, Visibility]) -> Table:
    """How visible changes are, one row each."""
    table = _table("over", "PSNR", "SSIM", "MS-SSIM", "colour", "LPIPS", "L-inf", "L2")
    for name, one in seen.items():
        table.add_row(
            name,
            f"{one.psnr:.1f} dB",
            f"{one.ssim:.3f}",
            f"{one.ms_ssim:.3f}",
            f"{one.delta_e:.2f}",
            "–" if one.lpips is None else f"{one.lpips:.3f}",
            f"{one.linf:.0f}/255",
            f"{one.l2:.2f}",
        )
    table.caption = (
        "PSNR, SSIM, MS-SSIM: higher = less visible; others: lower = less visible; colour: mean "
        "CIEDE2000; –: not installed"
    )
    return table


def _table(first: str, *columns: str, width: int | None = None) -> Table:
    """`width`: least characters of the first column; the headings of the others give way."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 0, 0, 1), caption_justify="left")
    table.add_column(first, overflow="fold", min_width=width)
    for column in columns:
        table.add_column(column, justify="right", overflow="fold")
    return table


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"
