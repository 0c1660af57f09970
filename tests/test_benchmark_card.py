"""benchmarks/card.py: tables say what the figures say."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def card(benchmark_script):
    return benchmark_script("card")


def row(preset: str, purify: str, guidance: float, gain: float, window: float) -> dict:
    def figure(value: float) -> dict:
        return {"median": value, "low": value - 0.1, "high": value + 0.1}

    told = {"preset": preset, "purify": purify, "guidance": guidance}
    return told | {"gain_ratio": figure(gain), "window_ratio": figure(window)}


def test_a_figure_of_no_portrait_is_a_dash(card):
    told = {"median": 0.3, "low": 0.2, "high": 0.4, "p90": 0.35, "count": 3}
    nothing = dict.fromkeys(told) | {"count": 0}
    seen = {"identity_drop_db": 0.8, "psnr": 34.4, "ssim": 0.94, "cpu_seconds": 494}
    one = {"preset": "knowing", "purify": "none", "guidance": 1.0, "portraits": 3} | seen
    one |= {"gain_ratio": nothing, "window_ratio": told, "noise_gain_ratio": nothing}
    *_, line = card.protections([one]).splitlines()
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[3:9] == ["3 (0)", "–", "–", "0.300 (0.200 to 0.400)", "0.35", "–"]


def test_the_colour_difference_is_shown_where_every_row_has_it(card):
    told = {"median": 0.3, "low": 0.2, "high": 0.4, "p90": 0.35, "count": 3}
    seen = {"identity_drop_db": 0.8, "psnr": 34.4, "ssim": 0.94, "cpu_seconds": 494}
    old = {"preset": "fast", "purify": "none", "guidance": 1.0, "portraits": 3} | seen
    old |= dict.fromkeys(("gain_ratio", "window_ratio", "noise_gain_ratio"), told)
    new = old | {"delta_e": 1.234}
    head, _, line = card.protections([new]).splitlines()
    assert head.split(" | ")[-2:] == ["CIEDE2000", "CPU seconds |"]
    assert line.endswith("| 0.940 | 1.23 | 494 |")
    for rows in ([old], [old, new]):
        assert "CIEDE2000" not in card.protections(rows)


def test_silence_is_shown_beside_how_many_spoke(card):
    gain = {"median": 0.02, "low": 0.01, "high": 0.03, "p90": 0.07, "count": 16}
    cell = {"preset": "strong", "purify": "none", "guidance": 1.0}
    row = cell | {"portraits": 20, "gain_ratio": gain}
    *_, line = card.silence({"rows": [row]}).splitlines()
    assert line == "| strong | none | 1 | 20 (16) | 0.020 (0.010 to 0.030) | 0.07 |"


def test_a_grid_has_methods_down_and_clean_ups_across(card):
    rows = [
        row("ours", "none", 2.0, 0.01, 0.13),
        row("ours", "jpeg:75", 2.0, 0.02, 0.14),
        row("other", "none", 2.0, 0.9, 0.8),
        row("other", "none", 5.0, 0.7, 0.7),
    ]
    assert card.grid({"rows": rows}, 2.0).splitlines() == [
        "| method | none | jpeg:75 |",
        "|---|---|---|",
        "| ours | 0.01 / 0.13 | 0.02 / 0.14 |",
        "| other | 0.90 / 0.80 |  |",
    ]


def test_duels_count_cells_and_show_the_closest(card):
    found = [row("other", "none", 2.0, 0.05, 0.5), row("other", "blur:1", 5.0, 0.3, -0.2)]
    *_, line = card.duels({"duels": found}).splitlines()
    assert line == "| other | 2 | 2 | 1 | +0.050: none, 2 | 1 | 1 | -0.200: blur:1, 5 |"


def test_ablations_show_what_a_setting_leaves_and_mark_sure_differences(card):
    cost = {"psnr": 42.25, "cpu_seconds": 8.9}
    rows = [
        row("as it is", "none", 2.0, 0.01, 0.2) | cost,
        row("less", "none", 2.0, 0.2, 0.25) | cost,
    ]
    figures = {"rows": rows, "duels": [row("less", "none", 2.0, 0.19, 0.05)]}
    assert card.ablations(figures).splitlines() == [
        "| setting | gain, none | window, none | PSNR, dB | CPU seconds |",
        "|---|---|---|---|---|",
        "| as it is | 0.010 | 0.200 | 42.2 | 8.9 |",
        "| less | 0.200 (**+0.190**) | 0.250 (+0.050) | 42.2 | 8.9 |",
    ]


def test_the_least_stands_beside_what_was_left_before(card):
    told = {"preset": "strong, all-knowing", "beside": "strong before"}
    told |= {"purify": "none", "guidance": 2.0}
    told |= {"before": 0.24, "least": 0.189, "ratio": 0.189 / 0.24}
    assert card.least({"least": [told]}).splitlines()[2:] == [
        "| strong, all-knowing | strong before | none | 2 | 0.240 | 0.189 | 0.79 |"
    ]


def test_the_worst_tenth_is_bold_where_a_quarter_less_is_left_than_before(card):
    def found(before: float, now: float) -> dict:
        return {"before": before, "now": now, "ratio": now / before, "low": 0.5, "high": 1.25}

    told = {"preset": "strong~29", "beside": "strong before", "purify": "none", "guidance": 2.0}
    told |= {"gain_ratio": found(0.1, 0.075), "window_ratio": found(0.4, 0.32)}
    assert card.tails({"tails": [told]}).splitlines()[2:] == [
        "| strong~29 | strong before | none | 2 | 0.100 | 0.075 | **0.75** (0.50 to 1.25) "
        "| 0.400 | 0.320 | 0.80 (0.50 to 1.25) |"
    ]
