"""The size of a first click: many are tried, a small network chooses among them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from medseg import Box, Image, Point, Scribble
from medseg.evaluate import dice
from medseg.models.embedded import model, network, sizes
from medseg.models.embedded.features import prepare
from medseg.models.embedded.interactive import Interactive
from medseg.models.embedded.maps import CHANNELS, View
from medseg.models.embedded.measures import NAMES
from medseg.models.embedded.seeds import group
from scipy import ndimage


def speckled(seed: int = 5, side: int = 220) -> tuple[Image, np.ndarray]:
    """A dark disc in coarse bright speckle, in which rays from a click end after a few pixels."""
    j, i = np.indices((side, side)) - side / 2
    truth = (np.hypot(j, i) < 0.26 * side)[None]
    rough = np.random.default_rng(seed).normal(size=truth.shape)
    rough = ndimage.gaussian_filter(rough, (0, 3, 3))
    speckle = np.exp(rough / rough.std())
    return Image((100 * np.where(truth, 0.4, 1.0) * speckle).astype(np.float32), np.eye(4)), truth


def middle(image: Image) -> Point:
    k, j, i = (n // 2 for n in image.shape)
    return Point(image.ijk_to_ras([i, j, k]))


def searched(image: Image):
    i, j, k = image.spacing
    prepared = prepare(image.array, (k, j, i))
    return sizes.search(group(middle(image), image, prepared), prepared)


def test_a_click_in_texture_finds_the_whole_object():
    found = []
    for image, truth in map(speckled, range(4, 8)):
        mask = model.geodesic_cut("cpu").open(image).segment([middle(image)])
        found.append(dice(mask, truth))
    assert np.median(found) > 0.8


@pytest.mark.parametrize("shape", [(1, 1, 9), (3, 3, 3), (1, 40, 5), (2, 30, 30), (60, 4, 4)])
def test_odd_shapes_have_finite_rows_and_a_mask(shape):
    values = np.random.default_rng(1).normal(100, 10, shape).astype(np.float32)
    image = Image(values, np.eye(4))
    found = group(middle(image), image, prepare(values, (1.0, 1.0, 1.0)))
    table, listed = sizes.candidates(found, prepare(values, (1.0, 1.0, 1.0)))
    assert table.shape == (len(listed), len(NAMES))
    assert np.isfinite(table).all()
    mask = model.geodesic_cut("cpu").open(image).segment([middle(image)])
    assert mask[tuple(n // 2 for n in shape)]


def test_neither_units_of_length_nor_of_intensity_matter():
    image, _ = speckled()
    other = Image(3 * image.array + 1000, np.diag([8.0, 8.0, 8.0, 1.0]))
    here, there = searched(image), searched(other)
    assert there.model.radius == pytest.approx(8 * here.model.radius, rel=0.05)
    assert there.guess.scales == pytest.approx(here.guess.scales, abs=0.05)
    assert there.guess.shares == pytest.approx(here.guess.shares, abs=0.1)


def test_only_the_first_click_of_an_object_is_searched(monkeypatch):
    image, truth = speckled()
    asked = []

    def watched(found, prepared):
        asked.append(found)
        return sizes.search(found, prepared)

    start = np.zeros_like(truth)
    start[0, 100:120, 100:120] = True
    aside = Point(image.ijk_to_ras([60, 60, 0]))
    stroke = Scribble(np.array([aside.position, middle(image).position]))
    box = Box.from_corners(image.ijk_to_ras([50, 50, 0]), image.ijk_to_ras([170, 170, 0]))
    for first, before in ((stroke, None), (box, None), (aside, start)):
        Interactive(image, sizes.decide, watched).segment([first, middle(image)], before)
    assert not asked
    Interactive(image, sizes.decide, watched).segment([middle(image), aside])
    assert len(asked) == 1


def test_the_same_click_gives_the_same_mask_after_any_history():
    image, _ = speckled()
    aside = Point(image.ijk_to_ras([60, 60, 0]))
    opened = Interactive(image, sizes.decide, sizes.search)
    opened.segment([aside, middle(image)])
    fresh = Interactive(image, sizes.decide, sizes.search).segment([middle(image)])
    assert (opened.segment([middle(image)]) == fresh).all()


def test_the_window_of_a_first_click_never_cuts_an_object_off():
    """A pipe from a chamber: the first window holds the chamber only."""
    j, i = np.indices((200, 200)) - 100
    truth = ((np.hypot(j, i) < 20) | ((np.abs(i) < 6) & (j > 0)))[None]
    noise = np.random.default_rng(3).normal(0, 5, truth.shape)
    image = Image((100 + 80 * truth + noise).astype(np.float32), np.eye(4))

    def small(found, prepared):
        found = sizes.search(found, prepared)
        middle = found.seeds[0]
        narrow = dataclasses.replace(found.guess, low=middle - 24, high=middle + 25)
        return dataclasses.replace(found, guess=narrow)

    opened = Interactive(image, sizes.decide, small)
    mask = opened.segment([middle(image)])
    assert dice(mask, truth) > 0.9
    aside = Point(image.ijk_to_ras([60, 60, 0]), include=False)
    both = opened.segment([middle(image), aside])
    fresh = Interactive(image, sizes.decide, small)
    assert (fresh.segment([middle(image), aside]) == both).all()


def test_networks_see_what_a_first_click_does_not_wait_for():
    """The steep paths are measured for networks alone; behind an edge they are the longer ones."""
    image, truth = speckled()
    seen = []

    def watched(view: View):
        seen.append(view)
        return network.learned(network.load())(view)

    Interactive(image, watched).segment([middle(image)])
    (view,) = seen
    mild, steep = (CHANNELS.index(name) for name in ("geodesic", "geodesic_steep"))
    assert np.ptp(view.stack[steep]) == 0
    full = view.channels()
    away = (view.scene.window.shrink(truth) == 0) & (full[steep] < full[steep].max())
    assert away.any()
    assert (full[steep] > full[mild])[away].mean() > 0.99
    others = np.arange(len(CHANNELS)) != steep
    assert np.array_equal(full[others], view.stack[others])
