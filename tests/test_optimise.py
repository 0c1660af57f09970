"""Budgets and projected gradient descent."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from tiny import drawn_photo, mask_of_face

from silencer_core.errors import SilencerError
from silencer_core.objectives.objective import Step
from silencer_core.optimise.budget import Budget, bounds_within, inside, smoothness
from silencer_core.optimise.canvas import Canvas
from silencer_core.optimise.descent import Descent
from silencer_core.optimise.pgd import pgd
from silencer_core.portrait import Window, find_portrait
from silencer_core.scores.image import visibility
from silencer_core.scores.mouth import mouth_of


@dataclass
class Towards:
    """Squared distance of the pixels to a target, with noise in what a draw shows of it."""

    target: torch.Tensor
    noise: float = 0.0

    def draw(self, random):
        return self.noise * torch.randn(self.target.shape, generator=random)

    def step(self, pixels, draws):
        away = pixels - self.target + draws
        return Step(away.square().mean().item(), 2 * away / away.numel())

    def value(self, pixels, draws):
        return (pixels - self.target + draws).square().mean().item()


@dataclass
class OftenSilent(Towards):
    """Draws of which the first ones say nothing, as pauses in speech do."""

    silent: int = 5

    def draw(self, random):
        self.silent -= 1
        return 0.0 if self.silent >= 0 else 1.0

    def value(self, pixels, draws):
        return draws * super().value(pixels, 0.0)


@pytest.fixture(scope="module")
def scene():
    photo = drawn_photo()
    portrait = find_portrait(photo, 64, face_mask=mask_of_face(), levels=2)
    return photo, portrait


def bounds(photo, portrait, budget):
    return bounds_within(window(photo, portrait), budget.allowed(photo, portrait))


def window(photo, portrait):
    rows, columns = portrait.window.slices
    return photo[:, rows, columns]


@pytest.mark.parametrize("linf", [4 / 255, 16 / 255, 10.5 / 255])
def test_bounds_are_eight_bit_values_within_the_budget(scene, linf):
    pixels = window(*scene)
    low, high = bounds(*scene, Budget(linf, face_only=False))
    for bound in (low, high):
        levels = bound * 255
        assert torch.equal(levels, levels.round())
        assert ((bound - pixels).abs() * 255).max() <= linf * 255 + 1e-3
        assert bound.min() >= 0
        assert bound.max() <= 1
    assert (high - low).max() >= 1.9 * int(linf * 255 + 1e-6) / 255


def test_nothing_may_change_outside_the_face(scene):
    low, high = bounds(*scene, Budget(16 / 255))
    outside = window(scene[1].face_mask(0.1), scene[1]).expand_as(low) < 1 / 16
    assert outside.any()
    assert torch.equal(low[outside], high[outside])
    assert (high - low).max() > 20 / 255


def test_another_face_is_left_to_its_own_protection(scene):
    photo, portrait = scene
    other = find_portrait(photo, 64, face_mask=mask_of_face().roll(-40, dims=1), levels=2)
    alone = Budget(16 / 255, face_only=False).allowed(photo, portrait)
    beside = Budget(16 / 255, face_only=False).allowed(photo, portrait, [other])
    own, theirs = (window(one.face_mask(0.1), portrait) for one in (portrait, other))
    only_theirs = (theirs > 0.99) & (own < 0.01)
    assert only_theirs.any()
    assert beside[only_theirs].max() < 0.02 * 16 / 255
    assert torch.equal(beside[own == 1], alone[own == 1])
    assert torch.equal(beside[theirs == 0], alone[theirs == 0])


def test_the_change_fades_where_the_photo_goes_on_beyond_the_portrait(scene):
    photo, portrait = scene
    assert portrait.window.slices[0].start > 0
    allowed = Budget(16 / 255, face_only=False, softness=0.2).allowed(photo, portrait)[0]
    assert allowed[0].max() < 2 / 255
    assert (allowed.diff(dim=0).abs() < 2 / 255).all()
    assert allowed.max() == pytest.approx(16 / 255)
    hard = Budget(16 / 255, face_only=False, softness=0.0).allowed(photo, portrait)
    assert (hard == hard[0, 0, 0]).all()


def test_the_change_reaches_the_photo_s_own_edge(scene):
    height, width = scene[1].photo_size
    whole = replace(scene[1], window=Window(0, 0, width, height))
    assert (inside(whole, 8.0) == 1).all()


def test_smooth_skin_gets_less(scene):
    plain, careful = (
        bounds(*scene, Budget(16 / 255, face_only=False, smooth_skin=s)) for s in (0.0, 0.8)
    )
    room = [(high - low).mean(0) for low, high in (plain, careful)]
    flat = smoothness(window(*scene))[0]
    assert room[1][flat > 0.9].mean() < 0.4 * room[0][flat > 0.9].mean()
    assert room[1][flat < 0.2].mean() > 0.7 * room[0][flat < 0.2].mean()


def test_the_mouth_gets_more(scene):
    photo, portrait = scene
    plain, focused = (
        Budget(16 / 255, face_only=False, softness=0.0, focus=f).allowed(photo, portrait)
        for f in (0.0, 0.7)
    )
    share = (focused / plain)[0]
    mouth, scale = mouth_of(portrait), portrait.window.height / portrait.size
    assert share[round(mouth.y * scale), round(mouth.x * scale)] > 0.98
    assert share[0, 0] == pytest.approx(0.3, abs=0.02)


def test_sixteen_bit_values_are_rounded_to_their_nearest(scene):
    photo, portrait = scene
    odd = (photo + 0.4 / 255).clamp(0, 1)
    low, high = bounds(odd, portrait, Budget(0.01 / 255, face_only=False))
    assert torch.equal(low, high)
    assert torch.equal(low, (window(odd, portrait) * 255).round() / 255)


@pytest.mark.parametrize(
    "wrong",
    [{"linf": 0}, {"linf": 2}, {"linf": float("nan")}, {"focus": 2}, {"reach": 0}, {"psnr": 51}],
)
def test_impossible_budgets_are_refused(wrong):
    with pytest.raises(SilencerError):
        Budget(**wrong)


@pytest.mark.parametrize(("linf", "psnr"), [(32, 34), (8, 46), (1, 50), (255, 16)])
def test_another_largest_change_is_another_whole_in_proportion(linf, psnr):
    other = Budget(16 / 255, focus=0.5, psnr=40).with_linf(linf / 255)
    assert (other.linf, other.focus) == (linf / 255, 0.5)
    assert other.psnr == pytest.approx(psnr, abs=0.1)


def test_no_bound_on_the_whole_stays_none():
    assert Budget(16 / 255).with_linf(8 / 255) == Budget(8 / 255)


def test_descent_reaches_the_edge_of_the_budget(scene):
    pixels = window(*scene)
    canvas = Canvas.of(*scene, Budget(8 / 255, face_only=False))
    best, course = pgd(canvas, Towards(pixels + 1), Descent(steps=30))
    assert torch.equal(best, canvas.high)
    assert len(course.losses) == 30


def test_result_is_eight_bit_and_within_bounds(scene):
    target = torch.rand(window(*scene).shape, generator=torch.Generator().manual_seed(0))
    canvas = Canvas.of(*scene, Budget(5 / 255))
    low, high = canvas.low, canvas.high
    best, _ = pgd(canvas, Towards(target), Descent(steps=12))
    assert torch.equal(best * 255, (best * 255).round())
    assert (best >= low).all()
    assert (best <= high).all()


def of_both_sizes(pixels, change=0.1):
    """A target that is far away on one side of the picture, and near on the other."""
    left = torch.arange(pixels.shape[-1]) < pixels.shape[-1] // 2
    return pixels + torch.where(left, change, 0.3 * change)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_whole_change_is_as_small_as_the_budget_says(scene, norm):
    canvas = Canvas.of(*scene, Budget(64 / 255, psnr=40))
    best, _ = pgd(canvas, Towards(1 - canvas.pixels), Descent(steps=20, norm=norm, rate=3 / 255))
    assert 40 <= visibility(canvas.pixels, best).psnr < 40.6
    assert torch.equal(best * 255, (best * 255).round())


def test_along_the_gradient_a_change_is_spent_where_it_does_most(scene):
    canvas = Canvas.of(*scene, Budget(64 / 255, face_only=False, psnr=35))
    aim = Towards(of_both_sizes(canvas.pixels))
    left = {
        norm: aim.value(pgd(canvas, aim, Descent(steps=20, norm=norm))[0], 0)
        for norm in ("linf", "l2")
    }
    assert left["l2"] < 0.95 * left["linf"]


def test_what_another_face_has_changed_does_not_count(scene):
    photo, portrait = scene
    changed = (photo + 20 / 255).clamp(0, 1)
    canvas = Canvas.of(photo, portrait, Budget(16 / 255, psnr=40), changed)
    best, _ = pgd(canvas, Towards(canvas.pixels - 1), Descent(steps=20, norm="l2"))
    assert 40 <= visibility(canvas.pixels, best).psnr < 40.6


def test_best_by_validation_is_returned_not_the_last(scene):
    pixels = window(*scene)
    canvas = Canvas.of(*scene, Budget(16 / 255, face_only=False))
    coarse = Descent(steps=9, rate=16 / 255, last_rate=1.0, validate_every=1, momentum=0.0)
    best, course = pgd(canvas, Towards(pixels + 3 / 255), coarse)
    values = [value for _, value in course.validation]
    assert values[-1] > min(values)
    assert Towards(pixels + 3 / 255).value(best, 0) == pytest.approx(min(values))


def test_blurred_gradients_make_coarser_changes(scene):
    target = torch.rand(window(*scene).shape, generator=torch.Generator().manual_seed(0))
    canvas = Canvas.of(*scene, Budget(16 / 255, face_only=False))

    def roughness(smoothing):
        found, _ = pgd(canvas, Towards(target), Descent(steps=8, smoothing=smoothing))
        change = found - canvas.pixels
        return (change.diff(dim=2).abs().mean() / change.abs().mean()).item()

    assert roughness(0.05) < 0.5 * roughness(0.0)


@pytest.mark.parametrize("smoothing", [0.001, 1.0])
def test_any_blur_of_gradients_fits_any_face(scene, smoothing):
    pixels = window(*scene)
    canvas = Canvas.of(*scene, Budget(16 / 255, face_only=False))
    best, _ = pgd(canvas, Towards(pixels + 1), Descent(steps=4, smoothing=smoothing))
    assert (best > pixels).any()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_without_colour_a_change_is_of_brightness_alone(scene, norm):
    canvas = Canvas.of(*scene, Budget(16 / 255, face_only=False))
    wanted = canvas.pixels + torch.tensor([0.2, -0.1, 0.02])[:, None, None]

    def spread(colour):
        found, _ = pgd(canvas, Towards(wanted), Descent(steps=8, norm=norm, colour=colour))
        change = ((found - canvas.pixels) * 255).round()
        room = ((canvas.high - canvas.low) > 30 / 255).all(0)  # where no end of the range is near
        return (change.amax(0) - change.amin(0))[room].float().mean().item()

    assert spread(0.0) <= 1
    assert spread(1.0) > 10


def test_it_stops_when_nothing_improves(scene):
    pixels = window(*scene)
    canvas = Canvas.of(*scene, Budget(8 / 255))
    descent = Descent(steps=200, validate_every=2, patience=2)
    _, course = pgd(canvas, Towards(pixels), descent)
    assert course.flat
    assert len(course.losses) < 50


def test_cancelling_keeps_the_best_so_far(scene):
    pixels = window(*scene)
    canvas = Canvas.of(*scene, Budget(8 / 255, face_only=False))
    done = []
    best, course = pgd(
        canvas,
        Towards(pixels + 1),
        Descent(steps=100, validate_every=1),
        watch=lambda state, _: done.append(state.step),
        cancelled=lambda: done[-1] >= 5,
    )
    assert course.cancelled
    assert len(course.losses) == 5
    assert (best - pixels).mean() > 4 / 255


def test_one_seed_gives_one_result(scene):
    pixels = window(*scene)
    canvas = Canvas.of(*scene, Budget(8 / 255, face_only=False))
    objective = Towards(pixels + 0.1, noise=1.0)
    results = [pgd(canvas, objective, Descent(steps=5), seed=s)[0] for s in (1, 1, 2)]
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_time_left_is_said_before_the_first_step(scene):
    said = []
    canvas = Canvas.of(*scene, Budget(8 / 255))
    pgd(canvas, Towards(window(*scene)), Descent(steps=4), watch=lambda s, _: said.append(s))
    assert [state.step for state in said] == [0, 1, 2, 3, 4]
    assert said[0].left > 0
    assert said[-1].left == 0
    assert said[0].began == said[0].validation


@pytest.fixture(scope="module")
def large():
    """A photo in which the portrait has ten pixels to one that the generator sees."""
    photo = drawn_photo(400)
    return photo, find_portrait(photo, 32, face_mask=mask_of_face(400), levels=1, padding=0.1)


def test_a_large_window_is_painted_small(large):
    canvas = Canvas.of(*large, Budget(8 / 255))
    assert canvas.pixels.shape == canvas.low.shape == (3, 128, 128)


def test_a_small_painting_changes_the_large_photo_within_its_own_bounds(large):
    photo, portrait = large
    canvas = Canvas.of(photo, portrait, Budget(8 / 255))
    painted, _ = pgd(canvas, Towards(canvas.pixels + 1), Descent(steps=8, rate=4 / 255))
    after = photo.clone()
    canvas.finish(painted, photo, portrait, after)
    change = (after - photo) * 255
    assert 7.5 < change.max() <= 8.001
    outside = portrait.face_mask(0.1) == 0
    assert torch.equal(after[:, outside[0]], (photo[:, outside[0]] * 255).round() / 255)
    assert torch.equal(after, (after * 255).round() / 255)
    seen = [portrait.crop(pixels) for pixels in (photo, after)]
    assert ((seen[1] - seen[0]) / 2 * 255)[:, 12:20, 12:20].mean() > 7


def test_a_large_photo_keeps_the_psnr_too(large):
    photo, portrait = large
    canvas = Canvas.of(photo, portrait, Budget(64 / 255, psnr=36))
    painted, _ = pgd(canvas, Towards(1 - canvas.pixels), Descent(steps=20, norm="l2"))
    after = photo.clone()
    canvas.finish(painted, photo, portrait, after)
    assert 36 <= visibility(window(photo, portrait), window(after, portrait)).psnr < 37


def test_what_another_face_has_changed_stays_possible(scene):
    photo, portrait = scene
    changed = (photo + 20 / 255).clamp(0, 1)
    canvas = Canvas.of(photo, portrait, Budget(8 / 255), changed)
    assert torch.equal(canvas.clamped(canvas.pixels), canvas.pixels)


def test_a_validation_set_that_says_nothing_is_drawn_anew(scene):
    canvas = Canvas.of(*scene, Budget(16 / 255))
    aim = OftenSilent(torch.zeros_like(canvas.pixels))
    painted, course = pgd(canvas, aim, Descent(steps=2, validation=2))
    assert course.validation[0][1] > 0
    assert not torch.equal(painted, canvas.pixels)
