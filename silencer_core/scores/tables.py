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


def robustness_table(reports: Iterable[Report]) -> Table:
    """One row per clean-up, guidance and photo; ratios are relative to the unprotected photo."""
    table = _table(
        "clean-up, guidance, photo",
        "gain",
        "rel. gain",
        "rel. window",
        "rel. response",
        "rel. audio control",
        "sync (other speech)",
        "identity lost",
        "verdict",
    )
    for report in reports:
        for one in report.everyone:
            changed = one is not report.unprotected
            ratios = (
                _number(report.ratio(name, one)) if changed else ""
                for name in ("gain", "window", "response", "control_lips")
            )
            scores, style = one.scores, _STYLES[report.verdict]
            table.add_row(
                f"{report.purify}, {report.guidance:g}, {one.photo}",
                _number(scores.gain),
                *ratios,
                f"{_number(scores.sync)} ({_number(scores.sync_shuffled)})",
                f"{report.identity_drop(one):+.1f} dB" if changed else "",
                f"[{style}]{report.verdict}[/]" if one is report.protected else "",
            )
        table.add_section()
    return table


def score_table(report: Report) -> Table:
    """Every figure of one report, with what it means."""
    names = [one.photo for one in report.everyone]
    table = _table("figure", *names, "relative", "meaning")
    for metric in METRICS:
        values = [getattr(one.scores, metric.name) for one in report.everyone]
        relative = "" if metric.name == "identity" else _number(report.ratio(metric.name))
        table.add_row(
            f"{metric.title} [{metric.unit}]".replace("[", "\\["),
            *(_number(value) for value in values),
            relative,
            metric.meaning,
        )
    return table


def visibility_table(seen: Mapping[str, Visibility]) -> Table:
    """How visible changes are, one row each."""
    table = _table("over", "PSNR", "SSIM", "MS-SSIM", "LPIPS", "L-inf", "L2")
    for name, one in seen.items():
        table.add_row(
            name,
            f"{one.psnr:.1f} dB",
            f"{one.ssim:.3f}",
            f"{one.ms_ssim:.3f}",
            "not installed" if one.lpips is None else f"{one.lpips:.3f}",
            f"{one.linf:.0f}/255",
            f"{one.l2:.2f}",
        )
    table.caption = "PSNR, SSIM, MS-SSIM: higher = less visible; the others: lower = less visible"
    return table


def _table(first: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", overflow="fold")
    return table


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"
