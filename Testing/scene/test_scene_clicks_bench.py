"""The benchmark of clicks measures what it says: a whole click, in turns, with Slicer's part."""

import sys
from pathlib import Path

import numpy as np
import pytest
from medseg_scene import read_segment

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import clicks
import clicks_kit
from scene_kit import add_segmentation

MIDDLE = (40, 64, 64)


@pytest.fixture
def bench(scene, monkeypatch):
    monkeypatch.setattr(clicks_kit, "SHAPE", (80, 128, 128))
    made = clicks_kit.Bench()
    yield made
    made.close()


def test_a_click_costs_what_its_parts_cost(bench):
    with bench.session(add_segmentation(bench.volume)) as live:
        costs = [bench.click(live, MIDDLE), bench.click(live, (40, 66, 60))]
        mask = read_segment(live.segmentation, live.segment_id, live.image)
        undone = bench.cost(live, live.undo)
        assert len(live.prompts) == 1
    assert mask[clicks_kit.stamp_box(MIDDLE)][clicks_kit.STAMP].all()
    for cost in costs:
        assert 0 < cost.slicer < cost.gui < cost.total
        assert 0 < cost.longest <= cost.gui
        assert 0 < cost.model < cost.total
    assert undone.slicer > 0
    assert clicks.row("a case", costs).startswith("| a case | 2 |")
    assert clicks.turns("a case", costs[0], bench).endswith("|")


def test_a_prompt_that_fails_is_measured_too(bench):
    with bench.session(add_segmentation(bench.volume)) as live:
        assert bench.click(live, (500, 0, 0)).model == 0


def test_writing_in_place_takes_from_neighbours_and_ours_does_not(bench, monkeypatch):
    first = clicks_kit.ellipsoid((40, 64, 40), (36.0, 60.0, 38.0))
    second = np.zeros_like(first)
    second[:, :, 80:] = True
    for module in (clicks, clicks_kit):
        monkeypatch.setattr(module, "small", lambda count: [first, second][:count], raising=False)
    monkeypatch.setattr(clicks, "over_neighbours", lambda: [MIDDLE, (40, 64, 70)])
    lost = {}
    for name, way in (("in place", clicks.in_place), ("crop", clicks.crop)):
        options = {"margin": (0, 0, 0)} if way is clicks.in_place else {}
        done = lambda *a, way=way, options=options: way(*a, **options)  # noqa: E731
        lost[name] = clicks.written(bench, 2, done, undo=False)[1]
    assert lost["in place"] > 1000
    assert lost["crop"] == 0
    assert clicks.ours(bench, 2).endswith("| 0 |")
